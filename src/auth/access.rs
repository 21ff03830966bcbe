//! The rights a principal has, as a small set.

use std::fmt;
use std::str::FromStr;

/// A set of rights over the files of one home.
///
/// Written as its names with commas (`list,upload`), or as one of the words `full`, `read` and `none`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access(u16);

/// The single rights with their names, in the order they are written.
const RIGHTS: [(Access, &str); 8] = [
    (Access::LIST, "list"),
    (Access::DOWNLOAD, "download"),
    (Access::UPLOAD, "upload"),
    (Access::OVERWRITE, "overwrite"),
    (Access::DELETE, "delete"),
    (Access::RENAME, "rename"),
    (Access::MKDIR, "mkdir"),
    (Access::LINK, "link"),
];

impl Access {
    /// No right at all: such a user can log in, and an administrator among them can still administer.
    pub const NONE: Access = Access(0);
    /// See names, sizes and times.
    pub const LIST: Access = Access(1);
    /// Read files.
    pub const DOWNLOAD: Access = Access(1 << 1);
    /// Write new files. Those that are there stay: for them it takes [`Access::OVERWRITE`] too.
    pub const UPLOAD: Access = Access(1 << 2);
    /// Remove files and folders.
    pub const DELETE: Access = Access(1 << 3);
    /// Rename and move files and folders.
    pub const RENAME: Access = Access(1 << 4);
    /// Make folders.
    pub const MKDIR: Access = Access(1 << 5);
    /// Put another file in the place of one that is there, by an upload or a rename.
    pub const OVERWRITE: Access = Access(1 << 6);
    /// Make links, by which others without an account get what this user may read, or put files where this user may.
    pub const LINK: Access = Access(1 << 7);
    /// List and download: what anonymous has.
    pub const READ: Access = Access::LIST.union(Access::DOWNLOAD);
    /// Every right.
    pub const FULL: Access = Access((1 << RIGHTS.len()) - 1);

    /// Whether every right of `other` is in this set.
    pub const fn contains(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    /// The rights that are in either set.
    pub const fn union(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// The rights that are in both sets.
    pub const fn intersection(self, other: Access) -> Access {
        Access(self.0 & other.0)
    }

    /// The rights of this set that are not in `other`.
    pub const fn without(self, other: Access) -> Access {
        Access(self.0 & !other.0)
    }

    /// Whether it lets anybody change what is there: a link only shows what its maker may see.
    pub fn changes(self) -> bool {
        self.without(Access::READ).without(Access::LINK) != Access::NONE
    }

    /// The names of the rights in this set, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        RIGHTS.iter().filter(move |(right, _)| self.contains(*right)).map(|(_, name)| *name)
    }

    /// The single right of this name.
    pub fn from_name(name: &str) -> Option<Access> {
        RIGHTS.iter().find(|(_, known)| *known == name).map(|(right, _)| *right)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Access::NONE => f.write_str("none"),
            Access::READ => f.write_str("read"),
            Access::FULL => f.write_str("full"),
            some => f.write_str(&some.names().collect::<Vec<_>>().join(",")),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

/// A word that is no right, or none of several.
#[derive(Debug, thiserror::Error)]
pub enum UnknownRight {
    /// It is no right.
    #[error(
        "'{0}' is no access right: write list, download, upload, overwrite, delete, rename, mkdir, link, or one of the words full, read, none"
    )]
    Unknown(String),
    /// `full`, `read` or `none` beside others.
    #[error("'{0}' is no access right beside others: it stands alone, and says all there is")]
    Alone(String),
}

impl FromStr for Access {
    type Err = UnknownRight;

    fn from_str(text: &str) -> Result<Self, UnknownRight> {
        match text {
            "none" => Ok(Access::NONE),
            "read" => Ok(Access::READ),
            "full" => Ok(Access::FULL),
            list => Access::from_names(list.split(',')),
        }
    }
}

impl Access {
    /// The union of the rights of these names; white space around a name is ignored.
    pub(super) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Access, UnknownRight> {
        let (mut all, mut alone) = (Access::NONE, None);
        for name in names.into_iter().map(str::trim) {
            match (Access::from_name(name), name) {
                (Some(right), _) => all = all.union(right),
                (None, "full" | "read" | "none") => alone = alone.or(Some(name)),
                (None, _) => return Err(UnknownRight::Unknown(name.to_owned())),
            }
        }
        alone.map_or(Ok(all), |word| Err(UnknownRight::Alone(word.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn full_is_the_union_of_every_right_and_read_is_list_and_download() {
        let all = RIGHTS.iter().fold(Access::NONE, |sum, (right, _)| sum.union(*right));
        assert_eq!(all, Access::FULL);
        assert_eq!(Access::READ.names().collect::<Vec<_>>(), ["list", "download"]);
    }

    #[test]
    fn every_right_is_a_bit_of_its_own() {
        for (i, (a, _)) in RIGHTS.iter().enumerate() {
            for (j, (b, _)) in RIGHTS.iter().enumerate() {
                assert_eq!(a.contains(*b), i == j);
            }
        }
    }

    #[test]
    fn words_and_lists_parse_and_others_are_named() {
        assert_eq!("full".parse::<Access>().unwrap(), Access::FULL);
        assert_eq!("upload, list".parse::<Access>().unwrap(), Access::UPLOAD.union(Access::LIST));
        for wrong in ["", "uplod", "list,", "list,full", "LIST"] {
            let err = wrong.parse::<Access>().unwrap_err().to_string();
            assert!(err.contains("is no access right"), "{wrong}: {err}");
        }
        for (wrong, why) in
            [("full,foo", "'foo' is no access right: "), ("list,full", "'full' is no access right beside others")]
        {
            let err = wrong.parse::<Access>().unwrap_err().to_string();
            assert!(err.starts_with(why), "{wrong}: {err}");
        }
    }

    #[test]
    fn whoever_reads_and_makes_links_changes_nothing() {
        assert!(!Access::NONE.changes() && !Access::READ.union(Access::LINK).changes());
        for right in [Access::UPLOAD, Access::DELETE, Access::RENAME, Access::MKDIR, Access::OVERWRITE] {
            assert!(right.changes() && Access::READ.union(right).changes(), "{right}");
        }
    }

    proptest! {
        #[test]
        fn what_is_missing_and_what_is_there_make_the_whole(a in 0u16..=Access::FULL.0, b in 0u16..=Access::FULL.0) {
            let missing = Access(a).without(Access(b));
            prop_assert_eq!(missing == Access::NONE, Access(b).contains(Access(a)));
            prop_assert_eq!(Access(b).union(missing), Access(a).union(Access(b)));
        }

        #[test]
        fn what_is_written_reads_back(bits in 0u16..=Access::FULL.0) {
            prop_assert_eq!(Access(bits).to_string().parse::<Access>().unwrap(), Access(bits));
        }

        #[test]
        fn a_set_contains_exactly_its_names(bits in 0u16..=Access::FULL.0) {
            let set = Access(bits);
            for (right, name) in RIGHTS {
                prop_assert_eq!(set.contains(right), set.names().any(|n| n == name));
            }
            prop_assert!(set.contains(Access::NONE) && Access::FULL.contains(set));
        }

        #[test]
        fn a_union_contains_both_sides_and_nothing_else(a in 0u16..=Access::FULL.0, b in 0u16..=Access::FULL.0) {
            let both = Access(a).union(Access(b));
            for (right, _) in RIGHTS {
                prop_assert_eq!(both.contains(right), Access(a).contains(right) || Access(b).contains(right));
            }
        }
    }
}
