//! Tables in an order in which parents come before children.

use super::Schema;
use crate::sorted::SortedSet;

/// Kahn's algorithm over names in order. In a circle nothing is ready: the first remaining name goes next.
pub(super) fn parents_first(schema: &Schema) -> Vec<&str> {
    let mut remaining: SortedSet<&str> = schema.tables.keys().map(String::as_str).collect();
    let mut order = Vec::with_capacity(remaining.len());
    while let Some(first) = remaining.first().copied() {
        let waits = |table: &str| {
            schema.tables[table]
                .references
                .values()
                .any(|reference| reference.table != table && remaining.contains(reference.table.as_str()))
        };
        let next = remaining.iter().copied().find(|table| !waits(table)).unwrap_or(first);
        remaining.remove(next);
        order.push(next);
    }
    order
}
