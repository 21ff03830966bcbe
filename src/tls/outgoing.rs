//! TLS to a server elsewhere that is none of ours: a storage, whose certificate an authority vouches for.

use std::sync::Arc;

use async_tls::TlsConnector;
use futures::io::{AsyncRead, AsyncWrite};
use rustls::{ClientConfig, ServerName};

use super::buffered::{Buffered, SharedBuffered};
use super::connect::CaRoots;
use super::stream::Side;
use super::{HTTP_1, TlsStream, explain, suites};
use crate::{Error, Kind, Result};

/// Makes such connections, in TLS 1.3 or 1.2: not every storage knows the newer one.
#[derive(Clone)]
pub(crate) struct OutgoingTls(TlsConnector);

impl OutgoingTls {
    /// Believes servers for which one of these vouches.
    ///
    /// # Errors
    /// [`Kind::Tls`] from the engine.
    pub(crate) fn new(roots: &CaRoots) -> Result<OutgoingTls> {
        let mut config = ClientConfig::builder()
            .with_cipher_suites(suites::older_cipher_suites())
            .with_safe_default_kx_groups()
            .with_protocol_versions(suites::OLDER_VERSIONS)
            .map_err(explain::engine)?
            .with_root_certificates(roots.store())
            .with_no_client_auth();
        config.alpn_protocols = vec![HTTP_1.as_bytes().to_vec()];
        Ok(OutgoingTls(TlsConnector::from(Arc::new(config))))
    }

    /// Makes a connected socket into a TLS stream.
    ///
    /// # Errors
    /// [`Kind::Untrusted`] and [`Kind::Tls`] as of a client's; nothing of the caller's was sent then.
    pub(crate) async fn connect<IO>(&self, io: IO, name: &str) -> Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        if ServerName::try_from(name).is_err() {
            return Err(Error::new(Kind::Tls, format!("no certificate can be checked for '{name}'")));
        }
        let io = SharedBuffered::new(Buffered::new(io));
        let done = self.0.connect(name, io.handle()).await.map(Side::Connected);
        TlsStream::after_handshake(done, io).await.map_err(explain::handshake)
    }
}
