//! A relay between client and server that stops in the middle of a transfer, so that a test can do something meanwhile.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::Dice;
use crate::common::{Daemon, HANG, PASSWORD, World};

/// Far more than all buffers on the way hold.
pub const SIZE: u64 = 96 * 1024 * 1024;

/// After so many bytes one direction stands still.
pub const FIRST: u64 = 1024 * 1024;

/// A relay before a server. Its first connection lets [`FIRST`] bytes pass in one direction, says so, and waits until it
/// is let go on; the others just pass.
pub struct Relay {
    port: u16,
    standing: Receiver<()>,
    go_on: Sender<()>,
}

/// The direction that is held up.
#[derive(Clone, Copy, PartialEq)]
pub enum Held {
    ToServer,
    ToClient,
}

impl Relay {
    pub fn start(daemon: &Daemon, held: Held) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), daemon.address());
        let ((stand, standing), (go_on, going)) = (channel(), channel());
        std::thread::spawn(move || {
            let mut hold = Some((stand, going));
            while let Ok((client, _)) = listener.accept() {
                let server = TcpStream::connect(&server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (there, here) = if held == Held::ToServer { (hold.take(), None) } else { (None, hold.take()) };
                std::thread::spawn(move || pass(back.0, back.1, here));
                std::thread::spawn(move || pass(client, server, there));
            }
        });
        Relay { port, standing, go_on }
    }

    /// Does this while the sender has begun, and cannot go on.
    pub fn meanwhile(&self, work: impl FnOnce()) {
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
pub fn sealift(world: &World, daemon: &Daemon, relay: &Relay, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    command.args(["--pin", daemon.pin(), "--port", &relay.port.to_string()]).args(args);
    command
        .env("SEALIFT_PASSWORD", PASSWORD)
        .current_dir(world.place())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A file of [`SIZE`]; its end is a hole.
pub fn large(path: &std::path::Path) -> File {
    fs::write(path, Dice::new().bytes(FIRST)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(SIZE).unwrap();
    file
}
