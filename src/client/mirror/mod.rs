//! Making one folder like another, over the connection: only what changed moves.
//!
//! Both sides are listed, [`plan`](plan::plan) compares the listings and says what is to be done, and the transfers of
//! [`Client`] do it. Files are the same if their sizes and times are, or with [`MirrorOptions::checksum`] if their
//! contents are. Modification times of files and folders are kept both ways, and with [`MirrorOptions::perms`] the modes of both. No
//! verb sets the time of a file: one on the server whose content is right and whose time is not keeps its time under `checksum`, and is
//! sent again without.
//!
//! A link or special file of the source is skipped, and what the destination has under its name stays. Names that were
//! excluded are neither read, sent nor removed on either side; a folder that holds such a name stays too. So do the
//! names of files that are not whole yet (`.NAME.sealift-part`). A device, pipe or socket at the destination is removed
//! if that is asked for and the source has nothing of its name, but nothing ever takes its place.
//!
//! What takes anything away comes after all that adds, and only if every reading of the source and every transfer
//! succeeded (`guard`, `carry_out`). What stands in the way of something of another type is renamed to
//! `.NAME.MARK.sealift-aside` beside it, put back if what comes in its place fails, and removed last. Whatever ends a run
//! in between, such a name is recognised by the next attempt and the next run (`displaced`): what has it is put back if
//! nothing else has its own name, and else stays and is told.

mod carry_out;
mod displaced;
mod folders;
mod guard;
mod local;
pub mod plan;
mod pull;
mod push;
mod remote;
mod report;
mod run;
mod spellings;

use std::path::PathBuf;

pub use displaced::Displaced;
pub use guard::MaxDelete;
pub use plan::{Deletes, Plan};
pub use run::MirrorRun;

use super::content;
use super::filter::Filter;
use super::jobs::Summary;
use super::local_access::LocalAccess;
use super::mirror::carry_out::Beside;
use super::mirror::guard::Faultless;
use super::mirror::plan::{Also, Compare, HeldBack, Tree};
use super::mirror::report::Report;
use super::session::Session;
use super::symlinks::ServerLinks;
#[cfg(doc)]
use crate::Client;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, RelPath};
use crate::proto::HashOf;
use crate::setters::setters;

/// How to mirror.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct MirrorOptions {
    /// Remove what only the destination has. Nothing is removed unless every reading of the source and every transfer
    /// succeeded.
    pub delete: bool,
    /// How many files `delete` may remove. If absent, half of the destination's
    /// ([`limits::MIRROR_DELETE_PERCENT`](crate::limits::MIRROR_DELETE_PERCENT)) if it has more than
    /// [`limits::MIRROR_FILES_FREE`](crate::limits::MIRROR_FILES_FREE), else all but the last, if there are
    /// [`limits::MIRROR_ALL_ASKED`](crate::limits::MIRROR_ALL_ASKED) of them. More is refused
    /// ([`Kind::ManyDeletes`]) before anything is done.
    pub max_delete: Option<MaxDelete>,
    /// Let `delete` remove everything because the source has no files; else that is refused ([`Kind::EmptySource`]).
    pub allow_empty_source: bool,
    /// Only find out what would be done.
    pub dry_run: bool,
    /// Compare files of equal size by their BLAKE3, not by their times.
    pub checksum: bool,
    /// Files, and folders but the mirrored one itself, keep all nine bits of their modes, as [`TransferOptions::perms`](crate::client::TransferOptions::perms). Else only
    /// whether the owner may run them. Either way a file of which nothing else changed is not sent for it.
    pub perms: bool,
    /// A file that becomes longer while it is transferred, as a log does, is taken as long as it was at the beginning, as
    /// [`super::TransferOptions::growing`] does.
    pub growing: bool,
    /// A file that is newer at the destination stays as it is, and counts as the same.
    pub update: bool,
    /// What the links of a local source lead to is sent; else they are skipped.
    pub follow_links: bool,
    /// What to do about the links of a source on a server.
    pub server_links: ServerLinks,
    /// Over so many connections at once files are moved, as [`super::TransferOptions::transfers`] does.
    pub transfers: u32,
    /// Which names take part.
    pub filter: Filter,
}

setters!(MirrorOptions: delete: bool, max_delete: Option<MaxDelete>, allow_empty_source: bool, dry_run: bool, checksum: bool,
    perms: bool, growing: bool, update: bool, follow_links: bool, server_links: ServerLinks, transfers: u32,
    filter: Filter);

/// What a mirror came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct MirrorSummary {
    /// What was transferred, what failed and what was skipped.
    pub transfer: Summary,
    /// Files that were the same already.
    pub same: u64,
    /// Files of which only the mode was changed.
    pub modes: u64,
    /// Files, links and folders removed.
    pub deleted: u64,
    /// What was to be removed and was kept, because not everything was read and transferred.
    pub kept: Vec<PathBuf>,
    /// Bytes of the files that were to be transferred.
    pub planned_bytes: u64,
    /// With [`MirrorOptions::dry_run`], what would be removed.
    pub deletes: Deletes,
    /// With [`MirrorOptions::dry_run`], why it would be refused.
    pub refusal: Option<Error>,
    /// What was to be done, or with [`MirrorOptions::dry_run`] would be.
    pub plan: Plan,
}

/// The plan for two listings, by content if that was asked for; `local` and `remote` are the folders listed, and
/// what is in the local one is opened so.
fn make_plan(
    session: &mut Session,
    (source, destination): (&Tree, &Tree),
    (local, access, remote): (&std::path::Path, &LocalAccess, &RelPath),
    options: &MirrorOptions,
) -> Result<Plan> {
    let also = Also { delete: options.delete, perms: options.perms, update: options.update };
    if !options.checksum {
        return Ok(plan::plan(source, destination, Compare::Times, also));
    }
    let files = plan::of_equal_size(source, destination);
    let there = files.iter().map(|file| remote.join(file.as_bytes())).collect::<Result<Vec<_>>>()?;
    let here = |at: usize, work: &mut content::Work<'_>| {
        let file = files.get(at).map_or(local.to_owned(), |file| local.join(file.as_path()));
        content::hash(&file, access, work, |_| {})
    };
    let same = content::same(session, &there, HashOf::Bytes, here)?;
    let same = files.iter().cloned().zip(same).filter_map(|(file, is_same)| is_same.then_some(file)).collect();
    Ok(plan::plan(source, destination, Compare::Content(&same), also))
}

/// Reports what the plan had to leave; `at` is where a path is at the destination.
fn report_blocked(
    plan: &Plan,
    (destination, deletes): (&Tree, bool),
    at: impl Fn(&RelPath) -> PathBuf,
    report: &mut Report<'_>,
) {
    for path in &plan.blocked {
        let shown = at(path);
        let (kind, why) = match destination.items.get(path).map(|item| item.kind) {
            Some(EntryKind::Other) => (Kind::NotRegular, "a device or pipe has this name, and nothing takes its place"),
            Some(EntryKind::File) => (Kind::Exists, "a file that is newer than this folder is in its place, and stays"),
            Some(EntryKind::Directory) if !deletes => {
                let why = "something that may not be removed is in its place: a folder with something in it, and --delete is not given";
                (Kind::Exists, why)
            }
            _ => (Kind::Exists, "something that may not be removed is in its place"),
        };
        let error = Error::new(kind, format!("{}: {why}", shown.display()));
        report.failed_elsewhere(shown, error);
    }
}

/// What a plan would come to. Its removals are refused if they are too many; if they cannot come about because the
/// source could not be read wholly, that is not asked.
fn refusal(
    plan: &Plan,
    (source, destination): (&Tree, &Tree),
    options: &MirrorOptions,
    report: &Report<'_>,
) -> Option<Error> {
    Faultless::prove(source, report.faults())?;
    guard::check(plan, source, destination, options).err()
}

/// What a run in earnest gives.
fn done(plan: Plan, planned_bytes: u64, beside: Beside, report: Report<'_>) -> MirrorSummary {
    let Beside { modes, removed, kept } = beside;
    let (transfer, same) = (report.summary, plan.same);
    let deletes = Deletes::default();
    MirrorSummary { transfer, same, modes, deleted: removed, kept, planned_bytes, deletes, refusal: None, plan }
}

/// What a dry run gives; `at` is where a path is at the destination.
fn only_planned(
    plan: Plan,
    destination: &Tree,
    (paths, strays): HeldBack,
    (planned_bytes, refusal): (u64, Option<Error>),
    at: impl Fn(&RelPath) -> PathBuf,
    report: Report<'_>,
) -> MirrorSummary {
    let strays = strays.iter().map(|stray| at(&stray.folder).join(stray.shown()));
    let kept = paths.iter().map(&at).chain(strays).collect();
    let deletes = plan.deletes(destination);
    let (transfer, same) = (report.summary, plan.same);
    MirrorSummary { transfer, same, modes: 0, deleted: 0, kept, planned_bytes, deletes, refusal, plan }
}
