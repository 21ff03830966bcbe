//! Answers: what every one of them carries, and those that say why not.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, SizeHint};
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::Web;
use super::adapter::{OnlySends, Open};
use super::page;
use super::rate_limit::{Brake, Braked};
use super::request_body::RequestBody;
use super::viewer::Viewer;
use crate::budget::Claim;
use crate::error::{Error, Kind};
use crate::limits;
use crate::server::desk::registry::SessionId;

/// What is answered.
pub type Answer = Response<Body>;

/// The bytes of an answer.
pub struct Body {
    bytes: UnsyncBoxBody<Bytes, Error>,
    /// All of it is there.
    is_whole: bool,
    /// Of one that is: nothing of the request is left but to send it.
    _sends: Option<OnlySends>,
    /// Counts the request as open.
    _open: Option<Open>,
    _unwanted: Option<Unwanted>,
    /// Told if making the bytes panics.
    on_panic: Option<OnPanic>,
    /// Where what comes waits for its turn.
    braked: Option<Box<Braked>>,
}

/// The rest of a request's body, which nobody wants. Over HTTP/2 dropping it resets the stream; some clients then lose the answer
/// that came before, so what they still send is read for a while after it.
pub struct Unwanted {
    rest: Option<RequestBody>,
    room: Option<Claim>,
}

impl Unwanted {
    /// This rest, whose bytes are counted there.
    pub fn new(rest: RequestBody, room: Option<Claim>) -> Unwanted {
        Unwanted { rest: Some(rest), room }
    }
}

impl Drop for Unwanted {
    fn drop(&mut self) {
        let room = self.room.take();
        if let Some(mut rest) = self.rest.take().filter(|rest| room.is_some() && !rest.is_empty()) {
            async_std::task::spawn(async move {
                rest.discard(limits::CLOSE_DRAIN).await;
                drop(room);
            });
        }
    }
}

/// Told of a panic.
pub type OnPanic = Box<dyn Fn() + Send>;

/// Who answers, and in which session.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// The server's process.
    pub pid: u32,
    /// The session; before anybody is logged in one of the connection's own.
    pub session: SessionId,
}

/// What a page may do with what comes from users: nothing. (Pictures, sound and films are themselves what is shown.)
const USER_CONTENT: &str = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; \
     frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What our own pages may do: have our style, icon and script, show what lies here, ask this server, and send our forms. No user's
/// file is ever given out as a script or a style ([`super::login::is_script`]), so ours are the only ones.
const OWN_PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// How a program logs in.
pub const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"Sealift\", charset=\"UTF-8\"");

/// The methods that are carried out.
pub const fn methods(web: Web) -> HeaderValue {
    HeaderValue::from_static(match web {
        Web::On => "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY, PROPFIND, PROPPATCH, LOCK, UNLOCK",
        Web::ReadOnly | Web::Off => "GET, HEAD, OPTIONS, PROPFIND",
    })
}

impl Body {
    /// Nothing.
    pub fn none() -> Body {
        Body {
            bytes: Empty::new().map_err(|never| match never {}).boxed_unsync(),
            is_whole: true,
            _sends: None,
            _open: None,
            _unwanted: None,
            on_panic: None,
            braked: None,
        }
    }

    /// These bytes.
    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        Body {
            bytes: Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync(),
            is_whole: true,
            _sends: None,
            _open: None,
            _unwanted: None,
            on_panic: None,
            braked: None,
        }
    }

    /// What comes; an error breaks the answer off, so that nobody takes it for whole.
    pub fn stream(pieces: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Body {
        Body {
            bytes: StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync(),
            is_whole: false,
            _sends: None,
            _open: None,
            _unwanted: None,
            on_panic: None,
            braked: None,
        }
    }

    /// Its request is open as long as this is, and a panic on the way is told.
    pub fn watched(self, open: Open, on_panic: OnPanic) -> Body {
        let sends = self.is_whole.then(|| open.only_sends());
        Body { _sends: sends, _open: Some(open), on_panic: Some(on_panic), ..self }
    }

    /// No faster than this user may have it.
    pub fn braked(self, brake: Brake) -> Body {
        Body { braked: Some(Box::new(Braked::new(brake))), ..self }
    }

    /// Lets go of the rest of a request's body only when this is sent.
    pub fn before(self, unwanted: Unwanted) -> Body {
        Body { _unwanted: Some(unwanted), ..self }
    }
}

impl Body {
    /// Bytes that have come and wait for their turn.
    fn waiting(&self) -> u64 {
        self.braked.as_ref().map_or(0, |braked| braked.len() as u64)
    }

    /// So much of a frame as may go now.
    fn first_portion(
        &mut self,
        frame: Frame<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let bytes = match (frame.into_data(), &mut self.braked) {
            (Ok(bytes), Some(braked)) if !bytes.is_empty() => match braked.take(bytes) {
                Some(bytes) => bytes,
                None => return braked.poll_portion(cx).map(|portion| portion.map(|bytes| Ok(Frame::data(bytes)))),
            },
            (Ok(bytes), _) => bytes,
            (Err(other), _) => return Poll::Ready(Some(Ok(other))),
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Body { bytes, on_panic, braked, .. } = &mut *self;
        if let Some(braked) = braked
            && let Some(portion) = ready!(braked.poll_portion(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(portion))));
        }
        match catch_unwind(AssertUnwindSafe(|| Pin::new(bytes).poll_frame(cx))) {
            Ok(Poll::Ready(Some(Ok(frame)))) if braked.is_some() => self.first_portion(frame, cx),
            Ok(polled) => polled,
            Err(_) => {
                if let Some(on_panic) = on_panic.take() {
                    on_panic();
                }
                // What is left of it must not be asked again, and the answer is cut off.
                self.bytes = Empty::new().map_err(|never| match never {}).boxed_unsync();
                Poll::Ready(Some(Err(Error::new(Kind::Internal, "a fault in Sealift: please report it"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting() == 0 && self.bytes.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, waiting) = (self.bytes.size_hint(), self.waiting());
        match hint.exact() {
            Some(exact) => SizeHint::with_exact(exact + waiting),
            None => hint,
        }
    }
}

/// An answer without a body yet.
pub fn answer(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::none());
    *answer.status_mut() = status;
    answer
}

/// Sets a header whose value may come from outside. What no header can hold is left out.
pub fn set(answer: &mut Answer, name: HeaderName, value: impl Display) {
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value.to_string())) {
        answer.headers_mut().insert(name, value);
    }
}

/// A text of ours.
pub fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Answer {
    let text = text.into();
    let mut answer = answer(status);
    set(&mut answer, CONTENT_LENGTH, text.len());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *answer.body_mut() = Body::whole(text);
    answer
}

/// What comes from a user is in it: no browser runs any of it.
pub fn of_user(answer: &mut Answer) {
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(USER_CONTENT));
}

/// Elsewhere.
pub fn redirect(status: StatusCode, to: &str) -> Answer {
    let mut answer = text(status, "text/plain; charset=utf-8", format!("{to}\n"));
    set(&mut answer, LOCATION, to);
    answer
}

/// Who reads an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reader {
    /// Somebody with a browser, who is logged in as this user if there is one.
    Person(Option<Viewer>),
    /// A program, or somebody at a terminal.
    Program,
}

/// A method that is not carried out.
pub fn not_allowed(method: &str, web: Web, reader: &Reader, ids: Ids) -> Answer {
    let why = match web {
        Web::On => format!("{method} is not offered here"),
        Web::ReadOnly | Web::Off => {
            format!("{method} is not offered here: this door only reads. `sealift put` and the like write.")
        }
    };
    let mut answer = explained(StatusCode::METHOD_NOT_ALLOWED, &why, reader, ids);
    answer.headers_mut().insert(ALLOW, methods(web));
    answer
}

/// Why not, in words.
pub fn refusal(error: &Error, reader: &Reader, ids: Ids) -> Answer {
    let status = match (error.kind(), error.told_by_server().0) {
        // What the system refuses to the server's account it refuses until somebody has changed that.
        (Kind::Denied, Kind::Io) => StatusCode::INTERNAL_SERVER_ERROR,
        (_, told) => status(told),
    };
    refusal_as(status, error, reader, ids)
}

/// Why not, in words, with this status.
pub fn refusal_as(status: StatusCode, error: &Error, reader: &Reader, ids: Ids) -> Answer {
    let (_, why) = error.told_by_server();
    let mut answer = explained(status, &why, reader, ids);
    let headers = answer.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, BASIC);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from(limits::WEB_RETRY_AFTER.as_secs()));
    }
    answer
}

/// This, and why.
pub fn explained(status: StatusCode, why: &str, reader: &Reader, ids: Ids) -> Answer {
    if let Reader::Person(user) = reader {
        return text(status, "text/html; charset=utf-8", page::error(status, why, user.as_ref(), ids));
    }
    let Ids { pid, session } = ids;
    text(
        status,
        "text/plain; charset=utf-8",
        format!("{}: {why} (server's pid {pid}, session {session})\n", status.as_str()),
    )
}

/// What every answer carries; to HEAD if it `is_head`.
pub fn complete(mut answer: Answer, ids: Ids, is_head: bool) -> Answer {
    if is_head && !answer.status().is_success() {
        // A refusal names the method: that of GET is not of this length.
        answer.headers_mut().remove(CONTENT_LENGTH);
    }
    set(&mut answer, HeaderName::from_static("sealift-pid"), ids.pid);
    set(&mut answer, HeaderName::from_static("sealift-session"), ids.session);
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(OWN_PAGE));
    // What is kept is asked for again each time: rights change.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    headers.entry(VARY).or_insert(HeaderValue::from_static("Accept, Authorization, Cookie"));
    answer
}

/// Whether whoever asks would rather have a page than text.
pub fn is_for_browser(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|accept| accept.contains("text/html"))
}

/// What a failure is in HTTP.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::LoginRequired | Kind::LoginFailed | Kind::Revoked => StatusCode::UNAUTHORIZED,
        Kind::Denied | Kind::Kicked => StatusCode::FORBIDDEN,
        Kind::NotFound | Kind::NotDirectory => StatusCode::NOT_FOUND,
        Kind::BadPath | Kind::BadCommand | Kind::UnknownVerb | Kind::BadSequence => StatusCode::BAD_REQUEST,
        // The only one of it: a request for another host than the connection is for.
        Kind::Protocol => StatusCode::MISDIRECTED_REQUEST,
        Kind::PathTooLong | Kind::TooLong => StatusCode::URI_TOO_LONG,
        Kind::IsDirectory | Kind::NotRegular | Kind::NotEmpty | Kind::Exists => StatusCode::CONFLICT,
        // It is there, as it is: nobody's program takes it for removed, and none for a server that has failed and is to be asked again.
        Kind::Rotten => StatusCode::CONFLICT,
        Kind::Changed => StatusCode::PRECONDITION_FAILED,
        Kind::Quota | Kind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        // Only of a Destination.
        Kind::CrossDevice | Kind::OtherFolder => StatusCode::BAD_GATEWAY,
        // What came is not what was announced, or not all of it.
        Kind::Integrity | Kind::Aborted => StatusCode::BAD_REQUEST,
        Kind::Locked => StatusCode::LOCKED,
        // What may succeed another time: the server is at its bounds, or what it keeps its files in failed or did not answer.
        Kind::Busy | Kind::TooMany | Kind::Stopping | Kind::Unavailable | Kind::Io => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::TimedOut => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::executor::block_on;
    use futures::stream::{iter, once};

    use super::*;
    use crate::server::http::adapter::Progress;

    #[test]
    fn a_panic_in_a_body_cuts_the_answer_off_and_is_told_once() {
        let told = Arc::new(AtomicUsize::new(0));
        let count = told.clone();
        let good = iter([Ok(Bytes::from("bytes"))]);
        let body = Body::stream(good.chain(once(async { panic!("on purpose") })));
        let account = crate::budget::Budget::new(0).portion().account();
        let open = Arc::new(Progress::default()).open(&account).unwrap();
        let on_panic = move || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let mut body = body.watched(open, Box::new(on_panic));
        assert_eq!(block_on(body.frame()).unwrap().unwrap().into_data().unwrap(), "bytes");
        assert_eq!(block_on(body.frame()).unwrap().unwrap_err().kind(), Kind::Internal);
        assert!(block_on(body.frame()).is_none());
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
