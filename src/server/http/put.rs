//! PUT: a whole file. What is answered with 201 or 204 is on the disk, under its name; after any other answer, or none, the
//! old state is there.

use std::sync::Arc;

use hyper::header::{CONTENT_RANGE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, answer, set, text};
use super::codings;
use super::conditions::{Expected, There, hold_of_folder};
use super::digests::{self, Digests};
use super::receiving::{self, Wanted};
use super::request_body::RequestBody;
use super::resumable;
use super::target::{OWN, Place};
use super::uploads::Uploads;
use super::web_session::{Waiting, WebSession, unexpected};
use super::work_to_end::{start, work_to_end};
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Condition, Interrupted, Mtime, RelPath, Seen, SeenAt, Stored, UploadSpec};
use crate::limits;
use crate::machine::source::Source;
use crate::server::desk::Desk;
use crate::server::desk::op::{Hashing, Op};
use crate::server::desk::outcome::Outcome;

/// When the file was last modified where it comes from, in seconds since 1970: what ownCloud's clients, rclone and others send.
pub const MTIME: HeaderName = HeaderName::from_static("x-oc-mtime");

/// How long the body of a PUT in chunks will be: what Finder says.
const FINDER_LENGTH: HeaderName = HeaderName::from_static("x-expected-entity-length");

/// Where uploads that can be gone on with are kept, and with whom this one would be counted.
pub type Kept<'a> = (&'a Arc<Uploads>, Source);

/// Stores a file, or begins to where the client says that there is more to come.
///
/// # Errors
/// Those of [`receiving::store`] and [`resumable::create`]; [`Kind::BadCommand`] for headers that ask for what is no whole
/// file; [`Kind::IsDirectory`] for the URL of a folder.
pub async fn serve(
    web_session: &Arc<WebSession>,
    place: &Place,
    headers: &HeaderMap,
    body: &mut RequestBody,
    (uploads, source): Kept<'_>,
) -> Result<Answer> {
    if place.is_folder {
        return Err(Error::new(Kind::IsDirectory, "the URL of a file does not end with a slash"));
    }
    if headers.contains_key(CONTENT_RANGE) {
        return Err(Error::new(Kind::BadCommand, "PUT stores whole files: Content-Range is not taken"));
    }
    let is_complete = resumable::is_complete(headers);
    let refused = |(status, why): (StatusCode, String)| {
        Ok(text(status, "text/plain; charset=utf-8", format!("{}: {why}\n", status.as_u16())))
    };
    if let Some(why) = codings::refused(headers) {
        return refused(why);
    }
    let digests = match is_complete {
        Some(false) => Digests::parse(headers, &[digests::REPR])?,
        _ => Digests::parse(headers, &[digests::REPR, digests::CONTENT])?,
    };
    // Behind digests that cannot be understood, which are no matter of its length.
    if let Some(why) = body.unsaid().filter(|_| is_complete != Some(false)) {
        return refused(why);
    }
    let mtime = mtime(headers)?;
    let spec = UploadSpec {
        size: size(headers, body, is_complete != Some(false))?,
        mtime,
        condition: condition_with_if(web_session, &place.path, headers).await?,
        // Nobody goes on with what was to come at once: the next PUT begins from the start.
        interrupted: if is_complete == Some(false) { Interrupted::Kept } else { Interrupted::Dropped },
        ..UploadSpec::default()
    };
    let mut answer = if is_complete == Some(false) {
        let resume = resumable::prefix(headers)?;
        if resume.is_some() && !digests.is_empty() {
            let why = "what is there already is not read again: with Sealift-Prefix no Repr-Digest is compared";
            return Err(Error::new(Kind::BadCommand, why));
        }
        let wanted = Wanted { path: place.path.clone(), spec, digests, resume };
        let locate = |token| format!("/{OWN}/{}{token}", resumable::FOLDER);
        resumable::create(web_session, uploads, (source, None), (wanted, headers), body, locate).await?
    } else {
        let wanted = Wanted { path: place.path.clone(), spec, digests, resume: None };
        stored(&receiving::store(web_session, wanted, None, body).await?)
    };
    if is_complete == Some(true) {
        resumable::mark(&mut answer, true);
    }
    if mtime.is_some() {
        answer.headers_mut().insert(MTIME, HeaderValue::from_static("accepted"));
    }
    Ok(answer)
}

/// Says that a file is in its place.
pub fn stored(committed: &Committed) -> Answer {
    let mut answer = answer(match committed.stored {
        Stored::Created | Stored::Numbered(_) => StatusCode::CREATED,
        Stored::Replaced | Stored::Same => StatusCode::NO_CONTENT,
    });
    // Of bytes that the client has itself, so it learns nothing that it may not.
    set(&mut answer, ETAG, format_args!("\"{}\"", committed.hash));
    answer
}

/// When the file was modified.
///
/// # Errors
/// [`Kind::BadCommand`] for what is no time.
pub fn mtime(headers: &HeaderMap) -> Result<Option<Mtime>> {
    let bad = || Error::new(Kind::BadCommand, "X-OC-Mtime is not in seconds since 1970");
    let Some(value) = headers.get(MTIME) else { return Ok(None) };
    value.to_str().ok().and_then(|text| text.trim().parse().ok()).map(Some).ok_or_else(bad)
}

/// How many bytes the file has, as far as anybody said so. The body may be `all` of it.
fn size(headers: &HeaderMap, body: &RequestBody, all: bool) -> Result<Option<u64>> {
    let bad = |why: &str| Error::new(Kind::BadCommand, why);
    let told = resumable::length(headers);
    if !all {
        return Ok(told);
    }
    if told.is_some_and(|told| body.announced().is_some_and(|announced| announced != told)) {
        return Err(bad("Upload-Length and Content-Length are not the same"));
    }
    let Some(value) = headers.get(FINDER_LENGTH) else { return Ok(body.announced().or(told)) };
    let parse = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let expected: u64 =
        value.to_str().ok().and_then(parse).ok_or_else(|| bad("X-Expected-Entity-Length is no length"))?;
    match body.announced() {
        Some(announced) if announced != expected => {
            Err(bad("X-Expected-Entity-Length and Content-Length are not the same"))
        }
        _ => Ok(Some(expected)),
    }
}

/// What must hold when the file is put in its place.
///
/// # Errors
/// [`Kind::Changed`] if it cannot hold.
pub async fn condition(web_session: &Arc<WebSession>, path: &RelPath, headers: &HeaderMap) -> Result<Condition> {
    if !has_condition(headers) {
        return Ok(Condition::Any);
    }
    match Expected::of(headers) {
        Expected::Absent => Ok(Condition::Absent),
        Expected::This(hash) => Ok(Condition::Hash(hash)),
        Expected::Conditions(expected) => {
            // What is there now decides, and it must still be that when the file is put in its place.
            let now = hash_now(web_session, path).await?;
            match expected.holds(now.as_ref()) {
                true => Ok(now.map_or(Condition::Absent, |there| Condition::Hash(there.hash))),
                false => Err(not_that(path)),
            }
        }
    }
}

/// [`condition`], where the `If` of WebDAV may have been decided on what is there: it must still be that when the file is put in its
/// place.
async fn condition_with_if(web_session: &Arc<WebSession>, path: &RelPath, headers: &HeaderMap) -> Result<Condition> {
    let asked = condition(web_session, path, headers).await?;
    let Some(before) = &web_session.seen().path else { return Ok(asked) };
    let now = still(web_session, path, before).await?;
    match asked == Condition::Any || asked == now {
        true => Ok(now),
        false => Err(not_that(path)),
    }
}

/// What must be there when a file is put in its place, if that is to be what was there before.
///
/// # Errors
/// [`Kind::Changed`] if it is something else by now; those of the gate and the store.
pub async fn still(web_session: &Arc<WebSession>, path: &RelPath, before: &Seen) -> Result<Condition> {
    let now = hash_now(web_session, path).await?.map_or(Condition::Absent, |there| Condition::Hash(there.hash));
    // If that is there which was there before, it is that which has this hash. Its attributes have changed if the hash was recorded.
    let at = path.clone();
    let is_that = web_session.step(move |desk| desk.seen(&at)).await?.is_still(before);
    is_that.then_some(now).ok_or_else(|| not_that(path))
}

/// Decides on the conditions of a request that changes a name and no bytes, by what is at this path now. Says what that is: the change
/// is to be done to that and to nothing else. None: the request says nothing.
///
/// # Errors
/// [`Kind::Changed`] if they do not hold; those of the gate and the store.
pub async fn decide(web_session: &Arc<WebSession>, path: &RelPath, headers: &HeaderMap) -> Result<Option<Seen>> {
    if !has_condition(headers) {
        // The `If` of WebDAV, which is decided by now.
        return Ok(web_session.seen().path.clone());
    }
    let at = path.clone();
    let seen = web_session.step(move |desk| desk.seen(&at)).await?;
    check(web_session, path, headers).await?;
    match &web_session.seen().path {
        // When this was decided on before, the hash may have been recorded.
        Some(before) if !seen.is_still(before) => Err(not_that(path)),
        _ => Ok(Some(seen)),
    }
}

/// Whether all that is said is that nothing is there.
pub fn asks_for_nothing_there(headers: &HeaderMap) -> bool {
    has_condition(headers) && matches!(Expected::of(headers), Expected::Absent)
}

/// Decides on that for who may do this there.
///
/// # Errors
/// [`Kind::Changed`] if something is there; those of the gate and the store.
pub async fn nothing_is_there(web_session: &Arc<WebSession>, op: Op, method: &'static str) -> Result<()> {
    let looking = web_session.step(move |desk| {
        desk.allows(&op, method)?;
        let Some(path) = op.path() else { return Ok(None) };
        Ok((desk.seen(path)? != Seen::NOTHING).then(|| path.clone()))
    });
    looking.await?.map_or(Ok(()), |path| Err(not_that(&path)))
}

/// How often something was decided on that somebody else changed before what was decided was done.
#[derive(Default)]
pub struct Looks(usize);

impl Looks {
    /// Whether to [`decide`] anew: something else is there by now. What the `If` of WebDAV says is decided once, and would fail each time.
    pub fn again<T>(&mut self, headers: &HeaderMap, done: &Result<T>) -> bool {
        self.0 += 1;
        let is_changed = done.as_ref().is_err_and(|error| error.kind() == Kind::Changed);
        has_condition(headers) && is_changed && self.0 < limits::CONDITION_LOOKS
    }
}

fn has_condition(headers: &HeaderMap) -> bool {
    [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE].iter().any(|name| headers.contains_key(name))
}

/// Decides on the conditions of a request that changes a name and no bytes, by what is there now.
///
/// # Errors
/// [`Kind::Changed`] if they do not hold; those of the gate and the store.
async fn check(web_session: &Arc<WebSession>, path: &RelPath, headers: &HeaderMap) -> Result<()> {
    let holds = async {
        Ok::<_, Error>(match condition(web_session, path, headers).await? {
            Condition::Any => true,
            Condition::Absent => hash_now(web_session, path).await?.is_none(),
            Condition::Hash(expected) => hash_now(web_session, path).await?.is_some_and(|there| there.hash == expected),
        })
    };
    let holds = match holds.await {
        Err(error) if error.kind() == Kind::IsDirectory => hold_of_folder(headers),
        holds => holds?,
    };
    holds.then_some(()).ok_or_else(|| not_that(path))
}

/// A condition does not hold.
fn not_that(path: &RelPath) -> Error {
    Error::new(Kind::Changed, format!("{path}: not what the request said it must be"))
}

/// A file as it is now, with the hash of its bytes; none where none is.
async fn hash_now(web_session: &Arc<WebSession>, path: &RelPath) -> Result<Option<There>> {
    let path = path.clone();
    let op = Op::Hash { path, length: None, of: Hashing::Record };
    let begin = move |desk: &mut Desk, waiting: &mut Waiting| start(desk, waiting, (op, SeenAt::ANYTHING), "If-Match");
    let hashed = work_to_end(web_session, 1, begin, |ended| match ended.outcome()? {
        Outcome::Hashed { size, hash, mtime, identity, .. } => Ok(There { hash, size, mtime, identity }),
        _ => Err(unexpected()),
    });
    match hashed.await {
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        hashed => hashed.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_once_is_done_once_and_what_the_headers_say_is_decided_anew() {
        let changed = || Err::<(), _>(Error::new(Kind::Changed, "f: somebody changed it just now"));
        let mut said = HeaderMap::new();
        assert!(!Looks::default().again(&said, &changed()), "an If would fail each time");
        said.insert(IF_MATCH, HeaderValue::from_static("*"));
        let mut looks = Looks::default();
        assert!((1..limits::CONDITION_LOOKS).all(|_| looks.again(&said, &changed())));
        assert!(!looks.again(&said, &changed()) && !Looks::default().again(&said, &Ok(())));
    }
}
