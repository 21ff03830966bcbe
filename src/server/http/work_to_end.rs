//! Operations that take more than one turn at the desk: their work, a turn at a time, to its end.
//!
//! Between two turns the work lies open at the desk (`open_at_desk.rs`) and holds no thread. It comes to its end, or to one of these:
//!
//! - Its user may not go on with it, or is kicked: before each step the desk is asked, and what it says is what came of the work.
//! - Nobody waits for it any more, because the client has gone: it takes no further turn but the one that closes it. A turn that has
//!   begun is done to its end, with what is to be done when the work ends.
//! - A step fails, with the error of the store.
//!
//! Each time it is given up at the desk and written down, once. Whoever is not to depend on its client waits for it in a task of its own.

use std::ops::ControlFlow::{self, Break, Continue};
use std::sync::Arc;

use super::open_at_desk::OpenAtDesk;
use super::web_session::{Pending, Waiting, WebSession, begin_seen, unexpected};
use crate::error::Result;
use crate::files::SeenAt;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::jobs::work::Work;
use crate::server::desk::op::Op;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::uploads::Put;

/// What an operation has come to for which there is no more work.
pub enum Ended {
    /// It is over.
    Done(Outcome),
    /// It waits for its commit.
    Waits(Pending),
    /// The bytes of its upload may come.
    Put(Put),
}

/// How far an operation has come: to its end, or there is more work.
pub type Reached = ControlFlow<Ended, Work>;

/// An operation between two turns, and what is to be done in the one in which it ends.
struct Left<E> {
    web_session: Arc<WebSession>,
    work: OpenAtDesk<Work>,
    /// What the next turn takes.
    class: Class,
    /// In one turn.
    steps: u32,
    ended: E,
}

/// Does an operation to its end, at most so many steps of its work in one turn. The first turn is `begin`, and `ended` is called in
/// the turn in which the operation ends.
///
/// # Errors
/// Those of `begin`, of the work, and of `ended`; why the session has ended; [`Kind::Denied`](crate::error::Kind::Denied) for what may
/// not be gone on with.
pub async fn work_to_end<T: Send + 'static, E: FnOnce(Ended) -> Result<T> + Send + 'static>(
    web_session: &Arc<WebSession>,
    steps: u32,
    begin: impl FnOnce(&mut Desk, &mut Waiting) -> Result<Reached> + Send + 'static,
    ended: E,
) -> Result<T> {
    match begin_work(web_session, steps, begin, ended).await? {
        Break(done) => Ok(done),
        Continue(left) => left.finish().await,
    }
}

/// The first turn of [`work_to_end`].
async fn begin_work<T: Send + 'static, E: FnOnce(Ended) -> Result<T> + Send + 'static>(
    web_session: &Arc<WebSession>,
    steps: u32,
    begin: impl FnOnce(&mut Desk, &mut Waiting) -> Result<Reached> + Send + 'static,
    ended: E,
) -> Result<ControlFlow<T, Left<E>>> {
    let holder = web_session.clone();
    let turn = move |desk: &mut Desk, waiting: &mut Waiting| {
        let reached = begin(desk, waiting)?;
        after(desk, reached, holder, steps, ended)
    };
    web_session.change(Class::Light, turn).await
}

impl<E> Left<E> {
    /// All further turns of [`work_to_end`].
    async fn finish<T: Send + 'static>(self) -> Result<T>
    where
        E: FnOnce(Ended) -> Result<T> + Send + 'static,
    {
        let mut left = self;
        loop {
            let Left { web_session, work, class, steps, ended } = left;
            let turn = move |desk: &mut Desk, waiting: &mut Waiting| {
                let (work, holder) = work.take()?;
                let reached = go_on(desk, waiting, work, steps)?;
                after(desk, reached, holder, steps, ended)
            };
            left = match web_session.change(class, turn).await? {
                Break(done) => return Ok(done),
                Continue(more) => more,
            };
        }
    }
}

/// What is left at the end of a turn.
fn after<T, E: FnOnce(Ended) -> Result<T>>(
    desk: &mut Desk,
    reached: Reached,
    web_session: Arc<WebSession>,
    steps: u32,
    ended: E,
) -> Result<ControlFlow<T, Left<E>>> {
    Ok(match reached {
        Break(end) => {
            if let Ended::Done(_) = end {
                // The connection may be idle from here on, and keep no folder open.
                desk.rest();
            }
            Break(ended(end)?)
        }
        Continue(work) => {
            let class = work.class();
            Continue(Left { work: OpenAtDesk::new(work, &web_session), web_session, class, steps, ended })
        }
    })
}

/// Begins an operation, on what was seen alone if that is said, and says how far it has come.
///
/// # Errors
/// Those of the gate and the store.
pub fn start(
    desk: &mut Desk,
    waiting: &mut Waiting,
    (op, seen): (Op, SeenAt),
    method: &'static str,
) -> Result<Reached> {
    let begun = begin_seen(desk, waiting, (op, seen), method)?;
    reached(begun, waiting)
}

/// How far an operation has come that has just begun, or gone on. What waits for its commit is waited for from here on.
///
/// # Errors
/// Those of the operation.
pub fn reached(begun: impl Into<Begun>, waiting: &mut Waiting) -> Result<Reached> {
    Ok(match begun.into() {
        Begun::Work(work) => Continue(work),
        Begun::Done(outcome) => Break(Ended::Done(outcome?)),
        Begun::Waits(operation) => Break(Ended::Waits(waiting.join(operation))),
        Begun::Put(put) => Break(Ended::Put(put)),
        Begun::Download(_) | Begun::List(_) | Begun::Part(_) => return Err(unexpected()),
    })
}

/// At most so many steps of this work.
///
/// # Errors
/// [`Kind::Denied`](crate::error::Kind::Denied) if it may not be gone on with; those of the work. It is given up then.
pub fn go_on(desk: &mut Desk, waiting: &mut Waiting, mut work: Work, steps: u32) -> Result<Reached> {
    for _ in 0..steps {
        let tell = &mut |operation, outcome| waiting.tell(operation, outcome);
        if let Err(error) = desk.may_go_on(work.running()) {
            return Err(desk.drop_work(work, error, tell));
        }
        let worked = desk.work(work, tell);
        work = match reached(worked, waiting)? {
            Continue(more) => more,
            ended @ Break(_) => return Ok(ended),
        };
    }
    Ok(Continue(work))
}

impl Ended {
    /// What came of what does not wait for a commit.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) for what it cannot have come to; so for the others.
    pub fn outcome(self) -> Result<Outcome> {
        match self {
            Ended::Done(outcome) => Ok(outcome),
            Ended::Waits(_) | Ended::Put(_) => Err(unexpected()),
        }
    }

    /// What will come of what waits for its commit.
    pub fn pending(self) -> Result<Pending> {
        match self {
            Ended::Waits(pending) => Ok(pending),
            Ended::Done(_) | Ended::Put(_) => Err(unexpected()),
        }
    }

    /// The upload whose bytes may come.
    pub fn put(self) -> Result<Put> {
        match self {
            Ended::Put(put) => Ok(put),
            Ended::Done(_) | Ended::Waits(_) => Err(unexpected()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::files::RelPath;
    use crate::limits;
    use crate::server::desk::op::Hashing;
    use crate::server::desk::tests::Bench;

    const LARGE: usize = 5 * limits::CHUNK;

    fn hashing(bench: &mut Bench, waiting: &mut Waiting) -> Work {
        bench.write("large", &vec![7; LARGE]);
        let op = Op::Hash { path: RelPath::parse(b"large").unwrap(), length: None, of: Hashing::Bytes };
        match start(&mut bench.desk, waiting, (op, SeenAt::ANYTHING), "HASH").unwrap() {
            Continue(work) => work,
            Break(_) => panic!("it takes more than one step"),
        }
    }

    #[test]
    fn a_turn_does_as_many_steps_as_it_may_and_the_last_one_ends_the_work() {
        let (mut bench, mut waiting) = (Bench::new("full"), Waiting::default());
        let mut turns = |steps| {
            let (mut reached, mut turns) = (Continue(hashing(&mut bench, &mut waiting)), 0);
            while let Continue(work) = reached {
                reached = go_on(&mut bench.desk, &mut waiting, work, steps).unwrap();
                turns += 1;
            }
            let size = match reached {
                Break(Ended::Done(Outcome::Hashed { size, .. })) => Some(size),
                _ => None,
            };
            (turns, size)
        };
        let ((one_by_one, size), (all_at_once, also)) = (turns(1), turns(100));
        assert!(one_by_one > 1 && all_at_once == 1, "{one_by_one} {all_at_once}");
        assert_eq!((size, also), (Some(LARGE as u64), Some(LARGE as u64)));
    }

    #[test]
    fn work_that_may_not_go_on_is_given_up_before_its_next_step() {
        let (mut bench, mut waiting) = (Bench::new("full"), Waiting::default());
        let work = hashing(&mut bench, &mut waiting);
        bench.desk.renew(Bench::new("[\"upload\"]").desk.principal().clone());
        let refused = go_on(&mut bench.desk, &mut waiting, work, 1).err().map(|error| error.kind());
        assert_eq!(refused, Some(Kind::Denied));
    }
}
