//! Links that may be downloaded so many times, and what is written down of that.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::enter;
use crate::links::{get, make, url, world};

/// Who fetches a link's last download at once with others: what is refused is neither read nor written down as given.
#[test]
fn link_downloads_written_down() {
    const LINKS: usize = 12;
    let world = world();
    let daemon = world.daemon().args(["--audit", "audit/audit.jsonl"]).start();
    let mut alice = enter(&daemon, "alice");
    let given = AtomicUsize::new(0);
    for _ in 0..LINKS {
        let path = format!("{}file", url(&make(&mut alice, "shared/file downloads=1")));
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| match get(&daemon, &path).status {
                    200 => drop(given.fetch_add(1, Ordering::Relaxed)),
                    status => assert_eq!(status, 404),
                });
            }
        });
    }
    assert_eq!(given.load(Ordering::Relaxed), LINKS);
    drop(alice);
    assert_eq!(daemon.stop().code, Some(0));
    let audit = fs::read_to_string(world.place().join("audit/audit.jsonl")).unwrap();
    let is_given = |line: &&str| line.contains("\"verb\":\"GET\"") && line.contains("\"outcome\":\"done\"");
    let written: Vec<_> = audit.lines().filter(is_given).collect();
    assert_eq!(written.len(), LINKS, "{written:#?}");
}
