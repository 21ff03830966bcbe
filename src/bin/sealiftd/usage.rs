//! A command line that cannot be carried out, in our words: what is wrong, without a word that may be a secret.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use sealift::stray_secrets::{Stray, is_like_a_command, without_user};

use crate::args::Cli;
use crate::failure::Failure;
use crate::habits;

/// A secret that does not belong on this command line. None does.
///
/// # Errors
/// That, without the secret.
pub fn refuse_secrets(words: &[OsString]) -> Result<(), Failure> {
    match Stray::among(words.iter().skip(1)) {
        Some(stray) => Err(Failure::usage(stray.text()).hint(match stray {
            // Nothing here is asked of a person, and passwords are not what a storage is told.
            Stray::Password => {
                "Leave it out, with everything before the @: keys of a storage are given in a file (--store-keys) or in the environment. Others on this machine can read a command line."
            }
            _ => stray.next_step(),
        })),
        None => Ok(()),
    }
}

/// A name that a user is to be given: behind a colon somebody wrote her password, as `chpasswd` reads it, and she could not log
/// in with a colon in her name either.
///
/// # Errors
/// That, without the name.
pub fn refuse_password_in_name(name: &str) -> Result<(), Failure> {
    match name.contains(':') {
        true => Err(Failure::usage("a user's name has no colon")
            .hint("Name the user alone: the password is asked for, or read from standard input by --password-stdin.")),
        false => Ok(()),
    }
}

/// What clap finds wrong.
pub fn explain(err: &clap::Error) -> Failure {
    let text = |kind| match err.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let rendered = err.render().to_string();
    let usage = rendered.lines().find_map(|line| line.strip_prefix("Usage: ")).map(one_line);
    let how = match &usage {
        Some(usage) => format!("It is written like this: {usage}"),
        None => "--help shows how it is written.".to_owned(),
    };
    let near = |kind| match err.get(kind) {
        Some(ContextValue::String(name)) => Some(format!("Did you mean `{}`? ", listed(name))),
        Some(ContextValue::Strings(names)) => names.first().map(|name| format!("Did you mean `{}`? ", listed(name))),
        _ => None,
    };
    match err.kind() {
        ErrorKind::InvalidSubcommand => {
            // Anything that is not written as commands are may be a password.
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            let shown = if is_like_a_command(typed) { format!("`{typed}`") } else { "that".to_owned() };
            // By whatever name the program is called.
            let above = usage.as_ref().and_then(|usage| usage.split(' ').nth(1)).unwrap_or_default();
            let meant = match above.starts_with('[') {
                true => habits::meant(typed),
                false => habits::meant_below(above, typed),
            };
            if let Some(hint) = meant {
                return Failure::usage(format!("{shown} is no command")).hint(hint);
            }
            let near = near(ContextKind::SuggestedSubcommand).unwrap_or_default();
            Failure::usage(format!("{shown} is no command")).hint(format!("{near}{how}"))
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg).unwrap_or_default();
            let option = typed.split('=').next().unwrap_or(typed);
            if !option.starts_with('-') {
                return Failure::usage("there are too many arguments").hint(format!("{}{how}", surplus(typed, &how)));
            }
            let is_of_set = how.contains("sealiftd user set ");
            let hint = match option {
                "--password" | "--pass" | "--passwd" | "--password-file" | "--password-stdin" | "-p" if is_of_set => {
                    "`sealiftd user passwd NAME` gives a user another password: it is asked for, or read from standard input by \
                     --password-stdin."
                        .to_owned()
                }
                "--disable" | "--disabled" | "--enable" | "--lock" | "--unlock" if is_of_set => {
                    "--enabled no keeps the user out and ends open sessions, --enabled yes lets the user in again.".to_owned()
                }
                "--password" | "--pass" | "--passwd" | "--password-file" | "-p" => format!(
                    "A password is never given on a command line: it is asked for, or read from standard input by --password-stdin. {how}"
                ),
                "--access" | "--without" if how.contains("sealiftd folder remove ") => TAKEN_FROM.trim_end().to_owned(),
                "--port" | "--host" | "--bind" | "--address" | "--addr" | "--ip" => {
                    format!("Address and port are one option, such as --listen 127.0.0.1:4456. {how}")
                }
                _ => format!("{}{how}", near(ContextKind::SuggestedArg).unwrap_or_default()),
            };
            Failure::usage(format!("`{option}` is no option here")).hint(hint)
        }
        _ => Failure::usage(told(err)).hint(how),
    }
}

/// How somebody loses a shared folder that stays.
const TAKEN_FROM: &str =
    "`sealiftd folder set NAME --without WHO` takes a folder from somebody; this removes it for all. ";

/// What to do about an argument too many of a command that is written so; empty if nobody knows.
fn surplus(typed: &str, how: &str) -> &'static str {
    let unit = typed.to_ascii_lowercase();
    let is_unit = matches!(unit.trim_end_matches('b').trim_end_matches('i'), "k" | "m" | "g" | "t")
        || matches!(unit.as_str(), "b" | "bytes");
    match how {
        _ if is_unit => "A number and its unit are one word, such as 10GB. ",
        how if how.contains("sealiftd group remove ") => {
            "`sealiftd group set NAME --remove MEMBER` takes somebody out of a group; this removes the group. "
        }
        how if how.contains("sealiftd folder remove ") => TAKEN_FROM,
        how if ["user add ", "user set ", "user passwd ", "invite "].iter().any(|command| how.contains(command)) => {
            "The password is asked for, and never given on the command line. "
        }
        _ => "",
    }
}

/// What clap finds wrong with a value, in one line, without what of the value may be a secret.
pub fn told(err: &clap::Error) -> String {
    let rendered = err.render().to_string();
    let told = rendered.trim_start().trim_start_matches("error:");
    let told = match err.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => match without_user(value) {
            Some(shown) => told.replace(value, &shown),
            None => told.to_owned(),
        },
        _ => told.to_owned(),
    };
    let told = told.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    // What reads times says what it could not read, and not how one is written.
    let is_time =
        matches!(err.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.ends_with("<TIME>"));
    match is_time && err.kind() == ErrorKind::ValueValidation {
        true => format!("{told}; write a time, such as 30s or 5m"),
        false => told,
    }
}

/// A command by the name that help lists it under.
fn listed(name: &str) -> String {
    fn find(command: &clap::Command, name: &str) -> Option<String> {
        let is_it = |inner: &&clap::Command| inner.get_all_aliases().any(|alias| alias == name);
        let here = command.get_subcommands().find(is_it).map(|inner| inner.get_name().to_owned());
        here.or_else(|| command.get_subcommands().find_map(|inner| find(inner, name)))
    }
    find(&Cli::command(), name).unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for line in [
            "user add alice canary",
            "user add alice --password canary",
            "user add alice --password=canary",
            "user passwd alice canary",
            "user key remove alice laptop canary",
            "invite alice canary",
            "canary2",
            "user canary:x",
        ] {
            let words = ["sealiftd"].into_iter().chain(line.split(' '));
            let failure = explain(&Cli::command().try_get_matches_from(words).unwrap_err());
            assert!(!format!("{failure:?}").contains("canary"), "{line}: {failure:?}");
        }
        assert!(
            refuse_password_in_name("alice:canary").is_err_and(|failure| !format!("{failure:?}").contains("canary"))
        );
    }

    #[test]
    fn nobody_is_told_of_a_command_for_another_one_that_is_not_there() {
        let err = Cli::command().try_get_matches_from(["sealiftd", "user", "rename", "a", "b"]).unwrap_err();
        let failure = format!("{:?}", explain(&err));
        assert!(failure.contains("sealiftd user add NEW --home OLD") && !failure.contains("Did you mean"), "{failure}");
    }

    #[test]
    fn words_of_other_programs_are_led_to_ours_and_those_of_our_commands_are_left_to_them() {
        for (line, meant) in [
            ("users", "`sealiftd user list`"),
            ("adduser bob", "`sealiftd user add NAME`"),
            ("useradd -m bob", "`sealiftd user add NAME`"),
            ("passwd alice", "`sealiftd user passwd NAME`"),
            ("status", "`systemctl status sealiftd`"),
            ("who", "`sealift who ADMIN@HOST`"),
            ("stop", "`systemctl stop sealiftd`"),
            ("user users", "It is written like this: sealiftd user "),
            ("ls", "`sealiftd folder list`"),
            ("disable alice", "`sealiftd user set NAME --enabled no`"),
            ("user disable alice", "`sealiftd user set NAME --enabled no`"),
            ("user lock alice", "`sealiftd user set NAME --enabled no`"),
            ("user enable alice", "`sealiftd user set NAME --enabled yes`"),
            ("user invite bob", "`sealiftd invite NAME`"),
            ("user quota alice 5G", "`sealiftd user set NAME`"),
            ("group join editors alice", "`sealiftd group set NAME --add MEMBER`"),
            ("folder grant docs alice", "`sealiftd folder set NAME --access WHO=RIGHTS`"),
            ("folder lock docs", "It is written like this: sealiftd folder "),
            ("user set alice --disabled", "--enabled no keeps the user out"),
            ("user set alice --password-stdin", "`sealiftd user passwd NAME`"),
            ("user set alice --access rw", "Did you mean full?"),
            ("folder add docs --access alice=ro", "Did you mean read?"),
        ] {
            let words = ["sealiftd"].into_iter().chain(line.split(' '));
            let failure = explain(&Cli::command().try_get_matches_from(words).unwrap_err());
            assert!(format!("{failure:?}").contains(meant), "{line}: {failure:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_answered_by_what_it_may_have_been() {
        for (line, meant) in [
            ("user set alice --quota 10 GB", "such as 10GB"),
            ("user add alice canary", "password is asked for"),
            ("user list alice", "too many arguments"),
            ("group remove office carla", "--remove MEMBER"),
            ("folder remove drop alice", "--without WHO"),
            ("folder remove drop --access alice=none", "--without WHO"),
            ("user disable alice", "--enabled no"),
            ("user unlock alice", "--enabled yes"),
            ("invite bob --expires never", "such as 12h or 7d"),
            ("invite bob --expires 7", "such as 12h or 7d"),
        ] {
            let words = ["sealiftd"].into_iter().chain(line.split(' '));
            let failure = format!("{:?}", explain(&Cli::command().try_get_matches_from(words).unwrap_err()));
            assert!(failure.contains(meant) && !failure.contains("--certs"), "{line}: {failure}");
            let asks = line.starts_with("user add");
            assert_eq!(failure.contains("password is asked for"), asks, "{line}: {failure}");
        }
    }

    #[test]
    fn mistyped_commands_and_options_are_guessed() {
        for (line, meant) in [
            ("usr list", "`user`"),
            ("user ad alice", "`add`"),
            ("user creat alice", "`add`"),
            ("--lisen x", "`--listen`"),
        ] {
            let words = ["sealiftd"].into_iter().chain(line.split(' '));
            let failure = explain(&Cli::command().try_get_matches_from(words).unwrap_err());
            assert!(format!("{failure:?}").contains(&format!("Did you mean {meant}?")), "{line}: {failure:?}");
        }
    }
}
