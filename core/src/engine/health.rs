//! Whether sync is well, and if not, why (T2, T5).
//!
//! Promise 13: work that is pending and does not come along for longer than the backoff allows is told as unhealthy, in every context. It
//! is told by [`Vitals`](super::vitals), which sees it in the entries. The report is about what this context
//! has read of the log: one that has not heard of other contexts' entries [catches up](Engine::catch_up) first.

use serde::Serialize;

use super::{Engine, vitals::signed};
use crate::{
    activity::{Failure, Held, What},
    log::entry::{Id, TableStats},
    outbox::BACKOFF_MS_MAX,
    planted,
    ports::Ports,
    sorted::SortedMap,
    state::outbox::Counts,
};

/// PROTOCOL, "Limits".
const REQUEST_MS_MAX: u64 = 30_000;

/// Longer than this no pass may go without anything coming along: the longest pause, and one request after it.
pub const QUIET_MS_MAX: u64 = BACKOFF_MS_MAX + REQUEST_MS_MAX;

/// The lease is another context's for this long, and nothing comes along: that context is frozen, or hangs.
const LEASE_MS_MAX: u64 = 120_000;

/// How sync stands. Times are milliseconds since the Unix epoch by this device's clock, durations are not read off it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Nothing is wrong: there are no `reasons`.
    pub healthy: bool,
    pub reasons: Vec<Reason>,
    /// The first of the reasons that says that nothing comes along.
    pub stuck: Option<Stuck>,
    pub counts: Counts,
    /// How many of the pending ones need one that is parked.
    pub blocked: usize,
    /// The oldest mutation that is neither parked nor blocked.
    pub oldest: Option<Oldest>,
    pub held: Option<Held>,
    /// When a pass last did all that it had to, or rows last came.
    pub last_success_at: Option<u64>,
    pub last_error: Option<Failure>,
    /// Passes of this context that failed in a row.
    pub consecutive_failures: u32,
    /// When this context tries again, if it waits.
    pub next_attempt_at: Option<u64>,
    pub per_table: SortedMap<Id, TableHealth>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Reason {
    Stuck(Stuck),
    /// Nothing is sent until somebody signs in.
    Held {
        why: Held,
    },
    /// Somebody must decide about these: retry, edit or discard them.
    NeedsDecision {
        parked: usize,
        blocked: usize,
    },
    /// This context writes and sends nothing any more: the code of the error that says why.
    Stopped {
        code: String,
    },
}

/// Nothing comes along for longer than the backoff allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    pub for_ms: u64,
    #[serde(flatten)]
    pub why: Why,
}

/// Why nothing comes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Why {
    /// There is no connection to the server.
    Unreachable,
    /// The server answers, and not with what is needed.
    Failing { code: String },
    /// Passes begin and nothing happens in them.
    Hung,
    /// Another context has the right to sync and does nothing with it.
    LeaseKept,
    /// Nobody tries.
    NoPass,
}

/// The mutation that waits longest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Oldest {
    pub id: Id,
    pub table: Id,
    pub record_id: Id,
    pub written_at: u64,
    /// For how long it could have been sent. Right also where the clock was set meanwhile.
    pub age_ms: u64,
}

/// One table's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableHealth {
    #[serde(flatten)]
    pub counts: Counts,
    pub pushed: u64,
    pub pulled: u64,
    pub conflicts: u64,
    /// Of these, settled by rules.
    pub merged: u64,
    pub rejected: u64,
    pub withdrawn: u64,
    pub last_pushed_at: Option<u64>,
    pub last_pulled_at: Option<u64>,
}

impl TableHealth {
    fn new(counts: Counts, stats: TableStats) -> Self {
        let TableStats {
            pushed,
            pulled,
            conflicts,
            merged,
            rejected,
            withdrawn,
            last_pushed_at,
            last_pulled_at,
            ..
        } = stats;
        Self {
            counts,
            pushed,
            pulled,
            conflicts,
            merged,
            rejected,
            withdrawn,
            last_pushed_at,
            last_pulled_at,
        }
    }
}

impl<P: Ports> Engine<P> {
    /// How sync stands, as far as this context has read the log. It does not walk the outbox.
    #[must_use]
    pub fn health(&self) -> Health {
        let (state, status) = (self.state(), self.status());
        let now = signed(self.ports.clock().elapsed_ms());
        let vitals = self.vitals.borrow();
        // Not the first in the order of writing: one that was parked and is sent again keeps its place there.
        let mut waiting = vitals.by_age().filter_map(|sequence| state.outbox.at(sequence));
        let oldest = waiting.find(|mutation| !state.is_blocked(mutation)).map(|mutation| {
            let age_ms = vitals.ready_for_ms(mutation.sequence, now);
            Oldest {
                id: mutation.id.clone(),
                table: mutation.table.clone(),
                record_id: mutation.record_id.clone(),
                written_at: mutation.timestamp,
                age_ms,
            }
        });
        let blocked = state.blocked().len();
        let trouble = state.activity.troubles().next().map(|line| &line.what);
        let held = self.held();
        let last_error = status.last_error.clone().or_else(|| trouble.map(failure_of));

        let quiet_ms = oldest.as_ref().map_or(0, |oldest| vitals.quiet_ms(oldest.age_ms, now));
        let for_ms = quiet_ms.max(vitals.failing_ms(now));
        let is_late = !planted!("stuck-told-as-well")
            && for_ms > QUIET_MS_MAX
            && held.is_none()
            && !vitals.is_asked_to_wait(now);
        let stuck = is_late.then(|| {
            let lease_kept = vitals.wants_lease_ms(now) > LEASE_MS_MAX;
            Stuck { for_ms, why: if lease_kept { Why::LeaseKept } else { why(last_error.as_ref()) } }
        });

        let mut reasons: Vec<Reason> = Vec::new();
        if let Err(error) = self.check_writing() {
            reasons.push(Reason::Stopped { code: error.code().to_owned() });
        }
        reasons.extend(held.map(|why| Reason::Held { why }));
        reasons.extend(stuck.clone().map(Reason::Stuck));
        if status.counts.parked > 0 {
            reasons.push(Reason::NeedsDecision { parked: status.counts.parked, blocked });
        }
        let per_table = self.schema.tables.keys().map(|table| {
            (table.as_str().into(), TableHealth::new(state.outbox.counts_of(table), state.stats(table)))
        });
        Health {
            healthy: reasons.is_empty(),
            reasons,
            stuck,
            counts: status.counts,
            blocked,
            oldest,
            held,
            last_success_at: status.last_success_at,
            last_error,
            consecutive_failures: vitals.failures,
            next_attempt_at: status.next_attempt_at,
            per_table: per_table.collect(),
        }
    }
}

fn failure_of(trouble: &What) -> Failure {
    match trouble {
        What::Failed { failure, .. } => failure.clone(),
        What::Held { why } => Failure::held(*why),
        _ => Failure::hung(),
    }
}

fn why(last_error: Option<&Failure>) -> Why {
    match last_error.map(|failure| failure.code.as_str()) {
        None => Why::NoPass,
        Some(Failure::NETWORK | Failure::TIMEOUT) => Why::Unreachable,
        Some(Failure::HUNG) => Why::Hung,
        Some(code) => Why::Failing { code: code.to_owned() },
    }
}
