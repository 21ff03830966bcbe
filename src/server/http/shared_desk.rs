//! The desk of a session, and the work that waits for it.
//!
//! Work is done one piece after the other, in the order in which it came, in turns of the session's source. A turn goes on with all
//! that waits as long as its place lasts: of many small files that are asked for at once, most cost no thread's waking.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use futures::channel::oneshot;

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::source::Source;
use crate::machine::turns::{Class, Place, Turn, Turns};
use crate::server::desk::Desk;
use crate::server::desk::outcome::Outcome;
use crate::server::desk::preconditions::Preconditions;
use crate::server::desk::running::OperationId;
use crate::sync::Mutex;

/// How many wait at a desk before those are taken away that nobody waits for any more: the requests of two connections, so that a
/// desk at which nobody takes anything back is never looked through.
const SWEEP_MIN: usize = 2 * limits::WEB_STREAMS as usize;

/// A desk, and the requests whose changes it has taken and not committed.
pub struct SharedDesk {
    /// The desk.
    pub desk: Desk,
    /// Who waits for its commit.
    pub waiting: Waiting,
}

/// Those who wait for a commit, each by the operation whose outcome it is waiting for.
#[derive(Default)]
pub struct Waiting(BTreeMap<OperationId, oneshot::Sender<Result<Outcome>>>);

/// What will come of a change that waits for its commit.
pub type Pending = oneshot::Receiver<Result<Outcome>>;

impl Waiting {
    /// One more, whose change the desk has just taken as this operation.
    pub fn join(&mut self, operation: OperationId) -> Pending {
        let (told, pending) = oneshot::channel();
        self.0.insert(operation, told);
        pending
    }

    /// Tells whoever waits for this operation.
    pub fn tell(&mut self, operation: OperationId, outcome: Result<Outcome>) {
        if let Some(told) = self.0.remove(&operation) {
            // An error says that the client has gone meanwhile.
            let _ = told.send(outcome);
        }
    }
}

impl SharedDesk {
    /// Nobody waits yet.
    pub fn new(desk: Desk) -> SharedDesk {
        SharedDesk { desk, waiting: Waiting::default() }
    }

    /// The session goes on by the users file as it is now.
    ///
    /// # Errors
    /// Why it has ended.
    pub fn keep_up(&mut self) -> Result<()> {
        let SharedDesk { desk, waiting } = self;
        desk.keep_up().map(drop).map_err(|why| {
            desk.drop_uncommitted(&mut |operation, outcome| waiting.tell(operation, outcome));
            // Those who are left hear that nobody will tell them.
            waiting.0.clear();
            Error::new(why, "this session has ended")
        })
    }

    /// Commits all that was taken.
    pub fn commit(&mut self) {
        let SharedDesk { desk, waiting } = self;
        desk.commit(&mut |operation, outcome| waiting.tell(operation, outcome));
    }
}

/// What is sat at.
pub trait Sat: Send + 'static {
    /// Something else is done now, and more waits behind it or not.
    fn begins(&mut self, more_waits: bool);

    /// Nothing waits for it.
    fn is_left(&mut self);
}

impl Sat for SharedDesk {
    fn begins(&mut self, more_waits: bool) {
        // Those of another request: whoever forgot to say their own would act with the locks of somebody else's.
        self.desk.require(Preconditions::default());
        self.desk.more_waits(more_waits);
    }

    fn is_left(&mut self) {
        self.desk.is_left();
    }
}

/// A desk that is shared, and who waits for it. Clones are the same.
pub struct Queue<S = SharedDesk>(Arc<Inner<S>>);

struct Inner<S> {
    turns: Arc<Turns>,
    source: Source,
    shared_desk: Mutex<S>,
    line: Mutex<Line<S>>,
}

/// Work that waits, and what it needs a place for.
type Waits<S> = (Class, Box<dyn Work<S>>);

struct Line<S> {
    waiting: VecDeque<Waits<S>>,
    /// How many may wait before those are taken away that nobody waits for any more.
    sweep_at: usize,
    /// A turn is asked for, or had. Whoever has it looks here before it ends.
    is_called: bool,
}

impl<S> Line<S> {
    /// Takes those away that nobody waits for any more, once many wait: whoever asks and takes it back again and again at a desk that
    /// is busy would have them pile up. What they hold open goes to this line when it is dropped: only after its lock is let go of.
    #[must_use]
    fn sweep(&mut self) -> VecDeque<Waits<S>> {
        if self.waiting.len() < self.sweep_at {
            return VecDeque::new();
        }
        let (forgotten, others) = mem::take(&mut self.waiting).into_iter().partition(|(_, work)| work.is_forgotten());
        self.waiting = others;
        // Twice as many: looking through them stays cheap beside asking.
        self.sweep_at = SWEEP_MIN.max(2 * self.waiting.len());
        forgotten
    }
}

impl<S> Clone for Queue<S> {
    fn clone(&self) -> Self {
        Queue(self.0.clone())
    }
}

/// Something to be done at the desk.
trait Work<S>: Send {
    /// Whether nobody waits for it any more.
    fn is_forgotten(&self) -> bool;
    fn run(self: Box<Self>, shared_desk: &mut S);
}

/// Work for which somebody waits.
struct Asked<F, T> {
    work: F,
    told: oneshot::Sender<std::thread::Result<T>>,
}

impl<S, F: FnOnce(&mut S) -> T + Send, T: Send> Work<S> for Asked<F, T> {
    fn is_forgotten(&self) -> bool {
        self.told.is_canceled()
    }

    fn run(self: Box<Self>, shared_desk: &mut S) {
        let Asked { work, told } = *self;
        // An error says that nobody waits any more.
        let _ = told.send(catch_unwind(AssertUnwindSafe(|| work(shared_desk))));
    }
}

/// Work that is done whether or not anybody waits.
struct Note<F>(F);

impl<S, F: FnOnce(&mut S) + Send> Work<S> for Note<F> {
    fn is_forgotten(&self) -> bool {
        false
    }

    fn run(self: Box<Self>, shared_desk: &mut S) {
        (self.0)(shared_desk);
    }
}

/// Work that waits for its turn, or is under way. It is done to its end once it has begun; what nobody waits for any more before
/// that is not done.
pub struct Errand<T>(oneshot::Receiver<std::thread::Result<T>>);

impl<T> Errand<T> {
    /// What came of it; a panic goes on here.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the thread has vanished.
    pub async fn done(self) -> Result<T> {
        match self.0.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::new(Kind::Internal, "a thread ended without its result")),
        }
    }
}

impl<S: Sat> Queue<S> {
    /// At this desk, in turns of this source.
    pub fn new(shared_desk: S, turns: Arc<Turns>, source: Source) -> Queue<S> {
        let line = Line { waiting: VecDeque::new(), sweep_at: SWEEP_MIN, is_called: false };
        Queue(Arc::new(Inner { turns, source, shared_desk: Mutex::new(shared_desk), line: Mutex::new(line) }))
    }

    /// Does this when it is its turn, in a place of this class.
    pub fn ask<T: Send + 'static>(&self, class: Class, work: impl FnOnce(&mut S) -> T + Send + 'static) -> Errand<T> {
        let (told, done) = oneshot::channel();
        self.push(class, Box::new(Asked { work, told }));
        Errand(done)
    }

    /// Does this in its turn, whether or not anybody waits for it: it gives up what is open, and whoever asks for that may be on a thread that
    /// must not wait for a disk.
    pub fn note(&self, work: impl FnOnce(&mut S) + Send + 'static) {
        self.push(Class::Light, Box::new(Note(work)));
    }

    fn push(&self, class: Class, errand: Box<dyn Work<S>>) {
        let mut line = self.0.line.lock();
        line.waiting.push_back((class, errand));
        let forgotten = line.sweep();
        let is_called = mem::replace(&mut line.is_called, true);
        drop(line);
        if !is_called {
            // Whoever is first decides.
            self.0.turns.ask(&self.0.source, class, self.0.clone());
        }
        drop(forgotten);
    }
}

impl<S: Sat> Inner<S> {
    /// The next work, if this place will do for it, and whether more waits behind it. None: another place has been asked for, or nothing
    /// is left.
    fn next(self: &Arc<Self>, place: &Place, is_first: bool) -> Option<(Box<dyn Work<S>>, bool)> {
        let mut line = self.line.lock();
        let Some((class, _)) = line.waiting.front() else {
            line.is_called = false;
            return None;
        };
        let class = *class;
        if (is_first || !place.is_over()) && place.becomes(class) {
            let errand = line.waiting.pop_front().map(|(_, errand)| errand);
            return errand.map(|errand| (errand, !line.waiting.is_empty()));
        }
        drop(line);
        self.turns.ask(&self.source, class, self.clone());
        None
    }
}

impl<S: Sat> Turn for Inner<S> {
    fn turn(self: Arc<Self>, place: &Place) {
        let mut is_first = true;
        while let Some((errand, more)) = self.next(place, is_first) {
            is_first = false;
            let errand = Some(errand).filter(|errand| !errand.is_forgotten());
            let mut shared_desk = self.shared_desk.lock();
            if let Some(errand) = errand {
                shared_desk.begins(more);
                // What panics and has nobody who waits for it must not take those with it who come after it.
                let _told_by_itself = catch_unwind(AssertUnwindSafe(|| errand.run(&mut shared_desk)));
            }
            if !more {
                shared_desk.is_left();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc::{SyncSender, sync_channel};

    use futures::FutureExt as _;
    use futures::executor::block_on;

    use super::*;
    use crate::files::RelPath;
    use crate::machine::turns::Places;
    use crate::server::desk::locks::{Scope, Terms};
    use crate::server::desk::op::Op;
    use crate::server::desk::outcome::Begun;
    use crate::server::desk::tests::Bench;

    #[test]
    fn an_outcome_reaches_whoever_waits_for_its_operation_in_whatever_order_outcomes_come() {
        let mut waiting = Waiting::default();
        let operations = [(); 3].map(|()| OperationId::fresh());
        let pending = operations.map(|operation| waiting.join(operation));
        waiting.tell(OperationId::fresh(), Ok(Outcome::Discarded));
        for (at, operation) in operations.into_iter().enumerate().rev() {
            waiting.tell(operation, Ok(Outcome::FolderMade { made: at as u64 }));
        }
        let told = pending.map(|pending| block_on(pending).unwrap().unwrap());
        assert_eq!(told, [0, 1, 2].map(|made| Outcome::FolderMade { made }));
        assert!(waiting.0.is_empty());
    }

    #[test]
    fn what_one_request_requires_is_in_force_for_no_other_one() {
        let file = RelPath::parse(b"file").unwrap();
        let terms = Terms { scope: Scope::Exclusive, deep: false, owner: String::new(), lasts: limits::LOCK_MAX };
        let mut bench = Bench::new("full");
        let lock = Op::Lock { path: file.clone(), terms };
        let Begun::Done(Ok(Outcome::Locked { lock, .. })) = bench.desk.begin(lock, "LOCK", &mut |_, _| ()) else {
            panic!("nobody has locked it")
        };
        let turns = Turns::new("test", Places::of_sessions());
        let queue = Queue::new(SharedDesk::new(bench.desk), turns, Source::from(IpAddr::from(Ipv4Addr::LOCALHOST)));
        let removal = move |desk: &mut Desk| {
            let op = Op::Remove { path: file, recursive: false, for_good: false };
            match desk.begin(op, "DELETE", &mut |_, _| ()) {
                Begun::Done(done) => done.map(drop).map_err(|error| error.kind()),
                _ => panic!("it is one step"),
            }
        };
        let (told, noted) = sync_channel(1);
        let other = removal.clone();
        queue.ask(Class::Light, move |shared_desk| {
            shared_desk.desk.require(Preconditions { locks: vec![lock.token], ..Preconditions::default() });
        });
        queue.note(move |shared_desk| told.send(other(&mut shared_desk.desk)).unwrap());
        assert_eq!(noted.recv().unwrap(), Err(Kind::Locked), "it presents nothing itself");
        let presenting = queue.ask(Class::Light, move |shared_desk| {
            shared_desk.desk.require(Preconditions { locks: vec![lock.token], ..Preconditions::default() });
            removal(&mut shared_desk.desk)
        });
        assert_eq!(block_on(presenting.done()).unwrap(), Ok(()));
    }

    impl Sat for Vec<u32> {
        fn begins(&mut self, _: bool) {}

        fn is_left(&mut self) {}
    }

    fn queue() -> Queue<Vec<u32>> {
        Queue::new(
            Vec::new(),
            Turns::new("test", Places::of_sessions()),
            Source::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
        )
    }

    /// Somebody is at this desk until they are let go.
    fn held_up<S: Sat>(queue: &Queue<S>) -> (Errand<()>, SyncSender<()>) {
        let (go, wait) = sync_channel::<()>(0);
        let (begun, is_begun) = sync_channel::<()>(1);
        let first = queue.ask(Class::Light, move |_| {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        });
        is_begun.recv().unwrap();
        (first, go)
    }

    #[test]
    fn all_is_done_in_the_order_in_which_it_was_asked_for() {
        let queue = queue();
        let class = |n| if n % 7 == 0 { Class::Heavy } else { Class::Light };
        let asked: Vec<_> = (0..1000).map(|n| queue.ask(class(n), move |shared_desk| shared_desk.push(n))).collect();
        asked.into_iter().for_each(|errand| block_on(errand.done()).unwrap());
        let seen = block_on(queue.ask(Class::Light, |shared_desk| shared_desk.clone()).done()).unwrap();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    }

    /// What was told of: whether more waited, and `L` once nothing did.
    impl Sat for String {
        fn begins(&mut self, more: bool) {
            self.push(if more { '+' } else { '-' });
        }

        fn is_left(&mut self) {
            self.push('L');
        }
    }

    #[test]
    fn a_desk_is_told_whether_more_waits_and_left_once_also_if_nobody_wants_the_last_any_more() {
        let turns = Turns::new("test", Places::of_sessions());
        let queue = Queue::new(String::new(), turns, Source::from(IpAddr::from(Ipv4Addr::LOCALHOST)));
        let told = || queue.ask(Class::Light, std::mem::take);
        let (first, go) = held_up(&queue);
        let second = queue.ask(Class::Light, |_| {});
        drop(queue.ask(Class::Light, |_| {}));
        go.send(()).unwrap();
        [first, second].into_iter().for_each(|errand| block_on(errand.done()).unwrap());
        // The first was alone when it began, and the desk is left behind it, though the next waits by then. The third may be over or not.
        let seen = block_on(told().done()).unwrap();
        assert!(["-L+L-", "-L+-"].contains(&seen.as_str()), "{seen}");
        let mut after = String::new();
        for _ in 0..2 {
            after += &block_on(told().done()).unwrap();
        }
        assert_eq!(after, "L-L-");
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun_and_what_is_noted_is() {
        let queue = queue();
        let (go, wait) = sync_channel::<()>(0);
        let first = queue.ask(Class::Light, move |shared_desk| {
            wait.recv().unwrap();
            shared_desk.push(1);
        });
        drop(queue.ask(Class::Light, |shared_desk| shared_desk.push(2)));
        queue.note(|shared_desk| shared_desk.push(3));
        let last = queue.ask(Class::Light, |shared_desk| shared_desk.clone());
        go.send(()).unwrap();
        block_on(first.done()).unwrap();
        assert_eq!(block_on(last.done()).unwrap(), [1, 3]);
        queue.note(|shared_desk| shared_desk.push(4));
        assert_eq!(block_on(queue.ask(Class::Light, |shared_desk| shared_desk.clone()).done()).unwrap(), [1, 3, 4]);
    }

    #[test]
    fn what_is_given_up_is_closed_in_a_turn_and_never_where_it_is_dropped() {
        let queue = queue();
        let (told, closed) = sync_channel(1);
        queue.note(move |_| told.send(std::thread::current().id()).unwrap());
        assert_ne!(closed.recv().unwrap(), std::thread::current().id());
    }

    #[test]
    fn what_nobody_waits_for_any_more_does_not_pile_up() {
        let queue = queue();
        let (first, go) = held_up(&queue);
        /// Goes to the desk when it is dropped, as a list does that is under way.
        struct Noted(Queue<Vec<u32>>);
        impl Drop for Noted {
            fn drop(&mut self) {
                self.0.note(|_| {});
            }
        }
        let noted = Noted(queue.clone());
        drop(queue.ask(Class::Light, move |_| drop(noted)));
        let mut kept = Vec::new();
        let mut most = 0;
        for n in 0..10_000 {
            let errand = queue.ask(Class::Light, move |shared_desk| shared_desk.push(n));
            if n % 100 == 0 {
                kept.push(errand);
            }
            most = most.max(queue.0.line.lock().waiting.len());
        }
        assert!(most <= 2 * (SWEEP_MIN + kept.len()), "{most} wait");
        go.send(()).unwrap();
        block_on(first.done()).unwrap();
        kept.into_iter().for_each(|errand| block_on(errand.done()).unwrap());
        let seen = block_on(queue.ask(Class::Light, |shared_desk| shared_desk.clone()).done()).unwrap();
        assert_eq!(seen, (0..10_000).step_by(100).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_goes_on_where_it_is_waited_for_and_the_others_are_done() {
        let queue = queue();
        let (go, wait) = sync_channel::<()>(0);
        let first = queue.ask(Class::Light, move |_| wait.recv().unwrap());
        let panics = queue.ask(Class::Light, |_| panic!("on purpose"));
        queue.note(|_| panic!("on purpose"));
        let last = queue.ask(Class::Light, |shared_desk| shared_desk.len());
        go.send(()).unwrap();
        block_on(first.done()).unwrap();
        assert!(block_on(AssertUnwindSafe(panics.done()).catch_unwind()).is_err());
        assert_eq!(block_on(last.done()).unwrap(), 0);
    }
}
