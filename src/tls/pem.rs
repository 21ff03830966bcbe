//! Certificates and keys out of PEM text.

use rustls::{Certificate, PrivateKey};
use rustls_pemfile::Item;
use zeroize::Zeroize;

/// Every certificate of the text, in order.
///
/// # Errors
/// What is wrong with the text, to be said after the file's name.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut certificates = Vec::new();
    for item in rustls_pemfile::read_all(&mut &*text) {
        if let Item::X509Certificate(der) = item.map_err(|err| format!("not valid PEM: {err}"))? {
            certificates.push(Certificate(der.to_vec()));
        }
    }
    if certificates.is_empty() {
        return Err("no certificate in it (a section BEGIN CERTIFICATE)".to_owned());
    }
    Ok(certificates)
}

/// The one private key of the text: PKCS #8, SEC1 (elliptic curves) or PKCS #1 (RSA). The caller wipes it.
///
/// # Errors
/// What is wrong with the text, to be said after the file's name. Never a part of the text.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKey, String> {
    let mut key: Option<PrivateKey> = None;
    for item in rustls_pemfile::read_all(&mut &*text) {
        let der = match item.map_err(|_| "not valid PEM".to_owned())? {
            Item::Pkcs8Key(der) => der.secret_pkcs8_der().to_vec(),
            Item::Sec1Key(der) => der.secret_sec1_der().to_vec(),
            Item::Pkcs1Key(der) => der.secret_pkcs1_der().to_vec(),
            _ => continue,
        };
        if let Some(mut first) = key.replace(PrivateKey(der)) {
            first.0.zeroize();
            if let Some(mut second) = key {
                second.0.zeroize();
            }
            return Err("more than one private key in it".to_owned());
        }
    }
    key.ok_or_else(|| match text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
        true => "the private key is protected by a passphrase: store it without one".to_owned(),
        false => "no private key in it (a section BEGIN PRIVATE KEY)".to_owned(),
    })
}

/// In the header of a key under a passphrase (PKCS #8 or the older OpenSSL way).
const ENCRYPTED: &[u8] = b"ENCRYPTED";
