//! `strace` on a running server: to see its system calls, or to make them fail.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::Daemon;
use crate::common::not_run::not_run;

/// A tracer of all threads of a server.
pub struct Strace {
    child: Child,
    directory: TempDir,
}

impl Strace {
    /// Attaches with these arguments, and returns when it has. None, with the reason said, where that is not possible.
    pub fn attach<'a>(daemon: &Daemon, args: impl IntoIterator<Item = &'a str>) -> Option<Strace> {
        let directory = TempDir::new().unwrap();
        let spawned = Command::new("strace")
            .args(["-f", "-y", "-p", &daemon.pid().to_string(), "-o"])
            .arg(directory.path().join("trace"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(err) => {
                not_run(&format!("strace: {err}"));
                return None;
            }
        };
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("attached") {
            if stderr.read_line(&mut said).unwrap() == 0 {
                let _ = child.wait();
                assert!(said.contains("not permitted") || said.contains("not implemented"), "strace: {said}");
                not_run(&said);
                return None;
            }
        }
        // It must not stop at a full pipe.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Some(Strace { child, directory })
    }

    /// Lets the server go on by itself, and gives what was seen.
    pub fn detach(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap();
        fs::read_to_string(self.trace()).unwrap()
    }

    fn trace(&self) -> PathBuf {
        self.directory.path().join("trace")
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Mostly has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let _ = self.child.wait();
    }
}
