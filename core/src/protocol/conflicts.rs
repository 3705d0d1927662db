//! What the server holds for a decision: `GET /api/sync/conflicts` and `POST /api/sync/resolve-conflict`.

use serde::{Deserialize, Serialize};

use super::{EntityRow, OperationKind};

/// What met: ours first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictKind {
    /// Both changed the record.
    UpdateUpdate,
    /// We changed what somebody else deleted.
    UpdateDelete,
    /// We deleted what somebody else changed.
    DeleteUpdate,
    /// Both created it: under one id, or with one natural key.
    CreateCreate,
}

impl ConflictKind {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::UpdateUpdate, Self::UpdateDelete, Self::DeleteUpdate, Self::CreateCreate];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpdateUpdate => "update-update",
            Self::UpdateDelete => "update-delete",
            Self::DeleteUpdate => "delete-update",
            Self::CreateCreate => "create-create",
        }
    }
}

/// Whether somebody has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictState {
    /// Nobody has.
    Open,
    /// Somebody has.
    Resolved,
}

impl ConflictState {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Open, Self::Resolved];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// How a conflict is decided. What one side alone changed is that side's by any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    /// What both changed stays as the server has it; what it deleted stays deleted.
    ServerWins,
    /// What both changed becomes what the operation made of it. What was deleted is created anew, as another record.
    ClientWins,
    /// One of these two: whose change is the later, by the server's clock.
    LastWriteWins,
    /// By the schema's rules. What they leave open must be given by hand.
    Merge,
}

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ServerWins, Self::ClientWins, Self::LastWriteWins, Self::Merge];

    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerWins => "server-wins",
            Self::ClientWins => "client-wins",
            Self::LastWriteWins => "last-write-wins",
            Self::Merge => "merge",
        }
    }
}

/// An operation that met something else than it was made on, and what it met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictRow<B> {
    /// A UUID.
    pub id: String,
    /// The operation's id, which is its principal's.
    pub operation_id: String,
    /// Who sent it.
    pub principal: String,
    /// From where.
    pub device_id: String,
    /// Of which table.
    pub table: String,
    /// The record that is in the way: the operation's own, or the holder of its natural key.
    pub record_id: String,
    /// What was to be done.
    pub operation: OperationKind,
    /// What met.
    pub kind: ConflictKind,
    /// What the operation began from. `null`: both created the record, or the operation did not say. Of a record that is
    /// deleted, only the fields that the operation named.
    pub base: Option<B>,
    /// What the operation made of it; `null`: a deletion.
    pub ours: Option<B>,
    /// By the server's clock.
    pub ours_at: u64,
    /// The record when the operation came; `null`: deleted.
    pub theirs: Option<B>,
    /// Where a person has to decide, each from the field inwards. Empty where it is about the record as a whole.
    pub paths: Vec<Vec<String>>,
    /// When it was found, by the server's clock.
    pub at: u64,
    /// Whether somebody has decided.
    pub state: ConflictState,
    /// Resolved: how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Resolved: by which principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// Resolved: when, by the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<u64>,
}

/// The answer to `GET /api/sync/conflicts`: the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictsPage<B> {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Those asked for.
    pub conflicts: Vec<ConflictRow<B>>,
    /// Where the next page begins, for `after`; `null`: there is none.
    pub next: Option<String>,
    /// Of all there are, whatever was asked for.
    pub counts: ConflictCounts,
}

/// How many conflicts a tenant has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictCounts {
    /// Undecided.
    pub open: u64,
    /// Decided.
    pub resolved: u64,
}

/// `POST /api/sync/resolve-conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolveConflict<B> {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Who decides. Refused when the token says otherwise; absent: whoever the token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// From where, for the audit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Which one.
    pub conflict_id: String,
    /// How.
    pub resolution: Resolution,
    /// Top-level fields merged by hand: they win over everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<B>,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictResolved<B> {
    /// Always: what is refused is a problem.
    pub success: bool,
    /// The record as it is now; `null`: it is deleted.
    pub entity: Option<EntityRow<B>>,
}
