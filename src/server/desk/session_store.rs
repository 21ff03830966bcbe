//! The store that a session works on: its user's home, with the folders that are shared with the user in it.

use std::sync::{Arc, Weak};

use super::leases::Leases;
use crate::auth::{Grants, Principal, SharedFolder};
use crate::error::{Kind, Result};
use crate::files::{Owner, Store, Vault};
use crate::store::{JoinedStore, Mount, Unusable};

/// Where a session's files are, and how more folders are opened when more are shared with its user.
pub struct SessionStore {
    /// Where folders are opened, and kept account of; none: there is only the home.
    place: Option<(Arc<dyn Vault>, Arc<Leases>)>,
    home: Arc<dyn Store>,
    /// None: nothing was ever shared with the user of the session.
    joined: Option<Arc<JoinedStore>>,
    /// All shared folders that were opened, also those of before: something that was begun there may be under way.
    opened: Vec<Weak<dyn Store>>,
    /// Whose what is put into shared folders is.
    owner: Option<Owner>,
}

impl From<Arc<dyn Store>> for SessionStore {
    /// A home alone, whatever the users file shares.
    fn from(home: Arc<dyn Store>) -> SessionStore {
        SessionStore { place: None, home, joined: None, opened: Vec::new(), owner: None }
    }
}

impl SessionStore {
    /// Opens those of this principal. A shared folder that cannot be opened shows, and says why to whoever looks into it.
    ///
    /// # Errors
    /// Those of opening the home.
    pub fn open(vault: Arc<dyn Vault>, leases: Arc<Leases>, principal: &Principal) -> Result<SessionStore> {
        let home = match principal.is_anonymous() {
            true => vault.open(principal.home(), principal.home_terms()),
            false => vault.open_for(principal.home(), principal.home_terms(), principal.name()),
        }?;
        let owner = principal.owner();
        let mounts = open_all((&*vault, &leases), principal.grants(), owner.as_ref());
        let opened = stores(&mounts).collect();
        let joined = (!mounts.is_empty()).then(|| Arc::new(JoinedStore::new(home.clone(), mounts)));
        Ok(SessionStore { place: Some((vault, leases)), home, joined, opened, owner })
    }

    /// All of it as one store.
    pub fn store(&self) -> Arc<dyn Store> {
        match &self.joined {
            Some(joined) => joined.clone(),
            None => self.home.clone(),
        }
    }

    /// The home is kept as this principal has it now, and what they put into shared folders counts so: what is under way included. Says
    /// whether it can be.
    pub fn keep_by(&mut self, principal: &Principal) -> bool {
        if !self.home.keep_by(principal.home_terms()) {
            return false;
        }
        let terms = principal.home_terms();
        self.opened.iter().filter_map(Weak::upgrade).for_each(|store| store.count_by(terms));
        self.owner = principal.owner();
        true
    }

    /// Other folders are shared with the user from now on. What was begun in the ones before can still be committed.
    pub fn share(&mut self, grants: &Grants) {
        let Some((vault, leases)) = &self.place else { return };
        let mounts = open_all((&**vault, leases), grants, self.owner.as_ref());
        self.opened.retain(|store| store.strong_count() > 0);
        self.opened.extend(stores(&mounts));
        self.joined = match &self.joined {
            Some(joined) => Some(Arc::new(joined.sharing(mounts))),
            None if mounts.is_empty() => None,
            None => Some(Arc::new(JoinedStore::new(self.home.clone(), mounts))),
        };
    }
}

/// Those of the folders that can be used.
fn stores(mounts: &[Mount]) -> impl Iterator<Item = Weak<dyn Store>> {
    mounts.iter().filter_map(|mount| mount.store.as_ref().ok()?.get()).map(|store| Arc::downgrade(&store))
}

fn open_all((vault, leases): (&dyn Vault, &Leases), grants: &Grants, owner: Option<&Owner>) -> Vec<Mount> {
    let opened = |folder: &SharedFolder| open(vault, folder, owner).map(|store| leases.begin(&folder.location, store));
    grants.folders.iter().map(|folder| Mount { at: folder.at.clone(), store: opened(folder) }).collect()
}

/// Opens a folder that is shared with somebody whose what they put there is.
///
/// # Errors
/// Why it cannot be used, without a word of where it is.
pub fn open(vault: &dyn Vault, folder: &SharedFolder, owner: Option<&Owner>) -> Result<Arc<dyn Store>, Unusable> {
    let opened = match owner {
        Some(owner) => vault.open_folder_for(&folder.location, folder.terms, owner),
        None => vault.open_folder(&folder.location, folder.terms),
    };
    opened.map_err(|error| {
        tracing::warn!(folder = folder.name, location = %folder.location, %error, "a shared folder cannot be opened");
        // Where it is on the machine is not for its users. It is there all the same: whoever synchronises would take what is missing, or
        // may not be seen, for removed.
        Unusable {
            kind: Kind::Unavailable,
            text: "this shared folder cannot be used now; the server's log says why".to_owned(),
        }
    })
}
