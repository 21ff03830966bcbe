//! What a store promises, on a real directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use sealift::files::{Condition, Done, Durability, EntryKind, Finding, Hash, Mtime, Record, Store, Upload, UploadSpec};
use sealift::limits;
use sealift::store::{LocalOptions, LocalStore, Staging};
use sealift::{Kind, Result};

use crate::common::home::{Home, list, p, put, put_if, read};

#[test]
fn what_is_uploaded_is_read_back_and_nothing_else_stays() {
    for (durability, staging) in
        [(Durability::Full, Staging::Hidden), (Durability::None, Staging::Hidden), (Durability::None, Staging::Beside)]
    {
        let home = Home::with(LocalOptions { durability, staging });
        home.store.make_dir(&p("d"), false).unwrap();
        let mtime = Mtime { secs: 1_000_000_000, nanos: 123_456_789 };
        let spec = UploadSpec { size: Some(5), mtime: Some(mtime), ..UploadSpec::default() };
        let mut upload = home.store.begin(&p("d/x"), spec).unwrap();
        upload.append(b"he").unwrap();
        upload.append(b"llo").unwrap();
        assert!(list(&home.store, "", true).iter().all(|entry| entry != "d/x"), "not visible before the commit");
        let committed = home.store.commit_one(upload).unwrap();
        assert_eq!((committed.size, committed.hash, committed.mtime), (5, Hash::of(b"hello"), mtime));
        let meta = home.store.stat(&p("d/x")).unwrap();
        assert_eq!((meta.kind, meta.size, meta.mtime), (EntryKind::File, 5, mtime));
        assert_eq!(read(&home.store, "d/x").unwrap(), b"hello");
        assert_eq!(list(&home.store, "", true), ["d", "d/x"]);
        drop(home.store);
        let left = fs::read_dir(home.dir.path().join(".sealift")).map_or(0, Iterator::count);
        assert_eq!(left, 0);
    }
}

#[test]
fn a_dropped_upload_leaves_the_old_file_and_nothing_else() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(LocalOptions { staging, durability: Durability::None });
        put(&home.store, "x", b"old").unwrap();
        let mut upload = home.store.begin(&p("x"), UploadSpec::default()).unwrap();
        upload.append(b"new").unwrap();
        drop(upload);
        assert_eq!(read(&home.store, "x").unwrap(), b"old");
        drop(home.store);
        assert_eq!(
            fs::read_dir(home.dir.path()).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".sealift").count(),
            1
        );
    }
}

#[test]
fn a_size_that_was_announced_must_come_exactly() {
    let home = Home::new();
    let spec = UploadSpec { size: Some(3), ..UploadSpec::default() };
    let mut long = home.store.begin(&p("x"), spec).unwrap();
    assert_eq!(long.append(b"four").unwrap_err().kind(), Kind::Integrity);
    let mut short = home.store.begin(&p("x"), spec).unwrap();
    short.append(b"ab").unwrap();
    let results = home.store.commit(vec![long.prepare(), short.prepare()]);
    assert_eq!(results[0].as_ref().unwrap_err().kind(), Kind::Io);
    assert_eq!(results[1].as_ref().unwrap_err().kind(), Kind::Integrity);
    assert!(list(&home.store, "", true).is_empty());
}

#[test]
fn folders_and_files_of_one_commit_are_answered_in_its_order_and_a_foreign_one_is_refused_alone() {
    for options in [LocalOptions::default(), LocalOptions { durability: Durability::None, ..Default::default() }] {
        let (home, other) = (Home::with(options), Home::with(options));
        let whole = |store: &dyn Store, name: &str| {
            let mut upload = store.begin(&p(name), UploadSpec::default()).unwrap();
            upload.append(b"bytes").unwrap();
            upload.prepare()
        };
        let changes = vec![
            home.store.begin_dir(&p("one"), false).unwrap(),
            whole(&home.store, "one/f"),
            whole(&other.store, "foreign"),
            home.store.begin_dir(&p("two/three"), true).unwrap(),
            whole(&home.store, "two/f"),
        ];
        let file = |done: &Result<Done>| matches!(done, Ok(Done::File(committed)) if committed.size == 5);
        match &*home.store.commit(changes) {
            [Ok(Done::Folder), first, Err(foreign), Ok(Done::Folder), second] => {
                assert!(file(first) && file(second));
                assert_eq!(foreign.kind(), Kind::Internal);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(list(&home.store, "", true), ["one", "one/f", "two", "two/f", "two/three"]);
        assert!(list(&other.store, "", true).is_empty());
        drop(whole(&home.store, "given-up"));
        assert!(list(&home.store, "", false).iter().all(|name| name != "given-up"));
    }
}

#[test]
fn conditions_are_decided_at_the_commit() {
    let home = Home::new();
    put_if(&home.store, "x", b"one", Condition::Absent).unwrap();
    assert_eq!(put_if(&home.store, "x", b"two", Condition::Absent).unwrap_err().kind(), Kind::Exists);
    let wrong = Condition::Hash(Hash::of(b"other"));
    assert_eq!(put_if(&home.store, "x", b"two", wrong).unwrap_err().kind(), Kind::Changed);
    assert_eq!(put_if(&home.store, "absent", b"two", wrong).unwrap_err().kind(), Kind::Changed);
    assert_eq!(read(&home.store, "x").unwrap(), b"one");
    put_if(&home.store, "x", b"two", Condition::Hash(Hash::of(b"one"))).unwrap();
    assert_eq!(read(&home.store, "x").unwrap(), b"two");

    // The name is taken between begin and commit.
    let mut late =
        home.store.begin(&p("y"), UploadSpec { condition: Condition::Absent, ..Default::default() }).unwrap();
    late.append(b"late").unwrap();
    put(&home.store, "y", b"first").unwrap();
    assert_eq!(home.store.commit_one(late).unwrap_err().kind(), Kind::Exists);
    assert_eq!(read(&home.store, "y").unwrap(), b"first");
}

#[test]
fn a_batch_is_committed_in_order_and_one_failure_is_alone() {
    for count in [2, 50] {
        let home = Home::new();
        home.store.make_dir(&p("d"), false).unwrap();
        let mut batch = Vec::new();
        for n in 0..count {
            let name = if n % 2 == 0 { "x".to_owned() } else { format!("d/{n}") };
            let mut upload = home.store.begin(&p(&name), UploadSpec::default()).unwrap();
            upload.append(n.to_string().as_bytes()).unwrap();
            batch.push(upload);
        }
        let mut doomed = home.store.begin(&p("d"), UploadSpec::default()).unwrap();
        doomed.append(b"over a folder").unwrap();
        batch.insert(1, doomed);
        let results = home.store.commit(batch.into_iter().map(Upload::prepare).collect());
        for (at, result) in results.iter().enumerate() {
            match result {
                Err(err) => assert_eq!((at, err.kind()), (1, Kind::IsDirectory)),
                Ok(_) => assert_ne!(at, 1),
            }
        }
        assert_eq!(read(&home.store, "x").unwrap(), (count - 2).to_string().as_bytes(), "the later one wins");
        assert_eq!(list(&home.store, "d", false).len(), count / 2);
    }
}

#[test]
fn a_new_file_obeys_the_umask_and_a_replaced_one_keeps_its_mode() {
    // What a server stores is for its account and group, whatever the umask.
    for (staging, widest) in [(Staging::Hidden, 0o640), (Staging::Beside, 0o666)] {
        let home = Home::with(LocalOptions { staging, durability: Durability::None });
        let plain = home.dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        put(&home.store, "x", b"1").unwrap();
        let mode = |name: &str| fs::metadata(home.dir.path().join(name)).unwrap().mode() & 0o7777;
        assert_eq!(mode("x"), mode("plain") & widest);
        fs::set_permissions(home.dir.path().join("x"), fs::Permissions::from_mode(0o4750)).unwrap();
        put(&home.store, "x", b"2").unwrap();
        assert_eq!(mode("x"), 0o750, "without the special bits");
    }
}

#[test]
fn staging_is_for_us_alone_and_not_reachable_by_name_or_link() {
    let home = Home::new();
    fs::create_dir(home.dir.path().join(".sealift")).unwrap();
    symlink(".sealift", home.dir.path().join("link")).unwrap();
    let upload = home.store.begin(&p("x"), UploadSpec::default()).unwrap();
    assert_eq!(fs::metadata(home.dir.path().join(".sealift")).unwrap().mode() & 0o777, 0o700);
    let session = fs::read_dir(home.dir.path().join(".sealift")).unwrap().next().unwrap().unwrap().file_name();
    let session = session.to_str().unwrap();
    symlink(format!(".sealift/{session}/0"), home.dir.path().join("file")).unwrap();
    symlink(format!(".sealift/{session}"), home.dir.path().join("deep")).unwrap();
    assert_eq!(list(&home.store, "", true), ["deep", "file", "link"]);
    for name in ["file", "link/s", "deep/0"] {
        assert_eq!(read(&home.store, name).unwrap_err().kind(), Kind::NotFound, "{name}");
    }
    assert!(home.store.list(&p("deep"), false).is_err());
    assert!(home.store.begin(&p("deep/y"), UploadSpec::default()).is_err());
    assert_eq!(home.store.stat(&p("file")).unwrap().kind, EntryKind::Link);
    drop(upload);
}

#[test]
fn names_change_only_as_asked() {
    let home = Home::new();
    let store = &home.store;
    store.make_dir(&p("a/b/c"), true).unwrap();
    store.make_dir(&p("a/b/c"), true).unwrap();
    assert_eq!(store.make_dir(&p("a"), false).unwrap_err().kind(), Kind::Exists);
    assert_eq!(store.make_dir(&p("z/y"), false).unwrap_err().kind(), Kind::NotFound);
    put(store, "f", b"f").unwrap();
    put(store, "g", b"g").unwrap();
    assert_eq!(store.make_dir(&p("f/x"), true).unwrap_err().kind(), Kind::NotDirectory);
    assert_eq!(store.make_dir(&p("f"), true).unwrap_err().kind(), Kind::NotDirectory);
    let rename = |from: &str, to: &str, replace| store.rename(&p(from), &p(to), replace).map_err(|err| err.kind());
    assert_eq!(rename("f", "g", false), Err(Kind::Exists));
    assert_eq!(rename("f", "a", true), Err(Kind::IsDirectory));
    assert_eq!(rename("a/b", "g", true), Err(Kind::Exists));
    store.make_dir(&p("empty"), false).unwrap();
    assert_eq!(rename("a/b", "empty", true), Err(Kind::Exists), "not even over an empty folder");
    assert_eq!(rename("a", "a/b/d", false), Err(Kind::BadPath));
    assert_eq!(rename("none", "x", false), Err(Kind::NotFound));
    assert_eq!(rename("", "x", false), Err(Kind::IsDirectory));
    rename("f", "g", true).unwrap();
    assert_eq!(read(store, "g").unwrap(), b"f");
    rename("a/b", "b", false).unwrap();
    assert_eq!(list(store, "", true), ["a", "b", "b/c", "empty", "g"]);
}

#[test]
fn renaming_one_name_of_a_file_over_another_leaves_one() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(LocalOptions { staging, durability: Durability::None });
        home.store.make_dir(&p("d"), false).unwrap();
        for (from, to) in [("a", "b"), ("a", "d/b"), ("d/b", "a")] {
            put(&home.store, from, b"1").unwrap();
            fs::hard_link(home.dir.path().join(from), home.dir.path().join(to)).unwrap();
            assert_eq!(home.store.rename(&p(from), &p(to), false).unwrap_err().kind(), Kind::Exists);
            home.store.rename(&p(from), &p(to), true).unwrap();
            assert_eq!(read(&home.store, from).unwrap_err().kind(), Kind::NotFound, "{from} to {to}");
            assert_eq!(read(&home.store, to).unwrap(), b"1");
            // Itself it replaces without going.
            fs::hard_link(home.dir.path().join(to), home.dir.path().join(from)).unwrap();
            home.store.rename(&p(to), &p(to), true).unwrap();
            assert_eq!(read(&home.store, to).unwrap(), b"1");
            for name in [from, to] {
                home.store.remove(&p(name), false).unwrap();
            }
        }
    }
}

#[test]
fn removing_takes_links_and_not_what_they_lead_to() {
    let home = Home::new();
    let store = &home.store;
    put(store, "keep", b"1").unwrap();
    store.make_dir(&p("d/e"), true).unwrap();
    put(store, "d/e/f", b"2").unwrap();
    symlink("../keep", home.dir.path().join("d/link")).unwrap();
    symlink("/", home.dir.path().join("d/e/out")).unwrap();
    symlink("d", home.dir.path().join("dirlink")).unwrap();
    let remove = |path: &str, recursive| store.remove(&p(path), recursive).map_err(|err| err.kind());
    assert_eq!(remove("d", false), Err(Kind::NotEmpty));
    assert_eq!(remove("", true), Err(Kind::IsDirectory));
    assert_eq!(remove("none", true), Err(Kind::NotFound));
    remove("dirlink", true).unwrap();
    assert_eq!(list(store, "d", true), ["e", "e/f", "e/out", "link"]);
    remove("d", true).unwrap();
    assert_eq!(list(store, "", true), ["keep"]);
    remove("keep", false).unwrap();
    assert!(list(store, "", true).is_empty());
}

#[test]
fn a_store_over_nothing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = LocalStore::open_path(&dir.path().join("none"), LocalOptions::default());
    assert_eq!(missing.err().unwrap().kind(), Kind::NotFound);
}

#[test]
fn the_hash_a_reader_found_is_recorded_for_a_file_that_is_left_alone() {
    let home = Home::new();
    let path = home.dir.path().join("f");
    let bytes = vec![7; usize::try_from(limits::RECORD_MIN).unwrap()];
    fs::write(&path, &bytes).unwrap();
    let hash = Hash::of(&bytes);
    let open = || home.store.open(&p("f")).unwrap();

    // Just written: another write might not show.
    assert_eq!(open().compare(&hash), Finding::Unrecorded);
    assert_eq!(open().record(), None);

    let reader = open();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    while written.elapsed().unwrap_or_default() <= limits::RECORD_AGE_MIN {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(open().compare(&hash), Finding::Unrecorded);
    if open().record().is_none() {
        println!("skipped: this file system takes no attributes");
        return;
    }
    assert_eq!(open().record(), Some(Record::Sound(hash)));

    // The first reader saw it before it was changed: its hash is of other bytes, for all it knows.
    fs::write(&path, vec![8; bytes.len()]).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(written).unwrap();
    reader.compare(&Hash::of(b"other"));
    assert_ne!(open().record(), Some(Record::Sound(Hash::of(b"other"))));
}

#[test]
fn an_upload_of_unknown_size_under_a_bound_has_counted_what_there_is_when_it_begins() {
    let home = Home::new();
    fs::write(home.dir.path().join("there"), [1; 100]).unwrap();
    let store = home.store.bounded(150, "over it".to_owned());
    assert!(store.begins_by_counting());
    let mut upload = store.begin(&p("new"), UploadSpec::default()).unwrap();
    assert!(!store.begins_by_counting(), "its bytes do not wait for that one by one");
    upload.append(&[2; 50]).unwrap();
    assert_eq!(upload.append(b"x").unwrap_err().kind(), Kind::Quota);
}
