//! Folders of a bucket that files go into, as this server has seen them and as others change them.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use sealift::Kind;
use sealift::files::{Store, Stored};

use super::store_s3_bad::{any, kind, p, store};
use crate::common::bad_engine::{Act, Asked, BadEngine};

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

/// Renames a folder, and when the storage is asked for this does something else before it goes on.
fn renamed_while(
    is_moment: impl Fn(&Asked) -> bool + Send + 'static,
    meanwhile: impl FnOnce(&dyn Store),
) -> (BadEngine, bool) {
    let engine = BadEngine::start();
    let (store, _spool) = store(&engine, true);
    store.make_dir(&p("d"), false).unwrap();
    any(&*store, "d/x", b"old").unwrap();
    let (asked, is_asked) = mpsc::channel();
    let (goes_on, word) = mpsc::channel();
    let mut word = Some(word);
    engine.does(move |what| match is_moment(what) {
        true => word.take().map_or(Act::Do, |word| {
            asked.send(()).unwrap();
            Act::DoAndSayLater(word)
        }),
        false => Act::Do,
    });
    let renamed = thread::scope(|scope| {
        let renames = scope.spawn(|| store.rename(&p("d"), &p("e"), false).is_ok());
        is_asked.recv().unwrap();
        meanwhile(&*store);
        drop(goes_on);
        renames.join().unwrap()
    });
    (engine, renamed)
}

#[test]
fn what_is_stored_in_a_folder_while_it_is_renamed_stays_at_either_name() {
    // In the place of what was copied already, and is to be removed.
    let is_copied = |asked: &Asked| asked.method == "PUT" && asked.key == "h/alice/e/x";
    let (engine, renamed) = renamed_while(is_copied, |store| {
        any(store, "d/x", b"new").unwrap();
    });
    assert!(renamed);
    assert_eq!((engine.get("h/alice/d/x"), engine.get("h/alice/e/x")), (b"new".to_vec(), b"old".to_vec()));
    // Where it is to be copied to.
    let is_made = |asked: &Asked| asked.method == "PUT" && asked.key == "h/alice/e/";
    let (engine, renamed) = renamed_while(is_made, |store| {
        any(store, "e/x", b"new").unwrap();
    });
    assert!(!renamed);
    assert_eq!((engine.get("h/alice/d/x"), engine.get("h/alice/e/x")), (b"old".to_vec(), b"new".to_vec()));
}
