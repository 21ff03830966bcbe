//! What the process asks of the system before it serves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_no_new_privs;
use sealift::confine::Account;
use sealift::{Error, Kind};

use crate::failure::Failure;

/// Raises the limit of open files to what the system allows, and returns it: each connection takes one, each running
/// transfer another. The usual limit of 1,024 is only a default for old programs.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // Refused means that the limit stays as it is; the server then accepts fewer connections.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current
}

/// Gives up gaining rights by running a program: a server runs none.
pub fn gain_no_rights() {
    // Refused means a kernel without it; the sandbox forbids to run programs, too.
    let _ = set_no_new_privs(true);
}

/// The account to change to, if one is asked for and this is not it already.
///
/// # Errors
/// Usage: there is no such account, or only root could become it.
pub fn account_to_assume(asked: Option<&str>) -> Result<Option<Account>, Failure> {
    let Some(asked) = asked else { return Ok(None) };
    let account = Account::find(asked).map_err(|err| {
        Failure::from(err).hint("--user takes the name or the number of an account in the system's list.")
    })?;
    if account.is_current() {
        return Ok(None);
    }
    if !is_root() {
        let text = format!("--user {account}: only root can become somebody else");
        return Err(Failure::from(Error::new(Kind::Usage, text)).hint("Start it as root, or leave --user away."));
    }
    Ok(Some(account))
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// This machine's name, if it can stand in a certificate.
pub fn host_name() -> Option<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_str().ok()?;
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    fits.then(|| name.to_owned())
}
