//! Locks, as clients of WebDAV take them and as everybody else meets them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{ask, between};
use crate::common::web::Got;
use crate::common::{Daemon, RawClient, World, enter, eventually};

/// The XML of a lock that nobody else can have beside it.
const EXCLUSIVE: &str = "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype>\
                         <owner><href>mailto:a</href></owner></lockinfo>";

fn lock(daemon: &Daemon, user: &str, headers: &[&str], path: &str) -> Got {
    ask(daemon, user, "LOCK", headers, EXCLUSIVE, path)
}

/// The `If` header that presents the token of this answer.
fn presents(locked: &Got) -> String {
    assert!(matches!(locked.status, 200 | 201), "{locked:?}");
    format!("If: ({})", locked.header("lock-token"))
}

#[test]
fn whoever_has_the_token_writes_and_nobody_else_whatever_protocol_he_speaks() {
    let world = World::with(&[("alice", "\"full\"", "team"), ("bob", "\"full\"", "team")]);
    let daemon = world.start();
    fs::write(world.home("team").join("file"), "old").unwrap();
    let locked = lock(&daemon, "alice", &["Timeout: Second-600"], "/~alice/file");
    let token = presents(&locked);
    assert_eq!(locked.status, 200);
    assert!(locked.text().contains("<D:timeout>Second-600</D:timeout>"), "{locked:?}");
    for (user, headers) in [("alice", &[][..]), ("bob", &[]), ("bob", &[&*token])] {
        let path = |name: &str| format!("/~{user}/{name}");
        assert_eq!(ask(&daemon, user, "PUT", headers, "new", &path("file")).status, 423, "{user}");
        assert_eq!(ask(&daemon, user, "DELETE", headers, "", &path("file")).status, 423, "{user}");
        let destination = format!("Destination: {}", path("other"));
        let moved = [headers, &[&*destination]].concat();
        assert_eq!(ask(&daemon, user, "MOVE", &moved, "", &path("file")).status, 423, "{user}");
        let patch = "<propertyupdate xmlns='DAV:'><set><prop><x xmlns='u'>1</x></prop></set></propertyupdate>";
        assert_eq!(ask(&daemon, user, "PROPPATCH", headers, patch, &path("file")).status, 423, "{user}");
        assert_eq!(lock(&daemon, user, headers, &path("file")).status, 423, "{user}");
    }
    let mut native = enter(&daemon, "bob");
    for line in ["DELETE file", "RENAME file other", "CHMOD file mode=600"] {
        assert_eq!(native.ask(line).0, 450, "{line}");
    }
    let (digits, word, _) = native.upload("file", b"new");
    assert_eq!((digits, &*word), (450, "locked"));
    assert_eq!(native.upload("other", b"free").0, 226);
    // Copied over it is written to as well.
    assert_eq!(native.ask("COPY other file replace=yes").0, 450);
    assert_eq!(native.ask("STAT file").0, 213, "everybody may look");
    assert_eq!(fs::read_to_string(world.home("team").join("file")).unwrap(), "old");

    assert_eq!(ask(&daemon, "alice", "PUT", &[&token], "new", "/~alice/file").status, 204);
    assert_eq!(fs::read_to_string(world.home("team").join("file")).unwrap(), "new");
    let lock_token = format!("Lock-Token: {}", locked.header("lock-token"));
    assert_eq!(ask(&daemon, "bob", "UNLOCK", &[&lock_token], "", "/~bob/file").status, 403);
    assert_eq!(ask(&daemon, "alice", "UNLOCK", &[&lock_token], "", "/~alice/other").status, 409);
    assert_eq!(ask(&daemon, "alice", "UNLOCK", &[&lock_token], "", "/~alice/file").status, 204);
    assert_eq!(native.upload("file", b"bob's").0, 226);
}

#[test]
fn a_lock_of_a_new_name_makes_an_empty_file_at_once() {
    let world = World::with(&[("alice", "\"full\"", "alice"), ("adder", "[\"upload\", \"list\"]", "adder")]);
    let daemon = world.start();
    let locked = lock(&daemon, "alice", &[], "/~alice/new");
    assert_eq!(locked.status, 201);
    assert_eq!(fs::read(world.home("alice").join("new")).unwrap(), b"");
    assert_eq!(lock(&daemon, "alice", &[], "/~alice/nothing/new").status, 409);
    assert_eq!(ask(&daemon, "alice", "DELETE", &[&presents(&locked)], "", "/~alice/new").status, 204);
    assert_eq!(lock(&daemon, "alice", &[], "/~alice/new").status, 201, "the lock went with the file");
    // Who may only add keeps nobody from writing what is there.
    assert_eq!(lock(&daemon, "adder", &[], "/~adder/mine").status, 201);
    fs::write(world.home("adder").join("there"), "x").unwrap();
    assert_eq!(lock(&daemon, "adder", &[], "/~adder/there").status, 403);
    assert_eq!(lock(&daemon, "alice", &[], "/public-file").status, 403, "nobody in particular writes nothing");
}

#[test]
fn a_lock_ends_by_itself_unless_it_is_renewed() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let locked = lock(&daemon, "alice", &["Timeout: Second-1"], "/~alice/file");
    let write = |name: &str| ask(&daemon, "alice", "PUT", &[], "x", &format!("/~alice/{name}")).status;
    eventually("the lock is over", || write("file") == 204);
    assert_eq!(ask(&daemon, "alice", "PUT", &[&presents(&locked)], "x", "/~alice/file").status, 412, "it is gone");
    let locked = lock(&daemon, "alice", &["Timeout: Second-5"], "/~alice/kept");
    let renew = |headers: &[&str]| ask(&daemon, "alice", "LOCK", headers, "", "/~alice/kept");
    let renewed = renew(&["Timeout: Second-3000", &presents(&locked)]);
    assert!(renewed.status == 200 && renewed.text().contains("<D:timeout>Second-3000<"), "{renewed:?}");
    assert_eq!(renew(&[]).status, 400);
    assert_eq!(renew(&["If: (<urn:uuid:00000000-0000-4000-8000-000000000001>)"]).status, 412);
    // By now the first time is over, and that of the renewed lock is not.
    eventually("time goes by", || {
        let now = ask(&daemon, "alice", "PROPFIND", &["Depth: 0"], "", "/~alice/kept").text();
        between(&now, "<D:timeout>Second-", "<")[0].parse::<u32>().unwrap() < 2995
    });
    assert_eq!(write("kept"), 423);
}

#[test]
fn a_folder_is_locked_with_all_in_it_or_only_its_names() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    fs::create_dir_all(world.home("alice").join("deep/er")).unwrap();
    fs::create_dir_all(world.home("alice").join("flat")).unwrap();
    fs::write(world.home("alice").join("flat/there"), "x").unwrap();
    let (deep, flat) =
        (lock(&daemon, "alice", &[], "/~alice/deep/"), lock(&daemon, "alice", &["Depth: 0"], "/~alice/flat"));
    let ask = |method: &str, headers: &[&str], path: &str| ask(&daemon, "alice", method, headers, "", path).status;
    assert_eq!(ask("PUT", &[], "/~alice/deep/er/x"), 423);
    assert_eq!(ask("MKCOL", &[], "/~alice/deep/er/y"), 423);
    assert_eq!(ask("PUT", &[&presents(&deep)], "/~alice/deep/er/x"), 201, "the lock is over what is in the folder");
    let tagged = format!("If: </~alice/deep/> ({})", deep.header("lock-token"));
    assert_eq!(ask("PUT", &[&tagged], "/~alice/deep/er/x"), 204);
    assert_eq!(ask("DELETE", &[], "/~alice/deep/"), 423);
    assert_eq!((ask("PUT", &[], "/~alice/flat/there"), ask("PUT", &[], "/~alice/flat/new")), (204, 423));
    assert_eq!(ask("DELETE", &[], "/~alice/flat/there"), 423, "its name goes");
    let tagged = format!("If: <https://127.0.0.1:{}/~alice/flat/> ({})", daemon.port(), flat.header("lock-token"));
    assert_eq!(ask("PUT", &[&tagged], "/~alice/flat/new"), 201);
    let told = super::ask(&daemon, "alice", "PROPFIND", &["Depth: 1"], "", "/~alice/deep/").text();
    assert_eq!(
        between(&told, "<D:lockroot><D:href>", "<"),
        ["/~alice/deep/"; 2],
        "of itself and what is in it: {told}"
    );
    assert!(told.contains("<D:owner><href xmlns=\"DAV:\">mailto:a</href></D:owner>"), "{told}");
}

#[test]
fn a_lock_that_is_taken_while_an_upload_comes_holds_when_it_ends() {
    let world = World::with(&[("alice", "\"full\"", "team"), ("bob", "\"full\"", "team")]);
    let daemon = world.start();
    let file = world.home("team").join("file");
    fs::write(&file, "old").unwrap();
    let begun = ask(&daemon, "alice", "PUT", &["Upload-Complete: ?0", "Upload-Length: 3"], "", "/~alice/file");
    assert_eq!(begun.status, 201, "{begun:?}");
    let end = || {
        let headers = ["Content-Type: application/partial-upload", "Upload-Complete: ?1", "Upload-Offset: 0"];
        ask(&daemon, "alice", "PATCH", &headers, "new", begun.header("location"))
    };
    let locked = lock(&daemon, "bob", &[], "/~bob/file");
    assert_eq!(locked.status, 200);
    assert_eq!(end().status, 423);
    assert_eq!(fs::read(&file).unwrap(), b"old");
}

#[test]
fn a_lock_outlives_a_restart_and_its_time_goes_on() {
    let world = World::with(&[("alice", "\"full\"", "team"), ("bob", "\"full\"", "team")]);
    let daemon = world.start();
    fs::write(world.home("team").join("file"), "old").unwrap();
    let locked = lock(&daemon, "alice", &["Timeout: Second-600"], "/~alice/file");
    let given_up = lock(&daemon, "alice", &["Timeout: Second-600"], "/~alice/given-up");
    let lock_token = format!("Lock-Token: {}", given_up.header("lock-token"));
    assert_eq!(ask(&daemon, "alice", "UNLOCK", &[&lock_token], "", "/~alice/given-up").status, 204);
    daemon.stop();

    let daemon = world.start();
    assert_eq!(ask(&daemon, "bob", "PUT", &[], "new", "/~bob/file").status, 423);
    assert_eq!(enter(&daemon, "bob").upload("file", b"new").1, "locked");
    assert_eq!(ask(&daemon, "bob", "PUT", &[], "new", "/~bob/given-up").status, 204);
    let found = ask(&daemon, "bob", "PROPFIND", &["Depth: 0"], "", "/~bob/file").text();
    let left: u64 = between(&found, "<D:timeout>Second-", "<")[0].parse().unwrap();
    assert!(left <= 600 && found.contains("mailto:a"), "{found}");
    assert_eq!(ask(&daemon, "alice", "PUT", &[&presents(&locked)], "new", "/~alice/file").status, 204);
    // Once more, and then by a server that is killed: what it has it leaves to nobody.
    daemon.stop();
    let daemon = world.start();
    assert_eq!(ask(&daemon, "bob", "PUT", &[], "new", "/~bob/file").status, 423);
    daemon.kill();
    let daemon = world.start();
    assert_eq!(ask(&daemon, "bob", "PUT", &[], "bob's", "/~bob/file").status, 204);
}

/// Says that it is over when it is dropped, also by a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_changes_what_is_locked_once_the_lock_is_answered() {
    const ROUNDS: usize = 12;
    let world = World::with(&[("alice", "\"full\"", "team"), ("bob", "\"full\"", "team")]);
    let daemon = world.start();
    let file = world.home("team").join("file");
    fs::write(&file, "old").unwrap();
    // What each writes is refused while there is a lock, and that is all right.
    let writers: [fn(&mut RawClient, usize); 4] = [
        |bob, turn| drop(bob.upload("file", turn.to_string().as_bytes())),
        |bob, turn| {
            bob.upload("copied", turn.to_string().as_bytes());
            bob.ask("COPY copied file replace=yes");
        },
        |bob, turn| {
            bob.upload("renamed", turn.to_string().as_bytes());
            bob.ask("RENAME renamed file replace=yes");
        },
        |bob, _| drop(bob.ask("DELETE file")),
    ];
    let (is_over, turns) = (AtomicBool::new(false), [(); 4].map(|()| AtomicUsize::new(0)));
    let changed = thread::scope(|scope| {
        let _ends_them = Ends(&is_over);
        for (write, turns) in writers.iter().zip(&turns) {
            let (daemon, is_over) = (&daemon, &is_over);
            scope.spawn(move || {
                let mut bob = enter(daemon, "bob");
                while !is_over.load(Ordering::Relaxed) {
                    write(&mut bob, turns.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        let look = || fs::metadata(&file).ok().map(|meta| (meta.ino(), fs::read(&file).unwrap_or_default()));
        // Each writer has ended what it was at, and has tried once more.
        let all_tried = |before: &[usize]| {
            let now = turns.iter().map(|turns| turns.load(Ordering::Relaxed));
            now.zip(before).all(|(now, before)| now >= before + 2)
        };
        let mut changed = Vec::new();
        for round in 0..ROUNDS {
            let locked = lock(&daemon, "alice", &[], "/~alice/file");
            let (then, before) = (look(), turns.each_ref().map(|turns| turns.load(Ordering::Relaxed)));
            if !matches!(locked.status, 200 | 201) {
                changed.push((round, locked.status, None, None));
                break;
            }
            while !all_tried(&before) {
                thread::yield_now();
            }
            let now = look();
            if then.is_none() || then != now {
                changed.push((round, locked.status, then, now));
            }
            let token = format!("Lock-Token: {}", locked.header("lock-token"));
            ask(&daemon, "alice", "UNLOCK", &[&token], "", "/~alice/file");
        }
        changed
    });
    assert!(changed.is_empty(), "{} of {ROUNDS}: {changed:?}", changed.len());
}
