//! The lane with a machine that does as it is told.

use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::Context;

use async_std::task::block_on;
use futures::task::{ArcWake, waker_ref};

use super::*;
use crate::buffers::tests::alone;

/// Echoes its input; `!` makes it send without end, `?` makes it panic, `(` begins what `)` ends, `.` closes.
#[derive(Default)]
struct Echo {
    endless: bool,
    inside: bool,
    steps: Arc<AtomicUsize>,
    hung_up: Arc<AtomicBool>,
}

impl Machine for Echo {
    fn step(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step {
        self.steps.fetch_add(1, Ordering::Relaxed);
        if self.endless {
            out.put(&[b'!'; 64 * 1024]);
            return Step::Progress;
        }
        let Some((byte, rest)) = input.split_first() else { return Step::Starved };
        *input = rest;
        match byte {
            b'!' => self.endless = true,
            b'?' => panic!("asked for"),
            b'.' => return Step::Close,
            b'(' => self.inside = true,
            b')' => self.inside = false,
            _ => out.put(&[*byte]),
        }
        Step::Progress
    }

    fn settle(&mut self, _: &mut Outgoing) {}

    fn waiting(&self) -> Waiting {
        if self.inside { Waiting::More } else { Waiting::Command }
    }

    fn dismiss(&mut self, why: Kind, out: &mut Outgoing) {
        out.put(why.word().as_bytes());
    }

    fn hang_up(&mut self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }
}

fn push(lane: &Lane<Echo>, bytes: &[u8]) {
    let mut buffer = Buffer::take();
    buffer.append(bytes);
    lane.push(buffer);
}

async fn all(lane: &Lane<Echo>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(buffer) = lane.next().await {
        bytes.extend_from_slice(buffer.filled());
    }
    bytes
}

#[test]
fn everything_comes_out_in_order_and_the_machine_hangs_up() {
    let echo = Echo::default();
    let hung_up = echo.hung_up.clone();
    let lane = Lane::new(echo);
    let sent: Vec<u8> = (0..20_000u32).map(|n| b'a' + (n % 26) as u8).collect();
    let got = block_on(async {
        let sending = async {
            for portion in sent.chunks(7) {
                lane.room().await;
                push(&lane, portion);
            }
            lane.end_input();
        };
        futures::join!(all(&lane), sending).0
    });
    assert_eq!(got, sent);
    assert!(hung_up.load(Ordering::Relaxed));
}

/// Counts how often its task would have got a turn.
#[derive(Default)]
struct Turns(AtomicUsize);

impl ArcWake for Turns {
    fn wake_by_ref(turns: &Arc<Self>) {
        turns.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// Polls once as a task with these turns.
    fn poll<T>(self: &Arc<Self>, waiting: impl Future<Output = T>) -> Poll<T> {
        pin!(waiting).poll(&mut Context::from_waker(&waker_ref(self)))
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_connection_that_waits_for_room_gets_one_turn_for_half_an_inbox() {
    alone(|| {
        let lane = Lane::new(Echo::default());
        // As if a worker had the machine: here the test is the worker.
        let _machine = lane.0.lock().parked.take();
        let turns = Arc::new(Turns::default());
        for _ in 0..limits::INBOX_BUFFERS {
            assert!(turns.poll(lane.room()).is_ready());
            push(&lane, b"a");
        }
        assert!(turns.poll(lane.room()).is_pending());
        for left in (0..limits::INBOX_BUFFERS).rev() {
            assert!(lane.0.more_input().is_some());
            assert_eq!(turns.so_far(), usize::from(left <= limits::INBOX_LOW), "with {left} buffers left");
        }
    });
}

#[test]
fn a_connection_gets_no_turn_for_what_it_does_not_wait_for() {
    let lane = Lane::new(Echo::default());
    let _machine = lane.0.lock().parked.take();
    let turns = Arc::new(Turns::default());
    push(&lane, b"a");
    assert!(turns.poll(lane.next()).is_pending());
    assert!(lane.0.more_input().is_some());
    assert_eq!(turns.so_far(), 0, "there was room all the time");
    lane.0.hand_over(Buffer::take());
    assert_eq!(turns.so_far(), 1);
    lane.0.hand_over(Buffer::take());
    assert_eq!(turns.so_far(), 1, "it knows");
    assert!(turns.poll(lane.next()).is_ready());
}

#[test]
fn a_machine_nobody_reads_from_stops_and_gives_its_thread_back() {
    let lane = Lane::new(Echo::default());
    push(&lane, b"!");
    block_on(async {
        // Crowded out: the machine is parked with a full outbox, no matter how long nobody reads.
        poll_fn(|cx| {
            lane.0.task.register(cx.waker());
            let state = lane.0.lock();
            if state.parked.is_some() && state.crowded {
                Poll::Ready(())
            } else {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
        .await;
        assert!(lane.0.lock().outbox.len() <= limits::OUTBOX_BUFFERS + 1);
        for _ in 0..100 {
            assert!(lane.next().await.is_some(), "it goes on when there is room again");
        }
        lane.abandon();
        while lane.next().await.is_some() {}
    });
}

#[test]
fn a_panic_ends_the_lane_and_is_told() {
    let lane = Lane::new(Echo::default());
    push(&lane, b"ab?cd");
    assert_eq!(block_on(all(&lane)), b"");
    assert!(lane.panicked());
}

#[test]
fn closing_sends_what_was_written_before() {
    let lane = Lane::new(Echo::default());
    push(&lane, b"ab.cd");
    assert_eq!(block_on(all(&lane)), b"ab");
}

#[test]
fn a_stopping_server_lets_a_transfer_finish_first() {
    let lane = Lane::new(Echo::default());
    push(&lane, b"(a");
    lane.dismiss(Kind::Stopping);
    push(&lane, b"b)");
    assert_eq!(block_on(all(&lane)), b"abstopping");
}

#[test]
fn a_session_that_is_too_slow_is_ended_in_the_middle() {
    let lane = Lane::new(Echo::default());
    push(&lane, b"(a");
    lane.dismiss(Kind::TimedOut);
    assert_eq!(block_on(all(&lane)), b"atimed-out");
}
