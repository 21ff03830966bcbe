//! LOCK and UNLOCK: a file or folder that one client alone may write for a while.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderName;
use hyper::{Request, StatusCode};

use super::answers::{self, Condition};
use super::headers::{Depth, lasts, lock_token};
use super::xml::Document;
use super::{active, tokens};
use crate::error::{Error, Kind, Result};
use crate::files::EntryKind;
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::locks::{Scope, Terms};
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::http::answer::{Answer, answer, set};
use crate::server::http::target::Place;
use crate::server::http::web_session::{WebSession, begin, unexpected};

/// Answers a LOCK: takes one, or renews one if nothing more is said of it.
///
/// # Errors
/// [`Kind::Locked`] if there is one that does not go with it, [`Kind::Changed`] if the one to be renewed is not there; those of
/// the gate and the store.
pub async fn lock(web_session: &Arc<WebSession>, place: Place, request: &Request<()>, asked: Bytes) -> Result<Answer> {
    let lasts = lasts(request.headers())?;
    let path = place.path.clone();
    let op = if asked.is_empty() {
        if web_session.presented().is_empty() {
            return Err(Error::new(Kind::BadCommand, "a LOCK says what it locks, or which lock it renews"));
        }
        Op::RenewLock { path, lasts }
    } else {
        let deep = match Depth::of(request.headers())? {
            None | Some(Depth::Infinity) => true,
            Some(Depth::Zero) => false,
            Some(Depth::One) => return Err(Error::new(Kind::BadCommand, "a LOCK has the Depth 0 or infinity")),
        };
        let (scope, owner) = asked_for(&asked)?;
        Op::Lock { path, terms: Terms { scope, deep, owner, lasts } }
    };
    let is_renewed = matches!(op, Op::RenewLock { .. });
    let take = move |desk: &mut Desk| {
        let begun = begin(desk, op, "LOCK");
        let is_folder = matches!(
            begin(desk, Op::Stat(place.path.clone()), "LOCK"),
            Ok(Begun::Done(Ok(Outcome::Found { meta, .. }))) if meta.kind == EntryKind::Directory
        );
        let Begun::Done(Ok(Outcome::Locked { lock, is_new })) = begun? else { return Err(unexpected()) };
        desk.rest();
        let mut told = String::new();
        active::one(desk, &lock, &place, is_folder, &mut told);
        Ok((lock.token, is_new, told))
    };
    let (token, is_new, told) = web_session.step(take).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer =
        answers::xml(status, format!("<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>{told}</D:lockdiscovery></D:prop>\n"));
    if !is_renewed {
        set(&mut answer, HeaderName::from_static("lock-token"), format_args!("<{}>", tokens::uri(token)));
    }
    Ok(answer)
}

/// What a body asks for: the scope, and what it says of who has the lock, as XML.
///
/// # Errors
/// [`Kind::BadCommand`] for what is not understood.
pub fn asked_for(asked: &[u8]) -> Result<(Scope, String)> {
    let bad = |why: &str| Error::new(Kind::BadCommand, why);
    let document = Document::parse_keeping(asked, 1)?;
    document.expect_root("lockinfo")?;
    let (mut scope, mut writes, mut owner) = (None, false, String::new());
    for (at, element) in document.children(0) {
        let is = |local: &str| document.children(at).any(|(_, inner)| inner.name.is(local));
        if element.name.is("lockscope") {
            scope = match (is("exclusive"), is("shared")) {
                (true, false) => Some(Scope::Exclusive),
                (false, true) => Some(Scope::Shared),
                _ => None,
            };
        } else if element.name.is("locktype") {
            writes = is("write");
        } else if element.name.is("owner") {
            owner = element.inner.trim().to_owned();
        }
    }
    if owner.len() > limits::LOCK_OWNER_MAX {
        return Err(bad("a LOCK says too much of who has it"));
    }
    match scope.filter(|_| writes) {
        Some(scope) => Ok((scope, owner)),
        None => Err(bad("a LOCK is exclusive or shared, and for writing")),
    }
}

/// Answers an UNLOCK.
///
/// # Errors
/// [`Kind::Denied`] if another user has the lock; those of the gate.
pub async fn unlock(web_session: &Arc<WebSession>, place: Place, request: &Request<()>) -> Result<Answer> {
    let token = match lock_token(request.headers()) {
        Err(error) if error.kind() == Kind::Changed => return Ok(answers::refused(Condition::NoSuchLock)),
        token => token?,
    };
    let op = Op::Unlock { path: place.path, token };
    let give_up = move |desk: &mut Desk| {
        let begun = begin(desk, op, "UNLOCK");
        desk.rest();
        begun.map(drop)
    };
    match web_session.step(give_up).await {
        Ok(()) => Ok(answer(StatusCode::NO_CONTENT)),
        Err(error) if error.kind() == Kind::Changed => Ok(answers::refused(Condition::NoSuchLock)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_its_scope_and_who_has_it() {
        let asked = |inside: &str| {
            let text = format!("<D:lockinfo xmlns:D='DAV:'>{inside}</D:lockinfo>");
            asked_for(text.as_bytes()).map_err(|error| error.kind())
        };
        let write = "<D:locktype><D:write/></D:locktype>";
        let exclusive = "<D:lockscope><D:exclusive/></D:lockscope>";
        assert_eq!(asked(&format!("{exclusive}{write}")), Ok((Scope::Exclusive, String::new())));
        let shared = "<D:lockscope><D:shared/></D:lockscope>";
        let owner = "<D:owner> <D:href>a&amp;b</D:href> </D:owner>";
        assert_eq!(
            asked(&format!("{write}{owner}{shared}")),
            Ok((Scope::Shared, "<href xmlns=\"DAV:\">a&amp;b</href>".to_owned()))
        );
        let long = format!("{exclusive}{write}<D:owner>{}</D:owner>", "x".repeat(limits::LOCK_OWNER_MAX + 1));
        for bad in ["", exclusive, write, &format!("{write}<D:lockscope/>"), &long] {
            assert_eq!(asked(bad), Err(Kind::BadCommand), "{bad}");
        }
    }
}
