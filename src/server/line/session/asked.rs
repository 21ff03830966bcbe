//! What a command of sealift/1 asks for: an operation on files for the desk, or something of the session itself.

use crate::files::{Condition, RelPath, UploadSpec};
use crate::proto::{Command, HashOf, StageArgs, UploadArgs};
use crate::server::desk::gate::{self, Need};
use crate::server::desk::op::{Hashing, Op};
use crate::server::desk::session_request::SessionRequest;

/// What a command asks for.
pub enum Asked {
    /// An operation on files.
    Files(Op),
    /// Something that the session does itself; the gate decides over this.
    Session(SessionRequest, Command),
}

impl Asked {
    /// What it needs, as the gate says.
    pub fn need(&self) -> Need<'_> {
        match self {
            Asked::Files(op) => gate::need(op),
            Asked::Session(session_request, _) => gate::need_of(*session_request),
        }
    }

    /// The operation, if it is one on files.
    pub fn op(&self) -> Option<&Op> {
        match self {
            Asked::Files(op) => Some(op),
            Asked::Session(..) => None,
        }
    }
}

impl From<Command> for Asked {
    fn from(command: Command) -> Asked {
        let op = match command {
            Command::Stat { path, usage: false } => Op::Stat(path),
            Command::Stat { path, usage: true } => Op::StatWithRoom(path),
            Command::List { path, recursive, rotten, mode, marks } => {
                Op::List { path, recursive, rotten, modes: mode, marks }
            }
            Command::Download { path, offset, length, growing } => Op::Read { path, offset, length, growing },
            Command::Hash { path, length, of } => hash(path, length, of),
            Command::Accept(path) => Op::Accept(path),
            Command::Upload(args) => upload(args),
            Command::Stage(args) => stage(args),
            Command::Part { id, offset, length } => Op::Part { id, offset, length },
            Command::Commit { id, hash } => Op::Commit { id, hash },
            Command::Discard(id) => Op::Discard(id),
            Command::Chmod { path, mode, mtime } => Op::SetMode { path, mode, mtime },
            // How far it is is told by the session.
            Command::Delete { path, recursive, progress: _ } => Op::Remove { path, recursive, for_good: false },
            Command::Mkdir { path, parents } => Op::MakeFolder { path, parents },
            Command::Rename { from, to, replace } => Op::Rename { from, to, replace },
            Command::Copy { from, to, replace } => {
                Op::Copy { from, to, over: if replace { Condition::Any } else { Condition::Absent } }
            }
            Command::Trash(path) => Op::ListTrash(path),
            Command::Restore { path, id, to } => Op::Restore { to: to.unwrap_or_else(|| path.clone()), path, id },
            Command::Purge { path, id } => Op::Purge { path, id },
            Command::Help(_) | Command::Ping | Command::Status | Command::Logout => {
                return Asked::Session(SessionRequest::Talk, command);
            }
            Command::User(_)
            | Command::Pass(_)
            | Command::Key { .. }
            | Command::Join(_)
            | Command::Redeem { .. }
            | Command::Visit { .. } => {
                return Asked::Session(SessionRequest::LogIn, command);
            }
            Command::Token { .. } => return Asked::Session(SessionRequest::Connect, command),
            // What is shown is the user's own, and a nonce opens nothing.
            Command::Nonce | Command::Keys | Command::Links => return Asked::Session(SessionRequest::Talk, command),
            Command::Enrol { .. } | Command::Revoke { .. } => {
                return Asked::Session(SessionRequest::ChangeKeys, command);
            }
            Command::Passwd { .. } => return Asked::Session(SessionRequest::ChangePassword, command),
            Command::Link(ref link) => {
                let inbox = link.inbox.is_some();
                return Asked::Session(SessionRequest::MakeLink { inbox }, command);
            }
            Command::Unlink(_) => return Asked::Session(SessionRequest::EndLink, command),
            Command::Who => return Asked::Session(SessionRequest::ListSessions, command),
            Command::Kick(_) => return Asked::Session(SessionRequest::EndSessions, command),
            Command::Penalties => return Asked::Session(SessionRequest::ListPenalties, command),
            Command::Unban(_) => return Asked::Session(SessionRequest::LiftPenalty, command),
            Command::Reload => return Asked::Session(SessionRequest::Reload, command),
            Command::Shutdown => return Asked::Session(SessionRequest::StopServer, command),
        };
        Asked::Files(op)
    }
}

fn hash(path: RelPath, length: Option<u64>, of: HashOf) -> Op {
    let of = match of {
        HashOf::Partial => return Op::FindPartial(path),
        HashOf::Bytes => Hashing::Bytes,
        HashOf::Record => Hashing::Record,
        HashOf::Growing => Hashing::Growing,
    };
    Op::Hash { path, length, of }
}

fn upload(args: UploadArgs) -> Op {
    let UploadArgs { path, size, mtime, mode, allocated, condition, resume } = args;
    Op::Put { path, spec: UploadSpec { size, mtime, mode, allocated, condition, ..UploadSpec::default() }, resume }
}

fn stage(args: StageArgs) -> Op {
    let StageArgs { path, size, mtime, mode, allocated, condition, resume } = args;
    let spec = UploadSpec { size: Some(size), mtime, mode, allocated, condition, ..UploadSpec::default() };
    Op::Stage { path, spec, resume }
}
