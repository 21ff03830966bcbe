//! Counting and changing in whatever order it may come.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const PREFIX: &str = "h/alice/";

/// A storage, who changes it, and who counts it.
struct Course<'a> {
    ledger: &'a Ledger,
    objects: BTreeMap<String, u64>,
    /// By key: the change, what was there before, what comes there, and whether the storage has done it.
    changes: BTreeMap<String, (Changing<'a>, Option<u64>, Option<u64>, bool)>,
    count: Option<u64>,
    /// What the storage has answered to the page asked for, and whether it is the last, once it has.
    page: Option<Option<(Vec<Listed>, bool)>>,
    last: String,
}

fn sum(size: Option<u64>) -> Sum {
    size.map_or(Sum::NONE, Sum::file)
}

impl Course<'_> {
    fn key(number: u8) -> String {
        format!("{PREFIX}{}", number % 7)
    }

    fn begins(&mut self, key: String, after: Option<u64>) {
        if !self.changes.contains_key(&key) {
            let mut change = self.ledger.changing(&key, None);
            let before = self.objects.get(&key).copied();
            change.begins();
            self.changes.insert(key, (change, before, after, false));
        }
    }

    fn lands(&mut self, key: &str) {
        if let Some((_, _, after, landed @ false)) = self.changes.get_mut(key) {
            *landed = true;
            match *after {
                Some(size) => drop(self.objects.insert(key.to_owned(), size)),
                None => drop(self.objects.remove(key)),
            }
        }
    }

    fn settles(&mut self, key: &str) {
        match self.changes.remove(key) {
            Some((change, before, after, true)) => change.done(sum(before), sum(after)),
            Some((mut change, _, _, false)) => change.is_refused(),
            None => {}
        }
    }

    /// One step of counting: a page is asked for, the storage makes it, it comes.
    fn counts(&mut self) {
        let Some(number) = self.count else {
            self.count = Ledger::begin_count(&mut self.ledger.lock(), PREFIX);
            (self.page, self.last) = (None, String::new());
            return;
        };
        match self.page.take() {
            None => {
                assert!(self.ledger.asks(PREFIX, number));
                self.page = Some(None);
            }
            Some(None) => {
                let listed = |(key, size): (&String, &u64)| Listed {
                    key: key.clone(),
                    size: *size,
                    etag: String::new(),
                    modified: String::new(),
                };
                let mut behind = self.objects.range(self.last.clone()..).filter(|(key, _)| **key != self.last);
                let page: Vec<Listed> = behind.by_ref().take(2).map(listed).collect();
                let is_last = behind.next().is_none();
                self.page = Some(Some((page, is_last)));
            }
            Some(Some((page, is_last))) => {
                if let Some(last) = page.last() {
                    self.last.clone_from(&last.key);
                }
                self.ledger.counts((PREFIX, number), &page, is_last);
                if is_last {
                    self.count = None;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_while_it_is_counted_the_count_is_right(
        first in proptest::collection::btree_map(0_u8..7, 1_u64..1000, 0..7),
        steps in proptest::collection::vec((0_u8..6, any::<u8>(), proptest::option::of(1_u64..1000)), 0..120),
    ) {
        let ledger = Ledger::new(true, limits::ENGINE_COUNT_AGE);
        ledger.enter(PREFIX);
        let objects = first.into_iter().map(|(number, size)| (Course::key(number), size)).collect();
        let (changes, count, page, last) = (BTreeMap::new(), None, None, String::new());
        let mut course = Course { ledger: &ledger, objects, changes, count, page, last };
        for (step, number, size) in steps {
            let key = Course::key(number);
            match step {
                0 | 1 => course.begins(key, size),
                2 => course.lands(&key),
                3 => course.settles(&key),
                _ => course.counts(),
            }
        }
        for key in course.changes.keys().cloned().collect::<Vec<_>>() {
            course.lands(&key);
            course.settles(&key);
        }
        while course.count.is_some() {
            course.counts();
        }
        let there = course.objects.values().fold(Sum::NONE, |all, size| all.plus(Sum::file(*size)));
        let mut state = ledger.lock();
        let known = state.account(PREFIX).and_then(|account| account.sum());
        prop_assert!(known.is_none_or(|known| known == there), "{known:?} where there is {there:?}");
        prop_assert!(state.going.is_empty() && state.counting == 0);
    }
}

#[test]
fn two_at_once_and_one_without_an_answer_are_counted_again_before_anything_is_let_in() {
    let ledger = Ledger::new(true, limits::ENGINE_COUNT_AGE);
    ledger.enter(PREFIX);
    let count = || {
        let number = Ledger::begin_count(&mut ledger.lock(), PREFIX).unwrap();
        assert!(ledger.asks(PREFIX, number));
        ledger.counts((PREFIX, number), &[], true);
    };
    let is_known = || ledger.lock().account(PREFIX).unwrap().sum().is_some();
    let key = Course::key(1);
    for round in 0..4 {
        count();
        assert!(is_known(), "{round}");
        let mut change = ledger.changing(&key, None);
        match round {
            0 => {
                // Nothing was asked of the storage.
                drop(change);
                assert!(is_known());
                continue;
            }
            1 => {
                change.begins();
                drop(change);
            }
            2 => {
                let other = ledger.changing(&key, None);
                change.done(Sum::NONE, Sum::file(1));
                drop(other);
            }
            _ => {
                let sweeping = ledger.sweeping(PREFIX);
                let own = ledger.changing(&Course::key(2), Some(&sweeping));
                own.done(Sum::NONE, Sum::NONE);
                change.done(Sum::NONE, Sum::file(1));
                drop(sweeping);
            }
        }
        assert!(!is_known(), "{round}");
    }
    // One alone that changes all of a folder is certain of it.
    count();
    let sweeping = ledger.sweeping(PREFIX);
    ledger.changing(&key, Some(&sweeping)).done(Sum::NONE, Sum::NONE);
    drop(sweeping);
    assert!(is_known());
}
