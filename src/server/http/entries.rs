//! What is in a folder, as much of it as is read in one turn.

use super::open_at_desk::OpenAtDesk;
use crate::error::Result;
use crate::files::Entry;
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::{ListJob, ListStep, NextEntry};
use crate::server::desk::outcome::Outcome;

/// What one turn read.
pub struct Batch {
    /// What is left to read.
    pub rest: Option<OpenAtDesk<ListJob>>,
    /// What was read.
    pub entries: Vec<Entry>,
    /// What could not be read of the whole folder; known at its end.
    pub unread: u64,
    /// Of that, what is there and may be read another time.
    pub missing: u64,
}

/// Reads at most so many entries.
///
/// # Errors
/// That its user may not go on with it, or that the folder itself cannot be read to its end.
pub fn batch(desk: &mut Desk, list: OpenAtDesk<ListJob>, most: usize) -> Result<Batch> {
    let (mut job, web_session) = list.take()?;
    if let Err(error) = desk.may_go_on(job.running()) {
        return Err(desk.drop_list(job, error));
    }
    let (mut entries, mut step) = (Vec::new(), ListStep::new());
    while entries.len() < most {
        match desk.next_entry(&mut job, &mut step) {
            NextEntry::Entry(entry) => entries.push(entry),
            NextEntry::NotYet => break,
            NextEntry::Over => {
                let missing = job.missing();
                let listed = desk.listed(job);
                desk.rest();
                let unread = match listed? {
                    Outcome::Listed { unreadable, .. } => unreadable,
                    _ => 0,
                };
                return Ok(Batch { rest: None, entries, unread, missing });
            }
        }
    }
    Ok(Batch { rest: Some(OpenAtDesk::new(job, &web_session)), entries, unread: 0, missing: 0 })
}
