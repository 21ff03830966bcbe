//! The account that a server started by root goes on as.
//!
//! The functions are those of the C library, by way of the crate `nix`: unlike the bare system calls they meet every
//! thread of the process.

use std::ffi::CString;
use std::fmt;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Uid, User};

use super::memory;
use crate::error::{Error, Kind, Result};

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The account of this name, or of this number if no name is like it.
    ///
    /// # Errors
    /// [`Kind::Usage`] if there is none; [`Kind::Io`] if the system cannot say.
    pub fn find(name_or_number: &str) -> Result<Account> {
        let failed = |err: Errno| Error::file(format_args!("looking for the account {name_or_number}"), err.into());
        let by_number = |number: u32| User::from_uid(Uid::from_raw(number)).map_err(failed);
        let found = match User::from_name(name_or_number).map_err(failed)? {
            Some(user) => Some(user),
            None => name_or_number.parse().ok().map(by_number).transpose()?.flatten(),
        };
        match found {
            Some(User { name, uid, gid, .. }) => Ok(Account { name, uid, gid }),
            None => Err(Error::new(Kind::Usage, format!("this machine has no account '{name_or_number}'"))),
        }
    }

    /// Whether the process runs under this account already, with no way to another.
    pub fn is_current(&self) -> bool {
        unistd::getresuid().is_ok_and(|ids| [ids.real, ids.effective, ids.saved] == [self.uid; 3])
    }

    /// Goes on as this account with its groups alone, for good: this was root, and cannot be root again. Forbids dumps as
    /// [`memory::forbid_dumps`] does.
    ///
    /// # Errors
    /// [`Kind::Denied`] if the process is not root's. [`Kind::Internal`] if root could be regained: then the process
    /// must not go on.
    pub fn assume(&self) -> Result<()> {
        let failed = |err: Errno| Error::file(format_args!("becoming {self}"), err.into());
        let name = CString::new(self.name.as_str())
            .map_err(|_| Error::new(Kind::Usage, format!("{self} cannot be an account's name")))?;
        // Groups first: without root they cannot be changed.
        unistd::initgroups(&name, self.gid).map_err(failed)?;
        unistd::setresgid(self.gid, self.gid, self.gid).map_err(failed)?;
        unistd::setresuid(self.uid, self.uid, self.uid).map_err(failed)?;
        // The kernel makes a process dumpable anew that changes its account.
        memory::forbid_dumps();
        self.prove()
    }

    /// Tries to be root again, by every way.
    fn prove(&self) -> Result<()> {
        let root = (Uid::from_raw(0), Gid::from_raw(0));
        let ways_back = [
            unistd::setresuid(root.0, root.0, root.0).is_ok(),
            unistd::seteuid(root.0).is_ok(),
            unistd::setuid(root.0).is_ok(),
            self.gid != root.1 && unistd::setegid(root.1).is_ok(),
        ];
        let gids = unistd::getresgid().map(|ids| [ids.real, ids.effective, ids.saved]);
        let powers = rustix::thread::capabilities(None).map(|sets| sets.effective | sets.permitted | sets.inheritable);
        let gone = !ways_back.contains(&true)
            && self.is_current()
            && gids == Ok([self.gid; 3])
            && powers.is_ok_and(|powers| powers.is_empty());
        if gone {
            return Ok(());
        }
        Err(Error::new(Kind::Internal, format!("root's powers are not gone after becoming {self}")))
    }
}

/// The name.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_name_and_by_number() {
        let root = Account::find("root").unwrap();
        assert_eq!(root, Account::find("0").unwrap());
        assert_eq!(root.is_current(), rustix::process::geteuid().is_root());
        for none in ["", "no-such-account", "4294967294", "-1", "ro\0ot"] {
            assert_eq!(Account::find(none).unwrap_err().kind(), Kind::Usage, "{none:?}");
        }
    }

    #[test]
    fn only_root_can_become_somebody_else() {
        if rustix::process::geteuid().is_root() {
            // It would change the account of every test: tests/end_to_end/privileges.rs tries it in processes of its own.
            return crate::not_run::not_run("root can become anybody");
        }
        assert_eq!(Account::find("0").unwrap().assume().unwrap_err().kind(), Kind::Denied);
    }
}
