//! Listings: one line an entry, inside frames: `type=file size=5 mtime=1700000000 path`.

use std::borrow::Cow;

use super::percent::{decode, encode};
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::{Entry, Mark};
use crate::limits;

/// Longest listing line: a path and a link's text, whose every byte is encoded, and the fixed fields.
pub const LINE_MAX: usize = 6 * limits::PATH_MAX + 256;

impl Entry {
    /// Writes the entry's line, ending included.
    pub fn render(&self, out: &mut Vec<u8>) {
        let head = format!("type={} size={} mtime={} ", self.kind.word(), self.size, self.mtime);
        out.extend_from_slice(head.as_bytes());
        if let Some(mode) = self.mode {
            out.extend_from_slice(format!("mode={mode} ").as_bytes());
        }
        if self.rotten {
            out.extend_from_slice(b"rotten=yes ");
        }
        match &self.mark {
            None => {}
            Some(Mark::Symlink(text)) => {
                out.extend_from_slice(b"symlink=");
                out.extend(encode(text).bytes());
                out.push(b' ');
            }
            Some(Mark::Shared) => out.extend_from_slice(b"shared=yes "),
            Some(Mark::SharedListOnly) => out.extend_from_slice(b"shared=yes download=no "),
        }
        out.extend(encode(&self.path).bytes());
        out.push(b'\n');
    }

    /// Reads a line, its ending already cut off.
    ///
    /// # Errors
    /// [`Kind::Protocol`].
    pub fn parse(line: &[u8]) -> Result<Entry> {
        Self::try_parse(line).ok_or_else(|| {
            let shown = line.get(..line.len().min(80)).unwrap_or_default();
            Error::new(Kind::Protocol, format!("a line of the server's listing makes no sense: {}", for_people(shown)))
        })
    }

    fn try_parse(line: &[u8]) -> Option<Entry> {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split(' ');
        let kind = words.next()?.strip_prefix("type=")?.parse().ok()?;
        let size = words.next()?.strip_prefix("size=")?.parse().ok()?;
        let mtime = words.next()?.strip_prefix("mtime=")?.parse().ok()?;
        // The path is last; before it may be more, which only whoever asked for it gets.
        let path = decode(words.next_back()?.as_bytes()).ok()?.into_owned();
        let (mut rotten, mut mode, mut mark, mut is_list_only) = (false, None, None, false);
        for word in words {
            let (key, value) = word.split_once('=')?;
            match key {
                "rotten" => rotten |= value == "yes",
                "mode" => mode = Some(value.parse().ok()?),
                "symlink" => mark = Some(Mark::Symlink(link_text(value)?)),
                "shared" if value == "yes" => mark = Some(Mark::Shared),
                "download" => is_list_only |= value == "no",
                _ => {}
            }
        }
        if is_list_only && mark == Some(Mark::Shared) {
            mark = Some(Mark::SharedListOnly);
        }
        if path.is_empty() {
            return None;
        }
        Some(Entry { kind, size, mtime, mode, rotten, mark, identity: None, path })
    }
}

/// A link's text; nothing for one that no system could make a link of.
fn link_text(value: &str) -> Option<Vec<u8>> {
    decode(value.as_bytes()).ok().filter(|text| text.len() <= limits::PATH_MAX).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{EntryKind, FileMode, Mtime};
    use proptest::prelude::*;

    #[test]
    fn a_line_is_written_as_the_protocol_says() {
        let entry = Entry {
            kind: EntryKind::File,
            size: 5,
            mtime: Mtime { secs: 7, nanos: 0 },
            mode: None,
            rotten: false,
            mark: None,
            identity: None,
            path: b"a b\n".to_vec(),
        };
        let mut out = Vec::new();
        entry.render(&mut out);
        assert_eq!(out, b"type=file size=5 mtime=7 a%20b%0A\n");
        out.clear();
        Entry { rotten: true, mode: Some(FileMode::of(0o750)), ..entry }.render(&mut out);
        assert_eq!(out, b"type=file size=5 mtime=7 mode=750 rotten=yes a%20b%0A\n");
        let newer = Entry::parse(b"type=file size=5 mtime=7 new=1 rotten=yes a=b").unwrap();
        assert_eq!((newer.rotten, newer.path.as_slice()), (true, b"a=b".as_slice()));
        assert!(Entry::parse(b"type=file size=5 mtime=7 a b").is_err());
    }

    #[test]
    fn a_links_text_is_no_longer_than_a_path() {
        let parse = |len| Entry::parse(format!("type=link size=1 mtime=7 symlink={} l", "x".repeat(len)).as_bytes());
        assert!(parse(limits::PATH_MAX).is_ok());
        assert!(parse(limits::PATH_MAX + 1).is_err());
    }

    proptest! {
        #[test]
        fn parse_inverts_render(
            kind in prop_oneof![Just(EntryKind::File), Just(EntryKind::Directory), Just(EntryKind::Link), Just(EntryKind::Other)],
            size in any::<u64>(), secs in any::<i64>(), nanos in 0u32..1_000_000_000, rotten in any::<bool>(),
            path in proptest::collection::vec(any::<u8>(), 1..300),
        ) {
            let mode = rotten.then(|| FileMode::of(nanos));
            let mark = match secs % 4 {
                0 => None,
                1 => Some(Mark::Symlink(path.iter().rev().copied().collect())),
                2 => Some(Mark::SharedListOnly),
                _ => Some(Mark::Shared),
            };
            let mtime = Mtime { secs, nanos };
            let entry = Entry { kind, size, mtime, mode, rotten, mark, identity: None, path };
            let mut line = Vec::new();
            entry.render(&mut line);
            prop_assert!(line.len() <= LINE_MAX);
            let body = line.strip_suffix(b"\n").unwrap();
            prop_assert!(!body.contains(&b'\n'));
            prop_assert_eq!(Entry::parse(body).unwrap(), entry);
        }

        #[test]
        fn any_bytes_parse_or_are_refused_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::parse(&line);
        }
    }
}
