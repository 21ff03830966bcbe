//! Files that are not files: pipes, devices, sockets.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use sealift::proto::Verb;

use super::Cage;
use crate::common::{PAYLOAD, asks_of, enter};

/// More than there are threads for file work: if opening one could hang a thread, these would hang them all.
const MANY: usize = 600;

#[test]
fn fifo_device() {
    let cage = Cage::new();
    let home = cage.world.home("alice");
    let plant = |name: &str| {
        let _ = fs::remove_file(home.join(name));
        match name {
            "fifo" => assert!(Command::new("mkfifo").arg(home.join(name)).status().unwrap().success()),
            "socket" => drop(UnixListener::bind(home.join(name)).unwrap()),
            "link" => symlink("fifo", home.join(name)).unwrap(),
            // Only root can; without it there is no such attack from here either.
            "zero" => return mknodat(CWD, home.join(name), FileType::CharacterDevice, mode(), makedev(1, 5)).is_ok(),
            _ => return mknodat(CWD, home.join(name), FileType::BlockDevice, mode(), makedev(7, 0)).is_ok(),
        }
        true
    };
    let daemon = cage.world.start();
    let outside = cage.outside();
    let mut alice = enter(&daemon, "alice");
    for name in ["fifo", "socket", "zero", "block", "link"] {
        if !plant(name) {
            println!("{name} cannot be made here");
            continue;
        }
        for ask in Verb::ALL.iter().flat_map(|verb| asks_of(*verb, name, "missing")) {
            assert!(plant(name));
            plant("fifo");
            let _ = fs::remove_file(home.join("missing"));
            let ((digits, word, fields), data) = ask.send(&mut alice);
            assert!(data.is_empty(), "{}", ask.line);
            match ask.verb {
                // What is read or hashed is opened, and only a file is.
                Verb::Download => assert_eq!(word, "not-regular", "{}", ask.line),
                Verb::Hash if !ask.line.contains("partial") => assert_eq!(word, "not-regular", "{}", ask.line),
                Verb::List => assert_eq!(word, "not-directory", "{}", ask.line),
                Verb::Stat => assert!(["other", "link"].contains(&fields["type"].as_str()), "{}", ask.line),
                // By its name it can be moved and removed. Only a link is replaced.
                Verb::Upload if digits == 226 && name == "link" => {
                    assert_eq!(fs::read(home.join(name)).unwrap(), PAYLOAD);
                }
                Verb::Upload => assert!(digits != 226 && word != "internal", "{}: {word}", ask.line),
                _ => assert_ne!(word, "internal", "{}", ask.line),
            }
        }
        assert!(plant(name));
        let condition = format!("{name} if=hash:{}", sealift::files::Hash::of(b""));
        assert_eq!(alice.upload(&condition, PAYLOAD).1, "changed", "{name}");
        assert!(!fs::symlink_metadata(home.join(name)).unwrap().is_file(), "{name}");
    }

    plant("fifo");
    let asked: String = (0..MANY).map(|_| "DOWNLOAD fifo\r\nHASH link\r\n").collect();
    alice.send(asked);
    // Nobody else waits meanwhile.
    assert_eq!(enter(&daemon, "bob").download("canary").unwrap(), super::CANARY);
    for _ in 0..2 * MANY {
        assert_eq!(alice.reply().1, "not-regular");
    }
    assert!(fs::symlink_metadata(home.join("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(cage.outside(), outside);
}

fn mode() -> Mode {
    Mode::from_raw_mode(0o666)
}
