//! A folder that is removed with all in it, in steps.

use super::*;
use crate::files::Removed;
use crate::server::desk::locks::{Scope, Terms};
use crate::server::events::{Event, Listener, What};
use crate::store::hold_unattended;
use crate::sync::Mutex;

/// More than two steps.
const FILES: usize = 3 * limits::REMOVE_STEP;

/// Bytes of each.
const BYTES: usize = 10;

fn bench() -> Bench {
    let bench = uncounted();
    assert_eq!(used(&bench), FILES * BYTES);
    bench
}

/// With the same tree in a home that nobody has looked through yet.
fn uncounted() -> Bench {
    let bench = Bench::bounded("full", u64::MAX);
    std::fs::create_dir(bench.at("tree")).unwrap();
    (0..FILES).for_each(|n| bench.write(&format!("tree/f{n}"), &[b'x'; BYTES]));
    bench
}

fn used(bench: &Bench) -> usize {
    bench.desk.usage(&RelPath::root()).unwrap().used as usize
}

/// How many files are in the tree, if that is there.
fn left(bench: &Bench) -> Option<usize> {
    std::fs::read_dir(bench.at("tree")).ok().map(Iterator::count)
}

fn begin(bench: &mut Bench) -> Work {
    let op = Op::Remove { path: path("tree"), recursive: true, for_good: false };
    let Begun::Work(work) = bench.desk.begin(op, "DELETE", &mut nobody) else { panic!("it takes several steps") };
    assert_eq!(left(bench), None, "it has lost its name at once");
    work
}

/// What is told of removals from now on: what came of each, and what was gone.
fn told(bench: &Bench) -> Arc<Mutex<Vec<(&'static str, Removed)>>> {
    let told = Arc::new(Mutex::default());
    let listened: Arc<Mutex<Vec<_>>> = Arc::clone(&told);
    bench.registry.on_event(Listener::new(move |event: &Event<'_>| {
        if let What::Operation(operation) = &event.what {
            let word = operation.outcome.map_or_else(Kind::word, |came| came.word);
            listened.lock().push((word, operation.gone));
        }
    }));
    told
}

#[test]
fn a_tree_goes_in_steps_and_all_of_it_is_counted() {
    let mut bench = bench();
    let told = told(&bench);
    let (mut work, mut steps) = (begin(&mut bench), 1);
    let done = loop {
        steps += 1;
        work = match bench.desk.work(work, &mut nobody) {
            Worked::On(work) => work,
            Worked::Done(done) => break done,
            Worked::Put(_) | Worked::Waits(_) => panic!("nothing is sent"),
        };
    };
    let all = Removed::new(FILES as u64, 1);
    let Ok(Outcome::Removed(removed)) = done else { panic!("it is gone") };
    assert_eq!((removed, used(&bench)), (all, 0));
    assert!(steps > FILES / limits::REMOVE_STEP, "{steps}");
    assert_eq!(*told.lock(), [("done", all)]);
}

#[test]
fn what_is_left_of_a_tree_counts_also_where_nobody_had_counted_it_before() {
    let mut bench = uncounted();
    let work = begin(&mut bench);
    assert_eq!(used(&bench), FILES * BYTES);
    let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!("a step is bounded") };
    assert_eq!(used(&bench), (FILES - limits::REMOVE_STEP) * BYTES);
    assert!(matches!(bench.go_on(work), Ok(Outcome::Removed(_))));
    assert_eq!(used(&bench), 0);
}

/// Waits for what a thread of the store does.
fn until(what: &str, so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !so() {
        assert!(begun.elapsed() < limits::IDLE_TIMEOUT, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_broken_off_is_removed_without_whoever_asked_for_it() {
    for is_told in [true, false] {
        let mut bench = bench();
        let told = told(&bench);
        let work = begin(&mut bench);
        let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!("a step is bounded") };
        if is_told {
            let kicked = Error::new(Kind::Kicked, "an administrator has ended this session");
            let said = bench.desk.drop_work(work, kicked, &mut nobody).text().to_owned();
            let removed = format!("{} files and 0 folders are removed, and so will be the rest", limits::REMOVE_STEP);
            assert_eq!(said, format!("an administrator has ended this session; {removed}"));
        } else {
            // Its client has left.
            drop(work);
        }
        assert_eq!(left(&bench), None, "it does not come back");
        until("all of it is gone", || used(&bench) == 0);
        let why = if is_told { "kicked" } else { "aborted" };
        assert_eq!(*told.lock(), [(why, Removed::new(limits::REMOVE_STEP as u64, 0))]);
        until("nothing of it is left", || {
            std::fs::read_dir(bench.at(".sealift")).unwrap().all(|entry| !entry.unwrap().path().is_dir())
        });
    }
}

#[test]
fn what_took_the_name_meanwhile_stays() {
    let mut bench = bench();
    let work = begin(&mut bench);
    bench.write("tree", b"somebody's");
    drop(work);
    until("the tree is gone", || used(&bench) == 0);
    assert_eq!(bench.read("tree").unwrap(), b"somebody's");
}

fn lock(bench: &mut Bench) -> Preconditions {
    let terms = Terms { scope: Scope::Exclusive, deep: true, owner: String::new(), lasts: limits::LOCK_MAX };
    let locked = bench.desk.begin(Op::Lock { path: path("tree"), terms }, "LOCK", &mut nobody);
    let Begun::Done(Ok(Outcome::Locked { lock, .. })) = locked else { panic!("nobody has locked it") };
    Preconditions { locks: vec![lock.token], ..Preconditions::default() }
}

/// Whoever replaces a folder does not wait for as many steps as there is in it, in which he could be stopped by nobody.
#[test]
fn a_folder_that_is_replaced_goes_without_whoever_has_replaced_it() {
    let mut bench = bench();
    std::fs::create_dir(bench.at("new")).unwrap();
    let held = hold_unattended(bench.dir.path());
    let op = Op::Supersede { from: path("new"), to: path("tree") };
    let Begun::Done(Ok(Outcome::Renamed(_))) = bench.desk.begin(op, "MOVE", &mut nobody) else { panic!("it is done") };
    assert_eq!((left(&bench), used(&bench)), (Some(0), FILES * BYTES));
    drop(held);
    until("the old one is gone", || used(&bench) == 0);
    until("nothing of it is left", || bench.is_clean());
}

#[test]
fn what_was_replaced_and_had_no_room_in_the_trash_is_kept_as_what_it_was_called() {
    let bench = Bench::over("full", |store| store.keeping(true));
    let aside = path(".tree.0123456789abcdef.sealift-aside");
    std::fs::create_dir(bench.at(&aside.to_string())).unwrap();
    bench.write(&format!("{aside}/file"), b"old");
    assert_eq!(bench.desk.remove_superseded(&aside, &path("tree")).map(|error| error.to_string()), None);
    let kept = bench.desk.store.trash(&RelPath::root(), 10, &|_| true).unwrap().entries;
    assert_eq!(kept.into_iter().map(|kept| kept.path).collect::<Vec<_>>(), [path("tree")]);
}

/// Nobody who gives that name to something else while the tree is removed has to do with its locks, or loses one of his own.
#[test]
fn the_locks_of_a_tree_end_with_its_name_and_those_of_what_has_it_next_stay() {
    let mut bench = bench();
    let held = lock(&mut bench);
    bench.desk.require(held);
    let work = begin(&mut bench);
    assert!(bench.desk.locks_over(&path("tree")).is_empty());
    bench.write("tree", b"somebody's");
    lock(&mut bench);
    assert!(matches!(bench.go_on(work), Ok(Outcome::Removed(_))));
    assert_eq!(bench.desk.locks_over(&path("tree")).len(), 1);
}

/// As a whole turn may lie between two steps, and many may be begun.
#[test]
fn between_two_steps_nothing_of_the_tree_is_open() {
    let mut bench = bench();
    let deep = (0..limits::DEPTH_MAX - 2).fold(bench.at("tree"), |folder, _| folder.join("d"));
    std::fs::create_dir_all(&deep).unwrap();
    (0..FILES).for_each(|n| std::fs::write(deep.join(n.to_string()), "").unwrap());
    let mut work = begin(&mut bench);
    let below = std::fs::canonicalize(bench.at(".sealift")).unwrap();
    let open = || {
        let open =
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
        open.filter(|path| path.starts_with(&below)).count()
    };
    loop {
        assert_eq!(open(), 0);
        work = match bench.desk.work(work, &mut nobody) {
            Worked::On(work) => work,
            Worked::Done(done) => break assert!(done.is_ok()),
            Worked::Put(_) | Worked::Waits(_) => panic!("nothing is sent"),
        };
    }
}
