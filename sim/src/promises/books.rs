//! What everybody has done: each mutation's life, each version of each record, and who has been told of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use landfall_core::{
    log::entry::Operation,
    protocol::{OperationKind, Status},
};
use landfall_server::decisions::port::{Answer, AuditLine, Record};
use rustc_hash::{FxHashMap, FxHashSet};

use super::number;
use crate::{
    journal::Journal,
    world::store::{Event, SimStore},
};

/// Where a mutation stands, as its database's log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Waiting,
    Parked,
    Gone,
}

/// One mutation's life.
#[derive(Clone, Debug)]
pub struct Life {
    pub database: usize,
    pub principal: String,
    /// Its place in the order of writing of its database. A retry has the place of what it retries.
    pub order: u64,
    pub operation: Operation,
    pub table: String,
    /// The record's id when it was written.
    pub record_id: String,
    pub standing: Standing,
}

/// One version of a record at the server.
#[derive(Clone, Debug)]
pub struct Version {
    pub record: Arc<Record>,
    /// A restoration took it back.
    pub is_lost: bool,
}

/// A record's life at the server.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub versions: Vec<Version>,
    /// The last mutation of each database that took effect, by its order.
    applied: BTreeMap<usize, u64>,
    /// By version: the mutation that made it, and its database.
    made_by: BTreeMap<u64, (String, usize)>,
}

impl Row {
    /// As the server has it now.
    #[must_use]
    pub fn now(&self) -> Option<&Arc<Record>> {
        self.versions.iter().rev().find(|version| !version.is_lost).map(|version| &version.record)
    }
}

/// A principal's word for something: a mutation's id, or a temporary id.
type Word = (String, String);

/// The books of one world.
pub struct Books {
    journal: Journal,
    store: SimStore,
    pub lives: FxHashMap<String, Life>,
    pub rows: BTreeMap<(String, String), Row>,
    pub by_seq: BTreeMap<u64, (String, String, u64)>,
    /// What took effect in this epoch or an earlier one that lives on, and when.
    applied: FxHashMap<Word, u64>,
    /// Answers from before this time may be forgotten.
    horizon: u64,
    /// What ever took effect, also where a restoration took it back.
    ever_applied: FxHashSet<Word>,
    /// What it ever refused for good, also where a restoration let it forget that: the device has heard it.
    rejected: FxHashSet<Word>,
    /// What met a change by somebody else, as the server said.
    pub met: FxHashSet<String>,
    /// Parked without an answer that names them: nobody there knows whether they took effect.
    pub unanswered: FxHashSet<String>,
    /// Temporary ids, and the records that they became.
    named: FxHashMap<Word, (String, String)>,
    /// The server ids of before a restoration that took the creations back.
    unnamed: FxHashMap<Word, Vec<String>>,
    /// The tables for which a cursor was given.
    pub served: FxHashMap<String, Vec<String>>,
    /// How far each database has been told, by set: the epoch, the place, and its tables.
    pub told: BTreeMap<(usize, String), (String, u64, Vec<String>)>,
    pub epoch: String,
    /// Records that a restoration took back, wholly or in part.
    pub restored: BTreeSet<(String, String)>,
}

impl Books {
    #[must_use]
    pub fn new(journal: Journal, store: SimStore) -> Self {
        let epoch = store.where_it_stands().epoch;
        Self {
            journal,
            store,
            lives: FxHashMap::default(),
            rows: BTreeMap::new(),
            by_seq: BTreeMap::new(),
            applied: FxHashMap::default(),
            horizon: 0,
            ever_applied: FxHashSet::default(),
            rejected: FxHashSet::default(),
            met: FxHashSet::default(),
            unanswered: FxHashSet::default(),
            named: FxHashMap::default(),
            unnamed: FxHashMap::default(),
            served: FxHashMap::default(),
            told: BTreeMap::new(),
            epoch,
            restored: BTreeSet::new(),
        }
    }

    /// Whether it ever took effect at the server.
    #[must_use]
    pub fn was_applied(&self, principal: &str, mutation: &str) -> bool {
        self.ever_applied.contains(&(principal.to_owned(), mutation.to_owned()))
    }

    /// Whether it took effect, and the server has to know that it did.
    #[must_use]
    pub fn is_remembered(&self, principal: &str, mutation: &str) -> bool {
        let at = self.applied.get(&(principal.to_owned(), mutation.to_owned()));
        at.is_some_and(|at| *at >= self.horizon)
    }

    /// Whether the server has said that it will not apply it.
    #[must_use]
    pub fn was_refused(&self, principal: &str, mutation: &str) -> bool {
        self.rejected.contains(&(principal.to_owned(), mutation.to_owned()))
    }

    /// The server's row that a database means by this id.
    #[must_use]
    pub fn row(&self, principal: &str, table: &str, id: &str) -> Option<&Row> {
        let named = self.named.get(&(principal.to_owned(), id.to_owned()));
        match named {
            Some(key) => self.rows.get(key),
            None => self.rows.get(&(table.to_owned(), id.to_owned())),
        }
    }

    /// The server id of what was created under this temporary id.
    #[must_use]
    pub fn id_of(&self, principal: &str, temporary: &str) -> Option<&str> {
        let named = self.named.get(&(principal.to_owned(), temporary.to_owned()));
        named.map(|(_, id)| id.as_str())
    }

    /// Whether a temporary id had this server id until a restoration took the creation back.
    #[must_use]
    pub fn was_id_of(&self, principal: &str, temporary: &str, id: &str) -> bool {
        let before = self.unnamed.get(&(principal.to_owned(), temporary.to_owned()));
        before.is_some_and(|ids| ids.iter().any(|before| before == id))
    }

    /// Enters what the server has done since.
    pub fn bring_up_to_date(&mut self) {
        for event in self.store.take_events() {
            match event {
                Event::Committed { records, answers, audit } => {
                    for record in &records {
                        self.enter_record(record);
                    }
                    for answer in &answers {
                        self.enter_answer(answer);
                    }
                    for line in &audit {
                        // What is remembered is said again, however things stand by then.
                        let is_first =
                            line.status != Status::Conflict || self.met.insert(line.operation_id.clone());
                        self.judge_order(line);
                        if is_first {
                            self.judge_refusal(line);
                        }
                    }
                }
                Event::Restored { epoch, rows, keys } => self.enter_restoration(epoch, rows, keys),
                Event::Purged { horizon } => {
                    self.journal.note(|| ("server", format!("* purged up to {horizon}")));
                    self.horizon = self.horizon.max(horizon);
                    let dead = |record: &Record| record.deleted && record.updated_at < horizon;
                    let purged = self.rows.values().filter_map(Row::now).filter(|record| dead(record));
                    let places: Vec<u64> = purged.map(|record| record.seq).collect();
                    for place in places {
                        self.by_seq.remove(&place);
                    }
                }
            }
        }
    }

    fn enter_record(&mut self, record: &Arc<Record>) {
        let key = (record.table.clone(), record.id.clone());
        let name = format!("{}/{}", record.table, record.id);
        self.journal.note(|| {
            let what = if record.deleted {
                "tombstone".to_owned()
            } else {
                serde_json::to_string(&record.data).unwrap_or_default()
            };
            ("server", format!("committed {name} version {} place {}: {what}", record.version, record.seq))
        });
        let row = self.rows.entry(key.clone()).or_default();
        let before = row.now().cloned();
        match &before {
            Some(before) if before.deleted && !record.deleted => {
                let what = format!("{name} was deleted and lives again at the server");
                self.journal.broken(number::NOTHING_RESURRECTED, what, &[&name]);
            }
            Some(before) if before.version + 1 != record.version => {
                let what = format!("{name} went from version {} to {}", before.version, record.version);
                self.journal.broken(number::ONCE, what, &[&name]);
            }
            Some(_) | None => {}
        }
        if let Some(before) = before.filter(|before| before.seq != record.seq) {
            self.by_seq.remove(&before.seq);
        }
        row.versions.push(Version { record: Arc::clone(record), is_lost: false });
        self.by_seq.insert(record.seq, (key.0.clone(), key.1.clone(), record.version));
        if let (1, Some(created_as)) = (record.version, &record.created_as) {
            let word = (record.created_by.clone(), created_as.clone());
            if let Some(twin) = self.named.insert(word, key.clone()) {
                let now = self.rows.get(&twin).and_then(Row::now);
                let is_dead = now.is_some_and(|twin| twin.deleted);
                // Nobody knows of it any more: who was told so, and tries again, means a new one.
                let is_forgotten = now.is_some_and(|twin| twin.deleted && twin.updated_at < self.horizon);
                let promise = if is_dead { number::NOTHING_RESURRECTED } else { number::ONCE };
                let what = format!("{created_as} was created twice, as {}/{} and {name}", twin.0, twin.1);
                if !is_forgotten {
                    self.journal.broken(promise, what, &[created_as, &name]);
                }
            }
        }
        for ((database, _), (epoch, seq, tables)) in &self.told {
            if *epoch == self.epoch && *seq >= record.seq && tables.contains(&record.table) {
                let what = format!(
                    "database {database} has a cursor at {seq}, and {name} was committed at {} after that",
                    record.seq
                );
                self.journal.broken(number::NOTHING_SKIPPED, what, &[&name]);
            }
        }
    }

    fn enter_answer(&mut self, answer: &Answer) {
        let mutation = answer.result.id.as_str();
        let word = (answer.principal.clone(), mutation.to_owned());
        self.journal.note(|| {
            let id = answer.result.record_id.as_deref().unwrap_or(&answer.local_id);
            let status = answer.result.status.name();
            let code = answer.result.code.as_deref().unwrap_or_default();
            ("server", format!("decided {mutation} {status} {code} {}/{id}", answer.table))
        });
        if answer.result.status != Status::Applied {
            self.rejected.insert(word);
            return;
        }
        if self.applied.insert(word.clone(), answer.at).is_some() {
            let what = format!("mutation {mutation} took effect twice");
            self.journal.broken(number::ONCE, what, &[mutation]);
        }
        let is_first = self.ever_applied.insert(word);
        let Some(life) = self.lives.get(mutation) else {
            let what = format!("the server applied mutation {mutation}, which nobody has in the log");
            self.journal.broken(number::DURABLE, what, &[mutation]);
            return;
        };
        if life.principal != answer.principal {
            let what =
                format!("mutation {mutation} of {} was applied as {}'s", life.principal, answer.principal);
            self.journal.broken(number::ISOLATED_TENANTS, what, &[mutation]);
        }
        if is_first && life.standing == Standing::Gone {
            let what = format!("mutation {mutation} took effect after it had left the outbox");
            self.journal.broken(number::CONSERVED, what, &[mutation]);
        }
        let id = answer.result.record_id.clone().unwrap_or_default();
        let Some(row) = self.rows.get_mut(&(answer.table.clone(), id)) else { return };
        let last = row.applied.entry(life.database).or_default();
        if *last > life.order {
            let what =
                format!("mutation {mutation} took effect after one of its record that was written later");
            self.journal.broken(number::ORDERED, what, &[mutation]);
        }
        *last = life.order;
        let made_by = (mutation.to_owned(), life.database);
        row.made_by.insert(answer.result.version.unwrap_or_default(), made_by);
    }

    /// Whether a refusal follows from an order that was not kept: what it needed was here to be sent before it.
    fn judge_order(&self, told: &AuditLine) {
        let (Status::Rejected, Some(code)) = (told.status, told.code.as_deref()) else { return };
        let Some(life) = self.lives.get(&told.operation_id) else { return };
        let needed: Vec<&str> = match code {
            "reference-in-use" => return self.judge_departures(told, life),
            "record-not-found" => vec![told.local_id.as_str()],
            "reference-missing" => {
                let data = told.payload.get("data").and_then(serde_json::Value::as_object);
                let fields = data.into_iter().flatten().filter(|(name, _)| name.ends_with("_id"));
                fields.filter_map(|(_, value)| value.as_str()).collect()
            }
            _ => return,
        };
        // What a restoration took back may have been applied before what needs it.
        let is_restored = |id: &str| self.restored.iter().any(|(_, restored)| restored == id);
        for id in needed.into_iter().filter(|id| !is_restored(id)) {
            let create = self.lives.iter().find(|(_, other)| {
                other.operation == Operation::Create
                    && other.record_id == id
                    && other.database == life.database
                    && other.standing != Standing::Gone
            });
            let Some((create, _)) = create else { continue };
            if !self.was_applied(&told.principal, create) {
                let mutation = &told.operation_id;
                let what =
                    format!("mutation {mutation} reached the server before {create}, which creates {id}");
                self.journal.broken(number::ORDERED, what, &[mutation, create]);
            }
        }
    }

    /// Whether a parent's deletion came before that of a child which was written earlier.
    fn judge_departures(&self, told: &AuditLine, life: &Life) {
        let Some(parent) = self.row(&told.principal, &told.table, &told.local_id).and_then(Row::now) else {
            return;
        };
        for (mutation, other) in &self.lives {
            let is_earlier = other.database == life.database
                && other.operation == Operation::Delete
                && other.standing == Standing::Waiting
                && other.order < life.order;
            if !is_earlier {
                continue;
            }
            // One that was moved there by somebody else is not known to be in the way.
            let child = self.row(&other.principal, &other.table, &other.record_id);
            let refers = child.is_some_and(|child| {
                child.now().is_some_and(|now| !now.deleted)
                    && child
                        .versions
                        .iter()
                        .all(|version| version.record.data.values().any(|value| *value == *parent.id))
            });
            if refers {
                let name = format!("{}/{}", told.table, parent.id);
                let what =
                    format!("{name} was to be deleted before what {mutation} deletes, which refers to it");
                self.journal.broken(number::ORDERED, what, &[&told.operation_id, mutation]);
            }
        }
    }

    /// Whether something is refused that is done already, or for no other reason than what the same device did before.
    fn judge_refusal(&self, told: &AuditLine) {
        let is_refused = match told.status {
            Status::Applied | Status::Duplicate => false,
            Status::Conflict | Status::Deferred => true,
            Status::Rejected => told.code.as_deref() != Some("expired"),
        };
        let mutation = &told.operation_id;
        if !is_refused || told.operation == OperationKind::Withdraw {
            return;
        }
        if self.is_remembered(&told.principal, mutation) {
            let what = format!("mutation {mutation} took effect, and the server knows nothing of it");
            return self.journal.broken(number::ONCE, what, &[mutation]);
        }
        let (Some(life), Some(row)) =
            (self.lives.get(mutation), self.row(&told.principal, &told.table, &told.local_id))
        else {
            return;
        };
        // After a purge nobody may know any more what was done to a record before.
        let is_news = self.horizon == 0
            && !self.was_applied(&told.principal, mutation)
            && told.status == Status::Conflict
            && told.operation != OperationKind::Create
            && !row.versions.iter().any(|version| version.is_lost);
        let (Some(base), Some(now), true) =
            (told.payload["baseVersion"].as_u64(), row.now().map(|record| record.version), is_news)
        else {
            return;
        };
        let is_known_here = |version| {
            let made_by: Option<&(String, usize)> = row.made_by.get(&version);
            made_by.is_some_and(|(mutation, database)| {
                *database == life.database && !self.unanswered.contains(mutation)
            })
        };
        if base < now && (base + 1..=now).all(is_known_here) {
            let what = format!("mutation {mutation} conflicts with nothing but what was written before it");
            self.journal.broken(number::ISOLATED_FAILURE, what, &[mutation]);
        }
    }

    fn enter_restoration(&mut self, epoch: String, rows: Vec<Word>, keys: Vec<Word>) {
        self.journal.note(|| ("server", format!("* restored from a backup, {} rows taken back", rows.len())));
        for key in rows {
            let Some(row) = self.rows.get_mut(&key) else { continue };
            row.applied.clear();
            let Some(version) = row.versions.iter_mut().rev().find(|version| !version.is_lost) else {
                continue;
            };
            version.is_lost = true;
            self.by_seq.remove(&version.record.seq);
            if let (1, Some(created_as)) = (version.record.version, &version.record.created_as) {
                let word = (version.record.created_by.clone(), created_as.clone());
                if let Some((_, id)) = self.named.remove(&word) {
                    self.unnamed.entry(word).or_default().push(id);
                }
            }
            if let Some(now) = row.now() {
                self.by_seq.insert(now.seq, (key.0.clone(), key.1.clone(), now.version));
            }
            self.restored.insert(key);
        }
        for key in keys {
            self.applied.remove(&key);
        }
        self.epoch = epoch;
    }
}
