//! Commands about the session and the server: HELP, STATUS, WHO, KICK, SHUTDOWN.

use super::{Running, Session};
use crate::error::{Error, Kind};
use crate::machine::lane::Outgoing;
use crate::proto::{ReplyWriter, Verb};
use crate::server::Standing;

/// Writes the preliminary lines of HELP, and gives the text of its final reply.
pub fn help_lines(verb: Option<Verb>, out: &mut Vec<u8>) -> &'static str {
    match verb {
        Some(verb) => {
            let row = verb.row();
            ReplyWriter::new(out, 114, "help").text(row.usage);
            row.summary
        }
        None => {
            for verb in Verb::ALL {
                let row = verb.row();
                ReplyWriter::new(out, 114, "help").text(&format!("{:<9} {}", row.name, row.summary));
            }
            "HELP with a command's name shows how it is written."
        }
    }
}

impl Session {
    pub(super) fn help(&mut self, verb: Option<Verb>, running: Running, out: &mut Outgoing) {
        self.scratch.clear();
        let text = help_lines(verb, &mut self.scratch);
        out.put(&self.scratch);
        self.done(running, 0, out, |r| ReplyWriter::new(r, 214, "help"), text);
    }

    pub(super) fn status(&mut self, running: Running, out: &mut Outgoing) {
        let (user, access) = (self.principal.name().to_owned(), self.principal.access());
        let (connections, uptime) = (self.ticket.registry().connections(), self.ticket.registry().uptime().as_secs());
        let standing = self.users.standing();
        let users = if standing.outdated.is_some() { "outdated" } else { "current" };
        // The reason may name places of the server's machine: that is for administrators, and so is who is gone.
        let is_admin = self.principal.is_admin();
        let lost = self.users.lost().filter(|_| is_admin);
        let text = match standing {
            Standing { outdated: Some(why), .. } if is_admin => format!("The users file cannot be used: {why}"),
            Standing { lost: Some(lost), .. } if is_admin => lost,
            _ => String::new(),
        };
        self.done(
            running,
            0,
            out,
            |r| {
                let reply = ReplyWriter::new(r, 211, "status")
                    .field("user", user)
                    .field("access", access)
                    .field("connections", connections)
                    .field("uptime", uptime)
                    .field("version", env!("CARGO_PKG_VERSION"))
                    .field("users", users);
                match lost {
                    None => reply,
                    Some(lost) => reply.field("lost", lost),
                }
            },
            &text,
        );
    }

    pub(super) fn who(&mut self, running: Running, out: &mut Outgoing) {
        let sessions = self.ticket.registry().sessions();
        for row in &sessions {
            self.scratch.clear();
            ReplyWriter::new(&mut self.scratch, 112, "session")
                .field("id", row.id)
                .bytes("user", row.user.as_bytes())
                .field("peer", row.peer)
                .field("since", row.since)
                .field("bytes", row.bytes)
                .bytes("doing", row.doing.as_bytes())
                .end();
            out.put(&self.scratch);
        }
        self.done(running, 0, out, |r| ReplyWriter::new(r, 212, "done").field("sessions", sessions.len()), "");
    }

    pub(super) fn kick(&mut self, whom: &str, running: Running, out: &mut Outgoing) {
        let Some((user, sessions)) = self.ticket.registry().kick(whom) else {
            let text = format!("{whom}: no session and no user of this name is connected");
            return self.fail(running, &Error::new(Kind::NotFound, text), out);
        };
        self.ties.void_tokens_of(&user);
        tracing::info!(session = %self.ticket.id(), by = self.principal.name(), user, sessions, "kicked");
        self.done(running, 0, out, |r| ReplyWriter::new(r, 200, "kicked").field("sessions", sessions), "They end now.");
    }

    pub(super) fn shutdown(&mut self, running: Running, out: &mut Outgoing) {
        tracing::info!(session = %self.ticket.id(), user = self.principal.name(), "told to shut down");
        self.done(
            running,
            0,
            out,
            |r| ReplyWriter::new(r, 200, "stopping"),
            "The server ends when running transfers are done.",
        );
        out.hand_over();
        self.ticket.registry().stop();
    }
}
