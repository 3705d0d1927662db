//! Deleting a record, and what the schema says goes with it.
//!
//! First all that is doomed is found, then what would refuse it, and only then is anything written: children before their
//! parents, so that each deletion can wait for those that the server must hear of before it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    WriteOptions, Writing, check,
    draft::Draft,
    park, settle,
    write::{add, is_placed, not_found, remember_base},
};
use crate::{
    activity::What,
    body::Body,
    error::Error,
    log::entry::{Id, Mutation, Operation},
    planted,
    schema::OnDelete,
    sorted::{SortedMap, sort},
};

/// A record: its table and id.
type Key = (Id, Id);

/// Deletes a record and, where the schema says so, its children first.
pub(super) fn delete<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    options: &WriteOptions,
) -> Result<(), Error> {
    check::table(draft.schema(), table)?;
    let id = draft.resolve(id);
    if draft.live(table, &id).is_none() {
        return Err(not_found(table, &id));
    }
    let doomed = doomed(draft, (table.clone(), id))?;
    let mut departures = departures(draft, &doomed);
    for (table, id) in doomed {
        // A record that goes is itself a departure from its parents.
        let parents = parents_of(draft, &table, &id);
        let mut dependencies = Vec::new();
        let leaving = departures.remove(&(table.clone(), id.clone())).into_iter().flatten();
        for record in leaving.filter(|_| !planted!("departures-not-awaited")) {
            let last = draft.mutations_of(&record.0, &record.1).pop();
            add(&mut dependencies, &last.map(|mutation| vec![mutation.id.clone()]).unwrap_or_default());
        }
        add(&mut dependencies, &options.depends_on);
        delete_one(draft, writing, &table, &id, options, dependencies)?;
        for parent in parents {
            departures.entry(parent).or_default().push((table.clone(), id.clone()));
        }
    }
    Ok(())
}

/// What goes with a record, children before their parents and the record last; or the refusal. A child whose rule is
/// `refuse` refuses only if it would stay: it may be doomed by another way. The server judges the same.
fn doomed<B: Body>(draft: &Draft<'_, B>, root: Key) -> Result<Vec<Key>, Error> {
    let mut doomed = Vec::new();
    let mut found: FxHashSet<Key> = FxHashSet::default();
    let mut refusing = Vec::new();
    // A record is opened, then its children, then it is closed; records that refer to each other in a circle end there.
    let mut open = vec![(root, false)];
    while let Some((record, is_closed)) = open.pop() {
        if is_closed {
            doomed.push(record);
            continue;
        }
        if !found.insert(record.clone()) {
            continue;
        }
        open.push((record.clone(), true));
        let (table, id) = &record;
        for (child, field, on_delete) in draft.schema().children_of(table) {
            let child: Id = child.into();
            for child_id in draft.children(&child, field, id) {
                let key = (child.clone(), child_id);
                match on_delete {
                    OnDelete::Refuse => refusing.push((id.clone(), key, field)),
                    OnDelete::Cascade => open.push((key, false)),
                }
            }
        }
    }
    match refusing.into_iter().find(|(_, child, _)| !found.contains(child)) {
        None => Ok(doomed),
        Some((id, (child, child_id), field)) => Err(Error::ReferenceInUse {
            id: id.to_string(),
            child: child.to_string(),
            child_id: child_id.to_string(),
            field: field.to_owned(),
        }),
    }
}

/// The records that a record refers to.
fn parents_of<B: Body>(draft: &Draft<'_, B>, table: &Id, id: &Id) -> Vec<Key> {
    let Some(definition) = draft.schema().table(table) else { return Vec::new() };
    let Some(record) = draft.record(table, id) else { return Vec::new() };
    let references = definition.references.iter();
    references
        .filter_map(|(field, reference)| Some((Id::from(reference.table.as_str()), record.data.text(field)?)))
        .collect()
}

/// For each of these records the others that the server still has under it and that leave it: by their deletion, or their
/// move to another parent, written earlier. The server must hear of these before it hears that the parent is gone.
fn departures<B: Body>(draft: &Draft<'_, B>, doomed: &[Key]) -> FxHashMap<Key, Vec<Key>> {
    let mut departures: FxHashMap<Key, Vec<Key>> = FxHashMap::default();
    let parents: FxHashSet<&Key> = doomed.iter().collect();
    let children: SortedMap<&str, Vec<(&str, &Id)>> = {
        let mut children: SortedMap<&str, Vec<(&str, &Id)>> = SortedMap::new();
        let tables: FxHashMap<&str, &Id> = doomed.iter().map(|(table, _)| (&**table, table)).collect();
        for (name, table) in tables {
            for (child, field, _) in draft.schema().children_of(name) {
                children.entry(child).or_default().push((field, table));
            }
        }
        children
    };
    let is_known = |table: &Id| draft.schema().table(table).is_some();
    if children.is_empty() && draft.state().outbox.tables().all(is_known) {
        return departures;
    }
    for mutation in draft.all_mutations() {
        let record = (mutation.table.clone(), mutation.record_id.clone());
        let Some(fields) = children.get(&*mutation.table) else {
            // What a newer release knows may refer to them in any of its fields.
            if !is_known(&mutation.table) {
                let named = doomed.iter().filter(|(_, id)| names(draft, mutation, id));
                named.for_each(|parent| departures.entry(parent.clone()).or_default().push(record.clone()));
            }
            continue;
        };
        let base = draft.base(&mutation.table, &mutation.record_id).and_then(|base| base.newest());
        for (field, parent) in fields {
            for data in base.map(|copy| &copy.data).into_iter().chain([&mutation.data]) {
                let Some(parent_id) = data.text(field) else { continue };
                let parent = ((*parent).clone(), parent_id);
                if parents.contains(&parent) {
                    departures.entry(parent).or_default().push(record.clone());
                }
            }
        }
    }
    for records in departures.values_mut() {
        sort(records);
        records.dedup();
    }
    departures
}

/// Whether any field of a mutation, or of what it was made on, holds that id.
fn names<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>, id: &Id) -> bool {
    let base = draft.base(&mutation.table, &mutation.record_id).and_then(|base| base.newest());
    let bodies = base.map(|copy| &copy.data).into_iter().chain([&mutation.data]);
    bodies.into_iter().any(|data| data.fields().iter().any(|field| data.text(field).as_ref() == Some(id)))
}

fn delete_one<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    table: &Id,
    id: &Id,
    options: &WriteOptions,
    dependencies: Vec<Id>,
) -> Result<(), Error> {
    let definition = check::table(draft.schema(), table)?;
    let Some(record) = draft.live(table, id).cloned() else { return Ok(()) };
    let outstanding = draft.mutations_of(table, id);
    // Never sent, or refused for good.
    let is_unknown_there = planted!("deleted-with-its-create")
        || outstanding
            .iter()
            .all(|mutation| mutation.is_open() || (mutation.state.is_parked() && !mutation.may_be_applied()));
    let created_here = outstanding.first().is_some_and(|first| first.operation == Operation::Create);
    let needed = outstanding.iter().any(|mutation| !draft.dependents(&mutation.id).is_empty());
    if created_here && is_unknown_there && record.version.is_none() && !needed {
        // The server has never heard of it, or would not have it: there is nothing to tell.
        for mutation in outstanding {
            draft.remove_mutation(&mutation.id);
            if mutation.state.is_parked() {
                draft.note(writing.now_ms(), What::Discarded { of: mutation.subject() });
            }
        }
        draft.put_record(table, id, None);
        return Ok(());
    }
    remember_base(draft, table, id, &record, outstanding.is_empty());
    // Nobody has to decide about a create that is not wanted any more. The server may have it all the same.
    for create in outstanding.iter().filter(|mutation| mutation.operation == Operation::Create) {
        if create.state.is_parked() && create.may_be_applied() {
            park::withdraw(draft, create);
        }
    }
    let mut base_version = record.version;
    // What only this deletion follows need not be told any more: but for what gave others something to wait for, and
    // for what itself has its place among the changes of other records.
    for mutation in outstanding.iter().rev().take_while(|m| m.is_open() && m.operation == Operation::Update) {
        let changed = mutation.data.fields();
        let mut named = changed.iter().chain(&mutation.unset);
        let has_its_place =
            !mutation.dependencies.is_empty() || named.any(|field| is_placed(definition, field));
        if has_its_place || !draft.dependents(&mutation.id).is_empty() {
            break;
        }
        base_version = mutation.base_version;
        draft.remove_mutation(&mutation.id);
    }
    let priority = options.priority.unwrap_or(definition.priority.default);
    let mutation = Mutation {
        base_version,
        dependencies,
        ..writing.mutation(draft, table, id, Operation::Delete, B::empty(), priority)
    };
    draft.put_mutation(mutation);
    settle::settle(draft, table, id);
    Ok(())
}
