//! Trees of files that are mirrored, and what the mirror says it did.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::program::World;

pub fn put(root: &Path, path: &str, text: &str, secs: u64) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    set_time(&path, secs);
}

/// A file of this content for each name. Only every thousandth is made, and the others are names of it: to make thousands of files
/// takes the disk far longer than to list them, or to move them together.
pub fn many_names(folder: &Path, text: &str, names: impl IntoIterator<Item = String>) {
    let mut file = PathBuf::new();
    for (number, name) in names.into_iter().enumerate() {
        let path = folder.join(name);
        if number % 1000 == 0 {
            fs::write(&path, text).unwrap();
            file = path;
        } else {
            fs::hard_link(&file, path).unwrap();
        }
    }
}

pub fn set_time(path: &Path, secs: u64) {
    File::open(path).unwrap().set_modified(UNIX_EPOCH + Duration::new(secs, 123_456_789)).unwrap();
}

pub fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

pub fn mtime(path: impl AsRef<Path>) -> (i64, i64) {
    let meta = fs::metadata(path).unwrap();
    (meta.mtime(), meta.mtime_nsec())
}

/// Runs it with `--json`, and gives what the last line counts: files, same, deleted, failed.
#[track_caller]
pub fn counts(world: &World, args: &[&str], code: i32) -> [u64; 4] {
    let done = world.run(["mirror", "--json"].iter().chain(args)).code(code);
    let last: Value = serde_json::from_str(done.stdout().lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "summary");
    ["files", "unchanged", "deleted", "failed"].map(|key| last[key].as_u64().unwrap())
}

/// Two files, one in a folder, and an empty folder.
pub fn fill(root: &Path) {
    put(root, "a", "one", 1_000);
    put(root, "d/b", "two", 2_000);
    fs::create_dir(root.join("empty")).unwrap();
}
