//! What a person decides about a mutation: give it up, send it again, or let it wait for others.

use std::rc::Rc;

use super::{
    Decision, Done, WriteOptions, Writing, check, cycle, delete,
    draft::Draft,
    resolve, settle,
    write::{add, creates_of, not_found, parents, waited_for},
};
use crate::{
    activity::What,
    body::Body,
    error::Error,
    log::entry::{Base, Id, Mutation, MutationState, Operation},
    merge::{Choice, Path},
    planted,
    schema::rules::Strategy,
    sorted::{SortedMap, SortedSet, sort},
};

fn find<B: Body>(draft: &Draft<'_, B>, id: &Id) -> Result<Rc<Mutation<B>>, Error> {
    draft.mutation(id).cloned().ok_or_else(|| Error::MutationNotFound { id: id.to_string() })
}

/// Gives a mutation up. The record falls back to its base and what else is pending, exactly; where the server may have
/// applied it, it is asked to forget it. Who discards a create discards what was done to the record afterwards; other
/// changes that build on it refuse, unless `cascade` says that they go too.
pub(super) fn discard<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    id: &Id,
    cascade: bool,
) -> Result<Done, Error> {
    let mutation = find(draft, id)?;
    let (doomed, asked) = with_dependents(draft, mutation);
    if !cascade && !asked.is_empty() {
        let dependents = asked.iter().map(|id| cycle::named(draft, id)).collect();
        return Err(Error::MutationInUse { id: id.to_string(), dependents });
    }
    let (mut discarded, mut withdrawing) = (Vec::new(), Vec::new());
    for mutation in doomed.values() {
        if mutation.may_be_applied() && !planted!("given-up-at-once") {
            withdraw(draft, mutation);
            withdrawing.push(mutation.id.clone());
        } else if mutation.operation == Operation::Delete
            && mutation.id != *id
            && is_in_doubt(draft, mutation)
        {
            // Should the create turn out to be applied, the record is not to come back.
        } else {
            resolve::give_up(draft, writing, mutation);
            draft.remove_mutation(&mutation.id);
            draft.note(writing.now_ms(), What::Discarded { of: mutation.subject() });
            discarded.push(mutation.id.clone());
        }
    }
    // Each record once: settled again after its base is gone, it would be gone too.
    let records: SortedSet<_> = doomed.values().map(|doomed| (&doomed.table, &doomed.record_id)).collect();
    for (table, id) in records.into_iter().filter(|_| !planted!("rollback-forgotten")) {
        settle::settle(draft, table, id);
    }
    Ok(Done::Discarded { discarded, withdrawing })
}

/// A mutation and all that goes with it, in the order of writing; and of these the ones that are asked about.
fn with_dependents<B: Body>(
    draft: &Draft<'_, B>,
    mutation: Rc<Mutation<B>>,
) -> (SortedMap<u64, Rc<Mutation<B>>>, Vec<Id>) {
    let first = mutation.clone();
    let (mut doomed, mut asked) = (SortedMap::new(), Vec::new());
    let mut reach = vec![mutation];
    while let Some(mutation) = reach.pop() {
        let is_its_own = first.operation == Operation::Create
            && (&mutation.table, &mutation.record_id) == (&first.table, &first.record_id);
        if mutation.id != first.id && !is_its_own {
            asked.push(mutation.id.clone());
        }
        let mut next = draft.dependents(&mutation.id);
        if mutation.operation == Operation::Create || planted!("discard-takes-later") {
            let of_record = draft.mutations_of(&mutation.table, &mutation.record_id);
            next.extend(of_record.into_iter().filter(|later| later.sequence > mutation.sequence));
        }
        doomed.insert(mutation.sequence, mutation);
        reach.extend(next.into_iter().filter(|next| !doomed.contains_key(&next.sequence)));
        reach.dedup_by_key(|next| next.sequence);
    }
    sort(&mut asked);
    asked.dedup();
    (doomed, asked)
}

/// Whether the record's create is being withdrawn: the server may have it.
fn is_in_doubt<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>) -> bool {
    let of_record = draft.mutations_of(&mutation.table, &mutation.record_id);
    of_record.iter().any(|other| other.withdrawing && other.operation == Operation::Create)
}

/// It goes out once more, to be forgotten. Nothing else of it changes: the server may be applying it at this moment.
pub(super) fn withdraw<B: Body>(draft: &mut Draft<'_, B>, mutation: &Mutation<B>) {
    draft.put_mutation(Mutation {
        withdrawing: true,
        state: MutationState::Sending,
        next_attempt_at: None,
        error: None,
        ..mutation.clone()
    });
}

/// Sends a parked mutation again, with other fields if there are `changes`: as a new one, since its id has had its
/// answer, on the newest version known. One that got no definite answer goes again as it is, under its id.
pub(super) fn retry<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    id: &Id,
    changes: Option<&B>,
    unset: &[String],
) -> Result<Done, Error> {
    let parked = find(draft, id)?;
    if !parked.state.is_parked() {
        return Err(Error::MutationNotParked { id: id.to_string() });
    }
    let is_edited = changes.is_some() || !unset.is_empty();
    let (table, record_id) = (&parked.table, &parked.record_id);
    if parked.may_be_applied() {
        if is_edited {
            return Err(Error::MutationInFlight { id: id.to_string() });
        }
        let again = Mutation { state: MutationState::Sending, attempts: 0, error: None, ..(*parked).clone() };
        draft.put_mutation(again);
        settle::settle(draft, table, record_id);
        let retried = What::Retried { of: parked.subject(), successor: id.clone() };
        draft.note(writing.now_ms(), retried);
        return Ok(Done::Queued(id.clone()));
    }
    if parked.operation == Operation::Delete && draft.live(table, record_id).is_some() {
        return if is_edited { Err(no_fields()) } else { delete_anew(draft, writing, &parked) };
    }
    if resolve::is_open(draft, &parked, writing) {
        return force(draft, writing, &parked, changes, unset);
    }
    // It goes on what it was made on: whether somebody else was there meanwhile, the server tells.
    let base_version = ground(draft.base(table, record_id));
    let mut fresh = Mutation {
        unset: parked.unset.clone(),
        base_version,
        dependencies: parked.dependencies.clone(),
        // It keeps its place among the record's other mutations.
        sequence: parked.sequence,
        state: MutationState::Pending,
        ..writing.mutation(draft, table, record_id, parked.operation, parked.data.clone(), parked.priority)
    };
    if is_edited {
        edit(draft, &mut fresh, &changes.cloned().unwrap_or_else(B::empty), unset)?;
    } else {
        // What it refers to may have gone since it was rolled back.
        let needed = parents(draft, check::table(draft.schema(), table)?, &fresh.data)?;
        add(&mut fresh.dependencies, &needed);
    }
    let fresh_id = fresh.id.clone();
    let dependents = draft.dependents(id);
    draft.remove_mutation(id);
    for dependent in dependents {
        let mut renamed = (*dependent).clone();
        for dependency in &mut renamed.dependencies {
            if dependency == id {
                *dependency = fresh_id.clone();
            }
        }
        draft.put_mutation(renamed);
    }
    let retried = What::Retried { of: parked.subject(), successor: fresh_id.clone() };
    draft.put_mutation(fresh);
    if is_edited {
        cycle::refuse(draft, &fresh_id, "changes")?;
    }
    settle::settle(draft, table, record_id);
    draft.note(writing.now_ms(), retried);
    Ok(Done::Queued(fresh_id))
}

/// Deletes a record once more whose deletion was refused, and taken back: with what was written to it since, and with what hangs on
/// it by now.
fn delete_anew<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    parked: &Mutation<B>,
) -> Result<Done, Error> {
    let (table, record_id) = (&parked.table, &parked.record_id);
    draft.remove_mutation(&parked.id);
    settle::settle(draft, table, record_id);
    let depends_on = parked.dependencies.iter().filter(|id| draft.mutation(id).is_some()).cloned();
    let options = WriteOptions { priority: Some(parked.priority), depends_on: depends_on.collect() };
    delete::delete(draft, writing, table, record_id, &options)?;
    let of_record = draft.mutations_of(table, record_id);
    let fresh = of_record.iter().rfind(|mutation| mutation.operation == Operation::Delete);
    let fresh = fresh.map(|mutation| mutation.id.clone()).ok_or_else(|| not_found(table, record_id))?;
    draft.note(writing.now_ms(), What::Retried { of: parked.subject(), successor: fresh.clone() });
    Ok(Done::Queued(fresh))
}

/// The version that a change was made on, as far as the server could tell by it.
fn ground<B>(base: Option<&Base<B>>) -> Option<u64> {
    let base = base?;
    let version = base.base.as_ref()?.version;
    // A number of before a restoration may be another version's now.
    let is_of_now = base.theirs.as_ref().is_none_or(|theirs| theirs.version > version);
    is_of_now.then_some(version)
}

/// Sends a change that met another one all the same: ours stands where both changed something, and `changes` before that.
fn force<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    parked: &Mutation<B>,
    changes: Option<&B>,
    unset: &[String],
) -> Result<Done, Error> {
    let set = changes.map(Body::to_fields).unwrap_or_default();
    if parked.operation == Operation::Delete && !(set.is_empty() && unset.is_empty()) {
        return Err(no_fields());
    }
    let chosen = set.into_iter().map(|(field, value)| (field, Some(value)));
    let removed = unset.iter().map(|field| (field.clone(), None));
    let choices = chosen.chain(removed).map(|(field, value)| (Path(vec![field]), Choice::Value(value)));
    let decision = Decision { strategy: Some(Strategy::ClientWins), choices: choices.collect() };
    resolve::resolve(draft, writing, std::slice::from_ref(&parked.id), &decision)?;
    let settled = draft.conflict(&parked.id).and_then(|row| row.settled.as_ref());
    let successor = settled.and_then(|settled| settled.mutation.clone());
    Ok(Done::Queued(successor.unwrap_or_else(|| parked.id.clone())))
}

fn no_fields() -> Error {
    Error::InvalidValue {
        path: "changes".to_owned(),
        problem: "is given, and a deletion has no fields to change".to_owned(),
    }
}

/// Puts other fields into a mutation, checked as a write is. Its foreign keys get their dependencies anew; what the app
/// made it wait for stays.
fn edit<B: Body>(
    draft: &Draft<'_, B>,
    mutation: &mut Mutation<B>,
    changes: &B,
    unset: &[String],
) -> Result<(), Error> {
    let table = mutation.table.clone();
    let definition = check::table(draft.schema(), &table)?;
    let fields: Vec<&str> = check::part(definition, changes.outline(&definition.field_names), unset)?;
    let changes = draft.resolved(&table, changes.clone());
    let data = mutation.data.patched(&changes, unset);
    match mutation.operation {
        Operation::Create => {
            check::whole(definition, data.outline(&definition.field_names))?;
        }
        Operation::Update => {
            mutation.unset.retain(|field| !fields.contains(&field.as_str()));
            let added = unset.iter().filter(|field| !mutation.unset.contains(field)).cloned();
            let added: Vec<String> = added.collect();
            mutation.unset.extend(added);
        }
        Operation::Delete => {
            return Err(no_fields());
        }
    }
    let parents_before: Vec<Id> = definition
        .references
        .iter()
        .filter_map(|(field, reference)| {
            let parent = mutation.data.text(field)?;
            Some(creates_of(draft, &reference.table.as_str().into(), &parent))
        })
        .flatten()
        .collect();
    mutation.dependencies.retain(|id| draft.mutation(id).is_some() && !parents_before.contains(id));
    let definition = check::table(draft.schema(), &table)?;
    add(&mut mutation.dependencies, &parents(draft, definition, &data)?);
    mutation.data = data;
    Ok(())
}

/// Lets a mutation that was never sent wait for others.
pub(super) fn depend<B: Body>(draft: &mut Draft<'_, B>, id: &Id, on: &[Id]) -> Result<(), Error> {
    let mutation = find(draft, id)?;
    if !mutation.is_open() {
        return Err(Error::MutationInFlight { id: id.to_string() });
    }
    let on = waited_for(draft, on, "on")?;
    let mut waiting = (*mutation).clone();
    add(&mut waiting.dependencies, &on);
    if waiting.dependencies.len() > mutation.dependencies.len() {
        draft.put_mutation(waiting);
        cycle::refuse(draft, id, "on")?;
    }
    Ok(())
}
