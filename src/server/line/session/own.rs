//! PASSWD, NONCE, KEYS, ENROL and REVOKE: what a session shows and changes of its own user's login.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tracing::info;

use super::Talk;
use crate::auth::{Principal, User, UserKey};
use crate::error::{Error, Kind, Result};
use crate::keys::{Evidence, Nonce, Proof};
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns;
use crate::proto::ReplyWriter;
use crate::secret::Secret;
use crate::server::desk::running::Running;
use crate::server::door::self_service::{Change, Claim};

impl Talk {
    /// The user's other sessions that a password opened end, and this one goes on as who the user is then.
    pub(super) fn change_password(
        &mut self,
        new: Secret,
        evidence: Evidence,
        running: Running,
        out: &mut Outgoing,
    ) -> Step {
        let ticket = Arc::clone(self.desk.ticket());
        // A session of a key stays one: it may have fewer rights than the user.
        let is_of_key = self.desk.principal().key_name().is_some();
        let renewed = move |principal: Option<&Principal>| {
            if let Some(principal) = principal.filter(|_| !is_of_key) {
                ticket.renew(principal);
            }
        };
        match self.change_own(Change::Password(new), evidence, renewed) {
            Ok(principal) => {
                if let Some(principal) = principal.filter(|_| !is_of_key) {
                    self.desk.renew(principal);
                }
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                self.desk.resources().void_tokens_of(user);
                // Whatever else is left out of the log, this is not.
                info!(session = %ticket.id(), peer = %ticket.peer(), user, "password changed by its user");
                let text = "The new password is right from now on.";
                self.done(&running, |line| ReplyWriter::new(line, 200, "changed"), text, out);
                Step::Progress
            }
            Err(error) => self.not_changed(running, error, out),
        }
    }

    /// Something for a proof to be over, once.
    pub(super) fn nonce(&mut self, running: Running, out: &mut Outgoing) {
        match Nonce::fresh() {
            Ok(nonce) => {
                self.nonce = Some(nonce);
                self.done(&running, |line| ReplyWriter::new(line, 200, "nonce").field("nonce", nonce), "", out);
            }
            Err(error) => self.fail(running, error, out),
        }
    }

    pub(super) fn keys(&mut self, running: Running, out: &mut Outgoing) {
        let (users, principal) = (self.desk.users().latest(), self.desk.principal());
        let user = users.get(principal.name()).filter(|_| !principal.is_anonymous());
        let (given, enrolled) = (user.map_or(&[][..], User::keys), user.map(User::enrolled_keys).unwrap_or_default());
        for key in given {
            self.replies.preliminary(|line| key_line(line, key, None), out);
        }
        for own in &enrolled {
            let added = own.added.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            self.replies.preliminary(|line| key_line(line, &own.key, Some(added)), out);
        }
        let count = given.len() + enrolled.len();
        self.done(&running, |line| ReplyWriter::new(line, 212, "done").field("keys", count), "", out);
    }

    pub(super) fn enrol(
        &mut self,
        name: String,
        key: Box<Proof>,
        evidence: Evidence,
        running: Running,
        out: &mut Outgoing,
    ) -> Step {
        let (shown, fingerprint, by) = (name.clone(), key.key().fingerprint(), means(&evidence));
        match self.change_own(Change::Enrol { name, key }, evidence, |_| {}) {
            Ok(_) => {
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                info!(session = %ticket.id(), peer = %ticket.peer(), user, key = shown, fingerprint, by, "key enrolled by its user");
                let (text, fingerprint) = ("The key logs you in from now on.", fingerprint.as_bytes());
                self.done(
                    &running,
                    |line| ReplyWriter::new(line, 200, "enrolled").bytes("fingerprint", fingerprint),
                    text,
                    out,
                );
                Step::Progress
            }
            Err(error) => self.not_changed(running, error, out),
        }
    }

    /// Sessions of the key end. This one too, if it is one, when it has been told.
    pub(super) fn revoke(
        &mut self,
        fingerprint: String,
        evidence: Evidence,
        running: Running,
        out: &mut Outgoing,
    ) -> Step {
        let (shown, by) = (fingerprint.clone(), means(&evidence));
        match self.change_own(Change::Revoke(fingerprint), evidence, |_| {}) {
            Ok(_) => {
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                info!(session = %ticket.id(), peer = %ticket.peer(), user, fingerprint = shown, by, "key revoked by its user");
                let goes_on = self.desk.users().latest().renew(self.desk.principal()).is_some();
                let (text, step) = match goes_on {
                    true => ("The key logs you in no more.", Step::Progress),
                    false => ("The key logs you in no more. Goodbye.", Step::Close),
                };
                self.done(&running, |line| ReplyWriter::new(line, 200, "removed"), text, out);
                step
            }
            Err(error) => self.not_changed(running, error, out),
        }
    }

    fn change_own(
        &mut self,
        change: Change,
        evidence: Evidence,
        renewed: impl FnOnce(Option<&Principal>) + Send + 'static,
    ) -> Result<Option<Principal>> {
        // Good for one attempt, whatever comes of it.
        let claim = Claim { user: self.desk.principal().name().to_owned(), evidence, nonce: self.nonce.take() };
        turns::block_in_place(|| self.self_service.change(claim, change, renewed))
    }

    fn not_changed(&mut self, running: Running, error: Error, out: &mut Outgoing) -> Step {
        let kind = error.kind();
        self.fail(running, error, out);
        self.login_failures += u32::from(kind == Kind::LoginFailed);
        if self.login_failures >= limits::LOGIN_FAILURES_MAX || kind == Kind::Revoked {
            return Step::Close;
        }
        Step::Progress
    }
}

/// A line of KEYS; `added` in seconds since 1970, of one that the user enrolled.
fn key_line(line: &mut Vec<u8>, key: &UserKey, added: Option<u64>) {
    let reply = ReplyWriter::new(line, 113, "key").bytes("name", key.name().as_bytes());
    let mut reply = reply.bytes("fingerprint", key.public().fingerprint().as_bytes());
    reply = match added {
        Some(added) => reply.field("by", "user").field("added", added),
        None => reply.field("by", "administrator"),
    };
    if let Some(access) = key.access() {
        reply = reply.field("access", access);
    }
    if !key.from().is_empty() {
        let from: Vec<Vec<u8>> = key.from().iter().map(|network| network.to_string().into_bytes()).collect();
        reply = reply.list("from", &from);
    }
    if let Some(end) = key.expires().and_then(|end| end.duration_since(UNIX_EPOCH).ok()) {
        reply = reply.field("expires", end.as_secs());
    }
    reply.end();
}

/// By what a change was proven, for the log.
fn means(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::Password(_) => "password",
        Evidence::Keys(_) => "key",
    }
}
