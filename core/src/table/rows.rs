//! A table's rows: by id, by the place that each keeps, and in the order of ids where somebody asks for it.
//!
//! An index leads to places and not to ids: looking up an id costs more than all else that reading a row takes.
//!
//! A tree would keep the order with every row that is put, by comparing ids that are alike for most of their length. Few
//! readers want it (a query without an index, a compaction), and those walk all rows anyway: so it is made when they come, from
//! the one before and from what was put since.

use std::cell::{Cell, OnceCell};
use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::Row;
use crate::log::entry::Id;

/// Where a row is. It stays there until it is removed; then the place may be another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

pub(super) struct Rows<B> {
    places: FxHashMap<Id, Place>,
    kept: Vec<Option<(Id, Row<B>)>>,
    free: Vec<Place>,
    ordered: OnceCell<Vec<Place>>,
    /// The order as it was, and what was put since. Empty while there is an order.
    before: Cell<Vec<Place>>,
    since: Cell<Vec<Place>>,
}

impl<B> Default for Rows<B> {
    fn default() -> Self {
        Self {
            places: FxHashMap::default(),
            kept: Vec::new(),
            free: Vec::new(),
            ordered: OnceCell::new(),
            before: Cell::default(),
            since: Cell::default(),
        }
    }
}

impl<B> Rows<B> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Row<B>> {
        self.places.get(id).and_then(|place| self.at(*place)).map(|(_, row)| row)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Row<B>> {
        let place = self.places.get(id)?;
        self.kept.get_mut(place.0 as usize)?.as_mut().map(|(_, row)| row)
    }

    /// The row at a place, unless it was removed.
    pub(super) fn at(&self, place: Place) -> Option<(&Id, &Row<B>)> {
        self.kept.get(place.0 as usize)?.as_ref().map(|(id, row)| (id, row))
    }

    /// Puts a row in place: where that is, and the one that was there.
    pub(super) fn insert(&mut self, id: Id, row: Row<B>) -> (Place, Option<Row<B>>) {
        let free = match self.places.entry(id) {
            Entry::Occupied(held) => {
                let place = *held.get();
                let before = self.kept[place.0 as usize].replace((held.key().clone(), row));
                return (place, before.map(|(_, row)| row));
            }
            Entry::Vacant(free) => free,
        };
        let kept = Some((free.key().clone(), row));
        let place = if let Some(place) = self.free.pop() {
            self.kept[place.0 as usize] = kept;
            place
        } else {
            self.kept.push(kept);
            #[expect(clippy::cast_possible_truncation, reason = "no memory holds four thousand million rows")]
            Place(self.kept.len() as u32 - 1)
        };
        free.insert(place);
        self.unorder();
        self.since.get_mut().push(place);
        (place, None)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<(Place, Id, Row<B>)> {
        let place = self.places.remove(id)?;
        let (id, row) = self.kept[place.0 as usize].take()?;
        self.free.push(place);
        self.unorder();
        Some((place, id, row))
    }

    fn unorder(&mut self) {
        if let Some(ordered) = self.ordered.take() {
            self.before.set(ordered);
        }
    }

    pub(super) fn reserve(&mut self, more: usize) {
        self.places.reserve(more);
        self.kept.reserve(more.saturating_sub(self.free.len()));
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Id, &Row<B>)> {
        let rows = self.kept.iter().enumerate();
        #[expect(clippy::cast_possible_truncation, reason = "as when it was put")]
        rows.filter_map(|(at, row)| row.as_ref().map(|(id, row)| (Place(at as u32), id, row)))
    }

    /// In the order of ids.
    pub(super) fn ordered(&self) -> impl DoubleEndedIterator<Item = (&Id, &Row<B>)> {
        let places = self.ordered.get_or_init(|| {
            let mut places = self.before.take();
            places.append(&mut self.since.take());
            // What was removed is gone, and may have left its place to what is in the list again.
            places.retain(|place| self.at(*place).is_some());
            // Two runs, of which the first is mostly in order: hardly more than one merge.
            places.sort_by(|one, two| self.id(*one).cmp(&self.id(*two)));
            places.dedup();
            places
        });
        places.iter().filter_map(|place| self.at(*place))
    }

    fn id(&self, place: Place) -> Option<&Id> {
        self.at(place).map(|(id, _)| id)
    }
}
