//! How much there is, and how much there may be.

#[cfg(feature = "server")]
use crate::byte_size::render_size;
use crate::error::Result;
#[cfg(feature = "server")]
use crate::files::HomeTerms;
use crate::files::RelPath;

/// So many bytes in so many files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Sum {
    pub(super) const NONE: Sum = Sum { bytes: 0, files: 0 };

    /// One file of so many bytes.
    pub(super) const fn file(bytes: u64) -> Sum {
        Sum { bytes, files: 1 }
    }

    pub(super) fn plus(self, more: Sum) -> Sum {
        Sum { bytes: self.bytes.saturating_add(more.bytes), files: self.files.saturating_add(more.files) }
    }

    pub(super) fn minus(self, less: Sum) -> Sum {
        Sum { bytes: self.bytes.saturating_sub(less.bytes), files: self.files.saturating_sub(less.files) }
    }

    pub(super) fn has_all_of(self, other: Sum) -> bool {
        self.bytes >= other.bytes && self.files >= other.files
    }
}

/// Room that is promised to an upload on its way.
pub(super) trait Promised {
    /// Promises so much in all, to what goes to this path.
    ///
    /// # Errors
    /// [`Kind::Quota`](crate::error::Kind::Quota) if there is no room for it: then as much is promised as before.
    fn raise(&mut self, path: &RelPath, sum: Sum) -> Result<()>;

    /// Promises no more than this.
    fn lower(&mut self, sum: Sum);

    /// Nobody brings bytes for now: what has not come is others' room.
    fn rest(&mut self, came: u64) {
        self.lower(Sum::file(came));
    }

    /// Somebody is about to bring the rest of what was announced.
    ///
    /// # Errors
    /// As [`Promised::raise`].
    fn claim_rest(&mut self, path: &RelPath, announced: Option<u64>, came: u64) -> Result<()> {
        self.raise(path, Sum::file(announced.unwrap_or(0).max(came)))
    }
}

/// The most that a folder may hold, and how to say that it is used up.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Bytes.
    pub bytes: Option<(u64, String)>,
    /// Files.
    pub files: Option<(u64, String)>,
}

impl Limits {
    /// The bounds that these are; `what` is what is bounded.
    #[cfg(feature = "server")]
    pub(super) fn of(terms: HomeTerms, what: &str) -> Option<Limits> {
        let limits = Limits {
            bytes: terms.quota.map(|most| (most, format!("over {what} of {}", render_size(most)))),
            files: terms.quota_files.map(|most| (most, format!("over {what} of {most} files"))),
        };
        limits.are_any().then_some(limits)
    }

    /// Whether anything is bounded.
    pub(super) fn are_any(&self) -> bool {
        self.bytes.is_some() || self.files.is_some()
    }

    /// Why there may not be so much, and by how much it is too much.
    pub(super) fn refuse(&self, wanted: Sum) -> Option<(Sum, &str)> {
        let over = |limit: &Option<(u64, String)>, wanted: u64| limit.as_ref().is_some_and(|(most, _)| wanted > *most);
        let beyond = |limit: &Option<(u64, String)>, wanted: u64| {
            limit.as_ref().map_or(0, |(most, _)| wanted.saturating_sub(*most))
        };
        let beyond = Sum { bytes: beyond(&self.bytes, wanted.bytes), files: beyond(&self.files, wanted.files) };
        let refusal = if over(&self.bytes, wanted.bytes) { &self.bytes } else { &self.files };
        let is_over = over(&self.bytes, wanted.bytes) || over(&self.files, wanted.files);
        refusal.as_ref().filter(|_| is_over).map(|(_, refusal)| (beyond, refusal.as_str()))
    }
}
