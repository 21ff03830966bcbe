//! Where shared folders elsewhere on the machine may be: not where the server's own files are, and not where a process that is
//! confined cannot get.

use std::path::{Path, PathBuf};

use crate::apart::{Own, real};
use crate::auth::{Definition, Users};
use crate::error::{Error, Kind, Result};
use crate::files::Location;

/// What bounds them.
#[derive(Default)]
pub struct Reach {
    /// What none may meet.
    own: Vec<Own>,
    /// Those that can be reached, and whether something can be changed there; none: all can.
    known: Option<Vec<(PathBuf, bool)>>,
}

impl Reach {
    /// None may be in one of these, nor have one of them in it.
    pub fn apart_from(own: Vec<Own>) -> Reach {
        Reach { own, known: None }
    }

    /// None but those of these users and what is below these roots; what nobody may change there now cannot be changed later, but for
    /// the latter.
    pub fn confined(self, users: &Users, roots: &[PathBuf]) -> Reach {
        let now = elsewhere(users).map(|(folder, path)| (place(path), folder.is_changed()));
        let roots = roots.iter().map(|root| (place(root), true));
        Reach { known: Some(now.chain(roots).collect()), ..self }
    }

    /// Fails if these users, of this file, share what they may not.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] with the line.
    pub fn check(&self, users: &Users, file: &str) -> Result<()> {
        for (folder, path) in elsewhere(users) {
            // A link below a root may lead out of it.
            let there = place(path);
            let refused = |why: &str| {
                let text = format!("{file}:{}: path of [folders.{}]: {why}", folder.line(), folder.name());
                Err(Error::new(Kind::BadConfig, text))
            };
            if let Some(own) = self.own.iter().find(|own| own.meets(&there, folder.is_changed())) {
                return refused(&format!("{} and {} are one in the other", path.display(), own.what()));
            }
            let Some(known) = &self.known else { continue };
            let around = || known.iter().filter(|(known, _)| there.starts_with(known));
            let why = match (around().count(), around().any(|(_, is_changed)| *is_changed)) {
                (0, _) => "this server shut itself out of",
                (_, false) if folder.is_changed() => {
                    "somebody may change something now, and this server can only read in"
                }
                _ => continue,
            };
            return refused(&format!("{why} {} when it started: needs a restart", path.display()));
        }
        Ok(())
    }
}

fn elsewhere(users: &Users) -> impl Iterator<Item = (&Definition, &Path)> {
    users.shares().folders().iter().filter_map(|folder| match folder.location() {
        Location::Elsewhere(path) => Some((folder, path.as_path())),
        Location::Below(_) => None,
    })
}

/// Where that is, links followed.
fn place(path: &Path) -> PathBuf {
    real(path).unwrap_or_else(|| path.to_owned())
}
