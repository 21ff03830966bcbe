//! What of a server's options can change while it runs.

use std::time::Duration;

use super::ServerOptions;
use super::door::admission_options::AdmissionOptions;
use super::door::proxied::Balancers;
use super::door::timeouts::Timeouts;
use crate::auth::Network;
use crate::files::FileMode;
use crate::limits;
use crate::machine::drive::Pace;

/// What of [`ServerOptions`] can change while the server runs ([`Handle::change`](super::Handle::change)), named as there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveOptions {
    /// Who may connect.
    pub admission: AdmissionOptions,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// How long running transfers may go on when the server stops.
    pub grace: Duration,
    /// The most that a file may keep of its mode if its sender asks for all of it.
    pub max_mode: FileMode,
    /// The balancers that are believed whose connections they hand on.
    pub balancers: Vec<Network>,
}

/// The defaults.
impl Default for LiveOptions {
    fn default() -> Self {
        LiveOptions {
            admission: AdmissionOptions::default(),
            timeouts: Timeouts::default(),
            grace: limits::GRACE,
            max_mode: FileMode::ALL,
            balancers: Vec::new(),
        }
    }
}

impl ServerOptions {
    /// What of them can change while the server runs.
    pub fn live(&self) -> LiveOptions {
        LiveOptions {
            admission: self.admission.clone(),
            timeouts: self.timeouts.clone(),
            grace: self.grace,
            max_mode: self.max_mode,
            balancers: self.balancers.clone(),
        }
    }
}

/// What connections begin with from now on.
pub(super) struct Live {
    pub timeouts: Timeouts,
    pub pace: Pace,
    pub max_mode: FileMode,
    pub balancers: Balancers,
}

impl Live {
    /// All but who may connect, which is the admission's own.
    pub(super) fn of(options: &LiveOptions) -> Live {
        Live {
            timeouts: options.timeouts.clone(),
            pace: options.timeouts.pace(options.grace),
            max_mode: options.max_mode,
            balancers: Balancers::listed(options.balancers.clone()),
        }
    }
}
