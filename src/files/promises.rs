//! What a store can be relied on for, where kinds of storage differ.

/// What a [`super::Store`] promises beyond what all do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Promises {
    /// Against whom a condition, a refusal to replace and a quota are decided.
    pub decided: Decided,
    /// Interrupted uploads are kept to be gone on with. Not so where there is a quota in which they are not counted.
    pub resumes: bool,
}

/// Whose changes a decision knows of: nothing may come between it and what it allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decided {
    /// Those of this process; what other programs do in the same place may come between.
    InThisProcess,
    /// Those of everybody, through other servers too: the storage itself decides.
    Everywhere,
}

impl Promises {
    /// Those of a storage whose order one process keeps.
    pub const fn of_one_process() -> Self {
        Promises { decided: Decided::InThisProcess, resumes: true }
    }

    /// Those of a storage that decides itself, for all who use it.
    pub const fn of_the_storage() -> Self {
        Promises { decided: Decided::Everywhere, resumes: true }
    }
}
