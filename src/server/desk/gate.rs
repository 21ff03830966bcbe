//! The one gate: operation, or matter that concerns no files -> what it needs -> allowed or refused. No other place decides, and it knows no wire syntax.
//! What an operation needs stands in `op.rs`, with all else that is to be known of it.
//!
//! [`need`] and [`decide`] are public so that an administrator can be told what the gate says (`sealiftd explain`).

use super::located_path::LocatedPath;
use super::op::Op;
use super::session_request::SessionRequest;
use crate::auth::{Access, Grants, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{Overwrite, RelPath};

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need<'a> {
    /// A login.
    Login,
    /// Rights over files.
    Rights(Demands<'a>),
    /// To look at what was deleted or replaced at this path: who may list there, and may bring some of it back or remove it for good.
    Gone(&'a RelPath),
    /// A named user who may choose a password.
    OwnPassword,
    /// A named user who may enrol and revoke keys.
    OwnKeys,
    /// An administrator.
    Administrator,
}

/// The rights that an operation takes, at one path or at two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demands<'a> {
    /// At its path.
    pub at: Demand<'a>,
    /// At the other one, for what has two.
    pub to: Option<Demand<'a>>,
}

/// Rights that an operation takes at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand<'a> {
    /// Which.
    pub rights: Access,
    /// Where. None: at a path that is not known yet, and asked for again when it is.
    pub path: Option<&'a RelPath>,
    /// How much of it.
    pub extent: Extent,
}

/// How much of a path an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is there.
    Itself,
    /// All of it, with what is, or could be, in it.
    Tree,
    /// All of it that a link to it gives: what is shared with its maker below it is no part of that.
    Linked,
    /// All of it, which gets another name: under that, it may come to be under other rules.
    Moved,
    /// Some of it: what lacks the rights is left out.
    Somewhere,
}

/// What is as good as taking files away by a download and a removal, and what as putting them somewhere: whoever may do both may
/// move them between places with different rules, and gains nothing by it.
const TAKE: Access = Access::RENAME.union(Access::DOWNLOAD).union(Access::DELETE);
const PUT: Access = Access::RENAME.union(Access::UPLOAD).union(Access::MKDIR);

/// What bringing back what was deleted takes: as if it were put there anew, whether it is a file or a folder.
pub(super) const BRING_BACK: Access = Access::UPLOAD.union(Access::MKDIR);

/// What the gate says to an operation of somebody who is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may pass.
    Allowed,
    /// It needs rights that its user lacks.
    Lacking(Lack<'a>),
    /// It needs a named user who may choose a password: the administrator sets this one's.
    NoOwnPassword,
    /// It needs a named user who may enrol and revoke keys: the administrator gives this one's.
    NoOwnKeys,
    /// It needs an administrator, and its user is none.
    NoAdministrator,
}

/// Rights that somebody lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lack<'a> {
    /// What was asked for, with all rights that it takes.
    pub demand: Demand<'a>,
    /// Those of them that are missing.
    pub missing: Access,
}

/// What this operation needs.
pub fn need(op: &Op) -> Need<'_> {
    op.facts().need
}

/// These rights at a path, and those at another one, for what has two.
pub(super) fn need_at<'a>(at: (&'a RelPath, Access, Extent), to: Option<(&'a RelPath, Access, Extent)>) -> Need<'a> {
    let demand = |(path, rights, extent)| Demand { rights, path: Some(path), extent };
    Need::Rights(Demands { at: demand(at), to: to.map(demand) })
}

/// What this needs, which concerns no files.
pub fn need_of(session_request: SessionRequest) -> Need<'static> {
    match session_request {
        SessionRequest::Talk | SessionRequest::LogIn | SessionRequest::LogOut | SessionRequest::Connect => Need::Login,
        // Of nobody but oneself; who has lost the right to make them may still end them.
        SessionRequest::EndLink => Need::Login,
        // Whether it is a folder, which takes the right to list it too, is not known yet.
        SessionRequest::MakeLink { inbox: false } => somewhere(Access::LINK.union(Access::DOWNLOAD)),
        SessionRequest::MakeLink { inbox: true } => somewhere(Access::LINK.union(Access::UPLOAD)),
        SessionRequest::ChangePassword => Need::OwnPassword,
        SessionRequest::ChangeKeys => Need::OwnKeys,
        SessionRequest::ListSessions
        | SessionRequest::EndSessions
        | SessionRequest::ListPenalties
        | SessionRequest::LiftPenalty
        | SessionRequest::Reload
        | SessionRequest::StopServer => Need::Administrator,
    }
}

/// What a link to this path needs: to put files in (`inbox`), which it takes a folder for, or to read.
pub fn need_of_link(path: &RelPath, inbox: bool) -> Need<'_> {
    let rights = if inbox { Access::UPLOAD } else { Access::DOWNLOAD };
    Need::Rights(Demands {
        at: Demand { rights: Access::LINK.union(rights), path: Some(path), extent: Extent::Itself },
        to: None,
    })
}

/// What a link to the folder at this path needs, of which the link gives all.
pub fn need_of_link_to_folder(path: &RelPath, inbox: bool) -> Need<'_> {
    let rights = if inbox { Access::UPLOAD } else { Access::READ };
    Need::Rights(Demands {
        at: Demand { rights: Access::LINK.union(rights), path: Some(path), extent: Extent::Linked },
        to: None,
    })
}

/// What fetching all that may be fetched of a folder needs, each file in it being asked for besides.
pub fn need_of_gathering(folder: &RelPath) -> Need<'_> {
    let some = Demand { rights: Access::DOWNLOAD, path: Some(folder), extent: Extent::Somewhere };
    Need::Rights(Demands { at: some, to: None })
}

/// These rights at a path that is asked for later.
pub(super) const fn somewhere(rights: Access) -> Need<'static> {
    Need::Rights(Demands { at: Demand { rights, path: None, extent: Extent::Itself }, to: None })
}

/// Whether somebody to whom this is granted may do what needs this.
pub fn decide<'a>(grants: &Grants, need: Need<'a>) -> Decision<'a> {
    match need {
        Need::Login => Decision::Allowed,
        Need::OwnPassword if grants.self_service.password => Decision::Allowed,
        Need::OwnPassword => Decision::NoOwnPassword,
        Need::OwnKeys if grants.self_service.keys => Decision::Allowed,
        Need::OwnKeys => Decision::NoOwnKeys,
        Need::Administrator if grants.admin => Decision::Allowed,
        Need::Administrator => Decision::NoAdministrator,
        Need::Rights(Demands { at, to }) => {
            let lack = lack(grants, at).or_else(|| lack(grants, to?)).or_else(|| lack_of_move(grants, at, to?));
            lack.map_or(Decision::Allowed, Decision::Lacking)
        }
        Need::Gone(path) => {
            let looking = Demand { rights: Access::LIST, path: Some(path), extent: Extent::Itself };
            let somewhere = Demand { rights: Access::DELETE, path: Some(path), extent: Extent::Somewhere };
            let lack = lack(grants, looking).or_else(|| match has_use_of_gone(rights_at(grants, somewhere)) {
                true => None,
                false => lack(grants, somewhere),
            });
            lack.map_or(Decision::Allowed, Decision::Lacking)
        }
    }
}

/// Whether somebody to whom this is granted may be told of what was deleted or replaced at exactly this path. Who only reads sees what
/// is there and not what was: it may have been taken away so that they do not.
pub fn tells_of_gone(grants: &Grants, path: &RelPath) -> bool {
    let access = grants.access_at(path);
    access.contains(Access::LIST) && has_use_of_gone(access)
}

/// Whether somebody to whom this is granted may be told what is at exactly this path, beyond that something is: whoever sees it in a list,
/// or may fetch it.
pub(super) fn tells_what_is_there(grants: &Grants, path: &RelPath) -> bool {
    let access = grants.access_at(path);
    access.contains(Access::LIST) || access.contains(Access::DOWNLOAD)
}

/// Whether these rights are enough to bring back what is gone, or to remove it for good.
fn has_use_of_gone(access: Access) -> bool {
    access.contains(Access::DELETE) || access.contains(BRING_BACK)
}

fn lack<'a>(grants: &Grants, demand: Demand<'a>) -> Option<Lack<'a>> {
    match demand.rights.without(rights_at(grants, demand)) {
        Access::NONE => None,
        missing => Some(Lack { demand, missing }),
    }
}

/// The rights that there are where this is demanded.
pub fn rights_at(grants: &Grants, demand: Demand<'_>) -> Access {
    match (demand.path, demand.extent) {
        _ if grants.is_uniform() => grants.access,
        (None, _) => grants.access_anywhere(),
        (Some(path), Extent::Itself) => grants.access_at(path),
        (Some(path), Extent::Tree | Extent::Moved) => grants.access_below(path).all,
        (Some(path), Extent::Linked) => grants.access_in_folder(path).all,
        (Some(path), Extent::Somewhere) => grants.access_below(path).any,
    }
}

/// What is moved must not come under rules that give more than it had: where the rules are not the same at both ends, it takes
/// what taking it away and putting it there by oneself would.
fn lack_of_move<'a>(grants: &Grants, at: Demand<'a>, to: Demand<'a>) -> Option<Lack<'a>> {
    let (out, into_it) = match at.extent {
        _ if grants.is_uniform() => return None,
        Extent::Itself | Extent::Tree | Extent::Linked | Extent::Somewhere => return None,
        Extent::Moved => (TAKE, PUT),
    };
    // What comes back to the very same place comes under the rules that it was under.
    if at.path == to.path {
        return None;
    }
    let (from, into) = (grants.access_below(at.path?), grants.access_below(to.path?));
    if from == into && from.all == from.any {
        return None;
    }
    let with = |demand: Demand<'a>, more| Demand { rights: demand.rights.union(more), ..demand };
    lack(grants, with(at, out)).or_else(|| lack(grants, with(to, into_it)))
}

/// Whether an upload to this path of somebody to whom this is granted may replace a file: whether there is one is known only
/// when it is put in its place, so the store is told beforehand.
pub fn overwrite(grants: &Grants, path: Option<&RelPath>) -> Overwrite {
    let demand = Demand { rights: Access::OVERWRITE, path, extent: Extent::Itself };
    let may = match path {
        Some(_) => lack(grants, demand).is_none(),
        None => grants.is_uniform() && grants.access.contains(Access::OVERWRITE),
    };
    if may { Overwrite::Allowed } else { Overwrite::Refused }
}

/// Lets what the principal asks pass, which needs this; `name` is what its protocol calls it.
///
/// # Errors
/// [`Kind::Denied`], with the missing right in words.
pub(super) fn check(principal: &Principal, need: Need<'_>, name: &str) -> Result<()> {
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
        Decision::Lacking(lack) => Err(lacking(principal, name, lack)),
    }
}

/// Lets the principal do at this path what takes these rights.
///
/// # Errors
/// As [`check`].
pub(super) fn check_at(principal: &Principal, rights: Access, path: &RelPath, name: &str) -> Result<()> {
    check_extent(principal, (rights, Extent::Itself), path, name)
}

/// Lets the principal do at this path, and at all that is in it, what takes these rights.
///
/// # Errors
/// As [`check`].
pub(super) fn check_tree(principal: &Principal, rights: Access, path: &RelPath, name: &str) -> Result<()> {
    check_extent(principal, (rights, Extent::Tree), path, name)
}

fn check_extent(principal: &Principal, (rights, extent): (Access, Extent), path: &RelPath, name: &str) -> Result<()> {
    let demand = Demand { rights, path: Some(path), extent };
    lack(principal.grants(), demand).map_or(Ok(()), |lack| Err(lacking(principal, name, lack)))
}

/// Lets what the principal has begun at this spot go on, which took these rights.
///
/// # Errors
/// As [`check`]; [`Kind::Denied`] if the path is in another folder by now: what was begun is for the one it was in.
pub(super) fn check_spot(principal: &Principal, rights: Access, located: &LocatedPath, name: &str) -> Result<()> {
    check_at(principal, rights, &located.path, name)?;
    match located.is_still(principal.grants()) {
        true => Ok(()),
        false => Err(Error::new(Kind::Denied, format!("{}: is not shared with you any more as it was", located.path))),
    }
}

fn lacking(principal: &Principal, name: &str, Lack { demand, missing }: Lack<'_>) -> Error {
    let place = match demand.path {
        _ if principal.grants().is_uniform() => String::new(),
        Some(path) if path.is_root() && demand.extent == Extent::Itself => String::new(),
        Some(path) if demand.extent == Extent::Itself => format!(" at {path}"),
        Some(path) if demand.extent == Extent::Somewhere => format!(" everywhere in {path}"),
        Some(path) => format!(" somewhere in {path}"),
        None => String::new(),
    };
    let text = match principal.link() {
        None => format!("{} may not {name}: the right `{missing}` is missing{place}", principal.name()),
        // Whose it is is nobody's to know who has it.
        Some(_) => format!("this link does not let you {name}"),
    };
    Error::new(Kind::Denied, text)
}
