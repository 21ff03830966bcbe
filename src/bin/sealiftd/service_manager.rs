//! What the service manager that started this process is told (systemd, or whatever else speaks sd_notify(3)), and the sockets
//! that it hands over.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_std::future::timeout;
use async_std::task::block_on;
use futures::future::{Either, select};
use futures::pin_mut;
use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt;
use rustix::time::{ClockId, clock_gettime};
use sealift::server::Handle;
use sealift::{Error, Kind, limits};
use tracing::{error, warn};

use crate::failure::Failure;
use crate::output::counted;
use crate::supervisor::{LEFT, Parent};

/// The service manager, if there is one: otherwise nothing is said to anybody.
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// After so long without a sign of life it ends the process.
    watchdog: Option<Duration>,
    /// It could not be told something.
    is_lost: AtomicBool,
    /// It knows that the service ends.
    knows_of_end: AtomicBool,
}

impl ServiceManager {
    /// The one that the environment names, or whose socket was handed over. The sandbox would let nobody find it later.
    ///
    /// # Errors
    /// One is named and cannot be reached: it would wait in vain to hear that the server is ready.
    pub fn of_environment(handed: Option<UnixDatagram>) -> Result<ServiceManager, Failure> {
        let socket = match env::var_os("NOTIFY_SOCKET").filter(|_| handed.is_none()) {
            Some(name) => Some(connect(name.as_bytes()).map_err(|err| {
                Error::file(format_args!("the service manager's socket {} (NOTIFY_SOCKET)", name.display()), err)
            })?),
            None => handed,
        };
        if let Some(socket) = &socket {
            // One that reads nothing must not stop us.
            socket.set_write_timeout(Some(limits::SERVICE_MANAGER_TIMEOUT)).map_err(|err| {
                Error::new(Kind::Internal, format!("the service manager cannot be told anything: {err}"))
            })?;
        }
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let is_ours =
            env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(std::process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0).map(Duration::from_micros);
        Ok(ServiceManager { socket, watchdog, is_lost: AtomicBool::new(false), knows_of_end: AtomicBool::new(false) })
    }

    /// The server serves.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=Serving");
    }

    /// The server reads again what may have changed; [`ServiceManager::ready`] ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reading what may have changed"));
    }

    /// Says from now on, from a thread of its own, how the server is, and that it can serve: by the server's own proof, not by a
    /// clock that goes.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn follow(self: &Arc<Self>, server: Handle) -> io::Result<Following> {
        let teller = match &self.socket {
            Some(_) => {
                let (manager, server) = (self.clone(), server.clone());
                let thread = std::thread::Builder::new().name("service manager".to_owned());
                Some(thread.spawn(move || manager.watch(&server))?)
            }
            None => None,
        };
        Ok(Following { server, teller })
    }

    fn watch(&self, server: &Handle) {
        // A sign of life may be late, and one may be lost.
        let pause = self.watchdog.map_or(limits::STATUS_PAUSE, |time| limits::STATUS_PAUSE.min(time / 3));
        while block_on(timeout(pause, server.stopping())).is_err() {
            let (stopping, proof) = (server.stopping(), timeout(pause, server.prove_life()));
            pin_mut!(stopping, proof);
            match block_on(select(stopping, proof)) {
                // A server that stops owes no proof any more.
                Either::Left(_) => break,
                Either::Right((Ok(Ok(())), _)) => {
                    let sign = if self.watchdog.is_some() { "WATCHDOG=1\n" } else { "" };
                    self.tell(&format!("{sign}STATUS=Serving: {}", connections(server)));
                }
                Either::Right((Ok(Err(error)), _)) => error!(%error, "the server cannot serve"),
                Either::Right((Err(_), _)) => error!("the server does not answer itself: it cannot serve"),
            }
        }
        self.tell(&format!("STOPPING=1\nSTATUS=Stopping: {} may finish", connections(server)));
    }

    /// Another server may have the folders of this one: what a supervisor waits for.
    pub fn left(&self) {
        self.tell(LEFT);
    }

    /// The service ends. That is said once, however often somebody comes to know it.
    pub fn stopping(&self) {
        if !self.knows_of_end.swap(true, Ordering::Relaxed) {
            self.tell("STOPPING=1\nSTATUS=Stopping");
        }
    }

    /// A sign of life, where the watchdog waits for one.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    /// Says this, in lines of `KEY=value`.
    pub fn tell(&self, what: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(what.as_bytes()) {
            // Once: it will be so for a while.
            if !self.is_lost.swap(true, Ordering::Relaxed) {
                warn!(%error, "the service manager cannot be told how the server is");
            }
        }
    }
}

/// A service manager that is told how a server is.
pub struct Following {
    server: Handle,
    teller: Option<JoinHandle<()>>,
}

impl Following {
    /// Waits until the service manager knows that the server stops: the process may end only then.
    pub fn finish(self) {
        // Also for a server that ended by itself.
        self.server.stop();
        if self.teller.is_some_and(|teller| teller.join().is_err()) {
            error!("the thread that talks to the service manager has panicked");
        }
    }
}

fn connections(server: &Handle) -> String {
    counted(u64::try_from(server.connections()).unwrap_or(u64::MAX), "connection")
}

fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// What was handed over to this process.
pub struct HandedOver {
    /// Sockets that a service manager listens on for us (LISTEN_FDS): connections wait there while there is no server.
    pub sockets: Vec<TcpListener>,
    /// Behind them, by a supervisor alone: the socket by which the server says how it is.
    pub teller: Option<UnixDatagram>,
}

/// Takes it; another time there is nothing.
///
/// # Errors
/// One of the sockets is none that listens for TCP.
pub fn handed_over() -> Result<HandedOver, Failure> {
    let mut handed = ListenFd::from_env();
    let wrong = |number: usize, what: &str| {
        let text = format!("socket {} of those handed over (LISTEN_FDS) {what}", number + 1);
        Failure::from(Error::new(Kind::Usage, text)).hint("A socket unit for it has ListenStream=4456 and Accept=no.")
    };
    let own = |socket: BorrowedFd<'_>| {
        // No program that is started inherits it.
        let _ = fcntl_setfd(socket, FdFlags::CLOEXEC);
    };
    let last = handed.len().checked_sub(1).filter(|_| Parent::is_there());
    let teller = match last {
        Some(last) => handed.take_unix_datagram(last).map_err(|_| wrong(last, "is none to talk to the supervisor"))?,
        None => None,
    };
    if let Some(teller) = &teller {
        own(teller.as_fd());
    }
    let mut sockets = Vec::new();
    for number in 0..last.unwrap_or(handed.len()) {
        let socket = handed.take_tcp_listener(number).map_err(|_| wrong(number, "is none of TCP"))?;
        let socket = socket.ok_or_else(|| wrong(number, "is none of TCP"))?;
        if !sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            return Err(wrong(number, "does not listen"));
        }
        own(socket.as_fd());
        sockets.push(socket);
    }
    Ok(HandedOver { sockets, teller })
}
