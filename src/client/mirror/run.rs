//! What the attempts of one mirror know of each other.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::displaced::Displaced;
use super::plan::Plan;
use crate::client::ledger::Failed;
use crate::error::Error;
use crate::files::RelPath;
use crate::sync::Mutex;

/// One mirror, over as many connections as it takes. Handed to every attempt, it lets each go on where the one before was cut
/// off: what was moved aside is known, and a file that failed by itself is neither tried nor told again. Cheap to clone; the
/// clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MirrorRun {
    displaced: Displaced,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Files that failed, by their paths in the mirrored folder.
    failed: HashMap<RelPath, (PathBuf, Error)>,
    /// What was told of which path.
    told: HashSet<(PathBuf, String)>,
    gave_up: bool,
    /// Another attempt comes after this one.
    puts_off: bool,
    /// Why something is left to it.
    put_off: Option<Error>,
    /// Files that earlier attempts were to transfer, with their sizes.
    meant: HashMap<RelPath, u64>,
}

impl MirrorRun {
    /// What is moved aside.
    pub fn displaced(&self) -> &Displaced {
        &self.displaced
    }

    /// Whether an attempt gave a file up, over one of its connections, that had no place here and whose rest was too long to be read
    /// for nothing, so that connection was ended: the next attempt goes on without that file. Said once.
    pub fn take_gave_up(&self) -> bool {
        std::mem::take(&mut self.state.lock().gave_up)
    }

    /// The connection was ended for a file that has failed.
    pub(super) fn gives_up(&self) {
        self.state.lock().gave_up = true;
    }

    /// Whether what the server's storage does not answer for just now ([`Kind::Unavailable`](crate::Kind::Unavailable)) is left to
    /// another attempt from now on, and neither told nor a failure. An attempt that leaves something removes nothing.
    pub fn put_off_failures(&self, puts_off: bool) {
        self.state.lock().puts_off = puts_off;
    }

    /// Why the last attempt left something to another one, if it did. Said once.
    pub fn take_put_off(&self) -> Option<Error> {
        self.state.lock().put_off.take()
    }

    /// Whether this attempt has left something to another one so far.
    pub(super) fn has_put_off(&self) -> bool {
        self.state.lock().put_off.is_some()
    }

    pub(super) fn puts_off(&self) -> bool {
        self.state.lock().puts_off
    }

    /// Something is left to another attempt, for this reason.
    pub(super) fn put_off(&self, why: Error) {
        self.state.lock().put_off = Some(why);
    }

    /// This attempt ends with these files transferred, or not: of one whose answer was lost nobody knows but the next attempt.
    pub(super) fn meant<'a>(&self, files: impl Iterator<Item = (&'a RelPath, u64)>) {
        self.state.lock().meant.extend(files.map(|(path, size)| (path.clone(), size)));
    }

    /// What earlier attempts have transferred of all files, and of their bytes: what they were to, and this last one did not find to be
    /// done yet.
    pub fn transferred_before(&self, last: &Plan) -> (u64, u64) {
        let state = self.state.lock();
        let left: HashSet<&RelPath> = last.transferred().collect();
        let went = state.meant.iter().filter(|(path, _)| !left.contains(path) && !state.failed.contains_key(*path));
        went.fold((0, 0), |(files, bytes), (_, size)| (files + 1, bytes.saturating_add(*size)))
    }

    /// Whether this has not been told of this path. It counts as told from now on.
    pub(super) fn is_news(&self, path: &Path, what: &str) -> bool {
        self.state.lock().told.insert((path.to_owned(), what.to_owned()))
    }

    /// These files, on their way to this folder, failed by themselves and were told.
    pub(super) fn add_failed(&self, failures: Vec<Failed>, folder: &RelPath) {
        let mut state = self.state.lock();
        for Failed { path, to, error } in failures {
            if let Some(inside) = to.strip_prefix(folder) {
                state.failed.insert(inside, (path, error));
            }
        }
    }

    /// Whether an attempt has failed at this file.
    pub(super) fn has_failed(&self, inside: &RelPath) -> bool {
        self.state.lock().failed.contains_key(inside)
    }

    /// What earlier attempts failed at, in the order of the paths.
    pub(super) fn failures(&self) -> Vec<(PathBuf, Error)> {
        let state = self.state.lock();
        let mut failed: Vec<_> = state.failed.values().map(|(path, error)| (path.clone(), error.retold())).collect();
        failed.sort_by(|(a, _), (b, _)| a.cmp(b));
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_before_is_what_was_meant_to_and_is_neither_left_nor_failed() {
        let path = |name: &str| RelPath::parse(name.as_bytes()).unwrap();
        let run = MirrorRun::default();
        let plan = |names: &[&str]| Plan { transfer: names.iter().map(|name| path(name)).collect(), ..Plan::default() };
        assert_eq!(run.transferred_before(&plan(&["a"])), (0, 0));
        let meant = [path("a"), path("b"), path("c"), path("bad")];
        run.meant(meant.iter().map(|path| (path, 10)));
        // Twice the same is once; one that changed at the source meanwhile has its new size.
        run.meant([(&meant[1], 10), (&meant[2], 7)].into_iter());
        let error = Error::new(crate::Kind::Denied, "no");
        run.add_failed(vec![Failed { path: "bad".into(), to: path("m/bad"), error }], &path("m"));
        assert_eq!(run.transferred_before(&plan(&["b"])), (2, 17));
    }
}
