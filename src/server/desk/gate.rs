//! The one gate: command -> what it needs -> allowed or refused. No other place decides, and it knows no wire syntax.
//!
//! [`need`] and [`decide`] are public so that an administrator can be told what the gate says (`sealiftd explain`).

use crate::auth::{Access, Grants, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::Overwrite;
use crate::proto::{Command, HashOf, Verb};

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A login.
    Login,
    /// These rights.
    Rights(Access),
    /// A named user who may choose a password.
    OwnPassword,
    /// An administrator.
    Administrator,
}

/// What the gate says to a command of somebody who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may pass.
    Allowed,
    /// It needs these rights, which its user lacks.
    Lacking(Access),
    /// It needs a named user who may choose a password: the administrator sets this one's.
    NoOwnPassword,
    /// It needs an administrator, and its user is none.
    NoAdministrator,
}

/// What this command needs.
pub fn need(command: &Command) -> Need {
    match command {
        Command::Help(_) | Command::Ping | Command::Status | Command::Logout => Need::Login,
        // A second login on one connection: let through to be answered as out of sequence.
        Command::User(_) | Command::Pass(_) | Command::Key { .. } | Command::Join(_) | Command::Redeem { .. } => {
            Need::Login
        }
        // More connections of the same user: they get no more rights than this one.
        Command::Token { .. } => Need::Login,
        Command::Passwd { .. } => Need::OwnPassword,
        Command::List { .. } | Command::Stat(_) => Need::Rights(Access::LIST),
        Command::Hash { of: HashOf::Partial, .. } | Command::Upload(_) => Need::Rights(Access::UPLOAD),
        Command::Stage(_) | Command::Part { .. } | Command::Commit { .. } | Command::Discard(_) => {
            Need::Rights(Access::UPLOAD)
        }
        Command::Hash { .. } | Command::Download { .. } => Need::Rights(Access::DOWNLOAD),
        // As good as putting those bytes in the place of the ones that were stored.
        Command::Accept(_) => Need::Rights(Access::UPLOAD.union(Access::OVERWRITE)),
        // As good as putting the file in its own place with another mode.
        Command::Chmod { .. } => Need::Rights(Access::UPLOAD.union(Access::OVERWRITE)),
        Command::Delete { .. } => Need::Rights(Access::DELETE),
        Command::Mkdir { .. } => Need::Rights(Access::MKDIR),
        Command::Rename { replace: false, .. } => Need::Rights(Access::RENAME),
        Command::Rename { replace: true, .. } => Need::Rights(Access::RENAME.union(Access::OVERWRITE)),
        Command::Who | Command::Kick(_) | Command::Shutdown => Need::Administrator,
    }
}

/// Whether somebody to whom this is granted may give this command.
pub fn decide(grants: Grants, command: &Command) -> Decision {
    match need(command) {
        Need::Login => Decision::Allowed,
        Need::OwnPassword if grants.self_service.password => Decision::Allowed,
        Need::OwnPassword => Decision::NoOwnPassword,
        Need::Administrator if grants.admin => Decision::Allowed,
        Need::Administrator => Decision::NoAdministrator,
        Need::Rights(rights) => match rights.without(grants.access) {
            Access::NONE => Decision::Allowed,
            missing => Decision::Lacking(missing),
        },
    }
}

/// Whether an upload of somebody to whom this is granted may replace a file: whether there is one is known only when it
/// is put in its place, so the store is told beforehand.
pub fn overwrite(grants: Grants) -> Overwrite {
    if grants.access.contains(Access::OVERWRITE) { Overwrite::Allowed } else { Overwrite::Refused }
}

/// Lets the principal's command pass.
///
/// # Errors
/// [`Kind::Denied`], with the missing right in words.
pub(in crate::server) fn check(principal: &Principal, command: &Command) -> Result<()> {
    let verb = command.verb();
    match decide(principal.grants(), command) {
        Decision::Allowed => Ok(()),
        Decision::NoAdministrator => Err(Error::new(Kind::Denied, format!("{} is for administrators", verb.name()))),
        Decision::NoOwnPassword if principal.is_anonymous() => {
            Err(Error::new(Kind::Denied, "anonymous has no password to change"))
        }
        Decision::NoOwnPassword => Err(Error::new(Kind::Denied, "the administrator of this server sets your password")),
        Decision::Lacking(missing) => Err(lacking(principal, verb, missing)),
    }
}

/// Lets what the principal has begun with this verb go on.
///
/// # Errors
/// As [`check`].
pub(in crate::server) fn check_right(principal: &Principal, verb: Verb, right: Access) -> Result<()> {
    match right.without(principal.access()) {
        Access::NONE => Ok(()),
        missing => Err(lacking(principal, verb, missing)),
    }
}

fn lacking(principal: &Principal, verb: Verb, missing: Access) -> Error {
    let text = format!("{} may not {}: the right `{missing}` is missing", principal.name(), verb.name());
    Error::new(Kind::Denied, text)
}
