//! Where a folder is that a server opens.

use std::fmt;
use std::path::PathBuf;

/// Where a folder is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A home of the vault, by its name: a path of one or more plain names.
    Below(String),
    /// A folder of this machine that is none of the vault's, by its absolute path.
    Elsewhere(PathBuf),
}

impl Location {
    /// Whether the other is this folder or one in it, as far as the names tell.
    pub fn contains(&self, other: &Location) -> bool {
        match (self, other) {
            (Location::Below(outer), Location::Below(inner)) => {
                inner.strip_prefix(outer.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            (Location::Elsewhere(outer), Location::Elsewhere(inner)) => inner.starts_with(outer),
            (Location::Below(_), Location::Elsewhere(_)) | (Location::Elsewhere(_), Location::Below(_)) => false,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Below(name) => f.write_str(name),
            Location::Elsewhere(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_is_in_another_by_whole_names() {
        let below = |name: &str| Location::Below(name.to_owned());
        let elsewhere = |path: &str| Location::Elsewhere(path.into());
        for (outer, inner, is_in) in [
            (below("bob"), below("bob"), true),
            (below("bob"), below("bob/docs"), true),
            (below("bob"), below("bob2"), false),
            (below("bob/docs"), below("bob"), false),
            (elsewhere("/srv"), elsewhere("/srv/isos"), true),
            (elsewhere("/srv"), elsewhere("/srvx"), false),
            (below("srv"), elsewhere("/srv"), false),
        ] {
            assert_eq!(outer.contains(&inner), is_in, "{outer} {inner}");
        }
    }
}
