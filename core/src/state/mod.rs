//! The fold: what all valid entries, in order, add up to.
//!
//! [`State::apply`] runs no rule: an entry says which rows are now in place. The one thing that it derives is the
//! exchange of ids: from a mapping on, every foreign key in the app's tables that held the temporary id holds the
//! server id ([`references`]). So an entry need not list what changes in tables that its writer had not loaded, and all
//! contexts still fold to the same state, byte for byte ([`State::export`]).

pub mod activity;
mod aside;
pub mod conflicts;
mod export;
pub mod ids;
pub mod outbox;
mod reasons;
pub mod references;

use std::{borrow::Cow, ops::Bound, rc::Rc};

use self::{activity::ActivityLog, conflicts::Conflicts, ids::IdMap, outbox::Outbox};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    body::Body,
    log::{
        entry::{Base, Change, Cursor, Id, Mapping, Position, Record, Seen, TableStats},
        release::Requirement,
    },
    planted,
    schema::Schema,
    sorted::{SortedMap, SortedSet},
    table::{Query, Table},
};

/// The database's own facts, by key.
pub struct Meta;

impl Meta {
    /// K1's device id: for tracking, never for authorisation.
    pub const DEVICE_ID: &'static str = "deviceId";
    /// Whose database it is.
    pub const TENANT: &'static str = "tenant";
    pub const PRINCIPAL: &'static str = "principal";
    /// The server epoch last seen.
    pub const EPOCH: &'static str = "epoch";
    /// The last server time seen.
    pub const SERVER_TIME: &'static str = "serverTime";
    /// By which roll-ups the records are derived ([`Schema::rollups_text`]); absent where some may be out of date.
    pub const ROLLUPS: &'static str = "rollups";
    /// By how much the server's clock is ahead of the device's, in milliseconds.
    pub const CLOCK_OFFSET: &'static str = "clockOffset";
}

/// Learns of every record that a fold changes, before it is gone.
pub trait Observer<B> {
    fn record_changed(&mut self, table: &Id, id: &Id, before: Option<&Record<B>>, after: Option<&Record<B>>);

    /// A record got its server id. Those that refer to it change after this.
    fn id_exchanged(&mut self, _: &Mapping) {}
}

/// For a fold that nobody watches.
impl<B> Observer<B> for () {
    fn record_changed(&mut self, _: &Id, _: &Id, _: Option<&Record<B>>, _: Option<&Record<B>>) {}
}

/// The state of one database, as far as this context has read its log.
pub struct State<B: Body> {
    /// The last valid entry that is folded in.
    pub head: Position,
    /// What the log requires of readers and writers from there on.
    pub requires: Requirement,
    schema: Rc<Schema>,
    /// The tables in memory; the others are in the store alone.
    tables: SortedMap<Id, Table<B>>,
    pub outbox: Outbox<B>,
    bases: FxHashMap<(Id, Id), Base<B>>,
    /// Of these the ones in which a foreign key still holds a temporary id: the answer to a create may come before the
    /// answer to its parent's.
    unnamed: SortedSet<(Id, Id)>,
    pub ids: IdMap,
    pub conflicts: Conflicts<B>,
    cursors: SortedMap<Id, Cursor>,
    seen: SortedMap<(Id, u32), Rc<Seen>>,
    meta: SortedMap<Id, String>,
    pub activity: ActivityLog,
    stats: SortedMap<Id, TableStats>,
    reasons: reasons::Reasons,
    aside: aside::Aside<B>,
    /// The places in the order of writing of those that need one that is parked.
    blocked: FxHashSet<u64>,
}

impl<B: Body> State<B> {
    /// Before entry 1, with no table loaded.
    #[must_use]
    pub fn new(schema: Rc<Schema>) -> Self {
        Self {
            head: Position::default(),
            requires: Requirement::default(),
            schema,
            tables: SortedMap::new(),
            outbox: Outbox::default(),
            bases: FxHashMap::default(),
            unnamed: SortedSet::new(),
            ids: IdMap::default(),
            conflicts: Conflicts::default(),
            cursors: SortedMap::new(),
            seen: SortedMap::new(),
            meta: SortedMap::new(),
            activity: ActivityLog::default(),
            stats: SortedMap::new(),
            reasons: reasons::Reasons::default(),
            aside: aside::Aside::default(),
            blocked: FxHashSet::default(),
        }
    }

    #[must_use]
    pub fn schema(&self) -> &Rc<Schema> {
        &self.schema
    }

    /// A table, if it is loaded.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table<B>> {
        self.tables.get(name)
    }

    #[must_use]
    pub fn is_loaded(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }

    /// The names of the loaded tables.
    pub fn loaded(&self) -> impl Iterator<Item = &Id> {
        self.tables.keys()
    }

    /// A record of a loaded table, tombstones included.
    #[must_use]
    pub fn record(&self, table: &str, id: &str) -> Option<&Record<B>> {
        self.tables.get(table)?.get(id)
    }

    #[must_use]
    pub fn base(&self, table: &Id, id: &Id) -> Option<&Base<B>> {
        self.bases.get(&(table.clone(), id.clone()))
    }

    #[must_use]
    pub fn cursor(&self, set: &str) -> Option<&Cursor> {
        self.cursors.get(set)
    }

    /// The cursors of all sets, also of those of other releases.
    pub fn cursors(&self) -> impl Iterator<Item = (&Id, &Cursor)> {
        self.cursors.iter()
    }

    /// What a page of a full pull that is under way brought.
    #[must_use]
    pub fn seen(&self, set: &Id, page: u32) -> Option<&Rc<Seen>> {
        self.seen.get(&(set.clone(), page))
    }

    /// When anything was last pulled, by this device's clock.
    #[must_use]
    pub fn last_pull_at(&self) -> Option<u64> {
        self.cursors.values().map(|cursor| cursor.at).max()
    }

    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.meta.get(key).map(String::as_str)
    }

    /// What was counted of a table over time.
    #[must_use]
    pub fn stats(&self, table: &str) -> TableStats {
        self.stats.get(table).copied().unwrap_or_default()
    }

    /// How much was [heard](TableStats::heard) of these tables.
    #[must_use]
    pub fn heard(&self, tables: &[Id]) -> u64 {
        tables.iter().map(|table| self.stats(table).heard()).sum()
    }

    /// How often any table was pulled [from the beginning](TableStats::beginnings).
    #[must_use]
    pub fn beginnings(&self) -> u64 {
        self.stats.values().map(|stats| stats.beginnings).sum()
    }

    /// The facts whose keys begin with `prefix`, in the order of their keys.
    pub fn facts<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Id, &'a str)> {
        let from = self.meta.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(prefix)).map(|(key, value)| (key, value.as_str()))
    }

    /// The id under which a record lives now.
    #[must_use]
    pub fn resolve(&self, id: &Id) -> Id {
        self.ids.server_id(id).unwrap_or(id).clone()
    }

    /// A query of one of the tables: what it asks for by an old id in a foreign key it asks for by the id of now.
    #[must_use]
    pub fn resolved<'q>(&self, table: &str, query: &'q Query) -> Cow<'q, Query> {
        let references = self.schema.table(table).map(|table| &table.references);
        let is_reference = |field: &str| references.is_some_and(|known| known.contains_key(field));
        let exchanged = query.exchanged(is_reference, |id| self.ids.server_id(id).cloned());
        exchanged.map_or(Cow::Borrowed(query), Cow::Owned)
    }

    /// Begins to hold a table with the rows of its segments: runs oldest first, each in the order of its keys. Rows of
    /// it that are applied from now on are kept.
    pub fn hold_table(&mut self, name: &str, runs: Vec<Vec<Change<B>>>) {
        let Some(definition) = self.schema.table(name) else { return };
        let mut table = Table::new(definition.indexes.clone());
        let ids = if planted!("loaded-reference-left") { &IdMap::default() } else { &self.ids };
        for run in runs {
            table.reserve(run.len());
            let mut gone = Vec::new();
            table.extend(run.into_iter().filter_map(|row| {
                match references::exchange_in_row(&self.schema, ids, row) {
                    Change::Record { id, row: Some(record), .. } => Some((id, record)),
                    Change::Record { id, row: None, .. } => {
                        gone.push(id);
                        None
                    }
                    _ => None,
                }
            }));
            for id in gone {
                table.remove(&id);
            }
        }
        for ((_, id), reason) in self.reasons.iter().filter(|((table, _), _)| **table == *name) {
            table.set_reason(id, Some(*reason));
        }
        self.tables.insert(name.into(), table);
        self.aside.forget_written(name);
    }

    /// Goes on to a valid entry; its changes are [applied](Self::apply) for themselves.
    pub fn advance(&mut self, position: Position, requires: Option<Requirement>) {
        self.head = position;
        self.requires = self.requires.raised_to(requires.unwrap_or_default());
    }

    /// Folds the changes of one valid entry.
    pub fn apply(&mut self, changes: Vec<Change<B>>, observer: &mut impl Observer<B>) {
        let touches_reasons = self.touches_reasons(&changes);
        self.reserve(&changes);
        for change in changes {
            match change {
                Change::Record { table, id, row } => self.put_record(&table, &id, row, observer),
                Change::Base { table, id, row } => self.put_base((table, id), row),
                Change::Mutation { row: Some(mutation), .. } => self.outbox.put(mutation),
                Change::Mutation { id, row: None } => self.outbox.remove(&id),
                Change::Conflict { id, row: Some(row) } => {
                    self.conflicts.put(&self.schema, &self.ids, id, row);
                }
                Change::Conflict { id, row: None } => self.conflicts.remove(&id),
                Change::Mapping(mapping) => {
                    let (table, temporary) = (mapping.table.clone(), mapping.temporary.clone());
                    self.activity.exchange(&mapping);
                    observer.id_exchanged(&mapping);
                    self.ids.insert(mapping);
                    for key in std::mem::take(&mut self.unnamed) {
                        let base = self.bases.remove(&key);
                        self.put_base(key, base);
                    }
                    self.conflicts.exchange(&self.schema, &self.ids);
                    self.exchange_references(&table, &temporary, observer);
                }
                Change::Cursor { set, row: Some(cursor) } => {
                    self.cursors.insert(set, cursor);
                }
                Change::Cursor { set, row: None } => {
                    self.cursors.remove(&set);
                }
                Change::Seen { set, page, rows: Some(rows) } => {
                    self.seen.insert((set, page), rows);
                }
                Change::Seen { set, page, rows: None } => {
                    self.seen.remove(&(set, page));
                }
                Change::Meta { key, value: Some(value) } => {
                    self.meta.insert(key, value);
                }
                Change::Meta { key, value: None } => {
                    self.meta.remove(&key);
                }
                Change::Activity(mut line) => {
                    references::exchange_in_line(&self.ids, &mut line);
                    self.activity.put(line);
                }
                Change::Stats { table, row } => {
                    self.stats.insert(table, row);
                }
            }
        }
        if touches_reasons {
            self.refresh_reasons(observer);
        }
    }

    /// Makes room for many at once: to grow by doubling is to find a place for each key twice over.
    fn reserve(&mut self, changes: &[Change<B>]) {
        const MANY: usize = 100;
        if changes.len() < MANY {
            return;
        }
        let mutations =
            changes.iter().filter(|change| matches!(change, Change::Mutation { row: Some(_), .. }));
        self.outbox.reserve(mutations.count());
        let tables: Vec<&Id> = changes.iter().filter_map(table_put).collect();
        for of_one in tables.chunk_by(|one, next| one == next) {
            if let Some(table) = self.tables.get_mut(of_one[0]) {
                table.reserve(of_one.len());
            }
        }
    }

    fn put_base(&mut self, key: (Id, Id), base: Option<Base<B>>) {
        let base = base.map(|base| references::exchange_in_base(&self.schema, &self.ids, &key.0, base));
        if base.as_ref().is_some_and(|base| references::base_holds_temporary(&self.schema, &key.0, base)) {
            self.unnamed.insert(key.clone());
        } else {
            self.unnamed.remove(&key);
        }
        match base {
            Some(base) => self.bases.insert(key, base),
            None => self.bases.remove(&key),
        };
    }

    fn put_record(&mut self, table: &Id, id: &Id, row: Option<Record<B>>, observer: &mut impl Observer<B>) {
        let Some(held) = self.tables.get_mut(table) else {
            if self.schema.table(table).is_some() {
                self.aside.write(table, id, row);
            }
            return;
        };
        let row = row.map(|row| match references::exchange(&self.schema, &self.ids, table, &row.data) {
            Some(data) => Record { data, ..row },
            None => row,
        });
        let before = match row {
            Some(row) => held.put(id.clone(), row),
            None => held.remove(id),
        };
        observer.record_changed(table, id, before.as_ref(), held.get(id));
    }

    fn exchange_references(&mut self, parent: &Id, temporary: &Id, observer: &mut impl Observer<B>) {
        let schema = Rc::clone(&self.schema);
        for (child, field, _) in schema.children_of(parent).filter(|_| !planted!("stored-reference-left")) {
            let Some(table) = self.tables.get(child) else { continue };
            let child: Id = child.into();
            for id in table.referencing(field, temporary) {
                let row = self.record(&child, &id).cloned();
                self.put_record(&child, &id, row, observer);
            }
        }
    }
}

/// The table of a record that a change puts.
fn table_put<B>(change: &Change<B>) -> Option<&Id> {
    match change {
        Change::Record { table, row: Some(_), .. } => Some(table),
        _ => None,
    }
}
