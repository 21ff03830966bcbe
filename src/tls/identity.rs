//! Who a server is: a private key and the certificate that shows its public half.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::{self, CertifiedKey};
use rustls::{Certificate, CertificateError, ClientConnection, ConnectionCommon, ServerConnection, ServerName};
use x509_parser::extensions::GeneralName;
use zeroize::{Zeroize, Zeroizing};

use super::files::{self, Locked, Privacy};
use super::next::{NEXT_CERTIFICATE_FILE, NEXT_KEY_FILE};
use super::{ALPN, Pin, accept, connect, explain, pem, unfinished};
use crate::limits::{CERTIFICATE_BACKDATE, CERTIFICATE_LIFETIME};
use crate::{Error, Kind, Result};

pub(super) const CERTIFICATE_FILE: &str = "cert.pem";
pub(super) const KEY_FILE: &str = "key.pem";

/// A certificate chain and its private key, proven to belong together.
pub struct Identity {
    certificate_pem: Vec<u8>,
    key_pem: Zeroizing<Vec<u8>>,
    certified: Arc<CertifiedKey>,
    pin: Pin,
}

/// What a certificate says, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The host names and IP addresses it is made out to, in its order. From outside: escape before printing.
    pub names: Vec<String>,
    /// First moment of its validity.
    pub not_before: SystemTime,
    /// Last moment of its validity. Clients that pin the key do not mind it.
    pub not_after: SystemTime,
    /// The pin of its key.
    pub pin: Pin,
}

impl Identity {
    /// Reads `cert.pem` (the server's certificate first, its issuers after it) and `key.pem` in `dir`.
    ///
    /// # Errors
    /// Always with the file's name: those of the files, [`Kind::BadConfig`] when one is no PEM, holds nothing of use,
    /// or lets other users of the machine read the key, and [`Kind::Tls`] when they do not belong together.
    pub fn load(dir: &Path) -> Result<Identity> {
        Identity::load_pair(&dir.join(CERTIFICATE_FILE), &dir.join(KEY_FILE))
    }

    pub(super) fn load_pair(certificate_file: &Path, key_file: &Path) -> Result<Identity> {
        let mut certificate_pem = files::read(certificate_file, Privacy::Public)?;
        let key_pem = files::read(key_file, Privacy::Owner)?;
        Identity::from_pem(std::mem::take(&mut *certificate_pem), key_pem).map_err(|err| match err {
            Unusable::Certificate(why) => Error::new(Kind::BadConfig, format!("{}: {why}", certificate_file.display())),
            Unusable::Key(why) => Error::new(Kind::BadConfig, format!("{}: {why}", key_file.display())),
            Unusable::Pair(cause) => {
                let text = format!(
                    "{}: this private key does not work with the certificate {}",
                    key_file.display(),
                    certificate_file.display()
                );
                Error::new(Kind::Tls, text).with_source(cause)
            }
        })
    }

    /// Whether both are of one key and certificate.
    pub(crate) fn is_same_certificate(&self, other: &Identity) -> bool {
        self.pin == other.pin && self.certificate_pem == other.certificate_pem
    }

    /// Makes a new key (ECDSA P-256) and a certificate signed by itself, valid for
    /// [`CERTIFICATE_LIFETIME`](crate::limits::CERTIFICATE_LIFETIME).
    ///
    /// `names` are the host names and IP addresses it is made out to; they matter only to clients that trust it as an
    /// authority and not by its pin.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name that is neither, [`Kind::Tls`] from the engine.
    pub fn generate(names: &[String]) -> Result<Identity> {
        let engine = |err: rcgen::Error| Error::new(Kind::Tls, format!("no key could be made: {err}")).with_source(err);
        let mut key = rcgen::KeyPair::generate().map_err(engine)?;
        let made = certificate(names, &key);
        let key_pem = Zeroizing::new(key.serialize_pem().into_bytes());
        key.zeroize();
        Identity::from_pem(made?.pem().into_bytes(), key_pem).map_err(Unusable::into_error)
    }

    /// The same key with a new certificate, made out to these names: the pin stays.
    ///
    /// # Errors
    /// As [`Identity::generate`]; [`Kind::Tls`] too for a key that is not in the format that a new one has (PKCS #8).
    pub fn renew(&self, names: &[String]) -> Result<Identity> {
        Identity::over(self.key_pem.clone(), names)
    }

    /// The key in `dir`, whose certificate is lost or broken, with a new one made out to these names.
    ///
    /// # Errors
    /// As [`Identity::renew`]; those of the file.
    pub fn of_key(dir: &Path, names: &[String]) -> Result<Identity> {
        Identity::over(files::read(&dir.join(KEY_FILE), Privacy::Owner)?, names)
    }

    fn over(key_pem: Zeroizing<Vec<u8>>, names: &[String]) -> Result<Identity> {
        let text = std::str::from_utf8(&key_pem).unwrap_or_default();
        let mut key = rcgen::KeyPair::from_pem(text).map_err(|err| {
            let text = "the private key cannot sign a certificate here: it must be ECDSA, Ed25519 or RSA in PKCS #8";
            Error::new(Kind::Tls, text).with_source(err)
        })?;
        let made = certificate(names, &key);
        key.zeroize();
        Identity::from_pem(made?.pem().into_bytes(), key_pem).map_err(Unusable::into_error)
    }

    /// Replaces `cert.pem` in `dir` alone, with its owner and mode. It is on disk when this returns.
    ///
    /// # Errors
    /// [`Kind::Changed`] if the key there is another one by now; those of the files.
    pub fn save_certificate(&self, dir: &Path) -> Result<()> {
        let locked = unfinished::lock(dir)?;
        if files::read(&dir.join(KEY_FILE), Privacy::Owner)? != self.key_pem {
            return Err(Error::new(Kind::Changed, format!("{}: another key is there now", dir.display())));
        }
        locked.write(&[(CERTIFICATE_FILE, &self.certificate_pem, Privacy::Public)])
    }

    /// Writes `cert.pem` and `key.pem` into `dir`: the directory 0700 if it must be made, the key 0600 from its first
    /// byte, both on disk when this returns. What is replaced is kept beside, under the names that are returned, and
    /// gives its owner and mode to what takes its place. A next key goes with the key that announced it: whoever replaces a key
    /// that was stolen cannot know whether the thief has the next one, too.
    ///
    /// # Errors
    /// [`Kind::Exists`] when one of them is there and `replace` is false; otherwise those of the files.
    pub fn save(&self, dir: &Path, replace: bool) -> Result<Vec<PathBuf>> {
        let locked = unfinished::lock(dir)?;
        for name in [KEY_FILE, CERTIFICATE_FILE] {
            if !replace && locked.has(name)? {
                return Err(Error::new(Kind::Exists, format!("{}: already exists", dir.join(name).display())));
            }
        }
        let kept = locked.keep_beside(&[KEY_FILE, CERTIFICATE_FILE, NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE])?;
        // First: no server may announce it beside the new key.
        locked.remove(&[NEXT_CERTIFICATE_FILE, NEXT_KEY_FILE])?;
        self.write(&locked)?;
        Ok(kept)
    }

    /// [`load`](Identity::load)s, or [`generate`](Identity::generate)s and [`save`](Identity::save)s when neither file
    /// is there. Tells whether it was generated. Several processes may do so at once: all get the same identity.
    ///
    /// # Errors
    /// Those of the three. One file without the other is an error: nothing that exists is replaced.
    pub fn load_or_generate(dir: &Path, names: &[String]) -> Result<(Identity, bool)> {
        let present = |name: &str| dir.join(name).symlink_metadata().is_ok();
        if present(KEY_FILE) && present(CERTIFICATE_FILE) {
            return Ok((Identity::load_completed(dir)?, false));
        }
        let locked = unfinished::lock(dir)?;
        if locked.has(KEY_FILE)? || locked.has(CERTIFICATE_FILE)? {
            return Ok((Identity::load(dir)?, false));
        }
        let identity = Identity::generate(names)?;
        identity.write(&locked)?;
        Ok((identity, true))
    }

    /// The pin of the key.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// What the certificate says.
    ///
    /// # Errors
    /// [`Kind::Tls`] when its names or dates cannot be read.
    pub fn describe(&self) -> Result<Description> {
        let unreadable = || Error::new(Kind::Tls, "the certificate's names or dates cannot be read");
        let der = self.certified.end_entity_cert().map_err(|_| unreadable())?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der.0).map_err(|_| unreadable())?;
        let names = match parsed.subject_alternative_name().map_err(|_| unreadable())? {
            Some(extension) => extension.value.general_names.iter().filter_map(name).collect(),
            None => Vec::new(),
        };
        Ok(Description {
            names,
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
            pin: self.pin,
        })
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    pub(super) fn write(&self, locked: &Locked) -> Result<()> {
        self.write_as(locked, KEY_FILE, CERTIFICATE_FILE)
    }

    pub(super) fn write_as(&self, locked: &Locked, key: &str, certificate: &str) -> Result<()> {
        locked.write(&[(key, &self.key_pem, Privacy::Owner), (certificate, &self.certificate_pem, Privacy::Public)])
    }

    fn from_pem(certificate_pem: Vec<u8>, key_pem: Zeroizing<Vec<u8>>) -> Result<Identity, Unusable> {
        let chain = pem::certificates(&certificate_pem).map_err(Unusable::Certificate)?;
        let Some(own) = chain.first().cloned() else {
            return Err(Unusable::Certificate("no certificate in it".to_owned()));
        };
        let pin = Pin::of_certificate(&own.0)
            .map_err(|err| Unusable::Certificate(format!("the certificate cannot be used: {err}")))?;
        let mut key = pem::private_key(&key_pem).map_err(Unusable::Key)?;
        let signer = sign::any_supported_type(&key);
        key.0.zeroize();
        let signer = signer.map_err(|_| {
            Unusable::Key("the private key cannot be used: it must be ECDSA P-256 or P-384, Ed25519, or RSA".to_owned())
        })?;
        let certified = Arc::new(CertifiedKey::new(chain, signer));
        prove(&certified, &own).map_err(Unusable::Pair)?;
        Ok(Identity { certificate_pem, key_pem, certified, pin })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("pin", &self.pin).finish_non_exhaustive()
    }
}

/// Why two PEM texts make no identity.
enum Unusable {
    Certificate(String),
    Key(String),
    Pair(rustls::Error),
}

impl Unusable {
    /// Of PEM texts that were made here.
    fn into_error(self) -> Error {
        match self {
            Unusable::Certificate(why) | Unusable::Key(why) => Error::new(Kind::Internal, why),
            Unusable::Pair(cause) => explain::engine(cause),
        }
    }
}

/// Shakes hands with ourselves in memory. The engine never compares key and certificate; a client does, and this is one.
fn prove(certified: &Arc<CertifiedKey>, own: &Certificate) -> Result<(), rustls::Error> {
    let mut server = ServerConnection::new(Arc::new(accept::config(certified.clone(), &[ALPN])?))?;
    let name = ServerName::try_from("localhost").map_err(|_| CertificateError::NotValidForName)?;
    let mut client = ClientConnection::new(Arc::new(connect::prover(own)?), name)?;
    while client.is_handshaking() || server.is_handshaking() {
        if !client.wants_write() && !server.wants_write() {
            return Err(rustls::Error::HandshakeNotComplete);
        }
        pass(&mut client, &mut server)?;
        pass(&mut server, &mut client)?;
    }
    Ok(())
}

/// Hands everything one side has to say to the other.
fn pass<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>) -> Result<(), rustls::Error> {
    let refused = |err: std::io::Error| rustls::Error::General(err.to_string());
    let mut said = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut said).map_err(refused)?;
    }
    let mut unheard = said.as_slice();
    while !unheard.is_empty() {
        to.read_tls(&mut unheard).map_err(refused)?;
        to.process_new_packets()?;
    }
    Ok(())
}

/// A self-signed certificate over `key`. It is no authority's, so that it can stand in a client's CA file and still
/// vouch for nobody else.
fn certificate(names: &[String], key: &rcgen::KeyPair) -> Result<rcgen::Certificate> {
    let engine = |err: rcgen::Error| Error::new(Kind::Tls, format!("no certificate could be made: {err}"));
    let mut params = rcgen::CertificateParams::new(names.to_vec()).map_err(|err| {
        let text = format!("a certificate cannot be made out to {}: {err}", names.join(", "));
        Error::new(Kind::Usage, text).with_source(err)
    })?;
    let now = SystemTime::now();
    params.not_before = (now - CERTIFICATE_BACKDATE).into();
    params.not_after = (now + CERTIFICATE_LIFETIME).into();
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Sealift");
    params.self_signed(key).map_err(engine)
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    }
}

/// A moment given in seconds since 1970, or 1970 itself for what lies before it.
fn moment(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
