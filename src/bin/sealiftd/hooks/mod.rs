//! Programs that are run when a file was uploaded (`on_upload`).
//!
//! The server itself can start nothing once it is in its sandbox, and should not be able to. So a process of its own is started
//! before that, with the list of programs, which is fixed from then on: it reads events from the server, one JSON object a line,
//! and nothing from anybody else ([`runner`]). What the server tells of more quickly than hooks run waits there, within bounds, and
//! what does not fit is lost and said so: no upload ever waits for a hook. When the server ends it waits for that process, which does
//! what there is still time for.

mod events;
pub mod keeper;
mod queue;
pub mod runner;
mod socket;
mod trust;

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use clap::Args;
use sealift::Error;
use sealift::limits;
use sealift::server::{Action, Event, Server, What};
use sealift::sync::Mutex;
use tracing::{info, warn};

use crate::args::LogFormat;
use crate::failure::Failure;

pub use self::trust::{NEXT, changed_by_server, obstacle, refuse};

/// What is run, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Hooks")]
pub struct HookArgs {
    /// Program to run, without a shell, when a file was uploaded, with the event as one JSON object on its standard input, or
    /// unix:PATH to write that as a line to a socket there; may be given several times
    #[arg(long, value_name = "PROGRAM", env = "SEALIFT_ON_UPLOAD", value_delimiter = ',', hide_env_values = true)]
    pub on_upload: Vec<PathBuf>,

    /// How long such a program may run before it is killed
    #[arg(long, value_name = "TIME", env = "SEALIFT_HOOK_TIMEOUT", default_value = "1m", hide_env_values = true)]
    pub hook_timeout: humantime::Duration,
}

/// The socket that is told, where no program is run.
pub fn socket_of(hook: &Path) -> Option<&Path> {
    hook.as_os_str().as_bytes().strip_prefix(b"unix:").map(|path| Path::new(OsStr::from_bytes(path)))
}

/// The process that runs them.
pub struct Hooks {
    child: Child,
    /// The data folder, from the root of the machine: what is run there is not where the server is.
    data: PathBuf,
}

impl Hooks {
    /// Starts it, if there is anything to be run, with nothing but what it takes for that, for a server that keeps homes below this folder.
    /// Before the sandbox, and when [`refuse`] has been asked.
    ///
    /// # Errors
    /// Those of starting a process.
    pub fn start(args: &HookArgs, data: &Path, format: LogFormat) -> Result<Option<Hooks>, Failure> {
        if args.on_upload.is_empty() {
            return Ok(None);
        }
        let failed = |err| Error::file("the process that runs hooks", err);
        let data = data.canonicalize().map_err(|err| Error::file(data.display(), err))?;
        let timeout = Duration::from(args.hook_timeout);
        let child = Command::new("/proc/self/exe")
            .arg0("sealiftd-hooks")
            .arg(runner::COMMAND)
            .args(["--log-format", if format == LogFormat::Json { "json" } else { "text" }])
            .arg(format!("--hook-timeout={}ms", timeout.as_millis()))
            .arg("--")
            .args(&args.on_upload)
            // What a terminal says to the server, by Ctrl-C, is not said to it.
            .process_group(0)
            .current_dir("/")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(failed)?;
        Ok(Some(Hooks { child, data }))
    }

    /// Tells it what this server does from now on.
    ///
    /// # Errors
    /// That there is no thread to be had.
    pub fn follow(self, server: &Server) -> Result<Followed, Error> {
        let (events, told) = sync_channel(limits::HOOK_EVENTS);
        let (done, ended) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let (counted, data) = (lost.clone(), self.data.clone());
        let hand_over = move || {
            self.hand_over(&told, &counted);
            // Nobody waits where the server ends at once.
            let _ = done.send(());
        };
        let failed = |err| Error::file("a thread for hooks", err);
        std::thread::Builder::new().name("hooks".to_owned()).spawn(hand_over).map_err(failed)?;
        let events = Arc::new(Mutex::new(Some(events)));
        let from = events.clone();
        server.on_event(move |event| {
            if is_upload(event) {
                tell(&from, &lost, event.to_json_line_with_file(&data));
            }
        });
        Ok(Followed { events, ended })
    }

    /// Writes them until the server ends or the process is gone.
    fn hand_over(mut self, told: &Receiver<Vec<u8>>, lost: &AtomicU64) {
        let say_lost = || match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => warn!(lost, "uploads of which no hook was told: hooks are too slow"),
        };
        let Some(mut to) = self.child.stdin.take() else { return };
        for line in told {
            if let Err(error) = to.write_all(&line) {
                warn!(%error, "the process that runs hooks is gone: none is run any more before a restart");
                break;
            }
            say_lost();
        }
        say_lost();
        drop(to);
        let _it_has_ended = self.child.wait();
    }
}

/// The process that runs hooks, while it is told what the server does.
pub struct Followed {
    events: Arc<Mutex<Option<SyncSender<Vec<u8>>>>>,
    ended: Receiver<()>,
}

impl Followed {
    /// Tells of nothing more, and waits until what was told of is done, or it is too late for that.
    pub fn finish(self) {
        drop(self.events.lock().take());
        if self.ended.recv_timeout(limits::HOOKS_END_SAID) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        info!(longest = %humantime::format_duration(limits::HOOKS_END), "waiting for hooks; another signal ends at once");
        if self.ended.recv_timeout(limits::HOOKS_END + limits::HOOKS_END_MORE) == Err(RecvTimeoutError::Timeout) {
            warn!("the process that runs hooks has not ended in time");
        }
    }
}

fn tell(events: &Mutex<Option<SyncSender<Vec<u8>>>>, lost: &AtomicU64, line: Vec<u8>) {
    let events = events.lock();
    let Some(events) = &*events else { return };
    match events.try_send(line) {
        Ok(()) | Err(TrySendError::Disconnected(_)) => {}
        Err(TrySendError::Full(_)) => drop(lost.fetch_add(1, Ordering::Relaxed)),
    }
}

/// Whether a file came from a client and is in its place now.
fn is_upload(event: &Event<'_>) -> bool {
    match &event.what {
        What::Operation(operation) => {
            let stored = operation.outcome.as_ref().is_ok_and(|came| came.word != "same");
            stored && matches!(operation.action, Action::Upload | Action::Commit)
        }
        _ => false,
    }
}
