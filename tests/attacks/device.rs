//! A destination that is no file is written into, and is still there afterwards.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::geteuid;

use crate::common::not_run::not_run;
use crate::common::place::Place;
use crate::common::{Daemon, PASSWORD, World};
use crate::hostile::{Hostile, IDS};

struct Trial {
    world: World,
    daemon: Daemon,
    place: Place,
    bytes: Vec<u8>,
}

impl Trial {
    fn new() -> Trial {
        let world = World::of(&["alice"]);
        let bytes: Vec<u8> = (0..300_000u32).map(|n| (n * 7 % 251) as u8).collect();
        fs::write(world.home("alice").join("f"), &bytes).unwrap();
        let daemon = world.start();
        Trial { place: Place::new(), world, daemon, bytes }
    }

    fn get(&self, options: &[&str], to: &str) -> Command {
        let target = format!("alice@{}/f", self.daemon.address());
        let mut command = self.place.command(&[&["--pin", self.daemon.pin(), "get"], options, &[&target, to]].concat());
        command.env("SEALIFT_PASSWORD", PASSWORD);
        command
    }

    #[track_caller]
    fn ends(&self, options: &[&str], to: &str, code: i32) -> String {
        let output = self.get(options, to).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{to}: {said}");
        said
    }
}

#[test]
fn device_destination() {
    let trial = Trial::new();
    let at = |name: &str| trial.place.path().join(name);

    // A device, by its name and by a link. A node of its own: nothing is tried on the real one.
    if geteuid().is_root() {
        assert!(Command::new("mknod").arg(at("null")).args(["c", "1", "3"]).status().unwrap().success());
        symlink("null", at("to-null")).unwrap();
        for name in ["null", "to-null"] {
            trial.ends(&[], name, 0);
            let still = fs::symlink_metadata(at("null")).unwrap();
            assert!(still.file_type().is_char_device() && still.rdev() == rustix::fs::makedev(1, 3), "{name}");
            assert!(fs::symlink_metadata(at("to-null")).unwrap().is_symlink());
        }
        for (option, code) in [(&["-c"][..], 2), (&["--streams", "2"], 2), (&["--if-exists", "fail"], 11)] {
            trial.ends(option, "null", code);
        }
        assert!(trial.ends(&["--if-exists", "skip"], "null", 0).contains("skipped"));
        assert!(fs::symlink_metadata(at("null")).unwrap().file_type().is_char_device());
    } else {
        not_run("only root can make a device");
    }

    // A pipe, with and without somebody who reads it already.
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    let pipe = at("pipe");
    let reader = thread::spawn(move || fs::read(pipe).unwrap());
    trial.ends(&[], "pipe", 0);
    assert!(reader.join().unwrap() == trial.bytes);
    assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());

    // Descriptors of its own, in the middle of what others write there.
    let output = trial.get(&[], "/dev/stdout").stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success() && output.stdout == trial.bytes);
    fs::write(at("log"), "before").unwrap();
    let log = fs::File::options().append(true).open(at("log")).unwrap();
    assert!(trial.get(&[], "/dev/stdout").stdout(log).status().unwrap().success());
    assert!(fs::read(at("log")).unwrap() == [b"before", &trial.bytes[..]].concat());
    let mut shell = Command::new("sh");
    let get = trial.get(&[], "/dev/fd/3");
    shell.args(["-c", "exec \"$0\" \"$@\" 3>>other"]).arg(get.get_program()).args(get.get_args());
    shell.envs(get.get_envs().filter_map(|(name, value)| Some((name, value?))));
    fs::write(at("other"), "before").unwrap();
    assert!(shell.current_dir(trial.place.path()).status().unwrap().success());
    assert!(fs::read(at("other")).unwrap() == [b"before", &trial.bytes[..]].concat());

    // A link that the person names is followed: the file behind it is replaced as a whole.
    fs::create_dir(at("elsewhere")).unwrap();
    fs::write(at("elsewhere/target"), "old").unwrap();
    let before = fs::metadata(at("elsewhere/target")).unwrap().ino();
    symlink("elsewhere/target", at("link")).unwrap();
    trial.ends(&[], "link", 0);
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    assert!(fs::read(at("elsewhere/target")).unwrap() == trial.bytes);
    assert_ne!(fs::metadata(at("elsewhere/target")).unwrap().ino(), before);
    assert_eq!(fs::read_dir(at("elsewhere")).unwrap().count(), 1);

    let _listening = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    assert!(trial.ends(&[], "socket", 1).contains("a socket"));

    // A name that is not the person's: nobody reads the pipe, so opening it would not end.
    fs::create_dir(at("folder")).unwrap();
    fs::rename(at("pipe"), at("folder/f")).unwrap();
    assert!(trial.ends(&[], "folder/", 1).contains("To write into it, name it"));
    assert!(fs::symlink_metadata(at("folder/f")).unwrap().file_type().is_fifo());
    drop(trial.world);
}

/// What went into a device cannot be taken back, so that the bytes were the wrong ones must be said.
#[test]
fn what_was_written_through_is_verified() {
    let wrong = blake3::hash(b"other");
    let answer = format!("150 data size=5 mtime=0\r\n\0\0\0\u{5}hello\0\0\0\0226 done size=5 hash={wrong} {IDS}\r\n");
    let server = Hostile::start(move |line| line.starts_with("DOWNLOAD").then(|| answer.clone().into_bytes()));
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.path().join("pipe")).status().unwrap().success());
    let pipe = place.path().join("pipe");
    let reader = thread::spawn(move || fs::read(pipe).unwrap());
    let ran = place.run(&["--pin", &server.pin(), "get", &server.target("x"), "pipe"]);
    ran.failed(8);
    assert!(ran.stderr.contains("pipe: do not use what was written there"), "{ran:?}");
    assert_eq!(reader.join().unwrap(), b"hello");
}
