//! What a running server tells `sealiftd check` of itself: what cannot be seen from outside.

use std::path::Path;

use crate::store::note_of;

/// What about its users file a server would have an administrator know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Why the file as it is now cannot be used, and an older one is in force.
    pub outdated: Option<String>,
    /// That its last change took most users away.
    pub lost: Option<String>,
}

impl Standing {
    /// Lines for [`crate::store::LocalVault::leave_note`]; none if there is nothing to say.
    pub(crate) fn note(&self) -> String {
        let said = [("outdated", &self.outdated), ("lost", &self.lost)];
        let said = said.into_iter().filter_map(|(key, said)| said.as_ref().map(|said| (key, said)));
        said.map(|(key, said)| format!("{key} {}\n", said.replace(['\n', '\r'], " "))).collect()
    }

    fn parse(note: &str) -> Standing {
        let mut standing = Standing::default();
        for line in note.lines() {
            match line.split_once(' ') {
                Some(("outdated", said)) => standing.outdated = Some(said.to_owned()),
                Some(("lost", said)) => standing.lost = Some(said.to_owned()),
                _ => {}
            }
        }
        standing
    }
}

/// What the server of this data directory says of itself; none if there is no server, or this account may not know.
pub fn standing(data: &Path) -> Option<Standing> {
    note_of(data).map(|note| Standing::parse(&note))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_back_each_on_one_line() {
        let said = Standing { outdated: Some("users.toml:3: a\nmistake".to_owned()), lost: Some("most".to_owned()) };
        let read = Standing::parse(&said.note());
        assert_eq!(read.outdated.as_deref(), Some("users.toml:3: a mistake"));
        assert_eq!(read.lost, said.lost);
        assert_eq!(Standing::default().note(), "");
        assert_eq!(Standing::parse("later 1\nsaid without knowing\n"), Standing::default());
    }
}
