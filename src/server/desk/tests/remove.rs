//! A folder that is removed with all in it, in steps.

use super::*;
use crate::files::Removed;
use crate::server::desk::locks::{Scope, Terms};
use crate::server::events::{Event, Listener, What};
use crate::sync::Mutex;

/// More than two steps.
const FILES: usize = 3 * limits::REMOVE_STEP;

/// Bytes of each.
const BYTES: usize = 10;

fn bench() -> Bench {
    let bench = Bench::bounded("full", u64::MAX);
    std::fs::create_dir(bench.at("tree")).unwrap();
    (0..FILES).for_each(|n| bench.write(&format!("tree/f{n}"), &[b'x'; BYTES]));
    assert_eq!(used(&bench), FILES * BYTES);
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
fn what_is_broken_off_leaves_the_rest_in_its_place_and_says_how_much_is_gone() {
    for is_told in [true, false] {
        let mut bench = bench();
        let told = told(&bench);
        let work = begin(&mut bench);
        let Worked::On(work) = bench.desk.work(work, &mut nobody) else { panic!("a step is bounded") };
        if is_told {
            let kicked = Error::new(Kind::Kicked, "an administrator has ended this session");
            let said = bench.desk.drop_work(work, kicked, &mut nobody).text().to_owned();
            let gone = FILES - left(&bench).unwrap();
            assert_eq!(
                said,
                format!(
                    "an administrator has ended this session; of what was to be removed {gone} files and 0 folders are gone"
                )
            );
        } else {
            // Its client has left.
            drop(work);
        }
        let left = left(&bench).unwrap();
        assert!(left > 0 && left < FILES, "{left}");
        assert_eq!(used(&bench), left * BYTES);
        let why = if is_told { "kicked" } else { "aborted" };
        assert_eq!(*told.lock(), [(why, Removed::new((FILES - left) as u64, 0))]);
    }
}

#[test]
fn what_took_the_name_meanwhile_stays() {
    let mut bench = bench();
    let work = begin(&mut bench);
    bench.write("tree", b"somebody's");
    drop(work);
    assert_eq!(bench.read("tree").unwrap(), b"somebody's");
}

#[test]
fn what_gets_its_name_again_is_locked_as_before() {
    let mut bench = bench();
    let terms = Terms { scope: Scope::Exclusive, deep: true, owner: String::new(), lasts: limits::LOCK_MAX };
    let locked = bench.desk.begin(Op::Lock { path: path("tree"), terms }, "LOCK", &mut nobody);
    let Begun::Done(Ok(Outcome::Locked { lock, .. })) = locked else { panic!("nobody has locked it") };
    bench.desk.require(Preconditions { locks: vec![lock.token], ..Preconditions::default() });
    let work = begin(&mut bench);
    drop(work);
    assert_eq!(bench.desk.locks_over(&path("tree")).len(), 1);
    let work = begin(&mut bench);
    assert!(matches!(bench.go_on(work), Ok(Outcome::Removed(_))));
    assert!(bench.desk.locks_over(&path("tree")).is_empty());
}

#[test]
fn what_is_left_of_a_folder_that_was_moved_does_not_come_back_in_another_one() {
    let mut bench = Bench::new("full");
    std::fs::create_dir_all(bench.at("d/tree")).unwrap();
    (0..FILES).for_each(|n| bench.write(&format!("d/tree/f{n}"), b""));
    let op = Op::Remove { path: path("d/tree"), recursive: true, for_good: false };
    let Begun::Work(work) = bench.desk.begin(op, "DELETE", &mut nobody) else { panic!("it takes several steps") };
    std::fs::rename(bench.at("d"), bench.at("moved")).unwrap();
    std::fs::create_dir(bench.at("d")).unwrap();
    drop(work);
    assert!(!bench.at("d/tree").exists());
}
