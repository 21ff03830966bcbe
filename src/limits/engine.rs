//! Bounds of what is asked of a storage elsewhere.

use std::time::Duration;

/// How long connecting may take, with the handshake of TLS.
pub const ENGINE_CONNECT: Duration = Duration::from_secs(5);

/// How long the storage may be silent: a node of Garage takes 8 seconds to see that another one is gone. Longer than [`ENGINE_RETRY`].
pub const ENGINE_ANSWER: Duration = Duration::from_secs(20);

/// How many times as long as a request is repeated its answer may take from head to end: a page of a listing is there at once, and one
/// that comes byte by byte is none. Half a minute.
pub const ENGINE_BODY: u32 = 2;

/// How many times as long as a request is repeated an answer may take that a storage begins before it has put an object together or copied
/// it, and fills with blanks meanwhile: ten minutes, for some take minutes for thousands of parts.
pub const ENGINE_ASSEMBLY: u32 = 40;

/// Bytes a second below which sending a body counts as silence.
pub const ENGINE_SLOWEST: u64 = 512 * 1024;

/// How long a request is repeated that was put off, or whose connection failed; whoever waits for it gives up not much later. One that is
/// sent whole and gets no answer takes [`ENGINE_ANSWER`], which is longer, and is not repeated after that: twice as long nobody waits.
pub const ENGINE_RETRY: Duration = Duration::from_secs(15);

/// The pause before the first repetition; each one after it is twice as long.
pub const ENGINE_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
pub const ENGINE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// For how long nobody else waits for a storage that has just failed one in all its repetitions: they are told at once.
pub const ENGINE_REST: Duration = Duration::from_secs(1);

/// How often the storage is asked for nothing in particular while nobody asks for anything, so that it is known whether it answers: a
/// program that watches looks every fifteen seconds or so, and it costs 8,640 of the cheapest requests a day.
pub const ENGINE_LOOK: Duration = Duration::from_secs(10);

/// Connections that are kept for the next request: as many as work at once.
pub const ENGINE_IDLE_CONNECTIONS: usize = 64;

/// For how long; storages close those that are quiet for longer than some ten seconds or a minute.
pub const ENGINE_IDLE: Duration = Duration::from_secs(8);

/// Addresses of one name that are tried.
pub const ENGINE_ADDRESSES: usize = 4;

/// Bytes of the head of an answer.
pub const ENGINE_HEAD: usize = 64 * 1024;

/// Bytes that are read from a socket at once.
pub const ENGINE_READ: usize = 32 * 1024;

/// Bytes of an answer in XML: a page of a listing with 1,000 keys of 1,024 bytes, each byte escaped to three, is 3 MB.
pub const ENGINE_XML: usize = 8 * 1024 * 1024;

/// Entries of a page of a listing: what every storage gives at most.
pub const ENGINE_PAGE: usize = 1000;

/// Pages without an entry, one after the other, after which a listing counts as one without an end.
pub const ENGINE_EMPTY_PAGES: usize = 16;

/// The longest key there can be.
pub const ENGINE_KEY_MAX: usize = 1024;

/// Bytes by which keys that are tried differ, where a storage does not take the longest one.
pub const ENGINE_NAME_STEP: usize = 32;

/// How often a key is tried before it counts as too long, and a short one after each: storages fail for other reasons, too.
pub const ENGINE_NAME_TRIES: usize = 3;

/// Bytes between two slashes of keys that are tried.
pub const ENGINE_NAME_TRIED: usize = 200;

/// The most parts of an upload.
pub const ENGINE_PARTS: u64 = 10_000;

/// Requests of one operation at once, such as looking at each file of a folder.
pub const ENGINE_AT_ONCE: usize = 16;

/// Requests of all operations at once: what goes beyond that is done one after the other.
pub const ENGINE_AT_ONCE_ALL: usize = 64;

/// Entries of a folder that is renamed, which takes a copy of each and two requests more: some seconds.
pub const ENGINE_RENAMED: usize = 1000;

/// How old what is written of a RENAME is before others take the server that has written it for dead, if nothing shows at the new name
/// yet: its first requests took no longer. What shows is finished whatever its age, also beside a server that is only slow.
pub const ENGINE_MOVING_LEFT: Duration = Duration::from_secs(60);

/// How long a server that leaves a bucket to the next one waits for changes that are under way, and then as long for their last requests.
pub const ENGINE_LEAVING: Duration = Duration::from_secs(5);

/// Files whose size and time are remembered, so that a folder can be listed again without a request for each: some 300 bytes each.
pub const ENGINE_REMEMBERED: usize = 50_000;

/// How old a file must be for that: the storage tells times in seconds, and two changes in one would have the same.
pub const ENGINE_REMEMBERED_AGE: Duration = Duration::from_secs(3);

/// For so long a look at the folder holds that an upload goes into: most have come by then, and are spared another request.
pub const ENGINE_LOOKED: Duration = Duration::from_secs(1);

/// Folders of which that is remembered: more than anybody puts files into in a second.
pub const ENGINE_FOLDERS: usize = 4096;

/// Parts from which on it is written down how far an upload has come: a file of two or three blocks is spared the requests.
pub const ENGINE_RECORDED: usize = 2;

/// How often a server that is about to complete an upload looks whether another one that was about to take it over has given way: with a
/// pause that doubles, for 1.5 seconds in all, and what the other one has to do takes three requests.
pub const ENGINE_END_LOOKS: u32 = 4;

/// For how long a server that has not looked whether another one has taken an upload over still counts as who has it: a day less than what
/// would tell it is kept for.
pub const ENGINE_HELD: Duration = Duration::from_secs(6 * 24 * 60 * 60);

/// Keys that are remembered of what the storage did not remove, some 200 bytes each: more go when they are old.
pub const ENGINE_TAKEN_BACK: usize = 10_000;

/// Pages of 1,000 uploads in parts that a sweep of a home looks through: a listing that goes on is none.
pub const ENGINE_UPLOAD_PAGES: usize = 1000;

/// Bytes of an upload that are kept in memory until they are sent; more are in a file.
pub const SPOOL_MEMORY: usize = 256 * 1024;

/// Bytes of a file with the storage's keys.
pub const ENGINE_KEYS_FILE: u64 = 4096;

/// How often a page of a listing is asked for that cannot be read.
pub const ENGINE_LIST_TRIES: usize = 3;

/// Seconds by which clocks may differ before a refusal without a reason is taken to be for that: storages take 15 minutes.
pub const ENGINE_CLOCK: u64 = 5 * 60;

/// Bytes of the beginnings of open files that are held in all, so that a small file is had in one request: 128 of a mebibyte.
pub const ENGINE_AHEAD: u64 = 128 * 1024 * 1024;

/// Bytes of the beginning of a file that are held where that is used up.
pub const ENGINE_AHEAD_MIN: u64 = 16 * 1024;

/// How old a count of a home under a quota may be where other servers may change the bucket, too, before there is another: so long, or so
/// many times as long as it took, so that at most a twentieth of the time goes into counting. At twice that age uploads wait for the next
/// one, so that what other servers stored counts by then.
pub const ENGINE_COUNT_AGE: (Duration, u32) = (Duration::from_secs(10), 20);

/// How long somebody waits for a count who only wants to see it: then the last one is shown.
pub const ENGINE_COUNT_SHOWN: Duration = Duration::from_secs(3);

/// Homes that are counted at once, each by a thread and with one request on its way.
pub const ENGINE_COUNTS: usize = 32;

/// For how long what is counted of a home is kept, and counted on, when nobody is in it: requests by HTTP come one by one.
pub const ENGINE_ACCOUNT_KEPT: Duration = Duration::from_secs(60);

/// Keys that are remembered of those that somebody else changes while a folder is removed or renamed, some 100 bytes each: more are taken for
/// all of it, and what is there is counted again.
pub const ENGINE_MET: usize = 10_000;

/// For how long something may be done yet that the storage did not answer: it takes requests for 15 minutes after they were signed.
pub const ENGINE_DOUBT: Duration = Duration::from_secs(15 * 60);

/// Parts of one upload that are on their way while the next one gathers: with these a storage is busy that takes as long to store one as
/// it takes to come.
pub const ENGINE_PARTS_AHEAD: usize = 2;
