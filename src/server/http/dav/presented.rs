//! What a request presents: whether its `If` holds, and the lock tokens in it.

use std::sync::Arc;

use hyper::{Request, Uri};

use super::condition::{Lists, State};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, SeenAt};
use crate::server::desk::Desk;
use crate::server::desk::locks::LockToken;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::http::conditions::Validators;
use crate::server::http::guest::{Guest, begin};
use crate::server::http::target::{Place, Target, host, is_same_host};

/// The lock tokens that a request about this place presents, to be presented at the desk with what it asks for; and what is there and at the
/// `other` place that it has, as far as its `If` was decided on that.
///
/// # Errors
/// [`Kind::Changed`] if its `If` does not hold, [`Kind::BadCommand`] if that is none.
pub async fn presented(
    guest: &Arc<Guest>,
    place: &Place,
    other: Option<Place>,
    request: &Request<()>,
) -> Result<(Vec<LockToken>, SeenAt)> {
    let Some(lists) = Lists::of(request.headers())? else { return Ok((Vec::new(), SeenAt::ANYTHING)) };
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
    let (at, other) = (
        tagged(place.path.clone()),
        other.filter(|other| other.whose == place.whose).and_then(|other| tagged(other.path)),
    );
    let holds = move |desk: &mut Desk| {
        // Before it is looked at: what is found is what was there.
        let look = |at: Option<RelPath>| at.map(|at| desk.seen(&at)).transpose();
        let seen = SeenAt { path: look(at)?, other: look(other)? };
        let holds = lists.0.iter().zip(&paths).any(|(list, path)| {
            let mut is = |state: &State| path.as_ref().is_some_and(|path| is_in(desk, path, state));
            list.conditions.iter().all(|condition| is(&condition.state) != condition.not)
        });
        Ok((holds, seen))
    };
    match guest.step(holds).await? {
        (true, seen) => Ok((tokens, seen)),
        (false, _) => Err(Error::new(Kind::Changed, "it is not as the request's If says")),
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
                let recorded = desk.recorded(path, meta.kind, meta.size);
                let is = |recorded| Validators::of(&meta, recorded).etag == *tag;
                // The weak one was told before there was a record.
                is(recorded.as_ref()) || is(None)
            }
            _ => false,
        },
    }
}
