//! TLS 1.3 records made by hand (RFC 8446, sections 5 and 7), for what no well-behaved engine would send.

use std::sync::Mutex;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk};

/// The traffic secrets of one connection, as the engine tells them to a key log.
#[derive(Default)]
pub struct Secrets(Mutex<Vec<(String, Vec<u8>)>>);

impl rustls::KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        self.0.lock().unwrap().push((label.to_owned(), secret.to_vec()));
    }
}

/// One direction of a connection under TLS_AES_128_GCM_SHA256, from its first application record on.
pub struct Forger {
    secret: Vec<u8>,
    sequence: u64,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Forger {
    /// What the client sends.
    pub fn client(secrets: &Secrets) -> Forger {
        let secrets = secrets.0.lock().unwrap();
        let (_, secret) = secrets.iter().find(|(label, _)| label == "CLIENT_TRAFFIC_SECRET_0").unwrap();
        Forger { secret: secret.clone(), sequence: 0 }
    }

    /// A record of application data.
    pub fn data(&mut self, content: &[u8]) -> Vec<u8> {
        self.record(23, content)
    }

    /// The alert that ends a connection (close_notify).
    pub fn goodbye(&mut self) -> Vec<u8> {
        self.record(21, &[1, 0])
    }

    /// A key update that asks for none in return, after which the new key is used.
    pub fn key_update(&mut self) -> Vec<u8> {
        let record = self.record(22, &[24, 0, 0, 1, 0]);
        self.secret = self.expand("traffic upd", 32);
        self.sequence = 0;
        record
    }

    fn record(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &self.expand("key", 16)).unwrap());
        let mut nonce: [u8; 12] = self.expand("iv", 12).try_into().unwrap();
        for (byte, counter) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= counter;
        }
        self.sequence += 1;
        let mut sealed = content.to_vec();
        sealed.push(content_type);
        let mut header = vec![23, 3, 3];
        header.extend(u16::try_from(sealed.len() + 16).unwrap().to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(&header), &mut sealed).unwrap();
        header.extend(sealed);
        header
    }

    /// HKDF-Expand-Label with an empty context.
    fn expand(&self, label: &str, length: usize) -> Vec<u8> {
        let label = format!("tls13 {label}");
        let size = u16::try_from(length).unwrap().to_be_bytes();
        let parts: [&[u8]; 4] = [&size, &[label.len() as u8], label.as_bytes(), &[0]];
        let mut out = vec![0; length];
        Prk::new_less_safe(HKDF_SHA256, &self.secret).expand(&parts, Length(length)).unwrap().fill(&mut out).unwrap();
        out
    }
}
