//! What somebody may have meant who mistyped a command or an option, or typed that of another program.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use sealift::Kind;
use sealift::stray_secrets::is_like_a_command;

use super::failure::Failure;
use super::habits::{COMMANDS, OPTIONS, SHELL_COMMANDS};

/// The commands behind which somebody may type a password.
const PASSWORDS: [&str; 6] = ["login", "logout", "passwd", "join", "open", "shell"];

/// Where something was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// On the command line of the program.
    Program,
    /// In the program's own shell.
    Shell,
}

impl Typed {
    /// How a command is written there, up to its name.
    const fn before(self) -> &'static str {
        match self {
            Typed::Program => "sealift ",
            Typed::Shell => "",
        }
    }
}

/// A mistake on a command line in our words; clap's own, but in our form, if there is nothing better.
pub fn explain(err: &clap::Error, words: &[OsString], definition: &Command, typed: Typed) -> Failure {
    better(err, words, definition, typed).unwrap_or_else(|| {
        let text = err.render().to_string();
        let told = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error:");
        Failure::new(Kind::Usage, one_line(told), how_it_is_written(&text, typed))
    })
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The hint of a mistake that is told in this text, which may have a usage in it.
fn how_it_is_written(text: &str, place: Typed) -> String {
    match text.lines().find_map(|line| line.strip_prefix("Usage: ")) {
        Some(usage) => format!("It is written like this: {}", one_line(usage)),
        None => format!("`{}help` shows how it is written.", place.before()),
    }
}

fn better(err: &clap::Error, words: &[OsString], definition: &Command, place: Typed) -> Option<Failure> {
    let text = |kind| match err.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let Some(failure) = link_with_more(err, words, definition, place) {
        return Some(failure);
    }
    match err.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::NoEquals => {
            let option = text(ContextKind::InvalidArg)?;
            let (_, names) = command_of(words, definition, "");
            let long = option.split(' ').next().unwrap_or(option).trim_start_matches('-');
            let is_common = definition
                .get_arguments()
                .any(|arg| arg.get_long() == Some(long) && arg.get_help_heading() == Some("Connection"));
            let page = match is_common {
                true => "sealift help connection".to_owned(),
                false if names.is_empty() => format!("{}help", place.before()),
                false => format!("{}{names} --help", place.before()),
            };
            // `-P` of rsync and rclone, which keep parts and show how far they are.
            let is_typed_from_habit = long == "port" && words.iter().any(|word| word.as_bytes().ends_with(b"-P"));
            let habit = match long {
                _ if is_typed_from_habit => {
                    "-P is the port here; progress is shown anyway, and -c resumes what was cut off. "
                }
                "progress" => "It is shown at a terminal anyway; the word behind --progress says how. ",
                "retry" => "It counts attempts, as in --retry 5; how long one may take is --timeout. ",
                _ => "",
            };
            let rendered = err.render().to_string();
            let told = rendered.split("\n\n").next().unwrap_or_default().trim_start_matches("error:");
            let told = one_line(told);
            // What a reader of numbers calls it, in words.
            let told = told.replace("invalid digit found in string", "it is no whole number");
            let told = told.replace("number too large to fit in target type", "it is too large");
            Some(Failure::new(Kind::Usage, told, format!("{habit}`{page}` says what it takes.")))
        }
        ErrorKind::MissingRequiredArgument => {
            let (_, names) = command_of(words, definition, "");
            let Some(ContextValue::Strings(missing)) = err.get(ContextKind::InvalidArg) else { return None };
            let told = format!("`{}{names}` needs {}", place.before(), missing.join(" "));
            Some(Failure::new(Kind::Usage, told, how_it_is_written(&err.render().to_string(), place)))
        }
        ErrorKind::TooFewValues => {
            let (_, names) = command_of(words, definition, "");
            let whole = format!("{}{names}", place.before());
            let told = format!("`{whole}` takes at least two names: the sources, and last the destination");
            Some(Failure::new(Kind::Usage, told, how_it_is_written(&err.render().to_string(), place)))
        }
        ErrorKind::InvalidSubcommand => {
            let name = text(ContextKind::InvalidSubcommand)?;
            let (command, _) = command_of(words, definition, name);
            Some(unknown_command(name, command, command.get_name() == definition.get_name(), place))
        }
        ErrorKind::UnknownArgument => {
            let typed = text(ContextKind::InvalidArg)?;
            let option = typed.split('=').next().unwrap_or(typed);
            let (command, names) = command_of(words, definition, typed);
            let whole = format!("{}{names}", place.before());
            let whole = if names.is_empty() { "sealift" } else { &whole };
            Some(if typed.starts_with('-') {
                long_with_one_hyphen(words, command).unwrap_or_else(|| unknown_option(option, command, whole, place))
            } else {
                // Not repeated: behind a user's name people type her password.
                let told = format!("`{whole}` does not take so many arguments");
                if names == "key new" {
                    let hint = "This only makes a key here. `sealift login USER@HOST` makes one and enrols it there.";
                    return Some(Failure::new(Kind::Usage, "`sealift key new` takes no server", hint));
                }
                let asked = PASSWORDS.iter().any(|name| names.split(' ').any(|part| part == *name));
                let hint = match asked {
                    true => {
                        "The user goes before the host, as in alice@HOST; the password is asked for, and never given on the command \
                         line. "
                    }
                    false => "",
                };
                Failure::new(Kind::Usage, told, format!("{hint}`{whole} --help` shows how it is written."))
            })
        }
        _ => None,
    }
}

/// `link` with more behind it than one target: what follows is not repeated, for it may be a password.
fn link_with_more(err: &clap::Error, words: &[OsString], definition: &Command, place: Typed) -> Option<Failure> {
    const REMOVE: [&str; 4] = ["rm", "del", "delete", "unlink"];
    let (link, names) = command_of(words, definition, "");
    let is_it = match err.kind() {
        ErrorKind::TooManyValues => true,
        ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => true,
        ErrorKind::UnknownArgument => {
            !matches!(err.get(ContextKind::InvalidArg), Some(ContextValue::String(typed)) if typed.starts_with('-'))
        }
        _ => false,
    };
    if names != "link" || !is_it {
        return None;
    }
    let whole = format!("{}link", place.before());
    if words
        .iter()
        .any(|word| word.to_str().is_some_and(|word| word == "--password" || word.starts_with("--password=")))
    {
        let hint = "Leave it out: the link's password is asked for. Without a terminal --password-stdin takes two lines, the \
                    password that you log in with and then the link's.";
        return Some(Failure::new(Kind::Usage, "`--password` takes no value", hint));
    }
    let behind = words.iter().skip_while(|word| *word != "link").skip(1).filter_map(|word| word.to_str());
    let first = behind.into_iter().find(|word| !word.starts_with('-')).unwrap_or_default();
    let meant = match first {
        "ls" | "show" => Some("list"),
        first if REMOVE.contains(&first) => Some("remove"),
        first => nearest(first, link.get_subcommands().flat_map(Command::get_name_and_visible_aliases)),
    };
    Some(match meant {
        Some(meant) => {
            let told = format!("`{first}` is no command of {whole}");
            Failure::new(Kind::Usage, told, format!("Did you mean `{whole} {meant}`?"))
        }
        None => {
            let hint = format!(
                "Make one for each, or one for a folder that contains them. `{whole} --help` shows how it is written."
            );
            Failure::new(Kind::Usage, format!("`{whole}` takes one target only"), hint)
        }
    })
}

/// The innermost command before this word, and how it is called: its name after those of the commands it is in.
fn command_of<'a>(words: &[OsString], definition: &'a Command, until: &str) -> (&'a Command, String) {
    let first = usize::from(!definition.is_multicall_set());
    let before = words.iter().skip(first).take_while(|word| **word != *until);
    let mut names = Vec::new();
    let command = before.fold(definition, |command, word| match command.find_subcommand(word) {
        Some(inner) => {
            names.push(inner.get_name());
            inner
        }
        None => command,
    });
    (command, names.join(" "))
}

/// `-name` and the like, of programs whose long options have one hyphen.
fn long_with_one_hyphen(words: &[OsString], command: &Command) -> Option<Failure> {
    let longs: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let long = words.iter().take_while(|word| *word != "--").find_map(|word| {
        let name = word.to_str()?.strip_prefix('-').filter(|name| name.len() > 2)?;
        longs.iter().find(|long| **long == name.split('=').next().unwrap_or(name))
    })?;
    Some(Failure::new(Kind::Usage, format!("`-{long}` has one hyphen"), format!("Here it is --{long}, with two.")))
}

fn unknown_command(name: &str, command: &Command, is_first: bool, place: Typed) -> Failure {
    let whole = match (place, is_first) {
        (Typed::Program, true) => "sealift".to_owned(),
        (Typed::Program, false) => format!("sealift {}", command.get_name()),
        (Typed::Shell, true) => "the shell".to_owned(),
        (Typed::Shell, false) => command.get_name().to_owned(),
    };
    let typed = name.to_ascii_lowercase();
    let of_others = if place == Typed::Shell { SHELL_COMMANDS } else { COMMANDS };
    let known = of_others.iter().find(|(names, _)| is_first && names.contains(&typed.as_str()));
    let names = || command.get_subcommands().flat_map(Command::get_name_and_visible_aliases);
    let hint = match (known, nearest(&typed, names().chain(["help"]))) {
        (Some((_, hint)), _) => (*hint).to_owned(),
        (None, Some(near)) if place == Typed::Shell && is_first => format!("Did you mean `{near}`?"),
        (None, Some(near)) => format!("Did you mean `{whole} {near}`?"),
        (None, None) if place == Typed::Shell => {
            "`help` shows all commands; `!` runs a program of this machine.".to_owned()
        }
        (None, None) => format!("`{whole} --help` shows all commands."),
    };
    // Anything else may be a password, or a line of a key, that was not asked for.
    let shown = if is_like_a_command(name) { format!("`{name}`") } else { "that".to_owned() };
    Failure::new(Kind::Usage, format!("{shown} is no command of {whole}"), hint)
}

fn unknown_option(option: &str, command: &Command, whole: &str, place: Typed) -> Failure {
    // What is said of all commands is about how a server is reached, which a command of the shell has nothing to do with.
    let fits = |commands: &[&str]| match commands.is_empty() {
        true => place == Typed::Program,
        false => commands.contains(&command.get_name()),
    };
    let known = OPTIONS.iter().find(|(names, commands, _)| names.contains(&option) && fits(commands));
    let name = option.strip_prefix("--");
    // Those that its help leaves to `sealift help connection` too.
    let own = command.get_arguments().filter_map(clap::Arg::get_long);
    let near = name.and_then(|name| nearest(name, own));
    let hint = match (known, near) {
        (Some((_, _, hint)), _) => (*hint).to_owned(),
        (None, Some(near)) => format!("Did you mean --{near}?"),
        (None, None) => {
            format!("`{whole} --help` shows all options. A name that begins with a hyphen comes after `--`.")
        }
    };
    Failure::new(Kind::Usage, format!("`{option}` is no option of `{whole}`"), hint)
}

/// The name that is so near to this one that it was probably meant: it begins with it, or few letters are wrong.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = match typed.chars().count() {
        0 | 1 => 0,
        2 | 3 => 1,
        4..8 => 2,
        _ => 3,
    };
    let rate = |name: &str| match strsim::damerau_levenshtein(typed, name) {
        // What was not typed to its end has no wrong letters.
        _ if typed.len() >= 3 && name.starts_with(typed) => Some(0),
        wrong => (wrong <= most).then_some(wrong),
    };
    let same = |name: &str| name.bytes().zip(typed.bytes()).take_while(|(one, other)| one == other).count();
    // Of what is equally near, that which begins alike, as far as a beginning of three letters says anything.
    let order = |wrong, name: &str| (wrong, Reverse(same(name).max(2)), name.len().abs_diff(typed.len()));
    let rated = names.filter_map(|name| rate(name).map(|wrong| (order(wrong, name), name)));
    rated.min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about this command line.
    fn said(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut definition = crate::help::whole();
        let err = definition.try_get_matches_from_mut(&words).unwrap_err();
        match explain(&err, &words, &definition, Typed::Program) {
            Failure::Error { error, hint } => format!("{}. {}", error.text(), hint.unwrap_or_default()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn mistyped_commands_are_guessed_right() {
        for (typed, meant) in [
            ("lss", "ls"),
            ("sl", "ls"),
            ("lst", "list"),
            ("gte", "get"),
            ("got", "get"),
            ("gett", "get"),
            ("putt", "put"),
            ("mirrror", "mirror"),
            ("miror", "mirror"),
            ("mirr", "mirror"),
            ("mkdri", "mkdir"),
            ("mkd", "mkdir"),
            ("stta", "stat"),
            ("stats", "stat"),
            ("statsu", "status"),
            ("hsah", "hash"),
            ("verfiy", "verify"),
            ("acept", "accept"),
            ("shel", "shell"),
            ("pign", "ping"),
            ("cta", "cat"),
            ("trsut", "trust"),
            ("shutdwon", "shutdown"),
            ("kik", "kick"),
            ("hlep", "help"),
            ("downlaod", "download"),
            ("uplaod", "upload"),
            ("delte", "delete"),
            ("fnid", "find"),
            ("tre", "tree"),
            ("completions", "completion"),
        ] {
            let said = said(&format!("sealift {typed} h"));
            assert!(said.ends_with(&format!("Did you mean `sealift {meant}`?")), "{typed}: {said}");
        }
        assert!(said("sealift frobnicate").ends_with("`sealift --help` shows all commands."));
        assert!(said("sealift mv a@h/x").starts_with("`sealift mv` takes at least two names"));
        assert!(said("sealift ls --port abc h").contains("it is no whole number"));
        assert!(said("sealift ls --retry 5s h").contains("It counts attempts"));
        assert!(said("sealift ls --recurse h").ends_with("Did you mean --recursive?"));
        assert!(said("sealift trust lsit").ends_with("Did you mean `sealift trust list`?"));
    }

    #[test]
    fn commands_of_other_programs_are_answered_with_ours() {
        for (typed, ours) in [
            ("sync", "mirror"),
            ("COPY", "get"),
            ("scp", "put"),
            ("mget", "get"),
            ("cd", "shell"),
            ("rmdir", "rm"),
            ("version", "--version"),
            ("undelete", "trash restore"),
            ("curl", "put FILE"),
            ("share", "link HOST/file"),
            ("ssh", "HOST"),
            ("tail", "cat HOST/file | less"),
            ("quit", "HOST"),
        ] {
            assert!(said(&format!("sealift {typed} a b")).contains(&format!("sealift {ours}")), "{typed}");
        }
        for (typed, meant) in [("user disable", "`sealiftd user`"), ("audit", "`sealiftd --help`")] {
            assert!(said(&format!("sealift {typed} bob")).contains(meant), "{typed}");
        }
        for same in ["dir", "del", "remove", "move", "rename", "send", "fetch", "connect", "sftp", "checksum", "md"] {
            assert!(crate::help::whole().find_subcommand(same).is_some(), "{same}");
        }
    }

    #[test]
    fn mistyped_options_are_guessed_right_and_those_of_others_answered() {
        for (line, meant) in [
            ("get --recurse h/x", "--recursive"),
            ("get --recursiv h/x", "--recursive"),
            ("mirror --delet a b", "--delete"),
            ("mirror --dryrun a b", "--dry-run"),
            ("mirror --exlude x a b", "--exclude"),
            ("ls --jsno h", "--json"),
            ("ls --revers h", "--reverse"),
            ("ls --prot 1 h", "--port"),
            ("get --steams 2 h/x", "--streams"),
            ("ls --passwordfile x h", "--password-file"),
            ("find -name x h", "--name"),
            ("find h -type f", "--type"),
            ("ls -p 4456 h", "-P 4456"),
            ("get -p h/x", "anyway"),
            ("ls -k h", "--pin"),
            ("get --password x h/x", "--password-file"),
            ("ls --user alice h", "alice@HOST"),
            ("mirror -a a b", "anyway"),
            ("get -o x h/x", "last"),
            ("put --no-clobber a h/", "--if-exists"),
            ("get -L h/x", "--links follow"),
            ("get -l h/x", "--links keep"),
            ("mirror -l h/x ./x", "--links keep"),
            ("put --backup a h/", "trash list"),
            ("du -k h", "--bytes"),
            ("-T a h", "put FILE"),
            ("ls -C h", "ls --help"),
        ] {
            let said = said(&format!("sealift {line}"));
            assert!(said.contains(meant), "{line}: {said}");
        }
    }

    #[test]
    fn a_password_that_was_typed_is_not_repeated() {
        for (line, meant) in [
            ("put -u a h/", "--update"),
            ("mirror -c ./a h/a", "--checksum"),
            ("mirror -L ./a h/a", "--links follow"),
            ("put --bwlimit 5m a h/", "--limit-rate"),
            ("put -P a h/", "-c resumes"),
            ("mirror --delete-after ./a h/a", "--delete removes"),
            ("put --delete -r a h/", "mirror --delete"),
            ("mirror -avz ./a h/a", "anyway"),
            ("put -z a h/", "compressed"),
            ("ls --timeout soon h", "sealift help connection"),
            ("put --if-exists x a h/", "sealift put --help"),
            ("key new carol@h", "sealift login"),
            ("link --password canary alice@h/f", "`--password` takes no value"),
            ("link alice@h/f --password canary", "`--password` takes no value"),
            ("link --password=canary alice@h/f", "`--password` takes no value"),
            ("link rm alice@h x", "Did you mean `sealift link remove`?"),
            ("link lst alice@h", "Did you mean `sealift link list`?"),
            ("link h/a h/b", "one target only"),
        ] {
            let said = said(&format!("sealift {line}"));
            assert!(said.contains(meant) && !said.contains("canary"), "{line}: {said}");
        }
        for line in [
            "ls --password=canary h",
            "login alice@h canary",
            "passwd alice@h canary",
            "key list alice@h canary",
            "df alice@h canary",
            "canary2",
        ] {
            assert!(!said(&format!("sealift {line}")).contains("canary"), "{line}");
        }
    }
}
