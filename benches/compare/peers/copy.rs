//! `cp -r` from one folder to the other: the floor, without network, cipher or check.

use std::path::PathBuf;
use std::process::Command;

use super::{Peer, Server, need};
use crate::column::Column;
use crate::data::Area;
use crate::process::Job;
use crate::trouble::Outcome;

/// Its name in the table.
pub const NAME: &str = "cp";

/// The program.
pub struct Copy(PathBuf);

impl Copy {
    /// Finds it.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn find() -> Outcome<Copy> {
        Ok(Copy(need("cp")?))
    }
}

impl Peer for Copy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn server(&self) -> Option<Server> {
        None
    }

    fn job(&self, column: Column, area: &Area, _port: u16) -> Outcome<Job> {
        let mut command = Command::new(&self.0);
        command.arg("-r").arg(area.source().join(column.set.entry())).arg(area.destination(column.way));
        Ok(Job::one(command))
    }

    fn is_rival(&self) -> bool {
        false
    }
}
