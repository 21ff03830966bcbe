//! Requests of one command and one answer.

use std::io::Write;
use std::time::{Duration, Instant};

use async_std::channel::{Receiver, bounded};
use futures::join;

use super::answers::{Hashed, Ids, Ping, Room, Stat, Status, Transferred};
use super::connection::Client;
use super::listing::{Listing, Unread};
use super::session::Session;
use super::{listing, many, receive};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, IntoPath, RelPath};
use crate::limits;
use crate::proto::{Command, HashOf, Reply, Verb};

impl Client {
    /// Lists a folder, or with `recursive` all below it, each folder before what is in it.
    ///
    /// Every path is checked: relative to the folder, inside it, and named once. A folder that the server could not read
    /// is no error: it is in [`Listing::unread`], and what is in it is missing.
    ///
    /// # Errors
    /// [`Kind::Integrity`] for a path that is not inside the folder; what the server refuses.
    pub async fn list(&mut self, path: impl IntoPath, recursive: bool) -> Result<Listing> {
        let path = path.into_path()?;
        self.run(move |session| {
            listing::ask(session, &path, recursive)?;
            listing::read_all(session, recursive)
        })
        .await
    }

    /// Lists a folder, with links and shared folders named as such ([`Entry::mark`]) by a server that can tell.
    ///
    /// # Errors
    /// As [`Client::list`].
    pub async fn list_marked(&mut self, path: impl IntoPath) -> Result<Listing> {
        let path = path.into_path()?;
        self.run(move |session| {
            listing::ask_marked(session, &path, false)?;
            listing::read_all(session, false)
        })
        .await
    }

    /// As [`Client::list`], one entry at a time, without holding them all, and so without noticing one that is named twice. An
    /// error from `each` is returned and ends the connection.
    ///
    /// # Errors
    /// As [`Client::list`], and those of `each`.
    pub async fn list_each(
        &mut self,
        path: impl IntoPath,
        recursive: bool,
        mut each: impl FnMut(Entry) -> Result<()> + Send,
    ) -> Result<Unread> {
        let path = path.into_path()?;
        let (hand_on, portions) = bounded(limits::WIRE_BUFFERS);
        let reading = self.run(move |session| {
            listing::ask(session, &path, recursive)?;
            listing::read(session, recursive, |entries| hand_on.send_blocking(entries).map_err(|_| unwanted()))
        });
        let taking = taking(portions, |entries: Vec<Entry>| entries.into_iter().try_for_each(&mut each));
        let (read, taken) = join!(reading, taking);
        taken.and(read)
    }

    /// Describes one file or folder; the root path is the user's own folder.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`].
    pub async fn stat(&mut self, path: impl IntoPath) -> Result<Stat> {
        self.ask(Command::stat(path.into_path()?), 213, stat).await
    }

    /// How much room there is in the folder that this is in, one's own or a shared one.
    ///
    /// # Errors
    /// As [`Client::stat`]; [`Kind::TooOld`] if the server does not tell.
    pub async fn room(&mut self, path: impl IntoPath) -> Result<Room> {
        let number = |reply: &Reply<'_>, key: &str| reply.get(key).map(|_| reply.parsed(key)).transpose();
        self.ask(Command::Stat { path: path.into_path()?, usage: true }, 213, move |reply| {
            let shared = reply.get("shared").map(|_| RelPath::parse(&reply.bytes("shared")?)).transpose()?;
            let (quota, used, free) = (number(reply, "quota")?, number(reply, "used")?, number(reply, "free")?);
            let (trash, interrupted) = (number(reply, "trash")?, number(reply, "interrupted")?);
            Ok(Room { shared, quota, used, trash, interrupted, free })
        })
        .await
    }

    /// Describes several at once, in one round trip or few. The inner errors are those of each.
    ///
    /// # Errors
    /// Those that end the connection.
    pub async fn stats(&mut self, paths: Vec<RelPath>) -> Result<Vec<Result<Stat>>> {
        self.run(move |session| {
            let mut stats: Vec<Result<Stat>> = paths.iter().map(|path| Err(not_said(path))).collect();
            let commands = paths.into_iter().map(|path| Ok(Command::stat(path)));
            many::each(session, commands, 213, stat, |at, answer| {
                if let Some(slot) = stats.get_mut(at) {
                    *slot = answer;
                }
            })?;
            Ok(stats)
        })
        .await
    }

    /// Has the server read and hash a file, or its first `length` bytes.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`Kind::Rotten`] if the bytes are not those that were stored.
    pub async fn hash(&mut self, path: impl IntoPath, length: Option<u64>) -> Result<Hashed> {
        self.ask(Command::Hash { path: path.into_path()?, length, of: HashOf::Bytes }, 213, hash).await
    }

    /// Takes a file as right whose bytes are not those that were stored.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`Kind::TooOld`].
    pub async fn accept(&mut self, path: impl IntoPath) -> Result<()> {
        self.ask(Command::Accept(path.into_path()?), 250, nothing).await
    }

    /// Removes a file, an empty folder, or with `recursive` a whole tree.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`Kind::NotEmpty`].
    pub async fn remove(&mut self, path: impl IntoPath, recursive: bool) -> Result<()> {
        self.ask(Command::Delete { path: path.into_path()?, recursive, progress: false }, 250, nothing).await
    }

    /// Makes a folder; with `parents` also those above it, and without an error if it is there.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`Kind::Exists`].
    pub async fn make_dir(&mut self, path: impl IntoPath, parents: bool) -> Result<()> {
        self.ask(Command::Mkdir { path: path.into_path()?, parents }, 250, nothing).await
    }

    /// Renames or moves; with `replace` a file that is there is replaced.
    ///
    /// # Errors
    /// As [`Client::stat`], and [`Kind::Exists`].
    pub async fn rename(&mut self, from: impl IntoPath, to: impl IntoPath, replace: bool) -> Result<()> {
        self.ask(Command::Rename { from: from.into_path()?, to: to.into_path()?, replace }, 250, nothing).await
    }

    /// Asks for an answer.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn ping(&mut self) -> Result<Ping> {
        self.run(|session| {
            let asked = Instant::now();
            session.command(&Command::Ping)?;
            let ids = ids(&session.expect(200)?)?;
            Ok(Ping { ids, round_trip: asked.elapsed() })
        })
        .await
    }

    /// The session and the server in figures.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn status(&mut self) -> Result<Status> {
        self.ask(Command::Status, 211, |reply| {
            Ok(Status {
                user: text(reply, "user")?,
                access: text(reply, "access")?,
                connections: reply.parsed("connections")?,
                uptime: Duration::from_secs(reply.parsed("uptime")?),
                version: text(reply, "version")?,
                // Older servers do not say.
                users: reply.get("users").map(|_| text(reply, "users")).transpose()?,
                quota: reply.get("quota").map(|_| reply.parsed("quota")).transpose()?,
                used: reply.get("used").map(|_| reply.parsed("used")).transpose()?,
                free: reply.get("free").map(|_| reply.parsed("free")).transpose()?,
                node: reply.get("node").map(|_| text(reply, "node")).transpose()?,
                place: reply.get("place").map(|_| text(reply, "place")).transpose()?,
                storage: reply.get("storage").map(|_| text(reply, "storage")).transpose()?,
                storage_for: reply
                    .get("storage_seconds")
                    .map(|_| reply.parsed("storage_seconds").map(Duration::from_secs))
                    .transpose()?,
                storage_failed: reply.get("storage_failed").map(|_| reply.parsed("storage_failed")).transpose()?,
                lost: reply.get("lost").map(|_| reply.parsed("lost")).transpose()?,
            })
        })
        .await
    }

    /// How commands are written: the lines of the server's help, of one verb or of all. From outside: escape before
    /// showing.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn help(&mut self, verb: Option<Verb>) -> Result<Vec<String>> {
        self.run(move |session| {
            session.command(&Command::Help(verb))?;
            let mut lines = Vec::new();
            until_final(session, 114, 214, |reply| {
                lines.push(reply.text.to_owned());
                Ok(())
            })?;
            Ok(lines)
        })
        .await
    }

    /// Reads a file into `sink`. The bytes are handed on before the hash of the whole is known: an error at the end
    /// means that what was written is not to be used. A `sink` that blocks, blocks the calling task.
    ///
    /// # Errors
    /// [`Kind::Integrity`] if the bytes do not match their hash; an error of the sink ends the connection.
    pub async fn read(&mut self, path: impl IntoPath, sink: &mut (impl Write + Send)) -> Result<Transferred> {
        self.read_range(path, 0, None, sink).await
    }

    /// Reads a file into `sink` that may become longer meanwhile: it is read as long as it is at the beginning. A server that is too old
    /// for that ([`crate::proto::Feature::Growing`]) fails for one that does.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn read_growing(&mut self, path: impl IntoPath, sink: &mut (impl Write + Send)) -> Result<Transferred> {
        self.read_into(path, (0, None), true, sink).await
    }

    /// Reads `length` bytes from `offset` on, fewer if the file ends before; to the end without a `length`.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn read_range(
        &mut self,
        path: impl IntoPath,
        offset: u64,
        length: Option<u64>,
        sink: &mut (impl Write + Send),
    ) -> Result<Transferred> {
        self.read_into(path, (offset, length), false, sink).await
    }

    async fn read_into(
        &mut self,
        path: impl IntoPath,
        (offset, length): (u64, Option<u64>),
        growing: bool,
        sink: &mut (impl Write + Send),
    ) -> Result<Transferred> {
        let path = path.into_path()?;
        let (hand_on, portions) = bounded(limits::WIRE_BUFFERS);
        let reading = self.run(move |session| {
            receive::range(
                session,
                path,
                offset,
                length,
                growing,
                |_| (),
                |bytes| hand_on.send_blocking(bytes.to_vec()).map_err(|_| unwanted()),
            )
        });
        let taking = taking(portions, |bytes: Vec<u8>| {
            sink.write_all(&bytes).map_err(|err| Error::file("writing what was read", err))
        });
        let (read, taken) = join!(reading, taking);
        taken.and(read)
    }

    /// Sends one command, and reads its one reply with these digits.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        command: Command,
        digits: u16,
        read: impl FnOnce(&Reply<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |session| {
            session.command(&command)?;
            read(&session.expect(digits)?)
        })
        .await
    }
}

fn not_said(path: &RelPath) -> Error {
    Error::new(Kind::Internal, format!("{path}: the server was not asked"))
}

/// Takes portions until there are no more; the giver finds the channel closed if one cannot be taken.
pub(super) async fn taking<T>(portions: Receiver<T>, mut take: impl FnMut(T) -> Result<()>) -> Result<()> {
    while let Ok(portion) = portions.recv().await {
        take(portion)?;
    }
    Ok(())
}

/// What the giver says then; nobody hears it.
pub(super) fn unwanted() -> Error {
    Error::new(Kind::Aborted, "nobody takes what was read")
}

/// Reads replies, those before the last one with the digits `more`, up to the last one with the digits `last`.
pub(super) fn until_final(
    session: &mut Session,
    more: u16,
    last: u16,
    mut each: impl FnMut(&Reply<'_>) -> Result<()>,
) -> Result<()> {
    for _ in 0..=limits::ANSWER_LINES_MAX {
        let reply = session.reply()?;
        if reply.is_error() {
            return Err(reply.to_error());
        }
        let digits = reply.digits;
        if digits != more && digits != last {
            return Err(session.out_of_order());
        }
        each(&reply)?;
        if digits == last {
            return Ok(());
        }
    }
    Err(Error::new(Kind::Protocol, "the server's answer does not end"))
}

/// Reads a `213 stat`.
pub(super) fn stat(reply: &Reply<'_>) -> Result<Stat> {
    let word = reply.get("type").unwrap_or_default();
    let kind = word.parse().map_err(|()| Error::new(Kind::Protocol, "the server names an unknown type of file"))?;
    let rotten = reply.get("rotten") == Some("yes");
    let mode = reply.get("mode").map(|_| reply.parsed("mode")).transpose()?;
    Ok(Stat { kind, size: reply.parsed("size")?, mtime: reply.parsed("mtime")?, mode, rotten })
}

/// Reads a `213 hash`.
pub(super) fn hash(reply: &Reply<'_>) -> Result<Hashed> {
    let confirmed = reply.get("record").map(|word| word == "yes");
    let (size, hash, mtime) = (reply.parsed("size")?, reply.parsed("hash")?, reply.parsed("mtime")?);
    Ok(Hashed { size, hash, mtime, confirmed })
}

fn ids(reply: &Reply<'_>) -> Result<Ids> {
    Ok(Ids { pid: reply.parsed("pid")?, session: reply.parsed("session")? })
}

/// The text under this key; what is not UTF-8 is replaced.
pub(super) fn text(reply: &Reply<'_>, key: &str) -> Result<String> {
    reply.bytes(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Of a reply that says no more than that it is done.
pub(super) fn nothing(_: &Reply<'_>) -> Result<()> {
    Ok(())
}
