//! Lists that are under way while the rights of who reads them change.

use std::os::unix::fs::symlink;

use super::*;
use crate::files::Entry;
use crate::server::desk::jobs::listing::{ListJob, ListStep, NextEntry};

/// Who has this may not list what is in `private` any more.
const SHUT: &str = "[[users.alice.rules]]\npath = \"/private/**\"\naccess = []\n";

/// Alice, as somebody with these rules.
fn with_rules(rules: &str) -> Principal {
    let hash = hash_password(&Secret::new("secret")).unwrap();
    let text = format!("[users.alice]\npassword = \"{hash}\"\naccess = \"full\"\n{rules}");
    let users = Users::parse(&text, "users.toml").unwrap();
    users.verify("alice", &Secret::new("secret"), Ipv4Addr::LOCALHOST.into()).unwrap()
}

fn begin(bench: &mut Bench, folder: &str, recursive: bool) -> ListJob {
    let op = Op::List { path: path(folder), recursive, rotten: false, modes: false, marks: false };
    match bench.desk.begin(op, "LIST", &mut nobody) {
        Begun::List(job) => job,
        _ => panic!("it is a list"),
    }
}

/// The next entry, in as many steps as that takes; and how many gave none.
fn next(bench: &Bench, job: &mut ListJob) -> (Option<Entry>, usize) {
    for steps in 0.. {
        match bench.desk.next_entry(job, &mut ListStep::new()) {
            NextEntry::Entry(entry) => return (Some(entry), steps),
            NextEntry::NotYet => {}
            NextEntry::Over => return (None, steps),
        }
    }
    unreachable!()
}

#[test]
fn what_rules_hide_that_come_in_the_middle_of_a_list_is_gone_through_in_bounded_steps() {
    let mut bench = Bench::new("full");
    std::fs::create_dir(bench.at("private")).unwrap();
    (0..3 * limits::LIST_UNSEEN).for_each(|n| bench.write(&format!("private/f{n}"), b""));
    let mut job = begin(&mut bench, "", true);
    while !next(&bench, &mut job).0.unwrap().path.starts_with(b"private/") {}
    bench.desk.renew(with_rules(SHUT));
    let (entry, steps) = next(&bench, &mut job);
    assert_eq!((entry, steps), (None, 2), "the last one has one less to go through");
    assert!(bench.desk.listed(job).is_ok());
}

#[test]
fn what_is_shown_between_what_is_hidden_makes_no_step_longer() {
    let rules = "[[users.alice.rules]]\npath = \"/private/open*/**\"\naccess = \"read\"\n\
                 [[users.alice.rules]]\npath = \"/private/**\"\naccess = []\n";
    let mut bench = Bench::new("full");
    let hidden = 3 * limits::LIST_UNSEEN;
    let folders = hidden / 64;
    for n in 0..folders {
        std::fs::create_dir_all(bench.at(&format!("private/open{n}"))).unwrap();
        bench.write(&format!("private/open{n}/seen"), b"");
    }
    // The folders themselves are hidden as well.
    (folders..hidden).for_each(|n| bench.write(&format!("private/f{n}"), b""));
    bench.desk.renew(with_rules(rules));
    let mut job = begin(&mut bench, "", true);
    let (mut seen, mut steps, mut step) = (0, 1, ListStep::new());
    loop {
        match bench.desk.next_entry(&mut job, &mut step) {
            NextEntry::Entry(entry) => seen += usize::from(entry.path.ends_with(b"/seen")),
            NextEntry::NotYet => (steps, step) = (steps + 1, ListStep::new()),
            NextEntry::Over => break,
        }
    }
    assert_eq!((seen, steps), (folders, 1 + 3));
}

#[test]
fn nothing_more_is_told_of_what_rules_close_that_come_while_it_is_listed() {
    let mut bench = Bench::new("full");
    let private = bench.at("private/deep");
    std::fs::create_dir_all(&private).unwrap();
    (0..50).for_each(|n| std::fs::write(private.join(format!("f{n}")), "").unwrap());
    (0..50).for_each(|n| bench.write(&format!("private/f{n}"), b""));
    bench.write("open", b"");
    std::fs::create_dir(bench.at("pub")).unwrap();
    symlink("../private", bench.at("pub/link")).unwrap();

    let all = begin(&mut bench, "", true);
    let (linked, beside) = (begin(&mut bench, "pub/link", true), begin(&mut bench, "pub/link", false));
    let mut jobs = [(all, 2, "private/"), (linked, 1, ""), (beside, 1, "")];
    for (job, _, start) in &mut jobs {
        while !next(&bench, job).0.unwrap().path.starts_with(start.as_bytes()) {}
    }
    bench.desk.renew(with_rules(SHUT));
    for (mut job, _, start) in jobs {
        while let Some(entry) = next(&bench, &mut job).0 {
            let name = String::from_utf8(entry.path).unwrap();
            assert!(!start.is_empty() && !name.starts_with(start), "{name} in {:?}", job.running().path());
        }
        match bench.desk.listed(job) {
            Ok(Outcome::Listed { unreadable, unread, .. }) => {
                assert!(unreadable > 0, "it is said that there is more");
                // What is in such a folder is not named either, be it a folder.
                let inside: Vec<_> = unread.iter().filter(|name| name.starts_with(b"private/")).collect();
                assert!(inside.is_empty(), "{inside:?}");
            }
            result => assert_eq!(result.unwrap_err().kind(), Kind::Denied),
        }
    }
}
