//! What becomes of files.

use super::{Checked, Failure, Home, begun, ensure, list, p, put, put_if, read, refused, same};
use crate::error::{Kind, Result};
use crate::files::{
    Condition, Done, EntryKind, FileMode, Finding, Hash, Mtime, NewMode, Overwrite, Record, SourceMode, Store, Stored,
    Umask, Upload, UploadSpec,
};
use crate::limits;

/// Bytes, size, hash and time are what was sent, and nothing shows before the commit.
pub fn what_is_uploaded_is_read_back(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    store.make_dir(&p("d")?, false)?;
    let mtime = Mtime { secs: 1_000_000_000, nanos: 123_456_789 };
    let spec = UploadSpec { size: Some(5), mtime: Some(mtime), ..UploadSpec::default() };
    let mut upload = store.begin(&p("d/x")?, spec)?;
    upload.append(b"he")?;
    upload.append(b"llo")?;
    same((upload.len(), upload.hash()), (5, Hash::of(b"hello")), "an upload's length and hash")?;
    same(list(&*store, "", true)?, vec!["d".to_owned()], "before the commit")?;
    let committed = store.commit_one(upload)?;
    let found = (committed.size, committed.hash, committed.mtime, committed.stored);
    same(found, (5, Hash::of(b"hello"), mtime, Stored::Created), "committed")?;
    let meta = store.stat(&p("d/x")?)?;
    same((meta.kind, meta.size, meta.mtime), (EntryKind::File, 5, mtime), "stat")?;
    same(read(&*store, "d/x")?, b"hello".to_vec(), "its bytes")?;
    same(list(&*store, "", true)?, vec!["d".to_owned(), "d/x".to_owned()], "after the commit")?;
    same(put(&*store, "empty", b"")?.hash, Hash::of(b""), "a file of no bytes")?;
    same(read(&*store, "empty")?, Vec::new(), "its bytes")?;
    refused(store.open(&p("none")?), Kind::NotFound, "opening nothing")?;
    refused(store.stat(&p("none")?), Kind::NotFound, "looking at nothing")?;
    refused(store.open(&p("d")?), Kind::IsDirectory, "opening a folder")?;
    refused(store.open(&p("d/x/y")?), Kind::NotDirectory, "opening what is in a file")?;
    same(store.stat(&p("")?)?.kind, EntryKind::Directory, "the home itself")
}

/// Nothing of it shows, before and after.
pub fn a_dropped_upload_leaves_the_old_file(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    put(&*store, "x", b"old")?;
    drop(begun(&*store, "x", UploadSpec::default(), b"new")?);
    // Nor if it was whole.
    drop(begun(&*store, "x", UploadSpec::default(), b"new")?.prepare());
    same(read(&*store, "x")?, b"old".to_vec(), "the old file")?;
    same(list(&*home.open()?, "", true)?, vec!["x".to_owned()], "what is there")
}

/// More is refused while it comes, less at the commit.
pub fn a_size_that_was_announced_must_come_exactly(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let spec = UploadSpec { size: Some(3), ..UploadSpec::default() };
    let mut long = store.begin(&p("x")?, spec)?;
    refused(long.append(b"four"), Kind::Integrity, "too many bytes")?;
    let short = begun(&*store, "x", spec, b"ab")?;
    let results = store.commit(vec![long.prepare(), short.prepare()]);
    let kinds: Vec<_> = results.into_iter().map(|result| result.map(drop).map_err(|error| error.kind())).collect();
    same(kinds, vec![Err(Kind::Io), Err(Kind::Integrity)], "the commit of both")?;
    ensure(list(&*store, "", true)?.is_empty(), "nothing is stored of either")
}

/// What must be true of the target is looked at when it takes its place, and not before.
pub fn conditions_are_decided_at_the_commit(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    put_if(&*store, "x", b"one", Condition::Absent)??;
    refused(put_if(&*store, "x", b"two", Condition::Absent)?, Kind::Exists, "where something is")?;
    let wrong = Condition::Hash(Hash::of(b"other"));
    refused(put_if(&*store, "x", b"two", wrong)?, Kind::Changed, "over another file")?;
    refused(put_if(&*store, "absent", b"two", wrong)?, Kind::Changed, "over nothing")?;
    same(read(&*store, "x")?, b"one".to_vec(), "after what was refused")?;
    let replaced = put_if(&*store, "x", b"two", Condition::Hash(Hash::of(b"one")))??;
    same(replaced.stored, Stored::Replaced, "over the right file")?;
    same(read(&*store, "x")?, b"two".to_vec(), "then")?;

    // The name is taken between begin and commit.
    let late = begun(&*store, "y", UploadSpec { condition: Condition::Absent, ..UploadSpec::default() }, b"late")?;
    put(&*store, "y", b"first")?;
    refused(store.commit_one(late), Kind::Exists, "a name that was taken meanwhile")?;
    same(read(&*store, "y")?, b"first".to_vec(), "who was first")?;
    let expected = Condition::Hash(Hash::of(b"first"));
    let late = begun(&*store, "y", UploadSpec { condition: expected, ..UploadSpec::default() }, b"late")?;
    put(&*store, "y", b"another")?;
    refused(store.commit_one(late), Kind::Changed, "a file that was replaced meanwhile")
}

/// Without the right to replace, the same bytes count as stored, and nothing else is touched.
pub fn who_may_not_replace_can_repeat_the_same_bytes_alone(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let spec = UploadSpec { overwrite: Overwrite::Refused, ..UploadSpec::default() };
    let first = store.commit_one(begun(&*store, "x", spec, b"one")?)?;
    same(first.stored, Stored::Created, "where nothing is")?;
    let again = store.commit_one(begun(&*store, "x", spec, b"one")?)?;
    same((again.stored, again.mtime), (Stored::Same, first.mtime), "the same bytes")?;
    refused(store.commit_one(begun(&*store, "x", spec, b"two")?), Kind::Denied, "other bytes")?;
    let mut allowed = begun(&*store, "x", UploadSpec::default(), b"two")?;
    allowed.refuse_overwrite();
    refused(store.commit_one(allowed), Kind::Denied, "who lost the right on the way")?;
    let sized = UploadSpec { size: Some(4), ..spec };
    refused(store.begin(&p("x")?, sized), Kind::Denied, "another size, before any byte comes")?;
    same(read(&*store, "x")?, b"one".to_vec(), "what is there")
}

/// Who is to learn nothing of what is there gets a name that is free, and is refused nothing.
pub fn what_is_numbered_takes_a_free_name_whatever_has_its_own(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let spec = UploadSpec {
        overwrite: Overwrite::Numbered,
        condition: Condition::Absent,
        size: Some(3),
        ..UploadSpec::default()
    };
    let commit =
        |name: &str, bytes: &[u8]| Ok::<_, Failure>(store.commit_one(begun(&*store, name, spec, bytes)?)?.stored);
    same(commit("x.txt", b"one")?, Stored::Created, "where nothing is")?;
    same(commit("x.txt", b"one")?, Stored::Numbered(2), "the same bytes once more")?;
    store.make_dir(&p("x-3.txt")?, false)?;
    same(commit("x.txt", b"two")?, Stored::Numbered(4), "where a folder has the next number")?;
    // One that lost a right on the way, which it never had.
    let mut fewer = begun(&*store, "x.txt", spec, b"six")?;
    fewer.refuse_overwrite();
    same(store.commit_one(fewer)?.stored, Stored::Numbered(5), "the same for who may replace nothing")?;
    // Two at once.
    let both = ["one", "two"].map(|bytes| begun(&*store, "y", spec, bytes.as_bytes()));
    let both = both.into_iter().map(|upload| Ok(upload?.prepare())).collect::<Checked<Vec<_>>>()?;
    let stored = store.commit(both).into_iter().filter_map(|done| match done {
        Ok(Done::File(committed)) => Some(committed.stored),
        _ => None,
    });
    same(stored.collect::<Vec<_>>(), vec![Stored::Created, Stored::Numbered(2)], "two in one commit")?;
    for (name, bytes) in [("x.txt", "one"), ("x-2.txt", "one"), ("x-4.txt", "two"), ("x-5.txt", "six"), ("y-2", "two")]
    {
        same(read(&*store, name)?, bytes.as_bytes().to_vec(), name)?;
    }
    Ok(())
}

/// The last of one name wins, and what fails fails alone.
pub fn a_batch_is_committed_in_order_and_one_failure_is_alone(fresh: &dyn Fn() -> Home) -> Checked {
    for count in [2, 50] {
        let home = fresh();
        let store = home.open()?;
        store.make_dir(&p("d")?, false)?;
        let mut batch = Vec::new();
        for n in 0..count {
            let name = if n % 2 == 0 { "x".to_owned() } else { format!("d/{n}") };
            batch.push(begun(&*store, &name, UploadSpec::default(), n.to_string().as_bytes())?);
        }
        batch.insert(1, begun(&*store, "d", UploadSpec::default(), b"over a folder")?);
        let results = store.commit(batch.into_iter().map(Upload::prepare).collect());
        same(results.len(), count + 1, "answers")?;
        for (at, result) in results.into_iter().enumerate() {
            match at {
                1 => refused(result, Kind::IsDirectory, "a file over a folder")?,
                _ => drop(result?),
            }
        }
        same(read(&*store, "x")?, (count - 2).to_string().into_bytes(), "the later one wins")?;
        same(list(&*store, "d", false)?.len(), count / 2, "the others")?;
    }
    Ok(())
}

/// Each change has its own answer, and one of another store is nobody's.
pub fn folders_and_files_of_one_commit_are_answered_in_its_order_and_a_foreign_one_is_refused_alone(
    fresh: &dyn Fn() -> Home,
) -> Checked {
    let (home, elsewhere) = (fresh(), fresh());
    let (store, other) = (home.open()?, elsewhere.open()?);
    let whole = |store: &dyn Store, name: &str| -> Checked<_> {
        Ok(begun(store, name, UploadSpec::default(), b"bytes")?.prepare())
    };
    let changes = vec![
        store.begin_dir(&p("one")?, false, None)?,
        whole(&*store, "one/f")?,
        whole(&*other, "foreign")?,
        store.begin_dir(&p("two/three")?, true, None)?,
        whole(&*store, "two/f")?,
    ];
    let file = |done: &Result<Done>| matches!(done, Ok(Done::File(committed)) if committed.size == 5);
    match &*store.commit(changes) {
        [Ok(Done::Folder { made: 1 }), first, Err(foreign), Ok(Done::Folder { made: 2 }), second] => {
            ensure(file(first) && file(second), "the files are answered where they stand")?;
            same(foreign.kind(), Kind::Internal, "a change of another store")?;
        }
        other => return Err(Failure(format!("the answers are {other:?}"))),
    }
    same(
        list(&*store, "", true)?,
        ["one", "one/f", "two", "two/f", "two/three"].map(str::to_owned).to_vec(),
        "stored",
    )?;
    ensure(list(&*other, "", true)?.is_empty(), "nothing is stored in the other store")
}

/// Where the store tells files apart at all; and its listings and its files say the same of one.
pub fn what_replaces_a_file_of_its_size_and_time_is_told_apart(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let spec = UploadSpec { mtime: Some(Mtime { secs: 1_000_000_000, nanos: 0 }), ..UploadSpec::default() };
    let identity = || Ok::<_, Failure>(store.open(&p("x")?)?.identity());
    let mut before = Vec::new();
    for bytes in [b"one", b"two", b"six"] {
        store.commit_one(begun(&*store, "x", spec, bytes)?)?;
        let is = identity()?;
        ensure(is.is_none() || !before.contains(&is), "another file is taken for what it replaced")?;
        same(identity()?, is, "looked at again")?;
        if let Some(Ok(listed)) = store.list(&p("")?, false)?.next() {
            ensure(listed.identity.is_none() || listed.identity == is, "a listing tells it by something else")?;
        }
        before.push(is);
    }
    Ok(())
}

/// Whatever takes its name meanwhile.
pub fn an_open_file_is_the_one_that_was_opened(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let (old, new) = (super::content(3 * limits::CHUNK), vec![1; 3 * limits::CHUNK]);
    put(&*store, "x", &old)?;
    let mut source = store.open(&p("x")?)?;
    source.expect(0, old.len() as u64);
    put(&*store, "x", &new)?;
    store.remove(&p("x")?, false)?;
    let mut bytes = vec![0; old.len() + 1];
    let (end, beyond) = (old.len() as u64, old.len() as u64 + 9);
    same(source.read_at(0, &mut bytes)?, old.len(), "all of it")?;
    ensure(bytes.starts_with(&old), "its bytes are those of before")?;
    same((source.read_at(end, &mut bytes)?, source.read_at(beyond, &mut bytes)?), (0, 0), "at its end")?;
    let mut few = [0; 5];
    same(source.read_at(2, &mut few)?, 5, "a few bytes")?;
    same(few.as_slice(), old.get(2..7).unwrap_or_default(), "from the middle")
}

/// What is sent with a file of its mode, and what stays of that of the file before.
pub fn a_replaced_file_keeps_its_mode_and_a_new_one_is_no_wider_than_its_source(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let from = |bits, perms| Some(SourceMode { mode: FileMode::of(bits), perms });
    let mode_of = |path: &str| -> Checked<u32> { Ok(store.stat(&p(path)?)?.mode.bits()) };
    let store_with = |path: &str, mode| -> Checked {
        let upload = begun(&*store, path, UploadSpec { mode, ..UploadSpec::default() }, b"bytes")?;
        Ok(store.commit_one(upload).map(drop)?)
    };
    store_with("secret", from(0o600, false))?;
    same(mode_of("secret")?, 0o600, "no wider than its source")?;
    store_with("program", from(0o700, false))?;
    same(mode_of("program")?, 0o700, "a program")?;
    store_with("kept", from(0o604, true))?;
    same(mode_of("kept")?, 0o604, "all nine bits, where that is asked for")?;
    put(&*store, "kept", b"new bytes")?;
    same(mode_of("kept")?, 0o604, "over a file that was there")?;
    same(store.set_mode(&p("kept")?, SourceMode { mode: FileMode::of(0o640), perms: true })?.bits(), 0o640, "given")?;
    same((mode_of("kept")?, read(&*store, "kept")?), (0o640, b"new bytes".to_vec()), "then")?;
    for bits in [0o604, 0o640] {
        let given = SourceMode { mode: FileMode::of(bits), perms: true };
        let kept = match store.begin_mode(&p("kept")?, given)? {
            NewMode::Kept(mode) => mode,
            NewMode::Waits(change) => {
                same(mode_of("kept")?, bits, "before it is committed")?;
                match store.commit(vec![change]).pop() {
                    Some(Ok(Done::Mode(mode))) => mode,
                    other => return Err(Failure(format!("a mode is answered with {other:?}"))),
                }
            }
        };
        same((kept.bits(), mode_of("kept")?), (bits, bits), "begun and committed")?;
    }
    let umask = Umask::of(0o007);
    for (path, mode, bits) in [
        ("open", None, 0o660),
        ("open-program", from(0o755, false), 0o750),
        ("narrow", from(0o600, false), 0o600),
        ("all", from(0o607, true), 0o607),
    ] {
        let upload = begun(&*store, path, UploadSpec { mode, umask: Some(umask), ..UploadSpec::default() }, b"bytes")?;
        store.commit_one(upload)?;
        same(mode_of(path)?, bits, path)?;
    }
    store.make_dir(&p("d")?, false)?;
    let any = SourceMode { mode: FileMode::ALL, perms: true };
    refused(store.set_mode(&p("d")?, any), Kind::IsDirectory, "of a folder")?;
    refused(store.begin_mode(&p("d")?, any).map(drop), Kind::IsDirectory, "begun of a folder")?;
    refused(store.set_mode(&p("none")?, any), Kind::NotFound, "of nothing")?;
    let mtime = Mtime { secs: 1_000_000_000, nanos: 5 };
    store.set_mtime(&p("kept")?, mtime)?;
    same(store.stat(&p("kept")?)?.mtime, mtime, "the time that was given")?;
    refused(store.set_mtime(&p("d")?, mtime), Kind::IsDirectory, "the time of a folder")?;
    refused(store.set_mtime(&p("none")?, mtime), Kind::NotFound, "the time of nothing")?;
    // Not every storage keeps something of a folder, and none gives it to a file.
    let all = store.set_folder(&p("d")?, mtime, Some(FileMode::ALL))?;
    same(store.stat(&p("d")?)?.mode, all, "the mode that a folder is said to have")?;
    let before = store.stat(&p("kept")?)?;
    let _refused_or_passed_over = store.set_folder(&p("kept")?, Mtime { secs: 1, nanos: 0 }, Some(FileMode::of(0)));
    let after = store.stat(&p("kept")?)?;
    same((after.mtime, after.mode), (before.mtime, before.mode), "a file that was taken for a folder")
}

/// Where nothing can be recorded there is no record, and nothing is made up.
pub fn what_is_recorded_of_a_large_file_is_its_hash_until_somebody_reads_another(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = super::content(usize::try_from(limits::RECORD_MIN).unwrap_or(0));
    let hash = put(&*store, "large", &bytes)?.hash;
    put(&*store, "small", b"small")?;
    let (large, small) = (store.open(&p("large")?)?, store.open(&p("small")?)?);
    same((small.record(), small.compare(&Hash::of(b"small"))), (None, Finding::Unrecorded), "of a small file")?;
    let Some(record) = large.record() else {
        return same(large.compare(&hash), Finding::Unrecorded, "of a store that records nothing");
    };
    same((record, large.compare(&hash)), (Record::Sound(hash), Finding::Confirmed), "of a large file")?;
    let other = Hash::of(b"other");
    ensure(matches!(large.compare(&other), Finding::Rotten(rot) if rot.found == other), "a contradiction is told")?;
    ensure(matches!(store.open(&p("large")?)?.record(), Some(Record::Rotten(_))), "and recorded")?;
    store.open(&p("large")?)?.accept(&other)?;
    same(store.open(&p("large")?)?.record(), Some(Record::Sound(other)), "until it is accepted")?;
    put(&*store, "large", &bytes)?;
    same(store.open(&p("large")?)?.record(), Some(Record::Sound(hash)), "or replaced")
}
