//! RENAMEs in a bucket whose server dies at any moment, and those of two servers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sealift::Kind;
use sealift::files::{HomeTerms, Mtime, Store, UploadSpec, Vault};
use sealift::limits;
use sealift::store::s3::{Keys, S3Options, S3Vault};
use tempfile::TempDir;

use super::store_s3_bad::{any, kind, p, vault};
use super::store_s3_quota::{assert_left, used};
use crate::common::bad_engine::{Act, Asked, BadEngine, hold};
use crate::common::eventually;
use crate::common::moto::{BUCKET, Moto};

/// A server of a bucket.
struct Server {
    vault: S3Vault,
    store: Arc<dyn Store>,
    _spool: TempDir,
}

fn server(engine: &BadEngine, alone: bool) -> Server {
    let spool = tempfile::tempdir().unwrap();
    let vault = vault(engine, alone, &spool);
    vault.probe().unwrap();
    Server { store: vault.open("alice", HomeTerms::none()).unwrap(), vault, _spool: spool }
}

/// A storage that heeds conditions, unless the servers are alone, with a folder of two files in it.
fn engine(heeds: bool) -> BadEngine {
    let engine = BadEngine::start();
    if heeds {
        engine.heeds();
    }
    let maker = server(&engine, !heeds);
    maker.store.make_dir(&p("d/sub"), true).unwrap();
    any(&*maker.store, "d/x", b"first").unwrap();
    any(&*maker.store, "d/sub/y", b"second").unwrap();
    engine
}

fn changes(asked: &Asked) -> bool {
    asked.method != "GET" && asked.method != "HEAD"
}

fn refused() -> Act {
    Act::Say(403, "", "<Error><Code>AccessDenied</Code></Error>".to_owned())
}

/// From the change of this number on the storage takes nothing from anybody, as if the server that asks were gone; that one it may still
/// do, and nobody hears of it. How many changes have come.
fn dies_at(engine: &BadEngine, last: usize, is_done: bool) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (seen, mut is_dead) = (count.clone(), false);
    engine.does(move |asked| {
        if is_dead {
            return refused();
        }
        let number = if changes(asked) { seen.fetch_add(1, Ordering::Relaxed) } else { return Act::Do };
        is_dead = number == last;
        match is_dead {
            true if is_done => Act::DoAndSayNothing,
            true => refused(),
            false => Act::Do,
        }
    });
    count
}

/// What is there of the home, without its own folder.
fn there(engine: &BadEngine) -> Vec<String> {
    let all = engine.keys().into_iter();
    all.filter_map(|key| key.strip_prefix("h/alice/").map(str::to_owned)).filter(|key| !key.is_empty()).collect()
}

fn written(engine: &BadEngine) -> Vec<String> {
    engine.keys().into_iter().filter(|key| key.starts_with("x/")).collect()
}

const OLD: [&str; 4] = ["d/", "d/sub/", "d/sub/y", "d/x"];
const NEW: [&str; 4] = ["e/", "e/sub/", "e/sub/y", "e/x"];

/// As it is long after a server has died.
fn much_later(engine: &BadEngine) {
    engine.ages("x/moving-", limits::ENGINE_MOVING_LEFT + Duration::from_secs(60));
}

/// Kills a server at each step of a RENAME, and then does this with another one, which is to leave all in one place.
fn killed_at_each_step(heeds: bool, (from, to): (&str, &str), then: impl Fn(&BadEngine, &Server, Result<(), Kind>)) {
    for is_done in [false, true] {
        for step in 0.. {
            assert!(step < 100, "it has no end");
            let engine = engine(heeds);
            let first = server(&engine, !heeds);
            let count = dies_at(&engine, step, is_done);
            let renamed = kind(first.store.rename(&p(from), &p(to), false));
            if count.load(Ordering::Relaxed) <= step {
                assert_eq!(renamed, Ok(()));
                assert!(step > 3, "it was never killed");
                break;
            }
            drop(first);
            engine.does(|_| Act::Do);
            much_later(&engine);
            let second = server(&engine, !heeds);
            then(&engine, &second, renamed);
            assert_eq!(written(&engine), Vec::<String>::new(), "{step} {is_done}");
        }
    }
}

/// What has been done is done, or was before.
#[track_caller]
fn assert_done(done: Result<(), Kind>, before: Result<(), Kind>) {
    assert!(done == Ok(()) || (done, before) == (Err(Kind::NotFound), Ok(())), "{done:?}, before {before:?}");
}

#[test]
fn a_folder_whose_server_dies_while_it_is_renamed_is_moved_by_whoever_asks_for_the_same_again() {
    for heeds in [true, false] {
        killed_at_each_step(heeds, ("d", "e"), |engine, second, renamed| {
            assert_done(kind(second.store.rename(&p("d"), &p("e"), false)), renamed);
            assert_eq!(there(engine), NEW);
            assert_eq!(
                (engine.get("h/alice/e/x"), engine.get("h/alice/e/sub/y")),
                (b"first".to_vec(), b"second".to_vec())
            );
        });
    }
}

#[test]
fn a_folder_whose_server_dies_while_it_is_renamed_is_at_one_name_after_the_next_look() {
    for heeds in [true, false] {
        killed_at_each_step(heeds, ("d", "e"), |engine, second, _| {
            let begun = engine.keys().iter().any(|key| key == "h/alice/e/");
            second.vault.beat().unwrap();
            let all = there(engine);
            assert!(if begun { all == NEW } else { all == OLD }, "{all:?}");
        });
    }
}

#[test]
fn a_start_finishes_what_a_server_has_left_and_so_does_whoever_removes_or_moves_the_folder() {
    killed_at_each_step(true, ("d", "e"), |engine, second, _| {
        second.vault.sweep("alice", None).unwrap();
        assert!([&OLD[..], &NEW[..]].contains(&&*there(engine).iter().map(String::as_str).collect::<Vec<_>>()));
    });
    // At its old name there is nothing more, or all.
    killed_at_each_step(true, ("d", "e"), |engine, second, _| {
        let begun = engine.keys().iter().any(|key| key == "h/alice/e/");
        let removed = second.store.remove(&p("d"), true).map(drop).map_err(|error| error.kind());
        assert_eq!(removed, if begun { Err(Kind::NotFound) } else { Ok(()) });
        let all = there(engine);
        assert!(if begun { all == NEW } else { all.is_empty() }, "{all:?}");
        second.vault.beat().unwrap();
    });
    // What has come to the new name only now is not removed with the rest.
    killed_at_each_step(true, ("d", "e"), |engine, second, _| {
        let is_there = |engine: &BadEngine| engine.keys().iter().any(|key| key == "h/alice/e/");
        let (begun, before) = (is_there(engine), written(engine).len());
        let removed = second.store.remove(&p("e"), true).map(drop).map_err(|error| error.kind());
        match (begun, before) {
            (true, 1) => assert_eq!((removed, there(engine)), (Err(Kind::Changed), NEW.map(str::to_owned).to_vec())),
            (true, _) => assert_eq!((removed, there(engine)), (Ok(()), vec![])),
            (false, _) => {
                assert_eq!((removed, there(engine)), (Err(Kind::NotFound), OLD.map(str::to_owned).to_vec()));
                second.vault.beat().unwrap();
            }
        }
    });
    // Another name than it was to get.
    killed_at_each_step(true, ("d", "e"), |engine, second, _| {
        let begun = engine.keys().iter().any(|key| key == "h/alice/e/");
        let renamed = kind(second.store.rename(&p("d"), &p("e/d"), false));
        assert_eq!(renamed, Err(Kind::NotFound));
        let all = there(engine);
        assert!(if begun { all == NEW } else { all == OLD }, "{all:?}");
        second.vault.beat().unwrap();
    });
}

#[test]
fn a_file_whose_server_dies_while_it_is_renamed_is_at_one_name_afterwards() {
    for heeds in [true, false] {
        killed_at_each_step(heeds, ("d/x", "z"), |engine, second, renamed| {
            assert_done(kind(second.store.rename(&p("d/x"), &p("z"), false)), renamed);
            assert_eq!(there(engine), ["d/", "d/sub/", "d/sub/y", "z"]);
        });
        killed_at_each_step(heeds, ("d/x", "z"), |engine, second, _| {
            second.vault.beat().unwrap();
            assert_eq!(there(engine).len(), 4, "{:?}", there(engine));
        });
    }
}

#[test]
fn what_others_have_stored_at_either_name_stays_when_a_rename_is_finished() {
    let engine = engine(true);
    let (first, second) = (server(&engine, false), server(&engine, false));
    // All is copied, and nothing has gone.
    let mut is_dead = false;
    engine.does(move |asked| {
        is_dead |= asked.method == "DELETE";
        if is_dead { refused() } else { Act::Do }
    });
    assert_eq!(kind(first.store.rename(&p("d"), &p("e"), false)), Err(Kind::Io));
    engine.does(|_| Act::Do);
    any(&*second.store, "d/x", b"newer").unwrap();
    any(&*second.store, "d/new", b"new").unwrap();
    any(&*second.store, "e/sub/y", b"theirs").unwrap();
    assert_eq!(
        kind(second.store.rename(&p("d"), &p("e"), false)),
        Err(Kind::Exists),
        "what is left there is another one"
    );
    assert_eq!(there(&engine), ["d/new", "d/sub/y", "d/x", "e/", "e/sub/", "e/sub/y", "e/x"]);
    let get = |path: &str| engine.get(&format!("h/alice/{path}"));
    assert_eq!((get("d/x"), get("e/x")), (b"newer".to_vec(), b"first".to_vec()));
    assert_eq!((get("d/sub/y"), get("e/sub/y")), (b"second".to_vec(), b"theirs".to_vec()));
    assert_eq!(written(&engine), Vec::<String>::new());
}

#[test]
fn a_folder_that_others_make_at_the_old_name_stays_and_so_does_the_same_file_stored_anew() {
    let engine = engine(true);
    let (first, second) = (server(&engine, false), server(&engine, false));
    // All has gone but the folders themselves.
    let mut is_dead = false;
    engine.does(move |asked| {
        is_dead |= asked.method == "DELETE" && asked.key.ends_with('/');
        if is_dead { refused() } else { Act::Do }
    });
    assert_eq!(kind(first.store.rename(&p("d"), &p("e"), false)), Err(Kind::Io));
    engine.does(|_| Act::Do);
    any(&*second.store, "d/x", b"first").unwrap();
    engine.removes("h/alice/d/sub/");
    thread::sleep(Duration::from_millis(2));
    engine.put("h/alice/d/sub/", b"");
    first.vault.beat().unwrap();
    assert_eq!(there(&engine), ["d/sub/", "d/x", "e/", "e/sub/", "e/sub/y", "e/x"]);
}

#[test]
fn what_a_quota_counts_is_right_when_another_server_has_finished_a_rename() {
    for is_counted_before in [true, false] {
        for step in [2, 4, 6, 8] {
            let engine = engine(false);
            let first = server(&engine, true);
            dies_at(&engine, step, true);
            assert!(first.store.rename(&p("d"), &p("e"), false).is_err(), "{step}");
            drop(first);
            engine.does(|_| Act::Do);
            let second = server(&engine, true);
            let store = second.vault.open("alice", HomeTerms::none().bounded(Some(100))).unwrap();
            if is_counted_before {
                any(&*store, "other", b"1").unwrap();
            } else {
                engine.put("h/alice/other", b"1");
            }
            store.rename(&p("d"), &p("e"), false).unwrap();
            assert_eq!((used(&*store), engine.sum("h/alice/")), (12, (3, 12)), "{step}");
            assert_left(&*store, 88);
        }
    }
}

#[test]
fn of_two_servers_that_give_one_folder_two_names_one_does_and_the_other_finds_nothing() {
    let engine = engine(true);
    let (first, second) = (server(&engine, false), server(&engine, false));
    // One stands still when it has made its folder, and the other goes on with that.
    for is_moment in [|asked: &Asked| asked.key == "h/alice/e/x", |asked: &Asked| asked.key == "h/alice/e/"] {
        let (hold, held) = hold();
        let mut hold = Some(hold);
        engine.does(move |asked| match changes(asked) && is_moment(asked) {
            true => hold.take().map_or(Act::Do, Act::DoAndSayLater),
            false => Act::Do,
        });
        let one = thread::scope(|scope| {
            let one = scope.spawn(|| kind(first.store.rename(&p("d"), &p("e"), false)));
            held.comes();
            assert_eq!(kind(second.store.rename(&p("d"), &p("f"), false)), Err(Kind::NotFound));
            assert_eq!(there(&engine), NEW);
            held.goes_on();
            one.join().unwrap()
        });
        assert_eq!((one, there(&engine), written(&engine).len()), (Ok(()), NEW.map(str::to_owned).to_vec(), 0));
        first.store.rename(&p("e"), &p("d"), false).unwrap();
    }
}

#[test]
fn who_finds_a_rename_that_has_just_begun_waits_for_it() {
    for (path, one, other) in [("d", "e", "f"), ("d/x", "z", "zz")] {
        let engine = engine(true);
        let (first, second) = (server(&engine, false), server(&engine, false));
        let (hold, held) = hold();
        let mut hold = Some(hold);
        let waits = Arc::new(AtomicUsize::new(0));
        let waiting = waits.clone();
        engine.does(move |asked| match (asked.method.as_str(), asked.key.starts_with("x/moving-")) {
            ("PUT", true) => hold.take().map_or(Act::Do, Act::DoAndSayLater),
            (_, true) => {
                waiting.fetch_add(1, Ordering::Relaxed);
                Act::Do
            }
            _ => Act::Do,
        });
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(|| kind(first.store.rename(&p(path), &p(one), false)));
            held.comes();
            let other = scope.spawn(|| kind(second.store.rename(&p(path), &p(other), false)));
            eventually("it waits", || waits.load(Ordering::Relaxed) > 3);
            held.goes_on();
            (one.join().unwrap(), other.join().unwrap())
        });
        assert_eq!((one, other), (Ok(()), Err(Kind::NotFound)), "{path}");
        assert_eq!((there(&engine).len(), written(&engine).len()), (4, 0), "{:?}", there(&engine));
    }
}

#[test]
fn a_file_that_a_killed_server_was_renaming_and_that_is_large_keeps_its_hash() {
    let engine = engine(true);
    let first = server(&engine, false);
    let bytes = vec![7; usize::try_from(limits::HASH_BLOCK).unwrap() + 5];
    any(&*first.store, "d/large", &bytes).unwrap();
    let record = first.store.open(&p("d/large")).unwrap().record();
    for (from, to) in [("d", "e"), ("e/large", "e/huge")] {
        // The copy is completed, and nothing is written beside it.
        let mut is_dead = false;
        engine.does(move |asked| {
            let was_dead = is_dead;
            is_dead |= asked.completes();
            match (was_dead, asked.completes()) {
                (true, _) => refused(),
                (false, true) => Act::DoAndSayNothing,
                (false, false) => Act::Do,
            }
        });
        assert!(first.store.rename(&p(from), &p(to), false).is_err());
        engine.does(|_| Act::Do);
        first.vault.beat().unwrap();
    }
    assert_eq!(there(&engine), ["e/", "e/huge", "e/sub/", "e/sub/y", "e/x"]);
    assert!(record.is_some() && first.store.open(&p("e/huge")).unwrap().record() == record);
}

#[test]
fn a_server_that_has_left_the_bucket_to_the_next_one_changes_nothing_in_it_any_more() {
    let engine = engine(false);
    let (first, second) = (server(&engine, true), server(&engine, true));
    let begun = |path: &str| {
        let mut upload = first.store.begin(&p(path), UploadSpec::default()).unwrap();
        upload.append(&vec![7; usize::try_from(limits::HASH_BLOCK).unwrap() + 5]).unwrap();
        upload
    };
    // Trials of the storage send parts as well.
    let before = engine.came(1);
    let (committed, dropped) = (begun("committed"), begun("dropped"));
    eventually("their first parts are there", || engine.came(1) == before + 2);
    first.vault.leave();
    // All is copied, and nothing has gone.
    let (hold, held) = hold();
    let mut hold = Some(hold);
    engine.does(move |asked| match asked.method == "DELETE" && asked.key.starts_with("h/") {
        true => hold.take().map_or(Act::Do, Act::DoLater),
        false => Act::Do,
    });
    thread::scope(|scope| {
        let renamed = scope.spawn(|| kind(second.store.rename(&p("d"), &p("e"), false)));
        held.comes();
        engine.asked();
        first.vault.beat().unwrap();
        let refused = Err(Kind::Unavailable);
        assert_eq!(kind(first.vault.sweep("alice", None)), refused);
        assert_eq!(kind(any(&*first.store, "new", b"new")), refused);
        assert_eq!(kind(first.store.commit_one(committed)), refused);
        assert_eq!(kind(first.store.remove(&p("d"), true)), refused);
        assert_eq!(kind(first.store.rename(&p("d/x"), &p("z"), true)), refused);
        assert_eq!(kind(first.store.make_dir(&p("folder"), false)), refused);
        assert_eq!(kind(first.store.set_mtime(&p("d/x"), Mtime { secs: 1, nanos: 0 })), refused);
        drop(dropped);
        let changed = engine.asked().into_iter().find(|(method, _)| method != "GET" && method != "HEAD");
        assert_eq!(changed, None);
        first.store.open(&p("e/x")).unwrap();
        held.goes_on();
        assert_eq!(renamed.join().unwrap(), Ok(()));
    });
    assert_eq!((there(&engine), written(&engine).len()), (NEW.map(str::to_owned).to_vec(), 0));
}

/// Two servers over this storage.
fn two(moto: &Moto, prefix: &str) -> [(Arc<dyn Store>, TempDir); 2] {
    [(); 2].map(|()| {
        let spool = tempfile::tempdir().unwrap();
        let keys = Keys::new("key", "secret", None);
        let (bucket, endpoint) = (format!("s3://{BUCKET}/{prefix}").parse().unwrap(), moto.endpoint.parse().unwrap());
        let vault = S3Vault::new(S3Options::new(bucket, endpoint, keys, spool.path().to_owned())).unwrap();
        let heeds = vault.probe().unwrap();
        assert!(heeds.put_absent && heeds.delete_match);
        (vault.open("alice", HomeTerms::none()).unwrap(), spool)
    })
}

#[test]
fn of_two_servers_of_a_real_storage_that_give_one_thing_two_names_one_does() {
    let Some(moto) = Moto::shared() else { return };
    let [(first, _spool), (second, _other_spool)] = two(moto, "moves");
    for round in 0..6 {
        let what = format!("what{round}");
        match round % 2 {
            0 => drop(any(&*first, &what, b"bytes").unwrap()),
            _ => {
                first.make_dir(&p(&what), false).unwrap();
                any(&*first, &format!("{what}/x"), b"bytes").unwrap();
            }
        }
        let [one, other] = [format!("one{round}"), format!("other{round}")];
        let done = thread::scope(|scope| {
            let renames = [(&first, &one), (&second, &other)]
                .map(|(store, to)| scope.spawn(|| kind(store.rename(&p(&what), &p(to), false))));
            renames.map(|renames| renames.join().unwrap())
        });
        assert!(matches!(done, [Ok(()), Err(Kind::NotFound)] | [Err(Kind::NotFound), Ok(())]), "{round}: {done:?}");
        let is_there = [&what, &one, &other].map(|path| first.stat(&p(path)).is_ok());
        assert_eq!(is_there, [false, done[0].is_ok(), done[1].is_ok()], "{round}");
    }
}
