//! What was given out and names the server's key: links and invitations, as an administrator is told of them who changes that.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::folder::StateFolder;
use super::links::links_in;
use crate::error::{Error, Result};

/// Something that somebody may have, and that is good yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenOut {
    /// A link.
    Link {
        /// Who made it.
        maker: String,
        /// What its maker calls it.
        name: String,
    },
    /// An invitation.
    Invitation {
        /// Who is invited.
        user: String,
    },
}

impl StateFolder {
    /// The links and invitations that were made before then and are not over: links first, each kind by whose they are. What cannot be
    /// read gives nothing to anybody either.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn given_out_before(&self, then: SystemTime) -> Result<Vec<GivenOut>> {
        let made = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
        let links = links_in(&self.links()).into_iter().filter(|link| !link.is_over() && made(link.added) < then);
        let mut links: Vec<_> = links.map(|link| (link.maker().to_owned(), link.name.clone())).collect();
        links.sort();
        let mut all: Vec<_> = links.into_iter().map(|(maker, name)| GivenOut::Link { maker, name }).collect();
        let mut users = Vec::new();
        for invitation in self.invitations()?.into_iter().filter(|invitation| !invitation.is_over()) {
            let file = self.file_of_invitation(invitation.id());
            match fs::metadata(&file).and_then(|meta| meta.modified()) {
                Ok(made) if made < then => users.push(invitation.user),
                // Made since, or used meanwhile.
                Ok(_) => {}
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
                Err(err) => return Err(Error::file(file.display(), err)),
            }
        }
        users.sort();
        all.extend(users.into_iter().map(|user| GivenOut::Invitation { user }));
        Ok(all)
    }
}
