//! What a failed request asks for, and when the next one may go.

use crate::{
    engine::{
        Engine,
        status::{Failure, Held},
    },
    outbox::Backoff,
    ports::{Ports, RemoteError},
};

/// PROTOCOL, "Limits".
pub(super) const BATCH_MAX: usize = 50;

/// When the next request may go, and how large. In memory only: a restart tries everything at once.
#[derive(Debug)]
pub(in crate::engine) struct Pacing {
    pub(super) backoff: Backoff,
    pub(super) pause: Option<Pause>,
    pub(super) batch_limit: usize,
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

impl Default for Pacing {
    fn default() -> Self {
        Self { backoff: Backoff::default(), pause: None, batch_limit: BATCH_MAX }
    }
}

/// What a failed request asks for.
pub(super) enum Remedy {
    /// Wait, and ask again as before.
    BackOff { retry_after_ms: Option<u64> },
    /// Nothing is sent until somebody signs in.
    Hold(Held),
    /// Something in the batch broke it: send less at once, until it is alone.
    Halve { code: String, message: String },
    /// The server is not the one that we knew, or has forgotten where we were.
    PullInFull,
}

pub(super) fn remedy(error: &RemoteError) -> Remedy {
    match error {
        RemoteError::Network(_) | RemoteError::Timeout | RemoteError::Foreign(_) => {
            Remedy::BackOff { retry_after_ms: None }
        }
        RemoteError::Refused { status, code, message, retry_after_ms } => match (status, code.as_str()) {
            (401, _) => Remedy::Hold(Held::Unauthenticated),
            (403, "principal-mismatch") => Remedy::Hold(Held::PrincipalMismatch),
            (409, "epoch-changed") | (410, "cursor-expired") => Remedy::PullInFull,
            (408 | 425 | 426 | 429, _) => Remedy::BackOff { retry_after_ms: *retry_after_ms },
            (400..=499, _) => Remedy::Halve { code: code.clone(), message: message.clone() },
            _ => Remedy::BackOff { retry_after_ms: *retry_after_ms },
        },
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
            *pacing = Pacing { batch_limit: pacing.batch_limit, ..Pacing::default() };
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
            Some(Remedy::BackOff { retry_after_ms }) => Some(*retry_after_ms),
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
