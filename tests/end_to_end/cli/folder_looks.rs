//! Times and modes of folders, which whoever comes from `rsync -a` and `scp -p` expects to stay.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::common::program::{PASSWORD, World};

/// Each folder with its mode and the second of its time, in the order in which they are made.
const FOLDERS: [(&str, u32, u64); 4] = [
    (".", 0o755, 1_000_000_001),
    ("a", 0o755, 1_000_000_002),
    ("a/b", 0o711, 1_000_000_003),
    ("empty", 0o700, 1_000_000_004),
];

fn look(folder: &Path) {
    for (name, mode, secs) in FOLDERS.iter().rev() {
        let folder = folder.join(name);
        fs::set_permissions(&folder, Permissions::from_mode(*mode)).unwrap();
        File::open(folder).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(*secs)).unwrap();
    }
}

/// Such folders here, with a file in one.
fn made(world: &World) {
    for (name, ..) in &FOLDERS[1..] {
        fs::create_dir_all(world.local("src").join(name)).unwrap();
    }
    fs::write(world.local("src/a/b/f"), "f").unwrap();
    look(&world.local("src"));
}

/// Those that have not the time of the source, and those below the first that have not its mode.
fn others(copy: &Path) -> (Vec<&'static str>, Vec<&'static str>) {
    let of = |name: &str| fs::metadata(copy.join(name)).unwrap();
    let times = FOLDERS.iter().filter(|(name, _, secs)| of(name).mtime().unsigned_abs() != *secs);
    let modes = FOLDERS[1..].iter().filter(|(name, mode, _)| of(name).mode() & 0o7777 != *mode);
    (times.map(|(name, ..)| *name).collect(), modes.map(|(name, ..)| *name).collect())
}

const NONE: Vec<&str> = Vec::new();

#[test]
fn a_mirror_keeps_the_times_of_folders_and_their_modes_if_asked() {
    let world = World::trusting();
    made(&world);
    let (to, there) = (world.alice("m"), world.remote("alice", "m"));
    world.run(["mirror", "./src", &to]).code(0);
    assert_eq!(others(&there), (NONE, vec!["a", "a/b", "empty"]), "the server's own modes");
    world.run(["mirror", "--perms", "./src", &to]).code(0);
    assert_eq!(others(&there), (NONE, NONE));
    // What changes in a folder changes its time, and what is in it does not.
    fs::remove_file(world.local("src/a/b/f")).unwrap();
    fs::write(world.local("src/empty/g"), "g").unwrap();
    look(&world.local("src"));
    world.run(["mirror", "--perms", "--delete", "--max-delete", "100%", "./src", &to]).code(0);
    assert_eq!(others(&there), (NONE, NONE));
    assert!(!there.join("a/b/f").exists() && there.join("empty/g").exists());

    world.run(["mirror", &to, "./plain"]).code(0);
    assert_eq!(others(&world.local("plain")).0, NONE);
    world.run(["mirror", "--perms", &to, "./back"]).code(0);
    assert_eq!(others(&world.local("back")), (NONE, NONE));
}

#[test]
fn put_and_get_keep_the_times_of_folders_and_their_modes_if_asked() {
    let world = World::trusting();
    made(&world);
    let home = world.alice("");
    world.run(["put", "-r", "src", &home]).code(0);
    assert_eq!(others(&world.remote("alice", "src")), (NONE, vec!["a", "a/b", "empty"]));
    world.run(["put", "-r", "--perms", "src", &world.alice("all/")]).code(0);
    assert_eq!(others(&world.remote("alice", "all/src")), (NONE, NONE));
    world.run(["get", "-r", "--perms", &world.alice("all/src"), "back"]).code(0);
    assert_eq!(others(&world.local("back")), (NONE, NONE));
}

#[test]
fn who_may_deliver_and_change_nothing_is_not_told_of_times_that_stay() {
    let world = World::trusting();
    made(&world);
    world.server.add_user_with("carol", PASSWORD, &["--access", "list,upload,mkdir"]);
    let carol = |path: &str| format!("carol@{}/{path}", world.server.address());
    for words in [&["mirror", "./src", &carol("m")][..], &["put", "-r", "src", &carol("")]] {
        let done = world.run(words).code(0);
        assert!(!done.stderr.contains("denied") && !done.stderr.contains("failed"), "{}", done.stderr);
    }
    assert!(world.remote("carol", "m/a/b/f").exists() && world.remote("carol", "src/a/b/f").exists());
    // Whoever asked for modes is told that they are not kept.
    world.run(["mirror", "--perms", "./src", &carol("m")]).code(5);
}

/// The administrator bounds modes, of folders as of files, and the top of a home is not its user's to open.
#[test]
fn modes_of_folders_are_bounded() {
    let world = World::with(|builder| builder.args(["--max-mode", "750"])).trusted();
    made(&world);
    let before = fs::metadata(world.remote("alice", "")).unwrap().mode();
    world.run(["mirror", "--perms", "./src", &world.alice("")]).code(0);
    let mode = |name: &str| fs::metadata(world.remote("alice", name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("a"), mode("a/b"), mode("empty")), (0o750, 0o710, 0o700));
    assert_eq!(fs::metadata(world.remote("alice", "")).unwrap().mode(), before);
    // They are as they may be: nothing is done.
    let changed = |name: &str| {
        let about = fs::metadata(world.remote("alice", name)).unwrap();
        (about.ctime(), about.ctime_nsec())
    };
    let changes = ["a", "a/b", "empty"].map(changed);
    world.run(["mirror", "--perms", "./src", &world.alice("")]).code(0);
    assert_eq!(["a", "a/b", "empty"].map(changed), changes);
}
