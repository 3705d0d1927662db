//! The fold as text: equal text, equal state.

use std::fmt::Write;

use super::State;
use crate::{
    body::Body,
    json,
    log::{codec, entry::Change, release::Requirement},
    sorted::sort_by,
};

impl<B: Body> State<B> {
    /// Everything that is loaded, in a fixed order: a line for the head, one for what the log requires, then one for each row.
    ///
    /// For tests that compare contexts, for support, and for the curious. Not a format to build on.
    #[must_use]
    pub fn export(&self) -> String {
        let mut text = format!("head {} {}\n", self.head.key, self.head.mark.0);
        if self.requires != Requirement::default() {
            let required = json::to_string(&self.requires).unwrap_or_default();
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "requires {required}");
        }
        let mut line = |kind: &str, row: Change<B>| {
            let packed = codec::pack_segment(&[row]);
            let Ok(packed) = packed else { return };
            let bodies: Vec<String> = packed.bodies.iter().map(Body::to_json).collect();
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{kind} {} [{}]", packed.head, bodies.join(","));
        };
        for (name, table) in &self.tables {
            for (id, record) in table.iter() {
                let row = Some(record.clone());
                line("record", Change::Record { table: name.clone(), id: id.clone(), row });
            }
        }
        let mut bases: Vec<_> = self.bases.iter().collect();
        sort_by(&mut bases, |a, b| a.0.cmp(b.0));
        for ((table, id), base) in bases {
            let row = Some(base.clone());
            line("base", Change::Base { table: table.clone(), id: id.clone(), row });
        }
        for mutation in self.outbox.iter() {
            line("mutation", Change::Mutation { id: mutation.id.clone(), row: Some(mutation.clone()) });
        }
        for (id, row) in self.conflicts.iter() {
            line("conflict", Change::Conflict { id: id.clone(), row: Some(row.clone()) });
        }
        for mapping in self.ids.sorted() {
            line("mapping", Change::Mapping(mapping.clone()));
        }
        for (set, cursor) in &self.cursors {
            line("cursor", Change::Cursor { set: set.clone(), row: Some(cursor.clone()) });
        }
        for ((set, page), rows) in &self.seen {
            line("seen", Change::Seen { set: set.clone(), page: *page, rows: Some(rows.clone()) });
        }
        for (key, value) in &self.meta {
            line("meta", Change::Meta { key: key.clone(), value: Some(value.clone()) });
        }
        let mut lines: Vec<_> = self.activity.iter().collect();
        lines.reverse();
        for activity in lines {
            line("activity", Change::Activity(activity.clone()));
        }
        for (table, stats) in &self.stats {
            line("stats", Change::Stats { table: table.clone(), row: *stats });
        }
        text
    }

    /// Whether both have the same text ([`export`](Self::export)), told without writing it.
    #[must_use]
    pub fn holds_the_same(&self, other: &Self) -> bool
    where
        B: PartialEq,
    {
        // Field by field, so that none that comes later is forgotten here.
        let Self {
            head,
            requires,
            tables,
            outbox,
            bases,
            ids,
            conflicts,
            cursors,
            seen,
            meta,
            activity,
            stats,
            // What follows from the rest.
            schema: _,
            unnamed: _,
            reasons: _,
            aside: _,
            blocked: _,
        } = self;
        *head == other.head
            && *requires == other.requires
            && *meta == other.meta
            && *stats == other.stats
            && *cursors == other.cursors
            && *seen == other.seen
            && *bases == other.bases
            && outbox.iter().eq(other.outbox.iter())
            && conflicts.iter().eq(other.conflicts.iter())
            && ids.sorted() == other.ids.sorted()
            && activity.iter().eq(other.activity.iter())
            && tables.keys().eq(other.tables.keys())
            && tables.values().zip(other.tables.values()).all(|(one, other)| one.iter().eq(other.iter()))
    }
}
