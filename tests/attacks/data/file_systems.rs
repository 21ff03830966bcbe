//! File systems that only say yes: what a store relies on is tried and not believed.

use std::fs;

use super::occupancy::Bindfs;
use crate::common::{Daemon, RawClient, World, assert_nothing_staged, enter, sealiftd, text, upload_bytes};

/// Files of one batch, small enough to have no name until they are whole.
const FILES: usize = 20;

fn content(n: usize) -> Vec<u8> {
    format!("file {n}").into_bytes()
}

/// Stores small files twice, so that some are new and some replace; every answer must be true, now and after a restart.
fn store_and_read(world: &World, start: impl Fn(&World) -> Daemon) {
    let daemon = start(world);
    let mut alice = enter(&daemon, "alice");
    for name in ["f", "f", "g"] {
        let upload = |n| upload_bytes(&format!("{name}{n} size={}", content(n).len()), &content(n));
        alice.send((0..FILES).flat_map(upload).collect::<Vec<u8>>());
        for n in 0..FILES {
            assert_eq!(alice.reply().1, "done", "{name}{n}");
        }
    }
    let all_there = |alice: &mut RawClient| {
        let there = |name: &str, n: usize| alice.download(&format!("{name}{n}")).is_ok_and(|bytes| bytes == content(n));
        let mut there = there;
        let found = ["f", "g"].iter().flat_map(|name| (0..FILES).map(move |n| (*name, n)));
        found.filter(|(name, n)| there(name, *n)).count()
    };
    assert_eq!(all_there(&mut alice), 2 * FILES, "acknowledged files that can be read");
    assert_eq!(alice.ask("RENAME f0 f1").1, "exists");
    assert_eq!(alice.upload("g0 if=absent", b"other").1, "exists");
    assert_eq!(alice.ask("MKDIR folder").1, "done");
    assert_eq!(alice.ask("RENAME folder moved").1, "done");
    assert_eq!(alice.ask("RENAME moved f0").1, "exists");
    daemon.kill();
    drop(alice);
    let daemon = start(world);
    let mut alice = enter(&daemon, "alice");
    assert_eq!(all_there(&mut alice), 2 * FILES, "acknowledged files that can be read after a crash");
}

#[test]
fn no_name_files_lost() {
    // Every link but the first says that it is made and is not: so are the files gone at their close.
    let lying = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat"];
    let lying: Vec<_> = lying.into_iter().chain(["-e", "inject=linkat:retval=0:when=2+"]).collect();
    let world = World::of(&["alice"]);
    store_and_read(&world, |world| world.daemon().through(lying.clone()).start());
    // `:when` counts for each thread, so that the first link of some was a true one.
    let log = fs::read_to_string(world.place().join("log")).unwrap();
    assert!(log.contains("this file system is without files without a name"), "{log}");

    // One that says no.
    let world = World::of(&["alice"]);
    let data = world.place().join("server_data");
    let Some(mount) = Bindfs::over(&data, &data, &[]) else { return };
    store_and_read(&world, World::start);
    assert_nothing_staged(&world.home("alice"), "bindfs");
    drop(mount);
    assert_eq!(fs::read(world.home("alice").join("g7")).unwrap(), content(7));
}

/// What is tried is told: also that the kernel's sync of a whole file system is not passed on to a program behind FUSE.
#[test]
fn check_tells_what_fuse_lacks() {
    const SYNC: &str = "syncing all of it at once that is known to reach the disk";
    let world = World::of(&["alice"]);
    let check = || text(&sealiftd(world.place()).arg("check").output().unwrap().stdout);
    let has =
        |said: &str, what: &str| said.lines().any(|line| line.contains("has what was tried") && line.contains(what));
    let said = check();
    assert!(has(&said, SYNC) && has(&said, "locks that another handle sees"), "{said}");
    for needed in ["files that are there when they are opened again", "renaming that replaces", "syncing a folder"] {
        assert!(has(&said, needed), "{said}");
    }
    let data = world.place().join("server_data");
    let Some(mount) = Bindfs::over(&data, &data, &[]) else { return };
    let said = check();
    assert!(said.contains(&format!("is without {SYNC}: each file of a commit is synced by itself")), "{said}");
    assert!(said.contains("is without files without a name until they are whole"), "{said}");
    assert!(has(&said, "locks that another handle sees"), "{said}");
    // Nothing of what was tried stays.
    assert!(!data.join(".sealift").exists());
    drop(mount);
}
