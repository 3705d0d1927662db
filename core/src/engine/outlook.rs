//! What there is to send, for whoever decides when to begin a pass.

use super::Engine;
use crate::{
    log::entry::Id,
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
        let wanted = Wanted {
            principal: &self.writer.principal,
            now_ms: now,
            limit: 1,
            one_table: false,
            schema: Some(&self.schema),
        };
        let batch = next_batch(&self.state().outbox, &wanted);
        Outlook {
            backlog: self.backlog(),
            ready: !batch.mutations.is_empty(),
            next_in_ms: batch.next_attempt_at.map(|at| at.saturating_sub(now)),
        }
    }

    /// How many mutations another try here may deliver: all but those that wait for somebody's decision, and those of tables
    /// that only a newer schema has.
    #[must_use]
    pub fn deliverable(&self) -> usize {
        let state = self.state();
        let is_known = |id: &Id| state.outbox.get(id).is_some_and(|m| self.schema.table(&m.table).is_some());
        waits(&state.outbox).iter().filter(|(id, waits)| **waits == Waits::No && is_known(id)).count()
    }
}
