//! What the definition of the command line is made into for others: completion for shells, and man pages.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Arg, Args, Command, CommandFactory as _, FromArgMatches as _};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::{CompleteEnv, Shell};
use sealift::Error;
use sealift::auth::{Definition, User, Users};

use crate::args::Cli;
use crate::failure::Failure;
use crate::settings;

/// The variable by which a shell's script asks what could come next.
const VARIABLE: &str = "COMPLETE";

/// The scripts are the client's: all that they know of a program is its name.
const SCRIPTS: [(Shell, &str); 4] = [
    (Shell::Bash, include_str!("../sealift/completion.bash")),
    (Shell::Zsh, include_str!("../sealift/completion.zsh")),
    (Shell::Fish, include_str!("../sealift/completion.fish")),
    (Shell::PowerShell, include_str!("../sealift/completion.ps1")),
];

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// Which shell
    pub shell: Shell,
}

/// Where the man pages go.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// The folder, which is made
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Commands that are about where everything is, as much as the program itself.
const SHOW_PLACES: [&str; 3] = ["serve", "check", "config"];

/// What the other commands say of that.
const PLACES: &str = "Where everything is, --data, --users, --certs, --web-cert, --state and --config say: `sealiftd --help` describes them.";

/// The command line as it is typed and its help is shown: the options that all commands share are described once.
pub fn typed() -> Command {
    let all = Cli::command();
    let places: Vec<Arg> = all.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    all.mut_subcommands(|command| match SHOW_PLACES.contains(&command.get_name()) {
        true => command,
        false => naming(command, &places),
    })
}

/// A command, and those below it, that only name these options.
fn naming(command: Command, places: &[Arg]) -> Command {
    let after = command.get_after_help().map(|after| format!("{}\n\n", after.ansi())).unwrap_or_default();
    let own: Vec<Arg> = places.iter().filter(|arg| !has(&command, arg)).map(|arg| arg.clone().hide(true)).collect();
    command.args(own).after_help(format!("{after}{PLACES}")).mut_subcommands(|inner| naming(inner, places))
}

fn has(command: &Command, arg: &Arg) -> bool {
    command.get_arguments().any(|own| own.get_id() == arg.get_id())
}

/// Answers a shell that asks what could come next, and ends; does nothing if none asks.
pub fn answer() {
    CompleteEnv::with_factory(completed).var(VARIABLE).complete();
}

/// What there is by name in a users file.
type Names = fn(&Users) -> Vec<&str>;

/// The command line, with the names of users, groups and shared folders where one that is there is meant.
fn completed() -> Command {
    // `mut_arg` would put it behind the others.
    fn of(command: Command, id: &'static str, names: Names) -> Command {
        command.mut_args(|arg| match arg.get_id() == id {
            true => arg.add(ArgValueCompleter::new(move |typed: &OsStr| candidates(typed, names))),
            false => arg,
        })
    }
    fn of_each(command: Command, commands: &[&'static str], names: Names) -> Command {
        commands.iter().fold(command, |all, inner| all.mut_subcommand(*inner, |inner| of(inner, "name", names)))
    }
    let users: Names = |users| users.iter().map(User::name).collect();
    let groups: Names = |users| users.shares().groups().map(|(name, _)| name).collect();
    let folders: Names = |users| users.shares().folders().iter().map(Definition::name).collect();
    let named = |command: Command, id: &'static str| of(command, id, users);
    let named_in = |command: Command, commands: &[&'static str]| of_each(command, commands, users);
    Cli::command()
        .mut_subcommand("group", |group| {
            of_each(group, &["set", "show", "remove"], groups).mut_subcommand("add", |add| named(add, "members"))
        })
        .mut_subcommand("folder", |folder| of_each(folder, &["set", "show", "remove"], folders))
        .mut_subcommand("user", |user| {
            named_in(user, &["set", "show", "passwd", "remove"])
                .mut_subcommand("key", |key| named_in(key, &["add", "list", "remove"]))
        })
        .mut_subcommand("invite", |invite| named(invite, "name"))
        .mut_subcommand("explain", |explain| named(explain, "user"))
        .mut_subcommand("scrub", |scrub| named(scrub, "names"))
}

/// The names in the file that a command typed here would go by.
fn candidates(typed: &OsStr, names: Names) -> Vec<CompletionCandidate> {
    let words = ["sealiftd", "user", "list"].map(OsString::from);
    let matches = Cli::command().try_get_matches_from(&words).ok();
    let matches = matches.and_then(|matches| settings::applied(&words, matches).ok());
    let cli = matches.and_then(|(matches, _)| Cli::from_arg_matches(&matches).ok());
    let users = cli.and_then(|cli| Users::load(&cli.places.users).ok());
    let names = users.as_ref().map(names).unwrap_or_default().into_iter();
    names
        .filter(|name| typed.to_str().is_some_and(|typed| name.starts_with(typed)))
        .map(CompletionCandidate::new)
        .collect()
}

/// Writes a completion script to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn write_completion(args: &CompletionArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    match SCRIPTS.iter().find(|(shell, _)| *shell == args.shell) {
        Some((_, of_client)) => script.extend(of_client.replace("sealift", "sealiftd").bytes()),
        None => clap_complete::generate(args.shell, &mut Cli::command(), "sealiftd", &mut script),
    }
    io::stdout().lock().write_all(&script).map_err(|err| Error::file("standard output", err))?;
    Ok(())
}

/// Writes a man page for the program and one for each command.
///
/// # Errors
/// If they cannot be written.
pub fn write_manual(args: &ManualArgs) -> Result<(), Failure> {
    let failed = |err| Error::file(args.folder.display(), err);
    fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.folder).map_err(failed)?;
    Ok(())
}
