//! One download over several connections: ranges of the server's file into a staged one, which appears only if all of it
//! has the hash that the server tells of the whole file.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use super::ranges::{Next, Range, Ranges};
use super::{Streams, ping};
use crate::client::answers::{Ids, Transferred};
use crate::client::destination::Destination;
use crate::client::jobs::Download;
use crate::client::observer::Observer;
use crate::client::receive::{Announced, Job, Receiver, begin, data, finish, hashed, whole_hash};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Hash, Partial, RelPath, SourceMode, Staged, UploadSpec};
use crate::limits;
use crate::proto::{Command, HashOf};
use crate::sync::Mutex;

/// A file to fetch that is worth several connections.
pub(in crate::client) struct LargeDownload {
    pub(in crate::client) job: Job,
    /// What it is, as far as was known before.
    pub(in crate::client) announced: Announced,
}

/// Asks how large these files are, which takes no more than the right to fetch them. What the server refuses has no
/// size, and the reason is told in its turn.
pub(in crate::client) fn probe(
    session: &mut Session,
    jobs: Vec<Download>,
) -> Result<Vec<(Download, Option<Announced>)>> {
    let mut found = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter().peekable();
    while jobs.peek().is_some() {
        let mut asked = Vec::new();
        while asked.len() < limits::PIPELINE_FILES
            && session.out().filled().len() < limits::WIRE_HANDOVER
            && let Some(job) = jobs.next()
        {
            match session.command(&nothing_of(&job.from)) {
                Ok(()) => asked.push(job),
                Err(_) => found.push((job, None)),
            }
        }
        for file in asked {
            let announced = size_of(session, &file.from)?;
            found.push((file, announced));
        }
    }
    Ok(found)
}

/// Has the server say what it would send.
fn nothing_of(path: &RelPath) -> Command {
    Command::Download { path: path.clone(), offset: 0, length: Some(0), growing: false }
}

fn size_of(session: &mut Session, path: &RelPath) -> Result<Option<Announced>> {
    let reply = session.reply()?;
    if reply.is_error() {
        let error = reply.to_error();
        return if session.is_broken() { Err(error) } else { Ok(None) };
    }
    if reply.digits != 150 {
        return Err(session.out_of_order());
    }
    let announced = Announced::read(&reply)?;
    let end = data(session, 0, path, |_| Ok(()))?;
    Ok(finish(session, end)?.ok().map(|_| announced))
}

/// Fetches these files one after the other, each over all connections.
///
/// # Errors
/// What ended the first connection; the others are in the ledger.
pub(in crate::client) async fn get_all(
    mut streams: Streams<'_>,
    files: Vec<LargeDownload>,
    into: &Destination,
) -> Result<()> {
    for file in files {
        if !streams.with_ledger(|ledger| ledger.is_settled(&file.job.file.to)) {
            get(&mut streams, file, into).await?;
        }
    }
    Ok(())
}

/// What became of a file.
enum Outcome {
    Done(Transferred),
    Failed(Error),
    /// Its parts are not of one file: to be fetched from its beginning, by one connection.
    Mixed,
}

async fn get(streams: &mut Streams<'_>, large: LargeDownload, into: &Destination) -> Result<()> {
    let LargeDownload { job, mut announced } = large;
    let Download { from, to, condition } = job.file.clone();
    if condition == Condition::Absent && into.store().stat(&to).is_ok() {
        let error = Error::new(Kind::Exists, format!("{to}: already exists")).at(to.as_path());
        failed(streams, &job.file, error);
        return Ok(());
    }
    if !streams.widen().await? {
        return alone(streams, job, into).await;
    }
    if announced.mode.is_none()
        && let Some(Announced { mode, allocated, .. }) = told_of(streams, &from).await?
    {
        (announced.mode, announced.allocated) = (mode, allocated);
    }
    let observer = Arc::clone(streams.observer);
    if !job.counted {
        observer.expected(0, announced.size);
    }
    observer.started(from.as_path(), Some(announced.size));
    let partial = match streams.with_ledger(|ledger| ledger.how.resumes()) {
        true => proven(streams, &from, &to, into).await?,
        false => None,
    };
    let (perms, parents) = streams.with_ledger(|ledger| (ledger.how.options.perms, ledger.how.options.parents));
    let staged = match stage(into, &to, condition, (announced, perms, parents), partial) {
        Ok(staged) => staged,
        Err(error) => {
            failed(streams, &job.file, error);
            return Ok(());
        }
    };
    let there = partial.map_or(0, |partial| partial.len);
    if there > 0 {
        streams.with_ledger(|ledger| ledger.resumed(&to, there));
        observer.resumed(from.as_path(), there);
    }
    let ranges = Ranges::new(there, announced.size, streams.client.streams());
    let fetch = Arc::new(Fetch { from, announced, ranges, staged: Mutex::new(Some(staged)), observer });
    let (lead, help, target) = (Arc::clone(&fetch), Arc::clone(&fetch), into.clone());
    let led = streams
        .together(&fetch.ranges, move |session| lead.lead(session, &target), move |session| help.help(session))
        .await;
    into.store().forget_handles();
    match led {
        Ok(Outcome::Done(done)) => streams.with_ledger(|ledger| {
            ledger.finished(fetch.from.as_path(), &to, &done, &*fetch.observer);
        }),
        Ok(Outcome::Failed(error)) => {
            keep(streams, &fetch, &error);
            failed(streams, &job.file, error);
        }
        Ok(Outcome::Mixed) => {
            drop(fetch);
            return alone(streams, Job { counted: true, ..job }, into).await;
        }
        Err(error) => {
            keep(streams, &fetch, &error);
            return Err(error);
        }
    }
    Ok(())
}

/// Keeps what came before this error if it is to be gone on with.
fn keep(streams: &Streams<'_>, fetch: &Fetch, error: &Error) {
    if streams.with_ledger(|ledger| ledger.keeps_after(error))
        && let Some(staged) = fetch.take()
    {
        let kept = staged.keep();
        streams.with_ledger(|ledger| ledger.kept = kept);
    }
}

/// What a download would say of a file that a listing told of. Why it is refused is told in its turn.
async fn told_of(streams: &mut Streams<'_>, path: &RelPath) -> Result<Option<Announced>> {
    let path = path.clone();
    let asked = streams.client.run(move |session| {
        session.command(&nothing_of(&path))?;
        size_of(session, &path)
    });
    asked.await
}

/// Fetches a file over the first connection alone.
async fn alone(streams: &mut Streams<'_>, job: Job, into: &Destination) -> Result<()> {
    let (into, observer, ledger) = (into.clone(), Arc::clone(streams.observer), Arc::clone(streams.ledger));
    streams
        .client
        .run(move |session| {
            let mut ledger = ledger.lock();
            let receiver = Receiver { session, into: into.store(), observer: &*observer, ledger: &mut ledger };
            receiver.run(std::iter::once(job))
        })
        .await
}

fn failed(streams: &Streams<'_>, file: &Download, error: Error) {
    let Download { from, to, condition } = file;
    let path = PathBuf::from(from.as_path());
    streams.with_ledger(|ledger| ledger.failed(path, to, *condition, error, &**streams.observer));
}

/// What is there of the file, if the file on the server begins with it.
async fn proven(
    streams: &mut Streams<'_>,
    from: &RelPath,
    to: &RelPath,
    into: &Destination,
) -> Result<Option<Partial>> {
    let (from, to, into, observer) = (from.clone(), to.clone(), into.clone(), Arc::clone(streams.observer));
    let asked = streams.client.run(move |session| {
        // A part that cannot be read is none.
        let Ok(Some(partial)) = into.store().partial(&to) else { return Ok(None) };
        observer.proving(from.as_path(), 0, partial.len);
        session.command(&Command::Hash { path: from, length: Some(partial.len), of: HashOf::Bytes })?;
        Ok(hashed(session)?.is_ok_and(|first| first == (partial.len, partial.hash)).then_some(partial))
    });
    asked.await
}

fn stage(
    into: &Destination,
    to: &RelPath,
    condition: Condition,
    (announced, perms, parents): (Announced, bool, bool),
    partial: Option<Partial>,
) -> Result<Box<dyn Staged>> {
    let Announced { size, mtime, mode, allocated } = announced;
    let (size, mtime) = (Some(size), Some(mtime));
    let mode = mode.map(|mode| SourceMode { mode, perms });
    let spec = UploadSpec { size, mtime, mode, allocated, condition, ..UploadSpec::default() };
    match partial {
        None => begin(into.store(), to, spec, parents)?.into_parts(),
        Some(Partial { len, hash }) => into.store().resume(to, spec, len, hash)?.into_parts(),
    }
}

/// One file on its way over several connections.
struct Fetch {
    from: RelPath,
    announced: Announced,
    ranges: Ranges,
    staged: Mutex<Option<Box<dyn Staged>>>,
    observer: Arc<dyn Observer>,
}

/// Why a range did not come. Neither is the connection's end.
enum Missed {
    /// The server's file is not what it was.
    Mixed,
    Failed(Error),
}

impl Fetch {
    /// The first connection's share: the hash of the whole file, which the server may have to compute while the others
    /// fetch, then ranges like the others, then the commit.
    fn lead(&self, session: &mut Session, into: &Destination) -> Result<Outcome> {
        session.command(&whole_hash(session, self.from.clone()))?;
        let whole = hashed(session)?;
        if let Err(error) = whole {
            return Ok(Outcome::Failed(error));
        }
        self.work(session, true)?;
        if let Some(error) = self.ranges.failure() {
            return Ok(match error.kind() {
                Kind::Changed => Outcome::Mixed,
                _ => Outcome::Failed(error),
            });
        }
        Ok(match whole.and_then(|whole| self.commit(whole, into, session.ids())) {
            Ok(Some(done)) => Outcome::Done(done),
            Ok(None) => Outcome::Mixed,
            Err(error) => Outcome::Failed(error),
        })
    }

    /// Commits the file if it has this length and hash.
    fn commit(&self, whole: (u64, Hash), into: &Destination, ids: Option<Ids>) -> Result<Option<Transferred>> {
        let taken = || Error::new(Kind::Internal, "the file was committed or given up before");
        let upload = self.take().ok_or_else(taken)?.into_upload()?;
        if (upload.len(), upload.hash()) != whole {
            return Ok(None);
        }
        let done = Transferred { size: upload.len(), hash: upload.hash(), ids };
        into.store().commit_one(upload)?;
        Ok(Some(done))
    }

    fn help(&self, session: &mut Session) -> Result<()> {
        let done = self.work(session, false);
        if let Err(error) = &done
            && !self.ranges.is_over()
        {
            self.observer.stream_lost(error);
        }
        done
    }

    /// Fetches ranges until there are no more. An error ends the connection; what it had taken is given back.
    fn work(&self, session: &mut Session, leads: bool) -> Result<()> {
        let mut asked = VecDeque::new();
        let done = self.fetch_ranges(session, leads, &mut asked);
        for (range, told) in asked {
            self.ranges.give_back(range, told);
        }
        done
    }

    fn fetch_ranges(&self, session: &mut Session, leads: bool, asked: &mut VecDeque<(Range, u64)>) -> Result<()> {
        loop {
            let next = if asked.is_empty() { self.ranges.next(limits::STILL_HERE) } else { Next::Wait };
            match next {
                Next::Over => return Ok(()),
                Next::Range(range) => self.ask(session, range, asked)?,
                Next::Wait if asked.is_empty() => {
                    ping(session)?;
                    continue;
                }
                Next::Wait => {}
            }
            // The next one is asked for before this one has come, so that the way to the server costs nothing.
            if asked.len() == 1
                && let Some(range) = self.ranges.ahead()
            {
                self.ask(session, range, asked)?;
            }
            session.try_flush();
            let Some((range, told)) = asked.front_mut() else { continue };
            let fetched = self.fetch(session, *range, told)?;
            asked.pop_front();
            match fetched {
                Ok(()) => self.ranges.done(),
                Err(Missed::Mixed) => self.ranges.fail(Error::new(Kind::Changed, "it is not the same file any more")),
                Err(Missed::Failed(error)) => self.ranges.fail(error),
            }
            if self.ranges.is_over() {
                if !leads {
                    let text = "no longer needed";
                    return Err(Error::new(Kind::Aborted, text));
                }
                // The first connection is needed for what comes next.
                while let Some((range, mut told)) = asked.pop_front() {
                    let _ = self.fetch(session, range, &mut told)?;
                }
                return Ok(());
            }
        }
    }

    fn ask(&self, session: &mut Session, range: Range, asked: &mut VecDeque<(Range, u64)>) -> Result<()> {
        asked.push_back((range, 0));
        let Range { offset, length, .. } = range;
        session.command(&Command::Download { path: self.from.clone(), offset, length: Some(length), growing: false })
    }

    /// Takes the answer to the oldest command. The outer error ends the connection.
    fn fetch(&self, session: &mut Session, range: Range, told: &mut u64) -> Result<Result<(), Missed>> {
        let reply = session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            return if session.is_broken() { Err(error) } else { Ok(Err(Missed::Failed(error))) };
        }
        if reply.digits != 150 {
            return Err(session.out_of_order());
        }
        let same = Announced::read(&reply)?.agrees_with(&self.announced);
        let mut part = match same {
            true => self.part(range).map_err(Missed::Failed),
            false => Err(Missed::Mixed),
        };
        let mut came = 0;
        let end = data(session, range.length, &self.from, |bytes| {
            let count = bytes.len() as u64;
            self.observer.progressed(self.from.as_path(), range.news(came, count));
            came += count;
            *told = came;
            // What nobody needs any more is read and dropped.
            if !self.ranges.is_over()
                && let Ok(open) = &mut part
                && let Err(error) = open.append(bytes)
            {
                part = Err(Missed::Failed(error));
            }
            Ok(())
        })?;
        let finished = finish(session, end)?;
        if session.is_broken()
            && let Err(error) = finished
        {
            // It is this session that has ended; others may go on.
            return Err(error);
        }
        if self.ranges.is_over() {
            return Ok(Ok(()));
        }
        Ok(match (finished, part) {
            (Err(error), _) => Err(Missed::Failed(error)),
            (_, Err(missed)) => Err(missed),
            (Ok(_), Ok(_)) if came != range.length => Err(Missed::Mixed),
            (Ok(_), Ok(part)) => part.finish().map(drop).map_err(Missed::Failed),
        })
    }

    fn part(&self, range: Range) -> Result<Box<dyn crate::files::Part>> {
        let staged = self.staged.lock();
        let given_up = || Error::new(Kind::Aborted, format!("{}: given up", self.from));
        staged.as_ref().ok_or_else(given_up)?.part(range.offset, range.length)
    }

    fn take(&self) -> Option<Box<dyn Staged>> {
        self.staged.lock().take()
    }
}
