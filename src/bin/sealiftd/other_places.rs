//! A command that was typed where nothing of a server is: where there is a server on this machine, and what a file is for that was
//! made all the same.

use std::fs;
use std::path::{Path, PathBuf};

use sealift::Kind;
use sealift::limits;

use crate::args::Places;
use crate::failure::Failure;
use crate::obstacle::absolute;
use crate::output::{complain, shell_word, tell};
use crate::serving::RunningServer;
use crate::settings;

/// Where the packages and the unit have a server keep its files.
const INSTALLED: &str = "/var/lib/sealiftd";

/// Whether a server was started in these places, or is meant to be.
pub fn is_of_server(places: &Places) -> bool {
    let has_settings = places.config.is_some() || Path::new(settings::USUAL).exists();
    has_settings || places.certs.exists() || places.state().exists()
}

/// Says that the users file was not there and has been made, and for whom.
pub fn tell_made(places: &Places) {
    let file = absolute(&places.users);
    let made = format!("{} did not exist and has been made", file.display());
    if is_of_server(places) {
        let file = sealift::escape::for_people(made.as_bytes());
        tell(&format!("{file}: a server that is started here, or with --users, reads it.\n"));
        return;
    }
    let other = match elsewhere() {
        Some(other) => format!(" {other} If that one was meant, remove the file here."),
        None => String::new(),
    };
    complain(&format!(
        "warning: {made}, and nothing of a server is here: no server runs with it. `sealiftd` starts one here.{other}"
    ));
}

/// The same failure with the next step where what is missing is the users file, and everything else of a server.
pub fn explain(places: &Places, failure: Failure) -> Failure {
    let is_missing =
        failure.kind() == Kind::NotFound && places.users.symlink_metadata().is_err() && !is_of_server(places);
    if !is_missing {
        return failure;
    }
    let other = elsewhere().unwrap_or_else(|| "`sealiftd` starts a server here.".to_owned());
    let file = absolute(&places.users);
    failure.hint(format!("There is no {}, and nothing of a server is here. {other}", file.display()))
}

/// Where else on this machine there is a server, and how its users are changed.
fn elsewhere() -> Option<String> {
    let running = running(Path::new("/proc"));
    let installed = Some(PathBuf::from(INSTALLED)).filter(|folder| folder.is_dir() && !running.contains(folder));
    let word = |folder: &PathBuf| shell_word(&folder.to_string_lossy());
    let mut said: Vec<String> =
        running.iter().map(|folder| format!("A server runs in {0}: `cd {0}` first.", word(folder))).collect();
    said.extend(installed.map(|folder| {
        format!(
            "The files of the installed service are in {0}: `cd {0}` first, as its account or as root.",
            word(&folder)
        )
    }));
    (!said.is_empty()).then(|| said.join(" "))
}

/// The working directories of the servers that run on this machine and that this account may know of, by what the system says of its
/// processes there.
fn running(processes: &Path) -> Vec<PathBuf> {
    let here = std::env::current_dir().ok();
    let processes = fs::read_dir(processes).into_iter().flatten().flatten().map(|entry| entry.path());
    let folder_of = |process: PathBuf| {
        let is_one = fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == "sealiftd");
        let folder = fs::read_link(process.join("cwd")).ok().filter(|_| is_one)?;
        // Other commands are called so, too.
        let serves = || RunningServer::in_folder(&folder.join("server_state")).is_ok_and(|held| !held.is_empty());
        (folder.join(settings::USUAL).exists() || serves()).then_some(folder)
    };
    let mut folders: Vec<PathBuf> =
        processes.filter_map(folder_of).filter(|folder| Some(folder) != here.as_ref()).collect();
    folders.sort();
    folders.dedup();
    folders.truncate(limits::SERVERS_TOLD);
    folders
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn servers_that_run_elsewhere_are_found_by_their_folders_and_other_commands_are_none() {
        let all = tempfile::tempdir().unwrap();
        let process = |number: &str, name: &str, folder: &str| {
            let (process, folder) = (all.path().join(number), all.path().join(folder));
            fs::create_dir(&process).unwrap();
            fs::create_dir_all(&folder).unwrap();
            fs::write(process.join("comm"), format!("{name}\n")).unwrap();
            symlink(&folder, process.join("cwd")).unwrap();
            folder
        };
        let serves = process("1", "sealiftd", "serves");
        fs::write(serves.join(settings::USUAL), "").unwrap();
        process("2", "sealiftd", "serves");
        process("3", "sealiftd", "asks");
        let other = process("4", "other", "other");
        fs::write(other.join(settings::USUAL), "").unwrap();
        assert_eq!(running(all.path()), [serves]);
    }
}
