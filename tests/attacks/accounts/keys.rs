//! Logging in with keys: signatures passed on, sent again, guessed; and keys that go.

use std::time::{Duration, SystemTime};

use async_std::task::{block_on, spawn};
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use sealift::client::keys::LoginKey;
use sealift::client::{ConnectOptions, Endpoint, Verification};
use sealift::keys::{Proof, Purpose, Statement};
use sealift::proto::LineDecoder;
use sealift::tls::{Acceptor, Identity, Pin};
use sealift::{Client, Kind};

use crate::common::{Answer, Daemon, RawClient, World, eventually, upload_bytes};

/// A user with this key, bounded by what follows it in its table.
fn with_key(key: &LoginKey, bounds: &str) -> String {
    let line = key.public().to_openssh("alice@laptop");
    format!("[users.alice]\nkeys = [{{ key = \"{line}\"{bounds} }}]\n")
}

/// A server that knows the key, and the key.
fn scene() -> (World, Daemon, LoginKey) {
    let (world, key) = (World::of(&[]), LoginKey::generate("").unwrap());
    std::fs::create_dir(world.home("alice")).unwrap();
    world.set_users(&with_key(&key, ""));
    let daemon = world.start();
    (world, daemon, key)
}

/// A connection that the greeting has not been read of, and the nonce in it.
fn greeted(daemon: &Daemon) -> (RawClient, String) {
    let mut client = RawClient::silent(daemon.port());
    let (digits, _, fields) = client.reply();
    assert_eq!(digits, 220);
    (client, fields["nonce"].clone())
}

fn pin(daemon: &Daemon) -> Pin {
    daemon.pin().parse().unwrap()
}

fn line(user: &str, proof: &Proof) -> String {
    format!("KEY {user} {}", proof.to_text())
}

fn sign(key: &LoginKey, user: &str, nonce: &str, pin: Pin) -> Proof {
    key.sign(&Statement { purpose: Purpose::Login, nonce: nonce.parse().unwrap(), user, pin }).unwrap()
}

fn enter(daemon: &Daemon, key: &LoginKey) -> RawClient {
    let (mut client, nonce) = greeted(daemon);
    assert_eq!(client.ask(line("alice", &sign(key, "alice", &nonce, pin(daemon)))).1, "welcome");
    client
}

/// The answer without what differs in every one of them.
fn without_nonce((digits, word, mut fields): Answer) -> Answer {
    assert_eq!(fields.remove("nonce").unwrap().len(), 64);
    (digits, word, fields)
}

/// A rogue server that somebody trusts greets with the nonce of another one, and passes on what it gets: the victim's
/// signature says whose key it saw, so it opens nothing there.
#[test]
fn relayed_signature() {
    let (_world, daemon, key) = scene();
    let rogue = Identity::generate(&["localhost".to_owned()]).unwrap();
    let (rogue_pin, acceptor) = (rogue.pin(), Acceptor::new(&rogue).unwrap());
    let (mut relayed, nonce) = greeted(&daemon);
    let passed = block_on(async {
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let greeting = format!("220 ready proto=1 features=keys nonce={nonce} :hello\r\n");
        let serving = spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let (mut stream, _) = acceptor.accept(socket).await.unwrap();
            stream.write_all(greeting.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let (mut lines, mut bytes) = (LineDecoder::new(8192), [0; 8192]);
            let n = stream.read(&mut bytes).await.unwrap();
            let got = lines.next(&mut &bytes[..n]).unwrap().unwrap().to_vec();
            stream.write_all(b"530 login-failed :no\r\n").await.unwrap();
            stream.close().await;
            got
        });
        let options = ConnectOptions::new(Verification::Pins(vec![rogue_pin]));
        let mut victim = Client::connect(&Endpoint::new("127.0.0.1", port), options).await.unwrap();
        let refused = victim.login_with_keys("alice", std::slice::from_ref(&key)).await;
        assert_eq!(refused.unwrap_err().kind(), Kind::LoginFailed);
        serving.await
    });
    assert!(passed.starts_with(b"KEY alice "), "{}", String::from_utf8_lossy(&passed));
    assert_eq!(relayed.ask(&passed).1, "login-failed");

    // All but the pin was right: with the pin of the server that is logged in to, the same way leads in.
    let (mut relayed, nonce) = greeted(&daemon);
    assert_eq!(relayed.ask(line("alice", &sign(&key, "alice", &nonce, rogue_pin))).1, "login-failed");
    let (mut direct, nonce) = greeted(&daemon);
    assert_eq!(direct.ask(line("alice", &sign(&key, "alice", &nonce, pin(&daemon)))).1, "welcome");
}

/// A nonce serves one attempt over one connection.
#[test]
fn replayed_signature() {
    let (_world, daemon, key) = scene();
    let (mut first, nonce) = greeted(&daemon);
    let good = line("alice", &sign(&key, "alice", &nonce, pin(&daemon)));
    // Another attempt has used the nonce up.
    let stranger = LoginKey::generate("").unwrap();
    let (_, word, fields) = first.ask(line("alice", &sign(&stranger, "alice", &nonce, pin(&daemon))));
    assert_eq!(word, "login-failed");
    assert_ne!(fields["nonce"], nonce);
    let (_, word, fields) = first.ask(&good);
    assert_eq!(word, "login-failed", "the same connection, a second attempt");
    let fresh = line("alice", &sign(&key, "alice", &fields["nonce"], pin(&daemon)));
    assert_eq!(first.ask(&fresh).1, "welcome", "the nonce of the refusal");
    assert_eq!(first.ask(&fresh).1, "bad-sequence");
    for heard in [&good, &fresh] {
        let (mut second, _) = greeted(&daemon);
        assert_eq!(second.ask(heard).1, "login-failed", "another connection");
    }
}

/// What one server heard opens no other one, though both have the same users and even the same key of their own: each has given
/// a number of its own.
#[test]
fn replayed_at_a_second_server() {
    let (world, daemon, key) = scene();
    let twin = World::of(&[]);
    twin.set_users(&with_key(&key, ""));
    std::fs::create_dir(twin.home("alice")).unwrap();
    std::fs::create_dir(twin.place().join("certs")).unwrap();
    let all = std::fs::read_dir(world.place().join("certs")).unwrap().map(Result::unwrap);
    for entry in all.filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), twin.place().join("certs").join(entry.file_name())).unwrap();
    }
    let second = twin.start();
    assert_eq!(pin(&second), pin(&daemon));
    let (mut first, nonce) = greeted(&daemon);
    let heard = line("alice", &sign(&key, "alice", &nonce, pin(&daemon)));
    // Before it was used at the first one, and after.
    for _ in 0..2 {
        let (mut there, _) = greeted(&second);
        assert_eq!(there.ask(&heard).1, "login-failed");
        let _used = first.ask(&heard);
    }
    let (mut there, nonce) = greeted(&second);
    assert_eq!(
        there.ask(line("alice", &sign(&key, "alice", &nonce, pin(&second)))).1,
        "welcome",
        "the key itself does"
    );
}

/// CVE-2018-15473 for keys: an unknown user, an unknown key, a wrong signature, a key that has expired or comes from
/// elsewhere get the very same answer; so does a user with a password and no keys.
#[test]
fn key_enumeration() {
    let (world, daemon, key) = scene();
    let (stranger, expired, far) =
        (LoginKey::generate("").unwrap(), LoginKey::generate("").unwrap(), LoginKey::generate("").unwrap());
    let other = |key: &LoginKey, name: &str, bounds: &str| with_key(key, bounds).replace("alice", name);
    world.set_users(&format!(
        "{}{}{}{}",
        with_key(&key, ""),
        other(&expired, "eve", ", expires = 2020-01-31"),
        other(&far, "fay", ", from = [\"192.0.2.0/24\"]"),
        crate::common::section("bob", "\"full\"", "bob"),
    ));
    let ask = |user: &str, signer: &LoginKey, signed_user: &str| {
        let (mut client, nonce) = greeted(&daemon);
        let answer = without_nonce(client.ask(line(user, &sign(signer, signed_user, &nonce, pin(&daemon)))));
        assert_eq!(client.ask("PING").1, "login-required", "the connection goes on");
        answer
    };
    let unknown_user = ask("nobody", &key, "nobody");
    assert_eq!((unknown_user.0, unknown_user.1.as_str()), (530, "login-failed"));
    for (user, signer, signed_user) in [
        ("alice", &stranger, "alice"),
        ("alice", &key, "bob"),
        ("bob", &key, "bob"),
        ("eve", &expired, "eve"),
        ("fay", &far, "fay"),
        ("anonymous", &key, "anonymous"),
    ] {
        assert_eq!(ask(user, signer, signed_user), unknown_user, "{user}");
    }
    drop(enter(&daemon, &key));
}

/// A password for somebody who has none, over and over; and keys beyond the bounds.
#[test]
fn guesses_at_who_has_keys_alone() {
    let (_world, daemon, key) = scene();
    let mut client = RawClient::connect(&daemon);
    for _ in 0..3 {
        assert_eq!(client.try_login("alice", "guess").1, "login-failed");
    }
    assert!(client.rest().is_empty(), "three failures end it");
    let (mut client, nonce) = greeted(&daemon);
    let proof = sign(&key, "alice", &nonce, pin(&daemon)).to_text();
    let many = [proof.as_str(); sealift::limits::KEY_PROOFS_MAX + 1].join(",");
    assert_eq!(client.ask(format!("KEY alice {many}")).1, "bad-command");
    let enough = [proof.as_str(); sealift::limits::KEY_PROOFS_MAX].join(",");
    assert_eq!(client.ask(format!("KEY alice {enough}")).1, "welcome", "what was refused has used nothing up");
    let (mut client, _) = greeted(&daemon);
    for at in 0..3 {
        assert_eq!(client.ask(format!("KEY alice {proof}")).1, "login-failed", "{at}");
    }
    assert!(client.rest().is_empty(), "three failures end it");
}

/// A key that is taken away, or expires, ends its sessions within a second; one that is bounded further bounds them.
#[test]
fn sessions_of_a_key_end_with_it() {
    let (world, daemon, key) = scene();
    let mut idles = enter(&daemon, &key);
    let mut asks = enter(&daemon, &key);
    let token = asks.ask("TOKEN").2["tokens"].clone();
    let mut joined = RawClient::connect(&daemon);
    assert_eq!(joined.ask(format!("JOIN {token}")).1, "welcome");
    let token = asks.ask("TOKEN").2["tokens"].clone();

    world.set_users(&with_key(&key, ", access = \"read\", name = \"renamed\""));
    asks.send(upload_bytes("late", b"too late"));
    assert_eq!(asks.reply().1, "denied");
    assert_eq!(joined.upload("late", b"too late").1, "denied", "those that joined it too");
    assert_eq!(idles.ask("PING").1, "pong");

    let other = LoginKey::generate("").unwrap();
    world.set_users(&with_key(&other, ""));
    for client in [&mut idles, &mut asks, &mut joined] {
        let (digits, word, _) = client.reply();
        assert_eq!((digits, word.as_str()), (421, "revoked"));
        assert!(client.rest().is_empty());
    }
    let mut late = RawClient::connect(&daemon);
    assert_eq!(late.ask(format!("JOIN {token}")).1, "login-failed");

    // The file stays as it is; the time comes. On a machine that has much to do it may have come before anybody has asked.
    let ended_by_time = [3, 6, 12, 24].into_iter().any(|seconds| {
        world.set_users(&with_key(&key, ""));
        let mut short = enter(&daemon, &key);
        let end = humantime::format_rfc3339_seconds(SystemTime::now() + Duration::from_secs(seconds)).to_string();
        world.set_users(&with_key(&key, &format!(", expires = {end}")));
        let is_over = || SystemTime::now() >= humantime::parse_rfc3339(&end).unwrap();
        let goes_on = short.ask("PING").1;
        if goes_on != "pong" {
            assert!(is_over(), "{goes_on}");
            return false;
        }
        let (digits, word, _) = short.reply();
        assert_eq!((digits, word.as_str()), (421, "revoked"));
        assert!(is_over());
        true
    });
    assert!(ended_by_time, "no moment was late enough");
    let (mut client, nonce) = greeted(&daemon);
    assert_eq!(client.ask(line("alice", &sign(&key, "alice", &nonce, pin(&daemon)))).1, "login-failed");
    assert!(!world.home("alice").join("late").exists());
    eventually("the log names the key", || daemon.log().contains("key=\"alice@laptop\""));
}
