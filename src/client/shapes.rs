//! The plain data that crosses to JavaScript: the shapes of the package's `types.ts`.

use rustc_hash::FxHashMap;

use landfall_core::engine::{Held, Report, Status};
use landfall_core::log::entry::{Id, Mutation, MutationState, Operation};
use landfall_core::log::release::Outdated;
use landfall_core::outbox::Waits;
use landfall_core::ports::Phase;
use landfall_core::schema::Priority;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::JsValue;

use super::ports::Progress as Reached;
pub(super) use crate::body::js_of as to_js;
use crate::body::{JsBody, freeze};

/// A frozen JavaScript object of a few plain members, made one by one. What is told with every write, nests or holds bodies goes
/// [as text](to_js).
pub(super) fn plain(value: &impl Serialize) -> JsValue {
    // There is nothing in it that could be refused.
    freeze(&value.serialize(&Serializer::json_compatible()).unwrap_or_default())
}

/// A code and what it says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Trouble {
    code: String,
    message: String,
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Pushing => "pushing",
        Phase::Pulling => "pulling",
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncState {
    phase: &'static str,
    online: bool,
    pending: usize,
    sending: usize,
    parked: usize,
    held: Option<&'static str>,
    last_success_at: Option<u64>,
    last_error: Option<Trouble>,
    next_attempt_at: Option<u64>,
    clock_offset_ms: Option<i64>,
    outdated: Option<OutdatedShape>,
}

/// This context is too old for the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutdatedShape {
    part: &'static str,
    needed: u32,
    has: u32,
    still_reads: bool,
}

impl From<Outdated> for OutdatedShape {
    fn from(Outdated { part, needed, has, still_reads }: Outdated) -> Self {
        Self { part: part.as_str(), needed, has, still_reads }
    }
}

impl SyncState {
    pub(super) fn new(status: Status, online: bool) -> Self {
        Self {
            phase: phase(status.phase),
            online: online && !status.unreachable,
            pending: status.counts.pending,
            sending: status.counts.sending,
            parked: status.counts.parked,
            held: status.held.map(Held::as_str),
            last_success_at: status.last_success_at,
            last_error: status
                .last_error
                .map(|failure| Trouble { code: failure.code, message: failure.message }),
            next_attempt_at: status.next_attempt_at,
            clock_offset_ms: status.clock_offset_ms,
            outdated: status.outdated.map(OutdatedShape::from),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncResult {
    pushed: usize,
    pulled: usize,
    rejected: usize,
    merged: usize,
    conflicts: usize,
    remaining: usize,
    duration_ms: u64,
    error: Option<Trouble>,
}

impl From<Report> for SyncResult {
    fn from(report: Report) -> Self {
        Self {
            pushed: report.pushed,
            pulled: report.pulled,
            rejected: report.rejected,
            merged: report.merged,
            conflicts: report.conflicts,
            remaining: report.remaining,
            duration_ms: report.duration_ms,
            error: report.error.map(|failure| Trouble { code: failure.code, message: failure.message }),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Progress {
    phase: &'static str,
    done: usize,
    total: Option<usize>,
}

impl From<Reached> for Progress {
    fn from(reached: Reached) -> Self {
        Self { phase: phase(reached.phase), done: reached.done, total: reached.total }
    }
}

#[derive(Serialize)]
struct Refusal<'m> {
    code: &'m str,
    message: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'m str>,
    class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MutationShape<'m> {
    id: &'m str,
    table: &'m str,
    record_id: &'m str,
    operation: &'static str,
    data: &'m JsBody,
    unset: &'m [String],
    base_version: Option<u64>,
    timestamp: u64,
    priority: Priority,
    attempts: u32,
    last_attempt_at: Option<u64>,
    next_attempt_at: Option<u64>,
    error: Option<Refusal<'m>>,
    dependencies: &'m [Id],
    state: &'static str,
    withdrawing: bool,
    principal: &'m str,
    schema_version: u32,
}

impl<'m> MutationShape<'m> {
    /// `waits` says which of the outbox's mutations need one that is parked.
    pub(super) fn new(mutation: &'m Mutation<JsBody>, waits: &FxHashMap<Id, Waits>) -> Self {
        Self {
            id: &mutation.id,
            table: &mutation.table,
            record_id: &mutation.record_id,
            operation: match mutation.operation {
                Operation::Create => "create",
                Operation::Update => "update",
                Operation::Delete => "delete",
            },
            data: &mutation.data,
            unset: &mutation.unset,
            base_version: mutation.base_version,
            timestamp: mutation.timestamp,
            priority: mutation.priority,
            attempts: mutation.attempts,
            last_attempt_at: mutation.last_attempt_at,
            next_attempt_at: mutation.next_attempt_at,
            error: mutation.error.as_ref().map(|refusal| Refusal {
                code: &refusal.code,
                message: &refusal.message,
                field: refusal.field.as_deref(),
                class: refusal.class.as_str(),
            }),
            dependencies: &mutation.dependencies,
            state: match mutation.state {
                MutationState::Conflict => "conflict",
                MutationState::Rejected => "rejected",
                // Also where a request has carried it, together with the one that it needs.
                MutationState::Pending | MutationState::Sending
                    if waits.get(&mutation.id) == Some(&Waits::Blocked) =>
                {
                    "blocked"
                }
                MutationState::Pending => "pending",
                MutationState::Sending => "sending",
            },
            withdrawing: mutation.withdrawing,
            principal: &mutation.principal,
            schema_version: mutation.schema_version,
        }
    }
}

/// What a service worker's sync event left behind.
#[derive(Serialize)]
pub(super) struct Delivery {
    /// Mutations that another try may deliver.
    pub(super) pending: usize,
    pub(super) held: Option<&'static str>,
    pub(super) error: Option<Trouble>,
}

impl Delivery {
    pub(super) fn new(pending: usize, status: Status) -> Self {
        Self {
            pending,
            held: status.held.map(Held::as_str),
            error: status.last_error.map(|failure| Trouble { code: failure.code, message: failure.message }),
        }
    }
}
