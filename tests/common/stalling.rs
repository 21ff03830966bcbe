//! A line to a server on which all connections but the first come no farther than their handshake.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub struct Stalling {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Stalling {
    /// To this server.
    pub fn start(server: String) -> Stalling {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&server).unwrap());
                let stalls = count.fetch_add(1, Ordering::SeqCst) > 0;
                // What the client says first begins the handshake, what it says next ends it.
                let said = Arc::<AtomicUsize>::default();
                let (mut from, mut to, counted) = (near.try_clone().unwrap(), far.try_clone().unwrap(), said.clone());
                thread::spawn(move || {
                    let mut buffer = [0; 8192];
                    while let Ok(len @ 1..) = from.read(&mut buffer) {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if to.write_all(&buffer[..len]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
                let (mut from, mut to) = (far, near);
                thread::spawn(move || {
                    let mut buffer = [0; 8192];
                    while let Ok(len @ 1..) = from.read(&mut buffer) {
                        let is_lost = stalls && said.load(Ordering::SeqCst) > 1;
                        if !is_lost && to.write_all(&buffer[..len]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        });
        Stalling { address, connections }
    }

    /// How many there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
