//! A line to its command.

use super::{Command, HashOf, StageArgs, UploadArgs};
use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::limits;
use crate::proto::arguments::Args;
use crate::proto::verb::Verb;

/// A line that is no command: which verb it had, if that much was clear, and why it is refused.
///
/// The verb matters even then: frames follow an UPLOAD or PART line, however wrong the rest of it is.
#[derive(Debug)]
pub struct BadLine {
    /// The verb.
    pub verb: Option<Verb>,
    /// Why.
    pub error: Error,
}

impl Command {
    /// Parses one line, its ending already cut off.
    ///
    /// # Errors
    /// [`Kind::UnknownVerb`], [`Kind::BadCommand`], [`Kind::BadPath`], [`Kind::NotFound`] for the reserved name.
    pub fn parse(line: &[u8]) -> Result<Command, BadLine> {
        let (word, rest) = match line.iter().position(|b| *b == b' ') {
            Some(at) => line.split_at(at),
            None => (line, &[][..]),
        };
        let Some(verb) = Verb::from_name(word) else {
            let shown = word.get(..word.len().min(limits::VERB_SHOWN)).unwrap_or_default();
            let text = format!("`{}` is not a command", escape::for_people(shown));
            return Err(BadLine { verb: None, error: Error::new(Kind::UnknownVerb, text) });
        };
        Self::with_arguments(verb, rest).map_err(|error| BadLine { verb: Some(verb), error })
    }

    fn with_arguments(verb: Verb, rest: &[u8]) -> Result<Command> {
        let mut args = Args::new(verb, rest)?;
        let command = match verb {
            Verb::Help => Command::Help(match args.optional()? {
                None => None,
                Some(name) => Some(Verb::from_name(&name).ok_or_else(|| args.bad("there is no such command"))?),
            }),
            Verb::User => Command::User(args.user_name()?),
            Verb::Pass => Command::Pass(args.password()?),
            Verb::Key => Command::Key { user: args.user_name()?, proofs: args.proofs()? },
            Verb::Token => Command::Token { count: args.count()? },
            Verb::Join => Command::Join(args.token()?),
            Verb::Redeem => Command::Redeem {
                user: args.user_name()?,
                secret: args.invitation()?,
                password: args.new_password_option("password")?,
            },
            Verb::Passwd => Command::Passwd { new: args.new_password()?, evidence: args.evidence()? },
            Verb::Nonce => Command::Nonce,
            Verb::Keys => Command::Keys,
            Verb::Enrol => {
                Command::Enrol { name: args.key_name()?, key: Box::new(args.proof()?), evidence: args.evidence()? }
            }
            Verb::Revoke => Command::Revoke { fingerprint: args.fingerprint()?, evidence: args.evidence()? },
            Verb::Link => Command::Link(Box::new(args.link()?)),
            Verb::Links => Command::Links,
            Verb::Unlink => Command::Unlink(args.link_name()?),
            Verb::Visit => Command::Visit {
                secret: args.link_secret()?,
                password: args.optional_password("password")?,
                uploads: args.uploads()?,
            },
            Verb::List => Command::List {
                path: args.path_or_root()?,
                recursive: args.flag("recursive")?,
                rotten: args.flag("rotten")?,
                mode: args.flag("mode")?,
                marks: args.flag("marks")?,
            },
            Verb::Stat => Command::Stat(args.path_or_root()?),
            Verb::Hash => Command::Hash {
                path: args.path()?,
                length: args.number("length")?,
                of: match (args.flag("recorded")?, args.flag("growing")?, args.flag("partial")?) {
                    (false, false, false) => HashOf::Bytes,
                    (true, false, false) => HashOf::Record,
                    (false, true, false) => HashOf::Growing,
                    (false, false, true) => HashOf::Partial,
                    _ => return Err(args.bad("it is one of recorded, growing and partial")),
                },
            },
            Verb::Accept => Command::Accept(args.path()?),
            Verb::Download => Command::Download {
                path: args.path()?,
                offset: args.number("offset")?.unwrap_or(0),
                length: args.number("length")?,
                growing: args.flag("growing")?,
            },
            Verb::Upload => Command::Upload(UploadArgs {
                path: args.path()?,
                size: args.number("size")?,
                mtime: args.mtime()?,
                mode: args.mode()?,
                allocated: args.number("allocated")?,
                condition: args.condition()?,
                resume: args.resume()?,
            }),
            Verb::Stage => Command::Stage(StageArgs {
                path: args.path()?,
                size: args.needed("size")?,
                mtime: args.mtime()?,
                mode: args.mode()?,
                allocated: args.number("allocated")?,
                condition: args.condition()?,
                resume: args.resume()?,
            }),
            Verb::Part => {
                Command::Part { id: args.staged()?, offset: args.needed("offset")?, length: args.needed("length")? }
            }
            Verb::Commit => Command::Commit { id: args.staged()?, hash: args.hash()? },
            Verb::Discard => Command::Discard(args.staged()?),
            Verb::Chmod => Command::Chmod { path: args.path()?, mode: args.needed_mode()? },
            Verb::Delete => Command::Delete { path: args.path()?, recursive: args.flag("recursive")? },
            Verb::Mkdir => Command::Mkdir { path: args.path()?, parents: args.flag("parents")? },
            Verb::Rename => Command::Rename { from: args.path()?, to: args.path()?, replace: args.flag("replace")? },
            Verb::Copy => Command::Copy { from: args.path()?, to: args.path()?, replace: args.flag("replace")? },
            Verb::Trash => Command::Trash(args.path_or_root()?),
            Verb::Restore => {
                let (path, id) = (args.path()?, args.trashed()?);
                let id = id.ok_or_else(|| args.bad("id= is missing"))?;
                Command::Restore { path, id, to: args.path_option("to")? }
            }
            Verb::Purge => Command::Purge { path: args.path_or_root()?, id: args.trashed()? },
            Verb::Ping => Command::Ping,
            Verb::Status => Command::Status,
            Verb::Who => Command::Who,
            Verb::Kick => Command::Kick(args.user_name()?),
            Verb::Penalties => Command::Penalties,
            Verb::Unban => Command::Unban(args.address()?),
            Verb::Reload => Command::Reload,
            Verb::Shutdown => Command::Shutdown,
            Verb::Logout => Command::Logout,
        };
        args.finish()?;
        Ok(command)
    }
}
