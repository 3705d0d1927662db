//! Before a request: what it carries is marked, and frozen from then on.

use super::{Writing, draft::Draft};
use crate::{
    body::Body,
    log::entry::{Dating, Id, Mutation, MutationState},
    planted,
    state::Meta,
};

/// Marks mutations `sending`; those of them that are. One that was discarded or parked meanwhile is left out, and what builds on it.
/// Nothing is marked for the first time before the server has said which one it is and what time it is there: a copy that is late
/// by months, or by a restoration, could not be told from a first one by a server that has forgotten its answer.
pub(super) fn mark<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, mutations: &[Id]) -> Vec<Id> {
    let server_time = draft.meta(Meta::SERVER_TIME).and_then(|time| time.parse().ok());
    let server_time = server_time.filter(|_| draft.meta(Meta::EPOCH).is_some());
    let server_time = server_time.or_else(|| planted!("sent-undated").then_some(0));
    let mut marked = Vec::with_capacity(mutations.len());
    for id in mutations {
        let Some(mutation) = draft.mutation(id) else { continue };
        // A table of a newer schema: its answer could not be taken in here. Who knows the table sends it.
        if draft.schema().table(&mutation.table).is_none() {
            continue;
        }
        // What it builds on may have been parked since this was asked for, or sent anew under another id: it goes after that.
        if !mutation.withdrawing && !is_grounded(draft, mutation, &marked) {
            continue;
        }
        match mutation.state {
            // Its outcome is unknown: it goes again as it was marked, and needs no new mark.
            MutationState::Sending if planted!("sent-again-as-another") && !mutation.withdrawing => {
                let mut again = (**mutation).clone();
                again.id = writing.mint.mutation_id(again.sequence);
                marked.push(again.id.clone());
                draft.remove_mutation(id);
                draft.put_mutation(again);
                continue;
            }
            MutationState::Sending => {}
            MutationState::Pending => {
                let Some(first_sent_at) = mutation.first_sent_at.or(server_time) else { continue };
                let mut sending = (**mutation).clone();
                sending.state = MutationState::Sending;
                sending.first_sent_at = Some(first_sent_at);
                sending.last_attempt_at = Some(writing.now_ms());
                sending.next_attempt_at = None;
                if let (Some(Dating::Session(session)), Some(offset)) = (&sending.dating, writing.mint.offset)
                    && *session == writing.mint.session()
                {
                    sending.dating = Some(Dating::Offset(offset));
                }
                draft.put_mutation(sending);
            }
            MutationState::Conflict | MutationState::Rejected => continue,
        }
        marked.push(id.clone());
    }
    marked
}

/// Whether all that a mutation builds on was settled, or goes before it in the same request.
fn is_grounded<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>, marked: &[Id]) -> bool {
    let of_record = draft.mutations_of(&mutation.table, &mutation.record_id);
    let before =
        of_record.iter().take_while(|other| other.sequence < mutation.sequence).map(|other| &other.id);
    let is_awaited =
        |needed: &Mutation<B>| !(planted!("rejected-parent-ignored") && needed.state.is_parked());
    let awaited =
        mutation.dependencies.iter().filter(|id| draft.mutation(id).is_some_and(|needed| is_awaited(needed)));
    before.chain(awaited).all(|id| marked.contains(id))
}
