//! Interrupted uploads: kept, proven, gone on with, swept.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of a test function")]

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sealift::Kind;
use sealift::files::{
    Condition, Durability, FileMode, Hash, Looked, Partial, Record, SourceMode, Store, Upload, UploadSpec,
};
use sealift::limits;
use sealift::store::{LocalOptions, LocalStore, Staging};

use crate::common::bytes as content;
use crate::common::home::{Home, list, p, put};

const BLOCK: usize = limits::HASH_BLOCK as usize;

fn options(staging: Staging) -> LocalOptions {
    LocalOptions::new(Durability::None, staging)
}

fn begin(store: &LocalStore, path: &str, bytes: &[u8]) -> Box<dyn Upload> {
    let mut upload = store.begin(&p(path), UploadSpec::default()).unwrap();
    for chunk in bytes.chunks(limits::CHUNK) {
        upload.append(chunk).unwrap();
    }
    upload
}

fn partial_of(bytes: &[u8], blocks: usize) -> Option<Partial> {
    Some(Partial { len: (blocks * BLOCK) as u64, hash: Hash::of(&bytes[..blocks * BLOCK]) })
}

/// Every file below, staged ones too, without the locks of stores.
fn all_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(all_files(&entry.path()))
        } else if entry.file_name() != "lock" {
            files.push(entry.path())
        }
    }
    files.sort();
    files
}

#[test]
fn an_interrupted_upload_goes_on_where_its_whole_blocks_end() {
    for (staging, durability) in
        [(Staging::Hidden, Durability::Full), (Staging::Hidden, Durability::None), (Staging::Beside, Durability::None)]
    {
        let home = Home::with(LocalOptions::new(durability, staging));
        let bytes = content(3 * BLOCK + 1000);
        assert_eq!(home.store.partial(&p("x")).unwrap(), None);
        assert_eq!(begin(&home.store, "x", &bytes[..2 * BLOCK + 5]).keep(), 2 * limits::HASH_BLOCK);
        assert!(list(&home.store, "", true).is_empty());

        // Another store, as after a new login or a restart.
        let store = LocalStore::open_path(home.dir.path(), options(staging)).unwrap();
        let partial = store.partial(&p("x")).unwrap();
        assert_eq!(partial, partial_of(&bytes, 2));
        let spec = UploadSpec { size: Some(bytes.len() as u64), condition: Condition::Absent, ..Default::default() };
        let from = limits::HASH_BLOCK;
        let mut upload = store.resume(&p("x"), spec, from, Hash::of(&bytes[..BLOCK])).unwrap();
        assert_eq!((upload.len(), upload.hash()), (from, Hash::of(&bytes[..BLOCK])));
        upload.append(&bytes[BLOCK..]).unwrap();
        assert_eq!(upload.hash(), Hash::of(&bytes));
        store.commit_one(upload).unwrap();
        assert!(fs::read(home.dir.path().join("x")).unwrap() == bytes);
        assert_eq!(store.partial(&p("x")).unwrap(), None);
        drop((store, home.store));
        assert_eq!(all_files(home.dir.path()), [home.dir.path().join("x")]);
    }
}

#[test]
fn less_than_a_block_is_not_kept() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        assert_eq!(begin(&home.store, "x", &content(BLOCK - 1)).keep(), 0);
        assert_eq!(home.store.partial(&p("x")).unwrap(), None);
        assert!(all_files(home.dir.path()).is_empty());
    }
}

#[test]
fn a_beginning_that_is_not_proven_is_refused_and_stays() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        let bytes = content(2 * BLOCK);
        begin(&home.store, "x", &bytes).keep();
        let (one, two) = (limits::HASH_BLOCK, 2 * limits::HASH_BLOCK);
        let right = Hash::of(&bytes);
        for (from, proven) in
            [(two, Hash::of(b"other")), (one, right), (0, Hash::of(b"")), (one + 1, right), (3 * one, right)]
        {
            let refused = home.store.resume(&p("x"), UploadSpec::default(), from, proven);
            assert_eq!(refused.err().unwrap().kind(), Kind::Changed, "{from}");
        }
        assert_eq!(home.store.partial(&p("x")).unwrap(), partial_of(&bytes, 2));
        // The other path has none.
        let refused = home.store.resume(&p("y"), UploadSpec::default(), two, right);
        assert_eq!(refused.err().unwrap().kind(), Kind::Changed);
        let small = UploadSpec { size: Some(two - 1), ..Default::default() };
        assert_eq!(home.store.resume(&p("x"), small, two, right).err().unwrap().kind(), Kind::Integrity);
        let absent = UploadSpec { condition: Condition::Absent, ..Default::default() };
        put(&home.store, "y", b"there").unwrap();
        assert_eq!(home.store.resume(&p("y"), absent, two, right).err().unwrap().kind(), Kind::Exists);
        assert_eq!(home.store.partial(&p("x")).unwrap(), partial_of(&bytes, 2));
        drop(home.store.resume(&p("x"), UploadSpec::default(), two, right).unwrap());
        assert_eq!(home.store.partial(&p("x")).unwrap(), None, "dropped, not kept");
    }
}

#[test]
fn two_never_go_on_with_the_same_partial() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        let bytes = content(BLOCK);
        begin(&home.store, "x", &bytes).keep();
        let go_on = || {
            let store = LocalStore::open_path(home.dir.path(), options(staging)).unwrap();
            let upload = store.resume(&p("x"), UploadSpec::default(), limits::HASH_BLOCK, Hash::of(&bytes)).ok()?;
            Some((store, upload))
        };
        let uploads: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(go_on)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(uploads.len(), 1, "{staging:?}");
        assert_eq!(home.store.partial(&p("x")).unwrap(), None, "taken");
        // Somebody else starts over meanwhile.
        put(&home.store, "x", b"new").unwrap();
        for (store, mut upload) in uploads {
            upload.append(b"end").unwrap();
            store.commit_one(upload).unwrap();
            assert!(fs::read(home.dir.path().join("x")).unwrap() == [&*bytes, b"end"].concat());
        }
    }
}

#[test]
fn a_partial_that_was_changed_is_hashed_again() {
    let home = Home::with(options(Staging::Hidden));
    let bytes = content(2 * BLOCK);
    begin(&home.store, "x", &bytes).keep();
    let data = all_files(home.dir.path()).into_iter().find(|path| path.to_str().unwrap().contains("/p-")).unwrap();
    let mut other = bytes.clone();
    other[BLOCK + 1] ^= 1;
    fs::write(&data, &other).unwrap();
    assert_eq!(home.store.partial(&p("x")).unwrap(), partial_of(&other, 2));
    let refused = home.store.resume(&p("x"), UploadSpec::default(), 2 * limits::HASH_BLOCK, Hash::of(&bytes));
    assert_eq!(refused.err().unwrap().kind(), Kind::Changed);

    // Block values torn, or of another boot: the bytes decide.
    let values = data.with_file_name(data.file_name().unwrap().to_str().unwrap().replacen("p-", "b-", 1));
    for torn in [&b""[..], b"sealift partial 1\n", &[0; 500]] {
        fs::write(&values, torn).unwrap();
        let store = LocalStore::open_path(home.dir.path(), options(Staging::Hidden)).unwrap();
        assert_eq!(store.partial(&p("x")).unwrap(), partial_of(&other, 2));
    }
}

/// After a crash nobody knows the block values: whoever serves others too must not hash all of it in one go.
#[test]
fn a_partial_without_block_values_is_hashed_in_bounded_steps_and_not_from_the_beginning_each_time() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        let bytes = content(2 * BLOCK);
        begin(&home.store, "x", &bytes).keep();
        for path in all_files(home.dir.path()).iter().filter(|path| path.to_str().unwrap().contains("/b-")) {
            fs::remove_file(path).unwrap();
        }
        let store = LocalStore::open_path(home.dir.path(), options(staging)).unwrap();
        let mut lefts = Vec::new();
        let found = loop {
            match store.look_for_partial(&p("x")).unwrap() {
                Looked::NotYet { left } => lefts.push(left),
                Looked::Done(found) => break found,
            }
        };
        assert_eq!(found, partial_of(&bytes, 2));
        let steps = 2 * limits::HASH_BLOCK / limits::PARTIAL_STEP;
        let expected: Vec<u64> = (1..steps).rev().map(|left| left * limits::PARTIAL_STEP).collect();
        assert_eq!(lefts, expected, "{staging:?}");
        // Changed in the middle of it: from the beginning.
        let again = LocalStore::open_path(home.dir.path(), options(staging)).unwrap();
        assert!(matches!(again.look_for_partial(&p("x")), Ok(Looked::NotYet { .. })));
        let (is_data, mut other) = (|path: &PathBuf| fs::metadata(path).unwrap().len() > 1000, bytes.clone());
        other[0] ^= 1;
        let data = all_files(home.dir.path()).into_iter().find(is_data).unwrap();
        fs::File::options().write(true).open(data).unwrap().write_all_at(&other[..1], 0).unwrap();
        assert_eq!(again.partial(&p("x")).unwrap(), partial_of(&other, 2));
        assert_eq!(again.look_for_partial(&p("none")).unwrap(), Looked::Done(None));
    }
}

#[test]
fn block_values_are_believed_while_they_stand() {
    let home = Home::with(options(Staging::Hidden));
    let bytes = content(BLOCK);
    begin(&home.store, "x", &bytes).keep();
    let data = all_files(home.dir.path()).into_iter().find(|path| path.to_str().unwrap().contains("/p-")).unwrap();
    // The same size and time, so nobody can see it without reading: shows that nothing is read.
    let time = fs::metadata(&data).unwrap().modified().unwrap();
    let file = fs::File::options().write(true).open(&data).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"?", 0).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(home.store.partial(&p("x")).unwrap(), partial_of(&bytes, 1));
}

#[test]
fn sweeping_saves_long_uploads_of_the_dead_and_leaves_the_living_alone() {
    let home = Home::with(options(Staging::Hidden));
    let bytes = content(BLOCK + 5);
    let mut living = begin(&home.store, "living", b"12");
    // What a killed process leaves: its directory, without its lock.
    let reserved = home.dir.path().join(".sealift");
    let session = fs::read_dir(&reserved).unwrap().next().unwrap().unwrap().path();
    let long = begin(&home.store, "long", &bytes);
    let names: Vec<_> = all_files(&session);
    let staged = names.iter().find(|path| fs::metadata(path).unwrap().len() > 5).unwrap();
    let dead = reserved.join("s-0123456789abcdef");
    fs::create_dir(&dead).unwrap();
    fs::copy(staged, dead.join(staged.file_name().unwrap())).unwrap();
    fs::write(dead.join("17"), "short").unwrap();
    drop(long);

    let day = Duration::from_secs(24 * 60 * 60);
    let store = LocalStore::open_path(home.dir.path(), options(Staging::Hidden)).unwrap();
    let swept = store.sweep(Some(day)).unwrap();
    assert_eq!((swept.removed, swept.saved), (1, 1));
    assert!(!dead.exists());
    assert_eq!(store.partial(&p("long")).unwrap(), partial_of(&bytes, 1));
    living.append(b"3").unwrap();
    home.store.commit_one(living).unwrap();
    assert_eq!(fs::read(home.dir.path().join("living")).unwrap(), b"123");

    // Old partials go, with their block values.
    assert_eq!(store.sweep(Some(day)).unwrap().removed, 0);
    begin(&home.store, "other", &bytes).keep();
    for path in all_files(&reserved) {
        fs::File::open(path).unwrap().set_modified(std::time::UNIX_EPOCH + day).unwrap();
    }
    assert_eq!(store.sweep(Some(day)).unwrap().removed, 2);
    assert!(all_files(&reserved).is_empty());
}

#[test]
fn a_home_without_staging_has_nothing_to_sweep() {
    let home = Home::new();
    assert_eq!(home.store.sweep(Some(Duration::ZERO)).unwrap(), Default::default());
    assert!(!home.dir.path().join(".sealift").exists());
}

#[test]
fn beside_a_target_a_killed_download_is_gone_on_with_or_replaced() {
    let home = Home::with(options(Staging::Beside));
    let bytes = content(BLOCK + 9);
    let left = home.dir.path().join(".x.sealift-part");
    fs::write(&left, &bytes).unwrap();
    assert!(list(&home.store, "", true).is_empty(), "not shown");
    assert_eq!(home.store.partial(&p("x")).unwrap(), partial_of(&bytes, 1));
    put(&home.store, "x", b"afresh").unwrap();
    assert_eq!(all_files(home.dir.path()), [home.dir.path().join("x")]);
    let refused = home.store.begin(&p(".x.sealift-part"), UploadSpec::default());
    assert_eq!(refused.err().unwrap().kind(), Kind::BadPath);
}

#[test]
fn beside_a_target_only_our_own_single_file_is_taken_for_a_leftover() {
    let home = Home::with(options(Staging::Beside));
    let bytes = content(BLOCK);
    let (mine, left) = (home.dir.path().join("mine"), home.dir.path().join(".x.sealift-part"));
    fs::write(&mine, &bytes).unwrap();
    let link: [fn(&PathBuf, &PathBuf) -> std::io::Result<()>; 2] = [|a, b| fs::hard_link(a, b), |a, b| symlink(a, b)];
    for link in link {
        link(&mine, &left).unwrap();
        assert_eq!(home.store.partial(&p("x")).unwrap(), None);
        put(&home.store, "x", b"new").unwrap();
        assert_eq!(fs::read(home.dir.path().join("x")).unwrap(), b"new");
        assert!(fs::read(&mine).unwrap() == bytes);
        fs::remove_file(&left).unwrap();
    }
    assert_eq!(all_files(home.dir.path()).len(), 2);
}

#[test]
fn a_recorded_hash_counts_only_while_the_file_is_the_same() {
    let home = Home::with(options(Staging::Hidden));
    let bytes = content(usize::try_from(limits::RECORD_MIN).unwrap());
    let committed = put(&home.store, "x", &bytes).unwrap();
    put(&home.store, "small", &bytes[1..]).unwrap();
    let recorded = |name: &str| home.store.open(&p(name)).unwrap().record();
    if recorded("x").is_none() {
        println!("skipped: this file system takes no extended attributes");
        return;
    }
    assert_eq!(recorded("x"), Some(Record::Sound(committed.hash)));
    assert_eq!(recorded("small"), None);
    home.store.rename(&p("x"), &p("y"), false).unwrap();
    assert_eq!(recorded("y"), Some(Record::Sound(committed.hash)));
    let file = fs::File::options().append(true).open(home.dir.path().join("y")).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    file.set_modified(time + Duration::from_nanos(1)).unwrap();
    assert_eq!(recorded("y"), None);
    file.set_modified(time).unwrap();
    assert_eq!(recorded("y"), Some(Record::Sound(committed.hash)));
    std::io::Write::write_all(&mut &file, b"more").unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(recorded("y"), None);
}

#[test]
fn the_second_of_two_downloads_neither_disturbs_the_first_nor_leaves_anything() {
    let home = Home::with(options(Staging::Beside));
    let bytes = content(BLOCK);
    let first = begin(&home.store, "x", &bytes);
    let second = LocalStore::open_path(home.dir.path(), options(Staging::Beside)).unwrap();
    assert_eq!(second.partial(&p("x")).unwrap(), None, "still being written");
    assert_eq!(begin(&second, "x", &bytes).keep(), 0);
    assert_eq!(all_files(home.dir.path()).len(), 1);
    home.store.commit_one(first).unwrap();
    assert_eq!(all_files(home.dir.path()), [home.dir.path().join("x")]);
}

/// A file may be open to fewer when it is gone on with than when it was begun.
#[test]
fn what_is_gone_on_with_is_open_to_no_more_than_its_source_is_by_then() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        let bytes = content(BLOCK + 9);
        for (name, before, now, most) in
            [("secret", 0o644, 0o600, 0o600), ("program", 0o755, 0o700, 0o700), ("same", 0o600, 0o644, 0o644)]
        {
            let spec = |bits| UploadSpec {
                mode: Some(SourceMode { mode: FileMode::of(bits), perms: false }),
                ..UploadSpec::default()
            };
            let mut begun = home.store.begin(&p(name), spec(before)).unwrap();
            begun.append(&bytes).unwrap();
            assert_eq!(begun.keep(), limits::HASH_BLOCK);
            let proven = Hash::of(&bytes[..BLOCK]);
            let mut upload = home.store.resume(&p(name), spec(now), limits::HASH_BLOCK, proven).unwrap();
            upload.append(&bytes[BLOCK..]).unwrap();
            home.store.commit_one(upload).unwrap();
            let mode = fs::metadata(home.dir.path().join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode & !most, mode & 0o600), (0, 0o600), "{staging:?} {name}: {mode:o}");
        }
    }
}

/// A hole is not written, so whatever an earlier try has left in its place would be read there.
#[test]
fn nothing_of_an_earlier_try_shows_through_the_holes_of_a_sparse_file() {
    for staging in [Staging::Hidden, Staging::Beside] {
        let home = Home::with(options(staging));
        let (ones, zeros) = (content(BLOCK), vec![0; BLOCK]);
        let size = Some(2 * limits::HASH_BLOCK);
        let spec = UploadSpec { size, allocated: Some(0), ..UploadSpec::default() };
        let staged = home.store.begin(&p("parts"), spec).unwrap().into_parts().unwrap();
        let part = |offset: u64, bytes: &[u8]| {
            let mut part = staged.part(offset, limits::HASH_BLOCK).unwrap();
            part.append(bytes).unwrap();
            part
        };
        part(0, &ones).finish().unwrap();
        part(0, &zeros).finish().unwrap();
        drop(part(limits::HASH_BLOCK, &ones[1..]));
        part(limits::HASH_BLOCK, &zeros).finish().unwrap();
        let upload = staged.into_upload().unwrap();
        assert_eq!(upload.hash(), Hash::of(&vec![0; 2 * BLOCK]));
        home.store.commit_one(upload).unwrap();

        let mut begun = home.store.begin(&p("resumed"), spec).unwrap();
        begun.append(&ones).unwrap();
        begun.append(&ones).unwrap();
        assert_eq!(begun.keep(), 2 * limits::HASH_BLOCK);
        let mut upload = home.store.resume(&p("resumed"), spec, limits::HASH_BLOCK, Hash::of(&ones)).unwrap();
        upload.append(&zeros).unwrap();
        home.store.commit_one(upload).unwrap();

        assert!(fs::read(home.dir.path().join("parts")).unwrap() == vec![0; 2 * BLOCK], "{staging:?}");
        assert!(fs::read(home.dir.path().join("resumed")).unwrap() == [ones, zeros].concat(), "{staging:?}");
    }
}

/// What there is of an upload to `f` once the process is gone that has this home: of a copy of what is on its disk now.
fn left_by_a_crash(home: &Home, staging: Staging) -> Option<Partial> {
    let place = tempfile::tempdir().unwrap();
    let there = format!("{}/.", home.dir.path().display());
    let copied = Command::new("cp").args(["-a", &there]).arg(place.path()).status().unwrap();
    assert!(copied.success());
    let store = LocalStore::open_path(place.path(), options(staging)).unwrap();
    store.sweep(Some(limits::PARTIAL_MAX_AGE)).unwrap();
    let left = store.partial(&p("f")).unwrap();
    if staging == Staging::Hidden {
        // No more of it is there, and none of it uncounted.
        let counting = store.bounded(1 << 40, "full".to_owned());
        assert_eq!(counting.usage().unwrap().unwrap().used, left.as_ref().map_or(0, |left| left.len));
    }
    left
}

#[test]
fn of_a_file_that_came_in_parts_a_crash_leaves_what_is_there_without_a_gap() {
    for (staging, durability, allocated) in [
        (Staging::Hidden, Durability::Full, None),
        (Staging::Hidden, Durability::None, Some(0)),
        (Staging::Beside, Durability::None, None),
    ] {
        let home = Home::with(LocalOptions::new(durability, staging));
        let mut bytes = content(6 * BLOCK);
        // At the end of what is whole first there may be a hole.
        bytes[BLOCK..2 * BLOCK].fill(0);
        let spec = UploadSpec { size: Some(bytes.len() as u64), allocated, ..UploadSpec::default() };
        let staged = home.store.begin(&p("f"), spec).unwrap().into_parts().unwrap();
        let part = |block: usize| {
            let mut part = staged.part((block * BLOCK) as u64, limits::HASH_BLOCK).unwrap();
            part.append(&bytes[block * BLOCK..][..BLOCK]).unwrap();
            part
        };
        assert_eq!(left_by_a_crash(&home, staging), None, "{staging:?}");
        for block in [0, 1, 3] {
            part(block).finish().unwrap();
        }
        assert_eq!(left_by_a_crash(&home, staging), partial_of(&bytes, 2), "{staging:?}");
        // One that is sent once more does not count until it has come.
        let again = part(1);
        assert_eq!(left_by_a_crash(&home, staging), partial_of(&bytes, 1), "{staging:?}");
        again.finish().unwrap();
        part(2).finish().unwrap();
        assert_eq!(left_by_a_crash(&home, staging), partial_of(&bytes, 4), "{staging:?}");
        // Kept and gone on with it says nothing of that any more, nor does the file.
        assert_eq!(staged.keep(), 4 * limits::HASH_BLOCK);
        let proven = partial_of(&bytes, 3).unwrap();
        let staged = home.store.resume(&p("f"), spec, proven.len, proven.hash).unwrap().into_parts().unwrap();
        assert_eq!(left_by_a_crash(&home, staging), Some(proven), "{staging:?}");
        for block in [5, 4, 3] {
            let mut part = staged.part((block * BLOCK) as u64, limits::HASH_BLOCK).unwrap();
            part.append(&bytes[block * BLOCK..][..BLOCK]).unwrap();
            part.finish().unwrap();
        }
        let upload = staged.into_upload().unwrap();
        assert_eq!(left_by_a_crash(&home, staging), partial_of(&bytes, 6), "{staging:?}");
        home.store.commit_one(upload).unwrap();
        let stored = home.dir.path().join("f");
        assert!(fs::read(&stored).unwrap() == bytes, "{staging:?}");
        let mut none = [0; 64];
        let noted = rustix::fs::getxattr(&stored, "user.sealift.whole", &mut none[..]);
        assert_eq!(noted, Err(rustix::io::Errno::NODATA), "{staging:?}");
    }
}

/// Where renaming without replacing is made of two steps, a server that is killed in between leaves a file that is in its place and staged,
/// too.
#[test]
fn what_is_in_its_place_already_is_no_part_and_nobody_writes_into_it() {
    let bytes = content(BLOCK + 5);
    for is_saved in [false, true] {
        let home = Home::with(options(Staging::Hidden));
        let whole = home.dir.path().join("f");
        fs::write(&whole, &bytes).unwrap();
        let key = Hash::of(b"f").to_string();
        let reserved = home.dir.path().join(limits::RESERVED_NAME);
        let session = reserved.join("s-dead");
        fs::create_dir_all(&session).unwrap();
        fs::write(session.join("lock"), "").unwrap();
        let staged = match is_saved {
            // As a sweep of before would have saved it.
            true => reserved.join(format!("p-{}", &key[..32])),
            false => session.join(format!("0-{}", &key[..32])),
        };
        fs::hard_link(&whole, &staged).unwrap();
        let swept = home.store.sweep(Some(Duration::from_secs(86_400))).unwrap();
        assert_eq!(swept.saved, 0);
        assert_eq!(home.store.partial(&p("f")).unwrap(), None);
        let proven = Hash::of(&bytes[..BLOCK]);
        let resumed = home.store.resume(&p("f"), UploadSpec::default(), BLOCK as u64, proven);
        assert_eq!(resumed.map(drop).unwrap_err().kind(), Kind::Changed, "{is_saved}");
        assert!(fs::read(&whole).unwrap() == bytes, "{is_saved}: what all see was cut");
        assert_eq!(staged.exists(), is_saved);
    }
}
