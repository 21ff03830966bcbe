//! Doing what a plan says, in an order in which nothing can be lost: first what only adds, then what takes another's
//! place, and what takes away last.

use std::collections::HashSet;
use std::path::PathBuf;

use super::displaced::{Displaced, Moved};
use super::guard::Faultless;
use super::plan::{Plan, Replacement, Stray, Tree};
use super::report::Report;
use crate::client::observer::Skip;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, RelPath, SourceMode};

/// The destination of a mirror, here or on a server, and how to change it. Paths are relative to the mirrored folder.
/// The outer errors end the connection; the inner ones are about one path each, in order.
pub(super) trait Place {
    /// Gives files the modes of their sources.
    fn set_modes(&mut self, files: &[(RelPath, SourceMode)]) -> Result<Vec<Result<()>>>;

    /// Those of these names, which are to be removed, that are other spellings of what has come, where a file system takes both for one:
    /// to remove them would be to remove that.
    fn spellings(&mut self, gone: &[RelPath], came: &[RelPath]) -> Result<HashSet<RelPath>>;

    /// Renames, never over anything.
    fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>>;

    /// Removes files, links and empty folders. What is gone already is fine.
    fn remove(&mut self, paths: &[RelPath]) -> Result<Vec<Result<()>>>;

    /// Removes those of these that are empty folders. What is not stays, also a file that somebody has put there.
    fn remove_folders(&mut self, paths: &[RelPath]) -> Result<()>;

    /// Removes those of these files that have these very bytes.
    fn remove_if(&mut self, files: &[(RelPath, Hash)]) -> Result<()>;

    /// Removes those of these links that still have these texts.
    fn remove_links(&mut self, links: &[(RelPath, Vec<u8>)]);

    /// Where a path is, for a person.
    fn shown(&self, path: &RelPath) -> PathBuf;
}

/// A destination and the way to it from the source.
pub(super) trait Side {
    /// The destination.
    type Place: Place;

    /// The destination.
    fn place(&mut self) -> &mut Self::Place;

    /// Removes what has a name that no path can have.
    fn remove_stray(&mut self, stray: &Stray) -> Result<()>;

    /// Makes folders and transfers files; failures go into the report. If it is for what was moved aside, what has come
    /// goes into `came`.
    fn transfer(
        &mut self,
        make: &[RelPath],
        files: &[RelPath],
        report: &mut Report<'_>,
        came: Option<&mut Came>,
    ) -> Result<()>;
}

/// What has come to the place of something that was moved aside.
#[derive(Debug, Default)]
pub(super) struct Came {
    /// Files that went there whole.
    pub(super) files: Vec<(RelPath, Hash)>,
    /// Links that were made there, with their texts.
    pub(super) links: Vec<(RelPath, Vec<u8>)>,
}

/// What was done beside the transfers.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Files of which only the mode was changed.
    pub(super) modes: u64,
    /// Files, links and folders removed.
    pub(super) removed: u64,
    /// What was to go and stays, because not everything was read and transferred.
    pub(super) kept: Vec<PathBuf>,
}

/// Does all of it. What stands in the way of something is among the `displaced` from before it is moved aside until it
/// is put back or gone, so that it can be found again however this ends.
///
/// # Errors
/// Those that end the connection. Nothing has been removed then that is not at the source.
pub(super) fn carry_out(
    side: &mut impl Side,
    plan: &Plan,
    source: &Tree,
    displaced: &Displaced,
    report: &mut Report<'_>,
) -> Result<Beside> {
    side.transfer(&plan.make, &plan.transfer, report, None)?;
    let mut beside = Beside { modes: set_modes(side.place(), plan, report)?, ..Beside::default() };

    // What could not come because of what may not go was not transferred either. Beside it, only what holds nothing
    // else gives way: that is no more than a file written over.
    let (replace, stay): (Vec<_>, Vec<_>) =
        plan.replace.iter().partition(|replacement| plan.blocked.is_empty() || replacement.gone.len() == 1);
    let place = side.place();
    let kept = stay.iter().flat_map(|replacement| &replacement.gone);
    beside.kept.extend(kept.map(|path| place.shown(path)));
    if let Some(proof) = Faultless::prove(source, report.faults()) {
        self::replace(side, &replace, &proof, displaced, report)?;
    }
    match Faultless::prove(source, report.faults()) {
        Some(proof) => beside.removed += remove_displaced(side.place(), displaced, &proof, report)?,
        None => {
            put_back(side.place(), displaced, report)?;
            let kept = replace.iter().flat_map(|replacement| &replacement.gone);
            beside.kept.extend(kept.map(|path| side.place().shown(path)));
        }
    }
    match Faultless::prove(source, report.faults() + plan.blocked.len()) {
        Some(proof) => beside.removed += remove(side, plan, &proof, report)?,
        None => {
            let place = side.place();
            beside.kept.extend(plan.delete.iter().map(|path| place.shown(path)));
            beside.kept.extend(plan.strays.iter().map(|stray| place.shown(&stray.folder).join(stray.shown())));
        }
    }
    Ok(beside)
}

/// Changes the modes of the files of which nothing else changed; gives their number.
fn set_modes(place: &mut impl Place, plan: &Plan, report: &mut Report<'_>) -> Result<u64> {
    let mut count = 0;
    for (outcome, (path, _)) in place.set_modes(&plan.modes)?.into_iter().zip(&plan.modes) {
        match outcome {
            Ok(()) => count += 1,
            Err(error) => report.failed(place.shown(path), error),
        }
    }
    Ok(count)
}

/// Moves what is in the way aside, and if all of that succeeds transfers what comes in its place.
fn replace(
    side: &mut impl Side,
    replacements: &[&Replacement],
    _proof: &Faultless,
    displaced: &Displaced,
    report: &mut Report<'_>,
) -> Result<()> {
    let moved = replacements.iter().map(|replacement| Moved::new(replacement)).collect::<Result<Vec<_>>>()?;
    // Before it is done: of what was done last the answer may never come.
    displaced.add(&moved);
    let place = side.place();
    let moves: Vec<_> = moved.iter().map(|moved| (moved.path.clone(), moved.aside.clone())).collect();
    let mut failed = false;
    for (outcome, Moved { path, aside, .. }) in place.rename(&moves)?.into_iter().zip(&moved) {
        let Err(error) = outcome else { continue };
        displaced.forget(aside);
        // What is gone already is in nobody's way.
        if error.kind() != Kind::NotFound {
            failed = true;
            report.failed(place.shown(path), error);
        }
    }
    if failed {
        return Ok(());
    }
    let (make, files): (Vec<_>, Vec<_>) = replacements.iter().map(|r| (&r.make, &r.transfer)).unzip();
    let all = |paths: Vec<&Vec<RelPath>>| paths.into_iter().flatten().cloned().collect::<Vec<_>>();
    let mut came = Came::default();
    let transferred = side.transfer(&all(make), &all(files), report, Some(&mut came));
    displaced.came(came);
    transferred
}

/// Removes what this run has put in the place of what was moved aside, and gives that its name again. What anybody else
/// has put there stays, and so does what was moved aside, under its other name: that is told.
///
/// # Errors
/// Those that end the connection.
pub(super) fn put_back(place: &mut impl Place, displaced: &Displaced, report: &mut Report<'_>) -> Result<()> {
    // What was being removed is no more what it was.
    let all: Vec<Moved> = displaced.all().into_iter().filter(|moved| !moved.is_going).collect();
    if all.is_empty() {
        return Ok(());
    }
    let came: Vec<_> = all.iter().flat_map(|moved| moved.came.iter().cloned()).collect();
    place.remove_if(&came)?;
    let links: Vec<_> = all.iter().flat_map(|moved| moved.links.iter().cloned()).collect();
    place.remove_links(&links);
    let made: Vec<_> = all.iter().flat_map(|moved| moved.made.iter().rev().cloned()).collect();
    // What is not empty because somebody put something into it stays, and the move back says so.
    place.remove_folders(&made)?;
    let moves: Vec<_> = all.iter().map(|moved| (moved.aside.clone(), moved.path.clone())).collect();
    for (outcome, Moved { path, aside, .. }) in place.rename(&moves)?.into_iter().zip(&all) {
        match outcome {
            Ok(()) => displaced.forget(aside),
            // It was not moved at all, or somebody has taken it away.
            Err(error) if error.kind() == Kind::NotFound => displaced.forget(aside),
            Err(error) => {
                let text = format!("{}: not put back: it is kept as {aside}", error.text());
                report.failed_elsewhere(place.shown(path), Error::new(error.kind(), text));
            }
        }
    }
    Ok(())
}

/// Removes what was moved aside; gives the number of those removed that nothing has taken the place of.
fn remove_displaced(
    place: &mut impl Place,
    displaced: &Displaced,
    _proof: &Faultless,
    report: &mut Report<'_>,
) -> Result<u64> {
    displaced.goes();
    let mut count = 0;
    for moved in displaced.all() {
        let paths = moved.gone.iter().map(|path| moved.now(path)).collect::<Result<Vec<_>>>()?;
        count += removed(place, &paths, report)?.saturating_sub(1);
        // What could not be removed was told.
        displaced.forget(&moved.aside);
    }
    Ok(count)
}

/// Removes what is not at the source.
fn remove(side: &mut impl Side, plan: &Plan, _proof: &Faultless, report: &mut Report<'_>) -> Result<u64> {
    let mut count = 0;
    for stray in &plan.strays {
        match side.remove_stray(stray) {
            Ok(()) => count += 1,
            Err(error) => report.failed_elsewhere(side.place().shown(&stray.folder).join(stray.shown()), error),
        }
    }
    let place = side.place();
    let came: Vec<RelPath> = plan.made().chain(plan.transferred()).cloned().collect();
    if plan.delete.is_empty() || came.is_empty() {
        return Ok(count + removed(place, &plan.delete, report)?);
    }
    let spellings = place.spellings(&plan.delete, &came)?;
    let (stay, go): (Vec<_>, Vec<_>) = plan.delete.iter().cloned().partition(|path| spellings.contains(path));
    stay.iter().for_each(|path| report.skipped(&place.shown(path), Skip::Spelling));
    Ok(count + removed(place, &go, report)?)
}

fn removed(place: &mut impl Place, paths: &[RelPath], report: &mut Report<'_>) -> Result<u64> {
    let mut count = 0;
    for (outcome, path) in place.remove(paths)?.into_iter().zip(paths) {
        match outcome {
            Ok(()) => count += 1,
            Err(error) => report.failed_elsewhere(place.shown(path), error),
        }
    }
    Ok(count)
}
