//! A session keeps up with the users file: the rights of today, or its end.

use super::frames::PutFrames;
use super::{Next, State, Talk, farewell};
use crate::error::{Error, Kind};
use crate::machine::lane::{Outgoing, Step};
use crate::server::desk::Rights;

impl Talk {
    /// Before each step: the session's rights are those of the users in force. What is under way and no longer allowed
    /// is refused. With it comes why the session has to end, if it has.
    pub(super) fn keep_up(&mut self, state: State, out: &mut Outgoing) -> (State, Result<(), Kind>) {
        match self.desk.keep_up() {
            Ok(Rights::Kept) => (state, Ok(())),
            Ok(Rights::Fewer) => (self.refuse_what_is_under_way(state, out), Ok(())),
            Err(why) => (state, Err(why)),
        }
    }

    fn refuse_what_is_under_way(&mut self, state: State, out: &mut Outgoing) -> State {
        let running = match &state {
            State::Commands => None,
            State::Put(frames) => frames.put().map(|put| put.running()),
            State::Part(frames) => frames.part().map(|part| part.running()),
            State::Download(job) => Some(job.running()),
            State::List(job) => Some(job.running()),
            State::Work(work) => Some(work.running()),
        };
        match running.map_or(Ok(()), |running| self.desk.may_go_on(running)) {
            Ok(()) => state,
            Err(error) => self.break_off(state, error, out),
        }
    }

    /// Breaks off what is under way, with this answer. What still comes of an upload is dropped.
    fn break_off(&mut self, state: State, error: Error, out: &mut Outgoing) -> State {
        match state {
            State::Commands => State::Commands,
            State::Put(frames) => {
                let (dropping, put) = frames.split();
                self.drop_put(put, error, out);
                State::Put(dropping)
            }
            State::Part(frames) => {
                let (dropping, part) = frames.split();
                self.drop_part(part, error, out);
                State::Part(dropping)
            }
            State::Download(job) => {
                let error = self.desk.drop_download(job, error);
                self.abort_data(&error, out);
                State::Commands
            }
            State::List(job) => {
                let error = self.desk.drop_list(job, error);
                self.abort_data(&error, out);
                State::Commands
            }
            State::Work(work) => {
                let next = if work.awaits_bytes() { State::Put(PutFrames::dropping()) } else { State::Commands };
                self.drop_work(*work, error, out);
                next
            }
        }
    }

    /// Somebody else ends the session: the answer to what is under way is the last one.
    pub(super) fn end(&mut self, state: State, why: Kind, out: &mut Outgoing) -> Next {
        let error = Error::new(why, farewell(why, self.desk.principal().link().is_some()));
        let state = match state {
            State::Download(_) | State::List(_) | State::Work(_) => self.break_off(state, error, out),
            // Put away by the end of the session.
            State::Commands | State::Put(_) | State::Part(_) => {
                let super::Talk { desk, replies, .. } = self;
                let mut answer = |_, result| replies.answer(&result, out);
                if why == Kind::Revoked {
                    // What is not in its place by now is not put there in the name of somebody who may not.
                    desk.drop_uncommitted(&mut answer);
                } else {
                    desk.commit(&mut answer);
                }
                replies.refuse(&error, out);
                state
            }
        };
        let user = self.desk.principal().name();
        tracing::info!(session = %self.desk.ticket().id(), user, word = why.word(), "closing");
        (state, Step::Close)
    }
}
