//! The shared folders that sessions have open: whoever idles has them open, too, and a folder that is shared no more is let go of all the
//! same, so that what is mounted there can be unmounted.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::current_users::CurrentUsers;
use crate::auth::Users;
use crate::files::{Location, Store, Vault};
use crate::limits;
use crate::store::{Lease, WeakLease};
use crate::sync::Mutex;

/// Those of one server.
#[derive(Default)]
pub struct Leases(Mutex<HashMap<Location, Of>>);

/// Those of one folder.
#[derive(Default)]
struct Of {
    all: Vec<WeakLease>,
    /// So many are looked through for those that are over.
    look_at: usize,
}

impl Leases {
    /// A session has this folder from now on.
    pub fn begin(&self, folder: &Location, store: Arc<dyn Store>) -> Lease {
        let lease = Lease::of(store);
        let mut leases = self.0.lock();
        let of = leases.entry(folder.clone()).or_default();
        if of.all.len() >= of.look_at {
            of.all.retain(|lease| !lease.is_over());
            // Each is looked at as often as others come, however many there are.
            of.look_at = of.all.len() * 2 + limits::LEASES_LOOK;
        }
        of.all.push(lease.weak());
        lease
    }

    /// Takes this folder back from all.
    fn end(&self, folder: &Location) -> Vec<Arc<dyn Store>> {
        let of = self.0.lock().remove(folder);
        of.into_iter().flat_map(|of| of.all).filter_map(|lease| lease.end()).collect()
    }
}

/// What is done about folders that are shared no more.
pub struct LetGo {
    leases: Arc<Leases>,
    vault: Arc<dyn Vault>,
    shared: Mutex<BTreeSet<Location>>,
}

fn locations(users: &Users) -> BTreeSet<Location> {
    users.shares().folders().iter().map(|folder| folder.location().clone()).collect()
}

impl LetGo {
    /// Of these, which are in force.
    pub fn new(leases: Arc<Leases>, vault: Arc<dyn Vault>, users: &Users) -> LetGo {
        LetGo { leases, vault, shared: Mutex::new(locations(users)) }
    }

    /// These are in force: lets go of what they share no more, on a thread of its own, since what is there may hang.
    pub fn tell(self: &Arc<Self>, users: &Users, latest: &Arc<CurrentUsers>) {
        let now = locations(users);
        let before = std::mem::replace(&mut *self.shared.lock(), now.clone());
        let gone: Vec<Location> = before.difference(&now).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let (all, latest) = (Arc::clone(self), Arc::clone(latest));
        let letting_go = move || {
            all.end(&gone);
            // Whoever came in by the users of before was maybe still opening it.
            std::thread::sleep(limits::LET_GO_AGAIN);
            let again = locations(&latest.latest());
            all.end(&gone.into_iter().filter(|folder| !again.contains(folder)).collect::<Vec<_>>());
        };
        if let Err(error) = std::thread::Builder::new().name("let go".to_owned()).spawn(letting_go) {
            tracing::warn!(%error, "folders that are shared no more stay open until the sessions that had them end");
        }
    }

    fn end(&self, gone: &[Location]) {
        for folder in gone {
            drop(self.leases.end(folder));
        }
        self.vault.let_go(gone);
    }
}
