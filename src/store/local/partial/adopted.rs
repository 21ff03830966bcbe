//! Making a partial one's own where several servers serve a home: a copy takes its place before it is gone on with, unless who wrote it
//! has let it go. A server that is taken for dead may only have been out of reach, with its lock lost on the way and the file still
//! open: what it writes then it writes into a file that nobody uses any more.
//!
//! The copy is made while the partial is hashed, in the same bounded steps, and its hash is that of the bytes it was given.

use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, FlockOperation, Mode, Stat, fdatasync, flock, fstat, renameat, statat};
use rustix::io::Errno;

use super::super::staging::{Stage, Temp};
use super::{DATA, Found, Step, open_hidden, write_blocks};
use crate::buffers::Buffer;
use crate::files::{Hasher, RelPath};
use crate::limits;

/// A copy of a partial that is being made.
pub(in super::super) struct Half {
    /// Device and inode of the partial.
    of: (u64, u64),
    /// So much of it is copied.
    len: u64,
    hasher: Hasher,
    temp: Temp,
}

/// Copies on, at most so many bytes. `found` is the partial, and `stat` what it was when it was found.
pub(super) fn step(stage: &Stage, path: &RelPath, found: &Temp, stat: &Stat, most: u64) -> io::Result<Step> {
    let of = (stat.st_dev, stat.st_ino);
    let mut half = match stage.half_copied().take().filter(|half| half.of == of) {
        Some(half) => half,
        None => {
            let len = u64::try_from(stat.st_size).unwrap_or(0) / limits::HASH_BLOCK * limits::HASH_BLOCK;
            if len == 0 || is_written(found) {
                return Ok(Step::Done(None));
            }
            let temp = stage.create_hidden(Some(path), Mode::from_raw_mode(stat.st_mode & 0o777), found.can)?;
            Box::new(Half { of, len, hasher: Hasher::new(), temp })
        }
    };
    let until = half.len.min(half.hasher.len().saturating_add(most));
    match copy_until(found, &mut half, until) {
        // Whoever lost it has cut it off meanwhile.
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => return Ok(Step::Done(None)),
        copied => copied?,
    }
    if half.hasher.len() < half.len {
        let left = half.len - half.hasher.len();
        *stage.half_copied() = Some(half);
        return Ok(Step::NotYet { left });
    }
    put(stage, path, found, half)
}

/// Both are multiples of a chunk.
fn copy_until(found: &Temp, half: &mut Half, until: u64) -> io::Result<()> {
    let mut buffer = Buffer::take();
    let chunk = buffer.room().get_mut(..limits::CHUNK).unwrap_or_default();
    while half.hasher.len() < until {
        found.file.read_exact_at(chunk, half.hasher.len())?;
        half.hasher.update(chunk);
        half.temp.file.write_all(chunk)?;
    }
    Ok(())
}

/// Puts a whole copy in the partial's place.
fn put(stage: &Stage, path: &RelPath, found: &Temp, half: Box<Half>) -> io::Result<Step> {
    let Half { of, len, hasher, mut temp } = *half;
    if stage.is_durable() {
        // An error in writing must be seen before the bytes count as there.
        fdatasync(&temp.file)?;
    }
    let key = stage.key(path);
    let (Some(area), Some(name)) = (temp.area().cloned(), temp.name().map(<[u8]>::to_vec)) else {
        return Ok(Step::Done(None));
    };
    let placed = format!("{DATA}{key}");
    // Nobody begins to count what is there in between.
    let _steady = stage.jail().tree().steady_to_add()?;
    let there = statat(&area.reserved, &*placed, AtFlags::SYMLINK_NOFOLLOW);
    if there.is_ok_and(|there| (there.st_dev, there.st_ino) != of) || is_written(found) {
        // Another one has it: that is looked at now.
        return Ok(Step::NotYet { left: len });
    }
    if !stage.jail().keeps_partials() {
        return Ok(Step::Done(None));
    }
    // Without it the next one copies it again.
    let own = fstat(&temp.file)?;
    let _ = write_blocks(&area, &key, &own, hasher.blocks());
    let _ = flock(&temp.file, FlockOperation::Unlock);
    renameat(temp.dir(), &*name, &area.reserved, &*placed)?;
    temp.release();
    let mut temp = open_hidden(stage, &key)?;
    temp.release();
    let there = fstat(&temp.file)?;
    if (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino) {
        // Another one has put its own there since: that is looked at now.
        return Ok(Step::NotYet { left: len });
    }
    Ok(Step::Done(Some(Found { temp, blocks: hasher.blocks().to_vec() })))
}

/// Whether somebody has it locked, who writes it.
fn is_written(found: &Temp) -> bool {
    let locked = flock(&found.file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
    if !locked {
        // Two who look at once need not see each other.
        let _ = flock(&found.file, FlockOperation::Unlock);
    }
    locked
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::sync::Arc;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::super::key;
    use super::*;
    use crate::error::Kind;
    use crate::files::{Durability, Hash, Looked, Store, UploadSpec};

    const BLOCK: usize = limits::HASH_BLOCK as usize;

    fn node(home: &std::path::Path) -> LocalStore {
        let lock = home.join("../lock");
        let tree = Tree::across(TreeLock::of("tree".to_owned(), move || {
            OpenOptions::new().write(true).create(true).truncate(false).open(&lock)
        }));
        let dir = Dir::open_ambient_dir(home, ambient_authority()).unwrap();
        let root = Root::within(&dir, PlaceInTree { tree: Arc::new(tree), ..PlaceInTree::default() }).unwrap();
        LocalStore::over(Arc::new(root), LocalOptions::new(Durability::None, Staging::Hidden))
    }

    fn path() -> RelPath {
        RelPath::parse(b"large").unwrap()
    }

    /// What another node left of an upload, with its handle.
    fn left(home: &std::path::Path, bytes: &[u8]) -> File {
        fs::create_dir_all(home.join(".sealift")).unwrap();
        let file = home.join(".sealift").join(format!("{DATA}{}", key(&path(), None)));
        fs::write(&file, bytes).unwrap();
        OpenOptions::new().write(true).open(file).unwrap()
    }

    fn steps(store: &LocalStore) -> (usize, Looked) {
        let mut steps = 0;
        loop {
            steps += 1;
            match store.look_for_partial(&path()).unwrap() {
                Looked::NotYet { .. } => {}
                done => return (steps, done),
            }
        }
    }

    #[test]
    fn what_a_lost_node_left_is_gone_on_with_in_a_copy_that_it_cannot_write() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        let bytes: Vec<u8> = (0..2 * BLOCK + 5).map(|n| (n % 251) as u8).collect();
        let lost = left(&home, &bytes);
        let store = node(&home);
        let (steps, looked) = steps(&store);
        assert!(steps > 4, "copied in {steps} steps");
        let Looked::Done(Some(partial)) = looked else { panic!("{looked:?}") };
        assert_eq!((partial.len, partial.hash), (2 * limits::HASH_BLOCK, Hash::of(&bytes[..2 * BLOCK])));
        // It comes back, and writes on.
        lost.write_all_at(&vec![7; BLOCK], 0).unwrap();
        let spec = UploadSpec { size: Some(bytes.len() as u64), ..UploadSpec::default() };
        let mut upload = store.resume(&path(), spec, partial.len, partial.hash).unwrap();
        lost.write_all_at(&vec![8; BLOCK], 0).unwrap();
        upload.append(&bytes[2 * BLOCK..]).unwrap();
        let done = store.commit(vec![upload.prepare()]);
        assert!(done.iter().all(Result::is_ok), "{done:?}");
        lost.write_all_at(&vec![9; BLOCK], 0).unwrap();
        assert!(fs::read(home.join("large")).unwrap() == bytes);
        drop(store);
        assert_eq!(fs::read_dir(home.join(".sealift")).unwrap().count(), 0);
    }

    #[test]
    fn what_somebody_writes_is_nothing_to_go_on_with() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        let writer = left(&home, &vec![1; BLOCK]);
        flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
        let store = node(&home);
        let (_, looked) = steps(&store);
        assert!(matches!(looked, Looked::Done(None)), "{looked:?}");
        let refused = store.resume(&path(), UploadSpec::default(), limits::HASH_BLOCK, Hash::of(&vec![1; BLOCK]));
        assert_eq!(refused.err().unwrap().kind(), Kind::Changed);
        drop(writer);
        let (_, looked) = steps(&store);
        assert!(matches!(looked, Looked::Done(Some(_))), "{looked:?}");
    }
}
