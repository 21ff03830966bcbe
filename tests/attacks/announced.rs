//! A server may announce the key that it will have next. Who may say so of which server, and how it is taken back.

use std::fs;

use crate::common::Daemon;
use crate::common::front::{Front, known_servers, restart, says};
use crate::common::liar::Liar;
use crate::common::program::World;

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A server that nobody vouches for: whatever it announces, nothing of it is kept.
#[test]
fn unknown_announcer() {
    let mut world = World::new();
    says(&world, &["cert", "next"]);
    let front = Front::of(&world.server);
    restart(&mut world, &front);
    let at = &front.address;
    world.run(["ls", at]).code(7);
    world.run(["--trust", "strict", "--pin", world.server.pin(), "ls", at]).code(0);
    // Another key than the known one is not heard at all.
    let known = format!("{at} {OTHER}\n");
    fs::write(world.config.path().join("known_servers"), &known).unwrap();
    world.run(["ls", at]).code(7).said("Nothing was sent");
    assert_eq!(known_servers(&world), known);
}

/// Whoever has stolen the present key can announce a key of his own. The true server's next word takes that back.
#[test]
fn stolen_key_announcement() {
    let world = World::new();
    let front = Front::of(&world.server);
    let (at, present) = (front.address.clone(), world.server.pin().to_owned());
    let known = format!("elsewhere:4456 {present}\n{at} {present}\n");
    fs::write(world.config.path().join("known_servers"), &known).unwrap();

    let thief = tempfile::tempdir().unwrap();
    fs::create_dir(thief.path().join("certs")).unwrap();
    for name in ["key.pem", "cert.pem"] {
        fs::copy(world.server.place().join("certs").join(name), thief.path().join("certs").join(name)).unwrap();
    }
    let command = |words: &[&str]| {
        let output = crate::common::sealiftd(thief.path()).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    command(&["cert", "next"]);
    let stolen = Daemon::builder().within(thief.path()).start();
    front.lead_to(&stolen);
    let theirs = command(&["cert", "pin", "--next"]);
    world.run(["ls", &at]).code(0).said(&theirs);
    // Of no other server, though that has the same key.
    assert_eq!(known_servers(&world), format!("{known}{at} {theirs} after={present}\n"));

    front.lead_to(&world.server);
    world.run(["ls", &at]).code(0);
    assert_eq!(known_servers(&world), known);
    stolen.stop();
    command(&["cert", "switch", "--force"]);
    let stolen_later = Daemon::builder().within(thief.path()).start();
    front.lead_to(&stolen_later);
    world.run(["ls", &at]).code(7);
}

/// What is no pin is no announcement, whatever it does to a terminal or a file.
#[test]
fn malformed_announcements() {
    let long = "A".repeat(4000);
    for next in [
        "",
        "x",
        "sha256//",
        "sha256//AAAA",
        "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=%0Aevil:1%20sha256//AAAA",
        "%1B[2J",
        "%",
        &long,
    ] {
        let liar = Liar::welcoming(&format!("next-pin={next}"));
        let world = World::new();
        let known = format!("{} {}\n", liar.address, liar.pin);
        fs::write(world.config.path().join("known_servers"), &known).unwrap();
        let done = world.run(["--retry", "0", "ping", &liar.address]);
        assert!(!done.stderr.contains('\x1b'), "{next}: {}", done.stderr);
        assert_eq!(known_servers(&world), known, "{next}");
    }
}
