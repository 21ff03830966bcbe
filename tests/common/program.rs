//! Running the program: with pipes and without a terminal, or at a terminal of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sealift::auth::{Access, Grants, UsersFile};
use tempfile::TempDir;

use crate::common::{Builder, COPIES, Daemon, HANG, cheap_hash, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sealift");

/// The password of every user.
pub const PASSWORD: &str = "correct horse";

/// What a program has done.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Done {
    pub fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Must have ended with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }

    /// Must have said this on stderr.
    #[track_caller]
    pub fn said(self, text: &str) -> Done {
        assert!(self.stderr.contains(text), "no `{text}` in: {}", self.stderr);
        self
    }
}

/// A server, and a person with a configuration and a working directory of their own.
///
/// Users: `alice` may do everything and administers, `bob` may upload and nothing else, anonymous reads `public`.
pub struct World {
    pub server: Daemon,
    _place: TempDir,
    pub config: TempDir,
    pub work: TempDir,
}

impl World {
    /// The server is not known yet.
    pub fn new() -> World {
        World::with(|server| server)
    }

    /// The server is known, and it is started by this program with these arguments.
    pub fn trusting_through(program: &[&str]) -> World {
        let world = World::with(|server| server.through(program.iter().copied()));
        world.trust(world.server.address());
        world
    }

    /// The same with a server that is started in another way.
    pub fn with(how: impl FnOnce(Builder) -> Builder) -> World {
        let place = tempfile::tempdir().unwrap();
        let users = UsersFile::new(place.path().join("users.toml"));
        users.create().unwrap();
        let hash = &cheap_hash(PASSWORD);
        let (mut alice, mut bob) = (Grants::new("alice"), Grants::new("bob"));
        (alice.admin, bob.access) = (true, Access::UPLOAD);
        users.add("alice", hash, alice).unwrap();
        users.add("bob", hash, bob).unwrap();
        for home in ["alice", "bob", "public"] {
            fs::create_dir_all(place.path().join("server_data").join(home)).unwrap();
        }
        let server = how(Daemon::builder().within(place.path()).arg("--durability").arg("none")).start();
        let (config, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        World { server, _place: place, config, work }
    }

    /// The server is known.
    pub fn trusting() -> World {
        World::new().trusted()
    }

    /// The server is known.
    pub fn trusted(self) -> World {
        self.trust(self.server.address());
        self
    }

    /// This address is known to have the server's key.
    pub fn trust(&self, address: impl std::fmt::Display) {
        let file = fs::File::options().append(true).create(true).open(self.config.path().join("known_servers"));
        writeln!(file.unwrap(), "{address} {}", self.server.pin()).unwrap();
    }

    /// A file or folder of the person.
    pub fn local(&self, name: impl AsRef<Path>) -> PathBuf {
        self.work.path().join(name)
    }

    /// A file or folder of a user on the server's disk.
    pub fn remote(&self, user: &str, name: impl AsRef<Path>) -> PathBuf {
        self.server.data().join(user).join(name)
    }

    /// A target of alice's.
    pub fn alice(&self, path: &str) -> String {
        format!("alice@{}/{path}", self.server.address())
    }

    /// An anonymous target.
    pub fn public(&self, path: &str) -> String {
        format!("{}/{path}", self.server.address())
    }

    /// The program in a session of its own, so that it has no terminal to ask on whatever the tests are run from.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        self.command_through(&[], args)
    }

    fn command_through(&self, program: &[&str], args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new("setsid");
        command.arg("--wait").args(program).arg(PROGRAM).args(args).current_dir(self.work.path());
        command.env_clear().envs(self.environment());
        command
    }

    /// The variables that the program has.
    pub fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        vec![
            ("PATH", std::env::var_os("PATH").unwrap()),
            (COPIES.0, COPIES.1.into()),
            ("SEALIFT_CONFIG_DIR", self.config.path().into()),
            ("HOME", self.work.path().into()),
            // Not those of the machine that the tests run on.
            ("SEALIFT_SYSTEM_KNOWN_SERVERS", "/nonexistent/known_servers".into()),
        ]
    }

    /// Runs the program with alice's password in the environment.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Done {
        self.run_with(args, b"")
    }

    /// The same, started by this program with these arguments.
    pub fn run_through(&self, program: &[&str], args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Done {
        let mut command = self.command_through(program, args);
        command.env("SEALIFT_PASSWORD", PASSWORD);
        finish(command, b"")
    }

    /// The same with one more variable in the environment.
    pub fn run_with_env(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        name: &str,
        value: impl AsRef<OsStr>,
    ) -> Done {
        let mut command = self.command(args);
        command.env("SEALIFT_PASSWORD", PASSWORD).env(name, value);
        finish(command, b"")
    }

    /// The same with something on standard input.
    pub fn run_with(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Done {
        let mut command = self.command(args);
        command.env("SEALIFT_PASSWORD", PASSWORD);
        finish(command, input)
    }

    /// The program at a terminal, without a password.
    pub fn terminal(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Terminal {
        Terminal::start(self, (100, 24), &[], args)
    }

    /// The same at a terminal of so many columns and lines, with these variables.
    pub fn terminal_of(
        &self,
        size: (u16, u16),
        variables: &[(&str, &str)],
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Terminal {
        Terminal::start(self, size, variables, args)
    }

    /// What the program shows at a terminal so wide, with alice's password in the environment beside these variables.
    pub fn screen(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        columns: u16,
        variables: &[(&str, &str)],
    ) -> String {
        let variables = [variables, &[("SEALIFT_PASSWORD", PASSWORD)]].concat();
        let mut terminal = Terminal::start(self, (columns, 24), &variables, args);
        let (seen, news) = &*terminal.seen;
        let waiting = news.wait_timeout_while(seen.lock().unwrap(), HANG, |seen| !seen.is_over);
        drop(waiting.unwrap());
        let shown = terminal.shown().replace("\r\n", "\n");
        assert_eq!(terminal.wait().code(), Some(0), "{shown}");
        shown
    }
}

/// The names below a folder, in order.
pub fn names(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            names.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    names.sort();
    names
}

/// What a program is started by so that modes of files hold for it, also if the tests are run by root.
pub fn without_override() -> &'static [&'static str] {
    const SETPRIV: &[&str] =
        &["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"];
    if rustix::process::geteuid().is_root() { SETPRIV } else { &[] }
}

/// Signals a program that [`World::command`] started: it is the child of `setsid --wait`, if that had to make one.
pub fn signal(child: &Child, signal: Signal) {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let program = children.split_whitespace().next().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
    kill_process(program.unwrap_or(Pid::from_child(child)), signal).unwrap();
}

/// Runs to the end.
pub fn finish(mut command: Command, input: &[u8]) -> Done {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read all of its input is no failure of the test.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Done { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into() }
}

/// The program at a pseudo-terminal that is its controlling terminal.
pub struct Terminal {
    pty: Arc<pty_process::blocking::Pty>,
    child: Child,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
    /// Up to here has been expected already.
    at: usize,
    is_over: bool,
}

impl Terminal {
    pub fn start(
        world: &World,
        (columns, lines): (u16, u16),
        variables: &[(&str, &str)],
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Terminal {
        let command = pty_process::blocking::Command::new(PROGRAM).args(args).env_clear().envs(world.environment());
        let command = command
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .current_dir(world.work.path());
        Terminal::of(command, (columns, lines))
    }

    /// Any program at a terminal of so many columns and lines.
    pub fn of(command: pty_process::blocking::Command, (columns, lines): (u16, u16)) -> Terminal {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(lines, columns)).unwrap();
        let child = command.spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let (reader, shared) = (pty.clone(), seen.clone());
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error (EIO).
            while let Ok(len) = (&*reader).read(&mut buffer) {
                let (seen, news) = &*shared;
                seen.lock().unwrap().bytes.extend_from_slice(&buffer[..len]);
                news.notify_all();
            }
            shared.0.lock().unwrap().is_over = true;
            shared.1.notify_all();
        });
        Terminal { pty, child, seen }
    }

    /// Waits until the program shows this, after what was expected before.
    #[track_caller]
    pub fn expect(&self, text: &str) -> &Terminal {
        let (seen, news) = &*self.seen;
        let found = |seen: &Seen| find(&seen.bytes[seen.at..], text.as_bytes());
        let waiting =
            news.wait_timeout_while(seen.lock().unwrap(), HANG, |seen| found(seen).is_none() && !seen.is_over);
        let (mut seen, _) = waiting.unwrap();
        match found(&seen) {
            Some(at) => seen.at += at + text.len(),
            None => panic!("no `{text}` in:\n{}", String::from_utf8_lossy(&seen.bytes)),
        }
        self
    }

    /// Types a line.
    pub fn line(&self, text: &str) -> &Terminal {
        self.keys(&format!("{text}\r"))
    }

    /// Types.
    pub fn keys(&self, text: &str) -> &Terminal {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
        self
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.seen.0.lock().unwrap().bytes).into()
    }

    /// All that was shown when the program has ended, and its last words were read.
    pub fn whole(&self) -> String {
        let (seen, news) = &*self.seen;
        drop(news.wait_timeout_while(seen.lock().unwrap(), HANG, |seen| !seen.is_over).unwrap());
        self.shown()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the program ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Stands between the program and the server, and can cut every connection at once.
pub struct Proxy {
    pub address: SocketAddr,
    sockets: Arc<Mutex<Vec<TcpStream>>>,
    pause: Arc<Mutex<Duration>>,
    passed: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
}

impl Proxy {
    pub fn start(world: &World) -> Proxy {
        Proxy::with_pause(world, Duration::ZERO)
    }

    /// Lets at most 64 KiB pass in each pause of 20 ms, so that a transfer lasts as long as a test needs.
    pub fn slow(world: &World) -> Proxy {
        Proxy::with_pause(world, Duration::from_millis(20))
    }

    pub fn with_pause(world: &World, pause: Duration) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = world.server.address();
        let sockets: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let all = sockets.clone();
        let pause = Arc::new(Mutex::new(pause));
        let present = pause.clone();
        let passed = Arc::<AtomicU64>::default();
        let most = Arc::new(AtomicU64::new(u64::MAX));
        let (counted, bound) = (passed.clone(), most.clone());
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&server).unwrap());
                all.lock().unwrap().extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    let (present, counted, bound) = (present.clone(), counted.clone(), bound.clone());
                    thread::spawn(move || {
                        let mut buffer = vec![0; 64 * 1024];
                        while let Ok(len @ 1..) = from.read(&mut buffer) {
                            while counted.load(Ordering::Relaxed) >= bound.load(Ordering::Relaxed) {
                                thread::sleep(Duration::from_millis(5));
                            }
                            if to.write_all(&buffer[..len]).is_err() {
                                break;
                            }
                            counted.fetch_add(len as u64, Ordering::Relaxed);
                            let pause = *present.lock().unwrap();
                            thread::sleep(pause);
                        }
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Proxy { address, sockets, pause, passed, most }
    }

    /// Nothing passes any more, as soon as so many bytes more have, both ways, until [`Proxy::lets_all_pass`].
    pub fn holds_after(&self, bytes: u64) {
        self.most.store(self.passed() + bytes, Ordering::Relaxed);
    }

    pub fn lets_all_pass(&self) {
        self.most.store(u64::MAX, Ordering::Relaxed);
    }

    /// From now on it makes no pauses: what it was slow for has been seen.
    pub fn hurry(&self) {
        *self.pause.lock().unwrap() = Duration::ZERO;
    }

    /// Bytes that passed so far, both ways.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub fn cut(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
