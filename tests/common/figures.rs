//! What the system says about a running process: memory, threads, descriptors, processor time.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Daemon, HANG};

use super::not_run::not_run;

/// What an idle server with one session has open.
const IDLE_DESCRIPTORS: usize = 16;

/// The figures of one process, read anew each time.
pub struct Figures(u32);

impl Figures {
    /// Those of this server.
    pub fn of(daemon: &Daemon) -> Figures {
        Figures(daemon.pid())
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory that there ever was, in KiB.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// Open descriptors. A server is not dumpable, so only root sees them: elsewhere as many as an idle one has, with
    /// which bounds on them prove nothing and the rest of a test goes on.
    pub fn descriptors(&self) -> usize {
        match fs::read_dir(format!("/proc/{}/fd", self.0)) {
            Ok(open) => open.count(),
            Err(err) => {
                assert_eq!(err.kind(), std::io::ErrorKind::PermissionDenied);
                not_run("only root sees what a server has open");
                IDLE_DESCRIPTORS
            }
        }
    }

    /// Processor time used so far by all its threads.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        // The program's name in parentheses may hold anything; utime and stime are fields 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|at| fields.get(*at).unwrap().parse::<u64>().unwrap()).sum();
        // In hundredths of a second on every Linux (USER_HZ).
        Duration::from_millis(ticks * 10)
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.split_whitespace().next().unwrap().parse().unwrap()
    }
}

/// Waits until this is so; a panic that says what, if it never is.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < HANG, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes a turn: tests that measure, or that need most of the machine, run one after the other within a test file.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets this test process open as many files as the system allows: each connection of a flood is one.
pub fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// The middle one.
pub fn median<T: Ord + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    *sorted.get(sorted.len() / 2).unwrap()
}
