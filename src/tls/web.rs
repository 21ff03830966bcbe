//! The certificate that browsers are shown: one that an authority vouches for, for its names, beside the pinned one that
//! `sealift/1` has. It is replaced every few weeks by another program, so it is looked at again and again.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::{DnsNameRef, EndEntityCert, SubjectNameRef};

use super::{ALPN, Description, Identity};
use crate::sync::{Mutex, MutexGuard};
use crate::{Error, Result, limits};

/// As certbot and lego call them.
const CERTIFICATE_FILE: &str = "fullchain.pem";
const KEY_FILE: &str = "privkey.pem";

/// Where the certificate for browsers is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebFiles {
    /// The certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Somebody said that they are there: if they are not, that is worth a word.
    pub is_expected: bool,
}

impl WebFiles {
    /// These two, which are there.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> WebFiles {
        WebFiles { certificate: certificate.into(), key: key.into(), is_expected: true }
    }

    /// These two files, where it is worth a word if they are not there.
    #[must_use]
    pub fn expected(self) -> WebFiles {
        WebFiles { is_expected: true, ..self }
    }

    /// `fullchain.pem` and `privkey.pem` in this folder, which need not be there.
    pub fn in_folder(folder: &Path) -> WebFiles {
        WebFiles { certificate: folder.join(CERTIFICATE_FILE), key: folder.join(KEY_FILE), is_expected: false }
    }

    /// What the certificate says; nothing if neither file is there.
    ///
    /// # Errors
    /// Why the two cannot be used.
    pub fn describe(&self) -> Result<Option<Description>> {
        let is_missing =
            |path: &Path| path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if is_missing(&self.certificate) && is_missing(&self.key) && !self.is_expected {
            return Ok(None);
        }
        self.load()?.describe().map(Some)
    }

    fn load(&self) -> Result<Identity> {
        Identity::load_pair(&self.certificate, &self.key)
    }
}

/// What is in the files of such a certificate, if anything.
pub struct WebCertificate {
    files: WebFiles,
    state: Mutex<State>,
}

/// What a look at the files found.
pub enum Found {
    /// Another pair, which is shown from now on.
    New(Description),
    /// That they were taken away: nothing of them is shown any more.
    Gone,
}

#[derive(Default)]
struct State {
    /// The last pair that could be used.
    shown: Option<Arc<CertifiedKey>>,
    /// What that says.
    description: Option<Description>,
    /// The files that this is from.
    seen: Option<[Stamp; 2]>,
    /// Whether it was last said that it is over, or that it soon will be, and when.
    reminded: Option<(bool, Instant)>,
    /// What was last said about files that cannot be used, and when.
    trouble: Option<(String, Instant)>,
    /// Neither file was there at the last look.
    were_absent: bool,
}

/// What changes when a file is written or replaced.
pub(crate) type Stamp = (u64, u64, i64, i64, u64);

impl WebCertificate {
    /// What is in these files, which need not be there. Nothing is read yet.
    pub fn new(files: WebFiles) -> WebCertificate {
        WebCertificate { files, state: Mutex::default() }
    }

    /// Looks at the files, and reads them if they have changed: what they say then, or why they cannot be used, which is told
    /// again every [`limits::CERTIFICATE_SAY`]. The last pair that could be used is shown as long as there is no other, and
    /// files are there: at the second look that finds neither, nobody is about to replace them.
    pub fn look(&self) -> Option<Result<Found>> {
        let stamps = match (stamp(&self.files.certificate), stamp(&self.files.key)) {
            (Ok(Some(certificate)), Ok(Some(key))) => [certificate, key],
            (Ok(None), Ok(None)) if !self.files.is_expected => {
                let mut state = self.state();
                let is_taken_away = state.shown.is_some() && state.were_absent;
                state.were_absent = true;
                state.trouble = None;
                if is_taken_away {
                    *state = State { were_absent: true, ..State::default() };
                }
                return is_taken_away.then_some(Ok(Found::Gone));
            }
            (Ok(None), _) => return self.trouble(missing(&self.files.certificate)),
            (_, Ok(None)) => return self.trouble(missing(&self.files.key)),
            (Err(error), _) => return self.trouble(Error::file(self.files.certificate.display(), error)),
            (_, Err(error)) => return self.trouble(Error::file(self.files.key.display(), error)),
        };
        self.state().were_absent = false;
        if self.state().seen == Some(stamps) {
            self.state().trouble = None;
            return None;
        }
        match self.files.load().and_then(|identity| Ok((identity.describe()?, identity))) {
            Err(error) => self.trouble(error),
            Ok((description, identity)) => {
                let shown = Some(identity.certified());
                let kept = Some(description.clone());
                *self.state() = State { shown, description: kept, seen: Some(stamps), ..State::default() };
                Some(Ok(Found::New(description)))
            }
        }
    }

    /// What is shown, if it is over by then or will be within [`limits::WEB_CERTIFICATE_SOON`], and it is time to say so: at first,
    /// when it is over, and again every [`limits::WEB_CERTIFICATE_REMIND`].
    pub fn ending(&self, now: SystemTime) -> Option<Description> {
        let mut state = self.state();
        let description = state.description.clone()?;
        let left = description.not_after.duration_since(now);
        if left.as_ref().is_ok_and(|left| *left >= limits::WEB_CERTIFICATE_SOON) {
            state.reminded = None;
            return None;
        }
        let is_known = |(was_over, at): &(bool, Instant)| {
            *was_over == left.is_err() && at.elapsed() < limits::WEB_CERTIFICATE_REMIND
        };
        if state.reminded.as_ref().is_some_and(is_known) {
            return None;
        }
        state.reminded = Some((left.is_err(), Instant::now()));
        Some(description)
    }

    /// When the certificate that is shown ends.
    pub fn ends(&self) -> Option<SystemTime> {
        self.state().description.as_ref().map(|description| description.not_after)
    }

    /// Why the files could not be used at the last look, if they could not.
    pub fn trouble_text(&self) -> Option<String> {
        self.state().trouble.as_ref().map(|(text, _)| text.clone())
    }

    /// Reads the files at the next look even if they seem to be the same, and says again what is wrong with them. If neither is there
    /// then, they were taken away.
    pub fn forget(&self) {
        let mut state = self.state();
        state.were_absent = true;
        state.seen = None;
        state.reminded = None;
        state.trouble = None;
    }

    /// That the files cannot be used, if it is time to say so.
    fn trouble(&self, error: Error) -> Option<Result<Found>> {
        let mut state = self.state();
        // One of them is there: somebody may be about to replace both.
        state.were_absent = false;
        let text = error.text();
        let is_known = |(said, at): &(String, Instant)| *said == text && at.elapsed() < limits::CERTIFICATE_SAY;
        if state.trouble.as_ref().is_some_and(is_known) {
            return None;
        }
        state.trouble = Some((text.to_owned(), Instant::now()));
        Some(Err(error))
    }

    /// The certificate for this name, if it is made out to it.
    fn certificate_for(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let shown = self.state().shown.clone()?;
        let name = DnsNameRef::try_from_ascii_str(name).ok()?;
        let certificate = EndEntityCert::try_from(shown.end_entity_cert().ok()?.0.as_slice()).ok()?;
        let is_its = certificate.verify_is_valid_for_subject_name(SubjectNameRef::DnsName(name)).is_ok();
        is_its.then_some(shown)
    }

    /// The certificate for whoever came to an address and names nobody, if it is made out to addresses: which of them that is, the
    /// server cannot know behind a router that translates them.
    fn certificate_for_address(&self) -> Option<Arc<CertifiedKey>> {
        let state = self.state();
        let names = &state.description.as_ref()?.names;
        let is_for_addresses = names.iter().any(|name| name.parse::<IpAddr>().is_ok());
        is_for_addresses.then(|| state.shown.clone()).flatten()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere cannot have left it half-done.
        self.state.lock()
    }
}

/// Of a file that is there; one that cannot be looked at is another matter.
pub(crate) fn stamp(file: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(file) {
        Ok(meta) => Ok(Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn missing(file: &Path) -> Error {
    Error::file(file.display(), io::ErrorKind::NotFound.into())
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
        let web = match hello.server_name() {
            _ if is_sealift => None,
            Some(name) => self.web.certificate_for(name),
            None => self.web.certificate_for_address(),
        };
        Some(web.unwrap_or_else(|| self.own.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_away_when_two_looks_in_a_row_find_neither() {
        let folder = tempfile::tempdir().unwrap();
        Identity::generate(&["files.example".to_owned()]).unwrap().save(folder.path(), false).unwrap();
        let [(certificate, kept), (key, kept_key)] =
            ["cert.pem", "key.pem"].map(|name| (folder.path().join(name), folder.path().join(format!("{name}.kept"))));
        let files = WebFiles { certificate: certificate.clone(), key: key.clone(), is_expected: false };
        let web = WebCertificate::new(files);
        assert!(matches!(web.look(), Some(Ok(Found::New(_)))));
        std::fs::rename(&certificate, &kept).unwrap();
        std::fs::rename(&key, kept_key).unwrap();
        assert!(web.look().is_none(), "somebody may be about to replace them");
        // A half of the next pair, which its program takes back.
        std::fs::copy(kept, &certificate).unwrap();
        assert!(matches!(web.look(), Some(Err(_))));
        std::fs::remove_file(certificate).unwrap();
        assert!(web.look().is_none(), "the first look again that finds neither");
        assert!(matches!(web.look(), Some(Ok(Found::Gone))));
    }
}
