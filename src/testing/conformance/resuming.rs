//! Interrupted uploads, and those that come in parts.

use super::{Checked, Home, begun, content, ensure, list, p, put, read, refused, same};
use crate::error::Kind;
use crate::files::{Condition, Hash, Interrupted, Partial, Store, UploadSpec};
use crate::limits;

const BLOCK: usize = limits::HASH_BLOCK as usize;

fn first(bytes: &[u8], blocks: usize) -> &[u8] {
    bytes.get(..blocks * BLOCK).unwrap_or_default()
}

fn partial_of(bytes: &[u8], blocks: usize) -> Option<Partial> {
    Some(Partial { len: (blocks * BLOCK) as u64, hash: Hash::of(first(bytes, blocks)) })
}

/// Leaves an upload of these bytes behind; nothing to be looked at if this store keeps none.
fn interrupted(store: &dyn Store, path: &str, bytes: &[u8]) -> Checked<Option<u64>> {
    let kept = begun(store, path, UploadSpec::default(), bytes)?.keep();
    if !store.promises().resumes {
        same(kept, 0, "what a store that resumes nothing keeps")?;
        return Ok(None);
    }
    Ok(Some(kept))
}

/// In another session too.
pub fn an_interrupted_upload_goes_on_where_its_whole_blocks_end(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let (bytes, store) = (content(3 * BLOCK + 1000), home.open()?);
    same(store.partial(&p("x")?)?, None, "before")?;
    let Some(kept) = interrupted(&*store, "x", bytes.get(..2 * BLOCK + 5).unwrap_or_default())? else { return Ok(()) };
    same(kept, 2 * limits::HASH_BLOCK, "kept")?;
    ensure(list(&*store, "", true)?.is_empty(), "it shows nowhere")?;

    let store = home.open()?;
    same(store.partial(&p("x")?)?, partial_of(&bytes, 2), "what is found")?;
    same(store.partial(&p("y")?)?, None, "of another path")?;
    let spec = UploadSpec { size: Some(bytes.len() as u64), condition: Condition::Absent, ..UploadSpec::default() };
    let mut upload = store.resume(&p("x")?, spec, limits::HASH_BLOCK, Hash::of(first(&bytes, 1)))?;
    same((upload.len(), upload.hash()), (limits::HASH_BLOCK, Hash::of(first(&bytes, 1))), "gone on with")?;
    upload.append(bytes.get(BLOCK..).unwrap_or_default())?;
    same(upload.hash(), Hash::of(&bytes), "the hash of every byte")?;
    same(store.commit_one(upload)?.hash, Hash::of(&bytes), "committed")?;
    ensure(read(&*store, "x")? == bytes, "the bytes are all there, in order")?;
    same(store.partial(&p("x")?)?, None, "after")
}

/// What cannot be proven cannot be gone on with.
pub fn less_than_a_block_is_not_kept(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    same(begun(&*store, "x", UploadSpec::default(), &content(BLOCK - 1))?.keep(), 0, "kept")?;
    same(store.partial(&p("x")?)?, None, "found")
}

/// However much of it there was.
pub fn nothing_stays_of_an_upload_that_nobody_will_go_on_with(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = content(2 * BLOCK);
    let spec = UploadSpec { interrupted: Interrupted::Dropped, ..UploadSpec::default() };
    same(begun(&*store, "x", spec, &bytes)?.keep(), 0, "kept")?;
    same(store.partial(&p("x")?)?, None, "found")?;
    let whole = begun(&*store, "x", spec, &bytes)?;
    same(store.commit_one(whole)?.hash, Hash::of(&bytes), "committed")?;
    ensure(read(&*store, "x")? == bytes, "the bytes are all there")
}

/// What is not the sender's beginning is left for whoever has it.
pub fn a_beginning_that_is_not_proven_is_refused_and_stays(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = content(2 * BLOCK);
    if interrupted(&*store, "x", &bytes)?.is_none() {
        return Ok(());
    }
    let (path, one, two) = (p("x")?, limits::HASH_BLOCK, 2 * limits::HASH_BLOCK);
    let right = Hash::of(&bytes);
    for (from, proven) in
        [(two, Hash::of(b"other")), (one, right), (0, Hash::of(b"")), (one + 1, right), (3 * one, right)]
    {
        refused(store.resume(&path, UploadSpec::default(), from, proven), Kind::Changed, format!("from {from}"))?;
    }
    same(store.partial(&path)?, partial_of(&bytes, 2), "it stays")?;
    refused(store.resume(&p("y")?, UploadSpec::default(), two, right), Kind::Changed, "of another path")?;
    let small = UploadSpec { size: Some(two - 1), ..UploadSpec::default() };
    refused(store.resume(&path, small, two, right), Kind::Integrity, "for less than there is")?;
    put(&*store, "y", b"there")?;
    let absent = UploadSpec { condition: Condition::Absent, ..UploadSpec::default() };
    refused(store.resume(&p("y")?, absent, two, right), Kind::Exists, "where something is")?;
    same(store.partial(&path)?, partial_of(&bytes, 2), "it stays")?;
    drop(store.resume(&path, UploadSpec::default(), two, right)?);
    same(store.partial(&path)?, None, "dropped, not kept")
}

/// Nor goes on with it, uses it up, or has it go when the own upload is whole.
pub fn of_users_who_have_one_home_none_finds_what_is_left_of_another(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let (Some(alice), Some(bob)) = (home.open_for("alice")?, home.open_for("bob")?) else { return Ok(()) };
    let (bytes, path) = (content(2 * BLOCK), p("x")?);
    if interrupted(&*alice, "x", &bytes)?.is_none() {
        return Ok(());
    }
    same(bob.partial(&path)?, None, "what another user finds")?;
    same(home.open()?.partial(&path)?, None, "what somebody finds who is none of them")?;
    let refusal = bob.resume(&path, UploadSpec::default(), limits::HASH_BLOCK, Hash::of(first(&bytes, 1)));
    refused(refusal, Kind::Changed, "for another user")?;
    interrupted(&*bob, "x", first(&bytes, 1))?;
    same(alice.partial(&path)?, partial_of(&bytes, 2), "hers, beside another user's")?;
    same(bob.partial(&path)?, partial_of(&bytes, 1), "the other user's")?;
    put(&*bob, "x", first(&bytes, 1))?;
    let again = home.open_for("alice")?.map_or(Ok(None), |alice| alice.partial(&path))?;
    same(again, partial_of(&bytes, 2), "hers in another session")
}

/// Several at once, and again if a connection was lost.
pub fn parts_come_in_any_order_and_each_once(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = content(2 * BLOCK + 77);
    let spec = UploadSpec { size: Some(bytes.len() as u64), ..UploadSpec::default() };
    let staged = store.begin(&p("x")?, spec)?.into_parts()?;
    let (block, end) = (limits::HASH_BLOCK, bytes.len() as u64);
    for (offset, length) in [(1, block), (0, block - 1), (0, 0), (0, end + 1), (block, u64::MAX), (u64::MAX, block)] {
        refused(staged.part(offset, length), Kind::BadCommand, format!("a part of {length} at {offset}"))?;
    }
    let mut last = staged.part(2 * block, 77)?;
    let mut lost = staged.part(0, block)?;
    lost.append(bytes.get(7..11).unwrap_or_default())?;
    refused(staged.part(0, 2 * block), Kind::Exists, "over one on its way")?;
    // The same again takes its place.
    let mut again = staged.part(0, block)?;
    refused(lost.append(b"late"), Kind::Aborted, "whose place was taken")?;
    drop(lost);
    last.append(bytes.get(2 * BLOCK..).unwrap_or_default())?;
    refused(last.append(b"more"), Kind::Integrity, "more than it was to be")?;
    same(last.finish()?, 77, "the last part")?;
    let mut middle = staged.part(block, block)?;
    middle.append(bytes.get(BLOCK..2 * BLOCK).unwrap_or_default())?;
    again.append(first(&bytes, 1))?;
    same((middle.finish()?, again.finish()?), (block, block), "the others")?;
    let upload = staged.into_upload()?;
    same((upload.len(), upload.hash()), (end, Hash::of(&bytes)), "as if it had come in one piece")?;
    store.commit_one(upload)?;
    ensure(read(&*store, "x")? == bytes, "the bytes are all there, in order")
}

/// Gaps are never filled with anything.
pub fn an_upload_in_parts_is_whole_or_nothing(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = content(3 * BLOCK);
    let spec = UploadSpec { size: Some(bytes.len() as u64), ..UploadSpec::default() };
    refused(store.begin(&p("x")?, UploadSpec::default())?.into_parts(), Kind::BadCommand, "without a size")?;
    let with = |blocks: &[usize]| -> Checked<_> {
        let staged = store.begin(&p("x")?, spec)?.into_parts()?;
        for block in blocks {
            let mut part = staged.part((block * BLOCK) as u64, limits::HASH_BLOCK)?;
            part.append(bytes.get(block * BLOCK..(block + 1) * BLOCK).unwrap_or_default())?;
            part.finish()?;
        }
        Ok(staged)
    };
    refused(with(&[0, 2])?.into_upload(), Kind::Integrity, "with a gap")?;
    let on_its_way = with(&[0, 1])?;
    let part = on_its_way.part(2 * limits::HASH_BLOCK, limits::HASH_BLOCK)?;
    refused(on_its_way.into_upload(), Kind::Integrity, "with a part on its way")?;
    refused(part.finish(), Kind::Integrity, "a part that is not whole")?;
    let given_up = with(&[0])?;
    let mut part = given_up.part(limits::HASH_BLOCK, limits::HASH_BLOCK)?;
    drop(given_up);
    refused(part.append(b"late"), Kind::Aborted, "a part of what was given up")?;
    drop(part);
    ensure(list(&*store, "", true)?.is_empty(), "nothing is stored")?;
    let kept = with(&[0, 2])?.keep();
    let expected = if store.promises().resumes { (limits::HASH_BLOCK, partial_of(&bytes, 1)) } else { (0, None) };
    same((kept, store.partial(&p("x")?)?), expected, "what is kept: as far as there is no gap")
}
