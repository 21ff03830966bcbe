//! `sealiftd`: the Sealift server, and the administration of its users and its key.

mod answering;
mod apart;
mod args;
mod audit;
mod banner;
mod begun_anew;
mod cert;
mod cert_args;
mod check;
mod common_args;
mod definition;
mod elsewhere;
mod explain;
mod failure;
mod folder;
mod given_out;
mod ground;
mod group;
mod habits;
mod hang_up;
mod hidden_rules;
mod hooks;
mod in_force;
mod invite;
mod limit_args;
mod log_queue;
mod logging;
mod new_home;
mod node_args;
mod obstacle;
mod other_places;
mod output;
mod overdue;
mod password;
mod places;
mod port_file;
mod process;
mod programs;
mod reload;
mod scrub;
mod scrub_args;
mod serve;
mod service_manager;
mod serving;
mod settings;
mod share_args;
mod shared_folders;
mod signals;
#[cfg(feature = "s3")]
mod store_args;
mod supervisor;
mod usage;
mod user;
mod user_args;
mod user_key;
mod user_shown;
mod web_args;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{FromArgMatches as _, Parser as _};
use sealift::auth::is_anonymous;

use crate::args::{Cli, Command, ConfigCommand, Places, ServeArgs};
use crate::cert_args::CertCommand;
use crate::failure::Failure;
use crate::hooks::runner::RunnerArgs;
use crate::reload::Start;
use crate::settings::Settings;
use crate::user_args::{UserCommand, YesNo};

fn main() -> ExitCode {
    // A supervisor may have started it by the number of an open file. It is only what others call it.
    let _named = rustix::thread::set_name(c"sealiftd");
    let words = user_args::with_admin_joined(env::args_os());
    if words.get(1).is_some_and(|word| word == hooks::runner::COMMAND) {
        return run_hooks(words.get(1..).unwrap_or_default());
    }
    if words.get(1).is_some_and(|word| word == hooks::keeper::COMMAND) {
        return hooks::keeper::run(words.get(1..).unwrap_or_default());
    }
    definition::answer();
    sealift::fast_copy::ensure();
    // The passwords and keys to come.
    sealift::confine::forbid_dumps();
    if let Err(failure) = usage::refuse_secrets(&words) {
        return failure.report();
    }
    let matches = match definition::typed().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(err) if err.use_stderr() && err.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return usage::explain(&err).report();
        }
        Err(err) => {
            output::help(&err.render().ansi().to_string(), err.use_stderr());
            let code = ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2));
            return output::written().map_or_else(|err| Failure::from(err).report(), |()| code);
        }
    };
    let (matches, settings) = match settings::applied(&words, matches) {
        Ok(applied) => applied,
        Err(failure) => return failure.report(),
    };
    let done = match Cli::from_arg_matches(&matches) {
        Ok(mut cli) => {
            #[cfg(feature = "s3")]
            {
                cli.places.bucket = store_args::usual_bucket(settings.as_ref());
            }
            let serves = matches!(cli.command, None | Some(Command::Serve(_)));
            let done = run(cli, Start { words, matches }, settings.as_ref());
            done.and_then(
                |code| if serves { Ok(code) } else { output::written().map(|()| code).map_err(Failure::from) },
            )
        }
        Err(err) => Err(usage::explain(&err)),
    };
    logging::flush();
    match done {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// The process that a server starts beside itself: it has no settings and no places.
fn run_hooks(words: &[OsString]) -> ExitCode {
    sealift::confine::forbid_dumps();
    let done = match RunnerArgs::try_parse_from(words) {
        Ok(args) => hooks::runner::run(&args),
        Err(err) => Err(usage::explain(&err)),
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

fn serve(places: &Places, args: ServeArgs, start: Start) -> Result<ExitCode, Failure> {
    match args.supervise && !supervisor::Parent::is_there() {
        true => supervisor::run(places, &args, &start),
        false => serve::run(places, args, start).map(|()| ExitCode::SUCCESS),
    }
}

/// Whether this is a command that makes a users file where there is none. One that makes it on purpose, with nobody let in, is not among them.
fn changes_users(command: &Command) -> bool {
    match command {
        Command::User { command: UserCommand::Set { name, enabled: Some(YesNo::No), .. } } => !is_anonymous(name),
        Command::User { .. } | Command::Group { .. } | Command::Folder { .. } | Command::Invite(_) => true,
        _ => false,
    }
}

fn run(cli: Cli, start: Start, settings: Option<&Settings>) -> Result<ExitCode, Failure> {
    let done = match cli.command {
        None => return serve(&cli.places, cli.serve, start),
        Some(command) => {
            args::refuse_misplaced(&start.matches)?;
            answering::prove(answering::places_of(&command, &cli.places))?;
            let placed = |failure| other_places::explain(&cli.places, failure);
            if changes_users(&command) {
                begun_anew::refuse_users(&cli.places)?;
            }
            match command {
                Command::Serve(args) => return serve(&cli.places, args, start),
                Command::Reload(args) => {
                    // A new program has looked at them itself.
                    let proven = |()| match args.binary {
                        true => Ok(()),
                        false => in_force::prove_readable(&cli.places)
                            .and_then(|()| reload::prove_usable(&cli.places, &cli.serve, settings)),
                    };
                    supervisor::ask(&cli.places, &args).and_then(proven)
                }
                Command::User { command } => user::run(&cli.places, command).map_err(placed),
                Command::Group { command } => group::run(&cli.places, command).map_err(placed),
                Command::Folder { command } => folder::run(&cli.places, &cli.serve, command).map_err(placed),
                Command::Invite(args) => invite::run(&cli.places, args),
                Command::Cert { command } => cert::run(&cli.places, command.unwrap_or(CertCommand::Show)),
                Command::Config { command: ConfigCommand::Show } => settings::show(&start.matches, settings),
                Command::Check(args) => return check::run(&cli.places, &args, settings),
                Command::Explain(args) => return explain::run(&cli.places, &args).map_err(placed),
                Command::Audit(args) => return audit::run(&args),
                Command::Scrub(args) => return scrub::run(&cli.places, &args),
                Command::Completion(args) => definition::write_completion(&args),
                Command::Manual(args) => definition::write_manual(&args),
            }
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
