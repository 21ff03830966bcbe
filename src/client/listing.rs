//! Reading a listing, and trusting none of it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::{Entry, FileMode, Mark, RelPath};
use crate::limits;
use crate::proto::{Command, Feature, Features, FrameDecoder, LineDecoder, Piece, listing};

/// What is in a folder, as far as the server could read it.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "a folder that could not be read is not among the entries"]
#[non_exhaustive]
pub struct Listing {
    /// What was listed.
    pub entries: Vec<Entry>,
    /// What was not.
    pub unread: Unread,
}

/// Folders that the server did not read: those in them are not in the listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a folder that could not be read is not in the listing"]
#[non_exhaustive]
pub struct Unread {
    /// How many could not be read.
    pub count: u64,
    /// Their paths relative to the listed folder, empty for that one itself; not all if there are many, and none from an
    /// old server.
    pub names: Vec<Vec<u8>>,
    /// Beside those, folders below the listed one that the user may not list, as the drop boxes among shared folders; at a server that
    /// tells them from those that could not be read.
    pub denied: Vec<Vec<u8>>,
}

impl Unread {
    /// One error for each that is named, with its path, and one for those that are not.
    pub fn errors(&self, folder: &RelPath) -> Vec<(PathBuf, Error)> {
        let failed = |path: PathBuf, what: &str| {
            let shown = for_people(path.as_os_str().as_bytes());
            let error = match path.components().count() < limits::DEPTH_MAX {
                true => Error::new(Kind::Io, format!("{shown}: {what} could not be read by the server")),
                // What is below has more names than any path; the reply does not say whether that was why.
                false => {
                    let text = format!(
                        "{shown}: what is in it is deeper than {} folders, or could not be read by the server",
                        limits::DEPTH_MAX
                    );
                    Error::new(Kind::PathTooLong, text)
                }
            };
            let error = error.of_server().at(path.clone());
            (path, error)
        };
        let top = folder.as_path();
        let named = self.names.iter().map(|name| match name.as_slice() {
            b"" => failed(top.to_owned(), "it"),
            name => failed(top.join(OsStr::from_bytes(name)), "it"),
        });
        let others = self.count.saturating_sub(self.names.len() as u64);
        let others = (others > 0).then(|| {
            let top = if folder.is_root() { PathBuf::from(".") } else { top.to_owned() };
            failed(top, &format!("{others} of the folders in it"))
        });
        named.chain(others).collect()
    }

    /// The folders that the user may not list.
    pub fn denied(&self, folder: &RelPath) -> impl Iterator<Item = PathBuf> {
        self.denied.iter().map(|name| folder.as_path().join(OsStr::from_bytes(name)))
    }

    /// An error for each folder that the user may not list.
    pub fn denied_errors(&self, folder: &RelPath) -> impl Iterator<Item = Error> {
        self.denied(folder).map(|path| {
            let text = format!("{}: you may not list it", for_people(path.as_os_str().as_bytes()));
            Error::new(Kind::Denied, text).of_server().at(path)
        })
    }
}

/// Asks for a listing.
pub(super) fn ask(session: &mut Session, path: &RelPath, recursive: bool) -> Result<()> {
    session.command(&command(session.features(), path.clone(), recursive, false))
}

/// Asks for a listing with links and shared folders named as such, from a server that can tell.
pub(super) fn ask_marked(session: &mut Session, path: &RelPath, recursive: bool) -> Result<()> {
    let features = session.features();
    session.command(&command(features, path.clone(), recursive, features.has(Feature::Marks)))
}

/// The command for it: from a server that can tell, with the rotten files named as such, and all modes.
pub(super) fn command(features: Features, path: RelPath, recursive: bool, marks: bool) -> Command {
    let (rotten, mode) = (features.has(Feature::Record), features.has(Feature::Chmod));
    Command::List { path, recursive, rotten, mode, marks }
}

/// Reads the listing asked for, and hands on the entries of each portion that came. Every path is inside the folder.
/// Says which folders the server could not read.
pub(super) fn read(
    session: &mut Session,
    recursive: bool,
    each: impl FnMut(Vec<Entry>) -> Result<()>,
) -> Result<Unread> {
    session.expect(150)?;
    entries(session, recursive, each)
}

/// Reads the entries of a listing whose `150` has been read, and hands them on, each portion as it came.
pub(super) fn entries(
    session: &mut Session,
    recursive: bool,
    mut each: impl FnMut(Vec<Entry>) -> Result<()>,
) -> Result<Unread> {
    let mut frames = FrameDecoder::without_trailer();
    let mut lines = LineDecoder::new(listing::LINE_MAX);
    let mut count = 0u64;
    let whole = loop {
        match session.piece(&mut frames)? {
            None | Some(Piece::Pause) => {}
            Some(Piece::Data(mut data)) => {
                let mut entries = Vec::new();
                while let Some(line) = lines.next(&mut data).map_err(|_| too_long())? {
                    let entry = Entry::parse(line)?;
                    check(&entry.path, recursive)?;
                    entries.push(entry);
                }
                count += entries.len() as u64;
                each(entries)?;
            }
            Some(Piece::End(_)) => break !lines.is_mid_line(),
            Some(Piece::Abort) => break false,
        }
    };
    let done = session.expect(226)?;
    if !whole || done.parsed::<u64>("entries")? != count {
        return Err(Error::new(Kind::Integrity, "the listing is not whole"));
    }
    let count = done.get("unreadable").map_or(Ok(0), |_| done.parsed("unreadable"))?;
    let names = done.list("unread")?;
    names.iter().filter(|name| !name.is_empty()).try_for_each(|name| check(name, recursive))?;
    let denied = done.get("denied").map_or(Ok(0), |_| done.parsed("denied"))?;
    let count = count.max(names.len() as u64);
    let (mut denied, mut names): (Vec<_>, Vec<_>) = {
        let (first, rest) = names.split_at(names.len().min(denied));
        (first.to_vec(), rest.to_vec())
    };
    // Who asked for a folder by its name is not told that there is nothing wrong with it.
    names.extend(denied.extract_if(.., |name| name.is_empty()));
    Ok(Unread { count: count.saturating_sub(denied.len() as u64), names, denied })
}

/// Bytes that an entry takes as long as a listing is held: itself, its path, the text of a link, and its places in two tables
/// by which paths are found.
pub(super) fn held_by(entry: &Entry) -> usize {
    let text = match &entry.mark {
        Some(Mark::Symlink(text)) => text.len(),
        Some(Mark::Shared | Mark::SharedListOnly) | None => 0,
    };
    size_of::<Entry>() + entry.path.len() + text + 4 * size_of::<&[u8]>()
}

/// Whether so many bytes of entries may be held.
///
/// # Errors
/// [`Kind::Usage`].
pub(super) fn check_held(bytes: usize) -> Result<()> {
    if bytes > limits::LISTING_BYTES_MAX {
        let most = limits::LISTING_BYTES_MAX >> 20;
        let text = format!("the listing takes more than {most} MiB of memory: take the folder in parts");
        return Err(Error::new(Kind::Usage, text));
    }
    Ok(())
}

/// Reads the whole listing asked for. Every path is inside the folder and named once.
pub(super) fn read_all(session: &mut Session, recursive: bool) -> Result<Listing> {
    session.expect(150)?;
    all_entries(session, recursive)
}

/// Reads the whole listing asked for, and the most of a file's mode that the server takes over, if it says so. Every path is inside the
/// folder and named once.
pub(super) fn read_with_mode(session: &mut Session, recursive: bool) -> Result<(Listing, Option<FileMode>)> {
    let begun = session.expect(150)?;
    let most = begun.get("perms").map(|_| begun.parsed("perms")).transpose()?;
    Ok((all_entries(session, recursive)?, most))
}

fn all_entries(session: &mut Session, recursive: bool) -> Result<Listing> {
    let (mut all, mut held) = (Vec::new(), 0);
    let unread = entries(session, recursive, |entries: Vec<Entry>| {
        held += entries.iter().map(held_by).sum::<usize>();
        all.extend(entries);
        check_held(held)
    })?;
    check_unique(&all)?;
    Ok(Listing { entries: all, unread })
}

/// Whether nothing is named twice.
pub(super) fn check_unique(entries: &[Entry]) -> Result<()> {
    let mut seen = HashSet::with_capacity(entries.len());
    match entries.iter().find(|entry| !seen.insert(entry.path.as_slice())) {
        Some(twice) => Err(evil(&twice.path, "twice")),
        None => Ok(()),
    }
}

/// Whether this path is one inside the folder (CVE-2019-6111). What an honest server's disk may hold but nobody can ask
/// for, a name with a control character in it, passes: it is shown, and refused when it is asked for.
fn check(path: &[u8], recursive: bool) -> Result<()> {
    if !recursive && path.contains(&b'/') {
        return Err(evil(path, "which was not asked for"));
    }
    for name in path.split(|b| *b == b'/') {
        if matches!(name, b"" | b"." | b"..") || name.contains(&0) {
            return Err(evil(path, "which is not inside the folder"));
        }
        if name.eq_ignore_ascii_case(limits::RESERVED_NAME.as_bytes()) {
            return Err(evil(path, "which is reserved"));
        }
    }
    Ok(())
}

fn evil(path: &[u8], why: &str) -> Error {
    Error::new(Kind::Integrity, format!("the server lists `{}`, {why}", for_people(path)))
}

fn too_long() -> Error {
    Error::new(Kind::Protocol, "a line of the server's listing is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_the_folder_passes() {
        for good in ["a", "a/b", "...", "a b", "-rf", ".sealift2", "x\ny"] {
            assert!(check(good.as_bytes(), true).is_ok(), "{good}");
        }
        for bad in ["..", "../x", "a/../../x", "/etc/passwd", ".", "./a", "a//b", "a/", "", "a\0b", ".SeaLift/x"] {
            assert_eq!(check(bad.as_bytes(), true).unwrap_err().kind(), Kind::Integrity, "{bad}");
        }
    }

    #[test]
    fn a_plain_listing_names_nothing_deeper() {
        assert!(check(b"a", false).is_ok());
        assert_eq!(check(b"a/b", false).unwrap_err().kind(), Kind::Integrity);
    }
}
