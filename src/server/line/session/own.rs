//! PASSWD: what a session changes about its own user's login.

use std::sync::Arc;

use tracing::info;

use super::{Running, Session};
use crate::auth::Principal;
use crate::error::Kind;
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns;
use crate::proto::ReplyWriter;
use crate::secret::Secret;

impl Session {
    /// The user's other sessions end, and this one goes on as who the user is then.
    pub(super) fn change_password(
        &mut self,
        present: Secret,
        new: Secret,
        running: Running,
        out: &mut Outgoing,
    ) -> Step {
        let ticket = Arc::clone(&self.ticket);
        // A session of a key stays one: it may have fewer rights than the user.
        let is_of_key = self.principal.key_name().is_some();
        let renewed = move |principal: &Principal| {
            if !is_of_key {
                ticket.renew(principal);
            }
        };
        let user = self.principal.name();
        match turns::aside(|| self.self_service.change_password(user, present, new, renewed)) {
            Ok(principal) => {
                if !is_of_key {
                    self.principal = principal;
                }
                self.ties.void_tokens_of(self.principal.name());
                // Whatever else is left out of the log, this is not.
                info!(session = %self.ticket.id(), peer = %self.ticket.peer(), user = self.principal.name(), "password changed by its user");
                self.done(
                    running,
                    0,
                    out,
                    |r| ReplyWriter::new(r, 200, "changed"),
                    "The new password is right from now on.",
                );
                Step::Progress
            }
            Err(error) => {
                let is_wrong = error.kind() == Kind::LoginFailed;
                self.fail(running, &error, out);
                self.login_failures += u32::from(is_wrong);
                if self.login_failures >= limits::LOGIN_FAILURES_MAX || error.kind() == Kind::Revoked {
                    return Step::Close;
                }
                Step::Progress
            }
        }
    }
}
