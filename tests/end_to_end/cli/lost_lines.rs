//! A line that is lost: what only asks is asked again, what changes something is sent once.

use std::fs;

use super::tap::{Break, Tap};
use crate::common::program::{World, names};

#[test]
fn what_is_looked_up_before_anything_is_done_is_asked_again() {
    let world = World::trusting();
    fs::create_dir(world.remote("alice", "d")).unwrap();
    fs::write(world.remote("alice", "d/f"), "f").unwrap();
    fs::write(world.local("g"), "g").unwrap();
    fs::create_dir(world.local("tree")).unwrap();
    fs::write(world.local("list"), "g\n").unwrap();
    for (word, args) in [
        ("STAT ", &["get", "-r", "host/d", "got/"][..]),
        ("LIST ", &["get", "-r", "host/d", "got2/"]),
        ("STAT ", &["put", "g", "host/d"]),
        ("MKDIR ", &["put", "g", "host/new/"]),
        ("STAT ", &["put", "-r", "tree", "host/d"]),
        ("STAT ", &["mv", "host/d/f", "host/new"]),
        ("LIST ", &["ls", "host/d"]),
        ("STAT ", &["stat", "host/d"]),
        ("STAT ", &["mirror", "--files-from", "list", "host/d", "./mirrored"]),
    ] {
        let tap = Tap::start(&world, word, Break::Before, 2);
        let args = args.iter().map(|arg| arg.replace("host/", &format!("alice@{}/", tap.address)));
        let done = world.run(args.clone().collect::<Vec<_>>()).code(0);
        assert_eq!(tap.left(), 0, "{args:?}: {}", done.stderr);
        assert_eq!(done.stderr.matches("; again in ").count(), 2, "{args:?}: {}", done.stderr);
    }
    assert_eq!(names(&world.remote("alice", "")), ["d", "d/g", "d/tree", "new", "new/f", "new/g"]);
}

#[test]
fn what_may_have_been_done_is_never_sent_a_second_time() {
    let world = World::trusting();
    for name in ["a", "b", "c"] {
        fs::write(world.remote("alice", name), name).unwrap();
    }
    fs::create_dir(world.remote("alice", "d")).unwrap();
    for (word, args) in [
        ("DELETE ", &["rm", "host/a", "host/b"][..]),
        ("MKDIR ", &["mkdir", "host/m", "host/n"]),
        ("RENAME ", &["mv", "host/b", "host/c", "host/d/"]),
    ] {
        for place in [Break::After, Break::Before] {
            let tap = Tap::start(&world, word, place, 1);
            let args = args.iter().map(|arg| arg.replace("host/", &format!("alice@{}/", tap.address)));
            let done = world.run(args.collect::<Vec<_>>()).code(6);
            let sent = usize::from(matches!(place, Break::After));
            assert_eq!((tap.left(), tap.passed(word)), (0, sent), "{word}: {}", done.stderr);
            assert!(!done.stderr.contains("again in"), "{word}: {}", done.stderr);
        }
    }
    let expected = ["c", "d", "d/b", "m"];
    crate::common::eventually("only the first of each was done", || names(&world.remote("alice", "")) == expected);
}

#[test]
fn a_verification_goes_on_behind_what_was_answered() {
    let world = World::trusting();
    let files = sealift::limits::PIPELINE_FILES * 3;
    for n in 0..files {
        fs::write(world.remote("alice", n.to_string()), "x").unwrap();
    }
    fs::write(world.remote("alice", "x\ty"), "cannot be asked for").unwrap();
    // The order is the disk's, so the line breaks somewhere in the middle of it.
    let tap = Tap::start(&world, "HASH 77", Break::Before, 2);
    let done = world.run(["verify", &format!("alice@{}/", tap.address)]).code(10);
    assert_eq!(tap.left(), 0);
    let said = done.stdout();
    assert!(said.contains(&format!("0 as stored, 0 rotten, {files} without a record")), "{said}");
    assert_eq!(said.matches("control character").count(), 1, "{said}");
    assert!(tap.passed("HASH ") < 2 * files, "{}", tap.passed("HASH "));
    assert_eq!(tap.passed("LIST"), 1);
}
