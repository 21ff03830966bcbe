//! `shell`: a conversation with one server, at a terminal or from a pipe.

mod completion;
mod editor;
mod line;
mod local;
mod redirect;
mod request;
mod session;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use async_std::task::block_on;
use clap::Args;
use sealift::client::Target;
use sealift::escape::for_people;
use sealift::{Error, Exit, Kind};

use crate::alike;
use crate::ask;
use crate::context::Context;
use crate::failure::{self, Failure, Outcome, Tally};
use crate::interrupt::{self, unless_interrupted};
use crate::login::Login;
use crate::output::{self, stdout_failed};
use editor::{Editor, Typed};
use line::Command;
pub use line::Line;
use request::{Request, What};
use session::{Next, ShellSession};

/// Work on a server interactively
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sealift shell
  sealift shell alice@files.example/photos
  sealift alice@files.example
  printf 'cd reports\\nget summer.pdf\\n' | sealift shell -e files.example
  sealift shell -b nightly.txt alice@files.example

Type `help` inside for its commands. `cat notes | less` and `ls > names` pass on what a command writes; `!make` runs a \
command of this machine. Commands may also come from a pipe, one a line. A failed one does not stop the others, unless -e \
is given; the exit code is that of the failure, or 10 if some commands worked. A line that begins with `-` may always fail.")]
pub struct Shell {
    /// The server, and the folder to start in; asked for if left out
    #[arg(value_name = "TARGET")]
    pub target: Option<OsString>,
    /// Commands from a pipe: stop at the first one that fails, with its exit code
    #[arg(short = 'e', long)]
    pub exit_on_error: bool,
    /// Take the commands from this file, `-` for standard input, and stop at the first one that fails
    #[arg(short = 'b', long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// If the server cannot be reached; from a pipe, also those of the commands.
pub fn run(ctx: &Context, args: &Shell) -> Outcome {
    let batch = batch(args)?;
    let (login, start) = match &args.target {
        Some(typed) => {
            let target = ctx.target(typed)?;
            (ctx.login_for(&target)?, target)
        }
        None => ask_for_server(ctx)?,
    };
    let mut session = block_on(unless_interrupted(ShellSession::open(ctx, login)))?;
    if !start.path.is_root() {
        block_on(unless_interrupted(session.change_folder(start.path)))?;
    }
    match batch {
        Some((name, lines)) => obey(ctx, session, lines, Some(&name), true),
        None if io::stdin().is_terminal() && io::stdout().is_terminal() => converse(ctx, session),
        None => obey(ctx, session, io::stdin().lock(), None, args.exit_on_error),
    }
}

/// The commands that `-b` names, and how that is called, if they are not those on standard input. Opened before anything is connected to.
fn batch(args: &Shell) -> Outcome<Option<(String, Box<dyn BufRead>)>> {
    match &args.batch {
        None => Ok(None),
        Some(file) if file == "-" => Ok(Some(("standard input".to_owned(), Box::new(BufReader::new(io::stdin()))))),
        Some(file) => {
            let opened = File::open(file).map_err(|err| Error::file(file.display(), err))?;
            Ok(Some((for_people(file.as_os_str().as_bytes()), Box::new(BufReader::new(opened)))))
        }
    }
}

/// Asks for address, port and user, as the clients of old did.
fn ask_for_server(ctx: &Context) -> Outcome<(Login, Target)> {
    let answer = |question: &str| {
        let nobody = || Error::new(Kind::Usage, "there is no terminal to ask on: name the server, as in alice@host");
        ask::line(question)?.ok_or_else(nobody)
    };
    let host = answer("Server: ")?;
    let mut target = ctx.target(OsStr::new(&host))?;
    if target.port.is_none() && target.bookmark.is_none() {
        let default = ctx.default_port()?;
        let typed = answer(&format!("Port [{default}]: "))?;
        let wrong = || Error::new(Kind::Usage, format!("{typed}: a port is a number from 1 to 65535"));
        let port = if typed.is_empty() { Some(default) } else { typed.parse().ok().filter(|port| *port != 0) };
        target.port = Some(port.ok_or_else(wrong)?);
    }
    if target.user.is_none() && target.bookmark.is_none() {
        let typed = answer("User [anonymous]: ")?;
        target.user = Some(typed).filter(|user| !user.is_empty());
    }
    Ok((ctx.login_for(&target)?, target))
}

/// At a terminal: until `exit`, or Ctrl-D. Failed commands are shown and forgotten.
fn converse(ctx: &Context, session: ShellSession<'_>) -> Outcome {
    let mut editor = Editor::new(ctx.out, session)?;
    interrupt::converses(true);
    loop {
        let requests = match editor.read()? {
            Typed::End => break,
            Typed::Nothing => continue,
            Typed::Requests(requests) => requests,
        };
        for request in requests {
            let done = editor.with_session(|session| {
                let done = perform(session, request);
                session.tell_ids();
                done
            });
            match done {
                Ok(Next::Go) => {}
                Ok(Next::End) => return Ok(()),
                Err(failure) => {
                    let (is_lost, exit) = (failure.ends_connection(), failure.show(ctx.out));
                    if is_lost {
                        editor.with_session(|session| session.forget_connection());
                    }
                    if exit == Exit::Interrupted {
                        break;
                    }
                }
            }
        }
    }
    interrupt::converses(false);
    editor.with_session(|session| block_on(session.close()));
    Ok(())
}

/// From a pipe or a file: every line, whatever becomes of it, unless the first failure is to end it or the connection is
/// lost. A failure is told with its line, if these have a `name`.
fn obey(
    ctx: &Context,
    mut session: ShellSession<'_>,
    mut lines: impl BufRead,
    name: Option<&str>,
    exit_on_error: bool,
) -> Outcome {
    let mut tally = Tally::default();
    let (mut bytes, mut number) = (Vec::new(), 0u64);
    while lines.read_until(b'\n', &mut bytes).map_err(|err| Error::file("the commands", err))? > 0 {
        let requests = match Request::read(&bytes) {
            Ok(requests) => requests.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure)],
        };
        bytes.clear();
        number += 1;
        let located = |failure: Failure| match name {
            Some(name) => failure.at_line(name, number, ctx.out),
            None => failure,
        };
        for request in requests {
            let (may_fail, done) = match request {
                Ok(request) => (request.may_fail, perform(&mut session, request).map_err(located)),
                Err(failure) => (false, Err(located(failure))),
            };
            session.tell_ids();
            match done {
                Ok(Next::Go) => tally.add_done(1),
                Ok(Next::End) => return tally.outcome(),
                Err(failure) if may_fail && failure.exit() != Exit::Interrupted => {
                    if failure.ends_connection() {
                        session.forget_connection();
                    }
                    failure.show(ctx.out);
                }
                Err(failure) if exit_on_error || failure.ends_connection() => return Err(failure),
                Err(failure) => tally.show(failure, ctx.out)?,
            }
        }
    }
    block_on(session.close());
    tally.outcome()
}

/// Does what one line asks for.
fn perform(session: &mut ShellSession<'_>, request: Request) -> Outcome<Next> {
    let (words, reader) = match request.what {
        What::Local(line) => return local::run_line(&line).map(|()| Next::Go),
        What::Command { words, reader } => (words, reader),
    };
    interrupt::typed(&words);
    failure::begins();
    output::begins();
    let Some(Line { command }) = Line::parse(words)? else { return Ok(Next::Go) };
    let reader = reader.or_else(|| matches!(command, Command::More(_)).then(pager).flatten());
    let mut work = || {
        let done = block_on(unless_interrupted(session.run(&command)));
        if command.tells_programs() {
            session.sum_up(&done);
        }
        done
    };
    let done = match reader {
        Some(reader) => redirect::into(&reader, work),
        None => work(),
    };
    alike::tell_more();
    done
}

/// What shows text page by page, if somebody is there to turn the pages.
fn pager() -> Option<OsString> {
    let named = env::var_os("PAGER").filter(|pager| !pager.is_empty());
    io::stdout().is_terminal().then(|| named.unwrap_or_else(|| "less".into()))
}

/// The words of one line, as a shell reads them.
type Words = Vec<OsString>;

/// Writes a line of the conversation itself.
///
/// # Errors
/// If stdout cannot be written to.
fn say(text: &str) -> Outcome {
    use io::Write as _;
    Ok(writeln!(io::stdout().lock(), "{text}").map_err(stdout_failed)?)
}
