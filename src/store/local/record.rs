//! The hash a file had when it was committed, kept with it in an extended attribute, so that nobody has to read a
//! large file to know its hash. It counts only while size and modification time are the same to the nanosecond.

use std::fs::File;

use rustix::fs::{Stat, XattrFlags, fgetxattr, fsetxattr};

use super::source::mtime;
use crate::hash::Hash;
use crate::limits;

const ATTRIBUTE: &str = "user.sealift.b3";

/// Version 1: this byte, the hash, then size, seconds and nanoseconds, little-endian.
const VERSION: u8 = 1;
const LEN: usize = 1 + 32 + 8 + 8 + 4;

/// Records the hash of a file that is as `stat` says. Quietly nothing if the file system takes no attributes, or has
/// no room for them: they only save time.
pub(super) fn store(file: &File, stat: &Stat, hash: &Hash) {
    if worth(stat) {
        let _ = fsetxattr(file, ATTRIBUTE, &encode(stat, hash), XattrFlags::empty());
    }
}

/// The recorded hash of a file that is as `stat` says.
pub(super) fn load(file: &File, stat: &Stat) -> Option<Hash> {
    if !worth(stat) {
        return None;
    }
    let mut bytes = [0; LEN];
    let len = fgetxattr(file, ATTRIBUTE, &mut bytes[..]).ok()?;
    let hash = Hash::from_bytes(*bytes.get(1..)?.first_chunk()?);
    (len == LEN && bytes == encode(stat, &hash)).then_some(hash)
}

/// Whether this file keeps a note.
pub(super) fn is_kept(file: &File) -> bool {
    let mut bytes = [0; LEN];
    let set = fsetxattr(file, ATTRIBUTE, &[VERSION; LEN], XattrFlags::empty());
    set.is_ok() && fgetxattr(file, ATTRIBUTE, &mut bytes[..]) == Ok(LEN) && bytes == [VERSION; LEN]
}

fn worth(stat: &Stat) -> bool {
    u64::try_from(stat.st_size).is_ok_and(|size| size >= limits::RECORD_MIN)
}

fn encode(stat: &Stat, hash: &Hash) -> [u8; LEN] {
    let time = mtime(stat);
    let mut bytes = [VERSION; LEN];
    let fields =
        [&hash.as_bytes()[..], &stat.st_size.to_le_bytes(), &time.secs.to_le_bytes(), &time.nanos.to_le_bytes()];
    for (to, from) in bytes.iter_mut().skip(1).zip(fields.into_iter().flatten()) {
        *to = *from;
    }
    bytes
}
