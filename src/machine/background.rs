//! Work done on another thread while its owner goes on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::{Error, Kind, Result};
use crate::sync::Mutex;

/// A piece of blocking work that a thread of the pool does as soon as one is free. Dropping it gives the work up if
/// nobody has begun it, and else waits for its end.
pub struct Background<T> {
    work: Slot<T>,
    ended: Receiver<thread::Result<T>>,
}

/// The work until somebody begins it.
type Slot<T> = Arc<Mutex<Option<Work<T>>>>;

/// What is to be done, and where its end is told. They are taken together, so that nobody waits for the end of what
/// nobody will begin.
struct Work<T> {
    run: Box<dyn FnOnce() -> T + Send>,
    end: SyncSender<thread::Result<T>>,
}

impl<T: Send + 'static> Background<T> {
    /// Leaves it to the pool.
    pub fn start(work: impl FnOnce() -> T + Send + 'static) -> Background<T> {
        let (end, ended) = sync_channel(1);
        let slot: Slot<T> = Arc::new(Mutex::new(Some(Work { run: Box::new(work), end })));
        let work = Arc::clone(&slot);
        // The handle is not kept: the end is told through the channel, a panic too.
        async_std::task::spawn_blocking(move || {
            if let Some(Work { run, end }) = take(&slot) {
                // It has room for one, so this neither waits nor fails.
                let _ = end.send(catch_unwind(AssertUnwindSafe(run)));
            }
        });
        Background { work, ended }
    }

    /// Waits for the result; a panic of the work goes on here. What nobody has begun is done here and now: all threads
    /// of the pool may be waiting just like this one.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the thread has vanished.
    pub fn wait(self) -> Result<T> {
        if let Some(work) = take(&self.work) {
            return Ok((work.run)());
        }
        match self.ended.recv() {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::new(Kind::Internal, "a thread ended without its result")),
        }
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        if take(&self.work).is_none() {
            // An error says that it was told already, or done by `wait` itself.
            let _ = self.ended.recv();
        }
    }
}

fn take<T>(slot: &Slot<T>) -> Option<Work<T>> {
    slot.lock().take()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_result_comes_back_from_another_thread_or_from_this_one() {
        let all: Vec<_> = (0..100).map(|n| Background::start(move || n)).collect();
        let sum: i32 = all.into_iter().map(|background| background.wait().unwrap()).sum();
        assert_eq!(sum, 4950);
    }

    #[test]
    fn a_pool_whose_threads_all_wait_holds_nobody_up() {
        // Twice as many as the pool has threads: what comes after them is not begun before they end.
        let (hold, held) = sync_channel::<()>(0);
        let held = Arc::new(Mutex::new(held));
        for _ in 0..1000 {
            let held = Arc::clone(&held);
            async_std::task::spawn_blocking(move || held.lock().recv().is_ok());
        }
        let (done, waited) = sync_channel(1);
        thread::spawn(move || {
            drop(Background::start(|| 1));
            done.send(Background::start(|| 2).wait()).unwrap();
        });
        let result = waited.recv_timeout(Duration::from_secs(60));
        drop(hold);
        assert_eq!(result.unwrap().unwrap(), 2);
    }

    #[test]
    fn what_was_begun_has_ended_when_it_is_dropped() {
        let (begun, seen) = sync_channel(0);
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let background = Background::start(move || {
            begun.send(()).unwrap();
            thread::yield_now();
            end.store(true, Ordering::SeqCst);
        });
        seen.recv().unwrap();
        drop(background);
        assert!(ended.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_reaches_who_waits() {
        let (begun, seen) = sync_channel(0);
        let background = Background::start(move || {
            begun.send(()).unwrap();
            assert_eq!(1, 2, "on purpose");
        });
        seen.recv().unwrap();
        let waited = catch_unwind(AssertUnwindSafe(|| background.wait()));
        assert!(waited.unwrap_err().downcast_ref::<String>().unwrap().contains("on purpose"));
    }
}
