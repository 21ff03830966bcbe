//! A disk that fails: `strace` puts errors in the place of system calls, in a copy of this test's own process.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::Path;
use std::process::Command;

use sealift::Kind;
use sealift::files::{Durability, Store, Upload, UploadSpec};
use sealift::store::{LocalOptions, LocalStore, Staging};

use crate::common::alone;
use crate::common::home::{p, put, read};
use crate::common::not_run::not_run;

/// Tells the copy of the process which folder to work on.
const FOLDER: &str = "SEALIFT_TEST_FAULTS_FOLDER";

/// How many uploads are committed together.
const COUNT: &str = "SEALIFT_TEST_FAULTS_COUNT";

fn store(root: &Path) -> LocalStore {
    LocalStore::open_path(root, LocalOptions::new(Durability::Full, Staging::Hidden)).unwrap()
}

/// What runs under the fault: uploads over old files, all of which must fail.
#[test]
#[ignore = "a part of io_error, run by it"]
fn under_a_fault() {
    let root = std::env::var_os(FOLDER).unwrap();
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    let store = store(Path::new(&root));
    let uploads = (0..count).map(|n| {
        let mut upload = store.begin(&p(&format!("f{n}")), UploadSpec::default()).unwrap();
        // Under a fault of `write` it fails here, and the commit must know.
        let _ = upload.append(b"new");
        upload
    });
    for result in store.commit(uploads.map(Upload::prepare).collect()) {
        assert_eq!(result.unwrap_err().kind(), Kind::Io);
    }
}

#[test]
fn io_error() {
    let _turn = alone();
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        not_run("there is no strace here");
        return;
    }
    // The call, and whether the old file is still in its place after it failed.
    // Not those of the first moment, in which the store tries what the file system does.
    for (call, when, count, old_stays) in [
        ("fdatasync", 1, 2, true),
        ("syncfs", 1, 20, true),
        ("renameat2", 3, 2, true),
        ("renameat", 2, 2, true),
        ("fsync", 2, 2, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let home = store(dir.path());
        for n in 0..count {
            put(&home, &format!("f{n}"), b"old").unwrap();
        }
        let output = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null"])
            .args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EIO:when={when}+")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "store_faults::under_a_fault", "--ignored", "--nocapture"])
            .env(FOLDER, dir.path())
            .env(COUNT, count.to_string())
            .output()
            .unwrap();
        if String::from_utf8_lossy(&output.stderr).contains("ptrace") {
            not_run("strace may not trace here");
            return;
        }
        assert!(output.status.success(), "{call}: {}", String::from_utf8_lossy(&output.stderr));
        for n in 0..count {
            let expected: &[u8] = if old_stays { b"old" } else { b"new" };
            assert_eq!(read(&home, &format!("f{n}")).unwrap(), expected, "{call}");
        }
        drop(home);
        assert_eq!(fs::read_dir(dir.path().join(".sealift")).unwrap().count(), 0, "{call}: nothing is left");
    }
}
