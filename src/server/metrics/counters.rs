//! What is counted while it happens. Nothing here locks or allocates: it is part of every small file.

use std::time::Duration;

use crate::error::Kind;
use crate::machine::count::{Count, Durations};
use crate::server::desk::action::Action;
use crate::server::events::{Came, Credential, Protocol};

/// The operations of one kind over one protocol.
#[derive(Debug, Default)]
pub struct Operations {
    /// Those that succeeded.
    pub done: Count,
    /// Those that failed.
    pub failed: Count,
    /// Bytes of files that they moved.
    pub bytes: Count,
    /// How long they took, failed or not.
    pub took: Durations,
}

/// The logins by one kind of credential.
#[derive(Debug, Default)]
pub struct Logins {
    /// Those that began a session.
    pub done: Count,
    /// Those that were refused.
    pub refused: Count,
    /// Those that were told to come later.
    pub busy: Count,
}

/// All of them.
#[derive(Debug)]
pub struct Counters {
    operations: [[Operations; Action::ALL.len()]; Protocol::ALL.len()],
    logins: [Logins; Credential::ALL.len()],
    errors: [Count; Kind::ALL.len()],
    /// Readings that contradicted what was recorded.
    pub rot: Count,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            operations: std::array::from_fn(|_| std::array::from_fn(|_| Operations::default())),
            logins: Default::default(),
            errors: std::array::from_fn(|_| Count::default()),
            rot: Count::default(),
        }
    }
}

impl Counters {
    /// An operation is over.
    pub fn operation(
        &self,
        protocol: Protocol,
        action: Action,
        outcome: Result<Came, Kind>,
        bytes: u64,
        took: Duration,
    ) {
        if let Some(of) = self.operations_of(protocol, action) {
            match outcome {
                Ok(_) => of.done.one(),
                Err(kind) => {
                    of.failed.one();
                    self.error(kind);
                }
            }
            if bytes > 0 {
                of.bytes.add(bytes);
            }
            of.took.add(took);
        }
    }

    /// A session began.
    pub fn login(&self, with: Credential) {
        if let Some(of) = self.logins_by(with) {
            of.done.one();
        }
    }

    /// A login was refused.
    pub fn login_refused(&self, with: Credential, why: Kind) {
        if let Some(of) = self.logins_by(with) {
            if why == Kind::Busy { of.busy.one() } else { of.refused.one() }
        }
    }

    fn error(&self, kind: Kind) {
        if let Some(of) = self.errors.get(kind as usize) {
            of.one();
        }
    }

    /// Those of one kind.
    pub fn operations_of(&self, protocol: Protocol, action: Action) -> Option<&Operations> {
        self.operations.get(protocol as usize)?.get(action as usize)
    }

    /// Those by one kind of credential.
    pub fn logins_by(&self, with: Credential) -> Option<&Logins> {
        self.logins.get(with as usize)
    }

    /// Operations that failed, by why.
    pub fn errors(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().copied().zip(&self.errors).map(|(kind, count)| (kind, count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_place() {
        let at = |places: Vec<usize>| assert!(places.iter().enumerate().all(|(at, place)| at == *place), "{places:?}");
        at(Kind::ALL.iter().map(|kind| *kind as usize).collect());
        at(Credential::ALL.iter().map(|with| *with as usize).collect());
        at(Protocol::ALL.iter().map(|protocol| *protocol as usize).collect());
    }
}
