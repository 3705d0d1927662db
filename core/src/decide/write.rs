//! What the app writes: create and update. [`super::delete`] takes records away.

use super::{WriteOptions, Writing, check, draft::Draft, settle};
use crate::{
    body::{Body, Outline, Scalar},
    error::Error,
    ids::is_uuid,
    log::entry::{Base, Id, Mutation, MutationState, Operation, Record, ServerCopy},
    planted,
    schema::{Ids, Priority, Table},
};

/// The options with the dependencies that still have to be waited for. One that has left the outbox needs no wait.
pub(super) fn checked<B: Body>(draft: &Draft<'_, B>, options: &WriteOptions) -> Result<WriteOptions, Error> {
    let depends_on = waited_for(draft, &options.depends_on, "options.dependsOn")?;
    Ok(WriteOptions { depends_on, ..*options })
}

/// Those of these mutations that are in the outbox. `path` says in an error where the list was given.
pub(super) fn waited_for<B: Body>(draft: &Draft<'_, B>, ids: &[Id], path: &str) -> Result<Vec<Id>, Error> {
    if let Some(at) = ids.iter().position(|id| !is_uuid(id)) {
        return Err(Error::InvalidValue {
            path: format!("{path}[{at}]"),
            problem: "is not a mutation's id, as the outbox's list and a record's `_syncId` give it"
                .to_owned(),
        });
    }
    Ok(ids.iter().filter(|id| draft.mutation(id).is_some()).cloned().collect())
}

/// Creates a record; its id.
pub(super) fn create<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    data: &B,
    options: &WriteOptions,
) -> Result<Id, Error> {
    let definition = check::table(draft.schema(), table)?;
    let fields = check::whole(definition, data.outline(&definition.field_names))?;
    create_checked(draft, writing, table, definition, data, &fields, options)
}

/// Creates records, all or none; their ids. `is_list`: an error says which of them it is about.
pub(super) fn create_all<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    records: &[B],
    outlines: Vec<Outline>,
    is_list: bool,
    options: &WriteOptions,
) -> Result<Vec<Id>, Error> {
    let definition = check::table(draft.schema(), table)?;
    // A record and a mutation each.
    draft.reserve(records.len() * 2);
    let create = |(at, (data, outline)): (usize, (&B, Outline))| {
        let created = check::whole(definition, outline)
            .and_then(|fields| create_checked(draft, writing, table, definition, data, &fields, options));
        created.map_err(|error| if is_list { error.at_record(at) } else { error })
    };
    records.iter().zip(outlines).enumerate().map(create).collect()
}

fn create_checked<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    definition: &Table,
    data: &B,
    fields: &[&str],
    options: &WriteOptions,
) -> Result<Id, Error> {
    let data = draft.resolved(table, data.clone());
    let mut dependencies = parents(draft, definition, &data)?;
    add(&mut dependencies, &options.depends_on);
    let id: Id = match definition.ids {
        Ids::Temporary => writing.temporary_id(table),
        Ids::Uuid => writing.record_uuid(),
    };
    let priority = options.priority.unwrap_or_else(|| definition.priority.of(fields.iter().copied()));
    let mutation = writing.mutation(draft, table, &id, Operation::Create, data, priority);
    draft.put_record(table, &id, Some(Record::born_of(&mutation)));
    draft.put_mutation(Mutation { dependencies, ..mutation });
    Ok(id)
}

/// Changes fields of a record; its id now. With the changes comes what [`check::outlines`] says of them.
pub(super) fn update<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    (changes, outline): (&B, Outline),
    unset: &[String],
    options: &WriteOptions,
) -> Result<Id, Error> {
    let definition = check::table(draft.schema(), table)?;
    let id = draft.resolve(id);
    let Some(record) = draft.live(table, &id).cloned() else { return Err(not_found(table, &id)) };
    let fields = check::part(definition, outline, unset)?;
    let changes = draft.resolved(table, changes.clone());
    if fields.is_empty() && unset.is_empty() {
        return Ok(id);
    }
    let mut dependencies = parents(draft, definition, &changes)?;
    add(&mut dependencies, &options.depends_on);
    let named: Vec<&str> = fields.iter().copied().chain(unset.iter().map(String::as_str)).collect();
    let priority = options.priority.unwrap_or_else(|| definition.priority.of(named.iter().copied()));
    let has_its_place =
        !options.depends_on.is_empty() || named.iter().any(|field| is_placed(definition, field));
    let change = Change { changes, unset, dependencies, priority, has_its_place };
    put_change(draft, writing, table, &id, &record, change);
    Ok(id)
}

/// Sends what changed in the roll-ups of a record, as an ordinary update of it.
pub(super) fn send_rollups<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    values: &[(&str, Scalar)],
) {
    let Some(definition) = draft.schema().table(table) else { return };
    let Some(record) = draft.live(table, id).cloned() else { return };
    let priority = definition.priority.of(values.iter().map(|(name, _)| *name));
    let changes = B::of(values);
    let change = Change { changes, unset: &[], dependencies: Vec::new(), priority, has_its_place: false };
    put_change(draft, writing, table, id, &record, change);
}

/// A checked update.
struct Change<'c, B> {
    changes: B,
    unset: &'c [String],
    dependencies: Vec<Id>,
    priority: Priority,
    /// Whether it has to come after something else, and would come before it, were it folded into an earlier change.
    has_its_place: bool,
}

fn put_change<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    record: &Record<B>,
    Change { changes, unset, dependencies, priority, has_its_place }: Change<'_, B>,
) {
    let outstanding = draft.mutations_of(table, id);
    let mutation = match outstanding.last() {
        // Two changes of one record, neither ever sent, are one.
        Some(last)
            if (last.is_open() || planted!("edited-in-flight"))
                && last.operation != Operation::Delete
                && !has_its_place =>
        {
            let mut merged = (**last).clone();
            merged.data = last.data.patched(&changes, unset);
            if last.operation == Operation::Update {
                merged.unset.retain(|field| changes.kind(field).is_none());
                let is_new = |field: &&String| !last.unset.contains(field) && !planted!("unset-forgotten");
                let added = unset.iter().filter(is_new).cloned();
                merged.unset.extend(added.collect::<Vec<_>>());
            }
            merged.priority = last.priority.max(priority);
            merged.timestamp = writing.now_ms();
            merged.dating = Some(writing.mint.dating());
            merged
        }
        _ => Mutation {
            unset: unset.to_vec(),
            base_version: record.version,
            dependencies,
            ..writing.mutation(draft, table, id, Operation::Update, changes.clone(), priority)
        },
    };
    remember_base(draft, table, id, record, outstanding.is_empty());
    let states = outstanding.iter().map(|mutation| mutation.state).chain([MutationState::Pending]);
    let row = Record {
        data: record.data.patched(&changes, unset),
        local_updated_at: Some(writing.now_ms()),
        sync_id: Some(mutation.id.clone()),
        status: settle::status(record.version.is_some(), states),
        ..record.clone()
    };
    draft.put_record(table, id, Some(row));
    draft.put_mutation(mutation);
}

/// Whether a change of this field has its place among the changes of other records: a foreign key must come after its
/// parent's create, and a part of a natural key after the change by which another record gave the value up.
pub(super) fn is_placed(table: &Table, field: &str) -> bool {
    table.references.contains_key(field) || table.unique.iter().flatten().any(|part| part == field)
}

/// Checks that every parent is there; the mutations that create those that the server does not know yet.
pub(super) fn parents<B: Body>(draft: &Draft<'_, B>, table: &Table, data: &B) -> Result<Vec<Id>, Error> {
    let mut dependencies = Vec::new();
    for (field, reference) in &table.references {
        let Some(parent_id) = data.text(field) else { continue };
        let parent: Id = reference.table.as_str().into();
        let Some(record) = draft.live(&parent, &parent_id) else {
            return Err(Error::ReferenceMissing {
                field: field.clone(),
                table: reference.table.clone(),
                id: parent_id.to_string(),
            });
        };
        if record.version.is_none() {
            add(&mut dependencies, &creates_of(draft, &parent, &parent_id));
        }
    }
    Ok(dependencies)
}

/// The mutations that create a record: one, or none if the server has it.
pub(super) fn creates_of<B: Body>(draft: &Draft<'_, B>, table: &Id, id: &Id) -> Vec<Id> {
    let mutations = draft.mutations_of(table, id);
    let creates = mutations.iter().filter(|mutation| mutation.operation == Operation::Create);
    creates.map(|mutation| mutation.id.clone()).collect()
}

/// Adds what is not there yet.
pub(super) fn add(dependencies: &mut Vec<Id>, more: &[Id]) {
    for id in more {
        if !dependencies.contains(id) {
            dependencies.push(id.clone());
        }
    }
}

/// Keeps the server's copy aside when a record that was as the server has it is changed for the first time.
pub(super) fn remember_base<B: Body>(
    draft: &mut Draft<'_, B>,
    table: &Id,
    id: &Id,
    record: &Record<B>,
    first: bool,
) {
    if let (true, Some(version)) = (first, record.version) {
        let base = ServerCopy {
            data: record.data.clone(),
            version,
            updated_at: record.server_updated_at.unwrap_or_default(),
            deleted: false,
        };
        draft.put_base(table, id, Some(Base { base: Some(base), theirs: None, left: false }));
    }
}

pub(super) fn not_found(table: &Id, id: &Id) -> Error {
    Error::RecordNotFound { table: table.to_string(), id: id.to_string() }
}
