//! Requests of one command and one answer.

use std::io::Write;

use super::answers::{Hashed, Ping, SessionInfo, Stat, Status, Transferred};
use super::connection::{Client, unfinished};
use crate::error::Result;
use crate::proto::{Entry, RelPath, Verb};

impl Client {
    /// Lists a folder, or with `recursive` all below it, each folder before what is in it.
    ///
    /// Every path is checked: relative to the folder, inside it, and named once.
    ///
    /// # Errors
    /// [`crate::Kind::Integrity`] for a path that is not inside the folder.
    pub async fn list(&mut self, path: &RelPath, recursive: bool) -> Result<Vec<Entry>> {
        let _ = (path, recursive);
        unfinished()
    }

    /// The same, one entry at a time, without holding them all. An error from `each` is returned and ends the
    /// connection.
    ///
    /// # Errors
    /// As [`Client::list`], and those of `each`.
    pub async fn list_each(
        &mut self,
        path: &RelPath,
        recursive: bool,
        each: impl FnMut(Entry) -> Result<()> + Send,
    ) -> Result<()> {
        let _ = (path, recursive, each);
        unfinished()
    }

    /// Describes one file or folder; the root path is the user's own folder.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`], [`crate::Kind::Denied`].
    pub async fn stat(&mut self, path: &RelPath) -> Result<Stat> {
        let _ = path;
        unfinished()
    }

    /// Has the server hash a file, or its first `length` bytes.
    ///
    /// # Errors
    /// As [`Client::stat`].
    pub async fn hash(&mut self, path: &RelPath, length: Option<u64>) -> Result<Hashed> {
        let _ = (path, length);
        unfinished()
    }

    /// Removes a file, an empty folder, or with `recursive` a whole tree.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`crate::Kind::NotEmpty`].
    pub async fn remove(&mut self, path: &RelPath, recursive: bool) -> Result<()> {
        let _ = (path, recursive);
        unfinished()
    }

    /// Makes a folder; with `parents` also those above it, and without an error if it is there.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`crate::Kind::Exists`].
    pub async fn make_dir(&mut self, path: &RelPath, parents: bool) -> Result<()> {
        let _ = (path, parents);
        unfinished()
    }

    /// Renames or moves; with `replace` a file that is there is replaced.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`crate::Kind::Exists`].
    pub async fn rename(&mut self, from: &RelPath, to: &RelPath, replace: bool) -> Result<()> {
        let _ = (from, to, replace);
        unfinished()
    }

    /// Asks for an answer.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn ping(&mut self) -> Result<Ping> {
        unfinished()
    }

    /// The session and the server in figures.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn status(&mut self) -> Result<Status> {
        unfinished()
    }

    /// Who is connected; for administrators.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`].
    pub async fn who(&mut self) -> Result<Vec<SessionInfo>> {
        unfinished()
    }

    /// Ends the server when running transfers are done; for administrators.
    ///
    /// # Errors
    /// [`crate::Kind::Denied`].
    pub async fn shutdown(&mut self) -> Result<()> {
        unfinished()
    }

    /// How commands are written: the lines of the server's help, of one verb or of all. From outside: escape before
    /// showing.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn help(&mut self, verb: Option<Verb>) -> Result<Vec<String>> {
        let _ = verb;
        unfinished()
    }

    /// Reads a file into `sink`. The bytes are handed on before the hash of the whole is known: an error at the end
    /// means that what was written is not to be used. A `sink` that blocks, blocks the calling task.
    ///
    /// # Errors
    /// [`crate::Kind::Integrity`] if the bytes do not match their hash; an error of the sink ends the connection.
    pub async fn read(&mut self, path: &RelPath, sink: &mut (impl Write + Send)) -> Result<Transferred> {
        self.read_range(path, 0, None, sink).await
    }

    /// Reads `length` bytes from `offset` on, fewer if the file ends before; to the end without a `length`.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn read_range(
        &mut self,
        path: &RelPath,
        offset: u64,
        length: Option<u64>,
        sink: &mut (impl Write + Send),
    ) -> Result<Transferred> {
        let _ = (path, offset, length, sink);
        unfinished()
    }
}
