//! What sync is doing, for people.

use super::Engine;
use crate::{
    ports::{Event, Phase, Ports},
    state::outbox::Counts,
};

/// Why nothing is sent although something waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The server asks for a sign-in.
    Unauthenticated,
    /// The token is another principal's.
    PrincipalMismatch,
}

impl Held {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::PrincipalMismatch => "principal-mismatch",
        }
    }
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
}

/// What this context's passes are doing and how they went. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub phase: Phase,
    /// The last request got no answer.
    pub unreachable: bool,
    pub held: Option<Held>,
    pub last_success_at: Option<u64>,
    pub last_error: Option<Failure>,
    pub next_attempt_at: Option<u64>,
    pub counts: Counts,
}

impl<P: Ports> Engine<P> {
    /// How it stands now. A pass that another context ran shows in it by what it left in the log.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state();
        let mut status = self.status.borrow().clone();
        status.counts = state.outbox.counts();
        status.last_success_at = status.last_success_at.max(state.last_pull_at());
        status
    }

    pub(super) fn set_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.borrow_mut());
        self.event(Event::Status);
    }
}
