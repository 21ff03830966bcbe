//! `rm`, `mkdir`, `mv`: silent when done, as their namesakes are.

use std::ffi::OsString;

use sealift::client::Target;
use sealift::files::{EntryKind, RelPath};
use sealift::{Client, Error, Kind};

use super::cp;
use crate::args::{Mkdir, Mv, Rm};
use crate::context::{Context, Repeat};
use crate::expand::{self, Names, may_be_pattern};
use crate::failure::{Failure, Outcome, Tally};
use crate::login::Login;
use crate::output::{Event, Object, Output};
use crate::transfer::{Way, ask};

/// Removes targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn rm(ctx: &Context, args: &Rm) -> Outcome {
    // With -f, what is not there is no error, nor is a pattern that nothing matches.
    let names = if args.force { Names::Possible } else { Names::Existing };
    let work = async |client: &mut Client, target: &Target| remove(ctx.out, client, target, args).await;
    ctx.for_each(&args.targets, names, Repeat::Acts, work).await
}

/// Removes one target over its connection.
///
/// # Errors
/// As [`Client::remove`].
pub async fn remove(out: Output, client: &mut Client, target: &Target, args: &Rm) -> Outcome {
    if target.path.is_root() {
        let hint = "Name what is in it; `sealift ls` shows that.";
        return Err(Failure::new(Kind::Usage, format!("{target}: your own folder itself cannot be removed"), hint));
    }
    match client.remove(&target.path, args.recursive).await {
        Ok(()) => report(out, client, Event::Removed, &target.path),
        Err(err) if args.force && err.kind() == Kind::NotFound => Ok(()),
        Err(err) => Err(Failure::from(err).about(&target.path.to_string())),
    }
}

/// Makes folders.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn mkdir(ctx: &Context, args: &Mkdir) -> Outcome {
    let work = async |client: &mut Client, target: &Target| make(ctx.out, client, target, args).await;
    ctx.for_each(&args.targets, Names::New, Repeat::Acts, work).await
}

/// Makes one folder over its connection.
///
/// # Errors
/// As [`Client::make_dir`].
pub async fn make(out: Output, client: &mut Client, target: &Target, args: &Mkdir) -> Outcome {
    if target.path.is_root() {
        // It is always there.
        let exists = || Error::new(Kind::Exists, format!("{target}: this is your own folder")).into();
        return if args.parents { Ok(()) } else { Err(exists()) };
    }
    let made = client.make_dir(&target.path, args.parents).await;
    made.map_err(|err| {
        let parents = || "Add -p to make the folders above it too.".to_owned();
        Failure::from(err).about(&target.path.to_string()).hinted(Kind::NotFound, parents)
    })?;
    report(out, client, Event::Made, &target.path)
}

/// Renames or moves.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn mv(ctx: &Context, args: &Mv) -> Outcome {
    between(ctx, &args.names, Moving { force: args.force, several: false, act: Act::Move }).await
}

/// Moves or copies all of these names but the last to where that says.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn between(ctx: &Context, names: &[OsString], how: Moving) -> Outcome {
    let targets = ctx.targets(names)?;
    let Some(((login, to), from)) = targets.split_last() else { return Ok(()) };
    if let Some((other, _)) = from.iter().find(|(other, _)| other != login) {
        return Err(not_one_server(other, login, how.act));
    }
    let connected = ctx.connect(login).await?;
    let way = Way::back_to(ctx, login, &connected);
    ctx.over(connected.client, login, async |client| {
        let mut tally = Tally::default();
        let mut sources = Vec::new();
        let mut several = from.len() > 1;
        for ((_, target), typed) in from.iter().zip(names) {
            let meant = match may_be_pattern(typed) {
                true => ask(client, Some(&way), async |client| expand::expand(client, target).await).await?,
                false => expand::as_it_stands(target),
            };
            several |= meant.is_pattern;
            meant.failures.into_iter().try_for_each(|failure| tally.show(failure, ctx.out))?;
            sources.extend(meant.names.into_iter().map(|named| named.target));
        }
        if sources.is_empty() {
            return tally.outcome();
        }
        carry(ctx.out, client, Some(&way), &sources, to, Moving { several, ..how }, tally).await
    })
    .await
}

fn not_one_server(from: &Login, to: &Login, act: Act) -> Failure {
    let (done, hint) = match act {
        Act::Move => ("moved", "Copy it with `sealift get` and `sealift put`, then remove it."),
        Act::Copy { .. } => ("copied", "`sealift get` and `sealift put` go from one to another."),
    };
    let text = format!("{from} and {to} are not one login: a file can only be {done} within one");
    Failure::new(Kind::Usage, text, hint)
}

/// What is done with each.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// It gets the other name.
    Move,
    /// Another one of it gets that name.
    Copy {
        /// Folders too.
        recursive: bool,
    },
}

/// How things are moved or copied.
#[derive(Debug, Clone, Copy)]
pub struct Moving {
    /// In the place of a file that is there.
    pub force: bool,
    /// There may be more than one, so that only a folder can take them.
    pub several: bool,
    /// Which of the two.
    pub act: Act,
}

/// Moves or copies over one connection; on the way back, if there is one, when it is lost before anything was moved.
/// `tally` has what failed before.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn carry(
    out: Output,
    client: &mut Client,
    way: Option<&Way<'_>>,
    from: &[Target],
    to: &Target,
    how: Moving,
    mut tally: Tally,
) -> Outcome {
    let into_folder = to.path.is_root() || is_folder(client, way, to, how.several).await?;
    for source in from {
        match carry_one(out, client, source, to, into_folder, how, &mut tally).await {
            Ok(()) => {}
            Err(failure) if failure.ends_connection() => return Err(failure),
            Err(failure) => tally.show(failure, out)?,
        }
    }
    tally.outcome()
}

/// Whether the target is a folder that things are moved into. Unlike `put`, this makes none: a name that is not there
/// is more likely mistyped.
async fn is_folder(client: &mut Client, way: Option<&Way<'_>>, to: &Target, several: bool) -> Outcome<bool> {
    match ask(client, way, async |client| Ok(client.stat(&to.path).await?.kind)).await {
        Ok(EntryKind::Directory) => Ok(true),
        Err(failure) if !matches!(failure.kind(), Some(Kind::NotFound | Kind::Denied)) => Err(failure),
        Err(failure) if failure.kind() == Some(Kind::Denied) => Ok(to.is_folder || several),
        _ if to.is_folder || several => {
            let text = format!("{to}: no such folder");
            Err(Failure::new(Kind::NotFound, text, "Make it with `sealift mkdir`."))
        }
        _ => Ok(false),
    }
}

async fn carry_one(
    out: Output,
    client: &mut Client,
    source: &Target,
    to: &Target,
    into_folder: bool,
    how: Moving,
    tally: &mut Tally,
) -> Outcome {
    let from = &source.path;
    let Some(name) = from.file_name() else {
        let done = if matches!(how.act, Act::Move) { "moved" } else { "copied" };
        return Err(Error::new(Kind::Usage, format!("your own folder itself cannot be {done}")).into());
    };
    let to = if into_folder { to.path.join(name)? } else { to.path.clone() };
    if let Act::Copy { recursive } = how.act {
        return cp::copy_one(out, client, source, &to, (recursive, how.force), tally).await;
    }
    let renamed = client.rename(from, &to, how.force).await;
    renamed.map_err(|err| {
        let replace = || "Add --force to replace it.".to_owned();
        Failure::from(err).about(&from.to_string()).hinted(Kind::Exists, replace)
    })?;
    let moved = || Object::of(Event::Moved).name("from", from.as_bytes()).name("path", to.as_bytes());
    out.json(|| moved().ids(client.last_ids()))?;
    out.step(&format!("moved {from} to {to}"));
    tally.add_done(1);
    Ok(())
}

fn report(out: Output, client: &Client, event: Event, path: &RelPath) -> Outcome {
    out.json(|| Object::of(event).name("path", path.as_bytes()).ids(client.last_ids()))?;
    out.step(&format!("{} {path}", event.word()));
    Ok(())
}
