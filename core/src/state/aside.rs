//! Records of tables that are not in memory, as far as this context knows them all the same: those that entries put, and those that
//! somebody has looked up.

use rustc_hash::FxHashMap;

use super::{State, references};
use crate::{
    body::Body,
    log::entry::{Change, Id, Record},
    table::Table,
};

/// By table and id.
pub(super) struct Aside<B> {
    /// What entries say that are not in the segments, or were not when this context read them. `None`: it is gone.
    written: FxHashMap<Id, FxHashMap<Id, Option<Record<B>>>>,
    /// What readers were given. They get the same object until the record is another.
    peeked: FxHashMap<Id, FxHashMap<Id, B>>,
}

impl<B> Default for Aside<B> {
    fn default() -> Self {
        Self { written: FxHashMap::default(), peeked: FxHashMap::default() }
    }
}

impl<B> Aside<B> {
    /// An entry says what a record is now.
    pub(super) fn write(&mut self, table: &Id, id: &Id, row: Option<Record<B>>) {
        self.written.entry(table.clone()).or_default().insert(id.clone(), row);
        self.outdate(table, id);
    }

    /// A record reads otherwise now.
    pub(super) fn outdate(&mut self, table: &Id, id: &Id) {
        if let Some(peeked) = self.peeked.get_mut(table) {
            peeked.remove(id);
        }
    }

    /// A table is in memory from now on.
    pub(super) fn forget_written(&mut self, table: &str) {
        self.written.remove(table);
    }
}

impl<B: Body> State<B> {
    /// What entries say of a record whose table is not in memory: `Some(None)`, that it is gone; `None`, nothing.
    #[must_use]
    pub fn written(&self, table: &Id, id: &Id) -> Option<Option<&Record<B>>> {
        self.aside.written.get(table)?.get(id).map(Option::as_ref)
    }

    /// A record whose table is not in memory, as readers get it.
    pub fn view_peeked(&mut self, table: &Id, id: &Id, record: Option<Record<B>>) -> Option<B> {
        if let Some(known) = self.aside.peeked.get(table).and_then(|peeked| peeked.get(id)) {
            return Some(known.clone());
        }
        let row = Change::Record { table: table.clone(), id: id.clone(), row: record };
        let Change::Record { row: Some(record), .. } =
            references::exchange_in_row(&self.schema, &self.ids, row)
        else {
            return None;
        };
        let mut alone = Table::new(Vec::new());
        alone.put(id.clone(), record);
        if let Some(reason) = self.reason(table, id) {
            alone.set_reason(id, Some(reason));
        }
        let view = alone.view(id)?;
        self.aside.peeked.entry(table.clone()).or_default().insert(id.clone(), view.clone());
        Some(view)
    }

    /// Lets a table that was just brought into memory hand out what readers have of it already.
    pub fn keep_peeked(&mut self, table: &Id) {
        let Some(held) = self.tables.get_mut(table) else { return };
        for (id, view) in self.aside.peeked.remove(table).into_iter().flatten() {
            held.keep_view(&id, view);
        }
    }
}
