//! A link that files are put in by: each comes whole to the disk under a name that nothing had, and the answer says that and no more.
//! Whatever is there, and whatever came before, no answer is another one because of it.

use std::sync::Arc;

use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_RANGE, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};

use super::answer::{Answer, Ids, Reader, explained, text};
use super::coming::{Coming, Pieces};
use super::digests::{self, Digests};
use super::guest::{Guest, unexpected};
use super::link_page;
use super::multipart::{Form, Next};
use super::put;
use super::receiving::{self, Receiving, Wanted};
use super::resumable;
use super::target::LinkTarget;
use super::uploads::{Token, Upload, Uploads};
use crate::auth::{InboxBounds, Link};
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, UploadSpec};
use crate::limits;
use crate::readable;
use crate::server::desk::inbox;
use crate::server::desk::inbox_room::InboxRoom;

/// Whoever brings something by a link, and to where.
pub struct InboxVisit<'a> {
    /// Their session.
    pub guest: &'a Arc<Guest>,
    /// The link.
    pub link: &'a Arc<Link>,
    /// What it takes.
    pub bounds: InboxBounds,
    /// Uploads that are gone on with.
    pub uploads: &'a Arc<Uploads>,
    /// Who reads the answer.
    pub reader: Reader,
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE");

/// In the query of the link's URL: an upload that is gone on with.
const UPLOAD: &str = "upload=";

/// Answers a request for something below the link.
///
/// # Errors
/// Of what cannot be taken; none says anything of what is there.
pub async fn serve(
    inbox: InboxVisit<'_>,
    request: &Request<()>,
    at: &LinkTarget,
    body: &mut Coming,
    ids: Ids,
) -> Result<Answer> {
    let headers = request.headers();
    let token = request.uri().query().and_then(|query| query.strip_prefix(UPLOAD));
    let is_top = at.path.is_root();
    match (request.method().as_str(), token) {
        ("HEAD", Some(token)) if is_top => {
            let (upload, _) = inbox.upload(token)?;
            resumable::look(&upload).await.map_err(hidden)
        }
        ("PATCH", Some(token)) if is_top => {
            let (upload, _) = inbox.upload(token)?;
            resumable::append(inbox.guest, &upload, headers, body).await.map_err(hidden)
        }
        ("DELETE", Some(token)) if is_top => {
            let (upload, token) = inbox.upload(token)?;
            Ok(resumable::cancel(inbox.guest, inbox.uploads, token, &upload).await)
        }
        ("GET" | "HEAD", None) if is_top => Ok(inbox.shown(ids)),
        ("POST", None) if is_top => {
            let (came, failed) = inbox.form(headers, body).await;
            match failed {
                None if came == 0 && !inbox.is_for_person() => Err(Error::new(Kind::BadCommand, "no file came")),
                None => Ok(inbox.thanked(came, ids)),
                Some(error) if came == 0 => Err(error),
                Some(error) => {
                    let (kind, why) = error.told_by_server();
                    let told = format!("{} stored whole; then: {why}", link_page::files(came));
                    Err(Error::new(kind, told))
                }
            }
        }
        ("PUT", None) if !at.is_folder => inbox.put(at, headers, body, ids).await,
        // The same for what is there and what is not.
        _ => {
            let why = "files are put in by this link, and nothing else is done: curl -T FILE 'LINK'";
            let mut answer = explained(StatusCode::METHOD_NOT_ALLOWED, why, &inbox.reader, ids);
            answer.headers_mut().insert(ALLOW, METHODS);
            Ok(answer)
        }
    }
}

impl InboxVisit<'_> {
    fn is_for_person(&self) -> bool {
        matches!(self.reader, Reader::Person(_))
    }

    /// What the link shows: where to put files, and nothing of what is there.
    fn shown(&self, ids: Ids) -> Answer {
        let page = || link_page::inbox(self.bounds, None, ids);
        let told = || {
            let (size, files) = (readable::size(self.bounds.bytes), self.bounds.files);
            format!("Put files in here: curl -T FILE 'LINK'\nUp to {size} in {files} files, all together.\n")
        };
        match self.is_for_person() {
            true => text(StatusCode::OK, "text/html; charset=utf-8", page()),
            false => text(StatusCode::OK, "text/plain; charset=utf-8", told()),
        }
    }

    fn thanked(&self, came: u32, ids: Ids) -> Answer {
        if self.is_for_person() {
            let page = link_page::inbox(self.bounds, Some(came), ids);
            let status = if came == 0 { StatusCode::OK } else { StatusCode::CREATED };
            return text(status, "text/html; charset=utf-8", page);
        }
        explained(StatusCode::CREATED, &format!("{} stored whole", link_page::files(came)), &self.reader, ids)
    }

    /// Where a file goes that is called so.
    fn path(&self, name: &[u8]) -> Result<RelPath> {
        inbox::path_in(&self.guest.users(), self.link, name)
    }

    /// Stores one file that is the body of a request, or begins to.
    async fn put(&self, at: &LinkTarget, headers: &HeaderMap, body: &mut Coming, ids: Ids) -> Result<Answer> {
        let refused = |status, why: &str| Ok(explained(status, why, &self.reader, ids));
        let path = self.path(at.path.as_bytes())?;
        if headers.contains_key(CONTENT_RANGE) {
            return Err(Error::new(Kind::BadCommand, "PUT stores whole files: Content-Range is not taken"));
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            let why = "files are stored as they come, and Content-Encoding is not taken";
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        }
        let goes_on = resumable::is_complete(headers) == Some(false);
        let size = if goes_on { resumable::length(headers) } else { body.announced() };
        let Some(size) = size else {
            return refused(StatusCode::LENGTH_REQUIRED, "say how long the file is, for there is a bound");
        };
        let mtime = put::mtime(headers)?;
        let spec = UploadSpec { size: Some(size), mtime, ..UploadSpec::default() };
        let digests = Digests::parse(headers, &[digests::REPR])?;
        let room = self.guest.room(self.link, self.bounds, (1, size)).await.map_err(hidden)?;
        let mut answer = if goes_on {
            let url = at.secret.url();
            let holding = (self.guest.source().clone(), Some(room));
            let locate = |token: Token| format!("{url}?{UPLOAD}{token}");
            let wanted = Wanted { path, spec, digests };
            let began = resumable::create(self.guest, self.uploads, holding, (wanted, headers), body, locate);
            began.await.map_err(hidden)?
        } else {
            let digests = Digests::parse(headers, &[digests::REPR, digests::CONTENT])?;
            let wanted = Wanted { path, spec, digests };
            receiving::store(self.guest, wanted, Some(room), body).await.map_err(hidden)?;
            let mut answer = self.thanked(1, ids);
            if resumable::is_complete(headers) == Some(true) {
                resumable::mark(&mut answer, true);
            }
            answer
        };
        if mtime.is_some() {
            answer.headers_mut().insert(put::MTIME, HeaderValue::from_static("accepted"));
        }
        Ok(answer)
    }

    /// Stores the files of a form: how many, and why not the next one.
    async fn form(&self, headers: &HeaderMap, body: &mut Coming) -> (u32, Option<Error>) {
        let mut came = 0;
        let failed = self.try_form(headers, body, &mut came).await.err();
        (came, failed)
    }

    async fn try_form(&self, headers: &HeaderMap, body: &mut Coming, came: &mut u32) -> Result<()> {
        let long = || Error::new(Kind::BadCommand, "say how long the form is, for there is a bound");
        let size = body.announced().ok_or_else(long)?;
        // A chunk that gathers, and one at the desk.
        let claim = self.guest.account().claim(2 * limits::CHUNK);
        let least = if claim.is_some() { limits::CHUNK } else { limits::WEB_READ };
        let mut form = Reading { form: Form::of(headers)?, guest: self.guest, body, least, is_over: false };
        // All of the form is more than its files.
        let mut all = self.guest.room(self.link, self.bounds, (0, size)).await.map_err(hidden)?;
        loop {
            match form.next().await? {
                Next::Over => return Ok(()),
                // Of a form in which no file was chosen one comes without a name.
                Next::Part(Some(name)) if !name.is_empty() => {
                    let path = self.path(&name)?;
                    self.part(path, &mut all, &mut form).await?;
                    *came += 1;
                }
                Next::Part(_) | Next::Bytes(_) | Next::End => {}
                Next::More => return Err(unexpected()),
            }
        }
    }

    /// Stores a file that is part of a form, in the room that all of that has.
    async fn part(&self, path: RelPath, all: &mut InboxRoom, form: &mut Reading<'_>) -> Result<()> {
        let room = self.guest.room(self.link, self.bounds, (1, 0)).await.map_err(hidden)?;
        let wanted = Wanted { path, spec: UploadSpec::default(), digests: Digests::default() };
        let mut receiving = Receiving::begin(self.guest, wanted, Some(room)).await.map_err(hidden)?;
        let mut size = 0;
        while let Next::Bytes(bytes) = form.next().await? {
            size += bytes.len() as u64;
            let some = Pieces { len: bytes.len(), pieces: vec![bytes], is_last: false };
            receiving.stream().append(some).await.map_err(hidden)?;
        }
        if let Some(room) = receiving.room() {
            all.hand_over(size, room);
        }
        receiving::conclude(receiving).await.map(drop).map_err(hidden)
    }

    /// The upload of this token, for whoever has this link.
    fn upload(&self, token: &str) -> Result<(Arc<Upload>, Token)> {
        let missing = || Error::new(Kind::NotFound, "there is no such upload");
        let token: Token = token.parse().map_err(|()| missing())?;
        let upload = self.uploads.get(token).filter(|upload| self.guest.principal().is_same_user(&upload.owner));
        upload.map(|upload| (upload, token)).ok_or_else(missing)
    }
}

/// A form that is read from a body.
struct Reading<'a> {
    form: Form,
    /// Who pays for all of it, also for what is no file.
    guest: &'a Guest,
    body: &'a mut Coming,
    /// So many bytes are gathered before some are given out.
    least: usize,
    is_over: bool,
}

impl Reading<'_> {
    async fn next(&mut self) -> Result<Next> {
        loop {
            match self.form.next(self.least)? {
                Next::More if self.is_over => return Err(hidden(Error::new(Kind::Aborted, "the form broke off"))),
                Next::More => {
                    let some = self.body.gather(self.least).await.map_err(hidden)?;
                    self.guest.pay(some.len).await;
                    some.pieces.iter().for_each(|piece| self.form.push(piece));
                    self.is_over = some.is_last;
                }
                next => return Ok(next),
            }
        }
    }
}

/// What failed, as the web tells it: without a word of where, and of what is there.
fn hidden(error: Error) -> Error {
    let error = inbox::hidden(error);
    match error.kind() {
        // The link is over, or nothing may be put in by it.
        Kind::Revoked | Kind::Kicked | Kind::Denied => Error::new(Kind::Revoked, "no such link"),
        Kind::NotFound => Error::new(Kind::NotFound, "there is no such upload, or no such link"),
        kind @ (Kind::Stopping | Kind::TimedOut) => Error::new(kind, "it could not be taken now"),
        Kind::TooMany => Error::new(Kind::Busy, error.text()),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_failure_names_nothing_that_is_there() {
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::BadCommand) {
            let told = hidden(Error::new(kind, "inbox/secret-name: 4096 of 5000 bytes"));
            assert!(!told.text().contains("secret") && !told.text().contains("4096"), "{kind:?}: {told}");
        }
        for kind in [Kind::Exists, Kind::Locked, Kind::Changed, Kind::TooMany] {
            assert_eq!(hidden(Error::new(kind, "x")).kind(), Kind::Busy, "as if the server had no time");
        }
    }
}
