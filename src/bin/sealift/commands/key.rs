//! `key`: the SSH keys that log in from this machine, and those that a server knows.

use std::ffi::OsString;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use sealift::client::ServerKey;
use sealift::client::keys::{Agent, LoginKey, new_key_file};
use sealift::escape::for_people;
use sealift::table::Table;
use sealift::{Error, Kind, limits};

use crate::commands::login::named_login;
use crate::config::config_dir;
use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome};
use crate::identity::{self, OWN_KEY};
use crate::login::Login;
use crate::logins;
use crate::output::{Event, Object};

/// Make, show and revoke SSH keys to log in with
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift key new
  sealift key list
  sealift key list alice@files.example
  sealift key remove alice@files.example alice@laptop
  sealift -i ~/.ssh/work ls alice@files.example

`sealift login` gives a server a key of this machine. Keys that ssh uses are tried as well: those of the agent \
(SSH_AUTH_SOCK), ~/.ssh/id_ed25519, ~/.ssh/id_ecdsa and ~/.ssh/id_rsa, once the server's administrator has added the line that `key list` \
shows: sealiftd user key add alice 'ssh-ed25519 AAAA… alice@laptop'")]
pub struct Key {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an Ed25519 key in the configuration folder, ~/.config/sealift
    New {
        /// What it is called on the server [default: USER@HOST]
        #[arg(long)]
        name: Option<String>,
    },
    /// Show the keys that are used automatically, as lines for the server; with a target, those that log you in there
    List {
        /// You on a server: user@host[:port], or NAME: of a bookmark
        #[arg(value_name = "TARGET")]
        target: Option<OsString>,
    },
    /// Revoke a key that you enrolled; its sessions end
    #[command(visible_alias = "revoke")]
    Remove {
        /// You on the server: user@host[:port], or NAME: of a bookmark
        #[arg(value_name = "TARGET")]
        target: OsString,
        /// Its name, as `key list TARGET` shows it, or its fingerprint
        #[arg(value_name = "NAME|FINGERPRINT")]
        key: String,
    },
}

/// Runs the command.
///
/// # Errors
/// Those of the files; as [`Context::connect`] and [`sealift::Client::revoke`].
pub async fn run(ctx: &Context, args: &Key) -> Outcome {
    match &args.command {
        KeyCommand::New { name } => new(ctx, name.as_deref()),
        KeyCommand::List { target: None } => list(ctx),
        KeyCommand::List { target: Some(target) } => list_there(ctx, &named_login(ctx, target)?).await,
        KeyCommand::Remove { target, key } => remove(ctx, &named_login(ctx, target)?, key).await,
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
    if keys.len() > limits::KEY_PROOFS_MAX {
        ctx.out.note(&format!(
            "One login tries the first {} of them: `-i FILE` names another one.",
            limits::KEY_PROOFS_MAX
        ));
    }
    let logins = logins::all();
    if keys.is_empty() && logins.is_empty() {
        let agent = if Agent::of_environment().is_some() { "the agent has none" } else { "there is no agent" };
        ctx.out.note(&format!(
            "There is no key that would be used automatically: {agent}. `sealift login` makes one, for a server."
        ));
    }
    for (login, file) in logins {
        match LoginKey::from_file(&file, || Ok(None)) {
            Ok(key) => {
                let object = || key_object(&key).text("login", &login);
                if !ctx.out.json(object)? {
                    let (login, fingerprint) = (for_people(login.as_bytes()), key.public().fingerprint());
                    ctx.out.note(&format!("Logged in as {login} by a key of this machine: {fingerprint}"));
                }
            }
            Err(err) => {
                ctx.out.warn(&format!("{}: {}", for_people(login.as_bytes()), for_people(err.text().as_bytes())))
            }
        }
    }
    Ok(())
}

/// What the server knows.
async fn list_there(ctx: &Context, login: &Login) -> Outcome {
    let keys = ctx
        .with_client(login, async |client| {
            client.keys().await.map_err(|err| Failure::from(err).about(&login.to_string()))
        })
        .await?;
    let here = logins::key_of(login).ok().flatten().map(|key| key.public().fingerprint());
    let mut table = Table::new(["NAME", "FINGERPRINT", "GIVEN"]);
    for key in &keys {
        let is_here = here.as_ref() == Some(&key.fingerprint);
        if !ctx.out.json(|| there_object(key, is_here))? {
            let shown = |text: &str| for_people(text.as_bytes());
            table.push([shown(&key.name), shown(&key.fingerprint), words(key, is_here)]);
        }
    }
    ctx.out.table(&table)?;
    if keys.is_empty() {
        ctx.out.note(&format!("No key logs in as {login}. `sealift login {login}` enrols one of this machine."));
    }
    Ok(())
}

fn there_object(key: &ServerKey, is_here: bool) -> Object {
    let time = |time: SystemTime| sealift::readable::rfc3339(time);
    let object = Object::of(Event::ServerKey).text("name", &key.name).text("fingerprint", &key.fingerprint);
    let object = object.text("by", if key.added.is_some() { "user" } else { "administrator" }).value("here", is_here);
    let object = key.added.iter().fold(object, |object, added| object.text("added", time(*added)));
    let object = key.access.iter().fold(object, |object, access| object.text("access", access));
    let object = if key.from.is_empty() { object } else { object.text("from", key.from.join(",")) };
    key.expires.iter().fold(object, |object, expires| object.text("expires", time(*expires)))
}

/// Who gave it, and what bounds it.
fn words(key: &ServerKey, is_here: bool) -> String {
    let day = |time: SystemTime| {
        let text = sealift::readable::rfc3339(time);
        text.split('T').next().unwrap_or_default().to_owned()
    };
    let mut words = vec![match key.added {
        Some(added) => format!("yours, since {}", day(added)),
        None => "from the administrator".to_owned(),
    }];
    words.extend(is_here.then(|| "this machine".to_owned()));
    words.extend(key.access.as_ref().map(|access| format!("only {access}")));
    words.extend((!key.from.is_empty()).then(|| format!("only from {}", key.from.join(", "))));
    words.extend(key.expires.map(|end| match end <= SystemTime::now() {
        true => format!("expired {}", day(end)),
        false => format!("until {}", day(end)),
    }));
    for_people(words.join("; ").as_bytes())
}

async fn remove(ctx: &Context, login: &Login, wanted: &str) -> Outcome {
    let about = |err: Error| Failure::from(err).about(&login.to_string());
    let Connected { mut client, credential, .. } = ctx.connect(login).await?;
    let keys = client.keys().await.map_err(about)?;
    let is_meant = |key: &&ServerKey| key.fingerprint == wanted || key.name == wanted;
    let key = match keys.iter().filter(is_meant).collect::<Vec<_>>().as_slice() {
        [] => {
            let text = format!("{login} has no key {}", for_people(wanted.as_bytes()));
            return Err(Failure::new(
                Kind::NotFound,
                text,
                format!("`sealift key list {login}` shows those there are."),
            ));
        }
        [key] => (*key).clone(),
        several => {
            let fingerprints: Vec<&str> = several.iter().map(|key| key.fingerprint.as_str()).collect();
            let text =
                format!("{login} has several keys {}: {}", for_people(wanted.as_bytes()), fingerprints.join(", "));
            return Err(Failure::new(Kind::Usage, text, "Name the one that you mean by its fingerprint."));
        }
    };
    if key.added.is_none() {
        let text =
            format!("the administrator of {} gave you the key {}", login.server, for_people(key.name.as_bytes()));
        return Err(Failure::new(
            Kind::Denied,
            text,
            "Ask there to have it removed: `sealiftd user key remove` does it.",
        ));
    }
    client.revoke(login.name(), credential.present(), &key.fingerprint).await.map_err(about)?;
    // Of no use any more.
    if logins::key_of(login).is_ok_and(|own| own.is_some_and(|own| own.public().fingerprint() == key.fingerprint)) {
        logins::forget(login)?;
    }
    ctx.out.step_ids("answered", &client);
    if client.is_usable() {
        ctx.hang_up(client).await;
    }
    let object = || Object::of(Event::Removed).text("name", &key.name).text("fingerprint", &key.fingerprint);
    if !ctx.out.json(object)? {
        let name = for_people(key.name.as_bytes());
        ctx.out.note(&format!("The key {name} ({}) no longer logs in as {login}; its sessions end.", key.fingerprint));
    }
    Ok(())
}

fn show(ctx: &Context, key: &LoginKey) -> Outcome {
    let line = key.public().to_openssh(key.comment());
    if !ctx.out.json(|| key_object(key))? {
        ctx.out.line(for_people(line.as_bytes()))?;
    }
    Ok(())
}

fn key_object(key: &LoginKey) -> Object {
    let object = Object::of(Event::Key).text("key", key.public().to_openssh(key.comment()));
    object.text("fingerprint", key.public().fingerprint()).text("name", key.comment())
}

/// `alice@laptop`, as ssh-keygen names keys.
pub fn user_and_host() -> String {
    let user = account_name().unwrap_or_else(|| "sealift".to_owned());
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}

/// Who one is on this machine; none where the account has no name.
pub fn account_name() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|user| !user.is_empty());
    let of_account = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    set("USER").or_else(|| set("LOGNAME")).or_else(of_account)
}
