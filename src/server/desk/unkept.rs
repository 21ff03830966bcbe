//! Users and shared folders that were given something while the server runs which its storage does not keep: nobody enters there
//! until it is taken away, and the log says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::auth::Users;
use crate::files::{Location, Vault};
use crate::sync::Mutex;

/// What of that is known.
pub struct Unkept {
    vault: Arc<dyn Vault>,
    told: Mutex<BTreeSet<String>>,
}

impl Unkept {
    /// Of this storage.
    pub fn new(vault: Arc<dyn Vault>) -> Unkept {
        Unkept { vault, told: Mutex::default() }
    }

    /// Says in the log what there is of it among these users, each once for as long as it is so.
    pub fn tell(&self, users: &Users) {
        let found: BTreeSet<String> = self.look(users).collect();
        let mut told = self.told.lock();
        for what in found.difference(&told) {
            tracing::warn!("{what}: nobody enters there until that is removed");
        }
        *told = found;
    }

    fn look<'a>(&'a self, users: &'a Users) -> impl Iterator<Item = String> + 'a {
        let of_users = users.iter().flat_map(|user| {
            let grants = user.grants();
            let each = self.vault.unkept(&Location::Below(grants.home.clone()), &grants.terms);
            each.into_iter().map(move |what| format!("{} {what}", user.name()))
        });
        let of_folders = users.shares().folders().iter().flat_map(|folder| {
            let each = self.vault.unkept(folder.location(), &folder.terms());
            each.into_iter().map(move |what| format!("the shared folder {} {what}", folder.name()))
        });
        of_users.chain(of_folders)
    }
}
