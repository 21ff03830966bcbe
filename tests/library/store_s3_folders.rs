//! Folders of a bucket that files go into, as this server has seen them and as others change them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sealift::files::{FileMode, HomeTerms, SourceMode, Store, Stored, UploadSpec, Vault};
use sealift::{Kind, limits};
use tempfile::TempDir;

use super::store_s3_bad::{SOON, any, kind, p, patient, store};
use crate::common::HANG;
use crate::common::bad_engine::{Act, Asked, BadEngine, hold};

#[test]
fn small_files_into_one_folder_take_two_requests_each_and_the_folder_is_looked_at_once() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("docs"), false).unwrap();
    // A look counts for a while, which a machine that has much to do may need for three files.
    for n in 0.. {
        let (_before, begun) = (engine.asked(), Instant::now());
        for name in ["one", "two", "three"] {
            any(&*store, &format!("docs/{name}-{n}"), b"small").unwrap();
        }
        let asked = engine.asked();
        if begun.elapsed() < sealift::limits::ENGINE_LOOKED {
            let of = |method: &str| asked.iter().filter(|(asked, _)| asked == method).count();
            // The folder once, if it was not seen in the round before, each name once, and the files.
            assert!((3..=4).contains(&of("GET")), "{asked:?}");
            assert_eq!((of("HEAD"), of("PUT"), asked.len()), (0, 3, of("GET") + 3), "{asked:?}");
            break;
        }
        assert!(n < 50, "never three files in time");
    }
    // What begins alike is no file of that name, and no folder.
    assert_eq!(any(&*store, "docs/t", b"small").unwrap().stored, Stored::Created);
    assert_eq!(any(&*store, "docs/t", b"again").unwrap().stored, Stored::Replaced);
    assert_eq!(kind(any(&*store, "docs", b"small")), Err(Kind::IsDirectory));
    // One that was removed is not taken for one that is there.
    store.remove(&p("docs"), true).unwrap();
    assert_eq!(kind(any(&*store, "docs/four", b"small")), Err(Kind::NotFound));
}

#[test]
fn a_folder_that_another_server_has_removed_is_not_taken_for_one_that_is_there() {
    let engine = BadEngine::start();
    let ((here, _spool), (there, _their_spool)) = (store(&engine, false), store(&engine, true));
    there.make_dir(&p("docs"), false).unwrap();
    any(&*here, "docs/one", b"small").unwrap();
    there.remove(&p("docs"), true).unwrap();
    any(&*there, "docs", b"a file").unwrap();
    assert_eq!(kind(any(&*here, "docs/two", b"small")), Err(Kind::NotDirectory));
    assert_eq!(engine.keys(), ["h/alice/docs"]);
}

/// A folder of one file that is renamed, at a server with another one beside it.
struct Renamed {
    engine: BadEngine,
    here: Arc<dyn Store>,
    there: Arc<dyn Store>,
    _spools: [TempDir; 2],
}

impl Renamed {
    /// Of a storage that heeds conditions, or of one that does not and is thought to be one server's.
    fn new(heeds: bool) -> Renamed {
        Renamed::patient(heeds, HANG)
    }

    /// At servers with so much patience.
    fn patient(heeds: bool, patience: Duration) -> Renamed {
        let engine = BadEngine::start();
        let spools = [(); 2].map(|()| tempfile::tempdir().unwrap());
        if heeds {
            engine.heeds();
        }
        let [here, there] = [0, 1].map(|at| {
            let vault = patient(&engine, !heeds, &spools[at], patience);
            assert!(!heeds || vault.probe().unwrap().all());
            vault.open("alice", HomeTerms::none()).unwrap()
        });
        here.make_dir(&p("d"), false).unwrap();
        any(&*here, "d/x", b"old").unwrap();
        Renamed { engine, here, there, _spools: spools }
    }

    /// Renames it, and when the storage is asked for this does something else before it goes on.
    fn with(&self, is_moment: impl Fn(&Asked) -> bool + Send + 'static, meanwhile: impl FnOnce()) -> Result<(), Kind> {
        let (hold, held) = hold();
        let mut hold = Some(hold);
        self.engine.does(move |what| match is_moment(what) {
            true => hold.take().map_or(Act::Do, Act::DoAndSayLater),
            false => Act::Do,
        });
        thread::scope(|scope| {
            let renames = scope.spawn(|| kind(self.here.rename(&p("d"), &p("e"), false)));
            held.comes();
            meanwhile();
            held.goes_on();
            renames.join().unwrap()
        })
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.engine.get(&format!("h/alice/{path}"))
    }
}

fn is_put(asked: &Asked, key: &str) -> bool {
    asked.method == "PUT" && asked.key == key
}

/// The folder has its new name.
fn is_made(asked: &Asked) -> bool {
    is_put(asked, "h/alice/e/")
}

fn is_copied(asked: &Asked) -> bool {
    is_put(asked, "h/alice/e/x")
}

#[test]
fn what_is_stored_in_a_folder_while_it_is_renamed_stays_at_either_name() {
    // In the place of what was copied already, and is to be removed.
    let renamed = Renamed::new(false);
    assert_eq!(
        renamed.with(is_copied, || {
            any(&*renamed.here, "d/x", b"new").unwrap();
        }),
        Ok(())
    );
    assert_eq!((renamed.get("d/x"), renamed.get("e/x")), (b"new".to_vec(), b"old".to_vec()));
    // Where it is to be copied to.
    let renamed = Renamed::new(false);
    assert_eq!(
        renamed.with(is_made, || {
            any(&*renamed.here, "e/x", b"new").unwrap();
        }),
        Err(Kind::Changed)
    );
    assert_eq!((renamed.get("d/x"), renamed.get("e/x")), (b"old".to_vec(), b"new".to_vec()));
}

#[test]
fn what_is_stored_anew_where_a_folder_was_stays_also_if_it_is_the_same_bytes() {
    for heeds in [true, false] {
        let renamed = Renamed::new(heeds);
        assert_eq!(
            renamed.with(is_copied, || {
                any(&*renamed.here, "d/x", b"old").unwrap();
            }),
            Ok(())
        );
        assert_eq!((renamed.get("d/x"), renamed.get("e/x")), (b"old".to_vec(), b"old".to_vec()), "{heeds}");
    }
}

#[test]
fn a_mode_that_a_large_file_gets_while_its_folder_is_renamed_is_not_lost() {
    let renamed = Renamed::new(true);
    let bytes = vec![7; limits::HASH_BLOCK as usize + 5];
    any(&*renamed.here, "d/x", &bytes).unwrap();
    let is_completed = |asked: &Asked| asked.completes() && asked.key == "h/alice/e/x";
    let mode = SourceMode { mode: FileMode::of(0o600), perms: true };
    assert_eq!(
        renamed.with(is_completed, || {
            renamed.here.set_mode(&p("d/x"), mode).unwrap();
        }),
        Ok(())
    );
    assert_eq!(renamed.here.stat(&p("d/x")).unwrap().mode.bits() & 0o777, 0o600);
    assert!(renamed.get("d/x") == bytes && renamed.get("e/x") == bytes);
}

#[test]
fn a_folder_that_somebody_makes_where_a_renamed_one_gets_a_file_is_not_hidden() {
    for heeds in [true, false] {
        let renamed = Renamed::new(heeds);
        let meanwhile = || {
            renamed.here.make_dir(&p("e/x"), false).unwrap();
            any(&*renamed.here, "e/x/theirs", b"theirs").unwrap();
        };
        assert_eq!(renamed.with(is_made, meanwhile), Err(Kind::Changed));
        assert_eq!(renamed.get("d/x"), b"old");
        assert_eq!(renamed.here.stat(&p("e/x/theirs")).unwrap().size, 6);
        assert!(renamed.here.list(&p("e/x"), false).unwrap().next().is_some());
    }
}

#[test]
fn a_file_that_somebody_puts_where_a_renamed_folder_has_another_one_hides_nothing() {
    // One that was made by name, and one that is there by what is in it alone.
    for is_by_name in [true, false] {
        let renamed = Renamed::new(true);
        if is_by_name {
            renamed.here.make_dir(&p("d/sub"), false).unwrap();
        }
        renamed.engine.put("h/alice/d/sub/y", b"below");
        let put = || {
            any(&*renamed.here, "e/sub", b"theirs").unwrap();
        };
        assert_eq!(renamed.with(is_made, put), Err(Kind::Changed), "{is_by_name}");
        assert_eq!((renamed.get("d/x"), renamed.get("d/sub/y")), (b"old".to_vec(), b"below".to_vec()));
        assert_eq!(renamed.get("e/sub"), b"theirs");
    }
}

#[test]
fn what_another_server_puts_in_the_place_of_what_a_renamed_folder_gets_costs_nothing_its_old_name() {
    // Each has looked before the other could be seen.
    let looks_for_folder = |asked: &Asked| asked.key.is_empty() && asked.query.contains("prefix=h%2Falice%2Fe%2F");
    let renamed = Renamed::new(true);
    let put = || {
        any(&*renamed.there, "e", b"theirs").unwrap();
    };
    assert_eq!(renamed.with(looks_for_folder, put), Err(Kind::Changed));
    assert_eq!((renamed.get("d/x"), renamed.get("e")), (b"old".to_vec(), b"theirs".to_vec()));
    let looks_for_sub = |asked: &Asked| asked.method == "HEAD" && asked.key == "h/alice/e/sub/";
    let renamed = Renamed::new(true);
    renamed.engine.put("h/alice/d/sub/y", b"below");
    let put = || {
        any(&*renamed.there, "e/sub", b"theirs").unwrap();
    };
    assert_eq!(renamed.with(looks_for_sub, put), Err(Kind::Changed));
    assert_eq!((renamed.get("d/sub/y"), renamed.get("e/sub")), (b"below".to_vec(), b"theirs".to_vec()));
    let looks_for_file = |asked: &Asked| asked.key.is_empty() && asked.query.contains("prefix=h%2Falice%2Fe%2Fx");
    let renamed = Renamed::new(true);
    let make = || {
        renamed.there.make_dir(&p("e/x"), false).unwrap();
    };
    assert_eq!(renamed.with(looks_for_file, make), Err(Kind::Changed));
    assert_eq!(renamed.get("d/x"), b"old");
}

#[test]
fn folders_that_are_made_with_those_around_them_are_never_in_what_has_become_a_file() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    let (hold, held) = hold();
    let mut hold = Some(hold);
    engine.does(move |what| match what.query.contains("prefix=h%2Falice%2Fa%2Fb%2F") {
        true => hold.take().map_or(Act::Do, Act::DoAndSayLater),
        false => Act::Do,
    });
    let made = thread::scope(|scope| {
        let makes = scope.spawn(|| kind(store.make_dir(&p("a/b"), true)));
        held.comes();
        any(&*store, "a", b"a file").unwrap();
        held.goes_on();
        makes.join().unwrap()
    });
    assert_eq!((made, engine.keys()), (Err(Kind::NotDirectory), vec!["h/alice/a".to_owned()]));
}

#[test]
fn who_renames_a_folder_waits_for_another_one_no_longer_than_for_an_answer() {
    let renamed = Renamed::patient(false, SOON);
    renamed.here.make_dir(&p("f"), false).unwrap();
    let mut other = Ok(());
    assert_eq!(renamed.with(is_copied, || other = kind(renamed.here.rename(&p("f"), &p("g"), false))), Ok(()));
    assert_eq!(other, Err(Kind::Unavailable));
    assert_eq!(kind(renamed.here.rename(&p("f"), &p("g"), false)), Ok(()));
}

#[test]
fn a_file_whose_folder_has_become_a_file_meanwhile_is_refused_and_not_hidden_in_it() {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("d"), false).unwrap();
    let mut upload = store.begin(&p("d/x"), UploadSpec::default()).unwrap();
    upload.append(b"bytes").unwrap();
    store.remove(&p("d"), false).unwrap();
    any(&*store, "d", b"a file").unwrap();
    assert_eq!(kind(store.commit_one(upload)), Err(Kind::NotDirectory));
    assert_eq!(engine.keys(), ["h/alice/d"]);
}
