//! Room in a link that files are put in by. What is to come takes its room before a byte of it is stored, on the disk; what did not come
//! gives it back.

use std::fmt;
use std::sync::Arc;

use crate::auth::{InboxBounds, Link, LinkUse, Links};
use crate::error::{Error, Kind, Result};
use crate::machine::source::Source;
use crate::machine::turns::Turns;

/// Files and bytes of a link's bounds that are taken. What was not used of them is given back when it is dropped.
pub struct InboxRoom {
    links: Arc<Links>,
    link: Arc<Link>,
    /// Where the disk may let one wait, and as whom.
    threads: (Arc<Turns>, Source),
    files: u32,
    bytes: u64,
}

impl InboxRoom {
    /// Takes room for so many files, and so many bytes, on these threads.
    ///
    /// # Errors
    /// [`Kind::NoSpace`] if there is not so much; [`Kind::LoginFailed`] if the link is over; those of the disk.
    pub async fn take(
        threads: (Arc<Turns>, Source),
        of: (Arc<Links>, Arc<Link>),
        bounds: InboxBounds,
        wanted: (u32, u64),
    ) -> Result<InboxRoom> {
        let (turns, source) = threads.clone();
        // Made there: whoever waits for it may have left, and then it is given back.
        turns.run(&source, move || InboxRoom::take_now(threads, of, bounds, wanted)).await?
    }

    /// The same here. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// As [`InboxRoom::take`].
    pub fn take_now(
        threads: (Arc<Turns>, Source),
        (links, link): (Arc<Links>, Arc<Link>),
        bounds: InboxBounds,
        (files, bytes): (u32, u64),
    ) -> Result<InboxRoom> {
        let mut is_full = false;
        let taken = links.take(&link, |used| {
            let sum =
                LinkUse { files: used.files.saturating_add(files), bytes: used.bytes.saturating_add(bytes), ..used };
            is_full = sum.files > bounds.files || sum.bytes > bounds.bytes;
            (!is_full).then_some(sum)
        });
        match taken {
            Ok(()) => Ok(InboxRoom { links, link, threads, files, bytes }),
            Err(_) if is_full => Err(Error::new(Kind::Quota, "this link takes no more")),
            Err(error) => Err(error),
        }
    }

    /// So many of its bytes are the other's from now on.
    pub fn hand_over(&mut self, bytes: u64, other: &mut InboxRoom) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        other.bytes = other.bytes.saturating_add(bytes);
    }

    /// One of its files has come, with so many of its bytes: they stay taken.
    pub fn used(&mut self, bytes: u64) {
        self.files = self.files.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl InboxRoom {
    /// Gives back what was not used of it, on the disk too when this returns.
    pub async fn give_back(mut self) {
        if let Some(giving) = self.giving_back() {
            giving.await;
        }
    }

    /// The same here. Blocks for as long as the disk takes.
    pub fn give_back_now(mut self) {
        if let Some((giving, _)) = self.giving_back_here() {
            giving();
        }
    }

    /// Nothing of it is left to be given back from now on but by this; none: nothing was.
    fn giving_back(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (giving, (threads, source)) = self.giving_back_here()?;
        Some(async move {
            let _the_server_is_going = threads.run(&source, giving).await;
        })
    }

    /// The same as work that blocks, and where it may.
    fn giving_back_here(&mut self) -> Option<(impl FnOnce() + Send + use<>, (Arc<Turns>, Source))> {
        let (files, bytes) = (std::mem::take(&mut self.files), std::mem::take(&mut self.bytes));
        if (files, bytes) == (0, 0) {
            return None;
        }
        let (links, link) = (self.links.clone(), self.link.clone());
        let give_back = move || {
            let given = links.take(&link, |used| {
                Some(LinkUse {
                    files: used.files.saturating_sub(files),
                    bytes: used.bytes.saturating_sub(bytes),
                    ..used
                })
            });
            match given {
                Ok(()) => {}
                // It is over: nothing of it is given any more.
                Err(error) if error.kind() == Kind::LoginFailed => {}
                // What cannot be written down stays taken: never more comes than may.
                Err(error) => tracing::warn!(%error, link = link.name, "a file that did not come counts as one"),
            }
        };
        Some((give_back, self.threads.clone()))
    }
}

impl fmt::Debug for InboxRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InboxRoom { files, bytes, .. } = self;
        f.debug_struct("InboxRoom").field("files", files).field("bytes", bytes).finish_non_exhaustive()
    }
}

impl Drop for InboxRoom {
    /// The disk is waited for elsewhere.
    fn drop(&mut self) {
        if let Some(giving) = self.giving_back() {
            async_std::task::spawn(giving);
        }
    }
}
