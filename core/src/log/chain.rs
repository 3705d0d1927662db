//! Which entries count: a function of the log in key order, and of nothing else.
//!
//! An entry is valid iff its `prev` is the last valid entry before it. Two writers that saw the same head both
//! add an entry; the key generator puts one first, and the other is void for every reader. By induction over key
//! order every reader of the same log agrees, and what was valid once stays so.

use super::entry::Position;
use crate::planted;

/// What an entry is to a reader whose last valid entry is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid,
    /// It lost the race to be next. Every reader passes over it.
    Void,
    /// Its writer had seen what this reader has not: something between them is missing.
    Gap,
}

/// A reader's way along the chain, from a valid entry on.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The valid entries from there on, in the order of their keys.
    valid: Vec<Position>,
}

impl Chain {
    /// From an entry that is known to be valid.
    #[must_use]
    pub fn after(valid: Position) -> Self {
        Self { valid: vec![valid] }
    }

    /// Judges the next entry in key order by the `prev` that it names, and goes on to it if it is valid.
    pub fn judge(&mut self, here: Position, prev: &Position) -> Verdict {
        let (first, last) = (&self.valid[0], &self.valid[self.valid.len() - 1]);
        if prev == last || (prev.key < last.key && planted!("void-entry-counts")) {
            self.valid.push(here);
            Verdict::Valid
        } else if prev.key < first.key || self.holds(prev) {
            Verdict::Void
        } else {
            // Nobody names an entry that was not valid and there: where it is not, it was lost, even if another one that
            // lost the race against it then looks valid now.
            Verdict::Gap
        }
    }

    fn holds(&self, position: &Position) -> bool {
        let at = self.valid.binary_search_by_key(&position.key, |valid| valid.key);
        at.is_ok_and(|at| self.valid[at] == *position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::entry::Mark;

    fn position(key: u64, mark: &str) -> Position {
        Position { key, mark: Mark(mark.into()) }
    }

    fn judge(chain: &[&Position], prev: &Position) -> Verdict {
        let mut after = Chain::after(chain[0].clone());
        for pair in chain.windows(2) {
            assert_eq!(after.judge(pair[1].clone(), pair[0]), Verdict::Valid);
        }
        after.judge(position(99, "here"), prev)
    }

    #[test]
    fn the_next_entry_names_the_last_valid_one() {
        assert_eq!(judge(&[&position(4, "a")], &position(4, "a")), Verdict::Valid);
    }

    #[test]
    fn an_earlier_prev_lost_the_race() {
        let (a, b) = (position(4, "a"), position(7, "b"));
        assert_eq!(judge(&[&a, &b], &a), Verdict::Void);
        // Of what lies before the first that it knows the reader cannot tell.
        assert_eq!(judge(&[&a, &b], &position(3, "z")), Verdict::Void);
    }

    #[test]
    fn a_prev_that_is_not_there_shows_a_gap() {
        let (a, b) = (position(4, "a"), position(7, "b"));
        for missing in [position(8, "c"), position(7, "c"), position(5, "c"), position(4, "c")] {
            assert_eq!(judge(&[&a, &b], &missing), Verdict::Gap, "{missing:?}");
        }
    }

    /// The valid ones of a log's entries, given as (key, prev), for a reader that goes on after `last`.
    fn valid(last: &Position, entries: &[(Position, Position)]) -> (Vec<u64>, bool) {
        let mut chain = Chain::after(last.clone());
        let mut valid = Vec::new();
        for (position, prev) in entries.iter().filter(|(position, _)| position.key > last.key) {
            match chain.judge(position.clone(), prev) {
                Verdict::Valid => valid.push(position.key),
                Verdict::Void => {}
                Verdict::Gap => return (valid, true),
            }
        }
        (valid, false)
    }

    /// A log as writers make it: each names an entry that it had seen, and that is valid: the newest or an older one.
    fn log() -> impl Strategy<Value = Vec<(Position, Position)>> {
        prop::collection::vec((1..4_u64, any::<prop::sample::Index>(), 0..4_u8), 1..60).prop_map(|steps| {
            let mut key = 0;
            let mut seen = vec![Position::default()];
            let mut entries = Vec::new();
            for (number, (step, which, lags)) in steps.into_iter().enumerate() {
                // Keys only grow, and some are used up by what was rolled back.
                key += step;
                let newest = seen[seen.len() - 1].clone();
                let prev = if lags == 0 { which.get(&seen).clone() } else { newest.clone() };
                let here = position(key, &number.to_string());
                if prev == newest {
                    seen.push(here.clone());
                }
                entries.push((here, prev));
            }
            entries
        })
    }

    proptest! {
        /// It does not matter who reads, from which valid entry on, or how much of the log was there at the time.
        #[test]
        fn validity_is_a_function_of_the_log_alone(entries in log(), cut in any::<prop::sample::Index>()) {
            let (all, gap) = valid(&Position::default(), &entries);
            prop_assert!(!gap && !all.is_empty());
            // What was valid once is valid for ever.
            let shorter = &entries[..cut.index(entries.len() + 1)];
            let (early, _) = valid(&Position::default(), shorter);
            prop_assert_eq!(&all[..early.len()], &early[..]);
            // Who goes on from any valid entry finds the rest, and no other.
            for (at, key) in all.iter().enumerate() {
                let (from, _) = entries.iter().find(|(position, _)| position.key == *key).unwrap();
                prop_assert_eq!(valid(from, &entries), (all[at + 1..].to_vec(), false));
            }
        }

        /// A lost entry on which anything was built is noticed; a void one is missed by nobody, nor is the last one here.
        #[test]
        fn what_is_lost_is_noticed_where_anybody_names_it(entries in log(), lost in any::<prop::sample::Index>()) {
            let (all, _) = valid(&Position::default(), &entries);
            let (gone, _) = lost.get(&entries).clone();
            let mut damaged = entries.clone();
            damaged.retain(|(position, _)| *position != gone);
            let (left, gap) = valid(&Position::default(), &damaged);
            prop_assert_eq!(gap, damaged.iter().any(|(_, prev)| *prev == gone));
            match all.iter().position(|key| *key == gone.key) {
                None => prop_assert_eq!(left, all),
                Some(at) => prop_assert_eq!(&left[..at], &all[..at]),
            }
        }
    }
}
