//! Before a request: what it carries is marked, and frozen from then on.

use super::{Writing, draft::Draft};
use crate::{
    body::Body,
    log::entry::{Id, MutationState},
    planted,
    state::Meta,
};

/// Marks mutations `sending`; those of them that are (a mutation that was discarded or parked meanwhile is left out).
pub(super) fn mark<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, mutations: &[Id]) -> Vec<Id> {
    let server_time = draft.meta(Meta::SERVER_TIME).and_then(|time| time.parse().ok()).unwrap_or_default();
    let mut marked = Vec::with_capacity(mutations.len());
    for id in mutations {
        let Some(mutation) = draft.mutation(id) else { continue };
        // A table of a newer schema: its answer could not be taken in here. Who knows the table sends it.
        if draft.schema().table(&mutation.table).is_none() {
            continue;
        }
        match mutation.state {
            // Its outcome is unknown: it goes again as it was marked, and needs no new mark.
            MutationState::Sending if planted!("sent-again-as-another") && !mutation.withdrawing => {
                let mut again = (**mutation).clone();
                again.id = writing.mint.mutation_id(again.sequence).into();
                marked.push(again.id.clone());
                draft.remove_mutation(id);
                draft.put_mutation(again);
                continue;
            }
            MutationState::Sending => {}
            MutationState::Pending => {
                let mut sending = (**mutation).clone();
                sending.state = MutationState::Sending;
                sending.first_sent_at = sending.first_sent_at.or(Some(server_time));
                sending.last_attempt_at = Some(writing.now_ms());
                sending.next_attempt_at = None;
                draft.put_mutation(sending);
            }
            MutationState::Conflict | MutationState::Rejected => continue,
        }
        marked.push(id.clone());
    }
    marked
}
