//! The client of today with a server of the first version, which lists no features in its greeting.
//!
//! `.ci/run` builds that server from the history and names it in `FIRST_SEALIFTD`; without it there is nothing to test, so
//! these tests run only when they are asked for: `FIRST_SEALIFTD=… cargo test --test end_to_end first_version -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::common::{Daemon, end_of, text};

const PASSWORD: &str = "correct horse";

/// A first server with alice, and a client's folder.
struct Meeting {
    server: Daemon,
    client: TempDir,
}

impl Meeting {
    fn new() -> Meeting {
        let program = std::env::var_os("FIRST_SEALIFTD").expect("FIRST_SEALIFTD names a sealiftd of the first version");
        let place = tempfile::tempdir().unwrap().keep();
        // The first server's own `user add` makes its users file.
        let mut add = Command::new(&program);
        add.current_dir(&place).args(["user", "add", "alice", "--admin", "--password-stdin"]);
        let added = end_of(add, PASSWORD);
        assert!(added.status.success(), "{}", text(&added.stderr));
        let server = Daemon::builder().program(program).within(&place).start();
        let client = tempfile::tempdir().unwrap();
        fs::write(client.path().join("password"), PASSWORD).unwrap();
        fs::set_permissions(client.path().join("password"), fs::Permissions::from_mode(0o600)).unwrap();
        Meeting { server, client }
    }

    fn local(&self, name: &str) -> PathBuf {
        self.client.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.server.data().join("alice")
    }

    /// `sealift` with these arguments, in which `H` stands for alice at the server.
    fn run(&self, arguments: &[&str]) -> Output {
        let host = format!("alice@{}", self.server.address());
        let arguments = arguments.iter().map(|argument| argument.replace("H/", &format!("{host}/")));
        Command::new(env!("CARGO_BIN_EXE_sealift"))
            .args(["--pin", self.server.pin(), "--password-file", "password"])
            .args(arguments)
            .current_dir(self.client.path())
            .env("HOME", self.client.path())
            .env_remove("SEALIFT_CONFIG_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same, which must end with this code; what it said.
    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.server.place());
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
#[ignore = "needs a sealiftd of the first version, which .ci/run builds"]
fn everything_the_first_server_can_do_is_done_with_it() {
    let meeting = Meeting::new();
    write(&meeting.local("tree/a"), b"a");
    write(&meeting.local("tree/deep/b"), &vec![7; 3 << 20]);
    meeting.ends(0, &["put", "-r", "tree", "H/"]);
    assert_eq!(fs::read(meeting.home().join("tree/deep/b")).unwrap(), vec![7; 3 << 20]);
    assert!(meeting.ends(0, &["ls", "-r", "H/"]).contains("tree/deep/b"));
    meeting.ends(0, &["hash", "H/tree/deep/b"]);
    meeting.ends(0, &["get", "-r", "H/tree", "back"]);
    assert_eq!(fs::read(meeting.local("back/a")).unwrap(), b"a");
    fs::remove_file(meeting.local("tree/a")).unwrap();
    meeting.ends(0, &["mirror", "--delete", "tree", "H/tree"]);
    assert!(!meeting.home().join("tree/a").exists());
    meeting.ends(0, &["mirror", "H/tree", "pulled"]);
    assert_eq!(fs::read(meeting.local("pulled/deep/b")).unwrap(), vec![7; 3 << 20]);
    meeting.ends(0, &["mv", "H/tree", "H/other"]);
    meeting.ends(0, &["rm", "-r", "H/other"]);
    write(&meeting.local("large"), &vec![9; 80 << 20]);
    meeting.ends(0, &["put", "--streams", "2", "large", "H/"]);
    meeting.ends(0, &["get", "--streams", "2", "H/large", "again"]);
    assert!(fs::read(meeting.local("again")).unwrap() == fs::read(meeting.local("large")).unwrap());
    meeting.ends(0, &["who", "H/"]);
}

#[test]
#[ignore = "needs a sealiftd of the first version, which .ci/run builds"]
fn what_the_first_server_is_too_old_for_is_done_without_or_said() {
    let meeting = Meeting::new();
    let program = meeting.local("tree/program");
    write(&program, &vec![7; 3 << 20]);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    // Without the mode that the server cannot take, and as far as it can be verified there.
    meeting.ends(0, &["put", "-r", "tree", "H/"]);
    meeting.ends(0, &["mirror", "--checksum", "tree", "H/tree"]);
    meeting.ends(0, &["get", "H/tree/program", "back"]);
    assert_eq!(fs::read(meeting.local("back")).unwrap(), fs::read(&program).unwrap());
    meeting.ends(0, &["status", "H/"]);
    for arguments in [&["kick", "H/", "alice"][..], &["verify", "H/tree"], &["accept", "H/tree/program"]] {
        assert!(meeting.ends(1, arguments).contains("the server is too old to"), "{arguments:?}");
    }
    // The refusals reached nobody: the session that asked is not ended, and nothing is logged of them.
    assert!(!meeting.server.log().contains("unknown-verb"), "{}", meeting.server.log());
}
