//! Renaming a folder of a bucket, file by file: each is copied, and when all are there each is removed where it was. Others go on
//! meanwhile at both names, and what they store stays where they have stored it.

use std::collections::BTreeSet;

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
        let _one_at_a_time = self.lock_folders(home);
        self.take_name((old, from), (new, to), seen)?;
        let told = |why: Why| why.at(from);
        let (source, target) = (self.keys.folder(old)?, self.keys.folder(new)?);
        let mut objects: Vec<Listed> = Vec::new();
        self.each_page(&source, |page| {
            objects.extend_from_slice(page);
            if objects.len() <= limits::ENGINE_RENAMED {
                return Ok(());
            }
            let text = format!(
                "{from}: a folder with more than {} entries is not renamed in this storage, which would have to copy each: \
                 copy it, then remove it",
                limits::ENGINE_RENAMED
            );
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
            let odd = || Error::new(Kind::BadPath, format!("{from}: {relative} in it is no name that can be served"));
            let inside = super::names::path_of(relative.trim_end_matches('/')).ok_or_else(odd)?;
            // In the home, as it will be called there.
            to.join(&inside)
                .map_err(|err| Error::new(err.kind(), format!("{to}: of something in it: {}", err.text())))?;
            let (was, will) = (old.at(&inside), new.at(&inside));
            if format!("{target}{relative}").len() > limits::ENGINE_KEY_MAX {
                return Err(Error::new(
                    Kind::PathTooLong,
                    format!("{to}: of something in it: longer than a name can be"),
                ));
            }
            match relative.is_empty() || relative.ends_with('/') {
                true => drop(folders.insert(will)),
                false => files.push((was, will)),
            }
        }
        let (leaving, arriving) = (self.ledger.sweeping(&source), self.ledger.sweeping(&target));
        self.mark(new).map_err(told)?;
        folders.iter().try_for_each(|folder| self.mark(folder)).map_err(told)?;
        let copied = self.side_by_side(&files, |(was, will)| {
            let _held = self.lock(will, None);
            let mut coming = self.ledger.changing(&self.keys.file(will)?, Some(&arriving));
            let object = self.file(was)?;
            self.check_absent(will, &object)?;
            coming.begins(Sum::file(object.size));
            self.copy_file((was, will), &object, object.kept, &Sure::Absent, to)?;
            Ok::<_, Why>((object, coming))
        });
        let copied = copied.into_iter().collect::<Result<Vec<_>, Why>>().map_err(|why| partly(why, from, to))?;
        let (copied, coming): (Vec<Object>, Vec<Changing<'_>>) = copied.into_iter().unzip();
        self.keep_parent(home, from)?;
        let both: Vec<_> = files.iter().zip(&copied).collect();
        let removed = self.side_by_side(&both, |((was, _), object)| {
            let _held = self.lock(was, None);
            let mut going = self.ledger.changing(&self.keys.file(was)?, Some(&leaving));
            if !self.is_still(was, object).map_err(|why| why.at(from))? {
                return Ok(going);
            }
            going.begins(Sum::NONE);
            match self.remove_file(was, from, object, true) {
                Err(error) if error.kind() == Kind::Changed => Ok(going),
                removed => removed.map(|()| going),
            }
        });
        let going = removed.into_iter().collect::<Result<Vec<_>>>()?;
        let sizes = || copied.iter().map(|object| Sum::file(object.size));
        let left = going.into_iter().zip(sizes()).map(|(going, size)| (going, size, Sum::NONE));
        let came = coming.into_iter().zip(sizes()).map(|(coming, size)| (coming, Sum::NONE, size));
        done_at_once(left.chain(came).collect(), |_| {});
        let markers = objects.iter().filter(|object| object.key.ends_with('/'));
        markers.rev().try_for_each(|marker| self.engine.delete(&marker.key, None)).map_err(told)
    }

    /// A folder is about to be renamed: it is there, as it was seen, and nothing has the other name.
    fn take_name(&self, (old, from): (&Spot, &RelPath), (new, to): (&Spot, &RelPath), seen: &SeenAt) -> Result<()> {
        let _held = self.lock(old, Some(new));
        match self.look_for(old, from, seen.path.as_ref())? {
            Found::Folder => {}
            // It was one a moment ago.
            Found::File(_) | Found::Nothing => return Err(Why::Condition.at(from)),
        }
        match self.look_for(new, to, seen.other.as_ref())? {
            Found::Nothing => Ok(()),
            Found::File(_) | Found::Folder => Err(failed(to, Errno::EXIST)),
        }
    }

    /// Makes sure that nothing has this name, where the storage does not when this is put there. Whoever asks has the name's lock.
    fn check_absent(&self, place: &Spot, object: &Object) -> Result<(), Why> {
        let heeds = self.heeds();
        if if object.has_record() { heeds.complete_absent } else { heeds.put_absent } {
            return Ok(());
        }
        match self.engine.head(&self.keys.file(place)?) {
            Err(Why::Missing) => Ok(()),
            Ok(_) => Err(Why::Condition),
            Err(why) => Err(why),
        }
    }

    /// Whether this very file is there, where the storage does not make sure of that when it is removed. Whoever asks has the name's lock.
    fn is_still(&self, place: &Spot, object: &Object) -> Result<bool, Why> {
        if self.heeds().delete_match {
            return Ok(true);
        }
        match self.engine.head(&self.keys.file(place)?) {
            Ok(there) => Ok((there.etag, &there.number) == (object.etag.clone(), &object.number)),
            Err(Why::Missing) => Ok(false),
            Err(why) => Err(why),
        }
    }
}

fn partly(why: Why, from: &RelPath, to: &RelPath) -> Error {
    let error = why.at(from);
    Error::new(error.kind(), format!("{}; nothing of it is lost, and some is at {to} already", error.text()))
}
