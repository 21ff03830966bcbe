//! What is in a folder, as much of it as is read in one turn.

use crate::error::Result;
use crate::files::Entry;
use crate::server::desk::Desk;
use crate::server::desk::jobs::listing::ListJob;
use crate::server::desk::outcome::Outcome;

/// What one turn read.
pub struct Batch {
    /// What is left to read.
    pub rest: Option<ListJob>,
    /// What was read.
    pub entries: Vec<Entry>,
    /// What could not be read of the whole folder; known at its end.
    pub unread: u64,
}

/// Reads at most so many entries.
///
/// # Errors
/// That its user may not go on with it.
pub fn batch(desk: &mut Desk, mut job: ListJob, most: usize) -> Result<Batch> {
    if let Err(error) = desk.may_go_on(job.running()) {
        return Err(desk.drop_list(job, error));
    }
    let mut entries = Vec::new();
    while entries.len() < most {
        let Some(entry) = desk.next_entry(&mut job) else {
            let unread = match desk.listed(job) {
                Outcome::Listed { unreadable, .. } => unreadable,
                _ => 0,
            };
            desk.rest();
            return Ok(Batch { rest: None, entries, unread });
        };
        entries.push(entry);
    }
    Ok(Batch { rest: Some(job), entries, unread: 0 })
}
