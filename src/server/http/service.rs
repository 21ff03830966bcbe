//! From a request to its answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, StatusCode, Version};
use tracing::error;

use super::Web;
use super::adapter::{Open, Progress};
use super::answer::{
    Answer, Body, Ids, Reader, Unwanted, complete, explained, is_for_browser, methods, not_allowed, redirect, refusal,
    refusal_as, status, text,
};
use super::change::{self, Way};
use super::coming::Coming;
use super::copy;
use super::dav;
use super::file::Asked;
use super::guest::Guest;
use super::link::{self, Asker};
use super::login;
use super::same_site;
use super::target::{Place, Target, Whose, check_host, destination, no_query};
use super::turned_away::{Arrival, Turned};
use super::uploads::{Token, Upload};
use super::viewer::Viewer;
use super::visitors::{Claimed, Visitors};
use super::wish::Wish;
use super::writing::Writing;
use super::{own, page, place, put, resumable};
use crate::budget::{Account, Claim};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::Source;
use crate::server::desk::registry::SessionId;
use crate::server::door::admission::Offence;

/// Answers the requests of one connection. Clones are the same.
#[derive(Clone)]
pub struct Answering(Arc<Connection>);

struct Connection {
    visitors: Arc<Visitors>,
    progress: Arc<Progress>,
    /// What TLS was told whom the client wants.
    server_name: Option<String>,
    /// Until somebody is logged in.
    id: SessionId,
    /// What comes with requests, and many of them at once, whoever they are from.
    account: Arc<Account>,
}

/// A request without its body.
struct Head {
    request: Request<()>,
    is_for_browser: bool,
    /// How far it has come.
    arrival: Arrival,
}

impl Answering {
    /// That of a connection on which TLS was told this name.
    pub fn new(
        visitors: Arc<Visitors>,
        progress: Arc<Progress>,
        server_name: Option<String>,
        id: SessionId,
    ) -> Answering {
        let account = visitors.shared().memory.account(&Source::from(visitors.peer().ip()));
        Answering(Arc::new(Connection { visitors, progress, server_name, id, account }))
    }
}

impl Service<Request<Incoming>> for Answering {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let connection = self.0.clone();
        match connection.progress.open(&connection.account) {
            Some(open) => async move { Ok(connection.answer(request, open).await) }.boxed(),
            None => std::future::ready(Ok(connection.no_room(&request))).boxed(),
        }
    }
}

impl Connection {
    /// The answer where so many requests at once are more than there is memory for.
    fn no_room(&self, request: &Request<Incoming>) -> Answer {
        let ids = Ids { pid: std::process::id(), session: self.id };
        let error = Error::new(Kind::Busy, "there is no memory for so many requests at once");
        let is_head = request.method() == Method::HEAD;
        let reader = if is_for_browser(request.headers()) { Reader::Person(None) } else { Reader::Program };
        let answer = refusal(&error, &reader, ids);
        complete(answer, ids, is_head).map(|body| if is_head { Body::none() } else { body })
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, open: Open) -> Answer {
        let (parts, body) = request.into_parts();
        let is_for_browser = is_for_browser(&parts.headers);
        let mut body = Coming::new(body, &parts.headers);
        // Held until it is answered, and what comes with it has come.
        let (room, refused) = match self.room_for(&body, parts.version) {
            Ok(room) => (room, None),
            Err(error) => (None, Some(error)),
        };
        let is_head = parts.method == Method::HEAD;
        let head = Head { request: Request::from_parts(parts, ()), is_for_browser, arrival: Arrival::default() };
        let mut ids = Ids { pid: std::process::id(), session: self.id };
        let answering = AssertUnwindSafe(async {
            if let Some(error) = refused {
                return Err(error);
            }
            self.decide(&head, &mut body, &mut ids).await
        })
        .catch_unwind()
        .await;
        let answer = match answering {
            Ok(Ok(answer)) => {
                head.arrival.answered(&self.turned(&head, ids), answer.status());
                answer
            }
            Ok(Err(error)) => {
                head.arrival.failed(&self.turned(&head, ids), None, &error);
                let mut answer = match status(error.told_by_server().0) {
                    StatusCode::UNAUTHORIZED
                        if error.kind() == Kind::LoginRequired && login::is_from_elsewhere(&head.request) =>
                    {
                        login::arrived(head.request.uri(), ids)
                    }
                    StatusCode::UNAUTHORIZED if is_for_browser => login::asked(head.request.uri(), &error, ids),
                    _ => refusal(&error, &self.reader(&head), ids),
                };
                if login::is_browser(head.request.headers()) {
                    login::ask_by_form_alone(&mut answer);
                }
                // More guesses take a new connection, and with it its penalties.
                if error.kind() == Kind::LoginFailed && head.request.version() < Version::HTTP_2 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
            Err(_) => {
                self.panicked();
                explained(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "a fault in Sealift: please report it",
                    &self.reader(&head),
                    ids,
                )
            }
        };
        body.drain().await;
        // HTTP/2 takes any byte behind the head of such an answer for a fault.
        let on_panic = Box::new(move || self.panicked());
        let sent = |answer: Body| answer.watched(open, on_panic).before(Unwanted::new(body, room));
        complete(answer, ids, is_head).map(|answer| sent(if is_head { Body::none() } else { answer }))
    }

    /// A fault of ours, and whoever can cause one may do it again.
    fn panicked(&self) {
        let panics = self.visitors.shared().registry.count_panic();
        error!(panics, "a request panicked: a fault in Sealift, please report it");
        self.visitors.penalise(Offence::Panic);
    }

    /// What a client may send ahead of a body is counted before anything of it is looked at.
    fn room_for(&self, body: &Coming, version: Version) -> Result<Option<Claim>> {
        if version < Version::HTTP_2 || body.is_empty() {
            return Ok(None);
        }
        let window = usize::try_from(limits::WEB_STREAM_WINDOW).unwrap_or(usize::MAX);
        let ahead =
            body.announced().and_then(|size| usize::try_from(size).ok()).map_or(window, |size| size.min(window));
        let busy = || Error::new(Kind::Busy, "there is no room for what comes with this request now");
        self.account.claim(ahead).map(Some).ok_or_else(busy)
    }

    async fn decide(&self, head: &Head, body: &mut Coming, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        check_host(request.uri(), request.version(), request.headers(), self.server_name.as_deref())?;
        if let Ok(Target::Link(at)) = Target::parse(request.uri()) {
            let for_browser = head.is_for_browser;
            let asker = Asker { visitors: &self.visitors, request, for_browser, arrival: &head.arrival };
            return Ok(link::serve(asker, at, body, ids).await);
        }
        match request.method().as_str() {
            "GET" => self.read("GET", head, ids).await,
            "HEAD" => self.read("HEAD", head, ids).await,
            "POST" => match Target::parse(request.uri())? {
                Target::Own(path) => own::post(&self.visitors, &path, request, body, (head.is_for_browser, *ids)).await,
                Target::Place(_) | Target::Link(_) => Ok(self.not_allowed(head, *ids)),
            },
            "OPTIONS" => Ok(self.options()),
            "PROPFIND" => self.find(head, body, ids).await,
            "PUT" => self.write(Writing::Put, head, body, ids).await,
            "DELETE" => self.write(Writing::Delete, head, body, ids).await,
            "MKCOL" => self.write(Writing::MakeFolder, head, body, ids).await,
            "MOVE" => self.write(Writing::Move, head, body, ids).await,
            "COPY" => self.write(Writing::Copy, head, body, ids).await,
            "PATCH" => self.write(Writing::Append, head, body, ids).await,
            "LOCK" => self.write(Writing::Lock, head, body, ids).await,
            "UNLOCK" => self.write(Writing::Unlock, head, body, ids).await,
            "PROPPATCH" => self.write(Writing::SetProperties, head, body, ids).await,
            _ => Ok(self.not_allowed(head, *ids)),
        }
    }

    fn web(&self) -> Web {
        self.visitors.shared().web
    }

    fn not_allowed(&self, head: &Head, ids: Ids) -> Answer {
        not_allowed(&shown(head.request.method()), self.web(), &self.reader(head), ids)
    }

    fn reader(&self, head: &Head) -> Reader {
        match head.is_for_browser {
            true => Reader::Person(self.visitors.viewer(head.request.headers())),
            false => Reader::Program,
        }
    }

    fn turned<'h>(&'h self, head: &'h Head, ids: Ids) -> Turned<'h> {
        Turned { visitors: &self.visitors, request: &head.request, session: ids.session }
    }

    fn refused(&self, status: StatusCode, error: &Error, head: &Head, ids: Ids) -> Answer {
        head.arrival.failed(&self.turned(head, ids), None, error);
        let mut answer = refusal_as(status, error, &self.reader(head), ids);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, methods(self.web()));
        }
        answer
    }

    async fn read(&self, method: &'static str, head: &Head, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        let place = match Target::parse(request.uri())? {
            Target::Own(path) => match path.strip_prefix(resumable::FOLDER) {
                Some(token) => {
                    let (_, upload, _) = self.upload(token, head, ids).await?;
                    return resumable::look(&upload).await;
                }
                None => return own::serve(&self.visitors, &path, request, (head.is_for_browser, *ids)).await,
            },
            Target::Place(place) => place,
            Target::Link(_) => return Ok(self.not_allowed(head, *ids)),
        };
        let guest = match self.guest(&place, head, ids).await? {
            Here::In(guest) => guest,
            Here::Above(guest) => {
                let whose = Whose::User(guest.name().to_owned());
                let home = Place { whose, path: place.path.clone(), is_folder: true };
                return Ok(match head.is_for_browser {
                    true => text(
                        StatusCode::OK,
                        "text/html; charset=utf-8",
                        page::own_home(&Viewer::from(guest.principal()), *ids),
                    ),
                    false => redirect(StatusCode::SEE_OTHER, &home.url(true)),
                });
            }
        };
        if login::is_script(request.headers()) {
            return Err(Error::new(Kind::Denied, "what users store here is no part of any page"));
        }
        let (wish, headers) = (Wish::parse(request.uri()), request.headers().clone());
        // It puts an upload away that nobody is at: nothing that another site may have a browser do.
        if wish.partial && method == "HEAD" && !place.is_folder && self.web() == Web::On {
            same_site::check(request.uri(), request.headers())?;
            return resumable::left(&guest, place.path, method).await;
        }
        let asked = Asked { method, place, wish, viewer: self.visitors.viewer(&headers), headers };
        place::serve(&guest, asked, head.is_for_browser, *ids).await
    }

    async fn find(&self, head: &Head, body: &mut Coming, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        let place = match Target::parse(request.uri())? {
            Target::Own(_) | Target::Link(_) => {
                return Err(Error::new(Kind::NotFound, "no such file or folder"));
            }
            Target::Place(place) => place,
        };
        let here = self.guest(&place, head, ids).await?;
        let found = match here {
            Here::In(guest) => dav::find(&guest, place, request.headers(), body).await,
            // A program that mounts looks at what is above a home too.
            Here::Above(guest) => dav::find_above(guest.name(), request.headers(), body).await,
        };
        found.or_else(|error| match error.kind() {
            Kind::TooLong => Ok(self.refused(StatusCode::PAYLOAD_TOO_LARGE, &error, head, *ids)),
            _ => Err(error),
        })
    }

    /// What changes something: from a page of ours or no page at all, and only where it may be.
    async fn write(&self, writing: Writing, head: &Head, body: &mut Coming, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        if self.web() != Web::On {
            return Ok(self.not_allowed(head, *ids));
        }
        same_site::check(request.uri(), request.headers())?;
        let place = match Target::parse(request.uri())? {
            Target::Own(path) => return self.write_own(writing, &path, head, body, ids).await,
            Target::Link(_) => return Ok(self.not_allowed(head, *ids)),
            Target::Place(_) if writing == Writing::Append => return Ok(self.not_allowed(head, *ids)),
            Target::Place(place) => place,
        };
        no_query(request.uri())?;
        let Here::In(guest) = self.guest(&place, head, ids).await? else { return Err(not_found(&place)) };
        let headers = request.headers();
        let (at, to) = (place.path.clone(), || destination(request.uri(), headers));
        let other = if writing.has_destination() { to().ok() } else { None };
        let presented = dav::presented(&guest, &place, other, request).await?;
        let guest = Arc::new(guest.presenting(presented));
        let written = async {
            writing.decide(&guest, &place.path, headers).await?;
            let way = || to().and_then(|to| Way::between(&place, to, headers));
            match writing {
                Writing::Put => {
                    let kept = (&self.visitors.shared().uploads, guest.source().clone());
                    put::serve(&guest, &place, headers, body, kept).await
                }
                // Of an upload alone.
                Writing::Append => Ok(self.not_allowed(head, *ids)),
                Writing::Delete => change::delete(&guest, &place, headers).await,
                Writing::MakeFolder => change::make_folder(&guest, &place, body).await,
                Writing::Move => change::rename(&guest, way()?, headers).await,
                Writing::Copy => copy::copy(&guest, way()?, headers).await,
                Writing::Lock => dav::lock(&guest, place, request, body).await,
                Writing::Unlock => dav::unlock(&guest, place, request).await,
                Writing::SetProperties => dav::set_properties(&guest, place, body).await,
            }
        };
        written.await.map_err(|error| writing.explain(error, &at)).or_else(|error| {
            match writing.status(error.told_by_server().0) {
                Some(status) => Ok(self.refused(status, &error, head, *ids)),
                None => Err(error),
            }
        })
    }

    /// What changes something of the server's own: an upload that can be gone on with.
    async fn write_own(
        &self,
        writing: Writing,
        path: &str,
        head: &Head,
        body: &mut Coming,
        ids: &mut Ids,
    ) -> Result<Answer> {
        let token = path.strip_prefix(resumable::FOLDER);
        let (Some(token), Writing::Append | Writing::Delete) = (token, writing) else {
            return Ok(self.not_allowed(head, *ids));
        };
        let (guest, upload, token) = self.upload(token, head, ids).await?;
        let uploads = &self.visitors.shared().uploads;
        if writing == Writing::Delete {
            return Ok(resumable::cancel(&guest, uploads, token, &upload).await);
        }
        resumable::append(&guest, &upload, head.request.headers(), body).await.or_else(|error| {
            // As the PUT that began it.
            let kind = error.told_by_server().0;
            let code = Writing::Put.status(kind).unwrap_or_else(|| status(kind));
            Ok(self.refused(code, &error, head, *ids))
        })
    }

    /// The upload of this token, for its user alone.
    async fn upload(&self, token: &str, head: &Head, ids: &mut Ids) -> Result<(Arc<Guest>, Arc<Upload>, Token)> {
        let missing = || Error::new(Kind::NotFound, "there is no such upload");
        let token: Token = token.parse().map_err(|()| missing())?;
        let upload = self.visitors.shared().uploads.get(token).ok_or_else(missing)?;
        let claimed = match upload.owner.is_anonymous() {
            true => Claimed::Nobody,
            false => self.visitors.claimed(head.request.headers())?,
        };
        if matches!(claimed, Claimed::Nobody) && !upload.owner.is_anonymous() {
            return Err(Error::new(Kind::LoginRequired, "log in first"));
        }
        let guest = self.visitors.guest(claimed).await?;
        ids.session = guest.ticket().id();
        match guest.principal().is_same_user(&upload.owner) {
            true => Ok((guest, upload, token)),
            false => Err(missing()),
        }
    }

    fn options(&self) -> Answer {
        let mut answer = dav::options(self.web());
        if self.web() == Web::On {
            resumable::offer(&mut answer);
        }
        answer
    }

    /// Whoever may see this place at all.
    async fn guest(&self, place: &Place, head: &Head, ids: &mut Ids) -> Result<Here> {
        let claimed = self.visitors.claimed(head.request.headers())?;
        let is_somebody = !matches!(claimed, Claimed::Nobody);
        if place.whose != Whose::Everybody && !is_somebody {
            // The same whether there is such a user or not.
            return Err(Error::new(Kind::LoginRequired, "log in first"));
        }
        let guest = self.visitors.guest(claimed).await?;
        ids.session = guest.ticket().id();
        match &place.whose {
            Whose::User(user) if guest.is_anonymous() || guest.name() != user.as_str() => Err(not_found(place)),
            // A link is no part of anybody's login.
            Whose::Link(_) => Err(not_found(place)),
            Whose::Everybody if !guest.is_anonymous() => self.public(guest, place).await,
            Whose::User(_) | Whose::Everybody => Ok(Here::In(guest)),
        }
    }

    /// The folder of anonymous reading as somebody who is logged in has it: as everybody else, or not at all.
    async fn public(&self, guest: Arc<Guest>, place: &Place) -> Result<Here> {
        match self.visitors.guest(Claimed::Nobody).await {
            Ok(everybody) => Ok(Here::In(everybody)),
            Err(error) if error.kind() == Kind::LoginRequired && place.path.is_root() => Ok(Here::Above(guest)),
            Err(error) if error.kind() == Kind::LoginRequired => Err(not_found(place)),
            Err(error) => Err(error),
        }
    }
}

/// Whose a place is.
enum Here {
    /// In the folder of this session.
    In(Arc<Guest>),
    /// Above the home of this one, where there is no folder for everybody.
    Above(Arc<Guest>),
}

fn not_found(place: &Place) -> Error {
    let name = match (&place.whose, place.path.is_root()) {
        (Whose::User(user), true) => format!("~{user}"),
        _ => place.path.to_string(),
    };
    Error::new(Kind::NotFound, format!("{name}: no such file or folder"))
}

/// A method as a client spelt it: letters, and few of them.
fn shown(method: &hyper::Method) -> String {
    method.as_str().chars().take(limits::WEB_METHOD_SHOWN).collect()
}
