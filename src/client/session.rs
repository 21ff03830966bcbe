//! The protocol's client end over a [`Wire`]: commands out, replies and data in, in step. Blocking.

use std::collections::VecDeque;

use zeroize::Zeroize;

use super::answers::Ids;
use super::wire::{Credit, Event, Parcel, Wire};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::RelPath;
use crate::limits;
use crate::proto::{Command, Feature, Features, FrameDecoder, LineDecoder, Piece, Reply};
use crate::tls::Pin;

/// The digits of what a server says before it closes the connection.
const CLOSING: u16 = 421;

/// One logged-in, or not yet logged-in, conversation.
///
/// It counts the commands that are not answered yet. One that is left with such, because something went wrong in the
/// middle, is out of step and cannot be used again.
pub(super) struct Session {
    wire: Wire,
    /// Bytes that came; those before `at` are used up.
    came: Buffer,
    at: usize,
    lines: LineDecoder,
    /// The reply line read last.
    line: Vec<u8>,
    /// What is about to be sent.
    out: Buffer,
    /// It holds a password.
    secret: bool,
    /// Leave to send it, if that is known already.
    leave: Option<Credit>,
    scratch: Vec<u8>,
    /// The commands that are not answered yet, oldest first. The greeting counts as one.
    unanswered: VecDeque<Unanswered>,
    /// What the command named that the last final reply answered.
    answered: Option<RelPath>,
    /// How many of them are still in `out`.
    unsent: usize,
    broken: bool,
    ids: Option<Ids>,
    next_pin: Option<Pin>,
    /// What the server listed in its greeting.
    features: Features,
    /// What comes of an upload is kept to the byte.
    keeps_bytes: bool,
}

/// A command that is not answered yet.
#[derive(Default)]
struct Unanswered {
    /// What it named.
    names: Option<RelPath>,
    /// The server may have to read whole files for it.
    reads: bool,
}

impl Session {
    pub(super) fn new(wire: Wire) -> Session {
        Session {
            wire,
            came: Buffer::none(),
            at: 0,
            lines: LineDecoder::new(limits::LINE_MAX),
            line: Vec::new(),
            out: Buffer::take(),
            secret: false,
            leave: None,
            // Large enough that a password in a line is never copied to a larger one.
            scratch: Vec::with_capacity(4 * limits::LINE_MAX),
            // The greeting.
            unanswered: VecDeque::from([Unanswered::default()]),
            answered: None,
            unsent: 0,
            broken: false,
            ids: None,
            next_pin: None,
            features: Features::NONE,
            keeps_bytes: false,
        }
    }

    /// Whether another command can be sent: all are answered, and nothing was out of order.
    pub(super) fn is_usable(&self) -> bool {
        !self.broken && self.unanswered.is_empty()
    }

    /// What the server listed.
    pub(super) fn features(&self) -> Features {
        self.features
    }

    /// Whether the connection is known to be lost while nothing is asked: it was closed, or the server says something unasked.
    pub(super) fn is_over(&self) -> bool {
        !self.is_usable() || self.wire.is_over() || self.at != self.came.filled().len()
    }

    /// Remembers what the server listed in its greeting: a command that needs more is not sent.
    pub(super) fn set_features(&mut self, features: Features) {
        self.features = features;
    }

    /// Whether the server listed this in its greeting.
    pub(super) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }

    /// The server keeps what comes of this session's uploads to the byte, and not by whole blocks.
    pub(super) fn set_keeps_bytes(&mut self) {
        self.keeps_bytes = true;
    }

    /// Of how large a file, and of which parts of it, something may be left to be gone on with.
    pub(super) fn least_kept(&self) -> u64 {
        if self.keeps_bytes { limits::LINK_UPLOAD_KEPT_MIN } else { limits::HASH_BLOCK }
    }

    /// Whether something may be left that ends there.
    pub(super) fn may_end_at(&self, offset: u64) -> bool {
        offset > 0 && (self.keeps_bytes || offset.is_multiple_of(limits::HASH_BLOCK))
    }

    /// Who gave the last final reply.
    pub(super) fn ids(&self) -> Option<Ids> {
        self.ids
    }

    /// The key that the server said it will have next, when it let this session in.
    pub(super) fn next_pin(&self) -> Option<Pin> {
        self.next_pin
    }

    /// Whether the server is about to close the connection, or what it says makes no sense.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The buffer being filled. Whoever writes more than a command into it looks after its room.
    pub(super) fn out(&mut self) -> &mut Buffer {
        &mut self.out
    }

    /// Writes a command into the outgoing buffer, which must be below [`limits::WIRE_HANDOVER`]. It is sent
    /// when a reply is waited for, or by [`Session::try_flush`].
    ///
    /// # Errors
    /// [`Kind::PathTooLong`] if the line would be too long, [`Kind::TooOld`] if the server did not list what it needs;
    /// nothing is written then.
    pub(super) fn command(&mut self, command: &Command) -> Result<()> {
        let about = |error: Error| match command.path() {
            Some(path) => error.at(path.as_path()),
            None => error,
        };
        if let Some(missing) = command.needs().first_missing_in(self.features) {
            return Err(about(missing.missing()));
        }
        self.scratch.clear();
        command.render(&mut self.scratch).map_err(about)?;
        let fits = self.out.append(&self.scratch) == self.scratch.len();
        if command.is_secret() {
            self.secret = true;
            self.scratch.zeroize();
        }
        if !fits {
            self.broken = true;
            return Err(Error::new(Kind::Internal, "the outgoing buffer is full"));
        }
        self.unanswered.push_back(Unanswered { names: command.path().cloned(), reads: command.reads_files() });
        self.unsent += 1;
        self.tell_what_is_owed();
        Ok(())
    }

    /// Sends what was written. To be called only when the server owes no answer: it reads then.
    fn flush(&mut self) {
        if !self.out.is_empty() {
            let leave = self.leave.take().unwrap_or_else(|| self.wire.credit());
            self.send(leave);
        }
    }

    /// Sends what was written, if that is possible without waiting; says whether nothing is left to send.
    pub(super) fn try_flush(&mut self) -> bool {
        if self.out.is_empty() {
            return true;
        }
        let Some(leave) = self.leave.take().or_else(|| self.wire.try_credit()) else { return false };
        self.send(leave);
        true
    }

    /// Waits until [`Session::try_flush`] will work or bytes came. A client that pipelines must go on reading while
    /// it writes, or both sides may wait for each other.
    pub(super) fn wait(&mut self) -> Result<()> {
        if self.leave.is_none() && self.at == self.came.filled().len() {
            match self.wire.wait()? {
                Event::Room(leave) => self.leave = Some(leave),
                Event::Arrived(bytes) => self.take(bytes),
            }
        }
        Ok(())
    }

    fn send(&mut self, leave: Credit) {
        let bytes = std::mem::replace(&mut self.out, Buffer::take());
        self.unsent = 0;
        self.wire.send(Parcel { bytes, secret: std::mem::take(&mut self.secret) }, leave);
    }

    /// The next reply. A final one answers the oldest command, which is sent first if that was not done.
    ///
    /// # Errors
    /// Those of the connection, and [`Kind::Protocol`] for what is no reply. A reply that says no is not an error here.
    pub(super) fn reply(&mut self) -> Result<Reply<'_>> {
        if self.unsent == self.unanswered.len() {
            self.flush();
        }
        while !self.next_line()? {
            let bytes = self.wire.receive(self.lines.is_mid_line())?;
            self.take(bytes);
        }
        self.parse_line()
    }

    /// The next reply, if it is there without waiting.
    ///
    /// # Errors
    /// As [`Session::reply`].
    pub(super) fn try_reply(&mut self) -> Result<Option<Reply<'_>>> {
        while !self.next_line()? {
            let Some(bytes) = self.wire.try_receive()? else { return Ok(None) };
            self.take(bytes);
        }
        self.parse_line().map(Some)
    }

    /// The next reply, which must have these digits.
    ///
    /// # Errors
    /// As [`Session::reply`], and the error that the reply stands for if it says no.
    pub(super) fn expect(&mut self, digits: u16) -> Result<Reply<'_>> {
        let found = self.reply()?.digits;
        if found < 400 && found != digits {
            return Err(self.out_of_order());
        }
        let reply = Reply::parse(&self.line)?.to_command_about(self.answered.as_ref());
        if reply.is_error() { Err(reply.to_error()) } else { Ok(reply) }
    }

    /// Wipes the reply read last and the bytes it came in: it held a secret.
    pub(super) fn forget_line(&mut self) {
        self.line.zeroize();
        if self.at == self.came.filled().len() {
            self.came.wipe();
            self.at = 0;
        }
    }

    /// The next piece of data; `None` if none is there yet and one must ask again.
    ///
    /// # Errors
    /// Those of the connection, and [`Kind::Protocol`] for a frame that is too long.
    pub(super) fn piece(&mut self, frames: &mut FrameDecoder) -> Result<Option<Piece<'_>>> {
        if self.at == self.came.filled().len() {
            let bytes = self.wire.receive(true)?;
            self.take(bytes);
        }
        let mut input = self.came.filled().get(self.at..).unwrap_or_default();
        let before = input.len();
        let piece = frames.next(&mut input);
        self.at += before - input.len();
        piece.map_err(|error| {
            self.broken = true;
            of_the_server(error)
        })
    }

    /// Remembers that the conversation makes no sense any more, or that it is over: a server says unasked why it ends it.
    pub(super) fn out_of_order(&mut self) -> Error {
        self.broken = true;
        if let Ok(reply) = Reply::parse(&self.line)
            && reply.digits == CLOSING
        {
            return reply.to_error();
        }
        let line = self.line.get(..self.line.len().min(80)).unwrap_or_default();
        Error::new(Kind::Protocol, format!("the server's answer is out of order: {}", for_people(line)))
    }

    /// The server answers in order: how long it may be silent is a matter of the oldest command.
    fn tell_what_is_owed(&self) {
        self.wire.server_reads(self.unanswered.front().is_some_and(|oldest| oldest.reads));
    }

    /// Goes on with these bytes; those before are used up.
    fn take(&mut self, bytes: Buffer) {
        self.came = bytes;
        self.at = 0;
    }

    /// Puts the next line into `line`, if it is whole; else everything that came is used up.
    fn next_line(&mut self) -> Result<bool> {
        let mut input = self.came.filled().get(self.at..).unwrap_or_default();
        let before = input.len();
        let line = self.lines.next(&mut input).map_err(|error| {
            self.broken = true;
            of_the_server(error)
        })?;
        let whole = line.is_some();
        if let Some(line) = line {
            self.line.clear();
            self.line.extend_from_slice(line);
        }
        self.at += before - input.len();
        Ok(whole)
    }

    /// Reads `line` as a reply and keeps count.
    fn parse_line(&mut self) -> Result<Reply<'_>> {
        let reply = Reply::parse(&self.line).inspect_err(|_| self.broken = true)?;
        if !reply.is_preliminary() {
            match self.unanswered.pop_front() {
                Some(Unanswered { names, .. }) => self.answered = names,
                None => self.broken = true,
            }
            if let (Some(pid), Some(session)) = (reply.get("pid"), reply.get("session")) {
                self.ids = pid.parse().ok().zip(session.parse().ok()).map(|(pid, session)| Ids { pid, session });
            }
            // What is no pin is as good as nothing.
            self.next_pin = reply
                .bytes("next-pin")
                .ok()
                .and_then(|pin| std::str::from_utf8(&pin).ok()?.parse().ok())
                .or(self.next_pin);
            self.tell_what_is_owed();
            // After these the server closes the connection.
            self.broken |= reply.digits == CLOSING || matches!(reply.word, "too-long" | "protocol");
        }
        Ok(reply.to_command_about(self.answered.as_ref().filter(|_| !reply.is_preliminary())))
    }
}

/// An error in what the server sent: not the caller's to mend, whatever bound it broke.
fn of_the_server(error: Error) -> Error {
    Error::new(Kind::Protocol, format!("the server breaks the protocol: {error}"))
}
