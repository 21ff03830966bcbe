//! What a home under a quota may hold.

use super::{Checked, Home, begun, content, ensure, p, put, read, refused, same};
use crate::error::Kind;
use crate::files::{Hash, Store, UploadSpec};
use crate::limits;

/// Whatever was done before, exactly so many bytes more can be stored.
fn has_left(store: &dyn Store, left: usize, when: &str) -> Checked {
    let spec = |len: usize| UploadSpec { size: Some(len as u64), ..UploadSpec::default() };
    refused(store.begin(&p("probe")?, spec(left + 1)), Kind::Quota, format!("one byte more than is left {when}"))?;
    drop(store.begin(&p("probe")?, spec(left))?);
    Ok(())
}

/// Stored, replaced, moved, removed, given up: it is always known what there is.
pub fn a_quota_is_kept_to_the_byte(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let free = home.open()?;
    free.make_dir(&p("d")?, false)?;
    put(&*free, "d/before", &[1; 100])?;
    let store = home.bounded(1000)?;
    has_left(&*store, 900, "at first")?;
    put(&*store, "d/x", &[2; 300])?;
    has_left(&*store, 600, "after an upload")?;
    put(&*store, "d/x", &[3; 50])?;
    has_left(&*store, 850, "after a smaller file took its place")?;
    refused(put_unannounced(&*store, "d/x", 900)?, Kind::Quota, "over a file, with no room beside it")?;
    same(read(&*store, "d/x")?, vec![3; 50], "the file of before")?;
    let waiting = begun(&*store, "w", UploadSpec { size: Some(500), ..UploadSpec::default() }, &[4; 10])?;
    has_left(&*store, 350, "while an upload is on its way")?;
    drop(waiting);
    has_left(&*store, 850, "when it was given up")?;
    put(&*free, "d/free", &[5; 100])?;
    has_left(&*store, 750, "after a session without a quota stored something")?;
    store.rename(&p("d")?, &p("e")?, false)?;
    put(&*store, "e/y", &[6; 50])?;
    has_left(&*store, 700, "after a folder was moved")?;
    store.rename(&p("e/y")?, &p("e/x")?, true)?;
    has_left(&*store, 750, "after a file was moved over another")?;
    store.remove(&p("e/x")?, false)?;
    has_left(&*store, 800, "after a file was removed")?;
    store.remove(&p("e")?, true)?;
    has_left(&*home.bounded(1000)?, 1000, "after all was removed")
}

fn put_unannounced(store: &dyn Store, path: &str, len: usize) -> Checked<crate::error::Result<()>> {
    let mut upload = store.begin(&p(path)?, UploadSpec::default())?;
    Ok(upload.append(&vec![9; len]))
}

/// What is promised to one is not promised to another.
pub fn uploads_side_by_side_are_never_over_a_quota(fresh: &dyn Fn() -> Home) -> Checked {
    const LEN: usize = 100;
    let home = fresh();
    for announced in [true, false] {
        let tried = std::thread::scope(|scope| {
            let upload = |n: usize| -> Checked<bool> {
                let store = home.bounded(3 * LEN as u64 + 50)?;
                let spec = UploadSpec { size: announced.then_some(LEN as u64), ..UploadSpec::default() };
                let mut upload = match store.begin(&p(&format!("f{n}"))?, spec) {
                    Err(error) if error.kind() == Kind::Quota => return Ok(false),
                    begun => begun?,
                };
                match upload.append(&[7; LEN]) {
                    Err(error) if error.kind() == Kind::Quota => return Ok(false),
                    appended => appended?,
                }
                store.commit_one(upload)?;
                Ok(true)
            };
            let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || upload(n))).collect();
            threads.into_iter().map(super::races::joined).collect::<Checked<Vec<bool>>>()
        })?;
        let store = home.bounded(3 * LEN as u64 + 50)?;
        same(tried.iter().filter(|stored| **stored).count(), 3, "uploads that were stored")?;
        has_left(&*store, 50, "after them")?;
        for name in super::list(&*store, "", false)? {
            store.remove(&p(&name)?, false)?;
        }
    }
    Ok(())
}

/// Where they are not counted there are none.
pub fn nothing_is_kept_of_interrupted_uploads_where_there_is_a_quota(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let block = usize::try_from(limits::HASH_BLOCK).unwrap_or(0);
    let bytes = content(2 * block);
    begun(&*home.open()?, "before", UploadSpec::default(), &bytes)?.keep();
    let store = home.bounded(10 * limits::HASH_BLOCK)?;
    if store.promises().resumes {
        return Ok(());
    }
    put(&*store, "x", b"measures what there is")?;
    same(begun(&*store, "y", UploadSpec::default(), &bytes)?.keep(), 0, "kept")?;
    same(store.partial(&p("y")?)?, None, "found")?;
    same(store.partial(&p("before")?)?, None, "found of before")
}

/// Where they are counted they count, to the byte, from when they are kept until they are gone or whole, and give way to what comes.
pub fn what_is_kept_of_interrupted_uploads_counts_in_a_quota_and_gives_way(fresh: &dyn Fn() -> Home) -> Checked {
    const BLOCKS: u64 = 6;
    let home = fresh();
    let block = usize::try_from(limits::HASH_BLOCK).unwrap_or(0);
    let bytes = content(3 * block);
    let first = |blocks: usize| bytes.get(..blocks * block).unwrap_or_default();
    let spec = |blocks: usize| UploadSpec { size: Some((blocks * block) as u64), ..UploadSpec::default() };
    begun(&*home.open()?, "before", UploadSpec::default(), first(1))?.keep();
    let store = home.bounded(BLOCKS * limits::HASH_BLOCK)?;
    if !store.promises().resumes {
        return Ok(());
    }
    let holds = |blocks: u64, when: &str| -> Checked {
        let used = store.usage()?.map(|usage| usage.used);
        same(used, Some(blocks * limits::HASH_BLOCK), format!("blocks that are used {when}"))
    };
    let is_kept = |name: &str| -> Checked<bool> { Ok(store.partial(&p(name)?)?.is_some()) };
    let resumed = |name: &str, blocks: usize, from: usize| -> Checked<_> {
        let proven = Hash::of(first(from));
        Ok(store.resume(&p(name)?, spec(blocks), (from * block) as u64, proven)?)
    };
    holds(1, "by what was kept without a quota")?;
    same(begun(&*store, "y", spec(3), first(2))?.keep(), 2 * limits::HASH_BLOCK, "kept")?;
    holds(3, "when an upload was cut off")?;
    same(begun(&*store, "y", spec(3), first(1))?.keep(), limits::HASH_BLOCK, "kept")?;
    holds(2, "when another one of the name was cut off")?;
    let mut upload = resumed("y", 3, 1)?;
    holds(1, "while it is gone on with")?;
    has_left(&*store, 3 * block, "while it is")?;
    upload.append(bytes.get(block..2 * block).unwrap_or_default())?;
    same(upload.keep(), 2 * limits::HASH_BLOCK, "kept of what was gone on with")?;
    holds(3, "when it was cut off once more")?;
    drop(resumed("y", 3, 2)?);
    holds(1, "when it was given up")?;
    begun(&*home.open()?, "y", spec(3), first(2))?.keep();
    holds(3, "when a session without a quota was cut off")?;
    let mut upload = resumed("y", 3, 2)?;
    upload.append(bytes.get(2 * block..).unwrap_or_default())?;
    store.commit_one(upload)?;
    holds(4, "when it was whole")?;
    put(&*store, "before", first(1))?;
    holds(4, "when what was cut off came whole in another upload")?;
    ensure(!is_kept("before")?, "what was left of it is gone")?;
    store.remove(&p("before")?, false)?;
    // Three blocks are left.
    begun(&*store, "a", spec(1), first(1))?.keep();
    begun(&*store, "b", spec(2), first(2))?.keep();
    holds(6, "when it is full")?;
    let refusal = store.resume(&p("b")?, spec(4), 2 * limits::HASH_BLOCK, Hash::of(first(2)));
    refused(refusal, Kind::Quota, "going on with what cannot become whole")?;
    ensure(is_kept("b")?, "what cannot become whole stays")?;
    let mut upload = resumed("b", 3, 2)?;
    has_left(&*store, 0, "while what gives way has been promised")?;
    upload.append(bytes.get(2 * block..).unwrap_or_default())?;
    ensure(is_kept("a")?, "nothing goes for what only says that it will come")?;
    store.commit_one(upload)?;
    ensure(!is_kept("a")?, "it went for what came")?;
    holds(6, "at the end")
}

/// However many are cut off and gone on with at once.
pub fn interrupted_uploads_side_by_side_are_never_over_a_quota(fresh: &dyn Fn() -> Home) -> Checked {
    const BLOCKS: u64 = 4;
    let home = fresh();
    let block = usize::try_from(limits::HASH_BLOCK).unwrap_or(0);
    let bytes = content(2 * block);
    let watch = home.bounded(BLOCKS * limits::HASH_BLOCK)?;
    if !watch.promises().resumes {
        return Ok(());
    }
    let used = || -> Checked<u64> { Ok(watch.usage()?.map_or(0, |usage| usage.used)) };
    let proven = Hash::of(bytes.get(..block).unwrap_or_default());
    std::thread::scope(|scope| {
        let (home, bytes) = (&home, &bytes);
        let work = move |n: usize| -> Checked {
            let store = home.bounded(BLOCKS * limits::HASH_BLOCK)?;
            // Two of each name.
            let path = p(&format!("f{}", n / 2))?;
            for _ in 0..2 {
                let spec = UploadSpec { size: Some(bytes.len() as u64), ..UploadSpec::default() };
                let begun = match store.resume(&path, spec, limits::HASH_BLOCK, proven) {
                    Ok(upload) => Ok((upload, block)),
                    Err(_) => store.begin(&path, spec).map(|upload| (upload, 0)),
                };
                let (mut upload, from) = match begun {
                    Err(error) if error.kind() == Kind::Quota => continue,
                    begun => begun?,
                };
                if from > 0 && n.is_multiple_of(4) {
                    upload.append(bytes.get(from..).unwrap_or_default())?;
                    store.commit_one(upload)?;
                    store.remove(&path, false)?;
                } else {
                    upload.append(bytes.get(from..block + 9).unwrap_or_default())?;
                    upload.keep();
                }
                ensure(used()? <= BLOCKS * limits::HASH_BLOCK, "it is never over it")?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..6).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(super::races::joined)
    })?;
    let mut kept = 0;
    for n in 0..3 {
        kept += watch.partial(&p(&format!("f{n}"))?)?.map_or(0, |partial| partial.len);
    }
    same(used()?, kept, "what is used at the end, by what is kept alone")?;
    put(&*watch, "large", &content(4 * block))?;
    same(used()?, BLOCKS * limits::HASH_BLOCK, "what is used by a file for which all of it went")
}
