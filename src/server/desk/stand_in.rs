//! What is made beside its place until it is whole. Whoever reads the log and the audit wants to know what it is to be, not what it is
//! called until then.

use super::action::Action;
use crate::files::RelPath;

/// Something that is made beside its place.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// What it is called until it is whole.
    pub beside: RelPath,
    /// What it is a copy of.
    pub from: RelPath,
    /// What it is to be.
    pub to: RelPath,
}

/// What an operation is told as.
#[derive(Debug)]
pub struct Told {
    /// What it was.
    pub action: Action,
    /// What it was about.
    pub path: Option<RelPath>,
    /// The other path.
    pub to: Option<RelPath>,
}

impl StandIn {
    /// What an operation on it is told as; none if it is about something else, or takes it away again.
    pub fn tell(&self, action: Action, path: Option<&RelPath>, to: Option<&RelPath>) -> Option<Told> {
        let is_taken_away = action == Action::Delete;
        let goes_to_its_place = matches!(action, Action::Rename | Action::Supersede) && path == Some(&self.beside);
        if goes_to_its_place {
            return Some(Told { action: Action::Copy, path: Some(self.from.clone()), to: to.cloned() });
        }
        let named = |path: &RelPath| self.to.join(path.strip_prefix(&self.beside)?.as_bytes()).ok();
        let (path_named, to_named) = (path.and_then(named), to.and_then(named));
        if is_taken_away || (path_named.is_none() && to_named.is_none()) {
            return None;
        }
        Some(Told { action, path: path_named.or_else(|| path.cloned()), to: to_named.or_else(|| to.cloned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_beside_is_told_of_by_the_name_that_it_gets() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let stand_in = StandIn { beside: path("d/aside"), from: path("a"), to: path("d/b") };
        let tell = |action, at: &str, to: Option<&str>| {
            let (at, to) = (path(at), to.map(path));
            let told = stand_in.tell(action, Some(&at), to.as_ref())?;
            Some((told.action, told.path.map(|path| path.to_string()), told.to.map(|path| path.to_string())))
        };
        let said = |path: &str| Some(path.to_owned());
        assert_eq!(tell(Action::MakeFolder, "d/aside/x", None), Some((Action::MakeFolder, said("d/b/x"), None)));
        assert_eq!(tell(Action::Copy, "a/x", Some("d/aside/x")), Some((Action::Copy, said("a/x"), said("d/b/x"))));
        assert_eq!(tell(Action::Supersede, "d/aside", Some("d/b")), Some((Action::Copy, said("a"), said("d/b"))));
        assert_eq!(tell(Action::Delete, "d/aside", None), None);
        assert_eq!(tell(Action::Upload, "d/asides", None), None);
    }
}
