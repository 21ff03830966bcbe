//! Telling a person how far a transfer is, and what came of it.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sealift::client::{Observer, Skip, Summary, Transferred};
use sealift::proto::escape::for_people;
use sealift::{Client, Error};

use super::context::Login;
use super::failure::{Failure, Outcome, Tally};
use super::format;
use super::interrupt;
use super::output::{Object, Output};

/// A transfer shorter than this shows no bar: it would only flicker.
const SHOW_AFTER: Duration = Duration::from_millis(500);

/// How often a bar is drawn while nothing comes, so that a stall can be told from a hang.
const TICK: Duration = Duration::from_millis(200);

/// Watches one command's transfers: a bar on stderr, one JSON object a file, failures as they happen.
#[derive(Debug)]
pub struct Progress {
    out: Output,
    started: Instant,
    bar: ProgressBar,
    is_shown: AtomicBool,
    files: AtomicU64,
    expected: AtomicU64,
    /// Bytes that were moved, as often as they were: what a rate is made of.
    moved: AtomicU64,
    /// Bytes of the files that are done.
    settled: AtomicU64,
    /// How far the bar is.
    reached: AtomicU64,
    /// Who may not do what is denied.
    login: Mutex<Option<Login>>,
    /// The failure shown last.
    last_shown: Mutex<String>,
}

impl Progress {
    /// For a command that begins now.
    pub fn new(out: Output) -> Self {
        Progress {
            out,
            started: Instant::now(),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            is_shown: AtomicBool::new(!out.wants_bar()),
            files: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            reached: AtomicU64::new(0),
            login: Mutex::default(),
            last_shown: Mutex::default(),
        }
    }

    /// Says who transfers from now on.
    pub fn set_login(&self, login: &Login) {
        *lock(&self.login) = Some(login.clone());
    }

    /// Whether this failure of everything is that of the file that failed last, which has been shown.
    pub fn has_shown(&self, error: &Error) -> bool {
        let last = lock(&self.last_shown);
        !last.is_empty() && last.contains(error.text())
    }

    /// Shows a line above the bar.
    fn above(&self, show: impl FnOnce()) {
        self.bar.suspend(show);
    }

    fn show_bar_when_it_takes_long(&self) {
        if self.started.elapsed() < SHOW_AFTER || self.is_shown.swap(true, Ordering::Relaxed) {
            return;
        }
        let template = match self.bar.length() {
            Some(_) => "{bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left{prefix}  {wide_msg}",
            None => "{spinner} {bytes}  {bytes_per_sec}{prefix}  {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("━╸ "));
        }
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }

    /// Puts the bar where it belongs: never past its end, whatever had to be moved twice.
    fn advance(&self, bytes: u64) {
        let reached = self.reached.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.bar.set_position(self.bar.length().map_or(reached, |length| reached.min(length)));
    }

    /// What is left is counted anew.
    pub fn starts_over(&self) {
        self.bar.set_length(0);
        self.reached.store(0, Ordering::Relaxed);
        self.settled.store(0, Ordering::Relaxed);
        self.expected.store(self.files(), Ordering::Relaxed);
    }

    /// How many files are done.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    fn show_count(&self) {
        let expected = self.expected.load(Ordering::Relaxed);
        if expected > 1 {
            self.bar.set_prefix(format!("  {}/{expected} files", self.files.load(Ordering::Relaxed)));
        }
    }

    /// Takes the bar away.
    pub fn stop(&self) {
        self.is_shown.store(true, Ordering::Relaxed);
        self.bar.finish_and_clear();
    }

    /// Ends the bar and tells what came of it all. `client` is the connection used last.
    ///
    /// # Errors
    /// The exit code of what failed; its words have been shown.
    pub fn finish(&self, summary: &Summary, mut tally: Tally, client: Option<&Client>) -> Outcome {
        self.stop();
        let time = self.started.elapsed();
        tally.add_done(summary.files);
        if summary.failed.is_empty() && summary.files == 0 {
            tally.add_done(summary.directories);
        }
        summary.failed.iter().for_each(|(_, error)| tally.add_failed(error.exit()));
        let done = Object::new()
            .text("event", "done")
            .value("files", summary.files)
            .value("bytes", summary.bytes)
            .value("folders", summary.directories)
            .value("failed", tally.failures())
            .value("skipped", summary.skipped)
            .value("seconds", time.as_secs_f64())
            .ids(client.and_then(Client::last_ids));
        if !self.out.json(|| done)? {
            self.out.note(&words(summary, tally.failures(), time, self.moved.load(Ordering::Relaxed)));
        }
        tally.outcome()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `2 files, 3.0 MiB in 0.2 s (15 MiB/s), verified`.
fn words(summary: &Summary, failed: u64, time: Duration, moved: u64) -> String {
    let mut words = format::count(summary.files, "file");
    if summary.directories > 0 {
        words += &format!(" in {}", format::count(summary.directories, "folder"));
    }
    words += &format!(", {} in {}", format::size(summary.bytes), format::duration(time));
    if summary.files > 0 {
        words += &format!(" ({}), verified", format::rate(moved, time));
    }
    if summary.skipped > 0 {
        words += &format!("; {} skipped", summary.skipped);
    }
    if failed > 0 {
        words += &format!("; {failed} failed");
    }
    words
}

impl Observer for Progress {
    fn expected(&self, files: u64, bytes: u64) {
        self.expected.fetch_add(files, Ordering::Relaxed);
        // Bytes are 0 for a source of unknown size; a bar without a length spins.
        if bytes > 0 {
            // A server may announce anything.
            self.bar.set_length(self.bar.length().unwrap_or(0).saturating_add(bytes));
        }
        self.show_count();
    }

    fn started(&self, path: &Path, _size: Option<u64>) {
        self.bar.set_message(for_people(path.as_os_str().as_bytes()));
    }

    fn resumed(&self, path: &Path, from: u64) {
        self.advance(from);
        // They were there before, and say nothing about the line.
        self.bar.reset_eta();
        let name = for_people(path.as_os_str().as_bytes());
        self.above(|| self.out.step(&format!("{name}: goes on after {}, proven", format::size(from))));
    }

    fn retrying(&self, error: &Error, pause: Duration, kept: u64) {
        // What is not finished is counted anew, from where it goes on.
        self.reached.store(self.settled.load(Ordering::Relaxed), Ordering::Relaxed);
        self.advance(0);
        self.bar.reset_eta();
        self.above(|| self.out.lost(error, pause, kept));
    }

    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        let why = why.map_or(String::new(), |error| format!(": {}", for_people(error.text().as_bytes())));
        self.above(|| self.out.step(&format!("{count} of {wanted} connections{why}")));
    }

    fn stream_lost(&self, error: &Error) {
        if interrupt::is_stopping() {
            return;
        }
        let text = for_people(error.text().as_bytes());
        self.above(|| self.out.step(&format!("a connection was lost, the others go on: {text}")));
    }

    fn progressed(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.advance(bytes);
        self.show_bar_when_it_takes_long();
    }

    fn finished(&self, path: &Path, done: &Transferred) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.settled.fetch_add(done.bytes, Ordering::Relaxed);
        self.show_count();
        self.show_bar_when_it_takes_long();
        let name = path.as_os_str().as_bytes();
        let object = || {
            let object = Object::new().text("event", "file").name("path", name).value("size", done.bytes);
            object.text("hash", done.hash).ids(done.ids)
        };
        // A stdout that is gone is found out by the summary.
        let _ = self.out.json(object);
        self.above(|| self.out.step(&format!("{}: {}, verified", for_people(name), format::size(done.bytes))));
    }

    fn failed(&self, path: &Path, error: &Error) {
        let name = for_people(path.as_os_str().as_bytes());
        let mut failure = Failure::from(error.retold()).about(&name);
        if let Some(login) = lock(&self.login).as_ref() {
            failure = failure.denied_by_server(|| login.denied_hint());
        }
        error.text().clone_into(&mut lock(&self.last_shown));
        self.above(|| {
            failure.show(self.out);
        });
    }

    fn skipped(&self, path: &Path, why: Skip) {
        let name = for_people(path.as_os_str().as_bytes());
        self.above(|| self.out.warn(&format!("skipped {name}: {}", why.words())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_came_and_what_did_not() {
        let mut summary = Summary { files: 2, bytes: 3 << 20, ..Summary::default() };
        assert_eq!(
            words(&summary, 0, Duration::from_secs(2), 3 << 20),
            "2 files, 3.0 MiB in 2.0 s (1.5 MiB/s), verified"
        );
        summary.directories = 1;
        summary.skipped = 4;
        assert_eq!(
            words(&summary, 1, Duration::from_secs(2), 2 << 20),
            "2 files in 1 folder, 3.0 MiB in 2.0 s (1.0 MiB/s), verified; 4 skipped; 1 failed"
        );
        assert_eq!(words(&Summary::default(), 0, Duration::ZERO, 0), "0 files, 0 B in 0.0 s");
    }
}
