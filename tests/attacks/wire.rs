//! What no well-behaved client would put on the wire, over a plain socket or under real TLS keys.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::client::{ServerCertVerified, ServerCertVerifier};
use rustls::{Certificate, ClientConfig, ClientConnection, ServerName};

use crate::common::forge::{Forger, Secrets};
use crate::common::{Daemon, HANG, RawClient};

/// A plain connection to the server, over which nothing was said yet.
pub fn plain(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Sends `first`, then `then` again and again, until the server has ended the connection; a panic if it never does.
pub fn pour(mut socket: TcpStream, first: &[u8], then: &[u8], pace: Duration) {
    socket.set_write_timeout(Some(HANG)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let begin = Instant::now();
    let mut alive = socket.write_all(first).is_ok();
    while alive {
        assert!(begin.elapsed() < HANG, "the server listens for ever");
        std::thread::sleep(pace);
        alive = socket.write_all(then).is_ok() && !has_ended(&mut socket);
    }
}

/// Waits until the server has ended the connection; a panic if it never does.
pub fn wait_for_end(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(HANG)).unwrap();
    let mut bytes = [0; 4096];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => {}
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it never ends"),
            Err(_) => return,
        }
    }
}

/// Whether the server has ended the connection; what it said is dropped.
pub fn has_ended(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut bytes = [0; 4096];
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(err) => return !matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Sends one byte again and again, a tenth of a second apart, until the server says something.
pub fn drip(client: &mut RawClient, byte: u8) {
    let begin = Instant::now();
    let socket = client.socket();
    let mut peeked = [0];
    loop {
        client.send([byte]);
        let spoken = async_std::future::timeout(Duration::from_millis(100), socket.peek(&mut peeked));
        if async_std::task::block_on(spoken).is_ok() {
            return;
        }
        assert!(begin.elapsed() < HANG, "a byte at a time goes on for ever");
    }
}

/// A client of another make whose records are forged one by one.
pub struct Foreign {
    socket: TcpStream,
    engine: ClientConnection,
    /// The keys under which the client sends.
    pub forger: Forger,
}

impl Foreign {
    /// Connects, and logs in as anonymous.
    pub fn logged_in(daemon: &Daemon) -> Foreign {
        let secrets = Arc::new(Secrets::default());
        let mut config = gullible();
        config.key_log = secrets.clone();
        let mut engine = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut socket = plain(daemon);
        engine.complete_io(&mut socket).unwrap();
        let forger = Forger::client(&secrets);
        let mut foreign = Foreign { socket, engine, forger };
        let login = foreign.forger.data(b"USER anonymous\r\nPASS x\r\n");
        foreign.socket.write_all(&login).unwrap();
        let mut said = String::new();
        while !said.contains("230 welcome") {
            let mut bytes = [0; 4096];
            assert_ne!(foreign.engine.read_tls(&mut foreign.socket).unwrap(), 0, "{said}");
            foreign.engine.process_new_packets().unwrap();
            while let Ok(count @ 1..) = foreign.engine.reader().read(&mut bytes) {
                said.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        }
        foreign
    }

    /// Sends these records, and waits until the server has ended the connection.
    pub fn send_and_be_cut(mut self, records: &[u8]) {
        let _refused_before_their_end = self.socket.write_all(records);
        wait_for_end(&mut self.socket);
    }
}

/// A whole ClientHello that the server would take.
pub fn client_hello() -> Vec<u8> {
    let mut engine = ClientConnection::new(Arc::new(gullible()), "localhost".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    engine.write_tls(&mut hello).unwrap();
    hello
}

/// A configuration that believes every server.
fn gullible() -> ClientConfig {
    struct Gullible;
    impl ServerCertVerifier for Gullible {
        fn verify_server_cert(
            &self,
            _: &Certificate,
            _: &[Certificate],
            _: &ServerName,
            _: &mut dyn Iterator<Item = &[u8]>,
            _: &[u8],
            _: std::time::SystemTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
    }
    let mut config = ClientConfig::builder()
        .with_cipher_suites(&[TLS13_AES_128_GCM_SHA256])
        .with_safe_default_kx_groups()
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_no_client_auth();
    config.alpn_protocols = vec![sealift::tls::ALPN.as_bytes().to_vec()];
    config
}
