//! Room in a link that files are put in by. What is to come takes its room before a byte of it is stored, and on the disk before it gets to
//! its place; what did not come gives it back.

use std::fmt;
use std::sync::Arc;

use crate::auth::{InboxBounds, Link, Links};
use crate::error::{Kind, Result};
use crate::machine::source::Source;
use crate::machine::turns::Turns;
use crate::server::tenure::Tenure;

/// Files and bytes of a link's bounds that are taken. What was not used of them is given back when it is dropped.
pub struct InboxRoom {
    links: Arc<Links>,
    link: Arc<Link>,
    /// Where the disk may let one wait, and as whom.
    threads: (Arc<Turns>, Source),
    files: u32,
    bytes: u64,
    /// It counts as used, on the disk.
    is_counted: bool,
    /// Until it is written down what was not used of it: only where it is counted something is.
    tenure: Option<Tenure>,
}

impl InboxRoom {
    /// Takes room for so many files, and so many bytes; the disk is waited for on these threads.
    ///
    /// # Errors
    /// [`Kind::Quota`] if there is not so much; [`Kind::LoginFailed`] if the link is over.
    pub fn take(
        threads: (Arc<Turns>, Source),
        (links, link): (Arc<Links>, Arc<Link>),
        bounds: InboxBounds,
        (files, bytes): (u32, u64),
    ) -> Result<InboxRoom> {
        links.expect(&link, bounds, (files, bytes))?;
        Ok(InboxRoom { links, link, threads, files, bytes, is_counted: false, tenure: None })
    }

    /// This room, which keeps the server from leaving its folders, once it is counted, until it is written down what was not used of it.
    pub fn within(mut self, tenure: Option<Tenure>) -> InboxRoom {
        self.tenure = tenure;
        self
    }

    /// So many of its bytes are the other's from now on. Neither is counted yet.
    pub fn hand_over(&mut self, bytes: u64, other: &mut InboxRoom) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        other.bytes = other.bytes.saturating_add(bytes);
    }

    /// What it is for is all there, and about to get to its place: it counts as used from now on, also for another start of the server.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if the link is over; those of the disk.
    pub async fn count(mut self) -> Result<InboxRoom> {
        let (threads, source) = self.threads.clone();
        // Made there: whoever waits for it may have left, and then it is given back.
        threads.run(&source, move || self.count_now().map(|()| self)).await?
    }

    /// Counts it as used from now on, as [`InboxRoom::count`] does, here and now. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// As [`InboxRoom::count`].
    pub fn count_now(&mut self) -> Result<()> {
        if !self.is_counted {
            self.links.count_as_come(&self.link, (self.files, self.bytes))?;
            self.is_counted = true;
        }
        Ok(())
    }

    /// One of its files has come, with so many of its bytes: they stay taken.
    pub fn used(&mut self, bytes: u64) {
        self.files = self.files.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Gives back what was not used of it. Blocks for as long as the disk takes.
    pub fn give_back_now(mut self) {
        if let Some((giving, _)) = self.giving_back() {
            giving();
        }
    }

    /// Nothing of it is left to be given back from now on but by this, which waits for the disk, and where it may; none: nothing was, or
    /// the disk has nothing of it.
    fn giving_back(&mut self) -> Option<(impl FnOnce() + Send + use<>, (Arc<Turns>, Source))> {
        let not_come = (std::mem::take(&mut self.files), std::mem::take(&mut self.bytes));
        if not_come == (0, 0) {
            return None;
        }
        if !self.is_counted {
            self.links.expect_no_more(&self.link, not_come);
            return None;
        }
        let (links, link) = (self.links.clone(), self.link.clone());
        let give_back = move || match links.count_as_lost(&link, not_come) {
            Ok(()) => {}
            // It is over: nothing of it is given any more.
            Err(error) if error.kind() == Kind::LoginFailed => {}
            // What cannot be written down stays taken: never more comes than may.
            Err(error) => tracing::warn!(%error, link = link.name, "a file that did not come counts as one"),
        };
        Some((give_back, self.threads.clone()))
    }
}

impl fmt::Debug for InboxRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InboxRoom { files, bytes, is_counted, .. } = self;
        let mut told = f.debug_struct("InboxRoom");
        told.field("files", files).field("bytes", bytes).field("is_counted", is_counted).finish_non_exhaustive()
    }
}

impl Drop for InboxRoom {
    /// The disk is waited for elsewhere.
    fn drop(&mut self) {
        let tenure = self.tenure.take();
        if let Some((giving, (threads, source))) = self.giving_back() {
            async_std::task::spawn(async move {
                let _the_server_is_going = threads.run(&source, giving).await;
                drop(tenure);
            });
        }
    }
}
