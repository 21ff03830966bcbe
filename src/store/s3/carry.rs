//! Doing what the journal of a RENAME says: all is copied, then all goes at the old name, each only if it is what was copied. It can be
//! done again and again, also by two servers at once: a copy says by its number which journal it is from and what it is a copy of, and
//! takes the place of nothing.

use std::collections::{BTreeSet, HashMap};

use super::commit::Sure;
use super::engine::Why;
use super::journal::{Journal, Moved, Places};
use super::ledger::{Changing, Sweeping, done_at_once};
use super::moving::is_finished_later;
use super::names::{Spot, path_of};
use super::object::{Object, odd};
use super::shared::{Found, Shared};
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;
use crate::store::bounds::Sum;

/// A file of a journal: what it is called, and will be.
struct Carried<'a> {
    moved: &'a Moved,
    was: Spot,
    will: Spot,
}

/// A file that is at its new name.
struct Copied<'a> {
    source: Object,
    /// Nothing if it was there already.
    coming: Option<Changing<'a>>,
}

/// The folders of a journal that are to be made, and its files.
struct Inside<'a> {
    folders: Vec<Spot>,
    files: Vec<Carried<'a>>,
}

impl<'a> Inside<'a> {
    fn of(journal: &'a Journal, places: &Places) -> Result<Inside<'a>> {
        let (old, new) = (places.was(), places.will());
        let inside = |name: &str| path_of(name.trim_end_matches('/')).ok_or_else(|| odd("what is written of a RENAME"));
        let (mut folders, mut files) = (BTreeSet::new(), Vec::new());
        let mut above = |inside: &[u8]| {
            // Those, too, that nobody has made by name: until something is in one anybody could make a file of it.
            let slashes = inside.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            folders.extend(slashes.map(|(at, _)| new.at(inside.get(..at).unwrap_or_default())));
        };
        for moved in &journal.files {
            let inside = inside(&moved.name)?;
            above(&inside);
            files.push(Carried { moved, was: old.at(&inside), will: new.at(&inside) });
        }
        let mut marked = Vec::new();
        for marker in &journal.markers {
            let inside = inside(&marker.name)?;
            above(&inside);
            marked.push(new.at(&inside));
        }
        folders.extend(marked);
        folders.remove(&new);
        Ok(Inside { folders: folders.into_iter().collect(), files })
    }
}

impl Shared {
    /// Goes on with what is at its new name in part. What somebody has put in the way stays, and so does at the old name what was to come
    /// there. For nobody who has a lock.
    pub(super) fn go_on(&self, journal: &Journal, places: &Places) -> Result<()> {
        let gone_on = match journal.is_folder {
            true => {
                let _one_at_a_time = self.lock_folders(&places.home, &places.from)?;
                self.carry(journal, places, false)
            }
            false => self.carry_on_file(journal, places),
        };
        match gone_on {
            Err(error) if !is_finished_later(&error) => {
                tracing::warn!(path = %places.was(), %error, "a RENAME is not finished");
                Ok(())
            }
            gone_on => gone_on,
        }
    }

    /// Removes a file at its old name whose copy is at the new one.
    fn carry_on_file(&self, journal: &Journal, places: &Places) -> Result<()> {
        let (old, new, from) = (places.was(), places.will(), &places.from);
        let told = |why: Why| why.at(from);
        let _held = self.lock(&old, Some(&new));
        let mut going = self.ledger.changing(&self.keys.file(&old)?, None);
        let source = match self.file(&old) {
            Err(Why::Missing) => return Ok(()),
            found => found.map_err(told)?,
        };
        match self.file(&new) {
            Ok(there) if there.number == journal.number_of(&source) => {
                self.complete_record(&new, there, &source).map_err(told)?;
            }
            // Another one is at one of both names by now.
            Ok(_) | Err(Why::Missing) => return Ok(()),
            Err(why) => return Err(told(why)),
        }
        self.keep_parent(&places.home, from)?;
        going.begins(Sum::NONE);
        match self.remove_file(&old, from, &source, true) {
            Err(error) if error.kind() == Kind::Changed => going.is_refused(),
            removed => {
                removed?;
                going.done(Sum::file(source.size), Sum::NONE);
            }
        }
        Ok(())
    }

    /// Does all of it for a folder that has its new name. Who has begun it ends it where somebody has put something in the way; who goes on
    /// with it leaves that at its old name, for the rest may have gone there already.
    pub(super) fn carry(&self, journal: &Journal, places: &Places, is_first: bool) -> Result<()> {
        let (from, to) = (&places.from, &places.to);
        let (old, new) = (places.was(), places.will());
        let (source, target) = (self.keys.folder(&old)?, self.keys.folder(&new)?);
        let Inside { folders, files } = Inside::of(journal, places)?;
        let (leaving, arriving) = (self.ledger.sweeping(&source), self.ledger.sweeping(&target));
        let mut shown = Vec::new();
        let mut hidden = Vec::new();
        for (folder, made) in folders.iter().zip(self.side_by_side(&folders, |folder| self.make_folder(folder, to))) {
            match made {
                Ok(()) => shown.push(folder),
                Err(Why::Condition) if !is_first => hidden.push(folder),
                Err(why) => return Err(partly(why, to, to)),
            }
        }
        let copied = self.side_by_side(&files, |file| match hidden.iter().any(|folder| file.will.is_within(folder)) {
            true => Ok(None),
            false => self.carry_file(journal, file, (to, &arriving), is_first),
        });
        let copied = copied.into_iter().collect::<Result<Vec<_>, Why>>().map_err(|why| partly(why, from, to))?;
        let copied: Vec<(&Carried<'_>, Copied<'_>)> =
            files.iter().zip(copied).filter_map(|(file, copied)| Some((file, copied?))).collect();
        let placed: Vec<&Spot> = copied.iter().map(|(file, _)| &file.will).collect();
        self.check_shown(&new, &shown, &placed).map_err(|why| partly(why, from, to))?;
        self.keep_parent(&places.home, from)?;
        let both: Vec<(&Spot, &Object)> = copied.iter().map(|(file, copied)| (&file.was, &copied.source)).collect();
        let removed = self.side_by_side(&both, |(was, source)| self.leave(was, source, (from, &leaving)));
        let removed = removed.into_iter().collect::<Result<Vec<_>>>().map_err(|why| partly(why.into(), from, to))?;
        let came = copied.into_iter().filter_map(|(_, Copied { source, coming })| {
            coming.map(|coming| (coming, Sum::NONE, Sum::file(source.size)))
        });
        done_at_once(removed.into_iter().flatten().chain(came).collect(), |_| {});
        self.remove_markers(journal, &source).map_err(|why| partly(why, from, to))
    }

    /// Copies one file to its new name, unless it is there. Nothing: it stays at the old one, or is gone there.
    fn carry_file<'a>(
        &'a self,
        journal: &Journal,
        Carried { moved, was, will }: &Carried<'_>,
        (to, arriving): (&RelPath, &Sweeping<'_>),
        is_first: bool,
    ) -> Result<Option<Copied<'a>>, Why> {
        let _held = self.lock(will, None);
        let mut coming = self.ledger.changing(&self.keys.file(will)?, Some(arriving));
        let source = match self.file(was) {
            // Somebody has removed it, or another server is done with it.
            Err(Why::Missing) => return Ok(None),
            found => found?,
        };
        let number = journal.number_of(&source);
        match self.look_for_none(will, to)? {
            Found::File(there) if there.number == number => {
                self.complete_record(will, there, &source)?;
                return Ok(Some(Copied { source, coming: None }));
            }
            // It was changed after it was copied, and stays.
            Found::File(there) if journal.has_made(&there) => return Ok(None),
            Found::File(_) | Found::Folder if is_first => return Err(Why::Condition),
            Found::File(_) | Found::Folder => return Ok(None),
            // It has come since.
            Found::Nothing if !is_first && source.etag != moved.etag => return Ok(None),
            Found::Nothing => {}
        }
        coming.begins(Sum::file(source.size));
        match self.copy_file((was, will), &source, source.kept, (&Sure::Absent, number), to) {
            Ok(()) => Ok(Some(Copied { source, coming: Some(coming) })),
            Err(Why::Failed(error)) if is_finished_later(&error) => Err(error.into()),
            Err(why) => {
                coming.is_refused();
                if is_first { Err(why) } else { Ok(None) }
            }
        }
    }

    /// Removes one file at its old name, if it is still the one that was copied.
    fn leave<'a>(
        &'a self,
        was: &Spot,
        source: &Object,
        (from, leaving): (&RelPath, &Sweeping<'_>),
    ) -> Result<Option<(Changing<'a>, Sum, Sum)>> {
        let _held = self.lock(was, None);
        let mut going = self.ledger.changing(&self.keys.file(was)?, Some(leaving));
        if !self.is_still(was, source).map_err(|why| why.at(from))? {
            return Ok(None);
        }
        going.begins(Sum::NONE);
        match self.remove_file(was, from, source, true) {
            Err(error) if error.kind() == Kind::Changed => {
                going.is_refused();
                Ok(None)
            }
            removed => removed.map(|()| Some((going, Sum::file(source.size), Sum::NONE))),
        }
    }

    /// What is recorded of a large file is written when its copy is there: whoever copied it may have died before.
    fn complete_record(&self, place: &Spot, there: Object, source: &Object) -> Result<(), Why> {
        if there.has_record() && self.engine.recorded(&self.keys.record(place), &there)?.is_none() {
            self.record(place, &Object { kept: source.kept, ..there });
        }
        Ok(())
    }

    /// Removes the markers of the folders at the old name, those in others first; not one that somebody has made since.
    fn remove_markers(&self, journal: &Journal, source: &str) -> Result<(), Why> {
        let known: HashMap<&str, &str> =
            journal.markers.iter().map(|marker| (&*marker.name, &*marker.modified)).collect();
        let mut there = Vec::new();
        self.each_page(source, |page| {
            let is_known = |key: &str, modified: &str| {
                key.strip_prefix(source).and_then(|name| known.get(name)).is_some_and(|known| *known == modified)
            };
            there.extend(page.iter().filter(|at| is_known(&at.key, &at.modified)).map(|at| at.key.clone()));
            Ok(())
        })?;
        there.iter().rev().try_for_each(|marker| self.engine.delete(marker, None))
    }
}

fn partly(why: Why, from: &RelPath, to: &RelPath) -> Error {
    let error = why.at(from);
    let rest = if is_finished_later(&error) { ", and the rest follows" } else { "" };
    Error::new(error.kind(), format!("{}; nothing of it is lost, and some is at {to} already{rest}", error.text()))
}
