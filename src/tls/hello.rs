//! Reading the ClientHello before the engine does, to decide on the protocol it asks for.
//!
//! The engine lets a client pass that offers no protocol at all, and its refusal of a foreign one gets lost behind its
//! own ServerHello (async-tls sends only the first queued message of a failed handshake). Decided here, the refusal is
//! the alert RFC 7301 asks for, alone and in plaintext, and the answer is known although async-tls hides the session.

use std::future::poll_fn;
use std::pin::Pin;

use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use rustls::AlertDescription;
use rustls::server::Acceptor;

use super::buffered::Buffered;
use super::explain;
use crate::{Error, Kind, Result};

/// What a ClientHello asks for.
pub(super) struct Hello {
    /// The protocol that was chosen.
    pub alpn: String,
    /// The server that it is for (SNI), if it says so.
    pub server_name: Option<String>,
}

/// What is answered to whom.
pub(super) struct Answers<'a> {
    /// The protocols there are, the preferred one first.
    pub alpns: &'a [String],
    /// What a client speaks that names no protocol; none: it is refused.
    pub unnamed: Option<&'a str>,
    /// The answer, in plain text, to a request that comes without TLS; none: an alert as to any other nonsense.
    pub to_plain: Option<&'static [u8]>,
}

/// Waits for the ClientHello and chooses the first protocol that it offers. The bytes stay in the adapter, for the engine to read
/// again.
///
/// # Errors
/// [`Kind::Tls`] for what is no ClientHello or offers none of `alpns`, after the alert that says so;
/// [`Kind::Network`] when the connection ends first.
pub(super) async fn read<IO>(io: &mut Buffered<IO>, answers: Answers<'_>) -> Result<Hello>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let Answers { alpns, unnamed, to_plain } = answers;
    let mut acceptor = Acceptor::default();
    let mut seen = 0;
    loop {
        let arrived = poll_fn(|cx| io.poll_arrive(cx)).await.map_err(explain::handshake)?;
        if arrived == 0 {
            return Err(explain::handshake(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(answer) = to_plain.filter(|_| is_request(io.arrived())) {
            tell(io, answer).await;
            return Err(Error::new(Kind::Tls, "the client speaks HTTP without TLS"));
        }
        let hello = loop {
            let mut fresh = io.arrived().get(seen..).unwrap_or_default();
            if fresh.is_empty() {
                break None;
            }
            seen += acceptor.read_tls(&mut fresh).map_err(explain::handshake)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(hello)) => break Some(hello),
                Err(err) => {
                    refuse(io, AlertDescription::DecodeError).await;
                    return Err(explain::engine(err));
                }
            }
        };
        let Some(hello) = hello else { continue };
        let client = hello.client_hello();
        let server_name = client.server_name().map(str::to_owned);
        let offered: Vec<&[u8]> = client.alpn().map(Iterator::collect).unwrap_or_default();
        let chosen = alpns.iter().map(String::as_str).find(|alpn| offered.contains(&alpn.as_bytes()));
        if let Some(alpn) = chosen.or(unnamed.filter(|_| offered.is_empty())) {
            return Ok(Hello { alpn: alpn.to_owned(), server_name });
        }
        refuse(io, AlertDescription::NoApplicationProtocol).await;
        return Err(Error::new(Kind::Tls, unknown_protocols(&offered)));
    }
}

/// Sends a fatal alert in plaintext (RFC 8446, section 6), as far as the socket takes it.
async fn refuse<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut Buffered<IO>, why: AlertDescription) {
    tell(io, &[21, 3, 3, 0, 2, 2, why.get_u8()]).await;
}

async fn tell<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut Buffered<IO>, answer: &[u8]) {
    let mut io = Pin::new(io);
    if io.write_all(answer).await.is_ok() {
        let _it_may_be_gone_already = io.flush().await;
    }
}

/// What requests of HTTP and WebDAV begin with; other protocols without TLS get no answer in words.
const METHODS: [&str; 15] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "PRI",
];

/// Whether this begins as a request of HTTP does: a method, and a blank. TLS begins with a number below all letters.
fn is_request(arrived: &[u8]) -> bool {
    let method = arrived.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let (method, rest) = arrived.split_at_checked(method).unwrap_or_default();
    rest.first() == Some(&b' ') && METHODS.iter().any(|known| known.as_bytes() == method)
}

fn unknown_protocols(offered: &[&[u8]]) -> String {
    if offered.is_empty() {
        return "the client names no protocol (ALPN)".to_owned();
    }
    let names: Vec<String> = offered.iter().map(|name| name.escape_ascii().to_string()).collect();
    format!("the client asks for another protocol (ALPN): {}", names.join(", "))
}
