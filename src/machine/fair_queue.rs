//! What waits for its turn. Turns go round the networks, in each round its sources, and each source serves what it has
//! in the order in which it came: who has a thousand waiting gets no more turns than who has one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::source::{Network, Source};

/// A queue that is fair between those who wait in it.
pub struct FairQueue<T> {
    networks: Ring<Network, Ring<Source, VecDeque<T>>>,
    len: usize,
}

impl<T> FairQueue<T> {
    /// An empty one.
    pub fn new() -> Self {
        FairQueue { networks: Ring::new(), len: 0 }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts one more behind those of the same source.
    pub fn push(&mut self, source: Source, item: T) {
        let sources = self.networks.entry(source.network(), Ring::new);
        sources.entry(source, VecDeque::new).push_back(item);
        self.len += 1;
    }

    /// Takes whose turn it is, among the networks that may have one now.
    pub fn pop(&mut self, may: impl Fn(&Network) -> bool) -> Option<(Source, T)> {
        let served = self.networks.serve(|network, sources| {
            if !may(network) {
                return Served { item: None, used_up: false };
            }
            let item = sources.serve(|source, items| {
                let item = items.pop_front().map(|item| (source.clone(), item));
                Served { item, used_up: items.is_empty() }
            });
            Served { item, used_up: sources.is_empty() }
        });
        self.len -= usize::from(served.is_some());
        served
    }

    /// How many of this source wait.
    pub fn of_source(&self, source: &Source) -> usize {
        let sources = self.networks.all.get(&source.network());
        sources.and_then(|sources| sources.all.get(source)).map_or(0, VecDeque::len)
    }

    /// Keeps those of which this holds.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.networks.retain(|sources| {
            sources.retain(|items| {
                items.retain(&keep);
                !items.is_empty()
            });
            !sources.is_empty()
        });
        self.len = self.networks.all.values().map(waiting).sum();
    }

    /// Makes room for one more of this source: takes the newest one out of the network that has the most waiting, and
    /// there out of the source that has. None if this source itself has as much.
    pub fn take_from_largest(&mut self, source: &Source) -> Option<T> {
        let own = source.network();
        let (largest, most) = self.networks.largest(waiting)?;
        let network = match self.networks.all.get(&own).map_or(0, waiting) < most {
            true => largest,
            false => own,
        };
        let sources = self.networks.all.get_mut(&network)?;
        let (largest, most) = sources.largest(VecDeque::len)?;
        if sources.all.get(source).map_or(0, VecDeque::len) >= most {
            return None;
        }
        let items = sources.all.get_mut(&largest)?;
        let newest = items.pop_back()?;
        if items.is_empty() {
            sources.remove(&largest);
        }
        if sources.is_empty() {
            self.networks.remove(&network);
        }
        self.len -= 1;
        Some(newest)
    }

    /// Whether [`FairQueue::pop`] would take something.
    pub fn has(&self, may: impl Fn(&Network) -> bool) -> bool {
        self.networks.order.iter().any(may)
    }
}

/// How many wait in one network.
fn waiting<T>(sources: &Ring<Source, VecDeque<T>>) -> usize {
    sources.all.values().map(VecDeque::len).sum()
}

/// Several of a kind that take turns. None of them is empty.
struct Ring<K, V> {
    order: VecDeque<K>,
    all: HashMap<K, V>,
}

/// What one of them did with its turn.
struct Served<T> {
    item: Option<T>,
    /// It has nothing more.
    used_up: bool,
}

impl<K: Clone + Eq + Hash, V> Ring<K, V> {
    fn new() -> Self {
        Ring { order: VecDeque::new(), all: HashMap::new() }
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The one with this key; a new one has its turn after all others. The caller fills it.
    fn entry(&mut self, key: K, empty: impl FnOnce() -> V) -> &mut V {
        let order = &mut self.order;
        self.all.entry(key).or_insert_with_key(|key| {
            order.push_back(key.clone());
            empty()
        })
    }

    /// The largest by this measure, and how large it is.
    fn largest(&self, size: impl Fn(&V) -> usize) -> Option<(K, usize)> {
        self.all
            .iter()
            .map(|(key, one)| (key, size(one)))
            .max_by_key(|(_, size)| *size)
            .map(|(key, n)| (key.clone(), n))
    }

    fn remove(&mut self, key: &K) {
        self.all.remove(key);
        self.order.retain(|other| other != key);
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.all.retain(|_, one| keep(one));
        self.order.retain(|key| self.all.contains_key(key));
    }

    /// Gives each a turn until one has something.
    fn serve<T>(&mut self, mut turn: impl FnMut(&K, &mut V) -> Served<T>) -> Option<T> {
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let Some(one) = self.all.get_mut(&key) else { continue };
            let Served { item, used_up } = turn(&key, one);
            if used_up {
                self.all.remove(&key);
            } else {
                self.order.push_back(key);
            }
            if item.is_some() {
                return item;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(address: &str) -> Source {
        Source::from(address.parse::<IpAddr>().unwrap())
    }

    fn order(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop(|_| true)).map(|(_, item)| item).collect()
    }

    #[test]
    fn turns_go_round_the_sources_and_each_keeps_its_order() {
        let mut queue = FairQueue::new();
        for item in ["a1", "a2", "a3", "a4"] {
            queue.push(from("192.0.2.1"), item);
        }
        queue.push(from("192.0.2.2"), "b1");
        queue.push(Source::User("carol".into()), "c1");
        queue.push(from("192.0.2.2"), "b2");
        assert_eq!(order(&mut queue), ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]);
        assert!(queue.is_empty() && queue.networks.all.is_empty());
    }

    #[test]
    fn a_network_of_many_addresses_has_one_turn_like_everybody() {
        let mut queue = FairQueue::new();
        for (address, item) in [("2001:db8:1:1::1", "a1"), ("2001:db8:1:2::1", "a2"), ("2001:db8:1:3::1", "a3")] {
            queue.push(from(address), item);
        }
        queue.push(from("2001:db8:1:1::2"), "a4");
        queue.push(from("192.0.2.2"), "b1");
        assert_eq!(order(&mut queue), ["a1", "b1", "a2", "a3", "a4"]);
    }

    #[test]
    fn the_largest_gives_its_newest_to_whoever_has_less() {
        let mut queue = FairQueue::new();
        for (address, item) in [("192.0.2.1", "a1"), ("192.0.2.1", "a2"), ("2001:db8:1:1::1", "b1")] {
            queue.push(from(address), item);
        }
        for (address, item) in [("2001:db8:1:2::1", "b2"), ("2001:db8:1:2::1", "b3")] {
            queue.push(from(address), item);
        }
        assert_eq!(queue.take_from_largest(&from("192.0.2.2")), Some("b3"), "of the largest network");
        assert_eq!(queue.take_from_largest(&from("192.0.2.1")), None, "it is as large as any");
        queue.retain(|item| *item != "b1" && *item != "b2");
        assert_eq!((queue.len(), queue.of_source(&from("192.0.2.1"))), (2, 2));
        assert_eq!(queue.take_from_largest(&from("2001:db8:1:2::1")), Some("a2"));
        assert_eq!(order(&mut queue), ["a1"]);
    }

    #[test]
    fn who_may_not_now_keeps_the_place() {
        let mut queue = FairQueue::new();
        queue.push(from("192.0.2.1"), "a1");
        queue.push(from("192.0.2.2"), "b1");
        let a = from("192.0.2.1").network();
        assert!(queue.has(|network| *network != a));
        assert_eq!(queue.pop(|network| *network != a).unwrap().1, "b1");
        assert!(!queue.has(|network| *network != a));
        assert!(queue.pop(|network| *network != a).is_none());
        assert_eq!(queue.len(), 1);
        assert_eq!(order(&mut queue), ["a1"]);
    }
}
