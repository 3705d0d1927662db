//! What a record is, given what the server has and what is still to be sent: the one rule of optimistic state.
//!
//! A record is the newest server copy with its outstanding mutations on top, in the order of writing. Every decision that
//! takes a mutation away, or brings a server copy, ends here; so discarding a change leaves exactly the base and the
//! rest (promise 10), and a pull keeps what is pending. What a person gave up is shown no more from that moment on, also
//! while the server is still asked to forget it.

use super::draft::Draft;
use crate::{
    body::{Body, SyncStatus},
    log::entry::{Base, Id, Mutation, MutationState, Operation, Record, ServerCopy},
};

/// `_syncStatus` of a record with these outstanding mutations.
pub(super) fn status(delivered: bool, states: impl IntoIterator<Item = MutationState>) -> SyncStatus {
    let mut outstanding = false;
    for state in states {
        outstanding = true;
        if state == MutationState::Conflict {
            return SyncStatus::Conflict;
        }
    }
    match (outstanding, delivered) {
        (false, _) => SyncStatus::Synced,
        (true, true) => SyncStatus::Modified,
        (true, false) => SyncStatus::PendingUpload,
    }
}

/// A record as the server has it, with nothing of ours on top. A tombstone keeps no data.
pub(super) fn synced<B: Body>(copy: ServerCopy<B>, before: Option<&Record<B>>) -> Record<B> {
    Record {
        data: if copy.deleted { B::empty() } else { copy.data },
        version: Some(copy.version),
        server_updated_at: Some(copy.updated_at),
        local_updated_at: before.and_then(|record| record.local_updated_at),
        sync_id: before.and_then(|record| record.sync_id.clone()),
        status: SyncStatus::Synced,
        deleted: copy.deleted,
    }
}

/// Whether a copy says more than what is known of a record. What a full pull did not find may be of a server that was restored since:
/// its version says nothing then.
pub(super) fn is_news<B: Body>(
    draft: &Draft<'_, B>,
    table: &Id,
    base: &Base<B>,
    copy: &ServerCopy<B>,
) -> bool {
    let differs = |known: &ServerCopy<B>| {
        known.deleted != copy.deleted || !draft.same_data(table, &known.data, &copy.data)
    };
    base.newest().is_none_or(|known| known.version < copy.version || (base.left && differs(known)))
}

/// Whether a mutation counts for what the record is. What was given up does not, nor a change that the server has refused for good: it is
/// rolled back, and kept for whoever edits it and sends it anew. What others hang on stays until somebody decides, as a
/// record does that was to be created: without it they would lead to nothing.
fn is_shown<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>) -> bool {
    let is_refused = mutation.state == MutationState::Rejected && !mutation.may_be_applied();
    let is_needed = || mutation.operation == Operation::Create || !draft.dependents(&mutation.id).is_empty();
    !mutation.withdrawing && (!is_refused || is_needed())
}

/// Puts the record in place again from its server copy and its outstanding mutations; the base goes with the last of
/// those.
pub(super) fn settle<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id) {
    let mutations = draft.mutations_of(table, id);
    let server = draft.base(table, id).and_then(|base| base.newest().cloned());
    let left = draft.base(table, id).is_some_and(|base| base.left);
    let before = draft.record(table, id).cloned();
    if mutations.is_empty() {
        // It was settled before, and is as the server has it: the base went with its last mutation.
        if server.is_none() && before.as_ref().is_some_and(|record| record.version.is_some()) {
            return;
        }
        let row = server.filter(|_| !left).map(|copy| synced(copy, before.as_ref()));
        draft.put_record(table, id, row);
        if draft.base(table, id).is_some() {
            draft.put_base(table, id, None);
        }
        return;
    }
    let delivered = server.is_some();
    let mut data = server.as_ref().map(|copy| copy.data.clone());
    let mut deleted = server.as_ref().is_some_and(|copy| copy.deleted);
    for mutation in mutations.iter().filter(|mutation| is_shown(draft, mutation)) {
        match mutation.operation {
            // Where the server has the record already, its copy is what the create made, or newer.
            Operation::Create => data = data.or_else(|| Some(mutation.data.clone())),
            Operation::Update => {
                data = data.map(|data| data.patched(&mutation.data, &mutation.unset));
            }
            Operation::Delete => deleted = true,
        }
    }
    // Only its create is left of it, and that was given up: hidden, until the server says whether it forgot it.
    deleted |= data.is_none();
    let last = mutations.last();
    let row = Record {
        // What is deleted holds no data, so no foreign key in it is left behind when ids are exchanged; should the deletion
        // be discarded, the base and the mutations have it.
        data: data.filter(|_| !deleted).unwrap_or_else(B::empty),
        version: server.as_ref().map(|copy| copy.version),
        server_updated_at: server.as_ref().map(|copy| copy.updated_at),
        local_updated_at: last.map(|mutation| mutation.timestamp),
        sync_id: last.map(|mutation| mutation.id.clone()),
        status: status(delivered, mutations.iter().map(|mutation| mutation.state)),
        deleted,
    };
    draft.put_record(table, id, Some(row));
}
