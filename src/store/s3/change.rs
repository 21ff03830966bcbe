//! Changes of names, but for their removal (`remove`). A bucket knows none: a file is renamed by copying and then removing it, so that it is never gone and for a moment
//! there twice; so is a folder, file by file (`moving`).

use rustix::io::Errno;

use super::commit::Sure;
use super::engine::{Why, unavailable};
use super::journal::{Claim, Journal, Places, Settled};
use super::ledger::done_at_once;
use super::moving::is_finished_later;
use super::names::Spot;
use super::object::{Kept, Object, endless};
use super::shared::{Found, Shared, a_number, failed, full, unheeded};
use super::upload::Multipart;
use crate::error::{Error, Kind, Message, Result};
use crate::files::aside::aside_path;
use crate::files::{FileMode, Hash, Mtime, RelPath, Seen, SeenAt, SourceMode, Stored};
use crate::limits;
use crate::outgoing::Payload;
use crate::store::bounds::Sum;

/// Bytes of a copied part: what a storage copies in seconds.
const COPIED_PART: u64 = 1024 * 1024 * 1024;

/// A key below a folder, and its object as a listing shows it.
type Inside = super::xml::Listed;

impl Shared {
    /// What [`crate::files::Store::seen`] says of what is there.
    pub(super) fn seen(&self, home: &Spot, path: &RelPath) -> Result<Seen> {
        if path.is_root() {
            return Ok(Seen::FOLDER);
        }
        Ok(match self.look(&full(home, path), path)? {
            Found::Nothing => Seen::NOTHING,
            Found::Folder => Seen::FOLDER,
            Found::File(object) => seen_as(&object),
        })
    }

    /// What is there, if it is what was seen.
    pub(super) fn look_for(&self, place: &Spot, path: &RelPath, seen: Option<&Seen>) -> Result<Found> {
        let found = self.look(place, path)?;
        check(&found, seen, path)?;
        Ok(found)
    }

    pub(super) fn make_dir(&self, home: &Spot, path: &RelPath, parents: bool) -> Result<u64> {
        if path.is_root() {
            return if parents { Ok(0) } else { Err(failed(path, Errno::EXIST)) };
        }
        let told = |why: Why| why.at(path);
        if !parents {
            let place = full(home, path);
            self.check_parent(home, path)?;
            let _held = self.lock(&place, None);
            return match self.look(&place, path)? {
                Found::Nothing => self.mark(&place).map_err(told).map(|()| 1),
                Found::File(_) | Found::Folder => Err(failed(path, Errno::EXIST)),
            };
        }
        let slashes = path.as_bytes().iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = slashes.chain([path.as_bytes().len()]).collect();
        let mut missing = Vec::new();
        for end in ends {
            let folder = RelPath::parse(path.as_bytes().get(..end).unwrap_or_default())?;
            match self.look(&full(home, &folder), path)? {
                Found::File(_) => {
                    return Err(Error::new(Kind::NotDirectory, path.said_with(&folder, "is no folder")));
                }
                Found::Folder => {}
                Found::Nothing => missing.push(folder),
            }
        }
        for folder in &missing {
            self.make_folder(&full(home, folder), path).map_err(|why| match why {
                Why::Condition => Error::new(Kind::NotDirectory, path.said_with(folder, "is no folder")),
                why => told(why),
            })?;
        }
        Ok(missing.len() as u64)
    }

    /// All that begins with this, page by page.
    pub(super) fn each_page(
        &self,
        prefix: &str,
        mut with: impl FnMut(&[Inside]) -> Result<(), Why>,
    ) -> Result<(), Why> {
        let (mut after, mut last, mut empty) = (None, String::new(), 0);
        loop {
            let page = self.engine.page(prefix, true, limits::ENGINE_PAGE, after.as_deref())?;
            empty = if page.objects.is_empty() { empty + 1 } else { 0 };
            let goes_on = page.objects.iter().all(|object| {
                let is_next = object.key > last && object.key.starts_with(prefix);
                last.clone_from(&object.key);
                is_next
            });
            if empty > limits::ENGINE_EMPTY_PAGES || !goes_on {
                return Err(endless().into());
            }
            with(&page.objects)?;
            match page.next {
                None => return Ok(()),
                next => after = next,
            }
        }
    }

    pub(super) fn rename(
        &self,
        home: &Spot,
        (from, to): (&RelPath, &RelPath),
        replace: bool,
        seen: &SeenAt,
    ) -> Result<Stored> {
        self.check_parent(home, from)?;
        self.check_parent(home, to)?;
        let places = Places { home: home.clone(), from: from.clone(), to: to.clone() };
        self.keys.fits(&places.will())?;
        let mut settled = None;
        for _ in 0..limits::CONDITION_LOOKS {
            if let Some(stored) = self.rename_once(&places, replace, seen, settled.as_ref())? {
                return Ok(stored);
            }
            settled = Some(self.settle(&self.keys.journal(&places.was()), from)?);
        }
        Err(unavailable(from.said("others rename it again and again")))
    }

    /// One try. Nothing: somebody has begun to rename it, and that is to be settled first.
    fn rename_once(
        &self,
        places: &Places,
        replace: bool,
        seen: &SeenAt,
        settled: Option<&Settled>,
    ) -> Result<Option<Stored>> {
        let (home, from, to) = (&places.home, &places.from, &places.to);
        let (old, new) = (places.was(), places.will());
        let held = self.lock(&old, Some(&new));
        let mut going = self.ledger.changing(&self.keys.file(&old)?, None);
        let coming = if old == new { None } else { Some(self.ledger.changing(&self.keys.file(&new)?, None)) };
        let found = self.look(&old, from)?;
        if let Found::Nothing = found {
            match settled {
                // What was asked for was begun before, and is done now.
                Some(Settled::Moved(place)) if *place == new => return Ok(Some(Stored::Created)),
                _ if self.is_to_be_settled(&old, from, settled)? => return Ok(None),
                _ => {}
            }
        }
        check(&found, seen.path.as_ref(), from)?;
        match found {
            Found::Nothing => Err(failed(from, Errno::NOENT)),
            Found::Folder if from != to && to.is_within(from) => {
                Err(Error::new(Kind::BadPath, from.said("a folder cannot be moved into itself")))
            }
            Found::Folder if old == new => Err(failed(to, Errno::EXIST)),
            // Each file in it is removed where it was, and it must be certain that it is the one that was copied.
            Found::Folder if !self.heeds().delete_match && !self.alone => Err(unheeded(from)),
            Found::Folder => {
                drop((held, going, coming));
                // What is half in it, or half gone from it, is to be there or gone.
                if settled.is_none() {
                    self.settle_around(&old, from)?;
                }
                self.rename_folder(places, seen).map(|done| done.map(|()| Stored::Created))
            }
            Found::File(object) => {
                let there = match old == new {
                    true => Found::File(object.clone()),
                    false => self.look_for(&new, to, seen.other.as_ref())?,
                };
                let there_size = if let Found::File(there) = &there { Sum::file(there.size) } else { Sum::NONE };
                let sure = match &there {
                    Found::File(there) if replace && seen.other.is_some() => Sure::Same(there.etag.clone()),
                    _ if replace && seen.other.is_none() => Sure::Nothing,
                    _ => Sure::Absent,
                };
                let stored = match there {
                    Found::Nothing => Stored::Created,
                    // It may be what a server that is gone has put there.
                    Found::File(_) if !replace && old != new && self.is_to_be_settled(&old, from, settled)? => {
                        return Ok(None);
                    }
                    Found::File(_) | Found::Folder if !replace => return Err(failed(to, Errno::EXIST)),
                    Found::Folder => return Err(failed(to, Errno::ISDIR)),
                    Found::File(_) if old == new => return Ok(Some(Stored::Same)),
                    Found::File(_) => Stored::Replaced,
                };
                let Some(mut coming) = coming else { return Ok(Some(Stored::Same)) };
                if !self.heeds().delete_match && !self.alone {
                    return Err(unheeded(from));
                }
                self.keep_parent(home, from)?;
                let Some(claim) = self.claim(Journal::of(places, &self.process, false)?, &old, from)? else {
                    return Ok(None);
                };
                let size = Sum::file(object.size);
                going.begins(Sum::NONE);
                coming.begins(size);
                let moved = self.move_file(&claim, places, &object, &sure);
                if !moved.as_ref().is_err_and(|why| matches!(why, Why::Failed(error) if is_finished_later(error))) {
                    self.unclaim(&claim, &old);
                }
                match moved {
                    Ok(()) => {
                        done_at_once(vec![(going, size, Sum::NONE), (coming, there_size, size)], |_| {});
                        Ok(Some(stored))
                    }
                    Err(Why::Condition) => {
                        going.is_refused();
                        coming.is_refused();
                        Err(if seen.other.is_none() { failed(to, Errno::EXIST) } else { Why::Condition.at(to) })
                    }
                    Err(why) => {
                        let untouched = [Kind::Changed, Kind::Unsupported, Kind::Rotten];
                        if matches!(&why, Why::Failed(error) if untouched.contains(&error.kind())) {
                            going.is_refused();
                            coming.is_refused();
                        }
                        Err(why.at(from))
                    }
                }
            }
        }
    }

    /// Whether somebody has begun to rename it, which nobody has looked at yet.
    fn is_to_be_settled(&self, old: &Spot, path: &RelPath, settled: Option<&Settled>) -> Result<bool> {
        Ok(settled.is_none() && self.begun(&self.keys.journal(old)).map_err(|why| why.at(path))?.is_some())
    }

    /// Copies a file and then removes it where it was, unless it is another one there by then.
    fn move_file(&self, claim: &Claim<'_>, places: &Places, object: &Object, sure: &Sure) -> Result<(), Why> {
        let (old, new) = (places.was(), places.will());
        // Whether it is the one that was seen the storage tells again when it gives its bytes: nobody else moves it from here on.
        let number = claim.journal.number_of(object);
        self.copy_file((&old, &new), object, object.kept, (sure, number), &places.to)?;
        if claim.is_late() && !self.still_has(claim, &old)? {
            // Somebody else moves it by now, to where he wants it.
            self.take_copy_back(&new, &claim.journal.number_of(object), sure)?;
            return Err(Error::new(Kind::Changed, places.from.said("somebody renamed it just now")).into());
        }
        if !self.is_still(&old, object)? {
            return Ok(());
        }
        match self.remove_file(&old, &places.from, object, true) {
            // What is there came meanwhile, and stays.
            Err(error) if error.kind() == Kind::Changed => Ok(()),
            removed => removed.map_err(Why::from),
        }
    }

    /// Removes a copy again, if it is there still, and has taken the place of nothing.
    fn take_copy_back(&self, place: &Spot, number: &str, sure: &Sure) -> Result<(), Why> {
        let key = self.keys.file(place)?;
        match self.engine.look_up(&key) {
            Ok(there) if there.number == number && matches!(sure, Sure::Absent) => {
                match self
                    .engine
                    .delete(&key, Some(&there.etag).filter(|_| self.heeds().delete_match).map(|etag| &**etag))
                {
                    Err(Why::Condition) => Ok(()),
                    removed => removed,
                }
            }
            Ok(_) | Err(Why::Missing) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Makes a copy of a file, with this kept of it and this number.
    pub(super) fn copy_file(
        &self,
        (old, new): (&Spot, &Spot),
        object: &Object,
        kept: Kept,
        (sure, number): (&Sure, String),
        path: &RelPath,
    ) -> Result<(), Why> {
        let (source, target) = (self.keys.file(old)?, self.keys.file(new)?);
        let kept = Kept { mtime: Some(kept.mtime.unwrap_or(object.modified)), ..kept };
        if !object.has_record() {
            let found = self.engine.beginning(&source, limits::RECORD_MIN)?;
            let (is, was) = (&found.object, object);
            if (&is.etag, &is.number) != (&was.etag, &was.number) || found.bytes.len() as u64 != was.size {
                return Err(Error::new(Kind::Changed, path.said("its source was changed just now")).into());
            }
            if kept.hash.is_some_and(|hash| hash != Hash::of(&found.bytes)) {
                let text = path.said("its bytes are not those that were stored");
                return Err(Error::new(Kind::Rotten, text).into());
            }
            let condition = self.condition(sure, false, path)?;
            let headers = kept.headers(&number).into_iter().chain(condition).collect();
            let sha256 = super::sign::sha256(&found.bytes);
            return match self.engine.put(&target, (Payload::Bytes(found.bytes.into()), sha256), headers) {
                Ok(_) => Ok(()),
                Err(why) => match self.engine.look_up(&target) {
                    Ok(found) if found.number == number => Ok(()),
                    Ok(_) | Err(Why::Missing) => Err(why),
                    // Whether it was done is not known.
                    Err(unknown) => Err(unknown),
                },
            };
        }
        let condition = self.condition(sure, true, path)?;
        let mut upload = Multipart::create(&self.engine, &target, kept.headers(&number))?;
        if let Err(why) = copy_parts(self, &mut upload, (&source, object)) {
            let _goes_when_it_is_old = upload.abort(&self.engine);
            return Err(match why {
                // Of the source, which is another one by now.
                Why::Missing => Why::Failed(failed(path, Errno::NOENT)),
                why => why,
            });
        }
        let done = upload.complete(&self.engine, condition);
        let found = match self.engine.look_up(&target) {
            Ok(found) => Some(found).filter(|found| found.number == number),
            // Nothing is taken away where it was before its copy was seen.
            Err(Why::Missing) if done.is_ok() => {
                return Err(unavailable("the storage says that it has made a copy, and has none").into());
            }
            Err(Why::Missing) => None,
            // Whether it was done is not known.
            Err(why) => return Err(why),
        };
        match (done, found) {
            (_, Some(copied)) if copied.size != object.size => {
                let text = path.said("the storage has copied something else");
                Err(Error::new(Kind::Io, text).into())
            }
            (done, Some(copied)) => {
                if let Err(Why::Condition) = done {
                    // Another server has made the same copy.
                    let _goes_when_it_is_old = upload.abort(&self.engine);
                }
                self.record(new, &Object { kept, ..copied });
                Ok(())
            }
            // Somebody else has replaced it since.
            (Ok(()), None) => Ok(()),
            (Err(Why::Condition), None) => {
                let _goes_when_it_is_old = upload.abort(&self.engine);
                Err(Why::Condition)
            }
            // It may be done yet: the parts go after seven days.
            (Err(why), None) => Err(why),
        }
    }

    /// [`crate::files::Store::supersede`]: by two renames, so that for a moment nothing is there.
    pub(super) fn supersede(
        &self,
        home: &Spot,
        (from, to): (&RelPath, &RelPath),
        seen: &SeenAt,
    ) -> Result<(Stored, Option<RelPath>)> {
        if from.strip_prefix(to).is_some() || to.strip_prefix(from).is_some() {
            return Err(Error::new(Kind::BadPath, from.said("nothing takes the place of what it is in")));
        }
        self.check_parent(home, from)?;
        self.check_parent(home, to)?;
        let (is, there) = (self.seen(home, from)?, self.seen(home, to)?);
        for (path, expected, is) in [(from, &seen.path, &is), (to, &seen.other, &there)] {
            if expected.as_ref().is_some_and(|expected| expected != is) {
                return Err(Why::Condition.at(path));
            }
        }
        if is == Seen::NOTHING {
            return Err(failed(from, Errno::NOENT));
        }
        if there == Seen::NOTHING {
            return self.rename(home, (from, to), false, seen).map(|stored| (stored, None));
        }
        let old = aside_path(to)?;
        // Nothing has its name by then.
        let (old_one, new_one) =
            (SeenAt { path: seen.other.clone(), other: None }, SeenAt { path: seen.path.clone(), other: None });
        self.rename(home, (to, &old), false, &old_one)?;
        match self.rename(home, (from, to), false, &new_one) {
            Ok(_) => Ok((Stored::Replaced, Some(old))),
            Err(error) => {
                let back = self.rename(home, (&old, to), false, &SeenAt::ANYTHING);
                Err(match back {
                    Ok(_) => error,
                    Err(_) => {
                        let said = Message::from("; what was there is called ").then(old).words(" now");
                        Error::new(error.kind(), error.message().then(said))
                    }
                })
            }
        }
    }

    /// Changes what is kept of a file beside its bytes.
    pub(super) fn change_kept(
        &self,
        home: &Spot,
        path: &RelPath,
        change: impl Fn(&mut Kept, FileMode),
    ) -> Result<FileMode> {
        let place = full(home, path);
        let _held = self.lock(&place, None);
        for _ in 0..limits::CONDITION_LOOKS {
            let mut object = match self.look(&place, path)? {
                Found::File(object) => object,
                Found::Folder => return Err(failed(path, Errno::ISDIR)),
                Found::Nothing => return Err(self.why_absent(home, path)),
            };
            let mode = object.meta().mode;
            change(&mut object.kept, mode);
            let changed = if object.has_record() {
                self.engine.write_record(&self.keys.record(&place), &object)
            } else {
                let sure = Sure::Same(object.etag.clone());
                self.copy_file((&place, &place), &object, object.kept, (&sure, a_number()?), path)
            };
            match changed {
                Ok(()) => return Ok(object.meta().mode),
                Err(Why::Condition) => {}
                Err(why) => return Err(why.at(path)),
            }
        }
        Err(Why::Condition.at(path))
    }

    pub(super) fn set_mode(&self, home: &Spot, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        self.change_kept(home, path, |kept, before| kept.mode = Some(source.over(before)))
    }

    pub(super) fn set_mtime(&self, home: &Spot, path: &RelPath, mtime: Mtime) -> Result<()> {
        self.change_kept(home, path, |kept, _| kept.mtime = Some(mtime)).map(drop)
    }
}

fn copy_parts(shared: &Shared, upload: &mut Multipart, (source, object): (&str, &Object)) -> Result<(), Why> {
    let count = object.size.div_ceil(COPIED_PART);
    for number in 1..=count {
        let from = (number - 1) * COPIED_PART;
        let range = (count > 1).then(|| (from, (from + COPIED_PART).min(object.size)));
        upload.copy(&shared.engine, number, (source, &object.etag), range)?;
    }
    Ok(())
}

fn check(found: &Found, expected: Option<&Seen>, path: &RelPath) -> Result<()> {
    let is = match found {
        Found::Nothing => Seen::NOTHING,
        Found::Folder => Seen::FOLDER,
        Found::File(object) => seen_as(object),
    };
    match expected {
        Some(expected) if *expected != is => Err(Why::Condition.at(path)),
        Some(_) | None => Ok(()),
    }
}

/// What a file is told from another one by: its ETag, and what it is in.
pub(super) fn seen_as(object: &Object) -> Seen {
    let told = [object.etag.as_bytes(), b"\0", object.number.as_bytes()].concat();
    Seen::known(&object.meta(), Some(Hash::of(&told)))
}
