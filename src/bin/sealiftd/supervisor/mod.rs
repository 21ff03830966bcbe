//! `--supervise`: a process in front of the server that holds its listening sockets, so that another program can take the server's
//! place and whoever connects meanwhile waits in the kernel and is not refused.
//!
//! The server that is there takes nothing new, and leaves its folders once it has nothing left to do but to send files that it has open:
//! then the next one starts, and serves beside it until those are sent. Never do two change anything, so that what depends on one process,
//! like quotas, conditions and sweeps, stays exact with nothing done for it. What the first one knows of logins and locks it hands on by
//! its state folder. The supervisor serves nothing, reads nothing from the network, and stays as it is started, outside of the server's
//! sandbox, since it starts programs.

pub mod args;
mod control;
mod draining;
mod notices;
mod program;
mod server_process;
mod sockets;
mod words;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift::{Error, Kind, limits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};

pub use self::control::ask;
use self::control::{Asker, Control, Wish};
use self::draining::Draining;
use self::notices::Condition;
pub use self::notices::LEFT;
use self::program::Programs;
pub use self::server_process::Parent;
use self::server_process::{ServerProcess, in_words};
use self::sockets::Sockets;
use crate::args::{Places, ServeArgs};
use crate::failure::Failure;
use crate::node_args::NodeArgs;
use crate::reload::Start;
use crate::service_manager::ServiceManager;
use crate::{logging, serve, service_manager};

/// What a supervisor acts on.
enum Event {
    Signal(i32),
    /// What a server says of itself.
    Notice(u64, String),
    Ended(u64, Option<ExitStatus>),
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
    grace: Duration,
    sockets: Sockets,
    manager: ServiceManager,
    events: Sender<Event>,
    /// How many servers were started.
    started: u64,
    server: Option<ServerProcess>,
    /// Those before it that have not ended.
    draining: Draining,
    next: Next,
    programs: Programs,
    /// When servers crashed or failed to start, not long ago.
    crashes: VecDeque<Instant>,
    /// When the next attempt is due, after a crash.
    due: Option<Instant>,
    /// When it was last looked after what has no event of its own.
    looked: Instant,
    has_served: bool,
    /// What became of the last server that did not stay.
    failure: String,
    /// Where wishes come from, once a server has had the state folder.
    control: Option<Control>,
    /// What it ends with once none of those before has anything to send.
    over: Option<ExitCode>,
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
    let watch = move || signals.forever().map(Event::Signal).try_for_each(|event| by_signal.send(event));
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(failed)?;
    let handed = service_manager::handed_over()?;
    let manager = ServiceManager::of_environment(handed.teller)?;
    let sockets = Sockets::of(&serve::listeners(&args.listen, handed.sockets)?)?;
    info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), sockets = sockets.count(), "supervising");
    let mut supervisor = Supervisor {
        places: (places, &args.nodes),
        start,
        grace: args.grace.into(),
        sockets,
        manager,
        events,
        started: 0,
        server: None,
        draining: Draining::default(),
        next: Next::AsItEnds,
        programs: Programs::default(),
        crashes: VecDeque::new(),
        due: None,
        looked: Instant::now(),
        has_served: false,
        failure: String::new(),
        control: None,
        over: None,
    };
    supervisor.start_server()?;
    let code = supervisor.follow(&inbox);
    // Whose wish was not heard any more is told so.
    drop(inbox);
    supervisor.control.iter().for_each(Control::finish);
    supervisor.manager.stopping();
    Ok(code)
}

impl Supervisor<'_> {
    fn start_server(&mut self) -> Result<(), Error> {
        self.due = None;
        self.started += 1;
        let words = &self.start.words;
        let program = words.first().and_then(|name| self.programs.next(name));
        let server = ServerProcess::start(self.started, (words, program.as_deref()), &self.sockets, &self.events)?;
        info!(server = server.pid, "started a server");
        self.server = Some(server);
        Ok(())
    }

    fn follow(&mut self, inbox: &Receiver<Event>) -> ExitCode {
        // A terminal that closes says SIGHUP to what runs in it. Elsewhere it is a wish to read the configuration again.
        let hangup_ends = io::stderr().is_terminal();
        loop {
            // However many events come.
            let patience = self.patience();
            let event = if patience.is_zero() { Err(RecvTimeoutError::Timeout) } else { inbox.recv_timeout(patience) };
            let done = match event {
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => Some(ExitCode::SUCCESS),
                Ok(Event::Signal(SIGHUP)) if !hangup_ends => {
                    self.read_again();
                    None
                }
                Ok(event) => self.act(event),
            };
            if done.is_some() {
                self.manager.stopping();
            }
            self.over = self.over.or(done);
            if let Some(code) = self.over.filter(|_| self.draining.is_empty()) {
                return code;
            }
        }
    }

    /// Acts on this; a code to end with, if that is all.
    fn act(&mut self, event: Event) -> Option<ExitCode> {
        if self.over.is_some() {
            self.act_at_the_end(event);
            return None;
        }
        match event {
            Event::Signal(signal) => self.stop(if signal == SIGINT { Signal::INT } else { Signal::TERM }),
            Event::Notice(number, text) => {
                self.notice(number, &text);
                if text == LEFT { self.left(number) } else { None }
            }
            Event::Wish(wish, asker) => {
                self.wish(&wish, asker);
                None
            }
            Event::Ended(number, status) => match self.server.as_ref() {
                Some(server) if server.number == number => self.ended(status),
                _ => {
                    self.draining.ended(number, status);
                    None
                }
            },
        }
    }

    /// Nothing is left but to wait for servers that send what they had begun.
    fn act_at_the_end(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => {
                self.draining.end_at_once(if signal == SIGINT { Signal::INT } else { Signal::TERM })
            }
            Event::Ended(number, status) => self.draining.ended(number, status),
            Event::Wish(_, asker) => asker.answer(Err("the supervisor is ending".to_owned())),
            Event::Notice(..) => {}
        }
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        let look = limits::SUPERVISOR_LOOK.saturating_sub(now.saturating_duration_since(self.looked));
        self.due.map_or(look, |due| look.min(due.saturating_duration_since(now)))
    }

    /// Looks after what has no event of its own; a code to end with, if that is all.
    fn look(&mut self) -> Option<ExitCode> {
        self.looked = Instant::now();
        self.programs.look(Instant::now());
        self.draining.check();
        if let Some(control) = &mut self.control {
            control.look();
        }
        match &mut self.server {
            Some(server) => {
                let was_late = server.is_late;
                if !server.check() {
                    if !was_late {
                        error!(server = server.pid, "it does not get on, and is killed");
                    }
                } else if server.is_ending || !server.is_ready {
                    // One that drains or starts gives no sign of life. It is bounded, and then the supervisor's to end.
                    self.manager.alive();
                }
            }
            None if self.due.is_some_and(|due| due <= Instant::now()) => return self.try_another(),
            None => self.manager.alive(),
        }
        None
    }

    fn try_another(&mut self) -> Option<ExitCode> {
        match self.start_server() {
            Ok(()) => None,
            Err(error) => self.failed(error.text(), None, false),
        }
    }

    /// Has the server read its files again. One that starts reads them anyway, and SIGHUP would end it.
    fn read_again(&self) {
        // They go by users who may go away, and write an audit that may be another file.
        self.draining.read_again();
        if let Some(server) = self.server.as_ref().filter(|server| server.is_ready) {
            server.signal(Signal::HUP);
        }
    }

    fn stop(&mut self, signal: Signal) -> Option<ExitCode> {
        info!("stopping; once more ends at once");
        self.due = None;
        let next = std::mem::replace(&mut self.next, Next::Nothing);
        let is_first = !matches!(next, Next::Nothing);
        if let Next::Another(Some(asker)) = next {
            asker.answer(Err("the server was told to stop".to_owned()));
        }
        self.manager.stopping();
        if !is_first {
            self.draining.end_at_once(signal);
        }
        let grace = self.grace;
        match &mut self.server {
            None => return Some(ExitCode::SUCCESS),
            // It was told already, to make place for another one.
            Some(server) if is_first && server.is_ending => {}
            Some(server) => server.end(signal, grace),
        }
        None
    }

    /// A server has left its folders to the next one: that is started, if this one was to make place.
    fn left(&mut self, number: u64) -> Option<ExitCode> {
        let is_to_go = |server: &mut ServerProcess| server.number == number && server.is_ending;
        if !matches!(self.next, Next::Another(_)) {
            return None;
        }
        self.draining.add(self.server.take_if(is_to_go)?);
        self.try_another()
    }

    fn notice(&mut self, number: u64, text: &str) {
        if self.server.as_ref().is_none_or(|server| server.number != number) {
            return;
        }
        let says_so = text.lines().any(|line| line == "READY=1");
        let is_first = says_so && self.server.as_ref().is_some_and(|server| !server.is_ready);
        // Before anybody hears that it is ready: whoever does can ask for something.
        if is_first && self.control.is_none() {
            match Control::begin(self.places, &self.start.words, &self.events) {
                Ok(control) => self.control = Some(control),
                Err(failure) => warn!(error = failure.text(), "`sealiftd reload` cannot reach this server"),
            }
        }
        let lines = notices::for_manager(text, self.condition());
        if !lines.is_empty() {
            self.manager.tell(&lines);
        }
        let Some(server) = self.server.as_mut().filter(|_| is_first) else { return };
        server.serves();
        let pid = server.pid;
        self.has_served = true;
        self.programs.serves(Instant::now());
        if let Next::Another(asker) = std::mem::replace(&mut self.next, Next::AsItEnds) {
            info!(server = pid, "the next server serves");
            if let Some(asker) = asker {
                asker.answer(match self.programs.is_back() {
                    false if self.draining.is_empty() => Ok(format!("The next server serves (pid {pid}).")),
                    false => Ok(format!("The next server serves (pid {pid}); the one before sends what it has begun.")),
                    true => {
                        let why = &self.failure;
                        Err(format!("the new program does not serve ({why}); the one before serves again (pid {pid})"))
                    }
                });
            }
        }
    }

    /// What whoever looks at the service is to know beyond what the server says of itself.
    fn condition(&self) -> Condition {
        match &self.next {
            _ if self.programs.is_back() => Condition::Back,
            Next::Another(_) => Condition::Replacing,
            Next::AsItEnds | Next::Nothing => Condition::Usual,
        }
    }

    fn wish(&mut self, wish: &Wish, asker: Asker) {
        let grace = self.grace;
        let serving = self.server.as_mut().filter(|server| server.is_ready && !server.is_ending);
        let (Some(server), Next::AsItEnds) = (serving, &self.next) else {
            return asker.answer(Err("a server is starting or ending just now".to_owned()));
        };
        match wish {
            Wish::Program if self.draining.is_full() => {
                let text = "servers that were replaced before have much to send yet: try again when their grace periods are over";
                asker.answer(Err(text.to_owned()));
            }
            Wish::Files => {
                server.signal(Signal::HUP);
                self.draining.read_again();
                asker.answer(Ok("The server reads its files again; its log says what came of it.".to_owned()));
            }
            Wish::Program => {
                info!("another server takes the place of this one once it has nothing left to change");
                self.manager.reloading();
                self.next = Next::Another(Some(asker));
                self.programs.go_on();
                // What an earlier one did is nothing against this one.
                self.crashes.clear();
                server.end(Signal::TERM, grace);
            }
        }
    }

    /// The server has ended: the code to end with, or none if another one starts.
    fn ended(&mut self, status: Option<ExitStatus>) -> Option<ExitCode> {
        let server = self.server.take()?;
        let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
        match &self.next {
            // One that had not got far enough to take the signal was ended by it all the same.
            Next::Nothing if server.is_ending && !server.is_ready => Some(ExitCode::SUCCESS),
            Next::Nothing => Some(ExitCode::from(code.unwrap_or(1))),
            // By its own wish, as SHUTDOWN is; or a first one that cannot start, and has said why.
            Next::AsItEnds if code == Some(0) || !self.has_served => Some(ExitCode::from(code.unwrap_or(1))),
            // The one that was to end.
            Next::Another(_) if server.is_ending => self.try_another(),
            Next::Another(_) | Next::AsItEnds if server.is_late => {
                let limit = limits::SUPERVISED_START.as_secs();
                let how = format!("it did not say within {limit} seconds that it serves, and was killed");
                self.failed(&how, code, true)
            }
            Next::Another(_) | Next::AsItEnds => self.failed(&in_words(status), code, false),
        }
    }

    /// A server has crashed or not started: another attempt comes, unless there were too many. Then it is that program's end, and the one
    /// that served before comes back, if there is such. `is_late` is one that does not get on: that it takes as long again and again is
    /// nobody's to wait for.
    fn failed(&mut self, how: &str, code: Option<u8>, is_late: bool) -> Option<ExitCode> {
        let now = Instant::now();
        how.clone_into(&mut self.failure);
        self.crashes.retain(|crash| now.duration_since(*crash) < limits::SUPERVISED_CRASHES_WITHIN);
        self.crashes.push_back(now);
        let has_another = self.programs.have_another();
        if has_another && (is_late || self.crashes.len() >= limits::SUPERVISED_CRASHES) {
            error!(
                attempts = self.crashes.len(),
                "no server of this program stays ({how}): the program before it is started again. Mend it, then `sealiftd reload --binary`"
            );
            self.programs.go_back();
            self.crashes.clear();
            self.due = Some(now);
            return None;
        }
        if !has_another && self.crashes.len() > limits::SUPERVISED_CRASHES {
            error!(crashes = self.crashes.len(), "no server stays ({how}): giving up");
            // Whoever started the supervisor is to know at once.
            self.draining.end_at_once(Signal::TERM);
            if let Next::Another(Some(asker)) = std::mem::replace(&mut self.next, Next::Nothing) {
                asker.answer(Err(format!("no server serves any more: {how}")));
            }
            return Some(ExitCode::from(code.filter(|code| *code != 0).unwrap_or(1)));
        }
        let doubled = u32::try_from(self.crashes.len() - 1).unwrap_or(u32::MAX);
        let pause = limits::SUPERVISED_PAUSE.saturating_mul(2_u32.saturating_pow(doubled));
        error!(again_in = ?pause, "no server is there ({how}); one is started again");
        self.due = Some(now + pause);
        None
    }
}

#[cfg(test)]
mod tests;
