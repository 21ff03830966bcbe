//! Bounds of a server: its connections and sessions, the turns they take, its memory, its folder and its log.

use std::time::Duration;

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
/// one holds the first alone (`tests/alone/idle_memory.rs`), one that uploads small files up to twice [`super::COMMIT_BATCH`]
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

/// Longest header of a balancer of version 2 after its fixed part: addresses take 216 bytes at most, and what balancers add about a client's TLS
/// a few hundred.
pub const PROXY_HEADER_MAX: usize = 4 * 1024;

/// Longest line of one of version 1, with its end: two IPv6 addresses and two ports (the protocol, section 2.1).
pub const PROXY_LINE_MAX: usize = 107;

/// Time for that header: it is in the first packet, and may have to be sent once more (as HAProxy advises: three seconds and more).
pub const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections of all balancers together that have not said yet whose they are: each is a descriptor, for the time of a packet.
pub const PROXIED_UNKNOWN_MAX: usize = 256;

/// Bits of an IPv6 address that tell one subscriber from another: each gets a /64 at least.
pub const IPV6_SUBSCRIBER_BITS: u32 = 64;

/// Bits of an IPv6 address that tell one network from another: providers give whoever asks up to a /48.
pub const IPV6_NETWORK_BITS: u32 = 48;

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

/// The least that a user may be limited to, over all sessions: with all the connections that a client splits a file over
/// ([`super::STREAMS_MAX`]) each still has four times what it takes to be no dead one.
pub const THROTTLE_MIN: u64 = 64 * 1024;

/// The least that a throttled session moves at once: one packet of most networks.
pub const THROTTLE_PORTION_MIN: usize = 1400;

/// How often whoever is held back looks whether the bound has changed.
pub const THROTTLE_LOOK: Duration = Duration::from_millis(250);

/// How long running transfers may go on after the server was told to stop.
pub const GRACE: Duration = Duration::from_secs(30);

/// How long a connection that was accepted just before the server was told to stop may take for its handshake, and then for its first
/// request: a client on the other side of the world needs some 300 ms for each. (Of 200 requests by curl during eight replacements 20 failed
/// without it.)
pub const NEWCOMER_AFTER_STOP: Duration = Duration::from_secs(1);

/// Commands that a session may still begin after the server was told to stop: what a client has sent before it can know of that. A client
/// that goes on sending thousands of small files would otherwise keep the next server from its folders.
pub const COMMANDS_AFTER_STOP: u32 = 16;

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
pub const TURNS_BLOCKED: usize = 24;

/// Bytes from which on hashing them counts as heavy: below it the change of places costs as much as the work.
pub const HEAVY_MIN: u64 = 64 * 1024;

/// How long a thread waits for work before it ends.
pub const THREAD_IDLE: Duration = Duration::from_secs(2);

/// Threads of logins beside those that hash passwords: tokens, anonymous reading, a look at the users file.
pub const LOGIN_THREADS_BESIDE: usize = 4;

/// Threads that open homes.
pub const HOME_THREADS: usize = 8;

/// Threads that write down what is used up of links: one writes, and the next one is ready.
pub const LINK_THREADS: usize = 2;

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

// ---- One server for a folder ----

/// How long a starting server waits for the lock of its data directory: one that was killed a moment ago has it until
/// all of its memory is given back.
pub const LOCK_WAIT: Duration = Duration::from_secs(3);

/// How long it waits without a word: who only looks whether a directory is served has the lock for less than a
/// millisecond.
pub const LOCK_LOOK: Duration = Duration::from_millis(100);

/// Pause between two tries to get it.
pub const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How often a server says in its lock file that it lives, where others may be that do not see its lock: on a file system that is
/// not of its machine alone. It costs one small write.
pub const BEAT_PAUSE: Duration = Duration::from_secs(1);

/// How long a starting server watches a lock file that a server elsewhere has left without its lock: several of its beats, and
/// the second for which some file systems show other machines what was there before.
pub const BEAT_WATCH: Duration = Duration::from_secs(5);

/// How often a node looks whether another one that starts wants it to change its probes: that one waits for it. It costs one look for
/// a name.
pub const COHERENCE_LOOK: Duration = Duration::from_millis(200);

/// The pause between two changes of the probes for one that starts.
pub const COHERENCE_STEP: Duration = Duration::from_millis(10);

/// How many changes one after the other have to be seen of each node. Each is missed by a cache that lasts for a second.
pub const COHERENCE_CHANGES: u32 = 5;

/// How long after a look a change counts as seen: later what was in a cache may have gone by itself, as it does after a second.
pub const COHERENCE_RECENT: Duration = Duration::from_millis(700);

/// How long a node that starts waits for the others' changes. One that stands still changes nothing.
pub const COHERENCE_WAIT: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(10) };

/// How long a node goes on changing its probes for one that may be gone; and how long it waits itself, once it serves.
pub const COHERENCE_ANSWER: Duration = Duration::from_secs(2);

/// How often nodes that serve ask each other again, beside the look at every beat.
pub const COHERENCE_AGAIN: Duration = Duration::from_secs(60);

/// The longest name of a node, as a label of DNS has it.
pub const NODE_NAME_MAX: usize = 63;

/// How many seconds in a row another server has this one's name before this one stops: who only looks has it for a moment.
pub const NODE_REPLACED: u32 = 5;

/// How long a node goes on without a look whether it has its lock still: less than it takes others to take it for dead.
pub const NODE_PROVEN: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(3) };

/// How old a look at what the others change may be before nothing is decided by that any more: several beats, each of which may wait for
/// answers.
pub const COHERENCE_OLD: Duration = Duration::from_secs(10);

/// How far the clocks of two nodes may be apart before nothing goes by its age: hours matter to nothing that is kept for days.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(60 * 60);

/// How long a sweep waits until it is known whether the clocks of all nodes agree: for a beat of each, or for as long as it takes to see that
/// one gives none. Where it is not known by then, as where the file system does not answer, the sweep removes nothing by its age.
pub const CLOCKS_WAIT: Duration = Duration::from_secs(15);

/// How long a change of names waits for those of other nodes in the same tree of homes: each takes some calls of the file system.
/// Where one waits in vain, those behind it do not wait again.
pub const TREE_LOCK_WAIT: Duration = if cfg!(test) { Duration::from_secs(3) } else { Duration::from_secs(20) };

/// How long a change of names waits for another one of its own server to go on or to give up: longer than that waits for other nodes.
pub const TREE_LOCK_TURN: Duration = if cfg!(test) { Duration::from_secs(6) } else { Duration::from_secs(40) };

/// The first pause between two tries to get the lock of a tree, which then doubles up to the last.
pub const TREE_LOCK_PAUSE: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(5));

/// How many files may be given another mode at once: each of those whose numbers leave the same rest waits for the others', which takes some
/// calls of the file system.
pub const MODES_AT_ONCE: usize = 64;

/// How long nothing must have changed in a folder that a server was removing for good before another node takes that for given up.
pub const SHARED_GOING_LEFT: Duration = Duration::from_secs(24 * 60 * 60);

/// How old what is known of a home under a quota may be where other nodes store there too, and so how long what they store may not
/// count yet; with homes that take long to measure, so many times as long as that takes.
pub const SHARED_QUOTA_AGE: (Duration, u32) = (Duration::from_secs(5), 20);

/// How long a change of what is kept of users waits for one at another server: each writes a small file, and may wait as long as what
/// the one before wrote is hidden.
pub const SHARED_STATE_WAIT: Duration = if cfg!(test) { Duration::from_secs(3) } else { Duration::from_secs(10) };

/// How long it waits for one of its own server, who may wait for those, and for what is hidden.
pub const SHARED_STATE_TURN: Duration = if cfg!(test) { Duration::from_secs(6) } else { Duration::from_secs(20) };

/// The pause between two tries to get the lock, and between two looks at what is hidden.
pub const SHARED_STATE_PAUSE: Duration = Duration::from_millis(2);

/// How long what another server wrote of users may not be seen over a mount: those of FUSE show what was there before for a second.
pub const SHARED_STATE_HIDDEN: Duration = if cfg!(test) { Duration::from_secs(20) } else { Duration::from_secs(3) };

/// How many lines about the last changes in a shared state folder are kept, two for each: a server that missed more reads all there is.
pub const SHARED_CHANGES: usize = 256;

/// Bytes of that: a line of each has a name, three bytes for each of a user's, and a hash.
pub const SHARED_CHANGES_BYTES: u64 = 512 * 1024;

/// How old a half-written file in a shared state folder is before it is taken for left over: another server writes one in
/// milliseconds.
pub const SHARED_STATE_LEFT: Duration = super::FRESH_FILE_LEFT;

/// Bytes read of what a server says of itself: two lines.
pub const STATE_FILE_MAX: u64 = 16 * 1024;

/// Bytes read of a lock file: five words.
pub const LOCK_FILE_MAX: u64 = 256;

/// Locks of the whole machine that are looked through for a server inside of a data folder, once at the start.
pub const SYSTEM_LOCKS_READ: usize = 100_000;

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

/// Lines that operations of one session which are alike may write in [`LOG_WINDOW`]; of more one line says how many. A person who
/// types sees each of theirs.
pub const LOG_EACH: u32 = 10;

/// Bytes of a transfer that has a line of its own in any case.
pub const LOG_APART: u64 = 16 * 1024 * 1024;

/// How often a warning that comes again and again is said.
pub const REPEATED_EVERY: Duration = Duration::from_secs(60);

/// Sources whose lines are counted apart at once; beyond them all share one count. About 100 bytes each.
pub const LOG_SOURCES: usize = 16_384;

// ---- The settings file ----

/// Most bytes of the server's settings file: each option once, with comments, takes a hundredth.
pub const SETTINGS_FILE_MAX: u64 = 1024 * 1024;

// ---- The service manager ----

/// How often the service manager is told how the server is, unless its watchdog wants that sooner: often enough for
/// `systemctl status`, and too seldom to cost anything.
pub const STATUS_PAUSE: Duration = Duration::from_secs(10);

/// How long telling the service manager something may take: it reads as long as the machine is well.
pub const SERVICE_MANAGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often is looked whether the file of settings has changed.
pub const SETTINGS_LOOK: Duration = Duration::from_millis(500);

/// How often the log says that the settings cannot be used, and they are read again.
pub const SETTINGS_REPEAT: Duration = Duration::from_secs(60);

/// Links that are followed to see where a file of the server's own lies: as many as Linux follows.
pub const LINKS_ON_A_WAY: usize = 40;

// ---- Hooks ----

/// Uploads of which the process that runs hooks is still to be told, which reads at once: about 400 bytes each.
pub const HOOK_EVENTS: usize = 4096;

/// Programs that run at once.
pub const HOOKS_AT_ONCE: usize = 4;

/// Bytes of one event: more than three paths of 4 KiB in which each byte is escaped in six, and twice, as in the audit.
pub const HOOK_EVENT_MAX: usize = 256 * 1024;

/// Bytes of events that wait for hooks: some 20,000 events.
pub const HOOK_QUEUE: usize = 8 * 1024 * 1024;

/// How long what hooks are still to be told may take when the server has ended: with the grace it is less than service managers wait.
pub const HOOKS_END: Duration = Duration::from_secs(15);

/// How much longer the server waits for the process that runs hooks, which may have to be given a processor.
pub const HOOKS_END_MORE: Duration = Duration::from_secs(5);

/// How long the server waits for hooks at its end before it says so.
pub const HOOKS_END_SAID: Duration = Duration::from_secs(1);

/// Open files of a hook: what programs are used to.
pub const HOOK_FILES: u64 = 1024;

/// How long killing a hook with all that it started may take: a process that hangs in the disk does not end before.
pub const HOOK_KILL: Duration = Duration::from_secs(5);

/// How often those that are left are killed meanwhile: what a killed one leaves is another one's child a moment later.
pub const HOOK_KILL_LOOK: Duration = Duration::from_millis(2);

/// How often is looked whether a program has ended.
pub const HOOK_LOOK: Duration = Duration::from_millis(20);

// ---- Sweeping ----

/// How often a running server looks for what was left over in the homes: it reads the names in one folder of each, and what it looks
/// for is days old.
pub const SWEEP_PAUSE: Duration = Duration::from_secs(6 * 60 * 60);

// ---- Figures for those who watch ----

/// Bounds of the histogram of how long operations take, in seconds: from a small file to a long transfer.
pub const METRICS_BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0, 3600.0];

/// Who may ask for figures at once: some programs that watch, and a person. One more takes the place of whoever has been there longest.
pub const METRICS_CLIENTS: usize = 8;

/// How long asking for figures may take in all: Prometheus gives up after 10 seconds.
pub const METRICS_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of such a request; Prometheus sends some 400.
pub const METRICS_REQUEST: usize = 8 * 1024;

/// How long figures that were put together serve for whoever asks next: going through all sessions takes milliseconds on a full server,
/// and nobody is to have it done without end.
pub const METRICS_FRESH: Duration = Duration::from_millis(250);

/// How long the server may take to show that it serves, for whoever asks about its health: less than asking may take in all.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

// ---- What a server leaves to the next one ----

/// Bytes of what a server that ends in order leaves to the next one: room for every cookie and lock there can be, with the longest
/// paths that locks have in practice; with nothing but locks of the longest paths and owners there are, 24 MiB.
pub const LEFT_MAX: u64 = 32 * 1024 * 1024;

/// How long a server that was told to stop may take beyond its grace period before it ends by force: the farewells, and what hooks are
/// still to be told, fit in it, and with the usual grace it is less than service managers wait.
pub const END_OVERDUE: Duration = Duration::from_secs(28);

/// From this number on a supervisor keeps the sockets of its servers: far from those that every process opens first.
pub const SUPERVISED_SOCKETS_FROM: i32 = 100;

/// So many such places are tried, each as far from the one before: somebody may have left files open there.
pub const SUPERVISED_SOCKET_PLACES: i32 = 5;

/// So many leases of a shared folder beside twice those that were in force come before it is looked which are over.
pub const LEASES_LOOK: usize = 64;

/// When a folder that is shared no more is taken back once more: from whoever was opening it just then.
pub const LET_GO_AGAIN: Duration = Duration::from_millis(400);

/// How often a supervisor looks after what has no event of its own: often enough that a watchdog of a minute, and whoever removes the
/// folder it is reached in, hear of it soon, and nothing for a processor.
pub const SUPERVISOR_LOOK: Duration = Duration::from_secs(2);

/// How often a supervisor says that what it is reached by is gone, as long as it is.
pub const SUPERVISOR_SAYS_AGAIN: Duration = Duration::from_secs(60);

/// After how long without an answer of the file system a supervisor says that its folder does not answer: longer than a busy disk takes.
pub const SUPERVISOR_UNANSWERED: Duration = Duration::from_secs(10);

/// How long a supervisor that ends waits for those who are being answered: two lines, that are written at once.
pub const SUPERVISOR_ANSWERS: Duration = Duration::from_secs(1);

/// So many may wait for being heard.
pub const SUPERVISOR_BACKLOG: i32 = 16;

/// So many who ask a supervisor for something are heard at once: each takes a thread for a moment, and they are administrators.
pub const SUPERVISOR_WISHES: usize = 16;

/// How long a supervisor waits before it starts a server again that has crashed; after each further crash twice as long.
pub const SUPERVISED_PAUSE: Duration = Duration::from_millis(250);

/// How long a server may take until it serves, the check of a new program until it ends, and a server that was told to end beyond its
/// grace period: much longer than any takes that gets on, and no reason to wait for ever for one that does not.
pub const SUPERVISED_START: Duration = Duration::from_secs(120);

/// How often is looked whether a check has ended.
pub const SUPERVISED_CHECK_LOOK: Duration = Duration::from_millis(20);

/// Bytes of what such a check says that are kept, the worst of which comes first: ten thousand findings.
pub const SUPERVISED_CHECK_MAX: u64 = 4 * 1024 * 1024;

/// Servers of one supervisor that others have taken the place of and that have something to send yet. Each may take as much memory as one that
/// serves; one that replaces the program more often waits for a grace period to end.
pub const SUPERVISED_DRAINING: usize = 3;

/// So many crashes, or starts that failed, within [`SUPERVISED_CRASHES_WITHIN`] are started again: what comes oftener does not go away
/// by itself, and whoever started the supervisor is to know.
pub const SUPERVISED_CRASHES: usize = 5;

/// See [`SUPERVISED_CRASHES`].
pub const SUPERVISED_CRASHES_WITHIN: Duration = Duration::from_secs(300);

/// How long `sealiftd reload` waits for a supervisor that only hands a signal on.
pub const SUPERVISOR_ANSWER: Duration = Duration::from_secs(20);

/// How long whoever talks to a supervisor may take for the line of a wish, and for taking the answer.
pub const SUPERVISOR_WISH: Duration = Duration::from_secs(5);

/// Bytes of such a line.
pub const SUPERVISOR_WISH_MAX: usize = 64;

/// Bytes of the answer to it: what a check of the new program has found may be long.
pub const SUPERVISOR_ANSWER_MAX: u64 = 64 * 1024;
