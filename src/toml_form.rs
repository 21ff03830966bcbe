//! Reads a TOML file that people write. Every error names the file, the line and what is wrong there, and never repeats a
//! value: a password typed into the wrong place must not reach a log or a screen. (That is also why serde does not do this
//! work: its messages quote what they found.)

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Kind, Result};

/// The tables of this text; `file` is the name that errors carry.
///
/// # Errors
/// [`Kind::BadConfig`] with the line.
pub(crate) fn parse<'a>(text: &'a str, file: &str) -> Result<Spanned<DeTable<'a>>> {
    DeTable::parse(text).map_err(|err| wrong_toml(text, file, &err))
}

/// The tables of this text, as far as it is valid, and what is not: what is there twice, and the first thing else, which may make
/// others look wrong.
pub(crate) fn parse_all<'a>(text: &'a str, file: &str) -> (Spanned<DeTable<'a>>, Vec<Error>) {
    let (table, mut wrong) = DeTable::parse_recoverable(text);
    let start = |err: &toml::de::Error| err.span().unwrap_or_default().start;
    // The parser tells of what is no TOML in its order, and then of what is there twice.
    if let Some(first) = wrong.iter().position(|err| err.message() != TWICE) {
        let until = wrong.get(first).map(start).unwrap_or_default();
        let mut number = 0..;
        wrong.retain(|err| {
            let number = number.next();
            number == Some(0) || number == Some(first) || (err.message() == TWICE && start(err) < until)
        });
    }
    wrong.sort_by_key(start);
    (table, wrong.iter().map(|err| wrong_toml(text, file, err)).collect())
}

/// What the parser says of a key that is there already.
const TWICE: &str = "duplicate key";

fn wrong_toml(text: &str, file: &str, err: &toml::de::Error) -> Error {
    let at = err.span().unwrap_or_default();
    let place = Place { text, file };
    // Not kept as the source: it holds the line, and the line may hold a hash or a password.
    let what = format!("not valid TOML: {}", err.message());
    let Some(written) = text.get(at.clone()).filter(|_| err.message() == TWICE) else { return place.wrong(at, what) };
    let path = path_to(text, &at).unwrap_or_default();
    let name = path.last().map_or_else(|| written.trim_matches(['"', '\'']).to_owned(), Clone::clone);
    let first = first_line(place, &at, &path).map(|line| format!(", which is in line {line} already"));
    place.wrong(at, format!("{what} '{name}'{}", first.unwrap_or_default()))
}

/// The names by which a key that ends there is reached; none inside of values.
fn path_to(text: &str, at: &Range<usize>) -> Option<Vec<String>> {
    let begins = text.get(..at.start)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(begins..)?.lines().next()?;
    if is_header(line) {
        return names(line);
    }
    let before = text.get(..begins)?;
    let header = before.lines().rev().find(|line| is_header(line)).map_or_else(|| Some(Vec::new()), names)?;
    let key = names(&format!("{} = 0", text.get(begins..at.end)?))?;
    Some(header.into_iter().chain(key).collect())
}

fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// The names in a line of its own that leads to one thing alone.
fn names(line: &str) -> Option<Vec<String>> {
    let all = DeTable::parse(line).ok()?;
    let (mut table, mut names) = (all.get_ref(), Vec::new());
    while let Some((key, value)) = table.iter().next() {
        names.push(key.get_ref().as_ref().to_owned());
        table = match value.get_ref() {
            DeValue::Table(inner) => inner,
            DeValue::Array(list) => match list.iter().next_back()?.get_ref() {
                DeValue::Table(inner) => inner,
                _ => break,
            },
            _ => break,
        };
    }
    Some(names).filter(|names| !names.is_empty())
}

/// The line before that place where the key is that is reached so.
fn first_line(place: Place<'_>, at: &Range<usize>, path: &[String]) -> Option<usize> {
    let begins = place.text.get(..at.start)?.rfind('\n').map_or(0, |end| end + 1);
    let (before, _) = DeTable::parse_recoverable(place.text.get(..begins)?);
    let (mut table, mut line) = (before.get_ref(), None);
    for name in path {
        let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name.as_str())?;
        line = Some(place.line(&key.span()));
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    line
}

/// The file, for error messages.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    text: &'a str,
    file: &'a str,
}

impl<'a> Place<'a> {
    /// The table that is this entry, to be called `name`.
    pub(crate) fn section(
        self,
        key: &Spanned<toml::de::DeString<'a>>,
        value: &'a Spanned<DeValue<'a>>,
        name: &str,
    ) -> Result<Section<'a>> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(Section { place: self, name: name.to_owned(), at: key.span(), table }),
            other => {
                let what = format!("{name} must be a table of its own, not a TOML {}", other.type_str());
                Err(self.wrong(key.span(), what))
            }
        }
    }

    pub(crate) fn wrong(&self, at: Range<usize>, what: String) -> Error {
        Error::new(Kind::BadConfig, format!("{}:{}: {what}", self.file, self.line(&at)))
    }

    /// The line that an error of this file names.
    pub(crate) fn said(&self, error: &Error) -> Option<usize> {
        error.text().strip_prefix(self.file)?.strip_prefix(':')?.split_once(':')?.0.parse().ok()
    }

    /// The number of the line where this begins, from 1 on.
    pub(crate) fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(at.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// One table of the file.
pub(crate) struct Section<'a> {
    pub(crate) place: Place<'a>,
    /// How messages call it.
    pub(crate) name: String,
    /// Where it begins.
    pub(crate) at: Range<usize>,
    pub(crate) table: &'a DeTable<'a>,
}

pub(crate) type Entry<'a> = (&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>);

impl<'a> Section<'a> {
    /// The whole file, as [`parse`] gave it.
    pub(crate) fn root(text: &'a str, file: &'a str, root: &'a Spanned<DeTable<'a>>) -> Section<'a> {
        let place = Place { text, file };
        Section { place, name: "the file".into(), at: root.span(), table: root.get_ref() }
    }

    pub(crate) fn allow_only(&self, known: &[&str]) -> Result<()> {
        for (key, _) in self.table {
            if !known.contains(&key.get_ref().as_ref()) {
                let typed = key.get_ref().as_ref();
                let near = known.iter().min_by_key(|name| strsim::damerau_levenshtein(typed, name));
                let near = near.filter(|name| strsim::damerau_levenshtein(typed, name) <= 2);
                let hint = near.map(|name| format!("did you mean '{name}'? ")).unwrap_or_default();
                let what = format!("{} has an unknown key '{typed}': {hint}known are {}", self.name, known.join(", "));
                return Err(self.place.wrong(key.span(), what));
            }
        }
        Ok(())
    }

    /// That the section cannot be called so, if it cannot: `what` is its name.
    pub(crate) fn name_is(&self, named: Result<(), String>, what: &str) -> Option<Error> {
        named.err().map(|why| self.place.wrong(self.at.clone(), format!("{what} {why}")))
    }

    pub(crate) fn entry(&self, key: &str) -> Option<Entry<'a>> {
        self.table.iter().find(|(known, _)| known.get_ref() == key)
    }

    pub(crate) fn mistyped(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) -> Error {
        let found = value.get_ref().type_str();
        self.place.wrong(value.span(), format!("{key} of {} must be {wanted}, not a TOML {found}", self.name))
    }

    pub(crate) fn section(&self, key: &str, name: &str) -> Result<Option<Section<'a>>> {
        self.entry(key).map(|(key, value)| self.place.section(key, value, name)).transpose()
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>> {
        let Some((_, value)) = self.entry(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.mistyped(key, value, "true or false"))
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<(&'a str, Range<usize>)>> {
        let Some((_, value)) = self.entry(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.mistyped(key, value, "text in quotes"))?;
        Ok(Some((text, value.span())))
    }
}
