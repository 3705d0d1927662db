//! What becomes of mutations when the server has answered.
//!
//! A batch's results are one entry. Only `applied` and `duplicate` take a mutation off the outbox. An answer for a mutation
//! that is no longer there is late, and says nothing new.

use std::collections::BTreeSet;

use super::{Answer, Tally, Writing, draft::Draft, note, settle};
use crate::{
    activity::{ByTable, What},
    body::Body,
    log::entry::{Base, Id, Mapping, Mutation, MutationState, Operation, Refusal, ServerCopy},
    protocol::{Applied, DeletionRow, EntityRow, Outcome, Theirs},
    state::Meta,
};

pub(super) fn settle_all<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    answer: &Answer<B>,
) -> Tally {
    let mut tally = Tally::default();
    let (mut applied, mut conflicts, mut rejected) = (ByTable::new(), ByTable::new(), ByTable::new());
    note::take_epoch(draft, writing.now_ms(), &answer.epoch);
    draft.put_meta(Meta::SERVER_TIME, answer.server_time.to_string());
    for result in &answer.results {
        // A result that lacks what it promises acknowledges nothing: the mutation stays, and is asked about again.
        let Ok((id, outcome)) = result.clone().into_outcome() else { continue };
        let Some(mutation) = draft.mutation(&id).cloned() else { continue };
        if mutation.first_sent_at.is_none() {
            continue;
        }
        match outcome {
            Outcome::Applied(made) | Outcome::Duplicate(made) => {
                apply(draft, writing, &mutation, made);
                note::one_more(&mut applied, &mutation.table);
                tally.applied += 1;
            }
            // Both sides deleted it: there is nothing to decide.
            Outcome::Conflict(Theirs::Deletion(row)) if mutation.operation == Operation::Delete => {
                let made = Applied {
                    record_id: row.id,
                    version: row.version,
                    updated_at: row.deleted_at,
                    record: None,
                };
                apply(draft, writing, &mutation, made);
                note::one_more(&mut applied, &mutation.table);
                tally.applied += 1;
            }
            Outcome::Conflict(theirs) => {
                let refusal = match &theirs {
                    Theirs::Record(row) if row.id != *mutation.record_id => Refusal {
                        code: "natural-key-taken".to_owned(),
                        message: format!("`{}` in `{}` has the same natural key", row.id, row.table),
                        field: None,
                    },
                    Theirs::Record(row) => Refusal {
                        code: "version-conflict".to_owned(),
                        message: format!("somebody else changed it first; it is at version {}", row.version),
                        field: None,
                    },
                    Theirs::Deletion(_) => Refusal {
                        code: "deleted".to_owned(),
                        message: "somebody else deleted it first".to_owned(),
                        field: None,
                    },
                };
                take_theirs(draft, &mutation, theirs);
                park(draft, writing, &mutation, MutationState::Conflict, refusal);
                note::one_more(&mut conflicts, &mutation.table);
                tally.conflicts += 1;
            }
            Outcome::Rejected(rejection) => {
                let refusal =
                    Refusal { code: rejection.code, message: rejection.message, field: rejection.field };
                park(draft, writing, &mutation, MutationState::Rejected, refusal);
                note::one_more(&mut rejected, &mutation.table);
                tally.rejected += 1;
            }
            Outcome::Deferred { retry_after_ms } => {
                let mut deferred = (*mutation).clone();
                deferred.state = MutationState::Pending;
                deferred.attempts += 1;
                deferred.next_attempt_at = Some(writing.now_ms() + retry_after_ms);
                draft.put_mutation(deferred);
                tally.deferred += 1;
            }
        }
    }
    let tables: BTreeSet<Id> =
        [&applied, &conflicts, &rejected].into_iter().flat_map(ByTable::keys).cloned().collect();
    for table in tables {
        let of = |counts: &ByTable| counts.get(&table).copied().unwrap_or_default();
        draft.count(&table, |stats| {
            stats.pushed += of(&applied);
            stats.conflicts += of(&conflicts);
            stats.rejected += of(&rejected);
            stats.last_pushed_at = Some(writing.now_ms());
        });
    }
    if !applied.is_empty() {
        draft.note(writing.now_ms(), What::Pushed { applied });
    }
    tally
}

fn apply<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    applied: Applied<B>,
) {
    let table = &mutation.table;
    let id: Id = applied.record_id.as_str().into();
    if mutation.operation == Operation::Create && id != mutation.record_id {
        exchange_id(draft, writing, table, &mutation.record_id, &id);
    }
    // The exchange may have rewritten it.
    let data = draft.mutation(&mutation.id).map_or_else(|| mutation.data.clone(), |now| now.data.clone());
    draft.remove_mutation(&mutation.id);

    let base = draft.base(table, &id).cloned();
    let before = base.as_ref().and_then(|base| base.base.as_ref());
    let made = match applied.record {
        Some(row) => copy_of(&row),
        None => ServerCopy {
            data: match (mutation.operation, before) {
                (Operation::Create, _) => data,
                (Operation::Update, Some(copy)) => copy.data.patched(&data, &mutation.unset),
                // The record as we show it has this change in it.
                (Operation::Update, None) => {
                    draft.record(table, &id).map_or(data, |record| record.data.clone())
                }
                (Operation::Delete, _) => B::empty(),
            },
            version: applied.version,
            updated_at: applied.updated_at,
            deleted: mutation.operation == Operation::Delete,
        },
    };
    let version = made.version;
    let theirs = base.and_then(|base| base.theirs).filter(|theirs| theirs.version > version);
    draft.put_base(table, &id, Some(Base { base: Some(made), theirs }));
    for next in draft.mutations_of(table, &id) {
        if next.first_sent_at.is_none() {
            let mut rebased = (*next).clone();
            rebased.base_version = Some(version);
            draft.put_mutation(rebased);
        }
    }
    settle::settle(draft, table, &id);
}

/// A record gets its server id: it moves there with all that belongs to it, in this one entry.
pub(super) fn exchange_id<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    table: &Id,
    temporary: &Id,
    server: &Id,
) {
    let mapping = Mapping {
        temporary: temporary.clone(),
        server: server.clone(),
        table: table.clone(),
        at: writing.now_ms(),
    };
    draft.put_mapping(&mapping);
    if let Some(record) = draft.record(table, temporary).cloned() {
        draft.put_record(table, temporary, None);
        draft.put_record(table, server, Some(record));
    }
    if let Some(base) = draft.base(table, temporary).cloned() {
        draft.put_base(table, temporary, None);
        draft.put_base(table, server, Some(base));
    }
}

fn park<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    state: MutationState,
    refusal: Refusal,
) {
    let mut parked = mutation.clone();
    parked.state = state;
    parked.attempts += 1;
    parked.last_attempt_at = Some(writing.now_ms());
    parked.next_attempt_at = None;
    parked.error = Some(refusal.clone());
    draft.put_mutation(parked);
    let conflict = state == MutationState::Conflict;
    draft.note(writing.now_ms(), What::Parked { of: mutation.subject(), conflict, reason: refusal });
    settle::settle(draft, &mutation.table, &mutation.record_id);
}

fn take_theirs<B: Body>(draft: &mut Draft<'_, B>, mutation: &Mutation<B>, theirs: Theirs<B>) {
    let copy = match theirs {
        Theirs::Record(row) if row.id == *mutation.record_id => copy_of(&row),
        // The holder of a natural key is another record.
        Theirs::Record(_) => return,
        Theirs::Deletion(row) => tombstone_of(&row),
    };
    keep_theirs(draft, &mutation.table, &mutation.record_id, copy);
}

/// Keeps a server copy beside what is outstanding, if it is newer than what is known.
pub(super) fn keep_theirs<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id, copy: ServerCopy<B>) {
    let base = draft.base(table, id).cloned().unwrap_or(Base { base: None, theirs: None });
    if base.newest().is_none_or(|known| known.version < copy.version) {
        draft.put_base(table, id, Some(Base { theirs: Some(copy), ..base }));
    }
}

pub(super) fn copy_of<B: Body>(row: &EntityRow<B>) -> ServerCopy<B> {
    ServerCopy { data: row.data.clone(), version: row.version, updated_at: row.updated_at, deleted: false }
}

pub(super) fn tombstone_of<B: Body>(row: &DeletionRow) -> ServerCopy<B> {
    ServerCopy { data: B::empty(), version: row.version, updated_at: row.deleted_at, deleted: true }
}
