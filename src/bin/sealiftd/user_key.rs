//! `sealiftd user key`: the SSH keys that log users in.

use std::fs;

use clap::Subcommand;
use sealift::auth::UsersFile;
use sealift::keys::PublicKey;
use sealift::proto::escape::for_people;
use sealift::{Error, Kind, limits};

use crate::args::Places;
use crate::failure::Failure;
use crate::output::{say, shell_word};

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
    /// Let a key log a user in no more; its sessions end
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
            say(&format!(
                "The key {} ({}) logs {} in. A running server knows at once. Try, where it is:\n  sealift ls {}@HOST/\n",
                for_people(comment.as_bytes()),
                key.fingerprint(),
                for_people(name.as_bytes()),
                shell_word(&name),
            ));
        }
        UserKeyCommand::Remove { name, key } => {
            file.remove_key(&name, &key).map_err(explain)?;
            say(&format!(
                "The key {} does not log {} in any more. Sessions of it end.\n",
                for_people(key.as_bytes()),
                for_people(name.as_bytes()),
            ));
        }
    }
    Ok(())
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
        Err(err) if is_line => Err(Failure::usage(format!("the key cannot be used: {}", err.text()))),
        Err(err) => {
            Err(Failure::usage(format!("{}: the key cannot be used: {}", for_people(given.as_bytes()), err.text())))
        }
    }
}
