//! The accepting side of a handshake.

use std::sync::Arc;

use async_tls::TlsAcceptor;
use futures::io::{AsyncRead, AsyncWrite};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, SupportedCipherSuite, SupportedProtocolVersion};

use super::buffered::{Buffered, SharedBuffered};
use super::hello::{self, Answers, Hello};
use super::stream::Side;
use super::web::{ByProtocol, WebCertificate};
use super::{ALPN, HTTP_1, HTTP_2, Identity, PeerInfo, Pin, TlsStream, explain, suites};
use crate::Result;
use crate::budget::Account;

/// Accepts TLS 1.3 connections with one identity, and where that is asked for those of HTTP in TLS 1.2. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    engine: TlsAcceptor,
    /// That of whoever speaks HTTP, where it is another one.
    for_http: Option<TlsAcceptor>,
    alpns: Arc<[String]>,
    /// What a client speaks that names no protocol; none: it is refused.
    unnamed: Option<&'static str>,
    /// The answer to a request that comes without TLS.
    to_plain: Option<&'static [u8]>,
    /// Of the one key that every handshake is made with.
    pin: Pin,
}

impl Acceptor {
    /// An acceptor of [`ALPN`].
    ///
    /// # Errors
    /// [`Kind::Tls`](crate::Kind::Tls) when the engine cannot use the identity.
    pub fn new(identity: &Identity) -> Result<Acceptor> {
        Acceptor::with_alpns(identity, &[ALPN])
    }

    /// An acceptor of several protocols on one port, the preferred one first; [`PeerInfo::alpn`] says which was chosen.
    ///
    /// # Errors
    /// [`Kind::Tls`](crate::Kind::Tls) when the engine cannot use the identity.
    pub fn with_alpns(identity: &Identity, alpns: &[&str]) -> Result<Acceptor> {
        Acceptor::over(config(identity.certified(), alpns).map_err(explain::engine)?, alpns, identity.pin())
    }

    /// An acceptor of [`ALPN`], and of HTTP for whoever does not offer that: by name, or by naming no protocol at all. Who
    /// speaks HTTP is shown the web's certificate where it is made out to the name that is asked for, or asks for none and it is made
    /// out to addresses.
    ///
    /// # Errors
    /// [`Kind::Tls`](crate::Kind::Tls) when the engine cannot use the identity.
    pub fn with_web(identity: &Identity, web: Option<Arc<WebCertificate>>) -> Result<Acceptor> {
        let alpns = &[ALPN, HTTP_2, HTTP_1];
        let mut config = config(identity.certified(), alpns).map_err(explain::engine)?;
        config.cert_resolver = resolver(identity, web);
        Ok(Acceptor { unnamed: Some(HTTP_1), ..Acceptor::over(config, alpns, identity.pin())? })
    }

    /// An acceptor as of [`Acceptor::with_web`], where HTTP is spoken in TLS 1.2 too, with the suites of that which are still good.
    /// [`ALPN`] is not.
    ///
    /// # Errors
    /// As [`Acceptor::with_web`].
    pub fn with_web_of_tls12(identity: &Identity, web: Option<Arc<WebCertificate>>) -> Result<Acceptor> {
        let suites = (suites::older_cipher_suites(), suites::OLDER_VERSIONS);
        // It cannot agree on any other protocol, whatever a client offers.
        let mut older = config_of(identity.certified(), &[HTTP_2, HTTP_1], suites).map_err(explain::engine)?;
        older.cert_resolver = resolver(identity, web.clone());
        let older = Arc::new(older);
        ServerConnection::new(older.clone()).map_err(explain::engine)?;
        Ok(Acceptor { for_http: Some(TlsAcceptor::from(older)), ..Acceptor::with_web(identity, web)? })
    }

    fn over(config: ServerConfig, alpns: &[&str], pin: Pin) -> Result<Acceptor> {
        let config = Arc::new(config);
        // async-tls panics in `accept` when this fails.
        ServerConnection::new(config.clone()).map_err(explain::engine)?;
        let alpns = alpns.iter().map(|alpn| (*alpn).to_owned()).collect();
        Ok(Acceptor { engine: TlsAcceptor::from(config), for_http: None, alpns, unnamed: None, to_plain: None, pin })
    }

    /// This acceptor, with this answer, in plain text, to a request of HTTP that comes without TLS: whoever typed `http://` is to see
    /// something, and not the bytes of an alert.
    pub fn telling_plain(self, answer: &'static [u8]) -> Acceptor {
        Acceptor { to_plain: Some(answer), ..self }
    }

    /// Makes a connection just accepted into a TLS stream. It waits as long as the peer lets it: put a time-out of
    /// [`HANDSHAKE_TIMEOUT`](crate::limits::HANDSHAKE_TIMEOUT) around it.
    ///
    /// # Errors
    /// [`Kind::Tls`](crate::Kind::Tls) when the peer does not speak TLS 1.3, offers none of the acceptor's protocols
    /// or sends too much, [`Kind::Network`](crate::Kind::Network) when the connection breaks.
    pub async fn accept<IO>(&self, io: IO) -> Result<(TlsStream<IO>, PeerInfo)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.accept_over(Buffered::new(io)).await
    }

    /// Makes a connection just accepted into a TLS stream, as [`Acceptor::accept`] does, within this account's share of memory.
    pub(crate) async fn accept_within<IO>(&self, io: IO, account: &Arc<Account>) -> Result<(TlsStream<IO>, PeerInfo)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let mut io = Buffered::new(io);
        io.charge(account);
        self.accept_over(io).await
    }

    async fn accept_over<IO>(&self, mut io: Buffered<IO>) -> Result<(TlsStream<IO>, PeerInfo)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let answers = Answers { alpns: &self.alpns, unnamed: self.unnamed, to_plain: self.to_plain };
        let hello = hello::read(&mut io, answers).await?;
        let io = SharedBuffered::new(io);
        let engine = self.for_http.as_ref().filter(|_| hello.alpn != ALPN).unwrap_or(&self.engine);
        let done = engine.accept(io.handle()).await.map(Side::Accepted);
        let stream = TlsStream::after_handshake(done, io).await.map_err(explain::handshake)?;
        let Hello { alpn, server_name } = hello;
        let key_pin = (alpn == ALPN).then_some(self.pin);
        Ok((stream, PeerInfo { alpn: Some(alpn), server_name, key_pin }))
    }
}

/// The engine's configuration: no session is remembered, no ticket sent, no early data taken, so that every
/// connection is a full handshake with fresh keys.
pub(super) fn config(certified: Arc<CertifiedKey>, alpns: &[&str]) -> Result<ServerConfig, rustls::Error> {
    config_of(certified, alpns, (suites::cipher_suites(), suites::VERSIONS))
}

/// Suites and versions.
type Spoken = (&'static [SupportedCipherSuite], &'static [&'static SupportedProtocolVersion]);

fn config_of(
    certified: Arc<CertifiedKey>,
    alpns: &[&str],
    (suites, versions): Spoken,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder()
        .with_cipher_suites(suites)
        .with_safe_default_kx_groups()
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)));
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// That of the pinned key, or that for browsers where it is made out to whom is asked for.
fn resolver(identity: &Identity, web: Option<Arc<WebCertificate>>) -> Arc<dyn ResolvesServerCert> {
    let own = identity.certified();
    match web {
        Some(web) => Arc::new(ByProtocol { own, web }),
        None => Arc::new(Always(own)),
    }
}

/// One certificate for every name a client may ask for.
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
