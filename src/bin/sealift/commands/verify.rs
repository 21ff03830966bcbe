//! `verify`, `accept`: what a server finds when it reads its files, and what is to be made of it.

use std::cell::{Cell, RefCell};

use sealift::client::{Doubt, Inspection, Target, Verified};
use sealift::escape::for_people;
use sealift::{Client, Exit, Kind, limits};

use super::unread;
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Event, Object, Output};
use crate::rot_args::{Accept, Verify};
use crate::voice;

/// Verifies targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Verify) -> Outcome {
    let (under_way, steps) = (RefCell::new(None::<(Target, Inspection)>), Cell::new(0));
    let several = args.targets.len() > 1;
    let work = async |client: &mut Client, target: &Target| {
        // The same target again is one whose connection was lost.
        let begun = under_way.take().filter(|(of, _)| of == target);
        let inspection = begun.map_or_else(|| Inspection::new(&target.path), |(_, inspection)| inspection);
        let outcome = go_on(ctx.out, client, target, &inspection, several).await;
        steps.set(inspection.steps());
        if outcome.as_ref().err().is_some_and(|failure| failure.lost_line().is_some()) {
            under_way.replace(Some((target.clone(), inspection)));
        }
        outcome
    };
    ctx.for_each(&args.targets, Names::Existing, Repeat::GoesOn(&steps), work).await
}

/// Verifies one target over its connection.
///
/// # Errors
/// As [`Client::verify`]; nothing but the exit code if something was found.
pub async fn verify(out: Output, client: &mut Client, target: &Target) -> Outcome {
    go_on(out, client, target, &Inspection::new(&target.path), true).await
}

/// Verifies one target, or what is left of it, over a connection: a line for each file that is not right, then the totals,
/// which name it if it is one of several.
async fn go_on(out: Output, client: &mut Client, target: &Target, inspection: &Inspection, several: bool) -> Outcome {
    let path = &target.path;
    let found = inspection.attempt(client, |doubt| tell(out, &doubt)).await;
    let verified = found.map_err(|err| Failure::from(err).about(&path.to_string()))?;
    inspection.denied().iter().try_for_each(|(folder, why)| unread::skipped(out, folder, *why))?;
    let Verified { confirmed, unrecorded, rotten, failed, denied, bytes, .. } = verified;
    let object = || {
        let object = Object::of(Event::Verified).name("path", path.as_bytes()).value("confirmed", confirmed);
        let object = object.value("unrecorded", unrecorded).value("rotten", rotten).value("failed", failed);
        object.value("unreadable", denied).value("bytes", bytes).ids(client.last_ids())
    };
    if !out.json(object)? {
        let name = if several {
            format!("{}: ", for_people(if path.is_root() { b"." } else { path.as_bytes() }))
        } else {
            String::new()
        };
        let left_out = match denied {
            0 => String::new(),
            _ => format!("; {} left out", format::count(denied, "folder")),
        };
        out.line(format!(
            "{name}{confirmed} as stored, {rotten} rotten, {unrecorded} without a record (below {}, or not stored by Sealift), \
             {failed} not read; {} read{left_out}",
            format::size(limits::RECORD_MIN),
            format::size(bytes)
        ))?;
    }
    match (rotten, failed) {
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::Shown(Exit::Partial)),
        _ => Err(Failure::Shown(Exit::Integrity)),
    }
}

fn tell(out: Output, (path, error): &Doubt) -> sealift::Result<()> {
    let state = if error.kind() == Kind::Rotten { "rotten" } else { "failed" };
    // It begins with the path, as all that a server says of a file.
    let shown = format!("{}: ", for_people(path));
    let text = for_people(error.text().as_bytes());
    let text = text.strip_prefix(&shown).unwrap_or(&text);
    let object = || {
        let object =
            Object::of(Event::Doubt).name("path", path).text("state", state).text("error", error.kind().word());
        object.text("text", text)
    };
    if !out.json(object)? {
        out.line([state.as_bytes(), b": ", &out.name(&voice::path(path)), b": ", text.as_bytes()].concat())?;
    }
    Ok(())
}

/// Accepts targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn accept(ctx: &Context, args: &Accept) -> Outcome {
    let work = async |client: &mut Client, target: &Target| take(ctx.out, client, target).await;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Acts, work).await
}

/// Accepts one file over its connection.
///
/// # Errors
/// As [`Client::accept`].
pub async fn take(out: Output, client: &mut Client, target: &Target) -> Outcome {
    let path = &target.path;
    client.accept(path).await.map_err(|err| {
        let which = || "Name the files: `sealift verify HOST/folder` shows which of them are rotten.".to_owned();
        Failure::from(err).about(&path.to_string()).hinted(Kind::IsDirectory, which)
    })?;
    if !out.json(|| Object::of(Event::Accepted).name("path", path.as_bytes()).ids(client.last_ids()))? {
        out.note(&format!("Accepted {}.", for_people(path.as_bytes())));
    }
    Ok(())
}
