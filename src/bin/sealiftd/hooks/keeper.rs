//! The process that stands around one hook: whatever that starts becomes a child of this one in the end, also what has left the
//! hook's group and session, or whose parent is gone. So all of it can be ended, and a hook is over when nothing of it runs.
//!
//! It says in one line on standard output how the hook ended ([`End`]).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper,
    set_parent_process_death_signal, wait,
};
use sealift::limits;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// What it is called on the command line.
pub const COMMAND: &str = "run-hook";

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with all that it started.
    By(ExitStatus),
    /// It, or something that it started, took longer than it may.
    TooLate,
    /// It was told to.
    Told,
    /// It never began, for this reason of the system's.
    Failed(i32),
}

impl End {
    fn render(self) -> String {
        match self {
            End::By(status) => format!("status {}\n", status.into_raw()),
            End::TooLate => "late\n".to_owned(),
            End::Told => "told\n".to_owned(),
            End::Failed(errno) => format!("error {errno}\n"),
        }
    }

    /// What it said, if that is anything.
    pub fn parse(said: &str) -> Option<End> {
        let (word, number) = said.trim_end().split_once(' ').unwrap_or((said.trim_end(), ""));
        match word {
            "late" => Some(End::TooLate),
            "told" => Some(End::Told),
            "status" => number.parse().ok().map(|raw| End::By(ExitStatus::from_raw(raw))),
            "error" => number.parse().ok().map(End::Failed),
            _ => None,
        }
    }
}

/// A process that runs this for so long at most. What it is to be told comes on its standard input; SIGUSR1 ends it, and so does
/// the end of the thread that starts it.
///
/// # Errors
/// Those of starting a process.
pub fn start(program: &Path, timeout: Duration) -> io::Result<std::process::Child> {
    Command::new("/proc/self/exe")
        .arg0("sealiftd-hook")
        .arg(COMMAND)
        .arg(timeout.as_millis().to_string())
        .arg(program)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// Runs one, as [`start`] asks for it.
pub fn run(words: &[OsString]) -> ExitCode {
    let [_, timeout, program] = words else { return ExitCode::FAILURE };
    let Some(timeout) = timeout.to_str().and_then(|millis| millis.parse().ok()) else { return ExitCode::FAILURE };
    let end = keep(program, Duration::from_millis(timeout))
        .unwrap_or_else(|error| End::Failed(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error())));
    let said = io::stdout().write_all(end.render().as_bytes());
    if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keep(program: &OsStr, timeout: Duration) -> io::Result<End> {
    let told = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, told.clone())?;
    // What a terminal or a service manager says to all there is concerns the hook, and not who waits for it.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    set_child_subreaper(Some(getpid()))?;
    set_parent_process_death_signal(Some(Signal::USR1))?;
    let until = Instant::now().checked_add(timeout);
    let hook = Command::new(program).process_group(0).stdout(Stdio::null()).spawn()?;
    let hook = i32::try_from(hook.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    let mut status = None;
    loop {
        if reap(hook, &mut status) {
            return Ok(End::By(status.unwrap_or_default()));
        }
        let why = match () {
            () if told.load(Ordering::Relaxed) => Some(End::Told),
            () if until.is_some_and(|until| Instant::now() >= until) => Some(End::TooLate),
            () => None,
        };
        if let Some(why) = why {
            end_all(hook);
            return Ok(why);
        }
        std::thread::sleep(limits::HOOK_LOOK);
    }
}

/// Takes leave of what has ended, and says whether that was all.
fn reap(hook: Pid, status: &mut Option<ExitStatus>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, ended))) if pid == hook => *status = Some(ExitStatus::from_raw(ended.as_raw())),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// Ends the hook and all that came of it: each round takes the children there are, and theirs are the next ones.
fn end_all(hook: Pid) {
    let until = Instant::now() + limits::HOOK_KILL;
    let _ = kill_process_group(hook, Signal::KILL);
    while !reap(hook, &mut None) && Instant::now() < until {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        std::thread::sleep(limits::HOOK_KILL_LOOK);
    }
}

/// The processes whose parent this one is.
pub fn children() -> Vec<Pid> {
    let ours = getpid().as_raw_nonzero().get();
    let parent = |pid: i32| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything; behind it are the state and the parent.
        let rest = stat.rsplit(|byte| *byte == b')').next()?;
        std::str::from_utf8(rest).ok()?.split_whitespace().nth(1)?.parse::<i32>().ok()
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(ours)).filter_map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_back_and_nothing_else_is_one() {
        for end in [
            End::By(ExitStatus::from_raw(3 << 8)),
            End::By(ExitStatus::from_raw(9)),
            End::TooLate,
            End::Told,
            End::Failed(2),
        ] {
            assert_eq!(End::parse(&end.render()), Some(end));
        }
        for wrong in ["", "status", "status x", "error", "other 3"] {
            assert_eq!(End::parse(wrong), None, "{wrong}");
        }
    }
}
