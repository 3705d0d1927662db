//! A table's rows: by id, and in the order of ids where somebody asks for it.
//!
//! A tree would keep the order with every row that is put, by comparing ids that are alike for most of their length. Few
//! readers want it (a query without an index, a compaction), and those walk all rows anyway: so it is made when they come, from
//! the one before and from what was put since.

use std::cell::{Cell, OnceCell};

use rustc_hash::FxHashMap;

use super::Row;
use crate::log::entry::Id;

pub(super) struct Rows<B> {
    by_id: FxHashMap<Id, Row<B>>,
    ordered: OnceCell<Vec<Id>>,
    /// The order as it was, and what was put since. Empty while there is an order.
    before: Cell<Vec<Id>>,
    since: Cell<Vec<Id>>,
    /// Whether some of those may be gone.
    is_thinned: Cell<bool>,
}

impl<B> Default for Rows<B> {
    fn default() -> Self {
        let (before, since) = (Cell::default(), Cell::default());
        Self {
            by_id: FxHashMap::default(),
            ordered: OnceCell::new(),
            before,
            since,
            is_thinned: Cell::new(false),
        }
    }
}

impl<B> Rows<B> {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Row<B>> {
        self.by_id.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Row<B>> {
        self.by_id.get_mut(id)
    }

    /// Puts a row in place; the one that was there.
    pub(super) fn insert(&mut self, id: Id, row: Row<B>) -> Option<Row<B>> {
        match self.by_id.entry(id) {
            std::collections::hash_map::Entry::Occupied(mut held) => Some(held.insert(row)),
            std::collections::hash_map::Entry::Vacant(free) => {
                if let Some(ordered) = self.ordered.take() {
                    self.before.set(ordered);
                }
                self.since.get_mut().push(free.key().clone());
                free.insert(row);
                None
            }
        }
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<(Id, Row<B>)> {
        let removed = self.by_id.remove_entry(id)?;
        self.is_thinned.set(true);
        if let Some(ordered) = self.ordered.take() {
            self.before.set(ordered);
        }
        Some(removed)
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.by_id.reserve(more);
    }

    /// In no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &Row<B>> {
        self.by_id.values()
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &Row<B>)> {
        self.by_id.iter()
    }

    /// In the order of ids.
    pub(super) fn ordered(&self) -> impl DoubleEndedIterator<Item = (&Id, &Row<B>)> {
        let ids = self.ordered.get_or_init(|| {
            let mut ids = self.before.take();
            ids.append(&mut self.since.take());
            // Two runs, of which the first is in order: one merge. An id that was removed and came back is in both.
            ids.sort();
            ids.dedup();
            if self.is_thinned.take() {
                ids.retain(|id| self.by_id.contains_key(id));
            }
            ids
        });
        ids.iter().filter_map(|id| self.by_id.get_key_value(id))
    }
}
