//! A copy of a file: read, hashed, and staged as an upload is. Where the file system can, its bytes are shared and not written
//! again; each is read either way, so that what is recorded of the copy is proven, and rot is found and not spread.

use super::compare::{Then, Whole};
use super::work::{Went, What, Work};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Finding, Interrupted, RelPath, Seen, SourceMode, Upload, UploadSpec};
use crate::server::desk::outcome::Begun;
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier};
use crate::store::{Checked, Digest, Reading};

/// A copy on its way. Dropped before it is in its place it leaves nothing behind.
pub struct Copying {
    reading: Reading,
    upload: Box<dyn Upload>,
    /// What was seen at a path, which is what must have been copied.
    of: Option<(RelPath, Seen)>,
}

impl Copying {
    /// Bytes that are to be hashed yet.
    pub(super) fn left_to_hash(&self) -> u64 {
        self.reading.left_to_hash()
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_copy(
        &mut self,
        from: &RelPath,
        to: &RelPath,
        replace: bool,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        // It asks for what those before it have made: the answer must not depend on how far they have got.
        if self.batch.files().any(|file| file == from || file == to) {
            self.commit(earlier);
        }
        if replace && self.is_one_place(from, to) {
            // It would put back what was there before everything that came meanwhile.
            self.commit(earlier);
            return self.over(running, Err(Error::new(Kind::BadCommand, format!("{from}: is not copied onto itself"))));
        }
        let mut begun = self.open_copy(from, to, replace);
        if begun.is_err() && !self.batch.is_empty() {
            self.commit(earlier);
            begun = self.open_copy(from, to, replace);
        }
        match begun {
            Ok(copying) => Begun::Work(Work::new(What::Copy(copying), running)),
            Err(error) => self.over(running, Err(error)),
        }
    }

    fn open_copy(&mut self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Copying> {
        let (source, _) = self.open(from)?;
        let meta = source.meta();
        let spec = UploadSpec {
            size: Some(meta.size),
            mtime: Some(meta.mtime),
            mode: Some(SourceMode { mode: meta.mode, perms: true }),
            allocated: source.allocated(),
            interrupted: Interrupted::Dropped,
            condition: if replace { Condition::Any } else { Condition::Absent },
            ..UploadSpec::default()
        };
        let mut upload = self.open_upload(to, self.within(spec, to), None)?;
        upload.share(&*source);
        upload.copy_properties(&*source);
        let of = self.seen.as_deref().cloned().map(|seen| (from.clone(), seen));
        Ok(Copying { reading: Reading::new(source, 0, None, Digest::Elsewhere(None)), upload, of })
    }

    pub(super) fn copy(&mut self, copying: Copying, running: &Running) -> Went {
        let Copying { mut reading, mut upload, of } = copying;
        if reading.left() > 0 {
            let mut buffer = Buffer::take();
            let room = buffer.room();
            let copied =
                reading.read(room).and_then(|n| self.append_to(&mut *upload, room.get(..n).unwrap_or_default()));
            return match copied {
                Ok(()) => Went::On(What::Copy(Copying { reading, upload, of })),
                Err(error) => Went::Done(Err(error)),
            };
        }
        reading.learn(upload.hash());
        match reading.check() {
            Ok(Checked::NotYet) => Went::On(What::Copy(Copying { reading, upload, of })),
            // It was there before its first byte was read, and is there now: these are its bytes.
            Ok(Checked::Done(_))
                if of.as_ref().is_some_and(|(path, seen)| self.seen(path).ok().as_ref() != Some(seen)) =>
            {
                let (path, _) = of.unzip();
                let text = format!("{}: somebody changed it just now", path.unwrap_or_default());
                Went::Done(Err(Error::new(Kind::Changed, text)))
            }
            Ok(Checked::Done(Finding::Unrecorded | Finding::Confirmed)) => match Whole::of(upload, Then::Batch) {
                Ok(Whole::Ready(upload)) => Went::Whole(upload),
                Ok(Whole::Comparing(comparing)) => Went::On(What::Compare(comparing)),
                Err(error) => Went::Done(Err(error)),
            },
            Ok(Checked::Done(Finding::Rotten(rot))) => Went::Done(Err(self.found_rotten(running, &rot))),
            Err(error) => Went::Done(Err(error)),
        }
    }
}
