//! What an interrupted upload left on the server, and whether a file begins with it.

use std::io::{ErrorKind, Read as _, Seek as _};
use std::thread;
use std::time::Instant;

use super::local_file::LocalFile;
use super::observer::Observer;
use super::receive::hashed;
use super::session::Session;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Hasher, RelPath};
use crate::limits;
use crate::proto::{Command, HashOf, Resume};

/// Length and hash of a file on the server, or of what an interrupted upload left of it. Nothing if there is none, or the
/// server does not tell. To be called only when nothing is unanswered.
pub(super) fn hash_of(session: &mut Session, path: &RelPath, of: HashOf) -> Result<Option<(u64, Hash)>> {
    session.command(&Command::Hash { path: path.clone(), length: None, of })?;
    Ok(hashed(session)?.ok())
}

/// What an interrupted upload left. While the server ends an earlier connection, which it takes to be at it still, that is waited for.
/// The inner error: nobody can tell just now, and whoever sent all of it would send in vain what is there.
fn left(session: &mut Session, to: &RelPath) -> Result<Result<Option<(u64, Hash)>>> {
    for _ in 0..limits::BUSY_LOOKS {
        session.command(&Command::Hash { path: to.clone(), length: None, of: HashOf::Partial })?;
        match hashed(session)? {
            Ok(found) => return Ok(Ok(Some(found))),
            Err(error) if error.kind() == Kind::Busy => thread::sleep(limits::BUSY_LOOK),
            Err(error) if error.kind() == Kind::Unavailable => return Ok(Err(error)),
            Err(_) => return Ok(Ok(None)),
        }
    }
    Ok(Ok(None))
}

/// What the server has of this file from an interrupted upload, if the file begins with it: `hasher` and file then stand
/// behind it, else at the beginning. The inner error: nobody can tell just now. To be called only when nothing is unanswered.
pub(super) fn part_of(
    session: &mut Session,
    to: &RelPath,
    file: &mut LocalFile,
    hasher: &mut Hasher,
    observer: &dyn Observer,
) -> Result<Result<Option<Resume>>> {
    let (offset, theirs) = match left(session, to)? {
        Ok(Some(left)) => left,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(error)),
    };
    if offset > file.size || !session.may_end_at(offset) {
        return Ok(Ok(None));
    }
    hasher.reset();
    let mut buffer = Buffer::take();
    let space = buffer.room().get_mut(..limits::CHUNK).unwrap_or_default();
    let mut said = Instant::now();
    while hasher.len() < offset {
        observer.proving(&file.path, hasher.len(), offset);
        // A block is a multiple of a chunk, but a read may bring less.
        let left = usize::try_from(offset - hasher.len()).unwrap_or(usize::MAX).min(space.len());
        match file.file.read(space.get_mut(..left).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => hasher.update(space.get(..count).unwrap_or_default()),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            // The upload from the beginning will meet it again, and tell.
            Err(_) => break,
        }
        if said.elapsed() >= limits::STILL_HERE {
            session.command(&Command::Ping)?;
            session.expect(200)?;
            said = Instant::now();
        }
    }
    if (hasher.len(), hasher.finalize()) == (offset, theirs) {
        return Ok(Ok(Some(Resume { offset, prefix: theirs })));
    }
    file.file.rewind().map_err(|err| Error::file(file.path.display(), err))?;
    Ok(Ok(None))
}
