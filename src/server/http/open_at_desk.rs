//! What a request has open at its desk from one turn to the next.

use std::sync::Arc;

use super::web_session::{Waiting, WebSession, unexpected};
use crate::error::{Error, Kind, Result};
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::ListJob;
use crate::server::desk::jobs::work::Work;
use crate::server::desk::stand_in::Standing;

/// Something open that can be given up before its end.
pub trait GiveUp: Send + 'static {
    /// It is written down for this reason, and closed.
    fn give_up(self, desk: &mut Desk, waiting: &mut Waiting, why: Error);
}

impl GiveUp for ListJob {
    fn give_up(self, desk: &mut Desk, _: &mut Waiting, why: Error) {
        drop(desk.drop_list(self, why));
    }
}

impl GiveUp for Work {
    /// It is written down with what it did.
    fn give_up(self, desk: &mut Desk, waiting: &mut Waiting, why: Error) {
        drop(desk.drop_work(self, why, &mut |operation, outcome| waiting.tell(operation, outcome)));
    }
}

impl GiveUp for Standing {
    /// Nobody has made anything beside its place yet.
    fn give_up(self, _: &mut Desk, _: &mut Waiting, _: Error) {
        drop(self);
    }
}

/// It, between two turns. Whoever drops it (a client that goes, a request that is given up while it waits for its turn, or after that) may
/// be on a thread that must not wait for a disk, as one may who closes a file of a network or of a program. So it is given up in a turn at
/// the desk.
pub struct OpenAtDesk<T: GiveUp>(Option<(T, Arc<WebSession>)>);

impl<T: GiveUp> OpenAtDesk<T> {
    /// Of this session.
    pub fn new(what: T, web_session: &Arc<WebSession>) -> OpenAtDesk<T> {
        OpenAtDesk(Some((what, web_session.clone())))
    }

    /// For a turn at the desk; and the session, so that what is left of it then can wait for the next one.
    ///
    /// # Errors
    /// [`Kind::Internal`]: it is empty, which it is not before it is dropped.
    pub fn take(mut self) -> Result<(T, Arc<WebSession>)> {
        self.0.take().ok_or_else(unexpected)
    }

    /// No more of it, for this reason.
    pub fn give_up(mut self, why: Error) {
        self.leave(why);
    }

    fn leave(&mut self, why: Error) {
        if let Some((what, web_session)) = self.0.take() {
            // Until then, also where nothing else of the request is left.
            let tenure = web_session.tenure().clone();
            web_session.note(move |desk, waiting| {
                // Whoever has ended the session has ended this.
                let ended = desk.keep_up().err().map(|why| Error::new(why, "this session has ended"));
                what.give_up(desk, waiting, ended.unwrap_or(why));
                desk.rest();
                drop(tenure);
            });
        }
    }
}

impl<T: GiveUp> Drop for OpenAtDesk<T> {
    fn drop(&mut self) {
        self.leave(Error::new(Kind::Aborted, "the client is gone"));
    }
}
