//! `trash`: what was deleted or replaced, and comes back or goes for good.

use std::collections::HashSet;
use std::ffi::OsString;

use clap::{Args, Subcommand};
use sealift::client::{ServerTrash, Target};
use sealift::escape::for_people;
use sealift::files::{EntryKind, RelPath, TrashId};
use sealift::{Client, Error, Kind};

use crate::ask;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object};

/// Show, bring back, or remove for good what was deleted or replaced on a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift trash list alice@files.example
  sealift trash restore alice@files.example/reports/summer.pdf
  sealift trash restore alice@files.example/reports --to reports-of-monday
  sealift trash empty alice@files.example/photos

A server keeps what is deleted or replaced if its administrator says so, for as long as that says, and counts it in the quota, \
where the oldest goes first. What comes back replaces nothing.")]
pub struct Trash {
    #[command(subcommand)]
    pub command: TrashCommand,
}

#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// Show what is kept, the youngest first
    #[command(visible_alias = "ls")]
    List {
        /// A user's folder, or what was in it, on a server
        #[arg(value_name = "TARGET")]
        target: OsString,
    },
    /// Bring something back: the youngest that was called so
    Restore {
        /// What was deleted or replaced
        #[arg(value_name = "TARGET")]
        target: OsString,
        /// Which of several, as `trash list` shows it
        #[arg(long, value_name = "ID")]
        id: Option<TrashId>,
        /// What it is called from now on: a path in the user's folder [default: as before]
        #[arg(long, value_name = "PATH")]
        to: Option<OsString>,
    },
    /// Remove for good what was deleted or replaced, here and in folders below
    #[command(visible_alias = "purge")]
    Empty {
        /// A user's folder, or what was in it, on a server
        #[arg(value_name = "TARGET")]
        target: OsString,
        /// This one alone, as `trash list` shows it
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
        TrashCommand::List { target } => list(ctx, &ctx.target(target)?).await,
        TrashCommand::Restore { target, id, to } => restore(ctx, &ctx.target(target)?, *id, to.as_ref()).await,
        TrashCommand::Empty { target, id, yes } => empty(ctx, &ctx.target(target)?, *id, *yes).await,
    }
}

async fn list(ctx: &Context, target: &Target) -> Outcome {
    let login = ctx.login_for(target)?;
    let list = ctx.with_client(&login, async |client| Ok(client.trash(&target.path).await?)).await?;
    let paths: HashSet<&RelPath> = list.entries.iter().map(|thing| &thing.path).collect();
    // Where one name stands for several things it takes more to say which is meant.
    let show_ids = paths.len() < list.entries.len();
    for thing in &list.entries {
        if !ctx.out.json(|| object(thing))? {
            let size = if thing.kind == EntryKind::Directory { "folder".to_owned() } else { format::size(thing.size) };
            let deleted = format::utc(thing.id.deleted());
            let id = if show_ids { format!("  {}", thing.id) } else { String::new() };
            ctx.out.line(format!("{deleted}{id}  {size:>8}  /{}", for_people(thing.path.as_bytes())))?;
        }
    }
    match (list.entries.is_empty(), list.is_cut) {
        (true, _) => ctx.out.note("Nothing is kept there that was deleted or replaced."),
        (false, true) => ctx.out.note("There is more: name a folder, to see what was in it."),
        (false, false) => {}
    }
    Ok(())
}

fn object(thing: &ServerTrash) -> Object {
    Object::of(Event::Trashed)
        .text("id", thing.id)
        .name("path", thing.path.as_bytes())
        .text("type", thing.kind.word())
        .value("size", thing.size)
        .text("mtime", format::rfc3339(thing.mtime))
        .text("deleted", format::rfc3339(thing.id.deleted()))
}

async fn restore(ctx: &Context, target: &Target, id: Option<TrashId>, to: Option<&OsString>) -> Outcome {
    use std::os::unix::ffi::OsStrExt as _;
    let login = ctx.login_for(target)?;
    if target.path.is_root() {
        let hint = format!("`sealift trash list {login}` shows what can be brought back.");
        return Err(Failure::new(Kind::Usage, "a file or folder is missing", hint));
    }
    let to = match to {
        None => target.path.clone(),
        Some(to) => {
            let path = to.as_bytes();
            RelPath::parse(path.strip_prefix(b"/").unwrap_or(path))?
        }
    };
    let listed = || format!("`sealift trash list {login}` shows what can be brought back.");
    ctx.with_client(&login, async |client| {
        let id = match id {
            Some(id) => id,
            None => youngest(client, &target.path).await?.ok_or_else(|| {
                Failure::new(Kind::NotFound, format!("{target}: nothing called so is kept"), listed())
            })?,
        };
        client.restore(&target.path, id, &to).await.map_err(|error| {
            let taken = || "Something has that name: --to says another one.".to_owned();
            Failure::from(error).hinted(Kind::Exists, taken).hinted(Kind::NotFound, listed)
        })
    })
    .await?;
    if !ctx.out.json(|| Object::of(Event::Restored).name("path", to.as_bytes()))? {
        ctx.out.note(&format!("/{} is there again.", for_people(to.as_bytes())));
    }
    Ok(())
}

/// The one of this very path that was deleted or replaced last.
async fn youngest(client: &mut Client, path: &RelPath) -> Outcome<Option<TrashId>> {
    let list = client.trash(path).await?;
    Ok(list.entries.iter().find(|thing| thing.path == *path).map(|thing| thing.id))
}

async fn empty(ctx: &Context, target: &Target, id: Option<TrashId>, yes: bool) -> Outcome {
    let login = ctx.login_for(target)?;
    let gone = ctx
        .with_client(&login, async |client| {
            if !yes {
                let things = client.trash(&target.path).await?.entries;
                let things = things.iter().filter(|thing| id.is_none_or(|id| thing.id == id)).count();
                if things > 0 {
                    confirm(things, target)?;
                }
            }
            Ok(client.purge(&target.path, id).await?)
        })
        .await?;
    if !ctx.out.json(|| Object::of(Event::Purged).value("things", gone))? {
        ctx.out.note(&match gone {
            0 => "Nothing is kept there that was deleted or replaced.".to_owned(),
            1 => "1 thing is gone for good.".to_owned(),
            _ => format!("{gone} things are gone for good."),
        });
    }
    Ok(())
}

/// What goes now can be had from nowhere.
fn confirm(things: usize, target: &Target) -> Outcome {
    let what = if things == 1 { "1 thing".to_owned() } else { format!("{things} things") };
    match ask::line(&format!("Remove {what} of {target} for good? (yes, no): "))?.as_deref() {
        Some("yes" | "y") => Ok(()),
        Some(_) => Err(Error::new(Kind::Usage, "nothing was removed").into()),
        None => {
            Err(Failure::new(Kind::Usage, format!("{what} would be removed for good"), "--yes says that it is meant."))
        }
    }
}
