//! `sealiftd audit`: searches what a server has written down of who did what.

pub mod args;
mod row;
mod sieve;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::ExitCode;

use sealift::{Error, limits};

use self::args::AuditArgs;
use self::row::{Row, Wanted};
use crate::failure::Failure;
use crate::output::{complain, counted, say, tell};

/// Shows what was looked for, in the order in which it was written.
///
/// # Errors
/// Those of reading the files.
pub fn run(args: &AuditArgs) -> Result<ExitCode, Failure> {
    let wanted = Wanted::new(args)?;
    if args.files.is_empty() {
        return Err(
            Failure::usage("no audit is named, and the settings name none").hint("--file says which to search.")
        );
    }
    // As the server's own option has it; a file that is called so is `./stderr`.
    if args.files.iter().any(|file| file == Path::new("stderr")) {
        return Err(Failure::usage("the audit goes to standard error, and is in no file of the server's")
            .hint("--file says which file it was kept in; `--file -` reads standard input."));
    }
    let (mut shown, mut strange, mut sieve) = (0_u64, 0_u64, wanted.sieve());
    for file in &args.files {
        let mut lines: Box<dyn BufRead> = match file == Path::new("-") {
            true => Box::new(io::stdin().lock()),
            false => Box::new(BufReader::new(File::open(file).map_err(|err| Error::file(file.display(), err))?)),
        };
        let mut line = Vec::new();
        while next(&mut lines, &mut line).map_err(|err| Error::file(file.display(), err))? {
            if sieve.passes_over(&line) {
                continue;
            }
            match Row::parse(&line) {
                Some(row) if wanted.has(&row) => {
                    shown += 1;
                    if args.json {
                        line.push(b'\n');
                        // What is in an audit is plain ASCII.
                        say(&String::from_utf8_lossy(&line));
                    } else {
                        tell(&row.for_people());
                    }
                }
                Some(_) => {}
                None => strange += 1,
            }
        }
    }
    if strange > 0 {
        let (are, were) = if strange == 1 { ("is", "was") } else { ("are", "were") };
        complain(&format!("sealiftd: {} {are} not from an audit, and {were} left out", counted(strange, "line")));
    }
    if shown == 0 && !args.json {
        complain("Nothing of the kind is written down there.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The next line without its ending; false at the end. One that is too long for an audit is none of it, and comes in pieces.
fn next(lines: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = lines.take(limits::AUDIT_LINE_MAX).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read > 0)
}
