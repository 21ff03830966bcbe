//! At start: what a server that was killed left in the homes goes, and so do interrupted uploads nobody went on with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_std::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

use crate::auth::Users;
use crate::files::{Location, Swept, Vault};
use crate::limits;

/// Sweeps every home in the background, so that a start waits for none of it. Sessions may begin meanwhile: what is
/// theirs is locked, and a sweep leaves it alone.
pub fn begin(vault: Arc<dyn Vault>, users: Arc<Users>) -> JoinHandle<()> {
    spawn_blocking(move || sweep_all(&*vault, &users))
}

fn sweep_all(vault: &dyn Vault, users: &Users) {
    let mut names = vault.names().unwrap_or_else(|error| {
        warn!(%error, "cannot look for the homes of former users");
        BTreeSet::new()
    });
    // Those further down, such as `team/alice`.
    names.extend(users.iter().map(|user| user.grants().home.clone()));
    names.extend(users.anonymous_home().map(str::to_owned));
    let shared = users.shares().folders().iter().filter_map(|folder| match folder.location() {
        Location::Below(name) => Some((name, folder.quota())),
        Location::Elsewhere(_) => None,
    });
    names.extend(shared.clone().map(|(name, _)| name.clone()));
    let homes = users.iter().map(|user| (&user.grants().home, user.grants().quota));
    let bounded = homes.chain(shared).filter(|(_, quota)| quota.is_some()).map(|(name, _)| Path::new(name));
    let bounded: BTreeSet<&Path> = bounded.collect();
    let mut all = Swept::default();
    for home in &names {
        let bounded = Path::new(home).ancestors().any(|above| bounded.contains(above));
        // Interrupted uploads are not counted: where that matters there are none.
        match vault.sweep(home, (!bounded).then_some(limits::PARTIAL_MAX_AGE)) {
            Ok(swept) => {
                all.removed += swept.removed;
                all.saved += swept.saved;
            }
            Err(error) => warn!(home, %error, "cannot be swept"),
        }
    }
    for folder in users.shares().folders() {
        // What nobody changes has nothing left over in it.
        if matches!(folder.location(), Location::Elsewhere(_)) && folder.is_changed() {
            match vault.sweep_folder(folder.location(), folder.quota().is_none().then_some(limits::PARTIAL_MAX_AGE)) {
                Ok(swept) => {
                    all.removed += swept.removed;
                    all.saved += swept.saved;
                }
                Err(error) => warn!(folder = folder.name(), %error, "cannot be swept"),
            }
        }
    }
    info!(target: "sealift::server::start", homes = names.len(), removed = all.removed, saved = all.saved, "swept");
}
