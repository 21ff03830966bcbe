//! Making a folder of the server like a local one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carry_out::{Came, Place, Side, carry_out};
use super::displaced::recover;
use super::plan::Stray;
use super::report::Report;
use super::run::MirrorRun;
use super::{
    MirrorOptions, MirrorSummary, done, folders, local, make_plan, only_planned, refusal, remote, report_blocked,
    spellings,
};
use crate::client::connection::Client;
use crate::client::folder_look::give_there;
use crate::client::jobs::{Upload, UploadSource};
use crate::client::ledger::Ledger;
use crate::client::local_access::LocalAccess;
use crate::client::observer::{Observer, ReadingSign, Silent, Skip};
use crate::client::send::Task;
use crate::client::session::Session;
use crate::client::streams::{Crowd, crowded, send_files};
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, EntryKind, Hash, RelPath, SourceMode};
use crate::proto::Feature;

impl Client {
    /// Makes the folder `to` of the server, made with its parents if missing, like the local folder `from`.
    /// Files and folders keep their modification times; folders do not on a server that is too old for it. Every attempt gets the same `run`.
    ///
    /// # Errors
    /// What ends the connection, if either side cannot be listed at all, and [`Kind::EmptySource`] and
    /// [`Kind::ManyDeletes`] as [`MirrorOptions`] say. What happened to single files is in the [`MirrorSummary`].
    pub async fn mirror_push(
        &mut self,
        from: &Path,
        to: &RelPath,
        options: &MirrorOptions,
        run: &MirrorRun,
        observer: Arc<dyn Observer>,
    ) -> Result<MirrorSummary> {
        let (from, to, options, run) = (from.to_owned(), to.clone(), options.clone(), run.clone());
        let (told, transfers) = (Arc::clone(&observer), options.transfers);
        let (told_of, folder) = (run.clone(), to.clone());
        let lead = move |session: &mut Session, crowd: Option<&Crowd>| {
            push(session, (&from, &to), &options, &run, &*told, crowd)
        };
        let (done, rest) = crowded(self, transfers, &observer, lead).await;
        // What other connections failed at when the first one had ended.
        told_of.add_failed(rest.failures, &folder);
        done
    }
}

fn push(
    session: &mut Session,
    (from, to): (&Path, &RelPath),
    options: &MirrorOptions,
    run: &MirrorRun,
    observer: &dyn Observer,
    crowd: Option<&Crowd>,
) -> Result<MirrorSummary> {
    let reading = ReadingSign::new(observer);
    if options.perms && !session.has(Feature::Perms) {
        return Err(Feature::Perms.missing());
    }
    let displaced = run.displaced();
    let mut report = Report::of(observer, run).with_perms(options.perms).growing(options.growing);
    let access = match options.follow_links {
        true => LocalAccess::Named,
        false => LocalAccess::below(from).map_err(|err| Error::file(from.display(), err.into()))?,
    };
    let source = local::source(from, &access, options, &mut report)?;
    let mut destination = remote::destination(session, to, options, &mut report)?;
    let both = (&source, &destination);
    if recover(&mut There { session, to }, both, displaced, options.dry_run, &mut report)? {
        // What else is to be told of it was told.
        destination = remote::destination(session, to, options, &mut Report::new(&Silent))?;
    }
    if destination.items.get(&RelPath::root()).is_some_and(|top| top.kind != EntryKind::Directory) {
        return Err(Error::new(Kind::NotDirectory, format!("{to}: not a folder")).of_server().at(to.as_path()));
    }
    destination.spare(&source, &options.filter);
    let unlistable = destination.spare_unlistable(&source);
    let spared = destination.spare_shared(&source);
    if options.delete {
        unlistable.iter().for_each(|folder| report.skipped(&to.as_path().join(folder.as_path()), Skip::Unlistable));
        spared.iter().for_each(|folder| report.skipped(&to.as_path().join(folder.as_path()), Skip::Shared));
    }
    let mut plan = make_plan(session, (&source, &destination), (from, &access, to), options)?;
    plan.transfer.retain(|path| !run.has_failed(path));
    plan.make.retain(|path| !run.has_failed(path));
    let refusal = refusal(&plan, (&source, &destination), options, &report);
    let at = |path: &RelPath| PathBuf::from(to.as_path()).join(path.as_path());
    report_blocked(&plan, (&destination, options.delete), at, &mut report);
    let held_back = if options.dry_run { plan.hold_back(report.faults() > 0) } else { Default::default() };
    let size = |path| source.items.get(path).map_or(0, |item| item.size);
    let (files, bytes) =
        plan.transferred().fold((0, 0u64), |(n, bytes), path| (n + 1, bytes.saturating_add(size(path))));
    if options.dry_run {
        return Ok(only_planned(plan, &destination, held_back, (bytes, refusal), at, report));
    }
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    observer.expected(files, bytes);
    drop(reading);
    let mut server = Server { there: There { session, to }, from, access, crowd };
    let carried = carry_out(&mut server, &plan, &source, displaced, &mut report);
    if carried.is_err() || run.has_put_off() {
        run.meant(plan.transferred().map(|path| (path, size(path))));
    }
    let beside = carried?;
    // Last: what is put into a folder or taken from it changes its time.
    let mut folders = Vec::new();
    for (path, look) in folders::to_adjust(&source, &destination, &plan, options.perms) {
        folders.extend(to.join(path.as_bytes()).map(|there| (there, look)));
    }
    for (path, error) in give_there(session, &folders)? {
        report.failed(PathBuf::from(path.as_path()), error);
    }
    Ok(done(plan, bytes, beside, report))
}

/// A folder of the server that becomes like another.
pub(super) struct There<'a> {
    pub(super) session: &'a mut Session,
    pub(super) to: &'a RelPath,
}

impl Place for There<'_> {
    fn set_modes(&mut self, files: &[(RelPath, SourceMode)]) -> Result<Vec<Result<()>>> {
        remote::set_modes(self.session, self.to, files)
    }

    fn spellings(&mut self, gone: &[RelPath], came: &[RelPath]) -> Result<HashSet<RelPath>> {
        spellings::by_listing(gone, came, |folder| remote::names_in(self.session, &self.to.join(folder.as_bytes())?))
    }

    fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>> {
        remote::rename(self.session, self.to, moves)
    }

    fn remove(&mut self, paths: &[RelPath]) -> Result<Vec<Result<()>>> {
        remote::remove(self.session, self.to, paths)
    }

    fn remove_folders(&mut self, paths: &[RelPath]) -> Result<()> {
        remote::remove_folders(self.session, self.to, paths)
    }

    fn remove_if(&mut self, files: &[(RelPath, Hash)]) -> Result<()> {
        remote::remove_if(self.session, self.to, files)
    }

    /// A server stores none.
    fn remove_links(&mut self, _links: &[(RelPath, Vec<u8>)]) {}

    fn shown(&self, path: &RelPath) -> PathBuf {
        PathBuf::from(self.to.as_path()).join(path.as_path())
    }
}

/// The folder of the server of a mirror, with the local folder that it becomes like.
struct Server<'a> {
    there: There<'a>,
    from: &'a Path,
    /// How what is in it is opened.
    access: LocalAccess,
    crowd: Option<&'a Crowd>,
}

impl<'a> Side for Server<'a> {
    type Place = There<'a>;

    fn place(&mut self) -> &mut There<'a> {
        &mut self.there
    }

    fn remove_stray(&mut self, _stray: &Stray) -> Result<()> {
        Err(Error::new(Kind::BadPath, "a name that cannot be sent"))
    }

    fn transfer(
        &mut self,
        make: &[RelPath],
        files: &[RelPath],
        report: &mut Report<'_>,
        came: Option<&mut Came>,
    ) -> Result<()> {
        let (observer, from, access) = (report.observer, self.from, &self.access);
        let There { session, to } = &mut self.there;
        for path in make.iter().chain(files) {
            if let Err(error) = to.join(path.as_bytes()) {
                report.failed(local_path(from, path), error);
            }
        }
        let folders = make.iter().filter_map(|path| task(from, to, path, None));
        let tasks = folders.chain(files.iter().filter_map(|path| task(from, to, path, Some(access))));
        let mut sent = came.is_some().then(Vec::new);
        let crowd = self.crowd;
        let send = |ledger: &mut Ledger| {
            send_files(session, tasks, crowd, observer, ledger, false)?;
            ledger.tell_unmade(session, observer)
        };
        let done = report.with_ledger(sent.as_mut(), to, send);
        // Known there by their paths from the user's folder on.
        let inside = |(path, hash): (RelPath, Hash)| Some((path.strip_prefix(to)?, hash));
        if let (Some(came), Some(sent)) = (came, sent) {
            came.files.extend(sent.into_iter().filter_map(inside));
        }
        done
    }
}

/// What sends this: a file, which is opened so, or a folder. None for what can have no such path there.
fn task(from: &Path, to: &RelPath, path: &RelPath, access: Option<&LocalAccess>) -> Option<Task> {
    let (local, to) = (local_path(from, path), to.join(path.as_bytes()).ok()?);
    Some(match access {
        None => Task::Directory { from: local, to },
        Some(access) => {
            let upload = Upload { from: UploadSource::File(local), to, condition: Condition::Any, mtime: None };
            Task::File { upload, access: access.clone() }
        }
    })
}

/// Not a slash more than the person wrote.
fn local_path(from: &Path, path: &RelPath) -> PathBuf {
    if path.is_root() { from.to_owned() } else { from.join(path.as_path()) }
}
