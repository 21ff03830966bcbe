//! Bounds of the web: browsers, WebDAV, and the locks that hold for every protocol.

use std::time::Duration;

use super::CHUNK;

// ---- The web ----

/// Bytes read at a time from a browser: one TLS record, more than is ever ready in one poll.
pub const WEB_READ: usize = 16 * 1024;

/// Bytes of a whole TLS record (RFC 8446, section 5.1), to which what is written is gathered.
pub const WEB_RECORD: usize = 16 * 1024;

/// How often a connection that has something to do at once is polled before others have their turn: some pieces of a body of
/// [`WEB_READ`], or what a hundred requests have to say to each other. Less than a millisecond, mostly.
pub const WEB_POLLS: usize = 32;

/// Largest head of a request: its line and headers. Browsers send less than 2 KiB; cookies of other ports come on top.
pub const WEB_HEAD_MAX: usize = 16 * 1024;

/// Most headers of a request.
pub const WEB_HEADERS_MAX: usize = 64;

/// Time for a request's head, and how long a kept connection of HTTP/1 may wait for the next one.
pub const WEB_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of HTTP/1.1 is asked nothing before it lets go of its buffers, 16 KiB of 34: pages come in one go, and to
/// make the buffers anew costs some microseconds.
pub const WEB_REST: Duration = Duration::from_secs(1);

/// Bytes that HTTP/1 gathers on the way out beside what is being sent: heads, and small answers to pipelined requests.
pub const WEB_BUFFER: usize = 64 * 1024;

/// Requests at once on a connection of HTTP/2; a client lets further ones wait. No fewer, says RFC 9113, section 6.5.2; and a client
/// takes it for this before it has read our settings. With 16 here curl 7.88 with 50 uploads at once now and then began some anew on
/// other connections, without their first bytes: about one run in six ended with 30 of 10,000 files missing. What more of them take
/// comes out of the budget ([`WEB_STREAMS_SURE`]).
pub const WEB_STREAMS: u32 = 100;

/// Requests at once that every connection has room for within [`super::CONNECTION_MEMORY`]. What more of them take comes out of the
/// budget that is shared by source; where that is used up, they are told to come later.
pub const WEB_STREAMS_SURE: usize = 4;

/// What a request on a connection of HTTP/2 takes beside the bytes of files, with its head and what hyper holds for it. Measured
/// with clients that read nothing: 11 to 15 KiB, with heads of 3 KiB.
pub const WEB_STREAM_MEMORY: usize = 16 * 1024;

/// Bytes of one answer of HTTP/2 that wait for a client at which no more of it is read. What is under way may be one piece more,
/// and the next one is read by then. With [`super::BUFFER`] here small pieces of a file piled up to that: 254 KiB for each file that
/// somebody did not read, of which no budget knew.
pub const WEB_SEND_BUFFER: usize = 16 * 1024;

/// Bytes that a client may send ahead in one request of HTTP/2: [`WEB_CHUNKS`] of [`super::CHUNK`], which is what an upload takes in
/// one step. Over a line of 20 ms that is 50 MB/s for each file. Measured with 64 MiB over a line of 100 ms: 27 s
/// with one chunk, 7.2 with four; over loopback both take as long. Each request that has a body takes as much
/// from the budget of buffers before anything of it is looked at, or as much as the body has.
pub const WEB_STREAM_WINDOW: u32 = (WEB_CHUNKS * CHUNK) as u32;

/// Bytes that all requests of a connection may send ahead together, so that those who wait for their turn never keep the bytes of one away
/// whose turn it is.
pub const WEB_CONNECTION_WINDOW: u32 = WEB_STREAMS * WEB_STREAM_WINDOW;

/// Requests of HTTP/2 that a client may take back before they are answered: beyond it the connection ends (CVE-2023-44487).
pub const WEB_RESETS: usize = 64;

/// Requests, and frames of them, that a connection of HTTP/2 has refused before it ends (CVE-2025-8671). What is told to come later, as
/// there is no room for it, may have frames of its body under way. Half of what the library allows by itself.
pub const WEB_REFUSALS: usize = 512;

/// Chunks of an upload that are hashed and written in one step, and that may gather meanwhile, where memory is plenty. With one of
/// each the two waited for each other: 1 GiB took 1.3 times as long.
pub const WEB_CHUNKS: usize = 4;

/// How long a page waits, behind its last row, for the count of what its user's home holds. Some hundred thousand files are counted by
/// then; of more it says that they are being counted.
pub const WEB_COUNT_WAIT: Duration = Duration::from_secs(1);

/// Bytes of a body that nobody wants which are read before the answer: what a client has sent ahead anyway.
pub const WEB_DRAIN: usize = 64 * 1024;

/// Uploads over HTTP that have begun, can be gone on with and are not finished, of all together: each holds a file open.
pub const WEB_UPLOADS_MAX: usize = 512;

/// Those of one user, or of one address for nobody in particular: a browser sends a few files at a time, and some that were
/// given up wait for their end.
pub const WEB_UPLOADS_PER_SOURCE: usize = 32;

/// Of those, the ones that came by links. Half: whoever has a link may have as many addresses as there are, and those with an account
/// are to be able to go on with theirs.
pub const WEB_UPLOADS_BY_LINKS: usize = WEB_UPLOADS_MAX / 2;

/// Of those, the ones that came by one link: whoever has another one is to be able to go on with theirs. Some dozen people who send a few
/// files each; what is beyond that waits its turn, or goes in one piece.
pub const WEB_UPLOADS_BY_LINK: usize = WEB_UPLOADS_BY_LINKS / 4;

/// Of an upload of sealift/1 by a link at least so much is kept after a cut: less is sent again sooner than it is asked after.
pub const LINK_UPLOAD_KEPT_MIN: u64 = 1024 * 1024;

/// How long such an upload waits for somebody to go on with it: a laptop is closed in the evening and opened in the morning.
pub const WEB_UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How often those are looked for that are over.
pub const WEB_UPLOAD_LOOK: Duration = Duration::from_secs(60);

/// Steps of copying a file in one turn, each of a [`super::CHUNK`]: some milliseconds.
pub const WEB_COPY_STEPS: u32 = 16;

/// How often a connection of HTTP/2 is asked whether it is still there.
pub const WEB_PING: Duration = Duration::from_secs(30);

/// How long it may take to say so.
pub const WEB_PING_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of HTTP/2 without a request is kept: a person reads a page and clicks.
pub const WEB_IDLE_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// Users that one connection serves at once, for proxies; a browser has one, and nobody in particular.
pub const WEB_SESSIONS: usize = 8;

/// How long a login that succeeded need not be checked again, as long as no user has changed. Checking it costs 20 ms and
/// 19 MiB, and clients send it with every request.
pub const WEB_LOGIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Logins that are remembered so: about 400 bytes each.
pub const WEB_LOGINS_MAX: usize = 1024;

/// How long the cookie of a browser may go unused: a working day.
pub const WEB_COOKIE_IDLE: Duration = Duration::from_secs(12 * 60 * 60);

/// How long it counts, however often it is used.
pub const WEB_COOKIE_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Random bytes of a cookie: 256 bits, which nobody guesses.
pub const WEB_COOKIE_BYTES: usize = 32;

/// Letters of a method that no log line goes beyond.
pub const WEB_METHOD_SHOWN: usize = 20;

/// Cookies of one user that count: browsers and private windows of them.
pub const WEB_COOKIES_OF_USER: usize = 16;

/// Cookies of one link with a password that count: browsers of all who have it.
pub const WEB_COOKIES_OF_LINK: usize = 1024;

/// Cookies that count in all: about 500 bytes each.
pub const WEB_COOKIES: usize = 4096;

/// Bytes of a form: a name, a password ([`super::PASSWORD_MAX`]), each byte as three, and where to go.
pub const WEB_FORM: usize = 16 * 1024;

/// Things in the trash that a page shows. Each is a few forms: what is behind them is found by its folder.
pub const WEB_TRASH_SHOWN: usize = 500;

/// Files of a form that were not stored and are named in its answer.
pub const WEB_PARTS_TOLD: usize = 100;

/// Bytes of the head of a part of a form: a name and a kind.
pub const WEB_PART_HEAD: usize = 8 * 1024;

/// Bytes of a file that is read for a digest which a client asks for: a quarter of a second of a core, for each request.
pub const WEB_DIGEST_MAX: u64 = 256 * 1024 * 1024;

/// What a client is told how long to wait when the server is busy.
pub const WEB_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Ranges of a file in one request: readers of PDF ask for a few. With more the whole file is sent, once.
pub const WEB_RANGES_MAX: usize = 8;

/// Bytes of a file that are read and sent in one go, with no file left open between turns.
pub const WEB_AT_ONCE: u64 = CHUNK as u64;

/// Larger files and folders that one connection of the web has open at once; further files wait. With its socket they keep to
/// [`super::DESCRIPTORS_PER_CONNECTION`].
pub const WEB_OPEN_FILES: usize = 2;

/// Entries of a folder that are read in one turn: about a millisecond.
pub const WEB_ENTRIES_A_TURN: usize = 512;

/// Bytes of entries that are held to sort a folder: some 100,000 of them. A larger one is shown as it comes.
pub const WEB_FOLDER_BYTES: usize = 16 * 1024 * 1024;

/// Files and folders that a search looks at: as many as a sorted folder has, about a second.
pub const WEB_SEARCH_LOOKED: usize = 100_000;

/// What it finds at most: nobody reads more, and who does may take a longer word.
pub const WEB_SEARCH_FOUND: usize = 1000;

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

/// How often it is said that they, or those of the server's own key, cannot be used: as for the users file.
pub const CERTIFICATE_SAY: Duration = Duration::from_secs(60);

/// A certificate for browsers that ends sooner is not being renewed: authorities give them for 90 days, or for 47, and whoever
/// renews them does so when a third is left.
pub const WEB_CERTIFICATE_SOON: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// How often it is said that it is over, or soon will be: once a day somebody may read it, and no log is full of it.
pub const WEB_CERTIFICATE_REMIND: Duration = Duration::from_secs(24 * 60 * 60);

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

/// How long a LOCK waits for what is being written where it is to hold, and the removal of a link for what comes by it: longer than a
/// disk syncs, and shorter than clients wait for an answer.
pub const CLAIMS_WAIT: Duration = Duration::from_secs(10);

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
pub const DAV_PORTION: usize = WEB_ENTRIES_A_TURN * 384 + 2 * DAV_MORE;

/// Bytes of locks and kept properties that are looked up for the entries of a portion before some of it is sent: else 256 locks
/// of a folder would be told of each of its entries at once. One entry has at most about twice as much.
pub const DAV_MORE: usize = 256 * 1024;

/// Lock tokens and entity tags in one request's `If`.
pub const DAV_CONDITIONS: usize = 64;

/// Properties that one request may name: each that is not there is repeated with every entry of a folder.
pub const DAV_PROPERTIES: usize = 64;
