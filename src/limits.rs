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

/// Time for a client to reach a server: name lookup, TCP, TLS and the greeting. A server that accepts and then waits
/// for a connection permit answers within this, or is too busy to be of use.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client waits for a server from which nothing comes and to which nothing can be sent. Longer than a
/// busy disk takes to sync, and than hashing 50 GiB from a fast one.
pub const CLIENT_IO_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a closing server waits for the other side to read the last reply before it lets the socket go.
pub const CLOSE_DRAIN: Duration = Duration::from_secs(2);

// ---- Files ----

/// A unit of file work: read, hashed, written and ciphered in one go. Overlaps disk and cipher while it stays in a
/// core's cache.
pub const CHUNK: usize = 256 * 1024;

/// Directory under which uploads are staged inside a home. Reserved: never listed, never reachable by name.
pub const RESERVED_NAME: &str = ".sealift";
