//! `passwd`: another password of one's own.

use std::ffi::OsString;

use clap::Args;
use sealift::client::Present;
use sealift::proto::Feature;
use sealift::{Client, Exit, Kind};

use super::one_line;
use crate::context::{Connected, Context};
use crate::failure::{Failure, Outcome};
use crate::identity::Credential;
use crate::login::Login;
use crate::output::{Event, Object};
use crate::password::{self, Passwords};

/// What is read of standard input or of a file.
const LINES: &str = "Two lines are read: the present password, and below it the new one; one line, the new one, where a key logs in that \
                     `sealift login` made or -i names.";

/// Change your password on a server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift passwd alice@files.example
  printf '%s\\n' \"$OLD\" \"$NEW\" | sealift passwd --password-stdin alice@files.example

It asks for the present password, unless a key of yours logs in, then twice for the new one. With --password-stdin the first line of \
standard input is the present one and the second line the new one; with --password-file the first two lines of the file. One line alone is the new \
one, where a key logs in that `sealift login` made or -i names. Your other sessions there that were opened with a password end. A password that the server's administrator sets \
later (`sealiftd user passwd`) replaces yours, and the administrator may forbid users to choose one at all.")]
pub struct Passwd {
    /// You on the server: user@host[:port]
    #[arg(value_name = "TARGET")]
    pub target: OsString,
}

/// Runs the command.
///
/// # Errors
/// As [`Context::connect`] and [`sealift::Client::change_password`].
pub async fn run(ctx: &Context, args: &Passwd) -> Outcome {
    let login = ctx.login_for(&ctx.target(&args.target)?)?;
    if login.user.is_none() {
        let hint = format!("Write who you are there, as in alice@{}.", login.server);
        return Err(Failure::new(Kind::Usage, "anonymous has no password to change", hint));
    }
    let of_command = Passwords::is_of_command(&ctx.common);
    let connected = one_line::connect(ctx, &login).await.map_err(|failure| match failure {
        // Perhaps it was meant to be the new one.
        Failure::Error { error, .. } if of_command && error.kind() == Kind::LoginFailed => {
            Failure::Error { error, hint: Some(LINES.to_owned()) }
        }
        other => other,
    });
    let Connected { mut client, credential, .. } = connected?;
    let by_key = matches!(credential, Credential::Keys(_));
    let least = client.greeted().password_min;
    let (present, mut new) = match one_line::given(ctx, &credential)? {
        // A key proves the rest.
        Some(only) => (credential.present(), Passwords::judge(only, least).map_err(still_counts)?),
        None => {
            let present = match ctx.given_password()? {
                Some(password) if by_key => Present::Password(password),
                // An older server takes a password alone.
                None if by_key && !client.features().has(Feature::Enrol) => {
                    Present::Password(password::ask(&login.to_string(), false)?)
                }
                _ => {
                    if by_key {
                        ctx.out.note(
                            "The present password is not asked for: the key that has logged you in proves who you are.",
                        );
                    }
                    credential.present()
                }
            };
            let new = ctx.new_password(&login.to_string(), least).map_err(still_counts);
            let new = new.map_err(|failure| match of_command {
                true => failure.hinted(Kind::Usage, || LINES.to_owned()),
                false => failure,
            })?;
            (present, new)
        }
    };
    let mut keys = 0;
    let changed = loop {
        match client.change_password(login.name(), present.clone(), new.clone()).await {
            Err(error) if client.is_usable() && password::is_asked_again(&error, ctx) => {
                new = ctx.new_password(&login.to_string(), least)?;
            }
            changed => break changed,
        }
    };
    match changed {
        Ok(()) => {
            ctx.out.step_ids("answered", &client);
            password::warn_of_short(&new, password::LONGER, ctx.out);
            keys = enrolled(&mut client).await;
            ctx.hang_up(client).await;
        }
        // It may have been done all the same.
        Err(error) if error.exit() == Exit::Network => {
            match ctx.connect_with(&login, Some(Credential::Password(new))).await {
                Ok(again) => ctx.hang_up(again.client).await,
                Err(failure) if failure.kind() == Some(Kind::LoginFailed) => {
                    let hint = "The connection was lost before it was done: the old password still counts. Try again.";
                    return Err(Failure::Error { error, hint: Some(hint.to_owned()) });
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(error) => {
            let longer = || "Choose another one; the old password still counts.".to_owned();
            let failure = Failure::from(error).about(&login.to_string()).hinted(Kind::Denied, || denied(&login));
            return Err(failure.hinted(Kind::BadCommand, longer));
        }
    }
    let object = || Object::of(Event::PasswordChanged).text("user", login.name()).text("server", &login.server);
    if !ctx.out.json(object)? {
        ctx.out.note(&format!(
            "The password of {login} is changed; other sessions of {} that were opened with a password end.",
            login.name()
        ));
        if keys > 0 {
            let them = if keys == 1 {
                "A key that you enrolled logs".to_owned()
            } else {
                format!("{keys} keys that you enrolled log")
            };
            ctx.out.note(&format!("{them} in as before: `sealift key list {login}`."));
        }
    }
    Ok(())
}

/// What is too short changes nothing.
fn still_counts(failure: Failure) -> Failure {
    password::hint_if_short(failure, "Choose a longer one; the old password still counts.")
}

/// How many keys the user enrolled, which a password does not change.
async fn enrolled(client: &mut Client) -> usize {
    if !client.features().has(Feature::Enrol) {
        return 0;
    }
    // That there are some is good to know, and no reason to fail.
    client.keys().await.map_or(0, |keys| keys.iter().filter(|key| key.added.is_some()).count())
}

fn denied(login: &Login) -> String {
    format!("Ask the administrator of {} for another password.", login.server)
}
