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
    DeTable::parse(text).map_err(|err| {
        // Not kept as the source: it holds the line, and the line may hold a hash or a password.
        let what = format!("not valid TOML: {}", err.message());
        Place { text, file }.wrong(err.span().unwrap_or_default(), what)
    })
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
