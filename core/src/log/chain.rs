//! Which entries count: a function of the log in key order, and of nothing else.
//!
//! An entry is valid iff its `prev` is the last valid entry before it. Two writers that saw the same head both
//! add an entry; the key generator puts one first, and the other is void for every reader. By induction over key
//! order every reader of the same log agrees, and what was valid once stays so.

use super::entry::Position;

/// What an entry is to a reader whose last valid entry is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid,
    /// It lost the race to be next. Every reader passes over it.
    Void,
    /// Its writer had seen what this reader has not: something between them is missing.
    Gap,
}

/// Judges the entry that follows `last` in key order by the `prev` that it names.
#[must_use]
pub fn judge(last: &Position, prev: &Position) -> Verdict {
    if prev == last {
        Verdict::Valid
    } else if prev.key < last.key {
        Verdict::Void
    } else {
        Verdict::Gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::entry::Mark;

    fn position(key: u64, mark: &str) -> Position {
        Position { key, mark: Mark(mark.into()) }
    }

    #[test]
    fn the_next_entry_names_the_last_valid_one() {
        assert_eq!(judge(&position(4, "a"), &position(4, "a")), Verdict::Valid);
    }

    #[test]
    fn an_earlier_prev_lost_the_race() {
        assert_eq!(judge(&position(4, "a"), &position(3, "z")), Verdict::Void);
    }

    #[test]
    fn a_later_prev_or_another_mark_shows_a_gap() {
        assert_eq!(judge(&position(4, "a"), &position(5, "b")), Verdict::Gap);
        assert_eq!(judge(&position(4, "a"), &position(4, "b")), Verdict::Gap);
    }
}
