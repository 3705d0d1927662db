//! A database server of many transactions at a time.
//!
//! It is what a serializable database with sequences is to its clients: a place in the change sequence is given when it is
//! asked for and not when its transaction commits, so places may be committed out of their order. Readers of changes therefore see
//! only what lies before the first place that is still open ([`Committed::visible_seq`]); a cursor never passes a
//! transaction that commits later. Transactions check at their commit that all they have read is still so; where it is not, they fail
//! as [`StoreError::Busy`].

mod transaction;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use landfall_core::planted;
use landfall_core::protocol::OperationKind;
use landfall_server::{
    decisions::port::{
        After, Answer, AuditLine, Changes, ChangesQuery, Conflict, Conflicts, ConflictsQuery, Position,
        Record, Snapshot, Store, StoreError,
    },
    store::{IDS_LEFT_OUT, memory::page_of_conflicts},
};

pub use transaction::SimTransaction;

use crate::{
    dice::Dice,
    executor::{Time, YieldNow},
    faults::{Fault, Weather},
};

/// Tenant, table, id.
type RecordKey = (String, String, String);
/// Tenant, principal, and an operation's id or a temporary id.
type PrincipalKey = (String, String, String);

/// Tenant and id of a conflict.
type ConflictKey = (String, String);

/// What one commit changed, for whoever keeps the books.
#[derive(Debug)]
pub enum Event {
    Committed {
        records: Vec<Arc<Record>>,
        answers: Vec<Arc<Answer>>,
        audit: Vec<AuditLine>,
    },
    /// Restored from a backup: these rows are as they were before, or were not there yet.
    Restored {
        epoch: String,
        rows: Vec<(String, String)>,
        keys: Vec<(String, String)>,
    },
    Purged {
        horizon: u64,
    },
}

/// What a commit replaced.
#[derive(Debug, Default)]
struct Undo {
    records: Vec<(RecordKey, Option<Arc<Record>>)>,
    answers: Vec<(PrincipalKey, Option<Arc<Answer>>)>,
    conflicts: Vec<(ConflictKey, Option<Arc<Conflict>>)>,
    /// A purge cannot be taken back: a backup older than that is not kept.
    is_final: bool,
}

/// What readers see.
#[derive(Clone, Debug, Default)]
struct Tables {
    records: BTreeMap<RecordKey, Arc<Record>>,
    by_seq: BTreeMap<u64, RecordKey>,
    conflicts: BTreeMap<ConflictKey, Arc<Conflict>>,
}

/// An open transaction.
#[derive(Clone, Copy, Debug)]
struct Open {
    began_at: u64,
    /// The first place that it was given.
    first_seq: Option<u64>,
}

#[derive(Debug, Default)]
struct Committed {
    /// Shared with the snapshots that are read from; a commit beside one of those makes a copy.
    tables: Arc<Tables>,
    created_as: HashMap<PrincipalKey, RecordKey>,
    answers: HashMap<PrincipalKey, Arc<Answer>>,
    epoch: u64,
    horizon: u64,
    purged_seq: u64,
    last_seq: u64,
    last_id: u64,
    /// How many places and ids were ever drawn.
    drawn: u64,
    open: BTreeMap<u64, Open>,
    opened: u64,
    undo: Vec<Undo>,
    events: Vec<Event>,
}

impl Committed {
    /// Up to where no open transaction can commit any more.
    fn visible_seq(&self) -> u64 {
        let first_open = self.open.values().filter_map(|open| open.first_seq).min();
        let first_open = first_open.filter(|_| !planted!("later-commit-passed"));
        first_open.map_or(self.last_seq, |first| first - 1)
    }

    fn position(&self) -> Position {
        Position {
            epoch: format!("epoch{}", self.epoch),
            horizon: self.horizon,
            last_seq: self.visible_seq(),
            purged_seq: self.purged_seq,
        }
    }

    fn put(&mut self, key: RecordKey, record: Option<&Arc<Record>>) -> Option<Arc<Record>> {
        let tables = Arc::make_mut(&mut self.tables);
        let before = match record {
            Some(record) => {
                self.last_seq = self.last_seq.max(record.seq);
                tables.by_seq.insert(record.seq, key.clone());
                if let Some(named) = name_of(record) {
                    self.created_as.insert(named, key.clone());
                }
                tables.records.insert(key, Arc::clone(record))
            }
            None => tables.records.remove(&key),
        };
        if let Some(before) = &before {
            if record.is_none_or(|record| record.seq != before.seq) {
                tables.by_seq.remove(&before.seq);
            }
            if let (None, Some(named)) = (record, name_of(before)) {
                self.created_as.remove(&named);
            }
        }
        before
    }

    fn put_conflict(&mut self, key: ConflictKey, conflict: Option<Arc<Conflict>>) -> Option<Arc<Conflict>> {
        let conflicts = &mut Arc::make_mut(&mut self.tables).conflicts;
        match conflict {
            Some(conflict) => conflicts.insert(key, conflict),
            None => conflicts.remove(&key),
        }
    }

    fn purge(&mut self, horizon: u64) -> u64 {
        self.horizon = self.horizon.max(horizon);
        let horizon = self.horizon;
        let dead = |record: &&Arc<Record>| record.deleted && record.updated_at < horizon;
        let dead: Vec<Arc<Record>> = self.tables.records.values().filter(dead).cloned().collect();
        for record in &dead {
            self.purged_seq = self.purged_seq.max(record.seq);
            self.put(key_of(record), None);
        }
        let records = &self.tables.records;
        self.answers.retain(|_, answer| {
            let record = answer.result.record_id.clone().unwrap_or_default();
            let key = (answer.tenant.clone(), answer.table.clone(), record);
            let is_kept = answer.operation == OperationKind::Create && records.contains_key(&key);
            answer.at >= horizon || is_kept
        });
        dead.len() as u64
    }
}

/// Whose word for it its temporary id is.
fn name_of(record: &Record) -> Option<PrincipalKey> {
    let created_as = record.created_as.clone()?;
    Some((record.tenant.clone(), record.created_by.clone(), created_as))
}

fn key_of(record: &Record) -> RecordKey {
    (record.tenant.clone(), record.table.clone(), record.id.clone())
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct SimStore {
    committed: Arc<Mutex<Committed>>,
    dice: Arc<Dice>,
    weather: Arc<Weather>,
    time: Time,
}

impl SimStore {
    /// An empty store.
    #[must_use]
    pub fn new(dice: Arc<Dice>, weather: Arc<Weather>, time: Time) -> Self {
        let committed = Committed { epoch: 1, ..Committed::default() };
        Self { committed: Arc::new(Mutex::new(committed)), dice, weather, time }
    }

    fn committed(&self) -> MutexGuard<'_, Committed> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every operation lets others run.
    async fn pause(&self) {
        for _ in 0..self.dice.roll(3) {
            YieldNow::default().await;
        }
    }

    /// What happened since this was last asked, in order.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.committed().events)
    }

    /// All records and tombstones.
    #[must_use]
    pub fn records(&self) -> Vec<Arc<Record>> {
        self.committed().tables.records.values().cloned().collect()
    }

    #[must_use]
    pub fn where_it_stands(&self) -> Position {
        self.committed().position()
    }

    /// Puts a backup in place that lacks the last so many commits, and begins a new epoch.
    pub fn restore(&self, commits: usize) {
        let mut committed = self.committed();
        let (mut rows, mut keys) = (Vec::new(), Vec::new());
        for _ in 0..commits {
            if committed.undo.last().is_none_or(|undo| undo.is_final) {
                break;
            }
            let Some(undo) = committed.undo.pop() else { break };
            for (key, before) in undo.records.into_iter().rev() {
                rows.push((key.1.clone(), key.2.clone()));
                committed.put(key, before.as_ref());
            }
            for (key, before) in undo.conflicts.into_iter().rev() {
                committed.put_conflict(key, before);
            }
            for (key, before) in undo.answers {
                keys.push((key.1.clone(), key.2.clone()));
                match before {
                    Some(answer) => committed.answers.insert(key, answer),
                    None => committed.answers.remove(&key),
                };
            }
        }
        let last = committed.tables.by_seq.last_key_value().map_or(0, |(seq, _)| *seq);
        committed.last_seq = last.max(committed.purged_seq);
        committed.last_id += IDS_LEFT_OUT;
        // What was under way can commit no more.
        committed.open.clear();
        committed.epoch += 1;
        let epoch = committed.position().epoch;
        committed.events.push(Event::Restored { epoch, rows, keys });
    }

    /// Forgets tombstones and answers that are older than this, but for those of a time when an open transaction had begun: months
    /// pass before anything is forgotten.
    pub fn purge(&self, horizon: u64) {
        let mut committed = self.committed();
        let first_open = committed.open.values().map(|open| open.began_at).min();
        committed.purge(first_open.map_or(horizon, |began_at| began_at.min(horizon)));
        committed.undo.push(Undo { is_final: true, ..Undo::default() });
        let horizon = committed.horizon;
        committed.events.push(Event::Purged { horizon });
    }
}

impl Store for SimStore {
    type Transaction = SimTransaction;
    type Snapshot = SimSnapshot;

    async fn begin(&self) -> Result<SimTransaction, StoreError> {
        self.pause().await;
        Ok(SimTransaction::begin(self))
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.pause().await;
        Ok(self.committed().position())
    }

    async fn snapshot(&self) -> Result<SimSnapshot, StoreError> {
        self.pause().await;
        let committed = self.committed();
        let position = committed.position();
        if committed.tables.by_seq.range(position.last_seq + 1..).next().is_some() {
            self.weather.count(Fault::HeldBack);
        }
        let tables = Arc::clone(&committed.tables);
        drop(committed);
        Ok(SimSnapshot { store: self.clone(), tables, position })
    }
}

/// One committed state, as far as no open transaction can still commit before it.
pub struct SimSnapshot {
    store: SimStore,
    tables: Arc<Tables>,
    position: Position,
}

impl Snapshot for SimSnapshot {
    async fn position(&mut self) -> Result<Position, StoreError> {
        self.store.pause().await;
        Ok(self.position.clone())
    }

    async fn changes(&mut self, query: ChangesQuery) -> Result<Changes, StoreError> {
        self.store.pause().await;
        let Tables { records, by_seq, .. } = &*self.tables;
        let from = match query.after {
            After::Seq(seq) => seq.saturating_add(1),
            After::Time(time) => {
                let is_young = |(_, key): &(&u64, &RecordKey)| {
                    records.get(*key).is_some_and(|record| record.updated_at >= time)
                };
                by_seq.iter().find(is_young).map_or(u64::MAX, |(seq, _)| *seq)
            }
        };
        // What follows a place that is not visible comes with a later page. (A range that ends before it begins panics.)
        let in_order = by_seq.range(from..).take_while(|(seq, _)| **seq <= self.position.last_seq);
        // A cursor of time stands where the latest change before it was stamped.
        let before = by_seq.range(..from).take_while(|_| planted!("cursor-by-time"));
        let stamped = before.filter_map(|(_, key)| Some(records.get(key)?.updated_at)).max();
        let is_passed = |record: &Record| Some(record.updated_at) <= stamped;
        let mut matching = in_order.filter_map(|(_, key)| {
            let record = records.get(key).filter(|record| !is_passed(record))?;
            (record.tenant == query.tenant && query.tables.contains(&record.table)).then_some(record)
        });
        let records = matching.by_ref().take(query.limit as usize).map(|record| (**record).clone()).collect();
        let has_more = matching.next().is_some();
        Ok(Changes { records, has_more })
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        self.store.pause().await;
        let key = (tenant.to_owned(), table.to_owned(), id.to_owned());
        Ok(self.tables.records.get(&key).map(|record| (**record).clone()))
    }

    async fn conflicts(&mut self, query: ConflictsQuery) -> Result<Conflicts, StoreError> {
        self.store.pause().await;
        Ok(page_of_conflicts(self.tables.conflicts.values().map(|conflict| &**conflict), &query))
    }
}
