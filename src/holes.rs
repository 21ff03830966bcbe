//! Holes of sparse files: ranges that read as zeros and take no room on the disk.

use std::fs::File;

use rustix::fs::{SeekFrom, Stat, seek};

use crate::limits::{HOLE_UNIT, HOLES_MIN};

/// What `stat` counts blocks in, whatever the file system's own are (inode(7)).
const STAT_BLOCK: u64 = 512;

/// [`HOLE_UNIT`] zeros.
const ZEROS: [u8; HOLE_UNIT] = [0; HOLE_UNIT];

/// Bytes that this open file takes on its disk, if it has holes that are worth keeping. Nothing for any other file, also
/// one that takes less because it is compressed. A system call for files that take less than they are long, and no
/// others; it leaves them to be read from the beginning.
pub fn allocated(file: &File, stat: &Stat) -> Option<u64> {
    let size = u64::try_from(stat.st_size).ok()?;
    let taken = u64::try_from(stat.st_blocks).ok()?.saturating_mul(STAT_BLOCK);
    if size.checked_sub(taken)? < HOLES_MIN {
        return None;
    }
    // Every file has a hole behind its end.
    let first = seek(file, SeekFrom::Hole(0)).ok().filter(|first| *first < size);
    seek(file, SeekFrom::Start(0)).ok()?;
    first.map(|_| taken)
}

/// Of bytes that begin at `at` in a file, the ranges that must be written where what is not written reads as zeros: all but
/// the zeros of each [`HOLE_UNIT`] in which nothing else is. Each comes with its place in the file, in order.
pub fn without_zeros(bytes: &[u8], at: u64) -> impl Iterator<Item = (u64, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while is_zero(unit(bytes, at, from)?) {
            from += unit(bytes, at, from)?.len();
        }
        let start = from;
        while let Some(unit) = unit(bytes, at, from).filter(|unit| !is_zero(unit)) {
            from += unit.len();
        }
        Some((at.saturating_add(start as u64), bytes.get(start..from)?))
    })
}

/// What follows `from` in these bytes up to the next boundary of a unit; nothing at their end.
fn unit(bytes: &[u8], at: u64, from: usize) -> Option<&[u8]> {
    let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
    let behind = at.wrapping_add(from as u64) % HOLE_UNIT as u64;
    let left = HOLE_UNIT.saturating_sub(usize::try_from(behind).unwrap_or(0));
    rest.get(..left.min(rest.len()))
}

fn is_zero(unit: &[u8]) -> bool {
    ZEROS.get(..unit.len()) == Some(unit)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;
    use rustix::fs::fstat;

    use super::*;

    #[test]
    fn a_file_with_holes_tells_what_it_takes_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create_new(dir.path().join("f")).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(&[1; 1 << 20], 8 << 20).unwrap();
        file.sync_all().unwrap();
        let taken = allocated(&file, &fstat(&file).unwrap()).unwrap();
        assert!((1 << 20..2 << 20).contains(&taken), "{taken}");
        let full = File::create_new(dir.path().join("g")).unwrap();
        full.write_all_at(&[0; 1 << 20], 0).unwrap();
        full.sync_all().unwrap();
        assert_eq!(allocated(&full, &fstat(&full).unwrap()), None);
    }

    proptest! {
        #[test]
        fn what_is_written_over_zeros_is_what_came_and_no_whole_unit_of_zeros_is(
            at in 0u64..20_000,
            runs in proptest::collection::vec((any::<bool>(), 1usize..15_000), 0..8),
            cuts in proptest::collection::vec(1usize..9_000, 1..10),
        ) {
            let bytes: Vec<u8> = runs.iter().flat_map(|(zero, len)| vec![u8::from(!*zero); *len]).collect();
            let mut there = vec![0; bytes.len()];
            let (mut rest, mut place, mut cuts) = (&bytes[..], at, cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                let mut after = place;
                for (start, piece) in without_zeros(now, place) {
                    prop_assert!(start >= after && !piece.is_empty());
                    after = start + piece.len() as u64;
                    let first = usize::try_from(start - at).unwrap();
                    there[first..first + piece.len()].copy_from_slice(piece);
                    for (n, chunk) in piece.chunks(HOLE_UNIT).enumerate() {
                        let aligned = (start + (n * HOLE_UNIT) as u64).is_multiple_of(HOLE_UNIT as u64);
                        prop_assert!(!aligned || chunk.iter().any(|byte| *byte != 0));
                    }
                }
                place += now.len() as u64;
                rest = later;
            }
            prop_assert_eq!(there, bytes);
        }
    }
}
