//! What became of a removal or a move whose answer was lost with its connection. It is looked at over the next one before anything is
//! asked for again: somebody else may have put something there since, and that is not to go by what was asked for before.

use std::cell::RefCell;

use sealift::client::{Stat, is_lost_line};
use sealift::files::{Entry, EntryKind, Mtime, RelPath};
use sealift::{Client, Error, Kind};

use crate::expand::Named;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::transfer::{Way, over_again};

/// Whether nobody has answered, so that it is open what the server has done.
fn is_in_doubt(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::TimedOut)
}

/// What something was before it was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    kind: EntryKind,
    size: u64,
    mtime: Mtime,
}

impl Before {
    fn of(stat: &Stat) -> Before {
        let size = if stat.kind == EntryKind::Directory { 0 } else { stat.size };
        Before { kind: stat.kind, size, mtime: stat.mtime }
    }

    fn of_entry(entry: &Entry) -> Before {
        let size = if entry.kind == EntryKind::Directory { 0 } else { entry.size };
        Before { kind: entry.kind, size, mtime: entry.mtime }
    }
}

/// What something is, if the server tells that.
///
/// # Errors
/// That the connection is lost.
pub fn before(stat: sealift::Result<Stat>) -> sealift::Result<Option<Before>> {
    match stat {
        Ok(stat) => Ok(Some(Before::of(&stat))),
        Err(error) if is_lost_line(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Whether this is what was there: nobody has stored anything else. Folders of a storage that keeps no times of them are all alike.
fn is_same(before: Option<Before>, now: &Stat) -> bool {
    before.is_some_and(|before| {
        before == Before::of(now) && (before.kind != EntryKind::Directory || before.mtime != Mtime::default())
    })
}

/// What is there; nothing if that is nothing.
async fn look(client: &mut Client, path: &RelPath) -> Outcome<Option<Stat>> {
    match client.stat(path).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) => Ok(None),
        Err(error) => Err(Failure::from(error).about(&path.to_string())),
    }
}

/// Removals, one after the other, of which the last may be in doubt.
#[derive(Default)]
pub struct Removals {
    /// There is a way back after a lost connection, on which it matters what was there.
    has_way_back: bool,
    tried: RefCell<Option<Tried>>,
}

/// A removal that was asked for.
#[derive(Clone)]
struct Tried {
    path: RelPath,
    /// What was there before, if that is known.
    before: Option<Before>,
}

impl Removals {
    /// Those of a command that connects again after a lost connection.
    pub fn with_way_back() -> Removals {
        Removals { has_way_back: true, ..Removals::default() }
    }

    /// Whether the removal of this is in doubt.
    pub fn are_in_doubt_of(&self, path: &RelPath) -> bool {
        self.tried.borrow().as_ref().is_some_and(|tried| tried.path == *path)
    }

    /// Whether it is known to be done by now, though nobody has said so; without a first try it is not.
    ///
    /// # Errors
    /// That something is there which need not be what was to be removed; those of looking.
    pub async fn are_done(&self, out: Output, client: &mut Client, path: &RelPath) -> Outcome<bool> {
        let tried = self.tried.borrow().clone();
        let Some(tried) = tried.filter(|tried| tried.path == *path) else { return Ok(false) };
        match look(client, path).await? {
            None => {
                out.note(&format!("{path}: the answer to its removal was lost; it is not there any more."));
                Ok(true)
            }
            Some(now) if is_same(tried.before, &now) => Ok(false),
            Some(_) => {
                let text = format!(
                    "{path}: the answer to its removal was lost, and what is there now may be the rest of it or another one"
                );
                let hint = "Look at it; if it is to go, run the command again.";
                Err(Failure::new(Kind::Changed, text, hint).at_server(path))
            }
        }
    }

    /// Does what removes this, of which an entry of a listing is known, or asked for what is there. That costs a round trip, and whoever
    /// may not look may remove.
    ///
    /// # Errors
    /// Those of the removal, and of the connection.
    pub async fn watch<T>(
        &self,
        client: &mut Client,
        named: &Named,
        removal: impl AsyncFnOnce(&mut Client) -> sealift::Result<T>,
    ) -> sealift::Result<T> {
        let path = &named.target.path;
        if !self.are_in_doubt_of(path) {
            let before = match (&named.entry, self.has_way_back) {
                (Some(entry), _) => Some(Before::of_entry(entry)),
                (None, true) => before(client.stat(path).await)?,
                (None, false) => None,
            };
            *self.tried.borrow_mut() = Some(Tried { path: path.clone(), before });
        }
        let removed = removal(client).await;
        if !removed.as_ref().is_err_and(is_in_doubt) {
            *self.tried.borrow_mut() = None;
        }
        removed
    }
}

/// Something that gets another name.
pub struct Move<'a> {
    /// What it is called.
    pub from: &'a RelPath,
    /// What it is to be called.
    pub to: &'a RelPath,
    /// In the place of a file that is there.
    pub force: bool,
    /// What it was before, if that is known.
    pub before: Option<Before>,
}

impl Move<'_> {
    /// Moves it, over a new connection if one is lost.
    ///
    /// # Errors
    /// As [`Client::rename`], those of connecting again, and that it is not known what became of it.
    pub async fn make(&self, out: Output, client: &mut Client, way: Option<&Way<'_>>) -> Outcome {
        let mut in_doubt = false;
        let work = async |client: &mut Client| {
            if in_doubt && self.is_done(out, client).await? {
                return Ok(());
            }
            let moved = client.rename(self.from, self.to, self.force).await;
            match moved {
                // The first try may have been late.
                Err(error) if in_doubt && matches!(error.kind(), Kind::NotFound | Kind::Exists) => {
                    match self.is_done(out, client).await? {
                        true => Ok(()),
                        false => Err(error.into()),
                    }
                }
                moved => {
                    in_doubt |= moved.as_ref().is_err_and(is_in_doubt);
                    Ok(moved?)
                }
            }
        };
        over_again(client, way, |failure, _| failure.is_unbegun() || failure.is_unanswered(), work).await
    }

    /// Whether this can be what was moved. Nothing was there when it was, and a folder is told by its time only where that is kept.
    fn is_moved(&self, now: &Stat) -> bool {
        self.before == Some(Before::of(now))
    }

    /// Whether it has its new name, though nobody has said so. If it has not, it can be asked for again without harm.
    async fn is_done(&self, out: Output, client: &mut Client) -> Outcome<bool> {
        let (from, to) = (self.from, self.to);
        let (was, is) = (look(client, from).await?, look(client, to).await?);
        let now = match (was, is) {
            (None, Some(is)) if self.is_moved(&is) => {
                out.note(&format!(
                    "{from}: the answer to its move was lost; it is gone there, and {to} is what it was."
                ));
                return Ok(true);
            }
            // What may have come there since is neither moved nor takes the place of anything. A folder of a storage that keeps no times of
            // them cannot be told from another one; the server ends what it has begun with it when it is asked again.
            (Some(was), _) if self.is_moved(&was) && (!self.force || is_same(self.before, &was)) => return Ok(false),
            (Some(_), _) => "what is there now may be another one",
            (None, Some(_)) => "nothing is there any more, and what has the new name may be another one",
            (None, None) => "nothing has either name now",
        };
        let text = format!("{from}: the answer to its move to {to} was lost, and {now}");
        Err(Failure::new(Kind::Changed, text, "Look at both names before you go on.").at_server(from))
    }
}
