//! `sealiftd folder`: folders that several people share.

use std::fmt::Write as _;

use sealift::auth::{Access, Definition, Users, UsersFile, render_trash_age};
use sealift::byte_size::render_size;
use sealift::escape::for_people;
use sealift::files::Location;
use sealift::table::Table;
use sealift::{Error, Kind};
use serde_json::json;

use crate::apart::Apart;
use crate::args::{Places, ServeArgs};
use crate::common_args::{Listed, Named, Shown};
use crate::failure::Failure;
use crate::habits;
use crate::in_force::InForce;
use crate::other_places;
use crate::output::{complain, line_width, say, shell_word, tell};
use crate::share_args::FolderCommand;
use crate::shared_folders::{self, Trouble};
use crate::{serving, user_shown};

/// Carries a command out. Where the server's own files are tells what it would be started with.
///
/// # Errors
/// Those of [`UsersFile`], and what no server would start with.
pub fn run(places: &Places, args: &ServeArgs, command: FolderCommand) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    let explain = |failure: Failure, name: &str| explain(&file, failure, name);
    match command {
        FolderCommand::Add { name, said } => {
            let is_new = !places.users.exists();
            let change = said.change(Vec::new());
            if change.access.is_empty() {
                return Err(Failure::usage(format!("nobody is said to have the folder {name}")).hint(
                    "Say it with --access, such as --access @editors=full --access '*=read'; anonymous=read is for everybody, without an account.",
                ));
            }
            let proven = |users: &Users| prove(places, args, users, &name);
            file.add_folder(&name, &change, proven).map_err(|failure| explain(failure, &name))?;
            let users = file.list()?;
            let Some(folder) = users.shares().folder(&name) else { return Ok(()) };
            let in_force = in_force(places, folder);
            tell(&format!(
                "The folder {} is shared ({}).{}\n{}{}",
                shown(&name),
                place(places, folder),
                in_force.knows("within a second"),
                rows_of(&given(folder)),
                first_command(places, &users, folder),
            ));
            in_force.warn();
            if is_new {
                other_places::tell_made(places);
            }
            warn(places, &users, folder);
            Ok(())
        }
        FolderCommand::Set { name, said, without } => {
            let before = file.list()?;
            let rows = |users: &Users| users.shares().folder(&name).map(|folder| changeable(places, folder));
            let change = said.change(without);
            let proven = |users: &Users| prove(places, args, users, &name);
            file.set_folder(&name, &change, proven).map_err(|failure| explain(failure, &name))?;
            let users = file.list()?;
            let (Some(folder), Some(before), Some(after)) = (users.shares().folder(&name), rows(&before), rows(&users))
            else {
                return Ok(());
            };
            if before == after {
                tell(&format!("Nothing changes for {}. `sealiftd folder set --help` shows what can.\n", shown(&name)));
                return Ok(());
            }
            let in_force = in_force(places, folder);
            tell(&format!(
                "Changed the shared folder {}.{}\n{}",
                shown(&name),
                in_force.knows("within a second, for open sessions too"),
                differences(&before, &after),
            ));
            in_force.warn();
            if change.path.is_some() {
                tell(&format!(
                    "The folder is {} now: what was in the other one is still there.\n",
                    place(places, folder)
                ));
            }
            warn(places, &users, folder);
            Ok(())
        }
        FolderCommand::Show(Shown { name, json }) => {
            let users = file.list()?;
            let absent =
                || Error::new(Kind::NotFound, format!("no shared folder '{name}' in {}", places.users.display()));
            let folder = users.shares().folder(&name).ok_or_else(|| explain(absent().into(), &name))?;
            match json {
                true => say(&as_json(places, &users, folder)),
                false => tell(&as_text(places, &users, folder)),
            }
            Ok(())
        }
        FolderCommand::Remove(Named { name }) => {
            let before = file.list()?;
            file.remove_folder(&name).map_err(|err| explain(err.into(), &name))?;
            let in_force = InForce::look(places);
            let knows = in_force.knows("within a second");
            tell(&format!("The folder {} is shared no more.{knows}\n", shown(&name)));
            in_force.warn();
            if let Some(folder) = before.shares().folder(&name) {
                tell(&format!("What is in it stays in {}.\n", place(places, folder)));
            }
            Ok(())
        }
        FolderCommand::List(Listed { json }) => {
            let users = file.list()?;
            let folders = users.shares().folders();
            if json {
                folders.iter().for_each(|folder| say(&as_json(places, &users, folder)));
                return Ok(());
            }
            let mut table = Table::new(["FOLDER", "PLACE", "SHOWS AT", "GIVEN TO", "QUOTA", "TRASH"]);
            for folder in folders {
                let given: Vec<String> = folder.access().iter().map(|(to, access)| format!("{to}={access}")).collect();
                let quota = folder.terms().quota.map_or_else(none, render_size);
                let trash = folder.terms().trash.map_or_else(none, render_trash_age);
                let (name, at) = (shown(folder.name()), shown(&format!("/{}", folder.at())));
                table.push([name, place(places, folder), at, shown(&given.join(" ")), quota, trash]);
            }
            let lines = match line_width() {
                Some(width) if !table.fits(width) => table.blocks(width),
                _ => table.with_head(),
            };
            say(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            if folders.is_empty() {
                complain("No folder is shared yet: `sealiftd folder add --help` shows how.");
            }
            Ok(())
        }
    }
}

/// Fails if no server would start with what these users share under this name, or nobody could use it.
fn prove(places: &Places, args: &ServeArgs, users: &Users, name: &str) -> Result<(), Failure> {
    let Some(folder) = users.shares().folder(name) else { return Ok(()) };
    if let Some(found) = Apart::new(places, args).misplaced(folder) {
        return Err(found.into());
    }
    // What is in a bucket is not looked at from here.
    let is_here = places.bucket.is_none() || matches!(folder.location(), Location::Elsewhere(_));
    match shared_folders::of(places, users, folder).into_iter().find(|found| found.is_error && is_here) {
        Some(Trouble { what, .. }) => Err(Failure::from(Error::new(Kind::NotFound, what))
            .hint("Make that folder first, or name another one with --path.")),
        None => Ok(()),
    }
}

/// What is written that deserves a look.
fn warn(places: &Places, users: &Users, folder: &Definition) {
    for Trouble { what, next, .. } in shared_folders::of(places, users, folder) {
        complain(&format!("warning: {what}: {next}"));
    }
    if folder.access().contains_key("anonymous") && users.anonymous_home().is_none() {
        complain("warning: nobody has it as anonymous: anonymous reading is off ([anonymous] of the users file)");
    }
    #[cfg(feature = "s3")]
    if let Some(bucket) = &places.bucket {
        for what in crate::store_args::of_folder(folder) {
            let bucket = bucket.trim_end_matches('/');
            complain(&format!(
                "note: files are in {bucket}, and {}: no server starts until that is taken away.",
                shown(&what)
            ));
        }
    }
}

/// A server may have shut itself out of what is elsewhere on the machine, which it says once it has read the file.
fn in_force(places: &Places, folder: &Definition) -> InForce {
    match folder.location() {
        Location::Below(_) => InForce::look(places),
        Location::Elsewhere(_) => InForce::wait(places),
    }
}

/// What somebody who has it may try first.
fn first_command(places: &Places, users: &Users, folder: &Definition) -> String {
    let host = serving::host_shown(places);
    let at = shell_word(&folder.at().to_string());
    let mut lines = Vec::new();
    let given = users.iter().filter_map(|user| Some((user, access_of(users, user.name(), folder)?)));
    let (mut puts, mut lists) = (None, None);
    for (user, access) in given.filter(|(user, _)| user.grants().enabled) {
        let who = shell_word(user.name());
        // To those whose home it is, it is that.
        let at = if is_home(users, user.name(), folder) { "" } else { &at };
        if access.contains(Access::UPLOAD) {
            // Who may not look there says so: the client cannot find out that it is a folder.
            let slash = if access.contains(Access::LIST) || at.is_empty() { "" } else { "/" };
            puts.get_or_insert_with(|| format!("  sealift put FILE {who}@{host}/{at}{slash}\n").replace("//", "/"));
        }
        if access.contains(Access::LIST) {
            lists.get_or_insert_with(|| format!("  sealift ls {who}@{host}/{at}\n"));
        }
    }
    lines.extend(puts.or(lists));
    if access_of(users, "anonymous", folder).is_some_and(|access| access.contains(Access::LIST)) {
        let at = if is_home(users, "anonymous", folder) { "" } else { &at };
        lines.push(format!("  sealift ls {host}/{at}\n"));
    }
    if lines.is_empty() { String::new() } else { format!("Try:\n{}", lines.concat()) }
}

fn is_home(users: &Users, name: &str, folder: &Definition) -> bool {
    users.grants_of(name).is_ok_and(|grants| *folder.location() == Location::Below(grants.home.clone()))
}

/// What somebody may do in it.
fn access_of(users: &Users, name: &str, folder: &Definition) -> Option<Access> {
    let grants = users.grants_of(name).ok()?;
    if is_home(users, name, folder) {
        return Some(grants.access);
    }
    grants.folders.iter().find(|shared| shared.name == folder.name()).map(|shared| shared.access)
}

/// Where it is, for people.
fn place(places: &Places, folder: &Definition) -> String {
    shown(&match folder.location() {
        Location::Below(path) => places.of_home(path),
        Location::Elsewhere(path) => path.to_string_lossy().into_owned(),
    })
}

/// To whom it is given, as the file says it.
fn given(folder: &Definition) -> Vec<(String, String)> {
    folder.access().iter().map(|(to, access)| (shown(to), access.to_string())).collect()
}

/// All that can be changed, with its value.
fn changeable(places: &Places, folder: &Definition) -> Vec<(String, String)> {
    let terms = folder.terms();
    let mut rows = vec![
        ("place".to_owned(), place(places, folder)),
        ("shows at".to_owned(), shown(&format!("/{}", folder.at()))),
        ("quota".to_owned(), terms.quota.map_or_else(none, render_size)),
        ("quota files".to_owned(), terms.quota_files.map_or_else(none, |most| most.to_string())),
        ("trash".to_owned(), terms.trash.map_or_else(none, render_trash_age)),
        ("umask".to_owned(), folder.umask().map_or_else(none, |umask| umask.to_string())),
    ];
    rows.extend(given(folder).into_iter().map(|(to, access)| (format!("for {to}"), access)));
    rows
}

/// The rows that are not what they were, of those that are gone or new what was or is.
fn differences(before: &[(String, String)], after: &[(String, String)]) -> String {
    let find = |rows: &[(String, String)], label: &str| {
        rows.iter().find(|(known, _)| known == label).map(|(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(label, _)| find(after, label).is_none());
    let rows = after.iter().chain(gone).filter_map(|(label, _)| {
        let (was, is) = (find(before, label), find(after, label));
        let said = |value: Option<String>| value.unwrap_or_else(|| "not said".to_owned());
        (was != is).then(|| (label.clone(), format!("{} -> {}", said(was), said(is))))
    });
    rows_of(&rows.collect::<Vec<_>>())
}

fn rows_of(rows: &[(String, String)]) -> String {
    rows.iter().fold(String::new(), |mut text, (label, value)| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {label:<13} {value}");
        text
    })
}

/// Who has it, by what: the rights that count.
fn holders(users: &Users, folder: &Definition) -> Vec<(String, Access, String)> {
    let names = users.anonymous_home().map(|_| "anonymous").into_iter().chain(users.iter().map(|user| user.name()));
    let held = names.filter_map(|name| {
        let access = access_of(users, name, folder)?;
        let shared = users.grants_of(name).ok()?.folders.iter().find(|shared| shared.name == folder.name());
        let by = shared.map_or_else(|| "as the home".to_owned(), |shared| shared.given_to.clone());
        Some((name.to_owned(), access, by))
    });
    held.collect()
}

fn as_text(places: &Places, users: &Users, folder: &Definition) -> String {
    let mut rows = changeable(places, folder);
    for (name, access, by) in holders(users, folder) {
        rows.push(("has it".to_owned(), shown(&format!("{name}: {access} ({by})"))));
    }
    format!("The folder {} is shared.\n{}", shown(folder.name()), rows_of(&rows))
}

fn as_json(places: &Places, users: &Users, folder: &Definition) -> String {
    let names = |access: Access| user_shown::names(access);
    let access: serde_json::Map<_, _> =
        folder.access().iter().map(|(to, access)| (to.clone(), json!(names(*access)))).collect();
    let holders: Vec<_> = holders(users, folder)
        .into_iter()
        .map(|(user, access, by)| json!({ "user": user, "access": names(access), "given_to": by }))
        .collect();
    let terms = folder.terms();
    let place = match folder.location() {
        Location::Below(path) => places.of_home(path),
        Location::Elsewhere(path) => path.to_string_lossy().into_owned(),
    };
    let row = json!({
        "folder": folder.name(), "place": place, "path": format!("/{}", folder.at()), "access": access,
        "quota": terms.quota, "quota_files": terms.quota_files, "trash_seconds": terms.trash.map(|age| age.as_secs()),
        "umask": folder.umask().map(|umask| umask.to_string()), "users": holders
    });
    format!("{row}\n")
}

/// The errors of changing the file, with the command that helps.
fn explain(file: &UsersFile, failure: Failure, name: &str) -> Failure {
    let word = shell_word(name);
    let is_there = file.list().is_ok_and(|users| users.shares().folder(name).is_some());
    let unknown = failure.text().strip_prefix("there is no user '").and_then(|rest| rest.split('\'').next());
    if let Some(hint) = unknown.and_then(habits::everybody) {
        return failure.hint(hint);
    }
    if let Some(hint) = unknown.and_then(|unknown| habits::group(file, unknown)) {
        return failure.hint(hint);
    }
    match failure.kind() {
        Kind::Exists => failure.hint(format!(
            "`sealiftd folder set {word}` changes it, `sealiftd folder show {word}` shows who has it."
        )),
        _ if failure.has_hint() => failure,
        Kind::NotFound if is_there => failure.hint(format!(
            "`sealiftd folder show {word}` shows who has it, `sealiftd user list` and `sealiftd group list` who there is."
        )),
        Kind::NotFound if failure.text().starts_with("no shared folder") => {
            failure.hint("`sealiftd folder list` shows them; --users names the file.")
        }
        Kind::NotFound => failure
            .hint("`sealiftd user list` and `sealiftd group list` show who there is; a group is written with @ before its name."),
        Kind::Usage if failure.text().contains(": set `as` ") => {
            failure.hint("--as PATH says where it appears instead, such as --as team/docs.")
        }
        _ => failure,
    }
}

fn none() -> String {
    "none".to_owned()
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}
