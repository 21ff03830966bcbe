//! Which protocol a server has chosen.
//!
//! The engine refuses a server that chooses a protocol we did not offer, but lets one pass that chooses none, and
//! async-tls hides what was agreed on. So it is read from the handshake itself: the server's choice is in its
//! EncryptedExtensions (RFC 8446, section 4.3.1), whose key the engine hands to whoever asks for it. The engine has
//! checked the very same bytes by then; here they are only read.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{self, HKDF_SHA256, HKDF_SHA384, KeyType, Prk};
use rustls::KeyLog;
use zeroize::Zeroizing;

use crate::sync::Mutex;

/// What the engine calls the secret that the server's part of a handshake is encrypted under.
const LABEL: &str = "SERVER_HANDSHAKE_TRAFFIC_SECRET";

const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;

const HANDSHAKE_RECORD: u8 = 22;
const ENCRYPTED_RECORD: u8 = 23;
const SERVER_HELLO: u8 = 2;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const ALPN_EXTENSION: u16 = 16;

/// Takes the secret of one handshake from the engine. It is of no use for anything that follows the handshake.
#[derive(Default)]
pub(super) struct HandshakeSecret(Mutex<Option<Zeroizing<Vec<u8>>>>);

impl KeyLog for HandshakeSecret {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        if label == LABEL {
            *self.0.lock() = Some(Zeroizing::new(secret.to_vec()));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == LABEL
    }
}

impl HandshakeSecret {
    /// The protocol that the server chose in a finished handshake, `heard` being all it sent in it. Nothing if it chose
    /// none, or what it sent cannot be read.
    pub(super) fn alpn(&self, heard: &[u8]) -> Option<Vec<u8>> {
        let secret = self.0.lock().take()?;
        let (mut plain, mut hidden) = (Vec::new(), Vec::new());
        let mut keys: Option<Keys> = None;
        let mut rest = heard;
        while let Some((header, after)) = rest.split_first_chunk::<RECORD_HEADER>() {
            let [kind, _, _, high, low] = *header;
            let (record, after) = after.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            rest = after;
            match kind {
                HANDSHAKE_RECORD => plain.extend_from_slice(record),
                ENCRYPTED_RECORD => {
                    let keys = match &mut keys {
                        Some(keys) => keys,
                        // The last one counts: the first may have asked for another try.
                        none => none.insert(Keys::new(suite(messages(&plain).filter(is_hello).last()?.1)?, &secret)?),
                    };
                    hidden.extend(keys.open(header, record)?);
                    if let Some((ENCRYPTED_EXTENSIONS, body)) = messages(&hidden).next() {
                        return extension(body);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// The whole handshake messages in these bytes, each as its type and body.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([kind, a, b, c], after) = bytes.split_first_chunk::<MESSAGE_HEADER>()?;
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        let (body, after) = after.split_at_checked(length)?;
        bytes = after;
        Some((*kind, body))
    })
}

fn is_hello((kind, _): &(u8, &[u8])) -> bool {
    *kind == SERVER_HELLO
}

/// The cipher suite of a ServerHello: after the version, 32 random bytes and the session's id.
fn suite(hello: &[u8]) -> Option<u16> {
    let (id_length, after) = hello.get(34..)?.split_first()?;
    after.get(usize::from(*id_length)..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// The name in the ALPN extension of an EncryptedExtensions message.
fn extension(body: &[u8]) -> Option<Vec<u8>> {
    let mut rest = body.get(2..)?;
    while let Some(([a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
        if u16::from_be_bytes([*a, *b]) == ALPN_EXTENSION {
            // A list of one name.
            let (length, name) = data.get(2..)?.split_first()?;
            return (usize::from(*length) == name.len()).then(|| name.to_vec());
        }
        rest = after;
    }
    None
}

/// The key of the server's handshake records (RFC 8446, sections 5 and 7.3).
struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    record: u64,
}

impl Keys {
    fn new(suite: u16, secret: &[u8]) -> Option<Keys> {
        let (cipher, hash): (&'static Algorithm, hkdf::Algorithm) = match suite {
            0x1301 => (&AES_128_GCM, HKDF_SHA256),
            0x1302 => (&AES_256_GCM, HKDF_SHA384),
            0x1303 => (&CHACHA20_POLY1305, HKDF_SHA256),
            _ => return None,
        };
        let secret = Prk::new_less_safe(hash, secret);
        let mut key = Zeroizing::new(vec![0; cipher.key_len()]);
        expand(&secret, b"tls13 key", &mut key)?;
        let mut iv = [0; 12];
        expand(&secret, b"tls13 iv", &mut iv)?;
        Some(Keys { key: LessSafeKey::new(UnboundKey::new(cipher, &key).ok()?), iv, record: 0 })
    }

    /// The handshake bytes in the next record; none if it holds something else.
    fn open(&mut self, header: &[u8; RECORD_HEADER], record: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = self.iv;
        nonce.iter_mut().skip(4).zip(self.record.to_be_bytes()).for_each(|(byte, number)| *byte ^= number);
        self.record += 1;
        let mut bytes = record.to_vec();
        let opened = self.key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut bytes).ok()?;
        // What the record holds is told by its last byte that is not padding.
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        let content = opened.get(..end).unwrap_or_default();
        Some(if opened.get(end) == Some(&HANDSHAKE_RECORD) { content.to_vec() } else { Vec::new() })
    }
}

/// HKDF-Expand-Label with an empty context.
fn expand(secret: &Prk, label: &[u8], into: &mut [u8]) -> Option<()> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let length = u16::try_from(into.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(label.len()).ok()?];
    let info = [&length[..], &label_length, label, &[0]];
    secret.expand(&info, Length(into.len())).ok()?.fill(into).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_choice_is_the_one_name_in_its_extension() {
        let alpn = b"\0\x10\0\x0c\0\x0a\x09sealift/1";
        let with = |before: &[u8]| [&[0, 0][..], before, alpn].concat();
        assert_eq!(extension(&with(b"")).unwrap(), b"sealift/1");
        assert_eq!(extension(&with(b"\0\0\0\0")).unwrap(), b"sealift/1", "after another one");
        assert_eq!(extension(b"\0\0"), None);
        assert_eq!(extension(b"\0\x04\0\0\0\0"), None);
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends_is_read_without_a_panic(heard: Vec<u8>, secret in proptest::collection::vec(any::<u8>(), 0..64)) {
            let hello = [&[22, 3, 3, 0, 44, 2, 0, 0, 40][..], &[0; 34], &[0, 0x13, 1, 0, 0, 0], &[23, 3, 3]].concat();
            for heard in [heard.clone(), [hello, heard].concat()] {
                let log = HandshakeSecret::default();
                log.log(LABEL, &[], &secret);
                let _ = log.alpn(&heard);
            }
        }
    }
}
