//! What an operator says of who may connect.

use std::net::IpAddr;

use super::startups::Startups;
use crate::auth::Network;
use crate::limits;
use crate::setters::setters;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdmissionOptions {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one source.
    pub per_source: usize,
    /// When newcomers are refused because too many are not logged in.
    pub startups: Startups,
    /// Whether sources on this machine can be penalised. Off by default: behind a tunnel or a proxy every client
    /// comes from there, and one of them could lock out all.
    pub penalise_loopback: bool,
    /// Whose addresses are never penalised, and may have any number of the connections there are: an office behind one address, a
    /// monitor.
    pub exempt: Vec<Network>,
}

setters!(AdmissionOptions: connections: usize, per_source: usize, startups: Startups, penalise_loopback: bool, exempt: Vec<Network>);

impl AdmissionOptions {
    pub(super) fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
}

/// The most connections for which so many open files are enough; at least one.
pub fn connections_within(open_files: u64) -> usize {
    // With few of them half is all that can be kept for anything else.
    let apart = limits::DESCRIPTORS_APART.min(open_files / 2);
    usize::try_from((open_files - apart) / limits::DESCRIPTORS_PER_CONNECTION).unwrap_or(usize::MAX).max(1)
}

impl Default for AdmissionOptions {
    fn default() -> Self {
        AdmissionOptions {
            connections: limits::CONNECTIONS_MAX,
            per_source: limits::PER_SOURCE_MAX,
            startups: Startups::default(),
            penalise_loopback: false,
            exempt: Vec::new(),
        }
    }
}
