//! Entries and segments to [`Packed`] values and back.
//!
//! Bodies travel beside the head, which refers to them by index: the head is Rust's JSON, the bodies may be
//! JavaScript objects that Rust never looks into.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::entry::{Base, Change, Entry, FORMAT, Mark, Mutation, Operation, Position, Record, ServerCopy};
use crate::{
    body::{Body, SyncStatus},
    ports::Packed,
};

/// Why a stored value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A newer release wrote it.
    #[error("it has format {0}, this release reads up to {FORMAT}")]
    Newer(u32),
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// An entry's head as it is stored.
#[derive(Serialize, Deserialize)]
struct EntryHead {
    v: u32,
    m: Mark,
    p: Position,
    c: Vec<Change<u32>>,
    /// Which of the changes are creates that put their record too: [`Record::born_of`] says what it is, so it is not
    /// stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    n: Vec<usize>,
}

/// A segment's head: rows of one keyspace, in the order of their keys.
#[derive(Serialize, Deserialize)]
struct SegmentHead {
    v: u32,
    c: Vec<Change<u32>>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl<B> ServerCopy<B> {
    fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> ServerCopy<C> {
        ServerCopy {
            data: f(&self.data),
            version: self.version,
            updated_at: self.updated_at,
            deleted: self.deleted,
        }
    }
}

impl<B> Record<B> {
    fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> Record<C> {
        Record {
            data: f(&self.data),
            version: self.version,
            server_updated_at: self.server_updated_at,
            local_updated_at: self.local_updated_at,
            sync_id: self.sync_id.clone(),
            status: self.status,
            deleted: self.deleted,
        }
    }
}

impl<B> Mutation<B> {
    fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> Mutation<C> {
        Mutation {
            id: self.id.clone(),
            sequence: self.sequence,
            table: self.table.clone(),
            record_id: self.record_id.clone(),
            operation: self.operation,
            data: f(&self.data),
            unset: self.unset.clone(),
            base_version: self.base_version,
            timestamp: self.timestamp,
            priority: self.priority,
            state: self.state,
            attempts: self.attempts,
            first_sent_at: self.first_sent_at,
            last_attempt_at: self.last_attempt_at,
            next_attempt_at: self.next_attempt_at,
            error: self.error.clone(),
            dependencies: self.dependencies.clone(),
            principal: self.principal.clone(),
            schema_version: self.schema_version,
        }
    }
}

impl<B> Change<B> {
    fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> Change<C> {
        match self {
            Self::Record { table, id, row } => Change::Record {
                table: table.clone(),
                id: id.clone(),
                row: row.as_ref().map(|record| record.map(f)),
            },
            Self::Base { table, id, row } => Change::Base {
                table: table.clone(),
                id: id.clone(),
                row: row.as_ref().map(|row| Base {
                    base: row.base.as_ref().map(|copy| copy.map(f)),
                    theirs: row.theirs.as_ref().map(|copy| copy.map(f)),
                }),
            },
            Self::Mutation { id, row } => Change::Mutation {
                id: id.clone(),
                row: row.as_ref().map(|mutation| Rc::new(Mutation { id: id.clone(), ..mutation.map(f) })),
            },
            Self::Mapping(mapping) => Change::Mapping(mapping.clone()),
            Self::Cursor { set, row } => Change::Cursor { set: set.clone(), row: row.clone() },
            Self::Meta { key, value } => Change::Meta { key: key.clone(), value: value.clone() },
        }
    }
}

/// Gathers bodies and hands out their indexes. A create's record and mutation are one body: stored once.
fn gather<B: Body>(bodies: &mut Vec<B>) -> impl FnMut(&B) -> u32 + '_ {
    move |body| {
        if !bodies.last().is_some_and(|last| last.same(body)) {
            bodies.push(body.clone());
        }
        u32::try_from(bodies.len() - 1).unwrap_or(u32::MAX)
    }
}

fn damaged(error: impl std::fmt::Display) -> CodecError {
    CodecError::Damaged(error.to_string())
}

fn check_format(head: &str) -> Result<(), CodecError> {
    let Version { v } = serde_json::from_str(head).map_err(damaged)?;
    if v > FORMAT { Err(CodecError::Newer(v)) } else { Ok(()) }
}

fn unpack_changes<B: Body>(changes: &[Change<u32>], bodies: &[B]) -> Result<Vec<Change<B>>, CodecError> {
    let mut missing = None;
    let unpacked = changes
        .iter()
        .map(|change| {
            change.map(&mut |index: &u32| {
                bodies.get(*index as usize).cloned().unwrap_or_else(|| {
                    missing = Some(*index);
                    B::empty()
                })
            })
        })
        .collect();
    match missing {
        None => Ok(unpacked),
        Some(index) => Err(CodecError::Damaged(format!("body {index} of {} is missing", bodies.len()))),
    }
}

/// Whether `change` is the record that the create after it makes.
fn is_born_of<B: Body>(change: &Change<B>, next: Option<&Change<B>>) -> bool {
    let Change::Record { table, id, row: Some(record) } = change else { return false };
    let Some(Change::Mutation { row: Some(create), .. }) = next else { return false };
    create.operation == Operation::Create
        && create.table == *table
        && create.record_id == *id
        && record.data.same(&create.data)
        && record.version.is_none()
        && record.server_updated_at.is_none()
        && record.local_updated_at == Some(create.timestamp)
        && record.sync_id.as_ref() == Some(&create.id)
        && record.status == SyncStatus::PendingUpload
        && !record.deleted
}

/// An entry as it is stored.
pub fn pack_entry<B: Body>(entry: &Entry<B>) -> Result<Packed<B>, CodecError> {
    let mut bodies = Vec::with_capacity(entry.changes.len());
    let mut index = gather(&mut bodies);
    let mut stored = Vec::with_capacity(entry.changes.len());
    let mut births = Vec::new();
    for (at, change) in entry.changes.iter().enumerate() {
        if is_born_of(change, entry.changes.get(at + 1)) {
            births.push(stored.len());
        } else {
            stored.push(change.map(&mut index));
        }
    }
    drop(index);
    let head =
        EntryHead { v: entry.format, m: entry.mark.clone(), p: entry.prev.clone(), c: stored, n: births };
    Ok(Packed { head: serde_json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored entry.
pub fn unpack_entry<B: Body>(packed: &Packed<B>) -> Result<Entry<B>, CodecError> {
    let head: EntryHead = match serde_json::from_str(&packed.head) {
        Ok(head) => head,
        Err(error) => return Err(check_format(&packed.head).err().unwrap_or_else(|| damaged(error))),
    };
    if head.v > FORMAT {
        return Err(CodecError::Newer(head.v));
    }
    let mut changes = unpack_changes(&head.c, &packed.bodies)?;
    if !head.n.is_empty() {
        let mut births = head.n.into_iter().peekable();
        let mut whole = Vec::with_capacity(changes.len() * 2);
        for (at, change) in changes.into_iter().enumerate() {
            if births.next_if_eq(&at).is_some() {
                let Change::Mutation { row: Some(create), .. } = &change else {
                    return Err(damaged(format!("change {at} is no create")));
                };
                let row = Some(Record::born_of(create));
                let (table, id) = (create.table.clone(), create.record_id.clone());
                whole.push(Change::Record { table, id, row });
            }
            whole.push(change);
        }
        changes = whole;
    }
    Ok(Entry { format: head.v, mark: head.m, prev: head.p, changes })
}

/// A stored entry's mark, without the rest of it.
pub fn mark_of<B>(packed: &Packed<B>) -> Result<Mark, CodecError> {
    #[derive(Deserialize)]
    struct Marked {
        m: Mark,
    }
    let Marked { m } = serde_json::from_str(&packed.head).map_err(damaged)?;
    Ok(m)
}

/// A segment as it is stored.
pub fn pack_segment<B: Body>(rows: &[Change<B>]) -> Result<Packed<B>, CodecError> {
    let mut bodies = Vec::new();
    let mut index = gather(&mut bodies);
    let head = SegmentHead { v: FORMAT, c: rows.iter().map(|row| row.map(&mut index)).collect() };
    drop(index);
    Ok(Packed { head: serde_json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored segment's rows.
pub fn unpack_segment<B: Body>(packed: &Packed<B>) -> Result<Vec<Change<B>>, CodecError> {
    check_format(&packed.head)?;
    let head: SegmentHead = serde_json::from_str(&packed.head).map_err(damaged)?;
    unpack_changes(&head.c, &packed.bodies)
}
