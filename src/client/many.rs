//! Many commands of one reply each, on their way at once.

use std::collections::VecDeque;

use super::session::Session;
use crate::error::Result;
use crate::files::{Hash, RelPath};
use crate::limits;
use crate::proto::{Command, Feature, HashOf, Reply};

/// Sends these commands, as many ahead of their replies as hide the way to the server. Each is answered by these digits, from
/// which `read` takes what is wanted, or by an error; `answered` gets either with the number of the command.
///
/// # Errors
/// Those that end the connection.
pub(super) fn each<T>(
    session: &mut Session,
    commands: impl Iterator<Item = Result<Command>>,
    digits: u16,
    read: impl Fn(&Reply<'_>) -> Result<T>,
    mut answered: impl FnMut(usize, Result<T>),
) -> Result<()> {
    let mut commands = commands.enumerate().fuse();
    let mut asked = VecDeque::with_capacity(limits::PIPELINE_FILES);
    loop {
        if asked.len() <= limits::PIPELINE_FILES / 2 {
            while asked.len() < limits::PIPELINE_FILES && session.out().filled().len() < limits::WIRE_HANDOVER {
                let Some((at, command)) = commands.next() else { break };
                match command.and_then(|command| session.command(&command)) {
                    Ok(()) => asked.push_back(at),
                    Err(error) => answered(at, Err(error)),
                }
            }
        }
        session.try_flush();
        let Some(at) = asked.pop_front() else { return Ok(()) };
        let reply = session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            if session.is_broken() {
                return Err(error);
            }
            answered(at, Err(error));
        } else if reply.digits == digits {
            answered(at, Ok(read(&reply)?));
        } else {
            return Err(session.out_of_order());
        }
    }
}

/// The hash to ask for where what was recorded when a file was stored will do, and spares the server reading it.
pub(super) fn recorded(session: &Session) -> HashOf {
    if session.has(Feature::Record) { HashOf::Record } else { HashOf::Bytes }
}

/// Has the server hash these files. What it cannot hash has none.
///
/// # Errors
/// Those that end the connection.
pub(super) fn hashes(session: &mut Session, files: &[RelPath], of: HashOf) -> Result<Vec<Option<Hash>>> {
    let mut hashes = vec![None; files.len()];
    let commands = files.iter().map(|path| Ok(Command::Hash { path: path.clone(), length: None, of }));
    let hash = |reply: &Reply<'_>| reply.parsed("hash");
    each(session, commands, 213, hash, |at, answer| {
        if let Some(slot) = hashes.get_mut(at) {
            *slot = answer.ok();
        }
    })?;
    Ok(hashes)
}
