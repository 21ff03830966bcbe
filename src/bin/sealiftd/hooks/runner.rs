//! The process that runs hooks: a few at once, each for a bounded time and never by a shell. What it reads comes from the server,
//! which talks to strangers: of an event it takes nothing but the bytes, which it hands on, and for the log the path.
//!
//! It ends when the server has, and what waits then is done, within bounds: signals, which a terminal or a service manager may send to
//! all there is, do not end it before.

use std::collections::BTreeSet;
use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::io::ioctl_fionbio;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, getpid, getrlimit, kill_process, set_child_subreaper, setrlimit,
    waitpid,
};
use rustix::thread::clear_ambient_capability_set;
use sealift::limits;
use sealift::sync::Mutex;
use sealift::{Error, Kind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tracing::warn;

use super::events::{self, Told};
use super::keeper::{self, End};
use super::queue::{Job, Queue};
use super::{socket, socket_of};
use crate::args::LogFormat;
use crate::failure::Failure;
use crate::logging;

/// What it is called on the command line.
pub const COMMAND: &str = "run-hooks";

/// How it is started: by the server alone, and by nothing that is read from a file or the environment.
#[derive(Debug, Parser)]
pub struct RunnerArgs {
    /// How the log is written
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// How long a hook may run
    #[arg(long)]
    hook_timeout: humantime::Duration,
    /// What is run
    programs: Vec<PathBuf>,
}

/// Runs them until the server is gone, and those that it told of are done, or it is too late for them.
///
/// # Errors
/// That there is no thread to be had.
pub fn run(args: &RunnerArgs) -> Result<(), Failure> {
    logging::start(args.log_format, None)?;
    let failed = |err| Error::new(Kind::Internal, format!("the process for hooks cannot be set up: {err}"));
    have_what_programs_have();
    // What a process around a hook leaves behind that was killed becomes a child of this one.
    set_child_subreaper(Some(getpid())).map_err(|err| failed(err.into()))?;
    // A handler, since what is ignored would be ignored by hooks, too.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map_err(failed)?;
    }
    let (queue, timeout) = (Arc::new(Queue::default()), Duration::from(args.hook_timeout));
    let mut workers = Vec::new();
    for _ in 0..limits::HOOKS_AT_ONCE {
        let queue = queue.clone();
        let work = move || {
            while let Some(job) = queue.next() {
                carry_out(&job, timeout, &queue);
            }
        };
        workers.push(std::thread::Builder::new().name("hook".to_owned()).spawn(work).map_err(failed)?);
    }
    let mut from = BufReader::new(io::stdin());
    loop {
        match events::next(&mut from) {
            Ok(Told::Event(event)) => {
                if let Some(lost) = queue.push(&args.programs, event) {
                    warn!(lost, "uploads of which no hook was told: hooks are too slow");
                }
            }
            Ok(Told::TooLong) => warn!(bytes = limits::HOOK_EVENT_MAX, "an upload of which no hook was told: too long"),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(Told::Nothing) | Err(_) => break,
        }
    }
    queue.end(limits::HOOKS_END);
    workers.into_iter().for_each(|worker| drop(worker.join()));
    match queue.left() {
        0 => {}
        left => warn!(left, "hooks that were not run: the server has ended"),
    }
    Ok(())
}

/// The server's account is enough for hooks: not what a unit gave the server for its ports, nor as many open files, which old
/// programs cannot cope with. Refused means that it stays as it is.
fn have_what_programs_have() {
    let _ = clear_ambient_capability_set();
    let files = getrlimit(Resource::Nofile);
    let usual = files.maximum.map_or(limits::HOOK_FILES, |most| most.min(limits::HOOK_FILES));
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(usual), ..files });
}

fn carry_out(Job { program, event }: &Job, timeout: Duration, queue: &Queue) {
    let (program_is, file) = (program.display(), || events::path_of(event));
    if let Some(path) = socket_of(program) {
        if let Err(error) = socket::tell(path, event, timeout) {
            warn!(socket = %path.display(), file = file(), %error, "a hook's socket was not told");
        }
        return;
    }
    let kept = Kept::start(program, timeout).and_then(|mut kept| end_of(&mut kept.0, event, timeout, queue));
    if !matches!(kept, Ok(End::By(_) | End::Failed(_))) {
        end_what_is_left();
    }
    match kept {
        Ok(End::By(status)) if status.success() => {}
        Ok(End::By(status)) => warn!(program = %program_is, file = file(), %status, "a hook failed"),
        Ok(End::TooLate) => {
            let timeout = humantime::format_duration(timeout);
            warn!(program = %program_is, file = file(), %timeout, "a hook ran too long and was killed");
        }
        Ok(End::Told) => {
            warn!(program = %program_is, file = file(), "a hook was killed: the server has ended");
        }
        Ok(End::Failed(errno)) => {
            let error = io::Error::from_raw_os_error(errno);
            warn!(program = %program_is, file = file(), %error, "a hook cannot be run");
        }
        Err(error) => warn!(program = %program_is, file = file(), %error, "a hook cannot be run"),
    }
}

/// The processes around hooks that there are, by their numbers. Held while one is started and while others are ended.
static KEEPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// One of them, known as long as this is.
struct Kept(Child);

impl Kept {
    fn start(program: &Path, timeout: Duration) -> io::Result<Kept> {
        let mut keepers = KEEPERS.lock();
        let keeper = keeper::start(program, timeout)?;
        keepers.insert(keeper.id());
        Ok(Kept(keeper))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        KEEPERS.lock().remove(&self.0.id());
    }
}

/// Ends what is a child of this process and no process around a hook: its own was killed, by the hook itself maybe.
fn end_what_is_left() {
    let until = Instant::now() + limits::HOOK_KILL;
    loop {
        let keepers = KEEPERS.lock();
        let mut left = keeper::children();
        left.retain(|child| u32::try_from(child.as_raw_nonzero().get()).is_ok_and(|id| !keepers.contains(&id)));
        for child in &left {
            let _ = kill_process(*child, Signal::KILL);
            let _ = waitpid(Some(*child), WaitOptions::NOHANG);
        }
        drop(keepers);
        if left.is_empty() || Instant::now() >= until {
            return;
        }
        std::thread::sleep(limits::HOOK_KILL_LOOK);
    }
}

/// Tells it of the event, as far as it reads, and sees to its end.
fn end_of(keeper: &mut Child, mut event: &[u8], timeout: Duration, queue: &Queue) -> io::Result<End> {
    // By then it has killed all, and is gone.
    let end = Instant::now().checked_add(timeout.saturating_add(limits::HOOK_KILL.saturating_mul(2)));
    // Who reads slowly, or nothing, has no more time than others.
    let mut to = keeper.stdin.take().filter(|to| ioctl_fionbio(to, true).is_ok());
    let mut is_told = false;
    loop {
        if let Some(open) = &mut to
            && tell(open, &mut event)
        {
            to = None;
        }
        if keeper.try_wait()?.is_some() {
            let mut said = String::new();
            if let Some(out) = keeper.stdout.take() {
                out.take(limits::LINE_MAX as u64).read_to_string(&mut said)?;
            }
            return End::parse(&said).ok_or_else(|| io::Error::other("the process around it was killed"));
        }
        if queue.is_over() && !is_told {
            is_told = true;
            if let Some(keeper) = i32::try_from(keeper.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(keeper, Signal::USR1);
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            keeper.kill()?;
            keeper.wait()?;
            return Ok(End::TooLate);
        }
        std::thread::sleep(limits::HOOK_LOOK);
    }
}

/// Writes what it takes now; says whether that was all, or all that it will ever take.
fn tell(to: &mut ChildStdin, event: &mut &[u8]) -> bool {
    while !event.is_empty() {
        match to.write(event) {
            Ok(written) => *event = event.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
    true
}
