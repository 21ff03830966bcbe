//! `cat`: files to standard output, byte for byte.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::Args;
use sealift::client::Target;
use sealift::{Client, Kind};

use super::look::warn_of_growing;
use crate::closing;
use crate::context::{Context, Repeat};
use crate::expand::Names;
use crate::failure::{Failure, Outcome};
use crate::format;
use crate::output::{Output, hands_on_bytes, stdout_failed, writes};
use crate::transfer::rate;

/// Write files to standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  sealift cat files.example/pub/backup.tar.gz | tar xz

The bytes are written as they arrive and verified at the end: on an exit code other than 0 do not use them. A terminal \
gets only text: `cat` stops at the first byte that would control it, unless -f is given.")]
pub struct Cat {
    /// Files on a server
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<OsString>,
    /// Write to a terminal even what is not text
    #[arg(short, long)]
    pub force: bool,
    /// Move no more than so many bytes a second, like 500K or 5M
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub limit_rate: Option<u64>,
    /// Write a file that becomes longer meanwhile, like a log, as long as it was at the beginning
    #[arg(long)]
    pub growing: bool,
}

/// Runs the command.
///
/// # Errors
/// As [`Context::for_each`].
pub async fn run(ctx: &Context, args: &Cat) -> Outcome {
    ctx.set_rate(args.limit_rate, 1)?;
    let Cat { force, growing, .. } = *args;
    let work = async |client: &mut Client, target: &Target| show(ctx.out, client, target, force, growing).await;
    ctx.for_each(&args.targets, Names::Existing, Repeat::Asks, work).await
}

/// Writes one file over its connection; to a terminal only text, unless `force`.
///
/// # Errors
/// As [`Client::read`]; [`Kind::Usage`] for what is no text.
pub async fn write(out: Output, client: &mut Client, target: &Target, force: bool) -> Outcome {
    show(out, client, target, force, false).await
}

/// Writes one file as [`write`] does; `growing` takes one that somebody is still writing to.
///
/// # Errors
/// As [`write`].
pub async fn show(out: Output, client: &mut Client, target: &Target, force: bool, growing: bool) -> Outcome {
    hands_on_bytes();
    let only_text = out.stdout_is_terminal() && !force;
    let mut sink = Sink { stdout: io::stdout(), last: None, only_text, refused: false };
    let done = match growing {
        true => {
            warn_of_growing(out, client);
            client.read_growing(&target.path, &mut sink).await
        }
        false => client.read(&target.path, &mut sink).await,
    };
    // What a terminal shows next begins a line of its own.
    if out.stdout_is_terminal() && sink.last.is_some_and(|last| last != b'\n') {
        sink.stdout.write_all(b"\n").map_err(stdout_failed)?;
    }
    closing::stdout()?;
    if sink.refused {
        let hint = "`sealift get` fetches it, `cat … | less` shows it safely, and `cat -f` writes it anyway.";
        return Err(Failure::new(Kind::Usage, format!("{target}: is not text, and could disturb the terminal"), hint));
    }
    let done = done.map_err(|err| {
        let get = || format!("`sealift ls` shows what is in it, and `sealift get -r {target}` fetches it.");
        Failure::from(err).about(&target.path.to_string()).hinted(Kind::IsDirectory, get)
    })?;
    out.step(&format!("{target}: {}, verified", format::size(done.size)));
    Ok(())
}

/// Standard output, and the byte written last.
struct Sink {
    stdout: io::Stdout,
    last: Option<u8>,
    /// Nothing may come that a terminal does not just show.
    only_text: bool,
    /// Something of the kind came.
    refused: bool,
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.only_text && bytes.iter().any(|byte| controls(*byte)) {
            self.refused = true;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no text"));
        }
        writes();
        let written = self.stdout.write(bytes)?;
        self.last = written.checked_sub(1).and_then(|at| bytes.get(at)).copied().or(self.last);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}

/// Whether this byte makes a terminal do something other than show text.
fn controls(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t' | b'\x0c')
}
