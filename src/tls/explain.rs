//! The engine's errors in words for a person.

use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::ALPN;
use crate::{Error, Kind};

/// That the other side has closed a new connection without a word. A server does so with whoever it holds back, since a handshake is
/// what that saves.
pub const CLOSED_UNHEARD: &str = "the other side closed the connection during the TLS handshake";

/// Why a handshake failed.
pub(super) fn handshake(err: io::Error) -> Error {
    match err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(inner) => engine(inner.clone()),
        None => match err.kind() {
            // Whether what was sent got there before the end decides which of them it is.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Error::new(Kind::Network, CLOSED_UNHEARD).with_source(err),
            io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                Error::new(Kind::Tls, format!("the TLS handshake failed: {err}")).with_source(err)
            }
            _ => Error::network("the TLS handshake", err),
        },
    }
}

/// A server whose handshake was in order and which does not choose our protocol.
#[derive(Debug, thiserror::Error)]
#[error("speaks TLS, but is no Sealift server")]
pub(super) struct NoSealift;

/// Why a server was refused that said `heard` in the handshake.
pub(super) fn refused_server(err: io::Error, heard: &[u8]) -> Error {
    let text = match other_service(heard) {
        Some(service) => format!("{service}, without TLS: this is no Sealift server"),
        None if err.get_ref().is_some_and(|inner| inner.is::<NoSealift>()) => NoSealift.to_string(),
        None => return handshake(err),
    };
    Error::new(Kind::Tls, text).with_source(err)
}

/// What answers in the plain, by its first words.
fn other_service(heard: &[u8]) -> Option<&'static str> {
    let begins = |with: &str| heard.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    let known = [
        (&["HTTP/", "<!DOCTYPE", "<html"][..], "an HTTP server answers"),
        (&["SSH-"], "an SSH server answers"),
        (&["220 ", "220-"], "an FTP or mail server answers"),
        (&["+OK", "* OK"], "a mail server answers"),
        (&["@RSYNCD"], "an rsync server answers"),
    ];
    known.into_iter().find(|(starts, _)| starts.iter().any(|start| begins(start))).map(|(_, service)| service)
}

/// Why the engine gave up.
pub(super) fn engine(err: rustls::Error) -> Error {
    use rustls::Error as E;
    let (kind, text) = match &err {
        E::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            (Kind::Tls, format!("speaks TLS, but is no Sealift server: it refuses the protocol {ALPN}"))
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
        E::AlertReceived(alert) => (Kind::Tls, format!("the other side refuses: {}", told(*alert))),
        E::InvalidCertificate(CertificateError::BadSignature) => {
            (Kind::Tls, "the server does not hold the key of the certificate it shows".to_owned())
        }
        E::InvalidCertificate(why) => {
            (Kind::Untrusted, format!("the server's certificate is refused: {}", refused(why)))
        }
        // Their own words are the engine's names for what happened, which help nobody but its authors.
        E::PeerMisbehaved(_) | E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            (Kind::Tls, "the other side breaks the rules of TLS".to_owned())
        }
        E::PeerIncompatible(_) => (Kind::Tls, "the other side offers no way of TLS that is good enough".to_owned()),
        E::InvalidMessage(_) | E::DecryptError | E::PeerSentOversizedRecord => {
            (Kind::Tls, "what came is no TLS, or was changed on its way".to_owned())
        }
        E::NoCertificatesPresented => (Kind::Tls, "the other side shows no certificate".to_owned()),
        other => (Kind::Tls, format!("TLS failed: {other}")),
    };
    Error::new(kind, text).with_source(err)
}

/// What an alert says (RFC 8446, section 6).
fn told(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it can do nothing of TLS that is offered".to_owned()
        }
        AlertDescription::InternalError => "it has a fault of its own".to_owned(),
        AlertDescription::UnrecognisedName => "it does not know itself by this name".to_owned(),
        AlertDescription::AccessDenied => "access denied".to_owned(),
        AlertDescription::CertificateRequired => "it wants a certificate of the client".to_owned(),
        AlertDescription::DecodeError | AlertDescription::UnexpectedMessage | AlertDescription::IllegalParameter => {
            "it does not understand what was sent".to_owned()
        }
        AlertDescription::BadRecordMac | AlertDescription::DecryptError => {
            "what was sent was changed on its way".to_owned()
        }
        other => format!("TLS alert {}", other.get_u8()),
    }
}

fn refused(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "it has expired".to_owned(),
        CertificateError::NotValidYet => "it is not valid yet; is the clock right?".to_owned(),
        CertificateError::NotValidForName => "it was issued for another name".to_owned(),
        CertificateError::UnknownIssuer => "no trusted authority has issued it".to_owned(),
        CertificateError::BadEncoding => "it is malformed, or not X.509 version 3".to_owned(),
        CertificateError::InvalidPurpose => "it was not issued for servers".to_owned(),
        CertificateError::UnhandledCriticalExtension => "it demands checks that are not known here".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        _ => "it does not pass the checks".to_owned(),
    }
}

/// An error of an established [`TlsStream`](super::TlsStream) as one of the table's: [`Kind::Tls`] when the peer broke
/// the rules of TLS or the record was forged, otherwise [`Kind::Network`] or [`Kind::TimedOut`].
pub fn stream_error(err: io::Error) -> Error {
    if let Some(inner) = err.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        let told = engine(inner.clone());
        return Error::new(Kind::Tls, format!("the TLS connection broke: {told}")).with_source(err);
    }
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
