//! Commands that take a new password where no terminal asks for one: one line is enough where a key logs in.

use sealift::escape::for_people;
use sealift::secret::Secret;

use crate::context::{Connected, Context};
use crate::failure::Outcome;
use crate::identity::Credential;
use crate::login::Login;
use crate::logins;
use crate::password::Passwords;

/// Connects as [`Context::connect`] does; where one line alone was given to this command, by the key that `sealift login` made for
/// there, if there is one: a line for the login would be followed by another one.
///
/// # Errors
/// As [`Context::connect`].
pub async fn connect(ctx: &Context, login: &Login) -> Outcome<Connected> {
    let has_other_keys = !ctx.common.identity.is_empty() || login.settings.identity.is_some();
    if has_other_keys || !Passwords::is_of_command(&ctx.common) {
        return ctx.connect(login).await;
    }
    let own = logins::key_of(login).unwrap_or_else(|err| {
        ctx.out.step(&format!("not used: {}", for_people(err.text().as_bytes())));
        None
    });
    match own {
        Some(own) if ctx.given_password()?.is_some() && ctx.is_last_password()? => {
            ctx.connect_with(login, Some(Credential::Keys(vec![own]))).await
        }
        _ => ctx.connect(login).await,
    }
}

/// The one line that was given to this command, where a key has logged in: the new password.
///
/// # Errors
/// If it was to be read and could not be.
pub fn given(ctx: &Context, credential: &Credential) -> Outcome<Option<Secret>> {
    let by_key = matches!(credential, Credential::Keys(_));
    match ctx.given_password()? {
        Some(only) if by_key && ctx.is_last_password()? => Ok(Some(only)),
        _ => Ok(None),
    }
}
