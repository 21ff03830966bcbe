//! `mirror`: making a folder like another, one of them on a server.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift::client::mirror::Plan;
use sealift::client::{
    Config, Displaced, MirrorOptions, MirrorRun, MirrorSummary, Observer as _, Skip, Target, is_lost_line, is_put_off,
};
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::readable::shell_word;
use sealift::{Client, Error, Kind};

use super::by_link;
use super::mirror_kept::show_kept;
use super::mirror_list::Listing;
use super::mirror_lock::MirrorLock;
use super::room_left;
use crate::commands::look::{warn_of_growing, warn_of_records};
use crate::context::Context;
use crate::direction::{Side, has_mark, side};
use crate::expand::without_dot;
use crate::failure::{Failure, Outcome, Tally};
use crate::identity::Credential;
use crate::interrupt::{self, Moves};
use crate::login::Login;
use crate::mirror_args::Mirror;
use crate::output::{Event, Object, Output};
use crate::progress::{Direction, Progress, Totals};
use crate::transfer::{Links, Way as BackTo, ask};

/// Which way it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Push {
        /// The local folder.
        from: PathBuf,
        /// The one that becomes like it.
        to: Target,
    },
    /// From it.
    Pull {
        /// The folder on the server.
        from: Target,
        /// The one that becomes like it.
        to: PathBuf,
    },
}

impl Way {
    /// The folder that becomes like the other.
    fn destination(&self) -> &Path {
        match self {
            Way::Push { to, .. } => to.path.as_path(),
            Way::Pull { to, .. } => to,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What ends everything; [`sealift::Exit::Partial`] if only a part failed, and all of that has been shown by then.
pub async fn run(ctx: &Context, args: &Mirror) -> Outcome {
    let way = way(ctx.config()?, &args.source, &args.destination)?;
    let (Way::Push { to: target, .. } | Way::Pull { from: target, .. }) = &way;
    let login = ctx.login_for(target)?;
    carry_out(ctx, args, way, &login, None).await
}

/// Mirrors this way, over a connection of its own that this login leads to. What proves it is known already, or asked for.
///
/// # Errors
/// As [`run`].
pub async fn carry_out(
    ctx: &Context,
    args: &Mirror,
    way: Way,
    login: &Login,
    credential: Option<Credential>,
) -> Outcome {
    let mut filter = args.filters.filter()?;
    let follow_links = match way {
        Way::Push { .. } => Links::to_server(args.links)?,
        Way::Pull { .. } => false,
    };
    let mut listed = Listing::read(ctx, args, &way)?;
    listed.as_ref().map_or(Ok(()), |listed| listed.check(args.delete))?;
    if let (Some(listed), Way::Push { from, .. }) = (&mut listed, &way) {
        listed.drop_missing_here(from);
        if !follow_links {
            listed.drop_behind_links(from);
        }
        listed.narrow(&mut filter);
    }
    let mut options = MirrorOptions::default()
        .delete(args.delete)
        .max_delete(args.max_delete)
        .allow_empty_source(args.allow_empty_source)
        .dry_run(args.dry_run)
        .checksum(args.checksum)
        .perms(args.perms)
        .growing(args.growing)
        .update(args.update)
        .transfers(args.transfers)
        .follow_links(follow_links)
        .server_links(Links::of_server(args.links))
        .filter(filter);
    if let Way::Push { from, .. } = &way
        && !from.is_dir()
    {
        let (kind, text) =
            if from.exists() { (Kind::NotDirectory, "not a folder") } else { (Kind::NotFound, "no such folder") };
        let hint = "A mirror is made of a folder; `sealift put` sends files.";
        return Err(Failure::new(kind, format!("{}: {text}", from.display()), hint).at(from));
    }
    let _alone = match args.dry_run {
        true => None,
        false => MirrorLock::take(&way, login)?,
    };
    ctx.set_rate(args.flow.limit_rate, args.transfers)?;
    let direction = if matches!(way, Way::Push { .. }) { Direction::Send } else { Direction::Fetch };
    let progress = Arc::new(Progress::new(ctx.out, direction, &args.flow)?);
    if let Way::Pull { to, .. } = &way {
        progress.set_folder(to);
    }
    progress.set_login(login);
    let connected = match credential {
        None => ctx.connect(login).await?,
        known => ctx.connect_with(login, known).await?,
    };
    let back = BackTo::back_to(ctx, login, &connected);
    let run = MirrorRun::default();
    interrupt::may_leave(run.displaced(), way.destination());
    ctx.over(connected.client, login, async |client| {
        if let (Some(listed), Way::Pull { from, .. }) = (&mut listed, &way) {
            listed.drop_missing_there(client, &back, &from.path).await?;
            listed.narrow(&mut options.filter);
        }
        let mut tally = Tally::default();
        let (missing, skipped) = listed.take().map(|listed| (listed.missing, listed.skipped)).unwrap_or_default();
        skipped.iter().for_each(|path| progress.skipped(path, Skip::Link));
        let skipped_of_list = skipped.len() as u64;
        missing.into_iter().try_for_each(|failure| tally.show(failure, ctx.out))?;
        let verb = match direction {
            Direction::Send => "put",
            Direction::Fetch => "get",
        };
        if options.checksum {
            warn_of_records(ctx.out, client);
        }
        if options.growing && matches!(way, Way::Pull { .. }) {
            warn_of_growing(ctx.out, client);
        }
        if !args.dry_run {
            interrupt::moves(Moves::Mirror, true);
        }
        if let (Way::Push { to, .. }, false) = (&way, args.dry_run) {
            let left = ask(client, Some(&back), async |client| room_left::left(client, &to.path).await).await?;
            left.iter().for_each(|left| progress.has_room(*left));
        }
        let result = attempts(client, &way, &options, &run, &back, &progress).await;
        if result.is_err() {
            restore(&way, run.displaced(), &back).await;
        }
        progress.stop();
        progress.write_checksums()?;
        let mut summary = match result {
            Ok(summary) => summary,
            Err(failure) => {
                name_displaced(run.displaced(), way.destination(), &failure, ctx.out);
                return Err(match &failure {
                    Failure::Error { error, .. } if progress.has_shown(error) => Failure::Shown(error.exit()),
                    _ => failure,
                });
            }
        };
        summary.transfer.skipped += skipped_of_list;
        if args.dry_run {
            show_plan(&summary.plan, verb, &way, ctx.out)?;
        } else if summary.kept.is_empty() {
            summary.plan.removed().for_each(|path| ctx.out.step(&format!("delete {path}")));
        }
        show_kept(&summary, ctx.out);
        let refusal = summary.refusal.take();
        let totals = totals(&summary, tally.failures(), progress.totals(), args);
        show_summary(&summary, &totals, args.dry_run, ctx.out, client.last_ids())?;
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        let there = totals.files + totals.unchanged + totals.links + totals.modes + totals.deleted;
        tally.add_tree(there, totals.folders, totals.failed == 0);
        if totals.kept > 0 {
            tally.add_held_back();
        }
        summary.transfer.failed.iter().for_each(|(_, error)| tally.add_failed(error.exit()));
        tally.outcome()
    })
    .await
}

/// Mirrors, on new connections as long as there is patience. Both sides are looked at anew each time, and what was done
/// before a line was lost is the same by then. Where an attempt has ended its own connection for a file that has no place here, the
/// next one goes on with the others at once. Where the server's storage does not answer for something just now the next one comes after a
/// pause, as after a line that was lost.
async fn attempts(
    client: &mut Client,
    way: &Way,
    options: &MirrorOptions,
    run: &MirrorRun,
    back: &BackTo<'_>,
    progress: &Arc<Progress>,
) -> Outcome<MirrorSummary> {
    // Files and bytes that came over lines which were lost.
    let (mut patience, mut before) = (back.patience(), (0, 0));
    let mut modes = 0;
    loop {
        run.put_off_failures(patience.has_more());
        let observer = progress.clone();
        let done = match way {
            Way::Push { from, to } => client.mirror_push(from, &to.path, options, run, observer).await,
            Way::Pull { from, to } => client.mirror_pull(&from.path, to, options, run, observer).await,
        };
        let (gave_up, put_off) = (run.take_gave_up(), run.take_put_off());
        let lost = match done {
            // A whole side may be what cannot be listed. That another connection has given a file up before makes this line no less lost: it
            // takes patience.
            Err(error) if (is_lost_line(&error) || is_put_off(&error)) && !interrupt::is_stopping() => Some(error),
            Err(_) if gave_up && !interrupt::is_stopping() => None,
            done => match (done, put_off) {
                (Ok(_), Some(error)) if interrupt::is_stopping() => return Err(error.into()),
                (Ok(done), Some(error)) => {
                    modes += done.modes;
                    Some(error)
                }
                (done, _) => {
                    let done = done.map_err(|error| of_what_is_unseen(error, way))?;
                    let earlier = run.transferred_before(&done.plan);
                    let mut done = with_earlier(done, earlier);
                    done.modes += modes;
                    return Ok(done);
                }
            },
        };
        let now = progress.done();
        if now.0 > before.0 {
            patience.renew();
            before = now;
        }
        progress.lost();
        match lost {
            Some(lost) => back.as_soon_as_possible(client, &mut patience, lost).await?,
            None => *client = back.once_more().await?,
        }
        progress.starts_over();
    }
}

/// What ended a mirror; onto a folder that one may not look into it is no mirror that goes there.
fn of_what_is_unseen(error: Error, way: &Way) -> Failure {
    match way {
        Way::Push { from, to } if error.text().contains("the right `list`") => {
            let from = shell_word(&for_people(from.join(".").as_os_str().as_bytes()));
            let to = shell_word(&format!("{}/", to.to_string().trim_end_matches('/')));
            Failure::from(error).denied_by_server(|| {
                format!("A mirror compares with what is there, which you may not see: `sealift put -r {from} {to}` sends all of it.")
            })
        }
        _ => error.into(),
    }
}

/// What the last attempt found to be the same is in part what earlier ones have transferred.
fn with_earlier(mut summary: MirrorSummary, (files, bytes): (u64, u64)) -> MirrorSummary {
    summary.transfer.files += files;
    summary.transfer.bytes = summary.transfer.bytes.saturating_add(bytes);
    summary.same = summary.same.saturating_sub(files);
    summary
}

/// Puts back what was moved out of the way: here in any case, on a server if a person ended the command. A line that is lost
/// is tried no more then.
async fn restore(way: &Way, displaced: &Displaced, back: &BackTo<'_>) {
    if displaced.is_empty() {
        return;
    }
    // What is not put back is named.
    let _ = match way {
        Way::Pull { to, .. } => displaced.put_back_here(to).await,
        Way::Push { to, .. } if interrupt::is_stopping() => match back.once_more().await {
            Ok(mut client) => displaced.put_back_there(&mut client, &to.path).await,
            Err(error) => Err(error),
        },
        Way::Push { .. } => Ok(()),
    };
}

/// Names what is left under another name. An interrupted command does it itself.
fn name_displaced(displaced: &Displaced, top: &Path, failure: &Failure, out: Output) {
    let Failure::Error { error, .. } = failure else { return };
    for (path, aside) in displaced.names(top) {
        let shown = |path: &Path| for_people(path.as_os_str().as_bytes());
        let text = format!("{}: if it was moved out of the way, it is kept as {}", shown(&path), shown(&aside));
        let hint = "The next `sealift mirror` of this folder puts it back.";
        Failure::new(error.kind(), text, hint).show(out);
    }
}

/// Which of the two is local, as [`side`] tells; what is in doubt is refused, not guessed.
fn way(config: &Config, source: &OsString, destination: &OsString) -> Outcome<Way> {
    let usage = |text: &str, folder: Option<&OsString>| {
        let folder = match folder {
            Some(name) => shell_word(&format!("./{}", for_people(name.as_bytes()))),
            None => "./photos".to_owned(),
        };
        let hint = format!(
            "Write a local folder with a slash or dot first, as in {folder}, and the other as host/path or NAME:path."
        );
        Err(Failure::new(Kind::Usage, text, hint))
    };
    // A mirror is of what is in a folder anyway.
    let there = |typed: &OsString| -> Outcome<Target> {
        by_link::refuse(typed)?;
        Ok(config.target(without_dot(typed).0.as_bytes())?)
    };
    match (side(source), side(destination)) {
        (Side::Here, Side::Here) => usage("both are local: one side of a mirror is on a server", None),
        (Side::There, Side::There) | (Side::Either, Side::Either) => {
            // What has no mark of a server may have been meant as a folder that is to be made here.
            let folder = [destination, source].into_iter().find(|name| !has_mark(name));
            usage("both are on a server: one side of a mirror is a local folder", folder)
        }
        (Side::Here, Side::There | Side::Either) | (Side::Either, Side::There) => {
            Ok(Way::Push { from: source.into(), to: there(destination)? })
        }
        (Side::There | Side::Either, Side::Here) | (Side::There, Side::Either) => {
            Ok(Way::Pull { from: there(source)?, to: destination.into() })
        }
    }
}

/// What would be done, each with its place at the destination; of what is moved also where it is now, as `put -n` and `get -n` show it.
fn show_plan(plan: &Plan, transfer: &str, way: &Way, out: Output) -> Outcome {
    let (from, to) = match way {
        Way::Push { from, to } => (from.as_path(), to.path.as_path()),
        Way::Pull { from, to } => (from.path.as_path(), to.as_path()),
    };
    let below = |top: &Path, path: &[u8]| match path {
        b"." if top.as_os_str().is_empty() => b".".to_vec(),
        b"." => top.as_os_str().as_bytes().to_vec(),
        path => top.join(OsStr::from_bytes(path)).into_os_string().into_vec(),
    };
    let made = plan.made().map(|path| ("mkdir", path));
    let moved = plan.transferred().map(|path| (transfer, path));
    let removed = plan.removed().map(|path| ("delete", path));
    // Times are brought in line here, never there.
    let modes = plan.modes.iter().map(|(path, _)| ("mode", path));
    let touched = plan.touch.iter().filter(|_| transfer == "get").map(|path| ("time", path));
    let named =
        made.chain(moved).chain(removed).chain(touched).chain(modes).map(|(verb, path)| (verb, shown(path).to_vec()));
    let strays = plan.strays.iter().map(|stray| {
        let path = stray.folder.as_path().join(stray.shown());
        ("delete", path.into_os_string().into_vec())
    });
    for (verb, path) in named.chain(strays) {
        let (path, there) = (path.as_slice(), below(to, &path));
        let moved = (verb == transfer).then(|| below(from, path));
        let object = || {
            let object = Object::of(Event::Plan).text("action", verb).name("path", path);
            if moved.is_some() { object.name("to", &there) } else { object }
        };
        if !out.json(object)? {
            let line = match &moved {
                Some(from) => [verb.as_bytes(), b" ", &out.name(from), b" -> ", &out.name(&there)].concat(),
                None => [verb.as_bytes(), b" ", &out.name(&there)].concat(),
            };
            out.line(line)?;
        }
    }
    Ok(())
}

fn shown(path: &RelPath) -> &[u8] {
    if path.is_root() { b"." } else { path.as_bytes() }
}

/// What was done, or would be; `missing` is how much of a list there is not.
fn totals(summary: &MirrorSummary, missing: u64, moved: Totals, args: &Mirror) -> Totals {
    let MirrorSummary { transfer, same, modes, deleted, kept, plan, deletes, .. } = summary;
    let totals = Totals {
        folders: plan.made().count() as u64,
        unchanged: *same,
        links: transfer.links,
        kept: kept.len() as u64,
        failed: missing + transfer.failed.len() as u64,
        ..moved
    };
    if !args.dry_run {
        // Those that were refused were not made.
        let folders = transfer.directories;
        return Totals {
            files: transfer.files,
            bytes: transfer.bytes,
            folders,
            modes: *modes,
            deleted: *deleted,
            ..totals
        };
    }
    Totals {
        files: (plan.transferred().count() as u64).saturating_sub(transfer.links),
        bytes: summary.planned_bytes,
        modes: plan.modes.len() as u64,
        deleted: deletes.files + deletes.folders,
        deletes: args.delete.then_some(*deletes),
        ..totals
    }
}

fn show_summary(
    summary: &MirrorSummary,
    totals: &Totals,
    dry_run: bool,
    out: Output,
    ids: Option<sealift::client::Ids>,
) -> Outcome {
    let done = || {
        let object = Object::of(Event::Summary).value("dry_run", dry_run).value("files", totals.files);
        let object =
            object.value("bytes", totals.bytes).value("resumed_bytes", totals.there).value("folders", totals.folders);
        let object = object.value("unchanged", totals.unchanged).value("modes", totals.modes);
        let object = object.value("deleted", totals.deleted).value("kept", totals.kept);
        let object = totals.deletes.iter().fold(object, |object, deletes| {
            let object = object.value("deleted_files", deletes.files).value("deleted_folders", deletes.folders);
            object.value("deleted_bytes", deletes.bytes)
        });
        let object = object.value("failed", totals.failed);
        let object = object.value("skipped", summary.transfer.skipped).value("unreadable", totals.skipped.unreadable());
        object.value("links", totals.links).ids(ids)
    };
    if !out.json(done)? {
        out.note(&match dry_run {
            true => format!("Would be: {}", Totals { time: None, ..totals.clone() }.words()),
            false => totals.words(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_is_local_and_the_other_is_not() {
        let way =
            |a: &str, b: &str| way(&Config::default(), &a.into(), &b.into()).map_err(|failure| failure.kind().unwrap());
        assert!(matches!(way("./a", "me@h/b"), Ok(Way::Push { .. })));
        assert_eq!(way("./a", "me@h/b/.").unwrap(), way("./a", "me@h/b/").unwrap());
        assert!(matches!(way("h:1/a/", "new"), Ok(Way::Pull { .. })));
        assert!(matches!(way("files.example/a", "/tmp/x"), Ok(Way::Pull { .. })));
        assert!(matches!(way("src", "files.example"), Ok(Way::Push { .. })));
        // A name and a slash is what the other one is not.
        assert!(matches!(way("me@h/a/", "new/"), Ok(Way::Pull { .. })));
        assert!(matches!(way("new/", "me@h/a/"), Ok(Way::Push { .. })));
        assert!(matches!(way("./a", "nas/"), Ok(Way::Push { .. })));
        assert!(matches!(way("nas/", "./a"), Ok(Way::Pull { .. })));
        assert_eq!(way("one/", "two/"), Err(Kind::Usage));
        assert_eq!(way("me@h/a", "missing/new"), Err(Kind::Usage));
        assert_eq!(way("./a", "/b"), Err(Kind::Usage));
        assert_eq!(way("me@h/a", "h:1/b"), Err(Kind::Usage));
    }
}
