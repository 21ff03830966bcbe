//! Which files have the same content on both sides: the server hashes its side while all cores hash this one.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use super::local_access::LocalAccess;
use super::many;
use super::session::Session;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Hasher, RelPath, Store};
use crate::limits;
use crate::proto::{Command, HashOf};

/// What a hash of a local file is made with, and whether it is still wanted.
pub(super) struct Work<'a> {
    buffer: &'a mut [u8],
    is_over: &'a AtomicBool,
}

/// For each of these files of the server whether the local one of the same number has the same content, by `here`. One that
/// cannot be hashed on either side has not: its transfer tells why.
///
/// # Errors
/// Those that end the connection.
pub(super) fn same(
    session: &mut Session,
    there: &[RelPath],
    of: HashOf,
    here: impl Fn(usize, &mut Work<'_>) -> Result<Hash> + Sync,
) -> Result<Vec<bool>> {
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(there.len());
    let (sender, receiver) = channel();
    let (theirs, ours) = thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, is_over, here) = (sender.clone(), &next, &is_over, &here);
            scope.spawn(move || {
                let mut buffer = Buffer::take();
                let mut work = Work { buffer: buffer.room(), is_over };
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= there.len() || is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Ok(hash) = here(at, &mut work) {
                        let _ = sender.send((at, hash));
                    }
                }
            });
        }
        drop(sender);
        let mut ours = vec![None; there.len()];
        let mut asked = many::hashes(session, there, of);
        while asked.is_ok() {
            match receiver.recv_timeout(limits::STILL_HERE) {
                Ok((at, hash)) => ours.get_mut(at).into_iter().for_each(|slot| *slot = Some(hash)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => asked = still_here(session).and(asked),
            }
        }
        // Without an answer nobody wants the rest.
        is_over.store(true, Ordering::Relaxed);
        (asked, ours)
    });
    let is_same = |(theirs, ours): (Option<Hash>, Option<Hash>)| theirs.is_some() && theirs == ours;
    Ok(theirs?.into_iter().zip(ours).map(is_same).collect())
}

fn still_here(session: &mut Session) -> Result<()> {
    session.command(&Command::Ping)?;
    session.expect(200).map(drop)
}

/// The hash of a local file, on its own.
pub(super) fn hash_of(path: &Path) -> Result<Hash> {
    let (mut buffer, is_over) = (Buffer::take(), AtomicBool::new(false));
    hash(path, &LocalAccess::Seen, &mut Work { buffer: buffer.room(), is_over: &is_over }, |_| {})
}

/// The hash of a local file, opened so; `told` hears how far it is. A pipe in its place is not waited for.
pub(super) fn hash(path: &Path, access: &LocalAccess, work: &mut Work<'_>, told: impl FnMut(u64)) -> Result<Hash> {
    let failed = |err: std::io::Error| Error::file(path.display(), err);
    let mut file = File::from(access.open(path).map_err(|err| failed(err.into()))?);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display())).at(path));
    }
    work.hash(told, |buffer, _| match file.read(buffer) {
        Err(err) if err.kind() == ErrorKind::Interrupted => Ok(None),
        read => read.map(Some).map_err(failed),
    })
}

/// The hash of a file in a store; `told` hears how far it is.
pub(super) fn hash_in(store: &dyn Store, path: &RelPath, work: &mut Work<'_>, told: impl FnMut(u64)) -> Result<Hash> {
    let mut file = store.open(path)?;
    work.hash(told, |buffer, at| file.read_at(at, buffer).map(Some))
}

impl Work<'_> {
    /// The hash of all that comes, up to a read of nothing.
    fn hash(
        &mut self,
        mut told: impl FnMut(u64),
        mut read: impl FnMut(&mut [u8], u64) -> Result<Option<usize>>,
    ) -> Result<Hash> {
        let mut hasher = Hasher::new();
        while !self.is_over.load(Ordering::Relaxed) {
            told(hasher.len());
            match read(self.buffer, hasher.len())? {
                None => {}
                Some(0) => return Ok(hasher.finalize()),
                Some(count) => hasher.update(self.buffer.get(..count).unwrap_or_default()),
            }
        }
        Err(Error::new(Kind::Aborted, "nobody wants the hash any more"))
    }
}
