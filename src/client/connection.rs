//! One connection: made, logged in, ended; and the way from asynchronous callers to the blocking code beneath.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_std::channel::{Sender, bounded};
use async_std::net::TcpStream;
use async_std::task::{JoinHandle, spawn, spawn_blocking};
use rustix::net::sockopt::{
    set_socket_keepalive, set_socket_recv_buffer_size, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
};

use super::address;
use super::answers::{Ids, LinkTarget, Welcome};
use super::greeting::{self, Greeting};
use super::keys::LoginKey;
use super::options::{ConnectOptions, Endpoint, Family, Question, Verification};
use super::own::sign_with;
use super::pump::pump;
use super::rate_limit::RateLimit;
use super::session::Session;
use super::stopper::{Stopped, Stopper};
use super::wire::wire;
use crate::error::{Error, Kind, Result};
use crate::keys::{Nonce, Purpose, Statement};
use crate::limits;
use crate::proto::{Command, Feature, Features, InboxArgs, Reply};
use crate::secret::Secret;
use crate::tls::{CaRoots, Connector, Pin, TlsStream, Trust};

/// One connection to a server.
///
/// Its methods wait for each other: one request, or one transfer of many files, at a time. A method's future that is
/// dropped before it is done ends the connection, and every later call then fails with [`Kind::Aborted`]. So does a server that
/// breaks the protocol, with [`Kind::Network`] for every later call. A request that the server refuses leaves the connection as it was.
pub struct Client {
    /// Absent while it is in use, and for good when the connection is broken.
    session: Option<Session>,
    /// Closing it ends the connection's task whatever it does.
    pub(super) stop: Sender<()>,
    /// Ends this connection and all others of its login.
    stopper: Stopper,
    /// Whether that was done, or this one was ended alone.
    stopped: Stopped,
    /// Where it leads, for more of the same.
    route: Route,
    /// Further connections of the same login.
    pub(super) crew: Vec<Client>,
    /// As many connections as there can be, as far as that was found out.
    pub(super) most: u32,
    task: Option<JoinHandle<()>>,
    pin: Option<Pin>,
    next_pin: Option<Pin>,
    greeting: Greeting,
    /// What the next signatures must be over.
    nonce: Option<Nonce>,
    ids: Option<Ids>,
}

/// The way to a server, once it was found.
#[derive(Debug, Clone)]
struct Route {
    endpoint: Endpoint,
    /// The very address: a name may have several.
    peer: SocketAddr,
    connect_timeout: Duration,
    io_timeout: Duration,
    rate_limit: Option<RateLimit>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("pin", &self.pin).field("ids", &self.ids).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects, checks who the server is, and waits for its greeting.
    ///
    /// # Errors
    /// [`Kind::Network`], [`Kind::TimedOut`], [`Kind::Busy`]; [`Kind::PinMismatch`], [`Kind::Untrusted`],
    /// [`Kind::Tls`], and what a question answered. In all of the latter nothing was sent.
    pub async fn connect(endpoint: &Endpoint, options: ConnectOptions) -> Result<Client> {
        let (trust, question) = match options.verification {
            Verification::Pins(pins) => (Trust::Pins(pins), None),
            Verification::CaFile(path) => (Trust::Ca(spawn_blocking(move || CaRoots::load(&path)).await?), None),
            Verification::Ask(question) => (Trust::Observe, Some(question)),
        };
        let connector = Connector::new(trust)?;
        // On the heap, as it is done once: without optimisation, futures around this one overflow the 2 MiB of a thread's stack.
        let opening = Box::pin(open(endpoint, &connector, (options.family, options.rate_limit.as_ref())));
        let (stream, pin, peer) = within(options.connect_timeout, endpoint, opening).await?;
        if let Some(question) = question {
            ask(question, pin).await?;
        }
        let ConnectOptions { connect_timeout, io_timeout, rate_limit, .. } = options;
        let route = Route { endpoint: endpoint.clone(), peer, connect_timeout, io_timeout, rate_limit };
        Self::over(stream, pin, route, Stopper::default()).await
    }

    /// One more connection to the very same server, which must prove to hold the same key. It ends with this one's
    /// [`Stopper`].
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub(super) async fn again(&self) -> Result<Client> {
        let pin = self.pin.ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
        let connector = Connector::new(Trust::Pins(vec![pin]))?;
        let route =
            Route { connect_timeout: self.route.connect_timeout.min(limits::STREAM_TIMEOUT), ..self.route.clone() };
        let stream = within(route.connect_timeout, &route.endpoint, Box::pin(open_at(&route, &connector))).await?;
        Self::over(stream, Some(pin), route, self.stopper.clone()).await
    }

    async fn over(stream: TlsStream<TcpStream>, pin: Option<Pin>, route: Route, stopper: Stopper) -> Result<Client> {
        let (wire, far) = wire(match &route.rate_limit {
            Some(_) => limits::WIRE_BUFFERS_LIMITED,
            None => limits::WIRE_BUFFERS,
        });
        let (stop, stopped) = bounded(1);
        stopper.add(&stop);
        let task = Some(spawn(pump(stream, far, route.io_timeout, stopped, route.rate_limit.clone())));
        let mut client = Client {
            session: Some(Session::new(wire)),
            stop,
            stopped: Stopped::with(&stopper),
            stopper,
            route,
            crew: Vec::new(),
            most: limits::STREAMS_MAX,
            task,
            pin,
            next_pin: None,
            greeting: Greeting::default(),
            nonce: None,
            ids: None,
        };
        let (limit, endpoint) = (client.route.connect_timeout, client.route.endpoint.clone());
        (client.greeting, client.nonce) = within(limit, &endpoint, client.run(greeting::read)).await?;
        Ok(client)
    }

    /// What ends this connection from outside, and all that were opened beside it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Whether the connection was ended from this side.
    pub(super) fn stopped(&self) -> Stopped {
        self.stopped.clone()
    }

    /// Whether another request can be made over it: not after a failure in the middle of one.
    pub fn is_usable(&self) -> bool {
        self.session.is_some()
    }

    /// Whether it is not known yet to be lost, while nothing is asked over it.
    pub fn is_alive(&self) -> bool {
        self.session.as_ref().is_some_and(|session| !session.is_over())
    }

    /// From now on it ends alone, and not with the others of its login.
    pub(super) fn stands_alone(&mut self) {
        self.stopper = Stopper::default();
        self.stopper.add(&self.stop);
        self.stopped.follow(&self.stopper);
    }

    /// Takes the connection out; what is left is a broken one.
    pub(super) fn take_out(&mut self) -> Client {
        let (stop, _) = bounded(1);
        let left = Client {
            session: None,
            stop,
            stopper: Stopper::default(),
            stopped: Stopped::default(),
            route: self.route.clone(),
            crew: Vec::new(),
            most: 1,
            task: None,
            pin: self.pin,
            next_pin: self.next_pin,
            greeting: Greeting::default(),
            nonce: None,
            ids: None,
        };
        std::mem::replace(self, left)
    }

    /// The pin of the key the server has proven to hold.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// That pin, and behind it the one of the key that the server says it will have next: what is handed on for later names both.
    pub fn pins(&self) -> Vec<Pin> {
        self.pin.into_iter().chain(self.next_pin).collect()
    }

    /// The server's words on connecting. From outside: escape before showing.
    pub fn greeting(&self) -> &str {
        &self.greeting.text
    }

    /// All that the server said of itself on connecting.
    pub fn greeted(&self) -> &Greeting {
        &self.greeting
    }

    /// What the server listed in its greeting. A request that needs more fails with [`Kind::TooOld`], and nothing of it
    /// is sent.
    pub fn features(&self) -> Features {
        self.greeting.features
    }

    /// Fails if the server did not list this.
    ///
    /// # Errors
    /// [`Kind::TooOld`].
    pub(super) fn must_have(&self, feature: Feature) -> Result<()> {
        if self.greeting.features.has(feature) { Ok(()) } else { Err(feature.missing()) }
    }

    /// Who gave the last final reply, success or failure; `None` before login.
    pub fn last_ids(&self) -> Option<Ids> {
        self.ids
    }

    /// Logs in. The user `anonymous` needs no password.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], [`Kind::Busy`].
    pub async fn login(&mut self, user: &str, password: Secret) -> Result<Welcome> {
        let user = user.to_owned();
        self.run(move |session| {
            session.command(&Command::User(user))?;
            session.command(&Command::Pass(password))?;
            // Both are answered, also when the first is refused.
            let asked = session.expect(331).map(drop);
            asked.and(welcome(session))
        })
        .await
    }

    /// Whether the server lets SSH keys log in.
    pub fn takes_keys(&self) -> bool {
        self.greeting.features.has(Feature::Keys) && self.nonce.is_some()
    }

    /// Those of these keys that one login can try at this server, in their order, and those that it cannot: more than
    /// [`limits::KEY_PROOFS_MAX`], too long together for a line, or RSA keys where the server is too old for them.
    pub fn keys_at_once(&self, keys: &[LoginKey]) -> (Vec<LoginKey>, Vec<LoginKey>) {
        LoginKey::at_once(keys, self.greeting.features, limits::LINE_MAX - limits::PROOFS_BESIDE)
    }

    /// Logs in with keys, in one round trip: all of them sign, and the server takes the one that it knows. For the server that
    /// is one attempt, whatever the number. What is signed names the server's key that this connection was checked against,
    /// so it is of no use to anybody else. Blocking work, such as asking an agent, is done beside.
    ///
    /// Keys that [`Client::keys_at_once`] leaves out are not tried. A refusal leaves the connection as it was: [`Client::login`] may
    /// follow.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]: none of the keys is known there, none signed, or there is none to try; [`Kind::TooOld`];
    /// [`Kind::Usage`] for more than [`limits::KEY_PROOFS_MAX`]; [`Kind::Busy`].
    pub async fn login_with_keys(&mut self, user: &str, keys: &[LoginKey]) -> Result<Welcome> {
        if keys.len() > limits::KEY_PROOFS_MAX {
            let text = format!("at most {} keys log in at once, not {}", limits::KEY_PROOFS_MAX, keys.len());
            return Err(Error::new(Kind::Usage, text));
        }
        let (keys, _) = self.keys_at_once(keys);
        if keys.is_empty() {
            return Err(Error::new(Kind::LoginFailed, "there is no key that this server can be asked about"));
        }
        let too_old = || Error::new(Kind::TooOld, "the server is too old to let SSH keys log in");
        let nonce = self.nonce.take().filter(|_| self.greeting.features.has(Feature::Keys)).ok_or_else(too_old)?;
        let pin = self.pin.ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
        let user = user.to_owned();
        let logging_in = self.run(move |session| log_in_with(session, &user, &keys, nonce, pin));
        let (next, welcome) = logging_in.await?;
        self.nonce = next;
        welcome
    }

    /// Logs in by an invitation, and has this password from then on. The invitation is used up, also if the answer is lost on
    /// the way.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], [`Kind::Busy`], [`Kind::TooOld`].
    pub async fn redeem(&mut self, user: &str, secret: Secret, password: Secret) -> Result<Welcome> {
        let user = user.to_owned();
        self.run(move |session| {
            session.command(&Command::Redeem { user, secret, password: Some(password) })?;
            welcome(session)
        })
        .await
    }

    /// Asks whether an invitation can be used, which it is not by this.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if it cannot; [`Kind::Busy`], [`Kind::TooOld`].
    pub async fn look_at_invitation(&mut self, user: &str, secret: Secret) -> Result<()> {
        let user = user.to_owned();
        self.run(move |session| {
            session.command(&Command::Redeem { user, secret, password: None })?;
            session.expect(200).map(drop)
        })
        .await
    }

    /// Ends the session and the connection.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn logout(mut self) -> Result<()> {
        let said = self
            .run(|session| {
                session.command(&Command::Logout)?;
                session.expect(221).map(drop)
            })
            .await;
        drop(self.session);
        for connection in self.crew.into_iter().map(|helper| (helper.session, helper.task)).chain([(None, self.task)]) {
            let (session, task) = connection;
            drop(session);
            if let Some(task) = task {
                task.await;
            }
        }
        said
    }

    /// Runs blocking code on the session.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(mut session) = self.session.take() else {
            return Err(self.stopped.explain(Error::new(Kind::Network, "the connection is broken")));
        };
        // If the caller drops this future, the blocking code must not wait on for a server that may never answer.
        let unless_done = EndOnDrop { stop: &self.stop, stopped: &self.stopped, crew: &self.crew };
        let (session, result) = spawn_blocking(move || {
            let result = work(&mut session);
            (session, result)
        })
        .await;
        (self.ids, self.next_pin) = (session.ids(), session.next_pin());
        // From here on it is no dropped future, which would count as stopped by the caller.
        std::mem::forget(unless_done);
        if session.is_usable() {
            self.session = Some(session);
        } else {
            self.stop.close();
        }
        result.map_err(|error| self.stopped.explain(error))
    }
}

/// Ends a connection when dropped, and those that were opened over it and wait for it. The others of its login go on: nobody has ended
/// those.
struct EndOnDrop<'a> {
    stop: &'a Sender<()>,
    stopped: &'a Stopped,
    crew: &'a [Client],
}

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.stopped.set_dropped();
        self.stop.close();
        for helper in self.crew {
            helper.stop.close();
        }
    }
}

/// Name lookup, TCP and TLS.
async fn open(
    endpoint: &Endpoint,
    connector: &Connector,
    (family, rate_limit): (Option<Family>, Option<&RateLimit>),
) -> Result<(TlsStream<TcpStream>, Option<Pin>, SocketAddr)> {
    let failed = |err| Error::network(format_args!("cannot connect to {endpoint}"), err);
    let addresses = address::resolve(endpoint, family).await?;
    let socket = dial(&addresses, rate_limit).await.map_err(failed)?;
    let address = socket.peer_addr().map_err(failed)?;
    let (stream, pin) = secure(socket, endpoint, connector).await?;
    Ok((stream, pin, address))
}

/// TCP and TLS to where another connection leads.
async fn open_at(route: &Route, connector: &Connector) -> Result<TlsStream<TcpStream>> {
    let failed = |err| Error::network(format_args!("cannot connect to {}", route.endpoint), err);
    let socket = dial(&[route.peer], route.rate_limit.as_ref()).await.map_err(failed)?;
    Ok(secure(socket, &route.endpoint, connector).await?.0)
}

/// A TCP connection. The kernel holds little of what a limited client receives, or the server would send far ahead.
async fn dial(addresses: &[SocketAddr], rate_limit: Option<&RateLimit>) -> std::io::Result<TcpStream> {
    let Some(bytes) = rate_limit.map(RateLimit::receive_buffer).filter(|bytes| *bytes < limits::CHUNK) else {
        return TcpStream::connect(addresses).await;
    };
    let addresses = addresses.to_vec();
    let dialled = spawn_blocking(move || {
        let socket = std::net::TcpStream::connect(&*addresses)?;
        // A kernel that will not is no reason to fail.
        let _ = set_socket_recv_buffer_size(&socket, bytes);
        Ok::<_, std::io::Error>(socket)
    });
    dialled.await.map(TcpStream::from)
}

async fn secure(
    socket: TcpStream,
    endpoint: &Endpoint,
    connector: &Connector,
) -> Result<(TlsStream<TcpStream>, Option<Pin>)> {
    // TLS gathers its writes; Nagle's algorithm would only add delay.
    let failed = |err| Error::network(format_args!("cannot connect to {endpoint}"), err);
    socket.set_nodelay(true).map_err(failed)?;
    // So that a dead line shows also where a server is given long to read a file. A kernel that will not is no reason to fail.
    let _ = set_socket_keepalive(&socket, true)
        .and_then(|()| set_tcp_keepidle(&socket, limits::KEEPALIVE_IDLE))
        .and_then(|()| set_tcp_keepintvl(&socket, limits::KEEPALIVE_INTERVAL))
        .and_then(|()| set_tcp_keepcnt(&socket, limits::KEEPALIVE_PROBES));
    let connected = connector.connect(socket, &endpoint.host).await;
    let (stream, peer) = connected.map_err(|err| match err.kind() {
        Kind::Tls => err.about(endpoint.to_string()),
        _ => err,
    })?;
    Ok((stream, peer.key_pin))
}

/// Reads the answer to a login.
pub(super) fn welcome(session: &mut Session) -> Result<Welcome> {
    welcomed(&session.expect(230)?)
}

fn welcomed(reply: &Reply<'_>) -> Result<Welcome> {
    Ok(Welcome {
        user: String::from_utf8_lossy(&reply.bytes("user")?).into_owned(),
        access: String::from_utf8_lossy(&reply.bytes("access")?).into_owned(),
        // What is no pin is as good as nothing.
        next_pin: reply.bytes("next-pin").ok().and_then(|pin| std::str::from_utf8(&pin).ok()?.parse().ok()),
        key: reply.bytes("key").ok().and_then(|key| String::from_utf8(key).ok()),
        keeps_uploads: !reply.bytes("resumes").is_ok_and(|word| *word == *b"no"),
        link: reply.get("kind").map(|_| link_target(reply)).transpose()?,
        ids: Ids { pid: reply.parsed("pid")?, session: reply.parsed("session")? },
        text: reply.text.to_owned(),
    })
}

fn link_target(reply: &Reply<'_>) -> Result<LinkTarget> {
    let kind = String::from_utf8_lossy(&reply.bytes("kind")?).into_owned();
    let number = |key| reply.get(key).map(|_| reply.parsed(key)).transpose();
    let takes = (kind == "drop").then(|| Ok::<_, Error>(InboxArgs { bytes: number("size")?, files: number("files")? }));
    Ok(LinkTarget { name: reply.bytes("name")?, takes: takes.transpose()?, kind })
}

/// Has the keys sign and says so; what the server answers, and the nonce for the next attempt.
fn log_in_with(
    session: &mut Session,
    user: &str,
    keys: &[LoginKey],
    nonce: Nonce,
    pin: Pin,
) -> Result<(Option<Nonce>, Result<Welcome>)> {
    let statement = Statement { purpose: Purpose::Login, nonce, user, pin };
    let proofs = match sign_with(keys, &statement) {
        Ok(proofs) => proofs,
        // Nothing was sent: the nonce is as good as before.
        Err(error) => return Ok((Some(nonce), Err(error))),
    };
    session.command(&Command::Key { user: user.to_owned(), proofs })?;
    let reply = session.reply()?;
    if !reply.is_error() {
        return Ok((None, welcomed(&reply)));
    }
    let next = reply.get("nonce").and_then(|nonce| nonce.parse().ok());
    Ok((next, Err(reply.to_error())))
}

async fn ask(question: Question, pin: Option<Pin>) -> Result<()> {
    let pin = pin.ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
    spawn_blocking(move || question(&pin)).await
}

async fn within<T>(limit: Duration, endpoint: &Endpoint, work: impl Future<Output = Result<T>>) -> Result<T> {
    async_std::future::timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!("{endpoint} did not answer within {}", humantime::format_duration(limit));
        Err(Error::new(Kind::TimedOut, text))
    })
}
