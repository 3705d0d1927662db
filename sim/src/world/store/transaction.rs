//! One transaction among many: it keeps what it writes to itself, and at its commit looks whether all it has read still holds.

use std::sync::Arc;

use landfall_core::planted;
use landfall_core::protocol::OperationKind;
use landfall_server::decisions::port::{
    Answer, AuditLine, Conflict, Position, Record, StoreError, Transaction,
};
use serde_json::Value;

use super::{Committed, ConflictKey, Event, Open, PrincipalKey, RecordKey, SimStore, Undo, key_of};
use crate::faults::Fault;

/// The longest that a transaction takes to commit.
const LATE_MS_MAX: u64 = 60_000;

enum Write {
    Record(Arc<Record>),
    Answer(PrincipalKey, Arc<Answer>),
    Conflict(Arc<Conflict>),
    Audit(AuditLine),
    Purge(u64),
}

/// Something that was read, and what it was.
enum Read {
    /// By the change that was its latest.
    Record(RecordKey, Option<u64>),
    CreatedAs(PrincipalKey, Option<RecordKey>),
    Answer(PrincipalKey, bool),
    Conflict(ConflictKey, Option<Arc<Conflict>>),
    With {
        tenant: String,
        table: String,
        fields: Vec<(String, Value)>,
        /// Which ones they were, each by the change that was its latest.
        found: Vec<(String, u64)>,
    },
}

/// The numbers as they stood at some moment.
#[derive(Clone, Copy)]
struct Numbers {
    last_seq: u64,
    last_id: u64,
    /// How many had been drawn, by everybody and by this transaction.
    drawn: u64,
    drawn_here: u64,
}

/// See the [module](self).
pub struct SimTransaction {
    store: SimStore,
    number: u64,
    epoch: u64,
    writes: Vec<Write>,
    reads: Vec<Read>,
    begun: Numbers,
    savepoint: (usize, Numbers),
    drawn: u64,
    is_done: bool,
}

impl SimTransaction {
    pub(super) fn begin(store: &SimStore) -> Self {
        let mut committed = store.committed();
        committed.opened += 1;
        let number = committed.opened;
        let began_at = store.time.now_ms();
        committed.open.insert(number, Open { began_at, first_seq: None });
        let begun = numbers(&committed, 0);
        let epoch = committed.epoch;
        drop(committed);
        Self {
            store: store.clone(),
            number,
            epoch,
            writes: Vec::new(),
            reads: Vec::new(),
            begun,
            savepoint: (0, begun),
            drawn: 0,
            is_done: false,
        }
    }

    /// Every operation may take a while, or find that another transaction was in its way.
    async fn step(&self) -> Result<(), StoreError> {
        self.store.pause().await;
        let is_in_the_way = self.store.weather.strikes(Fault::SerializationFailure, &self.store.dice);
        // A restored server knows nothing of what was under way before.
        if is_in_the_way || self.store.committed().epoch != self.epoch {
            return Err(StoreError::Busy);
        }
        Ok(())
    }

    /// Gives numbers back, unless another transaction has drawn since.
    fn give_back(&self, committed: &mut Committed, to: Numbers) {
        if committed.epoch == self.epoch && committed.drawn - to.drawn == self.drawn - to.drawn_here {
            committed.last_seq = to.last_seq;
            committed.last_id = to.last_id;
        }
    }

    /// Up to when this transaction has purged; zero if it has not.
    fn purged(&self) -> u64 {
        let horizons = self.writes.iter().filter_map(|write| match write {
            Write::Purge(horizon) => Some(*horizon),
            Write::Record(_) | Write::Answer(..) | Write::Conflict(_) | Write::Audit(_) => None,
        });
        horizons.max().unwrap_or_default()
    }

    fn written(&self, key: &RecordKey) -> Option<&Arc<Record>> {
        self.writes.iter().rev().find_map(|write| match write {
            Write::Record(record)
                if record.id == key.2 && record.table == key.1 && record.tenant == key.0 =>
            {
                Some(record)
            }
            _ => None,
        })
    }
}

fn numbers(committed: &Committed, drawn_here: u64) -> Numbers {
    let Committed { last_seq, last_id, drawn, .. } = *committed;
    Numbers { last_seq, last_id, drawn, drawn_here }
}

/// Whether a purge takes this answer with it: it is old, and not that of a create whose record stays.
fn is_forgotten(committed: &Committed, answer: &Answer, horizon: u64) -> bool {
    let id = answer.result.record_id.clone().unwrap_or_default();
    let record = committed.tables.records.get(&(answer.tenant.clone(), answer.table.clone(), id));
    let stays = record.is_some_and(|record| !(record.deleted && record.updated_at < horizon));
    answer.at < horizon && !(answer.operation == OperationKind::Create && stays)
}

fn holds(record: &Record, tenant: &str, table: &str, fields: &[(String, Value)]) -> bool {
    let same = |held: &Value, wanted: &Value| match (held, wanted) {
        (Value::Number(held), Value::Number(wanted)) => held == wanted || held.as_f64() == wanted.as_f64(),
        _ => held == wanted,
    };
    !record.deleted
        && record.tenant == tenant
        && record.table == table
        && fields.iter().all(|(name, value)| record.data.get(name).is_some_and(|held| same(held, value)))
}

fn with(committed: &Committed, tenant: &str, table: &str, fields: &[(String, Value)]) -> Vec<Arc<Record>> {
    let first = (tenant.to_owned(), table.to_owned(), String::new());
    let of_table =
        committed.tables.records.range(first..).take_while(|(key, _)| key.0 == tenant && key.1 == table);
    of_table
        .filter(|(_, record)| holds(record, tenant, table, fields))
        .map(|(_, record)| Arc::clone(record))
        .collect()
}

fn latest(records: &[Arc<Record>]) -> Vec<(String, u64)> {
    records.iter().map(|record| (record.id.clone(), record.seq)).collect()
}

fn still_holds(committed: &Committed, read: &Read) -> bool {
    match read {
        Read::Record(key, seq) => committed.tables.records.get(key).map(|record| record.seq) == *seq,
        Read::CreatedAs(named, key) => committed.created_as.get(named) == key.as_ref(),
        Read::Answer(key, is_known) => committed.answers.contains_key(key) == *is_known,
        Read::Conflict(key, found) => committed.tables.conflicts.get(key) == found.as_ref(),
        Read::With { tenant, table, fields, found } => {
            latest(&with(committed, tenant, table, fields)) == *found
        }
    }
}

impl Drop for SimTransaction {
    fn drop(&mut self) {
        let mut committed = self.store.committed();
        if !self.is_done {
            self.give_back(&mut committed, self.begun);
        }
        committed.open.remove(&self.number);
    }
}

impl Transaction for SimTransaction {
    async fn position(&mut self) -> Result<Position, StoreError> {
        self.step().await?;
        let committed = self.store.committed();
        let position = committed.position();
        let horizon = self.purged().max(position.horizon);
        Ok(Position { last_seq: committed.last_seq, horizon, ..position })
    }

    async fn next_id(&mut self) -> Result<String, StoreError> {
        self.step().await?;
        let mut committed = self.store.committed();
        committed.drawn += 1;
        self.drawn += 1;
        committed.last_id += 1;
        Ok(committed.last_id.to_string())
    }

    async fn next_seq(&mut self) -> Result<u64, StoreError> {
        self.step().await?;
        let mut committed = self.store.committed();
        committed.drawn += 1;
        self.drawn += 1;
        committed.last_seq += 1;
        let seq = committed.last_seq;
        let began_at = self.store.time.now_ms();
        let open = committed.open.entry(self.number).or_insert(Open { began_at, first_seq: None });
        open.first_seq.get_or_insert(seq);
        Ok(seq)
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        self.step().await?;
        let key = (tenant.to_owned(), table.to_owned(), id.to_owned());
        if let Some(written) = self.written(&key) {
            return Ok(Some((**written).clone()));
        }
        let found = self.store.committed().tables.records.get(&key).cloned();
        self.reads.push(Read::Record(key, found.as_ref().map(|record| record.seq)));
        Ok(found.map(|record| (*record).clone()))
    }

    async fn record_created_as(
        &mut self,
        tenant: &str,
        principal: &str,
        temporary_id: &str,
    ) -> Result<Option<Record>, StoreError> {
        self.step().await?;
        let named = (tenant.to_owned(), principal.to_owned(), temporary_id.to_owned());
        let key = self.store.committed().created_as.get(&named).cloned();
        let written = self.writes.iter().rev().find_map(|write| match write {
            Write::Record(record)
                if record.created_as.as_deref() == Some(temporary_id)
                    && record.created_by == principal
                    && record.tenant == tenant =>
            {
                Some((**record).clone())
            }
            _ => None,
        });
        if written.is_some() {
            return Ok(written);
        }
        self.reads.push(Read::CreatedAs(named, key.clone()));
        let Some(key) = key else { return Ok(None) };
        let found = self.store.committed().tables.records.get(&key).cloned();
        self.reads.push(Read::Record(key, found.as_ref().map(|record| record.seq)));
        Ok(found.map(|record| (*record).clone()))
    }

    async fn records_with(
        &mut self,
        tenant: &str,
        table: &str,
        fields: &[(&str, &Value)],
    ) -> Result<Vec<Record>, StoreError> {
        self.step().await?;
        let fields: Vec<(String, Value)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect();
        let mut found = with(&self.store.committed(), tenant, table, &fields);
        let read = latest(&found);
        found.retain(|record| self.written(&key_of(record)).is_none());
        for write in &self.writes {
            let Write::Record(record) = write else { continue };
            let is_latest = self.written(&key_of(record)).is_some_and(|latest| Arc::ptr_eq(latest, record));
            if is_latest && holds(record, tenant, table, &fields) {
                found.push(Arc::clone(record));
            }
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        self.reads.push(Read::With {
            tenant: tenant.to_owned(),
            table: table.to_owned(),
            fields,
            found: read,
        });
        Ok(found.into_iter().map(|record| (*record).clone()).collect())
    }

    async fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        self.step().await?;
        self.writes.push(Write::Record(Arc::new(record.clone())));
        Ok(())
    }

    async fn answer(
        &mut self,
        tenant: &str,
        principal: &str,
        key: &str,
    ) -> Result<Option<Answer>, StoreError> {
        self.step().await?;
        let key = (tenant.to_owned(), principal.to_owned(), key.to_owned());
        let written = self.writes.iter().rev().find_map(|write| match write {
            Write::Answer(named, answer) if *named == key => Some(answer),
            _ => None,
        });
        if let Some(answer) = written {
            return Ok(Some((**answer).clone()));
        }
        let known = self.store.committed().answers.get(&key).cloned();
        self.reads.push(Read::Answer(key, known.is_some()));
        // A purge of this transaction's own is behind it already.
        let horizon = self.purged();
        let committed = self.store.committed();
        let known = known.filter(|answer| !is_forgotten(&committed, answer, horizon));
        Ok(known.map(|answer| (*answer).clone()))
    }

    async fn remember(&mut self, answer: &Answer) -> Result<(), StoreError> {
        self.step().await?;
        let key = (answer.tenant.clone(), answer.principal.clone(), answer.result.id.clone());
        self.writes.push(Write::Answer(key, Arc::new(answer.clone())));
        Ok(())
    }

    async fn conflict(&mut self, tenant: &str, id: &str) -> Result<Option<Conflict>, StoreError> {
        self.step().await?;
        let written = self.writes.iter().rev().find_map(|write| match write {
            Write::Conflict(conflict) if conflict.id == id && conflict.tenant == tenant => Some(conflict),
            _ => None,
        });
        if let Some(written) = written {
            return Ok(Some((**written).clone()));
        }
        let key = (tenant.to_owned(), id.to_owned());
        let found = self.store.committed().tables.conflicts.get(&key).cloned();
        self.reads.push(Read::Conflict(key, found.clone()));
        Ok(found.map(|conflict| (*conflict).clone()))
    }

    async fn put_conflict(&mut self, conflict: &Conflict) -> Result<(), StoreError> {
        self.step().await?;
        self.writes.push(Write::Conflict(Arc::new(conflict.clone())));
        Ok(())
    }

    async fn audit(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        self.step().await?;
        self.writes.push(Write::Audit(line.clone()));
        Ok(())
    }

    async fn purge(&mut self, horizon: u64) -> Result<u64, StoreError> {
        self.step().await?;
        let before = self.purged();
        let committed = self.store.committed();
        let is_dead = |record: &&Arc<Record>| {
            record.deleted && record.updated_at < horizon && record.updated_at >= before
        };
        let purged = committed.tables.records.values().filter(is_dead).count() as u64;
        self.writes.retain(|write| match write {
            Write::Answer(_, answer) => !is_forgotten(&committed, answer, horizon),
            Write::Record(_) | Write::Conflict(_) | Write::Audit(_) | Write::Purge(_) => true,
        });
        drop(committed);
        self.writes.push(Write::Purge(horizon));
        Ok(purged)
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.step().await?;
        self.savepoint = (self.writes.len(), numbers(&self.store.committed(), self.drawn));
        Ok(())
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        self.step().await?;
        self.writes.truncate(if planted!("batch-half-undone") { 0 } else { self.savepoint.0 });
        let mut committed = self.store.committed();
        self.give_back(&mut committed, self.savepoint.1);
        let now = numbers(&committed, self.drawn);
        drop(committed);
        self.savepoint.1 = now;
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.step().await?;
        if self.store.weather.strikes(Fault::LateCommit, &self.store.dice) {
            let late = self.store.dice.wait_ms(LATE_MS_MAX);
            self.store.time.sleep_ms(late).await;
        }
        let mut committed = self.store.committed();
        let is_so_still = self.reads.iter().all(|read| still_holds(&committed, read));
        if committed.epoch != self.epoch || !is_so_still {
            self.store.weather.count(Fault::SerializationFailure);
            return Err(StoreError::Busy);
        }
        let (mut undo, mut horizon) = (Undo::default(), None);
        let (mut records, mut answers, mut audit) = (Vec::new(), Vec::new(), Vec::new());
        for write in std::mem::take(&mut self.writes) {
            match write {
                Write::Record(record) => {
                    let before = committed.put(key_of(&record), Some(&record));
                    undo.records.push((key_of(&record), before));
                    records.push(record);
                }
                Write::Answer(key, answer) => {
                    let before = committed.answers.insert(key.clone(), Arc::clone(&answer));
                    undo.answers.push((key, before));
                    answers.push(answer);
                }
                Write::Conflict(conflict) => {
                    let key = (conflict.tenant.clone(), conflict.id.clone());
                    let before = committed.put_conflict(key.clone(), Some(conflict));
                    undo.conflicts.push((key, before));
                }
                Write::Audit(line) => audit.push(line),
                Write::Purge(until) => {
                    committed.purge(until);
                    undo.is_final = true;
                    horizon = Some(until);
                }
            }
        }
        committed.undo.push(undo);
        committed.events.push(Event::Committed { records, answers, audit });
        if let Some(horizon) = horizon {
            committed.events.push(Event::Purged { horizon });
        }
        drop(committed);
        self.is_done = true;
        Ok(())
    }
}
