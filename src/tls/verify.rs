//! Deciding on a server's certificate.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustls::client::{ServerCertVerified, ServerCertVerifier, ServerName, WebPkiVerifier};
use rustls::{Certificate, CertificateError};

use super::Pin;

/// What a server's key is measured against.
pub(super) enum Policy {
    Pins(Vec<Pin>),
    Ca(WebPkiVerifier),
    Observe,
}

/// The verifier of one handshake: applies the policy and remembers the pin it saw.
///
/// Only the certificate's check is replaced. The engine's own check of the handshake signature stays, without which
/// anybody could present a copy of a pinned certificate, which is public.
pub(super) struct Verifier {
    pub(super) policy: Arc<Policy>,
    pub(super) seen: Arc<OnceLock<Pin>>,
}

impl ServerCertVerifier for Verifier {
    /// Under a pin neither names, dates nor issuers count: the key alone is what was agreed on, as with SSH.
    fn verify_server_cert(
        &self,
        end_entity: &Certificate,
        intermediates: &[Certificate],
        server_name: &ServerName,
        scts: &mut dyn Iterator<Item = &[u8]>,
        ocsp_response: &[u8],
        now: SystemTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pin = Pin::of_certificate(&end_entity.0).map_err(|_| CertificateError::BadEncoding)?;
        let pin = self.seen.get_or_init(|| pin);
        match &*self.policy {
            Policy::Pins(pins) if pins.contains(pin) => Ok(ServerCertVerified::assertion()),
            Policy::Pins(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            Policy::Ca(verifier) => verifier
                .verify_server_cert(end_entity, intermediates, server_name, scts, ocsp_response, now)
                .map_err(another_of_the_same_name),
            Policy::Observe => Ok(ServerCertVerified::assertion()),
        }
    }

    fn request_scts(&self) -> bool {
        false
    }
}

/// An issuer with a trusted one's name but another key is simply not trusted. Told as a bad signature, it could not be
/// told from a server that does not hold its own key.
fn another_of_the_same_name(err: rustls::Error) -> rustls::Error {
    match err {
        rustls::Error::InvalidCertificate(CertificateError::BadSignature) => CertificateError::UnknownIssuer.into(),
        other => other,
    }
}
