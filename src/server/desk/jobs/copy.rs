//! A copy of a file: read, hashed, and staged as an upload is. Where the file system can, its bytes are shared and not written
//! again; each is read either way, so that what is recorded of the copy is proven, and rot is found and not spread.

use super::compare::{Then, Whole};
use super::work::{Job, Work, Worked};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Finding, Interrupted, RelPath, Seen, SourceMode, Upload, UploadSpec};
use crate::server::desk::outcome::Begun;
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier};
use crate::store::{Checked, Digest, Reading};

/// A copy on its way. Dropped before it is in its place it leaves nothing behind.
struct Copying {
    reading: Reading,
    upload: Box<dyn Upload>,
    /// What was seen at a path, which is what must have been copied.
    of: Option<(RelPath, Seen)>,
}

impl Job for Copying {
    fn left_to_hash(&self) -> u64 {
        self.reading.left_to_hash()
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        if self.reading.left() > 0 {
            return match self.copy_some(desk) {
                Ok(()) => Worked::on(self, running),
                Err(error) => {
                    drop(self);
                    desk.done(Err(error), running, earlier)
                }
            };
        }
        self.reading.learn(self.upload.hash());
        let finding = match self.reading.check() {
            Ok(Checked::NotYet) => return Worked::on(self, running),
            Ok(Checked::Done(finding)) => Ok(finding),
            Err(error) => Err(error),
        };
        match self.end(finding, desk, &running) {
            Ok(Whole::Ready(upload)) => desk.whole(upload, running, earlier),
            Ok(Whole::Comparing(comparing)) => Worked::on(Box::new(comparing), running),
            Err(error) => desk.done(Err(error), running, earlier),
        }
    }
}

impl Copying {
    fn copy_some(&mut self, desk: &mut Desk) -> Result<()> {
        let mut buffer = Buffer::take();
        let room = buffer.room();
        let n = self.reading.read(room)?;
        desk.append_to(&mut *self.upload, room.get(..n).unwrap_or_default())
    }

    /// All of it is read and hashed. If it is not to be, nothing of it is left.
    fn end(self, finding: Result<Finding>, desk: &Desk, running: &Running) -> Result<Whole> {
        let finding = finding?;
        // That it is what was seen was known when it was open, and that its bytes stood still is known by now, whoever may read it by then.
        if let Some((path, seen)) = &self.of
            && !desk.seen(path).is_ok_and(|now| now.is_still(seen))
        {
            return Err(changed(path));
        }
        match finding {
            Finding::Unrecorded | Finding::Confirmed => Whole::of(self.upload, Then::Batch),
            Finding::Rotten(rot) => Err(desk.found_rotten(running, &rot)),
        }
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_copy(
        &mut self,
        from: &RelPath,
        to: &RelPath,
        over: Condition,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        // It asks for what those before it have made: the answer must not depend on how far they have got.
        if self.batch.files().any(|file| file == from || file == to) {
            self.commit(earlier);
        }
        if over != Condition::Absent && self.is_one_place(from, to) {
            // It would put back what was there before everything that came meanwhile.
            self.commit(earlier);
            return self.over(running, Err(Error::new(Kind::BadCommand, format!("{from}: is not copied onto itself"))));
        }
        let mut begun = self.open_copy(from, to, over, &running);
        if begun.is_err() && !self.batch.is_empty() {
            self.commit(earlier);
            begun = self.open_copy(from, to, over, &running);
        }
        match begun {
            Ok(copying) => Begun::Work(Work::new(copying, running)),
            Err(error) => self.over(running, Err(error)),
        }
    }

    fn open_copy(&mut self, from: &RelPath, to: &RelPath, over: Condition, running: &Running) -> Result<Copying> {
        let (source, _) = self.open(from)?;
        let of = running.seen().and_then(|seen| seen.path.clone()).map(|seen| (from.clone(), seen));
        // It was there before it was opened, and is there now: this is it.
        if of.as_ref().is_some_and(|(path, seen)| self.seen(path).ok().as_ref() != Some(seen)) {
            return Err(changed(from));
        }
        let meta = source.meta();
        let spec = UploadSpec {
            size: Some(meta.size),
            mtime: Some(meta.mtime),
            mode: Some(SourceMode { mode: meta.mode, perms: true }),
            allocated: source.allocated(),
            interrupted: Interrupted::Dropped,
            condition: over,
            ..UploadSpec::default()
        };
        let mut upload = self.open_upload(to, self.within(spec, to), None)?;
        upload.share(&*source);
        upload.copy_properties(&*source);
        Ok(Copying { reading: Reading::new(source, 0, None, Digest::Elsewhere(None)), upload, of })
    }
}

fn changed(path: &RelPath) -> Error {
    Error::new(Kind::Changed, format!("{path}: somebody changed it just now"))
}
