//! A connection and the tasks that its library begins for it, polled as one.
//!
//! They wake each other for nearly every piece of a body. As tasks of their own they went from one thread of the runtime to another
//! for it, and a task that wakes itself wakes a thread too; here it is a mark, and they are polled again at once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::task::AtomicWaker;
use futures::{FutureExt as _, StreamExt as _};
use hyper::rt::Executor;

use crate::limits;
use crate::sync::Mutex;

/// Where the library puts the tasks that it begins: one for each request of HTTP/2. Clones are the same.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        // One that panics ends alone, as it would by itself.
        self.0.lock().push(AssertUnwindSafe(task).catch_unwind().map(drop).boxed());
    }
}

/// The tasks of a connection that are not over.
pub struct Running {
    begun: Tasks,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Running {
    /// None yet; those that are begun there are taken in.
    pub fn new(begun: Tasks) -> Running {
        Running { begun, running: FuturesUnordered::new() }
    }

    /// Goes on with those that can go on.
    pub fn poll(&mut self, cx: &mut Context<'_>) {
        let begun = std::mem::take(&mut *self.begun.0.lock());
        self.running.extend(begun);
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(cx) {}
    }
}

/// Polls again at once what wakes itself, or is woken meanwhile, for so long that nobody else waits long.
pub struct Again {
    bell: Arc<Bell>,
    /// That of the bell.
    waker: Waker,
}

/// What is rung when something can go on.
#[derive(Default)]
struct Bell {
    /// Whom it calls, if it is not heard anyway.
    task: AtomicWaker,
    is_heard: AtomicBool,
    rang: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order, and the other way round below: either it is heard there, or the task is woken here.
        self.rang.store(true, Ordering::SeqCst);
        if !self.is_heard.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

impl Default for Again {
    fn default() -> Self {
        let bell = Arc::new(Bell::default());
        Again { waker: bell.clone().into(), bell }
    }
}

impl Again {
    /// What is waited for with this calls the task that polled last.
    pub fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Polls this until it waits for something.
    pub fn poll<T>(&self, cx: &mut Context<'_>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let Bell { task, is_heard, rang } = &*self.bell;
        task.register(cx.waker());
        let mut inner = self.context();
        is_heard.store(true, Ordering::SeqCst);
        for _ in 0..limits::WEB_POLLS {
            rang.store(false, Ordering::SeqCst);
            let polled = poll(&mut inner);
            if polled.is_ready() {
                is_heard.store(false, Ordering::SeqCst);
                return polled;
            }
            if !rang.load(Ordering::SeqCst) {
                break;
            }
        }
        is_heard.store(false, Ordering::SeqCst);
        if rang.load(Ordering::SeqCst) {
            // Others have their turn first.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_wakes_itself_is_polled_again_and_after_a_while_others_have_their_turn() {
        let (again, count) = (Again::default(), Arc::new(Count::default()));
        let waker = count.clone().into();
        let mut cx = Context::from_waker(&waker);
        let mut polls = 0;
        let polled = again.poll(&mut cx, |cx| {
            polls += 1;
            if polls < 5 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(polls)
        });
        assert_eq!((polled, count.0.load(Ordering::SeqCst)), (Poll::Ready(5), 0));

        let mut polls = 0;
        let polled: Poll<()> = again.poll(&mut cx, |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((polled, polls, count.0.load(Ordering::SeqCst)), (Poll::Pending, limits::WEB_POLLS, 1));
    }

    #[test]
    fn who_rings_while_nobody_listens_wakes_the_task() {
        let (again, count) = (Again::default(), Arc::new(Count::default()));
        let waker = count.clone().into();
        let mut kept = None;
        let polled: Poll<()> = again.poll(&mut Context::from_waker(&waker), |cx| {
            kept = Some(cx.waker().clone());
            Poll::Pending
        });
        assert_eq!((polled, count.0.load(Ordering::SeqCst)), (Poll::Pending, 0));
        kept.unwrap().wake();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_task_that_panics_ends_alone() {
        let tasks = Tasks::default();
        let mut running = Running::new(tasks.clone());
        let done = Arc::new(AtomicUsize::new(0));
        let told = done.clone();
        tasks.execute(async { panic!("on purpose") });
        tasks.execute(async move { told.fetch_add(1, Ordering::SeqCst) });
        futures::executor::block_on(poll_fn(|cx| {
            running.poll(cx);
            if done.load(Ordering::SeqCst) == 1 { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert!(running.running.is_empty());
    }
}
