//! How many bytes a second one connection carries, memory to memory over loopback, both ends in this process: the
//! ceiling of every transfer. Prints the median of five runs for plain TCP and for the `tls` layer.
//!
//! `cargo bench --bench pump`, or with the number of GiB for each run: `cargo bench --bench pump -- 8`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that cannot go on should stop")]

use std::net::{TcpListener, TcpStream as StdStream};
use std::time::Instant;

use async_std::net::TcpStream;
use async_std::task::{block_on, spawn};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures::join;
use sealift::tls::{Acceptor, Connector, Identity, Trust};

const PIECE: usize = 256 * 1024;
const RUNS: usize = 5;

fn main() {
    // Cargo passes `--bench`.
    let gib: usize = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(4);
    let pieces = gib * 1024 * 1024 * 1024 / PIECE;
    println!("{gib} GiB in writes of {} KiB, median of {RUNS} runs", PIECE / 1024);
    report("plain TCP", pieces, || {
        let (near, far) = sockets();
        block_on(pump(TcpStream::from(near), TcpStream::from(far), pieces))
    });
    let identity = Identity::generate(&["localhost".to_owned()]).unwrap();
    let acceptor = Acceptor::new(&identity).unwrap();
    let connector = Connector::new(Trust::Pins(vec![identity.pin()])).unwrap();
    report("tls", pieces, || {
        let (near, far) = sockets();
        block_on(async {
            let (client, server) =
                join!(connector.connect(TcpStream::from(near), "localhost"), acceptor.accept(TcpStream::from(far)));
            pump(client.unwrap().0, server.unwrap().0, pieces).await
        })
    });
}

fn report(what: &str, pieces: usize, mut run: impl FnMut() -> f64) {
    let mut rates: Vec<f64> = (0..RUNS).map(|_| (pieces * PIECE) as f64 / run() / 1e9).collect();
    rates.sort_by(f64::total_cmp);
    println!("{what:>10}: {:.2} GB/s ({:.2} to {:.2})", rates[RUNS / 2], rates[0], rates[RUNS - 1]);
}

fn sockets() -> (StdStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    (near, far)
}

/// Sends the pieces from one task to another and returns the seconds it took.
async fn pump(
    mut from: impl AsyncWrite + Unpin + Send + 'static,
    mut to: impl AsyncRead + Unpin,
    pieces: usize,
) -> f64 {
    let start = Instant::now();
    let sender = spawn(async move {
        let piece = vec![0x5a; PIECE];
        for _ in 0..pieces {
            from.write_all(&piece).await.unwrap();
        }
        from.flush().await.unwrap();
    });
    let mut buf = vec![0; PIECE];
    let mut left = pieces * PIECE;
    while left > 0 {
        left -= to.read(&mut buf).await.unwrap();
    }
    sender.await;
    start.elapsed().as_secs_f64()
}
