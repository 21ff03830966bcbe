//! PASSWD: what a session changes about its own user's login.

use std::sync::Arc;

use tracing::info;

use super::Talk;
use crate::auth::Principal;
use crate::error::Kind;
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns;
use crate::proto::ReplyWriter;
use crate::secret::Secret;
use crate::server::desk::audit::Running;

impl Talk {
    /// The user's other sessions end, and this one goes on as who the user is then.
    pub(super) fn change_password(
        &mut self,
        present: Secret,
        new: Secret,
        running: Running,
        out: &mut Outgoing,
    ) -> Step {
        let ticket = Arc::clone(self.desk.ticket());
        // A session of a key stays one: it may have fewer rights than the user.
        let is_of_key = self.desk.principal().key_name().is_some();
        let renewed = move |principal: &Principal| {
            if !is_of_key {
                ticket.renew(principal);
            }
        };
        let user = self.desk.principal().name();
        match turns::aside(|| self.self_service.change_password(user, present, new, renewed)) {
            Ok(principal) => {
                if !is_of_key {
                    self.desk.renew(principal);
                }
                let (ticket, user) = (self.desk.ticket(), self.desk.principal().name());
                self.desk.ties().void_tokens_of(user);
                // Whatever else is left out of the log, this is not.
                info!(session = %ticket.id(), peer = %ticket.peer(), user, "password changed by its user");
                let text = "The new password is right from now on.";
                self.done(&running, |line| ReplyWriter::new(line, 200, "changed"), text, out);
                Step::Progress
            }
            Err(error) => {
                let kind = error.kind();
                self.fail(running, error, out);
                self.login_failures += u32::from(kind == Kind::LoginFailed);
                if self.login_failures >= limits::LOGIN_FAILURES_MAX || kind == Kind::Revoked {
                    return Step::Close;
                }
                Step::Progress
            }
        }
    }
}
