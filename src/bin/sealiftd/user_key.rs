//! `sealiftd user key`: the SSH keys that log users in.

use std::fs;
use std::time::SystemTime;

use clap::Subcommand;
use sealift::auth::{StateFolder, User, UserKey, Users, UsersFile};
use sealift::escape::for_people;
use sealift::keys::PublicKey;
use sealift::{Error, Kind, limits};
use serde_json::json;

use crate::args::Places;
use crate::failure::Failure;
use crate::in_force::InForce;
use crate::output::{complain, say, shell_word, tell};

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
        /// The key's line, as in authorized_keys, or the .pub file with it
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
            Failure::from(err).hint("`sealiftd user list` shows who there is, with the names of their keys.")
        }
        _ => err.into(),
    };
    match command {
        UserKeyCommand::Add { name, key } => {
            let line = line(&key)?;
            file.add_key(&name, &line).map_err(explain)?;
            let (key, comment) = PublicKey::from_openssh(&line)?;
            let in_force = InForce::look(places);
            tell(&format!(
                "The key {} ({}) logs {} in.{} Try, where it is:\n  sealift ls {}@HOST/\n",
                for_people(comment.as_bytes()),
                key.fingerprint(),
                for_people(name.as_bytes()),
                in_force.when(" A running server knows at once."),
                shell_word(&name),
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
        words.extend(self.key.access().map(|access| format!("only {access}")));
        if !self.key.from().is_empty() {
            let from: Vec<String> = self.key.from().iter().map(ToString::to_string).collect();
            words.push(format!("only from {}", from.join(", ")));
        }
        words.extend(self.key.expires().map(|end| match end <= SystemTime::now() {
            true => format!("expired {}", time(end)),
            false => format!("until {}", time(end)),
        }));
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

/// The line of a key that is given as such, or as the file that it is in.
///
/// # Errors
/// Usage for what is no key that logs in, and those of the file.
pub fn line(given: &str) -> Result<String, Failure> {
    let is_line = given.trim().contains(' ');
    let text = match is_line {
        true => given.to_owned(),
        false => {
            let failed = |err| Error::file(given, err);
            let size = fs::metadata(given).map_err(failed)?.len();
            match size > limits::PUBLIC_KEY_LINE_MAX as u64 {
                true => String::new(),
                false => fs::read_to_string(given).map_err(failed)?,
            }
        }
    };
    let line = text.lines().next().unwrap_or_default().trim();
    match PublicKey::from_openssh(line) {
        Ok(_) => Ok(line.to_owned()),
        Err(err) => {
            let file = if is_line { String::new() } else { format!("{}: ", for_people(given.as_bytes())) };
            Err(Failure::usage(format!("{file}the key cannot be used: {}", err.text()))
                .hint("Give the .pub file of a key that `ssh-keygen -t ed25519` makes, or the line in it."))
        }
    }
}
