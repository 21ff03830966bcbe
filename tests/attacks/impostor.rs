//! A server of another make, that shows one certificate, signs with any key, and hands out tickets for resumption.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig, ServerConnection};
use rustls::sign::{CertifiedKey, any_supported_type};
use rustls::{Certificate, PrivateKey, StreamOwned, SupportedCipherSuite, Ticketer};
use sealift::tls::{Identity, Pin};

use crate::hostile::{IDS, folder};

/// A key and its certificate, as anybody can make them.
pub struct Keys {
    pub pin: Pin,
    certificate: Certificate,
    key: PrivateKey,
}

impl Keys {
    pub fn new() -> Keys {
        let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        identity.save(dir.path(), false).unwrap();
        let pem = std::fs::read(dir.path().join("cert.pem")).unwrap();
        let certificate = rustls_pemfile::certs(&mut &pem[..]).next().unwrap().unwrap();
        let pem = std::fs::read(dir.path().join("key.pem")).unwrap();
        let key = rustls_pemfile::private_key(&mut &pem[..]).unwrap().unwrap();
        Keys {
            pin: identity.pin(),
            certificate: Certificate(certificate.to_vec()),
            key: PrivateKey(key.secret_der().to_vec()),
        }
    }
}

struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// A configuration that shows the certificate of one and signs with the key of the other, with these tickets.
pub fn config(shown: &Keys, signing: &Keys, tickets: Arc<dyn rustls::server::ProducesTickets>) -> ServerConfig {
    let key = any_supported_type(&signing.key).unwrap();
    let certified = CertifiedKey::new(vec![shown.certificate.clone()], key);
    let mut config = ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(certified))));
    config.alpn_protocols = vec![sealift::tls::ALPN.into()];
    config.ticketer = tickets;
    config
}

/// One of this cipher suite alone, which knows these protocols.
pub fn config_for(keys: &Keys, suite: SupportedCipherSuite, alpns: &[&str]) -> ServerConfig {
    let key = any_supported_type(&keys.key).unwrap();
    let certified = CertifiedKey::new(vec![keys.certificate.clone()], key);
    let mut config = ServerConfig::builder()
        .with_cipher_suites(&[suite])
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(Arc::new(certified))));
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config
}

pub fn tickets() -> Arc<dyn rustls::server::ProducesTickets> {
    Ticketer::new().unwrap()
}

/// What became of one connection.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// The client finished the handshake.
    pub shook_hands: bool,
    /// The lines it sent.
    pub lines: Vec<String>,
}

/// A running impostor. It serves as many connections as it has configurations, one after the other, and ends.
pub struct Impostor {
    pub port: u16,
    serving: std::thread::JoinHandle<()>,
    seen: Arc<Mutex<Vec<Conversation>>>,
}

impl Impostor {
    pub fn start(configs: Vec<ServerConfig>) -> Impostor {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = seen.clone();
        let serving = std::thread::spawn(move || {
            for config in configs {
                let (socket, _) = listener.accept().unwrap();
                let conversation = converse(config, socket);
                notes.lock().unwrap().push(conversation);
            }
        });
        Impostor { port, serving, seen }
    }

    /// What it has seen, after its last connection.
    pub fn end(self) -> Vec<Conversation> {
        self.serving.join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn converse(config: ServerConfig, mut socket: TcpStream) -> Conversation {
    socket.set_read_timeout(Some(crate::common::HANG)).unwrap();
    let mut seen = Conversation::default();
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    while connection.is_handshaking() {
        if connection.complete_io(&mut socket).is_err() {
            return seen;
        }
    }
    seen.shook_hands = true;
    let mut stream = BufReader::new(StreamOwned::new(connection, socket));
    let mut answer = b"220 ready proto=1\r\n".to_vec();
    loop {
        let stopped = stream.get_mut().write_all(&answer).and_then(|()| stream.get_mut().flush()).is_err();
        let mut line = String::new();
        if stopped || !stream.read_line(&mut line).is_ok_and(|count| count > 0) {
            return seen;
        }
        answer = match line.split_whitespace().next() {
            Some("USER") => b"331 password\r\n".to_vec(),
            Some("PASS") => format!("230 welcome user=a access=full {IDS}\r\n").into_bytes(),
            Some("STAT") => folder(),
            _ => format!("221 bye {IDS}\r\n").into_bytes(),
        };
        seen.lines.push(line.trim_end().to_owned());
    }
}
