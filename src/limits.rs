//! Every size, count and time-out, each with its reason. Nothing else in the crate invents a bound.

use std::time::Duration;

// ---- The wire ----

/// Longest command or reply line in bytes, ending included. A 4 KiB path may triple when percent-encoded only if
/// every byte needs it; 8 KiB holds any path of ordinary text, and bounds what a stranger makes us buffer.
pub const LINE_MAX: usize = 8 * 1024;

/// Largest data frame in bytes. Large enough that its 4-byte header is free, small enough that a receiver
/// never owes a sender more than this before it can say no.
pub const FRAME_MAX: usize = 1024 * 1024;

/// Longest path in bytes: Linux's PATH_MAX.
pub const PATH_MAX: usize = 4096;

/// Longest single name in bytes: NAME_MAX of every common file system.
pub const NAME_MAX: usize = 255;

/// Deepest path in components. Listing a tree holds one open directory for each level.
pub const DEPTH_MAX: usize = 64;

/// Longest user name in bytes.
pub const USER_MAX: usize = 64;

/// Longest password in bytes, refused before hashing (CVE-2016-6515: OpenSSH hashed passwords of any length).
pub const PASSWORD_MAX: usize = 1024;

/// Unknown verbs on one connection before it is closed: a person mistypes, another protocol never stops (ALPACA).
pub const UNKNOWN_VERBS_MAX: u32 = 10;

/// Failed logins on one connection before it is closed.
pub const LOGIN_FAILURES_MAX: u32 = 3;

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

/// Buffer of the adapter below TLS, each direction. 256 KiB pumps 2.1 GB/s where 64 KiB pumps 1.9 and none 1.6.
pub const SOCKET_BUFFER: usize = 256 * 1024;

/// How long a closing server waits for the other side to read the last reply before it lets the socket go.
pub const CLOSE_DRAIN: Duration = Duration::from_secs(2);

// ---- Files ----

/// A unit of file work: read, hashed, written and ciphered in one go. Overlaps disk and cipher while it stays in a
/// core's cache.
pub const CHUNK: usize = 256 * 1024;

/// Directory under which uploads are staged inside a home. Reserved: never listed, never reachable by name.
pub const RESERVED_NAME: &str = ".sealift";

/// Bytes of a file under one recorded pair of BLAKE3 chaining values. An interrupted transfer resumes at a multiple of
/// it: 16 MiB again is a quarter of a second at 600 Mbit/s, and a file of 1 TiB needs 4 MiB of block hashes. Must be a
/// power of two of at least 2 KiB, because the tree of BLAKE3 is cut there.
pub const HASH_BLOCK: u64 = 16 * 1024 * 1024;

/// From this announced size on, the space of an upload is reserved before its first byte, so that a full disk says so
/// at once. Below it the reservation costs more than the bytes that would be sent in vain.
pub const RESERVE_MIN: u64 = 1024 * 1024;

/// From this many uploads committed together on, one `syncfs` is cheaper than an `fdatasync` for each. Measured on ext4,
/// per file: 4 files 0.64 against 0.58 ms, 8 files 0.17 against 0.42, 32 files 0.09 against 0.30.
pub const SYNC_TOGETHER: usize = 8;

/// Bytes of an upload after which the kernel is told to begin writing them to the disk, so that memory does not fill
/// with what the sync at the end must wait for. Smaller steps cost more calls, larger ones overlap less.
pub const WRITE_BACK: u64 = 8 * 1024 * 1024;

/// Smallest file whose hash is recorded with it. Recording costs 3 to 10 microseconds (measured, tmpfs and ext4), as
/// much as all the rest for a small file; hashing a smaller file again takes less than 0.3 ms.
pub const RECORD_MIN: u64 = 1024 * 1024;

/// How long a store goes on using the folder it has open for a run of files without looking whether the name still
/// stands for it. Thousands of small files fit in it; what others rename meanwhile is seen after it at the latest.
pub const HANDLE_MAX_AGE: Duration = Duration::from_millis(100);

/// How long an interrupted upload waits to be resumed before a starting server removes it.
pub const PARTIAL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
