//! Where a password comes from. Never the command line: every user of the machine can read that.

use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sealift::escape::for_people;
use sealift::secret::Secret;
use sealift::{Error, Kind, Result, limits};

use super::args::Common;
use super::ask;
use super::context::Context;
use super::failure::{Failure, Outcome};
use super::output::Output;

/// The variable that names a file with a password.
const PASSWORD_FILE: &str = "SEALIFT_PASSWORD_FILE";

/// The variable with a password in it.
const PASSWORD: &str = "SEALIFT_PASSWORD";

/// Finds passwords. What came from a file, standard input or the environment is read once and used for every server.
#[derive(Debug, Default)]
pub struct Passwords {
    given: Option<Secret>,
    /// What is behind the first line of `--password-file`.
    file: Option<BufReader<File>>,
}

impl Passwords {
    /// The password that was given beforehand, if one was: `--password-stdin`, `--password-file`,
    /// `SEALIFT_PASSWORD_FILE`, `SEALIFT_PASSWORD`, in this order.
    ///
    /// # Errors
    /// If the source named cannot be read or holds no password.
    pub fn given(&mut self, common: &Common, out: Output) -> Outcome<Option<Secret>> {
        if self.given.is_none() {
            self.given = if common.password_stdin {
                Some(first_line(&mut io::stdin().lock(), "standard input")?)
            } else if let Some(file) = &common.password_file {
                Some(self.next_of(file, out)?)
            } else if let Some(file) = env::var_os(PASSWORD_FILE).filter(|file| !file.is_empty()) {
                if env::var_os(PASSWORD).is_some_and(|password| !password.is_empty()) {
                    let file = sealift::escape::for_people(file.as_encoded_bytes());
                    out.warn(&format!("{PASSWORD_FILE} and {PASSWORD} are both set: the password in {file} counts"));
                }
                Some(from_file(Path::new(&file), out)?)
            } else {
                // An empty one is what is left of a secret that is not set, and no password.
                let password = env::var_os(PASSWORD).filter(|password| !password.is_empty());
                password.map(|password| Secret::new(password.into_vec()))
            };
        }
        Ok(self.given.clone())
    }

    /// Where this password came from, for people, if it is the one that was given beforehand.
    pub fn source(&self, password: &Secret, common: &Common) -> Option<&'static str> {
        self.given.as_ref().filter(|given| given.expose() == password.expose())?;
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        Some(match common {
            Common { password_stdin: true, .. } => "standard input",
            Common { password_file: Some(_), .. } => "--password-file",
            _ if is_set(PASSWORD_FILE) => PASSWORD_FILE,
            _ => PASSWORD,
        })
    }

    /// Whether a password that was given was given to this command, and not to all that run in this environment.
    pub fn is_of_command(common: &Common) -> bool {
        common.password_stdin || common.password_file.is_some()
    }

    /// A new password of so many characters at least for somebody: the next line of standard input with `--password-stdin`, the next one
    /// of the file with `--password-file`, else typed twice at the terminal.
    ///
    /// # Errors
    /// Usage: an empty, too short or too long one, or nobody to ask.
    pub fn choose(&mut self, who: &str, least: usize, common: &Common, out: Output) -> Outcome<Secret> {
        let password = match &common.password_file {
            _ if common.password_stdin => first_line(&mut io::stdin().lock(), "standard input")?,
            Some(file) => self.next_of(file, out)?,
            None => choose_at_terminal(who, least, out)?,
        };
        Self::judge(password, least)
    }

    /// Whether nothing comes behind the password that was given to this command.
    ///
    /// # Errors
    /// Those of the file or of standard input.
    pub fn is_last(&mut self, common: &Common) -> Result<bool> {
        let (rest, name) = match &mut self.file {
            _ if common.password_stdin => (io::stdin().lock().fill_buf().map(<[u8]>::is_empty), "standard input"),
            Some(file) => (file.fill_buf().map(<[u8]>::is_empty), "the password file"),
            None => return Ok(false),
        };
        rest.map_err(|err| Error::file(name, err))
    }

    /// This new password, unless it has fewer than so many characters.
    ///
    /// # Errors
    /// Usage.
    pub fn judge(password: Secret, least: usize) -> Outcome<Secret> {
        match characters(&password) < least {
            true => Err(Failure::new(
                Kind::Usage,
                format!("the new password has fewer than {least} characters"),
                "Choose a longer one.",
            )),
            false => Ok(password),
        }
    }

    /// The next line of a file that is read from its beginning.
    fn next_of(&mut self, path: &Path, out: Output) -> Result<Secret> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open(path, out)?,
        };
        first_line(self.file.insert(file), &path.display().to_string())
    }
}

/// A failure with this hint, if it is that of a new password which was found too short here.
pub fn hint_if_short(failure: Failure, hint: &str) -> Failure {
    match failure {
        Failure::Error { error, .. } if error.text().starts_with("the new password has fewer than ") => {
            Failure::Error { error, hint: Some(hint.to_owned()) }
        }
        other => other,
    }
}

/// Warns of a short password that counts from now on, which not every server refuses; `longer` says how to get a longer one.
pub fn warn_of_short(password: &Secret, longer: &str, out: Output) {
    if characters(password) < limits::PASSWORD_MIN_USUAL {
        out.warn(&format!("a password of so few characters is easily guessed; {longer}"));
    }
}

fn characters(password: &Secret) -> usize {
    String::from_utf8_lossy(password.expose()).chars().count()
}

/// What to do about a short password of an account.
pub const LONGER: &str = "`sealift passwd` gives a longer one";

/// What to do about a key that logs in no more.
pub const NO_KEY: &str = "If this key has logged in before, ask the administrator: the user may be disabled, have expired, or log in from other \
     networks alone, or the key was taken away.";

/// What to do about a password that is right and logs in no more.
pub const KEPT_OUT: &str =
    "If it is right, ask the administrator: a user may be disabled, have expired, or log in from other networks alone.";

/// Asks at the terminal. `has_keys`: some were refused before.
///
/// # Errors
/// [`Kind::LoginFailed`] with the other ways if there is no terminal.
pub fn ask(who: &str, has_keys: bool) -> Outcome<Secret> {
    ask_or(&format!("Password for {who}: "), || {
        Failure::new(
            Kind::LoginFailed,
            format!("{who} needs a password, and there is no terminal to ask on"),
            format!(
                "`sealift login {who}`, typed once, makes this machine log in with a key of its own from then on; otherwise give the password by \
                 --password-file, --password-stdin, SEALIFT_PASSWORD_FILE or SEALIFT_PASSWORD.{}",
                if has_keys { format!(" {NO_KEY}") } else { String::new() }
            ),
        )
    })
}

/// Asks this at the terminal.
///
/// # Errors
/// What `nobody` says if there is no terminal.
pub fn ask_or(question: &str, nobody: impl FnOnce() -> Failure) -> Outcome<Secret> {
    ask::password(question)?.ok_or_else(nobody)
}

/// Whether the new password that a server refuses for what it is was typed, so that another one is asked for. Then it is said why: the
/// server alone knows all that it refuses.
pub fn is_asked_again(error: &Error, ctx: &Context) -> bool {
    let is_typed = !Passwords::is_of_command(&ctx.common);
    let is_its_rule = error.kind() == Kind::BadCommand && error.text().contains("the new password ");
    if is_typed && is_its_rule {
        ctx.out.note(&format!("The server refuses it: {}; try again.", for_people(error.text().as_bytes())));
    }
    is_typed && is_its_rule
}

fn choose_at_terminal(who: &str, least: usize, out: Output) -> Outcome<Secret> {
    let ask = |question: &str| {
        ask::password(question)?.ok_or_else(|| {
            let text = "there is no terminal to ask for the new password on";
            Failure::new(Kind::Usage, text, "Give it on standard input, with --password-stdin.")
        })
    };
    let question = format!("New password for {who}: ");
    for _ in 0..limits::LOGIN_FAILURES_MAX {
        let first = ask(&question)?;
        match first.expose().len() {
            0 => out.note("It must not be empty; try again."),
            _ if characters(&first) < least => {
                out.note(&format!("It has fewer than {least} characters; try again."));
            }
            n if n > limits::PASSWORD_MAX => {
                out.note(&format!("It is longer than {} bytes; try again.", limits::PASSWORD_MAX));
            }
            _ if ask("The same again: ")?.expose() == first.expose() => return Ok(first),
            _ => out.note("The two differ; try again."),
        }
    }
    Err(Failure::new(Kind::Usage, "no new password was given", "Run the command again."))
}

fn from_file(path: &Path, out: Output) -> Result<Secret> {
    first_line(&mut open(path, out)?, &path.display().to_string())
}

fn open(path: &Path, out: Output) -> Result<BufReader<File>> {
    let failed = |err| Error::file(path.display(), err);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // A pipe, as in `--password-file <(pass show sealift)`, has no readers to warn about.
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        let shown = sealift::escape::for_people(path.as_os_str().as_encoded_bytes());
        out.warn(&format!("other users can read the password in {shown}; `chmod 600` mends that"));
    }
    // What a buffer holds is wiped by nobody: it has room for one byte.
    Ok(BufReader::with_capacity(1, file))
}

/// The first line without its ending. Nothing past that line is taken, so that what follows it can be read later.
fn first_line(from: &mut impl BufRead, name: &str) -> Result<Secret> {
    let mut line = Vec::new();
    // One more than a password and its ending may have: enough to see that it is too long.
    let bound = limits::PASSWORD_MAX as u64 + 3;
    from.take(bound).read_until(b'\n', &mut line).map_err(|err| Error::file(name, err))?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    let length = line.len();
    let secret = Secret::new(line);
    match length {
        0 => Err(Error::new(Kind::Usage, format!("{name} holds no password where one is looked for"))),
        _ if length > limits::PASSWORD_MAX => Err(Error::new(
            Kind::Usage,
            format!("the password in {name} is longer than {} bytes", limits::PASSWORD_MAX),
        )),
        _ => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_no_more_is_taken() {
        for (text, password, rest) in [
            ("secret", "secret", ""),
            ("secret\n", "secret", ""),
            (" two words \r\nls\n", " two words ", "ls\n"),
            ("a\r", "a\r", ""),
        ] {
            let mut input = text.as_bytes();
            assert_eq!(first_line(&mut input, "x").unwrap().expose(), password.as_bytes());
            assert_eq!(input, rest.as_bytes());
        }
    }

    #[test]
    fn no_password_and_one_that_is_too_long_are_refused() {
        for bad in [String::new(), "\n".into(), "a".repeat(limits::PASSWORD_MAX + 1), "a".repeat(1 << 20)] {
            assert_eq!(first_line(&mut bad.as_bytes(), "x").unwrap_err().kind(), Kind::Usage);
        }
        assert!(first_line(&mut format!("{}\r\n", "a".repeat(limits::PASSWORD_MAX)).as_bytes(), "x").is_ok());
    }
}
