//! One index of a table: the records' positions in the order of some of their fields.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Bound;

use super::key::{self, Position, Positions};
use super::rows::{Place, Rows};
use super::{Order, Plan};
use crate::body::Body;
use crate::log::entry::{Id, Record};

/// Positions, and where the rows that they stand for are.
///
/// A tree and not a sorted vector: building is one sort either way, but after it a pull of 10,000 records puts
/// them in one by one, and a vector would move half of itself for each.
pub(super) struct Entries(BTreeMap<Position, Place>);

impl Entries {
    pub(super) fn build<B: Body>(fields: &[String], rows: &Rows<B>) -> Self {
        let (places, records): (Vec<Place>, Vec<(&Id, &Record<B>)>) = rows
            .iter()
            .filter(|(_, _, row)| !row.record.deleted)
            .map(|(place, id, row)| (place, (id, &row.record)))
            .unzip();
        let positions = key::positions(fields, &records);
        Self(
            positions
                .into_iter()
                .zip(places)
                .filter_map(|(position, place)| Some((position?, place)))
                .collect(),
        )
    }

    fn range(&self, plan: &Plan) -> impl DoubleEndedIterator<Item = Place> {
        plan.bounds()
            .map(|(lower, upper)| self.0.range::<[u8], _>((Bound::Included(lower), Bound::Excluded(upper))))
            .into_iter()
            .flatten()
            .map(|(_, place)| *place)
    }

    pub(super) fn places(&self, plan: &Plan) -> Vec<Place> {
        window(self.range(plan), plan).collect()
    }

    pub(super) fn count(&self, plan: &Plan) -> usize {
        window(self.range(plan), plan).count()
    }
}

/// What the plan's order, offset and limit leave of the records in range.
pub(super) fn window<'a, T: 'a>(
    range: impl DoubleEndedIterator<Item = T> + 'a,
    plan: &Plan,
) -> Box<dyn Iterator<Item = T> + 'a> {
    let limit = plan.limit.unwrap_or(usize::MAX);
    match plan.order {
        Order::Ascending => Box::new(range.skip(plan.offset).take(limit)),
        Order::Descending => Box::new(range.rev().skip(plan.offset).take(limit)),
    }
}

/// An index that is built at its first use and kept up from then on.
pub(super) struct Index {
    pub(super) fields: Vec<String>,
    entries: OnceCell<Entries>,
}

impl Index {
    pub(super) fn new(fields: Vec<String>) -> Self {
        Self { fields, entries: OnceCell::new() }
    }

    pub(super) fn entries<B: Body>(&self, rows: &Rows<B>) -> &Entries {
        self.entries.get_or_init(|| Entries::build(&self.fields, rows))
    }

    /// Whether it has been used, and is kept up.
    pub(super) fn is_made(&self) -> bool {
        self.entries.get().is_some()
    }

    /// To be built again at the next use.
    pub(super) fn forget(&mut self) {
        self.entries.take();
    }

    /// Keeps up with one record that was put, replaced or removed.
    pub(super) fn change<B: Body>(
        &mut self,
        (place, id): (Place, &Id),
        before: Option<&Record<B>>,
        after: Option<&Record<B>>,
    ) {
        let Some(Entries(entries)) = self.entries.get_mut() else { return };
        let mut positions = Positions::new(&self.fields);
        let old = before.and_then(|record| positions.of(id, record));
        let new = after.and_then(|record| positions.of(id, record));
        if old == new {
            return;
        }
        if let Some(old) = old {
            entries.remove(&old);
        }
        if let Some(new) = new {
            entries.insert(new, place);
        }
    }
}
