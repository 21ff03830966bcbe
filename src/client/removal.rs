//! Removing a whole tree, of which the server tells meanwhile how far it is.

use async_std::channel::bounded;
use futures::join;

use super::connection::Client;
use super::requests::{taking, unwanted};
use super::session::Session;
#[cfg(doc)]
use crate::error::Kind;
use crate::error::Result;
use crate::files::{IntoPath, Removed};
use crate::limits;
use crate::proto::{Command, Feature, Reply};

impl Client {
    /// Removes a file, or a folder with all in it, and gives how much was removed. `told` gets how much is gone so far, now and then where
    /// that takes long. Servers that are too old say neither, nor does one whose user may not know what was there.
    ///
    /// # Errors
    /// As [`Client::remove`].
    pub async fn remove_tree(
        &mut self,
        path: impl IntoPath,
        mut told: impl FnMut(Removed) + Send,
    ) -> Result<Option<Removed>> {
        let path = path.into_path()?;
        let (hand_on, portions) = bounded(limits::WIRE_BUFFERS);
        let removing = self.run(move |session| {
            let progress = session.has(Feature::Progress);
            session.command(&Command::Delete { path, recursive: true, progress })?;
            until_removed(session, |gone| hand_on.send_blocking(gone).map_err(|_| unwanted()))
        });
        let taking = taking(portions, |gone| {
            told(gone);
            Ok(())
        });
        let (removed, taken) = join!(removing, taking);
        taken.and(removed)
    }
}

/// Reads how far it is, and then how much was removed.
fn until_removed(session: &mut Session, mut told: impl FnMut(Removed) -> Result<()>) -> Result<Option<Removed>> {
    let mut before = Removed::default();
    loop {
        let reply = session.reply()?;
        if reply.is_error() {
            return Err(reply.to_error());
        }
        let (digits, gone) = (reply.digits, counted(&reply)?);
        match (digits, gone) {
            (250, removed) => return Ok(removed),
            // Else it might go on for ever.
            (117, Some(gone)) if gone.files >= before.files && gone.folders >= before.folders && gone != before => {
                before = gone;
                told(gone)?;
            }
            _ => return Err(session.out_of_order()),
        }
    }
}

/// How much is gone, if that is said.
fn counted(reply: &Reply<'_>) -> Result<Option<Removed>> {
    match reply.get("files").and(reply.get("folders")) {
        Some(_) => Ok(Some(Removed::new(reply.parsed("files")?, reply.parsed("folders")?))),
        None => Ok(None),
    }
}
