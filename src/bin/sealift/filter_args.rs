//! Which files take part: the options of `get`, `put` and `mirror`.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};
use sealift::byte_size::parse_bytes;
use sealift::client::Filter;
use sealift::files::Mtime;
use sealift::{Error, Kind, Result};

/// Which files of a tree take part.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    #[command(flatten)]
    rules: Rules,

    /// Leave out files of a tree that are smaller, like 500 or 10K
    #[arg(long, value_name = "SIZE", value_parser = size)]
    min_size: Option<u64>,

    /// Leave out files of a tree that are larger
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,

    /// Leave out files of a tree that were modified more recently, like 30m, 2d or 1y ago
    #[arg(long, value_name = "TIME", value_parser = age)]
    min_age: Option<Duration>,

    /// Leave out files of a tree that were modified longer ago
    #[arg(long, value_name = "TIME", value_parser = age)]
    max_age: Option<Duration>,
}

/// Reads an age.
///
/// # Errors
/// A sentence for the person.
pub fn age(text: &str) -> std::result::Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("`{text}` is not a time; write it like 90d, 12h or 30min"))
}

impl FilterArgs {
    /// The filter that these describe.
    ///
    /// # Errors
    /// [`Kind::Usage`] for what is no pattern; those of reading a file of patterns.
    pub fn filter(&self) -> Result<Filter> {
        let mut filter = Filter::new();
        for rule in &self.rules.0 {
            match rule {
                Rule::Pattern(pattern, takes) => filter.add(pattern, *takes)?,
                Rule::File(file) => add_file(&mut filter, Path::new(file))?,
            }
        }
        let now = SystemTime::now();
        let ago = |age: &Duration| now.checked_sub(*age).map(Mtime::from);
        (filter.min_size, filter.max_size) = (self.min_size, self.max_size);
        filter.not_before = self.max_age.as_ref().and_then(ago);
        // So long ago that no clock knows it: nothing is as old.
        let never = Mtime { secs: i64::MIN, nanos: 0 };
        filter.not_after = self.min_age.as_ref().map(|age| ago(age).unwrap_or(never));
        Ok(filter)
    }
}

/// A line is a pattern to leave out; empty ones and those that begin with `#` are none.
fn add_file(filter: &mut Filter, file: &Path) -> Result<()> {
    let text = fs::read_to_string(file).map_err(|err| Error::file(file.display(), err))?;
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        filter.add(line, false).map_err(|error| {
            Error::new(Kind::Usage, format!("{}, line {}: {}", file.display(), at + 1, error.text()))
        })?;
    }
    Ok(())
}

fn size(text: &str) -> std::result::Result<u64, String> {
    let size = parse_bytes(text);
    size.ok_or_else(|| format!("`{text}` is not a size: write it like 500, 10K or 2 GiB"))
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    Pattern(String, bool),
    File(String),
}

/// `--include`, `--exclude` and `--exclude-from` in the order they were typed in, which options of their own would not keep.
#[derive(Debug, Clone, Default)]
struct Rules(Vec<Rule>);

const KINDS: [(&str, &str, &str); 3] = [
    ("include", "PATTERN", "Take what matches, also if a later --exclude would not"),
    ("exclude", "PATTERN", "Leave out what matches, on both sides; a folder is not entered"),
    ("exclude-from", "FILE", "The same for every line of this file; `#` begins a comment"),
];

impl Args for Rules {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(KINDS.map(|(name, value, help)| {
            Arg::new(name).long(name).value_name(value).action(ArgAction::Append).help(help)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Rules {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let mut all = Vec::new();
        for (name, ..) in KINDS {
            let places = matches.indices_of(name).into_iter().flatten();
            let words = matches.get_many::<String>(name).into_iter().flatten();
            all.extend(places.zip(words).map(|(place, word)| match name {
                "exclude-from" => (place, Rule::File(word.clone())),
                _ => (place, Rule::Pattern(word.clone(), name == "include")),
            }));
        }
        all.sort_unstable();
        Ok(Rules(all.into_iter().map(|(_, rule)| rule).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [("500", 500), ("10K", 10 << 10), ("2 GiB", 2 << 30), ("1MB", 1_000_000)] {
            assert_eq!(size(text), Ok(bytes));
        }
        assert!(size("large").is_err() && size("").is_err());
    }
}
