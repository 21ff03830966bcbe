//! How fast the bytes of one user move, over all sessions together. Each way there is one line for all: whoever has moved
//! bytes stands behind those who had moved theirs before, until its own are paid for. So sessions that move portions of the
//! same size have the same share, and what nobody uses is not saved up.
//!
//! Without a bound it costs a look at one number, and nobody's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_std::task::sleep;

use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// From the server to its client.
    Down = 0,
    /// To the server.
    Up = 1,
}

/// The bounds of one user, which may change at any time.
#[derive(Debug, Default)]
pub struct Throttle {
    ways: [Way; 2],
}

#[derive(Debug, Default)]
struct Way {
    /// Bytes a second; 0: as many as can be.
    rate: AtomicU64,
    line: Mutex<Line>,
}

/// The bytes that have moved under a bound.
#[derive(Debug, Default)]
struct Line {
    moved: u64,
    /// Of those, how many are not paid for yet.
    owed: f64,
    /// When that was so.
    at: Option<Instant>,
}

/// For how long a connection was held back, so that nobody takes it for one whose client stalls.
#[derive(Debug, Default)]
pub struct HeldBack(Mutex<Spans>);

/// Times that may overlap: all that are over, and the last one.
#[derive(Debug, Default)]
struct Spans {
    before: Duration,
    last: Option<(Instant, Instant)>,
}

impl HeldBack {
    /// In all so far.
    pub fn so_far(&self) -> Duration {
        let spans = self.lock();
        spans.before
            + spans.last.map_or(Duration::ZERO, |(from, to)| to.min(Instant::now()).saturating_duration_since(from))
    }

    /// It is so from now on until then. (Nobody need say when it ends: whoever waits may never be asked again.)
    fn until(&self, now: Instant, end: Instant) {
        let mut spans = self.lock();
        spans.last = Some(match spans.last {
            Some((from, to)) if now <= to => (from, end.max(to)),
            Some((from, to)) => {
                spans.before += to.saturating_duration_since(from);
                (now, end)
            }
            None => (now, end),
        });
    }

    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.0.lock()
    }
}

impl Line {
    fn pay(&mut self, rate: u64, now: Instant) {
        let passed = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.owed = (self.owed - passed.as_secs_f64() * rate as f64).max(0.0);
        self.at = Some(now);
    }

    /// Puts these bytes at the end, and says where that is.
    fn join(&mut self, bytes: usize) -> u64 {
        self.moved = self.moved.wrapping_add(bytes as u64);
        self.owed += bytes as f64;
        self.moved
    }

    /// How many bytes are to be paid for before those up to this place are.
    fn before(&self, place: u64) -> f64 {
        self.owed - self.moved.wrapping_sub(place) as f64
    }
}

impl Throttle {
    /// So many bytes a second from now on, for those who wait too; none: as many as can be.
    pub fn set(&self, down: Option<u64>, up: Option<u64>) {
        for (way, rate) in self.ways.iter().zip([down, up]) {
            way.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
        }
    }

    fn way(&self, course: Course) -> &Way {
        let [down, up] = &self.ways;
        match course {
            Course::Down => down,
            Course::Up => up,
        }
    }

    /// Whether there is a bound now.
    pub fn is_bounded(&self, course: Course) -> bool {
        self.way(course).rate.load(Ordering::Relaxed) != 0
    }

    /// How many bytes to move at once: so many that each of several sessions has its turn soon.
    pub fn portion(&self, course: Course) -> usize {
        match self.way(course).rate.load(Ordering::Relaxed) {
            0 => usize::MAX,
            rate => {
                usize::try_from(rate / 20).unwrap_or(limits::CHUNK).clamp(limits::THROTTLE_PORTION_MIN, limits::CHUNK)
            }
        }
    }

    /// Counts bytes that move now. They are to be paid for before the next ones move.
    pub fn charge(self: &Arc<Self>, course: Course, bytes: usize) -> Debt {
        let rate = self.way(course).rate.load(Ordering::Relaxed);
        if bytes == 0 || rate == 0 {
            return Debt(None);
        }
        let mut line = self.way(course).lock();
        line.pay(rate, Instant::now());
        Debt(Some((self.clone(), course, line.join(bytes))))
    }

    /// [`Throttle::charge`], and waits until that is paid for.
    pub async fn pay(self: &Arc<Self>, course: Course, bytes: usize, held: &HeldBack) {
        self.charge(course, bytes).paid(held).await;
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock()
    }
}

/// Bytes that have moved and are not paid for; nothing where there was no bound.
#[derive(Debug)]
#[must_use = "whoever moves more without waiting has passed the bound"]
pub struct Debt(Option<(Arc<Throttle>, Course, u64)>);

impl Debt {
    /// Waits until they are paid for, or there is no bound any more.
    pub async fn paid(self, held: &HeldBack) {
        let Some((throttle, course, place)) = self.0 else { return };
        let way = throttle.way(course);
        loop {
            // It may have become another one.
            let rate = way.rate.load(Ordering::Relaxed);
            if rate == 0 {
                return;
            }
            let ahead = {
                let mut line = way.lock();
                line.pay(rate, Instant::now());
                line.before(place)
            };
            if ahead <= 0.0 {
                return;
            }
            let left = Duration::from_secs_f64(ahead / rate as f64);
            let (now, nap) = (Instant::now(), left.min(limits::THROTTLE_LOOK));
            // Where it goes on behind the nap no moment in between is the client's.
            held.until(now, now + if left > nap { 2 * nap } else { nap });
            sleep(nap).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_moved_bytes_first_are_first_and_what_is_not_used_is_not_saved() {
        let (mut line, start) = (Line::default(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        line.pay(1000, start);
        let (one, two) = (line.join(100), line.join(50));
        assert_eq!((line.before(one), line.before(two)), (100.0, 150.0));
        line.pay(1000, after(100));
        assert!(line.before(one) <= 0.0 && (line.before(two) - 50.0).abs() < 1e-6);
        // Twice as fast from here on.
        line.pay(2000, after(125));
        assert!(line.before(two) <= 1e-6);
        line.pay(1000, after(60_000));
        let late = line.join(100);
        assert_eq!(line.before(late), 100.0);
    }

    #[test]
    fn times_that_overlap_count_once_and_none_counts_beyond_now() {
        let (held, now) = (HeldBack::default(), Instant::now());
        let ago = |ms| now.checked_sub(Duration::from_millis(ms)).unwrap();
        held.until(ago(900), ago(700));
        held.until(ago(800), ago(600));
        assert_eq!(held.so_far(), Duration::from_millis(300));
        held.until(ago(100), now + Duration::from_secs(3600));
        let (least, most) = (Duration::from_millis(400), Duration::from_secs(1800));
        assert!((least..most).contains(&held.so_far()), "{:?}", held.so_far());
    }

    #[test]
    fn without_a_bound_nobody_waits_and_one_that_is_lifted_lets_those_go_who_do() {
        let (throttle, held) = (Arc::new(Throttle::default()), HeldBack::default());
        async_std::task::block_on(throttle.pay(Course::Down, usize::MAX, &held));
        throttle.set(Some(1), None);
        async_std::task::block_on(throttle.pay(Course::Up, usize::MAX, &held));
        assert_eq!(held.so_far(), Duration::ZERO);
        async_std::task::block_on(async {
            let waiting = throttle.pay(Course::Down, 1 << 40, &held);
            let lifting = async {
                while held.so_far() == Duration::ZERO {
                    sleep(limits::THROTTLE_LOOK / 10).await;
                }
                throttle.set(None, None);
            };
            futures::future::join(waiting, lifting).await;
        });
        assert!(held.so_far() > Duration::ZERO);
        assert_eq!(throttle.portion(Course::Down), usize::MAX);
    }
}
