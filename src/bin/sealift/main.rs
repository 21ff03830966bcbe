//! `sealift`, the command-line client: arguments, output, exit codes, and nothing else.

mod alike;
mod args;
mod ask;
mod bookmark_args;
mod closing;
mod colours;
mod commands;
mod completion;
mod config;
mod context;
mod direction;
mod each;
mod expand;
mod failure;
mod filter_args;
mod format;
mod habits;
mod help;
mod how_args;
mod identity;
mod interrupt;
mod list_args;
mod login;
mod logins;
mod mirror_args;
mod netrc;
mod next_step;
mod output;
mod password;
mod progress;
mod repeat;
mod rot_args;
mod shell;
mod steps;
mod suggest;
mod times;
mod transfer;
mod unreached;
mod verify;
mod voice;

use std::env;
use std::ffi::OsString;
use std::process::{ExitCode, exit};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use sealift::stray_secrets::Stray;
use sealift::{Exit, Kind};

use args::{Cli, Command};
use context::Context;
use failure::{Failure, Outcome};
use help::{show_help, show_help_instead};
use output::Output;

fn main() -> ExitCode {
    completion::answer();
    sealift::fast_copy::ensure();
    // The passwords and keys to come.
    sealift::confine::forbid_dumps();
    let matches = matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|err| err.exit());
    let ctx = Context::new(cli.common);
    let outcome = refuse_misplaced(&matches).and_then(|()| run(&ctx, &cli.command));
    let outcome = outcome.and_then(|()| closing::stdout().map_err(Failure::from));
    let exit = outcome.map_or_else(|failure| failure.show(ctx.out), |()| Exit::Done);
    alike::tell_more();
    let summed_up = if tells_programs(&cli.command) { ctx.out.sum_up(false) } else { Ok(()) };
    let exit = match (exit, summed_up) {
        (Exit::Done, Err(error)) => Failure::from(error).show(ctx.out),
        (exit, _) => exit,
    };
    ExitCode::from(exit as u8)
}

/// What was typed. A server where a command's name is expected is one to open the shell on.
fn matches() -> ArgMatches {
    let words: Vec<OsString> = env::args_os().collect();
    let refuse = |failure: Failure| exit(i32::from(failure.show(Output::before_options(&words)) as u8));
    if let Some(stray) = stray(&words) {
        refuse(stray.into());
    }
    if let [_, help, topic] = words.as_slice()
        && help == "help"
        && let Some(page) = topic.to_str().and_then(help::topic)
    {
        exit_with_page(&page, &words);
    }
    help::command(&words).try_get_matches_from(&words).unwrap_or_else(|err| {
        let is_server = |name: &str| name.contains(['@', ':', '/', '.']);
        // And not behind the name of a command that has others below it.
        let is_first = |name: &str| {
            let definition = Cli::command();
            let mut before = words.iter().skip(1).take_while(|word| **word != *name);
            !before.any(|word| definition.find_subcommand(word).is_some())
        };
        match err.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(name)) if is_server(name) && is_first(name) => {
                let at = words.iter().position(|word| **word == **name).unwrap_or(words.len());
                let mut words = words.clone();
                words.insert(at, "shell".into());
                help::command(&words).try_get_matches_from(&words).unwrap_or_else(|err| match err.use_stderr() {
                    true => refuse(suggest::explain(&err, &words, &help::whole(), suggest::Typed::Program)),
                    false => exit_with_help(&err, &words),
                })
            }
            _ if !err.use_stderr() || err.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                exit_with_help(&err, &words)
            }
            _ => refuse(suggest::explain(&err, &words, &help::whole(), suggest::Typed::Program)),
        }
    })
}

/// A command that has others below it takes its own options only where none of those is named. What all commands take stands
/// anywhere.
fn refuse_misplaced(matches: &ArgMatches) -> Outcome {
    let Some((name, typed)) = matches.subcommand() else { return Ok(()) };
    let Some((inner, _)) = typed.subcommand() else { return Ok(()) };
    let definition = Cli::command();
    let own = definition.find_subcommand(name).into_iter().flat_map(clap::Command::get_arguments);
    let is_typed = |arg: &&clap::Arg| typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let Some(arg) = own.filter(|arg| !arg.is_global_set()).find(is_typed) else { return Ok(()) };
    let what = arg.get_long().map_or_else(|| "a name in front of it".to_owned(), |long| format!("--{long}"));
    let text = format!("{what} has no meaning for `sealift {name} {inner}`");
    Err(Failure::new(Kind::Usage, text, format!("`sealift help {name} {inner}` shows how it is written.")))
}

/// Shows the help, or the version, that was asked for, or how it is written, and ends.
fn exit_with_help(err: &clap::Error, words: &[OsString]) -> ! {
    if !err.use_stderr() {
        exit_with_page(&err.render(), words);
    }
    show_help_instead(&err.render());
    exit(err.exit_code())
}

/// Shows a page that was asked for, and ends.
fn exit_with_page(page: &StyledStr, words: &[OsString]) -> ! {
    let shown = show_help(page).and_then(|()| closing::stdout());
    let shown = shown.map_err(|error| Failure::from(error).show(Output::before_options(words)));
    exit(i32::from(shown.err().unwrap_or(Exit::Done) as u8))
}

/// A secret that does not belong on this command line. An invitation belongs to `join`; links belong to `get` and `put`, and the others
/// refuse them where they name a place.
fn stray(words: &[OsString]) -> Option<Stray> {
    Stray::among(words.iter().skip(1)).filter(|stray| match stray {
        Stray::Invitation => !words.iter().any(|word| word == "join"),
        Stray::Link => false,
        Stray::PrivateKey | Stray::Password => true,
    })
}

/// Whether what this writes to standard output are objects, where those are asked for, and not the bytes of files.
fn tells_programs(command: &Command) -> bool {
    !matches!(command, Command::Cat(_) | Command::Completion(_) | Command::Manual(_) | Command::Shell(_))
}

fn run(ctx: &Context, command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::Shell(args) => shell::run(ctx, args),
        command => async_std::task::block_on(interrupt::unless_interrupted(commands::run(ctx, command))),
    }
}
