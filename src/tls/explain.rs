//! The engine's errors in words for a person.

use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::ALPN;
use crate::{Error, Kind};

/// Why a handshake failed.
pub(super) fn handshake(err: io::Error) -> Error {
    match err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => engine(inner.clone()),
        None => match err.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::new(Kind::Network, "the other side closed the connection during the TLS handshake")
                    .with_source(err)
            }
            io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                Error::new(Kind::Tls, format!("the TLS handshake failed: {err}")).with_source(err)
            }
            _ => Error::network("the TLS handshake", err),
        },
    }
}

/// Why the engine gave up.
pub(super) fn engine(err: rustls::Error) -> Error {
    use rustls::Error as E;
    let (kind, text) = match &err {
        E::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            (Kind::Tls, format!("the other side speaks TLS, but not the protocol {ALPN}"))
        }
        E::AlertReceived(AlertDescription::ProtocolVersion)
        | E::PeerIncompatible(
            PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => (Kind::Tls, "the other side does not speak TLS 1.3".to_owned()),
        E::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => (Kind::Tls, "the other side does not speak TLS".to_owned()),
        E::AlertReceived(alert) => (Kind::Tls, format!("the other side ended the TLS handshake: {alert:?}")),
        E::InvalidCertificate(CertificateError::BadSignature) => {
            (Kind::Tls, "the server does not hold the key of the certificate it shows".to_owned())
        }
        E::InvalidCertificate(why) => {
            (Kind::Untrusted, format!("the server's certificate is refused: {}", refused(why)))
        }
        other => (Kind::Tls, format!("the TLS handshake failed: {other}")),
    };
    Error::new(kind, text).with_source(err)
}

fn refused(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYet => "it is not valid yet; is the clock right?".to_owned(),
        CertificateError::NotValidForName => "it was issued for another name".to_owned(),
        CertificateError::UnknownIssuer => "no trusted authority has issued it".to_owned(),
        CertificateError::BadEncoding => "it is malformed, or not X.509 version 3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// An error of an established [`TlsStream`](super::TlsStream) as one of the table's: [`Kind::Tls`] when the peer broke
/// the rules of TLS or the record was forged, otherwise [`Kind::Network`] or [`Kind::TimedOut`].
pub fn stream_error(err: io::Error) -> Error {
    match err.kind() {
        io::ErrorKind::InvalidData => {
            Error::new(Kind::Tls, format!("the TLS connection broke: {err}")).with_source(err)
        }
        io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Network, "the connection was cut: the other side did not end it properly").with_source(err)
        }
        _ => Error::network("the connection", err),
    }
}
