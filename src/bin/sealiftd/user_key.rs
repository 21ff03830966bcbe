//! `sealiftd user key`: the SSH keys that log users in.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use clap::Subcommand;
use sealift::auth::{AuthorizedKeys, StateFolder, User, UserKey, Users, UsersFile};
use sealift::escape::for_people;
use sealift::{Error, Kind, limits};
use serde_json::json;

use crate::args::Places;
use crate::failure::Failure;
use crate::in_force::InForce;
use crate::output::{complain, say, shell_word, tell};
use crate::serving;

#[derive(Debug, Subcommand)]
pub enum UserKeyCommand {
    /// Let one more key log a user in
    #[command(after_help = "\
Examples:
  sealiftd user key add alice 'ssh-ed25519 AAAA… alice@laptop'
  sealiftd user key add alice alice.pub

Where a key may be used from, until when and for what stands in users.toml:
  keys = [{ key = \"ssh-ed25519 AAAA…\", name = \"ci\", access = \"read\", from = [\"192.0.2.0/24\"], expires = 2027-01-31 }]")]
    Add {
        /// The user's name
        name: String,
        /// The key's line, or the file with it: a .pub file, or an authorized_keys file, of which all keys are taken that log in here
        key: String,
    },
    /// Show the keys that log a user in: those of the users file, and those that the user enrolled
    List {
        /// The user's name
        name: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let a key of the users file log a user in no more; its sessions end
    Remove {
        /// The user's name
        name: String,
        /// What `user list` calls the key, or its fingerprint, as SHA256:…
        key: String,
    },
}

/// Carries a command out.
///
/// # Errors
/// Those of [`UsersFile`] and of the key.
pub fn run(places: &Places, command: UserKeyCommand) -> Result<(), Failure> {
    let file = UsersFile::new(&places.users);
    let explain = |err: Error| match err.kind() {
        Kind::NotFound => {
            Failure::from(err).hint("`sealiftd user list` lists the users, with the names of their keys.")
        }
        _ => err.into(),
    };
    match command {
        UserKeyCommand::Add { name, key } => {
            let keys = keys_of(std::slice::from_ref(&key))?;
            let users = with_own(places).ok();
            let had =
                users.as_ref().and_then(|users| users.get(&name)).map(|user| user.keys().to_vec()).unwrap_or_default();
            let bounded_otherwise =
                |key: &&UserKey| had.iter().any(|known| known.public() == key.public() && !known.is_bounded_as(key));
            for key in keys.iter().filter(bounded_otherwise) {
                complain(&format!(
                    "warning: {} has the key {} ({}) already, with other bounds: they stay as they are. `sealiftd user key remove` removes it first.",
                    for_people(name.as_bytes()),
                    for_people(key.name().as_bytes()),
                    key.public().fingerprint(),
                ));
            }
            file.add_keys(&name, &keys).map_err(explain)?;
            let is_new = |key: &&UserKey| !had.iter().any(|known| known.public() == key.public());
            let shown = |key: &UserKey| {
                let bounds = if key.is_bounded() { format!(", {}", bounds_of(key).join(", ")) } else { String::new() };
                format!("{} ({}{bounds})", for_people(key.name().as_bytes()), key.public().fingerprint())
            };
            let new: Vec<String> = keys.iter().filter(is_new).map(shown).collect();
            let in_force = InForce::look(places);
            let (which, log_in) = match new.as_slice() {
                [one] => (format!("The key {one}"), "logs"),
                several => (format!("{} keys, {},", several.len(), several.join(", ")), "log"),
            };
            tell(&format!(
                "{which} {log_in} {} in.{} Try, where it is:\n  sealift ls {}@{}/\n",
                for_people(name.as_bytes()),
                in_force.knows("at once"),
                shell_word(&name),
                serving::host_shown(places),
            ));
            in_force.warn();
        }
        UserKeyCommand::List { name, json } => {
            let users = with_own(places)?;
            let user = users.get(&name).ok_or_else(|| {
                explain(Error::new(Kind::NotFound, format!("no user '{name}' in {}", places.users.display())))
            })?;
            let lines: Vec<String> = KeyRow::of(user)
                .iter()
                .map(|row| if json { format!("{}\n", row.as_value()) } else { row.as_text() })
                .collect();
            say(&lines.concat());
        }
        UserKeyCommand::Remove { name, key } => {
            let of_user = |row: &KeyRow| row.enrolled.is_some() && row.is_called(&key);
            let enrolled = |users: Users| users.get(&name).is_some_and(|user| KeyRow::of(user).iter().any(of_user));
            file.remove_key(&name, &key).map_err(|err| match err.kind() {
                Kind::NotFound if with_own(places).is_ok_and(enrolled) => Failure::from(err).hint(format!(
                    "{} enrolled that key: `sealift key remove` takes it away, and so does a new password (`sealiftd user passwd`), with all \
                     that was enrolled; self_service in the users file forbids enrolling.",
                    for_people(name.as_bytes())
                )),
                _ => explain(err),
            })?;
            let in_force = InForce::look(places);
            tell(&format!(
                "The key {} does not log {} in any more.{}\n",
                for_people(key.as_bytes()),
                for_people(name.as_bytes()),
                in_force.when(" Sessions of it end."),
            ));
            in_force.warn();
        }
    }
    Ok(())
}

/// The users, with what they did themselves as far as it can be read.
///
/// # Errors
/// Those of the users file.
pub fn with_own(places: &Places) -> Result<Users, Failure> {
    let mut users = Users::load(&places.users)?;
    for error in users.take_own(&StateFolder::as_it_is(&places.state()), None, true) {
        complain(&format!("warning: {}", for_people(error.text().as_bytes())));
    }
    Ok(users)
}

/// The keys that this user enrolled and that count now, as far as that can be read.
pub fn enrolled(places: &Places, name: &str) -> Vec<UserKey> {
    let Ok(mut users) = Users::load(&places.users) else { return Vec::new() };
    let _ = users.take_own(&StateFolder::as_it_is(&places.state()), None, true);
    users.get(name).map(User::enrolled_keys).unwrap_or_default().into_iter().map(|own| own.key).collect()
}

/// A key that logs a user in.
pub struct KeyRow {
    /// With what bounds it now.
    pub key: UserKey,
    /// When the user enrolled it; none: it is the users file's.
    pub enrolled: Option<SystemTime>,
}

impl KeyRow {
    /// Those of a user.
    pub fn of(user: &User) -> Vec<KeyRow> {
        let given = user.keys().iter().map(|key| KeyRow { key: key.clone(), enrolled: None });
        let own = user.enrolled_keys().into_iter().map(|own| KeyRow { key: own.key, enrolled: Some(own.added) });
        given.chain(own).collect()
    }

    /// Whether it has this name or fingerprint.
    pub fn is_called(&self, name: &str) -> bool {
        self.key.name() == name || self.key.public().fingerprint() == name
    }

    /// Who gave it and what bounds it, for people.
    pub fn bounds(&self) -> String {
        let time = |time: SystemTime| sealift::readable::rfc3339(time);
        let mut words = vec![match self.enrolled {
            None => "users file".to_owned(),
            Some(added) => format!("enrolled {}", time(added)),
        }];
        words.extend(bounds_of(&self.key));
        words.join("; ")
    }

    /// One line for people.
    pub fn as_text(&self) -> String {
        let (name, fingerprint) = (for_people(self.key.name().as_bytes()), self.key.public().fingerprint());
        format!("{name}  {fingerprint}  {}\n", self.bounds())
    }

    /// One JSON object.
    pub fn as_value(&self) -> serde_json::Value {
        let time = |time: SystemTime| sealift::readable::rfc3339(time);
        let from: Vec<String> = self.key.from().iter().map(ToString::to_string).collect();
        let access = self.key.access().map(|access| access.names().collect::<Vec<_>>());
        json!({
            "name": self.key.name(), "fingerprint": self.key.public().fingerprint(),
            "by": if self.enrolled.is_some() { "user" } else { "administrator" }, "added": self.enrolled.map(time),
            "access": access, "from": from, "expires": self.key.expires().map(time),
        })
    }
}

/// What bounds a key, for people.
fn bounds_of(key: &UserKey) -> Vec<String> {
    let mut words: Vec<String> = key.access().map(|access| format!("only {access}")).into_iter().collect();
    if !key.from().is_empty() {
        let from: Vec<String> = key.from().iter().map(ToString::to_string).collect();
        words.push(format!("only from {}", from.join(", ")));
    }
    words.extend(key.expires().map(|end| {
        let time = sealift::readable::rfc3339(end);
        if end <= SystemTime::now() { format!("expired {time}") } else { format!("until {time}") }
    }));
    words
}

/// The keys that are given, each as a line or as the file that it is in. Lines of a file that give none are told of, as long as
/// another one gives one.
///
/// # Errors
/// Usage where there is no key that logs in, and those of the file.
pub fn keys_of(given: &[String]) -> Result<Vec<UserKey>, Failure> {
    let mut all = AuthorizedKeys::default();
    for one in given {
        // A path may have blanks, and no line is one.
        let file = (Path::new(one).exists() || !one.trim().contains(' ')).then_some(one);
        let text = file.map_or_else(|| Ok(one.clone()), |file| text_of(file))?;
        let shown = file.map(|file| for_people(file.as_bytes()));
        let place = |line: usize| match &shown {
            Some(file) => format!("{file}:{line}: "),
            None if text.lines().count() > 1 => format!("line {line}: "),
            None => String::new(),
        };
        let read = all.read_more(&text);
        let of_file = shown.as_ref().map_or_else(String::new, |file| format!("{file}: "));
        match (read.usable, read.refused.as_slice()) {
            (0, []) => return Err(unusable(&format!("{of_file}the key cannot be used: there is none"))),
            (0, [(line, err)]) => {
                return Err(unusable(&format!("{}the key cannot be used: {}", place(*line), err.text())));
            }
            (usable, refused) => {
                for (line, err) in refused {
                    complain(&format!("warning: {}this key was not taken: {}", place(*line), err.text()));
                }
                if usable == 0 {
                    return Err(unusable(&format!("{of_file}none of its {} lines gives a key", refused.len())));
                }
            }
        }
    }
    Ok(all.keys)
}

fn unusable(what: &str) -> Failure {
    Failure::usage(what.to_owned()).hint(
        "Give the .pub file of a key that `ssh-keygen -t ed25519` makes, the line in it, or an authorized_keys file.",
    )
}

/// The text of a file of keys.
fn text_of(file: &str) -> Result<String, Failure> {
    let failed = |err| Error::file(file, err);
    let size = fs::metadata(file).map_err(failed)?.len();
    if size > limits::AUTHORIZED_KEYS_MAX {
        return Err(Failure::usage(format!("{}: it is too long for a file of keys", for_people(file.as_bytes()))));
    }
    // Whatever bytes are in its comments.
    Ok(String::from_utf8_lossy(&fs::read(file).map_err(failed)?).into_owned())
}
