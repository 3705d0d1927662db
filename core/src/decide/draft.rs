//! A state with changes on top that are not yet in the log.
//!
//! Several commands are decided into one entry, each on what those before it decided; and the entry may turn out void,
//! so nothing of it touches the state until it is known to be valid.

use std::{
    cell::{Ref, RefCell},
    rc::Rc,
};

use rustc_hash::FxHashMap;

use crate::{
    activity::{Activity, What},
    body::Body,
    log::{
        conflict::Conflict,
        entry::{
            Base, Change, Cursor, FullPull, Id, Mapping, Mutation, MutationState, Operation, Record, Seen,
            ServerCopy, TableStats,
        },
    },
    planted, pull,
    schema::Schema,
    sorted::{SortedSet, sort_by},
    state::{Meta, State, references},
};

type Key = (Id, Id);

/// The changes of one entry in the making, and the state as they will leave it.
pub struct Draft<'s, B: Body> {
    state: &'s State<B>,
    changes: Vec<Change<B>>,
    /// Where among the changes rows of records and mutations are. Brought up to date when somebody asks: who writes ten
    /// thousand new records never does.
    places: RefCell<Places>,
    /// Where in `changes` the latest row of a key is.
    bases: FxHashMap<Key, usize>,
    conflicts: FxHashMap<Id, usize>,
    mappings: FxHashMap<Id, Id>,
    cursors: FxHashMap<Id, usize>,
    meta: FxHashMap<Id, usize>,
    changes_records: bool,
    next_sequence: u64,
    /// Where the newest line of the activity log is.
    last_line: Option<usize>,
    stats: FxHashMap<Id, usize>,
}

#[derive(Default)]
struct Places {
    /// So many of the changes are looked at.
    until: usize,
    records: FxHashMap<Key, usize>,
    mutations: FxHashMap<Id, usize>,
    /// The mutations that were put, by the record that they belonged to then.
    mutations_of: FxHashMap<Key, Vec<Id>>,
    /// Who among them named an id as a dependency.
    dependents: FxHashMap<Id, Vec<Id>>,
}

impl Places {
    fn follow<B>(&mut self, changes: &[Change<B>]) {
        for (at, change) in changes.iter().enumerate().skip(self.until) {
            match change {
                Change::Record { table, id, .. } => {
                    self.records.insert((table.clone(), id.clone()), at);
                }
                Change::Mutation { id, row } => {
                    self.mutations.insert(id.clone(), at);
                    let Some(mutation) = row else { continue };
                    let key = (mutation.table.clone(), mutation.record_id.clone());
                    note(self.mutations_of.entry(key).or_default(), id);
                    for dependency in &mutation.dependencies {
                        note(self.dependents.entry(dependency.clone()).or_default(), id);
                    }
                }
                _ => {}
            }
        }
        self.until = changes.len();
    }
}

/// One that was put before, and others since, comes twice.
fn note(ids: &mut Vec<Id>, id: &Id) {
    if ids.last() != Some(id) {
        ids.push(id.clone());
    }
}

/// In the order of writing, each once.
fn in_order<B>(mutations: &mut Vec<Rc<Mutation<B>>>) {
    sort_by(mutations, |one, other| one.sequence.cmp(&other.sequence));
    mutations.dedup_by_key(|mutation| mutation.sequence);
}

/// How far a draft had come, to go back there when a command fails half way.
pub struct Mark(usize);

impl<'s, B: Body> Draft<'s, B> {
    #[must_use]
    pub fn new(state: &'s State<B>) -> Self {
        Self {
            state,
            changes: Vec::new(),
            places: RefCell::default(),
            bases: FxHashMap::default(),
            conflicts: FxHashMap::default(),
            mappings: FxHashMap::default(),
            cursors: FxHashMap::default(),
            meta: FxHashMap::default(),
            changes_records: false,
            next_sequence: state.outbox.next_sequence(),
            last_line: None,
            stats: FxHashMap::default(),
        }
    }

    #[must_use]
    pub fn into_changes(self) -> Vec<Change<B>> {
        self.changes
    }

    /// So many more changes are about to be put.
    pub(super) fn reserve(&mut self, more: usize) {
        self.changes.reserve(more);
    }

    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.changes.len())
    }

    /// Forgets everything since the mark.
    pub fn rewind(&mut self, mark: &Mark) {
        if self.changes.len() == mark.0 {
            return;
        }
        let mut kept = std::mem::take(&mut self.changes);
        kept.truncate(mark.0);
        *self = Self::new(self.state);
        for change in kept {
            self.push(change);
        }
    }

    #[must_use]
    pub fn schema(&self) -> &'s Schema {
        self.state.schema()
    }

    #[must_use]
    pub fn state(&self) -> &'s State<B> {
        self.state
    }

    fn places(&self) -> Ref<'_, Places> {
        if self.places.borrow().until < self.changes.len() {
            self.places.borrow_mut().follow(&self.changes);
        }
        self.places.borrow()
    }

    /// Where this draft puts a record, if it does.
    fn record_at(&self, table: &Id, id: &Id) -> Option<usize> {
        if !self.changes_records {
            return None;
        }
        self.places().records.get(&(table.clone(), id.clone())).copied()
    }

    fn mutation_at(&self, id: &str) -> Option<usize> {
        self.places().mutations.get(id).copied()
    }

    fn puts_mutation(&self, mutation: &Mutation<B>) -> bool {
        self.mutation_at(&mutation.id).is_some()
    }

    /// A record as this draft leaves it, tombstones included.
    #[must_use]
    pub fn record(&self, table: &Id, id: &Id) -> Option<&Record<B>> {
        match self.record_at(table, id).map(|at| &self.changes[at]) {
            Some(Change::Record { row, .. }) => row.as_ref(),
            _ => self.state.record(table, id),
        }
    }

    /// A record that is there: not deleted.
    #[must_use]
    pub fn live(&self, table: &Id, id: &Id) -> Option<&Record<B>> {
        self.record(table, id).filter(|record| !record.deleted)
    }

    /// The records of a table that this draft puts or takes away, in no order.
    pub fn drafted(&self, table: &str) -> Vec<Id> {
        let places = self.places();
        places.records.keys().filter(|(of, _)| **of == *table).map(|(_, id)| id.clone()).collect()
    }

    /// The exchanges of ids in this draft: temporary id, server id.
    pub fn exchanges(&self) -> impl Iterator<Item = (&Id, &Id)> {
        self.mappings.iter()
    }

    #[must_use]
    pub fn changes_records(&self) -> bool {
        self.changes_records
    }

    #[must_use]
    pub fn base(&self, table: &Id, id: &Id) -> Option<&Base<B>> {
        match self.bases.get(&(table.clone(), id.clone())).map(|at| &self.changes[*at]) {
            Some(Change::Base { row, .. }) => row.as_ref(),
            _ => self.state.base(table, id),
        }
    }

    #[must_use]
    pub fn mutation(&self, id: &str) -> Option<&Rc<Mutation<B>>> {
        match self.mutation_at(id).map(|at| &self.changes[at]) {
            Some(Change::Mutation { row, .. }) => row.as_ref(),
            _ => self.state.outbox.get(id),
        }
    }

    /// The conflict that a mutation met, open or settled.
    #[must_use]
    pub fn conflict(&self, id: &str) -> Option<&Rc<Conflict<B>>> {
        match self.conflicts.get(id).map(|at| &self.changes[*at]) {
            Some(Change::Conflict { row, .. }) => row.as_ref(),
            _ => self.state.conflicts.get(id),
        }
    }

    #[must_use]
    pub fn cursor(&self, set: &str) -> Option<&Cursor> {
        match self.cursors.get(set).map(|at| &self.changes[*at]) {
            Some(Change::Cursor { row, .. }) => row.as_ref(),
            _ => self.state.cursor(set),
        }
    }

    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        match self.meta.get(key).map(|at| &self.changes[*at]) {
            Some(Change::Meta { value, .. }) => value.as_deref(),
            _ => self.state.meta(key),
        }
    }

    /// One record's mutations, in the order of writing.
    #[must_use]
    pub fn mutations_of(&self, table: &Id, id: &Id) -> Vec<Rc<Mutation<B>>> {
        let held = self.state.outbox.of_record(table, id);
        let mut found: Vec<_> = held.filter(|mutation| !self.puts_mutation(mutation)).cloned().collect();
        let places = self.places();
        if let Some(drafted) = places.mutations_of.get(&(table.clone(), id.clone())) {
            let drafted = drafted.iter().filter_map(|id| self.mutation(id));
            let here = drafted.filter(|mutation| mutation.table == *table && mutation.record_id == *id);
            found.extend(here.cloned());
            in_order(&mut found);
        }
        found
    }

    /// The mutations that name `id` as a dependency, in the order of writing.
    #[must_use]
    pub fn dependents(&self, id: &Id) -> Vec<Rc<Mutation<B>>> {
        let held = self.state.outbox.dependents(id).filter(|mutation| !self.puts_mutation(mutation));
        let places = self.places();
        let drafted = places.dependents.get(id).into_iter().flatten().filter_map(|key| self.mutation(key));
        let mut found: Vec<_> =
            held.chain(drafted.filter(|mutation| mutation.dependencies.contains(id))).cloned().collect();
        in_order(&mut found);
        found
    }

    /// All mutations, in no order.
    pub fn all_mutations(&self) -> impl Iterator<Item = &Rc<Mutation<B>>> {
        let held = self.state.outbox.iter().filter(|mutation| !self.puts_mutation(mutation));
        let drafted: Vec<Id> = self.places().mutations.keys().cloned().collect();
        held.chain(drafted.into_iter().filter_map(|id| self.mutation(&id)))
    }

    /// The live records of `child` whose foreign key `field` is `id`.
    #[must_use]
    pub fn children(&self, child: &Id, field: &str, id: &str) -> Vec<Id> {
        let mut found: SortedSet<Id> = self
            .state
            .table(child)
            .map(|table| table.referencing(field, id))
            .into_iter()
            .flatten()
            .filter(|child_id| self.record_at(child, child_id).is_none())
            .collect();
        found.extend(self.drafted(child).into_iter().filter(|child_id| {
            self.live(child, child_id).is_some_and(|row| row.data.text(field).as_deref() == Some(id))
        }));
        found.into_iter().collect()
    }

    /// The id under which a record lives now.
    #[must_use]
    pub fn resolve(&self, id: &Id) -> Id {
        self.mappings.get(id).cloned().unwrap_or_else(|| self.state.resolve(id))
    }

    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    pub fn put_record(&mut self, table: &Id, id: &Id, row: Option<Record<B>>) {
        self.push(Change::Record { table: table.clone(), id: id.clone(), row });
    }

    /// Puts the same record in place with other data: instead of the row that this draft has of it already, so that
    /// the entry does not grow by it.
    pub(crate) fn amend_record(&mut self, table: &Id, id: &Id, data: B) {
        let Some(record) = self.record(table, id) else { return };
        let amended = Record { data, ..record.clone() };
        match self.record_at(table, id).and_then(|at| self.changes.get_mut(at)) {
            Some(Change::Record { row, .. }) => *row = Some(amended),
            _ => self.put_record(table, id, Some(amended)),
        }
    }

    /// Keeps the server's copies of a record, without roll-ups: those are nobody's but ours.
    pub fn put_base(&mut self, table: &Id, id: &Id, row: Option<Base<B>>) {
        let bare = |copy: ServerCopy<B>| ServerCopy { data: self.without_rollups(table, copy.data), ..copy };
        let row =
            row.map(|row| Base { base: row.base.map(bare), theirs: row.theirs.map(bare), left: row.left });
        self.push(Change::Base { table: table.clone(), id: id.clone(), row });
    }

    pub fn put_mutation(&mut self, mutation: Mutation<B>) {
        if mutation.state != MutationState::Conflict {
            self.close_conflict(&mutation.id);
        }
        self.push(Change::Mutation { id: mutation.id.clone(), row: Some(Rc::new(mutation)) });
    }

    pub fn remove_mutation(&mut self, id: &Id) {
        self.close_conflict(id);
        self.push(Change::Mutation { id: id.clone(), row: None });
    }

    pub fn put_conflict(&mut self, id: &Id, row: Option<Conflict<B>>) {
        self.push(Change::Conflict { id: id.clone(), row: row.map(Rc::new) });
    }

    /// A conflict is open as long as its mutation waits for somebody's decision about it.
    fn close_conflict(&mut self, id: &Id) {
        if self.conflict(id).is_some_and(|row| row.settled.is_none()) {
            self.put_conflict(id, None);
        }
    }

    pub fn put_cursor(&mut self, set: &Id, row: Option<Cursor>) {
        self.push(Change::Cursor { set: set.clone(), row });
    }

    /// Begins to pull a set from the beginning, and keeps what it has until it is replaced.
    pub fn pull_anew(&mut self, set: &Id) {
        let known = self.cursor(set).cloned();
        let full = known.as_ref().and_then(|known| known.full);
        self.drop_seen(set, full.map_or(0, |full| full.pages));
        let epoch = known.as_ref().and_then(|known| known.epoch.clone());
        let cursor = Cursor {
            cursor: String::new(),
            at: known.as_ref().map_or(0, |known| known.at),
            epoch: epoch.or_else(|| self.meta(Meta::EPOCH).map(Id::from)),
            // One that was begun because of a restoration is not over: some rows here are still of before. And nobody knows
            // of which epoch rows are that another release has pulled in sets of its own.
            full: Some(FullPull {
                forced: known.is_none() || full.is_some_and(|full| full.forced),
                pages: 0,
            }),
        };
        self.put_cursor(set, Some(cursor));
    }

    /// Begins to pull every set from the beginning that this table is in.
    pub fn pull_table_anew(&mut self, table: &str) {
        let sets = self.state.cursors().map(|(set, _)| set).filter(|set| pull::is_in(table, set));
        for set in sets.cloned().collect::<Vec<_>>() {
            self.pull_anew(&set);
        }
    }

    /// Notes what a page of a full pull brought.
    pub fn put_seen(&mut self, set: &Id, page: u32, rows: Rc<Seen>) {
        self.push(Change::Seen { set: set.clone(), page, rows: Some(rows) });
    }

    /// Forgets what the pages of a full pull brought.
    pub fn drop_seen(&mut self, set: &Id, pages: u32) {
        for page in 0..pages {
            self.push(Change::Seen { set: set.clone(), page, rows: None });
        }
    }

    /// Takes a fact away, if there is one.
    pub fn take_meta(&mut self, key: &str) {
        if self.meta(key).is_some() {
            self.push(Change::Meta { key: key.into(), value: None });
        }
    }

    /// Notes a fact, unless it is known already.
    pub fn put_meta(&mut self, key: &str, value: String) {
        if self.meta(key) != Some(value.as_str()) {
            self.push(Change::Meta { key: key.into(), value: Some(value) });
        }
    }

    /// Writes a line into the activity log, or goes on in the last one.
    pub fn note(&mut self, at: u64, what: What) {
        let last = match self.last_line.map(|last| &self.changes[last]) {
            Some(Change::Activity(line)) => Some(line),
            _ => self.state.activity.newest(),
        };
        let line = last.and_then(|last| last.joined(at, &what)).unwrap_or_else(|| {
            let number = last.map_or(0, |last| last.number + 1);
            Activity { number, at, what }
        });
        self.push(Change::Activity(line));
    }

    /// Counts something of a table.
    pub fn count(&mut self, table: &Id, count: impl FnOnce(&mut TableStats)) {
        let known = self.stats(table);
        let mut row = known;
        count(&mut row);
        if row != known {
            self.push(Change::Stats { table: table.clone(), row });
        }
    }

    fn stats(&self, table: &str) -> TableStats {
        match self.stats.get(table).map(|at| &self.changes[*at]) {
            Some(Change::Stats { row, .. }) => *row,
            _ => self.state.stats(table),
        }
    }

    /// How much was heard of these tables: [`State::heard`], with what this entry adds.
    #[must_use]
    pub fn heard(&self, tables: &[Id]) -> u64 {
        tables.iter().map(|table| self.stats(table).heard()).sum()
    }

    /// Records an exchange of ids. The mutations in the outbox take the server id here, but for one that leaves it in this
    /// entry; foreign keys in records take it when this entry is folded.
    pub fn put_mapping(&mut self, mapping: &Mapping, leaving: Option<&Id>) {
        self.push(Change::Mapping(mapping.clone()));
        let of_record = self.mutations_of(&mapping.table, &mapping.temporary);
        // Who refers to the record by its temporary id depends on the mutation that creates it.
        let creates = of_record.iter().filter(|mutation| mutation.operation == Operation::Create);
        let referring: Vec<_> = creates.flat_map(|create| self.dependents(&create.id)).collect();
        let moving = of_record.into_iter().filter(|mutation| Some(&mutation.id) != leaving);
        for mutation in moving.filter(|_| !planted!("update-left-at-temporary-id")) {
            let mut moved = (*mutation).clone();
            moved.record_id = mapping.server.clone();
            self.put_mutation(moved);
        }
        for mutation in referring.into_iter().filter(|_| !planted!("queued-reference-left")) {
            let Some(current) = self.mutation(&mutation.id) else { continue };
            let Mapping { temporary, server, .. } = mapping;
            let data =
                references::exchange_one(self.schema(), &current.table, &current.data, temporary, server);
            if let Some(data) = data {
                let mut exchanged = (**current).clone();
                exchanged.data = data;
                self.put_mutation(exchanged);
            }
        }
    }

    /// What of a record's fields comes from its own writers.
    pub(super) fn without_rollups(&self, table: &Id, data: B) -> B {
        let Some(definition) = self.schema().table(table) else { return data };
        let held = definition.rollups.keys().filter(|name| data.kind(name).is_some());
        let held: Vec<String> = held.cloned().collect();
        if held.is_empty() { data } else { data.patched(&B::empty(), &held) }
    }

    /// Whether two bodies of a table hold the same values, but for what follows from children.
    pub(super) fn same_data(&self, table: &Id, left: &B, right: &B) -> bool {
        let value = |body: &B| {
            let own = self.without_rollups(table, body.clone());
            crate::json::from_str::<serde_json::Value>(&own.to_json()).ok()
        };
        left.same(right) || value(left) == value(right)
    }

    /// The data with every temporary id in a foreign key that is mapped by now exchanged.
    #[must_use]
    pub fn resolved(&self, table: &str, data: B) -> B {
        let data = references::exchange(self.schema(), &self.state.ids, table, &data).unwrap_or(data);
        if self.mappings.is_empty() {
            return data;
        }
        let Some(definition) = self.schema().table(table) else { return data };
        definition.references.keys().fold(data, |data, field| {
            match data.text(field).and_then(|text| self.mappings.get(&text).cloned()) {
                Some(server) => data.with_text(field, &server),
                None => data,
            }
        })
    }

    fn push(&mut self, change: Change<B>) {
        let at = self.changes.len();
        match &change {
            Change::Record { .. } => self.changes_records = true,
            Change::Base { table, id, .. } => {
                self.bases.insert((table.clone(), id.clone()), at);
            }
            Change::Mutation { row, .. } => {
                if let Some(mutation) = row {
                    self.next_sequence = self.next_sequence.max(mutation.sequence + 1);
                }
            }
            Change::Conflict { id, .. } => {
                self.conflicts.insert(id.clone(), at);
            }
            Change::Mapping(mapping) => {
                self.mappings.insert(mapping.temporary.clone(), mapping.server.clone());
            }
            Change::Meta { key, .. } => {
                self.meta.insert(key.clone(), at);
            }
            Change::Activity(_) => self.last_line = Some(at),
            Change::Stats { table, .. } => {
                self.stats.insert(table.clone(), at);
            }
            Change::Cursor { set, .. } => {
                self.cursors.insert(set.clone(), at);
            }
            Change::Seen { .. } => {}
        }
        self.changes.push(change);
    }
}
