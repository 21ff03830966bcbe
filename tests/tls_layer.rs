//! The `tls` layer over real sockets: who is let in, who is refused and how, and what arrives.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream as StdStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_std::future::timeout;
use async_std::net::TcpStream;
use async_std::task::{block_on, spawn};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::join;
use rustls::cipher_suite::{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256};
use rustls::client::{ServerCertVerified, ServerCertVerifier};
use rustls::{AlertDescription, Certificate, ClientConfig, ClientConnection, ServerName, SupportedProtocolVersion};
use sealift::tls::{ALPN, Acceptor, CaRoots, Connector, Identity, PeerInfo, TlsStream, Trust, stream_error};
use sealift::{Kind, Result};

mod forge;
use forge::{Forger, Secrets};

type Tls = TlsStream<TcpStream>;

fn identity() -> Identity {
    Identity::generate(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

/// Two ends of one TCP connection; the first is the connecting one.
fn sockets() -> (StdStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// A handshake with both ends in this process.
async fn handshake(server: &Identity, trust: Trust, name: &str) -> (Result<(Tls, PeerInfo)>, Result<(Tls, PeerInfo)>) {
    let (near, far) = sockets();
    let (acceptor, connector) = (Acceptor::new(server).unwrap(), Connector::new(trust).unwrap());
    join!(connector.connect(TcpStream::from(near), name), acceptor.accept(TcpStream::from(far)))
}

/// An established connection: the client's end and the server's.
async fn connection() -> (Tls, Tls) {
    let server = identity();
    let (client, accepted) = handshake(&server, Trust::Pins(vec![server.pin()]), "localhost").await;
    (client.unwrap().0, accepted.unwrap().0)
}

/// What the acceptor says to a client that a thread plays.
fn accept(client: impl FnOnce(StdStream) + Send + 'static) -> Result<(Tls, PeerInfo)> {
    let (near, far) = sockets();
    let peer = std::thread::spawn(move || client(near));
    let outcome = block_on(Acceptor::new(&identity()).unwrap().accept(TcpStream::from(far)));
    peer.join().unwrap();
    outcome
}

/// A client of another make: plain rustls, which believes every server.
fn foreign_client(alpns: &[&str], versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
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
        .with_cipher_suites(&[TLS13_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256])
        .with_safe_default_kx_groups()
        .with_protocol_versions(versions)
        .unwrap()
        .with_custom_certificate_verifier(Arc::new(Gullible))
        .with_no_client_auth();
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
    config
}

fn foreign_handshake(config: ClientConfig, socket: &mut StdStream) -> std::io::Result<ClientConnection> {
    let mut connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    connection.complete_io(socket)?;
    Ok(connection)
}

/// A handshake by a foreign client, then whatever `attack` sends under its keys; returns how the server's read ends.
fn read_after(attack: impl FnOnce(&mut Forger, &mut StdStream) + Send + 'static) -> std::io::Result<usize> {
    let (mut near, far) = sockets();
    let (established, wait_established) = std::sync::mpsc::channel();
    let (done, wait_done) = std::sync::mpsc::channel();
    let peer = std::thread::spawn({
        move || {
            let secrets = Arc::new(Secrets::default());
            let mut config = foreign_client(&[ALPN], &[&rustls::version::TLS13]);
            config.key_log = secrets.clone();
            foreign_handshake(config, &mut near).unwrap();
            wait_established.recv().unwrap();
            attack(&mut Forger::client(&secrets), &mut near);
            wait_done.recv().unwrap();
        }
    });
    let outcome = block_on(async {
        let (mut stream, _) = Acceptor::new(&identity()).unwrap().accept(TcpStream::from(far)).await.unwrap();
        established.send(()).unwrap();
        let mut buf = [0; 1000];
        stream.read(&mut buf).await
    });
    done.send(()).unwrap();
    peer.join().unwrap();
    outcome
}

/// Pseudo-random numbers below a bound, the same in every run.
fn dice(mut state: u64) -> impl FnMut(usize) -> usize {
    move |bound| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    }
}

#[test]
fn a_pinned_server_is_spoken_to() {
    block_on(async {
        let server = identity();
        let other = identity();
        // An IP address, a name no certificate could hold, and a name the certificate does not hold: the pin decides.
        for name in ["localhost", "127.0.0.1", "::1", "my_host", "fe80::1%eth0", "elsewhere.example"] {
            let trust = Trust::Pins(vec![other.pin(), server.pin()]);
            let (client, accepted) = handshake(&server, trust, name).await;
            let ((mut client, to_client), (mut accepted, to_server)) = (client.unwrap(), accepted.unwrap());
            assert_eq!(to_client, PeerInfo { alpn: None, key_pin: Some(server.pin()) });
            assert_eq!(to_server, PeerInfo { alpn: Some(ALPN.to_owned()), key_pin: None });
            client.write_all(b"hello").await.unwrap();
            client.flush().await.unwrap();
            let mut buf = [0; 5];
            accepted.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"hello");
            accepted.write_all(b"world").await.unwrap();
            accepted.flush().await.unwrap();
            client.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"world");
        }
    });
}

#[test]
fn a_server_vouched_for_by_a_ca_file_is_spoken_to_under_its_names_only() {
    block_on(async {
        let server = identity();
        let dir = tempfile::tempdir().unwrap();
        server.save(dir.path(), false).unwrap();
        let roots = CaRoots::load(&dir.path().join("cert.pem")).unwrap();
        for name in ["localhost", "127.0.0.1"] {
            let (client, accepted) = handshake(&server, Trust::Ca(roots.clone()), name).await;
            assert_eq!(client.unwrap().1.key_pin, Some(server.pin()));
            accepted.unwrap();
        }
        let (client, _) = handshake(&server, Trust::Ca(roots.clone()), "elsewhere.example").await;
        let err = client.unwrap_err();
        assert_eq!(err.kind(), Kind::Untrusted, "{err}");
        assert!(err.text().contains("another name"), "{err}");

        let (client, _) = handshake(&identity(), Trust::Ca(roots), "localhost").await;
        assert_eq!(client.unwrap_err().kind(), Kind::Untrusted);
    });
}

#[test]
fn a_trust_that_could_never_be_met_is_refused_at_once() {
    assert_eq!(Connector::new(Trust::Pins(Vec::new())).err().unwrap().kind(), Kind::Untrusted);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    assert_eq!(CaRoots::load(&file).unwrap_err().kind(), Kind::NotFound);
    for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        let err = CaRoots::load(&file).unwrap_err();
        assert_eq!(err.kind(), Kind::BadConfig);
        assert!(err.text().contains("ca.pem"), "{err}");
    }

    identity().save(dir.path(), false).unwrap();
    let roots = CaRoots::load(&dir.path().join("cert.pem")).unwrap();
    let connector = Connector::new(Trust::Ca(roots)).unwrap();
    let (near, _far) = sockets();
    let err = block_on(connector.connect(TcpStream::from(near), "my host")).unwrap_err();
    assert_eq!(err.kind(), Kind::Usage);
}

#[test]
fn an_observed_server_shows_its_pin() {
    block_on(async {
        let server = identity();
        let (client, _) = handshake(&server, Trust::Observe, "localhost").await;
        assert_eq!(client.unwrap().1.key_pin, Some(server.pin()));
    });
}

#[test]
fn pin_mismatch() {
    block_on(async {
        let (expected, other) = (identity(), identity());
        let (client, accepted) = handshake(&other, Trust::Pins(vec![expected.pin()]), "localhost").await;
        let err = client.unwrap_err();
        assert_eq!(err.kind(), Kind::PinMismatch);
        assert!(err.text().contains(&expected.pin().to_string()), "{err}");
        assert!(err.text().contains(&other.pin().to_string()), "{err}");
        // The fake server never gets as far as a connection, let alone a byte of the client's.
        assert!(accepted.is_err());
    });
}

/// A server of another make, which shows `certificate` and signs with `key`.
fn impostor(certificate: &rcgen::Certificate, key: &rcgen::KeyPair) -> rustls::ServerConfig {
    struct Copied(Arc<rustls::sign::CertifiedKey>);
    impl rustls::server::ResolvesServerCert for Copied {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(self.0.clone())
        }
    }
    let key = rustls::sign::any_supported_type(&rustls::PrivateKey(key.serialize_der())).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![Certificate(certificate.der().to_vec())], key);
    rustls::ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Copied(Arc::new(shown))))
}

#[test]
fn copied_certificate() {
    let own_key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&own_key).unwrap();
    let other_key = rcgen::KeyPair::generate().unwrap();

    let connect = |config: rustls::ServerConfig, trust: Trust| {
        let (near, mut far) = sockets();
        let server = std::thread::spawn(move || {
            let mut connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            connection.complete_io(&mut far).is_ok()
        });
        let outcome = block_on(Connector::new(trust).unwrap().connect(TcpStream::from(near), "localhost"));
        (outcome.map(|(_, peer)| peer), server.join().unwrap())
    };

    let (honest, _) = connect(impostor(&certificate, &own_key), Trust::Observe);
    let pin = honest.unwrap().key_pin.unwrap();
    for trust in [Trust::Pins(vec![pin]), Trust::Observe] {
        let (outcome, completed) = connect(impostor(&certificate, &other_key), trust);
        let err = outcome.unwrap_err();
        assert_eq!(err.kind(), Kind::Tls);
        assert!(err.text().contains("does not hold the key"), "{err}");
        assert!(!completed);
    }
}

#[test]
fn foreign_alpn() {
    for (alpns, said) in [
        (&["h2"][..], "h2"),
        (&["http/1.1"], "http/1.1"),
        (&["sealift/2", "ftp"], "sealift/2, ftp"),
        (&[], "no protocol"),
    ] {
        let config = foreign_client(alpns, &[&rustls::version::TLS13]);
        let err = accept(move |mut socket| {
            let err = foreign_handshake(config, &mut socket).unwrap_err();
            let alert = err.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap();
            assert_eq!(*alert, rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol));
        })
        .unwrap_err();
        assert_eq!(err.kind(), Kind::Tls);
        assert!(err.text().contains(said), "{err}");
    }
}

#[test]
fn a_server_that_refuses_our_protocol_is_explained() {
    block_on(async {
        let server = identity();
        let (near, far) = sockets();
        let acceptor = Acceptor::with_alpns(&server, &["h2", "http/1.1"]).unwrap();
        let connector = Connector::new(Trust::Observe).unwrap();
        let (client, accepted) =
            join!(connector.connect(TcpStream::from(near), "localhost"), acceptor.accept(TcpStream::from(far)));
        let err = client.unwrap_err();
        assert_eq!(err.kind(), Kind::Tls);
        assert!(err.text().contains("not the protocol sealift/1"), "{err}");
        assert!(accepted.is_err());
    });
}

#[test]
fn an_acceptor_of_several_protocols_tells_which_was_chosen() {
    let server = identity();
    let acceptor = Acceptor::with_alpns(&server, &[ALPN, "ftp"]).unwrap();
    for (offered, chosen) in [(&["ftp"][..], "ftp"), (&["ftp", ALPN], ALPN), (&["h2", "ftp"], "ftp")] {
        let (mut near, far) = sockets();
        let config = foreign_client(offered, &[&rustls::version::TLS13]);
        let client = std::thread::spawn(move || {
            let connection = foreign_handshake(config, &mut near).unwrap();
            connection.alpn_protocol().unwrap().to_vec()
        });
        let (_, peer) = block_on(acceptor.accept(TcpStream::from(far))).unwrap();
        assert_eq!(peer.alpn.as_deref(), Some(chosen));
        assert_eq!(client.join().unwrap(), chosen.as_bytes());
    }
}

#[test]
fn a_client_of_tls_1_2_is_refused_with_an_alert() {
    let config = foreign_client(&[ALPN], &[&rustls::version::TLS12]);
    let err = accept(move |mut socket| {
        let err = foreign_handshake(config, &mut socket).unwrap_err();
        let alert = err.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap();
        assert_eq!(*alert, rustls::Error::AlertReceived(AlertDescription::ProtocolVersion));
    })
    .unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("TLS 1.3"), "{err}");
}

#[test]
fn a_server_of_tls_1_2_is_refused() {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (near, mut far) = sockets();
    let server = std::thread::spawn(move || {
        let config = rustls::ServerConfig::builder()
            .with_safe_default_cipher_suites()
            .with_safe_default_kx_groups()
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![Certificate(certificate.der().to_vec())], rustls::PrivateKey(key.serialize_der()))
            .unwrap();
        rustls::ServerConnection::new(Arc::new(config)).unwrap().complete_io(&mut far).is_ok()
    });
    let connector = Connector::new(Trust::Observe).unwrap();
    let err = block_on(connector.connect(TcpStream::from(near), "localhost")).unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("TLS 1.3"), "{err}");
    assert!(!server.join().unwrap());
}

#[test]
fn plaintext_prefix() {
    let err = accept(|mut socket| {
        socket.write_all(b"USER anonymous\r\n").unwrap();
        assert!(foreign_handshake(foreign_client(&[ALPN], &[&rustls::version::TLS13]), &mut socket).is_err());
    })
    .unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("does not speak TLS"), "{err}");
}

#[test]
fn a_server_without_tls_is_explained() {
    let (near, mut far) = sockets();
    far.write_all(b"220 ProFTPD ready\r\n").unwrap();
    let connector = Connector::new(Trust::Observe).unwrap();
    let err = block_on(connector.connect(TcpStream::from(near), "localhost")).unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("does not speak TLS"), "{err}");
}

#[test]
fn a_connection_that_ends_during_the_handshake_is_a_network_failure() {
    let err = accept(drop).unwrap_err();
    assert_eq!(err.kind(), Kind::Network);
}

/// A peer that sends `first` and then `then`, again and again until nobody listens or it is dropped.
struct Flood {
    over: Arc<AtomicBool>,
    peer: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(mut socket: StdStream, pace: Duration, first: &'static [u8], then: &'static [u8]) -> Flood {
        let over = Arc::new(AtomicBool::new(false));
        let peer = std::thread::spawn({
            let over = over.clone();
            move || {
                let mut alive = socket.write_all(first).is_ok();
                while alive && !over.load(Ordering::SeqCst) {
                    alive = socket.write_all(then).is_ok();
                    std::thread::sleep(pace);
                }
            }
        });
        Flood { over, peer: Some(peer) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.peer.take().unwrap().join().unwrap();
    }
}

/// A warning, which TLS lets pass before the version is agreed on.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 1, 90];

#[test]
fn alert_flood() {
    // To a server an alert is no ClientHello: the first one ends it.
    let (near, far) = sockets();
    let flood = Flood::start(near, Duration::ZERO, ALERT, ALERT);
    let accepted = block_on(Acceptor::new(&identity()).unwrap().accept(TcpStream::from(far)));
    assert_eq!(accepted.unwrap_err().kind(), Kind::Tls);
    drop(flood);

    // To a client a server may send some, until it has sent too much.
    let (near, far) = sockets();
    let flood = Flood::start(far, Duration::ZERO, ALERT, ALERT);
    let connected = block_on(Connector::new(Trust::Observe).unwrap().connect(TcpStream::from(near), "localhost"));
    let err = connected.unwrap_err();
    assert_eq!(err.kind(), Kind::Tls);
    assert!(err.text().contains("64 KiB"), "{err}");
    drop(flood);
}

#[test]
fn a_deadline_fires_while_the_peer_keeps_sending() {
    let deadline = Duration::from_millis(300);
    let connector = Connector::new(Trust::Observe).unwrap();
    let (near, far) = sockets();
    let flood = Flood::start(far, Duration::from_micros(200), ALERT, ALERT);
    assert!(block_on(timeout(deadline, connector.connect(TcpStream::from(near), "localhost"))).is_err());
    drop(flood);

    // slow_loris: a ClientHello of 16 KiB that comes a byte at a time, and a peer that says nothing at all.
    let acceptor = Acceptor::new(&identity()).unwrap();
    for (first, then) in [(&[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb][..], &[3][..]), (&[], &[])] {
        let (near, far) = sockets();
        let flood = Flood::start(near, Duration::from_millis(1), first, then);
        assert!(block_on(timeout(deadline, acceptor.accept(TcpStream::from(far)))).is_err());
        drop(flood);
    }
}

#[test]
fn closing_is_bounded_even_if_the_peer_sends_for_ever() {
    block_on(async {
        let (client, server) = connection().await;
        let flood = spawn(async move { while client.socket().write_all(&[0; 65536]).await.is_ok() {} });
        server.close().await;
        flood.await;
    });
}

#[test]
fn an_endless_handshake_is_refused() {
    let err = accept(|mut socket| {
        // A ClientHello that announces 64 KiB, in records of 16 KiB without end.
        let mut record = vec![22, 3, 1, 0x40, 0];
        record.extend([1, 0, 0xff, 0xff]);
        record.resize(5 + 0x4000, 3);
        let mut sent = 0;
        while sent < 1_000_000_000 && socket.write_all(&record).is_ok() {
            sent += record.len();
            record.splice(5..9, [3; 4]);
        }
        assert!(sent < 1_000_000_000);
    })
    .unwrap_err();
    assert_eq!(err.kind(), Kind::Tls, "{err}");
}

#[test]
fn empty_records() {
    let err = read_after(|forger, socket| {
        let flood: Vec<u8> = (0..10_000).flat_map(|_| forger.data(b"")).collect();
        let _refused_before_its_end = socket.write_all(&flood);
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
    assert!(err.to_string().contains("without any content"), "{err}");
    assert_eq!(stream_error(err).kind(), Kind::Tls);
}

#[test]
fn key_update_flood() {
    let err = read_after(|forger, socket| {
        let flood: Vec<u8> = (0..10_000).flat_map(|_| forger.key_update()).collect();
        let _refused_before_its_end = socket.write_all(&flood);
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
    assert!(err.to_string().contains("without any content"), "{err}");
}

#[test]
fn a_few_empty_records_and_key_updates_are_fine() {
    let count = read_after(|forger, socket| {
        for _ in 0..100 {
            socket.write_all(&forger.data(b"")).unwrap();
            socket.write_all(&forger.key_update()).unwrap();
        }
        socket.write_all(&forger.data(b"hello")).unwrap();
    });
    assert_eq!(count.unwrap(), 5);
}

#[test]
fn a_forged_record_is_an_error() {
    let err = read_after(|forger, socket| {
        let mut record = forger.data(b"hello");
        let last = record.len() - 1;
        record[last] ^= 1;
        socket.write_all(&record).unwrap();
    })
    .unwrap_err();
    assert_eq!(stream_error(err).kind(), Kind::Tls);
}

#[test]
fn bytes_after_the_goodbye_neither_hang_nor_count() {
    let err = read_after(|forger, socket| {
        let mut bytes = forger.goodbye();
        bytes.extend([23, 3, 3, 1]);
        socket.write_all(&bytes).unwrap();
    })
    .unwrap_err();
    assert_eq!(err.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_cut_connection_is_an_error_and_an_ended_one_is_not() {
    block_on(async {
        for cut in [true, false] {
            let (mut client, mut server) = connection().await;
            server.write_all(b"half a fi").await.unwrap();
            server.flush().await.unwrap();
            let ended = async {
                match cut {
                    true => drop(server),
                    false => server.close().await,
                }
            };
            let read = async {
                let mut text = Vec::new();
                let outcome = client.read_to_end(&mut text).await;
                assert_eq!(text, b"half a fi");
                if cut {
                    let err = outcome.unwrap_err();
                    assert_eq!(err.kind(), ErrorKind::UnexpectedEof);
                    // It stays broken, in both directions.
                    assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
                    assert!(client.write(b"x").await.is_err());
                    assert_eq!(stream_error(err).kind(), Kind::Network);
                } else {
                    assert_eq!(outcome.unwrap(), 9);
                    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
                }
                drop(client);
            };
            join!(ended, read);
        }
    });
}

#[test]
fn a_reset_connection_is_never_taken_for_its_end() {
    block_on(async {
        let (mut client, mut server) = connection().await;
        // Dropped with unread bytes in its socket, the server's end resets the connection.
        client.write_all(&[0; 100]).await.unwrap();
        client.flush().await.unwrap();
        let mut byte = [0];
        server.read_exact(&mut byte).await.unwrap();
        client.write_all(&[0; 100]).await.unwrap();
        client.flush().await.unwrap();
        drop(server);
        assert!(client.read(&mut byte).await.is_err());
    });
}

#[test]
fn the_last_reply_reaches_a_client_that_is_still_sending() {
    block_on(async {
        let (client, mut server) = connection().await;
        let (mut reading, mut writing) = client.split();
        let refuse = async {
            let mut buf = [0; 1000];
            server.read_exact(&mut buf).await.unwrap();
            server.write_all(b"552 quota").await.unwrap();
            server.close().await;
        };
        let upload = async {
            for _ in 0..200 {
                if writing.write_all(&[7; 65536]).await.is_err() {
                    break;
                }
            }
            let _the_server_may_be_gone = writing.close().await;
        };
        let reply = async {
            let mut text = Vec::new();
            reading.read_to_end(&mut text).await.unwrap();
            assert_eq!(text, b"552 quota");
        };
        join!(refuse, upload, reply);
    });
}

#[test]
fn nothing_can_be_written_after_the_goodbye_but_the_other_side_still_can() {
    block_on(async {
        let (mut client, mut server) = connection().await;
        AsyncWriteExt::close(&mut client).await.unwrap();
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        server.write_all(b"bye").await.unwrap();
        server.flush().await.unwrap();
        let mut text = [0; 3];
        client.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"bye");
    });
}

#[test]
fn what_is_sent_arrives_whatever_the_pieces() {
    const SIZE: usize = 20_000_000;
    block_on(async {
        let (client, server) = connection().await;
        let echo = spawn(async move {
            let (mut reading, mut writing) = server.split();
            let mut dice = dice(1);
            let mut buf = vec![0; 300_000];
            loop {
                let bound = 1 + dice(buf.len());
                let count = reading.read(&mut buf[..bound]).await.unwrap();
                if count == 0 {
                    break;
                }
                writing.write_all(&buf[..count]).await.unwrap();
                if dice(4) == 0 {
                    writing.flush().await.unwrap();
                }
            }
            writing.close().await.unwrap();
        });
        let mut fill = dice(2);
        let sent: Arc<Vec<u8>> = Arc::new((0..SIZE).map(|_| fill(256) as u8).collect());
        let (mut reading, mut writing) = client.split();
        // Two tasks: neither direction may steal the other's wake-ups.
        let writer = spawn({
            let sent = sent.clone();
            async move {
                let mut dice = dice(3);
                let mut rest = sent.as_slice();
                while !rest.is_empty() {
                    let bound = match dice(3) {
                        0 => 100,
                        1 => 20_000,
                        _ => 600_000,
                    };
                    let (piece, later) = rest.split_at((1 + dice(bound)).min(rest.len()));
                    writing.write_all(piece).await.unwrap();
                    if dice(4) == 0 {
                        writing.flush().await.unwrap();
                    }
                    rest = later;
                }
                writing.close().await.unwrap();
            }
        });
        let mut returned = Vec::new();
        reading.read_to_end(&mut returned).await.unwrap();
        writer.await;
        echo.await;
        assert!(returned == *sent);
    });
}

/// Runs `work`, counting how often it is polled.
async fn counted(polls: Arc<AtomicUsize>, work: impl Future<Output = ()>) {
    let mut work = Box::pin(work);
    std::future::poll_fn(move |cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        work.as_mut().poll(cx)
    })
    .await;
}

#[test]
fn a_stalled_connection_sleeps_in_one_task_or_two() {
    for tasks in [1, 2] {
        let (client, server) = block_on(connection());
        let polls = Arc::new(AtomicUsize::new(0));
        let (mut reading, mut writing) = server.split();
        let write = async move { while writing.write_all(&[0; 65536]).await.is_ok() {} };
        let read = async move { while reading.read(&mut [0; 16]).await.is_ok_and(|count| count > 0) {} };
        let stalled = match tasks {
            1 => vec![spawn(counted(polls.clone(), async {
                join!(read, write);
            }))],
            _ => vec![spawn(counted(polls.clone(), read)), spawn(counted(polls.clone(), write))],
        };
        // The client never reads. Once the server's polls stand still they must stay so; awake, it is polled hundreds
        // of thousands of times a second.
        let mut before = usize::MAX;
        for _ in 0..50 {
            let now = polls.load(Ordering::SeqCst);
            if now == before {
                break;
            }
            before = now;
            std::thread::sleep(Duration::from_millis(200));
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(polls.load(Ordering::SeqCst) - before < 10, "{tasks} tasks");
        drop(client);
        block_on(futures::future::join_all(stalled));
    }
}

#[test]
fn openssl_can_speak_to_us() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Command::new("openssl")
        .args(["s_client", "-quiet", "-alpn", ALPN, "-connect", &listener.local_addr().unwrap().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut client) = client else {
        eprintln!("no openssl here");
        return;
    };
    let socket = listener.accept().unwrap().0;
    client.stdin.as_mut().unwrap().write_all(b"HELP\n").unwrap();
    block_on(async {
        let (mut stream, peer) = Acceptor::new(&identity()).unwrap().accept(TcpStream::from(socket)).await.unwrap();
        assert_eq!(peer.alpn.as_deref(), Some(ALPN));
        let mut line = [0; 5];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HELP\n");
        stream.write_all(b"214 help\n").await.unwrap();
        stream.close().await;
    });
    let mut said = String::new();
    client.stdout.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "214 help\n");
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn the_sending_direction_alone_can_be_closed_below_tls() {
    // A peer that sends its goodbye and closes its direction at once must still get what we say.
    block_on(async {
        let (mut client, mut server) = connection().await;
        AsyncWriteExt::close(&mut client).await.unwrap();
        client.socket().shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
        server.write_all(b"221 bye").await.unwrap();
        server.close().await;
        let mut text = Vec::new();
        client.read_to_end(&mut text).await.unwrap();
        assert_eq!(text, b"221 bye");
    });
}
