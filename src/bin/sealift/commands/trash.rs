//! `trash`: what was deleted or replaced, and comes back or goes for good.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;
use std::{iter, slice};

use clap::{Args, Subcommand};
use sealift::client::{ServerTrash, ServerTrashList, Target, glob};
use sealift::escape::for_people;
use sealift::files::{EntryKind, RelPath, TrashId};
use sealift::{Client, Exit, Kind};

use super::trash_restore::{restore, restore_named, restore_since};
use crate::ask;
use crate::context::{Context, Repeat};
use crate::expand::{Named, Names, may_be_pattern};
use crate::failure::{Failure, Outcome, Tally};
use crate::filter_args::age;
use crate::format;
use crate::output::{Event, Object, Output};
use crate::times::{TimeArgs, TimeStyle};
use crate::voice;

/// List, restore, or remove for good what was deleted or replaced on a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift trash list alice@files.example
  sealift trash restore alice@files.example/reports/summer.pdf
  sealift trash restore alice@files.example/reports --to reports-of-monday
  sealift trash restore 'alice@files.example/photos/*.jpg'
  sealift trash restore --since 10m alice@files.example/photos
  sealift trash empty alice@files.example/photos

A server keeps what is deleted or replaced if its administrator has set a time for it, and for that long. It counts in the quota; \
when that is full, the oldest goes first. Restoring replaces nothing.")]
pub struct Trash {
    #[command(subcommand)]
    pub command: TrashCommand,
}

#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// List what is kept, newest first
    #[command(visible_alias = "ls")]
    List {
        /// A user's folder, or what was in it, on a server; also by wildcards
        #[arg(value_name = "TARGET")]
        target: OsString,
        #[command(flatten)]
        times: TimeArgs,
    },
    /// Restore something: the newest thing that had this name, also out of a folder that was deleted with it
    Restore {
        /// What was deleted or replaced, also by wildcards
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<OsString>,
        /// Which one of several: its id, which `trash list` shows where a path is kept more than once
        #[arg(long, value_name = "ID")]
        id: Option<TrashId>,
        /// Its new name, in the folder that it was in; or, with a slash, its new path in the user's folder
        #[arg(long, value_name = "PATH")]
        to: Option<OsString>,
        /// Everything that was in these folders and was deleted since so long ago, like 1h
        #[arg(long, value_name = "TIME", value_parser = age, conflicts_with_all = ["id", "to"])]
        since: Option<Duration>,
    },
    /// Remove for good what was deleted or replaced, here and in all folders below
    #[command(visible_alias = "purge")]
    Empty {
        /// A user's folder, or what was in it, on a server; also by wildcards
        #[arg(value_name = "TARGET")]
        target: OsString,
        /// Only this one: its id, which `trash list` shows where a path is kept more than once
        #[arg(long, value_name = "ID")]
        id: Option<TrashId>,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// As [`Context::connect`] and those of the server.
pub async fn run(ctx: &Context, args: &Trash) -> Outcome {
    match &args.command {
        TrashCommand::List { target, times } => {
            let work = async |client: &mut Client, meant: &[Named]| list(ctx.out, client, meant, *times).await;
            ctx.for_each_login(slice::from_ref(target), Names::Kept, Repeat::Asks, work).await
        }
        TrashCommand::Restore { targets, since: Some(since), .. } => {
            let work = async |client: &mut Client, meant: &[Named]| restore_since(ctx.out, client, meant, *since).await;
            ctx.for_each_login(targets, Names::Kept, Repeat::ActsOften, work).await
        }
        TrashCommand::Restore { targets, id: None, to: None, since: None } if is_several(targets) => {
            let work = async |client: &mut Client, meant: &[Named]| {
                let Some(named) = meant.first() else { return Ok(()) };
                restore_named(ctx.out, client, &ctx.login_for(&named.target)?, meant).await
            };
            ctx.for_each_login(targets, Names::Kept, Repeat::ActsOften, work).await
        }
        TrashCommand::Restore { targets, id, to, since: None } => {
            refuse_several(targets, id.is_some(), to.is_some())?;
            let to = match to {
                None => None,
                Some(to) => {
                    let path = to.as_bytes();
                    let is_name = !path.contains(&b'/');
                    Some((RelPath::parse(path.strip_prefix(b"/").unwrap_or(path))?, is_name))
                }
            };
            let work = async |client: &mut Client, target: &Target| {
                let login = ctx.login_for(target)?;
                let to = match (&to, target.path.parent()) {
                    (Some((name, true)), Some(folder)) => Some(folder.join(name.as_bytes())?),
                    (to, _) => to.as_ref().map(|(path, _)| path.clone()),
                };
                restore(ctx.out, client, &login, target, *id, to.as_ref()).await
            };
            ctx.for_each(targets, Names::Kept, Repeat::Acts, work).await
        }
        TrashCommand::Empty { target, id, yes } => {
            refuse_several(slice::from_ref(target), id.is_some(), false)?;
            let typed = ctx.target(target)?;
            let work =
                async |client: &mut Client, meant: &[Named]| empty(ctx.out, client, (&typed, meant), *id, *yes).await;
            ctx.for_each_login(slice::from_ref(target), Names::Kept, Repeat::Acts, work).await
        }
    }
}

/// These without those that are said already, by themselves or by a folder above: what is below a name is meant with it.
pub(super) fn outermost(meant: &[Named]) -> Vec<&RelPath> {
    let all: HashSet<&RelPath> = meant.iter().map(|named| &named.target.path).collect();
    let is_inside = |path: &RelPath| iter::successors(path.parent(), RelPath::parent).any(|above| all.contains(&above));
    let mut seen = HashSet::new();
    meant.iter().map(|named| &named.target.path).filter(|path| !is_inside(path) && seen.insert(*path)).collect()
}

/// What is kept of all these and below them, the youngest first.
async fn kept(client: &mut Client, meant: &[Named]) -> Outcome<ServerTrashList> {
    let mut all = ServerTrashList::default();
    for path in outermost(meant) {
        let ServerTrashList { entries, is_cut, is_off } = client.trash(path).await?;
        all.entries.extend(entries);
        all.is_cut |= is_cut;
        all.is_off |= is_off;
    }
    all.entries.sort_by_key(|thing| Reverse(thing.id));
    Ok(all)
}

/// Shows over a connection what is kept of these and below them.
///
/// # Errors
/// As [`Client::trash`].
pub async fn list(out: Output, client: &mut Client, meant: &[Named], times: TimeArgs) -> Outcome {
    let list = kept(client, meant).await?;
    let paths: HashSet<&RelPath> = list.entries.iter().map(|thing| &thing.path).collect();
    // Where one name stands for several things it takes more to say which is meant.
    let show_ids = paths.len() < list.entries.len();
    let clock = times.clock(TimeStyle::LongIso, out.stdout_is_terminal());
    for thing in &list.entries {
        if !out.json(|| object(thing))? {
            let size = match (thing.kind, thing.files) {
                (EntryKind::Directory, None) => "folder".to_owned(),
                _ => format::size(thing.size),
            };
            let holds = thing.files.map(|files| format!("  ({})", format::count(files, "file"))).unwrap_or_default();
            let deleted = clock.show(thing.id.deleted());
            let id = if show_ids { format!("  {}", thing.id) } else { String::new() };
            let path = for_people(&voice::path(thing.path.as_bytes()));
            out.line(format!("{deleted}{id}  {size:>8}  {path}{holds}"))?;
        }
    }
    match (list.entries.is_empty(), list.is_cut) {
        (true, _) if list.is_off => out.note(
            "This server keeps nothing of yours that is deleted or replaced. Its administrator can have it do so: `sealift help trash` says more.",
        ),
        (true, _) => out.note(
            "Nothing is kept there that was deleted or replaced. `sealift help trash` says when something is, and for how long.",
        ),
        (false, true) => out.note("There is more: name a folder, to see what was in it."),
        (false, false) => {}
    }
    Ok(())
}

fn object(thing: &ServerTrash) -> Object {
    let object = Object::of(Event::Trashed)
        .text("id", thing.id)
        .name("path", thing.path.as_bytes())
        .text("type", thing.kind.word())
        .value("size", thing.size)
        .text("mtime", format::rfc3339(thing.mtime))
        .text("deleted", format::rfc3339(thing.id.deleted()));
    match thing.files {
        Some(files) => object.value("files", files),
        None => object,
    }
}

/// Refuses to give several things one id or one new name.
///
/// # Errors
/// [`Kind::Usage`].
pub fn refuse_several(names: &[OsString], has_id: bool, has_to: bool) -> Outcome {
    let option = match (has_id, has_to) {
        (true, _) => "--id",
        (_, true) => "--to",
        _ => return Ok(()),
    };
    match is_several(names) {
        false => Ok(()),
        true => Err(Failure::new(
            Kind::Usage,
            format!("{option} is about one thing, and several are named"),
            "Name one, without wildcards; a backslash before a wildcard takes its meaning away.",
        )),
    }
}

/// Whether these words are, or may stand for, more than one thing.
pub fn is_several(names: &[OsString]) -> bool {
    let is_one = |name: &OsString| !(may_be_pattern(name) && glob::has_wildcards(name.as_bytes()));
    !matches!(names, [one] if is_one(one))
}

/// Removes over a connection, for good, what is kept of these, which are what `typed` stands for, and below them; asks first unless
/// that was said.
///
/// # Errors
/// [`Exit::Partial`] if something is left, [`Exit::Other`] if the answer is no, [`Kind::Usage`] if nobody can be asked; as [`Client::purge`].
pub async fn empty(
    out: Output,
    client: &mut Client,
    (typed, meant): (&Target, &[Named]),
    id: Option<TrashId>,
    yes: bool,
) -> Outcome {
    if !yes {
        let ServerTrashList { entries, is_cut, .. } = kept(client, meant).await?;
        let things = entries.iter().filter(|thing| id.is_none_or(|id| thing.id == id)).count();
        // Of what a list is too short for it is not known whether it is there.
        match (things, is_cut && id.is_none()) {
            (0, _) if !is_cut => {}
            (0, _) => confirm(out, "what is kept", typed)?,
            (1, false) => confirm(out, "1 thing", typed)?,
            (_, false) => confirm(out, &format!("{things} things"), typed)?,
            (_, true) => confirm(out, &format!("{things} things and more"), typed)?,
        }
    }
    let (mut gone, mut is_part, mut left, mut unreached) = (0u64, false, 0u64, 0u64);
    let (names, mut tally) = (outermost(meant), Tally::default());
    for path in &names {
        match client.purge(*path, id).await {
            Ok(purged) => {
                tally.add_done(1);
                gone = gone.saturating_add(purged.gone);
                is_part |= purged.is_part;
                left = left.saturating_add(purged.left);
                unreached = unreached.saturating_add(purged.unreached);
            }
            Err(error) if names.len() == 1 => return Err(error.into()),
            // The others go all the same.
            Err(error) => tally.settle(Err(error.into()), out)?,
        }
    }
    if tally.failures() == names.len() as u64 {
        return tally.outcome();
    }
    let told = || Object::of(Event::Purged).value("things", gone).value("left", left).value("unreached", unreached);
    if !out.json(told)? {
        out.note(&match (gone, left.saturating_add(unreached)) {
            (0, _) if is_part => {
                "What you may remove there is gone for good; how much that was is not told.".to_owned()
            }
            (0, 0) => "Nothing is kept there that was deleted or replaced.".to_owned(),
            (1, _) => "1 thing is gone for good.".to_owned(),
            _ => format!("{gone} things are gone for good."),
        });
        match left {
            0 => {}
            1 => out.note("1 thing is left: you may not remove it, or it could not be removed."),
            _ => out.note(&format!("{left} things are left: you may not remove them, or they could not be removed.")),
        }
        match unreached {
            0 => {}
            1 => out.note("1 shared folder cannot be looked into now; what it keeps is left."),
            _ => out.note(&format!("{unreached} shared folders cannot be looked into now; what they keep is left.")),
        }
    }
    // All of it was to go.
    if left == 0 && unreached == 0 { tally.outcome() } else { Err(Failure::Shown(Exit::Partial)) }
}

/// What goes now can be had from nowhere.
fn confirm(out: Output, what: &str, target: &Target) -> Outcome {
    match ask::line(&format!("Remove {what} of {target} for good? (yes, no): "))?.as_deref() {
        Some("yes" | "y") => Ok(()),
        Some(_) => {
            out.note("Nothing was removed.");
            Err(Failure::Shown(Exit::Other))
        }
        None => {
            Err(Failure::new(Kind::Usage, format!("{what} would be removed for good"), "--yes says that it is meant."))
        }
    }
}
