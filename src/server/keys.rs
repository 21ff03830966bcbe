//! The key that a server has and the one that it will have next, as their files are: read again when they change, so that neither
//! takes a restart. A connection keeps the keys that it began with: what it proves, announces and has signed is of one handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

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
    /// What was last said of files that cannot be used.
    said: Option<String>,
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
                looks.said = Some(error.text().to_owned());
                Reloaded::new("key", ReloadOutcome::Failed, error.text())
            }
        })
    }

    /// Reads the files if they have changed, and were the same at two looks: what changes a key writes one after the other.
    pub fn look(&self) {
        let Some(folder) = self.folder.as_deref() else { return };
        let mut looks = self.looks.lock();
        let found = stamps(folder);
        let rests = looks.seen.as_ref() == Some(&found);
        looks.seen = Some(found.clone());
        if !rests || looks.read.as_ref() == Some(&found) {
            return;
        }
        match self.read(folder) {
            Ok(_) => (looks.read, looks.said) = (Some(found), None),
            Err(error) if looks.said.as_deref() == Some(error.text()) => {}
            Err(error) => {
                warn!(%error, "the server's key has changed and cannot be used; what counted before stays");
                looks.said = Some(error.text().to_owned());
            }
        }
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
