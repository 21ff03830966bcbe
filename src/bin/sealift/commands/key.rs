//! `key`: the SSH keys that log in from this machine.

use clap::{Args, Subcommand};
use sealift::Kind;
use sealift::client::keys::{Agent, LoginKey, new_key_file};
use sealift::proto::escape::for_people;

use crate::config::config_dir;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::identity::{self, OWN_KEY};
use crate::output::{Event, Object};

/// Make and show SSH keys to log in with
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift key new
  sealift key list
  sealift -i ~/.ssh/work ls alice@files.example

Keys that ssh uses log in unasked: those of the agent (SSH_AUTH_SOCK), ~/.ssh/id_ed25519 and ~/.ssh/id_ecdsa. The server's \
administrator adds the line that `key list` shows: sealiftd user key add alice 'ssh-ed25519 AAAA… alice@laptop'")]
pub struct Key {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an Ed25519 key in the configuration folder
    New {
        /// What it is called on the server [default: USER@HOST]
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the keys that are used unasked, as lines for the server
    List,
}

/// Runs the command.
///
/// # Errors
/// Those of the files.
pub fn run(ctx: &Context, args: &Key) -> Outcome {
    match &args.command {
        KeyCommand::New { name } => new(ctx, name.as_deref()),
        KeyCommand::List => list(ctx),
    }
}

fn new(ctx: &Context, name: Option<&str>) -> Outcome {
    let folder = config_dir()?;
    std::fs::create_dir_all(&folder).map_err(|err| sealift::Error::file(folder.display(), err))?;
    let path = folder.join(OWN_KEY);
    let name = name.map_or_else(user_and_host, str::to_owned);
    let key = new_key_file(&path, &name).map_err(|err| {
        Failure::from(err).hinted(Kind::Exists, || "`sealift key list` shows the key that is there.".to_owned())
    })?;
    show(ctx, &key)?;
    ctx.out.note(&format!(
        "The private key is in {}. The line above is for the server: `sealiftd user key add USER LINE`.",
        for_people(path.as_os_str().as_encoded_bytes())
    ));
    Ok(())
}

fn list(ctx: &Context) -> Outcome {
    let keys = identity::usual(ctx.out);
    keys.iter().try_for_each(|key| show(ctx, key))?;
    if keys.is_empty() {
        let agent = if Agent::of_environment().is_some() { "the agent has none" } else { "there is no agent" };
        ctx.out.note(&format!("No key that would log in unasked: {agent}. `sealift key new` makes one."));
    }
    Ok(())
}

fn show(ctx: &Context, key: &LoginKey) -> Outcome {
    let line = key.public().to_openssh(key.comment());
    let object = || {
        let object = Object::of(Event::Key).text("key", &line).text("fingerprint", key.public().fingerprint());
        object.text("name", key.comment())
    };
    if !ctx.out.json(object)? {
        ctx.out.line(for_people(line.as_bytes()))?;
    }
    Ok(())
}

/// `alice@laptop`, as ssh-keygen names keys.
fn user_and_host() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "sealift".to_owned());
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}
