//! Bounds of the audit.

use std::time::Duration;

/// Bytes of lines of the audit that may wait for the disk: some 25,000, seconds of the busiest server. As many again may be on
/// their way to a disk that is full.
pub const AUDIT_QUEUE: usize = 8 * 1024 * 1024;

/// How long the thread that writes the audit waits when the disk takes nothing.
pub const AUDIT_PAUSE: Duration = Duration::from_millis(500);

/// How long the end of the server waits until the audit is written.
pub const AUDIT_FLUSH: Duration = Duration::from_secs(5);

/// How long the end of the server waits for the audit where it is told for the second time to end: whoever says that does not want to wait.
pub const AUDIT_FLUSH_AT_ONCE: Duration = Duration::from_secs(1);

/// Characters that are kept of a name that somebody only said was theirs. Those of the users file are shorter.
pub const AUDIT_NAME: usize = 128;

/// Characters that are kept of a URL that came to nothing.
pub const AUDIT_URL: usize = 2048;

/// What a line of the audit takes at first: most are shorter.
pub const AUDIT_LINE: usize = 512;

/// Bytes of a line of the audit that are read again: two paths and a name, each byte of them escaped in six, and twice.
pub const AUDIT_LINE_MAX: u64 = 256 * 1024;

/// Bytes of a path that are kept of an operation that failed: what is there has shorter ones nearly always, and escaped it is nine
/// times as much in the audit.
pub const AUDIT_PATH: usize = 1024;

/// Bytes of lines that all who are no user and come from one place may have written at once, of logins and of what failed or changed
/// nothing: some 40,000 lines, so that a copy of 10,000 small files that anybody may read is written down whole, and from four places at
/// once, too.
pub const AUDIT_SHARE: u64 = 16 * 1024 * 1024;

/// Bytes of that which they get back in a second: some 40 lines, more than people cause, and 1.4 GB a day (one that pipelined DOWNLOAD
/// had 45 MB written in a second).
pub const AUDIT_SHARE_RATE: u64 = 16 * 1024;
