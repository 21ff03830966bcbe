//! From a login to a session's own home, whatever the protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use tracing::{info, warn};

use crate::auth::{Link, LinkTo, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, Store, Vault};
use crate::machine::source::{Origin, Source};
use crate::server::Shared;
use crate::server::desk::current_users::CurrentUsers;
use crate::server::desk::registry::{Ending, Ticket, Way};
use crate::server::desk::session_store::{self, SessionStore};
use crate::store::{Covered, Inbox, OneFile, Unusable};

/// A session that has begun.
pub struct Entry {
    /// Who, with the rights of now.
    pub principal: Principal,
    /// The version of the users that they are from.
    pub version: u64,
    /// Their home, and what is shared with them.
    pub session_store: SessionStore,
    /// The session's own entry in the registry.
    pub ticket: Ticket,
    /// Its end, if somebody else decides that.
    pub ending: Ending,
}

/// Enters somebody who has just proven who they are, and opens their home.
///
/// # Errors
/// [`Kind::Revoked`] if the account has changed meanwhile, [`Kind::LoginFailed`] if it is not used from there, and of a link
/// that is used up by others,
/// [`Kind::TooMany`] if its user has as many sessions as are allowed, those of [`Registry::enter`](super::super::desk::registry::Registry)
/// and those of the home.
pub async fn enter(
    principal: Principal,
    way: Way,
    peer: SocketAddr,
    source: &Source,
    shared: &Arc<Shared>,
) -> Result<Entry> {
    let changed = || Error::new(Kind::Revoked, "your account has changed just now");
    // The password took a while to check; an account that was edited meanwhile is entered as it is now.
    let principal = shared.users.latest().admit(&principal, peer.ip())?;
    let ticket = shared.registry.enter(way, &principal, peer)?;
    let ending = ticket.ending();
    if shared.registry.log_shares().allows(source) {
        info!(%peer, session = %ticket.id(), user = principal.name(), key = principal.key_name(), "logged in");
    }
    let (vault, leases) = (shared.vault.clone(), shared.leases.clone());
    let (users, downloads) = (shared.users.clone(), shared.downloads.clone());
    let (log_shares, from) = (shared.registry.log_shares().clone(), source.clone());
    let opening = shared.opening.run(source, move || {
        // Entered first: whatever changes from here on ends the session.
        let version = users.version();
        let principal = users.latest().renew(&principal).ok_or_else(changed)?;
        ticket.record().bound(&principal);
        let session_store = match principal.link() {
            None => SessionStore::open(vault, leases, &principal)?,
            Some(link) if !downloads.has_room(users.latest().links(), link, Origin::from(peer.ip())) => {
                return Err(Error::new(Kind::LoginFailed, "there is no such link, or it is over"));
            }
            Some(link) => {
                let may_log = || log_shares.allows(&from);
                let narrowed = narrowed(&*vault, &principal, link, &users);
                SessionStore::from(narrowed.map_err(|error| told_of_link(link, error, may_log))?)
            }
        };
        Ok(Entry { principal, version, session_store, ticket, ending })
    });
    opening.await?
}

/// Why what a link leads to cannot be had, as whoever has it is told: it is not there, or may be another time. What is wrong with its maker's
/// folder stands in the log.
fn told_of_link(link: &Link, error: Error, may_log: impl Fn() -> bool) -> Error {
    let told = match error.kind() {
        Kind::NotFound | Kind::NotDirectory | Kind::Busy | Kind::TooMany | Kind::Stopping => return error,
        Kind::Io | Kind::Unavailable => Error::new(Kind::Unavailable, "what this link leads to cannot be reached now"),
        _ => Error::new(Kind::NotFound, "no such file or folder"),
    };
    if may_log() {
        warn!(link = link.name, path = %link.path, %error, "what a link leads to cannot be opened");
    }
    told
}

/// What a link leads to, as a store of its own: nothing else of the home, or of the shared folder, is to be had from it. What is put in
/// there is its maker's.
fn narrowed(
    vault: &dyn Vault,
    principal: &Principal,
    link: &Arc<Link>,
    users: &Arc<CurrentUsers>,
) -> Result<Arc<dyn Store>> {
    let missing = || Error::new(Kind::NotFound, "no such file or folder");
    // One whose shared folder is not its maker's any more has let nobody in.
    let folder = principal.grants().folders.first();
    let around = match folder {
        None => vault.open(principal.home(), principal.home_terms())?,
        Some(folder) => session_store::open(vault, folder, principal.owner().as_ref())
            .map_err(|Unusable { kind, text }| Error::new(kind, text))?,
    };
    let inside = link.inside().ok_or_else(missing)?;
    match link.to {
        LinkTo::Folder => {
            let below = around.below(&inside)?;
            if folder.is_some() {
                return Ok(below);
            }
            // In a home other folders may show, which hide what lies under their names.
            let (users, link) = (users.clone(), link.clone());
            Ok(Arc::new(Covered::over(below, move || users.latest().covered_by_link(&link))))
        }
        LinkTo::File => {
            let folder = around.below(&inside.parent().ok_or_else(missing)?)?;
            let name = RelPath::parse(inside.file_name().ok_or_else(missing)?)?;
            Ok(Arc::new(OneFile::of(folder, name)))
        }
        LinkTo::Inbox(_) => Ok(Arc::new(Inbox::of(around, link.path.clone(), inside))),
    }
}
