//! Making a local folder like one of the server.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carry_out::{Beside, Came, Place, Side, carry_out};
use super::displaced::{Displaced, recover};
use super::plan::{Plan, Stray, Tree};
use super::report::Report;
use super::run::MirrorRun;
use super::{
    MirrorOptions, MirrorSummary, done, folders, local, make_plan, only_planned, refusal, remote, report_blocked,
};
use crate::client::connection::Client;
use crate::client::content;
use crate::client::destination::{Destination, Linked};
use crate::client::jobs::Download;
use crate::client::local_access::LocalAccess;
use crate::client::observer::{Observer, ReadingSign, Silent, Skip};
use crate::client::receive::Job;
use crate::client::session::Session;
use crate::client::streams::{Crowd, crowded, fetch_files};
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Hash, RelPath, SourceMode};
use crate::limits;
use crate::proto::Feature;
use crate::store::LocalStore;

impl Client {
    /// Makes the local folder `into`, made with its parents if missing, like the folder `from` of the server.
    /// Files and folders keep their modification times. Nothing outside `into` is written or removed, whatever the
    /// server lists and whatever links are in it. Every attempt gets the same `run`.
    ///
    /// # Errors
    /// What ends the connection, if either side cannot be listed at all, [`Kind::Integrity`] for a listing that names
    /// anything outside `from`, and [`Kind::EmptySource`] and [`Kind::ManyDeletes`] as [`MirrorOptions`] say. What
    /// happened to single files is in the [`MirrorSummary`].
    pub async fn mirror_pull(
        &mut self,
        from: &RelPath,
        into: &Path,
        options: &MirrorOptions,
        run: &MirrorRun,
        observer: Arc<dyn Observer>,
    ) -> Result<MirrorSummary> {
        let (from, into, options, run) = (from.clone(), into.to_owned(), options.clone(), run.clone());
        let (told, transfers) = (Arc::clone(&observer), options.transfers);
        let told_of = run.clone();
        let lead = move |session: &mut Session, crowd: Option<&Crowd>| {
            pull(session, (&from, &into), &options, &run, &*told, crowd)
        };
        let (done, rest) = crowded(self, transfers, &observer, lead).await;
        // What other connections failed at when the first one had ended.
        told_of.add_failed(rest.failures, &RelPath::root());
        done
    }
}

fn pull(
    session: &mut Session,
    (from, into): (&RelPath, &Path),
    options: &MirrorOptions,
    run: &MirrorRun,
    observer: &dyn Observer,
    crowd: Option<&Crowd>,
) -> Result<MirrorSummary> {
    let reading = ReadingSign::new(observer);
    if options.perms && !session.has(Feature::Mode) {
        return Err(Feature::Mode.missing());
    }
    let displaced = run.displaced();
    let mut report = Report::of(observer, run).with_perms(options.perms).growing(options.growing);
    let source = remote::source(session, from, options, &mut report)?;
    if source.items.get(&RelPath::root()).is_none_or(|top| top.kind != EntryKind::Directory) {
        return Err(Error::new(Kind::NotDirectory, format!("{from}: not a folder")).of_server().at(from.as_path()));
    }
    if !options.dry_run {
        LocalStore::clear_trials(into);
    }
    let mut destination = local::destination(into, options, &mut report)?;
    if !destination.asides.is_empty() {
        let (local, both) = (Destination::open(into)?, (&source, &destination));
        let mut here = Here { into: &local, folder: into };
        if recover(&mut here, both, displaced, options.dry_run, &mut report)? {
            // What else is to be told of it was told.
            destination = local::destination(into, options, &mut Report::new(&Silent))?;
        }
    }
    destination.spare(&source, &options.filter);
    // Nothing is compared where there is no such folder.
    let access = LocalAccess::below(into).unwrap_or(LocalAccess::Seen);
    let mut plan = make_plan(session, (&source, &destination), (into, &access, from), options)?;
    plan.transfer.retain(|path| !run.has_failed(path));
    let refusal = refusal(&plan, (&source, &destination), options, &report);
    let at = |path: &RelPath| into.join(path.as_path());
    report_blocked(&plan, (&destination, options.delete), at, &mut report);
    let held_back = if options.dry_run { plan.hold_back(report.faults() > 0) } else { Default::default() };
    let size = |path| source.items.get(path).map_or(0, |item| item.size);
    let (files, bytes) =
        files_of(&plan, &source).fold((0, 0u64), |(n, bytes), path| (n + 1, bytes.saturating_add(size(path))));
    if options.dry_run {
        report.summary.links = (plan.transferred().count() as u64).saturating_sub(files);
        return Ok(only_planned(plan, &destination, held_back, (bytes, refusal), at, report));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    observer.expected(files, bytes);
    drop(reading);
    fs::create_dir_all(into).map_err(|err| Error::file(into.display(), err))?;
    let local = Destination::open(into)?;
    let here = Here { into: &local, folder: into };
    let side = Local { session, from, here, source: &source, crowd, deletes: options.delete };
    let applied = apply(side, (&plan, options.perms), displaced, &mut report);
    local.store().forget_handles();
    if applied.is_err() || run.has_put_off() {
        run.meant(files_of(&plan, &source).map(|path| (path, size(path))));
    }
    Ok(done(plan, bytes, applied?, report))
}

/// What is transferred and is no link.
fn files_of<'a>(plan: &'a Plan, source: &'a Tree) -> impl Iterator<Item = &'a RelPath> {
    plan.transferred().filter(|path| !source.links.contains_key(*path))
}

/// Does it all, and brings the times in line, and with `perms` the modes of folders.
fn apply(
    mut side: Local<'_>,
    (plan, perms): (&Plan, bool),
    displaced: &Displaced,
    report: &mut Report<'_>,
) -> Result<Beside> {
    let Local { from, source, here: Here { into, .. }, .. } = side;
    let beside = carry_out(&mut side, plan, source, displaced, report)?;
    into.store().forget_handles();

    let time_of = |path: &RelPath| source.items.get(path).map(|item| item.mtime);
    for path in &plan.touch {
        set_time(into, from, path, time_of(path), report);
    }
    // From the bottom up, and last: what is put into a folder or taken from it changes its time.
    for (path, item) in source.items.iter().rev() {
        let Some(look) = folders::look(path, item, perms) else { continue };
        // One that could not be made has been reported.
        let is_there = path.is_root() || into.store().stat(path).is_ok_and(|there| there.kind == EntryKind::Directory);
        if is_there && let Err(error) = look.give_here(into, path) {
            report.failed(shown(from, path), error);
        }
    }
    Ok(beside)
}

fn set_time(
    into: &Destination,
    from: &RelPath,
    path: &RelPath,
    mtime: Option<crate::files::Mtime>,
    report: &mut Report<'_>,
) {
    if let Some(Err(error)) = mtime.map(|mtime| into.set_mtime(path, mtime)) {
        report.failed(shown(from, path), error);
    }
}

/// A local folder that becomes like another.
pub(super) struct Here<'a> {
    pub(super) into: &'a Destination,
    pub(super) folder: &'a Path,
}

impl Place for Here<'_> {
    fn set_modes(&mut self, files: &[(RelPath, SourceMode)]) -> Result<Vec<Result<()>>> {
        Ok(files.iter().map(|(path, mode)| self.into.store().set_mode(path, *mode).map(drop)).collect())
    }

    /// Asked after all has come, so that no two files have had one inode after the other.
    fn spellings(&mut self, gone: &[RelPath], came: &[RelPath]) -> Result<HashSet<RelPath>> {
        let came: HashSet<(u64, u64)> = came.iter().filter_map(|path| self.into.identity(path)).collect();
        let is_one = |path: &&RelPath| self.into.identity(path).is_some_and(|there| came.contains(&there));
        Ok(gone.iter().filter(is_one).cloned().collect())
    }

    fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>> {
        let store = self.into.store();
        let done = moves.iter().map(|(from, to)| store.rename(from, to, false).map(drop)).collect();
        // What was kept open may be of a folder that has another name now.
        store.forget_handles();
        Ok(done)
    }

    /// Never what a link leads to.
    fn remove(&mut self, paths: &[RelPath]) -> Result<Vec<Result<()>>> {
        let gone = |outcome: Result<()>| match outcome {
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            other => other,
        };
        Ok(paths.iter().map(|path| gone(self.into.store().remove(path, false).map(drop))).collect())
    }

    fn remove_folders(&mut self, paths: &[RelPath]) -> Result<()> {
        for path in paths {
            if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
                // As below.
                let _ = self.into.remove_name(&folder, name, true);
            }
        }
        Ok(())
    }

    fn remove_if(&mut self, files: &[(RelPath, Hash)]) -> Result<()> {
        for (path, hash) in files {
            if content::hash_of(&self.folder.join(path.as_path())).is_ok_and(|there| there == *hash) {
                // What could not be removed is in the way of what is put back, which says so.
                let _ = self.into.store().remove(path, false);
            }
        }
        Ok(())
    }

    fn remove_links(&mut self, links: &[(RelPath, Vec<u8>)]) {
        for (path, text) in links {
            // As above.
            let _ = self.into.remove_link(path, text);
        }
    }

    fn shown(&self, path: &RelPath) -> PathBuf {
        self.folder.join(path.as_path())
    }
}

/// The local folder of a mirror, with the folder of the server that it becomes like.
struct Local<'a> {
    session: &'a mut Session,
    from: &'a RelPath,
    here: Here<'a>,
    source: &'a Tree,
    crowd: Option<&'a Crowd>,
    /// What is not at the source is removed afterwards.
    deletes: bool,
}

impl Local<'_> {
    /// Makes a link like that of the source. After all that goes into folders, so that no file comes through it. Says whether
    /// it was made. One that cannot be is a failure where anything goes for it, and skipped elsewhere: nothing may go for
    /// nothing.
    fn make_link(&self, path: &RelPath, text: &[u8], is_needed: bool, report: &mut Report<'_>) -> bool {
        let from = shown(self.from, path);
        match self.here.into.make_link(&RelPath::root(), path, text, true) {
            Ok(linked @ (Linked::Made | Linked::Same)) => {
                report.summary.links += 1;
                report.observer.linked(&from, path);
                return linked == Linked::Made;
            }
            Ok(Linked::LeadsOut) if is_needed => {
                let text = format!("{path}: {}, by a link that is here on the way", Skip::LeadsOut.words());
                report.failed(from, Error::new(Kind::Exists, text));
            }
            Ok(Linked::LeadsOut) => report.skipped(&from, Skip::LeadsOut),
            Err(error) => report.failed(from, error),
        }
        false
    }
}

impl<'a> Side for Local<'a> {
    type Place = Here<'a>;

    fn place(&mut self) -> &mut Here<'a> {
        &mut self.here
    }

    fn remove_stray(&mut self, stray: &Stray) -> Result<()> {
        self.here.into.remove_name(&stray.folder, &stray.name, stray.kind == EntryKind::Directory)
    }

    fn transfer(
        &mut self,
        make: &[RelPath],
        files: &[RelPath],
        report: &mut Report<'_>,
        mut came: Option<&mut Came>,
    ) -> Result<()> {
        let into = self.here.into;
        for path in make {
            match into.store().make_dir(path, true) {
                Ok(()) => report.summary.directories += 1,
                Err(error) => report.failed(shown(self.from, path), error),
            }
        }
        let mut jobs = Vec::with_capacity(files.len());
        let (links, files): (Vec<_>, Vec<_>) = files.iter().partition(|path| self.source.links.contains_key(*path));
        for path in files {
            match self.from.join(path.as_bytes()) {
                Ok(remote) => jobs.push(Job {
                    file: Download::new(remote, path.clone()),
                    counted: true,
                    resumable: self.source.items.get(path).is_none_or(|item| item.size >= limits::HASH_BLOCK),
                }),
                Err(error) => report.failed(shown(self.from, path), error),
            }
        }
        let (observer, session, crowd) = (report.observer, &mut *self.session, self.crowd);
        let faults = report.faults();
        let whole = came.as_deref_mut().map(|came| &mut came.files);
        report.with_ledger(whole, &RelPath::root(), |ledger| {
            fetch_files(session, jobs.into_iter(), crowd, into, observer, ledger)
        })?;
        for path in links {
            // What was moved out of the way is put back if anything failed, and then nothing is to have its name.
            if came.is_some() && report.faults() > faults {
                break;
            }
            let Some(text) = self.source.links.get(path) else { continue };
            let is_made = self.make_link(path, text, came.is_some() || self.deletes, report);
            if let (Some(came), true) = (&mut came, is_made) {
                came.links.push((path.clone(), text.clone()));
            }
        }
        Ok(())
    }
}

fn shown(folder: &RelPath, path: &RelPath) -> PathBuf {
    PathBuf::from(folder.as_path()).join(path.as_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two names of one file stand for two spellings of one name.
    #[test]
    fn a_name_that_is_what_has_just_come_is_told_by_its_inode() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("dir")).unwrap();
        fs::write(at("dir/readme"), "new").unwrap();
        fs::hard_link(at("dir/readme"), at("README")).unwrap();
        fs::write(at("other"), "other").unwrap();
        let into = Destination::open(folder.path()).unwrap();
        let rel = |path: &str| RelPath::parse(path.as_bytes()).unwrap();
        let gone = [rel("other"), rel("README"), rel("missing")];
        let found = Here { into: &into, folder: folder.path() }.spellings(&gone, &[rel("dir"), rel("dir/readme")]);
        assert_eq!(found.unwrap(), HashSet::from([rel("README")]));
    }

    #[test]
    fn what_somebody_has_put_in_place_of_a_folder_that_was_to_be_made_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("made/inner")).unwrap();
        fs::create_dir(folder.path().join("full")).unwrap();
        fs::write(folder.path().join("full/theirs"), "theirs").unwrap();
        fs::write(folder.path().join("file"), "theirs").unwrap();
        let into = Destination::open(folder.path()).unwrap();
        let paths = ["made/inner", "made", "full", "file", "missing"];
        let paths = paths.map(|path| RelPath::parse(path.as_bytes()).unwrap());
        Here { into: &into, folder: folder.path() }.remove_folders(&paths).unwrap();
        let left = ["made", "full/theirs", "file"].map(|path| folder.path().join(path).exists());
        assert_eq!(left, [false, true, true]);
    }
}
