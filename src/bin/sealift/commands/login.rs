//! `login` and `logout`: a key of this machine's own on a server, and gone from it again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;
use sealift::client::keys::LoginKey;
use sealift::client::{Present, ServerKey};
use sealift::escape::for_people;
use sealift::proto::Feature;
use sealift::readable::shell_word;
use sealift::{Client, Exit, Kind};

use crate::commands::key::user_and_host;
use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome};
use crate::identity::{self, Credential};
use crate::login::Login;
use crate::logins;
use crate::output::{Event, Object};

/// Log in once: this machine gets a key of its own, and nothing is asked after that
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift login alice@files.example
  sealift login work:
  sealift login --password-file pw alice@files.example
  sealift -i ~/.ssh/id_ed25519 login alice@files.example
      Enrol this key instead of a new one.

It asks for your password once, or logs in with a key that the server knows. The private key stays on this machine, in the \
configuration folder, for you alone; the server gets the public half. Your cron jobs and scripts on this machine log in \
with it as well. `sealift key list TARGET` shows what logs you in, `sealift key remove` takes a key away from anywhere, \
`sealift logout` undoes this.")]
pub struct LogIn {
    /// You on the server: user@host[:port], or NAME: of a bookmark
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// What the key is called there [default: USER@HOST]
    #[arg(long)]
    pub name: Option<String>,
}

/// Revoke this machine's key on a server, and forget it here
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift logout alice@files.example
  sealift logout --here alice@files.example
      Forget the key on this machine although the server cannot be reached.")]
pub struct LogOut {
    /// You on the server: user@host[:port], or NAME: of a bookmark
    #[arg(value_name = "TARGET")]
    pub target: OsString,
    /// Forget the key only here, without telling the server, which still accepts it
    #[arg(long)]
    pub here: bool,
}

/// Runs `login`.
///
/// # Errors
/// As [`Context::connect`] and [`Client::enrol`].
pub async fn log_in(ctx: &Context, args: &LogIn) -> Outcome {
    let login = named_login(ctx, &args.target)?;
    let Connected { client, credential, .. } = ctx.connect(&login).await?;
    let (client, enrolled) = enrol_here(ctx, &login, client, &credential, args.name.as_deref()).await?;
    ctx.out.step_ids("answered", &client);
    ctx.hang_up(client).await;
    told(ctx, &login, &enrolled)
}

/// What came of it.
pub struct Enrolled {
    /// What the server calls the key.
    name: String,
    fingerprint: String,
    /// It was there already.
    already: bool,
    /// How to name it, of a key that was given and is not the one that `login` makes.
    given: Option<Given>,
}

/// A key that was given by a file.
struct Given {
    file: String,
    /// It is among those that log in without being named.
    is_used_unasked: bool,
}

impl Given {
    fn of(ctx: &Context, login: &Login, key: &LoginKey) -> Option<Given> {
        let file = ctx.common.identity.first()?;
        let is_of_bookmark = login.settings.identity.as_ref().is_some_and(|named| named == file);
        // Where a bookmark names a key, that alone logs in.
        let is_usual = || identity::usual(ctx.out).iter().any(|usual| usual.public() == key.public());
        let is_used_unasked = is_of_bookmark || (login.settings.identity.is_none() && is_usual());
        Some(Given { file: shell_word(&for_people(file.as_os_str().as_bytes())), is_used_unasked })
    }
}

/// Has the server take a key of this machine, over a connection that is logged in; the connection again, which may be another
/// one.
///
/// # Errors
/// As [`Client::enrol`], and those of the key's files. A key that was made for it and is of no use is gone then.
pub async fn enrol_here(
    ctx: &Context,
    login: &Login,
    mut client: Client,
    credential: &Credential,
    name: Option<&str>,
) -> Outcome<(Client, Enrolled)> {
    if !client.features().has(Feature::Enrol) {
        return Err(Failure::from(Feature::Enrol.missing()).about(&login.to_string()));
    }
    let given = identity::named_key(&ctx.common, ctx.out)?;
    let named = given.as_ref().and_then(|key| Given::of(ctx, login, key));
    let kept = match given {
        Some(key) => Some(key),
        None => logins::key_of(login)?,
    };
    if let Some(key) = &kept {
        let fingerprint = key.public().fingerprint();
        if let Some(known) = client.keys().await?.into_iter().find(|known| known.fingerprint == fingerprint) {
            return Ok((client, Enrolled { name: known.name, fingerprint, already: true, given: named }));
        }
    }
    let name = match name {
        Some(name) => name.to_owned(),
        // Two machines may call themselves alike, and `key remove` is to know them apart.
        None => free_name(user_and_host(), &client.keys().await?),
    };
    let made = kept.is_none();
    let key = match kept {
        Some(key) => key,
        None => logins::make(login, &name)?,
    };
    let fingerprint = key.public().fingerprint();
    let enrolled = Enrolled { name: name.clone(), fingerprint, already: false, given: named };
    match client.enrol(login.name(), credential.present(), &key, &name).await {
        Ok(()) => Ok((client, enrolled)),
        // It may have been done all the same: then the key logs in.
        Err(error) if error.exit() == Exit::Network => match by_key(ctx, login, &key).await {
            Ok(again) => Ok((again, enrolled)),
            Err(failure) if failure.kind() == Some(Kind::LoginFailed) => {
                forget_if(made, login);
                let hint = "The connection was lost before it was done: run `sealift login` again.";
                Err(Failure::Error { error, hint: Some(hint.to_owned()) })
            }
            Err(failure) => Err(failure),
        },
        Err(error) => {
            forget_if(made, login);
            let failure = Failure::from(error).about(&login.to_string());
            let failure = failure.hinted(Kind::TooMany, || {
                format!("`sealift key list {login}` shows them, `sealift key remove {login} NAME` removes one.")
            });
            Err(failure.denied_by_server(|| format!("Ask the administrator of {} to give you a key.", login.server)))
        }
    }
}

/// This name, with a number behind it if another key has it.
fn free_name(name: String, keys: &[ServerKey]) -> String {
    let is_free = |name: &str| keys.iter().all(|key| key.name != name);
    let numbered = || (2u32..).map(|number| format!("{name}-{number}")).find(|name| is_free(name));
    if is_free(&name) { name } else { numbered().unwrap_or(name) }
}

/// A key that nobody knows is of no use, and would be in the way of the next try.
fn forget_if(made: bool, login: &Login) {
    if made {
        // The failure that led here is the one to be told of.
        let _ = logins::forget(login);
    }
}

async fn by_key(ctx: &Context, login: &Login, key: &LoginKey) -> Outcome<Client> {
    let credential = Credential::Keys(vec![key.clone()]);
    Ok(ctx.connect_with(login, Some(credential)).await?.client)
}

/// Says what came of it, and what to try.
///
/// # Errors
/// Those of standard output.
pub fn told(ctx: &Context, login: &Login, enrolled: &Enrolled) -> Outcome {
    let Enrolled { name, fingerprint, already, given } = enrolled;
    let object = || {
        let object = Object::of(Event::LoggedIn).text("user", login.name()).text("server", &login.server);
        object.text("key", name).text("fingerprint", fingerprint).value("already", *already)
    };
    if !ctx.out.json(object)? {
        let key = for_people(name.as_bytes());
        let when = if *already { "already" } else { "from now on" };
        let undo = match given {
            None => format!("`sealift logout {login}` undoes it."),
            Some(_) => format!("`sealift key remove {login} {}` undoes it.", shell_word(&key)),
        };
        ctx.out.note(&match given {
            Some(Given { file, is_used_unasked: false }) => format!(
                "{login} knows the key {key} ({fingerprint}) {when}. It logs in where it is named, as in `sealift -i {file} ls \
                 {login}/`, or as the `identity` of a bookmark (`sealift help bookmark`). {undo}"
            ),
            _ if *already => format!("This machine logs in as {login} already, by the key {key} ({fingerprint})."),
            _ => format!(
                "This machine logs in as {login} from now on, by the key {key} ({fingerprint}); nothing is asked. {undo}"
            ),
        });
    }
    Ok(())
}

/// Runs `logout`.
///
/// # Errors
/// [`Kind::NotFound`] if this machine has no key there; as [`Context::connect_with`] and [`Client::revoke`].
pub async fn log_out(ctx: &Context, args: &LogOut) -> Outcome {
    let login = named_login(ctx, &args.target)?;
    if args.here {
        if !logins::forget(&login)? {
            return Err(no_key(&login));
        }
        return logged_out(
            ctx,
            &login,
            false,
            "but the server still knows it: `sealift key remove` from elsewhere ends that",
        );
    }
    let key = logins::key_of(&login)?.ok_or_else(|| no_key(&login))?;
    let fingerprint = key.public().fingerprint();
    let keys = vec![key];
    let gone = match ctx.connect_with(&login, Some(Credential::Keys(keys.clone()))).await {
        Ok(Connected { mut client, .. }) => client.revoke(login.name(), Present::Keys(keys), &fingerprint).await,
        Err(Failure::Error { error, .. }) => Err(error),
        Err(shown) => return Err(shown),
    };
    let (on_server, rest) = match gone {
        Ok(()) => (true, "and the server too"),
        Err(error) => match error.kind() {
            Kind::NotFound => (true, "which the server did not know any more"),
            // It is removed there, or bounded, or the administrator lets nobody use such keys now: the answers are the same.
            Kind::LoginFailed => {
                (false, "which the server did not know any more, or does not let in from here as it is now")
            }
            // What the administrator gave, only the administrator takes.
            Kind::Denied => (false, "but the server's administrator gave it, and the server still knows it"),
            _ => {
                let hint = format!(
                    "Nothing was changed. `sealift logout --here {login}` forgets the key on this machine; the server would still accept it."
                );
                return Err(Failure::Error { error, hint: Some(hint) });
            }
        },
    };
    logins::forget(&login)?;
    logged_out(ctx, &login, on_server, rest)
}

fn logged_out(ctx: &Context, login: &Login, on_server: bool, rest: &str) -> Outcome {
    let object = || {
        let object = Object::of(Event::LoggedOut).text("user", login.name()).text("server", &login.server);
        object.value("revoked", on_server)
    };
    if !ctx.out.json(object)? {
        ctx.out.note(&format!("This machine has forgotten its key of {login}, {rest}."));
    }
    Ok(())
}

fn no_key(login: &Login) -> Failure {
    let text = format!("this machine has no key of its own for {login}");
    let hint = format!("`sealift login` makes one; `sealift key list {login}` shows all that log in there.");
    Failure::new(Kind::NotFound, text, hint)
}

/// Who is to log in there, who has to be named: nobody is anonymous.
///
/// # Errors
/// As [`Context::login_for`]; [`Kind::Usage`] if nobody is named.
pub fn named_login(ctx: &Context, target: &OsString) -> Outcome<Login> {
    let login = ctx.login_for(&ctx.target(target)?)?;
    if login.user.is_none() {
        let hint = format!("Write who you are there, as in alice@{}.", login.server);
        return Err(Failure::new(Kind::Usage, "anonymous has no keys and no links", hint));
    }
    Ok(login)
}
