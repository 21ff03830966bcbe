//! A session keeps up with the users file: the rights of today, or its end.

use super::send::Sending;
use super::{Session, State};
use crate::auth::Access;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::proto::{Verb, frame};
use crate::server::desk::gate;

impl Session {
    /// Before each step: the session's rights are those of the users in force. What is under way and no longer allowed
    /// is refused.
    ///
    /// # Errors
    /// Why the session has to end.
    pub(super) fn keep_up(&mut self, out: &mut Outgoing) -> Result<(), Kind> {
        if let Some(why) = self.ticket.ended() {
            return Err(why);
        }
        let version = self.users.version();
        if version == self.version {
            return Ok(());
        }
        self.version = version;
        let now = self.users.latest().renew(&self.principal).ok_or(Kind::Revoked)?;
        let lost = self.principal.access().without(now.access());
        self.principal = now;
        if lost != Access::NONE {
            self.refuse_what_is_under_way(out);
        }
        Ok(())
    }

    /// Before a command: the users file is looked at again if the client has waited since the last one.
    pub(super) fn look_at_users(&mut self) {
        let at_most = if std::mem::take(&mut self.rested) { Default::default() } else { limits::USERS_FILE_FRESH };
        self.users.refresh(at_most);
    }

    fn refuse_what_is_under_way(&mut self, out: &mut Outgoing) {
        let may = |verb, right| gate::check_right(&self.principal, verb, right);
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Sending(sending) => {
                let (verb, right) = sending.needs();
                match may(verb, right) {
                    Ok(()) => self.state = State::Sending(sending),
                    Err(error) => self.abort(sending, &error, out),
                }
            }
            State::Receiving(mut receiving) => {
                if let Err(error) = may(Verb::Upload, Access::UPLOAD) {
                    self.refuse_upload(receiving.upload.take(), &error, out);
                }
                self.state = State::Receiving(receiving);
            }
            State::Part(mut incoming) => {
                if let Err(error) = may(Verb::Part, Access::UPLOAD) {
                    self.refuse_part(incoming.part.take(), &error, out);
                }
                self.state = State::Part(incoming);
            }
            State::Commands => {}
        }
    }

    /// Breaks off what is being sent, with this answer.
    fn abort(&mut self, sending: Sending, error: &Error, out: &mut Outgoing) {
        if sending.is_in_frames() {
            out.put(&frame::ABORT);
        }
        self.fail(sending.into_running(), error, out);
    }

    /// Somebody else ends the session: the answer to what is under way is the last one.
    pub(super) fn end(&mut self, why: Kind, out: &mut Outgoing) -> Step {
        let error = Error::new(why, super::farewell(why));
        match std::mem::replace(&mut self.state, State::Commands) {
            State::Sending(sending) => self.abort(sending, &error, out),
            state => {
                // Put away by the end of the session.
                self.state = state;
                if why == Kind::Revoked {
                    // What is not in its place by now is not put there in the name of somebody who may not.
                    self.acknowledge(out);
                    self.pending.clear();
                } else {
                    self.commit_pending(out);
                }
                self.refuse(&error, out);
            }
        }
        tracing::info!(session = %self.ticket.id(), user = self.principal.name(), word = why.word(), "closing");
        Step::Close
    }
}
