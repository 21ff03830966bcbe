//! A long line in a box: a proxy that hands on every byte after a delay, however many are under way.
//!
//! It delays as a line with unlimited room does: no window, no slow start, no loss. What a program loses to waiting for
//! answers shows undisturbed by what TCP would add.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::trouble::{Outcome, Trouble};

const BUFFER: usize = 256 * 1024;

/// A running proxy. Dropping it cuts its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    next: AtomicU64,
    /// Handles on the sockets of open connections.
    open: Mutex<HashMap<u64, [TcpStream; 2]>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, [TcpStream; 2]>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// In front of the server on this port of 127.0.0.1, with this round trip time, half of it each way.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(server: u16, rtt: Duration) -> Outcome<Proxy> {
        let fail = |err| Trouble::new(format!("proxy: {err}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
        let port = listener.local_addr().map_err(fail)?.port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for client in listener.incoming() {
                if theirs.ended.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else { continue };
                let theirs = Arc::clone(&theirs);
                thread::spawn(move || {
                    let _a_broken_connection_is_its_ends_affair = carry(client, server, rtt, &theirs);
                });
            }
        });
        Ok(Proxy { port, shared, accepting: Some(accepting) })
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        for socket in self.shared.open().values().flatten() {
            let _closed_already = socket.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let woken = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
        if let (Ok(_), Some(accepting)) = (woken, self.accepting.take()) {
            let _its_panic_is_printed = accepting.join();
        }
    }
}

/// Carries one connection both ways until both ends have closed.
fn carry(client: TcpStream, server: u16, rtt: Duration, shared: &Shared) -> std::io::Result<()> {
    let accepted = Instant::now();
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    shared.open().insert(number, [client.try_clone()?, server.try_clone()?]);
    // The client was told at once that it is connected. On a line its first byte leaves after a round trip (SYN and
    // SYN-ACK), and the server knows of the connection after half of one.
    let directions = [
        direction(client.try_clone()?, server.try_clone()?, accepted + rtt, rtt / 2),
        direction(server, client, accepted + rtt / 2, rtt / 2),
    ];
    for thread in directions.into_iter().flatten() {
        let _its_panic_is_printed = thread.join();
    }
    shared.open().remove(&number);
    Ok(())
}

/// Two threads for one direction: one reads at once, the other writes when it is time.
fn direction(from: TcpStream, to: TcpStream, earliest: Instant, delay: Duration) -> [JoinHandle<()>; 2] {
    let (send, receive) = channel();
    [thread::spawn(move || read(from, &send, earliest)), thread::spawn(move || write(to, &receive, delay))]
}

/// Bytes and when they set out. No bytes: the end.
type Parcel = (Instant, Vec<u8>);

fn read(mut from: TcpStream, send: &Sender<Parcel>, earliest: Instant) {
    let mut buffer = vec![0; BUFFER];
    loop {
        // An error ends the direction as its end does; the programs notice that too little came.
        let count = from.read(&mut buffer).unwrap_or(0);
        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
        if send.send((Instant::now().max(earliest), bytes)).is_err() || count == 0 {
            return;
        }
    }
}

fn write(mut to: TcpStream, receive: &Receiver<Parcel>, delay: Duration) {
    while let Ok((set_out, bytes)) = receive.recv() {
        thread::sleep((set_out + delay).saturating_duration_since(Instant::now()));
        if bytes.is_empty() || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _closed_already = to.shutdown(Shutdown::Write);
}
