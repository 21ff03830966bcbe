//! What is counted of those who come to the door, for whoever watches.

use super::admission::Refusal;
use super::penalties::Offence;
use crate::machine::count::Count;

/// The counts since the start.
#[derive(Debug, Default)]
pub struct Tally {
    admitted: Count,
    refused: [Count; Refusal::ALL.len()],
    unnamed: Count,
    offences: [Count; Offence::ALL.len()],
}

impl Tally {
    /// Somebody came, and was let in or not.
    pub(super) fn newcomer(&self, refused: Option<Refusal>) {
        let count = match refused {
            None => Some(&self.admitted),
            Some(why) => self.refused.get(why as usize),
        };
        count.into_iter().for_each(Count::one);
    }

    /// A balancer has not said whose connection it hands on, and was refused.
    pub(super) fn unnamed(&self) {
        self.unnamed.one();
    }

    /// Somebody was penalised.
    pub(super) fn penalised(&self, offence: Offence) {
        self.offences.get(offence as usize).into_iter().for_each(Count::one);
    }

    /// Connections that were let in.
    pub fn admitted(&self) -> u64 {
        self.admitted.get()
    }

    /// Connections that were not, by why, in one word.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let refused = Refusal::ALL.into_iter().zip(&self.refused).map(|(why, count)| (why.label(), count.get()));
        refused.chain([("balancer", self.unnamed.get())])
    }

    /// What was penalised, by what it was, in one word.
    pub fn offences(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Offence::ALL.into_iter().zip(&self.offences).map(|(offence, count)| (offence.label(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_in_its_own_place() {
        let tally = Tally::default();
        tally.newcomer(None);
        for (at, why) in Refusal::ALL.into_iter().enumerate() {
            (0..at + 1).for_each(|_| tally.newcomer(Some(why)));
        }
        for (at, offence) in Offence::ALL.into_iter().enumerate() {
            (0..at + 1).for_each(|_| tally.penalised(offence));
        }
        tally.unnamed();
        let counts = |rows: Vec<(&str, u64)>| rows.into_iter().map(|(_, count)| count).collect::<Vec<_>>();
        assert_eq!((tally.admitted(), counts(tally.refusals().collect())), (1, vec![1, 2, 3, 1]));
        assert_eq!(counts(tally.offences().collect()), [1, 2, 3, 4, 5]);
    }
}
