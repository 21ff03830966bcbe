//! Requests of ours to a server elsewhere, by HTTP/1.1: for storage that is not on this machine.
//!
//! It blocks: whoever asks is blocking code, and drives the connection itself while it waits, so that no task runs for it and an
//! answer's body is read no faster than somebody takes it. The protocol is hyper's, which the server for browsers brings along
//! anyway, and TLS that of `tls`: a second HTTP client would have brought a second TLS engine.
//!
//! A request that another connection was closed on, without a byte of an answer, is sent once more; it may have been carried out then. Whoever
//! makes one that is not the same when it is repeated looks at what there is after an error, as after every lost answer. Nothing else is
//! repeated here. Every wait has a bound.

mod connection;
mod place;
mod wire;

use std::fs::File;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub(crate) use self::connection::Answer;
use self::connection::Connection;
pub(crate) use self::place::OriginAddress;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::sync::Mutex;
pub use crate::tls::CaRoots;
use crate::tls::OutgoingTls;

/// A request, which can be sent more than once.
#[derive(Clone)]
pub(crate) struct Request {
    /// GET, PUT and so on.
    pub(crate) method: &'static str,
    /// Path and query as they stand in the request.
    pub(crate) target: String,
    /// All but those of the body's length and `host`.
    pub(crate) headers: Vec<(String, String)>,
    /// What is sent.
    pub(crate) body: Payload,
}

/// The body of a request.
#[derive(Clone)]
pub(crate) enum Payload {
    /// In memory.
    Bytes(Bytes),
    /// The first so many bytes of a file.
    File(Arc<File>, u64),
}

impl Payload {
    /// Bytes of it.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(_, len) => *len,
        }
    }
}

/// A request was not answered: nobody knows what became of it. Why, without a word of where the server is: users see it too.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

/// A server elsewhere, with the connections to it that wait to be used again.
pub(crate) struct Origin {
    place: OriginAddress,
    addresses: Mutex<Vec<SocketAddr>>,
    tls: Option<OutgoingTls>,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

impl Origin {
    /// Looks the name up and reads the authorities, so that both can be had when nothing else can be reached any more. Connects to
    /// nothing.
    ///
    /// # Errors
    /// That the name has no address, or the authorities cannot be read.
    pub(crate) fn new(place: OriginAddress, roots: Option<&CaRoots>) -> Result<Origin> {
        let tls = match (place.tls, roots) {
            (false, _) => None,
            (true, Some(roots)) => Some(OutgoingTls::new(roots)?),
            (true, None) => return Err(Error::new(Kind::BadConfig, format!("{place}: nobody vouches for it"))),
        };
        let addresses = look_up(&place)?;
        Ok(Origin { place, addresses: Mutex::new(addresses), tls, idle: Mutex::default() })
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &OriginAddress {
        &self.place
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`Broken`], in words.
    pub(crate) fn send(self: &Arc<Self>, request: &Request) -> std::result::Result<Answer, Broken> {
        block_in_place(|| {
            // One that waited may have been closed by the other side just now, which is no reason to fail.
            let mut is_sent_again = false;
            while let Some(connection) = self.take_idle() {
                match connection.send(request, self) {
                    Ok(answer) => return Ok(answer.sent_again(is_sent_again)),
                    Err(broken) if broken.is_unused => is_sent_again |= broken.is_sent,
                    Err(broken) => return Err(Broken(broken.why)),
                }
            }
            let connection = self.connect().map_err(Broken)?;
            let answer = connection.send(request, self).map_err(|broken| Broken(broken.why))?;
            Ok(answer.sent_again(is_sent_again))
        })
    }

    fn connect(&self) -> std::result::Result<Connection, String> {
        let addresses = self.addresses.lock().clone();
        let mut last = match self.connect_to_one_of(&addresses) {
            Ok(connection) => return Ok(connection),
            Err(why) => why,
        };
        // They may be others by now. In the sandbox it is not always possible to look.
        if let Ok(now) = look_up(&self.place)
            && now != addresses
        {
            match self.connect_to_one_of(&now) {
                Ok(connection) => {
                    *self.addresses.lock() = now;
                    return Ok(connection);
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn connect_to_one_of(&self, addresses: &[SocketAddr]) -> std::result::Result<Connection, String> {
        let mut last = "has no address".to_owned();
        for address in addresses.iter().take(limits::ENGINE_ADDRESSES) {
            match Connection::open(*address, self.tls.as_ref(), &self.place) {
                Ok(connection) => return Ok(connection),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain(|(since, _)| since.elapsed() < limits::ENGINE_IDLE);
        idle.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection that nothing is under way on.
    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < limits::ENGINE_IDLE_CONNECTIONS {
            idle.push((Instant::now(), connection));
        }
    }
}

fn look_up(place: &OriginAddress) -> Result<Vec<SocketAddr>> {
    let found = (place.host.as_str(), place.port).to_socket_addrs().map(Iterator::collect);
    let none = |err: io::Error| Error::network(format!("{place}: its name is not found"), err);
    found.map_err(none).and_then(|addresses: Vec<SocketAddr>| match addresses.is_empty() {
        true => Err(Error::new(Kind::Network, format!("{place}: its name has no address"))),
        false => Ok(addresses),
    })
}

/// How long the head of an answer to so many bytes may take.
fn patience(len: u64) -> Duration {
    limits::ENGINE_ANSWER + Duration::from_secs(len / limits::ENGINE_SLOWEST)
}
