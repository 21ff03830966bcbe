//! What is withdrawn, or counted, while a server that was replaced still sends: the next one alone writes it down.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;

use sealift::client::keys::LoginKey;
use sealift::keys::{Purpose, Statement};

use crate::common::web::{RawWeb, curl};
use crate::common::{Daemon, PASSWORD, RawClient, World, enter, eventually};
use crate::supervised::{LARGE, begin_download, end_download, is_there, replace, server_of, supervised};
use crate::supervised_beside::begin_get;

/// So much that nobody fetches all of it while something is withdrawn.
const HUGE: u64 = 64 << 30;

/// The path by which a link of alice's to her large file gives it.
fn link_to_large(daemon: &Daemon, arguments: &str) -> String {
    let (_, word, fields) = enter(daemon, "alice").ask(format!("LINK large {arguments}"));
    assert_eq!(word, "linked");
    format!("/.sealift-web/l/{}/large", fields["secret"])
}

fn sign(daemon: &Daemon, key: &LoginKey, purpose: Purpose, nonce: &str) -> String {
    let pin = daemon.pin().parse().unwrap();
    key.sign(&Statement { purpose, nonce: nonce.parse().unwrap(), user: "alice", pin }).unwrap().to_text()
}

/// A download of somebody who has logged in as alice with a key that she enrolled.
fn begin_download_by(daemon: &Daemon, key: &LoginKey) -> RawClient {
    let mut alice = enter(daemon, "alice");
    let nonce = alice.ask("NONCE").2["nonce"].clone();
    let own = sign(daemon, key, Purpose::Enrolled, &nonce);
    assert_eq!(alice.ask(format!("ENROL laptop {own} present={PASSWORD}")).1, "enrolled");
    let mut client = RawClient::silent(daemon.port());
    let nonce = client.reply().2["nonce"].clone();
    assert_eq!(client.ask(format!("KEY alice {}", sign(daemon, key, Purpose::Login, &nonce))).1, "welcome");
    assert_eq!(client.ask("DOWNLOAD large").0, 150);
    client
}

#[test]
fn what_is_withdrawn_at_the_next_server_ends_at_the_one_that_still_sends() {
    let world = World::of(&["alice", "bob"]);
    let daemon = supervised(world.daemon().args(["--grace", "1h"]));
    fs::File::create(daemon.data().join("alice/large")).unwrap().set_len(HUGE).unwrap();
    let path = link_to_large(&daemon, "name=mine");
    fs::write(daemon.data().join("bob/large"), vec![b'x'; LARGE]).unwrap();
    let key = LoginKey::generate("").unwrap();
    let mut first = Vec::new();
    let mut replaced = |daemon: &Daemon| {
        first.push(server_of(daemon));
        replace(daemon);
    };
    // Each at a server of its own, whose end says that nothing is sent there any more.
    let mut by_link = begin_get(&daemon, &path, "");
    replaced(&daemon);
    let mut by_key = begin_download_by(&daemon, &key);
    replaced(&daemon);
    let mut of_bob = enter(&daemon, "bob");
    assert_eq!(of_bob.ask("DOWNLOAD large").0, 150);
    let mut by_password = begin_download(&daemon);
    replaced(&daemon);
    let [of_link, of_key, of_password] = first[..] else { panic!("{first:?}") };

    let mut alice = enter(&daemon, "alice");
    assert_eq!(alice.ask("UNLINK mine").1, "removed");
    assert!(by_link.drain() < HUGE);
    eventually("the link's download has ended", || !is_there(of_link));
    assert!(is_there(of_key) && is_there(of_password));
    assert_eq!(alice.ask(format!("REVOKE {} present={PASSWORD}", key.public().fingerprint())).1, "removed");
    assert!(by_key.drain() < HUGE);
    eventually("the key's download has ended", || !is_there(of_key));
    assert!(is_there(of_password));
    assert_eq!(alice.ask(format!("PASSWD another-of-mine present={PASSWORD}")).1, "changed");
    assert!(by_password.drain() < HUGE);
    assert!(is_there(of_password), "it sends to another one yet");
    end_download(of_bob);
    eventually("the last one has ended", || !is_there(of_password));
}

#[test]
fn counted_downloads_that_are_broken_off_have_their_places_back_at_the_next_server_and_later() {
    let world = World::of(&["alice"]);
    let daemon = supervised(world.daemon().args(["--grace", "1s"]));
    fs::write(daemon.data().join("alice/large"), vec![b'x'; LARGE]).unwrap();
    let path = link_to_large(&daemon, "downloads=3");
    let status = || curl(&daemon, &[], &path).status;
    let held: Vec<RawWeb> = (0..3).map(|_| begin_get(&daemon, &path, "")).collect();
    assert_eq!(status(), 404, "all are taken");
    replace(&daemon);
    assert_eq!([status(), status(), status(), status()], [200, 200, 200, 404]);
    replace(&daemon);
    assert_eq!(status(), 404);
    drop(held);
}
