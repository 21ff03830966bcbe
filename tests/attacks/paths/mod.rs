//! Attacks on the server by paths: spellings, links, names, special files. Each is tried over the network on the real
//! `sealiftd`, and the disk is looked at afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

mod links;
mod race;
mod special;
mod spellings;
mod trash;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::common::{Ask, Fields, World, snapshot};

/// What a canary says. It never leaves its place, nor changes there.
pub const CANARY: &[u8] = b"the canary lives outside";

/// A server's directory in which alice is the attacker, with canaries all around her home.
pub struct Cage {
    pub world: World,
}

/// All but alice's home.
#[derive(PartialEq, Debug)]
pub struct Outside {
    place: BTreeMap<PathBuf, Vec<u8>>,
}

impl Cage {
    /// alice's home holds `file`, `folder/file` and nothing else.
    pub fn new() -> Cage {
        let world = World::of(&["alice", "bob", "bob2"]);
        for folder in [world.place().join("secret"), world.home("bob"), world.home("bob2"), world.home("etc")] {
            fs::create_dir_all(folder.join("folder")).unwrap();
            fs::write(folder.join("canary"), CANARY).unwrap();
            fs::write(folder.join("folder/canary"), CANARY).unwrap();
        }
        fs::write(world.place().join("canary"), CANARY).unwrap();
        fs::write(world.place().join("server_data/canary"), CANARY).unwrap();
        fs::create_dir(world.home("alice").join("folder")).unwrap();
        fs::write(world.home("alice").join("file"), "alice's").unwrap();
        fs::write(world.home("alice").join("folder/file"), "alice's too").unwrap();
        Cage { world }
    }

    /// What must stay as it is. The server's own files are not in it: its log grows, and so do the links that it keeps,
    /// and it keeps what the clock showed.
    pub fn outside(&self) -> Outside {
        let mut place = snapshot(self.world.place());
        place.retain(|path, _| {
            let ours = ["log", "port", "certs", "server_state/links"].iter().any(|own| path.starts_with(own));
            // The file, and what it is written as first.
            let clock = path.starts_with("server_state") && path.to_string_lossy().contains("/.clock.")
                || path.ends_with("server_state/clock");
            !ours && !clock && !path.starts_with("server_data/alice/")
        });
        assert!(place.contains_key(&PathBuf::from("server_data/bob2/folder/canary")));
        Outside { place }
    }
}

/// TRASH and PURGE open nothing: they are about what the trash has of a path, which is nothing.
pub fn assert_nothing_in_the_trash(ask: &Ask, (digits, word, fields): (u16, &str, &Fields)) {
    match digits {
        // Of a path that none can have, or a thing that is not there.
        501 | 550 => {}
        212 => assert_eq!(word, "trash", "{}", ask.line),
        _ => assert_eq!((digits, word, &*fields["gone"]), (250, "done", "0"), "{}", ask.line),
    }
}

/// Whether these bytes hold the canary's.
pub fn holds_canary(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}
