//! What the shell does on this machine: folders, and the programs of others.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use console::Term;
use sealift::client::glob;
use sealift::escape::for_people;
use sealift::{Error, Kind, Result};

use super::request::literal;
use super::say;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::interrupt;
use crate::output::{Event, Object, Output};

/// What runs commands of the system's shell where nothing else is named.
const SHELL: &str = "/bin/sh";

/// `~` and `~/name` in a local name, which the system's shell would have seen to.
pub fn expand_home(name: &OsStr) -> OsString {
    let rest = match name.as_bytes() {
        b"~" => b"",
        [b'~', b'/', rest @ ..] => rest,
        _ => return name.to_owned(),
    };
    match env::var_os("HOME") {
        Some(home) if rest.is_empty() => home,
        Some(home) => PathBuf::from(home).join(OsStr::from_bytes(rest)).into_os_string(),
        None => name.to_owned(),
    }
}

/// What local names stand for, as the system's shell would have it, and what kept more from being found.
///
/// # Errors
/// For more than can be held.
pub fn expand(names: &[OsString]) -> Outcome<(Vec<OsString>, Vec<Failure>)> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        if !glob::is_special(name.as_bytes()) {
            found.push(expand_home(name));
            continue;
        }
        let expansion = glob::expand_local(&expand_home(name))?;
        // A name that begins with a hyphen is no option, and `-` is not standard input.
        let plainly = |path: PathBuf| match path.as_os_str().as_bytes().starts_with(b"-") {
            true => Path::new(".").join(path).into_os_string(),
            false => path.into_os_string(),
        };
        found.extend(expansion.paths.into_iter().map(plainly));
        failures.extend(expansion.failures.into_iter().map(Failure::from));
    }
    Ok((found, failures))
}

/// Changes the current folder; without a name to the person's own.
///
/// # Errors
/// If it cannot be entered.
pub fn change_folder(folder: Option<&OsStr>) -> Outcome {
    let folder = PathBuf::from(expand_home(&literal(folder.unwrap_or(OsStr::new("~")))));
    Ok(env::set_current_dir(&folder).map_err(|err| Error::file(folder.display(), err))?)
}

/// The current folder.
///
/// # Errors
/// If it is gone.
pub fn folder() -> Result<PathBuf> {
    env::current_dir().map_err(|err| Error::file("the local folder", err))
}

/// Says what the current folder is.
///
/// # Errors
/// If it is gone, or stdout cannot be written to.
pub fn tell_folder(out: Output) -> Outcome {
    let folder = folder()?;
    let name = folder.as_os_str().as_bytes();
    let object = || Object::of(Event::Folder).text("side", "local").name("path", name);
    if out.json(object)? { Ok(()) } else { say(&for_people(name)) }
}

/// Makes folders.
///
/// # Errors
/// Of the first that cannot be made.
pub fn make_folders(folders: &[OsString], parents: bool) -> Outcome {
    for folder in folders {
        let folder = PathBuf::from(expand_home(&literal(folder)));
        let made = if parents { fs::create_dir_all(&folder) } else { fs::create_dir(&folder) };
        made.map_err(|err| Error::file(folder.display(), err))?;
    }
    Ok(())
}

/// Lists a folder: names, or what the system's `ls` says if options are given.
///
/// # Errors
/// If it cannot be read.
pub fn list(words: &[OsString]) -> Outcome {
    let is_plain = !words.iter().any(|word| word.as_bytes().starts_with(b"-") || glob::is_special(word.as_bytes()));
    let (words, failures) = expand(words)?;
    if let Some(failure) = failures.into_iter().next() {
        return Err(failure);
    }
    if !is_plain {
        let mut ls = Command::new("ls");
        return end_of("ls", run(ls.args(words.iter().map(|word| expand_home(word))))?);
    }
    let here = [OsString::from(".")];
    for folder in if words.is_empty() { &here[..] } else { &words } {
        let folder = PathBuf::from(expand_home(folder));
        let failed = |err| Error::file(folder.display(), err);
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            names.push(for_people(entry.file_name().as_bytes()) + slash);
        }
        names.sort_unstable();
        let width = usize::from(console::Term::stdout().size().1);
        format::columns(&names, &names, width).iter().try_for_each(|row| say(row))?;
    }
    Ok(())
}

/// Takes what is on the screen away, where standard output is one.
pub fn clear(out: Output) {
    if out.stdout_is_terminal() {
        // Like every other answer it may find nobody to read it.
        let _ = Term::stdout().clear_screen();
    }
}

/// Runs a command line of the system's shell, or that shell itself if the line is empty.
///
/// # Errors
/// If it cannot be started, or ends with a failure.
pub fn run_line(line: &OsStr) -> Outcome {
    if line == "cd" || line.as_bytes().starts_with(b"cd ") && !line.as_bytes().iter().any(|b| b";&|".contains(b)) {
        let text = "`!cd` changes the folder of a program that ends at once";
        return Err(Failure::new(
            Kind::Usage,
            text,
            "`lcd FOLDER` changes the local folder, `cd FOLDER` that on the server.",
        ));
    }
    let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| SHELL.into());
    let mut command = Command::new(&shell);
    if !line.is_empty() {
        command.arg("-c").arg(line);
    }
    end_of(&for_people(if line.is_empty() { shell.as_bytes() } else { line.as_bytes() }), run(&mut command)?)
}

/// A command line that reads what the shell writes.
pub fn reader(line: &OsStr) -> Command {
    let mut command = Command::new(SHELL);
    command.arg("-c").arg(line);
    command
}

fn run(command: &mut Command) -> Result<ExitStatus> {
    interrupt::while_elsewhere(|| command.status()).map_err(|err| Error::file(for_people_of(command), err))
}

fn for_people_of(command: &Command) -> String {
    for_people(command.get_program().as_bytes())
}

/// What its end means for the conversation.
///
/// # Errors
/// If it is a failure.
pub fn end_of(what: &str, status: ExitStatus) -> Outcome {
    if status.success() {
        return Ok(());
    }
    let how = match status.code() {
        Some(code) => format!("{what}: ended with exit code {code}"),
        None => format!("{what}: was ended by a signal"),
    };
    Err(Error::new(Kind::Program, how).into())
}
