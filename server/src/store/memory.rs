//! The store in memory, for tests and the simulator. Durable as long as the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use landfall_core::protocol::OperationKind;
use landfall_core::protocol::conflicts::ConflictCounts;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::decisions::port::{
    After, Answer, AuditLine, Changes, ChangesQuery, Conflict, Conflicts, ConflictsQuery, Position, Record,
    Snapshot, Store, StoreError, Transaction,
};

/// Tenant, table, id.
type RecordKey = (String, String, String);
/// Tenant, principal, operation id.
type AnswerKey = (String, String, String);
/// Tenant, id.
type ConflictKey = (String, String);

#[derive(Debug, Clone)]
struct State {
    records: BTreeMap<RecordKey, Record>,
    answers: BTreeMap<AnswerKey, Answer>,
    conflicts: BTreeMap<ConflictKey, Conflict>,
    audit: Vec<AuditLine>,
    position: Position,
    last_id: u64,
}

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store of this epoch.
    #[must_use]
    pub fn new(epoch: &str) -> Self {
        let position = Position { epoch: epoch.to_owned(), horizon: 0, last_seq: 0, purged_seq: 0 };
        let state = State {
            records: BTreeMap::new(),
            answers: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            audit: Vec::new(),
            position,
            last_id: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A backup: what is committed now, in a store of its own.
    pub async fn backup(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state.lock().await.clone())) }
    }

    /// Begins a new epoch: to be done once after a backup took the place of what was.
    pub async fn renew_epoch(&self, epoch: &str) {
        let mut state = self.state.lock().await;
        epoch.clone_into(&mut state.position.epoch);
        state.last_id += super::IDS_LEFT_OUT;
    }

    /// The audit so far.
    pub async fn audit_lines(&self) -> Vec<AuditLine> {
        self.state.lock().await.audit.clone()
    }
}

impl Store for MemoryStore {
    type Transaction = MemoryTransaction;
    type Snapshot = MemorySnapshot;

    async fn begin(&self) -> Result<MemoryTransaction, StoreError> {
        let state = Arc::clone(&self.state).lock_owned().await;
        Ok(MemoryTransaction { state, undo: Vec::new(), savepoint: 0, committed: false })
    }

    async fn position(&self) -> Result<Position, StoreError> {
        Ok(self.state.lock().await.position.clone())
    }

    async fn snapshot(&self) -> Result<MemorySnapshot, StoreError> {
        Ok(MemorySnapshot { state: Arc::clone(&self.state).lock_owned().await })
    }
}

/// The state as it stands, which nobody changes while the lock is held.
#[derive(Debug)]
pub struct MemorySnapshot {
    state: OwnedMutexGuard<State>,
}

impl Snapshot for MemorySnapshot {
    async fn position(&mut self) -> Result<Position, StoreError> {
        Ok(self.state.position.clone())
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.state.records.get(&(tenant.to_owned(), table.to_owned(), id.to_owned())).cloned())
    }

    async fn changes(&mut self, query: ChangesQuery) -> Result<Changes, StoreError> {
        let state = &self.state;
        let mut records: Vec<&Record> = state
            .records
            .values()
            .filter(|record| record.tenant == query.tenant && query.tables.contains(&record.table))
            .collect();
        records.sort_unstable_by_key(|record| record.seq);
        let start = match query.after {
            After::Seq(seq) => records.iter().position(|record| record.seq > seq),
            After::Time(time) => records.iter().position(|record| record.updated_at >= time),
        };
        records.drain(..start.unwrap_or(records.len()));
        let limit = query.limit as usize;
        let has_more = records.len() > limit;
        let records = records.into_iter().take(limit).cloned().collect();
        Ok(Changes { records, has_more })
    }

    async fn conflicts(&mut self, query: ConflictsQuery) -> Result<Conflicts, StoreError> {
        Ok(page_of_conflicts(self.state.conflicts.values(), &query))
    }
}

/// Answers a query from all the conflicts there are.
pub fn page_of_conflicts<'a>(all: impl Iterator<Item = &'a Conflict>, query: &ConflictsQuery) -> Conflicts {
    let mut counts = ConflictCounts::default();
    let mut found: Vec<&Conflict> = Vec::new();
    for conflict in all.filter(|conflict| conflict.tenant == query.tenant) {
        match conflict.decision {
            None => counts.open += 1,
            Some(_) => counts.resolved += 1,
        }
        let is_asked_for = query.state.is_none_or(|state| conflict.state() == state)
            && query.kind.is_none_or(|kind| conflict.kind == kind)
            && query.table.as_ref().is_none_or(|table| conflict.table == *table)
            && query.after.as_ref().is_none_or(|(at, id)| (conflict.at, &conflict.id) > (*at, id));
        if is_asked_for {
            found.push(conflict);
        }
    }
    found.sort_unstable_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    let limit = query.limit as usize;
    let has_more = found.len() > limit;
    Conflicts { conflicts: found.into_iter().take(limit).cloned().collect(), has_more, counts }
}

/// What a step replaced, so that it can be put back.
#[derive(Debug)]
enum Undo {
    Record(RecordKey, Option<Box<Record>>),
    Answer(AnswerKey, Option<Box<Answer>>),
    Conflict(ConflictKey, Option<Box<Conflict>>),
    Audit,
    Numbers(Position, u64),
}

/// The transaction: it writes in place, holding the store's lock, and keeps what it replaced.
#[derive(Debug)]
pub struct MemoryTransaction {
    state: OwnedMutexGuard<State>,
    undo: Vec<Undo>,
    savepoint: usize,
    committed: bool,
}

impl MemoryTransaction {
    fn undo_to(&mut self, length: usize) {
        let state = &mut *self.state;
        for step in self.undo.drain(length.min(self.undo.len())..).rev() {
            match step {
                Undo::Record(key, Some(record)) => drop(state.records.insert(key, *record)),
                Undo::Record(key, None) => drop(state.records.remove(&key)),
                Undo::Answer(key, Some(answer)) => drop(state.answers.insert(key, *answer)),
                Undo::Answer(key, None) => drop(state.answers.remove(&key)),
                Undo::Conflict(key, Some(conflict)) => drop(state.conflicts.insert(key, *conflict)),
                Undo::Conflict(key, None) => drop(state.conflicts.remove(&key)),
                Undo::Audit => drop(state.audit.pop()),
                Undo::Numbers(position, last_id) => {
                    state.position = position;
                    state.last_id = last_id;
                }
            }
        }
    }

    fn keep_numbers(&mut self) {
        self.undo.push(Undo::Numbers(self.state.position.clone(), self.state.last_id));
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        if !self.committed {
            self.undo_to(0);
        }
    }
}

impl Transaction for MemoryTransaction {
    async fn position(&mut self) -> Result<Position, StoreError> {
        Ok(self.state.position.clone())
    }

    async fn next_id(&mut self) -> Result<String, StoreError> {
        self.keep_numbers();
        self.state.last_id += 1;
        Ok(self.state.last_id.to_string())
    }

    async fn next_seq(&mut self) -> Result<u64, StoreError> {
        self.keep_numbers();
        self.state.position.last_seq += 1;
        Ok(self.state.position.last_seq)
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.state.records.get(&(tenant.to_owned(), table.to_owned(), id.to_owned())).cloned())
    }

    async fn record_created_as(
        &mut self,
        tenant: &str,
        principal: &str,
        temporary_id: &str,
    ) -> Result<Option<Record>, StoreError> {
        let found = self.state.records.values().find(|record| {
            record.tenant == tenant
                && record.created_by == principal
                && record.created_as.as_deref() == Some(temporary_id)
        });
        Ok(found.cloned())
    }

    async fn records_with(
        &mut self,
        tenant: &str,
        table: &str,
        fields: &[(&str, &Value)],
    ) -> Result<Vec<Record>, StoreError> {
        let found = self
            .state
            .records
            .values()
            .filter(|record| {
                !record.deleted
                    && record.tenant == tenant
                    && record.table == table
                    && fields.iter().all(|(name, value)| {
                        record.data.get(*name).is_some_and(|held| same_value(held, value))
                    })
            })
            .cloned()
            .collect();
        Ok(found)
    }

    async fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        let key = (record.tenant.clone(), record.table.clone(), record.id.clone());
        let before = self.state.records.insert(key.clone(), record.clone());
        self.undo.push(Undo::Record(key, before.map(Box::new)));
        Ok(())
    }

    async fn answer(
        &mut self,
        tenant: &str,
        principal: &str,
        key: &str,
    ) -> Result<Option<Answer>, StoreError> {
        Ok(self.state.answers.get(&(tenant.to_owned(), principal.to_owned(), key.to_owned())).cloned())
    }

    async fn remember(&mut self, answer: &Answer) -> Result<(), StoreError> {
        let key = (answer.tenant.clone(), answer.principal.clone(), answer.result.id.clone());
        let before = self.state.answers.insert(key.clone(), answer.clone());
        self.undo.push(Undo::Answer(key, before.map(Box::new)));
        Ok(())
    }

    async fn conflict(&mut self, tenant: &str, id: &str) -> Result<Option<Conflict>, StoreError> {
        Ok(self.state.conflicts.get(&(tenant.to_owned(), id.to_owned())).cloned())
    }

    async fn put_conflict(&mut self, conflict: &Conflict) -> Result<(), StoreError> {
        let key = (conflict.tenant.clone(), conflict.id.clone());
        let before = self.state.conflicts.insert(key.clone(), conflict.clone());
        self.undo.push(Undo::Conflict(key, before.map(Box::new)));
        Ok(())
    }

    async fn audit(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        self.state.audit.push(line.clone());
        self.undo.push(Undo::Audit);
        Ok(())
    }

    async fn purge(&mut self, horizon: u64) -> Result<u64, StoreError> {
        self.keep_numbers();
        let state = &mut *self.state;
        let horizon = horizon.max(state.position.horizon);
        state.position.horizon = horizon;
        let mut purged = 0;
        for (key, record) in
            state.records.extract_if(.., |_, record| record.deleted && record.updated_at < horizon)
        {
            purged += 1;
            state.position.purged_seq = state.position.purged_seq.max(record.seq);
            self.undo.push(Undo::Record(key, Some(Box::new(record))));
        }
        let records = &state.records;
        let forgotten = state.answers.extract_if(.., |_, answer| {
            let record = answer.result.record_id.clone().unwrap_or_default();
            let key = (answer.tenant.clone(), answer.table.clone(), record);
            answer.at < horizon && !(answer.operation == OperationKind::Create && records.contains_key(&key))
        });
        self.undo.extend(forgotten.map(|(key, answer)| Undo::Answer(key, Some(Box::new(answer)))));
        Ok(purged)
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.savepoint = self.undo.len();
        Ok(())
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.undo_to(self.savepoint);
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.committed = true;
        Ok(())
    }
}

/// As SQL compares: `1` and `1.0` are one number.
fn same_value(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}
