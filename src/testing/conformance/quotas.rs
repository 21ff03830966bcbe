//! What a home under a quota may hold.

use super::{Checked, Home, begun, content, p, put, read, refused, same};
use crate::error::Kind;
use crate::files::{Store, UploadSpec};
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

/// They are not counted, so there are none.
pub fn nothing_is_kept_of_interrupted_uploads_where_there_is_a_quota(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let block = usize::try_from(limits::HASH_BLOCK).unwrap_or(0);
    let bytes = content(2 * block);
    begun(&*home.open()?, "before", UploadSpec::default(), &bytes)?.keep();
    let store = home.bounded(10 * limits::HASH_BLOCK)?;
    put(&*store, "x", b"measures what there is")?;
    same(store.promises().resumes, false, "promised")?;
    same(begun(&*store, "y", UploadSpec::default(), &bytes)?.keep(), 0, "kept")?;
    same(store.partial(&p("y")?)?, None, "found")?;
    same(store.partial(&p("before")?)?, None, "found of before")
}
