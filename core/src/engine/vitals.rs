//! Since when nothing has come along, as far as this context can tell.
//!
//! Two things decide it: since when there is something to send, and when the server last settled something. Both are seen in the
//! entries, so a context that runs no passes itself knows as much as the one that does. Both are
//! durations within this context, by [`Clock::elapsed_ms`](crate::ports::Clock::elapsed_ms): a device's clock that jumps changes
//! nothing of them. What lies before this context was opened is turned into a duration once, when it is opened; should the clock have lied then,
//! that is forgotten as soon as anything comes along.

use rustc_hash::FxHashMap;

use crate::{
    activity::What,
    body::Body,
    log::entry::{Change, Mutation},
    outbox::BACKOFF_MS_MAX,
    schema::Schema,
    sorted::SortedSet,
    state::State,
};

/// A time by the clock that nobody sets. What was before this context was opened is negative.
pub(super) type Elapsed = i64;

/// Both clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) elapsed: Elapsed,
    /// Milliseconds since the Unix epoch, by the device's clock.
    pub(super) device_ms: u64,
}

impl Now {
    /// When that was which the device's clock called `at_ms`. What lies ahead is now.
    fn when(self, at_ms: u64) -> Elapsed {
        self.elapsed - signed(self.device_ms.saturating_sub(at_ms))
    }
}

#[derive(Debug, Default)]
pub(super) struct Vitals {
    /// Since when each mutation that is not parked could be sent, by its place in the order of writing.
    ready_since: FxHashMap<u64, Elapsed>,
    /// The same, the oldest first.
    by_age: SortedSet<(Elapsed, u64)>,
    /// When the server last settled a mutation.
    settled_at: Option<Elapsed>,
    /// Until when the server asked not to be asked.
    asked_until: Option<Elapsed>,
    /// Since when passes fail, of this context or of any other.
    failing_since: Option<Elapsed>,
    /// Since when this context wants the lease and does not get it.
    wants_lease_since: Option<Elapsed>,
    /// When a pass last did what it had to, of this context or of any other, by the device's clock then. The latest that
    /// happened, not the greatest: that may be of a clock that was wrong.
    pub(super) last_success_at: Option<u64>,
    /// How many passes of this context failed in a row.
    pub(super) failures: u32,
    /// Counts what happens in a pass.
    pub(super) beats: u64,
}

impl Vitals {
    /// An entry is about to be folded.
    pub(super) fn observe<B: Body>(&mut self, state: &State<B>, changes: &[Change<B>], now: Now) {
        if state.outbox.counts().parked > 0 && changes.iter().any(|change| is_decided(state, change)) {
            // What was blocked by it could not be sent before now.
            for blocked in state.blocked() {
                self.set_ready(blocked, now.elapsed);
            }
        }
        for change in changes {
            match change {
                Change::Mutation { id, row } => {
                    let known = state.outbox.get(id).map(|mutation| mutation.sequence);
                    let now_at = row.as_ref().map(|mutation| mutation.sequence);
                    if let Some(known) = known.filter(|known| Some(*known) != now_at) {
                        self.forget(known);
                    }
                    if let Some(mutation) = row {
                        self.observe_mutation(mutation, now);
                    }
                }
                Change::Stats { table, row } if row.settled() > state.stats(table).settled() => {
                    self.settled_at = Some(now.elapsed);
                    self.wants_lease_since = None;
                    self.came_along(state, now);
                }
                Change::Activity(line) => self.observe_line(&line.what, now.elapsed, now.elapsed),
                Change::Stats { .. }
                | Change::Record { .. }
                | Change::Base { .. }
                | Change::Conflict { .. }
                | Change::Mapping(_)
                | Change::Seen { .. }
                | Change::Meta { .. } => {}
                Change::Cursor { .. } => self.came_along(state, now),
            }
        }
    }

    fn set_ready(&mut self, sequence: u64, since: Elapsed) {
        if let Some(before) = self.ready_since.insert(sequence, since) {
            self.by_age.remove(&(before, sequence));
        }
        self.by_age.insert((since, sequence));
    }

    fn forget(&mut self, sequence: u64) {
        if let Some(since) = self.ready_since.remove(&sequence) {
            self.by_age.remove(&(since, sequence));
        }
    }

    /// The places in the order of writing of the mutations that are not parked, those first that could be sent for longest.
    pub(super) fn by_age(&self) -> impl Iterator<Item = u64> {
        self.by_age.iter().map(|(_, sequence)| *sequence)
    }

    fn observe_mutation<B>(&mut self, mutation: &Mutation<B>, now: Now) {
        let sequence = mutation.sequence;
        if mutation.state.is_parked() {
            self.forget(sequence);
            return;
        }
        match mutation.next_attempt_at {
            // It is to wait: until then it is not late. A time further off than any backoff is a clock that was set back.
            Some(due) if due > now.device_ms && due - now.device_ms <= BACKOFF_MS_MAX => {
                self.set_ready(sequence, now.elapsed + signed(due - now.device_ms));
            }
            _ if self.ready_since.contains_key(&sequence) => {}
            _ => self.set_ready(sequence, now.elapsed),
        }
    }

    /// Something came from the server. What this context alone holds for a failure is over; what the log says is not.
    fn came_along<B: Body>(&mut self, state: &State<B>, now: Now) {
        self.last_success_at = Some(now.device_ms);
        if state.activity.troubles().next().is_none() {
            self.failing_since = None;
        }
    }

    fn observe_line(&mut self, what: &What, at: Elapsed, now: Elapsed) {
        match what.is_trouble() {
            Some(true) => {
                self.failing_since.get_or_insert(at);
            }
            Some(false) => self.failing_since = None,
            None => {}
        }
        if let What::Failed { wait_ms: Some(ms), .. } = what {
            self.asked_until = Some(at + signed(*ms)).filter(|until| *until > now);
        }
    }

    /// The state was built anew from the store.
    pub(super) fn rebuild<B: Body>(&mut self, before: &State<B>, state: &State<B>, now: Now) {
        let known = std::mem::take(&mut self.ready_since);
        self.by_age.clear();
        for mutation in state.outbox.iter().filter(|mutation| !mutation.state.is_parked()) {
            let since =
                known.get(&mutation.sequence).copied().unwrap_or_else(|| now.when(mutation.timestamp));
            self.set_ready(mutation.sequence, since);
        }
        let schema = state.schema();
        if before.head.key == 0 {
            let tables = schema.tables.keys().map(|table| state.stats(table));
            let pushed_at = tables.filter_map(|stats| stats.last_pushed_at).max();
            self.settled_at = pushed_at.map(|at| now.when(at));
            self.last_success_at = pushed_at.max(state.last_pull_at());
        } else if settled(schema, state) > settled(schema, before) {
            self.settled_at = Some(now.elapsed);
        }
        self.failing_since = None;
        self.asked_until = None;
        let troubles: Vec<_> = state.activity.troubles().collect();
        for line in troubles.into_iter().rev() {
            self.observe_line(&line.what, now.when(line.at), now.elapsed);
        }
    }

    /// This context asks for the lease.
    pub(super) fn wants_lease(&mut self, now: Elapsed) {
        self.wants_lease_since.get_or_insert(now);
    }

    pub(super) fn has_lease(&mut self) {
        self.wants_lease_since = None;
    }

    /// A pass of this context ended.
    pub(super) fn pass_ended(&mut self, failed: bool, now: Now) {
        self.wants_lease_since = None;
        if failed {
            self.failures = self.failures.saturating_add(1);
            self.failing_since.get_or_insert(now.elapsed);
        } else {
            self.last_success_at = Some(now.device_ms);
            self.failures = 0;
            self.failing_since = None;
            self.asked_until = None;
        }
    }

    /// For how long a mutation could have been sent, in milliseconds.
    pub(super) fn ready_for_ms(&self, sequence: u64, now: Elapsed) -> u64 {
        since(self.ready_since.get(&sequence).copied(), now)
    }

    /// For how long the server has settled nothing, of mutations of which the oldest could have been sent for `ready_ms`.
    pub(super) fn quiet_ms(&self, ready_ms: u64, now: Elapsed) -> u64 {
        match self.settled_at {
            Some(_) => ready_ms.min(since(self.settled_at, now)),
            None => ready_ms,
        }
    }

    pub(super) fn failing_ms(&self, now: Elapsed) -> u64 {
        since(self.failing_since, now)
    }

    pub(super) fn wants_lease_ms(&self, now: Elapsed) -> u64 {
        since(self.wants_lease_since, now)
    }

    /// Whether the server asked not to be asked before a time that is still to come.
    pub(super) fn is_asked_to_wait(&self, now: Elapsed) -> bool {
        self.asked_until.is_some_and(|until| until > now)
    }
}

/// Whether it takes away a parked mutation, or has it sent again.
fn is_decided<B: Body>(state: &State<B>, change: &Change<B>) -> bool {
    let Change::Mutation { id, row } = change else { return false };
    let is_parked = |mutation: &Mutation<B>| mutation.state.is_parked();
    state.outbox.get(id).is_some_and(|before| is_parked(before))
        && !row.as_ref().is_some_and(|after| is_parked(after))
}

fn settled<B: Body>(schema: &Schema, state: &State<B>) -> u64 {
    schema.tables.keys().map(|table| state.stats(table).settled()).sum()
}

fn since(at: Option<Elapsed>, now: Elapsed) -> u64 {
    at.map_or(0, |at| u64::try_from(now.saturating_sub(at)).unwrap_or(0))
}

pub(super) fn signed(ms: u64) -> Elapsed {
    Elapsed::try_from(ms).unwrap_or(Elapsed::MAX / 4)
}
