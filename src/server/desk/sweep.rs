//! At start: what a server that was killed left in the homes goes, and so do interrupted uploads nobody went on with.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_std::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

use super::homes::Homes;
use crate::auth::Users;
use crate::store::Swept;

/// Sweeps every home in the background, so that a start waits for none of it. Sessions may begin meanwhile: what is
/// theirs is locked, and a sweep leaves it alone.
pub fn begin(homes: Arc<Homes>, users: Arc<Users>) -> JoinHandle<()> {
    spawn_blocking(move || sweep_all(&homes, &users))
}

fn sweep_all(homes: &Homes, users: &Users) {
    let mut names = homes.names().unwrap_or_else(|error| {
        warn!(%error, "cannot look for the homes of former users");
        BTreeSet::new()
    });
    // Those further down, such as `team/alice`.
    names.extend(users.iter().map(|user| user.home().to_owned()));
    names.extend(users.anonymous_home().map(str::to_owned));
    let bounded = users.iter().filter(|user| user.quota().is_some()).map(|user| Path::new(user.home()));
    let bounded: BTreeSet<&Path> = bounded.collect();
    let mut all = Swept::default();
    for home in &names {
        let bounded = Path::new(home).ancestors().any(|above| bounded.contains(above));
        match homes.sweep(home, bounded) {
            Ok(swept) => {
                all.removed += swept.removed;
                all.saved += swept.saved;
            }
            Err(error) => warn!(home, %error, "cannot be swept"),
        }
    }
    info!(target: "sealift::server::start", homes = names.len(), removed = all.removed, saved = all.saved, "swept");
}
