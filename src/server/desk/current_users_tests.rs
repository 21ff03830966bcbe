//! The clock is given: no test here waits.

use std::fs::{self, File};
use std::sync::atomic::AtomicUsize;

use tempfile::TempDir;

use super::*;

/// A users file, what is read of it, and a clock.
struct Bench {
    dir: TempDir,
    users: CurrentUsers,
    now: Instant,
}

const ON: &str = "[anonymous]\nenabled = true\n";
const OFF: &str = "[anonymous]\nenabled = false\n";

impl Bench {
    fn new() -> Bench {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("users.toml"), OFF).unwrap();
        let users = CurrentUsers::load(dir.path().join("users.toml").into(), None).unwrap();
        Bench { dir, users, now: Instant::now() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("users.toml")
    }

    /// Whether anonymous reading is on by a look at this time.
    fn is_on_after(&mut self, later: Duration) -> bool {
        self.now += later;
        self.users.look(self.now).users.anonymous_home().is_some()
    }

    /// A file that was whole before it got its name.
    fn replace(&self, text: &str) {
        let new = self.dir.path().join("new");
        fs::write(&new, text).unwrap();
        let past = std::time::SystemTime::now() - Duration::from_secs(5);
        File::options().write(true).open(&new).unwrap().set_modified(past).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn said(&self) -> Option<Instant> {
        self.users.lock().trouble.as_ref().map(|trouble| trouble.said)
    }
}

const NOTHING: Duration = Duration::ZERO;

#[test]
fn a_file_that_was_replaced_counts_at_once_and_an_edited_one_when_it_rests() {
    let mut bench = Bench::new();
    bench.replace(ON);
    assert!(bench.is_on_after(NOTHING));
    fs::write(bench.path(), OFF).unwrap();
    assert!(bench.is_on_after(NOTHING), "it may be half of what it will be");
    assert!(bench.is_on_after(limits::USERS_FILE_REST / 2));
    fs::write(bench.path(), format!("{OFF}# more\n")).unwrap();
    assert!(bench.is_on_after(limits::USERS_FILE_REST), "it has changed again");
    assert!(!bench.is_on_after(limits::USERS_FILE_REST));
}

#[test]
fn every_change_is_told_and_counted_once() {
    let mut bench = Bench::new();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    bench.users.on_change(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    for change in 1..4 {
        bench.replace(ON);
        bench.is_on_after(NOTHING);
        bench.is_on_after(NOTHING);
        assert_eq!((told.load(Ordering::Relaxed), bench.users.version()), (change, change as u64));
    }
}

#[test]
fn a_failed_reading_is_tried_again_and_said_once_a_minute() {
    let mut bench = Bench::new();
    bench.replace("nonsense");
    let begin = bench.now;
    assert!(!bench.is_on_after(NOTHING) && bench.users.file_trouble().outdated.unwrap().contains("users.toml:1"));
    // Mended by nothing that the file itself shows: as if it had been unreadable for a reason elsewhere.
    bench.is_on_after(limits::USERS_FILE_RETRY);
    assert_eq!(bench.users.lock().trouble.as_ref().unwrap().tried, bench.now, "it was tried again");
    assert_eq!(bench.said(), Some(begin));
    bench.is_on_after(limits::USERS_FILE_REPEAT);
    assert_eq!(bench.said(), Some(bench.now));
    bench.replace(ON);
    assert!(bench.is_on_after(NOTHING) && bench.users.file_trouble().outdated.is_none());
}

#[test]
fn a_file_that_is_as_it_was_read_is_no_trouble() {
    let mut bench = Bench::new();
    fs::rename(bench.path(), bench.dir.path().join("away")).unwrap();
    bench.is_on_after(NOTHING);
    assert!(bench.users.file_trouble().outdated.is_some());
    fs::rename(bench.dir.path().join("away"), bench.path()).unwrap();
    bench.is_on_after(NOTHING);
    assert!(bench.users.file_trouble().outdated.is_none());
}

/// A users file of so many users, the first of them left out.
fn of_users(left_out: usize, all: usize) -> String {
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    (left_out..all).fold(ON.to_owned(), |text, n| text + &format!("[users.u{n}]\npassword = \"{hash}\"\n"))
}

#[test]
fn a_change_that_takes_most_users_away_counts_and_is_told_until_the_next_one() {
    let mut bench = Bench::new();
    let told: Arc<Mutex<Vec<UsersFileTrouble>>> = Arc::default();
    let tell = told.clone();
    bench.users.on_trouble(move |trouble| tell.lock().push(trouble.clone()));
    let mut change = |left_out, all| {
        bench.replace(&of_users(left_out, all));
        bench.is_on_after(NOTHING);
        assert_eq!(bench.users.latest().iter().count(), all - left_out, "the rights are those of the file");
        bench.users.lost()
    };
    assert_eq!(change(0, 12), None);
    assert_eq!(change(6, 12), None);
    assert_eq!(change(0, 12), None);
    assert_eq!(change(7, 12), Some(7));
    assert!(told.lock().last().unwrap().lost.as_ref().unwrap().contains("took 7 of 12 users away"));
    assert_eq!(change(0, 12), None);
    assert_eq!(told.lock().last(), Some(&UsersFileTrouble::default()));
    // A few are taken away by hand; all of them mostly are not.
    assert_eq!(change(0, 5), Some(7));
    assert_eq!(change(4, 5), None);
    assert_eq!(change(5, 5), None);
    assert_eq!(change(0, 2), None);
    assert_eq!(change(2, 2), Some(2));
}

#[test]
fn whoever_asks_for_the_users_in_force_does_not_wait_for_the_file() {
    let mut bench = Bench::new();
    let looking = bench.users.lock();
    assert!(bench.users.latest().anonymous_home().is_none());
    drop(looking);
    bench.replace(ON);
    assert!(bench.is_on_after(NOTHING));
    assert!(bench.users.latest().anonymous_home().is_some());
}

#[test]
fn a_link_that_is_not_there_is_no_change_of_the_users() {
    let users = Users::parse(ON, "users.toml").unwrap();
    let anybody = users.verify("anonymous", &Secret::new(""), std::net::Ipv4Addr::LOCALHOST.into()).unwrap();
    let users = CurrentUsers::unchanging(users);
    let before = users.version();
    assert_eq!(users.remove_link(&anybody, "none").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(users.version(), before);
}
