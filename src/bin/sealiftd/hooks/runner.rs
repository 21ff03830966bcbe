//! The process that runs hooks: a few at once, each for a bounded time and never by a shell. What it reads comes from the server,
//! which talks to strangers: of an event it takes nothing but the bytes, which it hands on.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::clear_ambient_capability_set;
use sealift::limits;
use sealift::sync::Mutex;
use sealift::{Error, Kind};
use tracing::warn;

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

/// One program for one event.
struct Job {
    program: PathBuf,
    event: Arc<Vec<u8>>,
}

/// Runs them until the server is gone, and those that it told of are done.
///
/// # Errors
/// That there is no thread to be had.
pub fn run(args: &RunnerArgs) -> Result<(), Failure> {
    logging::start(args.log_format, None)?;
    // What a unit gave the server for its ports is nothing for hooks.
    let _ = clear_ambient_capability_set();
    let failed = |err| Error::new(Kind::Internal, format!("no thread for hooks: {err}"));
    let (jobs, waiting) = sync_channel::<Job>(0);
    let (waiting, timeout) = (Arc::new(Mutex::new(waiting)), Duration::from(args.hook_timeout));
    let mut workers = Vec::new();
    for _ in 0..limits::HOOKS_AT_ONCE {
        let waiting = waiting.clone();
        let work = move || {
            while let Some(job) = next(&waiting) {
                carry_out(&job, timeout);
            }
        };
        workers.push(std::thread::Builder::new().name("hook".to_owned()).spawn(work).map_err(failed)?);
    }
    let mut events = BufReader::new(io::stdin());
    loop {
        let mut event = Vec::new();
        match events.by_ref().take(limits::HOOK_EVENT_MAX).read_until(b'\n', &mut event) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let event = Arc::new(event);
        for program in &args.programs {
            // Fails only if all workers are gone.
            let _ = jobs.send(Job { program: program.clone(), event: event.clone() });
        }
    }
    drop(jobs);
    workers.into_iter().for_each(|worker| drop(worker.join()));
    Ok(())
}

fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    waiting.lock().recv().ok()
}

fn carry_out(Job { program, event }: &Job, timeout: Duration) {
    let program_is = program.display();
    match start(program, event).and_then(|child| end_of(child, timeout)) {
        Ok(Some(status)) if status.success() => {}
        Ok(Some(status)) => warn!(program = %program_is, %status, "a hook failed"),
        Ok(None) => {
            warn!(program = %program_is, timeout = %humantime::format_duration(timeout), "a hook ran too long and was killed")
        }
        Err(error) => warn!(program = %program_is, %error, "a hook cannot be run"),
    }
}

/// In a group of its own, so that it can be killed with all that it starts.
fn start(program: &Path, event: &[u8]) -> io::Result<Child> {
    let mut child = Command::new(program)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut to) = child.stdin.take() {
        // It fits into a pipe whether or not it is read; who reads nothing has ended, or will be.
        let _ = to.write_all(event);
    }
    Ok(child)
}

/// How it ended; none if it had to be killed.
fn end_of(mut child: Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now().checked_add(timeout);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(limits::HOOK_LOOK);
    }
}
