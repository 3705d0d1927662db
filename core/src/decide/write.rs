//! What the app writes: create, update, delete.

use std::{collections::BTreeSet, rc::Rc};

use super::{Writing, check, draft::Draft, settle};
use crate::{
    body::Body,
    error::Error,
    log::entry::{Base, Id, Mutation, MutationState, Operation, Record, ServerCopy},
    schema::{Ids, OnDelete, Priority},
};

/// Creates a record; its id.
pub(super) fn create<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    data: &B,
    priority: Option<Priority>,
) -> Result<Id, Error> {
    let definition = check::table(draft.schema(), table)?;
    let fields = check::whole(definition, data)?;
    let data = draft.resolved(table, data.clone());
    let dependencies = parents(draft, table, &data)?;
    let id: Id = match definition.ids {
        Ids::Temporary => writing.temporary_id(table),
        Ids::Uuid => writing.record_uuid(),
    };
    let priority = priority.unwrap_or_else(|| definition.priority.of(fields));
    let mutation = writing.mutation(draft, table, &id, Operation::Create, data, priority);
    draft.put_record(table, &id, Some(Record::born_of(&mutation)));
    draft.put_mutation(Mutation { dependencies, ..mutation });
    Ok(id)
}

/// Changes fields of a record; its id now.
pub(super) fn update<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    changes: &B,
    unset: &[String],
    priority: Option<Priority>,
) -> Result<Id, Error> {
    let definition = check::table(draft.schema(), table)?;
    let id = draft.resolve(id);
    let Some(record) = draft.live(table, &id).cloned() else { return Err(not_found(table, &id)) };
    let fields = check::part(definition, changes, unset)?;
    let changes = draft.resolved(table, changes.clone());
    if fields.is_empty() && unset.is_empty() {
        return Ok(id);
    }
    let dependencies = parents(draft, table, &changes)?;
    let named = fields.iter().copied().chain(unset.iter().map(String::as_str));
    let priority = priority.unwrap_or_else(|| definition.priority.of(named.clone()));
    let moves = named.clone().any(|field| definition.references.contains_key(field));

    let outstanding = draft.mutations_of(table, &id);
    let mutation = match outstanding.last() {
        // Two changes of one record, neither ever sent, are one. One that moves the record to another parent stays
        // its own: folded backwards it would come before that parent.
        Some(last) if is_open(last) && last.operation != Operation::Delete && !moves => {
            let mut merged = (**last).clone();
            merged.data = last.data.patched(&changes, unset);
            if last.operation == Operation::Update {
                merged.unset.retain(|field| !fields.contains(&field.as_str()));
                let added = unset.iter().filter(|field| !last.unset.contains(field)).cloned();
                merged.unset.extend(added.collect::<Vec<_>>());
            }
            merged.priority = last.priority.max(priority);
            merged.timestamp = writing.now_ms();
            merged
        }
        _ => Mutation {
            unset: unset.to_vec(),
            base_version: record.version,
            dependencies,
            ..writing.mutation(draft, table, &id, Operation::Update, changes.clone(), priority)
        },
    };
    remember_base(draft, table, &id, &record, outstanding.is_empty());
    let states = outstanding.iter().map(|mutation| mutation.state).chain([MutationState::Pending]);
    let row = Record {
        data: record.data.patched(&changes, unset),
        local_updated_at: Some(writing.now_ms()),
        sync_id: Some(mutation.id.clone()),
        status: settle::status(record.version.is_some(), states),
        ..record
    };
    draft.put_record(table, &id, Some(row));
    draft.put_mutation(mutation);
    Ok(id)
}

/// Deletes a record and, where the schema says so, its children first.
pub(super) fn delete<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    priority: Option<Priority>,
) -> Result<(), Error> {
    let definition = check::table(draft.schema(), table)?;
    let id = draft.resolve(id);
    let Some(record) = draft.live(table, &id).cloned() else { return Err(not_found(table, &id)) };
    let dependencies = delete_children(draft, writing, table, &id, priority)?;

    let outstanding = draft.mutations_of(table, &id);
    let never_sent = outstanding.iter().all(|mutation| is_open(mutation));
    let created_here = outstanding.first().is_some_and(|first| first.operation == Operation::Create);
    let needed = outstanding.iter().any(|mutation| !draft.dependents(&mutation.id).is_empty());
    if created_here && never_sent && !needed {
        // The server has never heard of it: there is nothing to tell.
        for mutation in outstanding {
            draft.remove_mutation(&mutation.id);
        }
        draft.put_record(table, &id, None);
        return Ok(());
    }
    remember_base(draft, table, &id, &record, outstanding.is_empty());
    let mut base_version = record.version;
    for mutation in outstanding.iter().rev().take_while(|m| is_open(m) && m.operation == Operation::Update) {
        if draft.dependents(&mutation.id).is_empty() {
            base_version = mutation.base_version;
            draft.remove_mutation(&mutation.id);
        }
    }
    let priority = priority.unwrap_or(definition.priority.default);
    let mutation = Mutation {
        base_version,
        dependencies,
        ..writing.mutation(draft, table, &id, Operation::Delete, B::empty(), priority)
    };
    draft.put_mutation(mutation);
    settle::settle(draft, table, &id);
    Ok(())
}

/// Deletes what refers to a record, or refuses; the mutations that delete it, which must come first.
fn delete_children<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    priority: Option<Priority>,
) -> Result<Vec<Id>, Error> {
    let mut before = Vec::new();
    for (child, field, on_delete) in draft.schema().children_of(table) {
        let child: Id = child.into();
        for child_id in draft.children(&child, field, id) {
            if child == *table && child_id == *id {
                continue;
            }
            if on_delete == OnDelete::Refuse {
                return Err(Error::ReferenceInUse {
                    id: id.to_string(),
                    child: child.to_string(),
                    child_id: child_id.to_string(),
                    field: field.to_owned(),
                });
            }
            // A child that an earlier branch of the cascade took is gone already.
            if draft.live(&child, &child_id).is_some() {
                delete(draft, writing, &child, &child_id, priority)?;
            }
        }
        before.extend(departures(draft, &child, field, id));
    }
    Ok(before)
}

/// The mutations by which records that the server still has under `id` leave it: their deletion, or their move to
/// another parent, written now or earlier. The server must hear of these before it hears that the parent is gone.
fn departures<B: Body>(draft: &Draft<'_, B>, child: &Id, field: &str, id: &Id) -> Vec<Id> {
    let refers = |data: &B| data.text(field).as_ref() == Some(id);
    let leaving: BTreeSet<&Id> = draft
        .mutations_in(child)
        .filter(|mutation| {
            let base = draft.base(child, &mutation.record_id).and_then(|base| base.newest());
            refers(&mutation.data) || base.is_some_and(|copy| refers(&copy.data))
        })
        .map(|mutation| &mutation.record_id)
        .collect();
    let last = leaving.into_iter().filter_map(|record_id| draft.mutations_of(child, record_id).pop());
    last.map(|mutation| mutation.id.clone()).collect()
}

/// Checks that every parent is there; the mutations that create those that the server does not know yet.
fn parents<B: Body>(draft: &Draft<'_, B>, table: &Id, data: &B) -> Result<Vec<Id>, Error> {
    let definition = check::table(draft.schema(), table)?;
    let mut dependencies = Vec::new();
    for (field, reference) in &definition.references {
        let Some(parent_id) = data.text(field) else { continue };
        let parent: Id = reference.table.as_str().into();
        let Some(record) = draft.live(&parent, &parent_id) else {
            return Err(Error::ReferenceMissing {
                field: field.clone(),
                table: reference.table.clone(),
                id: parent_id.to_string(),
            });
        };
        if record.version.is_some() {
            continue;
        }
        let creates = draft.mutations_of(&parent, &parent_id);
        dependencies
            .extend(creates.iter().filter(|m| m.operation == Operation::Create).map(|m| m.id.clone()));
    }
    Ok(dependencies)
}

/// Whether it may still change: no request can have carried it, and nobody needs to decide about it.
fn is_open<B>(mutation: &Rc<Mutation<B>>) -> bool {
    mutation.state == MutationState::Pending && mutation.first_sent_at.is_none()
}

/// Keeps the server's copy aside when a record that was as the server has it is changed for the first time.
fn remember_base<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id, record: &Record<B>, first: bool) {
    if let (true, Some(version)) = (first, record.version) {
        let base = ServerCopy {
            data: record.data.clone(),
            version,
            updated_at: record.server_updated_at.unwrap_or_default(),
            deleted: false,
        };
        draft.put_base(table, id, Some(Base { base: Some(base), theirs: None }));
    }
}

fn not_found(table: &Id, id: &Id) -> Error {
    Error::RecordNotFound { table: table.to_string(), id: id.to_string() }
}
