//! An address at which a server is replaced by another one, and what a client remembers of the keys it saw there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use super::Daemon;
use super::program::World;

/// One address, behind which a server is replaced by another one.
pub struct Front {
    pub address: String,
    behind: Arc<Mutex<String>>,
}

impl Front {
    pub fn of(server: &Daemon) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let behind = Arc::new(Mutex::new(server.address()));
        let now = behind.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, target) = (near.unwrap(), now.lock().unwrap().clone());
                let Ok(far) = TcpStream::connect(target) else { continue };
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    thread::spawn(move || {
                        let mut buffer = [0; 8192];
                        while let Ok(len @ 1..) = from.read(&mut buffer) {
                            if to.write_all(&buffer[..len]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Front { address, behind }
    }

    /// From now on it leads to this server.
    pub fn lead_to(&self, server: &Daemon) {
        *self.behind.lock().unwrap() = server.address();
    }
}

/// `sealiftd` with these words where the server is.
pub fn sealiftd(world: &World, words: &[&str]) -> Output {
    world.server.command(words).output().unwrap()
}

/// What `sealiftd` prints with these words, which must succeed.
#[track_caller]
pub fn says(world: &World, words: &[&str]) -> String {
    let output = sealiftd(world, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The server once more, with the key that is in its place now.
pub fn restart(world: &mut World, front: &Front) {
    let place = world.server.place().to_owned();
    world.server.signal(rustix::process::Signal::TERM);
    world.server.wait();
    world.server = Daemon::builder().within(&place).args(["--durability", "none"]).start();
    front.lead_to(&world.server);
}

pub fn known_servers(world: &World) -> String {
    fs::read_to_string(world.config.path().join("known_servers")).unwrap_or_default()
}
