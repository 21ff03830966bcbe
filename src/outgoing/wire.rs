//! What hyper needs of a stream, and the body of a request.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_std::net::TcpStream;
use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::Payload;
use crate::limits;
use crate::tls::TlsStream;

/// A connected socket that tells the other side at once what has come.
///
/// Some storages (Garage) write the head and the body of an answer one after the other, and their system holds back the second until the
/// first is acknowledged, which ours would do 40 ms later.
pub(super) struct Socket(TcpStream);

impl Socket {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Socket> {
        let stream = TcpStream::connect(address).await?;
        let _only_slower_without = stream.set_nodelay(true);
        Ok(Socket(stream))
    }

    fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        let _only_slower_without = rustix::net::sockopt::set_tcp_quickack(&self.0, true);
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.0).poll_read(cx, room))?;
        // Where there is more the other side goes on anyway.
        if n < room.len() {
            self.acknowledge();
        }
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// A connected stream, in the plain or not.
pub(super) enum Wire {
    Plain(Socket),
    Tls(TlsStream<Socket>),
}

macro_rules! either {
    ($wire:expr, $stream:ident => $do:expr) => {
        match $wire.get_mut() {
            Wire::Plain($stream) => $do,
            Wire::Tls($stream) => $do,
        }
    };
}

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; limits::ENGINE_READ];
        let most = room.remaining().min(scratch.len());
        let some = scratch.get_mut(..most).unwrap_or_default();
        let n = ready!(either!(self, stream => Pin::new(stream).poll_read(cx, some)))?;
        room.put_slice(some.get(..n).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_close(cx))
    }
}

/// The body of a request on its way.
pub(super) struct Sending {
    payload: Payload,
    at: u64,
}

impl Sending {
    pub(super) fn new(payload: Payload) -> Sending {
        Sending { payload, at: 0 }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let sending = self.get_mut();
        let left = sending.payload.len().saturating_sub(sending.at);
        if left == 0 {
            return Poll::Ready(None);
        }
        let bytes = match &sending.payload {
            Payload::Bytes(bytes) => Ok(bytes.clone()),
            Payload::File(file, _) => some_of(file, sending.at, left),
        };
        if let Ok(bytes) = &bytes {
            sending.at += bytes.len() as u64;
        }
        Poll::Ready(Some(bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.payload.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.payload.len().saturating_sub(self.at))
    }
}

fn some_of(file: &Arc<File>, at: u64, left: u64) -> io::Result<Bytes> {
    let want = usize::try_from(left).unwrap_or(usize::MAX).min(limits::CHUNK);
    let mut bytes = vec![0; want];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}
