//! Uploads that can be gone on with: draft-ietf-httpbis-resumable-upload-12 (interop version 8), without interim responses,
//! which are optional there. A PUT with `Upload-Complete: ?0` begins one and is told its URL; `HEAD` says how far it has come,
//! `PATCH` appends, `DELETE` gives it up. What is appended to an upload cannot be taken back.

use std::sync::Arc;

use futures::future::{Either, select};
use futures::pin_mut;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{HeaderMap, StatusCode};

use super::answer::{Answer, answer, set};
use super::codings;
use super::digests::{self, Digests};
use super::put;
use super::receiving::{Receiving, Stream, Wanted};
use super::request_body::RequestBody;
use super::uploads::{Token, Upload, Uploads};
use super::web_session::{Waiting, WebSession, unexpected};
use super::work_to_end::{start, work_to_end};
use crate::error::{Error, Kind, Result};
use crate::files::{Partial, RelPath, Resume, SeenAt};
use crate::limits;
use crate::machine::source::Source;
use crate::server::desk::Desk;
use crate::server::desk::inbox_room::InboxRoom;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Outcome;

const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// What a PATCH brings.
const PARTIAL: HeaderValue = HeaderValue::from_static("application/partial-upload");

/// Below which the uploads are, in the server's own folder.
pub const FOLDER: &str = "uploads/";

/// What has come of an upload and its BLAKE3: bytes, a space, and 64 hexadecimal digits. A new one goes on with what an interrupted one left
/// if it names that.
const PREFIX: HeaderName = HeaderName::from_static("sealift-prefix");

/// Where a request says that its upload is to go on, if it does.
///
/// # Errors
/// [`Kind::BadCommand`] for what is none.
pub fn prefix(headers: &HeaderMap) -> Result<Option<Resume>> {
    let Some(value) = headers.get(PREFIX) else { return Ok(None) };
    let parse = |text: &str| {
        let (offset, prefix) = text.split_once(' ')?;
        let offset = offset.bytes().all(|byte| byte.is_ascii_digit()).then(|| offset.parse().ok())??;
        Some(Resume { offset, prefix: prefix.parse().ok()? })
    };
    let bad = || Error::new(Kind::BadCommand, "Sealift-Prefix is no number of bytes with their BLAKE3");
    value.to_str().ok().and_then(parse).map(Some).ok_or_else(bad)
}

/// Says what an interrupted upload of this path left: `?partial`.
///
/// # Errors
/// [`Kind::NotFound`] if nothing is left; those of the gate and the store.
pub async fn left(web_session: &Arc<WebSession>, path: RelPath, method: &'static str) -> Result<Answer> {
    let op = (Op::FindPartial(path), SeenAt::ANYTHING);
    let begin = move |desk: &mut Desk, waiting: &mut Waiting| start(desk, waiting, op, method);
    let Partial { len, hash } = work_to_end(web_session, 1, begin, |ended| match ended.outcome()? {
        Outcome::Partial(partial) => Ok(partial),
        _ => Err(unexpected()),
    })
    .await?;
    let mut answer = answer(StatusCode::NO_CONTENT);
    set(&mut answer, PREFIX, format_args!("{len} {hash}"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Whether a request says that it is the whole of an upload or not; none if it says nothing of it.
pub fn is_complete(headers: &HeaderMap) -> Option<bool> {
    match headers.get(COMPLETE).map(HeaderValue::as_bytes) {
        Some(b"?1") => Some(true),
        Some(b"?0") => Some(false),
        // What is something else counts as not there.
        _ => None,
    }
}

/// The whole length of an upload, if it is told.
pub fn length(headers: &HeaderMap) -> Option<u64> {
    number(headers, &LENGTH)
}

/// A structured integer; what is something else counts as not there.
fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    // RFC 9651, section 3.3.1: at most 15 digits.
    let is_number = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Says that an upload is complete.
pub fn mark(answer: &mut Answer, is_complete: bool) {
    answer.headers_mut().insert(COMPLETE, HeaderValue::from_static(if is_complete { "?1" } else { "?0" }));
}

/// Says that uploads can be gone on with.
pub fn offer(answer: &mut Answer) {
    answer.headers_mut().insert(ACCEPT_PATCH, PARTIAL);
    set(answer, LIMIT, format_args!("max-age={}", limits::WEB_UPLOAD_LIFETIME.as_secs()));
}

/// Begins an upload with what comes, which may be nothing. It is counted with this source, and holds that room of a link if it came by
/// one. `locate` says where it is to be gone on with.
///
/// # Errors
/// Those of an upload; [`Kind::TooMany`].
pub async fn create(
    web_session: &Arc<WebSession>,
    uploads: &Arc<Uploads>,
    (source, room): (Source, Option<InboxRoom>),
    (wanted, headers): (Wanted, &HeaderMap),
    body: &mut RequestBody,
    locate: impl FnOnce(Token) -> String,
) -> Result<Answer> {
    let content = Digests::parse(headers, &[digests::CONTENT])?;
    let length = wanted.spec.size;
    uploads.check(web_session.principal(), &source)?;
    let receiving = Receiving::begin(web_session, wanted, None).await?;
    take_in(receiving.stream(), body, content).await?;
    receiving.stream().slot.rest();
    let upload =
        Arc::new(Upload::new(web_session.principal().clone(), source, receiving.stream().slot.clone(), length));
    upload.hold(room);
    let token = uploads.add(upload.clone())?;
    receiving.let_go();
    let mut answer = state(&upload, StatusCode::CREATED);
    set(&mut answer, LOCATION, locate(token));
    Ok(answer)
}

/// Says how far an upload has come, and what that is: its sender may have another file by now. Whoever was at it is at it no longer.
///
/// # Errors
/// [`Kind::NotFound`] if it has failed.
pub async fn look(upload: &Upload) -> Result<Answer> {
    let (_held, _) = upload.take_over().await;
    let Partial { len, hash } = upload.part().ok_or_else(gone)?;
    let mut answer = state(upload, StatusCode::NO_CONTENT);
    set(&mut answer, PREFIX, format_args!("{len} {hash}"));
    Ok(answer)
}

/// Gives an upload up.
pub async fn cancel(web_session: &Arc<WebSession>, uploads: &Uploads, token: Token, upload: &Upload) -> Answer {
    let (held, _) = upload.take_over().await;
    let stream = Stream { web_session: web_session.clone(), slot: upload.slot.clone(), held: Some(held) };
    stream.give_up(Error::new(Kind::Aborted, "the upload was given up by its sender")).await;
    uploads.forget(token);
    answer(StatusCode::NO_CONTENT)
}

/// Appends what comes, and if that is the end puts the file in its place.
///
/// # Errors
/// [`Kind::NotFound`] if it has failed; [`Kind::BadCommand`] for what does not say what it is; those of an upload.
pub async fn append(
    web_session: &Arc<WebSession>,
    upload: &Arc<Upload>,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Answer> {
    let answer = try_append(web_session, upload, headers, body).await;
    if answer.is_err() {
        upload.settle();
    }
    answer
}

async fn try_append(
    web_session: &Arc<WebSession>,
    upload: &Arc<Upload>,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Answer> {
    let bad = |why: &str| Error::new(Kind::BadCommand, why);
    if headers.get(CONTENT_TYPE) != Some(&PARTIAL) {
        let mut answer = answer(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        offer(&mut answer);
        return Ok(answer);
    }
    if let Some((_, why)) = codings::refused(headers) {
        return Err(bad(&why));
    }
    let is_complete = is_complete(headers).ok_or_else(|| bad("the request has no Upload-Complete"))?;
    let from = number(headers, &OFFSET).ok_or_else(|| bad("the request has no Upload-Offset"))?;
    let content = Digests::parse(headers, &[digests::CONTENT])?;
    let (held, replaced) = upload.take_over().await;
    let offset = upload.offset().ok_or_else(gone)?;
    if upload.is_done() {
        return Err(bad("the upload is complete"));
    }
    if from != offset {
        return Ok(state(upload, StatusCode::CONFLICT));
    }
    let end = body.announced().map(|more| offset.saturating_add(more));
    if let Some(length) = length(headers).or(end.filter(|_| is_complete)) {
        upload.learn_length(length)?;
    }
    if let (Some(end), Some(length)) = (end, upload.length())
        && (end > length || (is_complete && end != length))
    {
        return Err(Error::new(Kind::Integrity, format!("the upload would end at {end} and not at {length} bytes")));
    }
    let stream = Stream { web_session: web_session.clone(), slot: upload.slot.clone(), held: Some(held) };
    {
        let coming = async {
            let _open = web_session.open_file().await;
            stream.claim_room().await?;
            take_in(&stream, body, content).await
        };
        pin_mut!(coming);
        match select(coming, replaced).await {
            Either::Left((came, _)) => came?,
            Either::Right(_) => return Err(Error::new(Kind::Aborted, "another request goes on with this upload")),
        }
    }
    if !is_complete {
        return Ok(state(upload, StatusCode::NO_CONTENT));
    }
    if let (Some(came), Some(length)) = (upload.offset(), upload.length())
        && came != length
    {
        return Err(Error::new(Kind::Integrity, format!("{came} bytes have come of {length}")));
    }
    let done = upload.clone();
    let committed = stream
        .finish(upload.release(), move |committed| done.stored(Partial { len: committed.size, hash: committed.hash }))
        .await?;
    let mut answer = put::stored(&committed);
    mark(&mut answer, true);
    Ok(answer)
}

async fn take_in(stream: &Stream, body: &mut RequestBody, content: Digests) -> Result<()> {
    // Also where nothing is said of it: the request before may have been cut off in the middle of what it told the digest of.
    stream.watch(content).await?;
    stream.take_in(body).await?;
    stream.check().await
}

/// How far it has come.
fn state(upload: &Upload, status: StatusCode) -> Answer {
    let mut answer = answer(status);
    mark(&mut answer, upload.is_done());
    if let Some(offset) = upload.offset() {
        set(&mut answer, OFFSET, offset);
    }
    if let Some(length) = upload.length() {
        set(&mut answer, LENGTH, length);
    }
    set(&mut answer, LIMIT, format_args!("max-age={}", upload.left().as_secs()));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn gone() -> Error {
    Error::new(Kind::NotFound, "there is no such upload")
}
