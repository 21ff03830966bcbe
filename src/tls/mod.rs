//! TLS 1.3 from the first byte, with pinned keys: the only place that names rustls, async-tls or rcgen.
//!
//! A server [`accept`](Acceptor::accept)s, a client [`connect`](Connector::connect)s; both get a [`TlsStream`] and the
//! [`PeerInfo`] of the other side. No type of the engine below leaks out, so the engine can be replaced in this folder.
//!
//! What a user of a stream must know:
//! - **Flush before waiting.** Writes are gathered into socket-sized pieces; only [`flush`](futures::AsyncWriteExt::flush)
//!   promises that the other side gets them.
//! - **Read with large buffers**, 16 KiB (one record) or more: smaller ones make the engine copy what is left over.
//! - **Set TCP_NODELAY** on the socket. Writes are gathered here already; Nagle's algorithm only adds delay.
//! - Any error from a stream is its end. `UnexpectedEof` means that the connection was cut: the other side did not say
//!   goodbye, and what came before may be incomplete.
//! - A deadline is the caller's, by `async_std::future::timeout`; it fires on time whatever the peer sends.
//! - End with [`TlsStream::close`], or the last reply may be lost in a connection reset.

#[cfg(feature = "server")]
mod accept;
mod buffered;
mod chosen;
mod connect;
mod explain;
mod files;
#[cfg(feature = "server")]
mod hello;
#[cfg(feature = "server")]
mod identity;
#[cfg(feature = "server")]
mod next;
#[cfg(feature = "s3")]
mod outgoing;
mod pem;
mod pin;
mod pool;
mod stream;
mod suites;
#[cfg(feature = "server")]
mod unfinished;
mod verify;
#[cfg(feature = "server")]
mod web;

#[cfg(feature = "server")]
pub use accept::Acceptor;
pub use connect::{CaRoots, Connector, Trust};
pub use explain::{CLOSED_UNHEARD, stream_error};
#[cfg(feature = "server")]
pub use identity::{Description, Identity};
#[cfg(feature = "s3")]
pub(crate) use outgoing::OutgoingTls;
pub use pin::Pin;
pub use stream::TlsStream;
#[cfg(feature = "server")]
pub(crate) use web::stamp;
#[cfg(feature = "server")]
pub use web::{Found, WebCertificate, WebFiles};

/// The protocol's name in TLS (ALPN, RFC 7301).
pub const ALPN: &str = "sealift/1";

/// That of HTTP/2.
pub const HTTP_2: &str = "h2";

/// That of HTTP/1.1.
pub const HTTP_1: &str = "http/1.1";

/// What the handshake told about the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The protocol agreed on: on the accepting side one of the acceptor's, on the connecting side always [`ALPN`],
    /// because every other server was refused.
    pub alpn: Option<String>,
    /// The name of the server that the other side asked for, on the accepting side, if it did.
    pub server_name: Option<String>,
    /// The pin of the key that the server has proven to hold in this very handshake: on the connecting side the other's, on
    /// the accepting side our own, which is always used for [`ALPN`] and not told of other protocols.
    pub key_pin: Option<Pin>,
}
