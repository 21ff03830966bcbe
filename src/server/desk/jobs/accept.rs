//! A file is taken as right as it is now, whatever was recorded of it: it is hashed for that.

use super::work::{Job, Work, Worked};
use crate::buffers::Buffer;
use crate::files::RelPath;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier};
use crate::store::Reading;

/// A file that is hashed, to be taken as right.
struct AcceptJob(Reading);

impl Job for AcceptJob {
    fn left_to_hash(&self) -> u64 {
        self.0.left_to_hash()
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        let done = match self.0.left() {
            0 => desk.claim_path(&running).and_then(|_under_way| self.0.accept()),
            _ => self.0.read(Buffer::take().room()).map(|_| false),
        };
        match done {
            Err(error) => {
                drop(self);
                desk.done(Err(error), running, earlier)
            }
            Ok(false) => Worked::on(self, running),
            Ok(true) => {
                let (size, hash) = desk.read_all(self.0);
                desk.audit.accepted(&running, hash);
                desk.done(Ok(Outcome::Accepted { size: Some(size) }), running, earlier)
            }
        }
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_accept(&mut self, path: &RelPath, running: Running) -> Begun {
        let opened = self.store.open(path);
        match opened {
            Ok(source) => {
                let reading = Reading::new(source, 0, None, self.digest(None));
                Begun::Work(Work::new(AcceptJob(reading), running))
            }
            Err(error) => self.over(running, Err(error)),
        }
    }
}
