//! Bounds of logins: passwords, keys, and the file of the users.

use std::time::Duration;

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
/// Sources of which an administrator is told at once that they are held back, those with the longest time first: a person reads
/// some, and all of them would be 4 MiB.
pub const PENALTIES_LISTED: usize = 1000;

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

/// Least characters of any new password, whatever a users file allows. Fewer are a slip and no choice: a stray key, an empty variable.
pub const PASSWORD_MIN: usize = 4;

/// Least characters of a new password of a user unless the users file says otherwise (`min_password`), and those below which a link's
/// deserves a warning: the least that NIST SP 800-63B (section 3.1.1.2) allows one that a person chose. Passwords that are there stay
/// right.
pub const PASSWORD_MIN_USUAL: usize = 8;

/// The most that a users file can ask for: as many as that section has every server take. Whoever asks for more would ask for what
/// nobody types.
pub const PASSWORD_MIN_MOST: usize = 64;

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

/// How long somebody who asks for the users file to be read again waits at most for one that goes on changing.
pub const USERS_FILE_ASKED: Duration = Duration::from_secs(2);

/// When a users file that could not be read is read again, though it has not changed.
pub const USERS_FILE_RETRY: Duration = Duration::from_secs(1);

/// How long a folder that was left to the next server must have been the same before what is in it is not read again: some file systems
/// tell no moments apart that are less than two seconds from each other.
pub const LEFT_STATE_REST: Duration = Duration::from_secs(3);

/// How often the log says that the users file cannot be used.
pub const USERS_FILE_REPEAT: Duration = Duration::from_secs(60);

/// How long after a directory of users was asked for other ones a command or a login waits for them. It goes on with those in
/// force then, until the directory has answered.
pub const USERS_DIRECTORY_WAIT: Duration = Duration::from_secs(1);

/// How old the last look at the users file may be for a command that came right behind another one. One that was waited
/// for looks itself.
pub const USERS_FILE_FRESH: Duration = Duration::from_millis(50);

/// How old a next key must be before `sealiftd cert switch` takes it unasked: what runs once a day has been there by then.
pub const NEXT_KEY_REST: Duration = Duration::from_secs(25 * 60 * 60);

// ---- Keys of users ----

/// Random bytes of a server in what a key signs to log in: as many as no two of all connections ever have alike.
pub const NONCE_BYTES: usize = 32;

/// Signatures in one KEY, of several keys of one person: an agent with more holds keys of several people. Eight fit into a
/// line ([`super::LINE_MAX`]), but for those of RSA keys; checking all that fit takes a server a few milliseconds.
pub const KEY_PROOFS_MAX: usize = 8;

/// Bytes of what a key is called in users.toml: a comment such as `alice@laptop`.
pub const KEY_NAME_MAX: usize = 128;

/// Bytes of a public key in SSH's format: the largest that logs in, an RSA key of [`RSA_BITS_MAX`], has 1,049.
pub const PUBLIC_KEY_MAX: usize = 1100;

/// Bits of the modulus of an RSA key that logs in: the least that NIST SP 800-131A allows. What is shorter can be broken.
pub const RSA_BITS_MIN: usize = 2048;

/// The most bits of it: the largest that ring checks, in some tenths of a millisecond. ssh-keygen makes 3072 unasked.
pub const RSA_BITS_MAX: usize = 8192;

/// Bits of the exponent of an RSA key: the most that ring takes. A larger one has no use but to make a check last.
pub const RSA_EXPONENT_BITS_MAX: usize = 33;

/// Of a line with signatures, the bytes that are no signature: the verb, a user's name or a key's, spaces, the ending, each with
/// its bytes as three.
pub const PROOFS_BESIDE: usize = 3 * KEY_NAME_MAX + 128;

/// Bytes of an `authorized_keys` file that is read into users.toml: some thousand keys, which is more than a user has.
pub const AUTHORIZED_KEYS_MAX: u64 = 1024 * 1024;

/// Bytes of a public key's line in users.toml or a `.pub` file: the key in base64 and a comment.
pub const PUBLIC_KEY_LINE_MAX: usize = 4096;

/// Bytes of a file with a private key: the largest that logs in, an RSA key of 8192 bits, has 7 kilobytes.
pub const PRIVATE_KEY_MAX: u64 = 64 * 1024;

/// Bytes of an answer of an agent, as OpenSSH's agent bounds its own messages.
pub const AGENT_ANSWER_MAX: u64 = 256 * 1024;

/// How long an agent may take to say which keys it has: it is on this machine, or at the other end of a forwarding ssh.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Characters in a line of a signature's armour, as OpenSSH writes it.
pub const PEM_LINE: usize = 70;

/// Homes that cannot be entered of which the log says at the start which they are: the check names them all.
pub const HOMES_TOLD: usize = 10;

/// Servers elsewhere on the machine that somebody is told of who typed a command where there is none.
pub const SERVERS_TOLD: usize = 3;

/// Folders that a users file shares: each is looked at for every operation of those who have it.
pub const FOLDERS_MAX: usize = 256;

/// Groups of a users file, which may be inside of one another: each is walked into at most so deep.
pub const GROUPS_MAX: usize = 1000;

/// Rules for paths of one user: each is looked at for every operation of that user.
pub const PATH_RULES_MAX: usize = 64;

// ---- Links ----

/// Characters of a link's secret: 32 random bytes in base64.
pub const LINK_SECRET: usize = 43;

/// Bytes of a link's name: that of a file, mostly.
pub const LINK_NAME_MAX: usize = 128;

/// Links of one user: each is a file, and all are shown at once.
pub const LINKS_OF_USER: usize = 256;

/// Links of all users together: each takes less than a kilobyte of memory, and all are looked through when one is made.
pub const LINKS_MAX: usize = 10_000;

/// How long a link gives what it does unless its maker says otherwise: what was sent is fetched within a week, and what lies
/// about for longer is forgotten.
pub const LINK_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The most that can be said: a hundred years, which no sum with the present time overflows.
pub const LINK_LIFETIME_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Penalty for a link that is not there, whatever is wrong with it. Its secret cannot be guessed, so it is not for guesses but for
/// those who try them by the million; an office whose people all open an old link is not to be shut out.
pub const PENALTY_NO_LINK: Duration = Duration::from_secs(1);

/// How long after a download was finished requests for ranges of it are part of it: a player that jumps back, a program that
/// fetches parts side by side and ends with the first.
pub const LINK_RANGES_AFTER: Duration = Duration::from_secs(10 * 60);

/// Bytes that may come by a link that files are put in by, unless its maker says otherwise.
pub const LINK_INBOX_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Files that may come by it, unless its maker says otherwise.
pub const LINK_INBOX_FILES: u32 = 1000;

/// The most bytes that its maker can say: 16 TiB, the largest file of ext4.
pub const LINK_INBOX_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024 * 1024;

/// The most files that its maker can say: fewer than can have one name with a number.
pub const LINK_INBOX_FILES_MAX: u32 = 100_000;
