//! Comparing a file that has an upload's name already with what its commit has to know: whether it has a certain hash. A large
//! one is hashed before the commit, in bounded steps, so that whoever has it hashed gives others their turns; the commit
//! then only looks whether it is still that file.

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, fstat, statat};

use super::commit::{changed, failed, same};
use super::jail::Jail;
use super::source::LocalSource;
use super::upload::LocalUpload;
use crate::buffers::Buffer;
use crate::error::{Kind, Result};
use crate::files::{Compared, Condition, Hash, Hasher, Overwrite, Record, RelPath, Source, Upload};
use crate::limits;

/// A file and as much of its hash as is known. Kept open, so that no other file can be taken for it.
pub(super) struct Comparison {
    source: LocalSource,
    stat: Stat,
    hasher: Hasher,
    left: u64,
}

/// How far an upload has come in comparing what is there.
#[derive(Default)]
pub(super) enum Comparing {
    /// Whoever commits it has asked for no steps: the commit hashes whatever there is.
    #[default]
    InCommit,
    /// It was asked for in steps. What there is to compare, if it is large, and how often it was begun.
    InSteps(Option<Box<Comparison>>, usize),
}

impl Comparison {
    /// Opens what has this name, unless it is no regular file.
    pub(super) fn open(jail: &Jail, path: &RelPath, (dir, name): (&Dir, &[u8])) -> Result<Box<Comparison>> {
        // Some file systems tell of an open file what is true of its name by then. Where another node may give that to another file, what it
        // was before it was opened counts.
        let before = match jail.tree().is_across() {
            true => Some(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| failed(path, err))?),
            false => None,
        };
        let source = LocalSource::open_real(path, dir, name)?;
        let stat = match before {
            Some(before) => before,
            None => fstat(source.file()).map_err(|err| failed(path, err))?,
        };
        Ok(Box::new(Comparison { left: source.meta().size, source, stat, hasher: Hasher::new() }))
    }

    /// Opens what has this name and is expected to be a certain file, which anything but a regular file is not.
    pub(super) fn open_expected(jail: &Jail, path: &RelPath, place: (&Dir, &[u8])) -> Result<Box<Comparison>> {
        Self::open(jail, path, place).map_err(|err| match err.kind() {
            Kind::NotFound | Kind::IsDirectory | Kind::NotRegular => changed(path),
            _ => err,
        })
    }

    /// Hashes at most so many bytes. What is recorded of them would do if disks did not err.
    pub(super) fn step(&mut self, most: u64) -> Result<()> {
        let behind = self.left.saturating_sub(most);
        let mut buffer = Buffer::take();
        while self.left > behind {
            let want = usize::try_from(self.left - behind).unwrap_or(limits::CHUNK).min(limits::CHUNK);
            let chunk = buffer.room().get_mut(..want).unwrap_or_default();
            let read = self.source.read_at(self.hasher.len(), chunk)?;
            self.hasher.update(chunk.get(..read).unwrap_or_default());
            // It ends earlier than it did: that it was changed is seen at the end.
            self.left = if read == 0 { 0 } else { self.left - read as u64 };
        }
        Ok(())
    }

    /// The rest of it.
    pub(super) fn to_the_end(mut self: Box<Self>) -> Result<Box<Comparison>> {
        self.step(u64::MAX)?;
        Ok(self)
    }

    /// Its size.
    pub(super) fn size(&self) -> u64 {
        self.source.meta().size
    }

    /// The open file.
    pub(super) fn source(&self) -> &LocalSource {
        &self.source
    }

    /// The hash of all of it, if nothing is left to be hashed and nobody has touched it meanwhile.
    pub(super) fn hash(&self) -> Option<Hash> {
        (self.left == 0 && self.is_unchanged()).then(|| self.hasher.finalize())
    }

    /// Whether it has this name, and is as it was.
    pub(super) fn is_at(&self, dir: &Dir, name: &[u8]) -> bool {
        let there = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        there.is_ok_and(|there| same(&self.stat, &there)) && self.is_unchanged()
    }

    fn is_unchanged(&self) -> bool {
        fstat(self.source.file()).is_ok_and(|now| same(&self.stat, &now))
    }
}

impl Comparing {
    /// The hash of what is there, if it was compared in steps and is as it was.
    pub(super) fn known(&self) -> Option<Hash> {
        match self {
            Comparing::InSteps(Some(found), _) => found.hash(),
            _ => None,
        }
    }

    /// Whether large files are compared before the commit.
    pub(super) fn is_in_steps(&self) -> bool {
        matches!(self, Comparing::InSteps(..))
    }

    /// What was hashed already, told once; and whether a commit may hash a large file now.
    pub(super) fn take(&mut self) -> (Option<Box<Comparison>>, bool) {
        match self {
            Comparing::InCommit => (None, true),
            Comparing::InSteps(found, _) => (found.take().filter(|found| found.left == 0), false),
        }
    }
}

/// [`Upload::compare`].
pub(super) fn step(upload: &mut LocalUpload, most: u64) -> Result<Compared> {
    let (found, begun) = match std::mem::take(&mut upload.comparing) {
        Comparing::InCommit => (None, 0),
        Comparing::InSteps(found, begun) => (found, begun),
    };
    let (mut found, begun) = match found {
        Some(found) => (found, begun),
        None => match begin(upload)? {
            Some(found) => (found, begun + 1),
            None => {
                upload.comparing = Comparing::InSteps(None, begun);
                return Ok(Compared::Done);
            }
        },
    };
    found.step(most)?;
    let left = found.left;
    if left == 0 && !found.is_unchanged() && begun < limits::CONDITION_LOOKS {
        // Once more, from its beginning.
        upload.comparing = Comparing::InSteps(None, begun);
        return step(upload, 0);
    }
    if let (Condition::Hash(expected), Some(hash)) = (upload.spec.condition, found.hash())
        && hash != expected
    {
        return Err(changed(&upload.path));
    }
    upload.comparing = Comparing::InSteps(Some(found), begun);
    Ok(if left == 0 { Compared::Done } else { Compared::NotYet { left } })
}

/// What there is to compare, if there is so much of it that it should not be done in a commit. What cannot be opened, the commit
/// tells of.
fn begin(upload: &LocalUpload) -> Result<Option<Box<Comparison>>> {
    let repeats = match (upload.spec.condition, upload.spec.overwrite) {
        (Condition::Hash(_), _) => false,
        (Condition::Any, Overwrite::Refused) if upload.len() > limits::HEAVY_MIN => true,
        _ => return Ok(None),
    };
    let (dir, name) = upload.jail.parent(&upload.path)?;
    let found = Comparison::open(&upload.jail, &upload.path, (&dir, name)).ok();
    Ok(found.filter(|found| found.left > limits::HEAVY_MIN && (!repeats || found.left == upload.len())))
}

/// Refuses what is recorded to be another file than the expected one, before the bytes are sent in vain and a large file
/// is read for them.
///
/// # Errors
/// [`Kind::Changed`].
pub(super) fn check_recorded(path: &RelPath, dir: &Dir, name: &[u8], expected: Hash) -> Result<()> {
    let Ok(source) = LocalSource::open_real(path, dir, name) else { return Ok(()) };
    match source.record() {
        Some(Record::Sound(recorded)) if recorded != expected => Err(changed(path)),
        _ => Ok(()),
    }
}
