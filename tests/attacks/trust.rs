//! Somebody else answers in the server's place. Nothing may be sent to them, a password least of all.

use std::io::{Read as _, Write as _};

use crate::common::place::Place;
use crate::hostile::{Hostile, tree_of};
use crate::impostor::{Impostor, Keys, config, config_for, tickets};

#[test]
fn pin_mismatch() {
    let server = Hostile::start(tree_of(Vec::new()));
    let expected = Keys::new().pin.to_string();
    let target = format!("alice@{}", server.target("f"));

    let given = Place::new();
    let remembered = Place::new();
    remembered.knows(server.port(), &expected);
    for (place, options) in [
        (&given, &["--pin", &expected][..]),
        (&remembered, &[]),
        // A changed key is refused even where a new one would be taken.
        (&remembered, &["--trust", "accept-new"]),
    ] {
        std::fs::write(place.path().join("x"), "secret").unwrap();
        let before = place.tree();
        for words in [&["get"][..], &["get", "-r"], &["put", "x"], &["ls"], &["shell"]] {
            let mut command = place.command(&[options, words, &[&target]].concat());
            let output = command.env("SEALIFT_PASSWORD", "canary").output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(7), "{words:?}: {stderr}");
            assert!(stderr.contains(&expected) && stderr.contains(&server.pin()), "{words:?}: {stderr}");
            assert!(!stderr.contains("canary"), "{stderr}");
        }
        assert_eq!(place.tree(), before);
    }
    let heard = server.heard_all();
    assert_eq!((heard.connections, heard.handshakes, heard.bytes), (15, 0, 0), "{heard:?}");
}

/// A resumed session skips the certificate, so a client that resumed would never see the new key.
#[test]
fn resumed_pin() {
    let (good, other) = (Keys::new(), Keys::new());
    let tickets = tickets();
    let configs = vec![config(&good, &good, tickets.clone()), config(&other, &other, tickets)];
    let server = Impostor::start(configs);
    let place = Place::new();
    // Two logins, so two connections of one process to one server; the second is another server by then.
    let target = |user: &str| format!("{user}@127.0.0.1:{}/d", server.port);
    let mut command = place.command(&["--json", "--pin", &good.pin.to_string(), "stat", &target("a"), &target("b")]);
    let output = command.env("SEALIFT_PASSWORD", "canary").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(10), "{stderr}");
    assert!(stderr.contains(r#""error":"pin-mismatch""#) && stderr.contains(&other.pin.to_string()), "{stderr}");
    let seen = server.end();
    assert!(seen[0].shook_hands && seen[0].lines.contains(&"STAT d".to_owned()), "{seen:?}");
    assert!(!seen[1].shook_hands && seen[1].lines.is_empty(), "{seen:?}");
}

/// A certificate is public: showing it proves nothing without its key.
#[test]
fn copied_certificate() {
    let (good, other) = (Keys::new(), Keys::new());
    let server = Impostor::start(vec![config(&good, &other, tickets()), config(&good, &other, tickets())]);
    let place = Place::new();
    let target = format!("alice@127.0.0.1:{}/d", server.port);
    let pin = good.pin.to_string();
    for options in [&["--pin", &pin][..], &["--trust", "accept-new"]] {
        let mut command = place.command(&[options, &["stat", &target]].concat());
        let output = command.env("SEALIFT_PASSWORD", "canary").output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{stderr}");
        assert!(stderr.contains("does not hold the key"), "{stderr}");
    }
    assert!(!place.path().join("config/known_servers").exists());
    let seen = server.end();
    assert!(seen.iter().all(|seen| !seen.shook_hands && seen.lines.is_empty()), "{seen:?}");
}

/// A server of TLS that is none of ours says nothing against our protocol unless it knows such things at all.
#[test]
fn no_sealift_server() {
    let keys = Keys::new();
    let pin = keys.pin.to_string();
    // Its choice is read with every cipher: the right one is taken, none is not, another one is an alert.
    for suite in rustls::ALL_CIPHER_SUITES.iter().copied().filter(|suite| suite.version() == &rustls::version::TLS13) {
        for (alpns, is_ours) in [(&["sealift/1"][..], true), (&[], false), (&["h2", "http/1.1"], false)] {
            for options in [&["--trust", "accept-new"][..], &["--pin", &pin]] {
                let place = Place::new();
                let server = Impostor::start(vec![config_for(&keys, suite, alpns)]);
                let target = format!("alice@127.0.0.1:{}/d", server.port);
                let mut command = place.command(&[options, &["stat", &target]].concat());
                let output = command.env("SEALIFT_PASSWORD", "canary").output().unwrap();
                let stderr = String::from_utf8_lossy(&output.stderr);
                let seen = server.end();
                if is_ours {
                    assert_eq!(output.status.code(), Some(0), "{suite:?}: {stderr}");
                    continue;
                }
                assert_eq!(output.status.code(), Some(7), "{suite:?} {alpns:?}: {stderr}");
                let said = stderr.contains("speaks TLS, but is no Sealift server") && stderr.contains("127.0.0.1:");
                assert!(said, "{stderr}");
                assert!(!place.path().join("config/known_servers").exists());
                assert!(seen.iter().all(|seen| seen.lines.is_empty()), "{seen:?}");
            }
        }
    }
}

/// Whoever answers in the plain is named, with the address that was typed.
#[test]
fn a_server_without_tls_is_named() {
    for (answer, name) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server"),
        ("<!DOCTYPE HTML>\n<html>", "an HTTP server"),
        ("SSH-2.0-OpenSSH_9.8\r\n", "an SSH server"),
        ("220 mail.example ESMTP\r\n", "an FTP or mail server"),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let speaker = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.read_exact(&mut [0; 5]).unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
            let _ = std::io::copy(&mut socket, &mut std::io::sink());
        });
        let place = Place::new();
        let ran = place.run(&["--trust", "accept-new", "ls", &address.to_string()]);
        ran.failed(7);
        assert!(ran.stderr.contains(&format!("{address}: {name} answers, without TLS")), "{ran:?}");
        speaker.join().unwrap();
    }
}
