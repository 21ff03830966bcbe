//! What came of reading something again while the server runs.

/// Something that was read again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// What it was, in one word: `users`, `key`, `certificate`, `audit`, `settings`.
    pub what: &'static str,
    /// What came of it.
    pub outcome: ReloadOutcome,
    /// More about it, for administrators; may be nothing.
    pub text: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReloadOutcome {
    /// What is there is in force.
    Current,
    /// Something else than before counts from now on.
    Changed,
    /// Something else is there, and takes a restart to count.
    NeedsRestart,
    /// What is there cannot be used: what counted before stays.
    Failed,
}

impl ReloadOutcome {
    /// One word, the same in all versions.
    pub const fn word(self) -> &'static str {
        match self {
            ReloadOutcome::Current => "current",
            ReloadOutcome::Changed => "changed",
            ReloadOutcome::NeedsRestart => "restart",
            ReloadOutcome::Failed => "failed",
        }
    }
}

impl Reloaded {
    /// This came of that.
    pub fn new(what: &'static str, outcome: ReloadOutcome, text: impl Into<String>) -> Reloaded {
        Reloaded { what, outcome, text: text.into() }
    }

    /// It is in force, unless this is wrong with it.
    pub(super) fn unless(what: &'static str, wrong: Option<String>) -> Reloaded {
        match wrong {
            None => Reloaded::new(what, ReloadOutcome::Current, ""),
            Some(why) => Reloaded::new(what, ReloadOutcome::Failed, why),
        }
    }
}
