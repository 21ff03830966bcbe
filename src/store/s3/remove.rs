//! Removing files and folders of a bucket.

use rustix::io::Errno;

use super::change::seen_as;
use super::engine::Why;
use super::names::Spot;
use super::object::Object;
use super::shared::{Found, Shared, failed, full, unheeded};
use crate::error::{Kind, Result};
use crate::files::{RelPath, Removed, Seen};
use crate::limits;
use crate::store::bounds::Sum;

impl Shared {
    pub(super) fn remove(&self, home: &Spot, path: &RelPath, recursive: bool, seen: Option<&Seen>) -> Result<Removed> {
        let place = full(home, path);
        if path.is_root() {
            self.check_parent(home, path)?;
        }
        if recursive && self.is_folder(&place, path)? {
            // It may be half gone from there already, or be there in half.
            let moves = self.begun(&self.keys.journal(&place)).map_err(|why| why.at(path))?.is_some();
            if moves {
                self.settle(&self.keys.journal(&place), path)?;
            }
            if self.settle_around(&place, path)? {
                // Something has come into it that was not there when somebody wanted it gone.
                return Err(Why::Condition.at(path));
            }
        }
        let _held = self.lock(&place, None);
        let mut change = self.ledger.changing(&self.keys.file(&place)?, None);
        let found = self.look(&place, path)?;
        let is = match &found {
            Found::Nothing => Seen::NOTHING,
            Found::Folder => Seen::FOLDER,
            Found::File(object) => seen_as(object),
        };
        if seen.is_some_and(|seen| *seen != is) {
            return Err(Why::Condition.at(path));
        }
        match found {
            Found::Nothing => Err(self.why_absent(home, path)),
            Found::File(object) => {
                self.keep_parent(home, path)?;
                change.begins(Sum::NONE);
                match self.remove_file(&place, path, &object, seen.is_some()) {
                    Ok(()) => change.done(Sum::file(object.size), Sum::NONE),
                    Err(error) => {
                        if matches!(error.kind(), Kind::Changed | Kind::Unsupported) {
                            change.is_refused();
                        }
                        return Err(error);
                    }
                }
                Ok(Removed::FILE)
            }
            Found::Folder => self.remove_folder(home, (&place, path), recursive),
        }
    }

    /// Removes a file; only this very one, if that is `sure`.
    pub(super) fn remove_file(&self, place: &Spot, path: &RelPath, object: &Object, sure: bool) -> Result<()> {
        let heeds = self.heeds();
        if sure && !heeds.delete_match && !self.alone {
            return Err(unheeded(path));
        }
        let etag = Some(object.etag.as_str()).filter(|_| sure && heeds.delete_match);
        let record = object.has_record().then(|| self.keys.record(place));
        self.remove_object(&self.keys.file(place)?, etag, record).map_err(|why| why.at(path))
    }

    /// Removes what has this key, only the one of this ETag if one is named, and what is recorded of it under that other key.
    fn remove_object(&self, key: &str, etag: Option<&str>, record: Option<String>) -> Result<(), Why> {
        let heeded = self.heeds().delete_match;
        // Seen before the file goes: from then on another server, or another session, may store one anew, with a record of its own.
        let seen = record.and_then(|record| match heeded {
            true => self.engine.look_up(&record).ok().map(|seen| (record, Some(seen.etag))),
            false => Some((record, None)),
        });
        self.engine.delete(key, etag)?;
        if let Some((record, etag)) = seen {
            // It counts for nothing any more.
            let _stays_of_no_use = self.forget_record(&record, etag.as_deref());
        }
        Ok(())
    }

    /// A record goes, where the storage heeds it only if it has this ETag still.
    pub(super) fn forget_record(&self, record: &str, etag: Option<&str>) -> Result<(), Why> {
        match self.engine.delete(record, etag.filter(|_| self.heeds().delete_match)) {
            Err(Why::Condition) => Ok(()),
            forgotten => forgotten,
        }
    }

    fn remove_folder(&self, home: &Spot, (place, path): (&Spot, &RelPath), recursive: bool) -> Result<Removed> {
        let prefix = self.keys.folder(place)?;
        let told = |why: Why| why.at(path);
        let first = self.engine.page(&prefix, true, 2, None).map_err(told)?;
        if !recursive && (first.next.is_some() || first.objects.iter().any(|object| object.key != prefix)) {
            return Err(failed(path, Errno::NOTEMPTY));
        }
        self.keep_parent(home, path)?;
        if !recursive {
            // Its marker alone: what came into it since keeps it where it is.
            return self.engine.delete(&prefix, None).map_err(told).map(|()| Removed::new(0, 1));
        }
        let sweeping = self.ledger.sweeping(&prefix);
        // As counted by their names: markers need not be there.
        let (mut files, mut folders) = (0, 1);
        let mut around: Vec<String> = Vec::new();
        self.each_page(&prefix, |page| {
            for object in page {
                let relative = object.key.strip_prefix(&prefix).unwrap_or_default();
                let (above, name) = relative.rsplit_once('/').unwrap_or(("", relative));
                let names: Vec<&str> = above.split('/').filter(|name| !name.is_empty()).collect();
                let same = around.iter().zip(&names).take_while(|(one, other)| one == *other).count();
                folders += (names.len() - same) as u64;
                files += u64::from(!name.is_empty());
                around = names.into_iter().map(str::to_owned).collect();
            }
            let removed = self.side_by_side(page, |object| {
                let mut change = self.ledger.changing(&object.key, Some(&sweeping));
                change.begins(Sum::NONE);
                let inside = || self.keys.path_of_key(&object.key);
                let record = (object.size >= limits::RECORD_MIN).then(inside).flatten();
                self.remove_object(&object.key, None, record.map(|inside| self.keys.record(&inside)))?;
                // A folder's marker is no file.
                let was = if object.key.ends_with('/') { Sum::NONE } else { Sum::file(object.size) };
                change.done(was, Sum::NONE);
                Ok::<_, Why>(())
            });
            removed.into_iter().collect::<Result<(), Why>>()
        })
        .map_err(told)?;
        Ok(Removed::new(files, folders))
    }
}
