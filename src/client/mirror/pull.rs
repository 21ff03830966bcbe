//! Making a local folder like one of the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::Tree;
use super::report::Report;
use super::{MirrorOptions, MirrorSummary, Plan, local, make_plan, remote, report_left};
use crate::client::connection::Client;
use crate::client::destination::Destination;
use crate::client::jobs::{Download, Summary};
use crate::client::observer::Observer;
use crate::client::receive::{Job, Receiver};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::proto::{EntryKind, RelPath};

impl Client {
    /// Makes the local folder `into`, made with its parents if missing, like the folder `from` of the server.
    /// Files and folders keep their modification times. Nothing outside `into` is written or removed, whatever the
    /// server lists and whatever links are in it.
    ///
    /// # Errors
    /// What ends the connection, if either side cannot be listed at all, and [`Kind::Integrity`] for a listing that
    /// names anything outside `from`. What happened to single files is in the [`MirrorSummary`].
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
    let mut report = Report { observer, summary: Summary::default() };
    let source = remote::source(session, from, &options.filter, &mut report)?;
    if source.items.get(&RelPath::root()).is_none_or(|top| top.kind != EntryKind::Directory) {
        return Err(Error::new(Kind::NotDirectory, format!("{from}: not a folder")));
    }
    let destination = local::destination(into, &options.filter, &mut report)?;
    let plan = make_plan(session, (&source, &destination), (into, from), options)?;
    report_left(&plan, &source, options, |path| into.join(path.as_path()), &mut report);
    if options.dry_run {
        return Ok(MirrorSummary { transfer: report.summary, same: plan.same, deleted: 0, plan });
    }
    let size = |path| source.items.get(path).map_or(0, |item| item.size);
    observer.expected(plan.transfer.len() as u64, plan.transfer.iter().map(size).fold(0, u64::saturating_add));
    fs::create_dir_all(into).map_err(|err| Error::file(into.display(), err))?;
    let local = Destination::open(into)?;
    let done = apply(session, from, &local, &plan, &source, &mut report);
    local.store().forget_handles();
    let deleted = done?;
    Ok(MirrorSummary { transfer: report.summary, same: plan.same, deleted, plan })
}

/// Does it all; gives the number removed.
fn apply(
    session: &mut Session,
    from: &RelPath,
    into: &Destination,
    plan: &Plan,
    source: &Tree,
    report: &mut Report<'_>,
) -> Result<u64> {
    remove(into, from, &plan.clear, report);
    for path in &plan.make {
        match into.store().make_dir(path, true) {
            Ok(()) => report.summary.directories += 1,
            Err(error) => report.failed(shown(from, path), error),
        }
    }
    let mut jobs = Vec::with_capacity(plan.transfer.len());
    for path in &plan.transfer {
        match from.join(path.as_bytes()) {
            Ok(remote) => jobs.push(Job { file: Download::new(remote, path.clone()), counted: true }),
            Err(error) => report.failed(shown(from, path), error),
        }
    }
    let observer = report.observer;
    report.with_ledger(|ledger| Receiver { session, into: into.store(), observer, ledger }.run(jobs.into_iter()))?;
    let deleted = remove(into, from, &plan.delete, report);
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
    Ok(deleted)
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

/// Removes files, links and empty folders in order, never what a link leads to.
fn remove(into: &Destination, from: &RelPath, paths: &[RelPath], report: &mut Report<'_>) -> u64 {
    let mut removed = 0;
    for path in paths {
        match into.store().remove(path, false) {
            Err(error) if error.kind() != Kind::NotFound => report.failed(shown(from, path), error),
            _ => removed += 1,
        }
    }
    removed
}

fn shown(folder: &RelPath, path: &RelPath) -> PathBuf {
    PathBuf::from(folder.as_path()).join(path.as_path())
}
