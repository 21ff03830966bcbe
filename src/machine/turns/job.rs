//! Blocking work that is done in one turn, for a task that waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use futures::channel::oneshot;

use super::{Class, Place, Turn, Turns};
use crate::error::{Error, Kind, Result};
use crate::machine::source::Source;
use crate::sync::Mutex;

impl Turns {
    /// Does this when it is the source's turn. Once begun it is done to its end, also when nobody waits any more; a panic
    /// goes on where it is waited for.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the thread has vanished.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        source: &Source,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        self.run_as(source, Class::Light, work).await
    }

    /// Does this work in a turn of this source, in a place of this class.
    ///
    /// # Errors
    /// As [`Turns::run`].
    pub async fn run_as<T: Send + 'static>(
        self: &Arc<Self>,
        source: &Source,
        class: Class,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let (end, ended) = oneshot::channel();
        let job = move || {
            // An error says that nobody waits any more.
            let _ = end.send(catch_unwind(AssertUnwindSafe(work)));
        };
        self.ask(source, class, Arc::new(Job(Mutex::new(Some(job)))));
        match ended.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::new(Kind::Internal, "a thread ended without its result")),
        }
    }
}

/// The work until it is begun.
struct Job<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send> Turn for Job<F> {
    fn turn(self: Arc<Self>, _: &Place) {
        let work = self.0.lock().take();
        if let Some(work) = work {
            work();
        }
    }
}
