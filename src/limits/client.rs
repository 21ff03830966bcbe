//! Bounds of the client and of what it keeps for a person.

use std::time::Duration;

use super::{CONNECTIONS_MAX, HASH_BLOCK};

// ---- The client ----

/// Time for a client to reach a server: name lookup, TCP, TLS and the greeting. A server that accepts and then waits
/// for a connection permit answers within this, or is too busy to be of use.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client waits for a server from which nothing comes and to which nothing can be sent. Longer than a
/// busy disk takes to sync, and than hashing 50 GiB from a fast one.
pub const CLIENT_IO_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a client waits, at least, while a server reads a whole file for HASH, COPY or ACCEPT, of which it tells nothing before it has
/// read the last byte: 500 GB from a single hard disk at 140 MB/s.
pub const CLIENT_READ_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// How long a client's line is still before its kernel asks whether the other one is there: routers forget a line that is still
/// for some minutes.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long it waits for an answer to that, and before it asks again.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// After so many questions without an answer the line is lost.
pub const KEEPALIVE_PROBES: u32 = 4;

/// How long an interrupted command may take to put away what it has not finished. Only a read or write that cannot be
/// interrupted, as from a terminal, takes longer than a moment.
pub const INTERRUPT_PATIENCE: Duration = Duration::from_millis(1500);

/// After so long an interrupted program ends wherever it is: with what ending takes, within two seconds of the signal. More
/// than [`INTERRUPT_PATIENCE`], so that a command that can be told has its chance.
pub const INTERRUPT_LIMIT: Duration = Duration::from_millis(1800);

/// How often a pause looks whether it is over: nobody notices it, and it leaves an interrupted command its time.
pub const INTERRUPT_LOOK: Duration = Duration::from_millis(50);

/// A Ctrl-C that another program had the terminal for reaches this one too, and on a busy machine after that has ended: so long
/// it is still the other one's.
pub const INTERRUPT_ECHO: Duration = Duration::from_millis(500);

/// How often a client asks after an upload that an earlier connection of its own is at yet, as the server thinks, and how long it waits
/// in between: ending one whose line is dead takes the server some seconds.
pub const BUSY_LOOKS: u32 = 60;

/// See [`BUSY_LOOKS`].
pub const BUSY_LOOK: Duration = Duration::from_millis(500);

/// Events of transfers that wait to be read, before further ones are only counted: some ten megabytes.
pub const EVENTS_WAITING: usize = 64 * 1024;

/// Buffers on their way between a client's connection and the thread that works with files, in each direction. What they
/// smooth is the threads' turns on the cores: with 16 (4 MiB) instead of 4 a file of 1 GiB took 3 to 6 % less time on two
/// cores.
pub const WIRE_BUFFERS: usize = 16;

/// Buffers of a client's connection in each direction where the rate is limited: what waits there counts as sent, and there is nothing to
/// smooth.
pub const WIRE_BUFFERS_LIMITED: usize = 2;

/// Bytes asked for at once of an asynchronous reader whose bytes are sent; [`WIRE_BUFFERS`] of these wait for the connection.
pub const FEED: usize = 64 * 1024;

/// A client's outgoing buffer goes on its way once it holds so many bytes: enough small files to make the hand-over
/// between threads cheap, few enough that reading and sending overlap.
pub const WIRE_HANDOVER: usize = 48 * 1024;

/// Largest frame a client sends. A [`super::BUFFER`] below [`WIRE_HANDOVER`] still takes a command line, such a frame and the
/// end of the file; and it is a length that BLAKE3 hashes in large steps (128 KiB and 64 KiB).
pub const UPLOAD_FRAME: usize = 192 * 1024;

/// Bytes that a client has read of a file and that may not have arrived when the connection breaks: its own buffers, and
/// what two kernels hold for a fast line.
pub const UPLOAD_ON_ITS_WAY: u64 = HASH_BLOCK;

/// Files a client has asked for or sent at most without having the answer. Hides a round trip of 50 ms at 10,000
/// small files a second.
pub const PIPELINE_FILES: usize = 512;

/// Files that were found and are to be removed, which are looked at once more together: few enough that the last one is removed soon.
pub const LOOKED_AT_AGAIN: usize = 32;

/// Bytes of one listing that a client holds: some four million files with paths of 60 bytes, so that a server that lists
/// without end, or with endless names, does not take all memory. Bytes and not entries, because a path has up to 4 KiB.
pub const LISTING_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Bytes of entries that a client holds to sort them for a person: half a million of them, with names of 30 bytes. What is more
/// is shown as it comes.
pub const SORTED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Lines that say the same of as many files before the rest is only counted: a screen of them tells no more.
pub const ALIKE_SHOWN: u64 = 10;

/// Different things said that are counted so; of more each is said.
pub const ALIKE_KINDS: usize = 64;

/// Names that the braces of one word may stand for. `{a,b}{c,d}…` doubles them with each pair.
pub const ALTERNATIVES_MAX: usize = 1000;

/// Lines before the last one of an answer: a server tells of at most [`super::CONNECTIONS_MAX`] sessions.
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

/// Links to folders that one command follows: each is a listing of its own, and folders that link each other have no end.
pub const LINKS_FOLLOWED_MAX: usize = 1000;

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

/// Tries after the first one at a server that has never answered, and hangs up before it has said who it is: another program may be at
/// that port, and then nothing changes. With the pauses some three seconds.
pub const RETRIES_UNHEARD: u32 = 3;

/// The longest pause between two tries.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The longest that a person who watches waits for the next try, while a pause is longer: a server that is back is seen soon. At the
/// terminals of 10,000 people who have lost the same server that is some 2,500 tries in a second, all of them at other moments.
pub const RETRY_PAUSE_WATCHED: Duration = Duration::from_secs(5);

/// How long a pipe that is sent may have nothing before the server is told that it pauses. Far below [`super::WINDOW`], and more than
/// a program takes that is at work.
pub const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// How often a client that is busy with its own disk says that it is still there. Far below [`super::IDLE_TIMEOUT`].
pub const STILL_HERE: Duration = Duration::from_secs(30);

/// After how long without a word the shell asks whether the server is still there before it sends a command: one round
/// trip, which a person who has thought for so long does not notice.
pub const SHELL_QUIET: Duration = Duration::from_secs(15);

/// How often a program that reads JSON is told how far a transfer is.
pub const JSON_PROGRESS: Duration = Duration::from_secs(1);

// ---- What a person sees ----

/// A transfer shorter than this shows no progress: it would only flicker.
pub const PROGRESS_AFTER: Duration = Duration::from_millis(500);

/// How often progress is drawn, also while nothing comes, so that a stall can be told from a hang.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How often a log gets a line of progress.
pub const PROGRESS_LOG_EVERY: Duration = Duration::from_secs(5);

/// The time over which a rate is taken: long enough to be read, short enough to show a line that stalls.
pub const PROGRESS_RATE_OVER: Duration = Duration::from_secs(5);

/// A pipe into which somebody writes sooner is waited for without a word.
pub const PIPE_SAID_AFTER: Duration = Duration::from_millis(300);

// ---- Mirrors ----

/// Files at a mirror's destination up to which `--delete` may remove most of them without being asked: few enough
/// to be looked over before.
pub const MIRROR_FILES_FREE: u64 = 20;

/// So many files and more at a mirror's destination `--delete` does not remove all of without being asked, however few they are: it may be
/// another folder that was meant.
pub const MIRROR_ALL_ASKED: u64 = 3;

/// Of a hundred files at a mirror's destination, how many `--delete` removes without being told that so many are meant.
/// A source that lost more than half of its files since the last time was probably not all there.
pub const MIRROR_DELETE_PERCENT: u8 = 50;

// ---- What a person keeps ----

/// Largest `known_servers` and `config.toml` of a client in bytes: ten thousand servers. They are read whole.
pub const CONFIG_FILE_MAX: u64 = 1024 * 1024;

/// How long `trust add --pin` tries to see the key that the server has: it is only a comparison, and scripts add servers that are
/// out of reach.
pub const TRUST_LOOK: Duration = Duration::from_secs(5);

/// Keys that are known of one server at most: some for each of a few machines behind one name. A server that announces
/// one new key after the other fills no file.
pub const KNOWN_KEYS_MAX: usize = 8;

/// Longest name of a server in `config.toml`: as long as a label of a host name.
pub const BOOKMARK_MAX: usize = 63;

/// Lines remembered from one conversation to the next.
pub const HISTORY_LINES_MAX: usize = 1000;

/// So often a mirror looks again at a lock that somebody has, with [`MIRROR_LOCK_LOOK`] between: a mirror that begins has the locks of others for
/// a moment, to see whether anybody else has.
pub const MIRROR_LOCK_LOOKS: u32 = 3;

/// See [`MIRROR_LOCK_LOOKS`]. Much longer than that moment, and too short for a person to notice.
pub const MIRROR_LOCK_LOOK: Duration = Duration::from_millis(20);

/// Lock files younger than this are not looked at by others, so that nobody finds a new one locked by who looks.
pub const MIRROR_LOCK_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// So many lock files that killed mirrors have left are removed by one that begins: a few milliseconds.
pub const MIRROR_LOCKS_SWEPT: usize = 100;
