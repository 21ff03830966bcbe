//! Every size, count and time-out, each with its reason. Nothing else in the crate invents a bound.
//!
//! What all share stands here; what one part alone needs is in the file of that part. They are named alike from everywhere:
//! `limits::NAME`.

mod audit;
mod client;
#[cfg(feature = "s3")]
mod engine;
mod login;
mod server;
mod web;

use std::time::Duration;

pub use audit::*;
pub use client::*;
#[cfg(feature = "s3")]
pub use engine::*;
pub use login::*;
pub use server::*;
pub use web::*;

// ---- Paths and names ----

/// Longest path in bytes: Linux's PATH_MAX.
pub const PATH_MAX: usize = 4096;

/// Longest note of something that takes the place of a folder: four paths, and what is known of both.
pub const SUPERSEDING_NOTE: usize = 5 * PATH_MAX;

/// Longest note of whose files were that somebody is moving elsewhere: of ten thousand people.
pub const TAKING_NOTE: usize = 1024 * 1024;

/// Longest single name in bytes: NAME_MAX of every common file system.
pub const NAME_MAX: usize = 255;

/// Deepest path in components. Listing a tree holds one open directory for each level.
pub const DEPTH_MAX: usize = 64;

/// How often a new file beside another one is made anew because somebody who looked for what was left over took it away before it was locked:
/// each time takes meeting the same moment again.
pub const FRESH_FILE_TRIES: usize = 5;

/// How old such a file is before it is taken for left over where no lock says whether somebody writes it: that takes milliseconds.
pub const FRESH_FILE_LEFT: Duration = Duration::from_secs(60 * 60);

/// With less room than this on a disk `sealiftd check` warns: what a busy server takes in a second.
pub const DISK_LITTLE: u64 = 64 * 1024 * 1024;

/// How long a command waits for the disks and mounts that it works on: longer than one takes that has to be woken.
pub const PLACES_ANSWER: Duration = Duration::from_secs(20);

/// How often a folder that gets a longer path is walked through, because something came into the tree meanwhile, before
/// that is done once more while nothing may come.
pub const LOOKS_BELOW: usize = 3;

/// How many files of a tree that is moved are marked while those who replace, remove or rename anything wait: some milliseconds, also on
/// a slow disk.
pub const MARKED_AT_ONCE: usize = 32;

/// How often an upload that may replace nothing looks again at a name that is taken and free again by turns. Each time
/// somebody else must have changed it, so even a busy folder needs two or three.
pub const NAME_TRIES: u32 = 100;

/// How many links right in the data folder lead from the name of a home to its folder: nobody needs more than one or two.
pub const HOME_LINKS: u32 = 8;

/// The highest number that a file gets whose name is taken. A power of two, so that it is always found in as many looks.
pub const NUMBERED_MAX: u32 = 1 << 17;

/// Bytes that the names of unreadable folders may take in the reply that ends a listing: half a line, so that the rest
/// of the reply always fits. More are only counted.
pub const UNREAD_NAMES: usize = LINE_MAX / 2;

/// Directory under which uploads are staged inside a home. Reserved: never listed, never reachable by name.
pub const RESERVED_NAME: &str = ".sealift";

// ---- The wire ----

/// Longest command or reply line in bytes, ending included. A 4 KiB path may triple when percent-encoded only if
/// every byte needs it; 8 KiB holds any path of ordinary text, and bounds what a stranger makes us buffer.
pub const LINE_MAX: usize = 8 * 1024;

/// Largest data frame in bytes. Large enough that its 4-byte header is free, small enough that a receiver
/// never owes a sender more than this before it can say no.
pub const FRAME_MAX: usize = 1024 * 1024;

/// Bytes that the answer to an unknown verb repeats of it: enough to see what was typed.
pub const VERB_SHOWN: usize = 32;

/// Longest user name in bytes.
pub const USER_MAX: usize = 64;

/// Longest password in bytes, refused before hashing (CVE-2016-6515: OpenSSH hashed passwords of any length).
pub const PASSWORD_MAX: usize = 1024;

/// Unknown verbs on one connection before it is closed: a person mistypes, another protocol never stops (ALPACA).
pub const UNKNOWN_VERBS_MAX: u32 = 10;

/// Characters of a key's fingerprint: `SHA256:` and 32 bytes in base64 without padding.
pub const FINGERPRINT: usize = 50;

/// Least room in a buffer that a frame of file data is begun in; below it the buffer is sent and a new one begun.
pub const FRAME_BEGUN_MIN: usize = 16 * 1024;

/// Bytes of listing lines that make a frame.
pub const LIST_FRAME: usize = 32 * 1024;

/// Entries of a list that one step of it goes through and gives none of, since rules hide them, whatever it gives between them: about a
/// millisecond.
pub const LIST_UNSEEN: usize = 512;

/// Entries that one step of removing a folder with all in it goes through: some milliseconds, and besides what the way down to them takes,
/// which each step begins anew.
pub const REMOVE_STEP: usize = 256;

/// How many more it goes through for each folder on its way down, which takes some five calls of the system: without these the way took more
/// than half as many calls again where 40,000 files lay in the 59th folder, with them a quarter.
pub const REMOVE_STEP_FOLDER: usize = 8;

/// Default port.
pub const PORT: u16 = 4456;

/// Port of a URL with `https://` that names none.
pub const WEB_PORT: u16 = 443;

// ---- TLS ----

/// Raw bytes a peer may send before its handshake is done. A real ClientHello with every extension is under 4 KiB.
pub const HANDSHAKE_BYTES_MAX: usize = 64 * 1024;

/// Time for the whole TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads in a row the adapter below TLS serves before it yields to the executor: async-tls loops inside one poll
/// while bytes keep arriving, and a time-out around it would fire late (measured: 1.6 s instead of 0.3 s).
pub const READS_PER_POLL: u32 = 32;

/// Raw bytes in a row that may carry no plaintext after the handshake (empty records, key updates) before the
/// connection is an attack and not a transfer.
pub const EMPTY_BYTES_MAX: usize = 64 * 1024;

/// Buffer of the adapter below TLS, each direction. 256 KiB pumps 2.1 GB/s where 64 KiB pumps 1.9 and none 1.6; a little
/// more, and all records of one [`BUFFER`] go out in one write.
pub const SOCKET_BUFFER: usize = BUFFER + 4 * 1024;

/// Buffer of the adapter below TLS where memory is short: one TLS record (RFC 8446: at most 16,640 bytes and a header of 5) fits.
pub const SMALL_SOCKET_BUFFER: usize = 17 * 1024;

/// Drained socket buffers kept for the next busy connection, in the whole process (4 MiB). An idle connection gives
/// its buffers back; without this store a busy one would map and fault in fresh pages for every burst.
pub const SOCKET_BUFFERS_KEPT: usize = 16;

/// Largest certificate, key or CA file in bytes. The CA bundle of a whole operating system is about 250 KiB.
pub const PEM_MAX: u64 = 4 * 1024 * 1024;

/// Old keys that `sealiftd cert new --force` keeps beside the new one, counted from 1. Whoever has more than a few has a
/// script that goes wrong.
pub const OLD_KEYS_MAX: u32 = 1_000;

/// How many links, and how many invitations, an administrator is told of by name who changes the server's key: what fits into a few lines.
pub const GIVEN_OUT_SHOWN: usize = 10;

/// How long a generated certificate is valid. Trust comes from the pin, not from dates, so it should outlive the
/// machine rather than stop a server on some night.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How far back a generated certificate's validity starts, for peers whose clock is behind.
pub const CERTIFICATE_BACKDATE: Duration = Duration::from_secs(24 * 3600);

/// How long a closing server waits for the other side to read the last reply before it lets the socket go.
pub const CLOSE_DRAIN: Duration = Duration::from_secs(2);

/// How much of what nobody will read any more is taken from the socket at a time.
pub const DISCARD_CHUNK: usize = 64 * 1024;

// ---- Buffers ----

/// Size of a buffer on its way between a connection and its worker: a frame of one [`CHUNK`], and some lines before it.
pub const BUFFER: usize = CHUNK + 8 * 1024;

/// Buffers the process keeps for reuse; more than that are freed. 32 serve eight transfers that pause and resume.
pub const SPARE_BUFFERS: usize = 32;

/// Received buffers that may wait for a session's worker before the connection is read no further. With the buffers in
/// the worker's hands and below TLS this keeps an upload under 3 MiB.
pub const INBOX_BUFFERS: usize = 8;

/// Waiting buffers at which a connection that had to stop is read again: half of the above, so that one turn of the
/// connection's thread fills several. Measured against 4 buffers and a turn for each: a fifth fewer turns of all
/// threads, and 2 to 6 % less time for 1 GiB on two cores.
pub const INBOX_LOW: usize = 4;

/// Buffers that may wait to be sent before a session's worker stops producing. With those below TLS this keeps a download
/// under 2 MiB.
pub const OUTBOX_BUFFERS: usize = 4;

/// Bytes of buffers in use in the whole server from which on each session may have only one waiting either way: tens of
/// transfers run at full speed, and hundreds of clients that never read cannot fill the memory. Measured with 200 of
/// them: 1.0 MiB each, and 1.7 without this bound.
pub const BUFFERS_PLENTY: usize = 64 * 1024 * 1024;

/// A buffer where memory is short: the least frame that a download is sent in, and some lines.
pub const SMALL_BUFFER: usize = 16 * 1024 + 64;

// ---- Files ----

/// A unit of file work: read, hashed, written and ciphered in one go. Overlaps disk and cipher while it stays in a
/// core's cache.
pub const CHUNK: usize = 256 * 1024;

/// Mode of a file that a server stores, before the umask takes from it: its account writes, its group reads, nobody
/// else does, also where a service manager leaves the umask at 0. A file that replaces another keeps that one's mode.
pub const SERVED_FILE_MODE: u32 = 0o640;

/// Mode of a folder that a server makes, as [`SERVED_FILE_MODE`].
pub const SERVED_FOLDER_MODE: u32 = 0o750;

/// What of a sparse file is left unwritten if it holds nothing but zeros: a block of most file systems.
pub const HOLE_UNIT: usize = 4 * 1024;

/// How much less than its length a file must take on its disk to be looked into for holes. Less saves nobody anything, and
/// a file system that keeps small files in its tables would cost each a system call.
pub const HOLES_MIN: u64 = 64 * 1024;

/// Longest time that is caught up on after a disk that was slow.
pub const SCRUB_CATCH_UP: Duration = Duration::from_secs(1);

/// Uploads and new folders whose commit may wait for others to share its syncs with; as many may be on their way to the
/// disk before them. Each holds a file open. Unit tests cross from one batch to the next all the time.
pub const COMMIT_BATCH: usize = if cfg!(test) { 3 } else { 128 };

/// Bytes in uploads that may wait for a shared commit.
pub const COMMIT_BATCH_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of a file under one recorded pair of BLAKE3 chaining values. An interrupted transfer resumes at a multiple of
/// it: 16 MiB again is a quarter of a second at 600 Mbit/s, and a file of 1 TiB needs 4 MiB of block hashes. Must be a
/// power of two of at least 2 KiB, because the tree of BLAKE3 is cut there.
pub const HASH_BLOCK: u64 = 16 * 1024 * 1024;

/// From this announced size on, an upload is refused at once if the disk has no room for it. For less the question costs more
/// than the bytes that would be sent in vain.
pub const ROOM_CHECK_MIN: u64 = 1024 * 1024;

/// One part in so many of a disk that no announced upload is to fill: whoever shares the disk (the system's log, another
/// user's small files) goes on meanwhile. ext4 keeps a twentieth for root alone.
pub const ROOM_KEPT_PART: u64 = 100;

/// The most of a disk that is kept so: a hundredth of a large one would be of use to nobody.
pub const ROOM_KEPT_MAX: u64 = 256 * 1024 * 1024;

/// How long a lock may stay on a file whose handle was closed, where it is tried what a file system does: GlusterFS tells its servers
/// of a close a moment after it. And the pause between two looks.
pub const LOCK_GONE_WAIT: Duration = Duration::from_secs(2);

/// See [`LOCK_GONE_WAIT`].
pub const LOCK_GONE_PAUSE: Duration = Duration::from_millis(5);

/// From this many uploads committed together on, one `syncfs` is cheaper than an `fdatasync` for each. Measured on ext4,
/// per file: 4 files 0.64 against 0.58 ms, 8 files 0.17 against 0.42, 32 files 0.09 against 0.30.
pub const SYNC_TOGETHER: usize = 8;

/// Bytes of an interrupted upload that one step of looking for it hashes: a few milliseconds, beside which opening it again
/// for each step is little.
pub const PARTIAL_STEP: u64 = 4 * 1024 * 1024;

/// Bytes up to which a commit itself hashes a file that has the name already and came there, or was touched, since it was
/// compared: a few milliseconds.
pub const COMPARE_IN_COMMIT: u64 = 4 * 1024 * 1024;

/// Bytes of an upload after which the kernel is told to begin writing them to the disk, so that memory does not fill
/// with what the sync at the end must wait for. Smaller steps cost more calls, larger ones overlap less.
pub const WRITE_BACK: u64 = 8 * 1024 * 1024;

/// Smallest file whose hash is recorded with it. Recording costs 3 to 10 microseconds (measured, tmpfs and ext4), as
/// much as all the rest for a small file; hashing a smaller file again takes less than 0.3 ms.
pub const RECORD_MIN: u64 = 1024 * 1024;

/// A file must have been left alone for so long before the hash that a reader found is recorded for it: two changes within
/// one tick of a file system's clock, at worst two seconds (FAT), have the same time.
pub const RECORD_AGE_MIN: Duration = Duration::from_secs(3);

/// How far ahead a machine's clock may be of what it showed before, and the time that has passed since, before nothing is removed by its
/// age: a weekend may pass while no server runs, and what is kept is kept for longer.
pub const CLOCK_LEAP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How long such a clock has to go on from what it shows before it is believed: less than the pause between two sweeps, and long enough
/// for somebody, or a time server, to set it right.
pub const CLOCK_LASTS: Duration = Duration::from_secs(4 * 60 * 60);

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a file that must have a certain hash to be replaced is hashed, because it was touched meanwhile, before the
/// answer is that it changed.
pub const CONDITION_LOOKS: usize = 8;

/// How long a client may read a file once more before it ends its upload, because a name or the mode of the file
/// changed. The server waits for the end meanwhile, and for two [`WINDOW`]s at most; this is 50 GiB and more of a fast
/// disk. What takes longer counts as changed.
pub const TORN_CHECK_MAX: Duration = Duration::from_secs(60);

/// How long a store goes on using the folder it has open for a run of files without looking whether the name still
/// stands for it. Thousands of small files fit in it; what other programs move meanwhile is seen after it at the latest.
/// (What other sessions move is seen at once.)
pub const HANDLE_MAX_AGE: Duration = Duration::from_millis(100);

/// Folders a busy store has open at most for what comes next: those of a tree's deep end. Each is an open file.
pub const HANDLES_KEPT: usize = 16;

/// Things in the trash that are told of at once.
pub const TRASH_LISTED: usize = 10_000;

/// Files and folders that are looked at inside of folders for one list of a trash, so that it says what they hold: a second or so.
pub const TRASH_LOOKED: u64 = 100_000;

/// Shortest and longest time for which what is deleted or replaced is kept. Less would be gone before anybody misses it.
pub const TRASH_AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// As [`TRASH_AGE_MIN`]: ten years.
pub const TRASH_AGE_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// How old a note of something in the trash is that never came there: it is made a moment before.
pub const TRASH_NOTE_AGE: Duration = Duration::from_secs(60 * 60);

/// How often a server looks whether its own key and certificate have changed; they count when they were the same twice.
pub const KEY_LOOK: Duration = Duration::from_secs(1);

/// The server's own certificate is renewed by hand when it ends sooner. Whoever pins the key does not mind one that is over; others do,
/// as curl with a file of authorities.
pub const CERTIFICATE_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Before somebody is refused for what they have in shared folders, those are looked through again if the last time was so long ago:
/// other programs may have taken something away.
pub const OWNED_AGE: Duration = Duration::from_secs(60);

/// A shared folder is looked through again for at most one part in so many of the time: each time takes a look at every file there.
pub const OWNED_SHARE: u32 = 20;

/// After so long a change of a folder has another time than the one before, whatever the file system: those with the coarsest times,
/// such as FAT, count in steps of two seconds.
pub const TRASH_SETTLED: Duration = Duration::from_secs(3);

/// Trashes of which one account remembers what they hold: that of the home, and those of the shared folders of one user. What is
/// forgotten is looked through again.
pub const TRASHES_LOOKED: usize = 64;

/// What a trash sets apart of the disk for the day that it is full: a block for the note of a long path, and one more for the names in its
/// folder, of a file system whose blocks are of the usual size.
pub const TRASH_SPARE: usize = 2 * 4096;

/// Of how many things of a trash that go for good, because the disk is full, none may bring any room before no more of them go: where
/// snapshots keep what they took, all would go for nothing.
pub const TRASH_FRUITLESS: usize = 3;

/// Things of a trash that go for good at most for one that is to come into it: a note takes what a few of them had.
pub const TRASH_GONE_FOR_ONE: usize = 16;

/// Where the trash must make room in a quota, it makes at least one part in so many of that.
pub const TRASH_ROOM_PART: u64 = 64;

/// How long an interrupted upload waits to be resumed before a sweep removes it.
pub const PARTIAL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

// ---- Several connections for one file ----

/// Of a file that comes in parts it is noted how much is whole each time when that is one part in so many more than before, for
/// which the disk is waited for: what a crash costs is bounded, and so is how often there is a wait.
pub const WHOLE_NOTED_PART: u64 = 8;

/// The most of it that comes before it is noted again.
pub const WHOLE_NOTED_MOST: u64 = 1024 * 1024 * 1024;

/// Connections that one file may be split over, the first included. More than a few help only against a policer that
/// bounds each connection, and each costs a handshake.
pub const STREAMS_MAX: u32 = 16;

/// Smallest file that is split. Below four blocks the handshakes cost more than they bring.
pub const STREAM_MIN: u64 = 4 * HASH_BLOCK;

/// Hexadecimal digits of a token: 32 random bytes.
pub const TOKEN_DIGITS: usize = 64;

/// How long a token can be used: a handshake over a bad line and a retry. Whoever steals one has no longer either.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(30);

/// Tokens of all sessions together; beyond it fewer are given out. About 250 bytes each, so 4 MiB.
pub const TOKENS_MAX: usize = 16_384;

/// Staged uploads of one session: a client sends one file after the other, and each holds a file open.
pub const STAGED_PER_SESSION: usize = 4;

/// Staged uploads of all sessions together: each holds a file open.
pub const STAGED_MAX: usize = 1024;

/// Time to reach a server once more: it was reached a moment ago, and a transfer can go on without.
pub const STREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// Parts of one staged upload that a client sends on one connection without having the answer.
pub const PARTS_AHEAD: usize = 4;
