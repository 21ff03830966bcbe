//! The one gate: command -> what it needs -> allowed or refused. No other place decides, and it knows no wire syntax.

use crate::auth::{Access, Principal};
use crate::error::{Error, Kind, Result};
use crate::proto::Command;

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A login.
    Login,
    /// These rights.
    Rights(Access),
    /// An administrator.
    Administrator,
}

/// What this command needs.
pub fn need(command: &Command) -> Need {
    match command {
        Command::Help(_) | Command::Ping | Command::Status | Command::Logout => Need::Login,
        // A second login on one connection: let through to be answered as out of sequence.
        Command::User(_) | Command::Pass(_) | Command::Join(_) => Need::Login,
        // More connections of the same user: they get no more rights than this one.
        Command::Token { .. } => Need::Login,
        Command::List { .. } | Command::Stat(_) => Need::Rights(Access::LIST),
        Command::Hash { partial: true, .. } | Command::Upload(_) => Need::Rights(Access::UPLOAD),
        Command::Stage(_) | Command::Part { .. } | Command::Commit { .. } | Command::Discard(_) => {
            Need::Rights(Access::UPLOAD)
        }
        Command::Hash { partial: false, .. } | Command::Download { .. } => Need::Rights(Access::DOWNLOAD),
        Command::Delete { .. } => Need::Rights(Access::DELETE),
        Command::Mkdir { .. } => Need::Rights(Access::MKDIR),
        Command::Rename { replace: false, .. } => Need::Rights(Access::RENAME),
        // What is replaced is gone, as if deleted.
        Command::Rename { replace: true, .. } => Need::Rights(Access::RENAME.union(Access::DELETE)),
        Command::Who | Command::Shutdown => Need::Administrator,
    }
}

/// Lets the principal's command pass.
///
/// # Errors
/// [`Kind::Denied`], with the missing right in words.
pub fn check(principal: &Principal, command: &Command) -> Result<()> {
    match need(command) {
        Need::Login => Ok(()),
        Need::Administrator if principal.is_admin() => Ok(()),
        Need::Administrator => {
            Err(Error::new(Kind::Denied, format!("{} is for administrators", command.verb().name())))
        }
        Need::Rights(rights) if principal.access().contains(rights) => Ok(()),
        Need::Rights(rights) => {
            let name = principal.name();
            Err(Error::new(
                Kind::Denied,
                format!("{name} may not {}: the right `{rights}` is missing", command.verb().name()),
            ))
        }
    }
}
