//! Where to connect, and whom to trust.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::rate_limit::RateLimit;
use crate::error::Result;
use crate::limits;
use crate::tls::Pin;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port; 4456 unless the server was told otherwise.
    pub port: u16,
}

impl Endpoint {
    /// The server on this host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Endpoint { host: host.into(), port }
    }
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A question about a key that is not known yet: `Ok` to trust it, an error to end the connection.
pub type Question = Box<dyn FnOnce(&Pin) -> Result<()> + Send>;

/// How the server proves who it is.
#[non_exhaustive]
pub enum Verification {
    /// By holding the key of one of these pins.
    Pins(Vec<Pin>),
    /// By a certificate for its host name from one of the authorities in this PEM file.
    CaFile(PathBuf),
    /// By the answer to a question. It is asked with the server's pin after the handshake and before any byte is
    /// sent, and may block; an error closes the connection with nothing sent.
    Ask(Question),
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verification::Pins(pins) => f.debug_tuple("Pins").field(pins).finish(),
            Verification::CaFile(path) => f.debug_tuple("CaFile").field(path).finish(),
            Verification::Ask(_) => f.write_str("Ask"),
        }
    }
}

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Whether this address is of it.
    pub fn has(self, address: &SocketAddr) -> bool {
        match self {
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// How to connect: made by [`ConnectOptions::new`], then changed field by field.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// How the server proves who it is.
    pub verification: Verification,
    /// Time for name lookup, TCP, TLS and the greeting together; a question to a person is not counted.
    pub connect_timeout: Duration,
    /// How long to wait for a server from which nothing comes and to which nothing can be sent.
    pub io_timeout: Duration,
    /// The only kind of address to connect to; none: whichever the system prefers.
    pub family: Option<Family>,
    /// How fast bytes may be moved, over this connection and all others with the same limit.
    pub rate_limit: Option<RateLimit>,
}

impl ConnectOptions {
    /// These checks, with [`limits::CONNECT_TIMEOUT`] and [`limits::CLIENT_IO_TIMEOUT`], as fast as it goes.
    pub fn new(verification: Verification) -> Self {
        ConnectOptions {
            verification,
            connect_timeout: limits::CONNECT_TIMEOUT,
            io_timeout: limits::CLIENT_IO_TIMEOUT,
            family: None,
            rate_limit: None,
        }
    }
}
