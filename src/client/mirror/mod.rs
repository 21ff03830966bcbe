//! Making one folder like another, over the connection: only what changed moves.
//!
//! Both sides are listed, [`plan`](plan::plan) compares the listings and says what is to be done, and the transfers of
//! [`Client`] do it. Files are the same if their sizes and times are, or with [`MirrorOptions::checksum`] if their
//! contents are. Modification times of files are kept both ways, those of folders only when fetching: the protocol has
//! no verb that sets a time. For the same reason a file on the server whose content is right and whose time is not
//! keeps its time under `checksum`, and is sent again without.
//!
//! A link or special file of the source is skipped, and what the destination has under its name stays. Names that were
//! excluded are neither read, sent nor removed on either side; a folder that holds such a name stays too.

mod content;
mod filter;
mod local;
pub mod plan;
mod pull;
mod push;
mod remote;
mod report;

use std::path::PathBuf;

pub use filter::Filter;
pub use plan::Plan;

use super::jobs::Summary;
use super::mirror::plan::{Compare, Tree};
use super::mirror::report::Report;
use super::session::Session;
#[cfg(doc)]
use crate::Client;
use crate::error::{Error, Kind, Result};
use crate::proto::RelPath;

/// How to mirror.
#[derive(Debug, Clone, Default)]
pub struct MirrorOptions {
    /// Remove what only the destination has. Nothing is removed if the source could not be read wholly.
    pub delete: bool,
    /// Only find out what would be done.
    pub dry_run: bool,
    /// Compare files of equal size by their BLAKE3, not by their times.
    pub checksum: bool,
    /// Which names take part.
    pub filter: Filter,
}

/// What a mirror came to.
#[derive(Debug, Default)]
pub struct MirrorSummary {
    /// What was transferred, what failed and what was skipped.
    pub transfer: Summary,
    /// Files that were the same already.
    pub same: u64,
    /// Files, links and folders removed.
    pub deleted: u64,
    /// What was to be done, or with [`MirrorOptions::dry_run`] would be.
    pub plan: Plan,
}

/// The plan for two listings, by content if that was asked for; `local` and `remote` are the folders listed.
fn make_plan(
    session: &mut Session,
    (source, destination): (&Tree, &Tree),
    (local, remote): (&std::path::Path, &RelPath),
    options: &MirrorOptions,
) -> Result<Plan> {
    if !options.checksum {
        return Ok(plan::plan(source, destination, Compare::Times, options.delete));
    }
    let same = content::same(session, local, remote, plan::of_equal_size(source, destination))?;
    Ok(plan::plan(source, destination, Compare::Content(&same), options.delete))
}

/// Reports what the plan had to leave; `at` is where a path is at the destination.
fn report_left(
    plan: &Plan,
    source: &Tree,
    options: &MirrorOptions,
    at: impl Fn(&RelPath) -> PathBuf,
    report: &mut Report<'_>,
) {
    for path in &plan.blocked {
        let text = format!("{}: something that may not be removed is in its place", at(path).display());
        report.failed(at(path), Error::new(Kind::Exists, text));
    }
    if options.delete && !source.is_whole {
        let text = "nothing was deleted, because the source could not be read wholly";
        report.failed(at(&RelPath::root()), Error::new(Kind::Io, text));
    }
}
