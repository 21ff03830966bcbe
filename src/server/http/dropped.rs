//! A link that files are put in by: each comes whole to the disk under a name that nothing had, and the answer says that and no more.
//! Whatever is there, and whatever came before, no answer is another one because of it.

use std::sync::Arc;

use hyper::header::{ALLOW, CONTENT_RANGE, HeaderValue};
use hyper::{HeaderMap, Request, StatusCode};

use super::answer::{Answer, Ids, Reader, explained, status, text};
use super::codings;
use super::digests::{self, Digests};
use super::link_page;
use super::multipart::{Form, Next};
use super::put;
use super::query::Query;
use super::receiving::{self, Receiving, Wanted};
use super::request_body::{Pieces, RequestBody};
use super::resumable;
use super::target::LinkTarget;
use super::uploads::{Token, Upload, Uploads};
use super::web_session::{WebSession, unexpected};
use crate::auth::{InboxBounds, Link};
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::{RelPath, UploadSpec};
use crate::limits;
use crate::readable;
use crate::server::desk::inbox;
use crate::server::desk::inbox_room::InboxRoom;

/// Whoever brings something by a link, and to where.
pub struct InboxVisit<'a> {
    /// Their session.
    pub web_session: &'a Arc<WebSession>,
    /// The link.
    pub link: &'a Arc<Link>,
    /// What it takes.
    pub bounds: InboxBounds,
    /// Uploads that are gone on with.
    pub uploads: &'a Arc<Uploads>,
    /// Who reads the answer.
    pub reader: Reader,
    /// Told of what of a form is refused.
    pub refused: &'a (dyn Fn(&Error) + Sync),
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
    body: &mut RequestBody,
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
            resumable::append(inbox.web_session, &upload, headers, body).await.map_err(hidden)
        }
        ("DELETE", Some(token)) if is_top => {
            let (upload, token) = inbox.upload(token)?;
            Ok(resumable::cancel(inbox.web_session, inbox.uploads, token, &upload).await)
        }
        ("GET" | "HEAD", None) if is_top && Query::parse(request.uri()).json => Ok(inbox.as_json()),
        ("GET" | "HEAD", None) if is_top => Ok(inbox.shown(ids)),
        ("POST", None) if is_top => {
            let brought = inbox.form(headers, body).await;
            if let Some(error) = brought.first.as_ref().filter(|_| brought.stored > 0) {
                (inbox.refused)(error);
            }
            match brought.first {
                None if brought.stored == 0 && !inbox.is_for_person() => {
                    Err(Error::new(Kind::BadCommand, "no file came"))
                }
                Some(error) if brought.stored == 0 => Err(error),
                _ => Ok(inbox.thanked(&brought, ids)),
            }
        }
        ("PUT", None) if !at.is_folder => inbox.put(at, headers, body, ids).await,
        // The same for what is there and what is not.
        _ => {
            let why = "this link receives files, and does nothing else: curl -fT FILE 'LINK'";
            let mut answer = explained(StatusCode::METHOD_NOT_ALLOWED, why, &inbox.reader, ids);
            answer.headers_mut().insert(ALLOW, METHODS);
            Ok(answer)
        }
    }
}

/// What became of the files of a form.
#[derive(Debug, Default)]
pub struct Brought {
    /// So many are there, whole.
    pub stored: u32,
    /// So many are not.
    pub failed: u32,
    /// What some of those are called where they come from, and why they are not there: whoever sent them knows their names.
    pub told_of: Vec<(String, String)>,
    /// Why the first of them is not.
    first: Option<Error>,
}

impl Brought {
    /// This file is not there, or without a name whatever the form had behind it.
    fn fails(&mut self, name: Option<Vec<u8>>, error: Error) {
        self.failed = self.failed.saturating_add(1);
        if self.told_of.len() < limits::WEB_PARTS_TOLD {
            let name = name.map_or_else(|| "The rest".to_owned(), |name| for_people(&name));
            self.told_of.push((name, error.told_by_server().1.into_owned()));
        }
        self.first.get_or_insert(error);
    }

    fn told(&self) -> String {
        let stored = format!("{} stored whole", link_page::files(self.stored));
        if self.failed == 0 {
            return stored;
        }
        let told = self.told_of.iter().map(|(name, why)| format!("{name}: {why}"));
        format!("{stored}, {} not: {}", self.failed, told.collect::<Vec<_>>().join("; "))
    }
}

impl InboxVisit<'_> {
    fn is_for_person(&self) -> bool {
        matches!(self.reader, Reader::Person(_))
    }

    fn is_full(&self) -> bool {
        self.web_session.users().links().is_full(self.link)
    }

    /// What the link shows: where to put files, and nothing of what is there.
    fn shown(&self, ids: Ids) -> Answer {
        let page = || link_page::inbox((self.bounds, self.is_full()), None, ids);
        let told = || {
            if self.is_full() {
                return "This link is full and takes no more.\n".to_owned();
            }
            let (size, files) = (readable::size(self.bounds.bytes), self.bounds.files);
            format!("Put files in here: curl -fT FILE 'LINK'\nUp to {size} in {files} files, all together.\n")
        };
        match self.is_for_person() {
            true => text(StatusCode::OK, "text/html; charset=utf-8", page()),
            false => text(StatusCode::OK, "text/plain; charset=utf-8", told()),
        }
    }

    /// What the link shows to programs: what it takes in all, and nothing of what came.
    fn as_json(&self) -> Answer {
        let InboxBounds { bytes, files } = self.bounds;
        let object = serde_json::json!({ "kind": "drop", "max_bytes": bytes, "max_files": files });
        text(StatusCode::OK, "application/json", format!("{object}\n"))
    }

    /// Says what is there of what came: 201 if that is all of it, and else what the first that is not was refused with. Programs that
    /// look at that number alone are not to take some of it for all.
    fn thanked(&self, brought: &Brought, ids: Ids) -> Answer {
        let status = match (&brought.first, brought.stored) {
            (Some(error), _) => status(error.kind()),
            (None, 0) => StatusCode::OK,
            (None, _) => StatusCode::CREATED,
        };
        if self.is_for_person() {
            return text(
                status,
                "text/html; charset=utf-8",
                link_page::inbox((self.bounds, self.is_full()), Some(brought), ids),
            );
        }
        explained(status, &brought.told(), &self.reader, ids)
    }

    /// Where a file goes that is called so.
    fn path(&self, name: &[u8]) -> Result<RelPath> {
        inbox::path_in(&self.web_session.users(), self.link, name)
    }

    /// Stores one file that is the body of a request, or begins to.
    async fn put(&self, at: &LinkTarget, headers: &HeaderMap, body: &mut RequestBody, ids: Ids) -> Result<Answer> {
        let refused = |status, why: &str| Ok(explained(status, why, &self.reader, ids));
        let path = self.path(at.path.as_bytes())?;
        if headers.contains_key(CONTENT_RANGE) {
            return Err(Error::new(Kind::BadCommand, "PUT stores whole files: Content-Range is not taken"));
        }
        let goes_on = resumable::is_complete(headers) == Some(false);
        let unsaid = || if goes_on { None } else { body.unsaid() };
        if let Some((status, why)) = codings::refused(headers).or_else(unsaid) {
            return refused(status, &why);
        }
        let size = if goes_on { resumable::length(headers) } else { body.announced() };
        let Some(size) = size else {
            return refused(StatusCode::LENGTH_REQUIRED, "say how long the file is, for there is a bound");
        };
        let mtime = put::mtime(headers)?;
        let spec = UploadSpec { size: Some(size), mtime, ..UploadSpec::default() };
        let digests = Digests::parse(headers, &[digests::REPR])?;
        let room = self.web_session.room(self.link, self.bounds, (1, size)).map_err(hidden)?;
        let mut answer = if goes_on {
            let url = at.secret.url();
            let holding = (self.web_session.source().clone(), Some(room));
            let locate = |token: Token| format!("{url}?{UPLOAD}{token}");
            let wanted = Wanted { path, spec, digests, resume: None };
            let began = resumable::create(self.web_session, self.uploads, holding, (wanted, headers), body, locate);
            began.await.map_err(hidden)?
        } else {
            let digests = Digests::parse(headers, &[digests::REPR, digests::CONTENT])?;
            let wanted = Wanted { path, spec, digests, resume: None };
            receiving::store(self.web_session, wanted, Some(room), body).await.map_err(hidden)?;
            let mut answer = self.thanked(&Brought { stored: 1, ..Brought::default() }, ids);
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

    /// Stores the files of a form, each for itself: what of it is there, and why what is not.
    async fn form(&self, headers: &HeaderMap, body: &mut RequestBody) -> Brought {
        let mut brought = Brought::default();
        if let Err(error) = self.try_form(headers, body, &mut brought).await {
            brought.fails(None, error);
        }
        brought
    }

    async fn try_form(&self, headers: &HeaderMap, body: &mut RequestBody, brought: &mut Brought) -> Result<()> {
        let long = || Error::new(Kind::BadCommand, "say how long the form is, for there is a bound");
        let size = body.announced().ok_or_else(long)?;
        // A chunk that gathers, and one at the desk.
        let claim = self.web_session.account().claim(2 * limits::CHUNK);
        let least = if claim.is_some() { limits::CHUNK } else { limits::WEB_READ };
        let mut form = Reading { form: Form::of(headers)?, web_session: self.web_session, body, least, is_over: false };
        // All of the form is more than its files.
        let mut all = self.web_session.room(self.link, self.bounds, (0, size)).map_err(hidden)?;
        loop {
            match form.next().await? {
                Next::Over => return Ok(()),
                // Of a form in which no file was chosen one comes without a name.
                Next::Part(Some(name)) if !name.is_empty() => match self.part(&name, &mut all, &mut form).await? {
                    Ok(()) => brought.stored += 1,
                    // Whatever comes behind it fails, too.
                    Err(error) if error.kind() == Kind::NotFound => return Err(error),
                    Err(error) => brought.fails(Some(name), error),
                },
                Next::Part(_) | Next::Bytes(_) | Next::End => {}
                Next::More => return Err(unexpected()),
            }
        }
    }

    /// Stores a file that is part of a form, in the room that all of that has. What is not stored is read to its end: others come
    /// behind it. The outer error is the form's.
    async fn part(&self, name: &[u8], all: &mut InboxRoom, form: &mut Reading<'_>) -> Result<Result<()>> {
        let mut receiving = self.begin_part(name).await;
        let mut size = 0;
        while let Next::Bytes(bytes) = form.next().await? {
            size += bytes.len() as u64;
            let some = Pieces { len: bytes.len(), pieces: vec![bytes], is_last: false };
            receiving = match receiving {
                Ok(receiving) => receiving.stream().append(some).await.map(|()| receiving),
                Err(error) => Err(error),
            };
        }
        let stored = match receiving {
            Ok(mut receiving) => {
                if let Some(room) = receiving.room() {
                    all.hand_over(size, room);
                }
                receiving::conclude(receiving).await
            }
            Err(error) => Err(error),
        };
        Ok(stored.map(drop).map_err(|error| if error.kind() == Kind::BadPath { error } else { hidden(error) }))
    }

    async fn begin_part(&self, name: &[u8]) -> Result<Receiving> {
        let path = self.path(name)?;
        let room = self.web_session.room(self.link, self.bounds, (1, 0))?;
        let (spec, digests) = (UploadSpec::default(), Digests::default());
        Receiving::begin(self.web_session, Wanted { path, spec, digests, resume: None }, Some(room)).await
    }

    /// The upload of this token, for whoever has this link.
    fn upload(&self, token: &str) -> Result<(Arc<Upload>, Token)> {
        let missing = || Error::new(Kind::NotFound, "there is no such upload");
        let token: Token = token.parse().map_err(|()| missing())?;
        let upload = self.uploads.get(token).filter(|upload| self.web_session.principal().is_same_user(&upload.owner));
        upload.map(|upload| (upload, token)).ok_or_else(missing)
    }
}

/// A form that is read from a body.
struct Reading<'a> {
    form: Form,
    /// Who pays for all of it, also for what is no file.
    web_session: &'a WebSession,
    body: &'a mut RequestBody,
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
                    self.web_session.pay(some.len).await;
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
    let told = match error.kind() {
        // The link is over, or nothing may be put in by it.
        Kind::Revoked | Kind::Kicked | Kind::Denied => Error::new(Kind::Revoked, "no such link"),
        Kind::NotFound => Error::new(Kind::NotFound, "there is no such upload, or no such link"),
        kind @ (Kind::Stopping | Kind::TimedOut) => Error::new(kind, "it could not be taken now"),
        Kind::TooMany => Error::new(Kind::Busy, error.text()),
        _ => return error,
    };
    told.in_place_of(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_failure_names_nothing_that_is_there() {
        let of_the_request = [Kind::BadCommand, Kind::BadSequence, Kind::UnknownVerb];
        for kind in Kind::ALL.iter().copied().filter(|kind| !of_the_request.contains(kind)) {
            let told = hidden(Error::new(kind, "inbox/secret-name: 4096 of 5000 bytes"));
            assert!(!told.text().contains("secret") && !told.text().contains("4096"), "{kind:?}: {told}");
        }
        for kind in [Kind::Exists, Kind::Locked, Kind::Changed, Kind::TooMany] {
            assert_eq!(hidden(Error::new(kind, "x")).kind(), Kind::Busy, "as if the server had no time");
        }
    }
}
