//! The `tls` layer over real sockets: who is let in, who is refused and how, and what arrives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

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

mod handshake;
mod hostile;
mod stream;
mod trust;

use crate::common::eventually;
use crate::common::forge::{Forger, Secrets};

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
