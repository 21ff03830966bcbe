//! What was deleted or replaced and is kept for a while.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{EntryKind, Mtime, RelPath};
use crate::error::{Error, Kind, Result};
use crate::random;

/// Names one thing that is kept: when it was deleted or replaced, and 64 bits by chance, as two times 16 lower-case hexadecimal
/// digits with a hyphen between them. In the order of these names the oldest is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrashId {
    /// Nanoseconds since 1970.
    at: u64,
    by_chance: u64,
}

impl TrashId {
    /// One for what goes now.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the system has no random numbers.
    pub fn now() -> Result<TrashId> {
        let by_chance = random::number()?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(TrashId { at: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), by_chance })
    }

    /// When it was deleted or replaced.
    pub fn deleted(self) -> Mtime {
        (UNIX_EPOCH + Duration::from_nanos(self.at)).into()
    }

    /// Whether that is longer ago than this.
    pub fn is_older(self, than: Duration) -> bool {
        let age = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_nanos(self.at));
        age.is_ok_and(|age| age > than)
    }
}

impl fmt::Display for TrashId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.at, self.by_chance)
    }
}

impl FromStr for TrashId {
    type Err = Error;

    /// # Errors
    /// [`Kind::BadCommand`] unless it is as it is written.
    fn from_str(text: &str) -> Result<Self> {
        let number = |digits: &str| {
            let is_one = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            u64::from_str_radix(digits, 16).ok().filter(|_| is_one)
        };
        let parts = text.split_once('-').and_then(|(at, by_chance)| Some((number(at)?, number(by_chance)?)));
        let bad = || Error::new(Kind::BadCommand, "what is in the trash is named by two times 16 hexadecimal digits");
        parts.map(|(at, by_chance)| TrashId { at, by_chance }).ok_or_else(bad)
    }
}

/// One thing that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Which.
    pub id: TrashId,
    /// What it was called.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file, and of all files of a folder whose contents are known; whatever the file system says for the rest.
    pub size: u64,
    /// How many files a folder holds, if that is known: who lists much is not told of all.
    pub files: Option<u64>,
    /// When it was last modified.
    pub mtime: Mtime,
}

/// What is kept, the youngest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrashList {
    /// As many as were asked for.
    pub entries: Vec<Trashed>,
    /// Whether there are, or may be, more.
    pub is_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_reads_back_and_sorts_as_its_time(one in any::<(u64, u64)>(), other in any::<(u64, u64)>()) {
            let [one, other] = [one, other].map(|(at, by_chance)| TrashId { at, by_chance });
            prop_assert_eq!(one.to_string().parse::<TrashId>().unwrap(), one);
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let id = TrashId::now().unwrap().to_string();
        for bad in [
            "",
            "-",
            &id[1..],
            &id.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
            "../x",
            &format!("{id}.from"),
        ] {
            assert!(bad.parse::<TrashId>().is_err(), "{bad}");
        }
    }
}
