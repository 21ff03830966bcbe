//! One connection: made, logged in, ended; and the way from asynchronous callers to the blocking code beneath.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_std::channel::{Sender, bounded};
use async_std::net::TcpStream;
use async_std::task::{JoinHandle, spawn, spawn_blocking};

use super::answers::{Ids, Welcome};
use super::options::{ConnectOptions, Endpoint, Question, Verification};
use super::pump::pump;
use super::session::Session;
use super::wire::wire;
use crate::error::{Error, Kind, Result};
use crate::proto::Command;
use crate::secret::Secret;
use crate::tls::{CaRoots, Connector, Pin, TlsStream, Trust};

/// The version of the protocol spoken here.
const VERSION: u32 = 1;

/// One connection to a server.
///
/// Its methods wait for each other: one request, or one transfer of many files, at a time. A method's future that is
/// dropped before it is done ends the connection, as does a server that breaks the protocol; every later call then
/// fails with [`Kind::Network`]. A request that the server refuses leaves the connection as it was.
pub struct Client {
    /// Absent while it is in use, and for good when the connection is broken.
    session: Option<Session>,
    /// Closing it ends the connection's task whatever it does.
    stop: Stopper,
    task: JoinHandle<()>,
    pin: Option<Pin>,
    greeting: String,
    ids: Option<Ids>,
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
        let (stream, pin) = within(options.connect_timeout, endpoint, open(endpoint, &connector)).await?;
        if let Some(question) = question {
            ask(question, pin).await?;
        }

        let (wire, far) = wire();
        let (stop, stopped) = bounded(1);
        let task = spawn(pump(stream, far, options.io_timeout, stopped));
        let session = Some(Session::new(wire));
        let stop = Stopper { stop, told: Arc::default() };
        let mut client = Client { session, stop, task, pin, greeting: String::new(), ids: None };
        client.greeting = within(options.connect_timeout, endpoint, client.run(greeting)).await?;
        Ok(client)
    }

    /// What ends this connection from outside.
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Whether the connection was ended from this side, by a [`Stopper`] or a dropped future.
    pub(super) fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop.told)
    }

    /// The pin of the key the server has proven to hold.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The server's words on connecting. From outside: escape before showing.
    pub fn greeting(&self) -> &str {
        &self.greeting
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
            let welcome = session.expect(230).and_then(|reply| {
                Ok(Welcome {
                    user: String::from_utf8_lossy(&reply.bytes("user")?).into_owned(),
                    access: String::from_utf8_lossy(&reply.bytes("access")?).into_owned(),
                    ids: Ids { pid: reply.parsed("pid")?, session: reply.parsed("session")? },
                    text: reply.text.to_owned(),
                })
            });
            asked.and(welcome)
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
        self.task.await;
        said
    }

    /// Runs blocking code on the session.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(mut session) = self.session.take() else {
            return Err(Error::new(Kind::Network, "the connection is broken"));
        };
        // If the caller drops this future, the blocking code must not wait on for a server that may never answer.
        let unless_done = EndOnDrop(&self.stop);
        let (session, result) = spawn_blocking(move || {
            let result = work(&mut session);
            (session, result)
        })
        .await;
        self.ids = session.ids();
        // From here on it is no dropped future, which would count as stopped by the caller.
        std::mem::forget(unless_done);
        if session.is_usable() {
            self.session = Some(session);
        } else {
            self.stop.stop.close();
        }
        result
    }
}

/// Ends a connection at once, whatever is being done over it: that call then fails with [`Kind::Network`], after it has
/// removed what it has not finished. Cheap to clone, and may outlive the connection.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: Sender<()>,
    told: Arc<AtomicBool>,
}

impl Stopper {
    /// Ends the connection.
    pub fn stop(&self) {
        self.told.store(true, Ordering::Relaxed);
        self.stop.close();
    }
}

/// Ends the connection's task when dropped.
struct EndOnDrop<'a>(&'a Stopper);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Name lookup, TCP and TLS.
async fn open(endpoint: &Endpoint, connector: &Connector) -> Result<(TlsStream<TcpStream>, Option<Pin>)> {
    let failed = |err| Error::network(format_args!("cannot connect to {endpoint}"), err);
    let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(failed)?;
    // TLS gathers its writes; Nagle's algorithm would only add delay.
    socket.set_nodelay(true).map_err(failed)?;
    let (stream, peer) = connector.connect(socket, &endpoint.host).await?;
    Ok((stream, peer.key_pin))
}

async fn ask(question: Question, pin: Option<Pin>) -> Result<()> {
    let pin = pin.ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
    spawn_blocking(move || question(&pin)).await
}

fn greeting(session: &mut Session) -> Result<String> {
    let reply = session.expect(220)?;
    if reply.parsed::<u32>("proto")? != VERSION {
        let text = "the server speaks another version of the protocol";
        return Err(Error::new(Kind::Protocol, text));
    }
    Ok(reply.text.to_owned())
}

async fn within<T>(limit: Duration, endpoint: &Endpoint, work: impl Future<Output = Result<T>>) -> Result<T> {
    async_std::future::timeout(limit, work).await.unwrap_or_else(|_| {
        let text = format!("{endpoint} did not answer within {}", humantime::format_duration(limit));
        Err(Error::new(Kind::TimedOut, text))
    })
}
