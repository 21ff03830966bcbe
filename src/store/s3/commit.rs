//! Putting an upload in its place: one PUT, or one Complete. What it depends on is asked of the storage in that same request.

use rustix::io::Errno;

use super::engine::{Why, unknown};
use super::ledger::done_at_once;
use super::names::Spot;
use super::object::{Kept, Object};
use super::shared::{Found, Shared, failed, full, unheeded};
use super::spool::Spool;
use super::upload::S3Upload;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Committed, Condition, FileMode, Hash, Mtime, Overwrite, RelPath, SourceMode, Stored, Umask, UploadSpec, numbered,
};
use crate::limits;
use crate::outgoing::Payload;
use crate::store::bounds::Sum;

/// What the storage is to make sure of.
pub(super) enum Sure {
    Nothing,
    Absent,
    /// That the object of this ETag is there.
    Same(String),
}

impl Shared {
    /// The header by which the storage makes sure of it. Without one this process does, if it is alone.
    pub(super) fn condition(&self, sure: &Sure, in_parts: bool, path: &RelPath) -> Result<Vec<(&'static str, String)>> {
        let heeds = self.heeds();
        let (heeded, header) = match sure {
            Sure::Nothing => return Ok(vec![]),
            Sure::Absent => {
                let heeded = if in_parts { heeds.complete_absent } else { heeds.put_absent };
                (heeded, ("if-none-match", "*".to_owned()))
            }
            Sure::Same(etag) => {
                let heeded = if in_parts { heeds.complete_match } else { heeds.put_match };
                (heeded, ("if-match", etag.clone()))
            }
        };
        match (heeded, self.alone) {
            (true, _) => Ok(vec![header]),
            // It was looked at a moment ago, by whoever has the name's lock.
            (false, true) => Ok(vec![]),
            (false, false) => Err(unheeded(path)),
        }
    }

    /// Writes down what is known of a file that is stored. If that fails the file is there all the same: it has the time and the mode
    /// that its metadata say, and its hash is recorded by whoever reads all of it next.
    pub(super) fn record(&self, full: &Spot, object: &Object) {
        if let Err(why) = self.engine.write_record(&self.keys.record(full), object) {
            tracing::warn!(path = %full, error = %why.at("what is recorded"), "what is known of a file is not recorded");
        }
    }

    /// Whether what has this name is from this very upload.
    pub(super) fn is_from(&self, full: &Spot, number: &str) -> Option<Object> {
        let object = self.engine.look_up(&self.keys.file(full).ok()?).ok()?;
        (object.number == number).then_some(object)
    }
}

/// What a look at the name comes to.
enum Next {
    Send {
        sure: Sure,
        old: Option<Object>,
    },
    /// The very same bytes are there.
    Same(Object),
    /// Something has this name, and the next number is to be tried.
    Taken,
}

/// What a try to give it a name came to.
enum Tried {
    /// It has that now: a new one, or in the place of something.
    Stored(Stored),
    /// The very same bytes have it.
    Same(Object),
    /// Something has it, and the next number is to be tried.
    Taken,
    /// What has it is another thing by now than was decided on.
    Overtaken,
}

/// The bytes that are not sent yet, and their checksum.
type Rest = (Payload, String);

impl S3Upload {
    /// Refuses what a commit would surely refuse, before the bytes are sent in vain.
    pub(super) fn check_target(&mut self) -> Result<()> {
        self.looked = self.shared.check_parent_lately(&self.home, &self.path)?;
        let (spec, path) = (&self.spec, &self.path);
        self.shared.refuse_condition(spec, false, path)?;
        if spec.size.is_some_and(|size| size > limits::HASH_BLOCK) {
            self.shared.refuse_condition(spec, true, path)?;
        }
        if (spec.condition, spec.overwrite) == (Condition::Any, Overwrite::Allowed)
            || spec.overwrite == Overwrite::Numbered
        {
            return Ok(());
        }
        match (spec.condition, self.shared.look(&self.full, path)?) {
            (Condition::Absent, Found::File(_) | Found::Folder) => Err(failed(path, Errno::EXIST)),
            (Condition::Hash(hash), Found::File(there)) if there.has_record() => match there.kept {
                Kept { hash: Some(recorded), rotten: None, .. } if recorded != hash => Err(changed(path)),
                _ => Ok(()),
            },
            (Condition::Any, Found::Folder) => Err(failed(path, Errno::ISDIR)),
            (Condition::Any, Found::File(there)) if spec.size.is_some_and(|size| size != there.size) => {
                Err(denied(path))
            }
            _ => Ok(()),
        }
    }

    /// Puts it in its place. What the storage has of it stays where the storage cannot be reached and was asked for nothing yet.
    pub(super) fn commit(mut self) -> Result<Committed> {
        let done = self.try_commit();
        if done.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable) {
            let _stays_as_it_was_recorded = self.keep_blocks();
        }
        done
    }

    fn try_commit(&mut self) -> Result<Committed> {
        self.check_whole()?;
        let (hash, mtime) = (self.hasher.finalize(), self.mtime());
        let rest = self.send_rest()?;
        if let Some(promise) = &mut self.promise {
            promise.claim(&self.path, Sum::file(self.hasher.len()))?;
        }
        if let Some(progress) = &self.progress {
            progress.begin_end(&self.path)?;
        }
        self.check_folder()?;
        let (mut looks, mut number, mut called) = (0, 1, self.path.clone());
        loop {
            match self.try_name(&called, (hash, mtime), rest.as_ref())? {
                Tried::Stored(Stored::Created) if number > 1 => {
                    return Ok(Committed { size: self.hasher.len(), hash, mtime, stored: Stored::Numbered(number) });
                }
                Tried::Stored(stored) => return Ok(Committed { size: self.hasher.len(), hash, mtime, stored }),
                Tried::Same(there) => {
                    let (size, mtime) = (there.size, there.meta().mtime);
                    return Ok(Committed { size, hash, mtime, stored: Stored::Same });
                }
                Tried::Taken if number < limits::NUMBERED_MAX => {
                    number += 1;
                    called = numbered(&self.path, number)?;
                }
                Tried::Taken => return Err(failed(&self.path, Errno::EXIST)),
                // Somebody was faster: what is there now is looked at once more.
                Tried::Overtaken if looks < limits::CONDITION_LOOKS => looks += 1,
                Tried::Overtaken => return Err(Why::Condition.at(&called)),
            }
        }
    }

    /// Fails unless all of it came, and was written.
    fn check_whole(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(Kind::Io, self.path.said("not stored, a write failed before")));
        }
        match self.spec.size {
            Some(size) if size != self.hasher.len() => {
                let text = self.path.said(format_args!("{size} bytes were announced and {} came", self.hasher.len()));
                Err(Error::new(Kind::Integrity, text))
            }
            _ => Ok(()),
        }
    }

    /// What is not sent yet: the last part is, if it comes in parts, and else it is what the request brings that stores it.
    fn send_rest(&mut self) -> Result<Option<Rest>> {
        let rest = self.spool.take().filter(|spool| spool.len() > 0 || self.parts.is_none()).map(Spool::finish);
        if let (Some(parts), Some(rest)) = (&mut self.parts, &rest) {
            let number = self.hasher.len().div_ceil(limits::HASH_BLOCK);
            parts.send(&self.shared.engine, number, rest.clone()).map_err(|why| why.at(&self.path))?;
        }
        self.wait(0)?;
        Ok(rest)
    }

    /// Looks at what has this name, and puts the file there if it may be.
    fn try_name(&mut self, called: &RelPath, (hash, mtime): (Hash, Mtime), rest: Option<&Rest>) -> Result<Tried> {
        let place = full(&self.home, called);
        let shared = self.shared.clone();
        let _held = shared.lock(&place, None);
        let mut change = shared.ledger.changing(&shared.keys.file(&place)?, None);
        let (sure, old) = match self.next(&place, called, hash)? {
            Next::Send { sure, old } => (sure, old),
            Next::Same(there) => return Ok(Tried::Same(there)),
            Next::Taken => return Ok(Tried::Taken),
        };
        let mode = match &old {
            Some(old) => self.mode_over(old),
            None => new_mode(self.spec.mode, self.spec.umask),
        };
        let kept = Kept { hash: Some(hash), mtime: Some(mtime), mode: Some(mode), rotten: None };
        let sum = Sum::file(self.hasher.len());
        change.begins(sum);
        match self.send(&place, called, &sure, &kept, rest) {
            Ok(()) => {}
            Err(Why::Condition) => {
                change.is_refused();
                return Ok(Tried::Overtaken);
            }
            Err(why) => return Err(why.at(called)),
        }
        let before = old.as_ref().map_or(Sum::NONE, |old| Sum::file(old.size));
        let mut promise = self.promise.take();
        done_at_once(vec![(change, before, sum)], |state| {
            if let Some(promise) = &mut promise {
                promise.end(state);
            }
        });
        Ok(Tried::Stored(if old.is_some() { Stored::Replaced } else { Stored::Created }))
    }

    fn next(&self, place: &Spot, path: &RelPath, hash: Hash) -> Result<Next> {
        let spec: &UploadSpec = &self.spec;
        let found = match spec.condition {
            Condition::Hash(_) => self.shared.look(place, path)?,
            Condition::Any | Condition::Absent => self.shared.look_for_none(place, path)?,
        };
        match (spec.condition, found) {
            (_, Found::File(_) | Found::Folder) if spec.overwrite == Overwrite::Numbered => Ok(Next::Taken),
            (Condition::Absent, Found::File(_) | Found::Folder) => Err(failed(path, Errno::EXIST)),
            (Condition::Hash(expected), Found::File(there)) => {
                match self.shared.hash_of(place, &there).map_err(|why| why.at(path))? {
                    hash if hash == expected => {
                        Ok(Next::Send { sure: Sure::Same(there.etag.clone()), old: Some(there) })
                    }
                    _ => Err(changed(path)),
                }
            }
            (Condition::Hash(_), Found::Folder | Found::Nothing) => Err(changed(path)),
            (Condition::Any, Found::Folder) => Err(failed(path, Errno::ISDIR)),
            (Condition::Any, Found::File(there)) if spec.overwrite == Overwrite::Refused => {
                let is_same = there.size == self.hasher.len()
                    && self.shared.hash_of(place, &there).map_err(|why| why.at(path))? == hash;
                if is_same { Ok(Next::Same(there)) } else { Err(denied(path)) }
            }
            (Condition::Any, Found::File(there)) => Ok(Next::Send { sure: Sure::Nothing, old: Some(there) }),
            (_, Found::Nothing) => {
                let replaces = (spec.condition, spec.overwrite) == (Condition::Any, Overwrite::Allowed);
                Ok(Next::Send { sure: if replaces { Sure::Nothing } else { Sure::Absent }, old: None })
            }
        }
    }

    /// The request that makes it a file. An answer that is lost is looked up: only what says that it is from this upload is.
    fn send(&mut self, place: &Spot, path: &RelPath, sure: &Sure, kept: &Kept, rest: Option<&Rest>) -> Result<(), Why> {
        let (shared, number) = (self.shared.clone(), self.number.clone());
        let condition = shared.condition(sure, self.parts.is_some(), path)?;
        let done = match (&self.parts, rest) {
            (Some(parts), _) => parts.complete(&shared.engine, condition),
            (None, Some(rest)) => {
                let headers = kept.headers(&number).into_iter().chain(condition).collect();
                shared.engine.put(&shared.keys.file(place)?, rest.clone(), headers).map(drop)
            }
            (None, None) => Err(Error::new(Kind::Internal, path.said("its bytes are gone")).into()),
        };
        if self.parts.is_some() && matches!(done, Err(Why::NoUpload)) {
            // Somebody else has ended it before: what has the name is of this upload, if it says so, and not of what was sent here.
            return match shared.is_from(place, &number) {
                Some(_) => {
                    self.parts = None;
                    self.progress.take().iter().for_each(|progress| progress.done());
                    Err(unknown())
                }
                None => Err(Why::NoUpload),
            };
        }
        let found = match (&done, self.parts.is_some()) {
            (Ok(()), false) => None,
            // It is stored, whatever a look at it comes to: somebody may have removed it since.
            (Ok(()), true) => shared.engine.look_up(&shared.keys.file(place)?).ok(),
            // Of an upload in parts nobody else completes what this one may: so it is of these parts.
            (Err(_), _) => shared.is_from(place, &number),
        };
        let stored = match (done, found) {
            (Ok(()), None) => {
                // The storage knows it no longer, and there is nothing to be given up.
                self.parts = None;
                return Ok(());
            }
            (Err(why), None) => {
                if why.is_unavailable() {
                    // It may be done later. Giving it up then could take away what had the name.
                    self.let_go();
                }
                return Err(why);
            }
            (_, Some(found)) => found,
        };
        if self.parts.is_some() {
            if stored.number == number && stored.size != self.hasher.len() {
                let text = path.said("the storage has made something else of its parts");
                return Err(Error::new(Kind::Integrity, text).into());
            }
            // Somebody else may have replaced it meanwhile: what is recorded counts for this upload alone.
            if stored.number == number {
                shared.record(place, &Object { kept: *kept, ..stored });
            }
            // The storage knows it no longer, and there is nothing to be given up.
            self.parts = None;
        }
        Ok(())
    }
}

/// The mode of a new file: for the server's account and group, and open to no more than where it comes from.
pub(super) fn new_mode(source: Option<SourceMode>, umask: Option<Umask>) -> FileMode {
    let most = limits::SERVED_FILE_MODE;
    match (source, umask) {
        (Some(source), _) if source.perms => source.over(source.mode),
        (source, Some(umask)) => umask.file(source.map(|source| source.mode)),
        (None, None) => FileMode::of(most),
        (Some(source), None) => FileMode::of(source.mode.bits() & (most | (most & 0o444) >> 2) | 0o600),
    }
}

pub(super) fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, path.said("not the file that was to be replaced"))
}

fn denied(path: &RelPath) -> Error {
    Error::new(Kind::Denied, path.said("is there already, and the right `overwrite` to replace it is missing"))
}
