//! `df`: how much a user, or a shared folder, has on a server, and how much more may come.

use std::ffi::OsString;

use clap::{ArgAction, Args};
use sealift::client::{Room, Status};
use sealift::files::{EntryKind, RelPath};
use sealift::readable;
use sealift::{Client, Kind};

use super::{shared, unread};
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object, Output};
use crate::voice;

/// Show how much you have stored on a server, and how much room is left
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "\
Examples:
  sealift df alice@files.example
      How much you have there.
  sealift df alice@files.example/team
      How much is in the shared folder that this is in, whoever put it there.

With a quota, this shows what counts in it: your files, your trash, what is kept of interrupted uploads, and what you put into shared folders that have no quota of their own. \
What you see there can be more, with what others put into shared folders, or less: it is said as `here`. \
Without a quota, it shows everything that is listed. The room is what the quota leaves, but no more than is left on the server's disk, for everybody \
there. Users who may not upload are not told about the disk.")]
pub struct Df {
    /// The server, or a shared folder there
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    #[command(flatten)]
    pub how: How,
}

/// How it is shown.
#[derive(Debug, Clone, Args)]
pub struct How {
    /// Show sizes in readable units, which is the default; for help use --help
    #[arg(short = 'h', long)]
    pub human_readable: bool,
    /// Show this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Runs the command.
///
/// # Errors
/// As [`Context::with_client`].
pub async fn run(ctx: &Context, args: &Df) -> Outcome {
    let target = ctx.target(&args.target)?;
    let login = ctx.login_for(&target)?;
    ctx.with_client(&login, async |client| show(ctx.out, client, &target.path).await).await
}

/// What this is about.
struct Measured {
    /// All that is in this folder.
    folder: RelPath,
    quota: Option<u64>,
    used: Option<u64>,
    /// What of that is in the trash, and kept of interrupted uploads.
    kept: (Option<u64>, Option<u64>),
    free: Option<u64>,
}

/// The shared folder that this path is in, or all that the user has there; whoever asks about another path is told so.
async fn measured(out: Output, client: &mut Client, path: &RelPath) -> Result<Measured, Failure> {
    if !path.is_root() {
        match client.room(path.clone()).await {
            Ok(Room { shared: Some(folder), quota, used, trash, interrupted, free, .. }) => {
                return Ok(Measured { folder, quota, used, kept: (trash, interrupted), free });
            }
            Ok(_) => {}
            Err(error) if error.kind() == Kind::TooOld => {
                if let Some(folder) = shared::around(client, path).await {
                    out.note(&format!(
                        "{folder} is a shared folder, and the server is too old to tell how much room it has."
                    ));
                }
            }
            Err(error) => return Err(Failure::from(error).about(&path.to_string())),
        }
        out.note(&voice::here(
            "This is about everything that you have there; `sealift du -s` shows the size of a folder.",
        ));
    }
    let Status { quota, used, free, .. } = client.status().await?;
    // Where there is a quota, and the server is not too old to tell.
    let room = if quota.is_some() { client.room(RelPath::root()).await.ok() } else { None };
    let kept = room.map_or((None, None), |room| (room.trash, room.interrupted));
    Ok(Measured { folder: RelPath::root(), quota, used, kept, free })
}

/// Shows over a connection how much room there is. A server says what counts in a quota; where there is none, or an older server, it is what is listed.
///
/// # Errors
/// As [`Client::list`].
pub async fn show(out: Output, client: &mut Client, path: &RelPath) -> Outcome {
    let Measured { folder, quota, used: told, kept: (trash, interrupted), free } = measured(out, client, path).await?;
    let (mut used, mut files) = (0u64, 0u64);
    let count = |entry: sealift::files::Entry| {
        if entry.kind == EntryKind::File {
            (used, files) = (used.saturating_add(entry.size), files + 1);
        }
        Ok(())
    };
    let missed = client.list_each(&folder, true, count).await?;
    // What counts in her quota: her trash and interrupted uploads too, and what she put into shared folders that have none of their own, but not what others did.
    let (listed, used) = (used, told.unwrap_or(used));
    let room = quota.map(|quota| quota.saturating_sub(used)).into_iter().chain(free).min();
    let object = || {
        let object = Object::of(Event::Usage).name("path", folder.as_bytes()).value("size", used).value("files", files);
        let object = object.value("quota", quota).value("free", free).value("room", room);
        let object = trash.iter().fold(object, |object, trash| object.value("trash", *trash));
        interrupted.iter().fold(object, |object, bytes| object.value("interrupted", *bytes))
    };
    if !out.json(object)? {
        let (size, count) = (format::size, format::count(files, "file"));
        match listed == used {
            true => out.line(format!(" used: {} in {count}", size(used)))?,
            // What is listed is not what counts: it may be of others, and what counts may not be listed.
            false => {
                let shared = if folder.is_root() { ", shared folders included" } else { "" };
                out.words(&format!(" used: {} of the quota", size(used)))?;
                out.words(&format!(" here: {} in {count}{shared}", size(listed)))?;
            }
        }
        let kept = [(trash, "in the trash"), (interrupted, "of interrupted uploads")];
        let kept =
            kept.into_iter().filter_map(|(bytes, what)| bytes.filter(|bytes| *bytes > 0).map(|bytes| (bytes, what)));
        let kept: Vec<String> = kept.map(|(bytes, what)| format!("{} {what}", size(bytes))).collect();
        if !kept.is_empty() {
            out.words(&format!(" kept: {}; it goes when there is need of its room", kept.join(", ")))?;
        }
        out.line(format!("quota: {}", quota.map_or_else(|| "none".to_owned(), readable::bound)))?;
        let of_disk = free.filter(|_| room == free).map_or("", |_| " (what the server's disk has left)");
        match room {
            Some(room) => out.words(&format!(" room: {}{of_disk}", format::size(room)))?,
            None => out.words(" room: as much as the server has left, which it does not say")?,
        }
    }
    unread::tell(out, &missed, &folder)
}
