//! Bytes that change on the server's disk under a file whose size and time stay: whoever reads the file finds it, and it
//! stays rotten until it is replaced or accepted.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::{Dice, until};
use crate::common::{Daemon, PASSWORD, World, enter, text};

const INTEGRITY: Option<i32> = Some(8);
const MIB: u64 = 1024 * 1024;

#[test]
fn rot_under_a_note() {
    let place = Place::new();
    // However it is read first, it is found, said and remembered.
    let name = "file";
    for (size, reading, exit) in [
        (3 * MIB, &["get", "alice@host/file", "got"][..], INTEGRITY),
        (3 * MIB, &["cat", "alice@host/file"], INTEGRITY),
        (3 * MIB, &["hash", "alice@host/file"], INTEGRITY),
        (3 * MIB, &["verify", "alice@host/"], INTEGRITY),
        (3 * MIB, &["mirror", "--checksum", "alice@host/", "pulled"], INTEGRITY),
        (64 * MIB, &["get", "--streams", "3", "alice@host/file", "got"], INTEGRITY),
    ] {
        place.store(name, size);
        place.rots(name);
        let before = place.findings();
        let output = place.sealift(reading);
        assert_eq!(output.status.code(), exit, "{reading:?}: {}", text(&output.stderr));
        let said = [&*output.stdout, &*output.stderr].concat();
        assert!(text(&said).contains("not those that were stored"), "{reading:?}: {}", text(&said));
        until("the log says it", || place.findings() == before + 1);
        place.is_rotten(name);
        assert!(!place.local("got").exists() && !place.local("pulled/file").exists(), "{reading:?}");
        fs::remove_file(place.remote(name)).unwrap();
    }
    place.end();
}

#[test]
fn a_file_stays_rotten_until_it_is_replaced_or_accepted() {
    let place = Place::new();
    place.store("file", 3 * MIB);
    place.store("other", 3 * MIB);
    let good = fs::read(place.remote("file")).unwrap();
    place.rots("file");
    assert_eq!(place.sealift(&["hash", "alice@host/file"]).status.code(), INTEGRITY);

    // Another server, and a client that types: nothing forgets it. The good bytes do not make it whole either.
    let place = place.restart();
    place.is_rotten("file");
    let mut alice = enter(&place.daemon, "alice");
    for line in ["DOWNLOAD file", "DOWNLOAD file offset=1 length=1", "HASH file", "HASH file recorded=yes"] {
        assert_eq!(alice.ask(line).1, "rotten", "{line}");
    }
    let bytes = |name: &str| fs::read(place.remote(name)).unwrap();
    let rotten = bytes("file");
    place.write_in_place("file", &good);
    place.is_rotten("file");
    place.write_in_place("file", &rotten);

    // A condition is about the bytes that are there.
    let hash = sealift::files::Hash::of(&good);
    alice.line(format!("UPLOAD file if=hash:{hash} size=0"));
    alice.send([0; 4]);
    alice.send(sealift::files::Hash::of(b"").as_bytes());
    assert_eq!(alice.reply().1, "changed");

    // Its name and its neighbours have nothing to do with it.
    assert_eq!(place.sealift(&["mv", "alice@host/file", "alice@host/moved"]).status.code(), Some(0));
    place.is_rotten("moved");
    assert_eq!(place.sealift(&["get", "alice@host/other", "got"]).status.code(), Some(0));

    // Accepted by its name: these bytes are the file.
    let accepted = place.sealift(&["accept", "alice@host/moved"]);
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted.stderr));
    assert_eq!(place.sealift(&["get", "alice@host/moved", "got"]).status.code(), Some(0));
    assert!(fs::read(place.local("got")).unwrap() == rotten);
    assert_eq!(place.sealift(&["verify", "alice@host/"]).status.code(), Some(0));

    // Replaced: by an upload, and by a mirror that compares bytes.
    for command in [&["put", "good/moved", "alice@host/moved"][..], &["mirror", "--checksum", "good", "alice@host/"]] {
        place.rots("moved");
        assert_eq!(place.sealift(&["hash", "alice@host/moved"]).status.code(), INTEGRITY);
        fs::create_dir_all(place.local("good")).unwrap();
        fs::write(place.local("good/moved"), &good).unwrap();
        let time = fs::metadata(place.remote("moved")).unwrap().modified().unwrap();
        File::options().write(true).open(place.local("good/moved")).unwrap().set_modified(time).unwrap();
        let output = place.sealift(command);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", text(&output.stderr));
        assert!(bytes("moved") == good, "{command:?}");
        assert_eq!(place.sealift(&["verify", "alice@host/moved"]).status.code(), Some(0), "{command:?}");
    }

    // Written by a program that does not hide it: a new file.
    place.rots("moved");
    assert_eq!(place.sealift(&["hash", "alice@host/moved"]).status.code(), INTEGRITY);
    let file = File::options().write(true).open(place.remote("moved")).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    assert_eq!(place.sealift(&["get", "alice@host/moved", "got"]).status.code(), Some(0));
    place.end();
}

#[test]
fn a_mirror_sends_the_good_copy_of_a_rotten_file_and_never_calls_it_the_same() {
    let place = Place::new();
    place.store("file", 3 * MIB);
    place.store("other", 3 * MIB);
    let good = fs::read(place.remote("file")).unwrap();
    for copy in ["pushed", "pulled"] {
        let output = place.sealift(&["mirror", "alice@host/", copy]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    place.rots("file");
    assert_eq!(place.sealift(&["hash", "alice@host/file"]).status.code(), INTEGRITY);

    // Size and time are the same on both sides.
    fs::write(place.local("pulled/only here"), "x").unwrap();
    let output = place.sealift(&["mirror", "--delete", "alice@host/", "pulled"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(10), "{said}");
    assert!(said.contains("not those that were stored") && said.contains("1 unchanged"), "{said}");
    assert!(said.contains("nothing was deleted") && place.local("pulled/only here").exists(), "{said}");
    assert!(fs::read(place.local("pulled/file")).unwrap() == good);

    let planned = place.sealift(&["mirror", "--dry-run", "pushed", "alice@host/"]);
    assert_eq!(text(&planned.stdout), "put pushed/file -> file\n");
    let output = place.sealift(&["mirror", "pushed", "alice@host/"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("1 file,") && said.contains("1 unchanged"), "{said}");
    assert!(fs::read(place.remote("file")).unwrap() == good);
    assert_eq!(place.sealift(&["verify", "alice@host/"]).status.code(), Some(0));
    let output = place.sealift(&["mirror", "pushed", "alice@host/"]);
    assert!(text(&output.stderr).contains("2 unchanged"));
    place.end();
}

#[test]
fn verify_reads_everything_and_counts_what_it_cannot_compare() {
    let place = Place::new();
    for name in ["a", "b", "c"] {
        place.store(name, 2 * MIB);
    }
    fs::create_dir_all(place.remote("folder")).unwrap();
    fs::write(place.remote("folder/small"), "small").unwrap();
    fs::write(place.remote("folder/foreign"), vec![7; 2 * MIB as usize]).unwrap();
    let output = place.sealift(&["verify", "--json", "alice@host/"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let total = text(&output.stdout);
    let bytes = 8 * MIB + 5;
    let expected =
        format!("\"confirmed\":3,\"unrecorded\":2,\"rotten\":0,\"failed\":0,\"unreadable\":0,\"bytes\":{bytes}");
    assert!(total.contains(&expected), "{total}");

    place.rots("b");
    place.rots("c");
    let output = place.sealift(&["verify", "alice@host/"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), INTEGRITY, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines.iter().any(|line| line.starts_with("rotten: b: ")), "{said}");
    assert!(lines.iter().any(|line| line.starts_with("rotten: c: ")), "{said}");
    assert!(said.contains("1 as stored, 2 rotten, 2 without a record"), "{said}");
    // Once more: known now, and told again.
    assert_eq!(place.sealift(&["verify", "alice@host/c"]).status.code(), INTEGRITY);
    assert_eq!(place.sealift(&["verify", "alice@host/a"]).status.code(), Some(0));
    assert_eq!(place.sealift(&["verify", "alice@host/missing"]).status.code(), Some(3));
    place.end();
}

struct Place {
    world: World,
    daemon: Daemon,
}

impl Place {
    fn new() -> Place {
        let world = World::of(&["alice"]);
        let daemon = world.start();
        Place { world, daemon }
    }

    fn restart(self) -> Place {
        self.daemon.stop();
        let daemon = self.world.start();
        Place { world: self.world, daemon }
    }

    fn remote(&self, name: &str) -> PathBuf {
        self.world.home("alice").join(name)
    }

    fn local(&self, name: &str) -> PathBuf {
        self.world.place().join(name)
    }

    /// The real client; `host` stands for the server.
    fn sealift(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        command.args(["--pin", self.daemon.pin(), "--port", &self.daemon.port().to_string()]);
        command.args(args.iter().map(|word| word.replace("@host", "@127.0.0.1")));
        command.env("SEALIFT_PASSWORD", PASSWORD).current_dir(self.world.place()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Stores a file through the server, which records what it is.
    fn store(&self, name: &str, size: u64) {
        fs::write(self.local("source"), Dice::new().bytes(size)).unwrap();
        let output = self.sealift(&["put", "source", &format!("alice@host/{name}")]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }

    /// Some of its bytes change, and nothing else does.
    fn rots(&self, name: &str) {
        let mut bytes = fs::read(self.remote(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.write_in_place(name, &bytes);
    }

    fn write_in_place(&self, name: &str, bytes: &[u8]) {
        let file = File::options().write(true).open(self.remote(name)).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_modified(time).unwrap();
    }

    /// How often the log tells of rot.
    fn findings(&self) -> usize {
        self.daemon.log().lines().filter(|line| line.contains("WARN") && line.contains("bit rot")).count()
    }

    /// Refused at once, and shown as what it is.
    fn is_rotten(&self, name: &str) {
        let target = format!("alice@host/{name}");
        let output = self.sealift(&["get", &target, "refused"]);
        assert_eq!(output.status.code(), INTEGRITY, "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("`sealift accept`"), "{}", text(&output.stderr));
        assert!(!self.local("refused").exists());
        let long = self.sealift(&["ls", "-l", "alice@host/"]);
        let listed = text(&long.stdout);
        assert!(listed.lines().any(|line| line.starts_with("rotten") && line.ends_with(name)), "{listed}");
        assert!(text(&long.stderr).contains("1 file is rotten"), "{}", text(&long.stderr));
        assert!(text(&self.sealift(&["ls", "--json", "alice@host/"]).stdout).contains("\"rotten\":true"));
        assert!(text(&self.sealift(&["stat", &target]).stdout).contains("rotten: "));
    }

    fn end(self) {
        self.daemon.stop();
    }
}
