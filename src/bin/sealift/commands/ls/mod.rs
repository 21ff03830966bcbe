//! `ls`: what is in a folder.

mod args;
mod order;
mod printer;

use std::cell::Cell;

use sealift::client::{Target, Unread};
use sealift::files::{Entry, RelPath};
use sealift::{Client, Exit, Kind};

pub use args::{Look, Ls};
pub use order::{Groups, is_hidden};
pub use printer::object;
use printer::{Counts, Printer};

use super::unread;
use crate::context::{Context, Repeat};
use crate::expand::Named;
use crate::failure::{Failure, Outcome};
use crate::output::{Event, Object, Output};

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Ls) -> Outcome {
    let headers = Headers::new(ctx.out, args.targets.len() > 1, RelPath::root(), |target| target.to_string());
    let work = async |client: &mut Client, names: &[Named]| word(ctx.out, client, names, &args.look, &headers).await;
    ctx.for_each_word(&args.targets, Repeat::Asks, work).await
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

/// Lists what one word stands for. As a shell's `ls`: files by themselves, then each folder with what is in it.
///
/// # Errors
/// As [`Client::list`].
pub async fn word(out: Output, client: &mut Client, names: &[Named], look: &Look, headers: &Headers) -> Outcome {
    if let [Named { target, entry: None, .. }] = names {
        if headers.always && !look.directory {
            headers.show(target)?;
        }
        return list(out, client, target, look).await;
    }
    // Names are relative to the current folder if all are in it.
    let is_inside = |named: &Named| named.target.path.strip_prefix(&headers.here).is_some_and(|rest| !rest.is_root());
    let base = if names.iter().all(is_inside) { headers.here.clone() } else { RelPath::root() };
    let cut = if base.is_root() { 0 } else { base.as_bytes().len() + 1 };
    let mut printer = Printer::new(out, look, base);
    let mut folders = Vec::new();
    let mut files = 0;
    for named in names {
        if named.is_folder() && !look.directory {
            folders.push(&named.target);
            continue;
        }
        let entry = match &named.entry {
            Some(entry) => entry.clone(),
            // One of the alternatives in braces: a path that nobody has looked at.
            None => match itself(client, &named.target.path).await {
                Ok(entry) if entry.kind == sealift::files::EntryKind::Directory && !look.directory => {
                    folders.push(&named.target);
                    continue;
                }
                Ok(entry) => entry,
                Err(failure) if failure.ends_connection() => return Err(failure),
                Err(failure) => {
                    failure.show(out);
                    files += 1;
                    continue;
                }
            },
        };
        files += 1;
        let path = entry.path.get(cut..).unwrap_or_default().to_vec();
        printer.keep(Entry { path, ..entry })?;
    }
    let Counts { shown, .. } = printer.finish()?;
    let mut failed = shown < files;
    headers.first.set(headers.first.get() && shown == 0);
    for target in folders {
        headers.show(target)?;
        match list(out, client, target, look).await {
            Err(failure) if failure.ends_connection() || failure.exit() == Exit::Interrupted => return Err(failure),
            Err(failure) => {
                failure.show(out);
                failed = true;
            }
            Ok(()) => {}
        }
    }
    if failed { Err(Failure::Shown(Exit::Partial)) } else { Ok(()) }
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
    out.json(|| {
        let object = Object::of(Event::Summary).name("path", target.path.as_bytes()).value("entries", shown);
        object.value("unreadable", unread.count)
    })?;
    if unread == Unread::default() {
        match (shown, hidden) {
            (0, 0) => out.note("The folder is empty."),
            (0, 1) => out.note("There is one name in it, which begins with a dot; -a shows it."),
            (0, _) => out.note(&format!("All {hidden} names in it begin with a dot; -a shows them.")),
            _ => {}
        }
    }
    unread::tell(out, &unread, &target.path)
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
    let whole = if path.is_root() { b"." } else { path.as_bytes() };
    Ok(Entry {
        kind: stat.kind,
        size: stat.size,
        mtime: stat.mtime,
        mode: stat.mode,
        rotten: stat.rotten,
        mark: None,
        path: whole.to_vec(),
    })
}
