//! What is left to do of a file whose bytes are all there, until it waits for its commit.

use std::sync::Arc;

use super::web_session::{Pending, Waiting, WebSession, unexpected};
use crate::error::Result;
use crate::limits;
use crate::server::desk::Desk;
use crate::server::desk::jobs::work::{Work, Worked};

/// How far it has come.
pub enum BeforeCommit {
    /// There is more to do.
    Work(Box<Work>),
    /// It waits for its commit.
    Waits(Pending),
}

/// All that is to be done before a commit, a turn at a time.
///
/// # Errors
/// Those of the work.
pub async fn work_until_commit(web_session: &Arc<WebSession>, mut state: BeforeCommit) -> Result<Pending> {
    loop {
        let work = match state {
            BeforeCommit::Work(work) => *work,
            BeforeCommit::Waits(pending) => return Ok(pending),
        };
        let class = work.class();
        state = web_session.change(class, move |desk, waiting| go_on(desk, waiting, work)).await?;
    }
}

/// As much as one turn takes.
fn go_on(desk: &mut Desk, waiting: &mut Waiting, mut work: Work) -> Result<BeforeCommit> {
    for _ in 0..limits::WEB_COPY_STEPS {
        let tell = &mut |operation, outcome| waiting.tell(operation, outcome);
        if let Err(error) = desk.may_go_on(work.running()) {
            return Err(desk.drop_work(work, error, tell));
        }
        work = match desk.work(work, tell) {
            Worked::On(more) => more,
            Worked::Waits(operation) => return Ok(BeforeCommit::Waits(waiting.join(operation))),
            Worked::Put(_) => return Err(unexpected()),
            Worked::Done(done) => return Err(done.err().unwrap_or_else(unexpected)),
        };
    }
    Ok(BeforeCommit::Work(Box::new(work)))
}
