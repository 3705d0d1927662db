//! The schema's foreign keys as a graph (V4).

use super::{OnDelete, Schema};
use crate::sorted::SortedSet;

/// What refers to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relations<'s> {
    /// Every table once, parents first ([`Schema::tables_parents_first`]).
    pub tables: Vec<&'s str>,
    /// One for each foreign key, by child table and field.
    pub edges: Vec<Relation<'s>>,
    /// Tables that refer to each other in a circle, for each of them the shortest that it is in: its tables along the
    /// references, from the first by name on. A table that refers to itself is a circle of one.
    pub circles: Vec<Vec<&'s str>>,
}

/// One foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation<'s> {
    pub child: &'s str,
    pub field: &'s str,
    pub parent: &'s str,
    pub on_delete: OnDelete,
    /// Whether a child may be without a parent.
    pub optional: bool,
}

pub(super) fn of(schema: &Schema) -> Relations<'_> {
    let mut edges = Vec::new();
    for (child, table) in &schema.tables {
        for (field, reference) in &table.references {
            edges.push(Relation {
                child,
                field,
                parent: &reference.table,
                on_delete: reference.on_delete,
                optional: table.field(field).is_some_and(|field| field.optional),
            });
        }
    }
    let mut circles = SortedSet::new();
    for table in schema.tables.keys() {
        let Some(mut circle) = shortest_circle(&edges, table) else { continue };
        let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or_default();
        circle.rotate_left(first);
        circles.insert(circle);
    }
    let circles = circles.into_iter().collect();
    Relations { tables: schema.tables_parents_first(), edges, circles }
}

/// The shortest way from a table along its references back to itself: breadth first.
fn shortest_circle<'s>(edges: &[Relation<'s>], from: &'s str) -> Option<Vec<&'s str>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![from]];
    let mut at = 0;
    while let Some(way) = ways.get(at).cloned() {
        let last = way.last().copied().unwrap_or(from);
        for edge in edges.iter().filter(|edge| edge.child == last) {
            if edge.parent == from {
                return Some(way);
            }
            if !ways.iter().any(|known| known.last() == Some(&edge.parent)) {
                ways.push([&way[..], &[edge.parent]].concat());
            }
        }
        at += 1;
    }
    None
}
