//! A real `sealiftd` process in a directory of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::COPIES;
use super::figures::eventually;

/// The server that was built with the tests.
const SEALIFTD: &str = env!("CARGO_BIN_EXE_sealiftd");

/// A running server. Its data, users file, certificates, port file and log are in one directory, under their default
/// names. Dropping it kills the process and removes the directory.
pub struct Daemon {
    child: Child,
    stdout: Mutex<BufReader<ChildStdout>>,
    banner: String,
    port: u16,
    pin: String,
    place: PathBuf,
    _temporary: Option<TempDir>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal killed it.
    pub code: Option<i32>,
    /// The whole log.
    pub log: String,
}

/// A server to be started.
#[derive(Default)]
pub struct Builder {
    program: Option<PathBuf>,
    place: Option<PathBuf>,
    through: Vec<String>,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    log: Option<Stdio>,
    stdin: Option<Stdio>,
}

impl Builder {
    /// One more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// More arguments.
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Starts it by this program with these arguments, which must in the end become the server (`exec`): the process
    /// stays the same.
    pub fn through<'a>(mut self, program: impl IntoIterator<Item = &'a str>) -> Self {
        self.through.extend(program.into_iter().map(str::to_owned));
        self
    }

    /// Another program than the server that was built with the tests: one of an earlier version.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Sends its log there, and not into the file that [`Daemon::log`] reads.
    pub fn log_to(mut self, log: impl Into<Stdio>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Has this as its standard input, and not nothing.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Runs in this directory and leaves it there: to prepare it, or to start a server again where another was.
    pub fn within(mut self, directory: &Path) -> Self {
        self.place = Some(directory.to_owned());
        self
    }

    /// Starts it on a free port of 127.0.0.1, and returns when it listens. Its port file is `port`.
    pub fn start(self) -> Daemon {
        let temporary = self.place.is_none().then(|| TempDir::new().unwrap());
        let place = self.place.unwrap_or_else(|| temporary.as_ref().unwrap().path().to_owned());
        let program = self.program.unwrap_or_else(|| PathBuf::from(SEALIFTD));
        let log = fs::OpenOptions::new().create(true).append(true).open(place.join("log")).unwrap();
        let mut child = wrapped(&program, &self.through, &place)
            .envs([("SEALIFT_LISTEN", "127.0.0.1:0"), ("SEALIFT_PORT_FILE", "port")])
            .args(self.args)
            .envs(self.envs)
            .stdin(self.stdin.unwrap_or_else(Stdio::null))
            .stdout(Stdio::piped())
            .stderr(self.log.unwrap_or_else(|| log.into()))
            .spawn()
            .unwrap();
        // The banner comes when the port file is there, and its end is an empty line before the hints.
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("\n\n") {
            if stdout.read_line(&mut banner).unwrap() == 0 {
                let status = child.wait().unwrap();
                let log = fs::read_to_string(place.join("log")).unwrap();
                panic!("sealiftd did not start ({status}):\n{banner}{log}");
            }
        }
        let port = fs::read_to_string(place.join("port")).unwrap().trim().parse().unwrap();
        let pin = banner.lines().find_map(|line| line.trim().strip_prefix("pin ")).unwrap().trim().to_owned();
        Daemon { child, stdout: Mutex::new(stdout), banner, port, pin, place, _temporary: temporary }
    }
}

impl Daemon {
    /// A server with the defaults.
    pub fn start() -> Daemon {
        Daemon::builder().start()
    }

    /// A server with more arguments or environment variables.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The port it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The pin of its key, as a client's `--pin` takes it.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The beginning of what it said on standard output.
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// What it said on standard output after the banner: the commands to try. Only once.
    pub fn hints(&self) -> String {
        let mut hints = String::new();
        let mut stdout = self.stdout.lock().unwrap();
        // It ends with an empty line, as each of its two parts does.
        while hints.matches("\n\n").count() < 2 {
            assert_ne!(stdout.read_line(&mut hints).unwrap(), 0, "{hints}");
        }
        hints
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its working directory.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Its data directory: the homes are in it.
    pub fn data(&self) -> PathBuf {
        self.place.join("server_data")
    }

    /// The home of anonymous reading.
    pub fn public(&self) -> PathBuf {
        self.data().join("public")
    }

    /// What it has logged so far. The line of something may come a moment after it has happened.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.join("log")).unwrap()
    }

    /// What it has logged once all of this stands there.
    pub fn log_with(&self, said: &[&str]) -> String {
        eventually(&format!("{said:?} in the log of {}", self.place.display()), || {
            let log = self.log();
            said.iter().all(|words| log.contains(words))
        });
        self.log()
    }

    /// `sealiftd` with these arguments in this server's directory.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = sealiftd(&self.place);
        command.args(args);
        command
    }

    /// Adds a user with these rights (`full`, `read`, `list,upload`), who can log in at once.
    pub fn add_user(&self, name: &str, password: &str, access: &str) {
        self.add_user_with(name, password, &["--access", access]);
    }

    /// Has the users file take passwords of four characters, as most tests have it.
    fn allow_short_passwords(&self) {
        let file = self.place.join("users.toml");
        if !std::fs::read_to_string(&file).unwrap().contains("\n[defaults]") {
            let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
            file.write_all(b"\n[defaults]\nmin_password = 4\n").unwrap();
        }
    }

    /// Adds a user with these options of `sealiftd user add`.
    pub fn add_user_with(&self, name: &str, password: &str, options: &[&str]) {
        if password.chars().count() < 8 {
            self.allow_short_passwords();
        }
        let mut command = self.command(&["user", "add", name, "--password-stdin"]);
        command.args(options);
        let output = end_of(command, password);
        assert!(output.status.success(), "user add {name}: {}", text(&output.stderr));
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> Ended {
        let status = self.child.wait().unwrap();
        Ended { code: status.code(), log: self.log() }
    }

    /// Ends it as [`crash`] does.
    pub fn crash(&mut self, signal: Signal) -> ExitStatus {
        crash(&mut self.child, signal)
    }

    /// Ends it as an administrator does, with SIGTERM.
    pub fn stop(mut self) -> Ended {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Ends it as a crash does, with SIGKILL.
    pub fn kill(mut self) -> Ended {
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Has ended already: fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sealiftd` in this directory, without the settings of whoever runs the tests.
pub fn sealiftd(place: &Path) -> Command {
    wrapped(Path::new(SEALIFTD), &[], place)
}

/// The same, started by another program.
fn wrapped(program: &Path, through: &[String], place: &Path) -> Command {
    let mut command = match through.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.current_dir(place).stdin(Stdio::null()).env(COPIES.0, COPIES.1);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SEALIFT") {
            command.env_remove(name);
        }
    }
    command
}

/// Ends a process by the signal of a crash. It is sent until it has worked: the handler that Rust has for SIGSEGV, to tell
/// of a full stack, lets the first one that no fault has caused pass, and takes itself away.
pub fn crash(process: &mut Child, signal: Signal) -> ExitStatus {
    let mut ended = None;
    eventually("the end of a process that crashes", || {
        kill_process(Pid::from_child(process), signal).unwrap();
        ended = process.try_wait().unwrap();
        ended.is_some()
    });
    ended.unwrap()
}

/// Runs a command to its end with this standard input.
pub fn end_of(mut command: Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that does not want its input is judged by how it ends.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Puts a program there, in place of what is. By another process: while one of this process's own threads wrote it, whatever another
/// thread starts could inherit that, and a program that is open to be written cannot be run ("text file busy").
pub fn put_program(from: &Path, to: &Path) {
    assert!(Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap().success());
}

/// The same of this text.
pub fn put_script(text: &str, to: &Path) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(to);
    assert!(end_of(install, text).status.success());
}

/// What a program wrote, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
