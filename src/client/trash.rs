//! What was deleted or replaced on a server that keeps it for a while.

use async_std::channel::bounded;
use futures::join;

use super::connection::Client;
use super::many;
use super::requests::{nothing, taking, until_final};
#[cfg(doc)]
use crate::error::Kind;
use crate::error::Result;
use crate::files::{EntryKind, IntoPath, Mtime, RelPath, TrashId};
use crate::limits;
use crate::proto::{Command, Reply};

/// Something in the trash. Its path is from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTrash {
    /// Which.
    pub id: TrashId,
    /// What it was called.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file, and of all files of a folder if it says how many those are.
    pub size: u64,
    /// How many files a folder holds, if the server says so.
    pub files: Option<u64>,
    /// When it was last modified.
    pub mtime: Mtime,
}

/// What is in the trash, the youngest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerTrashList {
    /// As much as the server tells of.
    pub entries: Vec<ServerTrash>,
    /// There is more, older or with longer paths.
    pub is_cut: bool,
    /// The server says that nothing is kept, whatever is deleted or replaced.
    pub is_off: bool,
}

/// What came of emptying the trash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// Things that are gone for good, of those that may be listed.
    pub gone: u64,
    /// There may have been others, of which the server tells nothing.
    pub is_part: bool,
    /// More that were seen there: they may not be removed, or could not be.
    pub left: u64,
    /// Shared folders there that the server cannot look into.
    pub unreached: u64,
}

impl Client {
    /// What was deleted or replaced at this path and below it, and is kept; of the root, all that may be listed.
    ///
    /// # Errors
    /// [`Kind::Denied`], [`Kind::TooOld`].
    pub async fn trash(&mut self, path: impl IntoPath) -> Result<ServerTrashList> {
        let path = path.into_path()?;
        self.run(move |session| {
            session.command(&Command::Trash(path))?;
            let mut list = ServerTrashList::default();
            until_final(session, 114, 212, |reply| {
                match reply.is_preliminary() {
                    true => list.entries.push(server_trash(reply)?),
                    false => (list.is_cut, list.is_off) = (reply.get("cut").is_some(), reply.get("off").is_some()),
                }
                Ok(())
            })?;
            Ok(list)
        })
        .await
    }

    /// Brings back what was deleted or replaced at `path`, as `to`, with folders above that are missing. Nothing is replaced. The id is
    /// that of the thing, or of a folder above that went with what was in it (servers from before that: [`Kind::NotFound`]).
    ///
    /// # Errors
    /// [`Kind::Exists`] if something has the name; [`Kind::NotFound`], [`Kind::Denied`], [`Kind::TooOld`].
    pub async fn restore(&mut self, path: impl IntoPath, id: TrashId, to: impl IntoPath) -> Result<()> {
        let (path, to) = (path.into_path()?, to.into_path()?);
        self.ask(Command::Restore { path, id, to: Some(to) }, 250, |_| Ok(())).await
    }

    /// Brings back several things, each as what it was called, many on their way at once. `restored` gets what came of each, in their
    /// order, as far as the server says: of those that it says nothing of any more some may be back.
    ///
    /// # Errors
    /// Those that end the connection.
    pub async fn restore_all(
        &mut self,
        things: Vec<(RelPath, TrashId)>,
        mut restored: impl FnMut(Result<()>) + Send,
    ) -> Result<()> {
        let (hand_on, answers) = bounded(limits::WIRE_BUFFERS);
        let restoring = self.run(move |session| {
            let commands = things.into_iter().map(|(path, id)| Ok(Command::Restore { path, id, to: None }));
            // As long as somebody listens.
            many::each(session, commands, 250, nothing, |_, answer| drop(hand_on.send_blocking(answer)))
        });
        let taking = taking(answers, |answer| {
            restored(answer);
            Ok(())
        });
        let (done, taken) = join!(restoring, taking);
        taken.and(done)
    }

    /// Removes from the trash, for good, what was deleted or replaced at this path: one thing, or all that was there and below it, as
    /// far as that may go.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Denied`], [`Kind::TooOld`].
    pub async fn purge(&mut self, path: impl IntoPath, id: Option<TrashId>) -> Result<Purged> {
        self.ask(Command::Purge { path: path.into_path()?, id }, 250, |reply| {
            let or_none = |key| if reply.get(key).is_some() { reply.parsed(key) } else { Ok(0) };
            Ok(Purged {
                gone: reply.parsed("gone")?,
                is_part: reply.get("unlisted").is_some(),
                left: or_none("left")?,
                unreached: or_none("unreached")?,
            })
        })
        .await
    }
}

fn server_trash(reply: &Reply<'_>) -> Result<ServerTrash> {
    Ok(ServerTrash {
        id: reply.parsed("id")?,
        path: RelPath::parse(&reply.bytes("path")?)?,
        kind: reply.parsed("type")?,
        size: reply.parsed("size")?,
        files: reply.get("files").map(|_| reply.parsed("files")).transpose()?,
        mtime: reply.parsed("mtime")?,
    })
}
