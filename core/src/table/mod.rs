//! One table in memory: what its entries add up to.
//!
//! A table holds every record by id, tombstones included: a deleted record is remembered, so that an older row
//! cannot bring it back, and is seen by no reader.
//!
//! **Reading by an index.** An index is a map from a [position](key) (the record's fields as bytes, then its id) to
//! the id. A query is checked once into a [`Plan`], which is a lower and an upper position; running it walks the map
//! between them. An index is built at its first use, from the bodies, and from then on every `put` and `remove`
//! keeps it up. A table that nobody queries by an index never pays for it.
//!
//! **Reading a record.** Readers get one shared body per record, made at the first reading (fields, id and sync
//! metadata together, frozen) and kept until the record is replaced. Two readings of an unchanged record therefore
//! give the same object: React compares by identity.
//!
//! **Knowing what changed.** Every record that is put gets a revision, which no other put in this table has.
//! A [live query](crate::live) compares revisions to know whether its result is still the one that was delivered.

mod index;
mod key;
mod plan;
mod query;
mod rows;

use std::cell::OnceCell;

use rustc_hash::FxHashMap;

use crate::body::{Body, SyncMetadata, SyncReason};
use crate::log::entry::{Id, Record};

use index::{Entries, Index, window};
pub(crate) use key::{Position, Positions};
pub use plan::Plan;
pub use query::{Order, Query, QueryError, Range};
use rows::Rows;

struct Row<B> {
    record: Record<B>,
    revision: u64,
    /// As readers get it, once one has asked.
    view: OnceCell<B>,
}

impl<B: Body> Row<B> {
    fn view(&self, id: &str, reason: Option<SyncReason>) -> Option<&B> {
        let record = &self.record;
        if record.deleted {
            return None;
        }
        Some(self.view.get_or_init(|| match reason {
            None => record.data.record(id, &self.metadata()),
            Some(reason) => {
                let data = record.data.with_text(SyncReason::FIELD, reason.as_str());
                data.record(id, &self.metadata())
            }
        }))
    }

    fn metadata(&self) -> SyncMetadata {
        let record = &self.record;
        SyncMetadata {
            status: record.status,
            local_updated_at: record.local_updated_at,
            server_updated_at: record.server_updated_at,
            sync_id: record.sync_id.clone(),
            deleted: record.deleted,
            version: record.version,
        }
    }
}

/// The records of one table, by id, and its indexes.
pub struct Table<B> {
    rows: Rows<B>,
    /// The declared ones, then those that only [`Table::referencing`] reads.
    indexes: Vec<Index>,
    declared: usize,
    /// How many of the rows are not deleted.
    live: usize,
    next_revision: u64,
    /// Why records wait for somebody's decision: of the few that do.
    reasons: FxHashMap<Id, SyncReason>,
}

impl<B: Body> Table<B> {
    /// An empty table. `indexes` are the declared ones and one for each foreign key; the same fields twice are
    /// one index, and no fields are none.
    #[must_use]
    pub fn new(indexes: Vec<Vec<String>>) -> Self {
        let mut distinct: Vec<Index> = Vec::with_capacity(indexes.len());
        for fields in indexes {
            if !fields.is_empty() && !distinct.iter().any(|index| index.fields == fields) {
                distinct.push(Index::new(fields));
            }
        }
        let declared = distinct.len();
        // A foreign key that leads a compound index has none of its own, and a record that holds an object in one of
        // the other fields is not in that one: it would be left behind when its parent is deleted.
        for at in 0..declared {
            let leading = &distinct[at].fields[..1];
            if !distinct.iter().any(|index| index.fields == leading) {
                distinct.push(Index::new(leading.to_vec()));
            }
        }
        Self {
            rows: Rows::default(),
            indexes: distinct,
            declared,
            live: 0,
            next_revision: 0,
            reasons: FxHashMap::default(),
        }
    }

    /// The fields of its declared indexes, as [`Plan::new`] wants them.
    #[must_use]
    pub fn indexes(&self) -> Vec<Vec<String>> {
        self.indexes[..self.declared].iter().map(|index| index.fields.clone()).collect()
    }

    /// How many records it holds, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds nothing, not even a tombstone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// A record, also a deleted one.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Record<B>> {
        self.rows.get(id).map(|row| &row.record)
    }

    /// Every record in the order of ids, tombstones included.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Id, &Record<B>)> {
        self.rows.ordered().map(|(id, row)| (id, &row.record))
    }

    /// Changes with every [`put`](Self::put) of this record, and is no other record's. It says nothing across two
    /// `Table`s: who loads a table anew resets its live queries.
    #[must_use]
    pub fn revision(&self, id: &str) -> Option<u64> {
        self.rows.get(id).map(|row| row.revision)
    }

    /// Puts a record in place and returns the one that was there.
    pub fn put(&mut self, id: Id, record: Record<B>) -> Option<Record<B>> {
        self.live += usize::from(!record.deleted);
        let indexed = self.indexes.iter().any(Index::is_made).then(|| id.clone());
        let row = self.row(record);
        let (place, before) = self.rows.insert(id, row);
        let before = before.map(|row| row.record);
        self.live -= usize::from(before.as_ref().is_some_and(|record| !record.deleted));
        if let Some(id) = indexed {
            let after = self.rows.get(&id).map(|row| &row.record);
            for index in &mut self.indexes {
                index.change((place, &id), before.as_ref(), after);
            }
        }
        before
    }

    /// Takes a record away altogether; a deletion that is to be remembered is a [`put`](Self::put).
    pub fn remove(&mut self, id: &str) -> Option<Record<B>> {
        let (place, id, row) = self.rows.remove(id)?;
        self.live -= usize::from(!row.record.deleted);
        for index in &mut self.indexes {
            index.change((place, &id), Some(&row.record), None);
        }
        Some(row.record)
    }

    /// So many more records are about to be put.
    pub fn reserve(&mut self, more: usize) {
        self.rows.reserve(more);
    }

    /// Puts many records at once, the later of two with the same id.
    ///
    /// The indexes are forgotten and built again at their next use: this is for loading. A few records among many
    /// that are already there and queried are better [put](Self::put) one by one.
    pub fn extend(&mut self, records: impl IntoIterator<Item = (Id, Record<B>)>) {
        for (id, record) in records {
            let row = self.row(record);
            self.rows.insert(id, row);
        }
        self.live = self.rows.iter().filter(|(_, _, row)| !row.record.deleted).count();
        self.indexes.iter_mut().for_each(Index::forget);
    }

    /// Says in a record why it waits for somebody's decision, or no longer. Readers get another body from now on.
    pub fn set_reason(&mut self, id: &Id, reason: Option<SyncReason>) {
        match reason {
            Some(reason) => self.reasons.insert(id.clone(), reason),
            None => self.reasons.remove(id),
        };
        if let Some(row) = self.rows.get_mut(id) {
            self.next_revision += 1;
            row.revision = self.next_revision;
            row.view.take();
        }
    }

    fn reason(&self, id: &str) -> Option<SyncReason> {
        if self.reasons.is_empty() { None } else { self.reasons.get(id).copied() }
    }

    /// Goes on handing out a view that readers have of a record as it is.
    pub(crate) fn keep_view(&mut self, id: &str, view: B) {
        if let Some(row) = self.rows.get_mut(id) {
            row.view = OnceCell::from(view);
        }
    }

    fn row(&mut self, record: Record<B>) -> Row<B> {
        self.next_revision += 1;
        Row { record, revision: self.next_revision, view: OnceCell::new() }
    }

    /// A record as readers get it: the same body until the record is put again. `None` if it is absent or deleted.
    #[must_use]
    pub fn view(&self, id: &str) -> Option<B> {
        self.rows.get(id)?.view(id, self.reason(id)).cloned()
    }

    /// The ids of the records that a query asks for, in its order.
    pub fn query(&self, query: &Query) -> Result<Vec<Id>, QueryError> {
        Ok(self.run(&self.plan(query)?))
    }

    /// The records that a query asks for, as readers get them.
    pub fn select(&self, query: &Query) -> Result<Vec<B>, QueryError> {
        Ok(self.views_of(&self.found(&self.plan(query)?)))
    }

    fn found(&self, plan: &Plan) -> Vec<(&Id, &Row<B>)> {
        if plan.fields.is_empty() {
            return window(self.rows.ordered().filter(|(_, row)| !row.record.deleted), plan).collect();
        }
        // Who is in an index is neither deleted nor gone.
        self.with_entries(plan, Entries::places).into_iter().filter_map(|place| self.rows.at(place)).collect()
    }

    /// Several records as readers get them, without those that are absent or deleted. Those that nobody has read yet are
    /// made together, which costs a fraction of making each.
    #[must_use]
    pub fn views(&self, ids: &[Id]) -> Vec<B> {
        let rows: Vec<(&Id, &Row<B>)> = ids
            .iter()
            .filter_map(|id| Some((id, self.rows.get(id)?)))
            .filter(|(_, row)| !row.record.deleted)
            .collect();
        self.views_of(&rows)
    }

    fn views_of(&self, rows: &[(&Id, &Row<B>)]) -> Vec<B> {
        let unread: Vec<_> =
            rows.iter().filter(|(id, row)| row.view.get().is_none() && self.reason(id).is_none()).collect();
        let made = B::records(
            &unread.iter().map(|(id, row)| (&row.record.data, &***id, row.metadata())).collect::<Vec<_>>(),
        );
        for ((_, row), view) in unread.into_iter().zip(made) {
            row.view.get_or_init(|| view);
        }
        rows.iter().filter_map(|(id, row)| row.view(id, self.reason(id)).cloned()).collect()
    }

    /// How many records [`query`](Self::query) would give: offset and limit count.
    pub fn count(&self, query: &Query) -> Result<usize, QueryError> {
        let plan = self.plan(query)?;
        if plan.fields.is_empty() {
            return Ok(self.live.saturating_sub(plan.offset).min(plan.limit.unwrap_or(usize::MAX)));
        }
        Ok(self.with_entries(&plan, Entries::count))
    }

    /// Checks a query against this table's indexes.
    pub fn plan(&self, query: &Query) -> Result<Plan, QueryError> {
        Plan::new(query, &self.indexes())
    }

    /// Runs a checked query. A plan for an index that this table does not declare is right too, and slow.
    #[must_use]
    pub fn run(&self, plan: &Plan) -> Vec<Id> {
        self.found(plan).into_iter().map(|(id, _)| id.clone()).collect()
    }

    fn with_entries<T>(&self, plan: &Plan, read: impl FnOnce(&Entries, &Plan) -> T) -> T {
        match self.indexes.iter().find(|index| index.fields == plan.fields) {
            Some(index) => read(index.entries(&self.rows), plan),
            None => read(&Entries::build(&plan.fields, &self.rows), plan),
        }
    }

    /// The records, deleted ones left out, whose foreign key `field` is `id`; in the order of their ids.
    #[must_use]
    pub fn referencing(&self, field: &str, id: &str) -> Vec<Id> {
        self.run(&Plan::equal_to(field, id))
    }
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;
