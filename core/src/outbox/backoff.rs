//! How long to wait after a whole request failed, and how often a mutation is tried.

use crate::schema::Priority;

/// The first wait is at most this, the next at most twice that, and so on.
const BASE_MS: u64 = 1_000;
/// And none is longer than this, unless the server asks for it.
pub const CAP_MS: u64 = 5 * 60_000;

/// How many attempts a mutation has (PROTOCOL, "Limits"). Only what is its own counts: answers that name it, and requests
/// that failed with it alone while others got through.
#[must_use]
pub fn attempts_max(priority: Priority) -> u32 {
    match priority {
        Priority::Critical | Priority::High => 10,
        Priority::Medium => 5,
        Priority::Low => 3,
    }
}

/// Exponential backoff with full jitter (PROTOCOL, "Limits"): each wait is drawn evenly from nothing up to a ceiling that
/// doubles, so that clients that failed together do not come back together.
///
/// It lives in memory only: after a restart everything is tried at once, and no clock that jumped can hold anything back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// As after so many failures.
    #[must_use]
    pub fn after(failures: u32) -> Self {
        Self { failures }
    }

    /// How many requests failed since the last that did not.
    #[must_use]
    pub fn failures(self) -> u32 {
        self.failures
    }

    /// A request got an answer: the next failure waits briefly again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Milliseconds to wait after one more failure. `bits` are random; `retry_after_ms` is what the server asked for,
    /// and the least that is waited.
    pub fn fail(&mut self, bits: u64, retry_after_ms: Option<u64>) -> u64 {
        let ceiling = BASE_MS.saturating_mul(1 << self.failures.min(20)).min(CAP_MS);
        self.failures = self.failures.saturating_add(1);
        let wait = bits % (ceiling + 1);
        retry_after_ms.map_or(wait, |asked| asked.saturating_add(wait.min(BASE_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let mut backoff = Backoff::default();
        // `u64::MAX % (ceiling + 1)` is not the ceiling; ask for it by its own value.
        for ceiling in
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]
        {
            assert_eq!(backoff.fail(ceiling, None), ceiling);
        }
        backoff.reset();
        assert_eq!(backoff.fail(1_001, None), 0);
    }

    #[test]
    fn what_the_server_asks_for_is_the_least() {
        let mut backoff = Backoff::default();
        assert!(backoff.fail(12_345, Some(60_000)) >= 60_000);
    }
}
