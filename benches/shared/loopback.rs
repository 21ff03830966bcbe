//! One connection over loopback, both ends in this process, memory to memory: the ceiling of every transfer.

use std::io;
use std::net::{TcpListener, TcpStream as StdStream};
use std::time::Instant;

use async_std::net::TcpStream;
use async_std::task::{block_on, spawn};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures::join;
use sealift::tls::{Acceptor, Connector, Identity, Trust, stream_error};
use sealift::{Error, Result};

/// Bytes of each write.
pub const PIECE: usize = 256 * 1024;

/// Sends this many pieces over plain TCP and returns the seconds it took.
#[allow(dead_code, reason = "each benchmark that shares this file uses its part of it")]
pub fn plain(pieces: usize) -> Result<f64> {
    let (near, far) = sockets().map_err(lost)?;
    block_on(pump(near, far, pieces)).map_err(lost)
}

/// Two ends of a TLS connection, made by Sealift's own `tls` layer.
pub struct Tls {
    acceptor: Acceptor,
    connector: Connector,
}

impl Tls {
    /// With a key made for it.
    pub fn new() -> Result<Tls> {
        let identity = Identity::generate(&["localhost".to_owned()])?;
        let connector = Connector::new(Trust::Pins(vec![identity.pin()]))?;
        Ok(Tls { acceptor: Acceptor::new(&identity)?, connector })
    }

    /// Sends this many pieces over a new connection and returns the seconds it took, the handshake not counted.
    pub fn pump(&self, pieces: usize) -> Result<f64> {
        let (near, far) = sockets().map_err(lost)?;
        block_on(async {
            let (client, server) = join!(self.connector.connect(near, "localhost"), self.acceptor.accept(far));
            pump(client?.0, server?.0, pieces).await.map_err(stream_error)
        })
    }
}

fn lost(err: io::Error) -> Error {
    Error::network("loopback", err)
}

fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = StdStream::connect(listener.local_addr()?)?;
    let far = listener.accept()?.0;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    Ok((near.into(), far.into()))
}

/// Sends the pieces from one task to another and returns the seconds it took.
async fn pump(
    mut from: impl AsyncWrite + Unpin + Send + 'static,
    mut to: impl AsyncRead + Unpin,
    pieces: usize,
) -> io::Result<f64> {
    let start = Instant::now();
    let sender = spawn(async move {
        let piece = vec![0x5a; PIECE];
        for _ in 0..pieces {
            from.write_all(&piece).await?;
        }
        from.flush().await?;
        // Handed back open, so that its end is not part of the time.
        io::Result::Ok(from)
    });
    let mut buf = vec![0; PIECE];
    let mut left = pieces * PIECE;
    while left > 0 {
        match to.read(&mut buf).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => left = left.saturating_sub(count),
        }
    }
    let _still_open = sender.await?;
    Ok(start.elapsed().as_secs_f64())
}
