//! Who may bring new files only, replaces none.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sealift::files::Hash;
use sealift::limits;

use crate::common::{RawClient, World, enter, eventually, frames_of, half_an_upload, part_bytes, staged};

/// A machine that delivers into the folder of somebody else, and that somebody.
fn world() -> World {
    World::with(&[
        ("owner", "\"full\"", "team"),
        ("scanner", "[\"upload\", \"rename\", \"delete\", \"mkdir\"]", "team"),
    ])
}

/// What must not change of a file that is there.
fn identity(path: &Path) -> (u64, i64, i64, Vec<u8>) {
    let meta = fs::metadata(path).unwrap();
    (meta.ino(), meta.mtime(), meta.mtime_nsec(), fs::read(path).unwrap())
}

fn words(client: &mut RawClient, uploads: &[(&str, &[u8])]) -> Vec<String> {
    uploads.iter().map(|(line, data)| client.upload(line, data).1).collect()
}

/// STAGE, one PART and COMMIT; the word of the last answer.
fn in_parts(client: &mut RawClient, path: &str, data: &[u8]) -> String {
    let (_, word, fields) = client.ask(format!("STAGE {path} size={}", data.len()));
    let Some(id) = fields.get("id") else { return word };
    client.send(part_bytes(&format!("{id} offset=0 length={}", data.len()), data));
    assert_eq!(client.reply().1, "done");
    client.ask(format!("COMMIT {id} hash={}", Hash::of(data))).1
}

#[test]
fn overwrite_without_right() {
    let world = world();
    let daemon = world.start();
    let file = world.home("team").join("report");
    let mut owner = enter(&daemon, "owner");
    assert_eq!(owner.upload("report", b"the report").1, "done");
    let before = identity(&file);
    let mut scanner = enter(&daemon, "scanner");

    // New files come; and one whose answer was lost can be sent again.
    let new: &[(&str, &[u8])] = &[("new", b"scanned"), ("new", b"scanned"), ("new mtime=5 size=7", b"scanned")];
    assert_eq!(words(&mut scanner, new), ["done", "done", "done"]);
    assert_ne!(fs::metadata(world.home("team").join("new")).unwrap().mtime(), 5, "it is left as it is");
    let of_report = Hash::of(b"the report");
    assert_eq!(scanner.upload("report", b"the report").1, "done");
    assert_eq!(in_parts(&mut scanner, "report", b"the report"), "done");

    // But nothing takes the place of a file, in any way there is.
    let others: &[(&str, &[u8])] = &[
        ("report", b"THE REPORT"),
        ("report", b"longer than the report"),
        ("report", b""),
        ("report size=10", b"THE REPORT"),
        ("report size=3", b"not"),
        (&format!("report if=hash:{of_report}"), b"THE REPORT"),
    ];
    assert_eq!(words(&mut scanner, others), ["denied"; 6]);
    // Whether a guess at what is in a file is right is told to nobody who may not read it.
    let guesses = [of_report, Hash::of(b"a wrong guess")].map(|hash| format!("if=hash:{hash}"));
    for guess in &guesses {
        assert_eq!(scanner.upload(&format!("report {guess}"), b"").1, "denied");
        assert_eq!(scanner.ask(format!("STAGE report size=9 {guess}")).1, "denied");
    }
    assert_eq!(scanner.upload("report if=absent", b"the report").1, "exists", "that was asked for");
    assert_eq!(in_parts(&mut scanner, "report", b"THE REPORT"), "denied");
    assert_eq!(in_parts(&mut scanner, "report", b"THE REPORT!"), "denied");
    assert_eq!(scanner.ask("RENAME new report replace=yes").1, "denied");
    assert_eq!(scanner.ask("RENAME new report").1, "exists");
    scanner.line("UPLOAD report");
    scanner.send(b"\0\0\0\x01x\0\0\0\0");
    scanner.send(Hash::of(b"x").as_bytes());
    let said = String::from_utf8(scanner.raw_line().unwrap()).unwrap();
    assert!(said.contains("denied") && said.contains("`overwrite`"), "the missing right is named: {said}");
    // Links and folders are no files to be replaced either.
    std::os::unix::fs::symlink("report", world.home("team").join("link")).unwrap();
    fs::create_dir(world.home("team").join("folder")).unwrap();
    let special: &[(&str, &[u8])] = &[("link", b"the report"), ("folder", b"x"), ("link size=10", b"the report")];
    assert_eq!(words(&mut scanner, special), ["denied", "is-directory", "denied"]);
    assert_eq!(identity(&file), before, "the very same file");
    assert!(fs::symlink_metadata(world.home("team").join("link")).unwrap().is_symlink());

    // Who has the right replaces, and the log tells the difference.
    assert_eq!(owner.upload("report", b"the second").1, "done");
    assert_eq!(owner.ask("RENAME new report replace=yes").1, "done");
    assert_eq!(fs::read(&file).unwrap(), b"scanned");
    for outcome in ["created", "replaced", "same", "denied"] {
        let line = format!("verb=\"UPLOAD\" path=\"report\" outcome=\"{outcome}\"");
        eventually(&line, || daemon.log().contains(&line));
    }
    drop((owner, scanner));
    eventually("all sessions are over", || staged(&world.home("team")).is_empty());
}

/// The note beside a file says what its bytes once were. Whether the same ones are there is read.
#[test]
fn a_note_does_not_stand_for_the_bytes() {
    let world = world();
    let daemon = world.start();
    let data = vec![b'a'; limits::RECORD_MIN as usize];
    let mut scanner = enter(&daemon, "scanner");
    assert_eq!(scanner.upload("big", &data).1, "done");
    assert_eq!(scanner.upload("big", &data).1, "done");
    let path = world.home("team").join("big");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut rotten = data.clone();
    rotten[5] = b'b';
    fs::write(&path, &rotten).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(scanner.upload("big", &data).1, "denied");
    assert_eq!(fs::read(&path).unwrap(), rotten);
    assert_eq!(scanner.upload("big", &rotten).1, "done");
}

/// What an interrupted upload left is gone on with, and then refused like any other.
#[test]
fn a_resumed_upload_replaces_nothing() {
    let world = world();
    let daemon = world.start();
    let block = limits::HASH_BLOCK as usize;
    let data: Vec<u8> = (0..block + 10).map(|i| (i / 1000) as u8).collect();
    drop(half_an_upload(enter(&daemon, "scanner"), "x", &data[..block], &world.home("team")));
    let mut scanner = enter(&daemon, "scanner");
    eventually("the partial is there", || scanner.ask("HASH x partial=yes").1 == "hash");
    // Meanwhile somebody else takes the name.
    let mut owner = enter(&daemon, "owner");
    assert_eq!(owner.upload("y", &data[..block + 9]).1, "done");
    assert_eq!(owner.ask("RENAME y x").1, "done");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(world.home("team").join("x")).unwrap().set_modified(old).unwrap();
    let before = identity(&world.home("team").join("x"));
    let line = format!("UPLOAD x offset={block} prefix={}\r\n", Hash::of(&data[..block]));
    let mut bytes = line.into_bytes();
    bytes.extend(frames_of(&data[block..]));
    bytes.extend([0; 4]);
    bytes.extend(Hash::of(&data).as_bytes());
    scanner.send(bytes);
    assert_eq!(scanner.reply().1, "denied");
    assert_eq!(identity(&world.home("team").join("x")), before);
}

/// Eight that may replace nothing send eight files under one name at once: one is stored, and stays.
#[test]
fn only_the_first_of_many_takes_a_name() {
    let world = world();
    let daemon = world.start();
    let mut clients: Vec<RawClient> = (0..8).map(|_| enter(&daemon, "scanner")).collect();
    for round in 0..30 {
        let name = format!("name{round}");
        let stored: Vec<usize> = std::thread::scope(|scope| {
            let sending: Vec<_> = clients
                .iter_mut()
                .enumerate()
                .map(|(i, client)| {
                    let name = &name;
                    scope.spawn(move || (i, client.upload(name, format!("from {i}").as_bytes()).1))
                })
                .collect();
            let answers = sending.into_iter().map(|thread| thread.join().unwrap());
            answers.filter(|(_, word)| word == "done").map(|(i, _)| i).collect()
        });
        assert_eq!(stored.len(), 1, "round {round}: {stored:?}");
        let there = fs::read(world.home("team").join(&name)).unwrap();
        assert_eq!(there, format!("from {}", stored[0]).as_bytes(), "round {round}");
    }
    drop(clients);
    eventually("all sessions are over", || staged(&world.home("team")).is_empty());
}
