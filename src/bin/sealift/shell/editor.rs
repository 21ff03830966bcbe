//! Typing at a terminal: editing, history and completion.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use async_std::future::timeout;
use async_std::task::block_on;
use clap::CommandFactory as _;
use rustyline::completion::{Completer, FilenameCompleter, Pair, Quote, escape, extract_word, unescape};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Helper};
use sealift::proto::EntryKind;
use sealift::proto::escape::for_people;
use sealift::{Error, Result};

use super::Words;
use super::line::{self, Line, is_harmless};
use super::session::Session;
use crate::config::config_dir;
use crate::failure::Outcome;
use crate::interrupt::unless_interrupted;
use crate::output::Output;

/// Lines remembered from one conversation to the next.
const HISTORY_MAX: usize = 1000;

/// How long a Tab waits for the server's names.
const COMPLETION_PATIENCE: Duration = Duration::from_secs(3);

/// What somebody typed.
#[derive(Debug)]
pub enum Typed {
    /// A line with at least one word.
    Words(Words),
    /// An empty line, or one given up with Ctrl-C.
    Nothing,
    /// Ctrl-D.
    End,
}

/// The terminal, and the session that it talks to.
pub struct Editor<'a> {
    out: Output,
    editor: rustyline::Editor<Assistant<'a>, FileHistory>,
    session: Rc<RefCell<Session<'a>>>,
    history: Option<PathBuf>,
}

impl<'a> Editor<'a> {
    /// With the history of earlier conversations.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub fn new(out: Output, session: Session<'a>) -> Result<Self> {
        let session = Rc::new(RefCell::new(session));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(HISTORY_MAX)
            .map_err(failed)?
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Assistant { session: session.clone(), local: FilenameCompleter::new() }));
        // Without a folder for it there is no history beyond this conversation, and that is no failure.
        let history = config_dir().ok().filter(|dir| fs::create_dir_all(dir).is_ok()).map(|dir| dir.join("history"));
        if let Some(file) = &history {
            let _ = editor.load_history(file);
        }
        Ok(Editor { out, editor, session, history })
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn read(&mut self) -> Result<Typed> {
        let prompt = self.session.borrow().prompt();
        let line = match self.editor.readline(&prompt) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => return Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => return Ok(Typed::End),
            Err(err) => return Err(failed(err)),
        };
        let words = match line::split(line.as_bytes()) {
            Ok(words) => words,
            Err(err) => {
                crate::failure::Failure::from(err).show(self.out);
                return Ok(Typed::Nothing);
            }
        };
        if words.is_empty() {
            return Ok(Typed::Nothing);
        }
        if is_harmless(&words)
            && self.editor.add_history_entry(&line).unwrap_or(false)
            && let Some(file) = &self.history
        {
            let _ = self.editor.append_history(file);
        }
        Ok(Typed::Words(words))
    }

    /// Works with the session.
    pub fn with_session<T>(&self, work: impl FnOnce(&mut Session<'a>) -> T) -> T {
        work(&mut self.session.borrow_mut())
    }

    /// After a lost connection: asks whether to connect again, and does.
    pub fn offer_to_reconnect(&mut self) {
        while !self.session.borrow().is_connected() {
            let answer = self.editor.readline("Connect again? [Y/n] ");
            if !answer.is_ok_and(|answer| matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes")) {
                return;
            }
            let again: Outcome = self.with_session(|session| block_on(unless_interrupted(session.reconnect())));
            if let Err(failure) = again {
                failure.show(self.out);
            }
        }
    }
}

fn failed(err: ReadlineError) -> Error {
    match err {
        ReadlineError::Io(err) => Error::file("the terminal", err),
        err => Error::file("the terminal", std::io::Error::other(err)),
    }
}

/// Completes the commands' names, local names after `put`, `lcd` and `lls`, and remote names after all others.
struct Assistant<'a> {
    session: Rc<RefCell<Session<'a>>>,
    local: FilenameCompleter,
}

impl Helper for Assistant<'_> {}
impl Highlighter for Assistant<'_> {}
impl Validator for Assistant<'_> {}
impl Hinter for Assistant<'_> {
    type Hint = String;
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, ctx: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..pos).unwrap_or_default();
        let Some((name, _)) = typed.trim_start().split_once(' ') else { return Ok(commands(typed)) };
        match name.to_ascii_lowercase().as_str() {
            "put" | "upload" | "lcd" | "lls" => self.local.complete(line, pos, ctx),
            _ => Ok(self.remote_names(line, pos).unwrap_or((pos, Vec::new()))),
        }
    }
}

impl Assistant<'_> {
    /// The names in the folder that the word under the cursor is in. One that cannot be had is not completed.
    fn remote_names(&self, line: &str, pos: usize) -> Option<(usize, Vec<Pair>)> {
        let (start, word) = extract_word(line, pos, Some('\\'), is_special);
        let word = unescape(word, Some('\\'));
        let cut = word.rfind('/').map_or(0, |at| at + 1);
        let (folder, beginning) = word.split_at_checked(cut)?;
        let asked = if folder.is_empty() { "." } else { folder };
        let mut session = self.session.try_borrow_mut().ok()?;
        if !session.is_connected() {
            return None;
        }
        let listed = block_on(timeout(COMPLETION_PATIENCE, session.names_in(asked.as_bytes())));
        let entries = match listed {
            Ok(Ok(entries)) => entries,
            Ok(Err(failure)) => {
                if failure.ends_connection() {
                    session.forget_connection();
                }
                return None;
            }
            Err(_) => {
                session.forget_connection();
                return None;
            }
        };
        let mut names: Vec<Pair> = entries
            .iter()
            // A name that is not text, or would do something to the terminal, cannot be typed either.
            .filter_map(|entry| Some((std::str::from_utf8(&entry.path).ok()?, entry.kind)))
            .filter(|(name, _)| name.starts_with(beginning) && for_people(name.as_bytes()) == *name)
            .map(|(name, kind)| {
                let slash = if kind == EntryKind::Directory { "/" } else { "" };
                let whole = format!("{folder}{name}{slash}");
                Pair {
                    display: format!("{name}{slash}"),
                    replacement: escape(whole, Some('\\'), is_special, Quote::None),
                }
            })
            .collect();
        names.sort_unstable_by(|a, b| a.display.cmp(&b.display));
        Some((start, names))
    }
}

fn commands(typed: &str) -> (usize, Vec<Pair>) {
    let start = typed.len() - typed.trim_start().len();
    let beginning = typed.trim_start().to_ascii_lowercase();
    let definition = Line::command();
    let names = definition.get_subcommands().flat_map(|command| command.get_name_and_visible_aliases());
    let found = names.chain(["help"]).filter(|name| name.starts_with(&beginning));
    (start, found.map(|name| Pair { display: name.to_owned(), replacement: format!("{name} ") }).collect())
}

/// What ends a word, or means something, unless a backslash stands before it.
fn is_special(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '"' | '\'' | '\\' | '#' | '`' | '$' | '&' | '|' | ';' | '<' | '>' | '(' | ')' | '*')
}
