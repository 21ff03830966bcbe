//! `cat`: files to standard output, byte for byte.

use std::io::{self, Write as _};

use sealift::client::Target;
use sealift::{Client, Kind};

use crate::args::Cat;
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Output, stdout_failed, writes};

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Cat) -> Outcome {
    let work = async |client: &mut Client, target: &Target| write(ctx.out, client, target).await;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, work).await
}

/// Writes one file over its connection.
///
/// # Errors
/// As [`Client::read`].
pub async fn write(out: Output, client: &mut Client, target: &Target) -> Outcome {
    let mut sink = Sink { stdout: io::stdout(), last: None };
    let done = client.read(&target.path, &mut sink).await;
    let done = done.map_err(|err| {
        let get = || format!("`sealift ls` shows what is in it, and `sealift get -r {target}` fetches it.");
        Failure::from(err).about(&target.path.to_string()).hinted(Kind::IsDirectory, get)
    })?;
    // What a terminal shows next begins a line of its own.
    if out.stdout_is_terminal && sink.last.is_some_and(|last| last != b'\n') {
        sink.stdout.write_all(b"\n").map_err(stdout_failed)?;
    }
    sink.stdout.flush().map_err(stdout_failed)?;
    out.step(&format!("{target}: {}, verified", format::size(done.bytes)));
    Ok(())
}

/// Standard output, and the byte written last.
struct Sink {
    stdout: io::Stdout,
    last: Option<u8>,
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        writes();
        let written = self.stdout.write(bytes)?;
        self.last = written.checked_sub(1).and_then(|at| bytes.get(at)).copied().or(self.last);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
