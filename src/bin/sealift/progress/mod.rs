//! Telling a person how far a transfer is, and what came of it.

mod checksums;
mod hints;
mod lines;
mod screen;
mod state;
mod summary;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clap::Args;
use sealift::client::{Observer, Skip, Summary, Transferred};
use sealift::error::Side;
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::sync::Mutex;
use sealift::{Client, Error, Result, limits};

pub use screen::{SoFar, beside};
pub use summary::Totals;

use self::checksums::Checksums;
use self::screen::{Kind, Mode, Screen};
use self::state::State;
use self::summary::Skipped;
use super::alike;
use super::failure::{Failure, Outcome, Tally};
use super::format;
use super::interrupt;
use super::login::Login;
use super::output::{Event, Object, Output};
use super::transfer::FlowArgs;

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Send,
    /// From it.
    Fetch,
}

impl Direction {
    /// The word of the command.
    const fn word(self) -> &'static str {
        match self {
            Direction::Send => "put",
            Direction::Fetch => "get",
        }
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ProgressArgs {
    /// How to show how far it is
    #[arg(long = "progress", value_name = "HOW", value_enum, default_value_t, help_heading = "Output")]
    pub mode: Mode,
}

/// Watches one command's transfers: bars or a log on stderr, one JSON object a file, failures as they happen.
#[derive(Debug)]
pub struct Progress {
    out: Output,
    direction: Direction,
    kind: Option<Kind>,
    /// When the first thing happened: a person who typed a password did not transfer meanwhile.
    began: OnceLock<Instant>,
    state: Arc<Mutex<State>>,
    screen: Mutex<Option<Screen>>,
    has_screen: AtomicBool,
    skipped: Mutex<Skipped>,
    checksums: Option<Mutex<Checksums>>,
    /// The folder that downloads go into.
    folder: OnceLock<PathBuf>,
    /// Who may not do what is denied.
    login: Mutex<Option<Login>>,
    /// Who sends may make no folder there.
    makes_no_folders: AtomicBool,
    /// What the quota leaves where it is sent to, behind all that is known to be sent and at the beginning.
    room: Mutex<Option<(u64, u64)>>,
    /// Files go where `put` says, and can be sent to another place.
    is_put: bool,
    /// By somebody's link: whoever sends has no files there, and no administrator.
    by_link: bool,
    /// The folder that is sent.
    tree: Mutex<PathBuf>,
    /// The failure shown last.
    last_shown: Mutex<String>,
    /// When a program was last told how far it is.
    told: Mutex<Option<Instant>>,
}

impl Progress {
    /// For a command that begins now.
    ///
    /// # Errors
    /// If the checksum file cannot be written.
    pub fn new(out: Output, direction: Direction, args: &FlowArgs) -> Result<Self> {
        let checksums = args.checksum_file.as_deref().map(Checksums::new).transpose()?;
        Ok(Progress {
            out,
            direction,
            checksums: checksums.map(Mutex::new),
            folder: OnceLock::new(),
            kind: args.progress.mode.kind(out),
            began: OnceLock::new(),
            state: Arc::default(),
            screen: Mutex::default(),
            has_screen: AtomicBool::new(false),
            skipped: Mutex::default(),
            login: Mutex::default(),
            makes_no_folders: AtomicBool::new(false),
            room: Mutex::default(),
            is_put: false,
            by_link: false,
            tree: Mutex::default(),
            last_shown: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// Says which folder downloads go into.
    pub fn set_folder(&self, folder: &Path) {
        let _ = self.folder.set(folder.to_owned());
    }

    /// Says who transfers from now on.
    pub fn set_login(&self, login: &Login) {
        *self.login.lock() = Some(login.clone());
    }

    /// Who sends may neither see nor make the folder that it goes to.
    pub fn makes_no_folders(&self) {
        self.makes_no_folders.store(true, Ordering::Relaxed);
    }

    /// So many bytes more fit where it is sent to.
    pub fn has_room(&self, bytes: u64) {
        *self.room.lock() = Some((bytes, bytes));
    }

    /// The progress of a `put`.
    pub fn for_put(self) -> Self {
        Progress { is_put: true, ..self }
    }

    /// The progress of what is put in by a link.
    pub fn by_link(self) -> Self {
        Progress { by_link: true, ..self.for_put() }
    }

    /// This folder is sent from now on.
    pub fn sends_tree(&self, folder: &Path) {
        folder.clone_into(&mut self.tree.lock());
    }

    /// Whether this failure of everything is that of the file that failed last, which has been shown.
    pub fn has_shown(&self, error: &Error) -> bool {
        let last = self.last_shown.lock();
        !last.is_empty() && last.contains(error.text())
    }

    /// Changes the state, and shows it from now on.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.began.get_or_init(|| {
            self.tell_program(|| Object::of(Event::Start).text("direction", self.direction.word()));
            Instant::now()
        });
        if let Some(kind) = self.kind
            && !self.has_screen.swap(true, Ordering::Relaxed)
        {
            *self.screen.lock() = Some(Screen::start(Arc::clone(&self.state), self.direction, kind));
        }
        change(&mut self.state.lock())
    }

    /// Tells a program that reads JSON. A stdout that is gone is found out by the summary.
    fn tell_program(&self, object: impl FnOnce() -> Object) {
        let _ = self.out.json(object);
    }

    /// Tells a program how far it is, now and then.
    fn tell_progress(&self) {
        if !self.out.is_json() {
            return;
        }
        let mut told = self.told.lock();
        let now = Instant::now();
        if now < told.get_or_insert(now).checked_add(limits::JSON_PROGRESS).unwrap_or(now) {
            return;
        }
        *told = Some(now);
        drop(told);
        let (files, moved, (files_expected, bytes_expected)) = {
            let state = self.state.lock();
            (state.files(), state.moved(), state.expectation())
        };
        self.tell_program(|| {
            let object = Object::of(Event::Progress).value("files", files).value("bytes", moved);
            object.value("files_expected", files_expected).value("bytes_expected", bytes_expected)
        });
    }

    /// The line was lost, and what is left will be counted anew.
    pub fn lost(&self) {
        // What comes behind it is counted anew, and said by now.
        *self.room.lock() = None;
        self.change(|state| state.lost(0));
    }

    /// What is left is counted anew.
    pub fn starts_over(&self) {
        self.change(State::starts_over);
    }

    /// So many parts of the work are to be counted yet, each when it begins.
    pub fn parts_to_come(&self, parts: usize) {
        self.change(|state| state.parts_to_come(u32::try_from(parts).unwrap_or(u32::MAX)));
    }

    /// The next part begins, and so many come after it.
    pub fn next_part(&self, parts_after: usize) {
        self.change(|state| state.next_part(u32::try_from(parts_after).unwrap_or(u32::MAX)));
    }

    /// How many files are done, and the bytes of all of them.
    pub fn done(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.files(), state.finished_bytes())
    }

    /// Takes the bars away.
    pub fn stop(&self) {
        self.screen.lock().take();
        self.has_screen.store(false, Ordering::Relaxed);
        alike::tell_more();
    }

    /// Puts the checksum file in place, if there is to be one.
    ///
    /// # Errors
    /// Those of writing it.
    pub fn write_checksums(&self) -> Result<()> {
        self.checksums.as_ref().map_or(Ok(()), |checksums| checksums.lock().write())
    }

    /// What was moved in which time, and what was left out.
    pub fn totals(&self) -> Totals {
        let time = Some(self.began.get().map_or(Duration::ZERO, Instant::elapsed));
        let (moved, there) = {
            let state = self.state.lock();
            (state.moved(), state.there())
        };
        Totals { moved, there, time, skipped: self.skipped.lock().clone(), ..Totals::default() }
    }

    /// Ends the bars and tells what came of it all. `client` is the connection used last.
    ///
    /// # Errors
    /// The exit code of what failed; its words have been shown.
    pub fn finish(&self, summary: &Summary, mut tally: Tally, client: Option<&Client>, dry_run: bool) -> Outcome {
        self.stop();
        if !dry_run {
            self.write_checksums()?;
        }
        let totals = self.totals();
        let there = summary.files + summary.unchanged + summary.links;
        tally.add_tree(there, summary.directories, summary.failed.is_empty());
        summary.failed.iter().for_each(|(_, error)| tally.add_failed(error.exit()));
        let done = Object::of(Event::Summary)
            .value("files", summary.files)
            .value("bytes", summary.bytes)
            .value("resumed_bytes", totals.there)
            .value("folders", summary.directories)
            .value("failed", tally.failures())
            .value("unchanged", summary.unchanged)
            .value("skipped", summary.skipped)
            .value("unreadable", totals.skipped.unreadable())
            .value("links", summary.links)
            .value("dry_run", dry_run)
            .value("seconds", totals.time.unwrap_or_default().as_secs_f64())
            .ids(client.and_then(Client::last_ids));
        if !self.out.json(|| done)? {
            let Summary { files, bytes, directories, unchanged, links, .. } = *summary;
            let failed = tally.failures();
            let totals = Totals { files, bytes, folders: directories, unchanged, links, failed, ..totals };
            self.out.note(&match dry_run {
                true => format!("Would be: {}", Totals { time: None, ..totals }.words()),
                false => totals.words(),
            });
        }
        tally.outcome()
    }
}

impl Progress {
    /// What the failure of this source happened to, on the side that it names: a place in the folder that downloads go into is told
    /// with that folder.
    fn happened_to(&self, source: &Path, error: &Error) -> PathBuf {
        match (error.path(), self.folder.get()) {
            (None, _) => source.to_owned(),
            (Some(path), Some(folder)) if error.side() == Side::Local && !path.starts_with(folder) => folder.join(path),
            (Some(path), _) => path.to_owned(),
        }
    }

    /// The failure of this source in words that name what it happened to once: what this machine refuses of a download by its place
    /// here, as the person named that.
    fn named(&self, source: &Path, error: &Error) -> Failure {
        let retold = error.retold();
        if let (Direction::Fetch, Side::Local, Some(path), Some(folder)) =
            (self.direction, error.side(), error.path(), self.folder.get())
        {
            let inside = for_people(path.as_os_str().as_bytes());
            let folder = for_people(folder.as_os_str().as_bytes());
            if error.text().strip_prefix(&*inside).is_some_and(|rest| rest.starts_with(':')) {
                return match &*folder {
                    "." => retold.into(),
                    folder => retold.of_path_in(&inside, folder.trim_end_matches('/')).into(),
                };
            }
        }
        let name = for_people(source.as_os_str().as_bytes());
        // Told of a place in the folder that is transferred.
        let inside = retold.text().split_once(": ").map_or("", |(inside, _)| inside).to_owned();
        match name.strip_suffix(&*inside).and_then(|above| above.strip_suffix('/')) {
            Some(above) if !inside.is_empty() => retold.of_path_in(&inside, above).into(),
            _ => Failure::from(retold).about(&name),
        }
    }
}

impl Observer for Progress {
    fn wants_totals(&self) -> bool {
        self.kind.is_some() || self.out.is_json()
    }

    fn reading(&self, is_reading: bool) {
        self.change(|state| state.reading(is_reading));
    }

    fn expected(&self, files: u64, bytes: u64) {
        self.change(|state| state.expected(files, bytes));
        let mut room = self.room.lock();
        let Some((left, all)) = *room else { return };
        // A tree is told of as it is read, and before it is sent.
        *room = left.checked_sub(bytes).map(|left| (left, all));
        if room.is_none() {
            let all = format::size(all);
            self.out.warn(&format!(
                "more is to be sent than fits into what the quota there leaves ({all}), unless some is there already or takes the \
                 place of other files"
            ));
        }
    }

    fn proving(&self, path: &Path, done: u64, of: u64) {
        self.change(|state| state.proving(path, done, of));
    }

    fn started(&self, path: &Path, size: Option<u64>) {
        self.change(|state| state.started(path, size));
    }

    fn resumed(&self, path: &Path, from: u64) {
        self.change(|state| state.resumed(path, from));
        let name = for_people(path.as_os_str().as_bytes());
        self.out.step(&format!("{name}: goes on after {}, proven", format::size(from)));
    }

    fn retrying(&self, error: &Error, pause: Duration, kept: u64) {
        let kept = interrupt::as_kept(kept);
        *self.room.lock() = None;
        self.change(|state| state.lost(kept));
        self.out.lost(error, pause, kept, interrupt::begins_uploads_anew());
    }

    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        let why = why.map_or(String::new(), |error| format!(": {}", for_people(error.text().as_bytes())));
        self.out.step(&format!("{count} of {wanted} connections{why}"));
    }

    fn stream_lost(&self, error: &Error) {
        if interrupt::is_stopping() {
            return;
        }
        let text = for_people(error.text().as_bytes());
        self.out.step(&format!("a connection was lost, the others go on: {text}"));
    }

    fn progressed(&self, path: &Path, bytes: u64) {
        self.change(|state| state.progressed(path, bytes));
        self.tell_progress();
    }

    fn finished(&self, path: &Path, to: &RelPath, done: &Transferred) {
        self.change(|state| state.finished(path, done.size));
        if let Some(checksums) = &self.checksums {
            let here = match (self.direction, self.folder.get()) {
                (Direction::Fetch, Some(folder)) => &folder.join(to.as_path()),
                (Direction::Fetch, None) => to.as_path(),
                (Direction::Send, _) => path,
            };
            checksums.lock().add(here, done.hash, self.out);
        }
        let name = path.as_os_str().as_bytes();
        let object = || {
            let object = Object::of(Event::File).name("path", name).value("size", done.size);
            object.text("hash", done.hash).ids(done.ids)
        };
        self.tell_program(object);
        self.out.step_with(|| format!("{}: {}, verified", for_people(name), format::size(done.size)));
    }

    fn failed(&self, path: &Path, error: &Error) {
        self.change(|state| state.given_up(path));
        let failure = self.hinted(self.named(path, error).at(self.happened_to(path, error)), error);
        error.text().clone_into(&mut self.last_shown.lock());
        failure.show(self.out);
    }

    fn put_back(&self, path: &Path) {
        let name = path.as_os_str().as_bytes();
        self.tell_program(|| Object::of(Event::PutBack).name("path", name));
        self.out.warn(&format!("put back {}, which a mirror that did not end had moved aside", for_people(name)));
    }

    fn unchanged(&self, path: &Path, size: u64) {
        self.change(|state| state.unchanged(size));
        self.out.step_with(|| format!("{}: there already", for_people(path.as_os_str().as_bytes())));
    }

    fn planned(&self, path: &Path, to: &RelPath, _size: u64) {
        let verb = self.direction.word();
        let name = path.as_os_str().as_bytes();
        let to = match (self.direction, self.folder.get()) {
            (Direction::Fetch, Some(folder)) if folder != Path::new(".") => {
                // Of one that is still to be made, `to` has the rest.
                let there = folder.ancestors().find(|above| above.is_dir());
                there.unwrap_or(Path::new("")).join(to.as_path())
            }
            _ => to.as_path().to_owned(),
        };
        let to = to.as_os_str().as_bytes();
        let object = || Object::of(Event::Plan).text("action", verb).name("path", name).name("to", to);
        // A stdout that is gone is found out by the summary.
        if matches!(self.out.json(object), Ok(false)) {
            let line = [verb.as_bytes(), b" ", &self.out.name(name), b" -> ", &self.out.name(to)].concat();
            let _ = self.out.line(line);
        }
    }

    fn linked(&self, path: &Path, to: &RelPath) {
        let name = path.as_os_str().as_bytes();
        self.tell_program(|| Object::of(Event::Linked).name("path", name).name("to", to.as_bytes()));
        self.out.step_with(|| format!("link {}", for_people(name)));
    }

    fn skipped(&self, path: &Path, why: Skip) {
        self.change(|state| state.given_up(path));
        let is_first = self.skipped.lock().add(why);
        let name = path.as_os_str().as_bytes();
        match self.out.is_json() {
            true => self.tell_program(|| Object::of(Event::Skipped).name("path", name).text("why", why.words())),
            false => {
                // Said once: of a tree with many it is the same.
                let more = match (why, self.direction) {
                    (Skip::Link, Direction::Send) if is_first => " (--links follow sends what they lead to)",
                    _ => "",
                };
                let text = format!("skipped {}: {}", for_people(name), why.words());
                // What would not be told is not counted either.
                if self.out.may_tell() && !alike::is_enough(self.out, "warning:", &text) {
                    self.out.warn(&format!("{text}{more}"));
                }
            }
        }
    }
}
