//! Which files of equal size have the same content: the server hashes its side while all cores hash this one.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{Mode, OFlags};

use super::remote;
use crate::buffers::Buffer;
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Hasher, RelPath};
use crate::proto::HashOf;

/// Those of `files` that are the same below `local` and below `remote`. One that cannot be hashed on either side is not
/// among them: the transfer tells why.
///
/// # Errors
/// Those that end the connection.
pub(super) fn same(
    session: &mut Session,
    local: &Path,
    remote: &RelPath,
    files: Vec<RelPath>,
) -> Result<HashSet<RelPath>> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
    let (here, there) = thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            let mut buffer = Buffer::take();
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Ok(hash) = hash(&local.join(file.as_path()), buffer.room()) {
                    done.push((file.clone(), hash));
                }
            }
            done
        };
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let there = remote::hashes(session, remote, &files, HashOf::Bytes);
        if there.is_err() {
            // Nobody wants the rest.
            next.store(files.len(), Ordering::Relaxed);
        }
        let here: Vec<_> = running.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect();
        (here, there)
    });
    let there = there?;
    let here: HashMap<RelPath, Hash> = here.into_iter().collect();
    let is_same = |(file, there): &(RelPath, Option<Hash>)| there.is_some() && here.get(file) == there.as_ref();
    Ok(files.into_iter().zip(there).filter(is_same).map(|(file, _)| file).collect())
}

/// The hash of a local file, as [`same`] takes it.
pub(super) fn hash_of(path: &Path) -> Result<Hash> {
    hash(path, Buffer::take().room())
}

/// Links are not followed, and a pipe in the file's place is not waited for.
fn hash(path: &Path, buffer: &mut [u8]) -> Result<Hash> {
    let failed = |err: std::io::Error| Error::file(path.display(), err);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|err| failed(err.into()))?;
    let mut file = std::fs::File::from(file);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display())));
    }
    let mut hasher = Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
            Err(err) => return Err(failed(err)),
        }
    }
}
