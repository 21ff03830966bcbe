//! A line that is lost: what only asks is asked again, what changes something is sent once, or looked at before it is sent again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

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
    fs::write(world.remote("alice", "a"), "a").unwrap();
    for (word, args) in [("MKDIR ", &["mkdir", "host/m", "host/n"][..]), ("COPY ", &["cp", "host/a", "host/b"])] {
        for place in [Break::After, Break::Before] {
            let tap = Tap::start(&world, word, place, 1);
            let args = args.iter().map(|arg| arg.replace("host/", &format!("alice@{}/", tap.address)));
            let done = world.run(args.collect::<Vec<_>>()).code(6);
            let sent = usize::from(matches!(place, Break::After));
            assert_eq!((tap.left(), tap.passed(word)), (0, sent), "{word}: {}", done.stderr);
            assert!(!done.stderr.contains("again in"), "{word}: {}", done.stderr);
        }
    }
    let expected = ["a", "b", "m"];
    crate::common::eventually("only the first of each was done", || names(&world.remote("alice", "")) == expected);
}

#[test]
fn a_removal_or_a_move_whose_answer_is_lost_ends_as_if_it_had_come() {
    let world = World::trusting();
    for place in [Break::After, Break::Before] {
        for name in ["a", "b", "c", "e"] {
            fs::write(world.remote("alice", name), name).unwrap();
        }
        for name in ["d", "f", "g"] {
            fs::create_dir_all(world.remote("alice", name).join("in")).unwrap();
        }
        for (word, args) in [
            ("DELETE ", &["rm", "host/a", "host/b"][..]),
            ("DELETE ", &["rm", "host/[e-e]"]),
            ("DELETE ", &["rm", "-r", "host/g"]),
            ("RENAME ", &["mv", "host/c", "host/f", "host/d/"]),
            ("RENAME ", &["mv", "--force", "host/d/c", "host/h"]),
            ("RENAME ", &["mv", "host/d/f", "host/d/k"]),
        ] {
            let tap = Tap::start(&world, word, place, 1);
            let args = args.iter().map(|arg| arg.replace("host/", &format!("alice@{}/", tap.address)));
            let done = world.run(args.collect::<Vec<_>>()).code(0);
            assert_eq!(tap.left(), 0, "{word}: {}", done.stderr);
            assert_eq!(done.stderr.matches("again in").count(), 1, "{word}: {}", done.stderr);
        }
        let mut left = names(&world.remote("alice", ""));
        left.retain(|name| !name.starts_with(sealift::limits::RESERVED_NAME));
        assert_eq!(left, ["d", "d/in", "d/k", "d/k/in", "h"]);
        for name in ["d", "h"] {
            world.run(["rm", "-r", &world.alice(name)]).code(0);
        }
    }
}

/// A line to the server that breaks once, when something has happened there and before the answer comes.
struct Cutter(SocketAddr);

impl Cutter {
    /// Then this happens.
    fn start(
        world: &World,
        has_happened: impl Fn() -> bool + Send + 'static,
        then: impl FnOnce() + Send + 'static,
    ) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = (listener.local_addr().unwrap(), world.server.address());
        let cut = Arc::new(Mutex::new((has_happened, Some(then))));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&server) else { return };
                let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || {
                    let _broken = std::io::copy(&mut from_near, &mut to_far);
                    let _is_closed = to_far.shutdown(Shutdown::Write);
                });
                let (mut far, mut near, cut) = (far, near, cut.clone());
                thread::spawn(move || {
                    let mut buffer = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = far.read(&mut buffer) {
                        let mut cut = cut.lock().unwrap();
                        if cut.1.is_some() && (cut.0)() {
                            cut.1.take().unwrap()();
                            break;
                        }
                        if near.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    for socket in [&near, &far] {
                        let _is_closed = socket.shutdown(Shutdown::Both);
                    }
                });
            }
        });
        world.trust(address);
        Cutter(address)
    }

    fn at(&self, path: &str) -> String {
        format!("alice@{}/{path}", self.0)
    }
}

#[test]
fn what_somebody_puts_there_while_an_answer_is_lost_is_neither_removed_nor_taken_for_what_was_moved() {
    let world = World::trusting();
    let there = |name: &str| world.remote("alice", name);
    let write = |name: &str, text: &str| fs::write(there(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(there(name)).unwrap_or_default();
    // Another one comes at once.
    write("a", "old");
    let (at, to) = (there("a"), there("a"));
    let cutter = Cutter::start(&world, move || !at.exists(), move || fs::write(to, "another one").unwrap());
    world.run(["rm", &cutter.at("a")]).code(11).said("the answer to its removal was lost");
    assert_eq!(read("a"), "another one");
    // A folder with other files in the place of the one that was removed.
    fs::create_dir(there("f")).unwrap();
    write("f/x", "old");
    let (at, to) = (there("f"), there("f"));
    let cutter = Cutter::start(
        &world,
        move || !at.exists(),
        move || {
            fs::create_dir(&to).unwrap();
            fs::write(to.join("new"), "new").unwrap();
        },
    );
    world.run(["rm", "-r", &cutter.at("f")]).code(11).said("the answer to its removal was lost");
    assert_eq!(read("f/new"), "new");
    // At the old name of what was moved, which is not to take the place of that.
    write("b", "old");
    let (at, to) = (there("c"), there("b"));
    let cutter = Cutter::start(&world, move || at.exists(), move || fs::write(to, "another one").unwrap());
    world
        .run(["mv", "--force", &cutter.at("b"), &cutter.at("c")])
        .code(11)
        .said("the answer to its move to c was lost");
    assert_eq!((read("b"), read("c")), ("another one".to_owned(), "old".to_owned()));
    // The same without --force: what was moved has been picked up by then, so that the new name is free.
    write("part", "old");
    let (at, whole, to, picked) = (there("whole"), there("whole"), there("part"), there("picked"));
    let cutter = Cutter::start(
        &world,
        move || at.exists(),
        move || {
            fs::rename(whole, picked).unwrap();
            fs::write(to, "another one").unwrap();
        },
    );
    world
        .run(["mv", &cutter.at("part"), &cutter.at("whole")])
        .code(11)
        .said("the answer to its move to whole was lost");
    assert_eq!(
        (read("part"), read("whole"), read("picked")),
        ("another one".to_owned(), String::new(), "old".to_owned())
    );
    // At its new name.
    write("d", "old");
    let (at, to) = (there("e"), there("e"));
    let cutter = Cutter::start(
        &world,
        move || at.exists(),
        move || {
            fs::remove_file(&to).unwrap();
            fs::write(to, "another one").unwrap();
        },
    );
    world.run(["mv", &cutter.at("d"), &cutter.at("e")]).code(11).said("what has the new name may be another one");
    assert_eq!(read("e"), "another one");
    // What was done is said to be, with all that is known of it.
    write("g", "old");
    let at = there("h");
    let cutter = Cutter::start(&world, move || at.exists(), || ());
    world.run(["mv", &cutter.at("g"), &cutter.at("h")]).code(0).said("the answer to its move was lost");
    let at = there("h");
    let cutter = Cutter::start(&world, move || !at.exists(), || ());
    world.run(["rm", &cutter.at("h")]).code(0).said("the answer to its removal was lost; it is not there any more");
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
