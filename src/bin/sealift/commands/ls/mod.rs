//! `ls`: what is in a folder.

mod args;
mod order;
mod printer;

use std::cell::Cell;

use sealift::client::{Stat, Target, Unread};
use sealift::files::{Entry, EntryKind, RelPath};
use sealift::{Client, Error, Kind};

pub use args::{Look, Ls};
pub use order::{Groups, is_hidden};
use printer::{Counts, Printer};
pub use printer::{SIZE_WIDTH, details, object, size};

use super::unread;
use crate::context::{Context, Repeat};
use crate::expand::{Named, Names};
use crate::failure::{Failure, Outcome, Tally};
use crate::output::{Event, Object, Output};

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Ls) -> Outcome {
    let headers = Headers::new(ctx.out, args.targets.len() > 1, RelPath::root(), |target| target.to_string());
    let work = async |client: &mut Client, all: &[Named]| names(ctx.out, client, all, &args.look, &headers).await;
    ctx.for_each_login(&args.targets, Names::Existing, Repeat::Asks, work).await
}

/// The names above what is in several folders.
pub struct Headers {
    out: Output,
    /// Above every folder, and not only those that a pattern found.
    always: bool,
    first: Cell<bool>,
    /// The current folder, from which what is in it is named.
    here: RelPath,
    name: fn(&Target) -> String,
}

impl Headers {
    /// Named in this way; `always` if there are several words.
    pub fn new(out: Output, always: bool, here: RelPath, name: fn(&Target) -> String) -> Self {
        Headers { out, always, first: Cell::new(true), here, name }
    }

    fn show(&self, target: &Target) -> Outcome {
        if !self.out.is_json() {
            self.out.line(format!("{}{}:", if self.first.take() { "" } else { "\n" }, (self.name)(target)))?;
        }
        Ok(())
    }
}

/// Lists what all words stand for, as the `ls` of a system does: first what is wrong, then files by themselves, then each folder
/// with what is in it.
///
/// # Errors
/// As [`Client::list`], and as [`Tally::outcome`] for several.
pub async fn names(out: Output, client: &mut Client, names: &[Named], look: &Look, headers: &Headers) -> Outcome {
    if let [Named { target, entry: None, .. }] = names
        && !headers.always
    {
        return list(out, client, target, look).await;
    }
    let mut tally = Tally::default();
    let found = look_at(client, names).await?;
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for (named, found) in names.iter().zip(found) {
        let entry = match found {
            Ok(entry) => entry,
            Err(error) => {
                let path = &named.target.path;
                tally.show(Failure::from(error).about(&path.to_string()).while_at(path), out)?;
                continue;
            }
        };
        match entry.kind == EntryKind::Directory {
            true if !look.directory => folders.push((entry, &named.target)),
            false if named.target.is_folder => {
                let error = Error::new(Kind::NotDirectory, format!("{}: not a folder", named.target));
                tally.show(Failure::from(error).at_server(&named.target.path), out)?;
            }
            _ => files.push(entry),
        }
    }
    // Names are relative to the current folder if all are in it.
    let is_inside = |named: &Named| named.target.path.strip_prefix(&headers.here).is_some_and(|rest| !rest.is_root());
    let base = if names.iter().all(is_inside) { headers.here.clone() } else { RelPath::root() };
    let cut = if base.is_root() { 0 } else { base.as_bytes().len() + 1 };
    let mut printer = Printer::new(out, look, base);
    for entry in files {
        let path = entry.path.get(cut..).unwrap_or_default().to_vec();
        printer.keep(Entry { path, ..entry })?;
    }
    let Counts { shown, .. } = printer.finish()?;
    tally.add_done(shown);
    headers.first.set(headers.first.get() && shown == 0);
    let order = order::order(look);
    folders.sort_by(|(a, _), (b, _)| order(a, b));
    for (_, target) in folders {
        headers.show(target)?;
        tally.settle(list(out, client, target, look).await, out)?;
    }
    tally.outcome()
}

/// What each of these is: as it was found by a pattern, or asked for now.
async fn look_at(client: &mut Client, names: &[Named]) -> Outcome<Vec<sealift::Result<Entry>>> {
    let asked: Vec<RelPath> =
        names.iter().filter(|named| named.entry.is_none()).map(|named| named.target.path.clone()).collect();
    let mut answers = if asked.is_empty() { Vec::new() } else { client.stats(asked).await? }.into_iter();
    let mut found = Vec::new();
    for named in names {
        found.push(match (&named.entry, &named.target.path) {
            (Some(entry), _) => Ok(entry.clone()),
            (None, path) => match answers.next() {
                Some(answer) => answer.map(|stat| entry_of(path, &stat)),
                None => Err(Error::new(Kind::Internal, "no answer is left")),
            },
        });
    }
    Ok(found)
}

/// Lists one target over its connection. A file is listed as itself.
///
/// # Errors
/// As [`Client::list`].
pub async fn list(out: Output, client: &mut Client, target: &Target, look: &Look) -> Outcome {
    let mut printer = Printer::new(out, look, target.path.clone());
    if look.directory {
        printer.set_folder(RelPath::root());
        printer.keep(itself(client, &target.path).await?)?;
        printer.finish()?;
        return Ok(());
    }
    let listed = client.list_each(&target.path, look.recursive(), |entry| printer.take(entry)).await;
    let unread = match listed {
        Ok(unread) => unread,
        Err(err) if err.kind() == Kind::NotDirectory && !target.is_folder => {
            printer.set_folder(target.path.parent().unwrap_or_default());
            let entry = itself(client, &target.path).await?;
            let name = target.path.file_name().unwrap_or_default().to_vec();
            printer.keep(Entry { path: name, ..entry })?;
            Unread::default()
        }
        Err(err) => return Err(Failure::from(err).about(&target.path.to_string())),
    };
    let Counts { shown, hidden } = printer.finish()?;
    unread::tell_denied(out, &unread, &target.path)?;
    out.json(|| {
        let object = Object::of(Event::Summary).name("path", target.path.as_bytes()).value("entries", shown);
        object.value("unreadable", unread.count.saturating_add(unread.denied.len() as u64))
    })?;
    if unread == Unread::default() {
        match (shown, hidden) {
            (0, 0) => out.note("The folder is empty."),
            (0, 1) => out.note("There is one name in it, which begins with a dot; -a shows it."),
            (0, _) => out.note(&format!("All {hidden} names in it begin with a dot; -a shows them.")),
            _ => {}
        }
    }
    unread::tell_failed(out, &unread, &target.path)
}

/// Entries of a tree by their folders, each sorted by name.
pub fn group(entries: Vec<Entry>) -> Groups {
    order::group(entries, |a, b| a.path.cmp(&b.path))
}

/// What is at a path, by its whole path.
///
/// # Errors
/// As [`Client::stat`].
pub async fn itself(client: &mut Client, path: &RelPath) -> Outcome<Entry> {
    let stat = client.stat(path).await.map_err(|err| Failure::from(err).about(&path.to_string()))?;
    Ok(entry_of(path, &stat))
}

/// The same of what is known of it.
pub fn entry_of(path: &RelPath, stat: &Stat) -> Entry {
    let whole = if path.is_root() { b"." } else { path.as_bytes() };
    Entry {
        kind: stat.kind,
        size: stat.size,
        mtime: stat.mtime,
        mode: stat.mode,
        rotten: stat.rotten,
        mark: None,
        identity: None,
        path: whole.to_vec(),
    }
}
