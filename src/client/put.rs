//! Sending files and trees.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_std::task::spawn_blocking;

use super::connection::Client;
use super::filter::Filter;
use super::folder_look::SentFolders;
use super::jobs::{Summary, Upload, UploadSource};
use super::ledger::Ledger;
use super::local_access::{LocalAccess, LocalBase};
use super::observer::Observer;
use super::send::Task;
use super::session::Session;
use super::sift;
use super::streams::{Crowd, send_files, set_aside};
use super::walk::Walk;
use crate::error::Result;
use crate::files::{Condition, RelPath};

impl Client {
    /// Sends files, many at once in flight. Each appears under its name whole and verified, or not at all; one that
    /// fails does not stop the others. The folders they go into must be there.
    ///
    /// # Errors
    /// Only what ends the connection: then the observer knows which files are done. What happened to single files is
    /// in the [`Summary`].
    pub async fn upload(&mut self, jobs: Vec<Upload>, observer: Arc<dyn Observer>) -> Result<Summary> {
        self.run(move |session| {
            let mut ledger = Ledger::default();
            send_all(session, jobs, &*observer, &mut ledger, (None, None), &LocalAccess::Named)?;
            ledger.tell_unmade(session, &*observer).map(|()| ledger.summary)
        })
        .await
    }

    /// Sends the local folder `from` with all below it to `to`, made with its parents if missing (the root path is
    /// the user's own folder). Empty folders come too, and folders keep their times; links and special files inside are skipped.
    ///
    /// # Errors
    /// As [`Client::upload`], and if `from` itself cannot be read.
    pub async fn put_tree(
        &mut self,
        from: &Path,
        to: &RelPath,
        condition: Condition,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let (from, to) = (from.to_owned(), to.clone());
        self.run(move |session| {
            let mut ledger = Ledger::default();
            let tree = LocalTree::new(&from, &to, condition);
            let counting = tree.count(&observer)?;
            let folders = tree.send(session, &*observer, &mut ledger, (None, None), counting.is_none())?;
            folders.finish(session, &*observer, &mut ledger)?;
            ledger.tell_unmade(session, &*observer).map(|()| ledger.summary)
        })
        .await
    }
}

/// [`Client::upload`]. Large files are only put into `large`, if there is that; the others are sent with the help of a crowd.
pub(super) fn send_all(
    session: &mut Session,
    jobs: Vec<Upload>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
    (mut large, crowd): (Option<&mut Vec<Task>>, Option<&Crowd>),
    access: &LocalAccess,
) -> Result<()> {
    let count_first = observer.wants_totals();
    if count_first {
        for upload in &jobs {
            let size = match &upload.from {
                UploadSource::File(path) => access.stat(path).map_or(0, |stat| stat.st_size.unsigned_abs()),
                UploadSource::Memory(bytes) => (**bytes).as_ref().len() as u64,
                UploadSource::Stream(_) | UploadSource::Reader(_) | UploadSource::Fed(_) | UploadSource::Spent => 0,
            };
            observer.expected(1, size);
        }
    }
    let tasks = jobs.into_iter().map(|upload| Task::File { upload, access: access.clone() });
    let tasks = sifted(session, tasks, None, observer, ledger)?;
    let tasks = with_parents(tasks, ledger.how.options.parents);
    let tasks = tasks.filter_map(|task| set_aside(task, &mut large));
    send_files(session, tasks, crowd, observer, ledger, !count_first)
}

/// These tasks, with the folders that files go into, each before the first file in it, if they are to be made.
fn with_parents<'a>(tasks: impl Iterator<Item = Task> + 'a, makes: bool) -> impl Iterator<Item = Task> + 'a {
    let mut made = HashSet::from([RelPath::root()]);
    tasks.flat_map(move |task| {
        let folder = match &task {
            Task::File { upload: Upload { from: UploadSource::File(from), to, .. }, .. } if makes => {
                let (from, to) = (from.parent().unwrap_or(from), to.parent().unwrap_or_default());
                made.insert(to.clone()).then(|| Task::Directory { from: from.to_owned(), to })
            }
            _ => None,
        };
        folder.into_iter().chain([task])
    })
}

/// What of this is to be sent: all of it, unless what need not move is to be left out.
fn sifted<'a>(
    session: &mut Session,
    tasks: impl Iterator<Item = Task> + 'a,
    top: Option<&RelPath>,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<Box<dyn Iterator<Item = Task> + 'a>> {
    if !ledger.how.options.update && !ledger.how.options.dry_run && !ledger.looks_for_whole() {
        return Ok(Box::new(tasks));
    }
    Ok(Box::new(sift::uploads(session, tasks, top, observer, ledger)?.into_iter()))
}

/// A local tree to send.
#[derive(Clone)]
pub(super) struct LocalTree {
    pub(super) from: PathBuf,
    pub(super) to: RelPath,
    pub(super) condition: Condition,
    pub(super) filter: Filter,
    pub(super) follow_links: bool,
    /// Where it lies: no link is followed on the way from there.
    pub(super) base: Option<LocalBase>,
}

impl LocalTree {
    pub(super) fn new(from: &Path, to: &RelPath, condition: Condition) -> LocalTree {
        let (from, to) = (from.to_owned(), to.clone());
        LocalTree { from, to, condition, filter: Filter::new(), follow_links: false, base: None }
    }

    /// Begins to tell the observer how much there is, if it wants to know.
    pub(super) fn count(&self, observer: &Arc<dyn Observer>) -> Result<Option<Counting>> {
        observer.wants_totals().then(|| Counting::start(self, observer)).transpose()
    }

    /// [`Client::put_tree`], but for the times of the folders. Large files are only put into `large`, if there is that; `count` tells
    /// the observer of each file's size as it comes.
    pub(super) fn send(
        self,
        session: &mut Session,
        observer: &dyn Observer,
        ledger: &mut Ledger,
        (mut large, crowd): (Option<&mut Vec<Task>>, Option<&Crowd>),
        count: bool,
    ) -> Result<SentFolders> {
        let walk = Walk::new(&self)?;
        let LocalTree { from, to, .. } = self;
        let top = (!to.is_root()).then_some(Task::Directory { from, to: to.clone() });
        let tasks = sifted(session, top.into_iter().chain(walk), Some(&to), observer, ledger)?;
        let mut folders = SentFolders::default();
        let tasks = tasks.inspect(|task| {
            if let Task::Directory { from, to } = task {
                folders.0.push((from.clone(), to.clone()));
            }
        });
        let tasks = tasks.filter_map(|task| set_aside(task, &mut large));
        send_files(session, tasks, crowd, observer, ledger, count)?;
        Ok(folders)
    }
}

/// A second walk through the tree, beside the transfer, that tells the observer how much there is. Ends when dropped.
pub(super) struct Counting(Arc<AtomicBool>);

impl Counting {
    fn start(tree: &LocalTree, observer: &Arc<dyn Observer>) -> Result<Counting> {
        let walk = Walk::new(tree)?;
        let over = Arc::new(AtomicBool::new(false));
        let (observer, stop) = (Arc::clone(observer), Arc::clone(&over));
        observer.reading(true);
        // Detached: nobody waits for what nobody wants to know any more.
        drop(spawn_blocking(move || {
            count(walk, &*observer, &stop);
            observer.reading(false);
        }));
        Ok(Counting(over))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn count(walk: Walk, observer: &dyn Observer, stop: &AtomicBool) {
    for task in walk {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Task::File { upload: Upload { from: UploadSource::File(path), .. }, access } = task
            && let Ok(stat) = access.stat(&path)
        {
            observer.expected(1, stat.st_size.unsigned_abs());
        }
    }
}
