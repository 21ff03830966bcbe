//! The certificate that browsers are shown: one that an authority vouches for, for its names, beside the pinned one that
//! `sealift/1` has. It is replaced every few weeks by another program, so it is looked at again and again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::{DnsNameRef, EndEntityCert, SubjectNameRef};

use super::{ALPN, Description, Identity};
use crate::{Error, Result};

/// As certbot and lego call them.
const CERTIFICATE_FILE: &str = "fullchain.pem";
const KEY_FILE: &str = "privkey.pem";

/// What is in a folder with such a certificate, if anything.
pub struct WebCertificate {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last pair that could be used.
    shown: Option<Arc<CertifiedKey>>,
    /// The files that were looked at last, whether they could be used or not.
    seen: Option<[Stamp; 2]>,
    /// Why they could not be looked at, if so.
    unreachable: Option<io::ErrorKind>,
}

/// What changes when a file is written or replaced.
type Stamp = (u64, u64, i64, i64, u64);

impl WebCertificate {
    /// What is in this folder, which need not be there. Nothing is read yet.
    pub fn new(folder: PathBuf) -> WebCertificate {
        WebCertificate { folder, state: Mutex::default() }
    }

    /// Looks at the files, and reads them if they have changed: what they say then, or why they cannot be used. The last pair
    /// that could be used is shown as long as there is no other.
    pub fn look(&self) -> Option<Result<Description>> {
        let stamps = match (self.stamp(CERTIFICATE_FILE), self.stamp(KEY_FILE)) {
            (Ok(Some(certificate)), Ok(Some(key))) => [certificate, key],
            (Ok(_), Ok(_)) => return None,
            (Err(error), _) | (_, Err(error)) => return self.unreachable(error).map(Err),
        };
        let mut state = self.state();
        state.unreachable = None;
        if state.seen == Some(stamps) {
            return None;
        }
        drop(state);
        let read = Identity::load_pair(&self.folder.join(CERTIFICATE_FILE), &self.folder.join(KEY_FILE));
        let mut state = self.state();
        state.seen = Some(stamps);
        Some(read.and_then(|identity| {
            let description = identity.describe()?;
            state.shown = Some(identity.certified());
            Ok(description)
        }))
    }

    /// The certificate for this name, if it is made out to it.
    fn certificate_for(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let shown = self.state().shown.clone()?;
        let name = DnsNameRef::try_from_ascii_str(name).ok()?;
        let certificate = EndEntityCert::try_from(shown.end_entity_cert().ok()?.0.as_slice()).ok()?;
        let is_its = certificate.verify_is_valid_for_subject_name(SubjectNameRef::DnsName(name)).is_ok();
        is_its.then_some(shown)
    }

    /// Of a file that is there; one that cannot be looked at is another matter.
    fn stamp(&self, file: &str) -> io::Result<Option<Stamp>> {
        match fs::metadata(self.folder.join(file)) {
            Ok(meta) => Ok(Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// That the files cannot be looked at: said once for each reason.
    fn unreachable(&self, error: io::Error) -> Option<Error> {
        let before = self.state().unreachable.replace(error.kind());
        (before != Some(error.kind())).then(|| Error::file(self.folder.display(), error))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere cannot have left it half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Chooses by what the client speaks and whom it asks for.
pub(super) struct ByProtocol {
    /// That of the pinned key.
    pub own: Arc<CertifiedKey>,
    /// That for browsers.
    pub web: Arc<WebCertificate>,
}

impl ResolvesServerCert for ByProtocol {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_sealift = hello.alpn().is_some_and(|mut names| names.any(|name| name == ALPN.as_bytes()));
        let web = hello.server_name().filter(|_| !is_sealift).and_then(|name| self.web.certificate_for(name));
        Some(web.unwrap_or_else(|| self.own.clone()))
    }
}
