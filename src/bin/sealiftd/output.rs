//! Writing to people. A closed standard output or error is no reason to stop serving, so what fails is only remembered, for those commands
//! whose output is what they are for; names from outside are shown escaped.

use std::io::{self, Write as _};
use std::sync::OnceLock;

use console::Term;
use sealift::escape::for_people;
use sealift::wrap::{fitted, page, wrap};
use sealift::{Error, Result, readable};

use crate::args::WIDTH;

/// Why standard output did not take all that was written to it, the first time.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Writes text to standard output as it is: lines of our own, their names already escaped.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(err) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // One is kept; those after it say the same.
        let _ = UNWRITTEN.set(err);
    }
}

/// Writes a page of help to standard output, or to standard error in the place of what was not asked for.
pub fn help(text: &str, to_stderr: bool) {
    let to = if to_stderr { Term::stderr() } else { Term::stdout() };
    if let (Err(err), false) = (page(text, to, WIDTH), to_stderr) {
        let _ = UNWRITTEN.set(err);
    }
}

/// Whether standard output has taken all that was written to it. That nobody reads it any more, as in `sealiftd audit | head`, is fine.
///
/// # Errors
/// Why it has not: a full disk.
pub fn written() -> Result<()> {
    match UNWRITTEN.get() {
        Some(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            let err = err.raw_os_error().map_or_else(|| err.kind().into(), io::Error::from_raw_os_error);
            Err(Error::file("standard output", err))
        }
        _ => Ok(()),
    }
}

/// Tells running text, whose lines end where words do if it is read at a terminal.
pub fn tell(text: &str) {
    match width(&Term::stdout()) {
        Some(width) => say(&broken(text, width)),
        None => say(text),
    }
}

/// Writes one line to standard error, escaped; at a terminal in as many as it takes.
pub fn complain(line: &str) {
    let line = for_people(line.as_bytes());
    let below = line.len() - line.trim_start_matches(' ').len() + 2;
    let lines = width(&Term::stderr()).map_or_else(|| line.clone(), |width| wrap(&line, width, below));
    let _ = std::io::stderr().lock().write_all(format!("{lines}\n").as_bytes());
}

/// How long a line of standard output may be, if that is a terminal.
pub fn line_width() -> Option<usize> {
    width(&Term::stdout())
}

/// How long a line may be, if this is a terminal. The last column is left free: not every one waits there for what comes next.
fn width(terminal: &Term) -> Option<usize> {
    terminal.is_term().then(|| usize::from(terminal.size().1).saturating_sub(1).max(20))
}

/// The text in lines that fit. What is there to be copied and typed is left whole: it is one line for a shell.
fn broken(text: &str, width: usize) -> String {
    let is_typed = |line: &str| line.trim_start().starts_with("sealift") || line.contains(": sealiftd ");
    let lines = text.split('\n').map(|line| if is_typed(line) { line.to_owned() } else { fitted(line, width) });
    lines.collect::<Vec<_>>().join("\n")
}

/// A word of a command line as a shell reads it back, escaped.
pub fn shell_word(word: &str) -> String {
    readable::shell_word(&for_people(word.as_bytes()))
}

/// The first few of these names, and how many more there are.
pub fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        _ => {
            let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
            format!("{} and {} more", shown.join(", "), names.len() - SHOWN)
        }
    }
}

/// So many of them: `1 file`, `2 files`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_a_few_and_a_number() {
        assert_eq!(some_of(&["a"]), "a");
        assert_eq!(some_of(&["a", "b"]), "a and b");
        assert_eq!(some_of(&["a", "b", "c"]), "a, b and c");
        assert_eq!(some_of(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn running_text_is_broken_at_words_and_commands_are_left_whole() {
        let text = "alice may not LIST: the user is disabled\n  To let alice in again: sealiftd user set alice --enabled yes\n  may  full, and more\n";
        assert_eq!(
            broken(text, 20),
            "alice may not LIST:\nthe user is disabled\n  To let alice in again: sealiftd user set alice --enabled yes\n  may  full, and\n       more\n"
        );
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(shell_word("certs/a-b_1.pem"), "certs/a-b_1.pem");
        assert_eq!(shell_word("my data"), "'my data'");
        assert_eq!(shell_word("it's"), r#""it's""#);
        assert_eq!(shell_word("a\x1bb"), r#""a\\x1bb""#);
        assert_eq!(shell_word(""), "''");
    }
}
