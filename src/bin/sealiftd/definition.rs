//! What the definition of the command line is made into for others: completion for shells, and man pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use sealift::Error;

use crate::args::Cli;
use crate::failure::Failure;

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// Where the man pages go.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// The folder, which is made
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Writes a completion script to standard output.
///
/// # Errors
/// If it cannot be written.
pub fn write_completion(args: &CompletionArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sealiftd", &mut script);
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
