//! Which kinds of file system are of this machine alone, and do all that the kernel says they do.

use std::os::fd::AsFd;

use rustix::fs::fstatfs;

/// The magic numbers of those whose every user is on this machine, and which `syncfs` brings to the disk: ext2 to ext4, XFS,
/// btrfs, F2FS, ZFS, bcachefs, JFS, tmpfs, ramfs, and overlays of such.
const OF_THIS_MACHINE: [u64; 10] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0x2fc1_2fc1,
    0xca45_1a4e,
    0x3153_464a,
    0x0102_1994,
    0x8584_58f6,
    0x794c_7630,
];

/// Whether this file is on a file system that nobody else can have mounted in a way of its own, and of which the kernel knows all.
/// Of FUSE it does not: `syncfs` is not told to the program behind it, and locks may not be either. Of any that is not known
/// here nothing is taken for granted.
pub(super) fn is_of_this_machine(file: impl AsFd) -> bool {
    kind(file).is_some_and(|kind| OF_THIS_MACHINE.contains(&kind))
}

fn kind(file: impl AsFd) -> Option<u64> {
    let found = fstatfs(file).ok()?;
    u64::try_from(found.f_type).ok().map(|kind| kind & 0xffff_ffff)
}
