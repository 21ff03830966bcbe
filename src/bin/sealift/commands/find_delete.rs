//! `find --delete`: what matches is removed, after a question.

use sealift::client::{Stat, Target};
use sealift::files::{Entry, EntryKind, RelPath};
use sealift::{Client, Error, Kind, limits};

use super::find::Filter;
use super::rm_tree::counted;
use super::{ls, unread};
use crate::ask;
use crate::failure::{Failure, Outcome, Tally};
use crate::output::{Event, Object, Output};

/// What matches is removed.
#[derive(Debug, Clone, Copy)]
pub struct Delete {
    /// Nobody is asked.
    pub yes: bool,
}

impl Delete {
    /// Removes what matches below this target: what is in a folder before it, and a folder only if nothing is left in it. It is looked at
    /// once more before: what does not match any more stays.
    ///
    /// # Errors
    /// As [`Tally::outcome`], or what ends the connection; [`Kind::Usage`] if nobody can be asked; as [`Client::list`].
    pub async fn run(self, out: Output, client: &mut Client, target: &Target, filter: &Filter) -> Outcome {
        let folder = &target.path;
        let (mut found, mut held) = (Vec::new(), 0);
        let take = |entry: Entry| {
            if filter.takes(&entry) {
                held += size_of::<Entry>() + entry.path.len();
                found.push((folder.join(&entry.path)?, entry.kind));
            }
            match held > limits::SORTED_BYTES_MAX {
                true => Err(Error::new(Kind::Usage, "too much is found to be removed at once: name a folder in it")),
                false => Ok(()),
            }
        };
        let listed = client.list_each(folder, true, take).await;
        let missed = match listed {
            Ok(missed) => Some(missed),
            Err(err) if err.kind() == Kind::NotDirectory && !target.is_folder => {
                let entry = ls::itself(client, folder).await?;
                if filter.takes(&entry) {
                    found.push((folder.clone(), entry.kind));
                }
                None
            }
            Err(err) => return Err(Failure::from(err).about(&folder.to_string())),
        };
        // What is in a folder comes right behind it.
        found.sort_unstable_by(|(a, _), (b, _)| b.as_path().cmp(a.as_path()));
        if !found.is_empty() && !self.is_meant(&found, target)? {
            return Ok(());
        }
        let mut tally = Tally::default();
        for some in found.chunks(limits::LOOKED_AT_AGAIN) {
            // The answer to the question may have taken long.
            let now = client.stats(some.iter().map(|(path, _)| path.clone()).collect()).await?;
            for ((path, kind), now) in some.iter().zip(now) {
                let removed = match now {
                    Ok(now) if is_still_found(filter, path, *kind, &now) => remove(out, client, path).await,
                    Ok(_) => {
                        out.warn(&format!(
                            "{path}: it has changed since it was found, does not match any more, and stays"
                        ));
                        continue;
                    }
                    Err(err) => Err(Failure::from(err).about(&path.to_string())),
                };
                tally.settle(removed.map_err(|failure| failure.while_at(path)), out)?;
            }
        }
        missed.map_or(Ok(()), |missed| unread::tell(out, &missed, folder))?;
        tally.outcome()
    }

    fn is_meant(self, found: &[(RelPath, EntryKind)], target: &Target) -> Outcome<bool> {
        if self.yes {
            return Ok(true);
        }
        let folders = found.iter().filter(|(_, kind)| *kind == EntryKind::Directory).count() as u64;
        let files = found.len() as u64 - folders;
        let what = counted(files, folders);
        let nobody = || {
            Failure::new(Kind::Usage, format!("{what} in {target} would be removed"), "--yes says that it is meant.")
        };
        ask::yes(&format!("Remove {what} in {target}?"))?.ok_or_else(nobody)
    }
}

/// Whether this is what was found, or matches as well. A folder is another one with each thing that is removed from it, and goes only when
/// nothing is left in it.
fn is_still_found(filter: &Filter, path: &RelPath, kind: EntryKind, now: &Stat) -> bool {
    now.kind == kind && (kind == EntryKind::Directory || filter.takes(&ls::entry_of(path, now)))
}

async fn remove(out: Output, client: &mut Client, path: &RelPath) -> Outcome {
    client.remove(path, false).await.map_err(|err| {
        let left = || "It is a folder in which something is left that does not match.".to_owned();
        Failure::from(err).about(&path.to_string()).hinted(Kind::NotEmpty, left)
    })?;
    out.json(|| Object::of(Event::Removed).name("path", path.as_bytes()).ids(client.last_ids()))?;
    out.step(&format!("removed {path}"));
    Ok(())
}
