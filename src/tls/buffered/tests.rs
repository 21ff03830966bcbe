use super::*;
use crate::limits::SOCKET_BUFFER;
use futures::task::noop_waker_ref;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// A socket that answers reads from a list, and takes writes up to a number of bytes.
#[derive(Default)]
struct Socket {
    /// Repeated for ever if the list has run out, instead of waiting.
    endless: Option<Vec<u8>>,
    input: VecDeque<io::Result<Vec<u8>>>,
    takes: usize,
    written: Vec<Vec<u8>>,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let next = self.input.pop_front().or_else(|| self.endless.clone().map(Ok));
        let Some(piece) = next else { return Poll::Pending };
        let mut piece = piece?;
        let count = piece.len().min(buf.len());
        buf[..count].copy_from_slice(&piece[..count]);
        if count < piece.len() && self.endless.is_none() {
            self.input.push_front(Ok(piece.split_off(count)));
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.takes == 0 {
            return Poll::Pending;
        }
        let count = buf.len().min(self.takes);
        self.takes -= count;
        self.written.push(buf[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn willing() -> Socket {
    Socket { takes: usize::MAX, ..Socket::default() }
}

fn flooding(piece: usize) -> Socket {
    Socket { endless: Some(vec![7; piece]), ..willing() }
}

fn read(adapter: &mut Buffered<Socket>) -> Poll<io::Result<usize>> {
    Pin::new(adapter).poll_read(&mut Context::from_waker(noop_waker_ref()), &mut [0; SMALL_READ])
}

fn write(adapter: &mut Buffered<Socket>, data: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(adapter).poll_write(&mut Context::from_waker(noop_waker_ref()), data)
}

fn flush(adapter: &mut Buffered<Socket>) -> Poll<io::Result<()>> {
    Pin::new(adapter).poll_flush(&mut Context::from_waker(noop_waker_ref()))
}

/// Reads until something else than bytes comes, and returns how many bytes came before it.
fn read_on(adapter: &mut Buffered<Socket>) -> (usize, Poll<io::Result<usize>>) {
    let mut total = 0;
    loop {
        match read(adapter) {
            Poll::Ready(Ok(count)) => total += count,
            other => return (total, other),
        }
    }
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_peer_that_never_pauses_is_made_to_pause_and_the_reader_is_woken() {
    let woken = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut adapter = Buffered::new(flooding(1));
    for round in 1..4 {
        for _ in 0..READS_PER_POLL {
            let byte = Pin::new(&mut adapter).poll_read(&mut Context::from_waker(&waker), &mut [0; SMALL_READ]);
            assert!(byte.is_ready());
        }
        let pause = Pin::new(&mut adapter).poll_read(&mut Context::from_waker(&waker), &mut [0; SMALL_READ]);
        assert!(pause.is_pending() && adapter.paused());
        assert_eq!(woken.0.load(Ordering::SeqCst), round);
    }
}

#[test]
fn a_handshake_is_bounded() {
    let mut adapter = Buffered::new(flooding(100));
    let mut total = 0;
    let err = loop {
        match read_on(&mut adapter) {
            (count, Poll::Pending) => total += count,
            (count, Poll::Ready(outcome)) => {
                total += count;
                break outcome.unwrap_err();
            }
        }
    };
    assert!(total <= HANDSHAKE_BYTES_MAX && total > HANDSHAKE_BYTES_MAX - 200);
    assert_eq!(err.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn what_arrives_before_the_engine_asks_is_bounded_too() {
    let mut adapter = Buffered::new(flooding(1000));
    let mut cx = Context::from_waker(noop_waker_ref());
    let err = loop {
        if let Poll::Ready(Err(err)) = adapter.poll_arrive(&mut cx) {
            break err;
        }
    };
    assert_eq!(err.kind(), io::ErrorKind::InvalidData);
    assert!(adapter.arrived().len() <= HANDSHAKE_BYTES_MAX + 1000);
}

#[test]
fn content_lifts_the_bound_on_what_has_none() {
    let mut adapter = Buffered::new(flooding(SMALL_READ));
    adapter.begin(Turn::Read);
    let mut reads = 0;
    while reads * SMALL_READ < 10 * EMPTY_BYTES_MAX {
        if read(&mut adapter).is_ready() {
            reads += 1;
            adapter.productive();
        }
    }
    let err = loop {
        if let Poll::Ready(Err(err)) = read(&mut adapter) {
            break err;
        }
    };
    assert_eq!(err.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn records_leave_together() {
    let mut adapter = Buffered::new(willing());
    adapter.begin(Turn::Write);
    for byte in 0..10 {
        assert!(matches!(write(&mut adapter, &[byte; 16_000]), Poll::Ready(Ok(16_000))));
    }
    assert!(adapter.io.written.is_empty());
    assert!(flush(&mut adapter).is_ready());
    assert_eq!(adapter.io.written.len(), 1);
    assert_eq!(adapter.io.written[0].len(), 160_000);
    assert!(!adapter.outgoing.owns_memory());
}

#[test]
fn a_full_buffer_waits_for_the_socket_and_loses_nothing() {
    let mut adapter = Buffered::new(Socket { takes: 1000, ..Socket::default() });
    adapter.begin(Turn::Write);
    let mut accepted = 0;
    while let Poll::Ready(Ok(count)) = write(&mut adapter, &[7; 10_000]) {
        accepted += count;
    }
    assert!(accepted <= SOCKET_BUFFER);
    assert!(flush(&mut adapter).is_pending());
    adapter.io.takes = usize::MAX;
    assert!(flush(&mut adapter).is_ready());
    assert_eq!(adapter.io.written.iter().map(Vec::len).sum::<usize>(), accepted);
}

#[test]
fn a_handshake_s_bytes_go_out_before_the_peer_is_waited_for() {
    let mut adapter = Buffered::new(willing());
    assert!(write(&mut adapter, b"hello").is_ready());
    assert!(read(&mut adapter).is_pending());
    assert_eq!(adapter.io.written, [b"hello"]);
}

#[test]
fn each_direction_leaves_the_other_alone() {
    let mut adapter = Buffered::new(flooding(10));
    adapter.begin(Turn::Write);
    assert!(read(&mut adapter).is_pending());
    assert!(!adapter.paused());

    adapter.begin(Turn::Read);
    while write(&mut adapter, &[7; 10_000]).is_ready() {}
    assert!(adapter.io.written.is_empty());
    assert!(read(&mut adapter).is_ready());
}

#[test]
fn many_small_reads_become_one_of_the_socket_and_idleness_owns_nothing() {
    let pieces = [SMALL_READ, 50_000, 50];
    let mut adapter = Buffered::new(willing());
    adapter.io.input = pieces.iter().map(|size| Ok(vec![7; *size])).collect();
    adapter.begin(Turn::Read);
    assert!(matches!(read(&mut adapter), Poll::Ready(Ok(SMALL_READ))));
    assert!(matches!(read(&mut adapter), Poll::Ready(Ok(SMALL_READ))));
    assert_eq!(adapter.arrived().len(), 50_000 - SMALL_READ);
    adapter.productive();
    let mut total = 2 * SMALL_READ;
    loop {
        let (count, end) = read_on(&mut adapter);
        total += count;
        adapter.productive();
        if end.is_pending() {
            break;
        }
    }
    assert_eq!(total, pieces.iter().sum::<usize>());
    assert!(!adapter.incoming.owns_memory());
    assert!(adapter.paused());
}

#[test]
fn an_aborted_connection_does_not_look_like_an_ended_one() {
    let mut adapter = Buffered::new(willing());
    adapter.io.input.push_back(Err(io::ErrorKind::ConnectionAborted.into()));
    let Poll::Ready(Err(err)) = read(&mut adapter) else { panic!("no error") };
    assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
}
