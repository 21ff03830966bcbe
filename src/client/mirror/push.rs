//! Making a folder of the server like a local one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::Report;
use super::{MirrorOptions, MirrorSummary, Plan, local, make_plan, remote, report_left};
use crate::client::connection::Client;
use crate::client::jobs::{Source, Summary, Upload};
use crate::client::observer::Observer;
use crate::client::send::{Sender, Task};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::proto::{Condition, EntryKind, RelPath};

impl Client {
    /// Makes the folder `to` of the server, made with its parents if missing, like the local folder `from`.
    /// Files keep their modification times, folders do not.
    ///
    /// # Errors
    /// What ends the connection, and if either side cannot be listed at all. What happened to single files is in the
    /// [`MirrorSummary`].
    pub async fn mirror_push(
        &mut self,
        from: &Path,
        to: &RelPath,
        options: &MirrorOptions,
        observer: Arc<dyn Observer>,
    ) -> Result<MirrorSummary> {
        let (from, to, options) = (from.to_owned(), to.clone(), options.clone());
        self.run(move |session| push(session, &from, &to, &options, &*observer)).await
    }
}

fn push(
    session: &mut Session,
    from: &Path,
    to: &RelPath,
    options: &MirrorOptions,
    observer: &dyn Observer,
) -> Result<MirrorSummary> {
    let mut report = Report { observer, summary: Summary::default() };
    let source = local::source(from, &options.filter, &mut report)?;
    let destination = remote::destination(session, to, &options.filter, &mut report)?;
    if destination.items.get(&RelPath::root()).is_some_and(|top| top.kind != EntryKind::Directory) {
        return Err(Error::new(Kind::NotDirectory, format!("{to}: not a folder")));
    }
    let plan = make_plan(session, (&source, &destination), (from, to), options)?;
    let at = |path: &RelPath| PathBuf::from(to.as_path()).join(path.as_path());
    report_left(&plan, &source, options, at, &mut report);
    if options.dry_run {
        return Ok(MirrorSummary { transfer: report.summary, same: plan.same, deleted: 0, plan });
    }
    let size = |path| source.items.get(path).map_or(0, |item| item.size);
    observer.expected(plan.transfer.len() as u64, plan.transfer.iter().map(size).fold(0, u64::saturating_add));
    remote::remove(session, to, &plan.clear, &mut report)?;
    let tasks = tasks(&plan, from, to);
    report.with_ledger(|ledger| Sender::new(session, observer, ledger, false).run(tasks))?;
    let deleted = remote::remove(session, to, &plan.delete, &mut report)?;
    Ok(MirrorSummary { transfer: report.summary, same: plan.same, deleted, plan })
}

fn tasks(plan: &Plan, from: &Path, to: &RelPath) -> impl Iterator<Item = Task> {
    let make = plan.make.iter().map(|path| (path, true));
    make.chain(plan.transfer.iter().map(|path| (path, false))).map(|(path, is_folder)| {
        // Not a slash more than the person wrote.
        let local = if path.is_root() { from.to_owned() } else { from.join(path.as_path()) };
        match to.join(path.as_bytes()) {
            Err(error) => Task::Fail(local, error),
            Ok(to) if is_folder => Task::Directory { from: local, to },
            Ok(to) => {
                let upload = Upload { from: Source::File(local), to, condition: Condition::Any, mtime: None };
                Task::File { upload, seen: true }
            }
        }
    })
}
