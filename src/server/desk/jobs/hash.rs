//! The hash of a file: of its bytes as they are read now, or what was recorded of them.

use super::work::{Job, Work, Worked};
use crate::buffers::Buffer;
use crate::error::Result;
use crate::files::{Finding, RelPath};
use crate::server::desk::op::Hashing;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier};
use crate::store::{Checked, Reading};

/// A file that is hashed.
struct HashJob(Reading);

impl Job for HashJob {
    fn left_to_hash(&self) -> u64 {
        self.0.left_to_hash()
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        if self.0.left() > 0 {
            return match self.0.read(Buffer::take().room()) {
                Ok(_) => Worked::on(self, running),
                Err(error) => {
                    drop(self);
                    desk.done(Err(error), running, earlier)
                }
            };
        }
        let finding = match self.0.check() {
            Ok(Checked::NotYet) => return Worked::on(self, running),
            Ok(Checked::Done(finding)) => Ok(finding),
            Err(error) => Err(error),
        };
        let result = self.end(finding, desk, &running);
        desk.done(result, running, earlier)
    }
}

impl HashJob {
    fn end(self, finding: Result<Finding>, desk: &mut Desk, running: &Running) -> Result<Outcome> {
        match finding? {
            Finding::Rotten(rot) => Err(desk.found_rotten(running, &rot)),
            finding => {
                let record = self.0.is_whole().then_some(finding == Finding::Confirmed);
                Ok(desk.hashed(self.0, record))
            }
        }
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_hash(
        &mut self,
        path: &RelPath,
        length: Option<u64>,
        of: Hashing,
        running: Running,
    ) -> Begun {
        match self.open(path) {
            Ok((source, recorded)) => {
                let is_whole = length.is_none_or(|length| length >= source.meta().size);
                let digest = self.digest(recorded.filter(|_| is_whole && of == Hashing::Record));
                let reading = Reading::new(source, 0, length, digest).growing(of == Hashing::Growing);
                if reading.is_recorded() {
                    let outcome = self.hashed(reading, None);
                    return self.over(running, Ok(outcome));
                }
                Begun::Work(Work::new(HashJob(reading), running))
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    fn hashed(&mut self, reading: Reading, record: Option<bool>) -> Outcome {
        let (mtime, identity) = (reading.source().meta().mtime, reading.source().identity());
        let (size, hash) = self.read_all(reading);
        Outcome::Hashed { size, hash, mtime, identity, record }
    }
}
