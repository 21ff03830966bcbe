//! A lane: received bytes to a session's machine and its answers back, with a thread only while there is work.
//!
//! The machine is blocking code: it parses, asks the store, hashes. It runs when it is its [turn](super::turns) and is
//! put back as soon as it has nothing to do or nowhere to put its answers, so a slow client never holds a thread, or
//! when others have waited long enough. While it runs, the connection's task deciphers what comes next and ciphers what
//! is ready: disk, hash and cipher overlap.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures::future::poll_fn;
use futures::task::AtomicWaker;

use super::source::Source;
use super::turns::{Class, Place, Turn, Turns};
use crate::budget::Account;
use crate::buffers::Buffer;
use crate::error::Kind;
use crate::limits;
use crate::sync::{Mutex, MutexGuard};

/// What a machine did with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something; call again.
    Progress,
    /// The input is used up.
    Starved,
    /// The session is over; what was written is the last there is.
    Close,
}

/// What a machine that is starved waits for from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The next command: it may take its time.
    Command,
    /// The rest of a file whose sender has said that it has nothing to send for now: it may take its time too.
    Pause,
    /// The rest of a line or of a file: it should keep coming.
    More,
}

/// Blocking session code, fed with bytes in portions of any size.
pub trait Machine: Send + 'static {
    /// Does one bounded piece of work: one command, or one chunk of a transfer.
    fn step(&mut self, input: &mut &[u8], out: &mut Outgoing) -> Step;
    /// What the next step takes.
    fn class(&self) -> Class;
    /// The input has run dry for now: finish what was put off to be done together.
    fn settle(&mut self, out: &mut Outgoing);
    /// Whether what the last step took of its input must not stay in memory.
    fn took_secret(&self) -> bool {
        false
    }
    /// What it waits for.
    fn waiting(&self) -> Waiting;
    /// The server wants to end the session, for this reason. Called only when starved; says goodbye.
    fn dismiss(&mut self, why: Kind, out: &mut Outgoing);
    /// The client is gone: put away what can be resumed, drop the rest.
    fn hang_up(&mut self);
}

/// Where a machine writes. Full buffers are handed to the connection at once, the last one when the machine pauses.
pub struct Outgoing<'a> {
    queue: &'a dyn Queue,
    account: &'a Arc<Account>,
    current: Option<Buffer>,
    crowded: bool,
}

pub trait Queue {
    /// Hands a buffer over; says whether that is as many as may wait.
    fn hand_over(&self, buffer: Buffer) -> bool;
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(queue: &'a dyn Queue, account: &'a Arc<Account>) -> Self {
        Outgoing { queue, account, current: None, crowded: false }
    }

    /// Appends bytes.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = self.current.get_or_insert_with(|| Buffer::take_for(self.account)).append(bytes);
            bytes = bytes.get(n..).unwrap_or_default();
            if !bytes.is_empty() {
                self.hand_over();
            }
        }
    }

    /// Appends bytes that must not stay in memory once they are sent: in a buffer of their own, wiped behind them.
    pub fn put_secret(&mut self, bytes: &[u8]) {
        self.hand_over();
        let mut buffer = Buffer::secret();
        buffer.append(bytes);
        self.current = Some(buffer);
        self.hand_over();
    }

    /// A buffer with at least `least` bytes of room, which are not more than [`limits::SMALL_BUFFER`].
    pub fn with_room(&mut self, least: usize) -> &mut Buffer {
        if self.current.as_mut().is_some_and(|buffer| buffer.room().len() < least) {
            self.hand_over();
        }
        self.current.get_or_insert_with(|| Buffer::take_for(self.account))
    }

    /// Hands what was written so far to the connection.
    pub fn hand_over(&mut self) {
        if let Some(buffer) = self.current.take().filter(|buffer| !buffer.is_empty()) {
            self.crowded |= self.queue.hand_over(buffer);
        }
    }
}

/// What the connection sees of a machine that is not running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// The server is at work.
    Working,
    /// The client has answers to read.
    Sending,
    /// The client is to send.
    Waiting(Waiting),
}

/// A machine with its queues. Clones are the same lane.
pub struct Lane<M>(Arc<Inner<M>>);

struct Inner<M> {
    turns: Arc<Turns>,
    source: Source,
    /// Its share of the memory.
    account: Arc<Account>,
    state: Mutex<State<M>>,
    /// The connection's task: the only one that waits on a lane.
    task: AtomicWaker,
    broken: AtomicBool,
}

struct State<M> {
    /// The machine and what it has begun to read, while no worker runs it.
    parked: Option<(M, Buffer)>,
    /// It was parked because the outbox was full, not for want of input.
    crowded: bool,
    /// It is parked and waits for its turn.
    asked: bool,
    waiting: Waiting,
    inbox: VecDeque<Buffer>,
    outbox: VecDeque<Buffer>,
    /// The connection's task waits for room in the inbox.
    wants_room: bool,
    /// The connection's task waits for something in the outbox.
    wants_output: bool,
    input_over: bool,
    dismissed: Option<Kind>,
    /// The machine has taken no step since.
    owes_step: bool,
    /// Nothing more will be put in the outbox.
    over: bool,
    panicked: bool,
}

impl<M> Clone for Lane<M> {
    fn clone(&self) -> Self {
        Lane(self.0.clone())
    }
}

impl<M: Machine> Lane<M> {
    /// A lane for this machine, which runs when there is input and it is the turn of its source.
    pub fn new(machine: M, turns: Arc<Turns>, source: Source, account: Arc<Account>) -> Self {
        let state = State {
            parked: Some((machine, Buffer::none())),
            crowded: false,
            asked: false,
            waiting: Waiting::Command,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            wants_room: false,
            wants_output: false,
            input_over: false,
            dismissed: None,
            owes_step: false,
            over: false,
            panicked: false,
        };
        Lane(Arc::new(Inner {
            turns,
            source,
            account,
            state: Mutex::new(state),
            task: AtomicWaker::new(),
            broken: AtomicBool::new(false),
        }))
    }

    /// Sends this before anything the machine says.
    pub fn greet(&self, greeting: Buffer) {
        self.0.lock().outbox.push_front(greeting);
    }

    /// Waits until the inbox has room.
    pub async fn room(&self) {
        poll_fn(|cx| {
            self.0.task.register(cx.waker());
            let mut state = self.0.lock();
            state.wants_room = state.inbox.len() >= self.0.inbox_full();
            if state.wants_room { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// An empty buffer to receive into.
    pub fn buffer(&self) -> Buffer {
        Buffer::take_for(&self.0.account)
    }

    /// Puts received bytes in.
    pub fn push(&self, buffer: Buffer) {
        let mut state = self.0.lock();
        state.inbox.push_back(buffer);
        self.start(state);
    }

    /// The client sends no more: the machine does what is left and hangs up.
    pub fn end_input(&self) {
        let mut state = self.0.lock();
        state.input_over = true;
        self.start(state);
    }

    /// Ends the session as soon as the machine is between two commands or waits for the client.
    pub fn dismiss(&self, why: Kind) {
        let mut state = self.0.lock();
        state.dismissed.get_or_insert(why);
        if why == Kind::Stopping {
            // One step more, also where the client takes nothing: by that the machine comes to know of it.
            (state.owes_step, state.crowded) = (true, false);
        }
        self.start(state);
    }

    /// The next bytes to send, without waiting.
    pub fn try_next(&self) -> Option<Buffer> {
        let mut state = self.0.lock();
        let buffer = state.outbox.pop_front();
        if state.crowded && state.outbox.len() <= self.0.outbox_low() {
            self.start(state);
        }
        buffer
    }

    /// The next bytes to send; `None` when the session is over and all is sent.
    pub async fn next(&self) -> Option<Buffer> {
        poll_fn(|cx| {
            self.0.task.register(cx.waker());
            let mut state = self.0.lock();
            state.wants_output = state.outbox.is_empty() && !state.over;
            if state.wants_output {
                return Poll::Pending;
            }
            drop(state);
            // Nobody else takes from the outbox: there is a buffer, or the session is over.
            Poll::Ready(self.try_next())
        })
        .await
    }

    /// What is going on.
    pub fn doing(&self) -> Doing {
        let state = self.0.lock();
        if !state.outbox.is_empty() {
            Doing::Sending
        } else if state.parked.is_some() && !state.asked {
            Doing::Waiting(state.waiting)
        } else {
            Doing::Working
        }
    }

    /// The connection is broken: nothing can be sent any more, and the machine hangs up after the step it is in.
    pub fn abandon(&self) {
        self.0.broken.store(true, Ordering::Relaxed);
        let mut state = self.0.lock();
        state.input_over = true;
        state.outbox.clear();
        state.inbox.clear();
        self.start(state);
    }

    /// Whether the machine panicked: a fault of ours, to be counted.
    pub fn panicked(&self) -> bool {
        self.0.lock().panicked
    }

    /// Asks for a turn of the machine unless it has one, waits for one, is over, or has nowhere to write.
    fn start(&self, mut state: MutexGuard<'_, State<M>>) {
        if state.over || state.asked || (state.crowded && state.outbox.len() > self.0.outbox_low()) {
            return;
        }
        if let Some((machine, _)) = &state.parked {
            let class = machine.class();
            state.asked = true;
            drop(state);
            self.0.clone().ask(class);
        }
    }
}

impl<M> Inner<M> {
    /// Buffers in the inbox at which the connection is read no further.
    fn inbox_full(&self) -> usize {
        if self.account.is_rich() { limits::INBOX_BUFFERS } else { 1 }
    }

    /// Buffers in the inbox at which it is read again.
    fn inbox_low(&self) -> usize {
        if self.account.is_rich() { limits::INBOX_LOW } else { 0 }
    }

    /// Buffers in the outbox at which a worker stops.
    fn outbox_full(&self) -> usize {
        if self.account.is_rich() { limits::OUTBOX_BUFFERS } else { 1 }
    }

    /// Buffers in the outbox at which a stopped worker starts again.
    fn outbox_low(&self) -> usize {
        if self.account.is_rich() { limits::OUTBOX_LOW } else { 0 }
    }
}

/// What a worker goes on with after the machine starved.
enum Next<M> {
    Feed(M, Buffer),
    Dismiss(M, Kind),
    HangUp(M),
    /// Nothing: the machine is parked until there is a reason to start it.
    Parked,
}

impl<M: Machine> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        // A panic under this lock would leave plain data behind; the session's end handles it.
        self.state.lock()
    }

    fn ask(self: Arc<Self>, class: Class) {
        self.turns.clone().ask(&self.source, class, self.clone());
    }

    /// Runs the machine until it starves, is crowded out, has had its turn or is over.
    fn run(self: &Arc<Self>, mut machine: M, mut input: Buffer, place: &Place) {
        let mut out = Outgoing::new(&**self, &self.account);
        // However long it waited for a core: no turn is for nothing.
        let mut stepped = false;
        loop {
            if self.broken.load(Ordering::Relaxed) {
                return self.finish(machine, out);
            }
            if (stepped && place.is_over()) || !place.becomes(machine.class()) {
                out.hand_over();
                let class = machine.class();
                let mut state = self.lock();
                state.parked = Some((machine, input));
                state.crowded = !state.owes_step && state.outbox.len() >= self.outbox_full();
                if !state.crowded {
                    state.asked = true;
                    drop(state);
                    self.clone().ask(class);
                }
                return;
            }
            let mut unread = input.filled();
            let before = unread.len();
            let step = machine.step(&mut unread, &mut out);
            stepped = true;
            let used = before - unread.len();
            match machine.took_secret() {
                true => input.consume_secret(used),
                false => input.consume(used),
            }
            match step {
                Step::Progress if out.crowded => {
                    out.hand_over();
                    let mut state = self.lock();
                    out.crowded = state.outbox.len() >= self.outbox_full();
                    // It was dismissed during this very step.
                    let owes_step = std::mem::take(&mut state.owes_step);
                    if out.crowded && !owes_step {
                        state.crowded = true;
                        state.parked = Some((machine, input));
                        return;
                    }
                }
                Step::Progress => {}
                Step::Starved => {
                    if let Some(buffer) = self.more_input() {
                        input = buffer;
                        continue;
                    }
                    // The memory goes back before the rest; what was put off is done and sent.
                    drop(input);
                    machine.settle(&mut out);
                    out.hand_over();
                    match self.rest(machine) {
                        Next::Feed(again, buffer) => (machine, input) = (again, buffer),
                        Next::Dismiss(mut machine, why) => {
                            machine.dismiss(why, &mut out);
                            return self.finish(machine, out);
                        }
                        Next::HangUp(machine) => return self.finish(machine, out),
                        Next::Parked => return,
                    }
                }
                Step::Close => return self.finish(machine, out),
            }
        }
    }

    fn more_input(&self) -> Option<Buffer> {
        self.take_input(&mut self.lock())
    }

    /// Takes from the inbox. The connection's task is woken only if it waits for room, and only when there is room for
    /// several buffers: each time costs two threads their turns.
    fn take_input(&self, state: &mut State<M>) -> Option<Buffer> {
        let buffer = state.inbox.pop_front()?;
        if state.inbox.len() <= self.inbox_low() && std::mem::take(&mut state.wants_room) {
            self.task.wake();
        }
        Some(buffer)
    }

    /// Decides and parks under one lock, so that input which comes in between is never overlooked.
    fn rest(&self, machine: M) -> Next<M> {
        let mut state = self.lock();
        if let Some(buffer) = self.take_input(&mut state) {
            return Next::Feed(machine, buffer);
        }
        let waiting = machine.waiting();
        match state.dismissed {
            // A session that is told to stop may finish the transfer it is in; one that is too slow may not.
            Some(Kind::Stopping) if waiting != Waiting::Command && !state.input_over => {}
            Some(why) => return Next::Dismiss(machine, why),
            None if state.input_over => return Next::HangUp(machine),
            None => {}
        }
        state.waiting = waiting;
        state.parked = Some((machine, Buffer::none()));
        Next::Parked
    }

    fn finish(&self, mut machine: M, mut out: Outgoing<'_>) {
        machine.hang_up();
        out.hand_over();
        // Before the session counts as over: a stopping server waits for that and no longer, and the machine's end
        // removes what it has on the disk.
        drop(machine);
        self.lock().over = true;
    }
}

impl<M: Machine> Turn for Inner<M> {
    fn turn(self: Arc<Self>, place: &Place) {
        let mut state = self.lock();
        state.asked = false;
        state.crowded = false;
        state.owes_step = false;
        let Some((machine, input)) = state.parked.take() else { return };
        drop(state);
        let run = catch_unwind(AssertUnwindSafe(|| self.run(machine, input, place)));
        if run.is_err() {
            let mut state = self.lock();
            state.panicked = true;
            state.over = true;
        }
        self.task.wake();
    }
}

impl<M: Machine> Queue for Inner<M> {
    fn hand_over(&self, buffer: Buffer) -> bool {
        let mut state = self.lock();
        state.outbox.push_back(buffer);
        if std::mem::take(&mut state.wants_output) {
            self.task.wake();
        }
        state.outbox.len() >= self.outbox_full()
    }
}

#[cfg(test)]
mod tests;
