//! Where a person's configuration is.

use std::env;
use std::path::{Path, PathBuf};

use sealift::client::ConfigFile;
use sealift::{Error, Kind, Result};

use super::args::Common;

/// The file of defaults and of servers with names, in the configuration folder.
const CONFIG: &str = "config.toml";

/// The folder of the configuration: `SEALIFT_CONFIG_DIR`, else `$XDG_CONFIG_HOME/sealift`, else `~/.config/sealift`. Where
/// HOME is not set, as in services and scheduled jobs, it is the account's.
///
/// # Errors
/// [`Kind::BadConfig`] if none of these variables is set and the account has no home.
pub fn config_dir() -> Result<PathBuf> {
    let var = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let xdg = || var("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).map(|path| path.join("sealift"));
    let of_account = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.dir);
    let home = || var("HOME").or_else(of_account).map(|path| path.join(".config/sealift"));
    var("SEALIFT_CONFIG_DIR").or_else(xdg).or_else(home).ok_or_else(|| {
        Error::new(
            Kind::BadConfig,
            "there is no folder for the configuration: neither SEALIFT_CONFIG_DIR nor HOME is set, and the account has no home",
        )
    })
}

/// Whether no variable says where the configuration is, so that it is the account's.
pub fn is_of_account() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    !["SEALIFT_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME"].into_iter().any(is_set)
}

/// The file of defaults and names: the one that was named, which must be there, or the one in the configuration folder,
/// if there is such a folder.
///
/// # Errors
/// [`Kind::NotFound`].
pub fn config_file(named: Option<&Path>) -> Result<Option<ConfigFile>> {
    match named.filter(|path| !path.as_os_str().is_empty()) {
        None => Ok(config_dir().ok().map(|folder| ConfigFile::new(folder.join(CONFIG)))),
        Some(path) if path.exists() => Ok(Some(ConfigFile::new(path))),
        Some(path) => Err(Error::new(Kind::NotFound, format!("{}: no such file", path.display()))),
    }
}

/// The same to be changed: it need not be there yet.
///
/// # Errors
/// As [`config_dir`].
pub fn config_file_to_change(common: &Common) -> Result<ConfigFile> {
    match common.config.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        None => Ok(ConfigFile::new(config_dir()?.join(CONFIG))),
        Some(path) => Ok(ConfigFile::new(path)),
    }
}
