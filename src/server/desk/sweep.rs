//! At the start and now and then: what a server that was killed left in the homes goes, and so do interrupted uploads nobody went
//! on with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::channel::{Receiver, bounded};
use async_std::future::{pending, timeout};
use async_std::task::{JoinHandle, sleep, spawn, spawn_blocking};
use futures::FutureExt as _;
use futures::future::{Either, select};
use tracing::{info, warn};

use super::registry::Registry;
use crate::auth::{Clock, StateFolder, Users};
use crate::error::{Error, Kind};
use crate::files::{HomeTerms, Location, NodePlace, Swept, Vault};
use crate::limits;

/// Sweeps every home in the background, so that a start waits for none of it, and again after each pause until the server stops. What is
/// under way then ends between two homes, and so does what this gives back. Sessions go on meanwhile: what is theirs is locked, and a sweep
/// leaves it alone. `users` says who there is, and whether so many are gone that it may be a mistake. `state` is where the server keeps
/// what is its own, if it does.
pub fn begin(
    (vault, state): (Arc<dyn Vault>, Option<StateFolder>),
    users: impl Fn() -> (Arc<Users>, bool) + Send + 'static,
    registry: Arc<Registry>,
    (pause, died): (Duration, Receiver<()>),
) -> JoinHandle<()> {
    let clock = state.as_ref().map(|state| state.clock().clone()).unwrap_or_default();
    spawn(async move {
        let mut after_a_death = false;
        loop {
            if !know_the_time(&*vault, &registry).await {
                return;
            }
            let (vault, state, clock, (users, are_missed)) = (vault.clone(), state.clone(), clock.clone(), users());
            let at_stop = registry.clone();
            let sweeping = move || {
                state.iter().for_each(sweep_state);
                sweep_all(&*vault, &users, &clock, &|| !at_stop.is_stopping());
                if at_stop.is_stopping() {
                    return;
                }
                // Whose users are gone goes by the second sweep, and that is to be one of long after the first.
                for error in users.sweep_links(are_missed || after_a_death) {
                    warn!(%error, "a link that is over stays where it was");
                }
                clock.remember();
            };
            spawn_blocking(sweeping).await;
            let another_died = async {
                if died.recv().await.is_err() {
                    // Nobody looks for that.
                    pending::<()>().await;
                }
            };
            let woken = timeout(pause, select(registry.stopping().boxed(), another_died.boxed())).await;
            after_a_death = match woken {
                Ok(Either::Left(_)) => return,
                Ok(Either::Right(_)) => true,
                Err(_) => false,
            };
        }
    })
}

/// Tells others in the background that this server lives, where that has to be done, for as long as somebody has the vault: while it
/// ends, too. What comes is that another one has died, and is to be swept after. Where another one is in its place the server stops.
pub fn begin_beats(vault: &Arc<dyn Vault>, registry: Arc<Registry>) -> Receiver<()> {
    let vault = Arc::downgrade(vault);
    let (tell, told) = bounded(1);
    spawn(async move {
        let mut failing = false;
        while let Some((vault, pause)) = vault.upgrade().and_then(|vault| vault.beats().map(|pause| (vault, pause))) {
            let beaten = spawn_blocking(move || vault.beat()).await;
            match &beaten {
                Err(error) if error.kind() == Kind::Busy => {
                    if !registry.is_stopping() {
                        warn!(%error, "this server stops");
                        registry.stop();
                    }
                }
                Err(error) if !failing => warn!(%error, "other servers cannot be told that this one lives"),
                Ok(_) | Err(_) => {}
            }
            failing = beaten.is_err();
            if beaten.unwrap_or(false) {
                // If one is told already, that sweep is to come.
                let _ = tell.try_send(());
            }
            sleep(pause).await;
        }
    });
    told
}

/// Waits until it is known whether something is old, or long enough. Whether the server goes on.
async fn know_the_time(vault: &dyn Vault, registry: &Registry) -> bool {
    let begun = Instant::now();
    while vault.knows_the_time().is_none() && begun.elapsed() < limits::CLOCKS_WAIT {
        if timeout(limits::COHERENCE_LOOK, registry.stopping()).await.is_ok() {
            return false;
        }
    }
    true
}

/// As long as the server goes on.
fn sweep_all(vault: &dyn Vault, users: &Users, clock: &Clock, goes_on: &dyn Fn() -> bool) {
    let mut names = vault.names().unwrap_or_else(|error| {
        warn!(%error, "cannot look for the homes of former users");
        BTreeSet::new()
    });
    // Those further down, such as `team/alice`.
    names.extend(users.iter().map(|user| user.grants().home.clone()));
    names.extend(users.anonymous_home().map(str::to_owned));
    let shared = users.shares().folders().iter().filter_map(|folder| match folder.location() {
        Location::Below(name) => Some((name, is_bounded(folder.terms()))),
        Location::Elsewhere(_) => None,
    });
    names.extend(shared.clone().map(|(name, _)| name.clone()));
    let homes = users.iter().map(|user| (&user.grants().home, is_bounded(user.grants().terms)));
    let bounded = homes.chain(shared).filter(|(_, is_bounded)| *is_bounded).map(|(name, _)| Path::new(name));
    let bounded: BTreeSet<&Path> = bounded.collect();
    // Where interrupted uploads are not counted there are none if that matters.
    let max_age = |is_bounded: bool| (!is_bounded || vault.counts_interrupted()).then(|| old_by(clock));
    let mut all = Swept::default();
    for home in &names {
        if !goes_on() {
            return;
        }
        let bounded = Path::new(home).ancestors().any(|above| bounded.contains(above));
        match vault.sweep(home, max_age(bounded)) {
            Ok(swept) => {
                all.removed += swept.removed;
                all.saved += swept.saved;
            }
            Err(error) if is_all_over(vault, &error) => return,
            Err(_) if !goes_on() => return,
            Err(error) => warn!(home, %error, "cannot be swept"),
        }
    }
    for folder in users.shares().folders() {
        if !goes_on() {
            return;
        }
        // What nobody changes has nothing left over in it.
        if matches!(folder.location(), Location::Elsewhere(_)) && folder.is_changed() {
            match vault.sweep_folder(folder.location(), max_age(is_bounded(folder.terms()))) {
                Ok(swept) => {
                    all.removed += swept.removed;
                    all.saved += swept.saved;
                }
                Err(error) if is_all_over(vault, &error) => return,
                Err(_) if !goes_on() => return,
                Err(error) => warn!(folder = folder.name(), %error, "cannot be swept"),
            }
        }
    }
    let trash = sweep_trash(vault, users, clock, goes_on);
    info!(target: "sealift::server::start", homes = names.len(), removed = all.removed, saved = all.saved, trash, "swept");
}

/// How old an interrupted upload is that goes: by a clock that may be wrong nothing is old enough.
fn old_by(clock: &Clock) -> Duration {
    if clock.is_believed() { limits::PARTIAL_MAX_AGE } else { Duration::MAX }
}

/// What commands and servers that were killed left of what they wrote.
fn sweep_state(state: &StateFolder) {
    match state.sweep_left() {
        Ok(0) => {}
        Ok(files) => info!(files, "removed what was being written of the server's own state by who was killed"),
        Err(error) => warn!(%error, "what was being written of the server's own state by who was killed stays"),
    }
}

/// Whether this is one of several servers that has lost its place: then the log has it once, and not for each home.
fn is_all_over(vault: &dyn Vault, error: &Error) -> bool {
    let is_lost = vault.node_place() == Some(NodePlace::Lost);
    if is_lost {
        warn!(%error, "nothing more is swept");
    }
    is_lost
}

/// Whether somebody counts what is there.
fn is_bounded(terms: HomeTerms) -> bool {
    terms.quota.is_some() || terms.quota_files.is_some()
}

/// What was deleted or replaced goes for good when it is older than what is said of its folder; of several that say something the
/// longest time counts. Where nothing is kept any more, what is there stays until somebody empties it; and so does everything as long as the
/// clock may be wrong.
fn sweep_trash(vault: &dyn Vault, users: &Users, clock: &Clock, goes_on: &dyn Fn() -> bool) -> usize {
    let mut ages: BTreeMap<Location, Duration> = BTreeMap::new();
    let homes = users.iter().map(|user| (Location::Below(user.grants().home.clone()), user.grants().terms.trash));
    let folders = users.shares().folders().iter().map(|folder| (folder.location().clone(), folder.terms().trash));
    for (place, age) in homes.chain(folders) {
        if let Some(age) = age {
            let known = ages.entry(place).or_insert(age);
            *known = age.max(*known);
        }
    }
    let mut gone = 0;
    for (place, age) in ages.iter().filter(|_| clock.is_believed()) {
        if !goes_on() {
            return gone;
        }
        match vault.sweep_trash(place, *age) {
            Ok(some) => gone += some,
            Err(error) if is_all_over(vault, &error) => return gone,
            Err(_) if !goes_on() => return gone,
            Err(error) => warn!(folder = %place, %error, "the trash cannot be swept"),
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use async_std::channel::Sender;
    use async_std::task::block_on;

    use super::*;
    use crate::error::Result;
    use crate::files::{Durability, Store};
    use crate::store::LocalVault;
    use crate::sync::Mutex;

    #[test]
    fn what_is_left_over_goes_while_the_server_runs_and_what_is_young_stays() {
        let place = tempfile::tempdir().unwrap();
        let vault = Arc::new(LocalVault::open(place.path(), Durability::None).unwrap());
        let states = tempfile::tempdir().unwrap();
        let state = StateFolder::open(states.path()).unwrap();
        let staging = place.path().join("alice").join(limits::RESERVED_NAME);
        fs::create_dir_all(&staging).unwrap();
        let users = Arc::new(Users::parse("", "users.toml").unwrap());
        let registry = Registry::new();
        let sweeping = begin(
            (vault, Some(state)),
            move || (users.clone(), false),
            registry.clone(),
            (Duration::from_millis(10), bounded(1).1),
        );
        let plant = |name: &str, age: Duration| {
            let path = staging.join(name);
            File::create(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            path
        };
        let young = plant("p-0000000000000001", Duration::ZERO);
        // More than the sweep of the start can have seen.
        for _ in 0..3 {
            let old = plant("p-0000000000000002", limits::PARTIAL_MAX_AGE + Duration::from_secs(60));
            let tries = (0..6_000).find(|_| {
                std::thread::sleep(Duration::from_millis(10));
                !old.exists()
            });
            assert!(tries.is_some(), "it was not swept within a minute");
            // Of a command that was killed while the server ran.
            let left = states.path().join("invitations/.0123456789abcdef.toml.0123456789abcdef.new");
            File::create(&left).unwrap();
            let tries = (0..6_000).find(|_| {
                std::thread::sleep(Duration::from_millis(10));
                !left.exists()
            });
            assert!(tries.is_some(), "it was not swept within a minute");
        }
        assert!(young.exists());
        registry.stop();
        block_on(sweeping);
    }

    /// One of several servers, which has not heard all of the others yet.
    struct Unsure {
        /// How often it was asked.
        asked: AtomicUsize,
        /// How often it had been when something was swept.
        swept: Sender<usize>,
    }

    /// One of several servers, which has lost its place. It counts how often it was to sweep something.
    struct Lost(AtomicUsize);

    impl Vault for Lost {
        fn open(&self, home: &str, _: HomeTerms) -> Result<Arc<dyn Store>> {
            Err(Error::new(Kind::NotFound, home))
        }

        fn prepare(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn names(&self) -> Result<BTreeSet<String>> {
            Ok(["alice", "bob", "carol"].map(str::to_owned).into())
        }

        fn node_place(&self) -> Option<NodePlace> {
            Some(NodePlace::Lost)
        }

        fn sweep(&self, home: &str, _: Option<Duration>) -> Result<Swept> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(Kind::Io, home))
        }
    }

    #[test]
    fn one_that_has_lost_its_place_is_told_so_once_and_not_for_each_home() {
        let vault = Lost(AtomicUsize::new(0));
        sweep_all(&vault, &Users::parse("", "users.toml").unwrap(), &Clock::default(), &|| true);
        assert_eq!(vault.0.into_inner(), 1);
    }

    /// One whose server is told to stop while the first home is swept. It counts what is swept.
    struct Stopping(Arc<Registry>, AtomicUsize);

    impl Vault for Stopping {
        fn open(&self, home: &str, _: HomeTerms) -> Result<Arc<dyn Store>> {
            Err(Error::new(Kind::NotFound, home))
        }

        fn prepare(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn names(&self) -> Result<BTreeSet<String>> {
            Ok(["alice", "bob", "carol"].map(str::to_owned).into())
        }

        fn sweep(&self, _: &str, _: Option<Duration>) -> Result<Swept> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.stop();
            Ok(Swept::default())
        }
    }

    #[test]
    fn a_sweep_that_is_under_way_when_the_server_stops_ends_before_the_next_home() {
        let registry = Registry::new();
        let vault = Arc::new(Stopping(registry.clone(), AtomicUsize::new(0)));
        let users = Arc::new(Users::parse("", "users.toml").unwrap());
        let when = (limits::DAY, bounded(1).1);
        block_on(begin((vault.clone(), None), move || (users.clone(), false), registry, when));
        assert_eq!(vault.1.load(Ordering::Relaxed), 1);
    }

    /// It keeps how old what it sweeps has to be.
    #[derive(Default)]
    struct Asked(Mutex<(Vec<Option<Duration>>, Vec<Duration>)>);

    impl Vault for Asked {
        fn open(&self, home: &str, _: HomeTerms) -> Result<Arc<dyn Store>> {
            Err(Error::new(Kind::NotFound, home))
        }

        fn prepare(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn names(&self) -> Result<BTreeSet<String>> {
            Ok(BTreeSet::new())
        }

        fn sweep(&self, _: &str, max_age: Option<Duration>) -> Result<Swept> {
            self.0.lock().0.push(max_age);
            Ok(Swept::default())
        }

        fn sweep_trash(&self, _: &Location, max_age: Duration) -> Result<usize> {
            self.0.lock().1.push(max_age);
            Ok(0)
        }
    }

    #[test]
    fn nothing_goes_by_its_age_after_a_start_with_a_clock_that_is_weeks_ahead() {
        let place = tempfile::tempdir().unwrap();
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let users = |bound| format!("[users.alice]\npassword = \"{hash}\"\ntrash = \"30d\"\n{bound}");
        let swept = |bound| {
            let (vault, state) = (Asked::default(), StateFolder::open(place.path()).unwrap());
            let users = Users::parse(&users(bound), "users.toml").unwrap();
            sweep_all(&vault, &users, state.clock(), &|| true);
            state.clock().remember();
            vault.0.into_inner()
        };
        let (day, as_ever) = (limits::DAY, (vec![Some(limits::PARTIAL_MAX_AGE)], vec![30 * limits::DAY]));
        assert_eq!(swept(""), as_ever);
        let file = place.path().join("clock");
        let shown: u64 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        // As if it were right and is 40 days ahead now.
        fs::write(&file, (shown - 40 * day.as_secs()).to_string()).unwrap();
        assert_eq!(swept(""), (vec![Some(Duration::MAX)], vec![]));
        assert_eq!(swept("quota = \"1 GiB\"\n"), (vec![None], vec![]), "what goes there goes at any age");
        // It is set right before the next start.
        fs::write(&file, shown.to_string()).unwrap();
        assert_eq!(swept(""), as_ever);
    }

    /// How often it says that it does not know.
    const UNKNOWN: usize = 3;

    impl Vault for Unsure {
        fn open(&self, home: &str, _: HomeTerms) -> Result<Arc<dyn Store>> {
            Err(Error::new(Kind::NotFound, home))
        }

        fn prepare(&self, _: &str) -> Result<()> {
            Ok(())
        }

        fn names(&self) -> Result<BTreeSet<String>> {
            Ok(BTreeSet::from(["alice".to_owned()]))
        }

        fn knows_the_time(&self) -> Option<bool> {
            (self.asked.fetch_add(1, Ordering::Relaxed) >= UNKNOWN).then_some(true)
        }

        fn sweep(&self, _: &str, _: Option<Duration>) -> Result<Swept> {
            self.swept.try_send(self.asked.load(Ordering::Relaxed)).unwrap();
            Ok(Swept::default())
        }
    }

    #[test]
    fn one_of_several_sweeps_when_it_has_heard_the_others_and_not_before() {
        let (swept, told) = bounded(1);
        let vault = Arc::new(Unsure { asked: AtomicUsize::new(0), swept });
        let users = Arc::new(Users::parse("", "users.toml").unwrap());
        let registry = Registry::new();
        let when = (Duration::from_secs(600), bounded(1).1);
        let sweeping = begin((vault, None), move || (users.clone(), false), registry.clone(), when);
        assert_eq!(block_on(told.recv()), Ok(UNKNOWN + 1));
        registry.stop();
        block_on(sweeping);
    }
}
