//! The uploads in parts of all sessions: one session stages, any session of the same user sends parts, the first
//! commits.

use std::collections::HashMap;
use std::sync::Arc;

use super::located_path::LocatedPath;
use super::registry::SessionId;
use crate::auth::Principal;
use crate::error::{Error, Kind, Result};
use crate::files::{Part, RelPath, Staged, StagedId};
use crate::limits;
use crate::random;
use crate::sync::{Mutex, MutexGuard};

/// All of them, by their ids.
#[derive(Default)]
pub struct StagedUploads(Mutex<HashMap<StagedId, Entry>>);

struct Entry {
    session: SessionId,
    user: Principal,
    located: LocatedPath,
    /// Locked apart from the table: beginning a part may wait for the disk. `None` once it was taken out.
    upload: Slot,
}

type Slot = Arc<Mutex<Option<Box<dyn Staged>>>>;

impl StagedUploads {
    /// Keeps an upload for this session and its user.
    ///
    /// # Errors
    /// [`Kind::TooMany`] beyond [`limits::STAGED_PER_SESSION`] and [`limits::STAGED_MAX`]; [`Kind::Internal`] without
    /// random numbers.
    pub fn add(
        &self,
        session: SessionId,
        user: &Principal,
        path: RelPath,
        upload: Box<dyn Staged>,
    ) -> Result<StagedId> {
        let id = random::number()?;
        let id = StagedId::new(id);
        let upload = Arc::new(Mutex::new(Some(upload)));
        let entry = Entry { session, user: user.clone(), located: LocatedPath::new(path, user.grants()), upload };
        let mut all = self.lock();
        let own = all.values().filter(|entry| entry.session == session).count();
        if own >= limits::STAGED_PER_SESSION || all.len() >= limits::STAGED_MAX || all.contains_key(&id) {
            // Removing a file is not done under the lock.
            drop(all);
            drop(entry);
            return Err(Error::new(Kind::TooMany, "too many uploads are staged already"));
        }
        all.insert(id, entry);
        Ok(id)
    }

    /// Begins a part, for any session of the user who staged the upload; with the spot it is for.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for what is somebody else's; those of [`Staged::part`].
    pub fn part(
        &self,
        id: StagedId,
        user: &Principal,
        offset: u64,
        length: u64,
    ) -> Result<(LocatedPath, Box<dyn Part>)> {
        let (located, slot) = {
            let all = self.lock();
            let entry = all.get(&id).filter(|entry| entry.user.is_same_user(user)).ok_or_else(|| missing(id))?;
            (entry.located.clone(), Arc::clone(&entry.upload))
        };
        let upload = slot.lock();
        Ok((located, upload.as_ref().ok_or_else(|| missing(id))?.part(offset, length)?))
    }

    /// Takes an upload out, for the session that staged it alone.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for what is another session's.
    pub fn take(&self, id: StagedId, session: SessionId) -> Result<(LocatedPath, Box<dyn Staged>)> {
        let entry = {
            let mut all = self.lock();
            if all.get(&id).is_none_or(|entry| entry.session != session) {
                return Err(missing(id));
            }
            all.remove(&id).ok_or_else(|| missing(id))?
        };
        let upload = entry.upload.lock().take().ok_or_else(|| missing(id))?;
        Ok((entry.located, upload))
    }

    /// Whether this session has staged something.
    pub fn has_of(&self, session: SessionId) -> bool {
        self.lock().values().any(|entry| entry.session == session)
    }

    /// Takes out all that this session has staged.
    pub fn leave(&self, session: SessionId) -> Vec<Box<dyn Staged>> {
        let own: Vec<_> = self.lock().extract_if(|_, entry| entry.session == session).collect();
        own.iter().filter_map(|(_, entry)| entry.upload.lock().take()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StagedId, Entry>> {
        self.0.lock()
    }
}

fn missing(id: StagedId) -> Error {
    Error::new(Kind::NotFound, format!("{id}: no upload of yours is staged under this id"))
}
