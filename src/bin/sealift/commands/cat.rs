//! `cat`: files to standard output, byte for byte.

use std::io::{self, Write as _};

use sealift::Client;
use sealift::client::Target;

use crate::args::Cat;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Output, stdout_failed};

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Cat) -> Outcome {
    ctx.for_each(&args.targets, async |client, target| write(ctx.out, client, target).await).await
}

/// Writes one file over its connection.
///
/// # Errors
/// As [`Client::read`].
pub async fn write(out: Output, client: &mut Client, target: &Target) -> Outcome {
    let mut stdout = io::stdout();
    let done = client.read(&target.path, &mut stdout).await;
    let done = done.map_err(|err| Failure::from(err).about(&target.path.to_string()))?;
    stdout.flush().map_err(stdout_failed)?;
    out.step(&format!("{target}: {}, verified", format::size(done.bytes)));
    Ok(())
}
