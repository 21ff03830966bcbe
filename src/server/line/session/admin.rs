//! What administrators ask of the server: WHO, KICK, PENALTIES, UNBAN, RELOAD, SHUTDOWN.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Instant;

use super::Talk;
use crate::error::{Error, Kind};
use crate::limits;
use crate::machine::lane::Outgoing;
use crate::machine::source::Origin;
use crate::machine::turns;
use crate::proto::ReplyWriter;
use crate::server::desk::running::Running;
use crate::server::reloaded::Reloaded;

impl Talk {
    pub(super) fn who(&mut self, running: Running, out: &mut Outgoing) {
        let sessions = self.desk.ticket().registry().sessions();
        for row in &sessions {
            let write = |line: &mut Vec<u8>| {
                let reply =
                    ReplyWriter::new(line, 112, "session").field("id", row.id).bytes("user", row.user.as_bytes());
                let reply = match &row.key {
                    None => reply,
                    Some(key) => reply.bytes("key", key.as_bytes()),
                };
                reply
                    .field("peer", row.peer)
                    .field("since", row.since)
                    .field("bytes", row.bytes)
                    .bytes("doing", row.doing.as_bytes())
                    .end();
            };
            self.replies.preliminary(write, out);
        }
        self.done(&running, |line| ReplyWriter::new(line, 212, "done").field("sessions", sessions.len()), "", out);
    }

    pub(super) fn kick(&mut self, whom: &str, running: Running, out: &mut Outgoing) {
        let running = running.about(whom);
        let Some((user, sessions)) = self.desk.ticket().registry().kick(whom) else {
            // One that nobody uses now would let the user in again.
            self.desk.resources().void_tokens_of(whom);
            let text = format!("{whom}: no session and no user of this name is connected, or logged in with a browser");
            return self.fail(running, Error::new(Kind::NotFound, text), out);
        };
        self.desk.resources().void_tokens_of(&user);
        let (session, by) = (self.desk.ticket().id(), self.desk.principal().name());
        tracing::info!(%session, by, user, sessions, "kicked");
        let text = "They end now.";
        self.done(&running, |line| ReplyWriter::new(line, 200, "kicked").field("sessions", sessions), text, out);
    }

    /// Those who are held back longest first, as many as are told of.
    pub(super) fn penalties(&mut self, running: Running, out: &mut Outgoing) {
        let mut held = self.self_service.admission().held_back(Instant::now());
        held.sort_by_key(|(_, rest)| Reverse(*rest));
        let all = held.len();
        for (source, rest) in held.into_iter().take(limits::PENALTIES_LISTED) {
            let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
            let write = |line: &mut Vec<u8>| {
                ReplyWriter::new(line, 115, "penalty").field("address", source).field("seconds", seconds).end();
            };
            self.replies.preliminary(write, out);
        }
        self.done(&running, |line| ReplyWriter::new(line, 212, "done").field("penalties", all), "", out);
    }

    pub(super) fn unban(&mut self, address: IpAddr, running: Running, out: &mut Outgoing) {
        let source = Origin::from(address);
        let running = running.about(source.to_string());
        let Some(rest) = self.self_service.admission().lift(address, Instant::now()) else {
            return self.fail(running, Error::new(Kind::NotFound, format!("{source} is not held back")), out);
        };
        let (session, by) = (self.desk.ticket().id(), self.desk.principal().name());
        tracing::info!(%session, by, %source, "held back no more");
        let seconds = rest.as_secs();
        self.done(
            &running,
            |line| ReplyWriter::new(line, 200, "unbanned").field("address", source).field("seconds", seconds),
            "It may connect again.",
            out,
        );
    }

    pub(super) fn reload(&mut self, running: Running, out: &mut Outgoing) {
        let (session, by) = (self.desk.ticket().id(), self.desk.principal().name());
        tracing::info!(%session, by, "told to read its files again");
        let ticket = self.desk.ticket().clone();
        let all = turns::block_in_place(|| ticket.registry().reload());
        for Reloaded { what, outcome, text } in &all {
            let write = |line: &mut Vec<u8>| {
                ReplyWriter::new(line, 116, "reload").field("what", what).field("outcome", outcome.word()).text(text);
            };
            self.replies.preliminary(write, out);
        }
        self.done(&running, |line| ReplyWriter::new(line, 212, "done").field("reloaded", all.len()), "", out);
    }

    pub(super) fn shutdown(&mut self, running: Running, out: &mut Outgoing) {
        let (session, user) = (self.desk.ticket().id(), self.desk.principal().name());
        tracing::info!(%session, user, "told to shut down");
        let text = "The server ends when running transfers are done.";
        self.done(&running, |line| ReplyWriter::new(line, 200, "stopping"), text, out);
        out.hand_over();
        self.desk.ticket().registry().stop();
    }
}
