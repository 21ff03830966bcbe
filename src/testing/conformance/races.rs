//! What several sessions do at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use super::{Checked, Failure, Home, begun, content, ensure, list, p, put, put_if, read, refused, same};
use crate::error::Kind;
use crate::files::{Condition, Hash, UploadSpec};
use crate::limits;

/// How often each race is run.
const ROUNDS: usize = 20;

/// Sessions that take part.
const SESSIONS: usize = 4;

/// What a thread came to.
pub(super) fn joined<T>(thread: ScopedJoinHandle<'_, Checked<T>>) -> Checked<T> {
    thread.join().unwrap_or_else(|_| Err(Failure("a thread of the check has panicked".to_owned())))
}

/// Whoever expects the same file as others replaces it, and they do not; of those who expect nothing one is first.
pub fn of_many_conditional_writers_one_wins(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    for round in 0..ROUNDS {
        let store = home.open()?;
        let (path, before) = (format!("f{}", round / 2), format!("{}", round / 2));
        let condition = match round % 2 {
            0 => Condition::Absent,
            _ => Condition::Hash(Hash::of(&read(&*store, &path)?)),
        };
        let wins = std::thread::scope(|scope| {
            let (home, path, before) = (&home, &path, &before);
            let write = move |n: usize| -> Checked<bool> {
                let bytes = format!("{before} {round} {n}");
                match put_if(&*home.open()?, path, bytes.as_bytes(), condition)? {
                    Ok(_) => Ok(true),
                    Err(error) if matches!(error.kind(), Kind::Exists | Kind::Changed) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            };
            let threads: Vec<_> = (0..SESSIONS).map(|n| scope.spawn(move || write(n))).collect();
            threads.into_iter().map(joined).collect::<Checked<Vec<bool>>>()
        })?;
        same(wins.iter().filter(|won| **won).count(), 1, format!("writers that won with {condition:?}"))?;
    }
    Ok(())
}

/// It is one file or the other.
pub fn a_reader_never_sees_half_of_a_replaced_file(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let contents = |n: u8| vec![n; limits::CHUNK + usize::from(n)];
    put(&*home.open()?, "x", &contents(0))?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (home, over) = (&home, &over);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || -> Checked {
                    let store = home.open()?;
                    while !over.load(Ordering::Relaxed) {
                        let bytes = read(&*store, "x")?;
                        let first = bytes.first().copied().unwrap_or(u8::MAX);
                        ensure(bytes == contents(first), "a file is all old or all new")?;
                    }
                    Ok(())
                })
            })
            .collect();
        let written = (0..SESSIONS).try_for_each(|session| {
            let store = home.open()?;
            let each = u8::try_from(session).unwrap_or(0) * 20;
            (each..each + 20).try_for_each(|n| put(&*store, "x", &contents(n)).map(drop))
        });
        over.store(true, Ordering::Relaxed);
        written.and(readers.into_iter().try_for_each(joined))
    })
}

/// Nor does one who starts over disturb who goes on.
pub fn two_never_go_on_with_the_same_partial(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let store = home.open()?;
    let bytes = content(usize::try_from(limits::HASH_BLOCK).unwrap_or(0));
    let kept = begun(&*store, "x", UploadSpec::default(), &bytes)?.keep();
    if !store.promises().resumes {
        return same(kept, 0, "what a store that resumes nothing keeps");
    }
    let went_on = std::thread::scope(|scope| {
        let (home, bytes) = (&home, &bytes);
        let go_on = move || -> Checked<_> {
            let store = home.open()?;
            let resumed = store.resume(&p("x")?, UploadSpec::default(), limits::HASH_BLOCK, Hash::of(bytes));
            Ok(resumed.ok().map(|upload| (store, upload)))
        };
        let threads: Vec<_> = (0..2 * SESSIONS).map(|_| scope.spawn(go_on)).collect();
        threads.into_iter().map(joined).collect::<Checked<Vec<_>>>()
    })?;
    let mut went_on: Vec<_> = went_on.into_iter().flatten().collect();
    same(went_on.len(), 1, "those who went on")?;
    same(store.partial(&p("x")?)?, None, "what is left for others")?;
    put(&*store, "x", b"by somebody who started over")?;
    for (store, mut upload) in went_on.drain(..) {
        upload.append(b"end")?;
        store.commit_one(upload)?;
        ensure(read(&*store, "x")? == [&*bytes, b"end"].concat(), "who went on has all bytes")?;
    }
    Ok(())
}

/// Also if they have used the folder a moment ago.
pub fn what_one_session_moves_the_others_find_there_at_once(fresh: &dyn Fn() -> Home) -> Checked {
    let home = fresh();
    let (one, other) = (home.open()?, home.open()?);
    for round in 0..ROUNDS {
        let (old, kept) = (format!("d{round}"), format!("k{round}"));
        one.make_dir(&p(&old)?, false)?;
        put(&*other, &format!("{old}/a"), b"before")?;
        one.rename(&p(&old)?, &p(&kept)?, false)?;
        refused(put_if(&*other, &format!("{old}/b"), b"x", Condition::Any)?, Kind::NotFound, "into what was moved")?;
        one.make_dir(&p(&old)?, false)?;
        put(&*other, &format!("{old}/c"), b"after")?;
        same(list(&*one, &kept, false)?, vec!["a".to_owned()], "what was stored before")?;
        same(list(&*one, &old, false)?, vec!["c".to_owned()], "what was stored after")?;
        same(read(&*other, &format!("{kept}/a"))?, b"before".to_vec(), "found where it was moved")?;
    }
    Ok(())
}
