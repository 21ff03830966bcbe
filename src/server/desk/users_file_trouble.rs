//! What a running server tells `sealiftd check` of itself: what cannot be seen from outside.

use std::path::Path;

use crate::store::note_of;

/// What about its users file a server would have an administrator know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct UsersFileTrouble {
    /// Why the file as it is now cannot be used, and an older one is in force.
    pub outdated: Option<String>,
    /// That its last change took most users away.
    pub lost: Option<String>,
}

impl UsersFileTrouble {
    /// Lines for [`crate::store::LocalVault::leave_note`]; none if there is nothing to say.
    pub(crate) fn note(&self) -> String {
        let said = [("outdated", &self.outdated), ("lost", &self.lost)];
        let said = said.into_iter().filter_map(|(key, said)| said.as_ref().map(|said| (key, said)));
        said.map(|(key, said)| format!("{key} {}\n", said.replace(['\n', '\r'], " "))).collect()
    }

    fn parse(note: &str) -> UsersFileTrouble {
        let mut trouble = UsersFileTrouble::default();
        for line in note.lines() {
            match line.split_once(' ') {
                Some(("outdated", said)) => trouble.outdated = Some(said.to_owned()),
                Some(("lost", said)) => trouble.lost = Some(said.to_owned()),
                _ => {}
            }
        }
        trouble
    }
}

/// What the server of this data directory says of itself; none if there is no server, or this account may not know.
pub fn users_file_trouble(data: &Path) -> Option<UsersFileTrouble> {
    note_of(data).map(|note| UsersFileTrouble::parse(&note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back_each_on_one_line() {
        let said =
            UsersFileTrouble { outdated: Some("users.toml:3: a\nmistake".to_owned()), lost: Some("most".to_owned()) };
        let read = UsersFileTrouble::parse(&said.note());
        assert_eq!(read.outdated.as_deref(), Some("users.toml:3: a mistake"));
        assert_eq!(read.lost, said.lost);
        assert_eq!(UsersFileTrouble::default().note(), "");
        assert_eq!(UsersFileTrouble::parse("later 1\nsaid without knowing\n"), UsersFileTrouble::default());
    }
}
