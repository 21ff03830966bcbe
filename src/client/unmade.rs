//! Folders that the user may not make. They may be there all the same: what is put into them tells.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::many;
use super::requests;
use super::session::Session;
use crate::error::{Error, Kind, Result, Side};
use crate::files::{EntryKind, RelPath};
use crate::proto::{Command, server_of};

/// The folders, each with what it comes from and why it was not made, as long as that is not told.
#[derive(Debug, Default)]
pub(super) struct Unmade(BTreeMap<RelPath, Option<(PathBuf, Error)>>);

impl Unmade {
    /// Whether a folder that was not made for this reason may be there all the same.
    pub(super) fn may_be_there(error: &Error) -> bool {
        error.kind() == Kind::Denied && error.side() == Side::Server
    }

    /// The user may not make this folder.
    pub(super) fn refused(&mut self, folder: &RelPath, from: PathBuf, error: Error) {
        self.0.entry(folder.clone()).or_insert(Some((from, error)));
    }

    /// Something was put there, or could not be for a reason of its own: of the folders that it is in nothing more is to be told, also
    /// when one of them is asked for once more over another connection, and refused.
    pub(super) fn came(&mut self, to: &RelPath) {
        let mut folder = to.parent().filter(|_| !self.0.is_empty());
        while let Some(at) = folder {
            if let Some(why) = self.0.get_mut(&at) {
                *why = None;
            }
            folder = at.parent();
        }
    }

    /// Why nothing could be put there, in other words if the folder for it is missing and may not be made; and before that, unless
    /// it was told, why the folder was not made.
    pub(super) fn explained(&mut self, to: &RelPath, error: Error) -> (Option<(PathBuf, Error)>, Error) {
        let parent = to.parent().filter(|_| error.kind() == Kind::NotFound && error.side() == Side::Server);
        match parent.and_then(|parent| Some((self.0.get_mut(&parent)?.take(), parent))) {
            Some((refused, parent)) => {
                let server = server_of(error.text());
                let text = format!("{parent}: no such folder on the server, and you may not make it{server}");
                (refused, Error::new(Kind::Denied, text).of_server().at(parent.as_path()))
            }
            None => {
                if error.kind() != Kind::NotFound && error.side() == Side::Server {
                    self.came(to);
                }
                (None, error)
            }
        }
    }

    /// Whether there are any that nothing told of.
    pub(super) fn has_untold(&self) -> bool {
        self.0.values().any(Option::is_some)
    }

    /// Looks which of those that nothing told of are there. The others, each with what it comes from and why it was not made.
    ///
    /// # Errors
    /// Those that end the connection.
    pub(super) fn missing(&mut self, session: &mut Session) -> Result<Vec<(RelPath, PathBuf, Error)>> {
        let untold: Vec<RelPath> =
            self.0.iter().filter(|(_, why)| why.is_some()).map(|(path, _)| path.clone()).collect();
        let look = untold.iter().map(|path| Ok(Command::stat(path.clone())));
        many::each(session, look, 213, requests::stat, |at, found| {
            if let (Some(path), Ok(EntryKind::Directory)) = (untold.get(at), found.map(|found| found.kind)) {
                self.0.remove(path);
            }
        })?;
        let told =
            self.0.iter_mut().filter_map(|(path, why)| why.take().map(|(from, error)| (path.clone(), from, error)));
        Ok(told.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_something_came_into_is_not_told_of_when_it_is_refused_over_another_connection() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let denied = || Error::new(Kind::Denied, "box/d: you may not MKDIR").of_server();
        let mut unmade = Unmade::default();
        for folder in ["box/d", "box/e"] {
            unmade.refused(&path(folder), PathBuf::from(folder), denied());
        }
        unmade.came(&path("box/d/file"));
        for folder in ["box/d", "box/e"] {
            unmade.refused(&path(folder), PathBuf::from(folder), denied());
        }
        let untold = |folder: &str| unmade.0.get(&path(folder)).is_some_and(Option::is_some);
        assert!(!untold("box/d") && untold("box/e"));
    }
}
