//! `sealiftd user`: who may log in.

use std::time::SystemTime;

use sealift::auth::{
    Access, Grants, NewUser, StateFolder, User, UserKey, UsersFile, file_warnings, hash_password, is_anonymous,
    render_expiry,
};
use sealift::byte_size::render_size;
use sealift::escape::for_people;
use sealift::{Error, Kind};

use crate::args::Places;
use crate::common_args::{Listed, Named, Shown};
use crate::failure::Failure;
use crate::hidden_rules::{self, HiddenRule};
use crate::in_force::InForce;
use crate::new_home;
use crate::other_places;
use crate::output::{complain, line_width, say, shell_word, tell};
use crate::password;
use crate::serving;
use crate::usage;
use crate::user_args::{GrantArgs, Groups, UserCommand, YesNo};
use crate::user_key::{self, KeyRow, with_own};
use crate::user_shown;

/// Carries a command out.
///
/// # Errors
/// Those of [`UsersFile`] and of the password.
pub fn run(places: &Places, command: UserCommand) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    match command {
        UserCommand::Add { name, admin, groups, granted, keys, password } => {
            usage::refuse_password_in_name(&name)?;
            let is_new = !places.users.exists();
            let checked = file.check_new(&name, granted.home().unwrap_or(&name)).map_err(|err| explain(err, &name))?;
            if granted.home().is_none() {
                new_home::refuse(places, &checked, &name)?;
            }
            let Groups(groups) = groups.unwrap_or_default();
            checked.refuse_unknown(&groups).map_err(explain_group)?;
            let keys = user_key::keys_of(&keys)?;
            let hash = match keys.is_empty() || password.password_stdin {
                true => Some(hash_password(&password::new(&name, &password, checked.password_rule())?)?),
                false => None,
            };
            let mut grants = checked.defaults_of(&name);
            let admin = admin == Some(YesNo::Yes);
            grants.admin = admin;
            granted.apply(&mut grants);
            let (home, folder) = (grants.home.clone(), places.of_home(&grants.home));
            let is_there = new_home::has_something(places, &home);
            let (access, quota, expires) = (grants.access, grants.terms.quota, grants.expires);
            let new = NewUser { name: &name, hash: hash.as_deref(), keys: &keys, groups: &groups, grants };
            checked.add_new(&new).map_err(|err| explain(err, &name))?;
            let room = quota.map(|quota| format!(", and room for {}", render_size(quota))).unwrap_or_default();
            let in_force = InForce::look(places);
            tell(&format!(
                "Added {}, with the rights: {access}{room}.{}\n\
                 Files are kept in {}. Try:\n  {}\n",
                shown(&name),
                in_force.knows("at once"),
                match places.knows_data() {
                    true => shown(&folder),
                    false => format!("the folder {} of the server's data folder", shown(&home)),
                },
                first_command(&name, &serving::host_shown(places), access, admin),
            ));
            in_force.warn();
            if is_there {
                new_home::tell(places, &home, &name);
            }
            warn_of_unkept(places, &name);
            warn_of_hidden(places, &name);
            warn_of_missing(places, &name);
            warn_of_end(&name, expires);
            if is_new {
                other_places::tell_made(places);
            }
            warn_of_file(places)
        }
        UserCommand::Set { name, enabled, admin, groups, no_rule, granted } => {
            set(places, &name, (enabled, admin, groups), (&no_rule, granted))
        }
        UserCommand::Show(Shown { name, json }) => {
            let users = with_own(places)?;
            let user = users.get(&name).ok_or_else(|| absent(places, &name))?;
            let keys: Vec<String> = KeyRow::of(user).iter().map(|row| row.as_text().trim_end().to_owned()).collect();
            match json {
                true => say(&user_shown::json_of(&users, user)),
                false => tell(&user_shown::all_of(&users, user, &invitations(places), &keys)),
            }
            Ok(())
        }
        UserCommand::Passwd { name, password } => {
            // Before a password is asked for.
            let users = file.list()?;
            if users.get(&name).is_none() {
                return Err(absent(places, &name));
            }
            let hash = hash_password(&password::new(&name, &password, users.password_rule())?)?;
            let enrolled = user_key::enrolled(places, &name);
            file.passwd(&name, &hash).map_err(|err| explain(err, &name))?;
            let kept = user_key::enrolled(places, &name);
            let in_force = InForce::look(places);
            let ends = in_force.when(" The next login needs it; sessions that the old one opened end.");
            tell(&format!("{} has a new password.{ends}\n", shown(&name)));
            let void: Vec<&str> = enrolled.iter().filter(|key| !kept.contains(key)).map(UserKey::name).collect();
            if !void.is_empty() {
                let (keys, count) = match void.len() {
                    1 => ("key".to_owned(), "counts"),
                    n => (format!("{n} keys"), "count"),
                };
                tell(&format!(
                    "The {keys} that the user enrolled {count} no longer: {}. `sealift login` enrols one anew.\n",
                    shown(&void.join(", "))
                ));
            }
            in_force.warn();
            warn_of_file(places)
        }
        UserCommand::Key(command) => user_key::run(places, command),
        UserCommand::Remove(Named { name }) => {
            let home = file.list()?.get(&name).map(|user| user.grants().home.clone());
            file.remove(&name).map_err(|err| explain(err, &name))?;
            let in_force = InForce::look(places);
            tell(&format!("Removed {}.{}\n", shown(&name), in_force.when(" Sessions that are open end.")));
            in_force.warn();
            if let Some(home) = home.filter(|home| places.bucket.is_some() || places.data.join(home).exists()) {
                let home = shown(&places.of_home(&home));
                tell(&format!(
                    "The files stay in {home}, for whoever has that folder next; {}.\n",
                    match StateFolder::as_it_is(&places.state()).was_shared() {
                        false => "nothing else of the user counts any more",
                        true =>
                            "nothing else of the user counts, unless an entry with the same password and id is added again (docs/CLUSTER.md)",
                    }
                ));
            }
            Ok(())
        }
        UserCommand::List(Listed { json }) => {
            // Who of them have joined, and with which keys, stands in what the server keeps.
            let users = with_own(places)?;
            if json {
                say(&user_shown::json(&users));
                return Ok(());
            }
            let invitations = invitations(places);
            say(&user_shown::table(&users, &invitations, line_width()));
            // Beside the table, for people.
            if users.iter().next().is_none() {
                complain(
                    "No user is named yet: `sealiftd user add NAME` adds one, `sealiftd invite NAME` invites one.",
                );
                return Ok(());
            }
            if users.iter().any(|user| user_shown::may_join(user, &invitations)) {
                complain(
                    "Users shown as `invited` have not joined yet: `sealiftd invite --list` shows the invitations that can be used.",
                );
            }
            if let Some(user) = users.iter().find(|user| user_shown::needs_another(user, &invitations)) {
                let name = shell_word(user.name());
                complain(&format!("Whose invitation is over cannot join: `sealiftd invite {name}` makes another one."));
            }
            Ok(())
        }
    }
}

/// The invitations that there are, as far as that can be looked at.
fn invitations(places: &Places) -> user_shown::Invitations {
    StateFolder::as_it_is(&places.state()).invitations().ok()
}

/// Changes what a user may, and says what that came to.
fn set(
    places: &Places,
    name: &str,
    (enabled, admin, groups): (Option<YesNo>, Option<YesNo>, Option<Groups>),
    (no_rule, granted): (&[String], GrantArgs),
) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    if is_anonymous(name) {
        return set_anonymous(places, &file, (enabled, admin, groups), (no_rule, granted));
    }
    let now = file.list()?;
    let rules = now.get(name).map(|user| user.grants().rules.as_slice());
    let has = |path: &String| rules.is_none_or(|rules| rules.iter().any(|rule| rule.path() == path));
    if let Some(unknown) = no_rule.iter().find(|path| !has(path)) {
        let text = format!("{name} has no rule for {unknown}");
        let hint = format!("`sealiftd user show {}` shows them.", shell_word(name));
        return Err(Failure::from(Error::new(Kind::NotFound, text)).hint(hint));
    }
    let (mut before, mut after, mut expires) = (Vec::new(), Vec::new(), None);
    let change = |grants: &mut Grants| {
        before = user_shown::grants(grants);
        enabled.into_iter().for_each(|word| grants.enabled = word == YesNo::Yes);
        admin.into_iter().for_each(|word| grants.admin = word == YesNo::Yes);
        grants.rules.retain(|rule| !no_rule.iter().any(|path| path == rule.path()));
        granted.apply(grants);
        after = user_shown::grants(grants);
        expires = grants.expires;
    };
    let groups_before = user_shown::groups(&now, name);
    match &groups {
        None => file.set(name, change),
        Some(Groups(groups)) => file.set_with_groups(name, groups, change),
    }
    .map_err(|err| match err.kind() {
        Kind::NotFound if now.get(name).is_some() => Failure::from(err).hint(
            "`sealiftd group add NAME` makes a group, `sealiftd group list` shows them all; --groups none takes the user out of them.",
        ),
        _ => explain(err, name),
    })?;
    before.push(("groups", groups_before));
    after.push(("groups", user_shown::groups(&file.list()?, name)));
    let changed: Vec<String> = before
        .iter()
        .zip(&after)
        .filter(|(was, is)| was != is)
        .map(|((label, was), (_, is))| format!("  {label:<13} {was} -> {is}\n"))
        .collect();
    if changed.is_empty() {
        tell(&format!("Nothing changes for {}. `sealiftd user set --help` shows what can.\n", shown(name)));
        return Ok(());
    }
    let in_force = InForce::look(places);
    let knows = in_force.knows("within a second, for open sessions too");
    tell(&format!("Changed {}.{knows}\n{}", shown(name), changed.concat()));
    in_force.warn();
    let folder =
        |rows: &[(&str, String)]| rows.iter().find(|(label, _)| *label == "folder").map(|(_, home)| home.clone());
    if let (Some(old), Some(new)) = (folder(&before), folder(&after))
        && old != new
    {
        tell(&format!("The files stay in {old}: move them to {new} if they are to be there.\n"));
    }
    warn_of_unkept(places, name);
    warn_of_hidden(places, name);
    warn_of_missing(places, name);
    warn_of_end(name, expires);
    warn_of_file(places)
}

/// Changes whether, and where, anybody reads without an account.
fn set_anonymous(
    places: &Places,
    file: &UsersFile,
    (enabled, admin, groups): (Option<YesNo>, Option<YesNo>, Option<Groups>),
    (no_rule, granted): (&[String], GrantArgs),
) -> Result<(), Failure> {
    if admin.is_some() || groups.is_some() || !no_rule.is_empty() {
        return Err(Failure::usage("anonymous only ever reads")
            .hint("--enabled, --home, --limit-rate-down and --limit-rate-up are all that can be set for it."));
    }
    let rows = |grants: &Grants| {
        let mut rows = user_shown::grants(grants);
        rows.retain(|(label, _)| ["folder", "limit down", "limit up"].contains(label));
        (grants.enabled, rows)
    };
    let is_new = !places.users.exists();
    let now = if is_new { None } else { Some(file.anonymous()?) };
    let before = now.as_ref().map(rows);
    let mut change = granted.of_anonymous(now.as_ref())?;
    change.enabled = enabled.map(|word| word == YesNo::Yes);
    file.set_anonymous(&change)?;
    let said = file.anonymous()?;
    let after = rows(&said);
    if before.as_ref() == Some(&after) {
        tell("Nothing changes for anonymous reading. `sealiftd user set --help` shows what can.\n");
        return Ok(());
    }
    let in_force = InForce::look(places);
    let knows = in_force.knows("within a second");
    let folder = shown(&places.of_home(&said.home));
    let was_on = before.as_ref().is_none_or(|(is_on, _)| *is_on);
    let what = match (said.enabled, was_on) {
        (true, _) => format!("Anonymous reading is on.{knows}\nWhoever reaches the server reads what is in {folder}."),
        (false, true) => format!("Anonymous reading is off.{knows}\nNobody reads without a login."),
        // Something was set all the same.
        (false, false) => {
            let was = before.map(|(_, rows)| rows).unwrap_or_default();
            let changed = after.1.iter().filter(|row| !was.contains(row));
            let changed: String = changed.map(|(label, is)| format!("\n  {label:<13} {is}")).collect();
            format!(
                "Anonymous reading is off: nobody reads without a login. This counts once it is on:{changed}\n\
                 `sealiftd user set anonymous --enabled yes` turns it on."
            )
        }
    };
    tell(&format!("{what}\n"));
    in_force.warn();
    if is_new {
        other_places::tell_made(places);
    }
    Ok(())
}

/// Says what the user has that is not kept in the bucket that files are in.
fn warn_of_unkept(places: &Places, name: &str) {
    #[cfg(feature = "s3")]
    if let (Some(bucket), Ok(users)) = (&places.bucket, UsersFile::new(&places.users).list()) {
        for what in crate::store_args::of_user(&users, name) {
            complain(&format!(
                "note: files are in {}, and {}: nobody enters there until that is removed.",
                bucket.trim_end_matches('/'),
                shown(&what)
            ));
        }
    }
    #[cfg(not(feature = "s3"))]
    let _ = (places, name);
}

/// Says which rules of the user do not count as they say.
fn warn_of_hidden(places: &Places, name: &str) {
    for HiddenRule { what, next, .. } in hidden_rules::of(places).into_iter().filter(|hidden| hidden.user == name) {
        complain(&format!("warning: {what}: {next}"));
    }
}

/// Says which folders of the user's rules are not there, where who may bring files to them could not make them.
fn warn_of_missing(places: &Places, name: &str) {
    let Ok(users) = UsersFile::new(&places.users).list() else { return };
    let Some(grants) = users.get(name).map(User::grants).filter(|_| places.bucket.is_none() && places.knows_data())
    else {
        return;
    };
    let brings = |access: Access| access.contains(Access::UPLOAD) && !access.contains(Access::MKDIR);
    for rule in grants.rules.iter().filter(|rule| brings(rule.access)) {
        let Some(path) = rule.path().strip_suffix("/**").filter(|path| !path.contains(['*', '?'])) else { continue };
        let folder = places.data.join(&grants.home).join(path.trim_start_matches('/'));
        if folder.symlink_metadata().is_err() {
            let (folder, name) = (shown(&folder.to_string_lossy()), shown(name));
            complain(&format!(
                "note: {folder} is not there, and by the rule for it {name} cannot make it: make it, as the account that runs sealiftd."
            ));
        }
    }
}

/// What somebody with these rights may try first.
fn first_command(name: &str, host: &str, access: Access, admin: bool) -> String {
    let who = shell_word(name);
    match () {
        () if access.contains(Access::LIST) => format!("sealift ls {who}@{host}/"),
        () if access.contains(Access::UPLOAD) => format!("sealift put FILE {who}@{host}/"),
        () if access.contains(Access::DOWNLOAD) => format!("sealift get {who}@{host}/FILE"),
        () if admin => format!("sealift who {who}@{host}"),
        () => format!("sealift ping {who}@{host}"),
    }
}

/// A last day that is over keeps somebody out, which is not what somebody is added for.
fn warn_of_end(name: &str, expires: Option<SystemTime>) {
    if let Some(end) = expires.filter(|end| *end <= SystemTime::now()) {
        let (name, end) = (shown(name), render_expiry(end));
        complain(&format!("warning: {name} cannot log in: --expires {end} is over"));
    }
}

fn absent(places: &Places, name: &str) -> Failure {
    explain(Error::new(Kind::NotFound, format!("user '{name}' is not in {}", places.users.display())), name)
}

/// That of a group that is not there.
pub fn explain_group(err: Error) -> Failure {
    Failure::from(err).hint("`sealiftd group list` shows the groups there are, `sealiftd group add NAME` makes one.")
}

/// The errors of changing the file, with the command that helps.
fn explain(err: Error, name: &str) -> Failure {
    match err.kind() {
        Kind::Exists => {
            let name = shell_word(name);
            Failure::from(err).hint(format!("`sealiftd user passwd {name}` gives another password."))
        }
        Kind::NotFound if is_anonymous(name) => {
            Failure::from(err).hint("`sealiftd user set anonymous --enabled no` ends anonymous reading, yes begins it.")
        }
        Kind::NotFound => Failure::from(err).hint("`sealiftd user list` lists the users; --users names the file."),
        _ => err.into(),
    }
}

/// There is a user in it now.
fn warn_of_file(places: &Places) -> Result<(), Failure> {
    for warning in file_warnings(&places.users, true)? {
        complain(&format!("warning: {warning}"));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}
