//! What ties a session to others of the same login: the tokens it gave out and the uploads it staged, which end with it, and what was begun
//! by other ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::tokens::Tokens;
use super::unfinished::Unfinished;
use crate::auth::Principal;
use crate::error::Result;
use crate::files::{Part, RelPath, Staged, StagedId};
use crate::machine::source::Origin;
use crate::secret::Secret;
use crate::server::desk::located_path::LocatedPath;
use crate::server::desk::registry::SessionId;
use crate::server::desk::staged_uploads::StagedUploads;
use crate::server::tenure::Tenure;

/// One session's share of both tables. Dropping it takes everything of the session out of them.
pub struct SessionResources {
    tokens: Arc<Tokens>,
    staged: Arc<StagedUploads>,
    session: SessionId,
    source: Origin,
    /// What was begun by other ways.
    unfinished: Option<Arc<dyn Unfinished>>,
    /// That of its connection: none in a session of its own.
    tenure: Option<Tenure>,
    /// Something of the session may be in the tables: most sessions never have anything there.
    used: AtomicBool,
}

impl SessionResources {
    /// Those of this session, whose client is at this source.
    pub fn new(tokens: Arc<Tokens>, staged: Arc<StagedUploads>, session: SessionId, source: Origin) -> Self {
        SessionResources {
            tokens,
            staged,
            session,
            source,
            unfinished: None,
            tenure: None,
            used: AtomicBool::new(false),
        }
    }

    /// These, of a session that may go on with what is unfinished there.
    pub fn going_on_with(mut self, unfinished: Arc<dyn Unfinished>) -> Self {
        self.unfinished = Some(unfinished);
        self
    }

    /// These, of a session whose connection has this.
    pub fn within(mut self, tenure: Tenure) -> Self {
        self.tenure = Some(tenure);
        self
    }

    /// What keeps the server from leaving its folders until something is written down that may come after the session.
    pub fn until_written(&self) -> Option<Tenure> {
        self.tenure.as_ref().map(Tenure::another)
    }

    /// [`Unfinished::put_away`].
    pub fn put_away(&self, user: &Principal, path: &RelPath) {
        if let Some(unfinished) = &self.unfinished {
            unfinished.put_away(user, path);
        }
    }

    /// What was begun by other ways, or is to be kept for those.
    pub fn unfinished(&self) -> Option<&Arc<dyn Unfinished>> {
        self.unfinished.as_ref()
    }

    /// [`Tokens::give`].
    pub fn tokens(&self, principal: &Principal, count: u32) -> Result<Vec<Secret>> {
        self.used.store(true, Ordering::Relaxed);
        self.tokens.give(principal, self.source, self.session, count, Instant::now())
    }

    /// Whether an upload of the session is staged.
    pub fn has_staged(&self) -> bool {
        self.used.load(Ordering::Relaxed) && self.staged.has_of(self.session)
    }

    /// [`StagedUploads::add`].
    pub fn stage(&self, user: &Principal, path: RelPath, upload: Box<dyn Staged>) -> Result<StagedId> {
        self.used.store(true, Ordering::Relaxed);
        self.staged.add(self.session, user, path, upload)
    }

    /// [`StagedUploads::part`].
    pub fn part(
        &self,
        id: StagedId,
        user: &Principal,
        offset: u64,
        length: u64,
    ) -> Result<(LocatedPath, Box<dyn Part>)> {
        self.staged.part(id, user, offset, length)
    }

    /// [`StagedUploads::take`].
    pub fn take(&self, id: StagedId) -> Result<(LocatedPath, Box<dyn Staged>)> {
        self.staged.take(id, self.session)
    }

    /// [`Tokens::forget_user`].
    pub fn void_tokens_of(&self, user: &str) {
        self.tokens.forget_user(user);
    }

    /// The client is gone: its tokens are void, and what it staged is put away to be resumed.
    pub fn hang_up(&self) {
        for upload in self.leave() {
            upload.keep();
        }
    }

    fn leave(&self) -> Vec<Box<dyn Staged>> {
        if !self.used.swap(false, Ordering::Relaxed) {
            return Vec::new();
        }
        self.tokens.forget(self.session);
        self.staged.leave(self.session)
    }
}

impl Drop for SessionResources {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
