//! Connections that are not logged in. They are cheap to make and none of them has proven anything, so when they are too
//! many, those of the source that has most make room.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use async_std::channel::{Receiver, Sender, bounded};

use crate::machine::source::{Network, Origin, Source};

/// All of them, by network and source, oldest first.
#[derive(Debug, Default)]
pub struct Preauth {
    networks: HashMap<Network, HashMap<Origin, Guests>>,
    len: usize,
    entered: u64,
}

/// Those of one source. Dropping a sending end tells the guest.
type Guests = BTreeMap<u64, Sender<Infallible>>;

/// One connection's stay.
#[derive(Debug)]
pub struct Visit {
    number: u64,
    out: Receiver<Infallible>,
}

impl Visit {
    /// Waits until it is pushed out, or has left.
    pub fn pushed_out(&self) -> impl Future<Output = ()> + use<> {
        let out = self.out.clone();
        // Nothing is ever sent: only the closing ends this.
        async move {
            let _ = out.recv().await;
        }
    }
}

impl Preauth {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more.
    pub fn enter(&mut self, origin: Origin) -> Visit {
        let (told, out) = bounded(1);
        let number = self.entered;
        self.networks.entry(network(origin)).or_default().entry(origin).or_default().insert(number, told);
        self.entered += 1;
        self.len += 1;
        Visit { number, out }
    }

    /// One less. False if it was pushed out before.
    pub fn leave(&mut self, origin: Origin, visit: &Visit) -> bool {
        self.take(origin, |guests| guests.remove(&visit.number))
    }

    /// Makes room for one more of this source: pushes out the oldest of the source that has most, in the network that has
    /// most. False if that is this source itself.
    pub fn push_out_for(&mut self, origin: Origin) -> bool {
        let all = |sources: &HashMap<Origin, Guests>| sources.values().map(BTreeMap::len).sum::<usize>();
        let own = network(origin);
        let own_count = self.networks.get(&own).map_or(0, all);
        let largest = self.networks.values().max_by_key(|sources| all(sources));
        let sources = match largest {
            Some(largest) if all(largest) > own_count => Some(largest),
            _ => self.networks.get(&own),
        };
        let Some(sources) = sources else { return false };
        let own_count = sources.get(&origin).map_or(0, BTreeMap::len);
        let largest = sources.iter().max_by_key(|(_, guests)| guests.len());
        match largest.filter(|(_, guests)| guests.len() > own_count) {
            Some((loser, _)) => {
                let loser = *loser;
                self.take(loser, |guests| guests.pop_first().map(|(_, told)| told))
            }
            None => false,
        }
    }

    fn take(&mut self, origin: Origin, one: impl FnOnce(&mut Guests) -> Option<Sender<Infallible>>) -> bool {
        let network = network(origin);
        let Some(sources) = self.networks.get_mut(&network) else { return false };
        let Some(guests) = sources.get_mut(&origin) else { return false };
        let taken = one(guests).is_some();
        if guests.is_empty() {
            sources.remove(&origin);
        }
        if sources.is_empty() {
            self.networks.remove(&network);
        }
        self.len -= usize::from(taken);
        taken
    }
}

fn network(origin: Origin) -> Network {
    Source::Origin(origin).network()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures::FutureExt as _;

    use super::*;

    fn from(address: &str) -> Origin {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn the_oldest_of_the_largest_makes_room_and_is_told() {
        let mut preauth = Preauth::default();
        let old = preauth.enter(from("192.0.2.1"));
        let young = preauth.enter(from("192.0.2.1"));
        assert!(!preauth.push_out_for(from("192.0.2.1")));
        assert!(preauth.push_out_for(from("192.0.2.2")));
        assert!(old.pushed_out().now_or_never().is_some() && young.pushed_out().now_or_never().is_none());
        assert!(!preauth.leave(from("192.0.2.1"), &old) && preauth.leave(from("192.0.2.1"), &young));
        assert!(preauth.is_empty() && preauth.networks.is_empty());
    }

    #[test]
    fn a_network_of_many_addresses_counts_as_one() {
        let mut preauth = Preauth::default();
        let many: Vec<_> = (0..5).map(|n| preauth.enter(from(&format!("2001:db8:1:{n}::1")))).collect();
        let few: Vec<_> = (0..2).map(|_| preauth.enter(from("192.0.2.1"))).collect();
        assert!(!preauth.push_out_for(from("2001:db8:1:1::2")));
        assert!(preauth.push_out_for(from("192.0.2.1")));
        let gone = many.iter().filter(|one| one.pushed_out().now_or_never().is_some()).count();
        assert_eq!((gone, preauth.len()), (1, 6));
        drop(few);
    }
}
