//! `--supervise`: a process in front of the server that holds its listening sockets, so that another program can take the server's
//! place and whoever connects meanwhile waits in the kernel and is not refused.
//!
//! The server that is there drains and ends before the next one starts: there are never two, so that what depends on one process, like
//! quotas, conditions and sweeps, stays exact with nothing done for it. What the first one knows of logins and locks it hands on by its
//! state folder. The supervisor serves nothing, reads nothing from the network, and stays as it is started, outside of the server's
//! sandbox, since it starts programs.

pub mod args;
mod control;
mod notices;
mod server_process;
mod sockets;
mod words;

use std::collections::VecDeque;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift::{Error, Kind, limits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};

pub use self::control::ask;
use self::control::{Asker, Wish};
use self::notices::{Notice, Notices};
use self::server_process::{ServerProcess, in_words};
pub use self::server_process::{end_with_supervisor, is_supervised};
use self::sockets::Sockets;
use crate::args::{Places, ServeArgs};
use crate::failure::Failure;
use crate::node_args::NodeArgs;
use crate::reload::Start;
use crate::service_manager::ServiceManager;
use crate::{logging, serve};

/// What a supervisor acts on.
enum Event {
    Signal(i32),
    Notice(Notice),
    Ended(u32, Option<ExitStatus>),
    Wish(Wish, Asker),
}

/// What is to be once the server that runs has ended.
enum Next {
    /// Whether another one is started depends on how it ends.
    AsItEnds,
    /// Another one. Somebody waits to hear that it serves.
    Another(Option<Asker>),
    Nothing,
}

struct Supervisor<'a> {
    places: (&'a Places, &'a NodeArgs),
    start: &'a Start,
    sockets: Sockets,
    notices: Arc<Notices>,
    manager: ServiceManager,
    events: Sender<Event>,
    server: Option<ServerProcess>,
    next: Next,
    /// When servers crashed or failed to start, not long ago.
    crashes: VecDeque<Instant>,
    /// When the next attempt is due, after a crash.
    due: Option<Instant>,
    has_served: bool,
    takes_wishes: bool,
}

/// Supervises a server until it ends by itself or is told to.
///
/// # Errors
/// That the addresses cannot be listened on, or the program not be run.
pub fn run(places: &Places, args: &ServeArgs, start: &Start) -> Result<ExitCode, Failure> {
    logging::start(args.log_format, args.log_level.as_deref())?;
    let failed = |err| Error::new(Kind::Internal, format!("the supervisor cannot be set up: {err}"));
    let (events, inbox) = channel();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(failed)?;
    let by_signal = events.clone();
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    thread("signals")
        .spawn(move || signals.forever().map(Event::Signal).try_for_each(|event| by_signal.send(event)))
        .map_err(failed)?;
    let manager = ServiceManager::of_environment()?;
    let sockets = Sockets::of(&serve::listeners(&args.listen)?)?;
    let notices = Arc::new(Notices::open()?);
    let (heard, by_notice) = (notices.clone(), events.clone());
    let hear = move || {
        while let Ok(notice) = heard.next() {
            if let Some(notice) = notice
                && by_notice.send(Event::Notice(notice)).is_err()
            {
                return;
            }
        }
        error!("servers cannot be heard any more");
    };
    thread("notices").spawn(hear).map_err(failed)?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        sockets = sockets.each().count(),
        "supervising"
    );
    let mut supervisor = Supervisor {
        places: (places, &args.nodes),
        start,
        sockets,
        notices,
        manager,
        events,
        server: None,
        next: Next::AsItEnds,
        crashes: VecDeque::new(),
        due: None,
        has_served: false,
        takes_wishes: false,
    };
    supervisor.start_server()?;
    supervisor.follow(&inbox)
}

impl Supervisor<'_> {
    fn start_server(&mut self) -> Result<(), Error> {
        self.due = None;
        let server = ServerProcess::start(&self.start.words, &self.sockets, &self.notices, &self.events)?;
        info!(server = server.pid, "started a server");
        self.server = Some(server);
        Ok(())
    }

    fn follow(&mut self, inbox: &Receiver<Event>) -> Result<ExitCode, Failure> {
        loop {
            let event = match inbox.recv_timeout(self.patience()) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
            };
            match event {
                Event::Signal(SIGHUP) => self.signal(Signal::HUP),
                Event::Signal(signal) => {
                    info!(signal, "stopping; once more ends at once");
                    if let Next::Another(Some(asker)) = std::mem::replace(&mut self.next, Next::Nothing) {
                        asker.answer(Err("the server was told to stop".to_owned()));
                    }
                    self.manager.stopping();
                    if self.server.is_none() {
                        return Ok(ExitCode::SUCCESS);
                    }
                    self.signal(if signal == SIGINT { Signal::INT } else { Signal::TERM });
                }
                Event::Notice(notice) => self.notice(&notice),
                Event::Wish(wish, asker) => self.wish(&wish, asker),
                Event::Ended(pid, status) if self.server.as_ref().is_some_and(|server| server.pid == pid) => {
                    if let Some(code) = self.ended(status) {
                        return Ok(code);
                    }
                }
                Event::Ended(..) => {}
            }
        }
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        let due = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        due.unwrap_or(limits::SUPERVISOR_LOOK).min(limits::SUPERVISOR_LOOK)
    }

    fn look(&mut self) {
        // A server that drains gives no sign of life, and is bounded by its grace period.
        if matches!(self.next, Next::Another(_)) {
            self.manager.alive();
        }
        if self.server.is_none()
            && self.due.is_some_and(|due| due <= Instant::now())
            && let Err(error) = self.start_server()
        {
            error!(%error, "no server can be started");
            self.due = Some(Instant::now() + limits::SUPERVISED_PAUSE);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            server.signal(signal);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let Some(server) = self.server.as_mut().filter(|server| server.pid == notice.pid) else { return };
        // That this server stops is no word of the service: another may come.
        let lines: Vec<&str> = notice.text.lines().filter(|line| *line != "STOPPING=1").collect();
        if !lines.is_empty() {
            self.manager.tell(&lines.join("\n"));
        }
        if !lines.contains(&"READY=1") || server.is_ready {
            return;
        }
        server.is_ready = true;
        let pid = server.pid;
        self.has_served = true;
        if !self.takes_wishes {
            self.takes_wishes = true;
            if let Err(failure) = control::listen(self.places, &self.start.words, &self.events) {
                warn!(error = failure.text(), "`sealiftd reload` cannot reach this server");
            }
        }
        if let Next::Another(asker) = std::mem::replace(&mut self.next, Next::AsItEnds) {
            info!(server = pid, "the next server serves");
            if let Some(asker) = asker {
                asker.answer(Ok(format!("The next server serves (pid {pid}).")));
            }
        }
    }

    fn wish(&mut self, wish: &Wish, asker: Asker) {
        let is_serving = self.server.as_ref().is_some_and(|server| server.is_ready);
        if !is_serving || !matches!(self.next, Next::AsItEnds) {
            return asker.answer(Err("a server is starting or ending just now".to_owned()));
        }
        match wish {
            Wish::Files => {
                self.signal(Signal::HUP);
                asker.answer(Ok("The server reads its files again; its log says what came of it.".to_owned()));
            }
            Wish::Program => {
                info!("another server takes the place of this one once it has drained");
                self.manager.reloading();
                self.next = Next::Another(Some(asker));
                self.signal(Signal::TERM);
            }
        }
    }

    /// The server has ended: the code to end with, or none if another one starts.
    fn ended(&mut self, status: Option<ExitStatus>) -> Option<ExitCode> {
        let was_ready = self.server.take().is_some_and(|server| server.is_ready);
        let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        match std::mem::replace(&mut self.next, Next::AsItEnds) {
            Next::Nothing => return Some(ExitCode::from(code.unwrap_or(1))),
            // By its own wish, as SHUTDOWN is; or a first one that cannot start, and has said why.
            Next::AsItEnds if code == Some(0) || !self.has_served => return Some(ExitCode::from(code.unwrap_or(1))),
            // The one that was to end.
            Next::Another(asker) if was_ready => {
                self.next = Next::Another(asker);
                match self.start_server() {
                    Ok(()) => return None,
                    Err(error) => error!(%error, "no server can be started"),
                }
            }
            Next::Another(asker) => self.next = Next::Another(asker),
            Next::AsItEnds => {}
        }
        if let Next::Another(asker) = &mut self.next
            && let Some(asker) = asker.take()
        {
            asker.answer(Err(format!("the next server does not serve: {}; it is started again", in_words(status))));
        }
        error!("the server is gone ({}); it is started again", in_words(status));
        let now = Instant::now();
        self.crashes.retain(|crash| now.duration_since(*crash) < limits::SUPERVISED_CRASHES_WITHIN);
        self.crashes.push_back(now);
        if self.crashes.len() > limits::SUPERVISED_CRASHES {
            error!(crashes = self.crashes.len(), "it does not stay: giving up");
            return Some(ExitCode::from(code.filter(|code| *code != 0).unwrap_or(1)));
        }
        self.due = Some(now + limits::SUPERVISED_PAUSE);
        None
    }
}
