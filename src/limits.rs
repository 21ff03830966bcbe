//! Every size, count and time-out, each with its reason. Nothing else in the crate invents a bound.

use std::time::Duration;

// ---- Paths and names ----

/// Longest path in bytes: Linux's PATH_MAX.
pub const PATH_MAX: usize = 4096;

/// Longest single name in bytes: NAME_MAX of every common file system.
pub const NAME_MAX: usize = 255;

/// Deepest path in components. Listing a tree holds one open directory for each level.
pub const DEPTH_MAX: usize = 64;

/// How often a folder that gets a longer path is walked through, because something came into the tree meanwhile, before
/// that is done once more while nothing may come.
pub const LOOKS_BELOW: usize = 3;

/// How often an upload that may replace nothing looks again at a name that is taken and free again by turns. Each time
/// somebody else must have changed it, so even a busy folder needs two or three.
pub const NAME_TRIES: u32 = 100;

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

/// Default port.
pub const PORT: u16 = 4456;

// ---- Login ----

/// Failed logins on one connection before it is closed.
pub const LOGIN_FAILURES_MAX: u32 = 3;

/// Most keys that one user can enrol: more machines than a person works on. With the longest names and keys their record stays
/// below [`OWN_RECORD_MAX`].
pub const OWN_KEYS_MAX: usize = 32;

/// Longest `id` of an entry of the users file: ours have 16 bytes, and another program may write its own kind.
pub const ENTRY_ID_MAX: usize = 64;

/// Time from the end of the handshake to a successful login: a person looks up a pin or a password meanwhile. As in sshd;
/// what it costs is bounded by the places for those who are not logged in.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a login may wait for its turn to hash before the server says it is busy.
pub const LOGIN_QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// Logins that may wait for their turn to hash; more are told at once that the server is busy. Each holds a connection
/// and a password. At 95 checks a second (see [`ARGON2_MEMORY_KIB`]) the last of so many waits under three seconds.
pub const LOGIN_QUEUE_MAX: usize = 256;

/// Logins of one source that may wait for their turn to hash: an office that starts work, and half of all, so that others
/// need not take their places from anybody.
pub const LOGIN_QUEUE_PER_SOURCE: usize = LOGIN_QUEUE_MAX / 2;

/// Bytes read at a time before login.
pub const LOGIN_READ: usize = 1024;

/// Pause before the answer to a failed login: three a connection, so a guesser is slowed and a person hardly notices.
pub const LOGIN_FAILED_PAUSE: Duration = Duration::from_millis(300);

/// Penalties, added up for each source and forgiven second by second. The figures are the defaults of OpenSSH 9.8's
/// PerSourcePenalties: authfail 5 s, noauth 1 s, grace-exceeded 10 s, crash 90 s, min 15 s, max 10 min, 65,536 sources.
pub const PENALTY_LOGIN_FAILED: Duration = Duration::from_secs(5);
/// See [`PENALTY_LOGIN_FAILED`].
pub const PENALTY_NO_LOGIN: Duration = Duration::from_secs(1);
/// See [`PENALTY_LOGIN_FAILED`].
pub const PENALTY_TOO_SLOW: Duration = Duration::from_secs(10);
/// See [`PENALTY_LOGIN_FAILED`].
pub const PENALTY_PANIC: Duration = Duration::from_secs(90);
/// Penalty that is not acted on yet: a mistyped password must not lock a person out.
pub const PENALTY_TOLERATED: Duration = Duration::from_secs(15);
/// The most a source can collect.
pub const PENALTY_MAX: Duration = Duration::from_secs(600);
/// Sources remembered at once.
pub const PENALTY_SOURCES_MAX: usize = 65_536;

// ---- Passwords and the users file ----

/// Memory of a new password hash in KiB: 19 MiB, with two passes and one lane. It is one of the equally strong
/// choices of the OWASP Password Storage Cheat Sheet. Measured: 19 ms a check, 95 checks a second on two cores.
pub const ARGON2_MEMORY_KIB: u32 = 19 * 1024;

/// Passes of a new password hash (see [`ARGON2_MEMORY_KIB`]).
pub const ARGON2_PASSES: u32 = 2;

/// Lanes of a new password hash (see [`ARGON2_MEMORY_KIB`]).
pub const ARGON2_LANES: u32 = 1;

/// Least memory in KiB a hash in the users file may ask for: 7 MiB, the lowest choice OWASP still calls strong
/// (with five passes). Less is cheap to guess once the file has leaked.
pub const ARGON2_MEMORY_MIN_KIB: u32 = 7 * 1024;

/// Most memory in KiB a hash in the users file may ask for: 256 MiB. Every login in flight takes this much, so a line
/// asking for 4 GiB would let anybody who knows a user's name empty the machine's memory.
pub const ARGON2_MEMORY_MAX_KIB: u32 = 256 * 1024;

/// Most passes a hash in the users file may ask for: bounds the time of one login.
pub const ARGON2_PASSES_MAX: u32 = 16;

/// Most lanes a hash in the users file may ask for. They run one after the other, so more of them help nobody.
pub const ARGON2_LANES_MAX: u32 = 8;

/// Memory in KiB times passes below which a hash is weaker than a new one: the least product among the choices that
/// OWASP calls equally strong (7 MiB with five passes; the others are within 31 % of it).
pub const ARGON2_WORK_STRONG_KIB: u64 = 7 * 1024 * 5;

/// Salt of a new password hash in bytes (RFC 9106 section 3.1 recommends 16).
pub const ARGON2_SALT: usize = 16;

/// Least salt in bytes (RFC 9106 section 3.1 asks for 8 in a hash made elsewhere).
pub const ARGON2_SALT_MIN: usize = 8;

/// Output of a new password hash in bytes: the reference implementation's default.
pub const ARGON2_OUTPUT: usize = 32;

/// Least output in bytes: 128 bits, the short choice of RFC 9106 section 4.
pub const ARGON2_OUTPUT_MIN: usize = 16;

/// Largest users file in bytes: 20,000 users take 3 MiB as `sealiftd user add` writes them, and twice that with long
/// names, homes and lists. It is read into memory whole.
pub const USERS_FILE_MAX: u64 = 8 * 1024 * 1024;

/// Largest file in bytes that is read of what a user did alone: a hash, and a line for each key and invitation.
pub const OWN_RECORD_MAX: u64 = 64 * 1024;

/// Characters of an invitation's secret: 32 random bytes in base64.
pub const INVITATION_SECRET: usize = 43;

/// Most invitations at once: each is a file, and listing reads them all.
pub const INVITATIONS_MAX: usize = 10_000;

/// How long an invitation can be used unless its maker says otherwise: a day for the mail to be read.
pub const INVITATION_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest that an invitation can be open: what lies about for longer is forgotten.
pub const INVITATION_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Least characters of a new password. Fewer are a slip and no choice: a stray key, an empty variable. How good a password is
/// nobody can tell from its length, so what is above is warned of ([`PASSWORD_SHORT`]) and taken; hashes that are there stay right.
pub const PASSWORD_MIN: usize = 4;

/// Characters below which a password deserves a warning: the least that NIST SP 800-63B (section 3.1.1.2) allows one that a
/// person chose.
pub const PASSWORD_SHORT: usize = 8;

/// From this many users on it is said loudly when a change of the users file takes more than half of them away.
pub const USERS_MANY: usize = 10;

/// How long before a user expires `sealiftd check` says so: time enough to ask whether that is meant.
pub const EXPIRY_NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How often the users file is looked at when nobody gives a command. With [`USERS_FILE_REST`] after it, a change is in
/// force within a second.
pub const USERS_FILE_LOOK: Duration = Duration::from_millis(500);

/// How long an edited users file must have been the same before it counts: an editor empties a file and then writes it,
/// and half a users file may read well and lack users. One that was whole before it got its name counts at once.
pub const USERS_FILE_REST: Duration = Duration::from_millis(200);

/// When a users file that could not be read is read again, though it has not changed.
pub const USERS_FILE_RETRY: Duration = Duration::from_secs(1);

/// How often the log says that the users file cannot be used.
pub const USERS_FILE_REPEAT: Duration = Duration::from_secs(60);

/// How old the last look at the users file may be for a command that came right behind another one. One that was waited
/// for looks itself.
pub const USERS_FILE_FRESH: Duration = Duration::from_millis(50);

// ---- Keys of users ----

/// Random bytes of a server in what a key signs to log in: as many as no two of all connections ever have alike.
pub const NONCE_BYTES: usize = 32;

/// Signatures in one KEY, of several keys of one person: an agent with more holds keys of several people. Eight fit into a
/// line ([`LINE_MAX`]), the largest kind too; checking all of them takes a server less than a millisecond.
pub const KEY_PROOFS_MAX: usize = 8;

/// Bytes of what a key is called in users.toml: a comment such as `alice@laptop`.
pub const KEY_NAME_MAX: usize = 128;

/// Bytes of a public key in SSH's format: the largest kind that logs in has 127 and the name of an application.
pub const PUBLIC_KEY_MAX: usize = 1024;

/// Bytes of a public key's line in users.toml or a `.pub` file: the key in base64 and a comment.
pub const PUBLIC_KEY_LINE_MAX: usize = 4096;

/// Bytes of a file with a private key: the largest kind that logs in, encrypted, has less than a kilobyte.
pub const PRIVATE_KEY_MAX: u64 = 64 * 1024;

/// Bytes of an answer of an agent, as OpenSSH's agent bounds its own messages.
pub const AGENT_ANSWER_MAX: u64 = 256 * 1024;

/// How long an agent may take to say which keys it has: it is on this machine, or at the other end of a forwarding ssh.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Characters in a line of a signature's armour, as OpenSSH writes it.
pub const PEM_LINE: usize = 70;

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

/// The same where memory is short: one TLS record (RFC 8446: at most 16,640 bytes and a header of 5) fits.
pub const SMALL_SOCKET_BUFFER: usize = 17 * 1024;

/// Drained socket buffers kept for the next busy connection, in the whole process (4 MiB). An idle connection gives
/// its buffers back; without this store a busy one would map and fault in fresh pages for every burst.
pub const SOCKET_BUFFERS_KEPT: usize = 16;

/// Largest certificate, key or CA file in bytes. The CA bundle of a whole operating system is about 250 KiB.
pub const PEM_MAX: u64 = 4 * 1024 * 1024;

/// Old keys that `sealiftd cert new --force` keeps beside the new one, counted from 1. Whoever has more than a few has a
/// script that goes wrong.
pub const OLD_KEYS_MAX: u32 = 1_000;

/// How long a generated certificate is valid. Trust comes from the pin, not from dates, so it should outlive the
/// machine rather than stop a server on some night.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How far back a generated certificate's validity starts, for peers whose clock is behind.
pub const CERTIFICATE_BACKDATE: Duration = Duration::from_secs(24 * 3600);

/// How long a closing server waits for the other side to read the last reply before it lets the socket go.
pub const CLOSE_DRAIN: Duration = Duration::from_secs(2);

/// How much of what nobody will read any more is taken from the socket at a time.
pub const DISCARD_CHUNK: usize = 64 * 1024;

// ---- Connections ----

/// Connections at once. Each idle one costs 11 KiB (measured: `tests/alone/idle_memory.rs`).
pub const CONNECTIONS_MAX: usize = 10_000;

/// Of how many places one is kept for connections that are not logged in, and for administrators: with all others taken
/// by sessions, a newcomer can still say who it is.
pub const HALL_SHARE: usize = 100;

/// The least of those places, if that is no more than a quarter of all.
pub const HALL_MIN: usize = 4;

/// Of how many places one is kept for named users: anonymous sessions cannot take all there are.
pub const NAMED_SHARE: usize = 10;

/// Newcomers that are turned away in one go when there is no descriptor for them; then the others have a turn.
pub const TURNED_AWAY: usize = 256;

/// Descriptors that a connection in the middle of a transfer holds: its socket, a file and the folder that is in. An idle
/// one holds the first alone (`tests/alone/idle_memory.rs`), one that uploads small files up to twice [`COMMIT_BATCH`]
/// more.
pub const DESCRIPTORS_PER_CONNECTION: u64 = 3;

/// Descriptors beside those of connections: listeners, the reactor, the log, and a listing of a deep tree.
pub const DESCRIPTORS_APART: u64 = 128;

/// Pause after a failed accept: without it a full descriptor table spins (measured: 794,748 errors in half a second).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections at once from one address (IPv6: from one /64): a tenth of all, so that none can take every place.
pub const PER_SOURCE_MAX: usize = CONNECTIONS_MAX / 10;

/// Connections that may be not logged in before newcomers are refused by chance. OpenSSH's MaxStartups is 10:30:100;
/// a connection there is a process, here about 20 KiB, so the counts are twenty times as high.
pub const STARTUPS_BEGIN: usize = 200;

/// Of a hundred newcomers, how many are refused at [`STARTUPS_BEGIN`].
pub const STARTUPS_PERCENT: u32 = 30;

/// Connections not logged in at which every newcomer is refused.
pub const STARTUPS_FULL: usize = 2000;

// ---- Sessions ----

/// How long a logged-in connection may say nothing between two commands.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Window in which a client that owes us something (the rest of a line, data, reading a reply) must move bytes at
/// [`RATE_MIN`]: a byte a second is an attack, not a slow line.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Bytes a second, on average over a [`WINDOW`]: half of what a 1990s modem did.
pub const RATE_MIN: u64 = 1024;

/// The least that a client may be limited to, for each connection. A server's kernel takes some 2.6 MiB of a download at
/// first (loopback) and asks for more only when a third of it is gone: at this rate within a [`WINDOW`], of which a server
/// lets two pass.
pub const RATE_LIMIT_MIN: u64 = 16 * 1024;

/// The least that the kernel may hold for a limited client of what it receives: two full packets of any network.
pub const RATE_LIMIT_BUFFER_MIN: usize = 16 * 1024;

/// How long running transfers may go on after the server was told to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// Shortest time-out that may be set: less would end clients that do nothing wrong.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);

// ---- Turns ----

/// How long who has a thread keeps it while others wait for one. Long enough that the change costs nothing beside it,
/// short enough that a hundred who wait have all had their turn within a second.
pub const TURN: Duration = Duration::from_millis(10);

/// Threads for the sessions of a server, at least, and else four for each core: most of their steps wait for a disk now and
/// then. One user alone gets half of them.
pub const TURNS_MIN: usize = 24;

/// Further threads that may be in work which cannot be interrupted: commits, removals of trees, the first look at
/// what a home with a quota holds.
pub const TURNS_ASIDE: usize = 24;

/// Bytes from which on hashing them counts as heavy: below it the change of places costs as much as the work.
pub const HEAVY_MIN: u64 = 64 * 1024;

/// How long a thread waits for work before it ends.
pub const THREAD_IDLE: Duration = Duration::from_secs(2);

/// Threads of logins beside those that hash passwords: tokens, anonymous reading, a look at the users file.
pub const LOGIN_THREADS_BESIDE: usize = 4;

/// Threads that open homes.
pub const HOME_THREADS: usize = 8;

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

// ---- Memory of a server ----

/// What the program itself takes: its code and tables, threads, buffers kept for reuse.
pub const MEMORY_FIXED: u64 = 48 * 1024 * 1024;

/// The least that a server plans with, however little there is: it begins small and warns.
pub const MEMORY_MIN: u64 = 16 * 1024 * 1024;

/// Most that one connection takes beside the budget of buffers: three small buffers on their way out and two on their way
/// in, two below TLS, and up to 80 KiB inside the TLS engine.
pub const CONNECTION_MEMORY: u64 = 224 * 1024;

/// Stack of a thread, as the standard library makes it.
pub const THREAD_STACK: u64 = 2 * 1024 * 1024;

/// Heaps of threads at most: glibc makes up to eight for each core, and a machine of many cores seldom has so many busy
/// threads.
pub const HEAPS_MAX: u64 = 64;

/// glibc's setting for the number of heaps.
pub const HEAPS_SETTING: &str = "glibc.malloc.arena_max";

/// Heaps where the address space is limited.
pub const HEAPS_FEW: u64 = 2;

/// Address space that glibc sets apart for one thread's heap.
pub const THREAD_HEAP: u64 = 64 * 1024 * 1024;

/// Waiting buffers at which a stopped worker starts again: half of the above, so that the cipher never runs dry.
pub const OUTBOX_LOW: usize = 2;

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

/// How long an interrupted upload waits to be resumed before a starting server removes it.
pub const PARTIAL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

// ---- One server for a folder ----

/// How long a starting server waits for the lock of its data directory: one that was killed a moment ago has it until
/// all of its memory is given back.
pub const LOCK_WAIT: Duration = if cfg!(test) { Duration::from_millis(600) } else { Duration::from_secs(3) };

/// How long it waits without a word: who only looks whether a directory is served has the lock for less than a
/// millisecond.
pub const LOCK_LOOK: Duration = Duration::from_millis(100);

/// Pause between two tries to get it.
pub const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Bytes read of what a server says of itself: two lines.
pub const STATE_FILE_MAX: u64 = 16 * 1024;

/// Bytes read of a lock file: four words.
pub const LOCK_FILE_MAX: u64 = 256;

/// Locks of the whole machine that are looked through for a server inside of a data folder, once at the start.
pub const SYSTEM_LOCKS_READ: usize = 100_000;

// ---- Several connections for one file ----

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

// ---- The log ----

/// Bytes of log lines that may wait for whoever reads standard error: some 5,000 lines, the bursts of a busy second. As
/// many again are being written.
pub const LOG_QUEUE: usize = 1024 * 1024;

/// How long the thread that writes the log lets lines gather before it writes again: a reader of the log notices nothing,
/// and 10,000 commands a second cost 200 writes.
pub const LOG_PAUSE: Duration = Duration::from_millis(5);

/// How long the end of the process waits for the rest of the log to be read.
pub const LOG_FLUSH: Duration = Duration::from_secs(1);

/// Time over which the lines that one source causes in the log are counted.
pub const LOG_WINDOW: Duration = Duration::from_secs(10);

/// Lines of the log that one source may cause in a [`LOG_WINDOW`]; then one line says how many more there were. More than
/// a person causes, and at most 20 KB a second of log (one that pipelined PING wrote 43 MB).
pub const LOG_LINES: u32 = 1000;

/// How often a warning that comes again and again is said.
pub const REPEATED_EVERY: Duration = Duration::from_secs(60);

/// Sources whose lines are counted apart at once; beyond them all share one count. About 100 bytes each.
pub const LOG_SOURCES: usize = 16_384;

// ---- The client ----

/// Time for a client to reach a server: name lookup, TCP, TLS and the greeting. A server that accepts and then waits
/// for a connection permit answers within this, or is too busy to be of use.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client waits for a server from which nothing comes and to which nothing can be sent. Longer than a
/// busy disk takes to sync, and than hashing 50 GiB from a fast one.
pub const CLIENT_IO_TIMEOUT: Duration = Duration::from_secs(120);

/// The same for commands that have the server read whole files, of which it tells nothing before it has read the last
/// byte: 500 GB from a single hard disk at 140 MB/s.
pub const CLIENT_READ_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// How long an interrupted command may take to put away what it has not finished. Only a read or write that cannot be
/// interrupted, as from a terminal, takes longer than a moment.
pub const INTERRUPT_PATIENCE: Duration = Duration::from_millis(1500);

/// After so long an interrupted program ends wherever it is: with what ending takes, within two seconds of the signal. More
/// than [`INTERRUPT_PATIENCE`], so that a command that can be told has its chance.
pub const INTERRUPT_LIMIT: Duration = Duration::from_millis(1800);

/// A Ctrl-C that another program had the terminal for reaches this one too, and on a busy machine after that has ended: so long
/// it is still the other one's.
pub const INTERRUPT_ECHO: Duration = Duration::from_millis(500);

/// Buffers on their way between a client's connection and the thread that works with files, in each direction. What they
/// smooth is the threads' turns on the cores: with 16 (4 MiB) instead of 4 a file of 1 GiB took 3 to 6 % less time on two
/// cores.
pub const WIRE_BUFFERS: usize = 16;

/// The same where the rate is limited: what waits there counts as sent, and there is nothing to smooth.
pub const WIRE_BUFFERS_LIMITED: usize = 2;

/// Bytes asked for at once of an asynchronous reader whose bytes are sent; [`WIRE_BUFFERS`] of these wait for the connection.
pub const FEED: usize = 64 * 1024;

/// A client's outgoing buffer goes on its way once it holds so many bytes: enough small files to make the hand-over
/// between threads cheap, few enough that reading and sending overlap.
pub const WIRE_HANDOVER: usize = 48 * 1024;

/// Largest frame a client sends. A [`BUFFER`] below [`WIRE_HANDOVER`] still takes a command line, such a frame and the
/// end of the file; and it is a length that BLAKE3 hashes in large steps (128 KiB and 64 KiB).
pub const UPLOAD_FRAME: usize = 192 * 1024;

/// Bytes that a client has read of a file and that may not have arrived when the connection breaks: its own buffers, and
/// what two kernels hold for a fast line.
pub const UPLOAD_ON_ITS_WAY: u64 = HASH_BLOCK;

/// Files a client has asked for or sent at most without having the answer. Hides a round trip of 50 ms at 10,000
/// small files a second.
pub const PIPELINE_FILES: usize = 512;

/// Bytes of one listing that a client holds: some four million files with paths of 60 bytes, so that a server that lists
/// without end, or with endless names, does not take all memory. Bytes and not entries, because a path has up to 4 KiB.
pub const LISTING_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Bytes of entries that a client holds to sort them for a person: half a million of them, with names of 30 bytes. What is more
/// is shown as it comes.
pub const SORTED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Names that the braces of one word may stand for. `{a,b}{c,d}…` doubles them with each pair.
pub const ALTERNATIVES_MAX: usize = 1000;

/// Lines before the last one of an answer: a server tells of at most [`CONNECTIONS_MAX`] sessions.
pub const ANSWER_LINES_MAX: usize = 2 * CONNECTIONS_MAX;

/// Bytes of a download that a client reads and drops, when its own disk refuses the file, to keep the connection for
/// the others. With more to come it is quicker to end the connection.
pub const DROP_MAX: u64 = 64 * 1024 * 1024;

/// Longest host name in bytes (RFC 1035, section 2.3.4).
pub const HOST_MAX: usize = 253;

/// How often within the time-out the watch looks: it fires never early and at most a quarter late.
pub const READ_TIMEOUT_LOOKS: u32 = 4;

/// Links in a row that are followed, as the kernel does.
pub const TYPED_LINKS_MAX: u32 = 40;

/// How long a Tab waits for the server's names.
pub const COMPLETION_PATIENCE: Duration = Duration::from_secs(3);

/// Largest file that is sent once more by itself, without anybody being told, when it changed while it was sent: as much
/// again as an interrupted transfer repeats. A larger one may be written to for as long as it takes to send.
pub const TORN_AGAIN_MAX: u64 = HASH_BLOCK;

/// Pause before the first try on a new connection; it doubles with each further one. Short, because most lost
/// connections come back at once, or not soon.
pub const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Tries in a row without getting any farther before a program gives up. With the pauses that is two minutes at least: a
/// router that starts again, a server that is updated.
pub const RETRIES: u32 = 12;

/// The longest pause between two tries.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long a pipe that is sent may have nothing before the server is told that it pauses. Far below [`WINDOW`], and more than
/// a program takes that is at work.
pub const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// How often a client that is busy with its own disk says that it is still there. Far below [`IDLE_TIMEOUT`].
pub const STILL_HERE: Duration = Duration::from_secs(30);

/// After how long without a word the shell asks whether the server is still there before it sends a command: one round
/// trip, which a person who has thought for so long does not notice.
pub const SHELL_QUIET: Duration = Duration::from_secs(15);

/// How often a program that reads JSON is told how far a transfer is.
pub const JSON_PROGRESS: Duration = Duration::from_secs(1);

// ---- The web ----

/// Bytes read at a time from a browser: one TLS record, more than is ever ready in one poll.
pub const WEB_READ: usize = 16 * 1024;

/// Largest head of a request: its line and headers. Browsers send less than 2 KiB; cookies of other ports come on top.
pub const WEB_HEAD_MAX: usize = 16 * 1024;

/// Most headers of a request.
pub const WEB_HEADERS_MAX: usize = 64;

/// Time for a request's head, and how long a kept connection of HTTP/1 may wait for the next one.
pub const WEB_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that HTTP/1 gathers on the way out beside what is being sent: heads, and small answers to pipelined requests.
pub const WEB_BUFFER: usize = 64 * 1024;

/// Requests at once on a connection of HTTP/2; a client lets further ones wait.
pub const WEB_STREAMS: u32 = 16;

/// Requests at once that every connection has room for within [`CONNECTION_MEMORY`]. What more of them take comes out of the
/// budget that is shared by source; where that is used up, they are told to come later.
pub const WEB_STREAMS_SURE: usize = 4;

/// What a request on a connection of HTTP/2 takes beside the bytes of files, with its head and what hyper holds for it. Measured
/// with clients that read nothing: 11 to 15 KiB, with heads of 3 KiB.
pub const WEB_STREAM_MEMORY: usize = 16 * 1024;

/// Bytes of one answer of HTTP/2 that wait for a client at which no more of it is read. What is under way may be one piece more,
/// and the next one is read by then. With [`BUFFER`] here small pieces of a file piled up to that: 254 KiB for each file that
/// somebody did not read, of which no budget knew.
pub const WEB_SEND_BUFFER: usize = 16 * 1024;

/// Bytes that a client may send ahead in one request of HTTP/2: a [`CHUNK`], which is what an upload takes in one step. Over a
/// line of 20 ms that is 13 MB/s for each file. Each request that has a body takes as much from the budget of buffers before
/// anything of it is looked at.
pub const WEB_STREAM_WINDOW: u32 = CHUNK as u32;

/// The same for a connection: what all its requests may send ahead together, so that those who wait for their turn never keep the
/// bytes of one away whose turn it is.
pub const WEB_CONNECTION_WINDOW: u32 = WEB_STREAMS * WEB_STREAM_WINDOW;

/// Requests of HTTP/2 that a client may take back before they are answered: beyond it the connection ends (CVE-2023-44487).
pub const WEB_RESETS: usize = 64;

/// Requests, and frames of them, that a connection of HTTP/2 has refused before it ends (CVE-2025-8671). A client does not know
/// [`WEB_STREAMS`] before it has read our settings, and may have sent 100 requests by then, each with a frame of its body or two:
/// curl with 50 small uploads at once was cut off at 64. Half of what the library allows by itself.
pub const WEB_REFUSALS: usize = 512;

/// Bytes of a body that nobody wants which are read before the answer: what a client has sent ahead anyway.
pub const WEB_DRAIN: usize = 64 * 1024;

/// Uploads over HTTP that have begun, can be gone on with and are not finished, of all together: each holds a file open.
pub const WEB_UPLOADS_MAX: usize = 512;

/// Those of one user, or of one address for nobody in particular: a browser sends a few files at a time, and some that were
/// given up wait for their end.
pub const WEB_UPLOADS_PER_SOURCE: usize = 32;

/// How long such an upload waits for somebody to go on with it: a laptop is closed in the evening and opened in the morning.
pub const WEB_UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How often those are looked for that are over.
pub const WEB_UPLOAD_LOOK: Duration = Duration::from_secs(60);

/// Steps of copying a file in one turn, each of a [`CHUNK`]: some milliseconds.
pub const WEB_COPY_STEPS: u32 = 16;

/// How often a connection of HTTP/2 is asked whether it is still there.
pub const WEB_PING: Duration = Duration::from_secs(30);

/// How long it may take to say so.
pub const WEB_PING_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of HTTP/2 without a request is kept: a person reads a page and clicks.
pub const WEB_IDLE_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// Users that one connection serves at once, for proxies; a browser has one, and nobody in particular.
pub const WEB_GUESTS: usize = 8;

/// How long a login that succeeded need not be checked again, as long as no user has changed. Checking it costs 20 ms and
/// 19 MiB, and clients send it with every request.
pub const WEB_LOGIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Logins that are remembered so: about 400 bytes each.
pub const WEB_LOGINS_MAX: usize = 1024;

/// How long the cookie of a browser may go unused: a working day.
pub const WEB_COOKIE_IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long it counts, however often it is used.
pub const WEB_COOKIE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Cookies of one user that count: browsers and private windows of them.
pub const WEB_COOKIES_OF_USER: usize = 16;

/// Cookies that count in all: about 500 bytes each.
pub const WEB_COOKIES: usize = 4096;

/// Bytes of a form: a name, a password ([`PASSWORD_MAX`]), each byte as three, and where to go.
pub const WEB_FORM: usize = 16 * 1024;

/// What a client is told how long to wait when the server is busy.
pub const WEB_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Ranges of a file in one request: readers of PDF ask for a few. With more the whole file is sent, once.
pub const WEB_RANGES_MAX: usize = 8;

/// Bytes of a file that are read and sent in one go, with no file left open between turns.
pub const WEB_AT_ONCE: u64 = CHUNK as u64;

/// Larger files and folders that one connection of the web has open at once; further files wait. With its socket they keep to
/// [`DESCRIPTORS_PER_CONNECTION`].
pub const WEB_OPEN_FILES: usize = 2;

/// Entries of a folder that are read in one turn: about a millisecond.
pub const WEB_ENTRIES_A_TURN: usize = 512;

/// Bytes of entries that are held to sort a folder: some 100,000 of them. A larger one is shown as it comes.
pub const WEB_FOLDER_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a listing that are written in one go.
pub const WEB_PAGE_PIECE: usize = 32 * 1024;

/// Entries of an archive that are begun in one turn: each opens a file.
pub const WEB_FILES_A_TURN: usize = 64;

/// Files and folders in a zip, whose names stay in memory until its end: more are for tar.
pub const WEB_ZIP_ENTRIES: usize = 50_000;

/// What one of them takes there beside its name, twice.
pub const WEB_ZIP_ENTRY_BYTES: usize = 512;

/// How often the files of the certificate for browsers are looked at: they change every few weeks, and whoever has just put new
/// ones there wants to see them.
pub const WEB_CERTIFICATE_LOOK: Duration = Duration::from_secs(2);

/// How often it is said that they cannot be used: as for the users file.
pub const WEB_CERTIFICATE_SAY: Duration = Duration::from_secs(60);

/// A certificate for browsers that ends sooner is not being renewed: authorities give them for 90 days, or for 47, and whoever
/// renews them does so when a third is left.
pub const WEB_CERTIFICATE_SOON: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// The first second that no header of HTTP can say: that of the year 10000.
pub const HTTP_DATE_END: u64 = 253_402_300_800;

/// Bytes of the names and values that clients keep with one file. ext4 has 4 KiB for all attributes of a file, the hash's too.
pub const PROPERTIES_MAX: usize = 3 * 1024;

// ---- Locks ----

/// The longest that a lock lasts without being renewed. Office programs ask for an hour and renew it; what a client that is
/// gone has left behind keeps others out for no longer.
pub const LOCK_MAX: Duration = Duration::from_secs(60 * 60);

/// How long one lasts whose client does not say.
pub const LOCK_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// Locks of one user: a program has one for each document that it has open.
pub const LOCKS_PER_USER: usize = 256;

/// Locks of all users together: with the longest paths and owners some 6 KiB each, and all are looked through when one is taken.
pub const LOCKS_MAX: usize = 4096;

/// Bytes of what a client says of who has a lock.
pub const LOCK_OWNER_MAX: usize = 1024;

// ---- WebDAV ----

/// Largest XML of a request. That of real clients has less than 2 KiB.
pub const DAV_BODY_MAX: usize = 16 * 1024;

/// Elements in it; Finder asks for some 20 properties at once.
pub const DAV_ELEMENTS: usize = 256;

/// How deep they may be in each other: a property's value is at most a few levels deep, and itself in the fourth.
pub const DAV_DEPTH: usize = 16;

/// Attributes of one element.
pub const DAV_ATTRIBUTES: usize = 32;

/// Bytes of an element's name, and of its namespace.
pub const DAV_NAME: usize = 256;

/// Bytes counted for the entries of a folder that one answer holds at a time: [`WEB_ENTRIES_A_TURN`] with the longest names.
pub const DAV_PORTION: usize = WEB_ENTRIES_A_TURN * 384;

/// Lock tokens and entity tags in one request's `If`.
pub const DAV_CONDITIONS: usize = 64;

/// Properties that one request may name: each that is not there is repeated with every entry of a folder.
pub const DAV_PROPERTIES: usize = 64;

// ---- Mirrors ----

/// Files at a mirror's destination up to which `--delete` may remove any number of them without being asked: few enough
/// to be looked over before.
pub const MIRROR_FILES_FREE: u64 = 20;

/// Of a hundred files at a mirror's destination, how many `--delete` removes without being told that so many are meant.
/// A source that lost more than half of its files since the last time was probably not all there.
pub const MIRROR_DELETE_PERCENT: u8 = 50;

// ---- What a person keeps ----

/// Largest `known_servers` and `config.toml` of a client in bytes: ten thousand servers. They are read whole.
pub const CONFIG_FILE_MAX: u64 = 1024 * 1024;

/// Keys that are known of one server at most: some for each of a few machines behind one name. A server that announces
/// one new key after the other fills no file.
pub const KNOWN_KEYS_MAX: usize = 8;

/// Longest name of a server in `config.toml`: as long as a label of a host name.
pub const BOOKMARK_MAX: usize = 63;

/// Lines remembered from one conversation to the next.
pub const HISTORY_LINES_MAX: usize = 1000;
