//! What goes wrong, as the person sees it: what happened, the next step, the exit code.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use console::Style;
use sealift::client::{Endpoint, is_lost_line, is_put_off};
use sealift::error::Side;
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::stray_secrets::Stray;
use sealift::sync::Mutex;
use sealift::{Client, Error, Exit, Kind};

use super::alike;
use super::interrupt;
use super::next_step::next_step;
use super::output::{Event, Object, Output, is_closed_pipe, to_stderr};
use super::voice;

/// The hint that was shown last: of many files that fail alike it is said once.
static LAST_HINT: Mutex<String> = Mutex::new(String::new());

/// Another command begins, whose hints are said in any case.
pub fn begins() {
    LAST_HINT.lock().clear();
}

/// Why a command ends without success.
#[derive(Debug)]
pub enum Failure {
    /// To be shown, with a next step better than the table's if there is one.
    Error {
        /// What happened.
        error: Error,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Has been shown already; only the exit code is left.
    Shown(Exit),
}

/// What a command comes to.
pub type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error { error, hint: None }
    }
}

impl From<Stray> for Failure {
    fn from(stray: Stray) -> Self {
        Failure::new(Kind::Usage, stray.text(), stray.next_step())
    }
}

impl Failure {
    /// A failure with a next step of its own.
    pub fn new(kind: Kind, text: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Error { error: Error::new(kind, Into::<String>::into(text)), hint: Some(hint.into()) }
    }

    /// Gives an error of this kind a better next step, unless it has one.
    pub fn hinted(self, kind: Kind, better: impl FnOnce() -> String) -> Self {
        match self {
            Failure::Error { error, hint: None } if error.kind() == kind => {
                Failure::Error { error, hint: Some(better()) }
            }
            other => other,
        }
    }

    /// With this next step, whichever it had.
    pub fn with_hint(self, hint: &str) -> Self {
        match self {
            Failure::Error { error, .. } => Failure::Error { error, hint: Some(hint.to_owned()) },
            shown => shown,
        }
    }

    /// With this next step, where there is one and an error of this kind had none.
    pub fn hinted_if(self, kind: Kind, better: impl FnOnce() -> Option<String>) -> Self {
        match self {
            Failure::Error { error, hint: None } if error.kind() == kind => Failure::Error { hint: better(), error },
            other => other,
        }
    }

    /// Gives what the server refuses for want of a right a better next step, unless it has one. What this machine
    /// refuses is another matter.
    pub fn denied_by_server(self, better: impl FnOnce() -> String) -> Self {
        match &self {
            Failure::Error { error, .. } if error.side() == Side::Server => self.hinted(Kind::Denied, better),
            _ => self,
        }
    }

    /// Whether the server refuses it for want of a right.
    pub fn is_denied_by_server(&self) -> bool {
        matches!(self, Failure::Error { error, .. } if error.kind() == Kind::Denied && error.side() == Side::Server)
    }

    /// Says which line of a file of commands it was. Of what was shown already, that comes behind it.
    pub fn at_line(self, file: &str, number: u64, out: Output) -> Self {
        match self {
            Failure::Error { error, hint } if error.kind() != Kind::Interrupted && !is_closed_pipe(&error) => {
                Failure::Error { error: error.about(format!("{file}, line {number}")), hint }
            }
            Failure::Shown(exit) if exit != Exit::Done => {
                out.note(&format!("{file}, line {number}: failed"));
                Failure::Shown(exit)
            }
            other => other,
        }
    }

    /// Says what it happened to, if the text does not.
    pub fn about(self, what: &str) -> Self {
        match self {
            Failure::Error { error, hint } => Failure::Error { error: error.about(what), hint },
            shown => shown,
        }
    }

    /// Names for programs the file or folder of this machine that it happened to.
    pub fn at(self, path: impl Into<PathBuf>) -> Self {
        match self {
            Failure::Error { error, hint } => Failure::Error { error: error.at(path), hint },
            shown => shown,
        }
    }

    /// Names for programs the file or folder of a server that it happened to.
    pub fn at_server(self, path: &RelPath) -> Self {
        match self {
            Failure::Error { error, hint } => Failure::Error { error: error.of_server(), hint }.at(path_there(path)),
            shown => shown,
        }
    }

    /// Names for programs what a command was about when this happened, unless it is known what it happened to. What ends the
    /// connection, and what is wrong with the command itself, happened to nothing.
    pub fn while_at(self, path: &RelPath) -> Self {
        let is_of_a_file = match &self {
            Failure::Error { error, .. } => error.path().is_none() && error.kind() != Kind::Usage,
            Failure::Shown(_) => false,
        };
        if is_of_a_file && !self.ends_connection() { self.at(path_there(path)) } else { self }
    }

    /// The error of a line that was lost, after which the same may succeed on a new one, as [`is_lost_line`] tells; or of a server
    /// whose storage does not answer just now, which is asked anew after the same pauses.
    pub fn lost_line(&self) -> Option<&Error> {
        match self {
            Failure::Error { error, .. } => Some(error).filter(|error| is_put_off(error) || is_lost_line(error)),
            Failure::Shown(_) => None,
        }
    }

    /// Whether the same can be asked once more over the connection that it came by: nothing is wrong with that, what does not answer is
    /// the server's storage.
    pub fn spares(&self, client: &Client) -> bool {
        matches!(self, Failure::Error { error, .. } if is_put_off(error)) && client.is_usable()
    }

    /// Whether nobody has answered at all: neither a server that ends, nor one that is too busy.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Failure::Error { error, .. } if matches!(error.kind(), Kind::Network | Kind::TimedOut))
    }

    /// Whether the server says that it has not begun what was asked for.
    pub fn is_unbegun(&self) -> bool {
        match self {
            Failure::Error { error, .. } => error.is_unbegun(),
            Failure::Shown(_) => false,
        }
    }

    /// What kind it is, if it is not shown yet.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Failure::Error { error, .. } => Some(error.kind()),
            Failure::Shown(_) => None,
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Error { error, .. } if is_closed_pipe(error) => Exit::Done,
            Failure::Error { error, .. } => error.exit(),
            Failure::Shown(exit) => *exit,
        }
    }

    /// Whether the connection it came over is of no more use.
    pub fn ends_connection(&self) -> bool {
        match self {
            Failure::Error { error, .. } => {
                is_closed_pipe(error)
                    || error.exit() == Exit::Network
                    || interrupt::is_stopping()
                    || matches!(error.kind(), Kind::Protocol | Kind::TooLong | Kind::Interrupted)
            }
            Failure::Shown(_) => false,
        }
    }

    /// Shows it, unless it has been or nobody is left to read.
    pub fn show(self, out: Output) -> Exit {
        let exit = self.exit();
        if let Failure::Error { error, hint } = self
            && !is_closed_pipe(&error)
            && (error.kind() == Kind::Interrupted || !interrupt::is_stopping())
        {
            let text = for_people(error.text().as_bytes());
            let hint = for_people(voice::here(hint.as_deref().unwrap_or(next_step(&error))).as_bytes());
            if out.is_json() {
                let object =
                    Object::of(Event::Error).text("error", error.kind().word()).text("side", error.side().word());
                let object = match error.path() {
                    Some(path) => object.name("path", path.as_os_str().as_bytes()),
                    None => object,
                };
                let object = object.text("text", text).text("hint", hint);
                out.json_error(object.value("exit", exit as u8));
            } else {
                let text = voice::said(&text, error.path().filter(|_| error.side() == Side::Server));
                if alike::is_enough(out, "sealift:", &text) {
                    return exit;
                }
                let text = out.wrapped("sealift: ", &text);
                to_stderr(&format!("{} {text}", Style::new().for_stderr().red().bold().apply_to("sealift:")));
                let mut last = LAST_HINT.lock();
                if *last != hint {
                    let shown = out.wrapped("  hint: ", &hint);
                    to_stderr(&format!("  {} {shown}", Style::new().for_stderr().cyan().apply_to("hint:")));
                    *last = hint.to_string();
                }
            }
        }
        exit
    }
}

/// A path on a server, as programs are told of it; of one's own folder that is a dot.
fn path_there(path: &RelPath) -> &Path {
    if path.is_root() { Path::new(".") } else { path.as_path() }
}

/// The next step when a server is not who it was.
pub fn changed_key_hint(server: &Endpoint) -> String {
    format!(
        "Nothing was sent. If the key was changed on purpose, run `sealift trust remove {server}` and then \
         `sealift trust add {server}`; otherwise somebody may be intercepting the connection."
    )
}

/// Counts what became of several things, to end with one exit code for all.
#[derive(Debug, Default)]
pub struct Tally {
    done: u64,
    failed: Vec<Exit>,
}

impl Tally {
    /// So many more are done.
    pub fn add_done(&mut self, number: u64) {
        self.done += number;
    }

    /// What is of a tree at its destination now: so many files and links, moved by this command or the same already. Its folders
    /// count only if nothing of it failed: folders alone are nothing that anybody sent.
    pub fn add_tree(&mut self, there: u64, folders: u64, is_whole: bool) {
        self.add_done(there + if is_whole { folders } else { 0 });
    }

    /// Something was to be done and was not, because something else failed.
    pub fn add_held_back(&mut self) {
        self.add_failed(Exit::Partial);
    }

    /// One more failed.
    pub fn add_failed(&mut self, exit: Exit) {
        self.failed.push(exit);
    }

    /// Whether anything is done.
    pub fn has_done(&self) -> bool {
        self.done > 0
    }

    /// How many failed.
    pub fn failures(&self) -> u64 {
        self.failed.len() as u64
    }

    /// Shows a failure and counts it.
    ///
    /// # Errors
    /// The failure itself, if it must stop everything: an interruption, or nobody left to read stdout.
    pub fn show(&mut self, failure: Failure, out: Output) -> Outcome {
        if failure.exit() == Exit::Interrupted || failure.exit() == Exit::Done {
            return Err(failure);
        }
        self.add_failed(failure.show(out));
        Ok(())
    }

    /// Counts one thing as done, or shows and counts its failure.
    ///
    /// # Errors
    /// As [`Tally::show`], and a failure that ends the connection.
    pub fn settle(&mut self, outcome: Outcome, out: Output) -> Outcome {
        match outcome {
            Ok(()) => self.add_done(1),
            Err(failure) if failure.ends_connection() => return Err(failure),
            Err(failure) => self.show(failure, out)?,
        }
        Ok(())
    }

    /// Done, if nothing failed; if all failed alike and nothing is done, their common exit code; otherwise [`Exit::Partial`]. All
    /// commands about several things, or about a tree, end so: `sealift help exit-codes` says it.
    pub fn outcome(self) -> Outcome {
        alike::tell_more();
        match self.failed.first() {
            None => Ok(()),
            Some(first) if self.done == 0 && self.failed.iter().all(|exit| exit == first) => {
                Err(Failure::Shown(*first))
            }
            Some(_) => Err(Failure::Shown(Exit::Partial)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(done: u64, failed: &[Exit]) -> Exit {
        let mut tally = Tally::default();
        tally.add_done(done);
        failed.iter().for_each(|exit| tally.add_failed(*exit));
        tally.outcome().map_or_else(|failure| failure.exit(), |()| Exit::Done)
    }

    #[test]
    fn one_exit_code_speaks_for_all() {
        assert_eq!(exit_of(2, &[]), Exit::Done);
        assert_eq!(exit_of(0, &[Exit::NotFound]), Exit::NotFound);
        assert_eq!(exit_of(0, &[Exit::NotFound, Exit::NotFound]), Exit::NotFound);
        assert_eq!(exit_of(0, &[Exit::NotFound, Exit::Denied]), Exit::Partial);
        assert_eq!(exit_of(1, &[Exit::NotFound]), Exit::Partial);
    }

    #[test]
    fn of_a_tree_what_is_there_counts_and_folders_alone_do_not() {
        let exit_of = |there, failed: &[Exit], is_held_back| {
            let mut tally = Tally::default();
            tally.add_tree(there, 5, failed.is_empty());
            failed.iter().for_each(|exit| tally.add_failed(*exit));
            if is_held_back {
                tally.add_held_back();
            }
            tally.outcome().map_or_else(|failure| failure.exit(), |()| Exit::Done)
        };
        assert_eq!(exit_of(0, &[], false), Exit::Done);
        assert_eq!(exit_of(0, &[Exit::Denied, Exit::Denied], false), Exit::Denied);
        assert_eq!(exit_of(1, &[Exit::Denied], false), Exit::Partial);
        assert_eq!(exit_of(0, &[Exit::Denied], true), Exit::Partial);
        let mut tally = Tally::default();
        tally.add_tree(0, 1, true);
        tally.add_failed(Exit::NotFound);
        assert_eq!(tally.outcome().unwrap_err().exit(), Exit::Partial);
    }

    #[test]
    fn a_better_hint_only_replaces_the_table_s() {
        let failure = Failure::from(Error::new(Kind::NotFound, "x"));
        let failure = failure.hinted(Kind::Denied, || "a".into()).hinted(Kind::NotFound, || "b".into());
        let failure = failure.hinted(Kind::NotFound, || "c".into()).about("y").about("y: x");
        let Failure::Error { error, hint } = failure else { panic!() };
        assert_eq!((error.text(), hint.as_deref()), ("y: x", Some("b")));
    }
}
