//! Several connections of one login, for many tasks at once.

mod lease;
mod requests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_lock::{Semaphore, SemaphoreGuardArc};

use self::lease::Out;
pub use self::lease::PooledClient;
use super::connection::Client;
use super::credentials::Credentials;
use super::options::{ConnectOptions, Endpoint, Family, Verification};
use super::rate_limit::RateLimit;
use super::stopper::Stopper;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::sync::Mutex;
use crate::tls::Pin;

/// Several connections to one server, of one login, for many tasks at once. Cheap to clone; every method takes `&self`.
///
/// The first connection logs in; the others join it by tokens, so the password is checked once and the server's price for that
/// (argon2) is paid once. A call takes a connection that is free, or waits for one, and gives it back. What the pool has no method
/// for is asked of a connection by [`Pool::client`].
///
/// - **A future that is dropped** costs the connection that it used, and nothing else: the other calls go on, and another
///   connection takes its place when it is needed.
/// - **A connection that is lost** while it is idle is replaced: the server may restart. A call that only asks, or that puts bytes
///   from memory or a file, is tried once more on a new connection if the one it had is lost; anything else fails with an error
///   whose kind [`is transient`](Kind::is_transient).
/// - **[`Pool::stop`]** ends everything at once, from any clone: what runs fails with [`Kind::Aborted`].
///
/// ```
/// use sealift::client::{Credentials, Pool};
/// # use sealift::client::{ConnectOptions, Endpoint, Verification};
/// # use sealift::{auth::UsersFile, server::{Server, ServerOptions}, tls::Identity};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async_std::task::block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # UsersFile::new(dir.path().join("users.toml")).create()?;
/// # let identity = Identity::generate(&["localhost".to_owned()])?;
/// # let (data, users) = (dir.path().join("data"), dir.path().join("users.toml"));
/// # let server = Server::bind(ServerOptions::new("127.0.0.1:0".parse()?, data, users, identity)).await?;
/// # let (endpoint, pin) = (Endpoint::new("127.0.0.1", server.addresses()[0].port()), server.pin());
/// # async_std::task::spawn(server.serve());
/// let options = ConnectOptions::new(Verification::Pins(vec![pin]));
/// let pool = Pool::connect(&endpoint, options, Credentials::anonymous(), 4).await?;
/// let (top, again) = futures::join!(pool.list("", false), pool.stat(""));
/// assert!(top?.entries.is_empty());
/// again?;
/// pool.close().await;
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    /// Of the key that the first connection was checked against.
    pin: Pin,
    connect_timeout: Duration,
    io_timeout: Duration,
    family: Option<Family>,
    rate_limit: Option<RateLimit>,
    credentials: Credentials,
    /// As many as there may be connections.
    places: Arc<Semaphore>,
    most: u32,
    /// As many as the server gives, as far as that was found out.
    given: AtomicU32,
    state: Mutex<State>,
    /// Held by whoever opens connections: the others wait for those.
    opening: async_lock::Mutex<()>,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    idle: Vec<Client>,
    /// Connections that somebody has now.
    leased: u32,
    /// Of every connection there is, or was a moment ago.
    stoppers: Vec<Stopper>,
    /// Places for connections that the server does not give now: so that whoever waits for a place gets one with a connection.
    withheld: Vec<SemaphoreGuardArc>,
    /// How many wait for all places: none is withheld as long as somebody does.
    closing: u32,
}

/// Somebody waits for all places, until that is over or given up.
struct Closing<'a>(&'a Inner);

impl<'a> Closing<'a> {
    fn begin(inner: &'a Inner) -> Self {
        let withheld = {
            let mut state = inner.state.lock();
            state.closing += 1;
            std::mem::take(&mut state.withheld)
        };
        drop(withheld);
        Closing(inner)
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.state.lock().closing -= 1;
    }
}

impl Pool {
    /// Connects, logs in, and opens the other connections, up to `connections` in all (1 to [`limits::STREAMS_MAX`]). A server that
    /// gives fewer is no error: [`Pool::connections`] says how many there are.
    ///
    /// # Errors
    /// As [`Client::connect`] and [`Client::login`].
    pub async fn connect(
        endpoint: &Endpoint,
        options: ConnectOptions,
        credentials: Credentials,
        connections: u32,
    ) -> Result<Pool> {
        let ConnectOptions { connect_timeout, io_timeout, family, .. } = options;
        let rate_limit = options.rate_limit.clone();
        let mut first = Client::connect(endpoint, options).await?;
        first.login_as(&credentials).await?;
        let pin = first.pin().ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
        let most = connections.clamp(1, limits::STREAMS_MAX);
        let pool = Pool(Arc::new(Inner {
            endpoint: endpoint.clone(),
            pin,
            connect_timeout,
            io_timeout,
            family,
            rate_limit,
            credentials,
            places: Arc::new(Semaphore::new(most as usize)),
            most,
            given: AtomicU32::new(most),
            state: Mutex::default(),
            opening: async_lock::Mutex::new(()),
            stopped: AtomicBool::new(false),
        }));
        pool.0.adopt(&mut first);
        pool.0.fill_from(&mut first, 1).await?;
        pool.0.give(first);
        Ok(pool)
    }

    /// Connections that there are now, those in use included.
    pub fn connections(&self) -> usize {
        let state = self.0.state.lock();
        state.leased as usize + state.idle.iter().filter(|client| client.is_alive()).count()
    }

    /// A connection of one's own until it is dropped; waits for one if all are in use.
    ///
    /// # Errors
    /// [`Kind::Aborted`] after [`Pool::stop`]; as [`Client::connect`] and [`Client::login`] if a new one is needed.
    pub async fn client(&self) -> Result<PooledClient> {
        loop {
            let place = self.0.places.acquire_arc().await;
            // What is seldom done is on the heap: see `Client::connect`.
            let (client, out) = match self.take()? {
                Some((client, out)) => match Box::pin(self.filled_up(client)).await {
                    client if client.is_alive() => (client, out),
                    // It was lost while others were opened over it.
                    _ => continue,
                },
                None => match Box::pin(self.open()).await {
                    // There is no other to be had now, but somebody has one and will give it back.
                    Err(error) if error.kind().is_transient() => match self.0.withhold(place) {
                        Ok(()) => continue,
                        Err(_) => return Err(error),
                    },
                    opened => opened?,
                },
            };
            return Ok(PooledClient::new(client, out, place));
        }
    }

    /// Ends all connections at once, also those in use: what is done over them fails with [`Kind::Aborted`], as does every later
    /// call of any clone.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        let (idle, stoppers) = {
            let mut state = self.0.state.lock();
            (std::mem::take(&mut state.idle), std::mem::take(&mut state.stoppers))
        };
        drop(idle);
        stoppers.iter().for_each(Stopper::stop);
    }

    /// Waits for the calls that run, says goodbye, and ends all connections. Later calls fail with [`Kind::Aborted`]. Dropped while it
    /// waits, it has done nothing.
    pub async fn close(&self) {
        let _closing = Closing::begin(&self.0);
        let mut places = Vec::new();
        for _ in 0..self.0.most {
            places.push(self.0.places.acquire_arc().await);
        }
        self.0.stopped.store(true, Ordering::SeqCst);
        let idle = std::mem::take(&mut self.0.state.lock().idle);
        for client in idle {
            // A server that does not answer is left all the same.
            let _ = client.logout().await;
        }
    }

    /// The connections that are missing are opened over one that is idle, unless somebody is at it.
    async fn filled_up(&self, mut client: Client) -> Client {
        if let Some(_alone) = self.0.opening.try_lock() {
            // Why there are fewer does not matter to who has one.
            let _ = self.0.fill_from(&mut client, 0).await;
        }
        client
    }

    /// Opens connections, one of them by logging in; or takes one of those that somebody else has opened meanwhile.
    async fn open(&self) -> Result<(Client, Out)> {
        let _alone = self.0.opening.lock().await;
        if let Some(client) = self.take()? {
            return Ok(client);
        }
        let mut client = self.0.log_in().await?;
        let (out, withheld) = {
            let mut state = self.0.state.lock();
            (Out::new(&self.0, &mut state), std::mem::take(&mut state.withheld))
        };
        drop(withheld);
        self.0.given.store(self.0.most, Ordering::Relaxed);
        self.0.fill_from(&mut client, 0).await?;
        self.0.check()?;
        Ok((client, out))
    }

    /// An idle connection that is not known to be lost.
    fn take(&self) -> Result<Option<(Client, Out)>> {
        self.0.check()?;
        let mut state = self.0.state.lock();
        while let Some(client) = state.idle.pop() {
            if client.is_alive() {
                return Ok(Some((client, Out::new(&self.0, &mut state))));
            }
        }
        Ok(None)
    }

    /// A connection was lost; the idle ones most likely too, if the server is gone.
    fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.0.state.lock().idle);
        drop(idle);
    }
}

impl Inner {
    fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Aborted, "the pool was stopped"));
        }
        Ok(())
    }

    /// Takes a connection back, or a new one.
    fn give(&self, client: Client) {
        if client.is_alive() && !self.stopped.load(Ordering::SeqCst) {
            self.state.lock().idle.push(client);
        }
    }

    /// Puts a place aside if somebody has a connection, whose place is free again when it comes back.
    fn withhold(&self, place: SemaphoreGuardArc) -> Result<(), SemaphoreGuardArc> {
        let mut state = self.state.lock();
        if state.leased == 0 || state.closing > 0 {
            return Err(place);
        }
        state.withheld.push(place);
        Ok(())
    }

    async fn log_in(&self) -> Result<Client> {
        let mut options = ConnectOptions::new(Verification::Pins(vec![self.pin]));
        (options.connect_timeout, options.io_timeout) = (self.connect_timeout, self.io_timeout);
        (options.family, options.rate_limit) = (self.family, self.rate_limit.clone());
        let mut client = Client::connect(&self.endpoint, options).await?;
        self.adopt(&mut client);
        client.login_as(&self.credentials).await?;
        Ok(client)
    }

    /// From now on the connection ends alone, or with the whole pool.
    fn adopt(&self, client: &mut Client) {
        client.stands_alone();
        let mut state = self.state.lock();
        state.stoppers.retain(|stopper| !stopper.is_over());
        state.stoppers.push(client.stopper());
        // Whoever has stopped the pool before has not seen this one.
        if self.stopped.load(Ordering::SeqCst) {
            client.stopper().stop();
        }
    }

    /// Opens what is missing by tokens of this connection's login. So many connections are `held` that are neither idle nor
    /// counted as out.
    async fn fill_from(&self, client: &mut Client, held: u32) -> Result<()> {
        let there = {
            let mut state = self.state.lock();
            state.idle.retain(Client::is_alive);
            state.leased + u32::try_from(state.idle.len()).unwrap_or(u32::MAX) + held
        };
        let missing = self.given.load(Ordering::Relaxed).saturating_sub(there);
        if missing == 0 {
            return Ok(());
        }
        let why = client.widen(1 + missing).await?;
        let crew = client.take_crew();
        if why.is_some() {
            self.given.store(there + u32::try_from(crew.len()).unwrap_or(0), Ordering::Relaxed);
        }
        // They were opened to end together.
        self.adopt(client);
        for mut joined in crew {
            self.adopt(&mut joined);
            self.give(joined);
        }
        Ok(())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("endpoint", &self.0.endpoint)
            .field("user", &self.0.credentials.user())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
