//! What there is to send, for whoever decides when to begin a pass.

use super::Engine;
use crate::{
    outbox::{Waits, Wanted, next_batch, waits},
    ports::Ports,
    schedule::{Backlog, Outlook},
};

impl<P: Ports> Engine<P> {
    /// What keeps the outbox from being sent. Costs nothing, however long the outbox is.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        let now = self.ports.clock().now_ms();
        let status = self.status.borrow();
        Backlog {
            unsent: !self.state().outbox.is_empty(),
            pause_ms: status.next_attempt_at.map(|at| at.saturating_sub(now)).filter(|ms| *ms > 0),
            held: status.held.is_some(),
        }
    }

    /// What could be sent, and when.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        let now = self.ports.clock().now_ms();
        let wanted = Wanted { principal: &self.writer.principal, now_ms: now, limit: 1, one_table: false };
        let batch = next_batch(&self.state().outbox, &wanted);
        Outlook {
            backlog: self.backlog(),
            ready: !batch.mutations.is_empty(),
            next_in_ms: batch.next_attempt_at.map(|at| at.saturating_sub(now)),
        }
    }

    /// How many mutations another try may deliver: all but those that wait for somebody's decision.
    #[must_use]
    pub fn deliverable(&self) -> usize {
        waits(&self.state().outbox).values().filter(|waits| **waits == Waits::No).count()
    }
}
