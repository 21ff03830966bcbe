//! What a store promises, on a real directory.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use sealift::Kind;
use sealift::files::{Durability, EntryKind, Finding, Hash, Mtime, Record, Store, UploadSpec};
use sealift::limits;
use sealift::store::{LocalOptions, LocalStore, Staging};

use crate::common::eventually;
use crate::common::home::{Home, list, p, put, read};

#[test]
fn what_is_uploaded_is_read_back_and_nothing_else_stays() {
    for (durability, staging) in
        [(Durability::Full, Staging::Hidden), (Durability::None, Staging::Hidden), (Durability::None, Staging::Beside)]
    {
        let home = Home::with(LocalOptions::new(durability, staging));
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
        let home = Home::with(LocalOptions::new(Durability::None, staging));
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
fn a_new_file_obeys_the_umask_and_a_replaced_one_keeps_its_mode() {
    // What a server stores is for its account and group, whatever the umask.
    for (staging, widest) in [(Staging::Hidden, 0o640), (Staging::Beside, 0o666)] {
        let home = Home::with(LocalOptions::new(Durability::None, staging));
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
fn renaming_one_name_of_a_file_over_another_leaves_one() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(LocalOptions::new(Durability::None, staging));
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
    let hash = Hash::of(&bytes);
    let open = || home.store.open(&p("f")).unwrap();
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();

    // Just written: another write might not show. Some machines have too much to do to look at it by then.
    eventually("a look at what was just written", || {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open().compare(&hash), Finding::Unrecorded);
        let is_young = modified().elapsed().unwrap_or_default() < limits::RECORD_AGE_MIN;
        assert!(!is_young || open().record().is_none());
        is_young
    });

    let (reader, written) = (open(), modified());
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

/// A session in a home inside is removing a tree while one around it removes all of that home: what of the tree is gone is
/// counted once, whoever of the two took it.
#[test]
fn a_tree_that_two_sessions_remove_at_once_counts_no_more() {
    // Where it is then, and where the servers before this one have it.
    for going in ["gone-0123456789abcdef", "s-0123456789abcdef/7"] {
        let home = Home::new();
        let inner = home.dir.path().join("c");
        fs::create_dir_all(inner.join("x/y")).unwrap();
        fs::write(inner.join("x/y/f"), [1; 100]).unwrap();
        let store = home.store.bounded(150, "over it".to_owned());
        let fits = |size| store.begin(&p("new"), UploadSpec { size: Some(size), ..UploadSpec::default() }).map(drop);
        assert_eq!(fits(51).unwrap_err().kind(), Kind::Quota);
        // What the inner session does first: the tree loses its name, and counts until each of its files is gone.
        let going = inner.join(".sealift").join(going);
        fs::create_dir_all(going.parent().unwrap()).unwrap();
        fs::rename(inner.join("x"), going).unwrap();
        store.remove(&p("c"), true).unwrap();
        fits(150).unwrap();
    }
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

/// A server leaves some of its disk to others. A person's own disk is filled as `cp` fills it.
#[test]
fn a_person_s_disk_may_be_filled_and_a_server_s_not() {
    for (staging, fits) in [(Staging::Beside, true), (Staging::Hidden, false)] {
        let home = Home::with(LocalOptions::new(Durability::None, staging));
        let disk = rustix::fs::statvfs(home.dir.path()).unwrap();
        let kept = limits::ROOM_KEPT_MAX.min(disk.f_blocks * disk.f_frsize / limits::ROOM_KEPT_PART);
        // Others write to the same disk meanwhile.
        let size = disk.f_bavail * disk.f_frsize - kept / 2;
        let begun = home.store.begin(&p("x"), UploadSpec { size: Some(size), ..UploadSpec::default() });
        let begun = begun.map(drop).map_err(|error| error.kind());
        assert_eq!(begun, if fits { Ok(()) } else { Err(Kind::NoSpace) }, "{staging:?}: {size}");
    }
}
