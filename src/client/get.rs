//! Fetching files and trees.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::connection::Client;
use super::destination::{Destination, Linked};
use super::filter::Filter;
use super::folder_look::FolderLook;
use super::jobs::{Download, Summary};
use super::ledger::Ledger;
use super::listing::Listing;
use super::observer::{Observer, ReadingSign, Skip};
use super::receive::{Announced, Job};
use super::session::Session;
use super::sift;
use super::streams::{Crowd, LargeDownload, fetch_files, is_large, probe};
use super::symlinks::ServerLinks;
use super::{listing, requests};
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Entry, EntryKind, Mark, Mtime, RelPath};
use crate::limits;
use crate::proto::Command;

impl Client {
    /// Fetches files into a destination, many at once in flight. Each appears under its name whole, verified and with
    /// its modification time, or not at all; one that fails does not stop the others. The folders they go into must
    /// be there.
    ///
    /// # Errors
    /// Only what ends the connection: then the observer knows which files are done. What happened to single files is
    /// in the [`Summary`].
    pub async fn download(
        &mut self,
        jobs: Vec<Download>,
        into: &Destination,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let into = into.clone();
        self.run(move |session| {
            let mut ledger = Ledger::default();
            fetch_all(session, jobs, &into, &*observer, &mut ledger, (None, None)).map(|()| ledger.summary)
        })
        .await
    }

    /// Fetches the folder `from` with all below it to `to` inside the destination, made if it is missing (the root
    /// path stands for the destination itself). Empty folders and the folders' modification times come too; links,
    /// special files, and folders in it that the user may not read ([`Skip::Unlistable`], [`Skip::ListOnly`]) are skipped.
    ///
    /// # Errors
    /// As [`Client::download`], those of the listing, and [`crate::Kind::Integrity`] for a listing that names anything
    /// outside `from`: then nothing is written.
    pub async fn get_tree(
        &mut self,
        from: &RelPath,
        into: &Destination,
        to: &RelPath,
        condition: Condition,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary> {
        let tree = Tree::new(from, to, condition);
        let into = into.clone();
        self.run(move |session| {
            let mut ledger = Ledger::default();
            let done = tree.get(session, &into, &*observer, &mut ledger, (None, None));
            if let Ok(folders) = &done {
                folders.date(&into, &*observer, &mut ledger);
            }
            into.store().forget_handles();
            done.map(|_| ledger.summary)
        })
        .await
    }
}

/// [`Client::download`]. Large files are only put into `large`, if there is that; the others are fetched with the help of a
/// crowd.
pub(super) fn fetch_all(
    session: &mut Session,
    mut jobs: Vec<Download>,
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
    (large, crowd): (Option<&mut Vec<LargeDownload>>, Option<&Crowd>),
) -> Result<()> {
    observer.expected(jobs.len() as u64, 0);
    let counts = jobs.len() > 1 && observer.wants_totals();
    // Only what is here may be whole.
    let may_be_whole = ledger.looks_for_whole() && jobs.iter().any(|job| into.store().stat(&job.to).is_ok());
    let sifts = ledger.how.options.update || ledger.how.options.dry_run || ledger.how.options.parents || may_be_whole;
    let jobs = if large.is_some() || counts || sifts {
        let _reading = ReadingSign::new(observer);
        jobs.retain(|job| !ledger.is_settled(&job.to));
        let found = probe(session, jobs)?;
        if counts {
            let sizes = found.iter().filter_map(|(_, announced)| Some(announced.as_ref()?.size));
            observer.expected(0, sizes.fold(0, u64::saturating_add));
        }
        let found = sift::downloads(session, found, into, observer, ledger)?;
        if ledger.how.options.parents {
            make_parents(&found, into);
        }
        set_aside(found, counts, large)
    } else {
        jobs.into_iter().map(|file| Job { file, counted: false, resumable: true }).collect()
    };
    let done = fetch_files(session, jobs.into_iter(), crowd, into, observer, ledger);
    into.store().forget_handles();
    done
}

/// Makes the folders of files that the server has. Why one cannot be made its files tell.
fn make_parents(found: &[(Download, Option<Announced>)], into: &Destination) {
    let mut made = HashSet::from([RelPath::root()]);
    for (file, _) in found.iter().filter(|(_, announced)| announced.is_some()) {
        let folder = file.to.parent().unwrap_or_default();
        if made.insert(folder.clone()) {
            let _ = into.store().make_dir(&folder, true);
        }
    }
}

/// The jobs for these files. Large ones are only put into `large`, if there is that.
fn set_aside(
    found: Vec<(Download, Option<Announced>)>,
    counts: bool,
    mut large: Option<&mut Vec<LargeDownload>>,
) -> Vec<Job> {
    let mut jobs = Vec::with_capacity(found.len());
    for (file, announced) in found {
        let job = Job { file, counted: counts && announced.is_some(), resumable: true };
        match (&mut large, announced) {
            (Some(large), Some(announced)) if is_large(announced.size) => large.push(LargeDownload { job, announced }),
            _ => jobs.push(job),
        }
    }
    jobs
}

/// A tree to fetch.
#[derive(Clone)]
pub(super) struct Tree {
    pub(super) from: RelPath,
    pub(super) to: RelPath,
    pub(super) condition: Condition,
    pub(super) filter: Filter,
    pub(super) links: ServerLinks,
}

/// What an entry of the listing asks to be done.
enum Step {
    Directory { from: RelPath, to: RelPath, look: FolderLook },
    File(Job, Announced),
    Link(Link),
}

/// A link to make like one of the server.
struct Link {
    from: RelPath,
    to: RelPath,
    text: Vec<u8>,
    mtime: Mtime,
}

/// The folders of a tree that were made, each with what it is to have.
#[derive(Default)]
pub(super) struct Folders(Vec<(RelPath, FolderLook)>);

impl Folders {
    /// Gives them their times, and modes if these are kept: from the bottom up, and after all files, because what is put into a folder
    /// changes its time.
    pub(super) fn date(&self, into: &Destination, observer: &dyn Observer, ledger: &mut Ledger) {
        for (path, look) in self.0.iter().rev() {
            if let Err(error) = look.give_here(into, path) {
                ledger.fail(PathBuf::from(path.as_path()), error, observer);
            }
        }
    }
}

impl Tree {
    pub(super) fn new(from: &RelPath, to: &RelPath, condition: Condition) -> Tree {
        Tree { from: from.clone(), to: to.clone(), condition, filter: Filter::new(), links: ServerLinks::default() }
    }

    /// [`Client::get_tree`], but for the times of the folders. Large files are only put into `large`,
    /// if there is that.
    pub(super) fn get(
        &self,
        session: &mut Session,
        into: &Destination,
        observer: &dyn Observer,
        ledger: &mut Ledger,
        (mut large, crowd): (Option<&mut Vec<LargeDownload>>, Option<&Crowd>),
    ) -> Result<Folders> {
        let reading = ReadingSign::new(observer);
        let (top, Listing { entries, unread }) = self.list(session)?;
        let is_new = !ledger.how.options.dry_run && !self.to.is_root() && into.store().stat(&self.to).is_err();
        if !ledger.how.options.dry_run {
            into.store().make_dir(&self.to, true)?;
        }
        if is_new {
            ledger.new_folders.insert(self.to.clone());
        }
        for (path, error) in unread.errors(&self.from) {
            if ledger.is_news(&path) {
                ledger.fail(path, error, observer);
            }
        }
        let denied: HashSet<Vec<u8>> =
            unread.denied.iter().filter(|name| self.filter.takes_with_above(name)).cloned().collect();
        for name in unread.denied.iter().filter(|name| denied.contains(*name)) {
            self.skip(name, Skip::Unlistable, observer, ledger);
        }
        let top = FolderLook { mode: top.mode.filter(|_| ledger.how.options.perms), ..top };
        let mut steps = self.plan(entries, &denied, observer, ledger);
        drop(reading);
        sift(session, &mut steps, into, observer, ledger)?;
        if ledger.how.options.dry_run {
            for step in &steps {
                let Step::Link(link) = step else { continue };
                if into.has_link(&link.to, &link.text) {
                    ledger.unchanged(link.from.as_path(), &link.to, 0, observer);
                } else if !self.spares(link, into, observer, ledger) {
                    ledger.planned_link(link.from.as_path(), &link.to, observer);
                }
            }
            return Ok(Folders::default());
        }

        // A folder is made when the first file in it comes, so that nothing is left of what does not even begin; those without any
        // come behind all files.
        ledger.how.options.parents = true;
        let (mut jobs, mut folders, mut links) = (Vec::with_capacity(steps.len()), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::File(job, announced) => match &mut large {
                    Some(large) if is_large(announced.size) => large.push(LargeDownload { job, announced }),
                    _ => jobs.push(job),
                },
                Step::Directory { from, to, look } => {
                    if is_new || into.store().stat(&to).is_err() {
                        ledger.new_folders.insert(to.clone());
                    }
                    folders.push((from, to, look));
                }
                Step::Link(link) => links.push(link),
            }
        }
        let fetched = fetch_files(session, jobs.into_iter(), crowd, into, observer, ledger);
        if let (Err(_), true, (Some(folder), Some(name))) = (&fetched, is_new, (self.to.parent(), self.to.file_name()))
        {
            // One with something in it stays.
            let _ = into.remove_name(&folder, name, true);
        }
        fetched?;
        let mut made: Vec<(RelPath, FolderLook)> = Vec::new();
        if !self.to.is_root() {
            made.push((self.to.clone(), top));
        }
        for (from, to, look) in folders {
            match into.store().make_dir(&to, true) {
                Ok(()) => made.push((to, look)),
                Err(error) => {
                    let path = PathBuf::from(from.as_path());
                    if ledger.is_news(&path) {
                        ledger.fail(path, error, observer);
                    }
                }
            }
        }
        // After the folders and what went into them here. Large files come later over several connections, and come through
        // none of these either: a path of the store goes through no link that leads to a folder.
        for link in links {
            self.make_link(&link, into, observer, ledger);
        }
        let new = made.iter().filter(|(path, _)| ledger.new_folders.contains(path));
        ledger.summary.directories = new.count() as u64;
        Ok(Folders(made))
    }

    /// The top folder's time and mode, and all that is below it, checked.
    fn list(&self, session: &mut Session) -> Result<(FolderLook, Listing)> {
        self.links.check(session)?;
        session.command(&Command::stat(self.from.clone()))?;
        listing::ask_marked(session, &self.from, true)?;
        let top = session.expect(213).and_then(|reply| requests::stat(&reply));
        // Both are answered, also when the first is refused.
        let listing = listing::read_all(session, true);
        let top = top?;
        let look = FolderLook { mtime: top.mtime, mode: top.mode };
        Ok((look, self.links.apply(session, &self.from, listing?)?))
    }

    /// Whether a file that is newer here stays where the link would come, because that was asked for; then it is told.
    fn spares(&self, link: &Link, into: &Destination, observer: &dyn Observer, ledger: &mut Ledger) -> bool {
        let spares = ledger.how.options.update && into.has_newer_file(&link.to, link.mtime);
        if spares {
            ledger.unchanged(link.from.as_path(), &link.to, 0, observer);
        }
        spares
    }

    /// Makes a link like one of the server.
    fn make_link(&self, link: &Link, into: &Destination, observer: &dyn Observer, ledger: &mut Ledger) {
        let Link { from, to, text, .. } = link;
        if ledger.is_settled(to) || self.spares(link, into, observer, ledger) {
            return;
        }
        let shown = from.as_path();
        match into.make_link(&self.to, to, text, self.condition == Condition::Any) {
            Ok(Linked::Made) => ledger.linked(shown, to, observer),
            Ok(Linked::Same) => ledger.unchanged(shown, to, 0, observer),
            Ok(Linked::LeadsOut) => {
                ledger.settle(to);
                ledger.summary.skipped += 1;
                observer.skipped(shown, Skip::LeadsOut);
            }
            Err(error) => ledger.failed(shown.to_owned(), to, self.condition, error, observer),
        }
    }

    /// Leaves something in it out, and tells so once.
    fn skip(&self, inside: &[u8], why: Skip, observer: &dyn Observer, ledger: &mut Ledger) {
        let shown = source_path(&self.from, inside);
        if ledger.is_news(&shown) {
            observer.skipped(&shown, why);
            ledger.summary.skipped += 1;
        }
    }

    /// What is to be done about these entries. Of the folders that are `denied` only what is in folders in them may be listed.
    fn plan(
        &self,
        entries: Vec<Entry>,
        denied: &HashSet<Vec<u8>>,
        observer: &dyn Observer,
        ledger: &mut Ledger,
    ) -> Vec<Step> {
        let mut steps = Vec::with_capacity(entries.len());
        let (mut files, mut bytes) = (0, 0u64);
        // The folders that a file may be in: no other ones are made for it.
        let mut folders = HashSet::from([Vec::new()]);
        let mut skipped = HashSet::new();
        for entry in entries {
            let name = entry.path.rsplit(|b| *b == b'/').next().unwrap_or_default();
            let skip = match entry.kind {
                EntryKind::Link if entry.mark.is_some() => Skip::by_name(name),
                EntryKind::Link => Some(self.links.why_skipped()),
                EntryKind::Other => Some(Skip::Special),
                EntryKind::Directory if entry.mark == Some(Mark::SharedListOnly) => Some(Skip::ListOnly),
                EntryKind::File | EntryKind::Directory => Skip::by_name(name),
            };
            if inside_skipped(&entry.path, &skipped) {
                continue;
            }
            let is_file = entry.kind == EntryKind::File;
            let is_within = !is_file || self.filter.is_within(entry.size, entry.mtime);
            if !is_within || !self.filter.takes(&entry.path, entry.kind == EntryKind::Directory) {
                if entry.kind == EntryKind::Directory {
                    skipped.insert(entry.path);
                }
                continue;
            }
            let shown = || source_path(&self.from, &entry.path);
            if let Some(why) = skip {
                self.skip(&entry.path, why, observer, ledger);
                // Nothing can be in anything else: what a server lists in a link fails, for want of a folder.
                if entry.kind == EntryKind::Directory {
                    skipped.insert(entry.path);
                }
                continue;
            }
            // A name that no path can have, or a path that is too deep or too long.
            let (from, to) = match self.from.join(&entry.path).and_then(|from| Ok((from, self.to.join(&entry.path)?))) {
                Ok(both) => both,
                Err(error) => {
                    if ledger.is_news(&shown()) {
                        ledger.fail(shown(), error, observer);
                    }
                    continue;
                }
            };
            if entry.kind == EntryKind::Directory {
                if !denied.contains(&entry.path) {
                    let mode = entry.mode.filter(|_| ledger.how.options.perms);
                    steps.push(Step::Directory { from, to, look: FolderLook { mtime: entry.mtime, mode } });
                    folders.insert(entry.path);
                }
                continue;
            }
            let folder = entry.path.iter().rposition(|b| *b == b'/').and_then(|at| entry.path.get(..at));
            if !folders.contains(folder.unwrap_or_default()) && !inside_skipped(&entry.path, denied) {
                if ledger.is_news(&shown()) {
                    let text = format!("{from}: the server lists it in a folder that it does not list");
                    ledger.fail(shown(), Error::new(Kind::Integrity, text), observer);
                }
                continue;
            }
            if let Some(Mark::Symlink(text)) = entry.mark {
                steps.push(Step::Link(Link { from, to, text, mtime: entry.mtime }));
                continue;
            }
            files += 1;
            bytes = bytes.saturating_add(entry.size);
            let file = Download { from, to, condition: self.condition };
            let job = Job { file, counted: true, resumable: entry.size >= limits::HASH_BLOCK };
            let announced = Announced { size: entry.size, mtime: entry.mtime, mode: None, allocated: None };
            steps.push(Step::File(job, announced));
        }
        observer.expected(files, bytes);
        steps
    }
}

/// Leaves out what need not move.
fn sift(
    session: &mut Session,
    steps: &mut Vec<Step>,
    into: &Destination,
    observer: &dyn Observer,
    ledger: &mut Ledger,
) -> Result<()> {
    let known = steps.iter().filter_map(|step| match step {
        Step::File(job, announced) => Some((&job.file, announced.size, announced.mtime)),
        Step::Directory { .. } | Step::Link(_) => None,
    });
    let whole = sift::whole_here(session, known, into, observer, ledger)?;
    steps.retain(|step| match step {
        Step::Directory { .. } | Step::Link(_) => true,
        Step::File(Job { file, .. }, _) if whole.contains(&file.to) => false,
        Step::File(Job { file, .. }, Announced { size, mtime, .. }) => {
            sift::is_to_be_fetched(file, (*size, *mtime), into, observer, ledger)
        }
    });
    Ok(())
}

/// Whether a path is in one of these folders.
pub(super) fn inside_skipped(path: &[u8], skipped: &HashSet<Vec<u8>>) -> bool {
    let folders = path.iter().enumerate().filter(|(_, b)| **b == b'/').filter_map(|(at, _)| path.get(..at));
    !skipped.is_empty() && folders.into_iter().any(|folder| skipped.contains(folder))
}

/// The path of something in a folder, also if it can be none of ours.
fn source_path(folder: &RelPath, inside: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    folder.as_path().join(std::ffi::OsStr::from_bytes(inside))
}
