//! One of several servers of a folder that has lost its place among them, or may have: it changes nothing until it has it again.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use sealift::limits;

use super::nodes::{Cluster, log_of};
use super::until;
use crate::common::web::curl;
use crate::common::{Daemon, PASSWORD, enter};

/// The file whose lock a node holds is another one, which it cannot lock.
fn replace(cluster: &Cluster, node: &str) {
    let file = cluster.inside("data/.sealift/nodes").join(node);
    until("another one is in its place", || {
        let _it_may_make_one_at_once = fs::remove_file(&file);
        fs::create_dir(&file).is_ok()
    });
}

fn give_back(cluster: &Cluster, node: &str) {
    fs::remove_dir(cluster.inside("data/.sealift/nodes").join(node)).unwrap();
}

/// Gives the file `f` a property. Whether it has it then.
fn patch(node: &Daemon, value: &str) -> bool {
    let xml = format!(
        "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><x xmlns='urn:x'>{value}</x></D:prop></D:set></D:propertyupdate>"
    );
    let login = format!("alice:{PASSWORD}");
    let got = curl(node, &["-X", "PROPPATCH", "--user", &login, "--data-binary", &xml], "/~alice/f");
    match got.status {
        207 => assert!(got.text().contains("200 OK"), "{got:?}"),
        status => assert!(status == 503 && got.text().contains("has lost its place"), "{got:?}"),
    }
    got.status == 207
}

fn properties(node: &Daemon) -> String {
    let login = format!("alice:{PASSWORD}");
    curl(node, &["-X", "PROPFIND", "--user", &login, "--header", "Depth: 0"], "/~alice/f").text()
}

#[test]
fn a_node_without_its_lock_changes_nothing_until_it_has_one() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let (mut at_a, mut at_b) = (enter(&a, "alice"), enter(&b, "alice"));
    assert_eq!(at_a.upload("f", b"one").1, "done");
    assert_eq!(at_a.ask("STATUS").2["place"], "held");
    assert!(patch(&a, "one"));
    replace(&cluster, "a");
    until("it is noticed", || at_a.upload("new", b"new").1 == "io-error");
    assert_eq!(at_a.ask("STATUS").2["place"], "lost");
    assert!(log_of(&cluster, "a").contains("has lost its place among the servers of this folder"));
    assert_eq!(at_a.upload("f", b"two").1, "io-error");
    for line in ["MKDIR d", "DELETE f", "RENAME f g", "LINK f name=one"] {
        assert_eq!(at_a.ask(line).1, "io-error", "{line}");
    }
    assert!(!patch(&a, "two"));
    assert!(properties(&a).contains(">one<") && properties(&b).contains(">one<"));
    assert_eq!(at_a.download("f").unwrap(), b"one");
    assert_eq!(at_b.upload("f", b"of b").1, "done");
    give_back(&cluster, "a");
    until("it has its place again", || at_a.upload("f", b"two").1 == "done");
    assert_eq!(at_b.download("f").unwrap(), b"two");
    assert!(patch(&a, "two") && properties(&b).contains(">two<"));
    until("it says so", || at_a.ask("STATUS").2["place"] == "held");
    assert_eq!(at_a.ask("LINK f name=one").1, "linked");
}

/// It cannot have noticed while it stood still, and does not go on first.
#[test]
fn a_node_that_stood_still_looks_before_it_changes_anything() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let mut at_a = enter(&a, "alice");
    assert_eq!(at_a.upload("f", b"one").1, "done");
    a.signal(Signal::STOP);
    let silent = Instant::now() + limits::NODE_PROVEN * 3 / 2;
    replace(&cluster, "a");
    let mut at_b = enter(&b, "alice");
    while Instant::now() < silent {
        assert_eq!(at_b.upload("f", b"two").1, "done");
    }
    a.signal(Signal::CONT);
    assert_eq!(at_a.upload("f", b"three").1, "io-error");
    assert_eq!(at_b.download("f").unwrap(), b"two");
    give_back(&cluster, "a");
    until("it has its place again", || at_a.upload("f", b"three").1 == "done");
    assert_eq!(at_b.download("f").unwrap(), b"three");
}
