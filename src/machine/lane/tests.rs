//! The lane with a machine that does as it is told.

use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::Context;

use async_std::task::block_on;
use futures::task::{ArcWake, waker_ref};

use super::*;
use crate::budget::Budget;
use crate::machine::turns::Places;

/// Echoes its input; `!` makes it send without end, `?` makes it panic, `(` begins what `)` ends, `.` closes, `#` makes
/// it work without end or output on what takes a core.
#[derive(Default)]
struct Echo {
    endless: bool,
    busy: bool,
    inside: bool,
    steps: Arc<AtomicUsize>,
    hung_up: Arc<AtomicBool>,
}

impl Machine for Echo {
    fn step(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step {
        self.steps.fetch_add(1, Ordering::Relaxed);
        if self.busy {
            std::thread::yield_now();
            return Step::Progress;
        }
        if self.endless {
            out.put(&[b'!'; 64 * 1024]);
            return Step::Progress;
        }
        let Some((byte, rest)) = input.split_first() else { return Step::Starved };
        *input = rest;
        match byte {
            b'!' => self.endless = true,
            b'#' => self.busy = true,
            b'?' => panic!("asked for"),
            b'.' => return Step::Close,
            b'(' => self.inside = true,
            b')' => self.inside = false,
            _ => out.put(&[*byte]),
        }
        Step::Progress
    }

    fn class(&self) -> Class {
        if self.busy { Class::Heavy } else { Class::Light }
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

fn somebody(last: u8) -> Source {
    Source::from(std::net::IpAddr::from([192, 0, 2, last]))
}

/// A lane with threads of its own.
fn lane(echo: Echo) -> Lane<Echo> {
    Lane::new(echo, Turns::new("test", Places { light: 2, heavy: 1, blocked: 0 }), somebody(1), account())
}

/// As much memory as one needs.
fn account() -> Arc<Account> {
    Budget::new(1 << 30).portion().account()
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
    let lane = lane(echo);
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
struct Wakes(AtomicUsize);

impl ArcWake for Wakes {
    fn wake_by_ref(wakes: &Arc<Self>) {
        wakes.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    /// Polls once as a task that counts here.
    fn poll<T>(self: &Arc<Self>, waiting: impl Future<Output = T>) -> Poll<T> {
        pin!(waiting).poll(&mut Context::from_waker(&waker_ref(self)))
    }

    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_connection_that_waits_for_room_gets_one_turn_for_half_an_inbox() {
    let lane = lane(Echo::default());
    // As if a worker had the machine: here the test is the worker.
    let _machine = lane.0.lock().parked.take();
    let wakes = Arc::new(Wakes::default());
    for _ in 0..limits::INBOX_BUFFERS {
        assert!(wakes.poll(lane.room()).is_ready());
        push(&lane, b"a");
    }
    assert!(wakes.poll(lane.room()).is_pending());
    for left in (0..limits::INBOX_BUFFERS).rev() {
        assert!(lane.0.more_input().is_some());
        assert_eq!(wakes.so_far(), usize::from(left <= limits::INBOX_LOW), "with {left} buffers left");
    }
}

#[test]
fn a_connection_gets_no_turn_for_what_it_does_not_wait_for() {
    let lane = lane(Echo::default());
    let _machine = lane.0.lock().parked.take();
    let wakes = Arc::new(Wakes::default());
    push(&lane, b"a");
    assert!(wakes.poll(lane.next()).is_pending());
    assert!(lane.0.more_input().is_some());
    assert_eq!(wakes.so_far(), 0, "there was room all the time");
    lane.0.hand_over(Buffer::take());
    assert_eq!(wakes.so_far(), 1);
    lane.0.hand_over(Buffer::take());
    assert_eq!(wakes.so_far(), 1, "it knows");
    assert!(wakes.poll(lane.next()).is_ready());
}

#[test]
fn a_machine_nobody_reads_from_stops_and_gives_its_thread_back() {
    let lane = lane(Echo::default());
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
    let lane = lane(Echo::default());
    push(&lane, b"ab?cd");
    assert_eq!(block_on(all(&lane)), b"");
    assert!(lane.panicked());
}

#[test]
fn closing_sends_what_was_written_before() {
    let lane = lane(Echo::default());
    push(&lane, b"ab.cd");
    assert_eq!(block_on(all(&lane)), b"ab");
}

#[test]
fn a_stopping_server_lets_a_transfer_finish_first() {
    let lane = lane(Echo::default());
    push(&lane, b"(a");
    lane.dismiss(Kind::Stopping);
    push(&lane, b"b)");
    assert_eq!(block_on(all(&lane)), b"abstopping");
}

#[test]
fn a_session_that_is_too_slow_is_ended_in_the_middle() {
    let lane = lane(Echo::default());
    push(&lane, b"(a");
    lane.dismiss(Kind::TimedOut);
    assert_eq!(block_on(all(&lane)), b"atimed-out");
}

#[test]
fn machines_that_work_without_end_take_turns_and_keep_nobody_from_answering() {
    let turns = Turns::new("test", Places { light: 2, heavy: 1, blocked: 0 });
    let busy: Vec<(Lane<Echo>, Arc<AtomicUsize>)> = (0..20)
        .map(|_| {
            let echo = Echo::default();
            let steps = echo.steps.clone();
            (Lane::new(echo, turns.clone(), somebody(1), account()), steps)
        })
        .collect();
    for (lane, _) in &busy {
        push(lane, b"#");
    }
    for (lane, steps) in &busy {
        let before = steps.load(Ordering::Relaxed);
        // Each has turn after turn.
        while steps.load(Ordering::Relaxed) < before + 2 {
            std::thread::yield_now();
        }
        assert_eq!(lane.doing(), Doing::Working, "who waits for a turn waits for the server");
    }
    let honest = Lane::new(Echo::default(), turns, somebody(2), account());
    push(&honest, b"hello.");
    assert_eq!(block_on(all(&honest)), b"hello");
    for (lane, _) in &busy {
        lane.abandon();
        assert!(block_on(all(lane)).is_empty());
    }
}

#[test]
fn what_was_written_is_sent_when_the_turn_is_over() {
    let turns = Turns::new("test", Places { light: 1, heavy: 1, blocked: 0 });
    let (one, other) = (
        Lane::new(Echo::default(), turns.clone(), somebody(1), account()),
        Lane::new(Echo::default(), turns, somebody(1), account()),
    );
    for lane in [&one, &other] {
        push(lane, b"#");
    }
    // The third finds no place for what is heavy: it is put back with its answer half written.
    let third = Lane::new(Echo::default(), one.0.turns.clone(), somebody(1), account());
    push(&third, b"answer#");
    let answer = block_on(third.next()).unwrap();
    assert_eq!(answer.filled(), b"answer");
    for lane in [&one, &other, &third] {
        lane.abandon();
        assert!(block_on(all(lane)).is_empty());
    }
}
