//! Users files that are made, changed, refused and swept.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("users.toml");
    (dir, path)
}

fn add(path: &Path, name: &str) -> Result<()> {
    UsersFile::new(path).add(name, HASH, Grants::new(name))
}

fn names(path: &Path) -> Vec<String> {
    UsersFile::new(path).list().unwrap().iter().map(|user| user.name().to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn entries(dir: &TempDir) -> usize {
    fs::read_dir(dir.path()).unwrap().count()
}

#[test]
fn a_first_user_makes_the_file_for_the_owner_alone() {
    let (dir, path) = place();
    add(&path, "alice").unwrap();
    assert_eq!((names(&path), mode(&path), entries(&dir)), (vec!["alice".to_owned()], 0o600, 1));
    assert!(fs::read_to_string(&path).unwrap().starts_with(Users::starter()));
}

#[test]
fn create_never_replaces_a_file() {
    let (dir, path) = place();
    let file = UsersFile::new(&path);
    assert!(file.create().unwrap());
    fs::write(&path, "# mine\n").unwrap();
    assert!(!file.create().unwrap());
    assert_eq!((fs::read_to_string(&path).unwrap().as_str(), entries(&dir)), ("# mine\n", 1));
}

#[test]
fn adding_changing_and_removing_reach_the_disk_and_keep_the_mode() {
    let (dir, path) = place();
    add(&path, "alice").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let file = UsersFile::new(&path);
    assert_eq!(add(&path, "alice").unwrap_err().kind(), Kind::Exists);
    let other = HASH.replace("AAA", "AQE");
    file.passwd("alice", &other).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains(&other));
    assert_eq!(file.passwd("bob", HASH).unwrap_err().kind(), Kind::NotFound);
    file.remove("alice").unwrap();
    assert_eq!(file.remove("alice").unwrap_err().kind(), Kind::NotFound);
    assert_eq!((names(&path), mode(&path), entries(&dir)), (vec![], 0o640, 1));
}

#[test]
fn what_was_read_for_a_check_is_not_believed_when_the_file_has_changed() {
    let (_dir, path) = place();
    let file = UsersFile::new(&path);
    let add = |checked: Checked<'_>, name| {
        checked.add_new(&NewUser { name, hash: Some(HASH), keys: &[], groups: &[], grants: Grants::new(name) })
    };
    // There is no file yet.
    add(file.check_new("alice", "alice").unwrap(), "alice").unwrap();
    let (bob, again, carol) = (
        file.check_new("bob", "bob").unwrap(),
        file.check_new("bob", "bob").unwrap(),
        file.check_new("carol", "carol").unwrap(),
    );
    add(bob, "bob").unwrap();
    assert_eq!(add(again, "bob").unwrap_err().kind(), Kind::Exists);
    add(carol, "carol").unwrap();
    assert_eq!(names(&path), ["alice", "bob", "carol"]);
}

#[test]
fn a_refused_change_leaves_the_very_same_file() {
    let (dir, path) = place();
    fs::write(&path, "[users.a]\nnonsense = 1\n").unwrap();
    let before = fs::metadata(&path).unwrap().ino();
    let err = add(&path, "alice").unwrap_err();
    assert_eq!(err.kind(), Kind::BadConfig);
    assert!(err.text().contains("users.toml:2: "), "{err}");
    assert_eq!((fs::metadata(&path).unwrap().ino(), entries(&dir)), (before, 1));
}

#[test]
fn a_file_changed_by_root_keeps_its_owner() {
    let (_dir, path) = place();
    add(&path, "alice").unwrap();
    if std::os::unix::fs::chown(&path, Some(12345), Some(54321)).is_err() {
        assert!(!rustix::process::geteuid().is_root());
        return crate::not_run::not_run("only root can give a file away");
    }
    add(&path, "bob").unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid(), mode(&path)), (12345, 54321, 0o600));
}

#[test]
fn a_link_stays_a_link_and_its_target_is_changed() {
    let (dir, link) = place();
    let real = dir.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("u"), "").unwrap();
    symlink("real/u", &link).unwrap();
    add(&link, "alice").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names(&real.join("u")), ["alice"]);
    assert_eq!(fs::read_dir(&real).unwrap().count(), 1);
}

#[test]
fn a_link_to_nothing_is_refused_and_left_alone() {
    let (dir, link) = place();
    symlink("nowhere", &link).unwrap();
    assert_eq!(add(&link, "alice").unwrap_err().kind(), Kind::NotFound);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(entries(&dir), 1);
}

#[test]
fn concurrent_changes_lose_nobody() {
    let (dir, path) = place();
    std::thread::scope(|scope| {
        for i in 0..16 {
            let path = &path;
            scope.spawn(move || {
                add(path, &format!("user{i:02}")).unwrap();
                add(path, &format!("gone{i:02}")).unwrap();
                UsersFile::new(path).remove(&format!("gone{i:02}")).unwrap();
            });
        }
    });
    let expected: Vec<String> = (0..16).map(|i| format!("user{i:02}")).collect();
    assert_eq!((names(&path), entries(&dir)), (expected, 1));
}

#[test]
fn what_is_no_users_file_is_refused_with_the_reason() {
    let (dir, path) = place();
    let kind_and_text = |path: &Path| {
        let err = Users::load(path).unwrap_err();
        (err.kind(), err.text().replace(&path.display().to_string(), "F"))
    };
    assert_eq!(kind_and_text(&path), (Kind::NotFound, "F: no such file or folder".into()));
    assert_eq!(kind_and_text(dir.path()), (Kind::BadConfig, "F: is a folder, not a users file".into()));
    fs::write(&path, b"# fine\n# \xff\n").unwrap();
    assert_eq!(kind_and_text(&path), (Kind::BadConfig, "F:2: is not UTF-8 text".into()));
    File::create(&path).unwrap().set_len(USERS_FILE_MAX + 1).unwrap();
    assert_eq!(kind_and_text(&path), (Kind::BadConfig, "F: is larger than 8388608 bytes".into()));
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(kind_and_text(&pipe), (Kind::BadConfig, "F: is a device or pipe, not a users file".into()));
}

#[test]
fn what_a_killed_process_left_beside_goes_with_the_next_change_or_sweep() {
    let (dir, path) = place();
    add(&path, "alice").unwrap();
    let leave = || std::mem::forget(Fresh::beside(&path, "[users.alice]").unwrap());
    let others = [".users.toml.new", ".users.toml.mine.new", ".users.toml.0123456789abcdef.old"];
    others.iter().for_each(|name| fs::write(dir.path().join(name), "").unwrap());
    leave();
    add(&path, "bob").unwrap();
    assert_eq!(entries(&dir), 1 + others.len(), "of another pattern is somebody else's");
    leave();
    leave();
    let file = UsersFile::new(&path);
    assert_eq!(file.left_beside().unwrap().len(), 2);
    assert_eq!((file.sweep().unwrap(), file.sweep().unwrap()), (2, 0));
    assert_eq!((entries(&dir), names(&path)), (1 + others.len(), vec!["alice".to_owned(), "bob".to_owned()]));
}

#[test]
fn a_file_open_to_others_is_warned_about() {
    let (_dir, path) = place();
    add(&path, "alice").unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1), (0o620, 1), (0o666, 2)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let found = file_warnings(&path, true).unwrap();
        assert_eq!(found.len(), warnings, "{mode:o}: {found:?}");
    }
    // Without named users there is no hash to guess from, as in a fresh checkout.
    UsersFile::new(&path).remove("alice").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(file_warnings(&path, false).unwrap().is_empty());
}
