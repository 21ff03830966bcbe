//! `sealiftd serve`: puts the server together, says that it is ready, and runs it to its end.

use std::error::Error as _;
use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use async_std::task::block_on;
use sealift::auth::{SharedHome, Users, UsersFile, file_warnings};
use sealift::confine::{self, Enforced};
use sealift::server::{AdmissionOptions, Listeners, Server, ServerOptions, Storage, connections_within};
use sealift::tls::{Identity, Pin};
use sealift::{Error, Kind, limits};
use tracing::{info, warn};

use crate::apart::Apart;
use crate::args::{DurabilityArg, Places, ServeArgs};
use crate::banner::{self, Banner};
use crate::elsewhere::Elsewhere;
use crate::failure::Failure;
use crate::hooks::{Followed, Hooks};
use crate::output::some_of;
use crate::port_file::PortFile;
use crate::programs::Programs;
use crate::reload::{Reload, Start};
use crate::service_manager::{self, ServiceManager};
use crate::serving::Serving;
use crate::shared_folders::{self, Trouble};
use crate::signals::Told;
use crate::supervisor::Parent;
use crate::web_args::WebArg;
use crate::{begun_anew, cert, ground, hooks, logging, overdue, process, signals};

/// Serves until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(places: &Places, args: ServeArgs, start: Start) -> Result<(), Failure> {
    logging::start(args.log_format, args.log_level.as_deref())?;
    process::gain_no_rights();
    let account = process::account_to_assume(args.user.as_deref())?;
    let open_files = process::raise_file_limit();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        data = %places.data.display(),
        users = %places.users.display(),
        certs = %places.certs.display(),
        state = %places.state().display(),
        open_files,
        "starting"
    );

    let handed = service_manager::handed_over()?;
    let manager = Arc::new(ServiceManager::of_environment(handed.teller)?);
    // Ports below 1024 may need root, and nothing after them does.
    let listeners = listeners(&args.listen, handed.sockets)?;
    if let Some(account) = account {
        account.assume()?;
        info!(user = %account, "gave up root");
        ground::prove_usable(places, args.port_file.as_deref(), &account)?;
    } else if process::is_root() {
        warn!("running as root: with --user NAME it gives that up once it listens");
    }

    // The sandbox would not find it later.
    let supervisor = Parent::find();

    // Before anything is made.
    let apart = Apart::new(places, &args);
    refuse_misplaced(&apart, places, &args, None)?;
    let has_data = args.store.store.is_none();
    begun_anew::refuse(places, has_data)?;
    if has_data && begun_anew::is_data_empty(places) {
        warn!(data = %places.data.display(), "the data folder is empty, though a server has run here: is its disk mounted?");
    }
    let (identity, new_key) =
        Identity::load_or_generate(&places.certs, &cert::default_names()).map_err(|err| match err.kind() {
            Kind::NotFound => {
                Failure::from(err).hint(cert::half(&places.certs).unwrap_or("Check the path, or choose another one."))
            }
            _ => err.into(),
        })?;
    if new_key {
        info!(certs = %places.certs.display(), pin = %identity.pin(), "made a key and a certificate");
    }
    // What is wrong with it is no reason not to serve.
    let next_pin = Identity::next_pin(&places.certs).unwrap_or_else(|error| {
        warn!(%error, "the next key is not announced");
        None
    });
    let new_users = match places.users.exists() {
        true => false,
        false => UsersFile::new(&places.users).create()?,
    };
    if new_users {
        info!(users = %places.users.display(), "made a users file with anonymous reading");
    }
    sweep(places);
    let users = Users::load(&places.users)?;
    if let Some(found) = apart.misplaced_folder(&users) {
        return Err(found.into());
    }
    warn_of_users(places, &users)?;
    if args.web.web != WebArg::Off && places.web_cert.is_none() {
        // Within the sandbox only what is there now can be reached later. Where it cannot be made, none is expected.
        let _ = DirBuilder::new().mode(0o700).create(places.certs.join("web"));
    }

    let elsewhere = Elsewhere::of(places, &args, &users)?;
    let storage = elsewhere.storage(places, &args);
    let server =
        prepare((places, &apart), &args, admission(&args, open_files), (identity, next_pin), (listeners, storage))?;
    let hangup_ends = signals::hangup_ends(supervisor.as_ref());
    // Before what says which process this is, and the port file: whoever has seen one of them may send a signal.
    let taken = signals::take().map_err(no_signals)?;
    let serving = Serving::write((places, &args.nodes), server.addresses(), args.metrics.as_ref(), hangup_ends);
    let serving = serving.map_err(|failure| {
        warn!(error = failure.text(), "`sealiftd check` and `sealiftd reload` cannot be told what serves here")
    });
    let hooks = Hooks::start(&args.hooks, &places.data, args.log_format)?;
    let port = server.addresses().first().map(SocketAddr::port).unwrap_or_default();
    let port_file = args.port_file.as_deref().map(|path| Arc::new(PortFile::new(path, port)));
    if let Some(file) = &port_file {
        file.write()?;
    }
    let sandbox = confine(places, &args, &users, elsewhere.port());
    // The first threads: the sandbox is for those that are made inside it.
    logging::write_by_thread().map_err(|err| Error::new(Kind::Internal, format!("no thread for the log: {err}")))?;
    // By threads inside it.
    elsewhere.probe(&args)?;
    let hooks = hooks.map(|hooks| hooks.follow(&server)).transpose()?;
    let reload = Reload::new(start, server.handle(), open_files);
    let (by_remote, theirs) = (reload.clone(), manager.clone());
    server.handle().on_reload(move || by_remote.all(&theirs));
    reload.watch().map_err(|err| Error::file("a thread to watch the settings", err))?;
    let told =
        Told { supervisor, server: server.handle(), reload, manager: manager.clone(), port_file: port_file.clone() };
    signals::watch(taken, told).map_err(no_signals)?;
    overdue::watch(server.handle()).map_err(|err| Error::file("a thread to watch the end", err))?;
    let (addresses, pin, programs) = (server.addresses(), server.pin(), Programs::here());
    let web = (args.web.web != WebArg::Off).then(|| places.web_files().describe());
    let store = args.store.store.as_ref().map(ToString::to_string);
    banner::print(&Banner { places, store, users: &users, new_users, addresses, pin, next_pin, programs, port, web });
    info!(
        durability = if args.durability == DurabilityArg::Full { "full" } else { "none" },
        grace = %args.grace,
        login_memory_kib = server.login_memory_kib(),
        sandbox,
        "ready"
    );
    let theirs = port_file.clone();
    server.handle().on_leaving(move || {
        // The next server says these of itself.
        drop(serving);
        theirs.iter().for_each(|file| file.remove());
    });
    if Parent::is_there() {
        let supervisor = manager.clone();
        server.handle().on_left(move || supervisor.left());
    }
    manager.ready();
    let following =
        manager.follow(server.handle()).map_err(|err| Error::file("a thread to talk to the service manager", err))?;
    let served = block_on(server.serve());
    following.finish();
    port_file.iter().for_each(|file| file.remove());
    hooks.into_iter().for_each(Followed::finish);
    Ok(served?)
}

/// Those that were handed over, if there are any.
///
/// # Errors
/// That an address cannot be listened on.
pub fn listeners(addresses: &[SocketAddr], sockets: Vec<TcpListener>) -> Result<Listeners, Failure> {
    if sockets.is_empty() {
        return Listeners::open(addresses).map_err(explain);
    }
    if !addresses.is_empty() && !Parent::is_there() {
        warn!("--listen has no effect: the service manager listens for this server (LISTEN_FDS)");
    }
    Ok(Listeners::given(sockets))
}

/// Who may connect: no more than there are open files for.
pub fn admission(args: &ServeArgs, open_files: Option<u64>) -> AdmissionOptions {
    let mut admission = args.limits.admission();
    // Where several servers change a home its lock is open, too: one more for each connection.
    let share = |open_files: u64| if args.nodes.shared { open_files - open_files / 4 } else { open_files };
    let fits = open_files.map_or(usize::MAX, |open_files| connections_within(share(open_files)));
    if fits < admission.connections {
        match args.limits.has_usual_connections() {
            true => info!(open_files, connections = fits, "as many connections as there can be open files"),
            false => warn!(
                open_files,
                asked = admission.connections,
                connections = fits,
                "fewer connections than asked for: more open files are needed (LimitNOFILE= of a systemd unit, `ulimit -Hn`)"
            ),
        }
        admission.connections = fits;
    }
    admission
}

/// Refuses what lies where others could change it: of the server's own, and what it is to run.
///
/// # Errors
/// The first that does, with what to do.
pub fn refuse_misplaced(
    apart: &Apart,
    places: &Places,
    args: &ServeArgs,
    users: Option<&Users>,
) -> Result<(), Failure> {
    if let Some(found) = apart.in_data().or_else(|| apart.misplaced_port_file()) {
        return Err(found.into());
    }
    if let Some(audit) = args.audit_file() {
        ground::prove_apart(audit, places)?;
    }
    apart.refuse_roots(&args.roots)?;
    if let Some(found) = users.and_then(|users| apart.misplaced_folder(users)) {
        return Err(found.into());
    }
    hooks::refuse(&args.hooks, &hooks::changed_by_server(places, args))
}

fn prepare(
    (places, apart): (&Places, &Apart),
    args: &ServeArgs,
    admission: AdmissionOptions,
    (identity, next_pin): (Identity, Option<Pin>),
    (listeners, storage): (Listeners, Storage),
) -> Result<Server, Failure> {
    let mut options = ServerOptions::stored_in(storage, places.users.clone(), identity);
    options.state = Some(places.state());
    options.node = args.nodes.name()?;
    options.next_pin = next_pin;
    options.keys_in = Some(places.certs.clone());
    options.max_mode = args.limits.max_mode();
    options.grace = args.grace.into();
    options.admission = admission;
    options.timeouts = args.limits.timeouts();
    options.balancers = args.limits.balancers();
    options.web = args.web.web.into();
    options.web_certificate = Some(places.web_files()).filter(|_| args.web.web != WebArg::Off);
    options.web_tls12 = args.web.web_tls12;
    options.memory = args.limits.memory();
    options.is_confined = !args.no_sandbox;
    options.roots.clone_from(&args.roots);
    options.apart = apart.own();
    options.audit = args.audit.clone();
    options.metrics = args.metrics.clone();
    Server::prepare(options, listeners).map_err(explain)
}

/// Leaves the process nothing but what serving takes; says how far that went, for the log.
fn confine(places: &Places, args: &ServeArgs, users: &Users, port: Option<u16>) -> &'static str {
    if args.no_sandbox {
        warn!("no sandbox: this process can reach every file that its account can");
        return "off";
    }
    let mut reach =
        ground::within_sandbox(places, (args.port_file.as_deref(), args.audit_file()), (users, &args.roots));
    reach.connect.extend(port);
    match confine::restrict(&reach) {
        Ok(Enforced::Fully) => Enforced::Fully.word(),
        Ok(less) => {
            warn!(
                sandbox = less.word(),
                "this kernel does not enforce the whole sandbox (Landlock, in full from Linux 6.12 on)"
            );
            less.word()
        }
        Err(error) => {
            warn!(%error, "no sandbox");
            Enforced::Not.word()
        }
    }
}

fn no_signals(err: io::Error) -> Error {
    Error::new(Kind::Internal, format!("signals cannot be received: {err}")).with_source(err)
}

fn explain(err: Error) -> Failure {
    match err.kind() {
        Kind::Busy if err.text().contains("own state") => Failure::from(err).hint(
            "Without --state the folder server_state beside the data folder is used: servers whose data folders lie side by \
             side need a --state each.",
        ),
        Kind::Busy if err.text().contains("(as node ") => {
            Failure::from(err).hint("Each server of one folder has a name of its own: --node NAME gives this one another.")
        }
        Kind::Busy => {
            Failure::from(err).hint(
                "Stop the other server, or choose other folders with --data and --state. Several serve one folder if each is started \
                 with --shared (docs/CLUSTER.md).",
            )
        }
        Kind::Network if forbidden(&err) => Failure::from(err).hint(
            "Ports below 1024 are root's: choose a higher one, start it as root with --user NAME, or give it the \
                 capability CAP_NET_BIND_SERVICE.",
        ),
        _ => err.into(),
    }
}

fn forbidden(err: &Error) -> bool {
    let cause = err.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

/// Removes what commands that were killed left of users and keys. Where this account may not, `sealiftd check` names it.
fn sweep(places: &Places) {
    for swept in [UsersFile::new(&places.users).sweep(), Identity::sweep(&places.certs)] {
        match swept {
            Ok(0) => {}
            Ok(files) => info!(files, "removed what a killed command had left of users or keys"),
            Err(error) => warn!(%error, "what a killed command left of users or keys stays"),
        }
    }
}

/// Says in the log what about the users deserves attention.
fn warn_of_users(places: &Places, users: &Users) -> Result<(), Failure> {
    for Trouble { what, .. } in shared_folders::look(places, users) {
        warn!("{what}");
    }
    // In a storage elsewhere there are none.
    if places.bucket.is_none() {
        let anonymous = users.anonymous_home().map(|home| ("anonymous", home));
        let homes = anonymous.into_iter().chain(users.iter().map(|user| (user.name(), user.grants().home.as_str())));
        let mut found = homes.filter_map(|(name, home)| shared_folders::of_home(places, name, home));
        for Trouble { what, next, .. } in found.by_ref().take(limits::HOMES_TOLD) {
            warn!("{what}: {next}");
        }
        match found.count() {
            0 => {}
            more => warn!(more, "homes that cannot be entered: `sealiftd check` names them all"),
        }
    }
    for warning in file_warnings(&places.users, users.iter().next().is_some())? {
        warn!("{warning}");
    }
    for SharedHome { home, owners, inside, .. } in users.shared_homes() {
        if owners.len() > 1 {
            warn!("{} share the folder {home}", some_of(&owners));
        }
        if !inside.is_empty() {
            warn!("inside the folder {home} of {} lie those of {}", some_of(&owners), some_of(&inside));
        }
    }
    Ok(())
}
