//! What Tab offers: commands, their options, and names on both sides.

use std::cell::RefCell;
use std::rc::Rc;

use async_std::future::timeout;
use async_std::task::block_on;
use clap::CommandFactory as _;
use rustyline::Helper;
use rustyline::completion::{Completer, FilenameCompleter, Pair, Quote, escape, extract_word, unescape};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use sealift::escape::for_people;
use sealift::files::EntryKind;
use sealift::limits;

use super::line::Line;
use super::request::end_of_command;
use super::session::ShellSession;
use crate::failure::Outcome;

/// Completes what is typed in this session.
pub struct Assistant<'a> {
    session: Rc<RefCell<ShellSession<'a>>>,
    local: FilenameCompleter,
}

impl Helper for Assistant<'_> {}
impl Highlighter for Assistant<'_> {}
impl Validator for Assistant<'_> {}
impl Hinter for Assistant<'_> {
    type Hint = String;
}

/// Where a name is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    There,
    /// The destination of a transfer is on the other side, and what is still to be named before it on this one.
    Both,
    Nowhere,
}

impl Completer for Assistant<'_> {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, ctx: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..pos).unwrap_or_default();
        let (begins, before) = last_command(typed);
        // A file that output is led into is here, and programs are not looked for.
        if begins.starts_with('!') || before == Some('>') {
            return self.local.complete(line, pos, ctx);
        }
        if before == Some('|') {
            return Ok((pos, Vec::new()));
        }
        let Some((name, behind)) = begins.split_once(' ') else { return Ok(commands(begins, typed)) };
        let name = name.to_ascii_lowercase();
        let (start, word) = Word::under_cursor(typed);
        if word.quote == Quote::None && word.text.starts_with('-') {
            return Ok((start, options(&name, &word.text)));
        }
        let typed_before = behind.strip_suffix(word.text.as_str()).unwrap_or(behind);
        if let Some(asked) = Kept::of(&name, typed_before) {
            return Ok((start, self.kept_names(asked, &word).unwrap_or_default()));
        }
        let is_first = word.quote == Quote::None && typed_before.trim().is_empty();
        if is_first && name == "help" {
            return Ok((start, commands(&word.text, &word.text).1));
        }
        let below = if is_first { subcommands(&name, &word.text) } else { Vec::new() };
        if name == "trash" && is_first {
            return Ok((start, below));
        }
        let place = place(&name, behind.trim_start().split_ascii_whitespace().count() > usize::from(!word.is_empty()));
        let mut found = below;
        if matches!(place, Place::There | Place::Both) {
            found.extend(self.remote_names(&word).unwrap_or_default());
        }
        if matches!(place, Place::Here | Place::Both) {
            let (local_start, mut names) = self.local.complete(line, pos, ctx)?;
            if name == "lcd" {
                names.retain(|name| name.replacement.ends_with('/'));
            }
            if found.is_empty() {
                return Ok((local_start, names));
            }
            // The two agree on where the word begins, or only one side is offered.
            if local_start == start {
                found.extend(
                    names
                        .into_iter()
                        .filter(|name| !found.iter().any(|one| one.replacement == name.replacement))
                        .collect::<Vec<_>>(),
                );
            }
        }
        if name == "cd" {
            found.retain(|name| name.display.ends_with('/'));
        }
        found.sort_unstable_by(|a, b| a.display.cmp(&b.display));
        Ok((start, found))
    }
}

/// Where the names of a command are; `is_later` tells that some are typed already.
fn place(command: &str, is_later: bool) -> Place {
    match (command, is_later) {
        ("lcd" | "lls" | "lmkdir", _) | ("put" | "upload" | "mput", false) => Place::Here,
        ("put" | "upload" | "get" | "download", true) => Place::Both,
        ("mput", true) => Place::Here,
        (
            "open" | "connect" | "login" | "user" | "kick" | "help" | "pwd" | "lpwd" | "clear" | "ping" | "status"
            | "who",
            _,
        ) => Place::Nowhere,
        _ => Place::There,
    }
}

/// What is kept by a server and is no file in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Trash,
    Links,
}

impl Kept {
    /// What the next word of this command names, of which so much stands before that word.
    fn of(command: &str, before: &str) -> Option<Kept> {
        match (command, before.split_ascii_whitespace().next()) {
            ("trash", Some("restore" | "empty")) => Some(Kept::Trash),
            ("link", Some("remove" | "revoke")) => Some(Kept::Links),
            _ => None,
        }
    }
}

/// The word that the cursor is at the end of.
#[derive(Debug)]
struct Word {
    /// Without what protects its characters.
    text: String,
    quote: Quote,
}

impl Word {
    /// The word, and where what is to be replaced begins: behind an open quote.
    fn under_cursor(typed: &str) -> (usize, Word) {
        let (mut quote, mut open_at, mut escaped) = (None, 0, false);
        for (at, c) in typed.char_indices() {
            match (quote, c) {
                _ if escaped => escaped = false,
                (None | Some('"'), '\\') => escaped = true,
                (Some(open), close) if open == close => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => (quote, open_at) = (Some(c), at + c.len_utf8()),
                (None, _) => {}
            }
        }
        match quote {
            Some(open) => {
                let inside = typed.get(open_at..).unwrap_or_default();
                let (quote, text) = match open {
                    '"' => (Quote::Double, unescape(inside, Some('\\')).into_owned()),
                    _ => (Quote::Single, inside.to_owned()),
                };
                (open_at, Word { text, quote })
            }
            None => {
                let (start, word) = extract_word(typed, typed.len(), Some('\\'), ends_word);
                (start, Word { text: unescape(word, Some('\\')).into_owned(), quote: Quote::None })
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.quote == Quote::None
    }

    /// As it is typed. A folder's name leaves its quote open, to be gone on with.
    fn protected(&self, name: String, is_folder: bool) -> String {
        match self.quote {
            Quote::Single if is_folder => name,
            Quote::Single => name + "'",
            Quote::Double => {
                let name = escape(name, Some('\\'), is_special_in_quotes, Quote::None);
                if is_folder { name } else { name + "\"" }
            }
            Quote::None => escape(name, Some('\\'), is_special, Quote::None),
        }
    }
}

impl<'a> Assistant<'a> {
    /// For this session.
    pub fn new(session: Rc<RefCell<ShellSession<'a>>>) -> Self {
        Assistant { session, local: FilenameCompleter::new() }
    }

    /// The names in the folder that the word is in. One that cannot be had is not completed.
    fn remote_names(&self, word: &Word) -> Option<Vec<Pair>> {
        let cut = word.text.rfind('/').map_or(0, |at| at + 1);
        let (folder, beginning) = word.text.split_at_checked(cut)?;
        let asked = if folder.is_empty() { "." } else { folder };
        let entries = self.ask(async |session| session.names_in(asked.as_bytes()).await)?;
        let names = entries
            .iter()
            // A name that is not text, or would do something to the terminal, cannot be typed either.
            .filter_map(|entry| Some((std::str::from_utf8(&entry.path).ok()?, entry.kind == EntryKind::Directory)))
            .filter(|(name, _)| name.starts_with(beginning) && for_people(name.as_bytes()) == *name)
            // Hidden ones are for those who ask for them.
            .filter(|(name, _)| beginning.starts_with('.') || !name.starts_with('.'))
            // An apostrophe ends the quote that it would stand in.
            .filter(|(name, _)| word.quote != Quote::Single || !name.contains('\''))
            .map(|(name, is_folder)| {
                let slash = if is_folder { "/" } else { "" };
                let display = format!("{name}{slash}");
                Pair { replacement: word.protected(format!("{folder}{display}"), is_folder), display }
            });
        Some(names.collect())
    }

    /// The names of what is kept, as far as they begin with the word.
    fn kept_names(&self, asked: Kept, word: &Word) -> Option<Vec<Pair>> {
        let cut = if asked == Kept::Trash { word.text.rfind('/').map_or(0, |at| at + 1) } else { 0 };
        let (folder, beginning) = word.text.split_at_checked(cut)?;
        let within = if folder.is_empty() { "." } else { folder };
        let names = self.ask(async |session| match asked {
            Kept::Trash => session.trashed_in(within.as_bytes()).await,
            Kept::Links => session.link_names().await,
        })?;
        let names = names
            .iter()
            .filter_map(|name| std::str::from_utf8(name).ok())
            .filter(|name| name.starts_with(beginning) && for_people(name.as_bytes()) == *name)
            .filter(|name| word.quote != Quote::Single || !name.contains('\''))
            .map(|name| Pair {
                replacement: word.protected(format!("{folder}{name}"), false),
                display: name.to_owned(),
            });
        Some(names.collect())
    }

    /// What the server says to a question, if it does soon. A connection in the middle of a question is given up.
    fn ask<T>(&self, question: impl AsyncFnOnce(&mut ShellSession<'a>) -> Outcome<T>) -> Option<T> {
        let mut session = self.session.try_borrow_mut().ok()?;
        if !session.is_connected() {
            return None;
        }
        match block_on(timeout(limits::COMPLETION_PATIENCE, question(&mut session))) {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(failure)) => {
                if failure.ends_connection() {
                    session.forget_connection();
                }
                None
            }
            Err(_) => {
                session.forget_connection();
                None
            }
        }
    }
}

/// The command that is being typed, and what stands before it: `;` ends another one, `|` and `>` lead its output elsewhere.
fn last_command(typed: &str) -> (&str, Option<char>) {
    let (mut rest, mut before) = (typed.trim_start(), None);
    while !rest.starts_with('!')
        && let Some((_, behind)) = rest.split_at_checked(end_of_command(rest.as_bytes()))
        && let Some(end @ (';' | '|' | '>')) = behind.chars().next()
    {
        (rest, before) = (behind.get(1..).unwrap_or_default().trim_start(), Some(end));
    }
    (rest, before)
}

fn commands(begins: &str, typed: &str) -> (usize, Vec<Pair>) {
    let start = typed.len() - begins.len();
    let beginning = begins.to_ascii_lowercase();
    let definition = Line::command();
    let names = definition.get_subcommands().flat_map(|command| command.get_name_and_visible_aliases());
    let found = names.chain(["help"]).filter(|name| name.starts_with(&beginning));
    (start, found.map(|name| Pair { display: name.to_owned(), replacement: format!("{name} ") }).collect())
}

/// The commands below a command that begin so.
fn subcommands(command: &str, beginning: &str) -> Vec<Pair> {
    let definition = Line::command();
    let below = definition.find_subcommand(command).into_iter().flat_map(clap::Command::get_subcommands);
    let names = below.map(clap::Command::get_name).filter(|name| name.starts_with(beginning) && *name != "help");
    names.map(|name| Pair { display: name.to_owned(), replacement: format!("{name} ") }).collect()
}

/// The long options of a command, and the short ones while nothing but the dash is typed.
fn options(command: &str, beginning: &str) -> Vec<Pair> {
    let definition = Line::command();
    let Some(command) = definition.find_subcommand(command) else { return Vec::new() };
    let long = command.get_arguments().filter_map(|arg| arg.get_long()).map(|name| format!("--{name}"));
    let short = command.get_arguments().filter_map(|arg| arg.get_short()).map(|name| format!("-{name}"));
    let mut found: Vec<String> = short.chain(long).filter(|option| option.starts_with(beginning)).collect();
    found.sort_unstable();
    found.into_iter().map(|option| Pair { replacement: format!("{option} "), display: option }).collect()
}

/// What ends a word, unless a backslash stands before it.
fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '"' | '\'' | '|' | ';' | '>')
}

/// What means something to this shell or to others, unless a backslash stands before it.
fn is_special(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '\n'
            | '"'
            | '\''
            | '\\'
            | '#'
            | '`'
            | '$'
            | '&'
            | '|'
            | ';'
            | '<'
            | '>'
            | '('
            | ')'
            | '*'
            | '?'
            | '['
            | '{'
    )
}

/// Whether the shell takes this character for something else between double quotes.
fn is_special_in_quotes(c: char) -> bool {
    matches!(c, '"' | '\\' | '$' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_under_the_cursor_is_found_behind_quotes_and_backslashes() {
        for (typed, start, text) in [
            ("get a", 4, "a"),
            ("get ", 4, ""),
            ("get a\\ b", 4, "a b"),
            ("get 'a b", 5, "a b"),
            ("get \"it's", 5, "it's"),
            ("get 'a b' c", 10, "c"),
            ("rm ../sub/*", 3, "../sub/*"),
            ("rm {a,", 3, "{a,"),
            ("cat #x", 4, "#x"),
            ("get $dol", 4, "$dol"),
            ("ls a;rm b", 8, "b"),
        ] {
            let (found, word) = Word::under_cursor(typed);
            assert_eq!((found, &*word.text), (start, text), "{typed}");
        }
    }

    #[test]
    fn a_name_is_typed_so_that_it_reads_back() {
        let protected =
            |typed, name: &str, is_folder| Word::under_cursor(typed).1.protected(name.to_owned(), is_folder);
        assert_eq!(protected("get a", "a b", false), "a\\ b");
        assert_eq!(protected("get 'a", "a b", false), "a b'");
        assert_eq!(protected("get 'a", "a b/", true), "a b/");
        assert_eq!(protected("get \"a", "a\"b", false), "a\\\"b\"");
    }

    #[test]
    fn the_command_is_the_one_behind_the_last_semicolon() {
        assert_eq!(last_command(" ls a; rm b"), ("rm b", Some(';')));
        assert_eq!(last_command("ls 'a; b"), ("ls 'a; b", None));
        assert_eq!(last_command("cat x | le"), ("le", Some('|')));
        assert_eq!(last_command("ls >> na"), ("na", Some('>')));
        assert_eq!(last_command("!ls | wc; x"), ("!ls | wc; x", None));
    }

    #[test]
    fn options_are_those_of_the_command() {
        let shown =
            |command, beginning| options(command, beginning).into_iter().map(|pair| pair.display).collect::<Vec<_>>();
        assert_eq!(shown("rm", "--r"), ["--recursive"]);
        assert_eq!(shown("get", "-c"), ["-c"]);
        assert!(shown("nothing", "-").is_empty());
    }

    #[test]
    fn commands_below_a_command_are_offered() {
        let below = |name, begin| subcommands(name, begin).into_iter().map(|pair| pair.display).collect::<Vec<_>>();
        assert_eq!(below("trash", ""), ["list", "restore", "empty"]);
        assert_eq!(below("link", "r"), ["remove"]);
        assert!(below("ls", "").is_empty());
    }

    #[test]
    fn what_is_kept_is_named_where_it_is_asked_for() {
        assert_eq!(Kept::of("trash", "restore "), Some(Kept::Trash));
        assert_eq!(Kept::of("link", "remove "), Some(Kept::Links));
        assert_eq!(Kept::of("trash", "list "), None);
        assert_eq!(Kept::of("link", ""), None);
    }

    #[test]
    fn transfers_are_completed_on_both_sides() {
        assert_eq!(place("get", false), Place::There);
        assert_eq!(place("get", true), Place::Both);
        assert_eq!(place("put", false), Place::Here);
        assert_eq!(place("cd", false), Place::There);
    }
}
