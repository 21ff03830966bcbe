//! A file that is rewritten in place while it is sent, its size the same: the receiver keeps nothing of it. Whatever
//! leaves its bytes alone does not matter.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use super::Dice;
use super::relay::{Held, Relay, SIZE, large, sealift};
use crate::common::{Daemon, World, assert_nothing_staged, enter, text};

/// Exit codes of a single file and of one of several.
const INTEGRITY: Option<i32> = Some(8);
const SOME_FAILED: Option<i32> = Some(10);

/// Small enough to be sent once more, and far more than the buffers on the way hold of it.
const SMALL: u64 = 16 * 1024 * 1024;

#[test]
fn torn_source() {
    let place = Place::new();
    place.by_hand();
    let rewrites: [(fn(&Path), _); 2] = [(in_place, Some("old")), (in_place_with_its_time_set_back, None)];
    for (rewrite, old) in rewrites {
        place.downloaded(rewrite, old);
        place.uploaded(rewrite, old);
    }
    place.end();
}

#[test]
fn a_small_file_that_was_torn_is_sent_once_more_by_itself() {
    let place = Place::new();
    for held in [Held::ToClient, Held::ToServer] {
        for command in Way::single(held) {
            let source = place.source(held);
            fs::write(&source, Dice::new().bytes(SMALL)).unwrap();
            let output = place.run(held, command, || in_place(&source));
            assert_eq!(output.status.code(), Some(0), "{command:?}: {}", text(&output.stderr));
            assert!(fs::read(place.target(held)).unwrap() == fs::read(&source).unwrap(), "{command:?}");
            fs::remove_file(place.target(held)).unwrap();
        }
    }
    place.end();
}

#[test]
fn a_hundred_replacements_of_a_name_and_new_modes_fail_no_transfer() {
    let place = Place::new();
    for held in [Held::ToClient, Held::ToServer] {
        for command in Way::single(held) {
            let source = place.source(held);
            let bytes = {
                drop(large(&source));
                fs::read(&source).unwrap()
            };
            let output = place.run(held, command, || {
                fs::set_permissions(&source, Permissions::from_mode(0o600)).unwrap();
                fs::hard_link(&source, place.world.place().join("link")).unwrap();
                for number in 0..100_u8 {
                    let other = source.with_extension("new");
                    fs::write(&other, [number; 100]).unwrap();
                    fs::rename(&other, &source).unwrap();
                }
            });
            assert_eq!(output.status.code(), Some(0), "{command:?}: {}", text(&output.stderr));
            assert!(fs::read(place.target(held)).unwrap() == bytes, "{command:?}");
            fs::remove_file(place.target(held)).unwrap();
            fs::remove_file(place.world.place().join("link")).unwrap();
        }
    }
    place.end();
}

/// Other first and last bytes.
fn in_place(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    for at in [0, size - 4096] {
        file.write_all_at(&[0xAA; 4096], at).unwrap();
    }
    file.sync_all().unwrap();
}

/// The same by somebody who hides it.
fn in_place_with_its_time_set_back(path: &Path) {
    let before = fs::metadata(path).unwrap().modified().unwrap();
    in_place(path);
    File::options().write(true).open(path).unwrap().set_modified(before).unwrap();
}

/// How a file is sent.
#[derive(Debug, Clone, Copy)]
struct Way {
    args: &'static [&'static str],
    fails: Option<i32>,
}

impl Way {
    const fn of(args: &'static [&'static str], fails: Option<i32>) -> Way {
        Way { args, fails }
    }

    /// Over one connection, alone.
    fn single(held: Held) -> [Way; 2] {
        match held {
            Held::ToClient => [
                Way::of(&["get", "alice@127.0.0.1/from/source", "into/source"], INTEGRITY),
                Way::of(&["mirror", "alice@127.0.0.1/from", "into"], SOME_FAILED),
            ],
            Held::ToServer => [
                Way::of(&["put", "from/source", "alice@127.0.0.1/into/source"], INTEGRITY),
                Way::of(&["mirror", "from", "alice@127.0.0.1/into"], SOME_FAILED),
            ],
        }
    }
}

struct Place {
    world: World,
    daemon: Daemon,
}

impl Place {
    fn new() -> Place {
        let world = World::of(&["alice"]);
        for folder in [world.place().to_owned(), world.home("alice")] {
            for name in ["from", "into"] {
                fs::create_dir(folder.join(name)).unwrap();
            }
            // What goes well with what does not.
            fs::write(folder.join("from/other"), "other").unwrap();
        }
        let daemon = world.start();
        Place { world, daemon }
    }

    /// What is sent: the server's file, or the client's.
    fn source(&self, held: Held) -> PathBuf {
        match held {
            Held::ToClient => self.world.home("alice").join("from/source"),
            Held::ToServer => self.world.place().join("from/source"),
        }
    }

    fn target(&self, held: Held) -> PathBuf {
        match held {
            Held::ToClient => self.world.place().join("into/source"),
            Held::ToServer => self.world.home("alice").join("into/source"),
        }
    }

    /// Runs the client, and does this when it or the server has begun to send and cannot go on.
    fn run(&self, held: Held, way: Way, meanwhile: impl FnOnce()) -> Output {
        let relay = Relay::start(&self.daemon, held);
        let client = sealift(&self.world, &self.daemon, &relay, way.args);
        relay.meanwhile(meanwhile);
        client.wait_with_output().unwrap()
    }

    /// What a client by hand sees: the data is aborted, and the reason follows. Then the connection goes on.
    fn by_hand(&self) {
        let source = self.source(Held::ToClient);
        for range in ["", " offset=1048576", &format!(" length={}", SIZE - 1)] {
            drop(large(&source));
            let mut alice = enter(&self.daemon, "alice");
            assert_eq!(alice.ask(format!("DOWNLOAD from/source{range}")).1, "data");
            // Nothing is read meanwhile: the server cannot have sent it all.
            in_place(&source);
            assert_eq!(alice.frames(), None, "{range}");
            let (digits, word, _) = alice.reply();
            assert_eq!((digits, word.as_str()), (426, "torn"), "{range}");
            assert_eq!(alice.ask("PING").1, "pong");
        }
    }

    fn downloaded(&self, rewrite: fn(&Path), old: Option<&str>) {
        let ways = [
            Way::of(&["get", "-r", "alice@127.0.0.1/from", "into"], SOME_FAILED),
            Way::of(&["cat", "alice@127.0.0.1/from/source"], INTEGRITY),
        ];
        for way in Way::single(Held::ToClient).into_iter().chain(ways) {
            self.fails(Held::ToClient, way, rewrite, old);
            let left: Vec<_> = fs::read_dir(self.world.place().join("into")).unwrap().collect();
            let names: Vec<_> = left.into_iter().map(|entry| entry.unwrap().file_name()).collect();
            assert!(
                names.iter().all(|name| ["source", "other", "from"].iter().any(|known| name == known)),
                "{way:?}: {names:?}"
            );
        }
    }

    fn uploaded(&self, rewrite: fn(&Path), old: Option<&str>) {
        let ways = [
            Way::of(&["put", "-r", "from", "alice@127.0.0.1/into/"], SOME_FAILED),
            Way::of(&["put", "-c", "from/source", "alice@127.0.0.1/into/source"], INTEGRITY),
            Way::of(&["put", "--streams", "3", "from/source", "alice@127.0.0.1/into/source"], INTEGRITY),
        ];
        for way in Way::single(Held::ToServer).into_iter().chain(ways) {
            self.fails(Held::ToServer, way, rewrite, old);
            assert_nothing_staged(&self.world.home("alice"), way.args[0]);
        }
    }

    /// The file fails with a word about why, and the old one stays.
    fn fails(&self, held: Held, way: Way, rewrite: fn(&Path), old: Option<&str>) {
        let (source, target) = (self.source(held), self.target(held));
        let _ = fs::remove_file(&target);
        if let Some(old) = old {
            fs::write(&target, old).unwrap();
        }
        drop(large(&source));
        let output = self.run(held, way, || rewrite(&source));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), way.fails, "{way:?}: {said}");
        assert!(said.contains("the file changed while it was sent"), "{way:?}: {said}");
        // Not shown: it may be large.
        assert!(fs::read(&target).ok().as_deref() == old.map(str::as_bytes), "{way:?}: what was there is gone");
        let inner = target.with_file_name("from").join("source");
        assert!(!inner.exists(), "{way:?}");
    }

    fn end(self) {
        let home = self.world.home("alice");
        self.daemon.stop();
        assert_eq!(fs::read_dir(home.join(".sealift")).map_or(0, Iterator::count), 0, "left over");
    }
}
