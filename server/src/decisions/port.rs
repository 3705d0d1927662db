//! The store port: what decisions need of a database, and what they may rely on.
//!
//! Guarantees of every implementation, checked by the contract suite in `store/contract.rs`:
//!
//! - **One writer.** From [`Store::begin`] until the transaction is committed or dropped no other transaction runs, so
//!   the change sequence follows the order of commits.
//! - **Atomic.** Everything between `begin` and [`Transaction::commit`] happens, or, on a drop or a crash, nothing.
//! - **Savepoints.** [`Transaction::rollback_to_savepoint`] undoes all that was done since [`Transaction::savepoint`],
//!   numbers drawn included. There is one savepoint at a time.
//! - **Durable.** What `commit` returned for survives the machine's loss of power (not claimed by the memory store).
//! - **Snapshots.** All reads of a [`Snapshot`] see one committed state, never a part of a transaction.

use std::future::Future;

use landfall_core::protocol::conflicts::{ConflictCounts, ConflictKind, ConflictState, Resolution};
use landfall_core::protocol::{
    DeletionReason, DeletionRow, EntityRow, OperationKind, OperationResult, Status,
};
use serde_json::{Map, Value};

/// A record's own fields.
pub type Fields = Map<String, Value>;

/// What a store cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Others hold it for too long. Later it may work.
    #[error("the database is busy")]
    Busy,
    /// Anything else.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// A record, or the tombstone in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Whose data.
    pub tenant: String,
    /// Of which table.
    pub table: String,
    /// Unique in the database where the server gave it.
    pub id: String,
    /// From 1, up by one with every change.
    pub version: u64,
    /// When it last changed, by the server's clock.
    pub updated_at: u64,
    /// A tombstone; its `data` is empty.
    pub deleted: bool,
    /// The temporary id it was created under, where there was one.
    pub created_as: Option<String>,
    /// The principal who created it: temporary ids are that principal's words.
    pub created_by: String,
    /// Its place in the change sequence.
    pub seq: u64,
    /// The place of the last change that may have changed which scopes it is in: its own, or of something that it hangs on.
    pub scope_seq: u64,
    /// The app's fields.
    pub data: Fields,
}

impl Record {
    /// As the wire says it.
    #[must_use]
    pub fn into_entity(self) -> EntityRow<Value> {
        EntityRow {
            table: self.table,
            id: self.id,
            version: self.version,
            updated_at: self.updated_at,
            created_as: self.created_as,
            data: Value::Object(self.data),
        }
    }

    /// As the wire says it.
    #[must_use]
    pub fn into_deletion(self, reason: DeletionReason) -> DeletionRow {
        DeletionRow {
            table: self.table,
            id: self.id,
            version: self.version,
            deleted_at: self.updated_at,
            created_as: self.created_as,
            reason,
        }
    }
}

/// What was answered under a key, for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whose key.
    pub tenant: String,
    /// Whose key.
    pub principal: String,
    /// What was asked.
    pub operation: OperationKind,
    /// Of which table.
    pub table: String,
    /// The record's id as the device knew it.
    pub local_id: String,
    /// What was answered; its `id` is the key.
    pub result: OperationResult<Value>,
    /// When.
    pub at: u64,
}

/// One line of the audit (requirement K5): one for each operation received, also those answered before.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// Whose data.
    pub tenant: String,
    /// The user.
    pub principal: String,
    /// The device.
    pub device_id: String,
    /// The operation's id.
    pub operation_id: String,
    /// What was asked.
    pub operation: OperationKind,
    /// Of which table.
    pub table: String,
    /// The record's id as the device knew it.
    pub local_id: String,
    /// The server's id, where it came to that.
    pub record_id: Option<String>,
    /// `data`, `unset` and `baseVersion` as they were sent; `merged`: what rules settled, and what lost by it.
    pub payload: Value,
    /// What became of it.
    pub status: Status,
    /// Rejected: the code.
    pub code: Option<String>,
    /// Rejected: for people.
    pub error: Option<String>,
    /// When it was written, by the device's clock.
    pub written_at: u64,
    /// When it was sent, by the device's clock.
    pub sent_at: u64,
    /// When it was decided, by the server's clock.
    pub decided_at: u64,
}

/// An operation that met something else than it was made on, kept until somebody decides and after that for ever: what lost is
/// in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Whose data.
    pub tenant: String,
    /// A UUID, the same for the same operation.
    pub id: String,
    /// The operation's id.
    pub operation_id: String,
    /// Who sent it.
    pub principal: String,
    /// From where.
    pub device_id: String,
    /// Of which table.
    pub table: String,
    /// The server's id of the record in the way.
    pub record_id: String,
    /// What was asked.
    pub operation: OperationKind,
    /// What met.
    pub kind: ConflictKind,
    /// What the operation began from; `None`: from nothing, or it did not say.
    pub base: Option<Fields>,
    /// What it made of that; `None`: a deletion.
    pub ours: Option<Fields>,
    /// When, by the server's clock.
    pub ours_at: u64,
    /// What was there when it came; `None`: a tombstone.
    pub theirs: Option<Fields>,
    /// Where a person has to decide; empty where it is about the record as a whole.
    pub paths: Vec<Vec<String>>,
    /// When it was found.
    pub at: u64,
    /// `None`: it is open.
    pub decision: Option<Decision>,
}

/// How a conflict was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which way.
    pub resolution: Resolution,
    /// By which principal.
    pub by: String,
    /// When, by the server's clock.
    pub at: u64,
}

impl Conflict {
    /// Whether somebody has decided.
    #[must_use]
    pub const fn state(&self) -> ConflictState {
        match self.decision {
            None => ConflictState::Open,
            Some(_) => ConflictState::Resolved,
        }
    }
}

/// Which conflicts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictsQuery {
    /// Whose data.
    pub tenant: String,
    /// `None`: whether decided or not.
    pub state: Option<ConflictState>,
    /// `None`: of all tables.
    pub table: Option<String>,
    /// `None`: of all kinds.
    pub kind: Option<ConflictKind>,
    /// Behind the one found at this time under this id.
    pub after: Option<(u64, String)>,
    /// How many at most.
    pub limit: u32,
}

/// Conflicts by the time when they were found, then by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflicts {
    /// Those asked for.
    pub conflicts: Vec<Conflict>,
    /// Whether there are more behind these.
    pub has_more: bool,
    /// Of all that the tenant has.
    pub counts: ConflictCounts,
}

/// What the store knows about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Changes when the database is restored from a backup.
    pub epoch: String,
    /// What lies before this time may be forgotten.
    pub horizon: u64,
    /// The last place given in the change sequence.
    pub last_seq: u64,
    /// The highest place of a tombstone that was purged.
    pub purged_seq: u64,
}

/// Which changes a page asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesQuery {
    /// Whose data.
    pub tenant: String,
    /// Of which tables.
    pub tables: Vec<String>,
    /// From where.
    pub after: After,
    /// How many at most.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Behind this place of the change sequence.
    Seq(u64),
    /// At the first change that is no older than this time.
    Time(u64),
}

/// Changes in the order of the sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// Each record once, as it is now.
    pub records: Vec<Record>,
    /// Whether there are more behind these.
    pub has_more: bool,
}

/// A database.
pub trait Store: Send + Sync {
    /// The write transaction.
    type Transaction: Transaction;
    /// What reads see.
    type Snapshot: Snapshot;

    /// Begins the one write transaction, waiting for its turn.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, StoreError>> + Send;

    /// Where the store stands.
    fn position(&self) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// The state that was committed last, to be read from as often as one likes.
    fn snapshot(&self) -> impl Future<Output = Result<Self::Snapshot, StoreError>> + Send;

    /// Changes of one tenant behind a place, in a snapshot of their own.
    fn changes(&self, query: ChangesQuery) -> impl Future<Output = Result<Changes, StoreError>> + Send {
        async { self.snapshot().await?.changes(query).await }
    }
}

/// One committed state. Not to be held for long: what it sees cannot be cleaned up.
pub trait Snapshot: Send {
    /// Where the store stood.
    fn position(&mut self) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// Changes of one tenant behind a place.
    fn changes(&mut self, query: ChangesQuery) -> impl Future<Output = Result<Changes, StoreError>> + Send;

    /// A record or tombstone.
    fn record(
        &mut self,
        tenant: &str,
        table: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// What one tenant holds for a decision, or held.
    fn conflicts(
        &mut self,
        query: ConflictsQuery,
    ) -> impl Future<Output = Result<Conflicts, StoreError>> + Send;
}

/// The write transaction. Dropped without [`Transaction::commit`], it never was.
pub trait Transaction: Send {
    /// Where the store stands, this transaction included.
    fn position(&mut self) -> impl Future<Output = Result<Position, StoreError>> + Send;

    /// A server id that no record of the database ever had.
    fn next_id(&mut self) -> impl Future<Output = Result<String, StoreError>> + Send;

    /// The next place in the change sequence.
    fn next_seq(&mut self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// A record or tombstone.
    fn record(
        &mut self,
        tenant: &str,
        table: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// The record or tombstone that this principal created under this temporary id.
    fn record_created_as(
        &mut self,
        tenant: &str,
        principal: &str,
        temporary_id: &str,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// The living records whose fields have these values, by id. The fields are a foreign key or a natural key of the
    /// schema; the values are strings, numbers or booleans.
    fn records_with(
        &mut self,
        tenant: &str,
        table: &str,
        fields: &[(&str, &Value)],
    ) -> impl Future<Output = Result<Vec<Record>, StoreError>> + Send;

    /// Writes a record or tombstone in place of what has its tenant, table and id.
    fn put(&mut self, record: &Record) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What was answered under this key.
    fn answer(
        &mut self,
        tenant: &str,
        principal: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Answer>, StoreError>> + Send;

    /// Remembers an answer under its key. There is none yet.
    fn remember(&mut self, answer: &Answer) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A conflict of this id.
    fn conflict(
        &mut self,
        tenant: &str,
        id: &str,
    ) -> impl Future<Output = Result<Option<Conflict>, StoreError>> + Send;

    /// Writes a conflict in place of what has its tenant and id.
    fn put_conflict(&mut self, conflict: &Conflict) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds a line to the audit.
    fn audit(&mut self, line: &AuditLine) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets tombstones older than `horizon`, and the answers of that age, except those of creates whose record is
    /// still known. The horizon never goes back. Gives the number of tombstones.
    fn purge(&mut self, horizon: u64) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Marks where [`Transaction::rollback_to_savepoint`] returns to, instead of any mark before.
    fn savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Undoes what was done since the savepoint, which stays.
    fn rollback_to_savepoint(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes everything durable and visible at once.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
