//! Creates that nothing has come of yet, stored as columns.
//!
//! Whoever imports a thousand records offline writes a thousand of them, alike in all but their ids; and the outbox that a
//! start reads is mostly these. An entry has a create and the record that it made, a segment one of the two: each is told
//! from the other, so what is stored is one of them.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{
    codec::{CodecError, damaged},
    column::{Ids, Numbers},
    entry::{Change, Dating, Id, Mutation, MutationState, Operation, Record},
    rows::no_body,
};
use crate::{
    body::{Body, SyncStatus},
    schema::Priority,
};

/// A run of them, of one table. Their bodies follow each other.
#[derive(Serialize, Deserialize)]
pub(super) struct Fresh {
    /// Which of the changes comes after them,
    #[serde(rename = "a")]
    pub(super) before: usize,
    /// and how many runs of synced records come before.
    #[serde(rename = "b")]
    pub(super) after_runs: usize,
    #[serde(rename = "o")]
    part: Part,
    #[serde(rename = "t")]
    table: Id,
    #[serde(rename = "d")]
    first_body: u32,
    #[serde(rename = "i")]
    ids: Ids,
    #[serde(rename = "m")]
    mutations: Ids,
    #[serde(rename = "w")]
    timestamps: Numbers,
    /// What only the mutations have.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    queued: Option<Queued>,
}

/// What of a create a run holds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    #[serde(rename = "b")]
    Both,
    #[serde(rename = "m")]
    Mutation,
    #[serde(rename = "r")]
    Record,
}

#[derive(Serialize, Deserialize)]
struct Queued {
    #[serde(rename = "q")]
    sequences: Numbers,
    #[serde(rename = "y", default, skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<(usize, Vec<Id>)>,
    #[serde(rename = "p")]
    priority: Priority,
    #[serde(rename = "u")]
    principal: Id,
    #[serde(rename = "h")]
    schema_version: u32,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    dating: Option<Dating>,
    /// Those that are sent together are marked together.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
}

/// They may have been sent.
#[derive(PartialEq, Serialize, Deserialize)]
struct Sent {
    #[serde(rename = "f")]
    first_sent_at: u64,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<u64>,
}

impl Sent {
    fn of<B>(create: &Mutation<B>) -> Option<Self> {
        let last_attempt_at = create.last_attempt_at;
        create.first_sent_at.map(|first_sent_at| Self { first_sent_at, last_attempt_at })
    }
}

/// One of them, as it lies among the changes.
pub(super) enum Found<'c, B> {
    Both(&'c Mutation<B>),
    Mutation(&'c Mutation<B>),
    Record(&'c Id, &'c Id, &'c Record<B>),
}

impl<'c, B: Body> Found<'c, B> {
    /// Whether a change, perhaps with the one after it, is one.
    pub(super) fn at(change: &'c Change<B>, next: Option<&'c Change<B>>) -> Option<Self> {
        match change {
            Change::Mutation { row: Some(mutation), .. } => {
                is_fresh(mutation).then(|| Self::Mutation(mutation))
            }
            Change::Record { table, id, row: Some(record) } if is_pending(record) => {
                let Some(Change::Mutation { row: Some(create), .. }) = next else {
                    return Some(Self::Record(table, id, record));
                };
                let is_its = create.table == *table
                    && create.record_id == *id
                    && record.data.same(&create.data)
                    && record.local_updated_at == Some(create.timestamp)
                    && record.sync_id.as_ref() == Some(&create.id);
                Some(if is_its && is_fresh(create) {
                    Self::Both(create)
                } else {
                    Self::Record(table, id, record)
                })
            }
            _ => None,
        }
    }

    pub(super) fn data(&self) -> &'c B {
        match self {
            Self::Both(create) | Self::Mutation(create) => &create.data,
            Self::Record(_, _, record) => &record.data,
        }
    }

    /// How many changes it is.
    pub(super) fn changes(&self) -> usize {
        match self {
            Self::Both(_) => 2,
            Self::Mutation(_) | Self::Record(..) => 1,
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Both(_) => Part::Both,
            Self::Mutation(_) => Part::Mutation,
            Self::Record(..) => Part::Record,
        }
    }

    fn table(&self) -> &'c Id {
        match self {
            Self::Both(create) | Self::Mutation(create) => &create.table,
            Self::Record(table, _, _) => table,
        }
    }

    fn mutation(&self) -> Option<&'c Mutation<B>> {
        match self {
            Self::Both(create) | Self::Mutation(create) => Some(create),
            Self::Record(..) => None,
        }
    }
}

fn is_fresh<B>(create: &Mutation<B>) -> bool {
    create.operation == Operation::Create
        && match create.state {
            MutationState::Pending => create.first_sent_at.is_none() && create.last_attempt_at.is_none(),
            MutationState::Sending => create.first_sent_at.is_some(),
            MutationState::Conflict | MutationState::Rejected => false,
        }
        && create.attempts == 0
        && create.next_attempt_at.is_none()
        && create.error.is_none()
        && create.unset.is_empty()
        && create.base_version.is_none()
        && create.merges == 0
        && !create.withdrawing
}

fn is_pending<B>(record: &Record<B>) -> bool {
    record.status == SyncStatus::PendingUpload
        && record.version.is_none()
        && record.server_updated_at.is_none()
        && record.local_updated_at.is_some()
        && record.sync_id.is_some()
        && !record.deleted
}

impl Fresh {
    pub(super) fn new<B: Body>(before: usize, after_runs: usize, body: u32, first: &Found<'_, B>) -> Self {
        let queued = first.mutation().map(|create| Queued {
            sequences: Numbers::default(),
            dependencies: Vec::new(),
            priority: create.priority,
            principal: create.principal.clone(),
            schema_version: create.schema_version,
            dating: create.dating.clone(),
            sent: Sent::of(create),
        });
        Self {
            before,
            after_runs,
            part: first.part(),
            table: first.table().clone(),
            first_body: body,
            ids: Ids::default(),
            mutations: Ids::default(),
            timestamps: Numbers::default(),
            queued,
        }
    }

    /// Whether the run goes on with this one, whose body is that.
    pub(super) fn goes_on<B: Body>(&self, body: u32, next: &Found<'_, B>) -> bool {
        let alike = |queued: &Queued, create: &Mutation<B>| {
            queued.priority == create.priority
                && queued.principal == create.principal
                && queued.schema_version == create.schema_version
                && queued.dating == create.dating
                && queued.sent == Sent::of(create)
        };
        self.part == next.part()
            && self.table == *next.table()
            && self.first_body as usize + self.ids.0.len() == body as usize
            && match (&self.queued, next.mutation()) {
                (Some(queued), Some(create)) => alike(queued, create),
                (None, None) => true,
                _ => false,
            }
    }

    pub(super) fn add<B: Body>(&mut self, found: &Found<'_, B>) {
        let at = self.ids.0.len();
        match found {
            Found::Both(create) | Found::Mutation(create) => {
                self.ids.0.push(create.record_id.clone());
                self.mutations.0.push(create.id.clone());
                self.timestamps.0.push(create.timestamp);
                if let Some(queued) = &mut self.queued {
                    queued.sequences.0.push(create.sequence);
                    if !create.dependencies.is_empty() {
                        queued.dependencies.push((at, create.dependencies.clone()));
                    }
                }
            }
            Found::Record(_, id, record) => {
                self.ids.0.push((*id).clone());
                self.mutations.0.extend(record.sync_id.clone());
                self.timestamps.0.push(record.local_updated_at.unwrap_or_default());
            }
        }
    }

    /// How many changes it stands for.
    pub(super) fn len(&self) -> usize {
        self.ids.0.len() * if self.part == Part::Both { 2 } else { 1 }
    }

    pub(super) fn unpack<B: Body>(
        self,
        bodies: &[B],
        changes: &mut Vec<Change<B>>,
    ) -> Result<(), CodecError> {
        let (first, count) = (self.first_body as usize, self.ids.0.len());
        let data = bodies.get(first..first + count).ok_or_else(|| no_body(first + count, bodies.len()))?;
        let sequences = self.queued.as_ref().map_or(count, |queued| queued.sequences.0.len());
        if [self.mutations.0.len(), self.timestamps.0.len(), sequences] != [count; 3] {
            return Err(damaged(format!("columns of {} have different lengths", self.table)));
        }
        if self.queued.is_none() && self.part != Part::Record {
            return Err(damaged(format!("creates of {} have no place in the outbox", self.table)));
        }
        let mut needs = self.queued.iter().flat_map(|queued| &queued.dependencies).peekable();
        let columns = self.ids.0.into_iter().zip(self.mutations.0).zip(self.timestamps.0).zip(data);
        for (at, (((id, mutation), timestamp), data)) in columns.enumerate() {
            if self.part != Part::Mutation {
                let row = Record {
                    data: data.clone(),
                    version: None,
                    server_updated_at: None,
                    local_updated_at: Some(timestamp),
                    sync_id: Some(mutation.clone()),
                    status: SyncStatus::PendingUpload,
                    deleted: false,
                };
                changes.push(Change::Record { table: self.table.clone(), id: id.clone(), row: Some(row) });
            }
            let Some(queued) = &self.queued else { continue };
            let row = Mutation {
                id: mutation.clone(),
                sequence: queued.sequences.0[at],
                table: self.table.clone(),
                record_id: id,
                operation: Operation::Create,
                data: data.clone(),
                unset: Vec::new(),
                base_version: None,
                timestamp,
                priority: queued.priority,
                state: if queued.sent.is_some() { MutationState::Sending } else { MutationState::Pending },
                attempts: 0,
                first_sent_at: queued.sent.as_ref().map(|sent| sent.first_sent_at),
                last_attempt_at: queued.sent.as_ref().and_then(|sent| sent.last_attempt_at),
                next_attempt_at: None,
                error: None,
                dependencies: needs
                    .next_if(|(of, _)| *of == at)
                    .map(|(_, needed)| needed.clone())
                    .unwrap_or_default(),
                principal: queued.principal.clone(),
                schema_version: queued.schema_version,
                withdrawing: false,
                dating: queued.dating.clone(),
                merges: 0,
            };
            changes.push(Change::Mutation { id: mutation, row: Some(Rc::new(row)) });
        }
        Ok(())
    }
}
