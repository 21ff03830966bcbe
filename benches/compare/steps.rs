//! One step: a peer does a column, and what it left is checked.

use std::time::Duration;

use serde::Serialize;

use crate::column::Column;
use crate::data::{Area, freshen};
use crate::peers::Peer;
use crate::process;
use crate::procfs;
use crate::trouble::{Outcome, Trouble};

/// What one step took, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Taken {
    /// From the client's start to its end.
    pub wall: f64,
    /// CPU time of the client.
    pub client_cpu: f64,
    /// CPU time of the server.
    pub server_cpu: f64,
}

/// Lets the peer do the column, its server reached through `port`, and verifies the result byte for byte.
///
/// # Errors
/// When the client fails, or anything arrived that was not sent.
pub fn run(peer: &dyn Peer, column: Column, area: &Area, port: u16) -> Outcome<Taken> {
    let destination = peer.destination(area, column.way);
    freshen(&destination)?;
    let job = peer.job(column, area, port)?;
    let server = peer.server().map(|server| server.pid);
    let (helpers, before) =
        server.map_or((Vec::new(), Duration::ZERO), |pid| (procfs::descendants(pid), procfs::cpu(pid)));
    let finished = job.run(&area.path("client.log"))?;
    let mut after = Duration::ZERO;
    if let Some(pid) = server {
        process::settle(pid, &helpers);
        after = procfs::cpu(pid);
    }
    area.verify(column.set, &destination)?;
    Ok(Taken {
        wall: finished.wall.as_secs_f64(),
        client_cpu: finished.cpu.as_secs_f64(),
        server_cpu: after.saturating_sub(before).as_secs_f64(),
    })
}

/// All rounds of a peer in a column.
#[derive(Debug, Default, Serialize)]
pub struct Cell {
    /// Each round that worked.
    pub rounds: Vec<Taken>,
    /// Why it has no more of them.
    pub failed: Option<String>,
}

impl Cell {
    /// Adds a round, unless an earlier one failed. A failure stays in the cell.
    ///
    /// # Errors
    /// Only when interrupted.
    pub fn add(&mut self, step: impl FnOnce() -> Outcome<Taken>) -> Outcome<()> {
        if self.failed.is_none() {
            match step() {
                Ok(taken) => self.rounds.push(taken),
                Err(Trouble::Failed(why)) => self.failed = Some(why),
                Err(interrupted) => return Err(interrupted),
            }
        }
        Ok(())
    }

    /// The median of what `part` picks from each round; none if a round failed or none was run.
    pub fn median(&self, part: impl Fn(&Taken) -> f64) -> Option<f64> {
        if self.failed.is_some() { None } else { median(self.rounds.iter().map(part).collect()) }
    }

    /// The median wall time in seconds.
    pub fn wall(&self) -> Option<f64> {
        self.median(|taken| taken.wall)
    }
}

/// The value in the middle, or the mean of the two there.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}
