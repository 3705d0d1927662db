//! What client and server say to each other, version 1.
//!
//! `B` is whatever holds a record's fields: `serde_json::Value` on the server and in the simulator, a shared JavaScript
//! object in a browser. The shapes are plain structs with optional members. Nothing here is flattened, untagged or
//! internally tagged: serde buffers those, and a buffer cannot carry an opaque `B`. Times are milliseconds since the Unix
//! epoch; all integers stay below 2^53, where JavaScript still counts.

pub mod conflicts;
pub mod live;

use serde::{Deserialize, Serialize};

/// The version of the protocol that this module describes.
pub const PROTOCOL: u32 = 1;

/// The header that both sides send. An answer without it is not our server's and acknowledges nothing.
pub const PROTOCOL_HEADER: &str = "landfall-protocol";

/// The code of a refusal: the server has another epoch than the one that is named, or a pull finds that it has.
pub const EPOCH_CHANGED: &str = "epoch-changed";

/// `POST /api/sync/upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upload<B> {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// Whose mutations these are. Refused whole when the token says otherwise.
    pub principal: String,
    /// The device they were written on.
    pub device_id: String,
    /// The version of the schema they were written under.
    pub schema_version: u32,
    /// The server epoch the device knows; absent before its first answer, and then there are no operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// By the device's clock.
    pub sent_at: u64,
    /// Whether the server is to merge what is overtaken, by its schema's rules, and to hold what they leave open. Without a
    /// schema it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merge: bool,
    /// In the order in which they are to be applied.
    pub operations: Vec<Operation<B>>,
}

/// One mutation on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation<B> {
    /// The mutation's id, which is the idempotency key.
    pub id: String,
    /// Of which table.
    pub table: String,
    /// The server's id, or the temporary one.
    pub record_id: String,
    /// What is to be done.
    pub operation: OperationKind,
    /// The version the change was made on; absent for a create. An update or delete of a record under its temporary id
    /// may leave it out: it then builds on what the create made.
    pub base_version: Option<u64>,
    /// When the server had made that version, by its clock. For tables that find conflicts by timestamp; without it the
    /// version counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_updated_at: Option<u64>,
    /// The hash of that version's own fields, roll-ups left out ([`own_hash`](crate::merge::detect::own_hash)). For
    /// tables that find conflicts by content; without it the version counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_hash: Option<String>,
    /// What the fields of `data` and `unset` held in that version; one that is not in it was absent. For who merges: without
    /// it nobody knows what the change began from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<B>,
    /// The fields to set: all of a create's, the changed ones of an update's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<B>,
    /// The fields to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// When it was written, by the device's clock.
    pub timestamp: u64,
    /// The last `serverTime` the device had seen when it first sent this. Without it a copy that is late past the horizon passes
    /// for a first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<u64>,
    /// Ids of mutations that must be applied before this one.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Make a record.
    Create,
    /// Set and remove fields of a record.
    Update,
    /// Leave a tombstone in a record's place.
    Delete,
    /// Give up the operation of this id: it will not be sent again.
    Withdraw,
}

impl OperationKind {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Withdraw => "withdraw",
        }
    }
}

/// The answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadAnswer<B> {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The server's epoch.
    pub epoch: String,
    /// By the server's clock.
    pub server_time: u64,
    /// One for each operation, in their order.
    pub results: Vec<OperationResult<B>>,
    /// The ids given to records that were created, now or under the same key before.
    pub id_mappings: Vec<Mapping>,
}

/// A temporary id and the one that replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// What the device called the record.
    pub temp_id: String,
    /// What everybody calls it.
    pub real_id: String,
    /// The table.
    pub entity_type: String,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Done now.
    Applied,
    /// Done before, under the same key.
    Duplicate,
    /// Somebody else was there first.
    Conflict,
    /// It will never be applied as it is.
    Rejected,
    /// Not now.
    Deferred,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Deferred => "deferred",
        }
    }
}

/// One result on the wire. Which members are present follows from the status; [`OperationResult::into_outcome`] turns it
/// into a form in which they cannot be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationResult<B> {
    /// The operation's.
    pub id: String,
    /// What became of it.
    pub status: Status,
    /// Applied or duplicate: the record's id, the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<String>,
    /// Applied or duplicate: the version it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Applied or duplicate: when, by the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<u64>,
    /// Applied: the record, where the server changed more than was asked. Conflict: the record as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<EntityRow<B>>,
    /// Conflict: the record is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<DeletionRow>,
    /// Conflict: under which id the server holds it for a decision, where it does. No part of the [`Outcome`]: to who does
    /// not look for decisions at the server it is a conflict like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict_id: Option<String>,
    /// Rejected: the stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Rejected: the field at fault, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Rejected: for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Deferred: when to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// A result in which nothing is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<B> {
    /// Done now.
    Applied(Applied<B>),
    /// Done before, under the same key.
    Duplicate(Applied<B>),
    /// Somebody else was there first.
    Conflict(Theirs<B>),
    /// It will never be applied as it is.
    Rejected(Rejection),
    /// Not now.
    Deferred {
        /// When to try again.
        retry_after_ms: u64,
    },
}

/// What an applied operation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied<B> {
    /// The server's id of the record.
    pub record_id: String,
    /// The version it made.
    pub version: u64,
    /// When, by the server's clock.
    pub updated_at: u64,
    /// The record, where the server changed more than was asked.
    pub record: Option<EntityRow<B>>,
}

/// What the server has in place of what an operation expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Theirs<B> {
    /// The record as it is; for a natural key that is taken, its holder.
    Record(EntityRow<B>),
    /// The record is deleted.
    Deletion(DeletionRow),
}

/// Why an operation will never be applied as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Stable, kebab-case.
    pub code: String,
    /// The field at fault, where there is one.
    pub field: Option<String>,
    /// For people.
    pub message: String,
}

/// A result that lacks what its status promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the result of `{id}` says {} but lacks `{member}`", .status.name())]
pub struct IncompleteResult {
    /// The operation's id.
    pub id: String,
    /// What it says.
    pub status: Status,
    /// What it lacks.
    pub member: &'static str,
}

impl<B> OperationResult<B> {
    /// The wire form of an outcome.
    #[must_use]
    pub fn new(id: String, outcome: Outcome<B>) -> Self {
        let mut result = Self {
            id,
            status: Status::Deferred,
            record_id: None,
            version: None,
            updated_at: None,
            record: None,
            deletion: None,
            conflict_id: None,
            code: None,
            field: None,
            message: None,
            retry_after_ms: None,
        };
        match outcome {
            Outcome::Applied(applied) => result.apply(Status::Applied, applied),
            Outcome::Duplicate(applied) => result.apply(Status::Duplicate, applied),
            Outcome::Conflict(theirs) => {
                result.status = Status::Conflict;
                match theirs {
                    Theirs::Record(row) => result.record = Some(row),
                    Theirs::Deletion(row) => result.deletion = Some(row),
                }
            }
            Outcome::Rejected(rejection) => {
                result.status = Status::Rejected;
                result.code = Some(rejection.code);
                result.field = rejection.field;
                result.message = Some(rejection.message);
            }
            Outcome::Deferred { retry_after_ms } => result.retry_after_ms = Some(retry_after_ms),
        }
        result
    }

    fn apply(&mut self, status: Status, applied: Applied<B>) {
        self.status = status;
        self.record_id = Some(applied.record_id);
        self.version = Some(applied.version);
        self.updated_at = Some(applied.updated_at);
        self.record = applied.record;
    }

    /// The outcome, or what the result lacks. A `deferred` without a time and a `rejected` without words are complete:
    /// what to do is clear without them.
    pub fn into_outcome(self) -> Result<(String, Outcome<B>), IncompleteResult> {
        let Self {
            id,
            status,
            record_id,
            version,
            updated_at,
            record,
            deletion,
            conflict_id: _,
            code,
            field,
            message,
            retry_after_ms,
        } = self;
        let lacks = |member| IncompleteResult { id: id.clone(), status, member };
        let outcome = match status {
            Status::Applied | Status::Duplicate => {
                let applied = Applied {
                    record_id: record_id.ok_or_else(|| lacks("recordId"))?,
                    version: version.ok_or_else(|| lacks("version"))?,
                    updated_at: updated_at.ok_or_else(|| lacks("updatedAt"))?,
                    record,
                };
                if status == Status::Applied {
                    Outcome::Applied(applied)
                } else {
                    Outcome::Duplicate(applied)
                }
            }
            Status::Conflict => Outcome::Conflict(match (record, deletion) {
                (Some(row), _) => Theirs::Record(row),
                (None, Some(row)) => Theirs::Deletion(row),
                (None, None) => return Err(lacks("record")),
            }),
            Status::Rejected => Outcome::Rejected(Rejection {
                code: code.ok_or_else(|| lacks("code"))?,
                field,
                message: message.unwrap_or_default(),
            }),
            Status::Deferred => Outcome::Deferred { retry_after_ms: retry_after_ms.unwrap_or(0) },
        };
        Ok((id, outcome))
    }
}

/// A record as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityRow<B> {
    /// Of which table.
    pub table: String,
    /// The server's id.
    pub id: String,
    /// Counts up with every change.
    pub version: u64,
    /// By the server's clock.
    pub updated_at: u64,
    /// The temporary id under which it was created, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_as: Option<String>,
    /// The app's fields.
    pub data: B,
}

/// A record that is gone, or gone from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletionRow {
    /// Of which table.
    pub table: String,
    /// The server's id.
    pub id: String,
    /// The tombstone's version.
    pub version: u64,
    /// By the server's clock.
    pub deleted_at: u64,
    /// The temporary id under which it was created, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_as: Option<String>,
    /// Dead, or only forgotten here.
    pub reason: DeletionReason,
}

/// Why a record is reported as gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionReason {
    /// Somebody deleted it.
    Deleted,
    /// It lives on, outside the scope that is pulled.
    LeftScope,
}

/// `POST /api/sync/download`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// For whom. Refused when the token says otherwise; absent: whoever the token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Where the last page ended; absent for a full pull.
    pub cursor: Option<String>,
    /// The tables.
    pub entity_types: Vec<String>,
    /// A named part of them; absent for the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Rows to a page; the server may give fewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Instead of a cursor: the `serverTime` of the last answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<u64>,
}

/// The answer to a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<B> {
    /// What changed, as it is now.
    pub entities: Vec<EntityRow<B>>,
    /// What is gone.
    pub deletions: Vec<DeletionRow>,
    /// Where this page ends.
    pub cursor: String,
    /// Whether there is another page already.
    pub has_more: bool,
    /// The server's epoch.
    pub epoch: String,
    /// What lies before this time the server may have forgotten: tombstones and answers.
    pub horizon: u64,
    /// By the server's clock.
    pub server_time: u64,
}

const PROBLEM_PREFIX: &str = "urn:landfall:error:";

/// Why a whole request was refused: problem details, RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `urn:landfall:error:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means, the same every time.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// The problem of this code.
    #[must_use]
    pub fn new(code: &str, title: &str, status: u16, detail: Option<String>) -> Self {
        Self { kind: format!("{PROBLEM_PREFIX}{code}"), title: title.to_owned(), status, detail }
    }

    /// The stable code, if the problem is one of ours.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.kind.strip_prefix(PROBLEM_PREFIX)
    }
}

#[cfg(test)]
mod tests;
