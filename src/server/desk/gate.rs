//! The one gate: operation, or matter that concerns no files -> what it needs -> allowed or refused. No other place decides, and it knows no wire syntax.
//!
//! [`need`] and [`decide`] are public so that an administrator can be told what the gate says (`sealiftd explain`).

use super::matter::Matter;
use super::op::Op;
use crate::auth::{Access, Grants, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::Overwrite;

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A login.
    Login,
    /// These rights.
    Rights(Access),
    /// A named user who may choose a password.
    OwnPassword,
    /// A named user who may enrol and revoke keys.
    OwnKeys,
    /// An administrator.
    Administrator,
}

impl Need {
    /// The rights over files that it takes, none if it takes something else.
    pub(in crate::server) fn rights(self) -> Access {
        match self {
            Need::Rights(rights) => rights,
            Need::Login | Need::OwnPassword | Need::OwnKeys | Need::Administrator => Access::NONE,
        }
    }
}

/// What the gate says to an operation of somebody who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may pass.
    Allowed,
    /// It needs these rights, which its user lacks.
    Lacking(Access),
    /// It needs a named user who may choose a password: the administrator sets this one's.
    NoOwnPassword,
    /// It needs a named user who may enrol and revoke keys: the administrator gives this one's.
    NoOwnKeys,
    /// It needs an administrator, and its user is none.
    NoAdministrator,
}

/// What this operation needs.
pub fn need(op: &Op) -> Need {
    match op {
        Op::List { .. } | Op::Stat(_) => Need::Rights(Access::LIST),
        Op::Read { .. } | Op::Hash { .. } => Need::Rights(Access::DOWNLOAD),
        Op::FindPartial(_) | Op::Put { .. } => Need::Rights(Access::UPLOAD),
        Op::Stage { .. } | Op::Part { .. } | Op::Commit { .. } | Op::Discard(_) => Need::Rights(Access::UPLOAD),
        // As good as putting those bytes in the place of the ones that were stored.
        Op::Accept(_) => Need::Rights(Access::UPLOAD.union(Access::OVERWRITE)),
        // As good as putting the file in its own place with another mode, time, or properties.
        Op::SetMode { .. } | Op::SetTime { .. } | Op::SetProperties { .. } => {
            Need::Rights(Access::UPLOAD.union(Access::OVERWRITE))
        }
        // What is there already can be locked only by who may overwrite it: the desk asks for that too.
        Op::Lock { .. } | Op::RenewLock { .. } | Op::Unlock { .. } => Need::Rights(Access::UPLOAD),
        Op::Remove { .. } => Need::Rights(Access::DELETE),
        Op::MakeFolder { .. } => Need::Rights(Access::MKDIR),
        Op::Rename { replace: false, .. } => Need::Rights(Access::RENAME),
        Op::Rename { replace: true, .. } => Need::Rights(Access::RENAME.union(Access::OVERWRITE)),
        // Each gets another name, and none is replaced.
        Op::Exchange { .. } => Need::Rights(Access::RENAME),
        // As if it had been downloaded and uploaded again.
        Op::Copy { replace: false, .. } => Need::Rights(Access::DOWNLOAD.union(Access::UPLOAD)),
        Op::Copy { replace: true, .. } => Need::Rights(Access::DOWNLOAD.union(Access::UPLOAD).union(Access::OVERWRITE)),
    }
}

/// What this needs, which concerns no files.
pub fn need_of(matter: Matter) -> Need {
    match matter {
        Matter::Talk | Matter::LogIn | Matter::Connect => Need::Login,
        Matter::ChangePassword => Need::OwnPassword,
        Matter::ChangeKeys => Need::OwnKeys,
        Matter::ListSessions | Matter::EndSessions | Matter::StopServer => Need::Administrator,
    }
}

/// Whether somebody to whom this is granted may do what needs this.
pub fn decide(grants: &Grants, need: Need) -> Decision {
    match need {
        Need::Login => Decision::Allowed,
        Need::OwnPassword if grants.self_service.password => Decision::Allowed,
        Need::OwnPassword => Decision::NoOwnPassword,
        Need::OwnKeys if grants.self_service.keys => Decision::Allowed,
        Need::OwnKeys => Decision::NoOwnKeys,
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
pub fn overwrite(grants: &Grants) -> Overwrite {
    if grants.access.contains(Access::OVERWRITE) { Overwrite::Allowed } else { Overwrite::Refused }
}

/// Lets what the principal asks pass, which needs this; `name` is what its protocol calls it.
///
/// # Errors
/// [`Kind::Denied`], with the missing right in words.
pub(super) fn check(principal: &Principal, need: Need, name: &str) -> Result<()> {
    match decide(principal.grants(), need) {
        Decision::Allowed => Ok(()),
        Decision::NoAdministrator => Err(Error::new(Kind::Denied, format!("{name} is for administrators"))),
        Decision::NoOwnPassword if principal.is_anonymous() => {
            Err(Error::new(Kind::Denied, "anonymous has no password to change"))
        }
        Decision::NoOwnPassword => Err(Error::new(Kind::Denied, "the administrator of this server sets your password")),
        Decision::NoOwnKeys if principal.is_anonymous() => Err(Error::new(Kind::Denied, "anonymous has no keys")),
        Decision::NoOwnKeys => {
            Err(Error::new(Kind::Denied, "the administrator of this server sets which keys log you in"))
        }
        Decision::Lacking(missing) => Err(lacking(principal, name, missing)),
    }
}

/// Lets what the principal has begun go on, which took these rights.
///
/// # Errors
/// As [`check`].
pub(super) fn check_rights(principal: &Principal, rights: Access, name: &str) -> Result<()> {
    match rights.without(principal.access()) {
        Access::NONE => Ok(()),
        missing => Err(lacking(principal, name, missing)),
    }
}

fn lacking(principal: &Principal, name: &str, missing: Access) -> Error {
    let text = format!("{} may not {name}: the right `{missing}` is missing", principal.name());
    Error::new(Kind::Denied, text)
}
