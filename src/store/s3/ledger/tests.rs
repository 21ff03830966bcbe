//! Counting and changing in whatever order it may come.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::changing::Sweeping;
use super::*;

const PREFIX: &str = "h/alice/";

/// A storage, who changes it, and who counts it.
struct Course<'a> {
    ledger: &'a Ledger,
    objects: BTreeMap<String, u64>,
    changes: Vec<Change<'a>>,
    /// One who removes all there is, and what the listing has told of what is left to be removed.
    sweep: Option<(Sweeping<'a>, Vec<(String, u64)>)>,
    count: Option<u64>,
    /// What the storage has answered to the page asked for, and whether it is the last, once it has.
    page: Option<Option<(Vec<Listed>, bool)>>,
    last: String,
}

/// A change of a key: what was there when somebody looked, what comes there, and whether the storage has done it.
struct Change<'a> {
    key: String,
    changing: Changing<'a>,
    before: Option<u64>,
    after: Option<u64>,
    landed: bool,
    is_swept: bool,
}

fn sum(size: Option<u64>) -> Sum {
    size.map_or(Sum::NONE, Sum::file)
}

fn ledger(alone: bool) -> Ledger {
    Ledger::new(alone, limits::ENGINE_COUNT_AGE, limits::ENGINE_ACCOUNT_KEPT)
}

impl<'a> Course<'a> {
    fn key(number: u8) -> String {
        format!("{PREFIX}{}", number % 7)
    }

    /// At most two change one key at once.
    fn begins(&mut self, key: String, after: Option<u64>) {
        if self.changes.iter().filter(|change| change.key == key).count() < 2 {
            let mut changing = self.ledger.changing(&key, None);
            let before = self.objects.get(&key).copied();
            changing.begins(sum(after));
            self.changes.push(Change { key, changing, before, after, landed: false, is_swept: false });
        }
    }

    /// The sweep begins, goes on with the next key, or ends.
    fn sweeps(&mut self) {
        match &mut self.sweep {
            None => {
                let sweeping = self.ledger.sweeping(PREFIX);
                let listed = self.objects.iter().map(|(key, size)| (key.clone(), *size)).collect();
                self.sweep = Some((sweeping, listed));
            }
            Some((sweeping, listed)) => match listed.pop() {
                Some((key, size)) => {
                    let mut changing = self.ledger.changing(&key, Some(sweeping));
                    changing.begins(Sum::NONE);
                    let (before, after) = (Some(size), None);
                    self.changes.push(Change { key, changing, before, after, landed: false, is_swept: true });
                }
                None if self.changes.iter().any(|change| change.is_swept) => {}
                None => self.sweep = None,
            },
        }
    }

    fn lands(&mut self, number: usize) {
        let at = number % self.changes.len().max(1);
        if let Some(Change { key, after, landed: landed @ false, .. }) = self.changes.get_mut(at) {
            *landed = true;
            match *after {
                Some(size) => drop(self.objects.insert(key.clone(), size)),
                None => drop(self.objects.remove(key)),
            }
        }
    }

    /// It is known what came of it, or nobody knows.
    fn settles(&mut self, number: usize, is_known: bool) {
        if self.changes.is_empty() {
            return;
        }
        let Change { mut changing, before, after, landed, .. } = self.changes.remove(number % self.changes.len());
        match (is_known, landed) {
            (true, true) => changing.done(sum(before), sum(after)),
            (true, false) => changing.is_refused(),
            (false, _) => {}
        }
    }

    fn there(&self) -> Sum {
        self.objects.values().fold(Sum::NONE, |all, size| all.plus(Sum::file(*size)))
    }

    /// What is known, and whether it is certain.
    fn known(&self) -> Option<(Sum, bool)> {
        let state = self.ledger.lock();
        state.accounts.get(PREFIX)?.known.as_ref().map(|known| (known.sum, !known.is_stale))
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
    fn whatever_is_changed_while_it_is_counted_the_count_is_right_or_says_the_most_that_there_can_be(
        first in proptest::collection::btree_map(0_u8..7, 1_u64..1000, 0..7),
        steps in proptest::collection::vec((0_u8..10, any::<u8>(), proptest::option::of(1_u64..1000)), 0..120),
        is_certain in any::<bool>(),
    ) {
        let ledger = ledger(true);
        ledger.enter(PREFIX);
        let objects = first.into_iter().map(|(number, size)| (Course::key(number), size)).collect();
        let (changes, sweep, count, page, last) = (Vec::new(), None, None, None, String::new());
        let mut course = Course { ledger: &ledger, objects, changes, sweep, count, page, last };
        for (step, number, size) in steps {
            let key = Course::key(number);
            match step {
                0 | 1 if is_certain && course.changes.iter().any(|change| change.key == key) => {}
                0 | 1 => course.begins(key, size),
                2 | 3 => course.lands(number.into()),
                4 => course.settles(number.into(), true),
                5 => course.settles(number.into(), is_certain),
                6 if !is_certain => course.sweeps(),
                _ => course.counts(),
            }
        }
        while !course.changes.is_empty() {
            course.lands(0);
            course.settles(0, true);
        }
        drop(course.sweep.take());
        while course.count.is_some() {
            course.counts();
        }
        if let Some((known, certain)) = course.known() {
            let there = course.there();
            prop_assert!(known == there || !certain && known.has_all_of(there), "{known:?} where there is {there:?}");
            prop_assert!(certain || !is_certain, "one change of a name at once is certain");
        }
        // Counted once more while nothing happens.
        course.counts();
        while course.count.is_some() {
            course.counts();
        }
        prop_assert_eq!(course.known(), Some((course.there(), true)));
        let state = ledger.lock();
        prop_assert!(state.going.is_empty() && state.sweeps.is_empty() && state.counting == 0);
    }
}

fn count(ledger: &Ledger, sum: Sum) {
    let number = Ledger::begin_count(&mut ledger.lock(), PREFIX).unwrap();
    assert!(ledger.asks(PREFIX, number));
    let listed = |size| Listed { key: Course::key(0), size, etag: String::new(), modified: String::new() };
    let page: Vec<Listed> = (sum.files > 0).then(|| listed(sum.bytes)).into_iter().collect();
    ledger.counts((PREFIX, number), &page, true);
}

/// What is known, and whether it is good enough to let something in, to refuse something, and to be counted no more.
fn judged(ledger: &Ledger) -> (Sum, bool, bool, bool) {
    let mut state = ledger.lock();
    let account = state.account(PREFIX).unwrap();
    let judge = |need| ledger.judge(account, need, Instant::now()).unwrap();
    let (take, refuse) = (judge(Need::Take), judge(Need::Refuse));
    (account.sum().unwrap(), take.is_good, refuse.is_good, !take.is_due)
}

#[test]
fn of_what_is_not_known_the_most_is_taken_for_there_and_nothing_is_refused_for_it() {
    let ledger = ledger(true);
    ledger.enter(PREFIX);
    let there = Sum::file(100);
    let (put, most) = (Sum::file(7), Sum { bytes: 107, files: 2 });
    let key = Course::key(1);
    for round in 0..5 {
        count(&ledger, there);
        assert_eq!(judged(&ledger), (there, true, true, true), "{round}");
        let mut change = ledger.changing(&key, None);
        match round {
            // Nothing was asked of the storage.
            0 => drop(change),
            // It did not answer.
            1 => {
                change.begins(put);
                drop(change);
            }
            // Two at once: neither has to be right about what the other one found.
            2 => {
                let other = ledger.changing(&key, None);
                change.done(there, put);
                drop(other);
            }
            // A listing says of a key what is not so any more.
            3 => {
                let sweeping = ledger.sweeping(PREFIX);
                change.done(Sum::NONE, put);
                ledger.changing(&key, Some(&sweeping)).done(there, Sum::NONE);
            }
            // Of others it does.
            _ => {
                let sweeping = ledger.sweeping(PREFIX);
                let own = ledger.changing(&Course::key(2), Some(&sweeping));
                own.done(there, Sum::NONE);
                change.done(Sum::NONE, put);
                drop(sweeping);
                assert_eq!(judged(&ledger), (put, true, true, true));
                continue;
            }
        }
        let unsure = (most, true, false, false);
        assert_eq!(judged(&ledger), if round == 0 { (there, true, true, true) } else { unsure }, "{round}");
    }
    // The same of a count on its way.
    let number = Ledger::begin_count(&mut ledger.lock(), PREFIX).unwrap();
    assert!(ledger.asks(PREFIX, number));
    ledger.changing(&key, None).begins(put);
    ledger.counts((PREFIX, number), &[], true);
    assert_eq!(judged(&ledger), (put, true, false, false));
    // More of a sweep's keys than are remembered.
    count(&ledger, there);
    let sweeping = ledger.sweeping(PREFIX);
    for number in 0..=limits::ENGINE_MET {
        drop(ledger.changing(&format!("{PREFIX}many{number}"), None));
    }
    ledger.changing(&key, Some(&sweeping)).done(there, Sum::NONE);
    assert_eq!(judged(&ledger), (there, true, false, false));
}

#[test]
fn a_count_goes_on_for_a_while_when_nobody_is_there() {
    for (kept, goes_on) in [(limits::ENGINE_ACCOUNT_KEPT, true), (Duration::ZERO, false)] {
        let ledger = Ledger::new(true, limits::ENGINE_COUNT_AGE, kept);
        ledger.enter(PREFIX);
        let number = Ledger::begin_count(&mut ledger.lock(), PREFIX).unwrap();
        ledger.leave(PREFIX);
        assert_eq!(ledger.asks(PREFIX, number), goes_on);
    }
}

#[test]
fn a_change_without_an_answer_is_counted_once_more_when_it_cannot_be_done_any_more() {
    let ledger = Ledger::new(true, (Duration::ZERO, 0), Duration::ZERO);
    let unanswered = || ledger.changing(&Course::key(1), None).begins(Sum::file(7));
    let is_due = || !judged(&ledger).3;
    let doubt = || ledger.lock().account(PREFIX).and_then(|account| account.doubt);
    ledger.enter(PREFIX);
    count(&ledger, Sum::NONE);
    assert!(!is_due() && doubt().is_none());
    unanswered();
    count(&ledger, Sum::NONE);
    assert!(is_due(), "it may be done yet");
    // It is remembered when nobody is there, also of a home that nobody was bounded in.
    ledger.leave(PREFIX);
    ledger.enter("h/bob/");
    assert!(doubt().is_some());
    ledger.lock().accounts.remove(PREFIX);
    unanswered();
    ledger.enter(PREFIX);
    assert!(doubt().is_some());
    // That it cannot be done any more is not enough: it may have been since the last count.
    count(&ledger, Sum::NONE);
    let counted = |state: &mut State| state.account(PREFIX).unwrap().known.as_ref().unwrap().at;
    let mut state = ledger.lock();
    let over = counted(&mut state) + Duration::from_nanos(1);
    state.account(PREFIX).unwrap().doubt = Some(over);
    drop(state);
    while Instant::now() <= over {}
    assert!(is_due());
    count(&ledger, Sum::NONE);
    assert!(!is_due());
}
