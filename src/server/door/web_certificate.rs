//! Keeps the certificate for browsers as its files are, from a thread of its own, and says in the log what was found.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::tls::{Found, WebCertificate};

/// Looks at the files now.
pub fn look(certificate: &WebCertificate) {
    match certificate.look() {
        None => {}
        Some(Ok(Found::Gone)) => info!("the certificate for browsers was removed: they are shown the server's own"),
        Some(Ok(Found::New(found))) => {
            let left = found.not_after.duration_since(SystemTime::now()).unwrap_or_default();
            info!(names = ?found.names, days = days(left), "certificate for browsers");
        }
        Some(Err(error)) if error.kind() == Kind::Denied => warn!(
            %error,
            "the certificate for browsers cannot be read; what was shown before stays. Where it, or a link to it, was put \
             somewhere else since the start, it is out of reach until a restart"
        ),
        Some(Err(error)) => warn!(%error, "the certificate for browsers cannot be used; what was shown before stays"),
    }
    let now = SystemTime::now();
    let Some(ending) = certificate.ending(now) else { return };
    let until = crate::readable::rfc3339(ending.not_after);
    match ending.not_after.duration_since(now) {
        Err(_) => {
            warn!(names = ?ending.names, %until, "the certificate for browsers has expired: they refuse it until it is renewed")
        }
        Ok(left) => warn!(
            names = ?ending.names, %until, days = days(left),
            "the certificate for browsers expires soon: see why it is not renewed"
        ),
    }
}

fn days(left: Duration) -> u64 {
    left.as_secs() / (24 * 60 * 60)
}

/// Looks at them as long as anybody else has the certificate.
///
/// # Errors
/// That there is no thread to be had.
pub fn watch(certificate: &Arc<WebCertificate>) -> Result<()> {
    let certificate = Arc::downgrade(certificate);
    let watching = move || {
        while let Some(certificate) = certificate.upgrade() {
            look(&certificate);
            drop(certificate);
            std::thread::sleep(limits::WEB_CERTIFICATE_LOOK);
        }
    };
    let failed = |err| Error::file("a thread to watch the certificate for browsers", err);
    std::thread::Builder::new().name("certificate".into()).spawn(watching).map(drop).map_err(failed)
}
