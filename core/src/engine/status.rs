//! What sync is doing, for people.

use super::Engine;
pub use crate::activity::{Failure, Held};
use crate::{
    activity::Activity,
    error::Error,
    log::release::Outdated,
    ports::{Event, Phase, Ports},
    state::outbox::Counts,
};

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
    /// By how much the server's clock is ahead of this device's, in milliseconds, as far as answers tell.
    pub clock_offset_ms: Option<i64>,
    /// This context is too old to write, or to read: what it has not saved it refuses, until the app is loaded anew.
    pub outdated: Option<Outdated>,
}

impl<P: Ports> Engine<P> {
    /// How it stands now. A pass that another context ran shows in it by what it left in the log.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = self.state();
        let mut status = self.status.borrow().clone();
        status.counts = state.outbox.counts();
        status.clock_offset_ms = self.clock_offset_ms();
        status.outdated = match self.check_writing() {
            Err(Error::Outdated(outdated)) => Some(outdated),
            _ => None,
        };
        status.last_success_at = self.vitals.borrow().last_success_at;
        status
    }

    /// What sync did and why: the newest `limit` lines, newest first.
    #[must_use]
    pub fn activity(&self, limit: usize) -> Vec<Activity> {
        self.state().activity.iter().take(limit).cloned().collect()
    }

    /// Every step of a pass comes by here: the [watch](super::pass) over it takes each for a sign of life.
    pub(super) fn set_status(&self, change: impl FnOnce(&mut Status)) {
        self.vitals.borrow_mut().beats += 1;
        change(&mut self.status.borrow_mut());
        self.event(Event::Status);
    }
}
