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
    refusal_as, status,
};
use super::change::{self, Way};
use super::copy;
use super::dav;
use super::file::Asked;
use super::link::{self, Asker};
use super::login;
use super::query::Query;
use super::refused_requests::{Arrival, Turned};
use super::request_body::RequestBody;
use super::same_site;
use super::singletons;
use super::target::{Place, Target, Whose, check_host, destination, no_query};
use super::uploads::{Token, Upload};
use super::visitors::{Claimed, Visitors};
use super::web_session::WebSession;
use super::writing::Writing;
use super::{own, place, put, resumable};
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
        // What comes when nothing more may be begun was sent before the client could know of it.
        if connection.visitors.tenure.is_given_up() {
            return std::future::ready(Ok(connection.too_late(&request))).boxed();
        }
        match connection.progress.open(&connection.account) {
            Some(open) => async move { Ok(connection.answer(request, open).await) }.boxed(),
            None => std::future::ready(Ok(connection.no_room(&request))).boxed(),
        }
    }
}

impl Connection {
    /// The answer where so many requests at once are more than there is memory for.
    fn no_room(&self, request: &Request<Incoming>) -> Answer {
        self.turned_away(request, Error::new(Kind::Busy, "there is no memory for so many requests at once"))
    }

    /// The answer where only what has begun is sent to its end.
    fn too_late(&self, request: &Request<Incoming>) -> Answer {
        self.turned_away(request, Error::new(Kind::Stopping, "this server ends; the next one serves"))
    }

    fn turned_away(&self, request: &Request<Incoming>, error: Error) -> Answer {
        let ids = Ids { pid: std::process::id(), session: self.id };
        let is_head = request.method() == Method::HEAD;
        let reader = if is_for_browser(request.headers()) { Reader::Person(None) } else { Reader::Program };
        let answer = refusal(&error, &reader, ids);
        complete(answer, ids, is_head).map(|body| if is_head { Body::none() } else { body })
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, open: Open) -> Answer {
        let (parts, body) = request.into_parts();
        let is_for_browser = is_for_browser(&parts.headers);
        let mut body = RequestBody::new(body, &parts.headers, parts.version);
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
                    StatusCode::UNAUTHORIZED if is_for_browser => {
                        login::asked(&self.visitors, head.request.uri(), &error, ids)
                    }
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
    fn room_for(&self, body: &RequestBody, version: Version) -> Result<Option<Claim>> {
        if version < Version::HTTP_2 || body.is_empty() {
            return Ok(None);
        }
        let window = usize::try_from(limits::WEB_STREAM_WINDOW).unwrap_or(usize::MAX);
        let ahead =
            body.announced().and_then(|size| usize::try_from(size).ok()).map_or(window, |size| size.min(window));
        let busy = || Error::new(Kind::Busy, "there is no room for what comes with this request now");
        self.account.claim(ahead).map(Some).ok_or_else(busy)
    }

    async fn decide(&self, head: &Head, body: &mut RequestBody, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        check_host(request.uri(), request.version(), request.headers(), self.server_name.as_deref())?;
        singletons::check(request.headers())?;
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
        let web_session = match self.web_session(&place, head, ids).await? {
            Here::In(web_session) => web_session,
            Here::Above(web_session) => {
                let whose = Whose::User(web_session.name().to_owned());
                let home = Place { whose, path: place.path.clone(), is_folder: true };
                return Ok(redirect(StatusCode::SEE_OTHER, &home.url(true)));
            }
        };
        if login::is_script(request.headers()) {
            return Err(Error::new(Kind::Denied, "what users store here is no part of any page"));
        }
        let (query, headers) = (Query::parse(request.uri()), request.headers().clone());
        // It puts an upload away that nobody is at: nothing that another site may have a browser do.
        if query.partial && method == "HEAD" && !place.is_folder && self.web() == Web::On {
            same_site::check(request.uri(), request.headers())?;
            return resumable::left(&web_session, place.path, method).await;
        }
        let asked = Asked { method, place, query, viewer: self.visitors.viewer(&headers), headers };
        place::serve(&web_session, asked, head.is_for_browser, *ids).await
    }

    async fn find(&self, head: &Head, body: &mut RequestBody, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        let place = match Target::parse(request.uri())? {
            Target::Own(_) | Target::Link(_) => {
                return Err(Error::new(Kind::NotFound, "no such file or folder"));
            }
            Target::Place(place) => place,
        };
        let here = self.web_session(&place, head, ids).await?;
        let found = match here {
            Here::In(web_session) => dav::find(&web_session, place, request.headers(), body).await,
            // A program that mounts looks at what is above a home too.
            Here::Above(web_session) => dav::find_above(web_session.name(), request.headers(), body).await,
        };
        found.or_else(|error| match error.kind() {
            Kind::TooLong => Ok(self.refused(StatusCode::PAYLOAD_TOO_LARGE, &error, head, *ids)),
            _ => Err(error),
        })
    }

    /// What changes something: from a page of ours or no page at all, and only where it may be.
    async fn write(&self, writing: Writing, head: &Head, body: &mut RequestBody, ids: &mut Ids) -> Result<Answer> {
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
        let Here::In(web_session) = self.web_session(&place, head, ids).await? else { return Err(not_found(&place)) };
        let headers = request.headers();
        let (at, to) = (place.path.clone(), || destination(request.uri(), headers));
        let other = if writing.has_destination() { to().ok() } else { None };
        let presented = dav::presented(&web_session, &place, other, request).await?;
        let web_session = Arc::new(web_session.presenting(presented));
        let written = async {
            writing.decide(&web_session, &place.path, headers).await?;
            let way = || to().and_then(|to| Way::between(&place, to, headers));
            match writing {
                Writing::Put => {
                    let kept = (&self.visitors.shared().uploads, web_session.source().clone());
                    put::serve(&web_session, &place, headers, body, kept).await
                }
                // Of an upload alone.
                Writing::Append => Ok(self.not_allowed(head, *ids)),
                Writing::Delete => change::delete(&web_session, &place, headers).await,
                Writing::MakeFolder => change::make_folder(&web_session, &place, body).await,
                Writing::Move => change::rename(&web_session, way()?, headers).await,
                Writing::Copy => copy::copy(&web_session, way()?, headers).await,
                Writing::Lock => dav::lock(&web_session, place, request, body).await,
                Writing::Unlock => dav::unlock(&web_session, place, request).await,
                Writing::SetProperties => dav::set_properties(&web_session, place, body).await,
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
        body: &mut RequestBody,
        ids: &mut Ids,
    ) -> Result<Answer> {
        let token = path.strip_prefix(resumable::FOLDER);
        let (Some(token), Writing::Append | Writing::Delete) = (token, writing) else {
            return Ok(self.not_allowed(head, *ids));
        };
        let (web_session, upload, token) = self.upload(token, head, ids).await?;
        let uploads = &self.visitors.shared().uploads;
        if writing == Writing::Delete {
            return Ok(resumable::cancel(&web_session, uploads, token, &upload).await);
        }
        let web_session = Arc::new(web_session.changing());
        resumable::append(&web_session, &upload, head.request.headers(), body).await.or_else(|error| {
            // As the PUT that began it.
            let kind = error.told_by_server().0;
            let code = Writing::Put.status(kind).unwrap_or_else(|| status(kind));
            Ok(self.refused(code, &error, head, *ids))
        })
    }

    /// The upload of this token, for its user alone.
    async fn upload(&self, token: &str, head: &Head, ids: &mut Ids) -> Result<(Arc<WebSession>, Arc<Upload>, Token)> {
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
        let web_session = self.visitors.web_session(claimed).await?;
        ids.session = web_session.ticket().id();
        match web_session.principal().is_same_user(&upload.owner) {
            true => Ok((web_session, upload, token)),
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
    async fn web_session(&self, place: &Place, head: &Head, ids: &mut Ids) -> Result<Here> {
        let claimed = self.visitors.claimed(head.request.headers())?;
        let is_somebody = !matches!(claimed, Claimed::Nobody);
        if place.whose != Whose::Everybody && !is_somebody {
            // The same whether there is such a user or not.
            return Err(Error::new(Kind::LoginRequired, "log in first"));
        }
        let web_session = self.visitors.web_session(claimed).await?;
        ids.session = web_session.ticket().id();
        match &place.whose {
            Whose::User(user) if web_session.is_anonymous() || web_session.name() != user.as_str() => {
                Err(not_found(place))
            }
            // A link is no part of anybody's login.
            Whose::Link(_) => Err(not_found(place)),
            Whose::Everybody if !web_session.is_anonymous() => self.public(web_session, place).await,
            Whose::User(_) | Whose::Everybody => Ok(Here::In(web_session)),
        }
    }

    /// The folder of anonymous reading as somebody who is logged in has it: as everybody else, or not at all.
    async fn public(&self, web_session: Arc<WebSession>, place: &Place) -> Result<Here> {
        match self.visitors.web_session(Claimed::Nobody).await {
            Ok(everybody) => Ok(Here::In(everybody)),
            Err(error) if error.kind() == Kind::LoginRequired && place.path.is_root() => Ok(Here::Above(web_session)),
            Err(error) if error.kind() == Kind::LoginRequired => Err(not_found(place)),
            Err(error) => Err(error),
        }
    }
}

/// Whose a place is.
enum Here {
    /// In the folder of this session.
    In(Arc<WebSession>),
    /// Above the home of this one, where there is no folder for everybody.
    Above(Arc<WebSession>),
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
