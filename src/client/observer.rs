//! Being told what a transfer does while it does it.

use std::path::Path;
use std::time::Duration;

use super::answers::Transferred;
use crate::error::Error;
use crate::files::aside::{is_aside, is_copy, is_part};
use crate::files::{RelPath, is_reserved_name};

/// Why something was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// A symbolic link inside a tree.
    Link,
    /// A link that was to be made like one of the source, and leads out of the tree.
    LeadsOut,
    /// A link that leads to a folder it is in.
    Loop,
    /// A device, pipe or socket.
    Special,
    /// A name that Sealift keeps for itself.
    Reserved,
    /// What a mirror has moved out of the way, and not put back yet.
    Aside,
    /// The target is there already, and was to be left alone.
    Exists,
    /// A folder that others share, in which a mirror of what is around it removes nothing.
    Shared,
    /// A folder in the source that the user may not list, as a drop box among shared folders.
    Unlistable,
    /// A shared folder in the source of which the user may list everything, and download nothing.
    ListOnly,
    /// Another spelling of what a mirror has just put there, which is no other file where it went.
    Spelling,
}

impl Skip {
    /// Why something of this name in a tree is left out whatever it is, if it is: one rule for everything that goes
    /// through trees.
    pub(super) fn by_name(name: &[u8]) -> Option<Skip> {
        if is_aside(name) {
            return Some(Skip::Aside);
        }
        let is_reserved = is_reserved_name(name) || is_part(name) || is_copy(name);
        is_reserved.then_some(Skip::Reserved)
    }

    /// In words, for a person.
    pub const fn words(self) -> &'static str {
        match self {
            Skip::Link => "a symbolic link",
            Skip::LeadsOut => "a link that leads out of the folder",
            Skip::Loop => "a link to a folder that it is in",
            Skip::Special => "not a regular file",
            Skip::Reserved => "a name that Sealift keeps for itself",
            Skip::Aside => "what a mirror has moved aside",
            Skip::Exists => "it exists already",
            Skip::Shared => "a shared folder: only a mirror of the folder itself removes something in it",
            Skip::Unlistable => "you may not list what is in this folder",
            Skip::ListOnly => "you may list what is in this folder, but not download it",
            Skip::Spelling => "not removed: where it is, this is another spelling of a name that has just come there",
        }
    }

    /// In a word, for a count of one.
    pub const fn word(self) -> &'static str {
        match self {
            Skip::Link | Skip::LeadsOut => "link",
            Skip::Loop => "endless link",
            Skip::Special => "special file",
            Skip::Reserved => "reserved name",
            Skip::Aside => "moved aside",
            Skip::Exists => "there already",
            Skip::Shared => "shared folder",
            Skip::Unlistable | Skip::ListOnly => "folder that you may not read",
            Skip::Spelling => "other spelling",
        }
    }

    /// In words, for a count of several.
    pub const fn words_for_many(self) -> &'static str {
        match self {
            Skip::Link | Skip::LeadsOut => "links",
            Skip::Loop => "endless links",
            Skip::Special => "special files",
            Skip::Reserved => "reserved names",
            Skip::Aside => "moved aside",
            Skip::Exists => "there already",
            Skip::Shared => "shared folders",
            Skip::Unlistable | Skip::ListOnly => "folders that you may not read",
            Skip::Spelling => "other spellings",
        }
    }
}

/// Is told what a transfer does. Called from the transfer's threads, so it should not block; every method does
/// nothing unless it is written.
///
/// A path is the source's: the remote one of a download, the local one of an upload. It may hold control characters.
pub trait Observer: Send + Sync {
    /// Whether it is worth another look at what is to be moved to know beforehand how much it is: a second walk through
    /// a local tree beside the transfer, a question for the sizes of remote files before it.
    fn wants_totals(&self) -> bool {
        false
    }

    /// Something is counted, so that what [`Observer::expected`] told is not all yet; told once more, with `false`, when
    /// it has been. Not told of again after a lost connection.
    fn reading(&self, is_reading: bool) {
        let _ = is_reading;
    }

    /// So many files and bytes more will come. All calls together name every file and every known size once, some of
    /// them before the first file begins and some, where nothing is known before, as each one does.
    fn expected(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }

    /// What the other side has of a file already is compared with it: so many of so many bytes were read.
    fn proving(&self, path: &Path, done: u64, of: u64) {
        let _ = (path, done, of);
    }

    /// A file begins; its size if it is known.
    fn started(&self, path: &Path, size: Option<u64>) {
        let _ = (path, size);
    }

    /// The file that began last goes on with its first `from` bytes proven to be there already.
    fn resumed(&self, path: &Path, from: u64) {
        let _ = (path, from);
    }

    /// The connection was lost by this error, and the next try comes after the pause. So many bytes of the file that was
    /// cut off are kept.
    fn retrying(&self, error: &Error, pause: Duration, kept: u64) {
        let _ = (error, pause, kept);
    }

    /// From now on so many connections are used; if there are fewer than wanted, this is why.
    fn streams(&self, count: usize, wanted: usize, why: Option<&Error>) {
        let _ = (count, wanted, why);
    }

    /// One of several connections was lost by this error; the others do what it had left.
    fn stream_lost(&self, error: &Error) {
        let _ = error;
    }

    /// So many bytes more were transferred of this file.
    fn progressed(&self, path: &Path, bytes: u64) {
        let _ = (path, bytes);
    }

    /// A file is there, verified, as `to`: on the server, or inside the destination.
    fn finished(&self, path: &Path, to: &RelPath, done: &Transferred) {
        let _ = (path, to, done);
    }

    /// A file or folder could not be transferred; the others go on.
    fn failed(&self, path: &Path, error: &Error) {
        let _ = (path, error);
    }

    /// Something that an earlier mirror had moved aside has its name again.
    fn put_back(&self, path: &Path) {
        let _ = path;
    }

    /// A file is not moved because what is in its place is as new.
    fn unchanged(&self, path: &Path, size: u64) {
        let _ = (path, size);
    }

    /// A file would be moved to `to`, on the server or inside the destination, if this were in earnest.
    fn planned(&self, path: &Path, to: &RelPath, size: u64) {
        let _ = (path, to, size);
    }

    /// A link like one of the source is there as `to`, inside the destination.
    fn linked(&self, path: &Path, to: &RelPath) {
        let _ = (path, to);
    }

    /// Something in a tree was left out.
    fn skipped(&self, path: &Path, why: Skip) {
        let _ = (path, why);
    }
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Tells an observer that something is counted for as long as it lives.
pub(super) struct ReadingSign<'a>(&'a dyn Observer);

impl<'a> ReadingSign<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        observer.reading(true);
        ReadingSign(observer)
    }
}

impl Drop for ReadingSign<'_> {
    fn drop(&mut self) {
        self.0.reading(false);
    }
}
