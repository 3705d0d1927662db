//! Entries and segments to [`Packed`] values and back.
//!
//! Bodies travel beside the head, which refers to them by index: the head is Rust's JSON, the bodies may be
//! JavaScript objects that Rust never looks into.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::entry::{Base, Change, Entry, FORMAT, Mark, Mutation, Record, ServerCopy};
use crate::{body::Body, ports::Packed};

/// Why a stored value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A newer release wrote it.
    #[error("it has format {0}, this release reads up to {FORMAT}")]
    Newer(u32),
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// A run of one keyspace's rows in the order of their keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment<B> {
    #[serde(rename = "v")]
    pub format: u32,
    #[serde(rename = "c")]
    pub rows: Vec<Change<B>>,
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
                row: row.as_ref().map(|mutation| Rc::new(mutation.map(f))),
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

/// An entry as it is stored.
pub fn pack_entry<B: Body>(entry: &Entry<B>) -> Result<Packed<B>, CodecError> {
    let mut bodies = Vec::new();
    let mut index = gather(&mut bodies);
    let head = Entry {
        format: entry.format,
        mark: entry.mark.clone(),
        prev: entry.prev.clone(),
        changes: entry.changes.iter().map(|change| change.map(&mut index)).collect(),
    };
    drop(index);
    Ok(Packed { head: serde_json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored entry.
pub fn unpack_entry<B: Body>(packed: &Packed<B>) -> Result<Entry<B>, CodecError> {
    let head: Entry<u32> = match serde_json::from_str(&packed.head) {
        Ok(head) => head,
        Err(error) => return Err(check_format(&packed.head).err().unwrap_or_else(|| damaged(error))),
    };
    if head.format > FORMAT {
        return Err(CodecError::Newer(head.format));
    }
    Ok(Entry {
        format: head.format,
        mark: head.mark,
        prev: head.prev,
        changes: unpack_changes(&head.changes, &packed.bodies)?,
    })
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
    let head =
        Segment { format: FORMAT, rows: rows.iter().map(|row| row.map(&mut index)).collect::<Vec<_>>() };
    drop(index);
    Ok(Packed { head: serde_json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored segment's rows.
pub fn unpack_segment<B: Body>(packed: &Packed<B>) -> Result<Vec<Change<B>>, CodecError> {
    check_format(&packed.head)?;
    let head: Segment<u32> = serde_json::from_str(&packed.head).map_err(damaged)?;
    unpack_changes(&head.rows, &packed.bodies)
}
