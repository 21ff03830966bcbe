//! Child processes, none of which outlives the benchmark: not when it ends, fails, panics or is interrupted.
//!
//! A [`Household`] makes this process the one that inherits orphans, and a thread of it kills the clients when a signal
//! asks the program to end. The main thread then sees its client fail, and unwinds: every handle kills its process.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, set_child_subreaper, wait, waitid,
};

use crate::procfs;
use crate::trouble::{Outcome, Trouble};

/// A client that takes longer hangs, and is killed.
const CLIENT_LIMIT: Duration = Duration::from_secs(20 * 60);
/// A server that is not ready by then will never be.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// How long a server may take to end when asked to, before it is killed.
const END_LIMIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static CLIENTS: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// A client that runs, or has ended and was not waited for: its number cannot have been given to another process.
struct Running {
    pid: Pid,
    deadline: Instant,
}

fn clients() -> MutexGuard<'static, Vec<Running>> {
    CLIENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error once the program was asked to end; long loops ask this often.
pub fn check() -> Outcome<()> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(Trouble::Interrupted) } else { Ok(()) }
}

/// Keeps the promise of this module while it lives. There is one, and it is dropped last.
pub struct Household(());

impl Household {
    /// Listens for signals and inherits orphans from now on.
    pub fn start() -> Outcome<Household> {
        let fail = |err: io::Error| Trouble::new(format!("no signals: {err}"));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&INTERRUPTED)).map_err(fail)?;
        }
        set_child_subreaper(Some(getpid())).map_err(|err| fail(err.into()))?;
        thread::spawn(|| {
            loop {
                kill_clients();
                thread::sleep(Duration::from_millis(50));
            }
        });
        Ok(Household(()))
    }
}

impl Drop for Household {
    fn drop(&mut self) {
        // What servers have left behind came to us. Each round finds what the one before had started meanwhile.
        for _ in 0..100 {
            let left = procfs::descendants(std::process::id());
            if left.is_empty() {
                return;
            }
            for pid in left.into_iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
                let _gone_already = kill_process(pid, Signal::KILL);
            }
            thread::sleep(POLL);
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        }
    }
}

/// Kills the clients that took too long, or all if the program was asked to end.
fn kill_clients() {
    let interrupted = check().is_err();
    for client in clients().iter() {
        if interrupted || Instant::now() > client.deadline {
            let _gone_already = kill_process(client.pid, Signal::KILL);
        }
    }
}

/// A client process. Dropping it kills it.
struct Client(Child);

impl Client {
    fn start(command: &mut Command) -> Outcome<Client> {
        let client = Client(spawn(command)?);
        if let Some(pid) = client.pid() {
            clients().push(Running { pid, deadline: Instant::now() + CLIENT_LIMIT });
        }
        Ok(client)
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.0.id().cast_signed())
    }

    /// Waits until it has ended, and leaves what the kernel knows of it in place.
    fn wait_for_end(&self) {
        let Some(pid) = self.pid() else { return };
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {
        }
    }
}

impl Client {
    /// Waits until it has ended, and gives its number back to the system: nobody may kill it any more.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.wait_for_end();
        clients().retain(|client| Some(client.pid) != self.pid());
        self.0.wait()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status_was_read = self.reap();
    }
}

fn spawn(command: &mut Command) -> Outcome<Child> {
    sealift::fast_copy::keep_from(command);
    command.spawn().map_err(|err| Trouble::at(Path::new(command.get_program()), err))
}

/// What a client does: one command, or two with a pipe between them.
pub struct Job(Vec<Command>);

/// What a finished [`Job`] took.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// From the start of the first process to the end of the last.
    pub wall: Duration,
    /// User and system time of all of them and their children.
    pub cpu: Duration,
}

impl Job {
    /// One command.
    pub fn one(command: Command) -> Job {
        Job(vec![command])
    }

    /// `from | into`.
    pub fn piped(from: Command, into: Command) -> Job {
        Job(vec![from, into])
    }

    /// Runs it, with what it says on standard error in the file `log`.
    ///
    /// # Errors
    /// When a command cannot be started, takes too long, or exits with another code than 0.
    pub fn run(self, log: &Path) -> Outcome<Finished> {
        check()?;
        let errors = File::create(log).map_err(|err| Trouble::at(log, err))?;
        let Job(mut commands) = self;
        let count = commands.len();
        let mut running: Vec<Client> = Vec::new();
        let mut input = Stdio::null();
        let start = Instant::now();
        for (at, command) in commands.iter_mut().enumerate() {
            let last = at + 1 == count;
            let output = if last { Stdio::null() } else { Stdio::piped() };
            let errors = errors.try_clone().map_err(|err| Trouble::at(log, err))?;
            let mut client = Client::start(command.stdin(input).stdout(output).stderr(errors))?;
            input = client.0.stdout.take().map_or_else(Stdio::null, Stdio::from);
            running.push(client);
        }
        running.iter().for_each(Client::wait_for_end);
        let wall = start.elapsed();
        let cpu = running.iter().map(|client| procfs::cpu(client.0.id())).sum();
        check()?;
        for (client, command) in running.iter_mut().zip(&commands) {
            let program = Path::new(command.get_program());
            let status = client.reap().map_err(|err| Trouble::at(program, err))?;
            if !status.success() {
                let why = match status.signal() {
                    Some(9) if wall >= CLIENT_LIMIT => format!("hung for {} s", wall.as_secs()),
                    _ => format!("{status}"),
                };
                return Err(Trouble::new(format!("{}: {why}: {}", program.display(), last_words(log))));
            }
        }
        Ok(Finished { wall, cpu })
    }
}

/// A server process. Dropping it ends it.
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it, with all it says in the file `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, log: PathBuf) -> Outcome<Service> {
        let errors = File::create(&log).map_err(|err| Trouble::at(&log, err))?;
        let output = errors.try_clone().map_err(|err| Trouble::at(&log, err))?;
        let child = spawn(command.stdin(Stdio::null()).stdout(output).stderr(errors))?;
        Ok(Service { child, log })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` finds what it looks for.
    ///
    /// # Errors
    /// With the server's last words, when it ends or takes too long instead.
    pub fn wait_for<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> Outcome<T> {
        let start = Instant::now();
        loop {
            check()?;
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if ended {
                return Err(Trouble::new(format!("it ended at once: {}", last_words(&self.log))));
            }
            if let Some(found) = ready() {
                return Ok(found);
            }
            if start.elapsed() > READY_LIMIT {
                return Err(Trouble::new(format!("it was never ready: {}", last_words(&self.log))));
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let start = Instant::now();
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
            && let Ok(None) = self.child.try_wait()
        {
            let _gone_already = kill_process(pid, Signal::TERM);
        }
        while start.elapsed() < END_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// Waits until the server has ended the helpers it started for a client that is gone, so that their time is counted.
pub fn settle(server: u32, before: &[u32]) {
    let start = Instant::now();
    while start.elapsed() < END_LIMIT && procfs::descendants(server).iter().any(|pid| !before.contains(pid)) {
        thread::sleep(Duration::from_millis(2));
    }
}

/// The end of a log file on one line.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let end: Vec<&str> = lines.iter().rev().take(3).rev().copied().collect();
    let end: String = end.join(" | ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if end.is_empty() { "it said nothing".to_owned() } else { end }
}

/// Where a program is: in PATH, or where servers are kept.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(servers).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Runs a program for what it says, with this line for it to read. What it says on standard error counts only if it
/// says nothing else.
///
/// # Errors
/// When it cannot be started or fails.
pub fn ask(command: &mut Command, line: &str) -> Outcome<String> {
    check()?;
    let name = PathBuf::from(command.get_program());
    let fail = |err| Trouble::at(&name, err);
    let mut client = Client::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    if let Some(mut input) = client.0.stdin.take() {
        let _it_may_not_want_it = writeln!(input, "{line}");
    }
    let (mut output, mut errors) = (String::new(), String::new());
    if let Some(mut pipe) = client.0.stdout.take() {
        pipe.read_to_string(&mut output).map_err(fail)?;
    }
    if let Some(mut pipe) = client.0.stderr.take() {
        pipe.read_to_string(&mut errors).map_err(fail)?;
    }
    let status = client.reap().map_err(fail)?;
    check()?;
    if !status.success() {
        return Err(Trouble::new(format!("{}: {status}: {}", name.display(), errors.trim())));
    }
    Ok(if output.trim().is_empty() { errors } else { output }.trim().to_owned())
}
