//! From a request to its answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::service::Service;
use hyper::{Request, StatusCode, Version};
use tracing::error;

use super::adapter::{Open, Progress};
use super::answer::{
    Answer, Body, Ids, METHODS, complete, explained, is_for_browser, not_allowed, redirect, refusal, text,
};
use super::dav;
use super::file::{self, Asked};
use super::folder;
use super::guest::Guest;
use super::own;
use super::page;
use super::rows::Form;
use super::target::{Place, Target, Wish, check_host};
use super::visitors::{Claimed, Visitors};
use crate::error::{Error, Kind, Result};
use crate::limits;
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
}

/// A request without its body.
struct Head {
    request: Request<()>,
    is_for_browser: bool,
}

/// What a request may be about.
#[derive(Clone, Copy)]
enum Method {
    /// GET or HEAD.
    Read(&'static str),
    Dav(dav::Method),
}

impl Answering {
    /// That of a connection on which TLS was told this name.
    pub fn new(
        visitors: Arc<Visitors>,
        progress: Arc<Progress>,
        server_name: Option<String>,
        id: SessionId,
    ) -> Answering {
        Answering(Arc::new(Connection { visitors, progress, server_name, id }))
    }
}

impl Service<Request<Incoming>> for Answering {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (connection, open) = (self.0.clone(), self.0.progress.open());
        async move { Ok(connection.answer(request, open).await) }.boxed()
    }
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>, open: Open) -> Answer {
        let (parts, body) = request.into_parts();
        let is_for_browser = is_for_browser(&parts.headers);
        let mut body = Some(body);
        let waits = parts.headers.contains_key(EXPECT);
        let is_head = parts.method == hyper::Method::HEAD;
        let head = Head { request: Request::from_parts(parts, ()), is_for_browser };
        let mut ids = Ids { pid: std::process::id(), session: self.id };
        let answering = AssertUnwindSafe(self.decide(&head, &mut body, &mut ids)).catch_unwind().await;
        let answer = match answering {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let mut answer = refusal(&error, is_for_browser, ids);
                // More guesses take a new connection, and with it its penalties.
                if error.kind() == Kind::LoginFailed && head.request.version() < Version::HTTP_2 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                answer
            }
            Err(_) => {
                let panics = self.visitors.shared().registry.count_panic();
                error!(panics, "a request panicked: a fault in Sealift, please report it");
                self.visitors.penalise(Offence::Panic);
                explained(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "a fault in Sealift: please report it",
                    is_for_browser,
                    ids,
                )
            }
        };
        // Who waits to be told to go on with it needs not send it.
        if let Some(body) = body.take_if(|_| !waits) {
            drain(body).await;
        }
        // HTTP/2 takes any byte behind the head of such an answer for a fault.
        complete(answer, ids).map(|body| if is_head { Body::none() } else { body }.counted(open))
    }

    /// Takes the body if it is of any use.
    async fn decide(&self, head: &Head, body: &mut Option<Incoming>, ids: &mut Ids) -> Result<Answer> {
        let request = &head.request;
        check_host(request.uri(), request.version(), request.headers(), self.server_name.as_deref())?;
        let method = match *request.method() {
            hyper::Method::GET => Method::Read("GET"),
            hyper::Method::HEAD => Method::Read("HEAD"),
            hyper::Method::OPTIONS => return Ok(dav::options(METHODS)),
            ref method => match dav::Method::of(method) {
                Some(method) => Method::Dav(method),
                None => return Ok(not_allowed(&shown(method), head.is_for_browser, *ids)),
            },
        };
        match (Target::parse(request.uri())?, method) {
            (Target::Own(path), Method::Read(_)) => own::serve(&self.visitors, &path, request.headers()).await,
            (Target::Own(_), Method::Dav(_)) => Err(Error::new(Kind::NotFound, "no such file or folder")),
            (Target::Place(place), method) => self.place(method, place, (head, body), ids).await,
        }
    }

    async fn place(
        &self,
        method: Method,
        place: Place,
        (head, body): (&Head, &mut Option<Incoming>),
        ids: &mut Ids,
    ) -> Result<Answer> {
        let request = &head.request;
        let claimed = Claimed::of(request.headers())?;
        let is_somebody = matches!(claimed, Claimed::User(..));
        if place.user.is_some() && !is_somebody {
            // The same whether there is such a user or not.
            return Err(Error::new(Kind::LoginRequired, "log in first"));
        }
        let mut guest = self.visitors.guest(claimed).await?;
        ids.session = guest.ticket().id();
        match &place.user {
            Some(user) if guest.is_anonymous() || guest.name() != user.as_str() => return Err(not_found(&place)),
            Some(_) => {}
            None if guest.is_anonymous() => {}
            None => match (self.public(&guest, &place, head, *ids).await?, method) {
                (Ok(everybody), _) => guest = everybody,
                (Err(answer), Method::Read(_)) => return Ok(answer),
                // A program that mounts looks at what is above a home too.
                (Err(_), Method::Dav(method)) => {
                    return dav::serve_root(guest.name(), method, request.headers(), body, *ids).await;
                }
            },
        }
        match method {
            Method::Dav(method) => dav::serve(&guest, method, place, request.headers(), body, *ids).await,
            Method::Read(method) => {
                let asked =
                    Asked { method, place, wish: Wish::parse(request.uri()), headers: request.headers().clone() };
                serve(&guest, asked, head.is_for_browser, *ids).await
            }
        }
    }

    /// The folder of anonymous reading as somebody who is logged in has it: as everybody else, or not at all.
    async fn public(
        &self,
        guest: &Arc<Guest>,
        place: &Place,
        head: &Head,
        ids: Ids,
    ) -> Result<std::result::Result<Arc<Guest>, Answer>> {
        match self.visitors.guest(Claimed::Nobody).await {
            Ok(everybody) => Ok(Ok(everybody)),
            Err(error) if error.kind() == Kind::LoginRequired && place.path.is_root() => {
                let home = Place { user: Some(guest.name().to_owned()), path: place.path.clone(), is_folder: true };
                Ok(Err(match head.is_for_browser {
                    true => text(StatusCode::OK, "text/html; charset=utf-8", page::own_home(guest.name(), ids)),
                    false => redirect(StatusCode::SEE_OTHER, &home.url(true)),
                }))
            }
            Err(error) if error.kind() == Kind::LoginRequired => Err(not_found(place)),
            Err(error) => Err(error),
        }
    }
}

/// What is there: a file, or a folder.
async fn serve(guest: &Arc<Guest>, asked: Asked, is_for_browser: bool, ids: Ids) -> Result<Answer> {
    let form = match (asked.wish.json, is_for_browser) {
        (true, _) => Form::Json,
        (false, true) => Form::Page,
        (false, false) => Form::Text,
    };
    if asked.place.is_folder {
        let file = asked.place.url(false);
        return match folder::serve(guest, asked, form, ids).await {
            // The very same with a slash behind it.
            Err(error) if error.kind() == Kind::NotDirectory => Ok(redirect(StatusCode::MOVED_PERMANENTLY, &file)),
            answer => answer,
        };
    }
    let again = Asked { headers: Default::default(), place: asked.place.clone(), wish: asked.wish.clone(), ..asked };
    match file::serve(guest, asked).await {
        Err(error) if error.kind() == Kind::IsDirectory => folder::serve(guest, again, form, ids).await,
        answer => answer,
    }
}

fn not_found(place: &Place) -> Error {
    Error::new(Kind::NotFound, format!("{}: no such file or folder", place.path))
}

/// Reads a body that nobody wants, if it is small: some clients take no answer before they have sent theirs.
async fn drain(mut body: Incoming) {
    let mut left = limits::WEB_DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A method as a client spelt it: letters, and few of them.
fn shown(method: &hyper::Method) -> String {
    method.as_str().chars().take(20).collect()
}
