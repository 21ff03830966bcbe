//! Typing at a terminal: editing and history.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config};
use sealift::{Error, Result};

use super::completion::Assistant;
use super::request::Request;
use super::session::ShellSession;
use crate::config::config_dir;
use crate::output::Output;
use sealift::limits;

/// What somebody typed.
#[derive(Debug)]
pub enum Typed {
    /// A line with at least one word.
    Requests(Vec<Request>),
    /// An empty line, or one given up with Ctrl-C.
    Nothing,
    /// Ctrl-D.
    End,
}

/// The terminal, and the session that it talks to.
pub struct Editor<'a> {
    out: Output,
    editor: rustyline::Editor<Assistant<'a>, FileHistory>,
    session: Rc<RefCell<ShellSession<'a>>>,
    history: Option<PathBuf>,
}

impl<'a> Editor<'a> {
    /// With the history of earlier conversations.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub fn new(out: Output, session: ShellSession<'a>) -> Result<Self> {
        let session = Rc::new(RefCell::new(session));
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(limits::HISTORY_LINES_MAX)
            .map_err(failed)?
            .build();
        let mut editor = rustyline::Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Assistant::new(session.clone())));
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
        let requests = match Request::read(line.as_bytes()) {
            Ok(requests) if requests.is_empty() => return Ok(Typed::Nothing),
            Ok(requests) => requests,
            Err(failure) => {
                failure.show(self.out);
                return Ok(Typed::Nothing);
            }
        };
        if requests.iter().all(Request::is_harmless)
            && self.editor.add_history_entry(&line).unwrap_or(false)
            && let Some(file) = &self.history
        {
            let _ = self.editor.append_history(file);
        }
        Ok(Typed::Requests(requests))
    }

    /// Works with the session.
    pub fn with_session<T>(&self, work: impl FnOnce(&mut ShellSession<'a>) -> T) -> T {
        work(&mut self.session.borrow_mut())
    }
}

fn failed(err: ReadlineError) -> Error {
    match err {
        ReadlineError::Io(err) => Error::file("the terminal", err),
        err => Error::file("the terminal", std::io::Error::other(err)),
    }
}
