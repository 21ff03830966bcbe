//! The keys that `sealift login` makes: one for each user of each server, in a folder of the configuration. Each logs in there
//! and nowhere else, so forgetting one touches no other login.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use sealift::client::keys::{LoginKey, new_key_file};
use sealift::{Error, Kind, Result};

use super::config::config_dir;
use super::login::Login;

/// The folder, in that of the configuration.
const FOLDER: &str = "logins";

/// What stands for itself in the name of a file.
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'@').remove(b':');

/// Where the key of this login is, or would be.
///
/// # Errors
/// As [`config_dir`].
pub fn file_of(login: &Login) -> Result<PathBuf> {
    let name = format!(
        "{}@{}",
        utf8_percent_encode(login.name(), OTHERS),
        utf8_percent_encode(&login.server.to_string(), OTHERS)
    );
    Ok(config_dir()?.join(FOLDER).join(name))
}

/// The key of this login; none if there is none.
///
/// # Errors
/// As [`LoginKey::from_file`].
pub fn key_of(login: &Login) -> Result<Option<LoginKey>> {
    let file = file_of(login)?;
    match LoginKey::from_file(&file, || Ok(None)) {
        Ok(key) => Ok(Some(key)),
        Err(err) if err.kind() == Kind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Makes a key for this login, called so. It is on the disk when this returns, for its owner alone.
///
/// # Errors
/// [`Kind::Exists`]; those of the files.
pub fn make(login: &Login, name: &str) -> Result<LoginKey> {
    let file = file_of(login)?;
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|err| Error::file(folder.display(), err))?;
    }
    new_key_file(&file, name)
}

/// Forgets the key of this login; says whether there was one.
///
/// # Errors
/// Those of the files.
pub fn forget(login: &Login) -> Result<bool> {
    let file = file_of(login)?;
    let removed = |path: &Path| match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(err) => Err(Error::file(path.display(), err)),
    };
    let there = removed(&file)?;
    let mut public = file.clone().into_os_string();
    public.push(".pub");
    removed(Path::new(&public))?;
    if let Some(folder) = file.parent().filter(|_| there) {
        File::open(folder).and_then(|opened| opened.sync_all()).map_err(|err| Error::file(folder.display(), err))?;
    }
    Ok(there)
}

/// The logins that there are keys of, as `user@host:port`, with the keys' files. Nothing if the folder cannot be read.
pub fn all() -> Vec<(String, PathBuf)> {
    let listed = config_dir().ok().and_then(|folder| fs::read_dir(folder.join(FOLDER)).ok());
    let files = listed.into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let private = files.filter(|file| file.extension().is_none_or(|extension| extension != "pub"));
    let mut all: Vec<_> = private
        .filter_map(|file| {
            let name = percent_decode(file.file_name()?.as_bytes()).decode_utf8().ok()?.into_owned();
            Some((name, file))
        })
        .collect();
    all.sort();
    all
}
