//! The key that a server has and the one that it will have next, as their files are: read again when they change, so that neither
//! takes a restart. A connection keeps the keys that it began with: what it proves, announces and has signed is of one handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing::{info, warn};

use super::http::{self, Web};
use super::reloaded::{ReloadOutcome, Reloaded};
use crate::error::{Error, Result};
use crate::limits;
use crate::sync::{Mutex, RwLock};
use crate::tls::{Acceptor, Identity, Pin, WebCertificate};

/// The keys of one moment.
pub struct Keys {
    /// What handshakes are made with.
    pub acceptor: Acceptor,
    /// Of the key that `sealift/1` shows, which a link's URL tells.
    pub pin: Pin,
    /// Of the key that it will be, which clients are told after they have logged in.
    pub next_pin: Option<Pin>,
    /// When the certificate over the pinned key ends.
    pub ends: Option<SystemTime>,
    identity: Identity,
}

impl Keys {
    /// What whoever comes later may meet: the present key, and the next one.
    pub fn pins(&self) -> Vec<Pin> {
        [self.pin].into_iter().chain(self.next_pin).collect()
    }

    /// The pins as they stand behind the URL of a link.
    pub fn fragment(&self) -> String {
        let pins: Vec<_> = self.pins().iter().map(Pin::to_string).collect();
        format!("#{}", pins.join(","))
    }
}

/// What handshakes are like, whatever the key.
pub struct Spoken {
    /// What browsers and curl may do.
    pub web: Web,
    /// Whether HTTP is spoken in TLS 1.2 too.
    pub web_tls12: bool,
    /// The certificate for browsers.
    pub web_certificate: Option<Arc<WebCertificate>>,
}

impl Spoken {
    fn keys(&self, identity: Identity, next_pin: Option<Pin>) -> Result<Arc<Keys>> {
        let acceptor = match self.web {
            Web::Off => Acceptor::new(&identity)?,
            Web::On | Web::ReadOnly => {
                let acceptor = match self.web_tls12 {
                    false => Acceptor::with_web(&identity, self.web_certificate.clone())?,
                    true => Acceptor::with_web_of_tls12(&identity, self.web_certificate.clone())?,
                };
                acceptor.telling_plain(http::WITHOUT_TLS)
            }
        };
        let pin = identity.pin();
        let ends = identity.describe().ok().map(|described| described.not_after);
        // The present key needs no announcement.
        Ok(Arc::new(Keys { acceptor, pin, next_pin: next_pin.filter(|next| *next != pin), ends, identity }))
    }
}

/// The keys of a server as long as it runs.
pub struct KeyRing {
    now: RwLock<Arc<Keys>>,
    spoken: Spoken,
    /// Where their files are; none: they stay as they are.
    folder: Option<PathBuf>,
    looks: Mutex<Looks>,
}

/// What was seen of the files.
#[derive(Default)]
struct Looks {
    /// As they were when they were read last.
    read: Option<Stamps>,
    /// At the last look.
    seen: Option<Stamps>,
    /// What was last said of files that cannot be used, and when.
    said: Option<(String, Instant)>,
    /// When it was last said that the certificate ends, and whether it was over by then.
    reminded: Option<(bool, Instant)>,
}

impl Looks {
    /// Whether it is time to say this of files that cannot be used: at first, and again every [`limits::CERTIFICATE_SAY`].
    fn is_to_be_said(&mut self, text: &str, at: Instant) -> bool {
        let is_known = |(said, since): &(String, Instant)| {
            said == text && at.saturating_duration_since(*since) < limits::CERTIFICATE_SAY
        };
        if self.said.as_ref().is_some_and(is_known) {
            return false;
        }
        self.said = Some((text.to_owned(), at));
        true
    }
}

/// What changes when one of the files is written, replaced or removed.
type Stamps = Vec<Option<(u64, u64, i64, i64, u64)>>;

impl KeyRing {
    /// With this key, and these files to be read again.
    ///
    /// # Errors
    /// [`crate::Kind::Tls`] for a key that cannot be used.
    pub fn new(identity: Identity, next_pin: Option<Pin>, folder: Option<PathBuf>, spoken: Spoken) -> Result<KeyRing> {
        let looks = Looks { read: folder.as_deref().map(stamps), ..Looks::default() };
        let now = RwLock::new(spoken.keys(identity, next_pin)?);
        Ok(KeyRing { now, spoken, folder, looks: Mutex::new(looks) })
    }

    /// What connections begin with now.
    pub fn now(&self) -> Arc<Keys> {
        self.now.read().clone()
    }

    /// Reads the files now. Those that cannot be used change nothing. Nothing if there are none to read.
    pub fn reload(&self) -> Option<Reloaded> {
        let folder = self.folder.as_deref()?;
        let mut looks = self.looks.lock();
        let found = stamps(folder);
        Some(match self.read(folder) {
            Ok(None) => {
                (looks.read, looks.said) = (Some(found), None);
                Reloaded::new("key", ReloadOutcome::Current, "")
            }
            Ok(Some(text)) => {
                (looks.read, looks.said) = (Some(found), None);
                Reloaded::new("key", ReloadOutcome::Changed, text)
            }
            Err(error) => {
                warn!(%error, "the server's key cannot be read again; what counted before stays");
                looks.said = Some((error.text().to_owned(), Instant::now()));
                Reloaded::new("key", ReloadOutcome::Failed, error.text())
            }
        })
    }

    /// Reads the files if they have changed, and says what there is to be said of them.
    pub fn look(&self) {
        let at = Instant::now();
        if let Some(error) = self.trouble(at) {
            warn!(%error, "the server's key has changed and cannot be used; what counted before stays");
        }
        let now = SystemTime::now();
        let Some(ends) = self.ending(now, at) else { return };
        let until = crate::readable::rfc3339(ends);
        match ends < now {
            true => {
                warn!(%until, "the server's certificate has expired: `sealiftd cert renew` makes another one over the same key")
            }
            false => {
                warn!(%until, "the server's certificate expires soon: `sealiftd cert renew` makes another one over the same key");
            }
        }
    }

    /// Reads the files if they have changed, and were the same at two looks: what changes a key writes one after the other. Why they
    /// cannot be used, if it is time to say so.
    fn trouble(&self, at: Instant) -> Option<Error> {
        let folder = self.folder.as_deref()?;
        let mut looks = self.looks.lock();
        let found = stamps(folder);
        let rests = looks.seen.as_ref() == Some(&found);
        looks.seen = Some(found.clone());
        if !rests || looks.read.as_ref() == Some(&found) {
            return None;
        }
        match self.read(folder) {
            Ok(_) => {
                (looks.read, looks.said) = (Some(found), None);
                None
            }
            Err(error) => Some(error).filter(|error| looks.is_to_be_said(error.text(), at)),
        }
    }

    /// When the certificate ends, if it is over by then or will be within [`limits::CERTIFICATE_SOON`], and it is time to say so: at
    /// first, when it is over, and again every [`limits::WEB_CERTIFICATE_REMIND`].
    fn ending(&self, now: SystemTime, at: Instant) -> Option<SystemTime> {
        let ends = self.now().ends?;
        let left = ends.duration_since(now);
        let mut looks = self.looks.lock();
        if left.as_ref().is_ok_and(|left| *left >= limits::CERTIFICATE_SOON) {
            looks.reminded = None;
            return None;
        }
        let is_known = |(was_over, since): &(bool, Instant)| {
            *was_over == left.is_err() && at.saturating_duration_since(*since) < limits::WEB_CERTIFICATE_REMIND
        };
        if looks.reminded.as_ref().is_some_and(is_known) {
            return None;
        }
        looks.reminded = Some((left.is_err(), at));
        Some(ends)
    }

    /// What is another one now, in words, if anything.
    fn read(&self, folder: &Path) -> Result<Option<String>> {
        let identity = Identity::load(folder)?;
        let next_pin = Identity::next_pin(folder)?;
        let before = self.now();
        let keys = self.spoken.keys(identity, next_pin)?;
        let is_same_key = keys.pin == before.pin;
        let is_same_certificate = keys.identity.is_same_certificate(&before.identity);
        if is_same_certificate && keys.next_pin == before.next_pin {
            return Ok(None);
        }
        let mut changes = Vec::new();
        if !is_same_key {
            info!(pin = %keys.pin, before = %before.pin, "another key, for connections from now on");
            changes.push(format!("another key: {}", keys.pin));
        } else if !is_same_certificate {
            info!(pin = %keys.pin, "another certificate over the same key, for connections from now on");
            changes.push("another certificate over the same key".to_owned());
        }
        match keys.next_pin {
            next if next == before.next_pin => {}
            Some(next) => {
                info!(%next, "the next key is announced from now on");
                changes.push(format!("the next key is announced: {next}"));
            }
            None => {
                info!("no next key is announced any more");
                changes.push("no next key is announced any more".to_owned());
            }
        }
        *self.now.write() = keys;
        Ok(Some(changes.join("; ")))
    }
}

fn stamps(folder: &Path) -> Stamps {
    Identity::files(folder).iter().map(|file| crate::tls::stamp(file).ok().flatten()).collect()
}

/// Looks at the files as long as anybody else has the keys.
///
/// # Errors
/// That there is no thread to be had.
pub fn watch(keys: &Arc<KeyRing>) -> Result<()> {
    if keys.folder.is_none() {
        return Ok(());
    }
    let keys = Arc::downgrade(keys);
    let watching = move || {
        while let Some(keys) = keys.upgrade() {
            keys.look();
            drop(keys);
            std::thread::sleep(limits::KEY_LOOK);
        }
    };
    let failed = |err| Error::file("a thread to watch the server's key", err);
    std::thread::Builder::new().name("key".into()).spawn(watching).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn ring(folder: &Path) -> KeyRing {
        Identity::generate(&["localhost".to_owned()]).unwrap().save(folder, false).unwrap();
        let spoken = Spoken { web: Web::Off, web_tls12: false, web_certificate: None };
        KeyRing::new(Identity::load(folder).unwrap(), None, Some(folder.to_owned()), spoken).unwrap()
    }

    #[test]
    fn files_that_cannot_be_used_are_said_once_a_minute_until_they_are_mended() {
        let folder = tempfile::tempdir().unwrap();
        let keys = ring(folder.path());
        let file = folder.path().join("cert.pem");
        let good = fs::read(&file).unwrap();
        fs::write(&file, "no certificate").unwrap();
        let at = Instant::now();
        assert!(keys.trouble(at).is_none(), "somebody may be writing it");
        let said = keys.trouble(at).unwrap();
        assert!(said.text().contains("no certificate in it"), "{said}");
        assert!(keys.trouble(at + limits::CERTIFICATE_SAY / 2).is_none());
        for minute in 1..3 {
            assert!(keys.trouble(at + limits::CERTIFICATE_SAY * minute).is_some(), "minute {minute}");
        }
        fs::write(&file, good).unwrap();
        let later = at + limits::CERTIFICATE_SAY * 9;
        assert!(keys.trouble(later).is_none() && keys.trouble(later).is_none());
    }

    #[test]
    fn a_certificate_that_ends_is_said_once_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let keys = ring(folder.path());
        let (ends, at) = (keys.now().ends.unwrap(), Instant::now());
        assert!(keys.ending(ends - limits::CERTIFICATE_SOON, at).is_none());
        let soon = ends - limits::CERTIFICATE_SOON / 2;
        assert_eq!(keys.ending(soon, at), Some(ends));
        assert!(keys.ending(soon, at + limits::WEB_CERTIFICATE_REMIND / 2).is_none());
        assert_eq!(keys.ending(soon, at + limits::WEB_CERTIFICATE_REMIND), Some(ends));
        let over = ends + limits::CERTIFICATE_SAY;
        assert_eq!(keys.ending(over, at + limits::WEB_CERTIFICATE_REMIND), Some(ends), "it is over now");
    }
}
