//! How much memory an idle connection owns: opens 2,000 connections over loopback, both ends in this process, each end
//! waiting in a task of its own, and prints the growth of the resident set for one end. Once right after the
//! handshake, and once after each end has sent and received 256 KiB.
//!
//! `cargo bench --bench idle`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that cannot go on should stop")]

use std::net::{TcpListener, TcpStream as StdStream};

use async_std::net::TcpStream;
use async_std::task::{JoinHandle, block_on, spawn};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::join;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sealift::tls::{Acceptor, Connector, Identity, TlsStream, Trust};

const CONNECTIONS: usize = 2000;
const TRAFFIC: usize = 256 * 1024;

/// Each case runs in a process of its own, since memory once freed is not given back to the system.
fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("--handshake") => measure("after the handshake", 0),
        Some("--traffic") => measure("after 256 KiB each way", TRAFFIC),
        _ => {
            for case in ["--handshake", "--traffic"] {
                let program = std::env::current_exe().unwrap();
                assert!(std::process::Command::new(program).arg(case).status().unwrap().success());
            }
            println!("a stream itself is {} bytes", size_of::<TlsStream<TcpStream>>());
        }
    }
}

fn measure(what: &str, traffic: usize) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
    let acceptor = Acceptor::new(&identity).unwrap();
    let connector = Connector::new(Trust::Pins(vec![identity.pin()])).unwrap();
    block_on(async {
        // What the first connections allocate once for all is not theirs.
        let warm = open(&acceptor, &connector, traffic, 100).await;
        let before = resident();
        let tasks = open(&acceptor, &connector, traffic, CONNECTIONS).await;
        let grown = resident() - before;
        println!("{what:>24}: {:.1} KiB for one end", grown as f64 / 1024.0 / (2 * CONNECTIONS) as f64);
        end(tasks).await;
        end(warm).await;
    });
}

async fn open(acceptor: &Acceptor, connector: &Connector, traffic: usize, count: usize) -> Vec<JoinHandle<()>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (ready, wait) = async_std::channel::unbounded();
    let mut tasks = Vec::with_capacity(2 * count);
    for _ in 0..count {
        let near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let (client, server) =
            join!(connector.connect(TcpStream::from(near), "localhost"), acceptor.accept(TcpStream::from(far)));
        for stream in [client.unwrap().0, server.unwrap().0] {
            tasks.push(spawn(wait_for_input(stream, traffic, ready.clone())));
        }
        for _ in 0..2 {
            wait.recv().await.unwrap();
        }
    }
    // Let every end come to rest in its last read.
    async_std::task::sleep(std::time::Duration::from_millis(500)).await;
    tasks
}

/// One end: some traffic, then a read that nothing will answer.
async fn wait_for_input(stream: TlsStream<TcpStream>, traffic: usize, ready: async_std::channel::Sender<()>) {
    let (mut reading, mut writing) = stream.split();
    if traffic > 0 {
        let send = async {
            writing.write_all(&vec![0; traffic]).await.unwrap();
            writing.flush().await.unwrap();
        };
        let receive = async {
            reading.read_exact(&mut vec![0; traffic]).await.unwrap();
        };
        join!(send, receive);
    }
    ready.send(()).await.unwrap();
    drop(ready);
    let mut byte = [0];
    let _until_cancelled = reading.read(&mut byte).await;
}

async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.cancel().await;
    }
}

/// The resident set of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
