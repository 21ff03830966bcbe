//! What a request presents: whether its `If` holds, the lock tokens in it, and what it was decided on.

use std::sync::Arc;

use hyper::{Request, Uri};

use super::condition::{Lists, State};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, SeenAt};
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::preconditions::Preconditions;
use crate::server::http::conditions::Validators;
use crate::server::http::target::{Place, Target, host, is_same_host};
use crate::server::http::web_session::{WebSession, begin};

/// What a request presents, to be presented at the desk with what it asks for.
#[derive(Clone, Default)]
pub struct Presented {
    /// The lock tokens, and what was elsewhere when its `If` was decided, as far as that played a part in it.
    pub preconditions: Preconditions,
    /// What was there then and at the other place that it has, as far as that did.
    pub seen: SeenAt,
}

/// What a request about this place presents, which may have an `other`.
///
/// # Errors
/// [`Kind::Changed`] if its `If` does not hold, [`Kind::BadCommand`] if that is none.
pub async fn presented(
    web_session: &Arc<WebSession>,
    place: &Place,
    other: Option<Place>,
    request: &Request<()>,
) -> Result<Presented> {
    let Some(lists) = Lists::of(request.headers())? else { return Ok(Presented::default()) };
    let tokens = lists.tokens();
    // What is named of another server or home is in no state at all.
    let named = |of: Option<&str>| match of {
        None => Some(place.path.clone()),
        Some(url) => named(url, place, request),
    };
    let paths: Vec<Option<RelPath>> = lists.0.iter().map(|list| named(list.of.as_deref())).collect();
    let tagged = |at: RelPath| {
        let is_tagged = lists.0.iter().zip(&paths).any(|(list, path)| path.as_ref() == Some(&at) && list.has_tags());
        is_tagged.then_some(at)
    };
    let other = other.filter(|other| other.whose == place.whose).map(|other| other.path);
    // What is made at the other place is the request's own.
    let is_own = |path: &RelPath| *path == place.path || other.as_ref().is_some_and(|other| path.is_within(other));
    let mut elsewhere: Vec<RelPath> = paths.iter().flatten().filter(|path| !is_own(path)).cloned().collect();
    elsewhere.sort();
    elsewhere.dedup();
    elsewhere.retain(|path| tagged(path.clone()).is_some());
    let (at, other) = (tagged(place.path.clone()), other.and_then(tagged));
    let holds = move |desk: &mut Desk| {
        // Before it is looked at: what is found is what was there.
        let look = |at: Option<RelPath>| at.map(|at| desk.seen(&at)).transpose();
        let seen = SeenAt { path: look(at)?, other: look(other)? };
        // What may not be looked at has no state that could change.
        elsewhere.retain(|at| desk.allows(&Op::Stat(at.clone()), "IF").is_ok());
        let elsewhere = elsewhere.into_iter().map(|at| Ok((desk.seen(&at)?.let_go(), at)));
        let elsewhere =
            elsewhere.map(|found: Result<_>| found.map(|(seen, at)| (at, seen))).collect::<Result<Vec<_>>>()?;
        let holds = lists.0.iter().zip(&paths).any(|(list, path)| {
            let mut is = |state: &State| path.as_ref().is_some_and(|path| is_in(desk, path, state));
            list.conditions.iter().all(|condition| is(&condition.state) != condition.not)
        });
        Ok(holds.then_some((seen, elsewhere)))
    };
    match web_session.step(holds).await? {
        Some((seen, elsewhere)) => Ok(Presented { preconditions: Preconditions { locks: tokens, elsewhere }, seen }),
        None => Err(Error::new(Kind::Changed, "it is not as the request's If says")),
    }
}

/// The path of a URL in the same home.
fn named(url: &str, place: &Place, request: &Request<()>) -> Option<RelPath> {
    let url: Uri = url.parse().ok()?;
    if let Some(authority) = url.authority()
        && !host(request.uri(), request.headers()).is_some_and(|host| is_same_host(authority, &host))
    {
        return None;
    }
    match Target::parse(&url).ok()? {
        Target::Place(named) if named.whose == place.whose => Some(named.path),
        Target::Place(_) | Target::Own(_) | Target::Link(_) => None,
    }
}

fn is_in(desk: &mut Desk, path: &RelPath, state: &State) -> bool {
    match state {
        State::Locked(None) => false,
        State::Locked(Some(token)) => desk.locks_over(path).iter().any(|lock| lock.token == *token),
        // What may not be looked at has no state, and its request is what is refused.
        State::Tagged(_) if desk.allows(&Op::Stat(path.clone()), "IF").is_err() => false,
        State::Tagged(tag) => match begin(desk, Op::Stat(path.clone()), "IF") {
            Ok(Begun::Done(Ok(Outcome::Found { meta, .. }))) => {
                let (recorded, identity) = desk.told_apart(path, (meta.kind, meta.size), None);
                let is = |recorded| Validators::of_state((meta.size, meta.mtime), identity, recorded).etag == *tag;
                // The weak one was told before there was a record.
                is(recorded.as_ref()) || is(None)
            }
            _ => false,
        },
    }
}
