//! A file of settings, one key each: read for a program that knows what its keys mean. Every error names the file and the line.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use toml::Spanned;
use toml::de::DeValue;

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::toml_form::{Section, parse};

/// A key that a file may have.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What it is called.
    pub key: &'a str,
    /// What stands behind it.
    pub shape: Shape,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`.
    Switch,
    /// A text in quotes or a whole number.
    Value,
    /// One of these, or a list of them.
    List,
}

/// A key with what a file says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// The value as it would be typed; several of a list, `true` or `false` of a switch.
    pub values: Vec<String>,
    /// Where it stands.
    pub line: usize,
}

/// What this file says.
///
/// # Errors
/// `bad-config` with `FILE:LINE: what is wrong`, for an unknown key with the one that was meant; what the file system says.
pub fn read(path: &Path, known: &[Known<'_>]) -> Result<Vec<Setting>> {
    let failed = |err| Error::file(path.display(), err);
    // A pipe is refused and not waited for.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::new(Kind::BadConfig, format!("{}: is no file", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(limits::SETTINGS_FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    let wrong = |what: &str| Error::new(Kind::BadConfig, format!("{}: {what}", path.display()));
    if bytes.len() as u64 > limits::SETTINGS_FILE_MAX {
        return Err(wrong(&format!("is larger than {} bytes", limits::SETTINGS_FILE_MAX)));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8 text"))?;
    read_text(&text, &path.display().to_string(), known)
}

fn read_text(text: &str, file: &str, known: &[Known<'_>]) -> Result<Vec<Setting>> {
    let root = parse(text, file)?;
    let root = Section::root(text, file, &root);
    root.allow_only(&known.iter().map(|known| known.key).collect::<Vec<_>>())?;
    let mut settings = Vec::new();
    for Known { key, shape } in known {
        let Some((at, value)) = root.entry(key) else { continue };
        let values = values(value, *shape).ok_or_else(|| {
            let wanted = match shape {
                Shape::Switch => "true or false",
                Shape::Value => "a text in quotes or a whole number",
                Shape::List => "a text in quotes, or a list of them",
            };
            root.mistyped(key, value, wanted)
        })?;
        settings.push(Setting { key: (*key).to_owned(), values, line: line_of(text, at.span()) });
    }
    Ok(settings)
}

fn values(value: &Spanned<DeValue<'_>>, shape: Shape) -> Option<Vec<String>> {
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        _ => None,
    };
    match (shape, value.get_ref()) {
        (Shape::Switch, DeValue::Boolean(on)) => Some(vec![on.to_string()]),
        (Shape::Switch, _) => None,
        (Shape::List, DeValue::Array(list)) if !list.is_empty() => {
            list.iter().map(|item| one(item.get_ref())).collect()
        }
        (Shape::Value | Shape::List, value) => one(value).map(|one| vec![one]),
    }
}

fn line_of(text: &str, at: Range<usize>) -> usize {
    1 + text.as_bytes().iter().take(at.start).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known<'static>; 3] = [
        Known { key: "listen", shape: Shape::List },
        Known { key: "max_connections", shape: Shape::Value },
        Known { key: "no_sandbox", shape: Shape::Switch },
    ];

    #[test]
    fn each_key_is_read_with_its_line() {
        let text =
            "# a comment\nlisten = [\"[::]:1\", \"127.0.0.1:2\"]\n\nmax_connections = 1_000\nno_sandbox = true\n";
        let read = read_text(text, "f", &KNOWN).unwrap();
        let seen: Vec<_> =
            read.iter().map(|setting| (setting.key.as_str(), setting.values.join(" "), setting.line)).collect();
        assert_eq!(
            seen,
            [
                ("listen", "[::]:1 127.0.0.1:2".to_owned(), 2),
                ("max_connections", "1000".to_owned(), 4),
                ("no_sandbox", "true".to_owned(), 5)
            ]
        );
        assert_eq!(read_text("listen = \"[::]:1\"", "f", &KNOWN).unwrap()[0].values, ["[::]:1"]);
        assert!(read_text("", "f", &KNOWN).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, wanted) in [
            ("\nlisen = \"x\"", "f:2: the file has an unknown key 'lisen': did you mean 'listen'? "),
            (
                "max-connections = 1",
                "f:1: the file has an unknown key 'max-connections': did you mean 'max_connections'? ",
            ),
            ("colour = 1", "f:1: the file has an unknown key 'colour': known are listen, max_connections, no_sandbox"),
            ("no_sandbox = \"yes\"", "f:1: no_sandbox of the file must be true or false, not a TOML string"),
            ("max_connections = [1]", "f:1: max_connections of the file must be a text in quotes or a whole number"),
            ("listen = []", "f:1: listen of the file must be a text in quotes, or a list of them"),
            ("listen = 1979-05-27", "f:1: listen of the file must be"),
            ("listen", "f:1: not valid TOML"),
            ("[listen]", "f:1: listen of the file must be"),
        ] {
            let error = read_text(text, "f", &KNOWN).unwrap_err();
            assert!(error.kind() == Kind::BadConfig && error.text().starts_with(wanted), "{text}: {error}");
        }
    }
}
