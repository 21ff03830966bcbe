//! Who is let in: the protocol, its version, and what is no TLS at all.

use super::*;

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
        assert!(err.text().contains("it refuses the protocol sealift/1"), "{err}");
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
    assert!(err.text().contains("an FTP or mail server answers, without TLS"), "{err}");
}

#[test]
fn a_connection_that_ends_during_the_handshake_is_a_network_failure() {
    let err = accept(drop).unwrap_err();
    assert_eq!(err.kind(), Kind::Network);
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
    let mut client = client.expect("the openssl program");
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
