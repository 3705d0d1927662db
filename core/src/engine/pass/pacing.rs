//! What a failed request asks for, and when the next one may go.

use std::collections::HashSet;

pub(super) use crate::outbox::{Remedy, is_about_content, remedy};
use crate::{
    engine::{Engine, status::Failure},
    log::entry::{Id, Refusal},
    outbox::Backoff,
    ports::{Ports, RemoteError},
};

/// When the next request may go, and how much it may hold. In memory only: a restart tries everything at once.
#[derive(Debug)]
pub(in crate::engine) struct Pacing {
    pub(super) backoff: Backoff,
    pub(super) pause: Option<Pause>,
    /// How many mutations a batch may hold: few at first and after one that failed as a whole, more after each that got through.
    /// So what a bad network makes travel twice is little, and a good one is not asked a hundred times.
    pub(super) batch_limit: usize,
    /// How many times more: fewer once a batch has failed, for then there is a size that is too large.
    batch_growth: usize,
    /// The one mutation of the request before, if that failed, and why. If the next request gets through, the fault is the
    /// mutation's own.
    pub(super) suspect: Option<(Id, Refusal)>,
    /// Those whose own fault it was: each travels alone, so that no other has to wait for it again.
    pub(super) alone: HashSet<Id>,
}

/// As many mutations as the first batch may hold (PROTOCOL, "Limits").
const BATCH_FIRST: usize = 50;
/// 50, 200, and then as many as a remote takes.
const BATCH_GROWTH: usize = 4;
const BATCH_GROWTH_AFTER_FAILURE: usize = 2;

impl Default for Pacing {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            pause: None,
            batch_limit: BATCH_FIRST,
            batch_growth: BATCH_GROWTH,
            suspect: None,
            alone: HashSet::new(),
        }
    }
}

impl Pacing {
    pub(super) fn grow(&mut self, max: usize) {
        self.batch_limit = self.batch_limit.saturating_mul(self.batch_growth).min(max.max(1));
    }

    /// A batch of so many failed as a whole.
    pub(super) fn halve(&mut self, size: usize) {
        self.batch_limit = size.div_ceil(2);
        self.batch_growth = BATCH_GROWTH_AFTER_FAILURE;
    }
}

/// No request for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    /// By the device's clock.
    until: u64,
    /// How long it was when it began.
    ms: u64,
    /// The server asked for it.
    asked: bool,
}

impl Pause {
    /// How long it is, if the server asked for it.
    pub(super) fn asked_ms(self) -> Option<u64> {
        self.asked.then_some(self.ms)
    }

    /// Whether it is still on. A clock that was set back would make it longer than it was: then it is over.
    pub(super) fn holds_at(self, now_ms: u64) -> bool {
        now_ms < self.until && self.until - now_ms <= self.ms
    }
}

pub(super) fn failure(error: &RemoteError) -> Failure {
    let code = match error {
        RemoteError::Network(_) => "network",
        RemoteError::Timeout => "timeout",
        RemoteError::Foreign(_) => "foreign-answer",
        RemoteError::Refused { code, .. } => code,
    };
    Failure { code: code.to_owned(), message: error.to_string() }
}

impl<P: Ports> Engine<P> {
    /// The network is back: what failed for want of it is tried again at once. A pause that the server asked for stays.
    pub fn network_returned(&self) {
        let mut pacing = self.pacing.borrow_mut();
        if pacing.pause.is_some_and(|pause| !pause.asked) {
            pacing.backoff.reset();
            pacing.pause = None;
            drop(pacing);
            self.set_status(|status| status.next_attempt_at = None);
        }
    }

    /// Notes what a failed request asks for, or that none failed.
    pub(super) fn pace(&self, remedy: Option<&Remedy>) {
        let now = self.ports.clock().now_ms();
        let bits = self.ports.random().bits();
        let mut pacing = self.pacing.borrow_mut();
        let mut held = None;
        let asked = match remedy {
            None => {
                pacing.backoff.reset();
                pacing.pause = None;
                None
            }
            Some(Remedy::Hold(why)) => {
                held = Some(*why);
                None
            }
            Some(Remedy::BackOff { retry_after_ms, .. }) => Some(*retry_after_ms),
            Some(Remedy::Halve { .. } | Remedy::PullInFull) => Some(None),
        };
        if let Some(retry_after_ms) = asked {
            let ms = pacing.backoff.fail(bits, retry_after_ms);
            pacing.pause = Some(Pause { until: now + ms, ms, asked: retry_after_ms.is_some() });
        }
        let not_before = pacing.pause.map(|pause| pause.until);
        drop(pacing);
        self.set_status(|status| {
            status.held = held;
            status.next_attempt_at = not_before;
        });
    }
}
