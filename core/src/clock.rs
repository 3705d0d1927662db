//! What the server's clock says, as far as a device can tell: the offset of its own clock, measured from answers.
//!
//! An answer says what time it was at the server at some moment between request and answer. The middle is the best guess, and half of
//! what lies between is how wrong it can be (Cristian 1989; RFC 5905 does the same with more than one server). Nothing is
//! decided by it that could lose data: it dates and it reassures. The device's clock may jump at any time, which shows at the next
//! answer.

/// How far the offset may move before it is worth storing again.
const STORED_STEP_MS: u64 = 1_000;
/// What a measurement loses in trust with every one that comes after it: clocks drift.
const AGEING_MS: u64 = 5;
/// A server time that is older than this, by the device's clock, says too little of what time it is. The server forgets
/// nothing for 90 days.
const RECENT_MS: u64 = 24 * 60 * 60 * 1_000;

/// One measurement: the server's time is the device's plus `offset_ms`, give or take `error_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub offset_ms: i64,
    pub error_ms: u64,
}

impl Sample {
    /// What an answer tells that was received at `received_at` by the device's clock, `round_trip_ms` after its request was sent.
    /// `None`: nothing that a number could hold.
    #[must_use]
    pub fn of(round_trip_ms: u64, received_at: u64, server_time: u64) -> Option<Self> {
        let middle = received_at.saturating_sub(round_trip_ms / 2);
        let offset_ms = i64::try_from(i128::from(server_time) - i128::from(middle)).ok()?;
        Some(Self { offset_ms, error_ms: round_trip_ms.div_ceil(2) })
    }

    /// The better of what was known and what is new. Where both cannot be true, a clock was set: the new one counts.
    #[must_use]
    pub fn or_better(self, new: Self) -> Self {
        let aged = Self { error_ms: self.error_ms + AGEING_MS, ..self };
        let apart = aged.offset_ms.abs_diff(new.offset_ms);
        if new.error_ms <= aged.error_ms || apart > aged.error_ms + new.error_ms { new } else { aged }
    }
}

/// How far the device's two clocks may drift apart before the one that people set counts as set.
const SET_MS: u64 = 2_000;

/// What is known of the device's clock from its start, or from the last time that somebody set it. A time that was read in a
/// session can be put right by an offset that was measured in it; by one of another session only perhaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Random: no two sessions have the same.
    pub number: u32,
    /// The device's clock, less the one that nobody sets.
    apart_ms: i128,
    /// The best measurement in it.
    pub best: Option<Sample>,
}

impl Session {
    /// The session of a clock that shows `now_ms`, `elapsed_ms` after some moment: this one, or another if it was set since.
    #[must_use]
    pub fn at(self, now_ms: u64, elapsed_ms: u64, random: impl FnOnce() -> u64) -> Self {
        let apart_ms = i128::from(now_ms) - i128::from(elapsed_ms);
        if self.number != 0 && self.apart_ms.abs_diff(apart_ms) <= u128::from(SET_MS) {
            return self;
        }
        #[expect(clippy::cast_possible_truncation, reason = "half of it is random too")]
        Self { number: random() as u32 | 1, apart_ms, best: None }
    }

    /// With one more measurement.
    #[must_use]
    pub fn measured(self, sample: Sample) -> Self {
        Self { best: Some(self.best.map_or(sample, |known| known.or_better(sample))), ..self }
    }
}

/// Whether an offset is worth storing in place of the one that is stored.
#[must_use]
pub fn is_worth_storing(stored: Option<i64>, offset_ms: i64) -> bool {
    stored.is_none_or(|stored| stored.abs_diff(offset_ms) > STORED_STEP_MS)
}

/// Whether the last server time that was heard is recent, by the device's clock and its offset. A hint.
#[must_use]
pub fn is_recent(server_time: u64, offset_ms: i64, now_ms: u64) -> bool {
    now_ms.saturating_add_signed(offset_ms).abs_diff(server_time) <= RECENT_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_measures_against_the_middle_of_its_round_trip() {
        assert_eq!(Sample::of(200, 1_200, 5_100), Some(Sample { offset_ms: 4_000, error_ms: 100 }));
        assert_eq!(Sample::of(1, 9_001, 1_001), Some(Sample { offset_ms: -8_000, error_ms: 1 }));
        assert_eq!(Sample::of(0, u64::MAX, 0), None);
    }

    #[test]
    fn short_round_trips_win_until_a_clock_is_set() {
        let good = Sample { offset_ms: 4_000, error_ms: 20 };
        let slow = Sample { offset_ms: 3_500, error_ms: 600 };
        assert_eq!(good.or_better(slow).offset_ms, 4_000);
        assert_eq!(slow.or_better(good), good);
        let jumped = Sample { offset_ms: -90_000, error_ms: 600 };
        assert_eq!(good.or_better(jumped), jumped);
        let mut old = good;
        for _ in 0..200 {
            old = old.or_better(slow);
        }
        assert_eq!(old.offset_ms, 3_500, "what is old is worth less than what is poor");
    }

    #[test]
    fn small_steps_are_not_stored_and_old_times_are_not_recent() {
        assert!(
            is_worth_storing(None, 0)
                && is_worth_storing(Some(0), -1_001)
                && !is_worth_storing(Some(0), 1_000)
        );
        let day = 86_400_000;
        assert!(is_recent(day, 0, 2 * day) && is_recent(5_000, -day.cast_signed(), day + 5_000));
        assert!(
            !is_recent(day, 0, 2 * day + 1) && !is_recent(3 * day, 0, day),
            "set back is as good as unknown"
        );
    }
}
