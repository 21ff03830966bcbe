//! The trash and a quota: what is kept counts, and goes for what comes when nothing else has room.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::time::{Duration, SystemTime};

use sealift::files::Hash;
use sealift::proto::frame::END;

use crate::common::program::{PASSWORD, World};
use crate::common::{RawClient, eventually, frames_of, half_an_upload, staged};
use crate::trash::{alice, keeping, kept, paths, used};

#[test]
fn it_counts_in_the_quota_and_the_oldest_goes_first_when_that_is_full() {
    let daemon = keeping(&["--quota", "100 KiB"]);
    let mut client = alice(&daemon);
    let bytes = |byte: u8| vec![byte; 20 * 1024];
    for (number, name) in ["a", "b", "c", "d"].iter().enumerate() {
        assert_eq!(client.upload(name, &bytes(number as u8)).0, 226);
    }
    for name in ["a", "b", "c"] {
        assert_eq!(client.ask(format!("DELETE {name}")).0, 250);
    }
    assert_eq!(used(&daemon), 80 * 1024);
    assert_eq!(client.upload("e", &bytes(9)).0, 226);
    assert_eq!(paths(&mut client), ["c", "b", "a"]);
    assert_eq!(client.upload("f", &bytes(10)).0, 226);
    assert_eq!(paths(&mut client), ["c", "b"], "the oldest made room");
    assert_eq!(used(&daemon), 100 * 1024);
    assert_eq!(client.ask("PURGE b").2["gone"], "1");
    assert_eq!(used(&daemon), 80 * 1024);
    // What would not fit if all of it went has nothing go: saying how much comes would empty it.
    assert_eq!(client.upload("large", &vec![1; 50 * 1024]).1, "quota");
    assert_eq!(client.upload("large size=5000000000", b"").1, "quota");
    assert_eq!(paths(&mut client), ["c"]);
    assert_eq!(used(&daemon), 80 * 1024);
    // Counted anew it is the same: what is kept is counted, too.
    assert_eq!(client.ask("DELETE f").0, 250);
    drop(client);
    eventually("it is counted anew", || used(&daemon) == 80 * 1024);
}

/// What goes by itself when there is need is no reason to remove anything.
#[test]
fn df_says_how_much_is_kept_in_the_trash_and_of_interrupted_uploads() {
    let world = World::trusting();
    let set = ["user", "set", "alice", "--trash", "30d", "--quota", "100MiB"];
    assert!(world.server.command(&set).output().unwrap().status.success());
    let df = |more: &[&str]| world.run([&["df"], more, &[&world.alice("")]].concat()).code(0);
    let none = df(&[]);
    assert!(!none.stdout().contains("kept:"), "{none:?}");
    for (name, size) in [("stays", 1000), ("goes", 2000), ("d/inner", 3000)] {
        let path = world.remote("alice", name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; size]).unwrap();
    }
    world.run(["rm", &world.alice("goes")]).code(0);
    world.run(["rm", "-r", &world.alice("d")]).code(0);
    // More than one block, of which whole ones are kept.
    let client = RawClient::logged_in(&world.server, "alice", &PASSWORD.replace(' ', "%20"));
    drop(half_an_upload(client, "half size=40000000", &vec![7; 17 << 20], &world.remote("alice", "")));
    eventually("it is kept", || df(&[]).stdout().contains("of interrupted uploads"));
    let shown = df(&[]);
    assert!(shown.stdout().contains(" kept: 4.9 KiB in the trash, "), "{shown:?}");
    let told = df(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(told.stdout().lines().next().unwrap()).unwrap();
    let [size, trash, interrupted] = ["size", "trash", "interrupted"].map(|key| told[key].as_u64().unwrap());
    assert_eq!((trash, size), (5000, 6000 + interrupted), "{told}");
    assert!(interrupted >= 16 << 20, "{told}");
}

#[test]
fn what_only_says_that_it_comes_takes_nothing_from_the_trash_and_what_has_come_does() {
    let daemon = keeping(&["--quota", "100 KiB"]);
    let (mut client, home) = (alice(&daemon), daemon.data().join("alice"));
    assert_eq!(client.upload("old", &vec![1; 60 * 1024]).0, 226);
    assert_eq!(client.ask("DELETE old").0, 250);
    // It fits if what is in the trash goes, and it is broken off when nearly all of it has come.
    let bytes = vec![2; 80 * 1024];
    let coming = || {
        let files = staged(&home).into_iter().filter(|path| home.join(".sealift").join(path).is_file());
        files.filter(|path| !path.starts_with("trash")).count()
    };
    let begin = |name: &str| half_an_upload(alice(&daemon), name, &bytes[1..], &home);
    let broken_off = begin("new");
    assert_eq!(paths(&mut client), ["old"]);
    drop(broken_off);
    eventually("it is given up", || used(&daemon) == 60 * 1024 && coming() == 0);
    assert_eq!(paths(&mut client), ["old"]);
    // Two of which each fits, and not both.
    let first = begin("first");
    assert_eq!(client.upload("second size=81920", &bytes).1, "quota");
    drop(first);
    eventually("it is given up", || coming() == 0);
    assert_eq!(client.upload("second size=81920", &bytes).0, 226);
    assert!(paths(&mut client).is_empty());
    assert_eq!(used(&daemon), 80 * 1024);
}

#[test]
fn an_upload_that_is_cut_off_takes_nothing_from_the_trash_and_one_that_goes_on_to_its_end_does() {
    const MIB: usize = 1 << 20;
    let daemon = keeping(&["--quota", "40 MiB"]);
    let (mut client, home) = (alice(&daemon), daemon.data().join("alice"));
    assert_eq!(client.upload("old", &vec![1; 20 * MIB]).0, 226);
    assert_eq!(client.ask("DELETE old").0, 250);
    // What has come of it fits only in the room of the trash.
    let bytes = vec![2; 35 * MIB];
    drop(half_an_upload(alice(&daemon), "new", &bytes[..33 * MIB], &home));
    let mut told = Vec::new();
    eventually("as much is kept as there is room for", || {
        told = vec![client.ask("HASH new partial=yes")];
        told[0].0 == 213
    });
    assert_eq!((paths(&mut client), used(&daemon)), (vec!["old".to_owned()], 36 * MIB as u64));
    assert_eq!(told[0].2["size"], (16 * MIB).to_string());
    let prefix = &told[0].2["hash"];
    client.line(format!("UPLOAD new size={} offset={} prefix={prefix}", bytes.len(), 16 * MIB));
    client.send([&frames_of(&bytes[16 * MIB..])[..], &END, Hash::of(&bytes).as_bytes()].concat());
    assert_eq!(client.reply().0, 226);
    assert_eq!((paths(&mut client), used(&daemon)), (Vec::<String>::new(), 35 * MIB as u64));
}

#[test]
fn what_does_not_fit_in_the_end_takes_nothing_with_it() {
    let daemon = keeping(&["--quota", "100 KiB"]);
    let mut client = alice(&daemon);
    for (name, size) in [("large", 60), ("small", 20)] {
        assert_eq!(client.upload(name, &vec![1; size * 1024]).0, 226);
        assert_eq!(client.ask(format!("DELETE {name}")).0, 250);
    }
    let (bytes, home) = (vec![2; 80 * 1024], daemon.data().join("alice"));
    let mut coming = half_an_upload(alice(&daemon), "new", &bytes, &home);
    // Half of the room that it counted on is taken meanwhile.
    let (id, _, _) = kept(&mut client, "large").remove(0);
    assert_eq!(client.ask(format!("RESTORE large id={id}")).0, 250);
    coming.send([&END[..], Hash::of(&bytes).as_bytes()].concat());
    assert_eq!(coming.reply().1, "quota");
    assert_eq!(paths(&mut client), ["small"]);
    // Nor does what may not come at all.
    assert_eq!(client.upload("there", b"x").0, 226);
    assert_eq!(client.upload("there if=absent", &bytes[..30 * 1024]).1, "exists");
    assert_eq!(paths(&mut client), ["small"]);
    let other = Hash::of(b"other");
    for more in ["", " size=30720"] {
        assert_eq!(client.upload(&format!("there{more} if=hash:{other}"), &bytes[..30 * 1024]).1, "changed", "{more}");
        assert_eq!(paths(&mut client), ["small"], "{more}");
    }
    // Who may not replace anything.
    assert!(
        daemon
            .command(&["user", "set", "alice", "--access", "list,download,upload,delete"])
            .status()
            .unwrap()
            .success()
    );
    eventually("it is in force", || alice(&daemon).ask("MKDIR folder").1 == "denied");
    let mut bound = alice(&daemon);
    assert_eq!(bound.upload("there", &bytes[..30 * 1024]).1, "denied");
    assert_eq!(paths(&mut bound), ["small"]);
}

#[test]
fn many_at_once_make_room_for_each_other_and_none_is_refused_that_fits() {
    let daemon = keeping(&["--quota", "400 KiB"]);
    let mut client = alice(&daemon);
    for number in 0..20 {
        assert_eq!(client.ask(format!("MKDIR old{number}")).0, 250);
        for part in 0..4 {
            assert_eq!(client.upload(&format!("old{number}/{part}"), &vec![1; 5 * 1024]).0, 226);
        }
        assert_eq!(client.ask(format!("DELETE old{number} recursive=yes")).0, 250);
    }
    assert_eq!(used(&daemon), 400 * 1024);
    std::thread::scope(|scope| {
        for session in 0..4 {
            let mut client = alice(&daemon);
            scope.spawn(move || {
                for number in 0..5 {
                    let (code, word, _) = client.upload(&format!("new{session}-{number}"), &vec![2; 20 * 1024]);
                    assert_eq!((code, word.as_str()), (226, "done"));
                }
            });
        }
    });
    assert!(paths(&mut client).is_empty());
    assert_eq!(used(&daemon), 400 * 1024);
}

#[test]
fn who_tries_again_and_again_at_a_full_quota_has_the_trash_looked_through_once() {
    let daemon = keeping(&["--quota", "100 KiB"]);
    let (mut client, trash) = (alice(&daemon), daemon.data().join("alice/.sealift/trash"));
    assert_eq!(client.ask("MKDIR old").0, 250);
    for (name, size) in [("there", 60), ("old/one", 30), ("small", 1)] {
        assert_eq!(client.upload(name, &vec![1; size * 1024]).0, 226);
    }
    assert_eq!(client.ask("DELETE old recursive=yes").0, 250);
    let id = kept(&mut client, "old").remove(0).0;
    // Nothing came there or went since long.
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::open(&trash).unwrap().set_modified(long_ago).unwrap();
    let (large, small) = (vec![2; 50 * 1024], vec![2; 10 * 1024]);
    assert_eq!(client.upload("new", &large).1, "quota");
    // Only a look inside would show this.
    let more = trash.join(id).join("more");
    fs::write(&more, &large).unwrap();
    assert_eq!(client.upload("new", &large).1, "quota");
    fs::remove_file(more).unwrap();
    assert_eq!(client.upload("new", &small).0, 226, "what there was is remembered as it was");
    assert!(paths(&mut client).is_empty());
    // What comes there is seen at once, and what went is room no more.
    assert_eq!(client.ask("DELETE there").0, 250);
    assert_eq!(client.upload("new2", &large).0, 226);
    assert_eq!(client.upload("new3", &large).1, "quota");
}
