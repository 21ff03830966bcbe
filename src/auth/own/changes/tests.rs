use super::*;
use crate::fresh_file::Fresh;

fn folder() -> (tempfile::TempDir, Changes) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("users")).unwrap();
    let changes = Changes::of(dir.path(), || Ok(()));
    (dir, changes)
}

fn write(changes: &Changes, file: &str, text: &str) -> PathBuf {
    let path = changes.folder.join(file);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn what_one_changes_another_sees_once() {
    let (_dir, changes) = folder();
    let mut followed = changes.now();
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
    let path = write(&changes, "users/alice.toml", "one");
    let mut turn = changes.alone(Instant::now()).unwrap();
    turn.changed(&path).unwrap();
    drop(turn);
    // Of the first ever it is not known what was before.
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Anything);
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
    fs::remove_file(&path).unwrap();
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    assert_eq!(changes.news("links", &mut changes.now(), None).unwrap(), News::Nothing);
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::These(vec![path]));
    // More than are kept.
    for n in 0..=limits::SHARED_CHANGES {
        let path = write(&changes, "users/bob.toml", &n.to_string());
        changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    }
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Anything);
}

#[test]
fn what_is_not_to_be_seen_yet_is_not_taken_for_the_newest() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "one");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    let mut followed = changes.now();
    write(&changes, "users/alice.toml", "two");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    // A mount that still shows what was before.
    write(&changes, "users/alice.toml", "one");
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
    let turn = changes.alone(Instant::now()).unwrap();
    std::thread::scope(|scope| {
        let news = scope.spawn(|| changes.news("users", &mut followed, Some(&turn)).unwrap());
        write(&changes, "users/alice.toml", "two");
        assert_eq!(news.join().unwrap(), News::These(vec![path.clone()]));
    });
    // The mount is lost.
    drop(turn);
    fs::remove_file(&path).unwrap();
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    fs::remove_dir(changes.folder.join("users")).unwrap();
    assert!(changes.news("users", &mut followed, None).is_err());
}

#[test]
fn one_that_was_killed_while_it_wrote_is_noticed_and_one_that_stands_still_is_not_waited_for() {
    let (_dir, mut changes) = folder();
    changes.hidden = Duration::ZERO;
    let path = write(&changes, "users/alice.toml", "one");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    let (mut followed, file) = (changes.now(), changes.folder.join(FOLDER).join(name_of(1)));
    let torn = fs::read(&file).unwrap();
    fs::write(&file, &torn[..torn.len() - 3]).unwrap();
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Anything);
    assert_eq!(followed.next, 2);
    // What one was writing when it was killed is nothing yet.
    fs::write(changes.folder.join(FOLDER).join("new-0123"), "sealift").unwrap();
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    assert_eq!(numbers(&changes.folder.join(FOLDER)).unwrap(), [3]);
    assert_eq!(fs::read_dir(changes.folder.join(FOLDER)).unwrap().count(), 2);
    let stopped = changes.alone(Instant::now()).unwrap();
    let long_ago = Instant::now().checked_sub(limits::SHARED_STATE_WAIT).unwrap();
    assert_eq!(changes.alone(long_ago).unwrap_err().kind(), Kind::Io);
    assert_eq!(changes.alone(Instant::now()).unwrap_err().kind(), Kind::Io);
    drop(stopped);
    drop(changes.alone(long_ago).unwrap());
}

#[test]
fn a_journal_that_is_not_to_be_seen_yet_is_waited_for_and_no_change_in_it_is_lost() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "one");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    let mut followed = changes.now();
    write(&changes, "users/alice.toml", "two");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    // A mount that knows an old size of it.
    let file = changes.folder.join(FOLDER).join(name_of(2));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, b"").unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| changes.alone(Instant::now()).unwrap());
        fs::write(&file, &whole).unwrap();
        waiting.join().unwrap().changed(&path).unwrap();
    });
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::These(vec![path]));
}

#[test]
fn where_it_is_not_known_what_others_changed_nothing_is() {
    let (dir, changes) = folder();
    let other = Changes::of(dir.path(), || Err(Error::new(Kind::Io, "not known")));
    assert_eq!(other.alone(Instant::now()).unwrap_err().text(), "not known");
    drop(changes.alone(Instant::now()).unwrap());
}

#[test]
fn a_change_that_was_begun_is_looked_for_until_somebody_knows_what_came_of_it() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "one");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    let mut followed = changes.now();
    // It is killed before it has changed anything, or after that: nobody is told which.
    changes.alone(Instant::now()).unwrap().begin(&path).unwrap();
    for text in ["one", "two"] {
        write(&changes, "users/alice.toml", text);
        for from in [&mut followed, &mut changes.now()] {
            assert_eq!(changes.news("users", from, None).unwrap(), News::These(vec![path.clone()]));
        }
        assert_eq!(changes.news("links", &mut followed.clone(), None).unwrap(), News::These(Vec::new()));
    }
    let turn = changes.alone(Instant::now()).unwrap();
    assert_eq!(changes.news("users", &mut followed.clone(), Some(&turn)).unwrap(), News::These(vec![path.clone()]));
    drop(turn);
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::These(vec![path]));
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
}

#[test]
fn a_mount_that_is_lost_is_no_file_that_is_gone() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "one");
    changes.alone(Instant::now()).unwrap().begin(&path).unwrap();
    let aside = changes.folder.join("aside");
    fs::rename(changes.folder.join("users"), &aside).unwrap();
    assert!(changes.alone(Instant::now()).is_err());
    fs::rename(&aside, changes.folder.join("users")).unwrap();
    drop(changes.alone(Instant::now()).unwrap());
}

/// As where a server stood still for so long that the file system gave its lock to another one.
fn lose_lock(changes: &Changes) {
    fs::remove_file(changes.folder.join(FOLDER).join(LOCK)).unwrap();
}

fn change(changes: &Changes, turn: &mut Turn, file: &str, text: &str) -> Result<()> {
    let path = changes.folder.join(file);
    let fresh = Fresh::beside(&path, text)?;
    turn.begin(&path)?;
    fresh.put_in_place()?;
    turn.changed(&path)
}

#[test]
fn who_stood_still_until_another_one_had_the_lock_writes_nothing_over_what_that_one_wrote() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "before");
    changes.alone(Instant::now()).unwrap().changed(&path).unwrap();
    let there = |text: &str| assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let alone = || changes.alone(Instant::now()).unwrap();
    // It stands still before it has said what it is about to change, while the other one is at it or when that is done.
    let mut stood = alone();
    lose_lock(&changes);
    let mut other = alone();
    let fresh = Fresh::beside(&path, "of another").unwrap();
    other.begin(&path).unwrap();
    assert_eq!(change(&changes, &mut stood, "users/alice.toml", "old").unwrap_err().kind(), Kind::Io);
    fresh.put_in_place().unwrap();
    other.changed(&path).unwrap();
    assert_eq!(change(&changes, &mut stood, "users/alice.toml", "old").unwrap_err().kind(), Kind::Io);
    assert_eq!(change(&changes, &mut stood, "users/bob.toml", "old").unwrap_err().kind(), Kind::Io);
    there("of another");
    drop((stood, other));
    // After that.
    let mut stood = alone();
    let fresh = Fresh::beside(&path, "older").unwrap();
    stood.begin(&path).unwrap();
    lose_lock(&changes);
    let mut other = alone();
    assert!(fresh.put_in_place().is_err());
    change(&changes, &mut other, "users/alice.toml", "newer").unwrap();
    assert!(stood.changed(&path).is_err());
    there("newer");
    // When it is done but for being told of.
    drop(other);
    let mut stood = alone();
    let fresh = Fresh::beside(&path, "done").unwrap();
    stood.begin(&path).unwrap();
    fresh.put_in_place().unwrap();
    lose_lock(&changes);
    let mut other = alone();
    there("done");
    assert!(stood.changed(&path).is_err());
    change(&changes, &mut other, "users/alice.toml", "the newest").unwrap();
    // What is told is what the one says that has the lock.
    let mut followed = changes.now();
    assert_eq!(changes.news("users", &mut followed, None).unwrap(), News::Nothing);
    assert_eq!(numbers(&changes.folder.join(FOLDER)).unwrap().len(), 1);
    there("the newest");
    assert_eq!(fs::read_dir(changes.folder.join("users")).unwrap().count(), 1);
}

#[test]
fn who_was_overtaken_is_told_to_come_again_and_not_that_nothing_is_there() {
    let (_dir, changes) = folder();
    let path = write(&changes, "users/alice.toml", "before");
    let mut stood = changes.alone(Instant::now()).unwrap();
    let fresh = Fresh::beside(&path, "old").unwrap();
    stood.begin(&path).unwrap();
    lose_lock(&changes);
    drop(changes.alone(Instant::now()).unwrap());
    // What it was about to put there was taken away; and what it would write down of it is.
    let error = stood.put_in_place(fresh).unwrap_err();
    assert_eq!((error.kind(), error.text()), (Kind::Io, superseded().text()));
    fs::remove_dir_all(changes.folder.join(FOLDER)).unwrap();
    assert_eq!(stood.changed(&path).unwrap_err().kind(), Kind::Io);
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
}
