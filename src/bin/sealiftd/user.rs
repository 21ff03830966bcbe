//! `sealiftd user`: who may log in.

use std::fmt::Write as _;

use sealift::auth::{Access, Grants, NewUser, User, UserKey, Users, UsersFile, file_warnings, hash_password};
use sealift::byte_size::render_size;
use sealift::proto::escape::for_people;
use sealift::{Error, Kind};
use serde_json::json;

use crate::args::{Places, Quota, UserCommand};
use crate::failure::Failure;
use crate::output::{complain, say, shell_word};
use crate::password;
use crate::usage;
use crate::user_key;

/// Carries a command out.
///
/// # Errors
/// Those of [`UsersFile`] and of the password.
pub fn run(places: &Places, command: UserCommand) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    match command {
        UserCommand::Add { name, home, access, admin, quota: Quota(quota), keys, password } => {
            usage::refuse_password_in_name(&name)?;
            let is_new = !places.users.exists();
            let checked = file.check_new(&name, home.as_deref().unwrap_or(&name)).map_err(|err| explain(err, &name))?;
            let keys = keys.iter().map(|key| user_key::line(key)).collect::<Result<Vec<_>, _>>()?;
            let hash = match keys.is_empty() || password.password_stdin {
                true => Some(hash_password(&password::new(&name, &password)?)?),
                false => None,
            };
            let mut grants = checked.defaults_of(&name);
            (grants.access, grants.admin, grants.quota) = (access, admin, quota);
            grants.home = home.unwrap_or(grants.home);
            let folder = places.data.join(&grants.home);
            let new = NewUser { name: &name, hash: hash.as_deref(), keys: &keys, grants };
            checked.add_new(&new).map_err(|err| explain(err, &name))?;
            let room = quota.map(|quota| format!(", and room for {}", render_size(quota))).unwrap_or_default();
            say(&format!(
                "Added {}, with the rights: {access}{room}. A running server knows at once.\n\
                 Files are kept in {}. Try:\n  sealift ls {}@HOST/\n",
                shown(&name),
                shown(&folder.to_string_lossy()),
                shell_word(&name),
            ));
            if is_new {
                say(&format!(
                    "{} was not there and is new: it is read by a server that is started here, or with --users.\n",
                    shown(&places.users.to_string_lossy()),
                ));
            }
            warn_of_file(places)
        }
        UserCommand::Passwd { name, password } => {
            // Before a password is asked for.
            if file.list()?.get(&name).is_none() {
                let err = Error::new(Kind::NotFound, format!("user '{name}' is not in {}", places.users.display()));
                return Err(explain(err, &name));
            }
            let hash = hash_password(&password::new(&name, &password)?)?;
            file.passwd(&name, &hash).map_err(|err| explain(err, &name))?;
            say(&format!(
                "{} has a new password. The next login needs it; sessions that the old one opened end.\n",
                shown(&name)
            ));
            warn_of_file(places)
        }
        UserCommand::Key(command) => user_key::run(places, command),
        UserCommand::Remove { name } => {
            let home = file.list()?.get(&name).map(|user| places.data.join(&user.grants().home));
            file.remove(&name).map_err(|err| explain(err, &name))?;
            say(&format!("Removed {}. Sessions that are open end.\n", shown(&name)));
            if let Some(home) = home.filter(|home| home.exists()) {
                say(&format!("The files stay in {}.\n", shown(&home.to_string_lossy())));
            }
            Ok(())
        }
        UserCommand::List { json } => {
            let users = file.list()?;
            say(&if json { as_json(&users) } else { as_table(&users) });
            Ok(())
        }
    }
}

/// The errors of changing the file, with the command that helps.
fn explain(err: Error, name: &str) -> Failure {
    match err.kind() {
        Kind::Exists => {
            let name = shell_word(name);
            Failure::from(err).hint(format!("`sealiftd user passwd {name}` gives another password."))
        }
        Kind::NotFound => Failure::from(err).hint("`sealiftd user list` shows who there is; --users names the file."),
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

fn as_table(users: &Users) -> String {
    let mut rows = vec![["USER", "FOLDER", "MAY", "ADMIN", "QUOTA", "KEYS"].map(str::to_owned)];
    if let Some(home) = users.anonymous_home() {
        rows.push(["anonymous", home, "read", "no", "none", ""].map(shown));
    }
    rows.extend(users.iter().map(|user| {
        let granted = user.grants();
        let admin = if granted.admin { "yes" } else { "no" };
        let quota = granted.quota.map_or_else(|| "none".to_owned(), render_size);
        let keys: Vec<&str> = user.keys().iter().map(UserKey::name).collect();
        let keys = keys.join(", ");
        [user.name(), &granted.home, &granted.access.to_string(), admin, &quota, &keys].map(shown)
    }));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..6).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    out
}

fn as_json(users: &Users) -> String {
    let anonymous = users.anonymous_home().map(|home| {
        let (user, access, keys) = ("anonymous", names(Access::READ), [0; 0]);
        let quota: Option<u64> = None;
        format!("{}\n", json!({ "user": user, "home": home, "access": access, "admin": false, "quota": quota, "password": false, "keys": keys }))
    });
    let named = users.iter().map(json_row);
    anonymous.into_iter().chain(named).collect()
}

fn json_row(user: &User) -> String {
    let key = |key: &UserKey| {
        let from: Vec<String> = key.from().iter().map(ToString::to_string).collect();
        let expires = key.expires().map(|end| humantime::format_rfc3339_seconds(end).to_string());
        let (name, fingerprint, access) = (key.name(), key.public().fingerprint(), key.access().map(names));
        json!({ "name": name, "fingerprint": fingerprint, "access": access, "from": from, "expires": expires })
    };
    let keys: Vec<_> = user.keys().iter().map(key).collect();
    let Grants { home, access, admin, quota, .. } = user.grants();
    let (name, password, access) = (user.name(), user.has_password(), names(*access));
    format!(
        "{}\n",
        json!({
            "user": name, "home": home, "access": access, "admin": admin, "quota": quota,
            "password": password, "keys": keys
        })
    )
}

fn names(access: Access) -> Vec<&'static str> {
    access.names().collect()
}

fn shown(text: &str) -> String {
    for_people(text.as_bytes())
}
