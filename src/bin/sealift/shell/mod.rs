//! `shell`: a conversation with one server, at a terminal or from a pipe.

mod editor;
mod line;
mod session;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, IsTerminal as _};

use async_std::task::block_on;
use sealift::client::Target;
use sealift::{Error, Kind};

use crate::args::Shell;
use crate::ask;
use crate::context::{Context, Login};
use crate::failure::{Outcome, Tally};
use crate::interrupt::unless_interrupted;
use crate::output::stdout_failed;
use editor::{Editor, Typed};
use line::Line;
use session::{Next, Session};

/// Runs the command.
///
/// # Errors
/// If the server cannot be reached; from a pipe, also those of the commands.
pub fn run(ctx: &Context, args: &Shell) -> Outcome {
    let (login, start) = match &args.target {
        Some(typed) => {
            let target = ctx.target(typed)?;
            (ctx.login_for(&target)?, target)
        }
        None => ask_for_server(ctx)?,
    };
    let mut session = block_on(unless_interrupted(Session::open(ctx, login)))?;
    if !start.path.is_root() {
        block_on(unless_interrupted(session.change_folder(start.path)))?;
    }
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        converse(ctx, session)
    } else {
        obey(ctx, session, args.exit_on_error)
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
fn converse(ctx: &Context, session: Session<'_>) -> Outcome {
    let mut editor = Editor::new(ctx.out, session)?;
    loop {
        let words = match editor.read()? {
            Typed::End => break,
            Typed::Nothing => continue,
            Typed::Words(words) => words,
        };
        let Some(line) = Line::parse(words) else { continue };
        let next = editor.with_session(|session| block_on(unless_interrupted(session.run(line))));
        match next {
            Ok(Next::Go) => editor.with_session(|session| session.tell_ids()),
            Ok(Next::End) => return Ok(()),
            Err(failure) => {
                let is_lost = failure.ends_connection();
                let was_interrupted = failure.kind() == Some(Kind::Interrupted);
                failure.show(ctx.out);
                editor.with_session(|session| session.after(is_lost));
                // What Ctrl-C has ended is made anew by the next command.
                if is_lost && !was_interrupted {
                    editor.offer_to_reconnect();
                }
            }
        }
    }
    editor.with_session(|session| block_on(session.close()));
    Ok(())
}

/// From a pipe: every line, whatever becomes of it, unless the first failure is to end it or the connection is lost.
fn obey(ctx: &Context, mut session: Session<'_>, exit_on_error: bool) -> Outcome {
    let mut tally = Tally::default();
    let mut input = io::stdin().lock();
    let mut bytes = Vec::new();
    while input.read_until(b'\n', &mut bytes).map_err(|err| Error::file("standard input", err))? > 0 {
        let words = line::split(&bytes);
        bytes.clear();
        let outcome = match words {
            Ok(words) if words.is_empty() => continue,
            Ok(words) => match Line::parse(words) {
                Some(line) => block_on(unless_interrupted(session.run(line))),
                None => Err(crate::failure::Failure::Shown(sealift::Exit::Usage)),
            },
            Err(err) => Err(err.into()),
        };
        match outcome {
            Ok(Next::Go) => {
                session.tell_ids();
                tally.add_done(1);
            }
            Ok(Next::End) => return tally.outcome(),
            Err(failure) => {
                if exit_on_error || failure.ends_connection() {
                    return Err(failure);
                }
                tally.show(failure, ctx.out)?;
                session.after(false);
            }
        }
    }
    block_on(session.close());
    tally.outcome()
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
