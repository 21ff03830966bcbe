//! curl, the client of everything that speaks HTTP.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::column::{Column, Way};
use crate::data::{Area, SINK, SOURCE};
use crate::trouble::{Outcome, Trouble};

/// Transfers that curl has in flight: its own default, and its most before version 8.
const PARALLEL: &str = "50";
const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
}

impl Version {
    /// Both.
    pub const ALL: [Version; 2] = [Version::One, Version::Two];

    fn option(self) -> &'static str {
        match self {
            Version::One => "--http1.1",
            Version::Two => "--http2",
        }
    }
}

/// A call that transfers what a list names, which is to be added.
pub fn command(curl: &Path, column: Column, version: Version) -> Command {
    let mut command = quiet(curl, version);
    if column.set.is_folder() {
        command.args(["--parallel", "--parallel-max", PARALLEL, "--create-dirs"]);
    }
    command
}

/// A call without the person's own settings; names with brackets stay as they are.
pub fn quiet(curl: &Path, version: Version) -> Command {
    let mut command = Command::new(curl);
    command.args([
        "-q",
        "--silent",
        "--show-error",
        "--fail",
        "--globoff",
        "--tls13-ciphers",
        CIPHER,
        version.option(),
    ]);
    command
}

/// The list of transfers that curl reads: it has no way to ask for a folder, so it is told what is in it. The URL of the home is
/// `base`, with a slash at its end.
///
/// # Errors
/// When the data cannot be listed.
pub fn transfers(column: Column, area: &Area, base: &str) -> Outcome<String> {
    let source = area.source();
    let mut files = Vec::new();
    list(&source.join(column.set.entry()), &mut files)?;
    let mut lines = String::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap_or(&file);
        let arrived = area.destination(column.way).join(relative);
        let (remote, option, local) = match column.way {
            Way::Down => (SOURCE, "output", &arrived),
            Way::Up => (SINK, "upload-file", &file),
        };
        let path: String = relative.as_os_str().as_encoded_bytes().iter().map(|byte| url_byte(*byte)).collect();
        let local = local.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let _never_fails = write!(lines, "url = \"{base}{remote}/{path}\"\n{option} = \"{local}\"\n");
    }
    Ok(lines)
}

fn url_byte(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> Outcome<()> {
    let fail = |err| Trouble::at(path, err);
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(fail)? {
        list(&entry.map_err(fail)?.path(), files)?;
    }
    Ok(())
}

/// Makes the folders of this entry of `source` in `destination` too.
///
/// # Errors
/// When one of them cannot be listed or made.
pub fn make_folders(source: &Path, destination: &Path, entry: &str) -> Outcome<()> {
    let mut left = vec![PathBuf::from(entry)];
    while let Some(folder) = left.pop() {
        let (there, here) = (source.join(&folder), destination.join(&folder));
        fs::create_dir_all(&here).map_err(|err| Trouble::at(&here, err))?;
        for inner in fs::read_dir(&there).map_err(|err| Trouble::at(&there, err))? {
            let inner = inner.map_err(|err| Trouble::at(&there, err))?;
            if inner.path().is_dir() {
                left.push(folder.join(inner.file_name()));
            }
        }
    }
    Ok(())
}
