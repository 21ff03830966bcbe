//! `rm`, `mkdir`, `mv`: silent when done, as their namesakes are.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use sealift::client::{Target, of_destination};
use sealift::escape::for_people;
use sealift::files::{EntryKind, RelPath};
use sealift::readable::shell_word;
use sealift::{Client, Error, Kind};

use super::lost_answer::{Before, Move, Removals, before};
use super::rm_tree::{remove_tree, words};
use super::{cp, seen, shared};
use crate::args::{Mkdir, Mv, Rm};
use crate::ask;
use crate::context::{Context, Repeat};
use crate::direction::is_local;
use crate::expand::{self, Named, Names, may_be_pattern};
use crate::failure::{Failure, Outcome, Tally};
use crate::format;
use crate::how_args::{MkdirHow, RmHow};
use crate::login::Login;
use crate::output::{Event, Object, Output};
use crate::transfer::{Way, ask};
use crate::verify::known_servers;

/// Removes targets.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn rm(ctx: &Context, args: &Rm) -> Outcome {
    // With -f, what is not there is no error, nor is a pattern that nothing matches.
    let names = if args.how.force { Names::Possible } else { Names::Existing };
    if args.how.interactive
        && let Some(file) = args.targets.iter().find(|target| is_local(target))
    {
        let shown = for_people(file.as_bytes());
        let hint =
            format!("`-i` asks before each removal, as in rm. To name a key, use `--identity {}`.", shell_word(&shown));
        return Err(Failure::new(Kind::Usage, format!("{shown} is on this machine, and `rm` works on a server"), hint));
    }
    args.how.prove_possible()?;
    if args.how.once {
        let work = async |client: &mut Client, all: &[Named]| {
            let server = match all.first() {
                Some(named) => ctx.login_for(&named.target)?.to_string(),
                None => return Ok(()),
            };
            remove_all(ctx.out, client, all, &server, &args.how).await
        };
        return ctx.for_each_login(&args.targets, names, Repeat::ActsOften, work).await;
    }
    let removals = Removals::with_way_back();
    let work = async |client: &mut Client, named: &Named| remove(ctx.out, client, named, &args.how, &removals).await;
    ctx.for_each_named(&args.targets, names, Repeat::ActsKnowingly, work).await
}

/// Removes one target over its connection. A folder that a wildcard found goes with -r alone, whatever is in it: whoever typed `*` may
/// have meant the files.
///
/// # Errors
/// [`Kind::IsDirectory`] for such a folder; as [`Client::remove`].
pub async fn remove(out: Output, client: &mut Client, named: &Named, how: &RmHow, removals: &Removals) -> Outcome {
    let target = &named.target;
    if !how.recursive && named.entry.as_ref().is_some_and(|entry| entry.kind == EntryKind::Directory) {
        return Err(Error::new(Kind::IsDirectory, format!("{}: is a folder", target.path)).into());
    }
    if target.path.is_root() {
        let hint = "Name what is in it; `sealift ls` shows that.";
        return Err(Failure::new(Kind::Usage, format!("{target}: your own folder itself cannot be removed"), hint));
    }
    let is_in_doubt = removals.are_in_doubt_of(&target.path);
    if how.interactive && !is_in_doubt && !is_meant(client, &target.path, how.recursive).await? {
        return Ok(());
    }
    let removal = async |client: &mut Client| match how.recursive {
        true => remove_tree(out, client, &target.path).await,
        false => client.remove(&target.path, false).await.map(|()| None),
    };
    let removed = match is_in_doubt && removals.are_done(out, client, &target.path).await? {
        true => Ok(None),
        false => removals.watch(client, named, removal).await,
    };
    match removed {
        Ok(removed) => {
            let object = || {
                let object = Object::of(Event::Removed).name("path", target.path.as_bytes());
                let object = removed.iter().fold(object, |object, removed| {
                    object.value("files", removed.files).value("folders", removed.folders)
                });
                object.ids(client.last_ids())
            };
            out.json(object)?;
            let how_much = removed.map_or(String::new(), |removed| format!(": {}", words(removed)));
            out.step(&format!("removed {}{how_much}", target.path));
            Ok(())
        }
        // What was in doubt is gone by now: the first try was late, or somebody else wanted it gone too.
        Err(err) if (how.force || is_in_doubt) && err.kind() == Kind::NotFound => Ok(()),
        Err(err) => {
            let failure = Failure::from(err).about(&target.path.to_string());
            Err(shared::explained(client, failure, &target.path).await)
        }
    }
}

/// Removes all of these, after one question if they are many or folders may be among them.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection; [`Kind::Usage`] if nobody can be asked.
pub async fn remove_all(out: Output, client: &mut Client, all: &[Named], server: &str, how: &RmHow) -> Outcome {
    /// So many are removed unasked, as by `rm -I`.
    const UNASKED: usize = 3;
    if how.recursive || all.len() > UNASKED {
        let what = match all {
            [one] => one.target.path.to_string(),
            _ => format::count(all.len() as u64, "thing"),
        };
        let inside = if how.recursive { ", and all that is in the folders among them" } else { "" };
        match ask::yes(&format!("Remove {what} on {server}{inside}?"))? {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => return Err(RmHow::nobody_to_ask("-I")),
        }
    }
    let mut tally = Tally::default();
    for named in all {
        let removed = remove(out, client, named, how, &Removals::default()).await;
        tally.settle(removed.map_err(|failure| failure.while_at(&named.target.path)), out)?;
    }
    tally.outcome()
}

/// Asks whether this is to be removed. What would be refused anyway is not asked.
async fn is_meant(client: &mut Client, path: &RelPath, recursive: bool) -> Outcome<bool> {
    let question = match client.stat(path).await {
        Ok(found) if found.kind == EntryKind::Directory && !recursive => return Ok(true),
        Ok(found) if found.kind == EntryKind::Directory => format!("Remove the folder {path} and everything in it?"),
        Ok(found) => format!("Remove {path} ({})?", format::size(found.size)),
        // Who may not look may remove.
        Err(error) if error.kind() == Kind::Denied => format!("Remove {path}?"),
        Err(error) => return Err(Failure::from(error).about(&path.to_string())),
    };
    ask::yes(&question)?.ok_or_else(|| RmHow::nobody_to_ask("-i"))
}

/// Makes folders.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn mkdir(ctx: &Context, args: &Mkdir) -> Outcome {
    let work = async |client: &mut Client, target: &Target| make(ctx.out, client, target, &args.how).await;
    ctx.for_each(&args.targets, Names::New, Repeat::Acts, work).await
}

/// Makes one folder over its connection.
///
/// # Errors
/// As [`Client::make_dir`].
pub async fn make(out: Output, client: &mut Client, target: &Target, how: &MkdirHow) -> Outcome {
    if target.path.is_root() {
        // It is always there.
        let exists = || {
            Failure::from(Error::new(Kind::Exists, format!("{target}: this is your own folder")))
                .at_server(&target.path)
        };
        return if how.parents { Ok(()) } else { Err(exists()) };
    }
    let made = client.make_dir(&target.path, how.parents).await;
    // With -p that is no error of a folder.
    let in_the_way = match &made {
        Err(err) if err.kind() == Kind::Exists => client.stat(&target.path).await.ok(),
        _ => None,
    };
    let is_folder = in_the_way.is_none_or(|found| found.kind == EntryKind::Directory);
    made.map_err(|err| match err.kind() {
        Kind::NotFound => no_folder_for(err, &target.path, "Add -p to make the folders above it too.".to_owned()),
        _ => Failure::from(err).about(&target.path.to_string()).hinted(Kind::Exists, || match is_folder {
            true => "With -p an existing folder is no error.".to_owned(),
            false => "Something that is not a folder has that name: choose another one, or remove it first.".to_owned(),
        }),
    })?;
    report(out, client, Event::Made, &target.path)
}

/// Renames or moves.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn mv(ctx: &Context, args: &Mv) -> Outcome {
    between(ctx, &args.names, Moving { force: args.how.force, several: false, act: Act::Move }).await
}

/// Moves or copies all of these names but the last to where that says.
///
/// # Errors
/// As [`Tally::outcome`], or what ends the connection.
pub async fn between(ctx: &Context, names: &[OsString], how: Moving) -> Outcome {
    let meant = || local_name(names, how.act).or_else(|| without_server(ctx, names, how.act));
    let targets = ctx.targets(names).map_err(|failure| meant().unwrap_or(failure))?;
    let Some(((login, to), from)) = targets.split_last() else { return Ok(()) };
    if let Some((other, _)) = from.iter().find(|(other, _)| !other.is_that_of(login)) {
        return Err(meant().unwrap_or_else(|| not_one_server(other, login, how.act)));
    }
    // What is set for a server that has a name holds, by whichever of the names that was said.
    let login = targets.iter().map(|(login, _)| login).find(|login| login.bookmark.is_some()).unwrap_or(login);
    let connected = ctx.connect(login).await?;
    let way = Way::back_to(ctx, login, &connected);
    ctx.over(connected.client, login, async |client| {
        let mut tally = Tally::default();
        let mut sources = Vec::new();
        let mut several = from.len() > 1;
        for ((_, target), typed) in from.iter().zip(names) {
            let meant = match may_be_pattern(typed) {
                true => ask(client, Some(&way), async |client| expand::expand(ctx.out, client, target).await).await?,
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

/// What to say if one of these names is that of a file or folder here: on a server nothing of this machine is moved or copied.
fn local_name(names: &[OsString], act: Act) -> Option<Failure> {
    let at = names.iter().position(|name| is_local(name))?;
    let shown = for_people(names.get(at)?.as_bytes());
    let command = if matches!(act, Act::Move) { "mv" } else { "cp" };
    let hint = match at + 1 == names.len() {
        true => "`sealift get HOST/file .` fetches; -r takes folders.",
        false => "`sealift put FILE HOST/folder/` sends; -r takes folders.",
    };
    let text = format!("{shown} is on this machine, and `{command}` works within one server");
    Some(Failure::new(Kind::Usage, text, hint))
}

/// What to say if the last of these names stands alone, as other programs take it for a new name on the same server.
fn without_server(ctx: &Context, names: &[OsString], act: Act) -> Option<Failure> {
    let [first, .., last] = names else { return None };
    let is_plain = !last.is_empty() && !last.as_bytes().iter().any(|byte| matches!(byte, b'/' | b':' | b'@'));
    if !is_plain || is_known(ctx, last) {
        return None;
    }
    // As far as the first name says which server it is on.
    let typed = first.as_bytes();
    let from = if typed.starts_with(b"sealift://") { b"sealift://".len() } else { 0 };
    let ends = if ctx.config().ok()?.is_named(typed) { b':' } else { b'/' };
    let end = from + typed.get(from..)?.iter().position(|byte| *byte == ends)? + 1;
    let meant = OsString::from_vec([typed.get(..end)?, last.as_bytes()].concat());
    let command = if matches!(act, Act::Move) { "mv" } else { "cp" };
    let (shown, first) = (for_people(last.as_bytes()), shell_word(&for_people(typed)));
    let text = format!("{shown}: a name on a server needs the server before it");
    let hint = format!("`sealift {command} {first} {}` gives it that name.", shell_word(&for_people(meant.as_bytes())));
    Some(Failure::new(Kind::Usage, text, hint))
}

/// Whether this is a server whose key is known.
fn is_known(ctx: &Context, name: &OsStr) -> bool {
    let Ok(login) = ctx.target(name).and_then(|target| ctx.login_for(&target)) else { return false };
    known_servers().and_then(|known| known.pins(&login.server)).is_ok_and(|pins| !pins.is_empty())
}

/// The failure of what could not be put under this path because the folder for it is missing.
fn no_folder_for(error: Error, path: &RelPath, hint: String) -> Failure {
    match path.parent().is_some_and(|parent| !parent.is_root()) {
        true => Failure::Error { error: of_destination(error, path), hint: Some(hint) },
        false => Failure::from(error).about(&path.to_string()),
    }
}

fn not_one_server(from: &Login, to: &Login, act: Act) -> Failure {
    let (done, hint) = match act {
        Act::Move => ("moved", "Copy it with `sealift get` and `sealift put`, then remove it."),
        Act::Copy { .. } => ("copied", "`sealift get` and then `sealift put` copy from one to another."),
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
    let before = looked_at(client, way, from, how.act).await?;
    let into_folder = match to.path.is_root() {
        true => Into::Folder,
        false => is_folder(client, way, to, how.several).await?,
    };
    // As `cp -r a new/` and `mv a new/` read: a folder gets the name that is not there, which a file cannot.
    let into_folder = match (into_folder, from) {
        (Into::Missing, [source]) => {
            match ask(client, way, async |client| Ok(client.stat(&source.path).await?.kind)).await {
                Ok(EntryKind::Directory) => false,
                Err(failure) => return Err(failure.about(&source.path.to_string())),
                Ok(_) => return Err(no_such_folder(to, &how)),
            }
        }
        (Into::Missing, _) => return Err(no_such_folder(to, &how)),
        (into, _) => into == Into::Folder,
    };
    let mut taken = HashSet::new();
    for (source, before) in from.iter().zip(before) {
        let carried = match place(source, to, into_folder, how.act) {
            // Else it would take the place of what was put there a moment ago, and --force would destroy that.
            Ok(to) if taken.contains(&to) => Err(taken_already(source, &to, how.act)),
            Ok(to) => {
                taken.insert(to.clone());
                carry_one(out, (&mut *client, way), (source, before), &to, how, &mut tally).await
            }
            Err(failure) => Err(failure),
        };
        match carried {
            Ok(()) => {}
            Err(failure) if failure.ends_connection() => return Err(failure),
            Err(failure) => tally.show(failure.while_at(&source.path), out)?,
        }
    }
    tally.outcome()
}

/// What each of these is before it is moved, where there is a way back: after a lost answer it is told by that. In one round trip.
async fn looked_at(
    client: &mut Client,
    way: Option<&Way<'_>>,
    from: &[Target],
    act: Act,
) -> Outcome<Vec<Option<Before>>> {
    if way.is_none() || !matches!(act, Act::Move) {
        return Ok(vec![None; from.len()]);
    }
    let paths = || from.iter().map(|source| source.path.clone()).collect();
    let stats = ask(client, way, async |client| Ok(client.stats(paths()).await?)).await?;
    Ok(stats.into_iter().map(before).collect::<sealift::Result<_>>()?)
}

/// What the last name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Into {
    /// A folder that things are moved into.
    Folder,
    /// The name that one thing gets.
    Name,
    /// It was to be a folder, and there is none.
    Missing,
}

/// What the target is. Unlike `put`, this makes no folder to move things into: a name that is not there is more likely
/// mistyped.
async fn is_folder(client: &mut Client, way: Option<&Way<'_>>, to: &Target, several: bool) -> Outcome<Into> {
    let is_meant = to.is_folder || several;
    match ask(client, way, async |client| Ok(client.stat(&to.path).await?.kind)).await {
        Ok(EntryKind::Directory) => Ok(Into::Folder),
        Ok(_) if is_meant => {
            Err(Failure::from(Error::new(Kind::NotDirectory, format!("{to}: not a folder"))).at_server(&to.path))
        }
        Ok(_) => Ok(Into::Name),
        Err(failure) => match failure.kind() {
            Some(Kind::Denied) if is_meant => Ok(Into::Folder),
            Some(Kind::Denied) => match seen::from_around(client, way, &to.path).await? {
                Some(EntryKind::Directory) => Ok(Into::Folder),
                _ => Ok(Into::Name),
            },
            Some(Kind::NotFound) if is_meant => Ok(Into::Missing),
            Some(Kind::NotFound) => Ok(Into::Name),
            _ => Err(failure),
        },
    }
}

fn no_such_folder(to: &Target, how: &Moving) -> Failure {
    let shown = to.to_string();
    let plain = shell_word(shown.trim_end_matches('/'));
    let hint = match how.several {
        true => format!("`sealift mkdir -p {plain}` makes it."),
        false => format!(
            "`sealift mkdir -p {plain}` makes it. Without the slash at its end it is the name that the file gets."
        ),
    };
    Failure::new(Kind::NotFound, format!("{shown}: no such folder on the server"), hint).at_server(&to.path)
}

/// What kept something from being moved or copied: if it is there itself, the folder that it was to go to is missing.
async fn explain(client: &mut Client, failure: Failure, from: &RelPath, to: &RelPath) -> Failure {
    let Failure::Error { error, hint } = failure else { return failure };
    match error.kind() {
        Kind::NotFound => match client.stat(from).await {
            Ok(_) => no_folder_for(error, to, "Make it first, with `sealift mkdir -p`.".to_owned()),
            Err(of_source) if of_source.kind() == Kind::NotFound => Failure::from(of_source).about(&from.to_string()),
            Err(_) => Failure::from(error).about(&from.to_string()),
        },
        Kind::Exists => Failure::Error { error, hint }.about(&to.to_string()).at_server(to),
        _ => Failure::Error { error, hint }.about(&from.to_string()),
    }
}

/// Where this one goes.
fn place(source: &Target, to: &Target, into_folder: bool, act: Act) -> Outcome<RelPath> {
    let Some(name) = source.path.file_name() else {
        let done = if matches!(act, Act::Move) { "moved" } else { "copied" };
        let text = format!("your own folder itself cannot be {done}");
        return Err(Failure::new(Kind::Usage, text, "Name what is in it; `sealift ls` shows that."));
    };
    Ok(if into_folder { to.path.join(name)? } else { to.path.clone() })
}

/// The failure of what would get the name that another one of this command has got.
fn taken_already(source: &Target, to: &RelPath, act: Act) -> Failure {
    let hint = match act {
        Act::Move => "Move it to another folder, or under another name.",
        Act::Copy { .. } => "Copy it to another folder, or under another name.",
    };
    Failure::new(Kind::Usage, format!("{source}: another one is called {to} too"), hint)
}

async fn carry_one(
    out: Output,
    (client, way): (&mut Client, Option<&Way<'_>>),
    (source, before): (&Target, Option<Before>),
    to: &RelPath,
    how: Moving,
    tally: &mut Tally,
) -> Outcome {
    let from = &source.path;
    if let Act::Copy { recursive } = how.act {
        let copied = cp::copy_one(out, client, source, to, (recursive, how.force), tally).await;
        return match copied {
            Err(failure) => Err(explain(client, failure, from, to).await),
            Ok(()) => Ok(()),
        };
    }
    let moving = Move { from, to, force: how.force, before };
    if let Err(failure) = moving.make(out, client, way).await {
        let replace = || "Add --force to replace it.".to_owned();
        let failure = explain(client, failure, from, to).await.hinted(Kind::Exists, replace);
        return Err(shared::explained(client, failure, from).await);
    }
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
