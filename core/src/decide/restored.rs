//! What becomes of unsent changes when the server was restored from a backup.
//!
//! Its versions count anew from where the backup stood, so a number says nothing across the epochs: version 5 of now may be another than
//! version 5 of then. A change that was made on what the server has again goes on from there. One that was made on something
//! else must not pass for a change to what is there now: where the server could not tell by the number, it goes without one. If it
//! was applied before, the server knows; otherwise it answers with a conflict, and a person decides.

use super::{draft::Draft, settle};
use crate::{
    body::Body,
    log::entry::{Base, Id, Mutation, ServerCopy},
};

/// Puts what a restored server has in place of what was known of a record with outstanding changes. Whether it was news.
pub(super) fn rebase<B: Body>(
    draft: &mut Draft<'_, B>,
    table: &Id,
    id: &Id,
    base: Base<B>,
    copy: ServerCopy<B>,
) -> bool {
    let outstanding = draft.mutations_of(table, id);
    let same = base.newest().is_some_and(|known| {
        known.deleted == copy.deleted && draft.same_data(table, &known.data, &copy.data)
    });
    let version = copy.version;
    if same && base.theirs.is_none() {
        draft.put_base(table, id, Some(Base { base: Some(copy), ..base }));
        for mutation in outstanding {
            // Also of what may have been sent: the server would take the number of then for a version of now that somebody else
            // may have made. A copy that is still under way names the epoch of then, and is refused.
            if mutation.base_version.is_some_and(|base| base != version) {
                let mut rebased = (*mutation).clone();
                rebased.base_version = Some(version);
                draft.put_mutation(rebased);
            }
        }
        settle::settle(draft, table, id);
        return false;
    }
    let known = base.newest().map(|known| known.version);
    draft.put_base(table, id, Some(Base { theirs: Some(copy), ..base }));
    for (place, mutation) in outstanding.iter().enumerate() {
        let Some(number) = mutation.base_version else { continue };
        // It was made on theirs, which the server has again under this number.
        let made_on_it = same && known == Some(number);
        let base_version = if made_on_it || (place > 0 && mutation.first_sent_at.is_none()) {
            // Those after the first are sent once it is decided, on top of what is there now: under the number of then they could
            // meet another version that has it.
            Some(version)
        } else if place == 0 && !mutation.state.is_parked() && version <= number {
            None
        } else {
            continue;
        };
        if base_version != mutation.base_version {
            draft.put_mutation(Mutation { base_version, ..(**mutation).clone() });
        }
    }
    settle::settle(draft, table, id);
    !same
}
