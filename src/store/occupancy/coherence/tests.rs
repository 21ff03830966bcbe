use std::sync::Arc;

use cap_std::ambient_authority;

use super::*;

fn node(place: &Path, name: &str) -> Coherence {
    let dir = Dir::open_ambient_dir(place, ambient_authority()).unwrap();
    Coherence::open(&dir, place, Some(name.parse().unwrap())).unwrap()
}

fn living(names: &[&str]) -> impl Fn() -> io::Result<Vec<NodeName>> + Sync + use<> {
    let names: Vec<NodeName> = names.iter().map(|name| name.parse().unwrap()).collect();
    move || Ok(names.clone())
}

/// What a mount would show of an older file.
fn keep(place: &Path, what: &str) -> Vec<u8> {
    std::fs::read(place.join(FOLDER).join(what)).unwrap()
}

#[test]
fn what_a_mount_shows_of_before_is_found_and_the_other_node_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (node(dir.path(), "a"), node(dir.path(), "b.c"));
    assert!(a.prove(&living(&[]), Duration::ZERO).unwrap().is_empty());
    for (probe, what) in [("replaced.b.c", "replaced"), ("rewritten.b.c", "written to")] {
        b.change().unwrap();
        let before = keep(dir.path(), probe);
        a.look(&mut AllSeen::new()).unwrap();
        b.change().unwrap();
        a.look(&mut AllSeen::new()).unwrap();
        std::fs::write(dir.path().join(FOLDER).join(probe), before).unwrap();
        let stale = a.look(&mut AllSeen::new()).unwrap_err();
        assert!(stale.to_string().contains(what) && stale.to_string().contains("attribute-timeout=0"), "{stale}");
    }
    b.change().unwrap();
    let dated = File::options().write(true).open(dir.path().join(FOLDER).join("dated.b.c")).unwrap();
    dated.set_modified(UNIX_EPOCH + Duration::from_secs(5)).unwrap();
    assert!(a.look(&mut AllSeen::new()).unwrap_err().to_string().contains("attributes"));
    // A node that goes on although it has seen that decides nothing, and no other starts beside it.
    a.turn(&living(&["b.c"]), true);
    assert!(a.is_doubtful() && !b.is_doubtful());
    let refused = b.prove_for_start(&living(&["a"])).unwrap_err();
    assert!(matches!(&refused, Trouble::StaleAt(node) if node.to_string() == "a"), "{refused}");
    // Alone there is nothing to be seen late.
    a.turn(&living(&[]), true);
    assert!(!a.is_doubtful());
    b.change().unwrap();
    a.look(&mut AllSeen::new()).unwrap();
    // Nothing is left of who goes.
    for one in ["a", "b.c"] {
        a.forget(&one.parse().unwrap());
    }
    assert_eq!(std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 1);
    assert!(a.all_said().unwrap().is_empty());
}

#[test]
fn who_starts_has_the_others_change_theirs_and_one_that_does_not_answer_leaves_a_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (node(dir.path(), "a"), node(dir.path(), "b"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                a.turn(&living(&["b"]), false);
                std::thread::yield_now();
            }
        });
        assert!(b.prove(&living(&["a"]), Duration::from_secs(60)).unwrap().is_empty());
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(!a.is_doubtful() && !a.is_asked());
    let mounts = Mounts::default();
    let device = b.device;
    let silent = b.prove(&living(&["a"]), Duration::from_millis(20)).unwrap();
    assert_eq!(silent, living(&["a"])().unwrap());
    mounts.0.lock().push(Arc::new(b));
    mounts.check(device).unwrap();
    mounts.all()[0].doubt(Some(&Trouble::Silent("a".parse().unwrap())));
    assert_eq!(mounts.check(device).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert!(mounts.check(device + 1).is_err());
}

#[test]
fn one_that_comes_back_says_more_than_it_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let said = |node: &Coherence| node.all_said().unwrap().into_values().next().unwrap();
    let first = node(dir.path(), "a");
    (0..3).for_each(|_| first.change().unwrap());
    let before = said(&first);
    let next = node(dir.path(), "a");
    next.change().unwrap();
    assert!(said(&next) > before);
    assert_eq!(next.all_said().unwrap().len(), 1);
}

#[test]
fn who_cannot_know_which_others_live_decides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let a = node(dir.path(), "a");
    let unknown = || Err(Errno::IO.into());
    assert!(matches!(a.prove_for_start(&unknown), Err(Trouble::Failed(_))));
    a.turn(&unknown, true);
    assert!(a.is_doubtful());
    a.turn(&living(&[]), true);
    assert!(!a.is_doubtful());
}

#[test]
fn what_is_not_known_of_a_mount_keeps_nobody_from_starting_nor_what_was_known_before_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let b = node(dir.path(), "b");
    let silent: NodeName = "a".parse().unwrap();
    let proven = |of: &str| {
        let seen = Coherence { name: None, ..node(dir.path(), "c") }.prove_for_start(&living(&[]));
        let stale = dir.path().join(FOLDER).join(format!("{STALE}{of}")).exists();
        (seen.is_ok(), stale)
    };
    b.doubt(Some(&Trouble::Silent(silent.clone())));
    assert_eq!((b.is_doubtful(), proven("b")), (true, (true, false)));
    b.doubt(Some(&Trouble::Stale { node: silent, what: "it" }));
    assert_eq!(proven("b"), (true, true));
    // It is killed, and comes back before anybody has missed it.
    let again = node(dir.path(), "b");
    assert_eq!((again.is_doubtful(), proven("b")), (false, (true, false)));
    drop(b);
}

#[test]
fn in_a_place_of_its_own_a_node_waits_for_nobody_and_in_one_of_several_for_those_that_have_it() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |place: &Path, name: &str| node(place, name).among_those_here().unwrap();
    let (a, b) = (at(one.path(), "a"), at(other.path(), "b"));
    assert!(b.prove_for_start(&living(&["a"])).unwrap().is_empty());
    b.turn(&living(&["a"]), true);
    assert!(!b.is_doubtful());
    // Another one comes there, and is noticed.
    let _c = at(other.path(), "c");
    assert_eq!(b.prove(&living(&["a", "c"]), Duration::ZERO).unwrap(), living(&["c"])().unwrap());
    b.forget(&"c".parse().unwrap());
    assert!(b.prove(&living(&["a", "c"]), Duration::ZERO).unwrap().is_empty());
    drop(a);
}

#[test]
fn who_has_not_looked_for_long_or_cannot_read_what_others_change_decides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (node(dir.path(), "a"), node(dir.path(), "b"));
    b.change().unwrap();
    a.turn(&living(&["b"]), true);
    assert!(!a.is_doubtful());
    *a.looked.lock() = Instant::now().checked_sub(limits::COHERENCE_OLD).unwrap();
    assert!(a.is_doubtful());
    // Who only answers has not looked.
    a.turn(&living(&["b"]), false);
    assert!(a.is_doubtful());
    a.turn(&living(&["b"]), true);
    assert!(!a.is_doubtful());
    let probe = dir.path().join(FOLDER).join("replaced.b");
    std::fs::remove_file(&probe).unwrap();
    std::os::unix::fs::symlink(&probe, &probe).unwrap();
    a.turn(&living(&["b"]), true);
    assert!(a.is_doubtful());
    // It stays so until it can be read, however silent the other is.
    a.turn(&living(&["b"]), true);
    assert!(a.is_doubtful());
    a.turn(&living(&[]), true);
    assert!(!a.is_doubtful());
}

#[test]
fn what_cannot_be_read_of_one_that_is_dead_is_no_matter_of_those_that_live() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, dead) = (node(dir.path(), "a"), node(dir.path(), "b"), node(dir.path(), "dead"));
    dead.change().unwrap();
    b.change().unwrap();
    let probe = dir.path().join(FOLDER).join("replaced.dead");
    std::fs::remove_file(&probe).unwrap();
    std::os::unix::fs::symlink(&probe, &probe).unwrap();
    // As whoever answers one that asks does.
    a.look_and_change(&living(&["b"]));
    assert!(!a.is_doubtful());
    a.turn(&living(&["b"]), true);
    assert!(!a.is_doubtful());
    a.turn(&living(&["b", "dead"]), true);
    assert!(a.is_doubtful());
}

/// Nodes that start one after the other may have it answered for longer than a look is good for.
#[test]
fn who_goes_on_answering_goes_on_looking() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (node(dir.path(), "a"), node(dir.path(), "b"));
    b.change().unwrap();
    *a.looked.lock() = Instant::now().checked_sub(limits::COHERENCE_OLD).unwrap();
    assert!(a.is_doubtful());
    a.look_and_change(&living(&["b"]));
    assert!(!a.is_doubtful());
}
