//! What to make of a mutation whose answer the server may have forgotten.
//!
//! The server remembers answers for as long as tombstones, 90 days at least. A mutation that was first sent before that, and
//! never answered here, is refused as `expired`: it may have been applied. So it is compared with what the server has. A create is proven by
//! the record that names it. A deletion is done when the record is gone. What an update did cannot be told: it is parked as
//! a conflict, with theirs beside it once a pull has brought it.

use super::{draft::Draft, settle};
use crate::{
    body::Body,
    log::entry::{Base, Mutation, MutationState, Operation, ServerCopy},
};

/// What a create makes.
const FIRST_VERSION: u64 = 1;

/// The server's code.
pub(super) const EXPIRED: &str = "expired";

/// Whether a mutation was refused because its answer may be forgotten.
pub(crate) fn is_expired<B>(mutation: &Mutation<B>) -> bool {
    mutation.state.is_parked() && mutation.error.as_ref().is_some_and(|error| error.code == EXPIRED)
}

/// Whether what the server has shows that a record's first outstanding mutation was applied. Ids are given once, so a record
/// that is there was created by its create, whatever the answer was or will be. What is being withdrawn waits for its own.
pub(super) fn proves<B>(copy: &ServerCopy<B>, first: &Mutation<B>) -> bool {
    is_birth(first) || (is_expired(first) && shows(copy, first.operation))
}

/// Whether a mutation is settled by its record's being there, in whatever form.
pub(super) fn is_birth<B>(first: &Mutation<B>) -> bool {
    first.operation == Operation::Create && !first.withdrawing
}

fn shows<B>(copy: &ServerCopy<B>, operation: Operation) -> bool {
    match operation {
        Operation::Create => true,
        Operation::Delete => copy.deleted,
        Operation::Update => false,
    }
}

/// Settles a mutation by the copy that shows that it was applied. Later changes go on from there if nobody else had a hand in it;
/// otherwise the server will say so.
pub(super) fn was_applied<B: Body>(draft: &mut Draft<'_, B>, mutation: &Mutation<B>, copy: ServerCopy<B>) {
    let (table, id) = (&mutation.table, &mutation.record_id);
    draft.remove_mutation(&mutation.id);
    let alone = !copy.deleted
        && (copy.version == FIRST_VERSION || draft.same_data(table, &copy.data, &mutation.data));
    let version = alone.then_some(copy.version);
    let left = draft.base(table, id).is_some_and(|base| base.left);
    // What came after a create was made on what it made, also where that is deleted since.
    let is_dead_birth = copy.deleted && mutation.operation == Operation::Create;
    let base = if is_dead_birth {
        let born = ServerCopy {
            data: mutation.data.clone(),
            version: FIRST_VERSION,
            updated_at: copy.updated_at,
            deleted: false,
        };
        Base { base: Some(born), theirs: Some(copy), left }
    } else {
        Base { base: Some(copy), theirs: None, left }
    };
    draft.put_base(table, id, Some(base));
    for next in draft.mutations_of(table, id) {
        if next.first_sent_at.is_none() {
            let mut rebased = (*next).clone();
            rebased.base_version = version;
            draft.put_mutation(rebased);
        }
    }
    settle::settle(draft, table, id);
}

/// What is known already that shows that a mutation was applied. Of a record that was created here, only a pull can have brought
/// a copy.
pub(super) fn shown<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>) -> Option<ServerCopy<B>> {
    // What a full pull did not find is of a server that was restored since: it shows nothing of the one there is.
    let base = draft.base(&mutation.table, &mutation.record_id).filter(|base| !base.left);
    let known = base.and_then(|base| base.newest());
    known.filter(|copy| shows(copy, mutation.operation)).cloned()
}

/// How a mutation waits for somebody to compare.
pub(super) fn parked_as(operation: Operation) -> MutationState {
    match operation {
        Operation::Create => MutationState::Rejected,
        Operation::Update | Operation::Delete => MutationState::Conflict,
    }
}
