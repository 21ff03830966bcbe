//! A file that becomes shorter while it is sent: the receiver keeps nothing of it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Dice;
use crate::common::{Daemon, HANG, PASSWORD, World, assert_nothing_staged, enter, text};

/// Far more than all buffers on the way hold.
const SIZE: u64 = 96 * 1024 * 1024;

/// After so many bytes one direction stands still.
const FIRST: u64 = 1024 * 1024;

/// A relay before a server that lets [`FIRST`] bytes pass in one direction, says so, and waits until it is let go on.
struct Relay {
    port: u16,
    standing: Receiver<()>,
    go_on: Sender<()>,
}

/// The direction that is held up.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    ToServer,
    ToClient,
}

impl Relay {
    fn start(daemon: &Daemon, held: Held) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), daemon.address());
        let ((stand, standing), (go_on, going)) = (channel(), channel());
        std::thread::spawn(move || {
            let client = listener.accept().unwrap().0;
            let server = TcpStream::connect(server).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let hold = (stand, going);
            let (there, here) = if held == Held::ToServer { (Some(hold), None) } else { (None, Some(hold)) };
            std::thread::spawn(move || pass(back.0, back.1, here));
            pass(client, server, there);
        });
        Relay { port, standing, go_on }
    }

    /// Does this while the sender has begun, and cannot go on.
    fn meanwhile(&self, work: impl FnOnce()) {
        self.standing.recv_timeout(HANG).expect("a transfer");
        work();
        self.go_on.send(()).unwrap();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, hold: Option<(Sender<()>, Receiver<()>)>) {
    let mut bytes = vec![0; 64 * 1024];
    let mut passed = 0;
    let mut hold = hold;
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        passed += count as u64;
        if passed >= FIRST
            && let Some((stand, going)) = hold.take()
        {
            stand.send(()).unwrap();
            going.recv_timeout(HANG).unwrap();
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// The real client, through a relay.
fn sealift(world: &World, daemon: &Daemon, relay: &Relay, args: [&str; 3]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(["--pin", daemon.pin(), "--port", &relay.port.to_string()]).args(args);
    command.env("SEALIFT_PASSWORD", PASSWORD).current_dir(world.place()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A file of [`SIZE`]; its end is a hole.
fn large(path: &std::path::Path) -> File {
    fs::write(path, Dice::new().bytes(FIRST)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(SIZE).unwrap();
    file
}

#[test]
fn truncated_source() {
    let world = World::of(&["alice"]);
    let home = world.home("alice");
    let daemon = world.start();
    for left in [0, FIRST / 2, SIZE - 1] {
        by_hand(&world, &daemon, left);
        downloaded(&world, &daemon, left);
        uploaded(&world, &daemon, left);
    }
    daemon.stop();
    assert_eq!(fs::read_dir(home.join(".sealift")).unwrap().count(), 0, "left over");
}

/// What a client by hand sees: the data is aborted, and the reason follows. Then the connection goes on.
fn by_hand(world: &World, daemon: &Daemon, left: u64) {
    let file = large(&world.home("alice").join("source"));
    let mut alice = enter(daemon, "alice");
    let (digits, word, fields) = alice.ask("DOWNLOAD source");
    assert_eq!((digits, word.as_str(), fields["size"].as_str()), (150, "data", &*SIZE.to_string()));
    // Nothing is read meanwhile: the server cannot have sent it all.
    file.set_len(left).unwrap();
    assert_eq!(alice.frames(), None, "{left}");
    let (digits, word, _) = alice.reply();
    assert_eq!((digits, word.as_str()), (426, "aborted"), "{left}");
    assert_eq!(alice.ask("PING").1, "pong");
}

/// The real client's download: the old file stays, and no other is there.
fn downloaded(world: &World, daemon: &Daemon, left: u64) {
    let folder = world.place().join("downloads");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("kept"), "old").unwrap();
    for (target, name) in [("downloads/kept", "kept"), ("downloads/new", "new")] {
        let file = large(&world.home("alice").join("source"));
        let relay = Relay::start(daemon, Held::ToClient);
        let client = sealift(world, daemon, &relay, ["get", "alice@127.0.0.1/source", target]);
        relay.meanwhile(|| file.set_len(left).unwrap());
        let output = client.wait_with_output().unwrap();
        assert!(!output.status.success(), "{name} {left}: {}", text(&output.stderr));
        let now = fs::read(folder.join(name)).ok();
        assert_eq!(now.as_deref(), (name == "kept").then_some(&b"old"[..]), "{name} {left}");
    }
    // A beginning may wait to be gone on with, hidden and under no name that was asked for.
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "kept" || (name.starts_with('.') && name.ends_with(".sealift-part")), "{name}");
        let _ = fs::remove_file(folder.join(name));
    }
}

/// The real client's upload: the server keeps nothing of it.
fn uploaded(world: &World, daemon: &Daemon, left: u64) {
    let home = world.home("alice");
    fs::write(home.join("kept"), "old").unwrap();
    for name in ["kept", "new"] {
        let file = large(&world.place().join("local"));
        let relay = Relay::start(daemon, Held::ToServer);
        let target = format!("alice@127.0.0.1/{name}");
        let client = sealift(world, daemon, &relay, ["put", "local", &target]);
        relay.meanwhile(|| file.set_len(left).unwrap());
        let output = client.wait_with_output().unwrap();
        assert!(!output.status.success(), "{name} {left}: {}", text(&output.stderr));
        let now = fs::read(home.join(name)).ok();
        assert_eq!(now.as_deref(), (name == "kept").then_some(&b"old"[..]), "{name} {left}");
        assert_nothing_staged(&home, name);
    }
}
