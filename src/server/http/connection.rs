//! A connection of HTTP after its handshake: hyper over its stream, and what ends it: the server's end, the end of a session,
//! somebody else who needs the place, and a client that crawls, idles or guesses.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_std::task::sleep;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{BoxFuture, Either, poll_fn, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _, pin_mut, select_biased};
use hyper::server::conn::{http1, http2};

use super::adapter::{Clock, Progress, Wire};
use super::connection_tasks::{Again, Running, Tasks};
use super::service::Answering;
use super::visitors::{News, Visitors};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::drive::Pace;
use crate::server::Shared;
use crate::server::desk::registry::SessionId;
use crate::server::door::admission::{Admitted, Offence};
use crate::server::door::connection::Stream;
use crate::server::tenure::Tenure;
use crate::tls::{HTTP_2, PeerInfo};

/// What is spoken on a connection, and how far that is.
struct Talk {
    state: State,
    head_timeout: Duration,
    /// The stream that it is spoken on.
    wire: Wire<Stream>,
    again: Again,
}

enum State {
    One(Box<http1::Connection<Wire<Stream>, Answering>>),
    /// HTTP/1.1 between two requests: without what hyper holds for a connection, which is more than all else of it.
    Resting {
        wire: Wire<Stream>,
        answering: Answering,
        /// It is not waited for longer.
        over: BoxFuture<'static, ()>,
    },
    Two {
        connection: Pin<Box<http2::Connection<Wire<Stream>, Answering, Tasks>>>,
        /// Its requests.
        running: Running,
    },
    Over,
}

impl Talk {
    /// Goes on as far as it can, and sends what came of it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Talk { state, head_timeout, wire, again } = self;
        let polled = again.poll(cx, |cx| state.poll(cx, *head_timeout));
        // For the same waker: the stream wakes the last one for its replacement by another.
        match (polled, wire.poll_send(&mut again.context())) {
            (Poll::Pending, Poll::Ready(Err(error))) => {
                Poll::Ready(Err(Error::new(Kind::Network, error.to_string()).with_source(error)))
            }
            (polled, _) => polled,
        }
    }
}

impl State {
    /// Goes on, also with what was resting and is asked something.
    fn poll(&mut self, cx: &mut Context<'_>, head_timeout: Duration) -> Poll<Result<()>> {
        if let State::Resting { wire, answering, over } = self {
            let Poll::Ready(next) = wire.poll_next(cx) else {
                ready!(over.poll_unpin(cx));
                return Poll::Ready(Err(Error::new(Kind::TimedOut, "nothing was asked for too long")));
            };
            let next = next.map_err(|err| Error::new(Kind::Network, err.to_string()))?;
            if next.is_empty() {
                return Poll::Ready(Ok(()));
            }
            *self = one(wire.clone().after(next), answering.clone(), head_timeout);
        }
        let polled = match self {
            State::One(connection) => connection.poll_unpin(cx),
            State::Two { connection, running } => {
                let polled = connection.poll_unpin(cx);
                running.poll(cx);
                polled
            }
            State::Resting { .. } => return Poll::Pending,
            State::Over => return Poll::Ready(Ok(())),
        };
        polled.map_err(|error| explain(&error))
    }
}

impl Talk {
    /// Speaks to the end. HTTP/1.1 rests when it is asked nothing for a while.
    async fn run(&mut self, progress: &Progress) -> Result<()> {
        let mut quiet = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = self.poll(cx) {
                    return Poll::Ready(result);
                }
                // What hyper had to send it has sent, or it would have been told to wait.
                if !matches!(self.state, State::One(_)) || !progress.is_at_rest() {
                    quiet = None;
                    return Poll::Pending;
                }
                let moved = progress.moved();
                let (since, over) = quiet.get_or_insert_with(|| (moved, sleep(limits::WEB_REST).boxed()));
                if *since != moved {
                    (*since, *over) = (moved, sleep(limits::WEB_REST).boxed());
                }
                ready!(over.poll_unpin(cx));
                quiet = None;
                self.rest();
            }
        })
        .await
    }

    fn rest(&mut self) {
        let State::One(connection) = std::mem::replace(&mut self.state, State::Over) else { return };
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        self.state = match read_buf.is_empty() {
            true => State::Resting { wire: io, answering: service, over: sleep(self.head_timeout).boxed() },
            // The beginning of the next request came with the last one.
            false => one(io.after(read_buf), service, self.head_timeout),
        };
    }

    /// Who has come just before the server was told to stop could not know of that, and asks in a moment: that is answered, since many
    /// clients take it for a failure if it is not. How it ended, if it has.
    async fn first_request(&mut self, progress: &Progress) -> Option<Result<()>> {
        let first = poll_fn(|cx| match self.poll(cx) {
            _ if progress.requests() > 0 => Poll::Ready(None),
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => Poll::Pending,
        });
        async_std::future::timeout(limits::NEWCOMER_AFTER_STOP, first).await.ok().flatten()
    }

    /// No further request: what is under way goes on.
    fn wind_down(&mut self) {
        match &mut self.state {
            State::One(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Two { connection, .. } => connection.as_mut().graceful_shutdown(),
            State::Resting { .. } | State::Over => self.state = State::Over,
        }
    }
}

/// Why a connection is to end.
enum Over {
    /// What is under way may take so long.
    Gracefully(Kind, Duration),
    /// At once.
    Now(Kind),
}

/// Serves it to its end.
///
/// # Errors
/// Why it ended, if it was not the client's own wish.
pub async fn serve(
    stream: Stream,
    info: PeerInfo,
    peer: SocketAddr,
    admitted: Admitted,
    (shared, tenure): (Arc<Shared>, Tenure),
) -> Result<()> {
    let progress = Arc::new(Progress::default());
    let wire = Wire::new(stream, progress.clone());
    // Of the futures crate: one of async-std keeps room for 31 from the first one on, which an idle connection would pay for.
    let (news, heard) = unbounded();
    let visitors = Arc::new(Visitors::new((shared.clone(), tenure.clone()), peer, admitted, news, progress.clone()));
    let is_two = info.alpn.as_deref() == Some(HTTP_2);
    let answering = Answering::new(visitors.clone(), progress.clone(), info.server_name, SessionId::fresh()?);
    let head_timeout = limits::WEB_HEAD_TIMEOUT.min(shared.live().timeouts.login);
    let state = if is_two { two(wire.clone(), answering) } else { one(wire.clone(), answering, head_timeout) };
    let mut talk = Talk { state, head_timeout, wire: wire.clone(), again: Again::default() };
    let first = {
        let watching = watch(&visitors, &progress, heard, &shared).boxed();
        let talking = talk.run(&progress).boxed();
        match select(talking, watching).await {
            Either::Left((result, _)) => ControlFlow::Break(result),
            Either::Right((over, _)) => ControlFlow::Continue(over),
        }
    };
    let ended = match first {
        ControlFlow::Break(result) => result,
        ControlFlow::Continue(Over::Now(why)) => Err(Error::new(why, "the connection was ended")),
        ControlFlow::Continue(Over::Gracefully(why, patience)) => 'ended: {
            if why == Kind::Stopping
                && let Some(ended) = talk.first_request(&progress).await
            {
                break 'ended ended;
            }
            talk.wind_down();
            let to_its_end = poll_fn(|cx| {
                let polled = talk.poll(cx);
                // Nobody who is not logged in has anything to finish, unless it is us who are waited for: it may be a password that is checked.
                let is_nobodys = || visitors.is_empty() && !progress.is_working();
                if why == Kind::Stopping && (progress.changes_nothing() || is_nobodys()) {
                    tenure.give_up();
                }
                polled
            });
            let live = shared.live();
            let slow = slow(&visitors, &progress, &live.pace, live.timeouts.login);
            match async_std::future::timeout(patience, select(to_its_end.boxed(), slow.boxed())).await {
                Ok(Either::Left((result, _))) => result,
                Ok(Either::Right((Over::Now(why) | Over::Gracefully(why, _), _))) => {
                    Err(Error::new(why, "the connection was ended"))
                }
                Err(_) => Err(Error::new(why, "the connection was ended")),
            }
        }
    };
    drop(talk);
    // What goes on without the connection has tenures of its own, and a goodbye may take its time.
    tenure.give_up();
    if visitors.is_empty() {
        match &ended {
            // Who was asked for a password may take longer to type it than a connection is kept.
            Err(error) if error.kind() == Kind::TimedOut && progress.requests() == 0 => {
                visitors.penalise(Offence::TooSlow);
            }
            _ if progress.requests() == 0 => visitors.penalise(Offence::NoLogin),
            _ => {}
        }
    }
    // What broke off must not look whole: then there is no goodbye.
    if ended.is_ok()
        && let Some(stream) = wire.into_inner()
    {
        stream.close().await;
    }
    ended
}

fn one(wire: Wire<Stream>, answering: Answering, head_timeout: Duration) -> State {
    let mut builder = http1::Builder::new();
    builder
        .timer(Clock)
        .header_read_timeout(head_timeout)
        .max_headers(limits::WEB_HEADERS_MAX)
        .max_header_size(limits::WEB_HEAD_MAX)
        .max_buf_size(limits::WEB_BUFFER)
        // TLS gathers what is written: no need to copy it together before.
        .writev(true);
    State::One(Box::new(builder.serve_connection(wire, answering)))
}

fn two(wire: Wire<Stream>, answering: Answering) -> State {
    let tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks.clone());
    builder
        .timer(Clock)
        .max_concurrent_streams(limits::WEB_STREAMS)
        .initial_stream_window_size(limits::WEB_STREAM_WINDOW)
        .initial_connection_window_size(limits::WEB_CONNECTION_WINDOW)
        .max_send_buf_size(limits::WEB_SEND_BUFFER)
        .max_header_list_size(limits::WEB_HEAD_MAX as u32)
        .max_pending_accept_reset_streams(limits::WEB_RESETS)
        .max_local_error_reset_streams(limits::WEB_REFUSALS)
        .keep_alive_interval(limits::WEB_PING)
        .keep_alive_timeout(limits::WEB_PING_TIMEOUT);
    State::Two { connection: Box::pin(builder.serve_connection(wire, answering)), running: Running::new(tasks) }
}

/// Waits until it has to end.
async fn watch(visitors: &Visitors, progress: &Progress, heard: UnboundedReceiver<News>, shared: &Shared) -> Over {
    let stopping = shared.registry.stopping().fuse();
    let pushed_out = visitors.pushed_out().fuse();
    let live = shared.live();
    let slow = slow(visitors, progress, &live.pace, live.timeouts.login).fuse();
    pin_mut!(stopping, pushed_out, slow);
    let mut endings = FuturesUnordered::new();
    let mut heard = heard.fuse();
    loop {
        select_biased! {
            () = stopping => return Over::Gracefully(Kind::Stopping, shared.live().pace.grace),
            () = pushed_out => return Over::Now(Kind::Busy),
            // The answer that says so may be on its way; what else is under way fails at its next step.
            why = endings.select_next_some() => if let Some(why) = why {
                return Over::Gracefully(why, limits::CLOSE_DRAIN);
            },
            over = slow => return over,
            news = heard.select_next_some() => match news {
                News::Entered(ending, gone) => endings.push(
                    async move {
                        let (ended, gone) = (ending.wait().fuse(), gone.recv().fuse());
                        pin_mut!(ended, gone);
                        select_biased! {
                            why = ended => Some(why),
                            // Nothing is ever sent: the session is gone.
                            _ = gone => None,
                        }
                    }
                    .boxed(),
                ),
                News::Guessed => return Over::Gracefully(Kind::LoginFailed, limits::CLOSE_DRAIN),
            },
        }
    }
}

/// Ends what owes us something and hardly moves, what idles too long, and where nobody is let in for too long.
async fn slow(visitors: &Visitors, progress: &Progress, pace: &Pace, login: Duration) -> Over {
    let pace = Pace { window: pace.window.min(login), ..pace.clone() };
    let (mut idle, mut alone, mut slow_windows) = (Duration::ZERO, Duration::ZERO, 0);
    loop {
        let (moved, requests, held) = (progress.moved(), progress.requests(), progress.held().so_far());
        sleep(pace.window).await;
        let held = progress.held().so_far().saturating_sub(held);
        let is_slow = progress.is_owed() && progress.moved().wrapping_sub(moved) < pace.least_progress_but(held);
        slow_windows = if is_slow { slow_windows + 1 } else { 0 };
        // Two windows: what began late in the first has the whole second one.
        if slow_windows >= 2 {
            return Over::Now(Kind::TimedOut);
        }
        let idles = progress.is_idle() && progress.requests() == requests;
        idle = if idles { idle + pace.window } else { Duration::ZERO };
        alone = if visitors.is_empty() { alone + pace.window } else { Duration::ZERO };
        if idle >= limits::WEB_IDLE_TIMEOUT.min(pace.idle) || alone >= login {
            return Over::Gracefully(Kind::TimedOut, limits::CLOSE_DRAIN);
        }
    }
}

/// What hyper says, in our words.
fn explain(error: &hyper::Error) -> Error {
    let kind = match () {
        () if error.is_timeout() => Kind::TimedOut,
        () if error.is_parse() || error.is_parse_too_large() => Kind::Protocol,
        () => Kind::Network,
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Error::new(kind, format!("{error}{cause}"))
}
