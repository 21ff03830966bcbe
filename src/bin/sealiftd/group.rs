//! `sealiftd group`: users that are given something together.

use std::fmt::Write as _;

use sealift::auth::{Group, GroupChange, Users, UsersFile};
use sealift::escape::for_people;
use sealift::table::Table;
use sealift::{Error, Kind};
use serde_json::json;

use crate::args::Places;
use crate::common_args::{Listed, Named, Shown};
use crate::failure::Failure;
use crate::habits;
use crate::in_force::InForce;
use crate::other_places;
use crate::output::{complain, line_width, say, shell_word, tell};
use crate::share_args::GroupCommand;

/// Carries a command out.
///
/// # Errors
/// Those of [`UsersFile`].
pub fn run(places: &Places, command: GroupCommand) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    let explain = |err: Error, name: &str| explain(&file, err, name);
    match command {
        GroupCommand::Add { name, members } => {
            let is_new = !places.users.exists();
            file.add_group(&name, &members).map_err(|err| explain(err, &name))?;
            let in_force = InForce::look(places);
            let word = shell_word(&name);
            let who = if members.is_empty() { "nobody so far".to_owned() } else { shown(&members.join(", ")) };
            tell(&format!(
                "Added the group {}, with {who}.{}\nGive it something:\n  sealiftd folder add NAME --access @{word}=full\n",
                shown(&name),
                in_force.knows("within a second"),
            ));
            in_force.warn();
            if is_new {
                other_places::tell_made(places);
            }
            Ok(())
        }
        GroupCommand::Set { name, members, add, remove } => {
            let members = members.map(|members| match members.as_str() {
                "none" => Vec::new(),
                some => some.split(',').map(|member| member.trim().to_owned()).collect(),
            });
            let change = GroupChange { members, add, remove };
            let before = members_of(&file.list()?, &name);
            file.set_group(&name, &change).map_err(|err| explain(err, &name))?;
            let after = members_of(&file.list()?, &name);
            if before == after {
                tell(&format!("Nothing changes for {}. `sealiftd group set --help` shows what can.\n", shown(&name)));
                return Ok(());
            }
            let in_force = InForce::look(places);
            tell(&format!(
                "Changed the group {}.{}\n  members  {before} -> {after}\n",
                shown(&name),
                in_force.knows("within a second, for open sessions too"),
            ));
            in_force.warn();
            Ok(())
        }
        GroupCommand::Show(Shown { name, json }) => {
            let users = file.list()?;
            let absent = || Error::new(Kind::NotFound, format!("no group '{name}' in {}", places.users.display()));
            let group = users.shares().group(&name).ok_or_else(|| explain(absent(), &name))?;
            match json {
                true => say(&as_json(&users, &name, group)),
                false => tell(&as_text(&users, &name, group)),
            }
            Ok(())
        }
        GroupCommand::Remove(Named { name }) => {
            file.remove_group(&name).map_err(|err| explain(err, &name))?;
            let in_force = InForce::look(places);
            let text = " Its members stay users, and nothing was given to it.";
            tell(&format!("Removed the group {}.{text}{}\n", shown(&name), in_force.knows("within a second")));
            in_force.warn();
            Ok(())
        }
        GroupCommand::List(Listed { json }) => {
            let users = file.list()?;
            if json {
                users.shares().groups().for_each(|(name, group)| say(&as_json(&users, name, group)));
                return Ok(());
            }
            let mut table = Table::new(["GROUP", "MEMBERS", "FOLDERS"]);
            for (name, group) in users.shares().groups() {
                let members = group.members().join(", ");
                table.push([name, &members, &folders(&users, name).join(", ")].map(shown));
            }
            let lines = match line_width() {
                Some(width) if !table.fits(width) => table.blocks(width),
                _ => table.with_head(),
            };
            say(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
            if users.shares().groups().next().is_none() {
                complain("There is no group yet: `sealiftd group add NAME MEMBER…` makes one.");
            }
            Ok(())
        }
    }
}

/// The members of a group as they are written, with commas.
fn members_of(users: &Users, name: &str) -> String {
    match users.shares().group(name).map(Group::members) {
        None | Some([]) => "none".to_owned(),
        Some(members) => shown(&members.join(", ")),
    }
}

/// The names of the folders that are given to a group itself.
fn folders(users: &Users, name: &str) -> Vec<String> {
    let called = format!("@{name}");
    let given = users.shares().folders().iter().filter(|folder| folder.access().contains_key(&called));
    given.map(|folder| folder.name().to_owned()).collect()
}

fn as_text(users: &Users, name: &str, group: &Group) -> String {
    let listed = |names: &[String]| if names.is_empty() { "none".to_owned() } else { shown(&names.join(", ")) };
    let mut rows = vec![("members", listed(group.members()))];
    if group.members() != group.users() {
        rows.push(("users", listed(group.users())));
    }
    for folder in users.shares().folders() {
        if let Some(access) = folder.access().get(&format!("@{name}")) {
            rows.push(("shared folder", shown(&format!("/{}: {access} ([folders.{}])", folder.at(), folder.name()))));
        }
    }
    let mut text =
        format!("{} has {} in it.\n", shown(name), crate::output::counted(group.users().len() as u64, "user"));
    for (label, value) in rows {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {label:<13} {value}");
    }
    text
}

fn as_json(users: &Users, name: &str, group: &Group) -> String {
    let row =
        json!({ "group": name, "members": group.members(), "users": group.users(), "folders": folders(users, name) });
    format!("{row}\n")
}

/// The errors of changing the file, with the command that helps.
fn explain(file: &UsersFile, err: Error, name: &str) -> Failure {
    let word = shell_word(name);
    let users = file.list().ok();
    let unknown = err.text().strip_prefix("there is no user '").and_then(|rest| rest.split('\'').next());
    if let Some(hint) = unknown.and_then(|unknown| habits::group(file, unknown)) {
        return Failure::from(err).hint(hint);
    }
    let group = users.as_ref().and_then(|users| users.shares().group(name));
    let folder = users.as_ref().and_then(|users| folders(users, name).into_iter().next());
    match (err.kind(), group, folder) {
        (Kind::Exists, ..) => Failure::from(err)
            .hint(format!("`sealiftd group set {word} --add MEMBER` puts somebody into it, `sealiftd group show {word}` shows it.")),
        (Kind::NotFound, None, _) => Failure::from(err)
            .hint("`sealiftd group list` and `sealiftd user list` show who there is; --users names the file."),
        (Kind::NotFound, Some(_), _) => Failure::from(err).hint(format!(
            "`sealiftd group show {word}` shows who is in it, `sealiftd user list` who there is; a group is written with @ before its name."
        )),
        (Kind::Usage, Some(_), Some(folder)) if err.text().contains(" is used: ") => Failure::from(err).hint(format!(
            "Take it away there first, such as by: sealiftd folder set {} --without @{word}",
            shell_word(&folder)
        )),
        _ => err.into(),
    }
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}
