//! The server: listeners, connections, sessions.
//!
//! Data flows one way: socket -> TLS -> lane -> line -> command -> gate -> store -> reply -> lane -> socket; and for browsers
//! socket -> TLS -> hyper -> request -> the same gate and store -> answer -> socket.
//! One task owns a connection; its blocking work is done in turns, on a thread that it holds only while there is some.

pub mod audit;
mod builder;
mod desk;
mod door;
mod events;
mod handed_on;
mod handle;
mod http;
mod keys;
mod line;
mod live;
mod memory;
mod metrics;
mod options;
mod reloaded;
mod shares;
mod tenure;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use async_std::future::timeout;
use async_std::task::spawn_blocking;
use tracing::{info, warn};

pub use self::audit::AuditTo;
use self::audit::OpenAudit;
pub use self::builder::ServerBuilder;
pub use self::desk::action::{Action, ActionKind};
use self::desk::current_users::{CurrentUsers, Reach};
use self::desk::downloads::Downloads;
pub use self::desk::gate;
use self::desk::leases::{Leases, LetGo};
pub use self::desk::op::{Hashing, Op};
pub use self::desk::registry::SessionId;
use self::desk::registry::{KeptIn, Registry, Surroundings};
pub use self::desk::session_request::SessionRequest;
use self::desk::staged_uploads::StagedUploads;
use self::desk::state::OccupiedState;
use self::desk::tokens::Tokens;
use self::desk::unkept::Unkept;
pub use self::desk::users_file_trouble::{UsersFileTrouble, users_file_trouble};
use self::door::accounts::Accounts;
pub use self::door::accounts::login_memory_kib;
use self::door::admission::Admission;
pub use self::door::admission_options::{AdmissionOptions, connections_within};
use self::door::liveness::Liveness;
pub use self::door::startups::Startups;
pub use self::door::timeouts::Timeouts;
pub use self::events::{Came, Credential, Event, Operation, Protocol, What};
pub use self::handle::Handle;
pub use self::http::Web;
use self::http::remembered::Remembered;
#[doc(hidden)]
pub use self::http::sans_io as web_sans_io;
use self::http::signed_in::SignedIn;
use self::http::uploads::Uploads;
use self::http::used::Counts;
use self::keys::{KeyRing, Spoken};
#[doc(hidden)]
pub use self::line::sans_io;
pub use self::line::session::asked::Asked;
use self::live::Live;
pub use self::live::LiveOptions;
use self::memory::Memory;
pub use self::memory::{MemoryPlan, memory_available};
pub use self::metrics::MetricsAt;
use self::metrics::OpenMetrics;
pub use self::options::{ServerOptions, Storage};
pub use self::reloaded::{ReloadOutcome, Reloaded};
pub use crate::apart::Own;
use crate::auth::UsersFrom;
use crate::error::{Error, Kind, Result};
use crate::files::{Location, Vault};
use crate::limits;
use crate::machine::turns::{Places, Turns};
use crate::store::LocalVault;
use crate::sync::{Mutex, RwLock};
use crate::tls::{Pin, WebCertificate};

/// What all connections of one server share.
struct Shared {
    keys: Arc<KeyRing>,
    web: Web,
    web_certificate: Option<Arc<WebCertificate>>,
    users: Arc<CurrentUsers>,
    accounts: Arc<Accounts>,
    vault: Arc<dyn Vault>,
    /// The shared folders that sessions have open.
    leases: Arc<Leases>,
    /// Held as long as the server lives.
    state: Option<OccupiedState>,
    registry: Arc<Registry>,
    admission: Arc<Admission>,
    tokens: Arc<Tokens>,
    /// Logins over HTTP.
    remembered: Remembered,
    /// Logins by the form of the web.
    signed_in: Arc<SignedIn>,
    staged: Arc<StagedUploads>,
    /// Downloads by links that are counted.
    downloads: Arc<Downloads>,
    /// What the cookies of links with a password stand for.
    opened_links: SignedIn,
    /// Uploads over HTTP that can be gone on with.
    uploads: Arc<Uploads>,
    memory: Memory,
    live: RwLock<Arc<Live>>,
    /// The most connections that there is memory for.
    connections_max: usize,
    /// The threads of sessions.
    turns: Arc<Turns>,
    /// Those that open homes: a disk may let one wait long.
    opening: Arc<Turns>,
    /// Writing down what is used up of links: each waits for the one before it, and for the disk.
    link_writes: Arc<Turns>,
    /// Homes whose files are being counted for a page.
    counts: Counts,
    liveness: Liveness,
    told_of_leaving: Mutex<ToldOfLeaving>,
}

/// Who is told when a server leaves its folders to the next one.
#[derive(Default)]
struct ToldOfLeaving {
    before: Option<Box<dyn FnOnce() + Send>>,
    after: Option<Box<dyn FnOnce() + Send>>,
}

impl Shared {
    /// When the certificates end: that over the pinned key, and that for browsers where there is one of its own.
    fn certificates_end(&self) -> (Option<SystemTime>, Option<SystemTime>) {
        (self.keys.now().ends, self.web_certificate.as_ref().and_then(|web| web.ends()))
    }

    /// What connections begin with now.
    fn live(&self) -> Arc<Live> {
        self.live.read().clone()
    }

    /// Reads again what is read again while the server runs.
    fn reload(&self) -> Vec<Reloaded> {
        let _users = self.users.now_at_rest();
        let mut all = vec![Reloaded::unless("users", self.users.file_trouble().outdated)];
        all.extend(self.keys.reload());
        if let Some(certificate) = &self.web_certificate {
            certificate.forget();
            door::web_certificate::look(certificate);
            all.push(Reloaded::unless("certificate", certificate.trouble_text()));
        }
        if let Some(audit) = self.registry.telling().audit() {
            audit.reopen();
            all.push(Reloaded::new(
                "audit",
                ReloadOutcome::Current,
                "it is opened anew; if that fails the log says so",
            ));
        }
        all
    }

    /// Leaves its folders to the next server: nothing is changed in them by this one any more.
    fn leave(&self) {
        let told = self.told_of_leaving.lock().before.take();
        if let Some(told) = told {
            told();
        }
        if let Some(state) = &self.state {
            handed_on::leave(self, &state.folder());
        }
        self.vault.leave();
        self.users.leave();
        if let Some(state) = &self.state {
            state.leave();
        }
    }

    /// Has connections begin with these from now on.
    fn change(&self, options: &LiveOptions) {
        self.admission.change(admission_of(options, self.connections_max));
        *self.live.write() = Arc::new(Live::of(options));
    }
}

/// Who may connect by these options, where there is memory for so many.
fn admission_of(options: &LiveOptions, connections_max: usize) -> AdmissionOptions {
    let mut admission = options.admission.clone();
    admission.connections = admission.connections.min(connections_max);
    admission
}

/// Sockets that listen: what of a server may need root. Connections wait.
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Listens on all these addresses; on the default port of every address of the machine if there are none.
    ///
    /// # Errors
    /// [`crate::Kind::AddressInUse`] and other failures of the network, naming the address.
    pub fn open(addresses: &[SocketAddr]) -> Result<Listeners> {
        door::listener::listen(addresses).map(Listeners)
    }

    /// What keeps [`Listeners::open`] from each of these addresses now, looked at without listening anywhere.
    pub fn obstacles(addresses: &[SocketAddr]) -> Vec<(SocketAddr, Error)> {
        door::listener::obstacles(addresses)
    }

    /// Whether nobody can listen on one of these addresses while somebody does on the other.
    pub fn meet(one: &SocketAddr, other: &SocketAddr) -> bool {
        door::listener::are_one(one, other, false)
    }

    /// Those that somebody else opened, and may keep: what connects while no server accepts waits for the next one.
    pub fn given(sockets: Vec<TcpListener>) -> Listeners {
        Listeners(sockets)
    }

    /// Each of them, for whoever keeps them for the next server.
    pub fn sockets(&self) -> &[TcpListener] {
        &self.0
    }
}

/// A server that listens, but does not serve yet: connections wait.
pub struct Server {
    shared: Arc<Shared>,
    audit: Option<OpenAudit>,
    listeners: Vec<door::listener::Door>,
    metrics: Option<(OpenMetrics, metrics::Figures)>,
    addresses: Vec<SocketAddr>,
    pin: Pin,
}

impl Server {
    /// Reads the users, opens the homes' place and listens.
    ///
    /// # Errors
    /// [`crate::Kind::BadConfig`] for the users file, [`crate::Kind::Tls`] for key and certificate,
    /// [`crate::Kind::AddressInUse`] for an address, [`crate::Kind::Busy`] while another server has the data directory,
    /// and those of the file system.
    pub async fn bind(options: ServerOptions) -> Result<Server> {
        let listeners = Listeners::open(&options.listen)?;
        Server::prepare(options, listeners)
    }

    /// Reads the users and opens the homes' place for sockets that listen already, whatever `options.listen` says. Starts no thread, so
    /// that a program can give up its rights between the two and after the second.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn prepare(options: ServerOptions, Listeners(listeners): Listeners) -> Result<Server> {
        let pin = options.identity.pin();
        let live = options.live();
        let telling = options.metrics.as_ref().map(OpenMetrics::open).transpose()?;
        let data = match &options.storage {
            Storage::Folder { path, .. } => Some(path.clone()),
            Storage::Vault(_) => None,
        };
        let (vault, folder): (Arc<dyn Vault>, _) = match options.storage {
            Storage::Vault(vault) => (vault, None),
            Storage::Folder { path, durability } => {
                let folder = Arc::new(LocalVault::open_as(&path, durability, options.node.as_ref())?);
                (folder.clone(), Some(folder))
            }
        };
        let among = options.node.as_ref().zip(folder.as_deref());
        let state = options.state.as_deref().map(|path| OccupiedState::open(path, among)).transpose()?;
        let mut apart = options.apart;
        apart.extend(options.state.iter().map(|state| Own::new("the server's own state", state)));
        apart.extend(data.iter().map(|data| Own::new("the data folder", data)));
        if let UsersFrom::File(file) = &options.users {
            apart.push(Own::new("the users file", file));
        }
        if let Some(folder) = &folder {
            folder.keep_apart(apart.clone());
        }
        let users = Arc::new(CurrentUsers::load(options.users, state.as_ref().map(OccupiedState::folder))?);
        let reach = Reach::apart_from(apart);
        users.bound(match options.is_confined {
            true => reach.confined(&users.latest(), &options.roots),
            false => reach,
        })?;
        let audit = options.audit.as_ref().map(OpenAudit::open).transpose()?;
        let signed_in = Arc::new(SignedIn::default());
        let (cookies, kicked) = (Arc::clone(&signed_in), Arc::clone(&signed_in));
        let uploads = Arc::new(Uploads::default());
        let (begun, ended) = (Arc::clone(&uploads), Arc::clone(&uploads));
        let registry = Registry::of(Surroundings {
            kept_in: KeptIn::new(&vault, options.node),
            audit: audit.as_ref().map(|audit| audit.log().clone()),
            on_kick: Some(Box::new(move |user| kicked.remove_user(user) + ended.end_of(user))),
        });
        let (current, sessions) = (Arc::clone(&users), Arc::clone(&registry));
        let unkept = Unkept::new(Arc::clone(&vault));
        let leases: Arc<Leases> = Arc::default();
        let let_go = Arc::new(LetGo::new(leases.clone(), Arc::clone(&vault), &users.latest()));
        let latest = Arc::downgrade(&users);
        users.on_change(move |users| {
            unkept.tell(users);
            if let Some(latest) = latest.upgrade() {
                let_go.tell(users, &latest);
            }
            cookies.keep_users(users);
            begun.end_void(users);
            sessions.locks().keep_users(|name| users.get(name).is_some());
            sessions.revoke(users);
        });
        let accounts = Arc::new(Accounts::new(users.clone()));
        let all = options.memory.or_else(memory_available).unwrap_or(u64::MAX);
        let plan = MemoryPlan::new(all, accounts.worst_case_memory_kib() * 1024);
        plan.warn(options.admission.connections);
        if let Some(folder) = folder {
            users.on_trouble(move |trouble| {
                if let Err(error) = folder.leave_note(&trouble.note()) {
                    warn!(%error, "`sealiftd check` cannot be told how the users file is");
                }
            });
        }
        let web_certificate = options.web_certificate.map(|files| Arc::new(WebCertificate::new(files)));
        if let Some(certificate) = &web_certificate {
            door::web_certificate::look(certificate);
        }
        let spoken =
            Spoken { web: options.web, web_tls12: options.web_tls12, web_certificate: web_certificate.clone() };
        let keys = Arc::new(KeyRing::new(options.identity, options.next_pin, options.keys_in, spoken)?);
        let opening = Turns::new("home", Places::only(limits::HOME_THREADS));
        let link_writes = Turns::new("links", Places::only(limits::LINK_THREADS));
        let shared = Arc::new(Shared {
            web: options.web,
            web_certificate: web_certificate.clone(),
            keys,
            accounts,
            users,
            vault,
            leases,
            state,
            registry,
            admission: Admission::new(admission_of(&live, plan.connections)),
            tokens: Arc::new(Tokens::new(move |principal| current.now().still_has(principal))),
            remembered: Remembered::new()?,
            signed_in,
            staged: Arc::default(),
            downloads: Arc::new(Downloads::new(link_writes.clone())),
            link_writes,
            opened_links: SignedIn::of_links(),
            uploads,
            memory: Memory::new(plan.buffers),
            live: RwLock::new(Arc::new(Live::of(&live))),
            connections_max: plan.connections,
            turns: Turns::new("session", Places::of_sessions()),
            opening,
            counts: Counts::default(),
            liveness: Liveness::default(),
            told_of_leaving: Mutex::default(),
        });
        let users = shared.accounts.users();
        let reloading = Arc::downgrade(&shared);
        shared.registry.on_reload(move || reloading.upgrade().map_or_else(Vec::new, |shared| shared.reload()));
        let folders = users.shares().folders().iter().filter_map(|folder| match folder.location() {
            Location::Below(name) => Some(name.as_str()),
            Location::Elsewhere(_) => None,
        });
        let homes = users.iter().map(|user| user.grants().home.as_str()).chain(users.anonymous_home());
        shared.vault.refuse_taken(&homes.chain(folders.clone()).collect())?;
        for home in folders.chain(users.anonymous_home()) {
            match shared.vault.prepare(home) {
                // One that lies in somebody's home may have given its name to a file of theirs: that keeps people from it, which sweeping
                // says, and not from all.
                Err(error) if error.kind() == Kind::NotDirectory => {}
                prepared => prepared?,
            }
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>();
        let addresses = addresses.map_err(|err| Error::network("cannot listen", err))?;
        let listeners = listeners.into_iter().map(|listener| door::listener::Door::new(listener, &shared)).collect();
        let figures = metrics::Figures::new(&shared, data);
        let metrics = telling.map(|telling| (telling, figures));
        Ok(Server { shared, audit, metrics, listeners, addresses, pin })
    }

    /// The addresses it listens on, with the ports the system chose.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The pin of the key that it began with.
    pub fn pin(&self) -> Pin {
        self.pin
    }

    /// The most memory that logins can take together, in KiB.
    pub fn login_memory_kib(&self) -> u64 {
        self.shared.accounts.worst_case_memory_kib()
    }

    /// A handle to end it with.
    pub fn handle(&self) -> Handle {
        Handle::new(&self.shared)
    }

    /// Serves until [`Handle::stop`] or an administrator's SHUTDOWN, and until the sessions are over or the grace
    /// period is.
    ///
    /// # Errors
    /// That there is no thread to be had. What fails in a connection ends that connection.
    pub async fn serve(self) -> Result<()> {
        let registry = self.shared.registry.clone();
        let audit = self.audit.map(OpenAudit::begin).transpose()?;
        let told = self.metrics.map(|(telling, figures)| metrics::serve(telling, figures));
        for address in &self.addresses {
            // A name of its own, for those who have shown it already.
            info!(target: "sealift::server::start", %address, pid = std::process::id(), pin = %self.pin, "listening");
        }
        registry.telling().tell(&Event::of_server(What::Started));
        if let Some(state) = &self.shared.state {
            handed_on::take_over(&self.shared, &state.folder());
        }
        self.shared.users.watch()?;
        if let Some(certificate) = &self.shared.web_certificate {
            door::web_certificate::watch(certificate)?;
        }
        keys::watch(&self.shared.keys)?;
        let users = self.shared.users.clone();
        let (vault, sessions) = (self.shared.vault.clone(), registry.clone());
        let when = (limits::SWEEP_PAUSE, desk::sweep::begin_beats(&vault, registry.clone()));
        let is_one_of_several = registry.kept_in().node().is_some();
        let users = move || (users.latest(), users.may_miss_some(is_one_of_several));
        let state = self.shared.state.as_ref().map(|state| state.folder());
        let sweeping = desk::sweep::begin((vault, state), users, sessions, when);
        let ends = door::listener::accept_all(self.listeners, &self.shared).await;
        // Each session sees the signal itself; they get the grace period and the time of a farewell.
        let until = Instant::now() + self.shared.live().pace.grace + limits::CLOSE_DRAIN * 2;
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let _nothing_changes = timeout(left(until), ends.changing.recv()).await;
        // Clients that come back go on with what they had begun, as after a crash.
        self.shared.uploads.put_away().await;
        // The one that is under way ends between two homes, before the next server has them.
        let _ended = timeout(limits::CLOSE_DRAIN, sweeping).await;
        let sending = registry.connections();
        let shared = self.shared.clone();
        // The disk may take its time, and what is sent goes on meanwhile.
        let mut leaving = spawn_blocking(move || shared.leave());
        let has_left = timeout(left(until).max(limits::CLOSE_DRAIN), &mut leaving).await.is_ok();
        if let Some(told) = told {
            told.end().await;
        }
        if has_left && sending > 0 {
            info!(connections = sending, "the next server may begin; what is being sent comes to its end");
        }
        let told = self.shared.told_of_leaving.lock().after.take();
        if let Some(told) = told.filter(|_| has_left) {
            told();
        }
        if timeout(left(until), ends.all.recv()).await.is_ok() {
            let _ = timeout(limits::CLOSE_DRAIN, registry.all_ended()).await;
        }
        if !has_left {
            // An end in order is one that has left them. Whoever does not wait for ever for a disk that does not answer ends the process.
            leaving.await;
        }
        info!(connections = registry.connections(), "stopped");
        registry.telling().tell(&Event::of_server(What::Stopped));
        if let Some(audit) = audit {
            audit.close();
        }
        Ok(())
    }
}
