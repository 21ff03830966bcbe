//! Where words go: results to stdout, everything else to stderr, and JSON instead of both if asked.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use console::{Style, Term};
use sealift::client::Ids;
use sealift::escape::{for_people, is_deceptive};
use sealift::proto::percent::encode;
use sealift::table::Table;
use sealift::wrap::{fitted, wrap};
use sealift::{Error, Kind, Result};
use serde_json::{Map, Value};

use super::args::Common;
use super::format;
use super::progress::beside;

/// Counts what was written to standard output: once something is there, a command cannot be done over.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Says that something goes to standard output.
pub fn writes() {
    WRITTEN.fetch_add(1, Ordering::Relaxed);
}

/// How often something went there.
pub fn written() -> u64 {
    WRITTEN.load(Ordering::Relaxed)
}

/// What a command has told a program so far.
static TOLD: Told = Told {
    results: AtomicU64::new(0),
    errors: AtomicU64::new(0),
    is_summed_up: AtomicBool::new(false),
    hands_on_bytes: AtomicBool::new(false),
};

struct Told {
    /// Objects on standard output that tell of something.
    results: AtomicU64,
    /// Errors.
    errors: AtomicU64,
    /// The last object on standard output is a summary.
    is_summed_up: AtomicBool,
    /// Standard output is for the bytes of files.
    hands_on_bytes: AtomicBool,
}

impl Told {
    fn result(&self, object: &Object) {
        let event = object.event();
        let counts = ![Event::Start, Event::Progress, Event::Summary].iter().any(|other| event == Some(other.word()));
        self.results.fetch_add(u64::from(counts), Ordering::Relaxed);
        self.is_summed_up.store(event == Some(Event::Summary.word()), Ordering::Relaxed);
    }
}

/// Another command begins to tell a program what comes of it.
pub fn begins() {
    TOLD.results.store(0, Ordering::Relaxed);
    TOLD.errors.store(0, Ordering::Relaxed);
    TOLD.is_summed_up.store(false, Ordering::Relaxed);
    TOLD.hands_on_bytes.store(false, Ordering::Relaxed);
}

/// Counts an object of results that is written past [`Output::json`].
pub fn tells(object: &Object) {
    TOLD.result(object);
}

/// Standard output is for the bytes of files, and no objects go there.
pub fn hands_on_bytes() {
    TOLD.hands_on_bytes.store(true, Ordering::Relaxed);
}

/// How the hint of an interrupted command begins: what follows is a command line.
pub const GO_ON: &str = "To go on: ";

/// Standard output goes into another program for now.
static IS_REDIRECTED: AtomicBool = AtomicBool::new(false);

/// Says whether standard output goes into another program from now on.
pub fn redirected(is_redirected: bool) {
    IS_REDIRECTED.store(is_redirected, Ordering::Relaxed);
}

/// How to talk. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    stdout_is_terminal: bool,
    /// Whether a person reads stderr.
    pub stderr_is_terminal: bool,
}

impl Output {
    /// As the options say.
    pub fn new(common: &Common) -> Self {
        Output {
            json: common.json,
            quiet: common.quiet,
            verbose: common.verbose,
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// When the options cannot be read: as JSON if the word for it is there.
    pub fn before_options(words: &[OsString]) -> Self {
        Output {
            json: words.iter().any(|word| word == "--json"),
            quiet: false,
            verbose: false,
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Whether a person reads stdout.
    pub fn stdout_is_terminal(self) -> bool {
        self.stdout_is_terminal && !IS_REDIRECTED.load(Ordering::Relaxed)
    }

    /// Every step is told.
    pub fn is_verbose(self) -> bool {
        self.verbose
    }

    /// Results are JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person reads stderr, or may read it later, and wants more than errors.
    pub fn may_tell(self) -> bool {
        !self.quiet && !self.json
    }

    /// Writes a line of results.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn line(self, line: impl AsRef<[u8]>) -> Result<()> {
        writes();
        beside(|| {
            let mut stdout = io::stdout().lock();
            stdout.write_all(line.as_ref()).and_then(|()| stdout.write_all(b"\n")).map_err(stdout_failed)
        })
    }

    /// Writes rows of results: at a terminal as it has room for them.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn table(self, table: &Table) -> Result<()> {
        let lines = match self.stdout_is_terminal() {
            // The last column is left free: not every terminal waits there for what comes next.
            true => table.fitted(usize::from(Term::stdout().size().1).saturating_sub(1)),
            false => table.rows(),
        };
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Writes a line of words as results: at a terminal it is broken where words end.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn words(self, line: &str) -> Result<()> {
        match self.stdout_is_terminal() {
            true => self.line(fitted(line, usize::from(Term::stdout().size().1).saturating_sub(1))),
            false => self.line(line),
        }
    }

    /// Writes an object of results, if they are JSON; says whether it did.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn json(self, object: impl FnOnce() -> Object) -> Result<bool> {
        if self.json {
            let object = object();
            tells(&object);
            self.line(object.render())?;
        }
        Ok(self.json)
    }

    /// Tells a program of an error.
    pub fn json_error(self, object: Object) {
        TOLD.errors.fetch_add(1, Ordering::Relaxed);
        to_stderr(&object.render());
    }

    /// Ends what a command tells a program: with how much it has told, and how many errors, unless it has summed up what it did
    /// itself. `is_failing`: one more error is about to be told. So whoever reads knows that nothing more comes.
    ///
    /// # Errors
    /// If stdout cannot be written to.
    pub fn sum_up(self, is_failing: bool) -> Result<()> {
        let is_over = TOLD.is_summed_up.load(Ordering::Relaxed) || TOLD.hands_on_bytes.load(Ordering::Relaxed);
        if self.json && !is_over {
            let (results, errors) = (TOLD.results.load(Ordering::Relaxed), TOLD.errors.load(Ordering::Relaxed));
            self.json(|| {
                let object = Object::of(Event::Summary).value("entries", results);
                object.value("failed", errors + u64::from(is_failing))
            })?;
        }
        Ok(())
    }

    /// A name for stdout: harmless for a terminal, exact for a program.
    pub fn name(self, name: &[u8]) -> Cow<'_, [u8]> {
        if self.stdout_is_terminal() { for_people(name).into_bytes().into() } else { Cow::Owned(name.to_vec()) }
    }

    /// Says something that is no result. The text is already escaped.
    pub fn note(self, text: &str) {
        if !self.quiet && !self.json {
            to_stderr(&self.wrapped("", text));
        }
    }

    /// The text in lines that fit beside these first words on the terminal of standard error, if that is one. A command to be
    /// copied is left in one.
    pub fn wrapped(self, first: &str, text: &str) -> String {
        if !self.stderr_is_terminal || text.starts_with(GO_ON) || text.contains('\n') {
            return text.to_owned();
        }
        let width = usize::from(Term::stderr().size().1);
        // The last column is left free: not every terminal waits there for what comes next.
        let lines = wrap(&format!("{first}{text}"), width.saturating_sub(1), first.len().clamp(2, 8));
        // A first word longer than a line stands where it would, not below.
        lines.get(first.len().saturating_sub(1)..).unwrap_or(text).trim_start().to_owned()
    }

    /// Warns. The text is already escaped.
    pub fn warn(self, text: &str) {
        if !self.quiet {
            self.warn_all(text);
        }
    }

    /// Warns of what came of an error: whoever wants nothing but errors is told that as well.
    pub fn warn_all(self, text: &str) {
        if self.json {
            to_stderr(&Object::of(Event::Warning).text("warning", text).render());
        } else {
            let text = self.wrapped("warning: ", text);
            to_stderr(&format!("{} {text}", Style::new().for_stderr().yellow().bold().apply_to("warning:")));
        }
    }

    /// Says that a connection was lost, when the next try comes, and what is kept meanwhile; or that what was being sent `begins_anew`.
    pub fn lost(self, error: &Error, pause: Duration, kept: u64, begins_anew: bool) {
        let text = for_people(error.text().as_bytes());
        self.warn(&format!(
            "{text}; again in {}{}",
            format::duration(pause),
            format::kept_meanwhile(kept, begins_anew)
        ));
    }

    /// Tells a step, with `-v`.
    pub fn step(self, text: &str) {
        if self.verbose {
            to_stderr(&format!("{} {text}", Style::new().for_stderr().dim().apply_to("*")));
        }
    }
}

/// Writes a line to stderr, above the bars if there are any. A stderr that is gone is nobody to tell.
pub fn to_stderr(line: &str) {
    beside(|| {
        let _ = writeln!(io::stderr().lock(), "{line}");
    });
}

/// The error of a failed write to stdout.
pub fn stdout_failed(err: io::Error) -> Error {
    Error::file("standard output", err)
}

/// Whether this only says that nobody reads stdout any more, as in `sealift cat … | head`.
pub fn is_closed_pipe(err: &Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(err), |cause| cause.source());
    let is_broken_pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    err.kind() == Kind::Io && causes.any(|cause| cause.downcast_ref().is_some_and(is_broken_pipe))
}

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident = $word:literal;)*) => {
        /// What a JSON object tells of: its `event`. docs/JSON.md describes them, docs/json.schema.json their fields.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $event,)* }

        impl Event {
            /// The stable word.
            pub const fn word(self) -> &'static str {
                match self { $(Event::$event => $word,)* }
            }
        }
    };
}

events! {
    /// Transfers begin.
    Start = "start";
    /// How far they are.
    Progress = "progress";
    /// A file was transferred and verified.
    File = "file";
    /// A link like one of the source is there.
    Linked = "linked";
    /// Something was left out.
    Skipped = "skipped";
    /// What a mirror had moved aside has its name again.
    PutBack = "put-back";
    /// What a mirror would do.
    Plan = "plan";
    /// What came of it all.
    Summary = "summary";
    /// A failure; on standard error.
    Error = "error";
    /// A warning; on standard error.
    Warning = "warning";
    /// A file or folder of a listing.
    Entry = "entry";
    /// A file or folder.
    Stat = "stat";
    /// The folder that the shell is in.
    Folder = "folder";
    /// The BLAKE3 of a file.
    Hash = "hash";
    /// What a folder holds.
    Usage = "usage";
    /// A file that is not as it was stored, or could not be read.
    Doubt = "doubt";
    /// What was found of all files of a folder.
    Verified = "verified";
    /// A rotten file was taken as it is.
    Accepted = "accepted";
    /// A folder was made.
    Made = "made";
    /// Something was removed.
    Removed = "removed";
    /// Something has another name.
    Moved = "moved";
    /// There is another one of something.
    Copied = "copied";
    /// A server answered.
    Pong = "pong";
    /// A server serves.
    Health = "health";
    /// A server's figures.
    Status = "status";
    /// Somebody who is connected.
    Session = "session";
    /// Sessions were ended.
    Kicked = "kicked";
    /// Somebody who is held back.
    Penalty = "penalty";
    /// Somebody is held back no more.
    Unbanned = "unbanned";
    /// A server has read something again.
    Reloaded = "reloaded";
    /// A server ends.
    Stopping = "stopping";
    /// A server's key that is trusted.
    Pin = "pin";
    /// A server that has a name.
    Bookmark = "bookmark";
    /// A key of this person.
    Key = "key";
    /// A key that logs this person in on a server.
    ServerKey = "server-key";
    /// A URL that needs no account.
    Link = "link";
    /// Something that was deleted or replaced and is kept.
    Trashed = "trashed";
    /// It is there again.
    Restored = "restored";
    /// It is gone for good.
    Purged = "purged";
    /// An invitation was taken.
    Joined = "joined";
    /// This machine logs in by a key of its own.
    LoggedIn = "logged-in";
    /// It does so no more.
    LoggedOut = "logged-out";
    /// A password is another one now.
    PasswordChanged = "password-changed";
}

/// The version of the objects: a program that reads them can rely on the fields of docs/JSON.md as long as it is this.
/// New events and fields come without a new version.
const JSON_VERSION: u32 = 1;

/// One JSON object, put together field by field in a stable order.
#[derive(Debug, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    /// One that tells of this.
    pub fn of(event: Event) -> Self {
        Object::default().value("v", JSON_VERSION).text("event", event.word())
    }

    /// What it tells of.
    fn event(&self) -> Option<&str> {
        self.0.get("event")?.as_str()
    }

    /// Adds text.
    pub fn text(self, key: &str, value: impl ToString) -> Self {
        self.value(key, Value::String(value.to_string()))
    }

    /// Adds a number, a truth or nothing.
    pub fn value(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a name. JSON holds text and a name is bytes: if it is not UTF-8, `key_encoded` has it exactly,
    /// percent-encoded.
    pub fn name(self, key: &str, name: &[u8]) -> Self {
        let this = self.text(key, String::from_utf8_lossy(name));
        match std::str::from_utf8(name) {
            Ok(_) => this,
            Err(_) => this.text(&format!("{key}_encoded"), encode(name)),
        }
    }

    /// Adds the process and session that answered.
    pub fn ids(self, ids: Option<Ids>) -> Self {
        match ids {
            None => self,
            Some(ids) => self.value("pid", ids.pid).text("session", ids.session),
        }
    }

    /// The object as one line, safe for a terminal too: JSON itself leaves DEL, C1 and bidirectional characters as
    /// they are. Such a character can only be inside a string, where it may be written as its code.
    pub fn render(self) -> String {
        let plain = Value::Object(self.0).to_string();
        let mut out = String::with_capacity(plain.len());
        for c in plain.chars() {
            if c == '\x7f' || is_deceptive(c) {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out += &format!("\\u{unit:04x}"));
            } else {
                out.push(c);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_is_exact_in_its_encoded_field() {
        let object = Object::default().name("path", b"a\xff").name("other", b"x\ny").value("n", 1);
        assert_eq!(object.render(), r#"{"path":"a�","path_encoded":"a%FF","other":"x\ny","n":1}"#);
    }

    #[test]
    fn a_name_in_json_does_nothing_to_a_terminal_and_reads_back_exactly() {
        let name = "a\x1b\x7f\u{9b}31m\u{202e}\u{e0041}ü";
        let line = Object::default().name("path", name.as_bytes()).render();
        assert_eq!(line, r#"{"path":"a\u001b\u007f\u009b31m\u202e\udb40\udc41ü"}"#);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["path"], name);
    }

    #[test]
    fn only_a_closed_stdout_is_a_closed_pipe() {
        let closed = stdout_failed(io::ErrorKind::BrokenPipe.into());
        assert!(is_closed_pipe(&closed));
        assert!(is_closed_pipe(&Error::new(Kind::Io, "wrapped").with_source(closed)));
        assert!(!is_closed_pipe(&stdout_failed(io::ErrorKind::StorageFull.into())));
        assert!(!is_closed_pipe(&Error::network("x", io::ErrorKind::BrokenPipe.into())));
    }
}
