//! A server that ends while something is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::place::Place;
use crate::hostile::{Hostile, IDS, folder};

/// A server that answers the first so many requests for a change with this, and what it was asked to do then, as the client ended.
fn asked(answer: &str, times: usize, words: &[&str]) -> (Option<i32>, Vec<String>) {
    // The script is asked twice about each line.
    let left = Arc::new(AtomicUsize::new(2 * times));
    let answer = format!("421 stopping {answer}{IDS} :the server is stopping\r\n");
    let server = Hostile::start(move |line| match line.split(' ').next()? {
        "STAT" if line == "STAT d" => Some(folder()),
        "STAT" => Some(format!("213 stat type=file size=1 mtime=1700000000 {IDS}\r\n").into_bytes()),
        "DELETE" | "RENAME" | "MKDIR" => {
            let is_over = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            Some(if is_over { answer.clone() } else { format!("250 done made=1 {IDS}\r\n") }.into_bytes())
        }
        _ => None,
    });
    let place = Place::new();
    let pin = server.pin();
    let targets: Vec<String> = words[1..].iter().map(|name| server.target(name)).collect();
    let words: Vec<&str> = ["--pin", &pin, words[0]].into_iter().chain(targets.iter().map(String::as_str)).collect();
    let code = place.run(&words).code;
    let changes = server.heard_all().lines.into_iter().filter(|line| !line.starts_with("STAT"));
    (code, changes.filter(|line| ["DEL", "REN", "MKD"].iter().any(|verb| line.starts_with(verb))).collect())
}

/// A change is asked for again where the server says that it was not begun, and nowhere else.
#[test]
fn change_that_a_stopping_server_has_not_begun() {
    for words in [&["rm", "f"][..], &["mkdir", "n"], &["mv", "f", "d/"]] {
        let (code, changes) = asked("begun=no ", 1, words);
        assert_eq!((code, changes.len()), (Some(0), 2), "{words:?} {changes:?}");
        for answer in ["", "begun=yes "] {
            let (code, changes) = asked(answer, 1, words);
            assert_eq!((code, changes.len()), (Some(6), 1), "{words:?} {changes:?}");
        }
    }
}
