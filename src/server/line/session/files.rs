//! Commands on files that are answered in one step: STAT, CHMOD, DELETE, RENAME.

use super::{Running, Session};
use crate::error::Result;
use crate::files::{RelPath, SourceMode};
use crate::machine::lane::Outgoing;
use crate::machine::turns;
use crate::proto::ReplyWriter;

impl Session {
    pub(super) fn stat(&mut self, path: &RelPath, running: Running, out: &mut Outgoing) {
        match self.store.stat(path) {
            Err(error) => self.fail(running, &error, out),
            Ok(meta) => {
                let is_rotten = self.is_rotten(path, meta.kind, meta.size);
                self.done(
                    running,
                    0,
                    out,
                    |r| {
                        let reply = ReplyWriter::new(r, 213, "stat")
                            .field("type", meta.kind.word())
                            .field("size", meta.size)
                            .field("mtime", meta.mtime)
                            .field("mode", meta.mode);
                        if is_rotten { reply.field("rotten", "yes") } else { reply }
                    },
                    "",
                )
            }
        }
    }

    pub(super) fn chmod(&mut self, path: &RelPath, mode: SourceMode, running: Running, out: &mut Outgoing) {
        match turns::aside(|| self.store.set_mode(path, mode.within(self.most))) {
            Ok(now) => self.done(running, 0, out, |r| ReplyWriter::new(r, 250, "done").field("mode", now), "Changed."),
            Err(error) => self.fail(running, &error, out),
        }
    }

    pub(super) fn delete(&mut self, path: &RelPath, recursive: bool, running: Running, out: &mut Outgoing) {
        let result = turns::aside(|| self.store.remove(path, recursive));
        self.changed(result, "Removed.", running, out);
    }

    pub(super) fn rename(&mut self, from: &RelPath, to: &RelPath, replace: bool, running: Running, out: &mut Outgoing) {
        let result = turns::aside(|| self.store.rename(from, to, replace));
        self.changed(result, "Renamed.", running, out);
    }

    fn changed(&mut self, result: Result<()>, text: &str, running: Running, out: &mut Outgoing) {
        match result {
            Ok(()) => self.done(running, 0, out, |r| ReplyWriter::new(r, 250, "done"), text),
            Err(error) => self.fail(running, &error, out),
        }
    }
}
