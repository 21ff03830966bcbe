//! Making a local folder like one of the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carry_out::{Removal, Side, carry_out};
use super::plan::{Plan, Stray, Tree};
use super::report::Report;
use super::{MirrorOptions, MirrorSummary, local, make_plan, only_planned, refusal, remote, report_blocked};
use crate::client::connection::Client;
use crate::client::destination::Destination;
use crate::client::jobs::Download;
use crate::client::observer::{Observer, ReadingSign};
use crate::client::receive::{Job, Receiver};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::proto::{EntryKind, RelPath};

impl Client {
    /// Makes the local folder `into`, made with its parents if missing, like the folder `from` of the server.
    /// Files and folders keep their modification times. Nothing outside `into` is written or removed, whatever the
    /// server lists and whatever links are in it.
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
        observer: Arc<dyn Observer>,
    ) -> Result<MirrorSummary> {
        let (from, into, options) = (from.clone(), into.to_owned(), options.clone());
        self.run(move |session| pull(session, &from, &into, &options, &*observer)).await
    }
}

fn pull(
    session: &mut Session,
    from: &RelPath,
    into: &Path,
    options: &MirrorOptions,
    observer: &dyn Observer,
) -> Result<MirrorSummary> {
    let reading = ReadingSign::new(observer);
    let mut report = Report::new(observer);
    let source = remote::source(session, from, &options.filter, &mut report)?;
    if source.items.get(&RelPath::root()).is_none_or(|top| top.kind != EntryKind::Directory) {
        return Err(Error::new(Kind::NotDirectory, format!("{from}: not a folder")));
    }
    let destination = local::destination(into, options, &mut report)?;
    let plan = make_plan(session, (&source, &destination), (into, from), options)?;
    let refusal = refusal(&plan, (&source, &destination), options, &report);
    report_blocked(&plan, |path| into.join(path.as_path()), &mut report);
    let size = |path| source.items.get(path).map_or(0, |item| item.size);
    let (files, bytes) =
        plan.transferred().fold((0, 0u64), |(n, bytes), path| (n + 1, bytes.saturating_add(size(path))));
    if options.dry_run {
        return Ok(only_planned(plan, bytes, refusal, report));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    observer.expected(files, bytes);
    drop(reading);
    fs::create_dir_all(into).map_err(|err| Error::file(into.display(), err))?;
    let local = Destination::open(into)?;
    let done = apply(session, from, (&local, into), &plan, &source, &mut report);
    local.store().forget_handles();
    let Removal { removed, kept } = done?;
    Ok(MirrorSummary {
        transfer: report.summary,
        same: plan.same,
        deleted: removed,
        kept,
        planned_bytes: bytes,
        refusal: None,
        plan,
    })
}

/// Does it all, and brings the times in line.
fn apply(
    session: &mut Session,
    from: &RelPath,
    (into, folder): (&Destination, &Path),
    plan: &Plan,
    source: &Tree,
    report: &mut Report<'_>,
) -> Result<Removal> {
    let removal = carry_out(&mut Local { session, from, into, folder, source }, plan, source, report)?;
    into.store().forget_handles();

    let time_of = |path: &RelPath| source.items.get(path).map(|item| item.mtime);
    for path in &plan.touch {
        set_time(into, from, path, time_of(path), report);
    }
    // From the bottom up, and last: what is put into a folder or taken from it changes its time.
    for (path, item) in source.items.iter().rev().filter(|(_, item)| item.kind == EntryKind::Directory) {
        // One that could not be made has been reported.
        if path.is_root() || into.store().stat(path).is_ok_and(|there| there.kind == EntryKind::Directory) {
            set_time(into, from, path, Some(item.mtime), report);
        }
    }
    Ok(removal)
}

fn set_time(
    into: &Destination,
    from: &RelPath,
    path: &RelPath,
    mtime: Option<crate::mtime::Mtime>,
    report: &mut Report<'_>,
) {
    if let Some(Err(error)) = mtime.map(|mtime| into.set_mtime(path, mtime)) {
        report.failed(shown(from, path), error);
    }
}

/// The local folder that becomes like one of the server.
struct Local<'a> {
    session: &'a mut Session,
    from: &'a RelPath,
    into: &'a Destination,
    folder: &'a Path,
    source: &'a Tree,
}

impl Side for Local<'_> {
    fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>> {
        let store = self.into.store();
        let done = moves.iter().map(|(from, to)| store.rename(from, to, false)).collect();
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
        Ok(paths.iter().map(|path| gone(self.into.store().remove(path, false))).collect())
    }

    fn remove_stray(&mut self, stray: &Stray) -> Result<()> {
        self.into.remove_name(&stray.folder, &stray.name, stray.kind == EntryKind::Directory)
    }

    fn transfer(&mut self, make: &[RelPath], files: &[RelPath], report: &mut Report<'_>) -> Result<()> {
        for path in make {
            match self.into.store().make_dir(path, true) {
                Ok(()) => report.summary.directories += 1,
                Err(error) => report.failed(shown(self.from, path), error),
            }
        }
        let mut jobs = Vec::with_capacity(files.len());
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
        let (observer, into) = (report.observer, self.into.store());
        report.with_ledger(|ledger| Receiver { session: self.session, into, observer, ledger }.run(jobs.into_iter()))
    }

    fn shown(&self, path: &RelPath) -> PathBuf {
        self.folder.join(path.as_path())
    }
}

fn shown(folder: &RelPath, path: &RelPath) -> PathBuf {
    PathBuf::from(folder.as_path()).join(path.as_path())
}
