//! The first page of help: commands in groups, then examples that can be typed as they stand.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, CommandFactory as _};
use console::Term;
use sealift::Result;
use sealift::wrap::{fitted, page, width_of_page, wrap};

use super::args::Cli;
use super::output::stdout_failed;

const GROUPS: &[(&str, &[&str])] = &[
    (
        "Files",
        &[
            "ls", "tree", "du", "df", "find", "get", "put", "mirror", "cat", "rm", "mkdir", "mv", "cp", "stat", "hash",
            "verify", "accept", "link", "trash",
        ],
    ),
    (
        "Servers",
        &["shell", "ping", "health", "status", "login", "logout", "join", "passwd", "key", "trust", "bookmark"],
    ),
    ("Administrators", &["admin", "who", "kick", "shutdown"]),
    ("More", &["completion", "manual", "help"]),
];

const TARGETS: &str = "\
A TARGET is [user@]host[:port]/path, as in files.example/pub or alice@[::1]:5000/report.pdf. Without a user you are anonymous. \
The path starts in the user's own folder; sealift:// URLs are percent-decoded. A server that has a name (`sealift bookmark`) \
is NAME:path, as in work:reports/summer.pdf.

Several files can be named by wildcards, quoted so that your shell leaves them alone: * ? [a-z] [!a-z] {a,b}, and ** for \
any number of folders. Names that begin with a dot match only a pattern that begins with one. If there is a file of exactly the name that \
you typed, that is meant, and no pattern. After a backslash, and in a URL, a wildcard is an ordinary character. If nothing matches, \
the exit code is 3.

A server's key is checked before anything is sent, against --pin or the servers you trust (`sealift trust`).

SSH keys are used without asking: those of the agent (SSH_AUTH_SOCK), of ~/.ssh, and of `sealift key new`; -i names one. Otherwise the \
user's password is asked for on the terminal. Scripts give it by --password-file or --password-stdin, or in \
SEALIFT_PASSWORD_FILE or SEALIFT_PASSWORD; never on the command line.";

const EXAMPLES: &[(&str, &str)] = &[
    ("See what is there", "sealift ls files.example/"),
    (
        "Fetch a file, and a folder",
        "sealift get files.example/pub/report.pdf\nsealift get -r files.example/pub/photos .",
    ),
    ("Fetch everything that matches", "sealift get 'files.example/pub/*.pdf' papers/"),
    ("Send files, as alice", "sealift put *.pdf alice@files.example/reports/"),
    ("Stream through a pipe", "sealift cat files.example/pub/src.tar.gz | tar xz"),
    ("Trust a server in a script", "sealift --pin sha256//BASE64 --password-file pw ls alice@files.example/"),
];

const MORE: &str = "\
Environment:
  SEALIFT_CONFIG_DIR     the folder of known_servers and config.toml [default: $XDG_CONFIG_HOME/sealift, or ~/.config/sealift]
  SEALIFT_CONFIG         as --config
  SEALIFT_SYSTEM_KNOWN_SERVERS  keys that the machine's administrator vouches for [default: /etc/sealift/known_servers]
  SEALIFT_TRUST          as --trust
  SEALIFT_PORT           as --port
  SEALIFT_PASSWORD_FILE  as --password-file
  SEALIFT_PASSWORD       the password itself
  NO_COLOR               no colours";

/// In the order of three columns, read from the left to the right.
const EXIT_CODES: [&str; 13] = [
    "0 done",
    "4 login failed",
    "8 integrity failure",
    "1 other failure",
    "5 permission denied",
    "9 disk full or quota used up",
    "2 wrong usage",
    "6 network or time-out",
    "10 some files of several failed",
    "3 not found",
    "7 TLS or wrong key",
    "11 exists, or has changed",
    "130 interrupted",
];

/// The one rule of the commands that are about several things.
const EXIT_RULE: &str = "\
A command about one thing ends with the code of its failure.

A command about several things, or about everything in a folder (`get -r`, `put -r`, `mirror`, `cp -r`), does what can be \
done, names what failed, and ends with

  0   if nothing failed. What was the same already, or was left out on purpose, is no failure.
  the code of the failure, if everything failed in the same way and nothing is there: 5 if nothing may be stored, 9 if there is no room \
for any of it.
  10  if something failed and something else is there: moved by this command, or the same already. Also if several things failed in \
different ways, or if `mirror --delete` kept what it was to remove.

Folders alone do not count as there. A failure that ends the command at once has its own code, however much is there by then: 6 if the \
line is lost for good, 130 for Ctrl-C. `verify` ends with 8 if any file is rotten, `mirror --delete` with 11 if it refuses \
to begin. Whatever the code is, a file that has its name is whole and verified.

`sealift shell` in a script (-b, or from a pipe) counts each of its commands as one thing.";

/// The widest that help becomes.
const WIDTH: usize = 100;

const MORE_HELP: &str = "\
`sealift help COMMAND` shows a command's options and examples, `sealift help connection` the options about the server's \
key, the port, time-outs, the login and the output, `sealift help exit-codes` which exit code a script gets when.";

/// What every command's page says in place of the options that all of them share.
const CONNECTION_HELP: &str = "For every command: --json, -v, -q, and the other options of `sealift help connection`";

/// The headings of the options that stand in a page of their own.
const CONNECTION_HEADINGS: [&str; 2] = ["Connection", "Key and password"];

/// Options that few need: they stand in `sealift help COMMAND`, and not in the page of `--help`.
const RARE: [&str; 18] = [
    "nul",
    "include",
    "exclude-from",
    "min_size",
    "max_size",
    "min_age",
    "max_age",
    "checksum_file",
    "mode",
    "streams",
    "perms",
    "growing",
    "exactly",
    "files_from",
    "allow_empty_source",
    "checksum",
    "unsorted",
    "one",
];

/// Of these some are what a command is often used for.
const NOT_RARE: [(&str, &str); 1] = [("link", "max_size")];

/// A page of `--help` has no more lines than this: with the line that it was typed in, and the next one, it fits a screen of 30.
const SCREEN: usize = 28;

/// So many examples stand at most in a page that would be longer.
const FEW_EXAMPLES: usize = 3;

const CONNECTION_EXAMPLES: &str = "\
Examples:
  sealift --pin sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= ls files.example
  sealift put backup.tar alice@files.example/ --password-file ~/.alice --retry 100
  sealift bookmark add work alice@files.example:5000/reports   # to write them once";

/// The whole definition: with the first page of help put together from it, and the options about the connection in the
/// page of [`connection`] alone.
pub fn whole() -> clap::Command {
    laid_out(|_| true)
}

/// The definition for these words. The pages of commands that none of them names cannot be asked for, and are not laid out: that takes longer
/// than most commands do.
pub fn command(words: &[OsString]) -> clap::Command {
    let is_named = |command: &clap::Command| {
        let mut names = command.get_all_aliases().chain([command.get_name()]);
        names.any(|name| words.iter().any(|word| word == name))
    };
    laid_out(is_named)
}

fn laid_out(is_shown: impl Fn(&clap::Command) -> bool) -> clap::Command {
    let all = with_first_page();
    let shown = all.get_subcommands().filter(|command| is_shown(command));
    let names: Vec<String> = shown.map(|command| command.get_name().to_owned()).collect();
    let point_to_connection = |command: clap::Command| match command.get_name() {
        "completion" | "manual" => in_short(command),
        _ => {
            let after = command.get_after_help().map(|after| format!("{}\n\n", after.ansi())).unwrap_or_default();
            let whole = fitted(&format!("{after}{CONNECTION_HELP}"), width());
            let command = command.after_help(whole.clone()).after_long_help(whole);
            let command = with_fitted_usage(in_short(command), width());
            // As many of the examples as there is room for.
            let command = (1..=FEW_EXAMPLES).rev().fold(command, |command, most| match is_too_long(&command) {
                true => {
                    command.after_help(fitted(&format!("{}{CONNECTION_HELP}", few_examples(&after, most)), width()))
                }
                false => command,
            });
            // Those below it, such as `trust add`.
            command.mut_subcommands(|inner| match inner.get_after_help().map(|after| after.ansi().to_string()) {
                Some(after) => inner.after_help(fitted(&after, width())),
                None => inner,
            })
        }
    };
    let command = names.into_iter().fold(all, |all, name| all.mut_subcommand(name, point_to_connection));
    command.mut_args(|arg| match is_about_connection(&arg) {
        true => arg.hide(true),
        false => arg,
    })
}

/// A command whose usage is broken where words end, if it does not fit into one line.
fn with_fitted_usage(command: clap::Command, width: usize) -> clap::Command {
    const HEAD: &str = "Usage: ";
    let mut whole = command.clone().bin_name(format!("sealift {}", command.get_name()));
    let usage = whole.render_usage().to_string();
    if usage.lines().count() != 1 || usage.chars().count() <= width {
        return command;
    }
    let lines = wrap(&usage, width, HEAD.len());
    command.override_usage(lines.strip_prefix(HEAD).unwrap_or(&lines).to_owned())
}

/// Whether the page of `--help` does not fit a screen.
fn is_too_long(command: &clap::Command) -> bool {
    let mut page = command.clone().bin_name(format!("sealift {}", command.get_name())).max_term_width(WIDTH);
    page.render_help().to_string().trim_end().lines().count() > SCREEN
}

/// Of what stands behind the options, so many of the examples alone.
fn few_examples(after: &str, most: usize) -> String {
    let examples = after.split("\n\n").find(|paragraph| paragraph.starts_with("Example")).unwrap_or_default();
    let few: Vec<&str> = examples.lines().take(1 + most).collect();
    if few.is_empty() { String::new() } else { format!("{}\n\n", few.join("\n")) }
}

/// A command whose `--help` has a line or two for each option that is often used; `sealift help` says all there is to say.
fn in_short(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let command = names.into_iter().fold(command, |all, name| all.mut_subcommand(name, in_short));
    let is_rare = |name: &str, arg: &str| RARE.contains(&arg) && !NOT_RARE.contains(&(name, arg));
    let name = command.get_name().to_owned();
    let command = command.mut_args(|arg| match is_rare(&name, arg.get_id().as_str()) {
        true => arg.hide_short_help(true),
        false => arg,
    });
    let says_more = "Show this; `sealift help` with the command's name shows all options";
    // Where -h means something else it has a flag of its own.
    if command.is_disable_help_flag_set() {
        return command.mut_args(|arg| match arg.get_id() == "help" {
            true => arg.action(ArgAction::HelpShort).help(says_more),
            false => arg,
        });
    }
    let flag = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help(says_more);
    command.disable_help_flag(true).arg(flag)
}

/// The definition for man pages: the options that all commands share stand in the first page alone.
pub fn manual() -> clap::Command {
    let mut all = with_first_page()
        .disable_help_subcommand(true)
        .after_help("")
        .after_long_help(format!("{TARGETS}\n\n{MORE}\n\n{}\n\n{EXIT_RULE}", exit_codes(WIDTH)));
    all.build();
    let shared: Vec<clap::Id> =
        all.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().clone()).collect();
    all.mut_subcommands(|command| {
        command.mut_args(|arg| {
            let is_shared = shared.contains(arg.get_id());
            arg.hide(is_shared)
        })
    })
}

/// The page about something that is no command, if this is called so.
pub fn topic(name: &str) -> Option<StyledStr> {
    match name {
        "connection" => Some(connection().render_long_help()),
        "exit-codes" => Some(fitted(&format!("{}\n\n{EXIT_RULE}\n", exit_codes(width())), width()).into()),
        _ => None,
    }
}

/// The page about the options that are the same for all commands.
fn connection() -> clap::Command {
    let all = Cli::command();
    let page =
        clap::Command::new("sealift").styles(all.get_styles().clone()).max_term_width(100).disable_help_flag(true);
    let shown = all.get_arguments().filter(|arg| arg.is_global_set());
    page.args(shown.cloned().map(|arg| arg.hide_short_help(false)))
        .about("Options for every command, before its name or after it: the connection, the login and the output")
        .help_template("{about}\n\n{all-args}{after-help}")
        .after_help(fitted(CONNECTION_EXAMPLES, width()))
}

/// How wide help is shown.
fn width() -> usize {
    width_of_page(&Term::stdout(), WIDTH)
}

/// Writes a page of help to standard output, each line as wide as the terminal at most.
///
/// # Errors
/// If that cannot be written to.
pub fn show_help(text: &StyledStr) -> Result<()> {
    page(&text.ansi().to_string(), Term::stdout(), WIDTH).map_err(stdout_failed)
}

/// Writes a page of help to standard error, in the place of what was asked for. That nobody reads it is no failure more.
pub fn show_help_instead(text: &StyledStr) {
    let _ = page(&text.ansi().to_string(), Term::stderr(), WIDTH);
}

/// The exit codes in columns, or in one where there is no room for three.
fn exit_codes(width: usize) -> String {
    let mut text = String::from("Exit codes:");
    if width >= 78 {
        for row in EXIT_CODES.chunks(3) {
            let row = row.iter().map(|code| format!("{code:<23}")).collect::<String>();
            let _ = write!(text, "\n  {}", row.trim_end());
        }
    } else {
        let number = |code: &&str| code.split(' ').next().and_then(|number| number.parse::<u8>().ok());
        let mut codes = EXIT_CODES;
        codes.sort_by_key(number);
        codes.iter().for_each(|code| text += &format!("\n  {code}"));
    }
    text
}

fn is_about_connection(arg: &clap::Arg) -> bool {
    arg.get_help_heading().is_some_and(|heading| CONNECTION_HEADINGS.contains(&heading))
}

fn with_first_page() -> clap::Command {
    let command = Cli::command();
    let styles = command.get_styles().clone();
    let (header, literal, width) = (styles.get_header(), styles.get_literal(), width());
    let mut page = String::from("{about}\n\n{usage-heading} {usage}\n");
    for (title, names) in GROUPS {
        let _ = write!(page, "\n{header}{title}:{header:#}\n");
        for name in *names {
            let about = match command.find_subcommand(name) {
                Some(found) => {
                    let about = found.get_about().map(ToString::to_string).unwrap_or_default();
                    found.get_visible_aliases().fold(about, |about, alias| format!("{about} [also: {alias}]"))
                }
                None => "Show this page, or the help of a command".to_owned(),
            };
            let line = fitted(&format!("  {name:<11} {about}"), width);
            let _ = writeln!(page, "{}", line.replacen(name, &format!("{literal}{name}{literal:#}"), 1));
        }
    }
    let mut examples = format!("{header}Examples:{header:#}\n");
    for (what, lines) in EXAMPLES {
        let _ = writeln!(examples, "  # {what}");
        for line in lines.lines() {
            let _ = writeln!(examples, "{literal}{}{literal:#}", fitted(&format!("  {line}"), width));
        }
    }
    command
        .help_template(format!("{page}\n{examples}\n{header}Options:{header:#}\n{{options}}{{after-help}}"))
        .after_help(fitted(MORE_HELP, width))
        .after_long_help(fitted(&format!("{TARGETS}\n\n{MORE}\n\n{}\n\n{MORE_HELP}", exit_codes(width)), width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_exactly_one_group() {
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let mut defined: Vec<&str> = shown.map(clap::Command::get_name).collect();
        defined.push("help");
        listed.sort_unstable();
        defined.sort_unstable();
        assert_eq!(listed, defined);
    }

    #[test]
    fn on_a_narrow_terminal_lines_go_on_below_their_text() {
        assert_eq!(
            fitted("  ls          List a folder or two", 28),
            "  ls          List a folder\n              or two"
        );
        assert_eq!(fitted("  sealift get a/b c/d", 14), "  sealift get\n    a/b c/d");
        assert_eq!(fitted("one two\nthree", 5), "one\ntwo\nthree");
        assert!(exit_codes(40).lines().count() == 14 && exit_codes(100).lines().count() == 6);
        assert!(exit_codes(40).lines().all(|line| line.len() <= 40));
    }

    #[test]
    fn a_usage_that_is_too_long_goes_on_below_itself() {
        let find = || whole().find_subcommand("find").unwrap().clone();
        let narrow = with_fitted_usage(find(), 40).render_usage().to_string();
        assert_eq!(narrow, "Usage: sealift find [OPTIONS]\n       <TARGET>...");
        assert_eq!(with_fitted_usage(find(), 80).render_usage().to_string().lines().count(), 1);
    }

    #[test]
    fn every_example_parses() {
        for line in EXAMPLES.iter().flat_map(|(_, lines)| lines.lines()) {
            let words = line.split(" | ").next().unwrap().split(' ').map(|word| match word {
                "sha256//BASE64" => "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
                word => word,
            });
            whole().try_get_matches_from(words).unwrap_or_else(|err| panic!("{line}: {err}"));
        }
    }
}
