//! `health`: whether a server serves, for programs that watch it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::eventually;
use crate::common::program::World;

#[test]
fn a_server_that_serves_says_who_it_is_and_when_its_certificate_ends_without_a_login() {
    let world = World::with(|server| server.args(["--audit", "audit/audit.jsonl", "--penalise-loopback"])).trusted();
    let said = world.run(["health", &world.public("")]).code(0);
    let lines: Vec<&str> = said.stdout().lines().collect();
    assert!(
        lines[0].contains(" serves: it answered in ") && lines[0].ends_with(&format!("(pid {})", world.server.pid())),
        "{lines:?}"
    );
    assert!(lines[1].contains(world.server.pin()) && lines[2].contains("certificate: ends 20"), "{lines:?}");
    // More often than a penalty would bear: nobody who only asks is taken for one who knocks.
    for _ in 0..40 {
        let json = world.run(["--json", "health", &world.public("")]).code(0);
        let json: Value = serde_json::from_str(json.stdout().lines().next().unwrap()).unwrap();
        assert_eq!(
            (&json["event"], &json["status"], &json["pid"]),
            (&"health".into(), &"ok".into(), &world.server.pid().into())
        );
        assert!(json["certificate_days"].as_i64().unwrap() > 100, "{json}");
    }
    eventually("all of them have gone", || world.server.log().matches("disconnected").count() >= 41);
    let log = world.server.log();
    assert!(!log.contains("logged in") && !log.contains("penalised"), "{log}");
    let audit = fs::read_to_string(world.server.place().join("audit/audit.jsonl")).unwrap();
    assert!(!audit.contains("login") && !audit.contains("refused"), "{audit}");
}

#[test]
fn what_is_wrong_is_the_exit_code() {
    let world = World::new();
    world.run(["health", &world.public("")]).code(7).said("not known");
    let pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    world.run(["--pin", pin, "health", &world.public("")]).code(7);
    let world = world.trusted();
    let soon = world.run(["--json", "health", "--min-days", "100000", &world.public("")]).code(1);
    assert!(soon.stdout().contains("\"status\":\"expiring\""), "{}", soon.stdout());
    world.run(["health", "--min-days", "100000", &world.public("")]).code(1).said("cert renew");
    // The one for browsers comes from elsewhere, and is made anew there.
    let web = world.server.place().join("certs/web");
    fs::create_dir_all(&web).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=web.example", "-addext", "subjectAltName=DNS:web.example"]);
    openssl.args(["-keyout", "privkey.pem", "-out", "fullchain.pem"]).current_dir(&web);
    assert!(openssl.output().unwrap().status.success());
    fs::set_permissions(web.join("privkey.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let ask = || world.run(["health", "--min-days", "60", &world.public("")]);
    eventually("the certificate for browsers is in use", || ask().code != Some(0));
    let said = ask().code(1).said("The certificate for browsers ends soon");
    assert!(!said.stderr.contains("cert renew"), "{said:?}");
    let said = world.run(["health", "--min-days", "100000", &world.public("")]).code(1).said("for browsers");
    assert!(said.stderr.contains("cert renew"), "{said:?}");
    // One that accepts and says nothing, and one that is not there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    world.trust(&address);
    let accepting = thread::spawn(move || silent.accept());
    world.run(["--timeout", "1s", "health", &address]).code(6);
    drop(accepting.join());
    world.run(["health", &address]).code(6);
}

#[test]
fn a_server_that_stops_does_not_serve() {
    let world = World::with(|server| server.args(["--grace", "60s"])).trusted();
    let held = crate::common::half_an_upload(
        crate::common::RawClient::logged_in(
            &world.server,
            "alice",
            &crate::common::program::PASSWORD.replace(' ', "%20"),
        ),
        "held",
        &[1; 1000],
        &world.remote("alice", ""),
    );
    world.server.signal(Signal::TERM);
    eventually("it accepts nobody", || world.server.log().contains("no longer listening"));
    world.run(["health", &world.public("")]).code(6);
    drop(held);
}
