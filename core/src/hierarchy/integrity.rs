//! Whether everything that is referred to is there (V4).

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::orphans::{self, Strategy};
use crate::{
    body::Body,
    ids::is_temporary,
    log::entry::{Id, Operation, Record},
    sorted::SortedSet,
    state::State,
    table::Table,
};

/// What was looked at, and what was found. Lists are in the order of tables, ids and fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Integrity {
    /// Records that are not deleted.
    pub records_checked: usize,
    /// Foreign keys in them that name a parent.
    pub references_checked: usize,
    /// References to a parent that is not here, and that nobody has decided about.
    pub orphans: Vec<Orphan>,
    /// Those that wait for their parent to be pulled.
    pub queued: Vec<Orphan>,
    /// How many of them somebody decided to keep.
    pub kept: usize,
    pub circles: Vec<Circle>,
    pub unresolved: Vec<Unresolved>,
}

/// A record whose parent is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    pub table: Id,
    pub id: Id,
    pub field: Id,
    pub parent_table: Id,
    pub parent_id: Id,
    pub why: Why,
}

/// What became of the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nothing is known of it: it was not pulled, or left what is pulled.
    Missing,
    /// It is deleted.
    Deleted,
}

impl Why {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Deleted => "deleted",
        }
    }
}

/// Records of one table that refer to each other in a circle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Circle {
    pub table: Id,
    pub field: Id,
    /// Each refers to the next, the last to the first, which is the first of them by id.
    pub ids: Vec<Id>,
}

/// A temporary id that nothing will exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unresolved {
    pub table: Id,
    pub id: Id,
    /// The foreign key that holds it; `None`: it is the record's own, and no create of it waits to be sent.
    pub field: Option<Id>,
    pub temporary: Id,
}

/// Looks at every loaded table; in a time that is linear in their records.
#[must_use]
pub fn check<B: Body>(state: &State<B>) -> Integrity {
    let mut found = Integrity::default();
    let decisions = orphans::decisions(state);
    for (name, definition) in &state.schema().tables {
        let table: Id = name.as_str().into();
        let records = || live(state.table(name));
        for (id, record) in records() {
            found.records_checked += 1;
            if is_temporary(id) && !is_being_created(state, &table, id) {
                let (table, id) = (table.clone(), id.clone());
                found.unresolved.push(Unresolved { table, temporary: id.clone(), id, field: None });
            }
            for (field, reference) in &definition.references {
                let Some(parent_id) = record.data.text(field) else { continue };
                found.references_checked += 1;
                let why = match state.record(&reference.table, &parent_id) {
                    Some(parent) if !parent.deleted => continue,
                    Some(_) => Why::Deleted,
                    None => Why::Missing,
                };
                if is_temporary(&parent_id) {
                    found.unresolved.push(Unresolved {
                        table: table.clone(),
                        id: id.clone(),
                        field: Some(field.as_str().into()),
                        temporary: parent_id.clone(),
                    });
                }
                let orphan = Orphan {
                    table: table.clone(),
                    id: id.clone(),
                    field: field.as_str().into(),
                    parent_table: reference.table.as_str().into(),
                    parent_id,
                    why,
                };
                match decisions.get(&orphan.place()).filter(|decision| decision.parent == orphan.parent_id) {
                    None => found.orphans.push(orphan),
                    Some(decision) => match decision.strategy {
                        Strategy::Queue => found.queued.push(orphan),
                        Strategy::Keep | Strategy::Delete => found.kept += 1,
                    },
                }
            }
        }
        for field in definition.references.iter().filter(|(_, to)| to.table == *name).map(|(field, _)| field)
        {
            let parents = records().filter_map(|(id, record)| Some((id.clone(), record.data.text(field)?)));
            found.circles.extend(circles(&parents.collect()).into_iter().map(|ids| Circle {
                table: table.clone(),
                field: field.as_str().into(),
                ids,
            }));
        }
    }
    found
}

impl Orphan {
    pub(super) fn place(&self) -> orphans::Place {
        (self.table.clone(), self.field.clone(), self.id.clone())
    }
}

fn live<B: Body>(table: Option<&Table<B>>) -> impl Iterator<Item = (&Id, &Record<B>)> {
    table.into_iter().flat_map(Table::iter).filter(|(_, record)| !record.deleted)
}

fn is_being_created<B: Body>(state: &State<B>, table: &Id, id: &Id) -> bool {
    state.outbox.of_record(table, id).any(|mutation| mutation.operation == Operation::Create)
}

/// The circles among records that each refer to one other at most. Every record is walked over once.
fn circles(parents: &FxHashMap<Id, Id>) -> SortedSet<Vec<Id>> {
    let mut done: FxHashSet<&Id> = FxHashSet::default();
    let mut circles = SortedSet::new();
    for from in parents.keys() {
        let mut way: Vec<&Id> = Vec::new();
        let mut places: FxHashMap<&Id, usize> = FxHashMap::default();
        let mut next = Some(from);
        while let Some(id) = next.filter(|id| !done.contains(id)) {
            if let Some(at) = places.get(id) {
                let mut circle: Vec<Id> = way[*at..].iter().map(|id| (*id).clone()).collect();
                let first = (0..circle.len()).min_by_key(|at| &circle[*at]).unwrap_or_default();
                circle.rotate_left(first);
                circles.insert(circle);
                break;
            }
            places.insert(id, way.len());
            way.push(id);
            next = parents.get(id);
        }
        done.extend(way);
    }
    circles
}
