//! TLS 1.2: for HTTP alone, and only where it is asked for.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::common::web::{Got, curl_output};
use crate::common::{Daemon, PASSWORD, World};

/// What `openssl s_client` says of a connection with these options, on which it asks for a file if it comes about.
fn dial(daemon: &Daemon, args: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{}", daemon.port()), "-ign_eof"]).args(args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("openssl is installed");
    let mut input = child.stdin.take().unwrap();
    // Refused, it may be gone already.
    let _ = input.write_all(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    drop(input);
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn world() -> World {
    let world = World::of(&["alice"]);
    fs::write(world.home("public").join("file"), "hello, old one").unwrap();
    world
}

#[test]
fn an_older_client_is_served_http_where_that_is_asked_for_and_never_sealift() {
    let world = world();
    let daemon = world.daemon().arg("--web-tls12").start();
    for cipher in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        for alpn in [&["-alpn", "http/1.1"][..], &[]] {
            let said = dial(&daemon, &[&["-tls1_2", "-cipher", cipher], alpn].concat());
            assert!(said.contains("hello, old one") && said.contains(&format!("Cipher is {cipher}")), "{said}");
            assert!(said.contains("TLSv1.2") && !said.contains("Compression: zlib"), "{said}");
            assert!(said.contains("Secure Renegotiation IS supported"), "{said}");
        }
    }
    // What an old recording could be read by, or be changed in, later.
    for cipher in [
        "AES128-SHA",
        "AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "DHE-RSA-AES128-GCM-SHA256",
    ] {
        let said = dial(&daemon, &["-tls1_2", "-cipher", &format!("{cipher}:@SECLEVEL=0")]);
        assert!(said.contains("alert handshake failure") && !said.contains("hello"), "{cipher}: {said}");
    }
    for old in ["-tls1", "-tls1_1"] {
        let said = dial(&daemon, &[old, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(said.contains("Cipher is (NONE)") && !said.contains("hello"), "{old}: {said}");
    }
    // Sealift's own protocol is refused in it, whatever else is offered beside it.
    for alpn in ["sealift/1", "sealift/1,http/1.1", "http/1.1,sealift/1"] {
        let said = dial(&daemon, &["-tls1_2", "-alpn", alpn]);
        assert!(said.contains("alert protocol version") && !said.contains("hello"), "{alpn}: {said}");
    }
    // Nothing is taken up again from an earlier connection.
    let said = dial(&daemon, &["-tls1_2", "-reconnect"]);
    assert!(!said.contains("Reused, TLSv1.2"), "{said}");
    // Whoever can speaks TLS 1.3 as ever, and programs that cannot are served in full.
    let said = dial(&daemon, &["-alpn", "http/1.1"]);
    assert!(said.contains("TLSv1.3") && said.contains("hello, old one"), "{said}");
    let old = ["--tls-max", "1.2", "-u", &format!("alice:{PASSWORD}")];
    let put = curl_output(&daemon, &[&old[..], &["-T", "/etc/hostname"]].concat(), "/~alice/stored");
    assert_eq!(Got::parse(&put.stdout).status, 201);
    for version in ["--http1.1", "--http2"] {
        let got = Got::parse(&curl_output(&daemon, &[&old[..], &[version]].concat(), "/~alice/stored").stdout);
        assert_eq!((got.status, got.body), (200, fs::read("/etc/hostname").unwrap()));
    }
    let mut client = crate::common::enter(&daemon, "alice");
    assert_eq!(client.ask("STAT stored").0, 213);
}

#[test]
fn an_older_client_is_refused_where_nobody_has_asked_for_it() {
    let world = world();
    let daemon = world.start();
    for alpn in [&["-alpn", "http/1.1"][..], &["-alpn", "h2,http/1.1"], &[]] {
        let said = dial(&daemon, &[&["-tls1_2"], alpn].concat());
        assert!(said.contains("alert protocol version") && !said.contains("hello"), "{said}");
    }
    assert_eq!(curl_output(&daemon, &["--tls-max", "1.2"], "/file").status.code(), Some(35));
}
