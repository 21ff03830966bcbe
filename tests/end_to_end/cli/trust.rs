//! Whom the program believes.

use std::fs;

use crate::common::liar::Liar;
use crate::common::program::{World, finish};

const OTHER: &str = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn known_servers(world: &World) -> String {
    fs::read_to_string(world.config.path().join("known_servers")).unwrap_or_default()
}

#[test]
fn an_unknown_server_is_refused_without_a_terminal_and_its_pin_is_shown() {
    let world = World::new();
    let pin = world.server.pin();
    world.run(["ls", &world.public("")]).code(7).said("is not known").said(pin).said("sealift trust add");
    assert_eq!(known_servers(&world), "");
}

#[test]
fn accept_new_remembers_a_new_server_and_still_refuses_another_key() {
    let world = World::new();
    world.run(["--trust", "accept-new", "ls", &world.public("")]).code(0).said("Remembered");
    assert_eq!(known_servers(&world), format!("{} {}\n", world.server.address(), world.server.pin()));
    world.run(["ls", &world.public("")]).code(0);
    fs::write(world.config.path().join("known_servers"), format!("{} {OTHER}\n", world.server.address())).unwrap();
    let refused = world.run(["--trust", "accept-new", "ls", &world.alice("")]).code(7);
    refused.said(OTHER).said(world.server.pin()).said("sealift trust remove").said("Nothing was sent");
}

#[test]
fn a_pin_on_the_command_line_decides_alone() {
    let world = World::new();
    let pin = world.server.pin();
    world.run(["--pin", pin, "ls", &world.public("")]).code(0);
    world.run(["ls", &world.public(""), "--pin", OTHER, "--pin", pin]).code(0);
    world.run(["--pin", OTHER, "ls", &world.public("")]).code(7).said("--pin");
    world.run(["--pin", "sha256//short", "ls", &world.public("")]).code(2).said("not a pin");
    assert_eq!(known_servers(&world), "");
}

#[test]
fn a_certificate_file_is_believed() {
    let world = World::new();
    let fake = world.local("ca.pem");
    fs::write(&fake, "nonsense").unwrap();
    world.run(["--ca-file", "ca.pem", "ls", &world.public("")]).code(2).said("ca.pem");
    world.run(["--ca-file", "missing.pem", "ls", &world.public("")]).code(3).said("missing.pem");
}

#[test]
fn servers_are_added_listed_and_removed() {
    let world = World::new();
    let server = world.server.address();
    let pin = world.server.pin();
    assert_eq!(world.run(["trust", "list"]).code(0).said("No server is known yet").stdout(), "");
    // It is kept, and what the server shows is said at once.
    let mistyped = world.run(["trust", "add", &server, "--pin", OTHER]).code(0);
    mistyped.said(&format!("{server} shows another key now, {pin}")).said("may be mistyped");
    world.run(["trust", "remove", &server]).code(0);
    let right = world.run(["trust", "add", &server, "--pin", pin, "--comment", "the attic"]).code(0);
    assert!(!right.stderr.contains("another key"), "{right:?}");
    let gone = world.run(["trust", "add", "127.0.0.1:1", "--pin", pin]).code(0);
    gone.said("Remembered the key of 127.0.0.1:1").said("Nobody compared it with the server's");
    world.run(["trust", "remove", "127.0.0.1:1"]).code(0);
    world.run(["trust", "add", &server, "--pin", pin]).code(0).said("known already");
    world.run(["trust", "add", &server, "--pin", OTHER]).code(11).said("sealift trust remove");
    assert_eq!(world.run(["trust", "list"]).code(0).stdout(), format!("{server} {pin} # the attic\n"));
    world.run(["ls", &world.public("")]).code(0);
    world.run(["trust", "remove", &server]).code(0);
    world.run(["trust", "remove", &server]).code(3);
    // Of two keys one alone: never the one that was not named.
    world.run(["trust", "add", &server, "--pin", pin, "--pin", OTHER]).code(0);
    world.run(["trust", "remove", &server, "--pin", OTHER]).code(0).said("Forgot the key of");
    assert_eq!(known_servers(&world), format!("{server} {pin}\n"));
    world.run(["trust", "remove", &server, "--pin", OTHER]).code(3).said("is not known by that key");
    world.run(["trust", "remove", &server]).code(0);
    world.run(["ls", &world.public("")]).code(7);
    world.run(["trust", "add", &server, "--trust", "accept-new"]).code(0).said(pin);
    world.run(["trust", "add", &server]).code(0).said("known already");
    world.run(["trust", "remove", &server]).code(0);
    world.run(["trust", "add", &server]).code(7).said("is not known");
}

#[test]
fn a_broken_line_among_the_known_servers_is_named() {
    let world = World::new();
    fs::write(world.config.path().join("known_servers"), "# mine\nnonsense\n").unwrap();
    world.run(["ls", &world.public("")]).code(2).said("known_servers:2:");
}

/// Another server has taken over the address: it sees no byte of ours.
#[test]
fn pin_mismatch() {
    let liar = Liar::start(|_| unreachable!());
    let world = World::new();
    fs::write(world.config.path().join("known_servers"), format!("{} {}\n", liar.address, world.server.pin())).unwrap();
    let mut command = world.command(["ls", &format!("alice@{}/", liar.address)]);
    command.env("SEALIFT_PASSWORD", "canary");
    finish(command, b"").code(7).said(&liar.pin).said(world.server.pin());
    assert_eq!(liar.received(), b"");
}

#[test]
fn the_certificate_of_a_first_start_is_believed_by_file() {
    let world = World::new();
    let certificate = world.server.place().join("certs/cert.pem");
    let done =
        world.run(["--ca-file", certificate.to_str().unwrap(), "ls", &format!("localhost:{}/", world.server.port())]);
    done.code(0);
}
