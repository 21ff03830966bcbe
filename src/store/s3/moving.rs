//! Renaming a folder of a bucket, file by file: each is copied, and when all are there each is removed where it was. Others go on
//! meanwhile at both names, and what they store stays where they have stored it.

use std::collections::{BTreeSet, HashSet};

use rustix::io::Errno;

use super::commit::Sure;
use super::engine::Why;
use super::ledger::{Changing, done_at_once};
use super::names::Spot;
use super::object::Object;
use super::shared::{Found, Shared, failed};
use super::xml::Listed;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, SeenAt};
use crate::limits;
use crate::store::bounds::Sum;

impl Shared {
    /// One folder of a home at a time, and without the locks of names: each file of it takes its own.
    pub(super) fn rename_folder(
        &self,
        home: &Spot,
        (old, from): (&Spot, &RelPath),
        (new, to): (&Spot, &RelPath),
        seen: &SeenAt,
    ) -> Result<()> {
        let _one_at_a_time = self.lock_folders(home, from)?;
        let told = |why: Why| why.at(from);
        let (source, target) = (self.keys.folder(old)?, self.keys.folder(new)?);
        let mut objects: Vec<Listed> = Vec::new();
        self.each_page(&source, |page| {
            objects.extend_from_slice(page);
            if objects.len() <= limits::ENGINE_RENAMED {
                return Ok(());
            }
            let text = from.said(format_args!(
                "a folder with more than {} entries is not renamed in this storage, which would have to copy each: \
                 copy it, then remove it",
                limits::ENGINE_RENAMED
            ));
            Err(Why::Failed(Error::new(Kind::Unsupported, text)))
        })
        .map_err(|why| match why {
            Why::Failed(error) if error.kind() == Kind::Unsupported => error,
            why => told(why),
        })?;
        let mut folders = BTreeSet::new();
        let mut files = Vec::new();
        for object in &objects {
            let relative = object.key.strip_prefix(&source).unwrap_or_default();
            let odd =
                || Error::new(Kind::BadPath, from.said(format_args!("{relative} in it is no name that can be served")));
            let inside = super::names::path_of(relative.trim_end_matches('/')).ok_or_else(odd)?;
            // In the home, as it will be called there.
            to.join(&inside)
                .map_err(|err| Error::new(err.kind(), to.said(format_args!("of something in it: {}", err.text()))))?;
            let (was, will) = (old.at(&inside), new.at(&inside));
            if format!("{target}{relative}").len() > self.keys.longest() {
                return Err(Error::new(Kind::PathTooLong, to.said("of something in it: longer than a name can be")));
            }
            // Those, too, that nobody has made by name: until something is in one anybody could make a file of it.
            let slashes = inside.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            folders.extend(slashes.map(|(at, _)| new.at(inside.get(..at).unwrap_or_default())));
            match relative.is_empty() || relative.ends_with('/') {
                true => drop(folders.insert(will)),
                false => files.push((was, will)),
            }
        }
        folders.remove(new);
        let folders: Vec<Spot> = folders.into_iter().collect();
        let (leaving, arriving) = (self.ledger.sweeping(&source), self.ledger.sweeping(&target));
        self.take_name((old, from), (new, to), seen)?;
        let made = self.side_by_side(&folders, |folder| self.make_folder(folder, to));
        made.into_iter().collect::<Result<(), Why>>().map_err(|why| why.at(to))?;
        let copied = self.side_by_side(&files, |(was, will)| {
            let _held = self.lock(will, None);
            let mut coming = self.ledger.changing(&self.keys.file(will)?, Some(&arriving));
            let object = self.file(was)?;
            match self.look_for_none(will, to)? {
                Found::Nothing => {}
                Found::File(_) | Found::Folder => return Err(Why::Condition),
            }
            coming.begins(Sum::file(object.size));
            self.copy_file((was, will), &object, object.kept, &Sure::Absent, to)?;
            Ok::<_, Why>((object, coming))
        });
        let copied = copied.into_iter().collect::<Result<Vec<_>, Why>>().map_err(|why| partly(why, from, to))?;
        let (copied, coming): (Vec<Object>, Vec<Changing<'_>>) = copied.into_iter().unzip();
        self.check_shown(new, &folders, &files).map_err(|why| partly(why, from, to))?;
        self.keep_parent(home, from)?;
        let both: Vec<_> = files.iter().zip(&copied).collect();
        let removed = self.side_by_side(&both, |((was, _), object)| {
            let _held = self.lock(was, None);
            let mut going = self.ledger.changing(&self.keys.file(was)?, Some(&leaving));
            if !self.is_still(was, object).map_err(|why| why.at(from))? {
                return Ok(None);
            }
            going.begins(Sum::NONE);
            match self.remove_file(was, from, object, true) {
                Err(error) if error.kind() == Kind::Changed => {
                    going.is_refused();
                    Ok(None)
                }
                removed => removed.map(|()| Some((going, Sum::file(object.size), Sum::NONE))),
            }
        });
        let left = removed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten();
        let came = coming.into_iter().zip(&copied).map(|(coming, object)| (coming, Sum::NONE, Sum::file(object.size)));
        done_at_once(left.chain(came).collect(), |_| {});
        let markers = objects.iter().filter(|object| object.key.ends_with('/'));
        markers.rev().try_for_each(|marker| self.engine.delete(&marker.key, None)).map_err(told)
    }

    /// A folder is about to be renamed: it is there, as it was seen, and nothing has the other name, which is a folder's from now on.
    fn take_name(&self, (old, from): (&Spot, &RelPath), (new, to): (&Spot, &RelPath), seen: &SeenAt) -> Result<()> {
        let _held = self.lock(old, Some(new));
        match self.look_for(old, from, seen.path.as_ref())? {
            Found::Folder => {}
            // It was one a moment ago.
            Found::File(_) | Found::Nothing => return Err(Why::Condition.at(from)),
        }
        match self.look_for(new, to, seen.other.as_ref())? {
            Found::Nothing => self.mark(new).map_err(|why| why.at(to)),
            Found::File(_) | Found::Folder => Err(failed(to, Errno::EXIST)),
        }
    }

    /// Makes a folder, or leaves one that somebody has made meanwhile; not where there is a file, in which nothing would be told of it.
    pub(super) fn make_folder(&self, folder: &Spot, path: &RelPath) -> Result<(), Why> {
        let _held = self.lock(folder, None);
        match self.look(folder, path)? {
            Found::File(_) => Err(Why::Condition),
            Found::Folder | Found::Nothing => self.mark(folder),
        }
    }

    /// Makes sure that all which was put there is told by a listing, before it goes where it was: another server may have put a file in
    /// the place of a folder, or a folder in that of a file, after each had looked and before either could see the other.
    fn check_shown(&self, new: &Spot, folders: &[Spot], files: &[(Spot, Spot)]) -> Result<(), Why> {
        match self.engine.head(&self.keys.file(new)?) {
            Err(Why::Missing) => {}
            Ok(_) => return Err(Why::Condition),
            Err(why) => return Err(why),
        }
        let key = |place: &Spot| self.keys.file(place);
        let folders = folders.iter().map(key).collect::<Result<HashSet<String>>>()?;
        let files = files.iter().map(|(_, will)| key(will)).collect::<Result<HashSet<String>>>()?;
        self.each_page(&self.keys.folder(new)?, |page| {
            let above = |object: &Listed| {
                let mut slashes = object.key.match_indices('/');
                slashes.any(|(at, _)| object.key.get(..at).is_some_and(|above| files.contains(above)))
            };
            match page.iter().any(|object| folders.contains(&object.key) || above(object)) {
                true => Err(Why::Condition),
                false => Ok(()),
            }
        })
    }

    /// Whether this very file is there, as it was, and not one of the same bytes that was stored since: conditions of a storage tell it
    /// by its ETag alone. Whoever asks has the name's lock.
    pub(super) fn is_still(&self, place: &Spot, object: &Object) -> Result<bool, Why> {
        match self.file(place) {
            Ok(there) => {
                let told = |of: &Object| (of.etag.clone(), of.number.clone(), of.kept.mtime, of.kept.mode);
                Ok(told(&there) == told(object))
            }
            Err(Why::Missing) => Ok(false),
            Err(why) => Err(why),
        }
    }
}

fn partly(why: Why, from: &RelPath, to: &RelPath) -> Error {
    let error = why.at(from);
    Error::new(error.kind(), format!("{}; nothing of it is lost, and some is at {to} already", error.text()))
}
