//! A home with folders that its user may not read: a drop box to put files into, and a shared folder to look at only.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::path::PathBuf;

use sealift::limits;
use serde_json::Value;

use crate::common::place::{Place, names};
use crate::common::program::without_override;
use crate::common::{Builder, Daemon, PASSWORD, World, section, text};

const SHARED: &str = r#"
[folders.public]
access = { alice = "read" }
[folders.inbox]
as = "team/inbox"
access = { alice = ["upload"] }
[folders.window]
access = { alice = ["list", "upload"] }
"#;

/// A server whose alice has something of her own, a folder that she may read, and two that she may not.
struct Setup {
    world: World,
    daemon: Daemon,
    place: Place,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Setup {
    fn new(rules: &str) -> Setup {
        Setup::with(rules, |daemon| daemon)
    }

    fn with(rules: &str, how: impl FnOnce(Builder) -> Builder) -> Setup {
        let world = World::of(&["alice"]);
        world.set_users(&format!("{}{rules}{SHARED}", section("alice", "\"full\"", "alice")));
        let daemon = how(world.daemon()).start();
        for (home, file) in [("public", "page"), ("inbox", "letter"), ("window", "seen"), ("alice", "mine")] {
            fs::create_dir_all(world.home(home).join("deep")).unwrap();
            fs::write(world.home(home).join(file), file).unwrap();
            fs::write(world.home(home).join("deep/er"), file).unwrap();
        }
        let place = Place::new();
        place.knows(daemon.port(), daemon.pin());
        Setup { world, daemon, place }
    }

    fn at(&self, path: &str) -> String {
        format!("alice@{}/{path}", self.daemon.address())
    }

    fn local(&self, path: &str) -> PathBuf {
        self.place.path().join(path)
    }

    fn run(&self, words: &[&str]) -> Ran {
        let output = self.place.command(words).env("SEALIFT_PASSWORD", PASSWORD).output().unwrap();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

const INBOX: &str = "team/inbox: you may not list what is in this folder";
const WINDOW: &str = "window: you may list what is in this folder, but not download it";

impl Ran {
    fn code(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self
    }

    /// Each of them was said once.
    fn said(self, said: &[&str]) -> Ran {
        for text in said {
            assert_eq!(self.err.matches(text).count(), 1, "{text}: {}", self.err);
        }
        self
    }
}

#[test]
fn a_home_is_fetched_without_the_folders_that_its_user_may_not_read() {
    let setup = Setup::new("");
    let home = setup.at("");
    let both = [INBOX, WINDOW, "2 skipped (folders that you may not read)"];
    setup.run(&["get", "-rn", &home, "got"]).code(0).said(&both);
    let done = setup.run(&["get", "-r", &home, "got"]).code(0).said(&both);
    assert!(done.err.contains("4 files"), "{}", done.err);
    assert_eq!(names(&setup.local("got")), ["deep", "mine", "public", "team"]);
    assert_eq!(names(&setup.local("got/team")), [""; 0]);
    let told = setup.run(&["get", "-r", "--json", &home, "again"]).code(0);
    let objects: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let skipped: Vec<&str> =
        objects.iter().filter(|one| one["event"] == "skipped").map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["team/inbox", "window"], "{}", told.out);
    let last = objects.last().unwrap();
    assert_eq!((&last["unreadable"], &last["skipped"], &last["failed"]), (&2.into(), &2.into(), &0.into()), "{last}");
    // What is excluded is none of anybody's business.
    let rest = ["--exclude", "inbox", "--exclude", "/window", &home, "rest"];
    let done = setup.run(&[&["get", "-r"], &rest[..]].concat()).code(0);
    assert!(!done.err.contains("skipped"), "{}", done.err);
    // A pattern names none of them.
    let pattern = setup.at("*");
    setup.run(&["get", "-r", &pattern, "found/"]).code(0).said(&both[..2]);
    let page = setup.at("t*/*/er");
    setup.run(&["get", &page, "deeper/"]).code(3).said(&[INBOX]);
}

#[test]
fn a_folder_that_was_named_is_an_error_if_it_may_not_be_read() {
    let setup = Setup::new("");
    for folder in ["team/inbox", "window"] {
        let named = setup.at(folder);
        for words in [["get", "-r", &named, "got"], ["mirror", "--delete", &named, "./copy"]] {
            let done = setup.run(&words);
            assert!(matches!(done.code, Some(5 | 10)), "{words:?}: {:?}\n{}", done.code, done.err);
        }
    }
    let named = setup.at("team/inbox");
    for words in [&["ls", "-r"][..], &["find"], &["du"], &["tree"], &["verify"]] {
        setup.run(&[words, &[&*named]].concat()).code(5);
    }
    // So is a home of which nothing may be downloaded.
    setup.world.set_users(&format!("{}{SHARED}", section("alice", "[\"list\"]", "alice")));
    let home = setup.at("");
    let done = setup.run(&["get", "-r", &home, "got"]);
    assert_ne!(done.code, Some(0), "{}", done.err);
}

#[test]
fn walks_through_a_home_say_once_what_they_leave_out_and_succeed() {
    let setup = Setup::new("");
    let home = setup.at("");
    for words in [&["ls", "-r"][..], &["find"], &["du", "-s"], &["tree"], &["df"]] {
        let done = setup.run(&[words, &[&*home]].concat()).code(0).said(&[INBOX]);
        assert!(!done.err.contains("could not be read"), "{words:?}: {}", done.err);
    }
    let done = setup.run(&["verify", &home]).code(0).said(&[INBOX, WINDOW]);
    assert!(done.out.contains("2 folders left out"), "{}", done.out);
    let told = setup.run(&["ls", "-r", "--json", &home]).code(0);
    assert!(told.out.lines().last().unwrap().contains("\"unreadable\":1"), "{}", told.out);
    assert!(told.err.is_empty(), "{}", told.err);
    // A copy of a folder with them in it is one of the rest.
    let (team, copy) = (setup.at("team"), setup.at("copy"));
    fs::create_dir_all(setup.world.home("alice").join("team")).unwrap();
    fs::write(setup.world.home("alice").join("team/own"), "own").unwrap();
    setup.run(&["cp", "-r", &team, &copy]).code(0).said(&[INBOX]);
    assert_eq!(names(&setup.world.home("alice").join("copy")), ["own"]);
}

#[test]
fn a_mirror_of_a_home_keeps_the_copy_of_what_may_not_be_read_any_more() {
    let setup = Setup::new("");
    let home = setup.at("");
    let mirror = |more: &[&str]| setup.run(&[&["mirror", "--delete"], more, &[&*home, "./copy"]].concat());
    for kept in ["team/inbox/before", "team/inbox/deep/before", "window/before", "window/deep/before"] {
        fs::create_dir_all(setup.local("copy").join(kept).parent().unwrap()).unwrap();
        fs::write(setup.local("copy").join(kept), "kept").unwrap();
    }
    fs::write(setup.local("copy/gone"), "gone").unwrap();
    let both = [INBOX, WINDOW, "2 skipped (folders that you may not read)", "1 deleted"];
    mirror(&["--dry-run"]).code(0).said(&both);
    mirror(&[]).code(0).said(&both);
    let kept = ["team/inbox/before", "team/inbox/deep/before", "window/before", "window/deep/before"];
    assert!(kept.iter().all(|name| setup.local("copy").join(name).exists()));
    assert!(!setup.local("copy/gone").exists() && setup.local("copy/public/deep/er").exists());
    let told = mirror(&["--json"]).code(0);
    assert!(told.out.lines().last().unwrap().contains("\"unreadable\":2"), "{}", told.out);
}

#[test]
fn a_mirror_onto_a_home_leaves_what_may_not_be_listed_alone() {
    let setup = Setup::new("");
    let home = setup.at("");
    fs::create_dir_all(setup.local("src")).unwrap();
    fs::write(setup.local("src/mine"), "mine").unwrap();
    let done = setup.run(&["mirror", "--delete", "./src", &home]).code(0).said(&[INBOX]);
    assert!(!done.err.contains("could not be read"), "{}", done.err);
    assert!(setup.world.home("inbox").join("letter").exists() && !setup.world.home("alice").join("deep").exists());
    // What goes into the drop box goes there.
    fs::create_dir_all(setup.local("src/team/inbox")).unwrap();
    fs::write(setup.local("src/team/inbox/new"), "new").unwrap();
    for _ in 0..2 {
        setup.run(&["mirror", "./src", &home]).code(0);
        assert_eq!(fs::read(setup.world.home("inbox").join("new")).unwrap(), b"new");
    }
}

#[test]
fn a_part_of_a_home_that_may_not_be_read_is_left_out_but_for_what_may_be_in_it() {
    let rule = |path: &str, access: &str| format!("[[users.alice.rules]]\npath = \"{path}\"\naccess = {access}\n");
    let rules = [rule("/shut/open/**", "\"read\""), rule("/shut/**", "[]")].concat();
    let setup = Setup::new(&rules);
    for folder in ["shut/inner", "shut/open/inner"] {
        fs::create_dir_all(setup.world.home("alice").join(folder)).unwrap();
        fs::write(setup.world.home("alice").join(folder).join("f"), folder).unwrap();
    }
    let home = setup.at("");
    for words in [["get", "-r", &home, "got"], ["mirror", "--delete", &home, "./copy"]] {
        let done = setup.run(&words).code(0);
        assert!(done.err.contains("skipped shut: you may not list"), "{}", done.err);
        let to = setup.local(words[3]);
        assert_eq!(names(&to.join("shut")), ["open"], "{}", done.err);
        assert_eq!(fs::read_to_string(to.join("shut/open/inner/f")).unwrap(), "shut/open/inner");
    }
}

#[test]
fn a_folder_that_cannot_be_read_is_still_a_failure_beside_one_that_may_not_be() {
    use std::os::unix::fs::PermissionsExt as _;
    let setup = Setup::with("", |daemon| daemon.through(without_override().iter().copied()));
    let closed = setup.world.home("alice").join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("f"), "f").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let home = setup.at("");
    let done = setup.run(&["get", "-r", &home, "got"]).code(10).said(&[INBOX, WINDOW]);
    assert!(done.err.contains("closed: it could not be read by the server"), "{}", done.err);
}

#[test]
fn a_copy_takes_what_may_be_listed_below_what_may_not_and_says_what_it_leaves_out() {
    let rule = |path: &str, access: &str| format!("[[users.alice.rules]]\npath = \"{path}\"\naccess = {access}\n");
    let rules = [rule("/top/shut/open/**", "\"read\""), rule("/top/shut/**", "[]")].concat();
    let setup = Setup::new(&rules);
    let top = setup.world.home("alice").join("top");
    for folder in ["shut/inner", "shut/open/inner"] {
        fs::create_dir_all(top.join(folder)).unwrap();
        fs::write(top.join(folder).join("f"), folder).unwrap();
    }
    fs::write(top.join("shut/open/beside"), "beside").unwrap();
    std::os::unix::fs::symlink("shut", top.join("link")).unwrap();
    let said = ["skipped top/shut: you may not list", "skipped top/link: a symbolic link"];
    setup.run(&["cp", "-r", &setup.at("top"), &setup.at("copy")]).code(0).said(&said);
    let copy = setup.world.home("alice").join("copy");
    assert_eq!((names(&copy), names(&copy.join("shut"))), (vec!["shut".into()], vec!["open".into()]));
    assert_eq!(fs::read_to_string(copy.join("shut/open/inner/f")).unwrap(), "shut/open/inner");
    assert_eq!(fs::read_to_string(copy.join("shut/open/beside")).unwrap(), "beside");
    let told = setup.run(&["cp", "-rf", "--json", &setup.at("top"), &setup.at("copy")]).code(0);
    let skipped = told.out.lines().filter(|line| line.contains("\"event\":\"skipped\"")).count();
    assert_eq!(skipped, 2, "{}", told.out);
}

#[test]
fn a_file_goes_into_a_drop_box_whether_or_not_a_slash_is_behind_it() {
    let setup = Setup::new("");
    let inbox = setup.world.home("inbox");
    for name in ["one", "two", "three"] {
        fs::write(setup.local(name), name).unwrap();
    }
    setup.run(&["put", "one", &setup.at("team/inbox")]).code(0);
    setup.run(&["put", "two", &setup.at("team/inbox/")]).code(0);
    setup.run(&["put", "three", &setup.at("team/inbox/four")]).code(0);
    setup.run(&["cp", &setup.at("mine"), &setup.at("team/inbox")]).code(0);
    assert_eq!(names(&inbox), ["deep", "four", "letter", "mine", "one", "two"]);
    // A name that is taken stays what it is.
    fs::write(setup.local("one"), "another").unwrap();
    let taken = setup.run(&["put", "one", &setup.at("team/inbox")]).code(5);
    let hint = format!("`sealift put FILE {}`", setup.at("team/inbox/NAME"));
    taken.said(&["is there already", &hint, "--if-exists skip"]);
    assert_eq!(fs::read_to_string(inbox.join("one")).unwrap(), "one");
}

#[test]
fn large_files_alone_tell_that_their_folders_are_there_or_why_they_could_not_come() {
    let setup = Setup::new("");
    let inbox = setup.world.home("inbox");
    for folder in ["deep", "new"] {
        fs::create_dir_all(setup.local("src").join(folder)).unwrap();
        let large = fs::File::create(setup.local("src").join(folder).join("large")).unwrap();
        large.set_len(limits::STREAM_MIN).unwrap();
    }
    let into = format!("{}/", setup.at("team/inbox"));
    let put = ["put", "-r", "--streams", "2", "src/.", &into];
    let missing = "team/inbox/new: no such folder on the server, and you may not make it";
    let done = setup.run(&put).code(10).said(&[missing]);
    assert_eq!(done.err.matches("may not MKDIR").count(), 1, "of the one that is missing: {}", done.err);
    assert_eq!(fs::metadata(inbox.join("deep/large")).unwrap().len(), limits::STREAM_MIN);
    // With nothing but what is there, all is well.
    fs::remove_file(inbox.join("deep/large")).unwrap();
    fs::remove_dir_all(setup.local("src/new")).unwrap();
    let done = setup.run(&put).code(0);
    assert!(!done.err.contains("MKDIR"), "{}", done.err);
}

#[test]
fn a_tree_goes_where_no_folders_may_be_made_as_far_as_its_folders_are_there() {
    let setup = Setup::new("");
    for folder in ["src/deep", "src/new", "src/bare"] {
        fs::create_dir_all(setup.local(folder)).unwrap();
    }
    for file in ["f", "deep/g", "new/h", "new/i"] {
        fs::write(setup.local("src").join(file), file).unwrap();
    }
    let tar = "`tar czf src.tgz src`";
    for (folder, home) in [("window", "window"), ("team/inbox", "inbox")] {
        fs::create_dir(setup.world.home(home).join("bare")).unwrap();
        for transfers in ["1", "3"] {
            // The folder for it all is missing.
            let done =
                setup.run(&["put", "-r", "--transfers", transfers, "src", &setup.at(folder)]).code(5).said(&[tar]);
            assert!(!done.err.contains("mkdir -p") && !done.err.contains("deep.tgz"), "{}", done.err);
            // That one is there, and so are two of the three in it.
            let into = format!("{}/", setup.at(folder));
            let done = setup.run(&["put", "-r", "--transfers", transfers, "src/.", &into]).code(10).said(&[tar]);
            let missing = format!("{folder}/new: no such folder on the server, and you may not make it");
            assert_eq!(done.err.matches(&missing).count(), 2, "{}", done.err);
            let denied = done.err.matches("may not MKDIR").count();
            // Of an empty one that may not be looked at nobody knows.
            assert_eq!(denied, if home == "window" { 1 } else { 2 }, "{}", done.err);
            assert_eq!(fs::read_to_string(setup.world.home(home).join("deep/g")).unwrap(), "deep/g");
            for arrived in ["f", "deep/g"] {
                fs::remove_file(setup.world.home(home).join(arrived)).unwrap();
            }
        }
    }
    // A file that is there already has told all that there is to tell of the folder that it is in.
    fs::create_dir(setup.local("taken")).unwrap();
    fs::write(setup.local("taken/letter"), "another").unwrap();
    let done = setup.run(&["put", "-r", "taken/.", &setup.at("team/inbox/")]).code(5).said(&["is there already"]);
    assert!(!done.err.contains("MKDIR"), "{}", done.err);
    let mirrored = setup.run(&["mirror", "./taken", &setup.at("team/inbox")]).code(5);
    mirrored.said(&[&format!("`sealift put -r ./taken/. {}`", setup.at("team/inbox/"))]);
    // With nothing but what is there, all is well.
    fs::remove_dir_all(setup.local("src/new")).unwrap();
    let into = setup.at("window/");
    setup.run(&["put", "-r", "src/.", &into]).code(0);
    setup.run(&["mirror", "./src", &into]).code(0);
}
