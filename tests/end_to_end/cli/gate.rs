//! Stands between the program and the server, and lets as much through as a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::common::program::World;

/// Which way bytes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    ToServer,
    FromServer,
}

pub struct Gate {
    pub address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// Bytes that may pass the held way.
    allowed: u64,
    /// Bytes that did.
    passed: u64,
    /// A connection has come to its end, the held way.
    over: bool,
    sockets: Vec<TcpStream>,
}

impl Gate {
    /// Lets so many bytes through one way, and all of them the other way.
    pub fn start(world: &World, held: Held, allowed: u64) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        world.trust(address);
        let server = world.server.address();
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        state.0.lock().unwrap().allowed = allowed;
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&server).unwrap());
                let both = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                shared.0.lock().unwrap().sockets.extend(both);
                let ways = [
                    (near.try_clone().unwrap(), far.try_clone().unwrap(), held == Held::ToServer),
                    (far, near, held == Held::FromServer),
                ];
                for (from, to, is_held) in ways {
                    let gate = is_held.then(|| Arc::clone(&shared));
                    thread::spawn(move || pass(from, to, gate.as_deref()));
                }
            }
        });
        Gate { address, state }
    }

    /// Lets so many bytes more through.
    pub fn allow(&self, bytes: u64) {
        let mut state = self.state.0.lock().unwrap();
        state.allowed = state.allowed.saturating_add(bytes);
        self.state.1.notify_all();
    }

    /// Lets all through from now on.
    pub fn open(&self) {
        self.allow(u64::MAX);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for socket in self.state.0.lock().unwrap().sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// How many bytes passed the held way, when all of a connection has.
    pub fn passed_in_all(&self) -> u64 {
        let (state, changed) = &*self.state;
        changed.wait_while(state.lock().unwrap(), |state| !state.over).unwrap().passed
    }

    /// How many bytes passed the held way.
    pub fn passed(&self) -> u64 {
        self.state.0.lock().unwrap().passed
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, gate: Option<&(Mutex<State>, Condvar)>) {
    let mut buffer = vec![0; 16 * 1024];
    'all: while let Ok(len @ 1..) = from.read(&mut buffer) {
        let mut rest = &buffer[..len];
        // However much was read at once, what may pass of it does.
        while !rest.is_empty() {
            let (now, later) = rest.split_at(gate.map_or(rest.len(), |gate| may_pass(gate, rest.len())));
            if to.write_all(now).is_err() {
                break 'all;
            }
            rest = later;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    if let Some((state, changed)) = gate {
        state.lock().unwrap().over = true;
        changed.notify_all();
    }
}

/// Waits until something may pass, and says how much of so many bytes.
fn may_pass((state, changed): &(Mutex<State>, Condvar), len: usize) -> usize {
    let held = |state: &mut State| state.passed >= state.allowed;
    let mut state = changed.wait_while(state.lock().unwrap(), held).unwrap();
    let now = len.min(usize::try_from(state.allowed - state.passed).unwrap_or(usize::MAX));
    state.passed += now as u64;
    now
}
