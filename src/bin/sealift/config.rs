//! Where a person's configuration is.

use std::env;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sealift::client::ConfigFile;
use sealift::client::config::check_name;
use sealift::escape::for_people;
use sealift::{Error, Kind, Result};

use super::args::Common;
use super::failure::Failure;

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

/// What to say of a word that is written as the name of a server, and none has it; `is_named`: the file with the names was named. Where
/// HOME is missing it may be that another file has it.
pub fn unknown_name(name: &str, is_named: bool) -> Failure {
    let text = format!("no server is called {name}: here");
    if is_named || !is_of_account() {
        let add = match check_name(name) {
            Ok(()) => format!(", `sealift bookmark add {name} alice@HOST` adds this one"),
            Err(_) => String::new(),
        };
        let hint = format!(
            "`sealift bookmark list` shows the names there are{add}. A server is written [user@]host[:port]/path."
        );
        return Failure::new(Kind::Usage, text, hint);
    }
    let sought = match config_dir() {
        Ok(folder) => format!("only {} was read", for_people(folder.join(CONFIG).as_os_str().as_bytes())),
        Err(_) => format!("no {CONFIG} could be read"),
    };
    let hint = "Set HOME or SEALIFT_CONFIG_DIR, or name the file with --config; a server without a name is written \
                [user@]host[:port]/path.";
    Failure::new(Kind::Usage, format!("{text}; HOME is not set, so {sought}"), hint)
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
        Some(path) => Err(Error::new(Kind::NotFound, format!("{}: no such file", path.display())).at(path)),
    }
}

/// The file of defaults and names, to be changed: it need not be there yet.
///
/// # Errors
/// As [`config_dir`].
pub fn config_file_to_change(common: &Common) -> Result<ConfigFile> {
    match common.config.as_ref().filter(|path| !path.as_os_str().is_empty()) {
        None => Ok(ConfigFile::new(config_dir()?.join(CONFIG))),
        Some(path) => Ok(ConfigFile::new(path)),
    }
}
