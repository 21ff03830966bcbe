//! moto: a storage that speaks S3, by others, for tests.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use super::not_run::not_run;

/// The bucket that it has.
pub const BUCKET: &str = "sealift";

/// One that is there until this goes.
pub struct Moto {
    /// Where it is.
    pub endpoint: String,
    /// It ends when this does, however the process of the tests ends.
    stdin: Option<ChildStdin>,
    child: Child,
}

impl Moto {
    /// Starts one; none where there is no moto, which is said.
    pub fn start() -> Option<Moto> {
        Moto::start_by("http", &[])
    }

    /// The same over TLS, with this certificate and its key.
    pub fn start_tls(certificate: &Path, key: &Path) -> Option<Moto> {
        Moto::start_by("https", &[certificate, key])
    }

    fn start_by(scheme: &str, args: &[&Path]) -> Option<Moto> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/moto_server.py");
        // Where the CI has put it.
        let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto");
        let mut python = Command::new("python3");
        python.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        if found.is_dir() {
            python.env("PYTHONPATH", found);
        }
        let Ok(mut child) = python.stderr(Stdio::null()).spawn() else {
            not_run("there is no python3");
            return None;
        };
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let stdin = child.stdin.take();
        if port.is_empty() {
            child.wait().unwrap();
            not_run("there is no moto for Python");
            return None;
        }
        Some(Moto { endpoint: format!("{scheme}://127.0.0.1:{}", port.trim()), stdin, child })
    }

    /// One for all tests of this process; none where there is no moto, which each says.
    pub fn shared() -> Option<&'static Moto> {
        static SHARED: OnceLock<Option<Moto>> = OnceLock::new();
        let moto = SHARED.get_or_init(Moto::start).as_ref();
        if moto.is_none() {
            not_run("there is no moto for Python");
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
