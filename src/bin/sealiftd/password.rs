//! Asking for a new password.

use std::io::{self, BufRead as _, Read as _};

use sealift::Error;
use sealift::auth::{PasswordRule, Secret};
use sealift::limits::PASSWORD_MAX;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::user_args::PasswordArgs;

/// A new password for `user`: the first line of standard input, or typed twice without being shown.
///
/// # Errors
/// Usage: an empty or too long one, one that the rule refuses, two that differ, or nobody to ask.
pub fn new(user: &str, args: &PasswordArgs, rule: PasswordRule) -> Result<Secret, Failure> {
    let password = if args.password_stdin { from_stdin()? } else { from_terminal(user)? };
    if password.expose().is_empty() {
        return Err(Failure::usage("the password is empty").hint(how_long(rule)));
    }
    rule.check(user, &password).map_err(|why| Failure::usage(why).hint(how_long(rule)))?;
    if password.expose().len() > PASSWORD_MAX {
        return Err(
            Failure::usage(format!("the password is longer than {PASSWORD_MAX} bytes")).hint("Choose a shorter one.")
        );
    }
    Ok(password)
}

fn how_long(rule: PasswordRule) -> String {
    format!(
        "Give one of at least {} characters; min_password under [defaults] of the users file says how many it takes.",
        rule.min()
    )
}

fn from_stdin() -> Result<Secret, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_MAX + 2));
    let mut limited = io::stdin().lock().take(PASSWORD_MAX as u64 + 2);
    limited.read_until(b'\n', &mut line).map_err(|err| Error::file("standard input", err))?;
    let text = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(Secret::new(text.strip_suffix(b"\r").unwrap_or(text)))
}

fn from_terminal(user: &str) -> Result<Secret, Failure> {
    let first = ask(&format!("New password for {user}: "))?;
    let second = ask("The same again: ")?;
    if first.expose() != second.expose() {
        return Err(Failure::usage("the two passwords differ").hint("Run the command again."));
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    rpassword::prompt_password(prompt).map(Secret::new).map_err(|_| {
        Failure::usage("there is no terminal to ask for the password on")
            .hint("Give the password on standard input, with --password-stdin.")
    })
}
