//! Many files over several connections of one login: each connection takes the next few from a common list.
//!
//! The first connection leads, as with the ranges of one file. It says what there is to do whenever there is something,
//! works like the others, and does what a lost one has left.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::join_all;
use futures::join;

use super::ping;
use crate::client::connection::Client;
use crate::client::destination::Destination;
use crate::client::jobs::{Upload, UploadSource};
use crate::client::ledger::{How, Ledger};
use crate::client::local_access::LocalAccess;
use crate::client::observer::Observer;
use crate::client::receive::{Job, Receiver};
use crate::client::send::{Sender, Task};
use crate::client::session::Session;
use crate::client::unmade::Unmade;
use crate::error::Result;
use crate::files::{Condition, Mtime, RelPath};
use crate::limits;
use crate::sync::{Condvar, Mutex};

/// Connections that wait for files to move, beside the first one.
pub(in crate::client) struct Crowd {
    state: Mutex<State>,
    changed: Condvar,
    observer: Arc<dyn Observer>,
    /// All connections, the first one among them.
    connections: usize,
    /// What became of files, as far as nobody has taken it over yet.
    done: Mutex<Ledger>,
}

#[derive(Default)]
struct State {
    work: Option<Arc<Work>>,
    /// Which work it is.
    number: u64,
    /// How many of the others are at it.
    busy: usize,
    is_over: bool,
}

/// Files to move.
struct Work {
    files: Files,
    /// The first that nobody has taken.
    next: Mutex<usize>,
    how: How,
    unmade: Arc<Mutex<Unmade>>,
    wants_hashes: bool,
}

enum Files {
    Send { files: Vec<SendFile>, count: bool },
    Fetch { jobs: Vec<Job>, into: Destination },
}

/// A local file to be sent, as often as it takes.
#[derive(Clone)]
struct SendFile {
    path: PathBuf,
    to: RelPath,
    condition: Condition,
    mtime: Option<Mtime>,
    access: LocalAccess,
}

impl SendFile {
    fn task(self) -> Task {
        let SendFile { path, to, condition, mtime, access } = self;
        Task::File { upload: Upload { from: UploadSource::File(path), to, condition, mtime }, access }
    }
}

/// Runs `lead` on the first connection, and so many in all as far as the server gives them, to which it may hand files. What
/// is in the ledger that comes back with the outcome has not come to `lead`.
pub(in crate::client) async fn crowded<T: Send + 'static>(
    client: &mut Client,
    wanted: u32,
    observer: &Arc<dyn Observer>,
    lead: impl FnOnce(&mut Session, Option<&Crowd>) -> Result<T> + Send + 'static,
) -> (Result<T>, Ledger) {
    if wanted <= 1 {
        return (client.run(|session| lead(session, None)).await, Ledger::default());
    }
    let before = client.streams();
    match client.widen(wanted).await {
        Err(error) => return (Err(error), Ledger::default()),
        Ok(why) if client.streams() != before || why.is_some() => {
            observer.streams(client.streams(), wanted as usize, why.as_ref());
        }
        Ok(_) => {}
    }
    let crowd = Arc::new(Crowd {
        state: Mutex::default(),
        changed: Condvar::new(),
        observer: Arc::clone(observer),
        connections: client.streams(),
        done: Mutex::default(),
    });
    let mut crew = client.take_crew();
    let stops: Vec<_> = crew.iter().map(Client::own_stop).collect();
    let helping = join_all(crew.iter_mut().map(|helper| {
        let crowd = Arc::clone(&crowd);
        helper.run(move |session| crowd.help(session))
    }));
    let leading = async {
        let leads = Arc::clone(&crowd);
        let led = client.run(move |session| lead(session, Some(&leads))).await;
        crowd.end();
        if led.is_err() {
            // Whatever they are at, it is done over.
            for stop in &stops {
                stop.close();
            }
        }
        led
    };
    let (led, _) = join!(leading, helping);
    client.give_crew(crew);
    let rest = std::mem::take(&mut *crowd.done.lock());
    (led, rest)
}

/// Does all of these, over all connections if there are several. Which folders are missing is told by whoever knows that nothing else
/// is to come ([`Ledger::tell_unmade`]).
///
/// # Errors
/// What ended the first connection; the others are in the ledger.
pub(in crate::client) fn send(
    session: &mut Session,
    tasks: impl Iterator<Item = Task>,
    crowd: Option<&Crowd>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
    count: bool,
) -> Result<()> {
    let Some(crowd) = crowd else {
        return Sender::new(session, observer, ledger, count).run(tasks);
    };
    let mut files = Vec::new();
    // Folders first, so that a file finds its own, whichever connection it comes by.
    let others = tasks.filter_map(|task| match task {
        Task::File { upload: Upload { from: UploadSource::File(path), to, condition, mtime }, access } => {
            files.push(SendFile { path, to, condition, mtime, access });
            None
        }
        other => Some(other),
    });
    Sender::new(session, observer, ledger, count).run(others)?;
    files.retain(|file| !ledger.is_settled(&file.to));
    crowd.run(session, Files::Send { files, count }, observer, ledger)
}

/// Fetches all of these files, over all connections if there are several.
///
/// # Errors
/// As [`send`].
pub(in crate::client) fn fetch(
    session: &mut Session,
    jobs: impl Iterator<Item = Job>,
    crowd: Option<&Crowd>,
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<()> {
    let Some(crowd) = crowd else {
        return Receiver { session, into: into.store(), observer, ledger }.run(jobs);
    };
    let jobs: Vec<Job> = jobs.filter(|job| !ledger.is_settled(&job.file.to)).collect();
    crowd.run(session, Files::Fetch { jobs, into: into.clone() }, observer, ledger)
}

impl Crowd {
    /// Moves these files over all connections, and adds to the ledger what became of them.
    fn run(&self, session: &mut Session, files: Files, observer: &dyn Observer, ledger: &mut Ledger) -> Result<()> {
        let (how, unmade) = (How { is_shared: true, ..ledger.how.clone() }, Arc::clone(&ledger.unmade));
        let work = Arc::new(Work { files, next: Mutex::default(), how, unmade, wants_hashes: ledger.whole.is_some() });
        {
            let mut state = self.state.lock();
            state.work = Some(Arc::clone(&work));
            state.number += 1;
        }
        self.changed.notify_all();
        let led = work.run(session, self, observer).and_then(|()| self.wait_for_others(session));
        ledger.absorb(std::mem::take(&mut *self.done.lock()));
        led?;
        work.run_left(session, observer, ledger)
    }

    /// Waits until the others have done their share.
    fn wait_for_others(&self, session: &mut Session) -> Result<()> {
        loop {
            let waits = |state: &mut State| state.busy > 0;
            let (mut state, _) = self.changed.wait_timeout_while(self.state.lock(), limits::STILL_HERE, waits);
            if state.busy == 0 {
                state.work = None;
                return Ok(());
            }
            drop(state);
            ping(session)?;
        }
    }

    /// The share of one of the others, until all is over.
    fn help(&self, session: &mut Session) -> Result<()> {
        let mut known = 0;
        while let Some(next) = self.next(&mut known) {
            let Some(work) = next else {
                ping(session)?;
                continue;
            };
            let done = work.run(session, self, &*self.observer);
            self.state.lock().busy -= 1;
            self.changed.notify_all();
            if let Err(error) = done {
                self.observer.stream_lost(&error);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits for work that is not known yet: that, or nothing if none came for a while. None at all if all is over.
    fn next(&self, known: &mut u64) -> Option<Option<Arc<Work>>> {
        let waits = |state: &mut State| !state.is_over && (state.work.is_none() || state.number == *known);
        let (mut state, timeout) = self.changed.wait_timeout_while(self.state.lock(), limits::STILL_HERE, waits);
        if state.is_over {
            return None;
        }
        if timeout.timed_out() {
            return Some(None);
        }
        *known = state.number;
        state.busy += 1;
        Some(state.work.clone())
    }

    fn end(&self) {
        self.state.lock().is_over = true;
        self.changed.notify_all();
    }
}

impl Work {
    fn len(&self) -> usize {
        match &self.files {
            Files::Send { files, .. } => files.len(),
            Files::Fetch { jobs, .. } => jobs.len(),
        }
    }

    /// The next few files, fewer towards the end: so nobody has many left when the others have none.
    fn take(&self, connections: usize) -> std::ops::Range<usize> {
        let mut next = self.next.lock();
        let left = self.len().saturating_sub(*next);
        let begin = *next;
        *next += (left / (2 * connections.max(1))).clamp(1, limits::PIPELINE_FILES).min(left);
        begin..*next
    }

    /// Moves files over this connection until none is left. What became of them is added up for the first one.
    fn run(&self, session: &mut Session, crowd: &Crowd, observer: &dyn Observer) -> Result<()> {
        loop {
            let some = self.take(crowd.connections);
            if some.is_empty() {
                return Ok(());
            }
            let mut ledger = Ledger::default();
            ledger.how = self.how.clone();
            ledger.unmade = Arc::clone(&self.unmade);
            ledger.whole = self.wants_hashes.then(Vec::new);
            let done = self.share(session, some, observer, &mut ledger);
            crowd.done.lock().absorb(ledger);
            done?;
        }
    }

    fn share(
        &self,
        session: &mut Session,
        some: std::ops::Range<usize>,
        observer: &dyn Observer,
        ledger: &mut Ledger,
    ) -> Result<()> {
        match &self.files {
            Files::Send { files, count } => {
                let tasks = files.get(some).unwrap_or_default().iter().cloned().map(SendFile::task);
                Sender::new(session, observer, ledger, *count).run(tasks)
            }
            Files::Fetch { jobs, into } => {
                let jobs = jobs.get(some).unwrap_or_default().iter().cloned();
                let done = Receiver { session, into: into.store(), observer, ledger }.run(jobs);
                into.store().forget_handles();
                done
            }
        }
    }

    /// Moves over this connection what a lost one had taken and not settled.
    fn run_left(&self, session: &mut Session, observer: &dyn Observer, ledger: &mut Ledger) -> Result<()> {
        let is_left = |ledger: &Ledger, to: &RelPath| !ledger.is_settled(to);
        let all_settled = match &self.files {
            Files::Send { files, .. } => files.iter().all(|file| !is_left(ledger, &file.to)),
            Files::Fetch { jobs, .. } => jobs.iter().all(|job| !is_left(ledger, &job.file.to)),
        };
        if all_settled {
            return Ok(());
        }
        let was_shared = std::mem::replace(&mut ledger.how.is_shared, true);
        ledger.how.goes_on();
        let done = match &self.files {
            Files::Send { files, .. } => {
                let left: Vec<_> = files.iter().filter(|file| is_left(ledger, &file.to)).cloned().collect();
                Sender::new(session, observer, ledger, false).run(left.into_iter().map(SendFile::task))
            }
            Files::Fetch { jobs, into } => {
                let left: Vec<_> = jobs.iter().filter(|job| is_left(ledger, &job.file.to)).cloned().collect();
                let left = left.into_iter().map(|job| Job { counted: true, ..job });
                Receiver { session, into: into.store(), observer, ledger }.run(left)
            }
        };
        ledger.how.is_shared = was_shared;
        done
    }
}
