//! Renaming a folder of a bucket, file by file: each is copied, and when all are there each is removed where it was (`carry`). Others go
//! on meanwhile at both names, and what they store stays where they have stored it. What is to be moved is written down before (`journal`).

use std::collections::HashSet;

use rustix::io::Errno;

use super::commit::Sure;
use super::engine::{Why, unavailable};
use super::journal::{Claim, Journal, Marker, Moved, Places};
use super::names::Spot;
use super::object::{Kept, Object};
use super::shared::{Found, Shared, failed};
use super::xml::Listed;
use crate::error::{Error, Kind, Result};
use crate::files::{RelPath, SeenAt};
use crate::limits;

impl Shared {
    /// One folder of a home at a time, and without the locks of names: each file of it takes its own. Nothing: what has this name is being
    /// moved already.
    pub(super) fn rename_folder(&self, places: &Places, seen: &SeenAt) -> Result<Option<()>> {
        let _one_at_a_time = self.lock_folders(&places.home, &places.from)?;
        let old = places.was();
        let journal = self.plan(places)?;
        let Some(claim) = self.claim(journal, &old, &places.from)? else { return Ok(None) };
        let done = self.take_name(&claim, places, seen).and_then(|()| self.carry(&claim.journal, places, true));
        match &done {
            Err(error) if is_finished_later(error) => {}
            // All is moved, or what kept it from that stays as it is: then all of it is at the old name.
            _ => self.unclaim(&claim, &old),
        }
        done.map(Some)
    }

    /// What is in a folder, and may be called there as it will be.
    fn plan(&self, places: &Places) -> Result<Journal> {
        let Places { from, to, .. } = places;
        let (source, target) = (self.keys.folder(&places.was())?, self.keys.folder(&places.will())?);
        let mut journal = Journal::of(places, &self.process, true)?;
        for object in self.all_in(&source, from)? {
            let relative = object.key.strip_prefix(&source).unwrap_or_default();
            let odd =
                || Error::new(Kind::BadPath, from.said(format_args!("{relative} in it is no name that can be served")));
            let inside = super::names::path_of(relative.trim_end_matches('/')).ok_or_else(odd)?;
            // In the home, as it will be called there.
            to.join(&inside)
                .map_err(|err| Error::new(err.kind(), to.said(format_args!("of something in it: {}", err.text()))))?;
            if format!("{target}{relative}").len() > self.keys.longest() {
                return Err(Error::new(Kind::PathTooLong, to.said("of something in it: longer than a name can be")));
            }
            let name = relative.to_owned();
            match relative.is_empty() || relative.ends_with('/') {
                true => journal.markers.push(Marker { name, modified: object.modified }),
                false => journal.files.push(Moved { name, etag: object.etag }),
            }
        }
        Ok(journal)
    }

    fn all_in(&self, source: &str, from: &RelPath) -> Result<Vec<Listed>> {
        let mut objects: Vec<Listed> = Vec::new();
        let listed = self.each_page(source, |page| {
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
        });
        listed.map(|()| objects).map_err(|why| match why {
            Why::Failed(error) if error.kind() == Kind::Unsupported => error,
            why => why.at(from),
        })
    }

    /// A folder is about to be renamed: it is there, as it was seen, and nothing has the other name, which is a folder's from now on.
    fn take_name(&self, claim: &Claim<'_>, places: &Places, seen: &SeenAt) -> Result<()> {
        let (old, new, from, to) = (places.was(), places.will(), &places.from, &places.to);
        let _held = self.lock(&old, Some(&new));
        match self.look_for(&old, from, seen.path.as_ref())? {
            Found::Folder => {}
            // It was one a moment ago.
            Found::File(_) | Found::Nothing => return Err(Why::Condition.at(from)),
        }
        match self.look_for(&new, to, seen.other.as_ref())? {
            Found::Nothing if claim.is_late() => Err(unavailable(from.said("the storage takes too long"))),
            Found::Nothing => self.mark_as(&new, claim.journal.number(), to),
            Found::File(_) | Found::Folder => Err(failed(to, Errno::EXIST)),
        }
    }

    /// Makes the marker of a folder that is not there, with this number.
    fn mark_as(&self, full: &Spot, number: &str, path: &RelPath) -> Result<()> {
        self.keys.fits(full)?;
        let key = self.keys.folder(full)?;
        let condition = self.condition(&Sure::Absent, false, path)?;
        let headers = Kept::default().headers(number).into_iter().chain(condition).collect();
        match self.engine.put(&key, super::upload::whole(""), headers) {
            Ok(_) => Ok(()),
            Err(why) => match (self.engine.look_up(&key), why) {
                (Ok(found), _) if found.number == number => Ok(()),
                (_, Why::Condition) => Err(failed(path, Errno::EXIST)),
                (_, why) => Err(why.at(path)),
            },
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
    pub(super) fn check_shown(&self, new: &Spot, folders: &[&Spot], files: &[&Spot]) -> Result<(), Why> {
        match self.engine.head(&self.keys.file(new)?) {
            Err(Why::Missing) => {}
            Ok(_) => return Err(Why::Condition),
            Err(why) => return Err(why),
        }
        let keys = |places: &[&Spot]| places.iter().map(|place| self.keys.file(place)).collect::<Result<HashSet<_>>>();
        let (folders, files) = (keys(folders)?, keys(files)?);
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

/// Whether a RENAME that ended so is finished by whoever finds its journal: it is not known how far the storage has come, or it was the
/// storage that refused to go on.
pub(super) fn is_finished_later(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Io)
}
