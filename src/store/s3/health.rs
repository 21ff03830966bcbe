//! How the storage answers, for whoever watches: counted with every request, and tried now and then when there is none.

use std::time::{Duration, Instant, SystemTime};

use super::engine::{Call, Engine};
use crate::files::{StorageHealth, StorageRequests};
use crate::limits;
use crate::machine::count::{Count, Durations};
use crate::sync::Mutex;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Get,
    Head,
    Put,
    Post,
    Delete,
    List,
}

impl Kind {
    const ALL: [Kind; 6] = [Kind::Get, Kind::Head, Kind::Put, Kind::Post, Kind::Delete, Kind::List];

    fn of(call: &Call<'_>) -> Kind {
        match (call.method, call.key) {
            (_, None) => Kind::List,
            ("GET", _) => Kind::Get,
            ("HEAD", _) => Kind::Head,
            ("PUT", _) => Kind::Put,
            ("DELETE", _) => Kind::Delete,
            _ => Kind::Post,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Kind::Get => "get",
            Kind::Head => "head",
            Kind::Put => "put",
            Kind::Post => "post",
            Kind::Delete => "delete",
            Kind::List => "list",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done, or there is no such object, or the condition does not hold.
    Answered,
    /// The storage does not do that for this server, or has no room.
    Refused,
    /// It is to be repeated later: too much is going on, or something in the storage has failed.
    PutOff,
    /// No answer came.
    Unanswered,
    /// The answer began, and broke off or ended with an error.
    Broken,
}

impl Outcome {
    const ALL: [Outcome; 5] =
        [Outcome::Answered, Outcome::Refused, Outcome::PutOff, Outcome::Unanswered, Outcome::Broken];

    const fn word(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Refused => "refused",
            Outcome::PutOff => "put-off",
            Outcome::Unanswered => "unanswered",
            Outcome::Broken => "broken",
        }
    }
}

#[derive(Debug, Default)]
struct Requests {
    outcomes: [Count; Outcome::ALL.len()],
    took: Durations,
}

/// What is known of it.
#[derive(Debug)]
pub(super) struct Health {
    /// Whether it answers, and since when.
    state: Mutex<(bool, SystemTime)>,
    /// When it last answered something to its end.
    answered: Mutex<Option<Instant>>,
    /// When it was last asked.
    asked: Mutex<Instant>,
    requests: [Requests; Kind::ALL.len()],
}

impl Health {
    pub(super) fn new() -> Health {
        Health {
            state: Mutex::new((true, SystemTime::now())),
            answered: Mutex::default(),
            asked: Mutex::new(Instant::now()),
            requests: Default::default(),
        }
    }

    /// A request came to this. `took` until its answer began; none where it was counted before.
    pub(super) fn count(&self, call: &Call<'_>, outcome: Outcome, took: Option<Duration>) {
        if let Some(requests) = self.requests.get(Kind::of(call) as usize) {
            if let Some(count) = requests.outcomes.get(outcome as usize) {
                count.one();
            }
            if let Some(took) = took {
                requests.took.add(took);
            }
        }
        *self.asked.lock() = Instant::now();
    }

    /// Something was answered, to its end or as far as anybody reads it.
    pub(super) fn answered(&self) {
        *self.answered.lock() = Some(Instant::now());
        self.be(true, SystemTime::now());
    }

    /// Whoever has asked since then has given up. Whether that is because the storage is silent: nobody has got an answer meanwhile.
    pub(super) fn given_up(&self, begun: Instant) -> bool {
        let is_silent = self.answered.lock().is_none_or(|at| at < begun);
        if is_silent {
            let now = SystemTime::now();
            self.be(false, now.checked_sub(begun.elapsed()).unwrap_or(now));
        }
        is_silent
    }

    fn be(&self, answers: bool, since: SystemTime) {
        let mut state = self.state.lock();
        if state.0 != answers {
            *state = (answers, since);
        }
    }

    /// Whether somebody has to ask, so that it is known.
    fn is_due(&self) -> bool {
        !self.state.lock().0 || self.asked.lock().elapsed() >= limits::ENGINE_LOOK
    }

    pub(super) fn told(&self) -> StorageHealth {
        let (answers, since) = *self.state.lock();
        let requests = Kind::ALL.into_iter().zip(&self.requests).map(|(kind, requests)| {
            let outcomes = Outcome::ALL.into_iter().zip(&requests.outcomes);
            let failed = outcomes.clone().filter(|(outcome, _)| *outcome != Outcome::Answered);
            StorageRequests {
                failed: failed.map(|(_, count)| count.get()).sum(),
                outcomes: outcomes.map(|(outcome, count)| (outcome.word(), count.get())).collect(),
                took: requests.took.read(),
                ..StorageRequests::new(kind.word())
            }
        });
        StorageHealth::new(answers, since, requests.collect())
    }
}

impl Engine {
    /// Asks for an object that is not there, if nobody has asked for anything for some time: what that comes to is counted.
    pub(super) fn look(&self, key: &str) {
        if self.health.is_due() {
            let _counted = self.look_up(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_and_outcome_has_its_own_place_and_the_state_has_the_time_of_its_change() {
        assert!(Kind::ALL.iter().enumerate().all(|(at, kind)| at == *kind as usize));
        assert!(Outcome::ALL.iter().enumerate().all(|(at, outcome)| at == *outcome as usize));
        let health = Health::new();
        let begun = health.told().since;
        let call = Call::of("PUT", "key");
        health.count(&call, Outcome::Answered, Some(Duration::from_millis(1)));
        health.answered();
        health.count(&call, Outcome::PutOff, Some(Duration::from_millis(1)));
        let told = health.told();
        assert_eq!((told.answers, told.since, told.failed(), told.word()), (true, begun, 1, "answering"));
        let asked = Instant::now();
        assert!(health.given_up(asked));
        let silent = health.told();
        assert!(!silent.answers && silent.since >= begun);
        assert!(health.given_up(Instant::now()));
        assert_eq!(health.told().since, silent.since, "silent all the time");
        // The head of an answer is none, if nothing comes behind it.
        health.count(&call, Outcome::Answered, None);
        assert!(!health.told().answers);
        health.answered();
        assert!(health.told().answers);
        // One that is never answered, while others are, says nothing of the storage.
        assert!(!health.given_up(asked) && health.told().answers);
        let put = health.told().requests.into_iter().find(|requests| requests.kind == "put").unwrap();
        assert_eq!((put.failed, put.took.1), (1, 2));
    }
}
