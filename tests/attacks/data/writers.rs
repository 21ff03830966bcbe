//! Many writers of one name, over the network.

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use sealift::files::Hash;

use super::Dice;
use crate::common::{World, assert_nothing_staged, enter, frames_of};

const WRITERS: usize = 16;

/// Uploads of each writer.
const TIMES: usize = 6;

#[test]
fn concurrent_same_name() {
    let world = World::of(&["alice"]);
    let daemon = world.start();
    let mut dice = Dice::new();
    // Of different lengths: a mix of two would be neither.
    let contents: Vec<Vec<u8>> = (0..WRITERS as u64).map(|n| dice.bytes(200_000 + 37_000 * n)).collect();
    let hashes: Vec<Hash> = contents.iter().map(|bytes| Hash::of(bytes)).collect();
    let mut first = enter(&daemon, "alice");
    assert_eq!(first.upload("same", &contents[0]).1, "done");
    let (start, over) = (Barrier::new(WRITERS), AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|bytes| {
                let (daemon, start) = (&daemon, &start);
                scope.spawn(move || {
                    let mut client = enter(daemon, "alice");
                    for _ in 0..TIMES {
                        // All halves first, then all other halves: every upload is open while all others are.
                        let (head, tail) = bytes.split_at(bytes.len() / 2);
                        client.line("UPLOAD same");
                        client.send(frames_of(head));
                        start.wait();
                        client.send([&frames_of(tail)[..], &[0; 4], Hash::of(bytes).as_bytes()].concat());
                        assert_eq!(client.reply().1, "done");
                    }
                })
            })
            .collect();
        let (over, hashes) = (&over, &hashes);
        let mut reader = enter(&daemon, "alice");
        let reader = scope.spawn(move || {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                let whole = Hash::of(&reader.download("same").unwrap());
                assert!(hashes.contains(&whole), "a reader met a mix");
                seen += 1;
            }
            seen
        });
        for writer in writers {
            writer.join().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    println!("{seen} whole files were read meanwhile");
    let home = world.home("alice");
    let last = fs::read(home.join("same")).unwrap();
    assert!(contents.contains(&last), "the last one is a mix");
    assert_eq!(first.list("").unwrap().len(), 1);
    assert_nothing_staged(&home, "concurrent_same_name");

    // Where each wants to be the first, one is.
    assert_eq!(first.ask("DELETE same").1, "done");
    let start = Barrier::new(WRITERS);
    let words: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = contents
            .iter()
            .map(|bytes| {
                let (daemon, start) = (&daemon, &start);
                scope.spawn(move || {
                    let mut client = enter(daemon, "alice");
                    client.line("UPLOAD same if=absent");
                    client.send(frames_of(bytes));
                    start.wait();
                    client.send([&[0; 4], &Hash::of(bytes).as_bytes()[..]].concat());
                    client.reply().1
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..WRITERS).filter(|n| words[*n] == "done").collect();
    assert_eq!(winners.len(), 1, "{words:?}");
    assert!(words.iter().all(|word| word == "done" || word == "exists"), "{words:?}");
    assert_eq!(fs::read(home.join("same")).unwrap(), contents[winners[0]]);
    assert_nothing_staged(&home, "concurrent_same_name");
}
