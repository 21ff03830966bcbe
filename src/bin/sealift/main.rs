//! `sealift`, the command-line client: arguments, output, exit codes, and nothing else.

mod args;
mod ask;
mod bookmark_args;
mod commands;
mod config;
mod context;
mod each;
mod expand;
mod failure;
mod filter_args;
mod format;
mod help;
mod interrupt;
mod mirror_args;
mod output;
mod password;
mod progress;
mod rot_args;
mod shell;
mod transfer;
mod verify;

use std::process::ExitCode;

use clap::FromArgMatches as _;
use sealift::Exit;

use args::{Cli, Command};
use context::Context;
use failure::Outcome;

fn main() -> ExitCode {
    sealift::fast_copy::ensure();
    // The passwords and keys to come.
    sealift::confine::forbid_dumps();
    let matches = help::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|err| err.exit());
    let ctx = Context::new(cli.common, server_reads(&cli.command));
    let outcome = run(&ctx, &cli.command);
    let exit = outcome.map_or_else(|failure| failure.show(ctx.out), |()| Exit::Done);
    ExitCode::from(exit as u8)
}

/// Whether this has the server read whole files, of which it says nothing before it is done.
fn server_reads(command: &Command) -> bool {
    match command {
        Command::Hash(_) | Command::Verify(_) | Command::Accept(_) => true,
        Command::Mirror(mirror) => mirror.checksum,
        _ => false,
    }
}

fn run(ctx: &Context, command: &Command) -> Outcome {
    interrupt::watch()?;
    match command {
        Command::Shell(args) => shell::run(ctx, args),
        command => async_std::task::block_on(interrupt::unless_interrupted(commands::run(ctx, command))),
    }
}
