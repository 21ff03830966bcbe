//! The hash a file had when it was committed, kept with it in an extended attribute, so that nobody has to read a
//! large file to know its hash, and whoever does read it can tell whether it is what was stored. It counts only while
//! size and modification time are the same to the nanosecond.

use std::fs::File;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use rustix::io::Errno;

use super::mode;
use crate::files::{Hash, Record, Rot, stamp::Stamp};
use crate::limits;

const ATTRIBUTE: &str = "user.sealift.b3";

/// Version 1: this byte, the hash, then size, seconds and nanoseconds, little-endian.
const SOUND: u8 = 1;
/// Version 2: the same of a file that was found rotten, and after it the hash that was found.
const ROTTEN: u8 = 2;

const HASH: usize = 32;
const SOUND_LEN: usize = 1 + HASH + 8 + 8 + 4;
const ROTTEN_LEN: usize = SOUND_LEN + HASH;

/// Records this of a file of this stamp. Nothing for a small file.
///
/// # Errors
/// That the file system takes no attributes, or has no room for them.
pub(super) fn store(file: &File, stamp: &Stamp, record: &Record) -> Result<(), Errno> {
    if stamp.size() < limits::RECORD_MIN {
        return Ok(());
    }
    let note = encode(stamp, record);
    // A file that was sent with --perms can be one that not even its owner may write.
    mode::as_writable(file, || fsetxattr(file, ATTRIBUTE, &note, XattrFlags::empty()))
}

/// What is recorded of a file of this stamp.
pub(super) fn load(file: &File, stamp: &Stamp) -> Option<Record> {
    if stamp.size() < limits::RECORD_MIN {
        return None;
    }
    let mut bytes = [0; ROTTEN_LEN];
    let len = fgetxattr(file, ATTRIBUTE, &mut bytes[..]).ok()?;
    let bytes = bytes.get(..len)?;
    let hash = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|hash| Hash::from_bytes(*hash));
    let record = match bytes.first()? {
        &ROTTEN => Record::Rotten(Rot { recorded: hash(1)?, found: hash(SOUND_LEN)? }),
        _ => Record::Sound(hash(1)?),
    };
    (bytes == encode(stamp, &record)).then_some(record)
}

/// Whether this file keeps a note.
pub(super) fn is_kept(file: &File) -> bool {
    let (note, mut bytes) = ([ROTTEN; ROTTEN_LEN], [0; ROTTEN_LEN]);
    let set = fsetxattr(file, ATTRIBUTE, &note, XattrFlags::empty());
    set.is_ok() && fgetxattr(file, ATTRIBUTE, &mut bytes[..]) == Ok(ROTTEN_LEN) && bytes == note
}

fn encode(stamp: &Stamp, record: &Record) -> Vec<u8> {
    let (version, hash, found) = match record {
        Record::Sound(hash) => (SOUND, hash, None),
        Record::Rotten(Rot { recorded, found }) => (ROTTEN, recorded, Some(found)),
    };
    let mut bytes = Vec::with_capacity(ROTTEN_LEN);
    bytes.push(version);
    bytes.extend_from_slice(hash.as_bytes());
    bytes.extend_from_slice(&stamp.size().to_le_bytes());
    bytes.extend_from_slice(&stamp.mtime().secs.to_le_bytes());
    bytes.extend_from_slice(&stamp.mtime().nanos.to_le_bytes());
    bytes.extend(found.map(Hash::as_bytes).into_iter().flatten());
    bytes
}
