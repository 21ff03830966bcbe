//! Whom a client believes: pins, a CA file, and who only copies.

use super::*;

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
            assert_eq!(
                to_client,
                PeerInfo { alpn: Some(ALPN.to_owned()), server_name: None, key_pin: Some(server.pin()) }
            );
            // The key of this very handshake, on both sides: what an SSH key signs names it.
            assert_eq!((to_server.alpn.as_deref(), to_server.key_pin), (Some(ALPN), Some(server.pin())));
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
    let mut config = rustls::ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Copied(Arc::new(shown))));
    config.alpn_protocols = vec![ALPN.into()];
    config
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
