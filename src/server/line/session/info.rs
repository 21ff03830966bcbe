//! Commands about the session and the server: HELP, STATUS, TOKEN.

use zeroize::Zeroize;

use super::Talk;
use crate::files::RelPath;
use crate::limits;
use crate::machine::lane::Outgoing;
use crate::proto::{ReplyWriter, Verb};
use crate::server::UsersFileTrouble;
use crate::server::desk::running::Running;

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

impl Talk {
    pub(super) fn help(&mut self, verb: Option<Verb>, running: Running, out: &mut Outgoing) {
        let mut text = "";
        self.replies.preliminary(|lines| text = help_lines(verb, lines), out);
        self.done(&running, |line| ReplyWriter::new(line, 214, "help"), text, out);
    }

    pub(super) fn status(&mut self, running: Running, out: &mut Outgoing) {
        let (principal, users, registry) = (self.desk.principal(), self.desk.users(), self.desk.ticket().registry());
        let (user, access) = (self.called().to_owned(), principal.access());
        // Of a link it is its maker's.
        let quota = principal.quota().filter(|_| principal.link().is_none());
        let free = self.desk.free();
        let used = quota.and_then(|_| self.desk.usage(&RelPath::root())).map(|usage| usage.used);
        let (connections, uptime) = (registry.connections(), registry.uptime().as_secs());
        let node = self.node().map(|node| (node, registry.kept_in().node_place()));
        let trouble = users.file_trouble();
        let current = if trouble.outdated.is_some() { "outdated" } else { "current" };
        // The reason may name places of the server's machine: that is for administrators, and so is who is gone.
        let is_admin = principal.is_admin();
        let lost = users.lost().filter(|_| is_admin);
        let storage = registry.kept_in().health();
        let text = match trouble {
            UsersFileTrouble { outdated: Some(why), .. } if is_admin => format!("The users file cannot be used: {why}"),
            UsersFileTrouble { lost: Some(lost), .. } if is_admin => lost,
            _ if storage.as_ref().is_some_and(|storage| !storage.answers) => {
                "The storage that files are in does not answer.".to_owned()
            }
            _ => String::new(),
        };
        self.done(
            &running,
            |line| {
                let reply = ReplyWriter::new(line, 211, "status")
                    .field("user", user)
                    .field("access", access)
                    .field("connections", connections)
                    .field("uptime", uptime)
                    .field("version", env!("CARGO_PKG_VERSION"))
                    .field("users", current);
                let reply = match &node {
                    None => reply,
                    Some((node, None)) => reply.field("node", node),
                    Some((node, Some(place))) => reply.field("node", node).field("place", place.word()),
                };
                let reply = match quota {
                    None => reply,
                    Some(quota) => reply.field("quota", quota),
                };
                let reply = match used {
                    None => reply,
                    Some(used) => reply.field("used", used),
                };
                let reply = match free {
                    None => reply,
                    Some(free) => reply.field("free", free),
                };
                let reply = match &storage {
                    None => reply,
                    Some(storage) => {
                        let since = storage.since.elapsed().unwrap_or_default().as_secs();
                        let reply = reply.field("storage", storage.word()).field("storage_seconds", since);
                        if is_admin { reply.field("storage_failed", storage.failed()) } else { reply }
                    }
                };
                match lost {
                    None => reply,
                    Some(lost) => reply.field("lost", lost),
                }
            },
            &text,
            out,
        );
    }

    pub(super) fn tokens(&mut self, count: u32, running: Running, out: &mut Outgoing) {
        let tokens = match self.desk.resources().tokens(self.desk.principal(), count) {
            Ok(tokens) => tokens,
            Err(error) => return self.fail(running, error, out),
        };
        let seconds = limits::TOKEN_LIFETIME.as_secs();
        // Apart from `done`, so that the bytes can be wiped everywhere they were.
        self.desk.succeeded(&running);
        let mut list = Vec::with_capacity(tokens.len() * (limits::TOKEN_DIGITS + 1));
        for token in &tokens {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(token.expose());
        }
        // Room for all of it from the start: a growing vector would leave copies behind.
        let mut line = Vec::with_capacity(2 * list.len() + limits::LINE_MAX);
        ReplyWriter::new(&mut line, 200, "tokens")
            .verbatim("tokens", &list)
            .field("expires", seconds)
            .rendered(self.replies.ids())
            .text("Each opens one more connection, by JOIN.");
        out.put_secret(&line);
        list.zeroize();
        line.zeroize();
    }
}
