//! What a person decides about a mutation.

use std::rc::Rc;

use super::{Writing, draft::Draft, settle};
use crate::{
    activity::What,
    body::Body,
    error::Error,
    log::entry::{Base, Id, Mutation, MutationState, Operation},
};

fn find<B: Body>(draft: &Draft<'_, B>, id: &Id) -> Result<Rc<Mutation<B>>, Error> {
    draft.mutation(id).cloned().ok_or_else(|| Error::MutationNotFound { id: id.to_string() })
}

/// Gives a mutation up. The record falls back to its base and what else is pending, exactly.
pub(super) fn discard<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    id: &Id,
) -> Result<(), Error> {
    let mutation = find(draft, id)?;
    let may_be_applied = !mutation.state.is_parked() && mutation.first_sent_at.is_some();
    if may_be_applied {
        return Err(Error::MutationInFlight { id: id.to_string() });
    }
    let of_record = draft.mutations_of(&mutation.table, &mutation.record_id);
    let later = of_record.iter().filter(|other| other.sequence > mutation.sequence);
    let mut building = draft.dependents(id).len();
    if mutation.operation == Operation::Create {
        building += later.count();
    }
    if building > 0 {
        return Err(Error::MutationInUse { id: id.to_string(), dependents: building });
    }
    draft.remove_mutation(id);
    settle::settle(draft, &mutation.table, &mutation.record_id);
    draft.note(writing.now_ms(), What::Discarded { of: mutation.subject() });
    Ok(())
}

/// Sends a parked mutation again: as a new one, since its id has had its answer, on the newest version known.
pub(super) fn retry<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    id: &Id,
) -> Result<(), Error> {
    let parked = find(draft, id)?;
    if !parked.state.is_parked() {
        return Err(Error::MutationNotParked { id: id.to_string() });
    }
    let (table, record_id) = (&parked.table, &parked.record_id);
    // The person has seen theirs: from here on it is what the change builds on.
    let base = draft.base(table, record_id).cloned();
    if let Some(theirs) = base.and_then(|base| base.theirs) {
        draft.put_base(table, record_id, Some(Base { base: Some(theirs), theirs: None }));
    }
    let base = draft.base(table, record_id).and_then(|base| base.base.as_ref());
    let base_version = base.map(|copy| copy.version);
    let fresh = Mutation {
        unset: parked.unset.clone(),
        base_version,
        dependencies: parked.dependencies.clone(),
        // It keeps its place among the record's other mutations.
        sequence: parked.sequence,
        state: MutationState::Pending,
        ..writing.mutation(draft, table, record_id, parked.operation, parked.data.clone(), parked.priority)
    };
    let dependents = draft.dependents(id);
    draft.remove_mutation(id);
    for dependent in dependents {
        let mut renamed = (*dependent).clone();
        for dependency in &mut renamed.dependencies {
            if dependency == id {
                *dependency = fresh.id.clone();
            }
        }
        draft.put_mutation(renamed);
    }
    let retried = What::Retried { of: parked.subject(), successor: fresh.id.clone() };
    draft.put_mutation(fresh);
    settle::settle(draft, table, record_id);
    draft.note(writing.now_ms(), retried);
    Ok(())
}
