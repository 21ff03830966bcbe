//! Outcomes as replies.

use crate::error::{Error, Result};
use crate::files::{Removed, Stored, TrashList, Trashed};
use crate::limits;
use crate::machine::lane::Outgoing;
use crate::proto::{ReplyWriter, percent};
use crate::server::desk::outcome::Outcome;

/// Where a session's replies are put together.
pub struct Replies {
    /// ` pid=… session=…`, as every final reply carries them.
    ids: String,
    /// Where a reply line is put together before it is copied out.
    scratch: Vec<u8>,
}

impl Replies {
    pub(super) fn new(ids: String) -> Self {
        Replies { ids, scratch: Vec::new() }
    }

    pub(super) fn ids(&self) -> &str {
        &self.ids
    }

    /// Nothing is to be answered for now.
    pub(super) fn shrink(&mut self) {
        self.scratch = Vec::new();
    }

    /// Writes a preliminary line, or several.
    pub(super) fn preliminary(&mut self, write: impl FnOnce(&mut Vec<u8>), out: &mut Outgoing) {
        self.scratch.clear();
        write(&mut self.scratch);
        out.put(&self.scratch);
    }

    /// Writes the final reply of a command that succeeded, with the ids.
    pub(super) fn done(
        &mut self,
        head: impl for<'a> FnOnce(&'a mut Vec<u8>) -> ReplyWriter<'a>,
        text: &str,
        out: &mut Outgoing,
    ) {
        self.scratch.clear();
        head(&mut self.scratch).rendered(&self.ids).text(text);
        out.put(&self.scratch);
    }

    /// Writes the final reply of a command that failed, with the ids.
    pub(super) fn refuse(&mut self, error: &Error, out: &mut Outgoing) {
        let (kind, text) = error.told_by_server();
        self.scratch.clear();
        ReplyWriter::error(&mut self.scratch, kind).rendered(&self.ids).text(&text);
        out.put(&self.scratch);
    }

    /// Writes that the session ends while nothing is under way: whatever came and has no answer yet was not begun.
    pub(super) fn farewell(&mut self, error: &Error, out: &mut Outgoing) {
        let (kind, text) = error.told_by_server();
        self.scratch.clear();
        ReplyWriter::error(&mut self.scratch, kind).field("begun", "no").rendered(&self.ids).text(&text);
        out.put(&self.scratch);
    }

    /// Writes the final reply of an operation on files.
    pub(super) fn answer(&mut self, result: &Result<Outcome>, out: &mut Outgoing) {
        match result {
            Ok(Outcome::Trash(list, is_off)) => self.tell_trash(list, *is_off, out),
            Ok(outcome) => self.done(|line| head(outcome, line), text(outcome), out),
            Err(error) => self.refuse(error, out),
        }
    }

    /// A line for each thing, but for those whose line would be too long.
    fn tell_trash(&mut self, list: &TrashList, is_off: bool, out: &mut Outgoing) {
        let mut is_cut = list.is_cut;
        for Trashed { id, path, kind, size, files, mtime } in &list.entries {
            self.scratch.clear();
            let reply = ReplyWriter::new(&mut self.scratch, 114, "trash").field("id", id).field("type", kind.word());
            let reply = reply.field("size", size);
            let reply = if let Some(files) = files { reply.field("files", files) } else { reply };
            reply.field("mtime", mtime).bytes("path", path.as_bytes()).end();
            match self.scratch.len() <= limits::LINE_MAX {
                true => out.put(&self.scratch),
                false => is_cut = true,
            }
        }
        let text = if is_cut { "That is not all." } else { "That is all." };
        self.done(
            |line| {
                let reply = ReplyWriter::new(line, 212, "trash");
                let reply = if is_cut { reply.field("cut", "yes") } else { reply };
                if is_off { reply.field("off", "yes") } else { reply }
            },
            text,
            out,
        );
    }
}

fn head<'a>(outcome: &Outcome, line: &'a mut Vec<u8>) -> ReplyWriter<'a> {
    match outcome {
        Outcome::Found { meta, rotten, room } => {
            let reply = ReplyWriter::new(line, 213, "stat")
                .field("type", meta.kind.word())
                .field("size", meta.size)
                .field("mtime", meta.mtime)
                .field("mode", meta.mode);
            let reply = if *rotten { reply.field("rotten", "yes") } else { reply };
            let Some(room) = room else { return reply };
            let reply = match &room.shared {
                Some(at) => reply.bytes("shared", at.as_bytes()),
                None => reply,
            };
            let reply = match room.usage {
                Some(usage) => reply.field("quota", usage.limit).field("used", usage.used),
                None => reply,
            };
            let reply = match room.kept {
                Some(kept) => reply.field("trash", kept.trash).field("interrupted", kept.interrupted),
                None => reply,
            };
            match room.free {
                Some(free) => reply.field("free", free),
                None => reply,
            }
        }
        Outcome::Listed { entries, unreadable, unread, denied } => {
            let reply = ReplyWriter::new(line, 226, "done").field("entries", entries);
            let unread = that_fit(unread);
            let reply = match unreadable {
                0 => return reply,
                _ if unread.is_empty() => return reply.field("unreadable", unreadable),
                _ => reply.field("unreadable", unreadable).list("unread", unread),
            };
            match (*denied).min(unread.len()) {
                0 => reply,
                denied => reply.field("denied", denied),
            }
        }
        Outcome::Read { size, hash } => ReplyWriter::new(line, 226, "done").field("size", size).field("hash", hash),
        Outcome::Hashed { size, hash, mtime, record, .. } => {
            let reply = ReplyWriter::new(line, 213, "hash").field("size", size).field("hash", hash);
            let reply = reply.field("mtime", mtime);
            match record {
                Some(confirmed) => reply.field("record", if *confirmed { "yes" } else { "no" }),
                None => reply,
            }
        }
        Outcome::Partial(partial) => {
            ReplyWriter::new(line, 213, "hash").field("size", partial.len).field("hash", partial.hash)
        }
        Outcome::Accepted { size } => {
            let reply = ReplyWriter::new(line, 250, "done");
            if let Some(size) = size { reply.field("size", size) } else { reply }
        }
        Outcome::Stored { committed, .. } => {
            ReplyWriter::new(line, 226, "done").field("size", committed.size).field("hash", committed.hash)
        }
        Outcome::Staged(id) => ReplyWriter::new(line, 200, "staged").field("id", id),
        Outcome::PartCame { size } => ReplyWriter::new(line, 226, "done").field("size", size),
        Outcome::ModeSet(now) => {
            let reply = ReplyWriter::new(line, 250, "done");
            if let Some(now) = now { reply.field("mode", now) } else { reply }
        }
        Outcome::FolderMade { made } => ReplyWriter::new(line, 250, "done").field("made", made),
        Outcome::Purged { gone, is_part, left, unreached, .. } => {
            let reply = ReplyWriter::new(line, 250, "done").field("gone", gone);
            let reply = if *is_part { reply.field("unlisted", "yes") } else { reply };
            let reply = if *left > 0 { reply.field("left", left) } else { reply };
            if *unreached > 0 { reply.field("unreached", unreached) } else { reply }
        }
        Outcome::Removed(removed) => {
            let reply = ReplyWriter::new(line, 250, "done");
            if *removed == Removed::default() { reply } else { how_much(reply, *removed) }
        }
        Outcome::Discarded | Outcome::Renamed(_) | Outcome::Restored | Outcome::Trash(..) => {
            ReplyWriter::new(line, 250, "done")
        }
        // No line asks for these.
        Outcome::PropertiesSet | Outcome::Locked { .. } | Outcome::Unlocked => ReplyWriter::new(line, 250, "done"),
    }
}

/// What is removed.
pub fn how_much(reply: ReplyWriter<'_>, Removed { files, folders, .. }: Removed) -> ReplyWriter<'_> {
    reply.field("files", files).field("folders", folders)
}

fn text(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Found { .. } | Outcome::Hashed { .. } | Outcome::Partial(_) | Outcome::PartCame { .. } => "",
        Outcome::Listed { entries: 0, unreadable: 0, .. } => "The folder is empty.",
        Outcome::Listed { unreadable: 0, .. } => "That is all.",
        Outcome::Listed { .. } => "Some folders could not be read.",
        Outcome::Read { .. } => "Sent.",
        Outcome::Accepted { .. } => "These bytes are right from now on.",
        Outcome::Stored { committed, .. } if committed.stored == Stored::Same => "The same bytes are there already.",
        Outcome::Stored { .. } => "Stored.",
        Outcome::Staged(_) => "Send its parts.",
        Outcome::Discarded => "Given up.",
        Outcome::Removed(_) => "Removed.",
        Outcome::FolderMade { made: 0 } => "It is there already.",
        Outcome::FolderMade { .. } => "Made.",
        Outcome::Renamed(_) => "Renamed.",
        Outcome::Trash(..) => "That is all.",
        Outcome::Restored => "It is there again.",
        Outcome::Purged { left: 0, unreached: 0, .. } => "Gone for good.",
        Outcome::Purged { .. } => "Something is left.",
        Outcome::ModeSet(_) | Outcome::PropertiesSet => "Changed.",
        Outcome::Locked { .. } => "Locked.",
        Outcome::Unlocked => "Unlocked.",
    }
}

/// As many of these names as there is room for in a line, where some take more than they have bytes.
fn that_fit(names: &[Vec<u8>]) -> &[Vec<u8>] {
    let mut bytes = 0;
    let fits = |name: &Vec<u8>| {
        bytes += percent::list_item(name).len() + 1;
        bytes <= limits::UNREAD_NAMES
    };
    let fit = names.iter().map(fits).take_while(|fits| *fits).count();
    names.get(..fit).unwrap_or_default()
}
