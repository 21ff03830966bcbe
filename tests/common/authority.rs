//! An authority of the tests' own, and what it vouches for.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// One that nobody believes yet.
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes its own certificate into a file of this folder; where that is.
    pub fn save(&self, folder: &Path, file: &str) -> PathBuf {
        let path = folder.join(file);
        fs::write(&path, self.0.pem()).unwrap();
        path
    }

    /// Writes a certificate for these names and its key into files of this folder; where they are.
    pub fn vouch(&self, names: &[&str], folder: &Path) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let (shown, secret) = (folder.join("shown.pem"), folder.join("secret.pem"));
        fs::write(&shown, certificate.pem()).unwrap();
        fs::write(&secret, key.serialize_pem()).unwrap();
        (shown, secret)
    }
}
