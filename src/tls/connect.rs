//! The connecting side of a handshake.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_tls::TlsConnector;
use futures::io::{AsyncRead, AsyncWrite};
use rustls::client::{Resumption, ServerName, WebPkiVerifier};
use rustls::{Certificate, ClientConfig, RootCertStore};

use super::buffered::{Buffered, SharedBuffered};
use super::chosen::HandshakeSecret;
use super::explain::NoSealift;
use super::stream::Side;
use super::verify::{Policy, Verifier};
use super::{ALPN, PeerInfo, Pin, TlsStream, explain, files, pem, suites};
use crate::{Error, Kind, Result};

/// Whom a client believes.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Servers that hold the key of one of these pins, whatever their certificate says.
    Pins(Vec<Pin>),
    /// Servers whose certificate one of these authorities has issued for the name connected to.
    Ca(CaRoots),
    /// Any server. The handshake still proves that it holds the key of [`PeerInfo::key_pin`]; the caller must decide on
    /// that pin before it sends anything.
    Observe,
}

/// The certificates of the authorities to believe.
#[derive(Debug, Clone)]
pub struct CaRoots(Arc<RootCertStore>);

impl CaRoots {
    /// Reads every certificate of a PEM file. A server's own self-signed certificate will do.
    ///
    /// # Errors
    /// That of the file, or [`Kind::BadConfig`] when it holds no certificate or one that cannot be used.
    pub fn load(path: &Path) -> Result<CaRoots> {
        let text = files::read(path, files::Privacy::Public)?;
        let certificates = pem::certificates(&text)
            .map_err(|why| Error::new(Kind::BadConfig, format!("{}: {why}", path.display())))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(&certificate).map_err(|err| {
                Error::new(Kind::BadConfig, format!("{}: a certificate cannot be used: {err}", path.display()))
            })?;
        }
        Ok(CaRoots(Arc::new(roots)))
    }

    /// Those that this system believes, from the file in which its distribution keeps them; what cannot be used of them is left out.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if there is no such file, or nothing in it.
    #[cfg(feature = "s3")]
    pub fn of_the_system() -> Result<CaRoots> {
        let Some(path) = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.exists()) else {
            let text = format!("no authorities are known: none of {} is there", SYSTEM_ROOTS.join(", "));
            return Err(Error::new(Kind::BadConfig, text));
        };
        let text = files::read(path, files::Privacy::Public)?;
        let told = |why: &str| Error::new(Kind::BadConfig, format!("{}: {why}", path.display()));
        let certificates = pem::certificates(&text).map_err(|why| told(&why))?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(&certificates);
        if usable == 0 {
            return Err(told("none of its certificates can be used"));
        }
        Ok(CaRoots(Arc::new(roots)))
    }

    #[cfg(feature = "s3")]
    pub(super) fn store(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }
}

/// Where Debian and its kin, Fedora and its kin, SUSE, and Alpine keep them.
#[cfg(feature = "s3")]
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes TLS 1.3 connections under one [`Trust`]. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    template: Arc<ClientConfig>,
    policy: Arc<Policy>,
}

impl Connector {
    /// A connector for [`ALPN`].
    ///
    /// # Errors
    /// [`Kind::Untrusted`] for an empty list of pins, which could never connect; [`Kind::Tls`] from the engine.
    pub fn new(trust: Trust) -> Result<Connector> {
        let policy = match trust {
            Trust::Pins(pins) if pins.is_empty() => return Err(Error::new(Kind::Untrusted, "no pin to compare with")),
            Trust::Pins(pins) => Policy::Pins(pins),
            Trust::Ca(CaRoots(roots)) => Policy::Ca(WebPkiVerifier::new(roots, None)),
            Trust::Observe => Policy::Observe,
        };
        Ok(Connector { template: Arc::new(config().map_err(explain::engine)?), policy: Arc::new(policy) })
    }

    /// Makes a connected socket into a TLS stream.
    ///
    /// `server_name` is a host name or an IP address; only a host name is told to the server. Under pins it need not be
    /// a name that a certificate could hold.
    ///
    /// # Errors
    /// [`Kind::PinMismatch`] with both pins, [`Kind::Untrusted`] when no authority vouches for the server,
    /// [`Kind::Tls`] when the handshake fails or the server does not choose [`ALPN`], [`Kind::Network`] when the
    /// connection breaks. In every case no byte of the caller's was sent.
    pub async fn connect<IO>(&self, io: IO, server_name: &str) -> Result<(TlsStream<IO>, PeerInfo)>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let seen = Arc::new(OnceLock::new());
        let secret = Arc::new(HandshakeSecret::default());
        let connector = self.one_connection(&seen, &secret);
        let name = self.name_for_tls(server_name)?;
        let io = SharedBuffered::new(Buffered::new(io).listening());
        let done = connector.connect(name, io.handle()).await.map(Side::Connected);
        // Before the stream is flushed, and after it what comes is no handshake.
        let heard = io.lock().heard();
        let done = done.and_then(|side| match secret.alpn(&heard) {
            Some(chosen) if chosen == ALPN.as_bytes() => Ok(side),
            _ => Err(io::Error::other(NoSealift)),
        });
        let stream = TlsStream::after_handshake(done, io).await.map_err(|err| {
            self.refusal(server_name, seen.get()).unwrap_or_else(|| explain::refused_server(err, &heard))
        })?;
        Ok((stream, PeerInfo { alpn: Some(ALPN.to_owned()), server_name: None, key_pin: seen.get().copied() }))
    }

    /// async-tls hides the session, so each connection gets its own verifier to learn the server's pin from. It also
    /// means that no session can be resumed past the verifier.
    fn one_connection(&self, seen: &Arc<OnceLock<Pin>>, secret: &Arc<HandshakeSecret>) -> TlsConnector {
        let mut config = ClientConfig::clone(&self.template);
        config.key_log = secret.clone();
        let verifier = Verifier { policy: self.policy.clone(), seen: seen.clone() };
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        TlsConnector::from(config)
    }

    /// The name to hand to the engine. Where names do not count, one that TLS cannot carry (an underscore, an IPv6
    /// zone) stands as an address, which is never sent.
    fn name_for_tls(&self, server_name: &str) -> Result<String> {
        if ServerName::try_from(server_name).is_ok() {
            return Ok(server_name.to_owned());
        }
        match &*self.policy {
            Policy::Ca(_) => Err(Error::new(Kind::Usage, format!("no certificate can be checked for '{server_name}'"))),
            Policy::Pins(_) | Policy::Observe => Ok(IpAddr::from(Ipv4Addr::UNSPECIFIED).to_string()),
        }
    }

    /// The pin mismatch a failed handshake comes from, if it does.
    fn refusal(&self, server_name: &str, seen: Option<&Pin>) -> Option<Error> {
        let (Policy::Pins(pins), Some(seen)) = (&*self.policy, seen) else { return None };
        if pins.contains(seen) {
            return None;
        }
        let expected: Vec<String> = pins.iter().map(Pin::to_string).collect();
        let text = format!("{server_name} has the key {seen}, but expected was {}", expected.join(" or "));
        Some(Error::new(Kind::PinMismatch, text))
    }
}

/// The engine's configuration, which believes nobody until a verifier is set.
fn config() -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder()
        .with_cipher_suites(suites::cipher_suites())
        .with_safe_default_kx_groups()
        .with_protocol_versions(suites::VERSIONS)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.as_bytes().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A client's half of a handshake that proves to ourselves that we hold the key of `certificate`.
pub(super) fn prover(certificate: &Certificate) -> Result<ClientConfig, rustls::Error> {
    let pin = Pin::of_certificate(&certificate.0).map_err(|_| rustls::CertificateError::BadEncoding)?;
    let mut config = config()?;
    let verifier = Verifier { policy: Arc::new(Policy::Pins(vec![pin])), seen: Arc::default() };
    config.dangerous().set_certificate_verifier(Arc::new(verifier));
    Ok(config)
}
