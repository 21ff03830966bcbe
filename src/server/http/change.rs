//! DELETE, MKCOL and MOVE: what changes names and no bytes (RFC 4918). COPY, which makes files, has a file of its own.

use std::path::Path;
use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, answer};
use super::put::{self, Looks};
use super::request_body::RequestBody;
use super::target::Place;
use super::web_session::{Waiting, WebSession, begin, begin_change, begin_seen, unexpected};
use super::work_to_end::{start, work_to_end};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath, Seen, SeenAt};
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};

const DEPTH: HeaderName = HeaderName::from_static("depth");
const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");

/// From where to where something goes.
pub struct Way {
    /// What.
    pub from: RelPath,
    /// Its other name.
    pub to: RelPath,
    /// Whether something may be replaced.
    pub overwrite: bool,
}

/// Removes a file, or a folder with all in it, as RFC 4918, section 9.6.1, has it: whether or not the URL ends with a slash.
///
/// # Errors
/// [`Kind::Denied`] for a home itself; [`Kind::BadCommand`] if less than all of a folder is meant; those of the gate and the
/// store.
pub async fn delete(web_session: &Arc<WebSession>, place: &Place, headers: &HeaderMap) -> Result<Answer> {
    all_of_it(headers)?;
    if place.path.is_root() {
        return Err(Error::new(Kind::Denied, "a home itself is not removed"));
    }
    let mut looks = Looks::default();
    loop {
        let seen = put::decide(web_session, &place.path, headers).await?;
        let removed = remove_all(web_session, place.path.clone(), seen).await;
        if !looks.again(headers, &removed) {
            return removed.map(|()| answer(StatusCode::NO_CONTENT));
        }
    }
}

/// Makes a folder. Its answer says that it stays.
///
/// # Errors
/// [`Kind::Exists`]; those of the gate and the store.
pub async fn make_folder(web_session: &Arc<WebSession>, place: &Place, body: &mut RequestBody) -> Result<Answer> {
    if body.waits() || body.gather(1).await?.len > 0 {
        // RFC 4918, section 9.3.1.
        return Ok(answer(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if place.path.is_root() {
        return Err(Error::new(Kind::Exists, "a home itself is there already"));
    }
    make(web_session, place.path.clone(), "MKCOL").await?;
    Ok(answer(StatusCode::CREATED))
}

/// Makes a folder, durably.
///
/// # Errors
/// Those of the gate and the store.
pub async fn make(web_session: &Arc<WebSession>, path: RelPath, method: &'static str) -> Result<()> {
    let made = web_session.change(Class::Light, move |desk, waiting| {
        match begin_change(desk, waiting, Op::MakeFolder { path, parents: false }, method)? {
            Begun::Waits(operation) => Ok(waiting.join(operation)),
            _ => Err(unexpected()),
        }
    });
    let made = made.await?;
    web_session.committed(made).await.map(drop)
}

/// Gives a file or folder another name.
///
/// # Errors
/// [`Kind::Exists`] if the name is taken and may not be replaced; [`Kind::NotDirectory`] if there is no folder for it; those of
/// the gate and the store.
pub async fn rename(web_session: &Arc<WebSession>, way: Way, headers: &HeaderMap) -> Result<Answer> {
    all_of_it(headers)?;
    let (what, there) = (look(web_session, &way.from, "MOVE").await?, look(web_session, &way.to, "MOVE").await?);
    let Some(what) = what else { return Err(missing(&way.from)) };
    way.check(there)?;
    let Way { from, to, .. } = way;
    apart(web_session, &from, &to, false).await?;
    let folders = there.is_some() && [Some(what), there].contains(&Some(EntryKind::Directory));
    let mut looks = Looks::default();
    let moved = loop {
        let seen =
            SeenAt { path: put::decide(web_session, &from, headers).await?, other: web_session.seen().other.clone() };
        let (from, to) = (from.clone(), to.clone());
        let moved = web_session.step(move |desk| match folders {
            true => supersede(desk, (&from, &to), seen, "MOVE"),
            false => rename_at(desk, (&from, &to), there.is_some(), seen, "MOVE"),
        });
        let moved = moved.await;
        if !looks.again(headers, &moved) {
            break moved;
        }
    };
    moved.map_err(|error| no_place(error, &to))?;
    Ok(answer(if there.is_some() { StatusCode::NO_CONTENT } else { StatusCode::CREATED }))
}

/// Fails if these are one and the same, or one is in the other, by whatever paths.
///
/// # Errors
/// [`Kind::Denied`].
pub async fn apart(web_session: &Arc<WebSession>, from: &RelPath, to: &RelPath, copied: bool) -> Result<()> {
    let (from, to) = (from.clone(), to.clone());
    web_session.step(move |desk| desk.check_apart(&from, &to, copied)).await
}

/// [`Op::Supersede`], if that is there which was seen.
///
/// # Errors
/// Those of the gate and the store; both are where they were.
pub fn supersede(desk: &mut Desk, (from, to): (&RelPath, &RelPath), seen: SeenAt, method: &'static str) -> Result<()> {
    let op = Op::Supersede { from: from.clone(), to: to.clone() };
    match begin_seen(desk, &mut Waiting::default(), (op, seen), method)? {
        Begun::Done(Ok(Outcome::Renamed(_))) => Ok(()),
        _ => Err(unexpected()),
    }
}

/// [`Op::Rename`], if that is there which was seen.
///
/// # Errors
/// Those of the gate and the store.
pub fn rename_at(
    desk: &mut Desk,
    (from, to): (&RelPath, &RelPath),
    replace: bool,
    seen: SeenAt,
    method: &'static str,
) -> Result<()> {
    let op = Op::Rename { from: from.clone(), to: to.clone(), replace };
    match begin_seen(desk, &mut Waiting::default(), (op, seen), method)? {
        Begun::Done(Ok(Outcome::Renamed(_))) => Ok(()),
        _ => Err(unexpected()),
    }
}

/// Removes what is there with all in it, or what was seen there alone, a turn at a time. Given up in the middle it goes on
/// without.
async fn remove_all(web_session: &Arc<WebSession>, path: RelPath, seen: Option<Seen>) -> Result<()> {
    let _we_are_at_work = web_session.working();
    let seen = seen.map_or(SeenAt::ANYTHING, SeenAt::from);
    let op = Op::Remove { path, recursive: true, for_good: false };
    let begin = move |desk: &mut Desk, waiting: &mut Waiting| start(desk, waiting, (op, seen), "DELETE");
    work_to_end(web_session, 1, begin, |ended| match ended.outcome()? {
        Outcome::Removed(_) => Ok(()),
        _ => Err(unexpected()),
    })
    .await
}

/// What is there, if it is anything. Whoever may not list cannot be told, and so neither moves nor copies over HTTP: what was
/// replaced and what made is part of its answers.
///
/// # Errors
/// Those of the gate and the store.
pub async fn look(web_session: &Arc<WebSession>, path: &RelPath, method: &'static str) -> Result<Option<EntryKind>> {
    let path = path.clone();
    let looked = web_session.step(move |desk| match begin(desk, Op::Stat(path), method)? {
        Begun::Done(Ok(Outcome::Found { meta, .. })) => Ok(meta.kind),
        _ => Err(unexpected()),
    });
    match looked.await {
        Ok(kind) => Ok(Some(kind)),
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Way {
    /// From one place to another.
    ///
    /// # Errors
    /// [`Kind::Denied`] from one home to another, from or to a home itself, into itself, and to where it is; and
    /// [`Kind::BadCommand`] for what is no `Overwrite`.
    pub fn between(from: &Place, to: Place, headers: &HeaderMap) -> Result<Way> {
        let no = |why: &str| Err(Error::new(Kind::Denied, why));
        if from.whose != to.whose {
            return no("files are moved and copied within one home");
        }
        if from.path.is_root() || to.path.is_root() {
            return no("a home itself is neither moved nor replaced");
        }
        if from.path == to.path {
            return no("it is there already");
        }
        if to.path.strip_prefix(&from.path).is_some() || from.path.strip_prefix(&to.path).is_some() {
            return no("nothing can be put into itself, or replace what it is in");
        }
        let overwrite = match headers.get(OVERWRITE).map(HeaderValue::as_bytes) {
            None | Some(b"T" | b"t") => true,
            Some(b"F" | b"f") => false,
            Some(_) => return Err(Error::new(Kind::BadCommand, "Overwrite is T or F")),
        };
        Ok(Way { from: from.path.clone(), to: to.path, overwrite })
    }

    /// Whether this may be replaced.
    ///
    /// # Errors
    /// [`Kind::Exists`].
    pub fn check(&self, there: Option<EntryKind>) -> Result<()> {
        match there {
            Some(_) if !self.overwrite => Err(Error::new(Kind::Exists, format!("{}: is there already", self.to))),
            _ => Ok(()),
        }
    }
}

/// Whether only the folder itself is meant, and not what is in it.
///
/// # Errors
/// [`Kind::BadCommand`] for what is no depth of these methods.
pub fn is_flat(headers: &HeaderMap) -> Result<bool> {
    match headers.get(DEPTH).map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(depth) if depth.eq_ignore_ascii_case(b"infinity") => Ok(false),
        Some(b"0") => Ok(true),
        Some(_) => Err(Error::new(Kind::BadCommand, "Depth is 0 or infinity here")),
    }
}

fn all_of_it(headers: &HeaderMap) -> Result<()> {
    match is_flat(headers)? {
        true => Err(Error::new(Kind::BadCommand, "a folder goes with everything in it: Depth is infinity or absent")),
        false => Ok(()),
    }
}

/// Tells that the folder of a new name is missing from that what is to get the name is.
pub fn no_place(error: Error, to: &RelPath) -> Error {
    match error.kind() {
        Kind::NotFound if error.path() == Some(Path::new(&to.to_string())) => {
            let folder = to.parent().unwrap_or_default();
            Error::new(Kind::NotDirectory, format!("{folder}: there is no such folder to put it in"))
                .in_place_of(&error)
        }
        _ => error,
    }
}

/// There is no such file or folder.
pub fn missing(path: &RelPath) -> Error {
    Error::new(Kind::NotFound, format!("{path}: no such file or folder"))
}
