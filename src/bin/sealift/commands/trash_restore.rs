//! `trash restore`: what was deleted or replaced comes back, one thing or all that went.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};
use std::{iter, mem};

use sealift::client::{ServerTrash, ServerTrashList, Target};
use sealift::escape::for_people;
use sealift::files::{EntryKind, Mtime, RelPath, TrashId};
use sealift::readable::shell_word;
use sealift::{Client, Exit, Kind};

use super::trash::outermost;
use crate::expand::Named;
use crate::failure::{Failure, Outcome, Tally};
use crate::format;
use crate::login::Login;
use crate::output::{Event, Object, Output};
use crate::voice;

/// So many things that came back are named, each in a line; of more their number is told.
const NAMED: usize = 10;

/// Brings something back over a connection: this one, or the youngest that was called so; under its name or another one.
///
/// # Errors
/// [`Kind::NotFound`] if nothing called so is kept; as [`Client::restore`].
pub async fn restore(
    out: Output,
    client: &mut Client,
    login: &Login,
    target: &Target,
    id: Option<TrashId>,
    to: Option<&RelPath>,
) -> Outcome {
    bring_one(out, client, login, target, (id, to), None).await
}

/// Brings one thing back. What was in the trash a moment ago, if that is known, is not asked for again.
async fn bring_one(
    out: Output,
    client: &mut Client,
    login: &Login,
    target: &Target,
    (id, to): (Option<TrashId>, Option<&RelPath>),
    known: Option<&ServerTrashList>,
) -> Outcome {
    let listed = || format!("`sealift trash list {login}` shows what can be brought back.");
    if target.path.is_root() {
        return Err(Failure::new(Kind::Usage, "a file or folder is missing", listed()));
    }
    let to = to.unwrap_or(&target.path);
    let with_it = match id {
        Some(_) => Vec::new(),
        None => went_with(client, &target.path, known).await?,
    };
    for id in id.into_iter().chain(with_it.iter().map(|thing| thing.id)) {
        match client.restore(&target.path, id, to).await {
            Ok(()) => return told(out, &target.path, to),
            // A folder that went without it, or an older server.
            Err(error) if error.kind() == Kind::NotFound && !with_it.is_empty() => {}
            Err(error) => {
                let taken = || "Something has that name: --to says another one.".to_owned();
                return Err(Failure::from(error).hinted(Kind::Exists, taken).hinted(Kind::NotFound, listed));
            }
        }
    }
    let hint = match with_it.iter().find(|thing| thing.path != target.path) {
        Some(folder) => {
            let shown = shell_word(&Target { path: folder.path.clone(), ..target.clone() }.to_string());
            format!(
                "It may have gone with /{}: `sealift trash restore {shown}` brings that back.",
                for_people(folder.path.as_bytes())
            )
        }
        None if has_kept_below(client, &target.path).await => {
            let shown = shell_word(&target.to_string());
            format!(
                "Of what was in it something is kept: `sealift trash restore --since 1h {shown}` brings back what went since then."
            )
        }
        None => listed(),
    };
    let failure = Failure::new(Kind::NotFound, format!("{target}: nothing called so is kept"), voice::here(&hint));
    Err(failure.at_server(&target.path))
}

/// Brings back over a connection the youngest of each of these names.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn restore_named(out: Output, client: &mut Client, login: &Login, meant: &[Named]) -> Outcome {
    let mut list = client.trash(&top_of_all(meant)).await.ok();
    let mut youngest: HashMap<&RelPath, TrashId> = HashMap::new();
    // What is not in the list is asked for by itself.
    for thing in list.iter().flat_map(|list| &list.entries) {
        youngest.entry(&thing.path).or_insert(thing.id);
    }
    let mut back = Back::default();
    let (mut things, mut others) = (Vec::new(), Vec::new());
    for Named { target, .. } in meant {
        // A folder around it may have gone later, with a younger one of that name.
        let above = iter::successors(target.path.parent(), RelPath::parent);
        let with_it = above.filter_map(|folder| youngest.get(&folder)).max();
        match youngest.get(&target.path) {
            Some(id) if with_it.is_none_or(|other| other < id) => things.push((target.path.clone(), *id)),
            _ => others.push(target),
        }
    }
    let brought = back.bring(out, client, things).await;
    back.goes_on(out, brought)?;
    back.tell(out)?;
    if let Some(list) = &mut list {
        list.entries.retain(|thing| !back.ids.contains(&thing.id));
    }
    for target in others {
        let restored = bring_one(out, client, login, target, (None, None), list.as_ref()).await;
        let settled = back.tally.settle(restored.map_err(|failure| failure.while_at(&target.path)), out);
        back.goes_on(out, settled)?;
    }
    back.tally.outcome()
}

/// The outermost folder, or name, that all of these are in.
fn top_of_all(meant: &[Named]) -> RelPath {
    let mut tops = meant.iter().map(|named| top(&named.target.path));
    let first = tops.next().unwrap_or_else(RelPath::root);
    if tops.all(|other| other == first) { first } else { RelPath::root() }
}

/// The first name of a path.
fn top(path: &RelPath) -> RelPath {
    let above = iter::successors(Some(path.clone()), RelPath::parent);
    above.take_while(|above| !above.is_root()).last().unwrap_or_else(RelPath::root)
}

/// Brings back over a connection all that these are and that was in them, as far as it was deleted since so long ago; of several things
/// that had one name the one that went last. What has its name taken meanwhile stays where it is, and is told.
///
/// # Errors
/// [`Kind::NotFound`] if there is nothing; as [`Tally::outcome`].
pub async fn restore_since(out: Output, client: &mut Client, meant: &[Named], since: Duration) -> Outcome {
    let from = SystemTime::now().checked_sub(since).map(Mtime::from);
    let is_young = |thing: &ServerTrash| from.is_none_or(|from| thing.id.deleted() >= from);
    let (mut back, mut seen, mut is_cut) = (Back::default(), HashSet::new(), false);
    for folder in outermost(meant) {
        loop {
            let listed = client.trash(folder).await.map_err(Failure::from);
            let ServerTrashList { entries, is_cut: has_more, .. } = back.goes_on(out, listed)?;
            let has_more = has_more && entries.last().is_some_and(is_young);
            let mut things: Vec<(RelPath, TrashId)> = entries
                .into_iter()
                .filter(|thing| is_young(thing) && seen.insert(thing.path.clone()))
                .map(|thing| (thing.path, thing.id))
                .collect();
            // A folder before what went from it sooner.
            things.sort();
            let brought = back.bring(out, client, things).await;
            let restored = back.goes_on(out, brought)?;
            // The list is of so many things at most, and those that came back are in it no more.
            if !has_more || restored == 0 {
                is_cut |= has_more;
                break;
            }
        }
    }
    if seen.is_empty() {
        let hint = "`sealift trash list` shows what is kept, and when it went.";
        return Err(Failure::new(Kind::NotFound, "nothing was deleted there since then", voice::here(hint)));
    }
    back.tell(out)?;
    if is_cut {
        out.note("There is more: name a folder, to bring back what was in it.");
    }
    back.tally.outcome()
}

/// What came back of several things.
#[derive(Default)]
struct Back {
    tally: Tally,
    /// What is in the trash no more.
    ids: HashSet<TrashId>,
    /// The first ones, which are named if there are no more of them.
    first: Vec<RelPath>,
    number: u64,
    is_told: bool,
}

impl Back {
    /// Brings these back, each under its name, and says how many did.
    ///
    /// # Errors
    /// What ends the connection, and an interruption.
    async fn bring(&mut self, out: Output, client: &mut Client, things: Vec<(RelPath, TrashId)>) -> Outcome<u64> {
        let before = self.number;
        let mut answers = Vec::with_capacity(things.len());
        let brought = client.restore_all(things.clone(), |answer| answers.push(answer)).await;
        for ((path, id), restored) in things.into_iter().zip(answers) {
            match restored {
                Ok(()) => {
                    self.ids.insert(id);
                    self.add(out, path)?;
                }
                Err(error) => {
                    let taken = || {
                        voice::here("Something has that name: `sealift trash restore TARGET --to NAME`, of this alone, gives it another one.")
                            .into_owned()
                    };
                    let failure = Failure::from(error).about(&path.to_string()).hinted(Kind::Exists, taken);
                    self.tally.settle(Err(failure.at_server(&path)), out)?;
                }
            }
        }
        brought?;
        Ok(self.number - before)
    }

    /// Goes on with this, unless it is lost with the connection: what came back before is told then, and counts.
    ///
    /// # Errors
    /// As it is, if nothing had come back; else what is shown, with the exit code of all.
    fn goes_on<T>(&mut self, out: Output, done: Outcome<T>) -> Outcome<T> {
        let failure = match done {
            Err(failure) if self.tally.has_done() => failure,
            done => return done,
        };
        self.tell(out)?;
        self.tally.show(failure, out)?;
        out.note("What is not there again is still in the trash: `sealift trash list` shows it.");
        Err(mem::take(&mut self.tally).outcome().err().unwrap_or(Failure::Shown(Exit::Partial)))
    }

    fn add(&mut self, out: Output, path: RelPath) -> Outcome {
        self.tally.add_done(1);
        self.number += 1;
        if out.is_json() || out.is_verbose() {
            return told(out, &path, &path);
        }
        if self.first.len() < NAMED {
            self.first.push(path);
        }
        Ok(())
    }

    /// Says what came back, or how much, once.
    fn tell(&mut self, out: Output) -> Outcome {
        if mem::replace(&mut self.is_told, true) {
            return Ok(());
        }
        let first = mem::take(&mut self.first);
        if self.number > NAMED as u64 {
            out.note(&format!("{} are there again.", format::count(self.number, "thing")));
            return Ok(());
        }
        first.iter().try_for_each(|path| told(out, path, path))
    }
}

/// Says that something is there again.
fn told(out: Output, from: &RelPath, to: &RelPath) -> Outcome {
    if !out.json(|| Object::of(Event::Restored).name("path", to.as_bytes()))? {
        let shown = |path: &RelPath| for_people(path.as_bytes());
        out.note(&match to == from {
            true => format!("/{} is there again.", shown(to)),
            false => format!("What was /{} is back as /{}.", shown(from), shown(to)),
        });
    }
    Ok(())
}

/// What may have taken this along when it went: it is called so itself, or it is a folder above. The youngest first.
///
/// # Errors
/// As [`Client::trash`].
async fn went_with(client: &mut Client, path: &RelPath, known: Option<&ServerTrashList>) -> Outcome<Vec<ServerTrash>> {
    let listed = match known {
        Some(known) => Ok(known.clone()),
        None => client.trash(&top(path)).await,
    };
    // Who may not look there may look at the path.
    let (mut entries, is_cut) = match listed {
        Ok(list) => (list.entries, list.is_cut),
        Err(error) if error.kind() == Kind::Denied => (Vec::new(), true),
        Err(error) => return Err(error.into()),
    };
    if is_cut {
        let known: HashSet<TrashId> = entries.iter().map(|thing| thing.id).collect();
        let more = client.trash(path).await?.entries;
        entries.extend(more.into_iter().filter(|thing| !known.contains(&thing.id)));
        entries.sort_by_key(|thing| std::cmp::Reverse(thing.id));
    }
    let took =
        |thing: &ServerTrash| thing.path == *path || thing.kind == EntryKind::Directory && path.is_within(&thing.path);
    Ok(entries.into_iter().filter(took).collect())
}

/// Whether anything is kept that was in this folder, which is there itself.
async fn has_kept_below(client: &mut Client, path: &RelPath) -> bool {
    client.trash(path).await.is_ok_and(|list| !list.entries.is_empty())
}
