//! What counts of homes in a bucket while nobody knows for certain what is there.
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealift::Kind;

use super::store_s3_bad::{kind, p};
use super::store_s3_quota::{Server, announced, assert_left, busy, eventually, is_count, put, used};
use crate::common::bad_engine::{Act, Asked, BadEngine, hold};

/// Counts the pages that are asked for to count her home: how often the first one, and how many in all.
fn pages(engine: &BadEngine, mut act: impl FnMut(&Asked, usize) -> Act + Send + 'static) -> Arc<[AtomicUsize; 2]> {
    let pages = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let seen = pages.clone();
    engine.does(move |asked| match is_count(asked) {
        true => {
            let is_first = !asked.query.contains("continuation-token");
            seen[0].fetch_add(usize::from(is_first), Ordering::Relaxed);
            act(asked, seen[1].fetch_add(1, Ordering::Relaxed) + 1)
        }
        false => act(asked, 0),
    });
    pages
}

#[test]
fn a_count_goes_on_when_whoever_waited_for_it_has_gone_and_the_next_one_has_what_it_came_to() {
    let engine = BadEngine::start();
    engine.pages_of(2);
    for name in ["a", "b", "c", "d", "e"] {
        engine.put(&format!("h/alice/{name}"), &[7; 100]);
    }
    let server = Server::hasty(&engine);
    let (hold, held) = hold();
    let mut hold = Some(hold);
    let pages = pages(&engine, move |_, page| match page {
        2 => hold.take().map_or(Act::Do, Act::DoLater),
        _ => Act::Do,
    });
    let store = server.bounded(1000);
    assert_eq!(kind(put(&*store, "x", 1)), Err(Kind::Unavailable));
    drop(store);
    held.goes_on();
    eventually(|| pages[1].load(Ordering::Relaxed) == 3);
    let store = server.bounded(1000);
    put(&*store, "x", 1).unwrap();
    assert_eq!([0, 1].map(|at| pages[at].load(Ordering::Relaxed)), [1, 3], "it began once");
    assert_left(&*store, 1000 - 501);
}

#[test]
fn uploads_go_on_while_a_count_is_made_uncertain_and_none_is_refused_before_it_is_certain() {
    let engine = BadEngine::start();
    let server = Server::hasty(&engine);
    let store = server.bounded(1000);
    put(&*store, "x", 100).unwrap();
    // It is not done, and nobody is told. Then the home is not listed for a while.
    engine.does(|asked| if asked.method == "PUT" && asked.key == "h/alice/y" { busy() } else { Act::Do });
    assert_eq!(kind(put(&*store, "y", 300)), Err(Kind::Unavailable));
    let (hold, held) = hold();
    let mut hold = Some(hold);
    let _pages = pages(&engine, move |_, page| match page {
        1 => hold.take().map_or(Act::Do, Act::DoLater),
        _ => Act::Do,
    });
    // The storage is left alone for a moment after that.
    eventually(|| store.seen(&p("x")).is_ok());
    put(&*store, "z", 600).unwrap();
    assert_eq!(used(&*store), 1000, "what may be there counts");
    assert_eq!(kind(store.begin(&p("w"), announced(300))), Err(Kind::Unavailable));
    held.goes_on();
    eventually(|| put(&*store, "w", 300).is_ok());
    assert_left(&*store, 0);
}

/// What a storage does that heeds the condition of a DELETE.
fn heeds_delete(asked: &Asked) -> Act {
    let is_other = |etag: &String| etag.contains("0000000000");
    match asked.method == "DELETE" && asked.headers.get("if-match").is_some_and(is_other) {
        true => Act::Say(412, "", "<Error><Code>PreconditionFailed</Code></Error>".to_owned()),
        false => Act::Do,
    }
}

#[test]
fn a_removal_that_was_done_and_whose_answer_was_lost_is_counted_as_done() {
    let engine = BadEngine::start();
    engine.does(heeds_delete);
    let server = Server::hasty(&engine);
    assert!(server.vault.probe().unwrap().delete_match);
    let store = server.bounded(1000);
    for is_looked_up in [true, false] {
        put(&*store, "x", 400).unwrap();
        let seen = store.seen(&p("x")).unwrap();
        let mut tries = 0;
        engine.does(move |asked| match (asked.method.as_str(), asked.key == "h/alice/x") {
            ("DELETE", true) => {
                tries += 1;
                match tries {
                    1 => Act::DoAndSayNothing,
                    _ => Act::Say(412, "", "<Error><Code>PreconditionFailed</Code></Error>".to_owned()),
                }
            }
            ("HEAD", true) if tries > 0 && !is_looked_up => busy(),
            _ => Act::Do,
        });
        let removed = kind(store.remove_seen(&p("x"), false, &seen));
        assert_eq!(removed, if is_looked_up { Ok(()) } else { Err(Kind::Unavailable) });
        engine.does(heeds_delete);
        eventually(|| matches!(kind(store.stat(&p("x"))), Err(Kind::NotFound)));
        assert_left(&*store, 1000);
    }
    // One that was not done, since it is another one, is none.
    put(&*store, "x", 400).unwrap();
    let seen = store.seen(&p("x")).unwrap();
    engine.does(|asked| match asked.method == "DELETE" && asked.key == "h/alice/x" {
        true => Act::Say(412, "", "<Error><Code>PreconditionFailed</Code></Error>".to_owned()),
        false => Act::Do,
    });
    assert_eq!(kind(store.remove_seen(&p("x"), false, &seen)), Err(Kind::Changed));
    assert_left(&*store, 600);
}
