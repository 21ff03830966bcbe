//! What is in a folder, an entry at a time.

use crate::auth::Access;
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, EntryKind, FileMode, Listing, Mark, Meta, RelPath, symlink_target};
use crate::limits;
use crate::machine::turns;
use crate::server::desk::Desk;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;

/// What of the entries is told beside what always is.
pub(in crate::server::desk) struct Told {
    pub(in crate::server::desk) rotten: bool,
    pub(in crate::server::desk) modes: bool,
    pub(in crate::server::desk) marks: bool,
}

/// A listing on its way. [`Desk::next_entry`] goes on with it, [`Desk::listed`] ends it.
pub struct ListJob {
    listing: Box<dyn Listing>,
    folder: RelPath,
    /// Its path without links on its way: rules are about that. None: it was not asked, since there were no rules.
    real: Option<RelPath>,
    recursive: bool,
    /// Whether it is to be told which files are rotten.
    rotten: bool,
    /// The last folder in it that may not be.
    unlisted: Option<RelPath>,
    /// Whether the modes are to be told, and the most that one may be here.
    modes: Option<FileMode>,
    /// Whether it is to be told what else entries are.
    marks: bool,
    entries: u64,
    /// What could not be read.
    failed: LeftOut,
    /// Folders that may not be listed.
    denied: LeftOut,
    /// How many of those may be read another time: what has a name that no path has never is.
    missing: u64,
    /// Why the folder itself could not be read to its end.
    broken: Option<Error>,
    running: Running,
}

/// What a listing leaves out.
#[derive(Default)]
struct LeftOut {
    count: u64,
    /// The names of the first ones, as many as are kept.
    names: Vec<Vec<u8>>,
    /// What they take.
    bytes: usize,
}

impl LeftOut {
    /// One more. It is named as long as there is room for all that came before.
    fn add(&mut self, path: Vec<u8>) {
        self.count += 1;
        let more = path.len() + 1;
        if self.has_all_names_but(1) && self.bytes + more <= limits::UNREAD_NAMES {
            self.bytes += more;
            self.names.push(path);
        }
    }

    /// Whether so many have no name, and all others do.
    fn has_all_names_but(&self, unnamed: u64) -> bool {
        self.names.len() as u64 + unnamed == self.count
    }
}

/// One step of a list: how many entries it may still go through and give none of.
pub struct ListStep(usize);

impl ListStep {
    /// One that has gone through none.
    pub fn new() -> Self {
        ListStep(limits::LIST_UNSEEN)
    }
}

/// What comes next of a list.
pub enum NextEntry {
    /// This.
    Entry(Entry),
    /// This step has gone through [`limits::LIST_UNSEEN`] of which none may be seen, and there are more: it is over.
    NotYet,
    /// Nothing.
    Over,
}

impl ListJob {
    /// The most that the mode of a file may be here, if the modes of all are told.
    pub fn modes(&self) -> Option<FileMode> {
        self.modes
    }

    /// How many entries are there that could not be read this time. Whoever has no way to tell of that must not leave them out: a
    /// program that keeps two folders alike would take them for removed.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The folder without links on its way, as far as it was asked.
    fn real(&self) -> &RelPath {
        self.real.as_ref().unwrap_or(&self.folder)
    }

    /// Whether this is in a folder that may not be listed, or is it.
    fn is_in_unlisted(&self, path: &[u8]) -> bool {
        let known = |path: RelPath| self.unlisted.as_ref().is_some_and(|known| path.is_within(known));
        self.real().join(path).is_ok_and(known)
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_list(
        &self,
        path: RelPath,
        recursive: bool,
        Told { rotten, modes, marks }: Told,
        running: Running,
    ) -> Begun {
        match self.store.list(&path, recursive) {
            Err(error) => self.over(running, Err(error)),
            Ok(listing) => Begun::List(ListJob {
                listing,
                // The folder that is open is that of now, wherever a link leads when rules come.
                real: (recursive || !self.principal.grants().rules.is_empty()).then(|| self.real_folder(&path)),
                folder: path,
                recursive,
                rotten,
                unlisted: None,
                marks,
                modes: modes.then_some(self.most),
                entries: 0,
                failed: LeftOut::default(),
                denied: LeftOut::default(),
                missing: 0,
                broken: None,
                running,
            }),
        }
    }

    /// The next entry, of as many as are gone through in this step.
    pub fn next_entry(&self, job: &mut ListJob, step: &mut ListStep) -> NextEntry {
        while step.0 > 0 {
            let Some(found) = job.listing.next() else { return NextEntry::Over };
            match found {
                Ok(mut entry) => {
                    // By the rights of now: rules may have come since it began.
                    if let Some(real) = self.screen(job) {
                        if job.recursive && entry.kind == EntryKind::Directory {
                            self.skip_unlisted(job, &real, &entry.path);
                        }
                        if !self.may_see(job, &real, &entry) {
                            if job.broken.is_some() {
                                return NextEntry::Over;
                            }
                            step.0 -= 1;
                            continue;
                        }
                    }
                    // What has no path here can be asked for by none.
                    if (job.rotten || entry.kind == EntryKind::Link)
                        && let Ok(path) = job.folder.join(&entry.path)
                    {
                        self.follow(&path, &mut entry);
                        entry.rotten = job.rotten && self.is_rotten(&path, entry.kind, entry.size);
                    }
                    entry.mode = entry.mode.filter(|_| job.modes.is_some());
                    entry.mark = entry.mark.filter(|mark| self.may_tell(job, &entry.path, mark));
                    if entry.mark == Some(Mark::Shared) && self.is_list_only(job, &entry.path) {
                        entry.mark = Some(Mark::SharedListOnly);
                    }
                    job.entries += 1;
                    return NextEntry::Entry(entry);
                }
                // What is in it is told to nobody who may not look.
                Err(unread) if job.is_in_unlisted(&unread.path) || !self.may_be_named(job, &unread.path) => step.0 -= 1,
                Err(unread) => {
                    self.audit.warn("not listed", &unread.error);
                    job.missing += u64::from(!matches!(unread.error.kind(), Kind::BadPath | Kind::PathTooLong));
                    // What is not known of the folder itself is not known to be nothing.
                    if unread.path.is_empty() {
                        job.broken = Some(unread.error);
                        return NextEntry::Over;
                    }
                    job.failed.add(unread.path);
                    step.0 -= 1;
                }
            }
        }
        NextEntry::NotYet
    }

    fn real_folder(&self, path: &RelPath) -> RelPath {
        turns::block_in_place(|| self.store.real_path(path)).unwrap_or_else(|_| path.clone())
    }

    /// The folder without links on its way, if there may be folders in it, or it itself, that may not be listed.
    fn screen(&self, job: &mut ListJob) -> Option<RelPath> {
        let grants = self.principal.grants();
        if grants.is_uniform() || !job.recursive && grants.rules.is_empty() {
            return None;
        }
        Some(job.real.get_or_insert_with(|| self.real_folder(&job.folder)).clone())
    }

    /// Tells of a link to a file what that file is, if it may be told.
    fn follow(&self, path: &RelPath, entry: &mut Entry) {
        if entry.kind != EntryKind::Link || self.check_real(path, Access::LIST, "").is_err() {
            return;
        }
        if let Ok(Meta { kind: EntryKind::File, size, mtime, mode }) = self.store.stat(path) {
            (entry.kind, entry.size, entry.mtime, entry.mode) = (EntryKind::File, size, mtime, Some(mode));
        }
    }

    /// Whether the folder that this is in may be listed. One that may not is counted.
    fn may_see(&self, job: &mut ListJob, real: &RelPath, entry: &Entry) -> bool {
        let Some(folder) = real.join(&entry.path).ok().and_then(|path| path.parent()) else { return true };
        if self.principal.grants().access_at(&folder).contains(Access::LIST) {
            return true;
        }
        if !job.recursive {
            let text = format!("{}: may not be listed any more", job.folder);
            job.broken = Some(Error::new(Kind::Denied, text));
            return false;
        }
        if !job.unlisted.as_ref().is_some_and(|known| folder.is_within(known)) {
            let name = folder.strip_prefix(real).unwrap_or_default().as_bytes().to_vec();
            job.unlisted = Some(folder);
            job.denied.add(name);
        }
        false
    }

    /// Does not go into a folder of which nothing may be listed, however much is in it.
    fn skip_unlisted(&self, job: &mut ListJob, real: &RelPath, path: &[u8]) {
        let Ok(folder) = real.join(path) else { return };
        let grants = self.principal.grants();
        if grants.access_below(&folder).any.contains(Access::LIST) {
            return;
        }
        job.listing.skip(path);
        // One in a folder that may not be listed itself is told to nobody: that folder is.
        if !job.unlisted.as_ref().is_some_and(|known| folder.is_within(known)) && self.may_list_around(&folder) {
            job.denied.add(path.to_vec());
            job.unlisted = Some(folder);
        }
    }

    /// Whether the folder that this is in may be listed by the rights of now. What is listed itself may be named.
    fn may_be_named(&self, job: &ListJob, path: &[u8]) -> bool {
        path.is_empty() || job.real().join(path).is_ok_and(|path| self.may_list_around(&path))
    }

    /// Whether the folder that this is in may be listed by the rights of now. No link is on the way to it.
    fn may_list_around(&self, real: &RelPath) -> bool {
        self.principal.grants().access_at(&real.parent().unwrap_or_default()).contains(Access::LIST)
    }

    /// Whether this is told of the entry of this path. Where a link leads is, if the user may look there.
    fn may_tell(&self, job: &ListJob, path: &[u8], mark: &Mark) -> bool {
        let Mark::Symlink(text) = mark else { return job.marks };
        let folder = job.real().join(path).ok().and_then(|path| path.parent());
        let leads_to = folder.and_then(|folder| symlink_target(&folder, text));
        let seen_in = leads_to.map(|path| path.parent().unwrap_or_default());
        job.marks && seen_in.is_some_and(|folder| self.principal.grants().access_at(&folder).contains(Access::LIST))
    }

    /// Whether what is in this folder may be listed, and not downloaded.
    fn is_list_only(&self, job: &ListJob, path: &[u8]) -> bool {
        let Ok(folder) = job.real().join(path) else { return false };
        let access = self.principal.grants().access_below(&folder).any;
        access.contains(Access::LIST) && !access.contains(Access::DOWNLOAD)
    }

    /// All entries were given.
    ///
    /// # Errors
    /// That the folder itself could not be read to its end, so that there may be more of them.
    pub fn listed(&self, mut job: ListJob) -> Result<Outcome> {
        if let Some(error) = job.broken.take() {
            return Err(self.drop_list(job, error));
        }
        let ListJob { entries, failed, denied, running, .. } = job;
        let unreadable = failed.count + denied.count;
        // Those that may not be listed come first: so their number says which they are.
        let (is_named, mut unread) = (denied.has_all_names_but(0), denied.names);
        let denied = unread.len();
        if is_named {
            unread.extend(failed.names);
        }
        Ok(self.audit.done(&self.principal, running, Outcome::Listed { entries, unreadable, unread, denied }))
    }

    /// Gives a listing up, for this reason.
    pub fn drop_list(&self, job: ListJob, error: Error) -> Error {
        self.failed(job.running, error)
    }
}
