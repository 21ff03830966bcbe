//! What holds for a home, whoever is in it.

use std::time::Duration;

/// How a home, or a folder that several people share, is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HomeTerms {
    /// The most bytes that the files in it may have together; none: as many as the storage holds.
    pub quota: Option<u64>,
    /// The most files in it, folders not counted; none: as many as the storage holds.
    pub quota_files: Option<u64>,
    /// For how long what is deleted or replaced in it is kept; none: it is gone at once.
    pub trash: Option<Duration>,
}

impl HomeTerms {
    /// No bounds, and nothing is kept.
    pub const fn none() -> HomeTerms {
        HomeTerms { quota: None, quota_files: None, trash: None }
    }

    /// These terms with so many bytes at most.
    pub const fn bounded(self, quota: Option<u64>) -> HomeTerms {
        HomeTerms { quota, ..self }
    }

    /// These terms with so many files at most.
    pub const fn with_files(self, quota_files: Option<u64>) -> HomeTerms {
        HomeTerms { quota_files, ..self }
    }

    /// These terms, keeping what is deleted or replaced for so long.
    pub const fn keeping(self, trash: Option<Duration>) -> HomeTerms {
        HomeTerms { trash, ..self }
    }
}
