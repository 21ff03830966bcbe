//! A mount that goes on showing what was there before another server changed it is none for several servers.

use std::fs;

use sealift::files::Hash;

use super::nodes::{Cluster, WITH_LOCKS, log_of};
use super::until;
use crate::common::{PASSWORD, enter, sealiftd, text};

/// As most of FUSE is mounted.
const WITH_CACHES: &[&str] = &["--enable-lock-forwarding", "--multithreaded", "-o", "attr_timeout=1,entry_timeout=1"];

#[test]
fn mounts_with_caches() {
    // Those of whoever starts, and those of whoever is there already.
    for (options, whose) in
        [([WITH_LOCKS, WITH_CACHES], "this mount"), ([WITH_CACHES, WITH_LOCKS], "the mount of node a")]
    {
        let Some(cluster) = Cluster::over(&[("a", options[0]), ("b", options[1])]) else { return };
        let a = cluster.node("a").start();
        let said = cluster.refused("b", &["--shared"]);
        assert!(said.contains(&format!("{whose} shows what was there before")), "{said}");
        assert!(said.contains("attr_timeout=0,entry_timeout=0"), "{said}");
        // Nothing is left of it, and the first goes on.
        let left = |folder: &str| fs::read_dir(cluster.inside("data/.sealift").join(folder)).unwrap().count();
        until("the other is forgotten", || left("nodes") == 1);
        let mut at_a = enter(&a, "alice");
        assert_eq!(at_a.upload("f", b"one").1, "done");
        let on_condition = format!("f if=hash:{}", Hash::of(b"one"));
        until("alone again it decides", || at_a.upload(&on_condition, b"one").1 == "done");
        drop(at_a);
        a.stop();
        until("nothing is left", || (left("nodes"), left("coherence/said"), left("coherence")) == (0, 0, 1));
    }
}

/// As if a setting of the volume were changed under two that serve.
#[test]
fn caches_that_come_later() {
    let Some(cluster) = Cluster::new(&["a", "b"]) else { return };
    let (a, b) = (cluster.node("a").start(), cluster.node("b").start());
    let (mut at_a, mut at_b) = (enter(&a, "alice"), enter(&b, "alice"));
    assert_eq!(at_a.upload("f", b"one").1, "done");
    // What b is said to have changed is not to be seen at a.
    let later = cluster.inside("data/.sealift/coherence/said/00000000009999999999.b");
    fs::write(&later, b"").unwrap();
    until("it is seen", || {
        log_of(&cluster, "a").contains("conditions and changes of what is kept of users are refused")
    });
    let on_condition = format!("f if=hash:{}", Hash::of(b"one"));
    assert_eq!(at_a.upload(&on_condition, b"two").1, "io-error");
    let change = format!("PASSWD another-password present={PASSWORD}");
    assert_eq!(at_a.ask(&change).1, "io-error");
    // What rests on nothing goes on, and so does the other.
    assert_eq!(at_a.upload("g", b"new").1, "done");
    assert_eq!(at_a.download("f").unwrap(), b"one");
    assert_eq!(at_b.upload(&on_condition, b"two").1, "done");
    fs::remove_file(later).unwrap();
    until("it is seen again", || log_of(&cluster, "a").contains("is seen at once again"));
    assert_eq!(at_a.upload(&format!("f if=hash:{}", Hash::of(b"two")), b"three").1, "done");
    assert_eq!(at_a.ask(&change).1, "changed");
}

#[test]
fn check_among_nodes() {
    let Some(cluster) = Cluster::over(&[("a", WITH_LOCKS), ("b", WITH_LOCKS), ("c", WITH_CACHES)]) else { return };
    let check = |node: &str| {
        let place = cluster.place().join("checked");
        fs::create_dir_all(&place).unwrap();
        let mut command = sealiftd(&place);
        let output = command.arg("check").args(cluster.args(node)).arg("--shared").output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    };
    let said = check("b");
    assert!(said.contains("no other server serves"), "{said}");
    let a = cluster.node("a").start();
    let said = check("b");
    assert!(said.contains("shows at once what 1 other server"), "{said}");
    let said = check("c");
    assert!(said.contains("this mount shows what was there before"), "{said}");
    drop(a);
}
