//! Conflicts, open and settled, in the order in which they were found.

use std::rc::Rc;

use super::{ids::IdMap, references};
use crate::{
    body::Body,
    log::{conflict::Conflict, entry::Id},
    schema::Schema,
    sorted::{SortedMap, SortedSet},
};

/// What met what, by the ids of the mutations that met it: those are of version 7, so their order is that of writing.
#[derive(Clone, Debug)]
pub struct Conflicts<B> {
    rows: SortedMap<Id, Rc<Conflict<B>>>,
    open: SortedSet<Id>,
    /// Those that hold a temporary id, to be exchanged when it is mapped.
    unnamed: SortedSet<Id>,
}

impl<B> Default for Conflicts<B> {
    fn default() -> Self {
        Self { rows: SortedMap::new(), open: SortedSet::new(), unnamed: SortedSet::new() }
    }
}

impl<B: Body> Conflicts<B> {
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rc<Conflict<B>>> {
        self.rows.get(id)
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Id, &Rc<Conflict<B>>)> {
        self.rows.iter()
    }

    /// Those that wait for a person.
    #[must_use]
    pub fn open(&self) -> impl DoubleEndedIterator<Item = (&Id, &Rc<Conflict<B>>)> {
        self.open.iter().filter_map(|id| self.rows.get_key_value(id))
    }

    pub(super) fn put(&mut self, schema: &Schema, ids: &IdMap, id: Id, row: Rc<Conflict<B>>) {
        let row = references::exchange_in_conflict(schema, ids, row);
        note(&mut self.open, &id, row.settled.is_none());
        note(&mut self.unnamed, &id, references::conflict_holds_temporary(schema, &row));
        self.rows.insert(id, row);
    }

    pub(super) fn remove(&mut self, id: &Id) {
        self.rows.remove(id);
        self.open.remove(id);
        self.unnamed.remove(id);
    }

    /// A temporary id was mapped.
    pub(super) fn exchange(&mut self, schema: &Schema, ids: &IdMap) {
        for id in std::mem::take(&mut self.unnamed) {
            if let Some(row) = self.rows.remove(&id) {
                self.put(schema, ids, id, row);
            }
        }
    }
}

fn note(set: &mut SortedSet<Id>, id: &Id, belongs: bool) {
    if belongs {
        set.insert(id.clone());
    } else {
        set.remove(id);
    }
}
