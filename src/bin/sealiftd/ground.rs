//! The ground a server stands on: the places that its account must be able to use, and those that the sandbox leaves it.

use std::path::{Path, PathBuf};

use sealift::auth::Users;
use sealift::confine::{Account, Reach};
use sealift::files::Location;
use sealift::{Error, Kind};

use crate::args::Places;
use crate::failure::Failure;
use crate::obstacle::{Obstacle, Want, absolute, obstacle};
use crate::output::shell_word;
use crate::settings;

/// Makes sure that every place can be used, under the account that the process has just become.
///
/// # Errors
/// Denied: names the first place that cannot be, and says what to run for all of them.
pub fn prove_usable(places: &Places, port_file: Option<&Path>, account: &Account) -> Result<(), Failure> {
    let (key, certificate) = (places.certs.join("key.pem"), places.certs.join("cert.pem"));
    let mut wanted =
        vec![("--data", places.data.as_path(), Want::Folder), ("--users", &places.users, Want::ReadOrMake)];
    let state = places.state();
    wanted.push(("--state", &state, Want::Folder));
    match key.exists() || certificate.exists() {
        true => {
            wanted.extend([("--certs", key.as_path(), Want::ReadOrMake), ("--certs", &certificate, Want::ReadOrMake)])
        }
        false => wanted.push(("--certs", &places.certs, Want::Folder)),
    }
    wanted.extend(port_file.map(|path| ("--port-file", path, Want::Replace)));
    let found: Vec<(&str, &Path, Obstacle)> =
        wanted.into_iter().filter_map(|(option, path, want)| Some((option, path, obstacle(path, want)?))).collect();
    let Some((option, path, first)) = found.first() else { return Ok(()) };
    let text = format!("{account} cannot use {} ({option}): {first}", path.display());
    let mut commands = Vec::<String>::new();
    for command in found.iter().filter_map(|(_, path, found)| mend(path, found, account)) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let hint = match commands.as_slice() {
        // What is in the way belongs to somebody else, with reason.
        [] => format!("Make a folder of its own and start it there: install -d -o {account} -m 700 /var/lib/sealiftd"),
        some => format!("Run: {}", some.join(" && ")),
    };
    Err(Failure::from(Error::new(Kind::Denied, text)).hint(hint))
}

/// The command that gives the account what it lacks: the place itself with all in it, or the folder it is to be made in.
/// Folders further up are not given away, nor are those of the system, such as /root and /srv.
fn mend(path: &Path, found: &Obstacle, account: &Account) -> Option<String> {
    let on_the_way = found.what == "entered" && found.path != Path::new(".");
    let of_the_system = absolute(&found.path).components().count() <= 2;
    if !found.is_permission() || on_the_way || of_the_system {
        return None;
    }
    let all = if found.path == path && path.is_dir() { " -R" } else { "" };
    Some(format!("chown{all} {account}: {}", shell_word(&absolute(&found.path).to_string_lossy())))
}

/// What a running server needs of the file system: the data folder and that of its own state, the users file, which is read again when it has
/// changed and may be another file then, the port file to remove it, and the certificate for
/// browsers, and the folder of the audit, which is moved away and made anew; and the folder of the server's own key, which may be
/// another one by then.
/// Also the shared folders elsewhere that are there now, to be read unless somebody may change something there; and the roots of
/// those that come later.
pub fn within_sandbox(
    places: &Places,
    (port_file, audit): (Option<&Path>, Option<&Path>),
    (users, roots): (&Users, &[PathBuf]),
) -> Reach {
    let mut read = vec![folder_of(&places.users)];
    // Where the users file is a link, what it leads to is replaced by `sealiftd user`.
    read.extend(places.users.canonicalize().ok().map(|target| folder_of(&target)));
    read.extend(port_file.map(Path::to_owned));
    // The settings, which SIGHUP has read again: where they were named, another file may have the name then.
    let named = places.config.as_deref();
    read.extend(named.and_then(|file| file.canonicalize().ok()).map(|target| folder_of(&target)));
    read.extend(named.map(folder_of));
    read.extend(Some(PathBuf::from(settings::USUAL)).filter(|file| named.is_none() && file.exists()));
    read.push(places.certs.clone());
    // The certificate for browsers changes, too; certbot's files are links to where each new one is.
    let web = places.web_files();
    for file in [web.certificate, web.key] {
        read.extend(file.canonicalize().ok().map(|target| folder_of(&target)));
        read.extend(Some(folder_of(&file)).filter(|folder| folder.is_dir()));
    }
    let elsewhere = users.shares().folders().iter().filter_map(|folder| match folder.location() {
        Location::Elsewhere(path) => Some((path.clone(), folder.is_changed())),
        Location::Below(_) => None,
    });
    let (changed, looked): (Vec<_>, Vec<_>) =
        elsewhere.filter(|(path, _)| path.is_dir()).partition(|(_, is_changed)| *is_changed);
    let paths = |folders: Vec<(PathBuf, bool)>| folders.into_iter().map(|(path, _)| path);
    Reach {
        change: [places.data.clone(), places.state()]
            .into_iter()
            .chain(paths(changed))
            .chain(roots.iter().cloned())
            .collect(),
        look: paths(looked).collect(),
        read,
        remove: port_file.map(folder_of).into_iter().collect(),
        append: audit.map(folder_of).into_iter().collect(),
        connect: Vec::new(),
    }
}

/// Makes sure that the folder of the audit has nothing in it that the server must not be able to change: the sandbox lets it make
/// and write files there.
///
/// # Errors
/// Names what else is there.
pub fn prove_apart(audit: &Path, places: &Places) -> Result<(), Failure> {
    let folder = real(&folder_of(audit));
    let others = [
        ("--users", folder_of(&places.users)),
        ("--certs", places.certs.clone()),
        ("--web-cert", folder_of(&places.web_files().key)),
        ("--state", places.state()),
    ];
    // The next start goes by what is there under this name, which need not be there now; a link leads to another folder.
    let settings = places.config.clone().unwrap_or_else(|| PathBuf::from(settings::USUAL));
    let leads_to = settings.canonicalize().ok().map(|target| folder_of(&target));
    let is_around = |other: &Path| real(other).starts_with(&folder);
    let text = if let Some((option, _)) = others.iter().find(|(_, other)| is_around(other)) {
        format!("{} is in a folder that holds what {option} names", audit.display())
    } else if is_around(&folder_of(&settings)) || leads_to.is_some_and(|other| is_around(&other)) {
        let settings = settings.display();
        format!("{} is in a folder that the settings are read from ({settings})", audit.display())
    } else {
        return Ok(());
    };
    let hint = "The audit takes a folder of its own, since the server makes files there: --audit audit/audit.jsonl";
    Err(Failure::from(Error::new(Kind::BadConfig, text)).hint(hint))
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    sealift::apart::real(path).unwrap_or_else(|| absolute(path))
}

fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
