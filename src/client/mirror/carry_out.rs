//! Doing what a plan says, in an order in which nothing can be lost: first what only adds, then what takes another's
//! place, and what takes away last.

use std::path::PathBuf;

use super::guard::Faultless;
use super::plan::{Plan, Replacement, Stray, Tree};
use super::report::Report;
use crate::error::{Error, Kind, Result};
use crate::proto::RelPath;
use crate::store::local::aside_name;

/// The destination of a mirror, here or on a server, and how to change it. Paths are relative to the mirrored folder.
/// The outer errors end the connection; the inner ones are about one path each, in order.
pub(super) trait Side {
    /// Renames, never over anything.
    fn rename(&mut self, moves: &[(RelPath, RelPath)]) -> Result<Vec<Result<()>>>;

    /// Removes files, links and empty folders. What is gone already is fine.
    fn remove(&mut self, paths: &[RelPath]) -> Result<Vec<Result<()>>>;

    /// Removes what has a name that no path can have.
    fn remove_stray(&mut self, stray: &Stray) -> Result<()>;

    /// Makes folders and transfers files; failures go into the report.
    fn transfer(&mut self, make: &[RelPath], files: &[RelPath], report: &mut Report<'_>) -> Result<()>;

    /// Where a path is, for a person.
    fn shown(&self, path: &RelPath) -> PathBuf;
}

/// What became of what was to go.
#[derive(Debug, Default)]
pub(super) struct Removal {
    /// Files, links and folders removed.
    pub(super) removed: u64,
    /// What was to go and stays, because not everything was read and transferred.
    pub(super) kept: Vec<PathBuf>,
}

/// Does all of it.
///
/// # Errors
/// Those that end the connection. Nothing has been removed then that is not at the source.
pub(super) fn carry_out(side: &mut impl Side, plan: &Plan, source: &Tree, report: &mut Report<'_>) -> Result<Removal> {
    side.transfer(&plan.make, &plan.transfer, report)?;
    let mut removal = Removal::default();

    // What could not come because of what may not go was not transferred either. Beside it, only what holds nothing
    // else gives way: that is no more than a file written over.
    let (replace, stay): (Vec<_>, Vec<_>) =
        plan.replace.iter().partition(|replacement| plan.blocked.is_empty() || replacement.gone.len() == 1);
    let kept = stay.iter().flat_map(|replacement| &replacement.gone);
    removal.kept.extend(kept.map(|path| side.shown(path)));
    let done = match Faultless::prove(source, report.faults()) {
        Some(proof) => self::replace(side, &replace, &proof, report)?,
        None => None,
    };
    match (done, Faultless::prove(source, report.faults())) {
        (Some(moved), Some(proof)) => removal.removed += remove_moved(side, &moved, &proof, report)?,
        _ => {
            let kept = replace.iter().flat_map(|replacement| &replacement.gone);
            removal.kept.extend(kept.map(|path| side.shown(path)));
        }
    }
    match Faultless::prove(source, report.faults() + plan.blocked.len()) {
        Some(proof) => removal.removed += remove(side, plan, &proof, report)?,
        None => {
            removal.kept.extend(plan.delete.iter().map(|path| side.shown(path)));
            removal.kept.extend(plan.strays.iter().map(|stray| side.shown(&stray.folder).join(stray.shown())));
        }
    }
    Ok(removal)
}

/// A replacement that was done, and where what had its name is now.
struct Moved<'a> {
    replacement: &'a Replacement,
    aside: RelPath,
}

impl Moved<'_> {
    /// Where something that was in the way is now.
    fn now(&self, path: &RelPath) -> Result<RelPath> {
        let inside = path.strip_prefix(&self.replacement.path).unwrap_or_default();
        self.aside.join(inside.as_bytes())
    }
}

/// Moves what is in the way aside and transfers what comes in its place; all of it or, if anything fails, nothing.
fn replace<'a>(
    side: &mut impl Side,
    replacements: &[&'a Replacement],
    _proof: &Faultless,
    report: &mut Report<'_>,
) -> Result<Option<Vec<Moved<'a>>>> {
    let mut moved = Vec::with_capacity(replacements.len());
    for replacement in replacements {
        moved.push(Moved { replacement, aside: aside(&replacement.path)? });
    }
    let moves: Vec<_> = moved.iter().map(|moved| (moved.replacement.path.clone(), moved.aside.clone())).collect();
    let outcomes = side.rename(&moves).inspect_err(|error| tell_where(side, &moved, error, report))?;
    let mut outcomes = outcomes.into_iter();
    let mut failed = false;
    // What is gone already is in nobody's way.
    moved.retain(|moved| match outcomes.next() {
        Some(Ok(())) => true,
        Some(Err(error)) if error.kind() == Kind::NotFound => false,
        error => {
            failed = true;
            let path = side.shown(&moved.replacement.path);
            let unknown = || Error::new(Kind::Internal, "nothing is known of the move");
            report.failed(path, error.and_then(Result::err).unwrap_or_else(unknown));
            false
        }
    });
    let transferred = match failed {
        true => Ok(()),
        false => {
            let (make, files): (Vec<_>, Vec<_>) = replacements.iter().map(|r| (&r.make, &r.transfer)).unzip();
            let all = |paths: Vec<&Vec<RelPath>>| paths.into_iter().flatten().cloned().collect::<Vec<_>>();
            side.transfer(&all(make), &all(files), report)
        }
    };
    if transferred.is_ok() && report.faults() == 0 {
        return Ok(Some(moved));
    }
    // Over a lost connection that is tried in vain: then it stays under the name it was moved to.
    let back = put_back(side, &moved, report);
    if let Err(error) = &back {
        tell_where(side, &moved, error, report);
    }
    transferred.and(back).map(|()| None)
}

/// Names to the person what the lost connection leaves under other names. What was done last may have been answered in
/// vain, so it is not certain of any.
fn tell_where(side: &impl Side, moved: &[Moved<'_>], error: &Error, report: &mut Report<'_>) {
    for Moved { replacement, aside } in moved {
        let text = format!("{}: if it was not put back, it is kept as {aside}", error.text());
        // Also told when the person ended the connection: of a lost one nothing is said then.
        report.failed_elsewhere(side.shown(&replacement.path), Error::new(Kind::Interrupted, text));
    }
}

/// Removes what came, which the source still has, and gives what was moved aside its name again.
fn put_back(side: &mut impl Side, moved: &[Moved<'_>], report: &mut Report<'_>) -> Result<()> {
    let mut came = Vec::new();
    for Moved { replacement, .. } in moved {
        came.extend(replacement.transfer.iter().chain(replacement.make.iter().rev()).cloned());
    }
    // What is not empty because somebody put something into it stays, and the move back says so.
    let _ = side.remove(&came)?;
    let moves: Vec<_> = moved.iter().map(|moved| (moved.aside.clone(), moved.replacement.path.clone())).collect();
    for (outcome, Moved { replacement, aside }) in side.rename(&moves)?.into_iter().zip(moved) {
        if let Err(error) = outcome {
            let text = format!("{}: not put back: it is kept as {aside}", error.text());
            report.failed_elsewhere(side.shown(&replacement.path), Error::new(error.kind(), text));
        }
    }
    Ok(())
}

/// Removes what was moved aside; gives the number of those removed that nothing has taken the place of.
fn remove_moved(side: &mut impl Side, moved: &[Moved<'_>], _proof: &Faultless, report: &mut Report<'_>) -> Result<u64> {
    let mut paths = Vec::new();
    for moved in moved {
        for path in &moved.replacement.gone {
            paths.push(moved.now(path)?);
        }
    }
    let removed = removed(side, &paths, report)?;
    Ok(removed.saturating_sub(moved.len() as u64))
}

/// Removes what is not at the source.
fn remove(side: &mut impl Side, plan: &Plan, _proof: &Faultless, report: &mut Report<'_>) -> Result<u64> {
    let mut count = 0;
    for stray in &plan.strays {
        match side.remove_stray(stray) {
            Ok(()) => count += 1,
            Err(error) => report.failed_elsewhere(side.shown(&stray.folder).join(stray.shown()), error),
        }
    }
    Ok(count + removed(side, &plan.delete, report)?)
}

fn removed(side: &mut impl Side, paths: &[RelPath], report: &mut Report<'_>) -> Result<u64> {
    let mut count = 0;
    for (outcome, path) in side.remove(paths)?.into_iter().zip(paths) {
        match outcome {
            Ok(()) => count += 1,
            Err(error) => report.failed_elsewhere(side.shown(path), error),
        }
    }
    Ok(count)
}

/// A hidden name beside this one.
fn aside(path: &RelPath) -> Result<RelPath> {
    let name = aside_name(path.file_name().unwrap_or_default());
    let name = name.map_err(|err| Error::new(Kind::Internal, format!("no random bytes: {err}")))?;
    path.parent().unwrap_or_default().join(&name)
}
