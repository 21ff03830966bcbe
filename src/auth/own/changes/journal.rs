//! The journal of the last changes: what is written in its file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use rustix::fs::{Advice, OFlags, fadvise};

use super::Followed;
use crate::files::Hash;
use crate::limits;

/// The first word of it.
const MAGIC: &str = "sealift-changes-1";

/// What is written in the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    /// Another one where it is not known what was changed before.
    pub(super) epoch: String,
    /// The last changes, without a gap.
    pub(super) entries: VecDeque<Entry>,
    /// The number of the next one.
    pub(super) next: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    /// From the state folder.
    pub(super) file: String,
    pub(super) content: Content,
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing: it is gone.
    Gone,
    /// What has this hash.
    Is(Hash),
    /// It is about to be changed, or was.
    Unknown,
}

impl From<Option<Hash>> for Content {
    fn from(hash: Option<Hash>) -> Content {
        hash.map_or(Content::Gone, Content::Is)
    }
}

impl FromStr for Content {
    type Err = ();

    fn from_str(word: &str) -> Result<Content, ()> {
        match word {
            "-" => Ok(Content::Gone),
            "?" => Ok(Content::Unknown),
            hash => hash.parse().map(Content::Is).map_err(drop),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Gone => f.write_str("-"),
            Content::Unknown => f.write_str("?"),
            Content::Is(hash) => hash.fmt(f),
        }
    }
}

impl Journal {
    /// None if it is not whole.
    pub(super) fn parse(text: &str) -> Option<Journal> {
        let (body, check) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        if Hash::of(body.as_bytes()).to_string() != check {
            return None;
        }
        let mut lines = body.lines();
        let first: Vec<&str> = lines.next()?.split(' ').collect();
        let &[MAGIC, epoch, next] = first.as_slice() else { return None };
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let (number, file) = (words.next()?.parse().ok()?, words.next()?.to_owned());
            Some(Entry { number, file, content: words.next()?.parse().ok()? })
        };
        let entries = lines.map(entry).collect::<Option<VecDeque<Entry>>>()?;
        Some(Journal { epoch: epoch.to_owned(), entries, next: next.parse().ok()? })
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!("{MAGIC} {} {}", self.epoch, self.next);
        for Entry { number, file, content } in &self.entries {
            text.push_str(&format!("\n{number} {file} {content}"));
        }
        let check = Hash::of(text.as_bytes());
        format!("{text}\n{check}\n")
    }

    /// None if it is not whole.
    pub(super) fn read(path: &Path) -> io::Result<Option<Journal>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        // What the kernel keeps of it may be older than what another machine has written.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        let mut bytes = Vec::new();
        file.take(limits::SHARED_CHANGES_BYTES).read_to_end(&mut bytes)?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(Journal::parse))
    }

    /// What was last written of each file of a folder since then; none if it is not known of all.
    pub(super) fn since(&self, followed: &Followed, folder: &str) -> (bool, BTreeMap<&str, Content>) {
        let first = self.entries.front().map_or(self.next, |entry| entry.number);
        let is_known = self.epoch == followed.epoch && followed.next >= first;
        let from = if is_known { followed.next } else { first };
        let is_of = |entry: &&Entry| {
            entry.number >= from && entry.file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        (is_known, self.entries.iter().filter(is_of).map(|entry| (&*entry.file, entry.content)).collect())
    }

    /// The files of which nobody has written down what came of a change, with the numbers of its beginning.
    pub(super) fn open(&self) -> Vec<(u64, &str)> {
        let mut later = BTreeSet::new();
        let is_last = self.entries.iter().rev().filter(|entry| later.insert(&entry.file));
        is_last.filter(|entry| entry.content == Content::Unknown).map(|entry| (entry.number, &*entry.file)).collect()
    }

    /// Up to where whoever has read all of it knows what there is.
    pub(super) fn followed(&self) -> Followed {
        let open = self.open().into_iter().map(|(number, _)| number).min();
        Followed { epoch: self.epoch.clone(), next: open.unwrap_or(self.next), ..Followed::default() }
    }
}
