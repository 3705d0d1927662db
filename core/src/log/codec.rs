//! Entries and segments to [`Packed`] values and back.
//!
//! Bodies travel beside the head, which refers to them by index: the head is Rust's JSON, the bodies may be
//! JavaScript objects that Rust never looks into.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::entry::{Base, Change, Entry, FORMAT, Mark, Mutation, Position, Record, ServerCopy};
use super::release::{Outdated, Part, Requirement};
use super::rows::Rows;
use crate::{body::Body, json, ports::Packed};

/// Why a stored value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A newer release wrote it, and this one may not read it, or cannot.
    #[error("{0}")]
    Newer(Outdated),
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// An entry's head as it is stored.
#[derive(Serialize, Deserialize)]
struct EntryHead {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    q: Option<Requirement>,
    m: Mark,
    p: Position,
    r: Rows,
}

/// What a reader of any release finds in an entry's head: its place in the chain, and what it asks of readers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outside {
    #[serde(rename = "q", default)]
    pub requires: Option<Requirement>,
    #[serde(rename = "m")]
    pub mark: Mark,
    #[serde(rename = "p")]
    pub prev: Position,
}

/// A segment's head: rows of one keyspace, in the order of their keys.
#[derive(Serialize, Deserialize)]
struct SegmentHead {
    v: u32,
    r: Rows,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl<B> ServerCopy<B> {
    pub(super) fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> ServerCopy<C> {
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
            withdrawing: self.withdrawing,
            dating: self.dating.clone(),
            merges: self.merges,
        }
    }
}

impl<B> Change<B> {
    pub(super) fn map<C>(&self, f: &mut impl FnMut(&B) -> C) -> Change<C> {
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
                    left: row.left,
                }),
            },
            Self::Mutation { id, row } => Change::Mutation {
                id: id.clone(),
                row: row.as_ref().map(|mutation| Rc::new(Mutation { id: id.clone(), ..mutation.map(f) })),
            },
            Self::Conflict { id, row } => {
                Change::Conflict { id: id.clone(), row: row.as_ref().map(|row| Rc::new(row.map(f))) }
            }
            Self::Mapping(mapping) => Change::Mapping(mapping.clone()),
            Self::Seen { set, page, rows } => {
                Change::Seen { set: set.clone(), page: *page, rows: rows.clone() }
            }
            Self::Cursor { set, row } => Change::Cursor { set: set.clone(), row: row.clone() },
            Self::Meta { key, value } => Change::Meta { key: key.clone(), value: value.clone() },
            Self::Activity(line) => Change::Activity(line.clone()),
            Self::Stats { table, row } => Change::Stats { table: table.clone(), row: *row },
        }
    }
}

pub(super) fn damaged(error: impl std::fmt::Display) -> CodecError {
    CodecError::Damaged(error.to_string())
}

/// Stored JSON. What cannot be read is a newer format's if it says so, and damaged if not.
pub(super) fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, CodecError> {
    json::from_str(text).map_err(|error| match json::from_str::<Version>(text) {
        Ok(Version { v }) if v > FORMAT => {
            CodecError::Newer(Outdated { part: Part::Engine, needed: v, has: FORMAT, still_reads: false })
        }
        _ => damaged(error),
    })
}

/// An entry as it is stored.
pub fn pack_entry<B: Body>(entry: &Entry<B>) -> Result<Packed<B>, CodecError> {
    let (rows, bodies) = Rows::pack(&entry.changes);
    let head = EntryHead {
        v: entry.format,
        q: entry.requires,
        m: entry.mark.clone(),
        p: entry.prev.clone(),
        r: rows,
    };
    Ok(Packed { head: json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored entry.
pub fn unpack_entry<B: Body>(packed: &Packed<B>) -> Result<Entry<B>, CodecError> {
    let EntryHead { v, q, m, p, r } = read(&packed.head)?;
    Ok(Entry { format: v, requires: q, mark: m, prev: p, changes: r.unpack(&packed.bodies)? })
}

/// A stored entry without what it holds, for a reader that cannot make sense of that.
pub fn outside_of<B>(packed: &Packed<B>) -> Result<Outside, CodecError> {
    read(&packed.head)
}

/// A stored entry's mark, without the rest of it.
pub fn mark_of<B>(packed: &Packed<B>) -> Result<Mark, CodecError> {
    #[derive(Deserialize)]
    struct Marked {
        m: Mark,
    }
    let Marked { m } = read(&packed.head)?;
    Ok(m)
}

/// A segment as it is stored.
pub fn pack_segment<B: Body>(rows: &[Change<B>]) -> Result<Packed<B>, CodecError> {
    let (rows, bodies) = Rows::pack(rows);
    let head = SegmentHead { v: FORMAT, r: rows };
    Ok(Packed { head: json::to_string(&head).map_err(damaged)?, bodies })
}

/// A stored segment's rows.
pub fn unpack_segment<B: Body>(packed: &Packed<B>) -> Result<Vec<Change<B>>, CodecError> {
    let head: SegmentHead = read(&packed.head)?;
    head.r.unpack(&packed.bodies)
}
