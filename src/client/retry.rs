//! Transfers that outlive their connection: what is left is tried again on a new one, and a file that was cut off goes
//! on where it was.

use std::path::Path;
use std::sync::Arc;

use async_std::task::sleep;

use super::again::Again;
use super::connection::Client;
use super::destination::Destination;
use super::filter::Filter;
use super::get::{Tree, fetch_all};
use super::jobs::{Download, Summary, Upload, UploadSource};
use super::ledger::{How, Ledger, ShareOf};
use super::local_access::{LocalAccess, LocalBase};
use super::observer::Observer;
use super::patience::{Patience, is_lost_line};
use super::put::{Counting, LocalTree, send_all};
use super::streams::{Streams, crowded, get_all, put_all};
use super::symlinks::ServerLinks;
use crate::error::{Error, Result};
use crate::files::{Condition, RelPath};
#[cfg(doc)]
use crate::limits;
use crate::proto::Feature;
use crate::setters::setters;
use crate::sync::Mutex;

/// How a [`Transfer`] deals with what is there already, and with a connection that breaks.
///
/// ```
/// use sealift::client::TransferOptions;
///
/// const PATIENT: TransferOptions = TransferOptions::new().resume(true).retries(5);
/// assert_eq!(PATIENT.streams(4).retries, 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TransferOptions {
    /// Go on with what an earlier command left: of a file that was cut off, and of several. A file that is whole in its place
    /// (of the same size, time and BLAKE3) is not moved again.
    pub resume: bool,
    /// A file whose [`Condition::Absent`] does not hold is skipped ([`Skip::Exists`](super::Skip::Exists)) and no failure.
    pub skip_existing: bool,
    /// A file is moved only if it is newer than what is in its place.
    pub update: bool,
    /// The folders that files go into are made where they are missing.
    pub parents: bool,
    /// Nothing is changed on either side; the observer is told what would be moved.
    pub dry_run: bool,
    /// How often in a row to try on a new connection without getting any farther.
    pub retries: u32,
    /// Over so many connections at once each file of [`limits::STREAM_MIN`] and more is moved, up to
    /// [`limits::STREAMS_MAX`]; 0 is the same as 1. All are of one login: its password is checked once. With fewer,
    /// if the server gives no more; the observer is told. Such files come after the others.
    pub streams: u32,
    /// Over so many connections at once files are moved, each over one of them, up to [`limits::STREAMS_MAX`]; 0 is the same
    /// as 1. With fewer, if the server gives no more; the observer is told.
    pub transfers: u32,
    /// A file that becomes longer while it is sent or fetched, as a log does, is taken as long as it was at the beginning,
    /// over one connection. Without this, from a server that is too old for it ([`crate::proto::Feature::Growing`]), and if
    /// its first bytes changed too, that is [`crate::Kind::Torn`].
    pub growing: bool,
    /// A person watches: while a pause before another try is long, tries come in between ([`Patience::watched`]).
    pub watched: bool,
    /// Files and folders keep all nine bits of their modes, also where one is replaced, as far as both sides can: a server may allow less,
    /// and whoever keeps a file may always read it. A server that is too old for it is [`crate::Kind::TooOld`].
    pub perms: bool,
}

impl TransferOptions {
    /// Nothing of what is here: files are replaced, over one connection, and a lost one ends the transfer.
    pub const fn new() -> Self {
        TransferOptions {
            resume: false,
            skip_existing: false,
            update: false,
            parents: false,
            dry_run: false,
            retries: 0,
            streams: 0,
            transfers: 0,
            growing: false,
            watched: false,
            perms: false,
        }
    }
}

setters!(const TransferOptions: resume: bool, skip_existing: bool, update: bool, parents: bool, dry_run: bool, retries: u32,
    streams: u32, transfers: u32, growing: bool, watched: bool, perms: bool);

/// Several files, or a tree, to transfer over as many connections as it takes. Their targets must differ.
///
/// # What is tried again
///
/// Only what a lost connection (or a server that was busy, silent or stopping) left undone. A file that the other side
/// acknowledged, or that failed by itself, is settled and never touched again. Uploads that were not acknowledged are
/// sent again. Under [`Condition::Absent`] one that had been sent whole may in truth have been stored: the server is asked
/// for the hash of the target first, and the same bytes count as done. (Who may not download cannot ask, and is then told
/// `exists`.) A reader cannot be read twice, so a transfer that has begun to read one is not tried again.
///
/// # What makes a resumed file whole
///
/// An upload goes on only if the server's part has the BLAKE3 of the first bytes of the local file *now*; both those
/// bytes and the rest go through one hash, which the server compares with that of the whole file before it appears.
///
/// A download goes on only if the first bytes of the server's file have the BLAKE3 of the local part; that spares
/// fetching in vain. It does not prove enough: between the attempts, or between HASH and DOWNLOAD, another file may take
/// the place, even one of the same size and time. So after the rest has come the server is asked for the hash of the
/// whole file, and the local file (part and rest through one hash) appears only if it equals that: whatever
/// happened in between, its bytes are then those of one file that was on the server. Otherwise the part is thrown
/// away and the file fetched from its beginning. For a file that was stored through Sealift that hash is recorded and costs the server
/// nothing; any other is read there once.
pub struct Transfer {
    work: Work,
    options: TransferOptions,
    ledger: Arc<Mutex<Ledger>>,
    attempts: u32,
    /// Files that the server cannot reach just now are tried again.
    puts_off: bool,
    /// Tells an observer how much of a local tree there is, over all attempts.
    counting: Option<Counting>,
}

enum Work {
    Downloads(Vec<Download>, Destination),
    Uploads(Vec<Upload>, LocalAccess),
    GetTree(Tree, Destination),
    PutTree(LocalTree),
}

impl Transfer {
    /// As [`Client::download`].
    pub fn download(jobs: Vec<Download>, into: &Destination, options: TransferOptions) -> Self {
        Self::new(Work::Downloads(jobs, into.clone()), options)
    }

    /// As [`Client::upload`].
    pub fn upload(jobs: Vec<Upload>, options: TransferOptions) -> Self {
        Self::new(Work::Uploads(jobs, LocalAccess::Named), options)
    }

    /// As [`Client::get_tree`].
    pub fn get_tree(
        from: &RelPath,
        into: &Destination,
        to: &RelPath,
        condition: Condition,
        options: TransferOptions,
    ) -> Self {
        Self::new(Work::GetTree(Tree::new(from, to, condition), into.clone()), options)
    }

    /// As [`Client::put_tree`].
    pub fn put_tree(from: &Path, to: &RelPath, condition: Condition, options: TransferOptions) -> Self {
        Self::new(Work::PutTree(LocalTree::new(from, to, condition)), options)
    }

    /// Takes only what this filter takes of a tree.
    #[must_use]
    pub fn with_filter(mut self, filter: &Filter) -> Self {
        match &mut self.work {
            Work::GetTree(tree, _) => tree.filter = filter.clone(),
            Work::PutTree(tree) => tree.filter = filter.clone(),
            Work::Downloads(..) | Work::Uploads(..) => {}
        }
        self
    }

    /// Takes local files and folders as what lies below this folder, whose path theirs begin with: no link is followed on the way from
    /// there.
    #[must_use]
    pub fn below(mut self, base: &LocalBase) -> Self {
        match &mut self.work {
            Work::Uploads(_, access) => *access = base.access(),
            Work::PutTree(tree) => tree.base = Some(base.clone()),
            Work::Downloads(..) | Work::GetTree(..) => {}
        }
        self
    }

    /// Does this about the links of a server's tree.
    #[must_use]
    pub fn with_server_links(mut self, links: ServerLinks) -> Self {
        if let Work::GetTree(tree, _) = &mut self.work {
            tree.links = links;
        }
        self
    }

    /// Sends what the links of a local tree lead to; else they are skipped.
    #[must_use]
    pub fn following_links(mut self, follow: bool) -> Self {
        if let Work::PutTree(tree) = &mut self.work {
            tree.follow_links = follow;
        }
        self
    }

    fn new(work: Work, options: TransferOptions) -> Self {
        Transfer { work, options, ledger: Arc::default(), attempts: 0, puts_off: false, counting: None }
    }

    /// Does what is left over this connection.
    ///
    /// # Errors
    /// What ended the connection; if [`Transfer::may_retry`] says so, it can be tried again over another one. What
    /// happened to single files is in the [`Transfer::summary`].
    pub async fn attempt(&mut self, client: &mut Client, observer: &Arc<dyn Observer>) -> Result<()> {
        if self.options.perms {
            client.must_have(match self.work {
                Work::Downloads(..) | Work::GetTree(..) => Feature::Mode,
                Work::Uploads(..) | Work::PutTree(_) => Feature::Perms,
            })?;
        }
        self.attempts += 1;
        let again = self.attempts > 1;
        self.ledger.lock().how = How {
            options: self.options,
            of: ShareOf::Transfer { again },
            is_shared: false,
            puts_off: self.puts_off && !self.is_spent(),
            stopped: client.stopped(),
        };
        let observer: Arc<dyn Observer> =
            if again { Arc::new(Again(Arc::clone(observer))) } else { Arc::clone(observer) };
        let (told, ledger) = (Arc::clone(&observer), Arc::clone(&self.ledger));
        let wanted = if self.options.growing || self.options.dry_run { 1 } else { self.options.streams };
        let spread = if self.options.dry_run { 1 } else { self.options.transfers };
        // Everything but large files first, then those over all connections.
        match &mut self.work {
            Work::Downloads(jobs, into) => {
                let (jobs, target) = (jobs.clone(), into.clone());
                let (large, rest) = crowded(client, spread, &observer, move |session, crowd| {
                    let mut large = Vec::new();
                    let aside = (wanted > 1).then_some(&mut large);
                    fetch_all(session, jobs, &target, &*told, &mut ledger.lock(), (aside, crowd)).map(|()| large)
                })
                .await;
                self.ledger.lock().absorb(rest);
                get_all(Streams { client, wanted, observer: &observer, ledger: &self.ledger }, large?, into).await
            }
            Work::Uploads(jobs, access) => {
                let (jobs, access): (Vec<Upload>, _) = (jobs.iter_mut().map(Upload::take).collect(), access.clone());
                let count = !observer.wants_totals();
                let (large, rest) = crowded(client, spread, &observer, move |session, crowd| {
                    let mut large = Vec::new();
                    let aside = (wanted > 1).then_some(&mut large);
                    send_all(session, jobs, &*told, &mut ledger.lock(), (aside, crowd), &access).map(|()| large)
                })
                .await;
                self.ledger.lock().absorb(rest);
                put_all(Streams { client, wanted, observer: &observer, ledger: &self.ledger }, large?, count).await
            }
            Work::GetTree(tree, into) => {
                let (tree, target) = (tree.clone(), into.clone());
                let (got, rest) = crowded(client, spread, &observer, move |session, crowd| {
                    let mut large = Vec::new();
                    let aside = (wanted > 1).then_some(&mut large);
                    let done = tree.get(session, &target, &*told, &mut ledger.lock(), (aside, crowd));
                    target.store().forget_handles();
                    done.map(|folders| (folders, large))
                })
                .await;
                self.ledger.lock().absorb(rest);
                let (folders, large) = got?;
                get_all(Streams { client, wanted, observer: &observer, ledger: &self.ledger }, large, into).await?;
                folders.date(into, &*observer, &mut self.ledger.lock());
                Ok(())
            }
            Work::PutTree(tree) => {
                if !again && !self.options.dry_run {
                    self.counting = tree.count(&observer)?;
                }
                let (tree, count) = (tree.clone(), self.counting.is_none());
                let (sent, rest) = crowded(client, spread, &observer, move |session, crowd| {
                    let mut large = Vec::new();
                    let aside = (wanted > 1).then_some(&mut large);
                    let folders = tree.send(session, &*told, &mut ledger.lock(), (aside, crowd), count)?;
                    Ok((folders, large))
                })
                .await;
                self.ledger.lock().absorb(rest);
                let (folders, large) = sent?;
                put_all(Streams { client, wanted, observer: &observer, ledger: &self.ledger }, large, count).await?;
                let ledger = Arc::clone(&self.ledger);
                client.run(move |session| folders.finish(session, &*observer, &mut ledger.lock())).await
            }
        }
    }

    /// Whether what is left after this error can be tried on a new connection.
    pub fn may_retry(&self, error: &Error) -> bool {
        is_lost_line(error) && !self.is_spent() && !self.is_stopped()
    }

    /// Whether something that can be read once alone has been, and is not settled.
    fn is_spent(&self) -> bool {
        let ledger = self.ledger.lock();
        match &self.work {
            Work::Uploads(jobs, _) => {
                jobs.iter().any(|job| matches!(job.from, UploadSource::Spent) && !ledger.is_settled(&job.to))
            }
            _ => false,
        }
    }

    /// Whether all that was named is settled. Of a tree nobody knows.
    fn has_nothing_left(&self) -> bool {
        let ledger = self.ledger.lock();
        matches!(&self.work, Work::Downloads(jobs, _) if jobs.iter().all(|job| ledger.is_settled(&job.to)))
    }

    fn is_stopped(&self) -> bool {
        self.ledger.lock().how.stopped.is_so()
    }

    /// What became of the files so far. Taken: the next call gives an empty one.
    pub fn summary(&mut self) -> Summary {
        std::mem::take(&mut self.ledger.lock().summary)
    }

    /// Does all of it, on new connections from `connect` (which logs in) if one is lost: after a growing pause with
    /// some chance in it, and at most `retries` times in a row without getting any farther. `client` is the connection
    /// used last. So it is with single files, over the same connection, while the server's storage does not answer
    /// ([`crate::Kind::Unavailable`]), unless they are under a condition.
    ///
    /// # Errors
    /// The last error if nothing helped, and any that a new connection does not mend.
    pub async fn run(
        &mut self,
        client: &mut Client,
        connect: impl AsyncFnMut() -> Result<Client>,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        self.puts_off = self.options.retries > 0;
        let done = self.run_all(client, connect, &observer).await;
        self.puts_off = false;
        self.ledger.lock().give_up(&*observer);
        done.map(|()| self.summary())
    }

    async fn run_all(
        &mut self,
        client: &mut Client,
        mut connect: impl AsyncFnMut() -> Result<Client>,
        observer: &Arc<dyn Observer>,
    ) -> Result<()> {
        let mut patience = Patience::new(self.options.retries).watched(self.options.watched);
        let mut steps = 0;
        let mut outcome = self.attempt(client, observer).await;
        loop {
            let now = self.ledger.lock().steps();
            if now > steps {
                steps = now;
                patience.renew();
            }
            let lost = match outcome {
                Ok(()) => None,
                Err(error) if self.may_retry(&error) => Some(error),
                // The file is settled, so this comes to an end.
                Err(_) if std::mem::take(&mut self.ledger.lock().gave_up) && !self.is_stopped() => {
                    if self.has_nothing_left() {
                        return Ok(());
                    }
                    outcome = match connect().await {
                        Ok(new) => {
                            *client = new;
                            self.attempt(client, observer).await
                        }
                        Err(error) => Err(error),
                    };
                    continue;
                }
                Err(error) => return Err(error),
            };
            if lost.is_none() && (!self.ledger.lock().has_put_off() || self.is_spent() || self.is_stopped()) {
                return Ok(());
            }
            let Some(pause) = patience.pause()? else { return lost.map_or(Ok(()), Err) };
            let put_off = self.ledger.lock().take_put_off();
            if let Some(error) = lost.as_ref().or(put_off.as_ref()) {
                observer.retrying(error, pause, if lost.is_some() { self.kept() } else { 0 });
            }
            sleep(pause).await;
            outcome = match lost {
                None => self.attempt(client, observer).await,
                Some(_) => match connect().await {
                    Ok(new) => {
                        *client = new;
                        self.attempt(client, observer).await
                    }
                    Err(error) => Err(error),
                },
            };
        }
    }

    /// Bytes of the file that was cut off last which a transfer with [`TransferOptions::resume`] goes on from: what is
    /// here of a download, and what at least has reached the server of an upload.
    pub fn kept(&self) -> u64 {
        self.ledger.lock().kept
    }
}
