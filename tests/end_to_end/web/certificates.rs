//! The certificate that browsers are shown.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::common::web::curl;
use crate::common::{Daemon, World, eventually};

/// A certificate for `web.example` that vouches for itself, where a server looks for one.
fn certify(daemon_place: &Path, days: &str) {
    let web = daemon_place.join("certs/web");
    fs::create_dir_all(&web).unwrap();
    certify_in(&web, daemon_place, days);
}

fn certify_in(web: &Path, daemon_place: &Path, days: &str) {
    certify_for("DNS:web.example", web, daemon_place, days);
}

fn certify_for(names: &str, web: &Path, daemon_place: &Path, days: &str) {
    let new = daemon_place.join("new");
    fs::create_dir_all(&new).unwrap();
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days]);
    command.args(["-subj", "/CN=web.example", "-addext", &format!("subjectAltName={names}")]);
    command.args(["-keyout", "privkey.pem", "-out", "fullchain.pem"]).current_dir(&new);
    let made = command.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for file in ["privkey.pem", "fullchain.pem"] {
        fs::set_permissions(new.join(file), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(new.join(file), web.join(file)).unwrap();
    }
}

/// What comes of a visit by somebody who trusts these certificates alone.
fn trusting(daemon: &Daemon, bundle: &Path, name: &str) -> Output {
    let port = daemon.port();
    let mut command = Command::new("curl");
    command.args(["--silent", "--disable", "--max-time", "60", "--cacert", bundle.to_str().unwrap()]);
    command.args(["--resolve", &format!("{name}:{port}:127.0.0.1"), &format!("https://{name}:{port}/file")]);
    command.output().unwrap()
}

fn sealiftd(place: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sealiftd")).args(args).current_dir(place).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn browsers_are_shown_the_certificate_of_an_authority_and_sealift_the_pinned_one() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    certify(world.place(), "30");
    let daemon = world.start();
    let port = daemon.port();
    let trusting = |bundle: &Path, name: &str| trusting(&daemon, bundle, name);
    let bundle = world.place().join("certs/web/fullchain.pem");
    let first = world.place().join("first.pem");
    fs::copy(&bundle, &first).unwrap();
    assert_eq!(trusting(&first, "web.example").stdout, b"hello");
    assert_eq!(trusting(&first, "other.example").status.code(), Some(60), "it is for its own names alone");
    // Who asks for no name, or speaks sealift/1, is shown the pinned key.
    assert_eq!(curl(&daemon, &[], "/file").text(), "hello");
    async_std::task::block_on(async {
        use sealift::tls::{Connector, Trust};
        let socket = async_std::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let pinned = Trust::Pins(vec![daemon.pin().parse().unwrap()]);
        Connector::new(pinned).unwrap().connect(socket, "web.example").await.unwrap();
    });
    // A new pair counts without a restart; one that does not belong together does not.
    certify(world.place(), "60");
    let second = world.place().join("second.pem");
    fs::copy(&bundle, &second).unwrap();
    eventually("the new one is shown", || trusting(&second, "web.example").stdout == b"hello");
    assert_eq!(trusting(&first, "web.example").status.code(), Some(60));
    fs::copy(&first, &bundle).unwrap();
    eventually("the log says that it cannot be used", || {
        daemon.log().contains("certificate for browsers cannot be used")
    });
    assert_eq!(trusting(&second, "web.example").stdout, b"hello", "the old one stays");
}

#[test]
fn one_may_come_after_the_start_and_is_read_again_when_the_server_is_told_to() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    let daemon = world.start();
    let hints = daemon.hints();
    assert!(hints.contains("it will warn that it does not know who this is: the certificate is self-made"), "{hints}");
    certify(world.place(), "30");
    let bundle = world.place().join("certs/web/fullchain.pem");
    eventually("it is shown without a restart", || trusting(&daemon, &bundle, "web.example").stdout == b"hello");
    let (code, shown) = sealiftd(world.place(), &["cert"]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.starts_with("pin          sha256//") && shown.contains(" days left)"), "{shown}");
    let web = shown.split_once("\nFor browsers:\n").unwrap_or_else(|| panic!("{shown}")).1;
    assert!(web.starts_with("names        web.example\n") && web.contains("(29 days left)"), "{web}");
    // What is read on SIGHUP is told, also where nothing has changed.
    let told = || daemon.log().matches("certificate for browsers").count();
    let before = told();
    daemon.signal(Signal::HUP);
    eventually("it is told", || told() >= before + 2);
    assert!(!daemon.log().contains("cannot be used"), "{}", daemon.log());
}

#[test]
fn it_may_be_anywhere_and_a_missing_one_is_told() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    let elsewhere = world.place().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let daemon = world.daemon().args(["--web-cert", elsewhere.to_str().unwrap()]).start();
    eventually("it is said that there is none", || daemon.log().contains("certificate for browsers cannot be used"));
    certify_in(&elsewhere, world.place(), "30");
    let bundle = elsewhere.join("fullchain.pem");
    eventually("it is shown once it is there", || trusting(&daemon, &bundle, "web.example").stdout == b"hello");
    drop(daemon);
    let files = format!("{},{}", bundle.display(), elsewhere.join("privkey.pem").display());
    let daemon = world.daemon().args(["--web-cert", &files]).start();
    assert_eq!(trusting(&daemon, &bundle, "web.example").stdout, b"hello");
    let address = format!("  or open https://web.example:{}/ in a browser\n", daemon.port());
    let hints = daemon.hints();
    assert!(hints.contains(&address) && !hints.contains("it will warn"), "{hints}");
}

#[test]
fn whoever_comes_by_address_is_shown_one_that_is_made_out_to_addresses() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    let web = world.place().join("certs/web");
    fs::create_dir_all(&web).unwrap();
    certify_for("DNS:web.example,IP:127.0.0.1", &web, world.place(), "30");
    let daemon = world.start();
    let bundle = web.join("fullchain.pem");
    let by_address = |args: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--disable", "--max-time", "60", "--cacert", bundle.to_str().unwrap()]);
        command.args(args).arg(format!("https://127.0.0.1:{}/file", daemon.port())).output().unwrap()
    };
    // Whatever HTTP is offered, and where none is.
    for args in [&["--http1.1"][..], &["--http2"], &["--no-alpn"]] {
        assert_eq!(by_address(args).stdout, b"hello", "{args:?}");
    }
    assert_eq!(trusting(&daemon, &bundle, "web.example").stdout, b"hello");
    // The pin of sealift/1 stays what it is.
    async_std::task::block_on(async {
        use sealift::tls::{Connector, Trust};
        let socket = async_std::net::TcpStream::connect(("127.0.0.1", daemon.port())).await.unwrap();
        let pinned = Trust::Pins(vec![daemon.pin().parse().unwrap()]);
        Connector::new(pinned).unwrap().connect(socket, "127.0.0.1").await.unwrap();
    });
}

#[test]
fn one_that_is_taken_away_is_shown_no_more() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    certify(world.place(), "30");
    let daemon = world.start();
    let web = world.place().join("certs/web");
    let copy = world.place().join("copy.pem");
    fs::copy(web.join("fullchain.pem"), &copy).unwrap();
    assert_eq!(trusting(&daemon, &copy, "web.example").stdout, b"hello");
    // One of two is a mistake, for which nobody is turned away.
    fs::rename(web.join("privkey.pem"), world.place().join("privkey.pem")).unwrap();
    eventually("it is told", || daemon.log().contains("certificate for browsers cannot be used"));
    assert_eq!(trusting(&daemon, &copy, "web.example").stdout, b"hello");
    fs::remove_file(web.join("fullchain.pem")).unwrap();
    eventually("it is told", || daemon.log().contains("the certificate for browsers was removed"));
    assert_eq!(trusting(&daemon, &copy, "web.example").status.code(), Some(60));
    assert_eq!(curl(&daemon, &[], "/file").text(), "hello", "whoever knows the pin goes on");
    // And comes back.
    fs::rename(world.place().join("privkey.pem"), web.join("privkey.pem")).unwrap();
    fs::copy(&copy, web.join("fullchain.pem")).unwrap();
    eventually("it is shown again", || trusting(&daemon, &copy, "web.example").stdout == b"hello");
}

/// A pair for `web.example` whose time is over then.
fn ends(web: &Path, not_after: time::OffsetDateTime) {
    fs::create_dir_all(web).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2020, 1, 1), not_after);
    let key = rcgen::KeyPair::generate().unwrap();
    for (file, text) in
        [("privkey.pem", key.serialize_pem()), ("fullchain.pem", params.self_signed(&key).unwrap().pem())]
    {
        fs::write(web.join(file), text).unwrap();
        fs::set_permissions(web.join(file), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
}

#[test]
fn one_whose_time_ends_while_the_server_runs_is_told_of_before_and_then() {
    let world = World::of(&[]);
    fs::write(world.home("public").join("file"), "hello").unwrap();
    let web = world.place().join("certs/web");
    ends(&web, time::OffsetDateTime::now_utc() + time::Duration::seconds(6));
    let daemon = world.start();
    eventually("it is said before", || daemon.log().contains("the certificate for browsers expires soon"));
    eventually("it is said then", || daemon.log().contains("the certificate for browsers has expired: "));
    let (_, shown) = sealiftd(world.place(), &["cert"]);
    assert!(
        shown.contains(" (over)\n") && shown.contains("\nwarning      it has expired: browsers refuse it"),
        "{shown}"
    );
    // Told anew when the server is told to read it, and not with every look.
    daemon.signal(Signal::HUP);
    let told = || daemon.log().matches("the certificate for browsers has expired: ").count();
    eventually("it is said again", || told() == 2);
    // A new one is shown, and nothing is said of it but that it is there.
    certify(world.place(), "30");
    let bundle = web.join("fullchain.pem");
    eventually("the new one is shown", || trusting(&daemon, &bundle, "web.example").stdout == b"hello");
    assert_eq!(told(), 2);
    let (_, shown) = sealiftd(world.place(), &["cert"]);
    assert!(!shown.contains("warning"), "{shown}");
}

#[test]
fn a_check_says_to_whom_one_is_shown_and_ends_with_what_is_to_be_run() {
    let world = World::of(&[]);
    let web = world.place().join("certs/web");
    fs::create_dir_all(&web).unwrap();
    certify_for("IP:192.0.2.7", &web, world.place(), "30");
    let (_, text) = sealiftd(world.place(), &["check"]);
    let shown =
        "note: certs/web/fullchain.pem: it is made out to no host name, and shown only to those who connect by address";
    assert!(text.contains(shown), "{text}");
    fs::set_permissions(web.join("privkey.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (_, text) = sealiftd(world.place(), &["check"]);
    let line = text.lines().find(|line| line.contains("privkey.pem: other users")).unwrap();
    assert!(line.ends_with("; run: chmod 600 'certs/web/privkey.pem'"), "{line}");
}

#[test]
fn a_check_finds_one_that_browsers_will_refuse() {
    let world = World::of(&[]);
    world.start();
    let web = world.place().join("certs/web");
    let found = |expected: &str| {
        let (code, text) = sealiftd(world.place(), &["check"]);
        assert!(text.contains(expected), "{expected}: {code:?} {text}");
    };
    certify(world.place(), "30");
    let (_, good) = sealiftd(world.place(), &["check"]);
    assert!(!good.contains("certs/web") && !good.contains("for browsers"), "a good one is nothing to tell of: {good}");
    let other = fs::read(web.join("privkey.pem")).unwrap();
    certify(world.place(), "3");
    found("certs/web/fullchain.pem: ends on ");
    ends(&web, rcgen::date_time_ymd(2021, 1, 1));
    found("certs/web/fullchain.pem: ended on 2021-01-01");
    certify(world.place(), "30");
    fs::write(web.join("privkey.pem"), other).unwrap();
    found("warning: the certificate for browsers cannot be used: ");
    fs::remove_file(web.join("privkey.pem")).unwrap();
    found("certs/web/privkey.pem");
}
