//! What becomes of mutations when the server has answered.
//!
//! A batch's results are one entry. Only `applied` and `duplicate` take a mutation off the outbox; but what a person gave up
//! leaves with any definite answer, and the create of a record that was deleted here since leaves together with the deletion
//! when the server refuses it. An answer for a mutation that is no longer there is late, and says nothing new.

use rustc_hash::FxHashMap;

use super::{
    Answer, Tally, Writing,
    draft::Draft,
    forgotten,
    meet::{self, Meeting},
    note, settle,
};
use crate::{
    activity::{ByTable, What},
    body::Body,
    log::{
        conflict::{Conflict, Holder, Kind},
        entry::{Base, Id, Mapping, Mutation, MutationState, Operation, Refusal, ServerCopy},
    },
    outbox::{Class, attempts_max},
    planted,
    protocol::{Applied, DeletionRow, EntityRow, Outcome, Rejection, Theirs},
    state::Meta,
};

pub(super) fn settle_all<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    answer: &Answer<B>,
) -> Tally {
    let mut tally = Tally::default();
    let mut applied = ByTable::new();
    // What another server said, or this one before it was restored, says nothing of what this one has.
    if draft.meta(Meta::EPOCH).is_some_and(|known| known != answer.epoch) {
        return tally;
    }
    note::take_epoch(draft, writing.now_ms(), &answer.epoch);
    draft.put_meta(Meta::SERVER_TIME, answer.server_time.to_string());
    let is_overtaken = draft.state().beginnings() != answer.beginnings;
    let outcomes = parents_first(draft, answer);
    let is_spoilt = planted!("one-rejected-parks-its-batch")
        && outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Rejected(_)));
    for (id, outcome) in outcomes {
        let Some(mutation) = draft.mutation(&id).cloned() else { continue };
        if mutation.first_sent_at.is_none() {
            continue;
        }
        match outcome {
            Outcome::Applied(_) | Outcome::Duplicate(_) if is_spoilt => {
                let (code, message) = ("batch-rejected".to_owned(), String::new());
                let refusal = Refusal { code, message, class: Class::Validation, ..Refusal::default() };
                park(draft, writing, &mutation, MutationState::Rejected, refusal);
            }
            Outcome::Applied(made) | Outcome::Duplicate(made) => {
                let id: Id = made.record_id.as_str().into();
                apply(draft, writing, &mutation, made, is_overtaken);
                if mutation.operation == Operation::Create {
                    note::alike(draft, writing.now_ms(), &mutation.table, &id);
                }
                note::one_more(&mut applied, &mutation.table);
                tally.applied += 1;
            }
            // Both sides deleted it: there is nothing to decide.
            Outcome::Conflict(Theirs::Deletion(row)) if mutation.operation == Operation::Delete => {
                let made = Applied {
                    record_id: row.id,
                    version: row.version,
                    updated_at: row.deleted_at,
                    record: None,
                };
                apply(draft, writing, &mutation, made, is_overtaken);
                note::one_more(&mut applied, &mutation.table);
                tally.applied += 1;
            }
            Outcome::Conflict(theirs) => meet(draft, writing, &mutation, theirs, &answer.epoch, &mut tally),
            Outcome::Rejected(rejection) => {
                let class = Class::of_rejection(&rejection.code);
                let Rejection { code, field, message } = rejection;
                let refusal = Refusal { code, message, field, class, ..Refusal::default() };
                let is_expired = refusal.code == forgotten::EXPIRED;
                if let Some(copy) = forgotten::shown(draft, &mutation).filter(|_| is_expired) {
                    forgotten::was_applied(draft, &mutation, copy);
                    note::one_more(&mut applied, &mutation.table);
                    tally.applied += 1;
                    continue;
                }
                // Of a create that may have been applied its deletion is not to be forgotten.
                if mutation.withdrawing || (is_deleted_since(draft, &mutation) && !is_expired) {
                    leave(draft, writing, &mutation);
                } else if is_expired {
                    park(draft, writing, &mutation, forgotten::parked_as(mutation.operation), refusal);
                } else {
                    park(draft, writing, &mutation, MutationState::Rejected, refusal);
                }
                tally.rejected += 1;
            }
            Outcome::Deferred { retry_after_ms } => {
                let reason = Refusal {
                    code: "deferred".to_owned(),
                    message: "the server put it off".to_owned(),
                    class: Class::Transient,
                    ..Refusal::default()
                };
                // A definite "not now": nothing of it is under way, but what may still be on its way from before.
                let state =
                    if mutation.withdrawing { MutationState::Sending } else { MutationState::Pending };
                let deferred = Mutation { state, ..(*mutation).clone() };
                wait(draft, writing, &deferred, reason, retry_after_ms, true);
                tally.deferred += 1;
            }
        }
    }
    for (table, count) in &applied {
        draft.count(table, |stats| {
            stats.pushed += count;
            stats.last_pushed_at = Some(writing.now_ms());
        });
    }
    if !applied.is_empty() {
        draft.note(writing.now_ms(), What::Pushed { applied });
    }
    tally
}

/// What becomes of a mutation that somebody else was quicker than.
fn meet<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    mutation: &Mutation<B>,
    theirs: Theirs<B>,
    epoch: &str,
    tally: &mut Tally,
) {
    if let Some(refusal) = key_taken(draft, mutation, &theirs).filter(|_| !mutation.withdrawing) {
        park(draft, writing, mutation, MutationState::Rejected, refusal);
        tally.rejected += 1;
        return;
    }
    let holder = holder_of(mutation, &theirs, epoch);
    let refusal = conflict(mutation, &theirs);
    take_theirs(draft, mutation, theirs);
    if mutation.withdrawing || (holder.is_some() && is_deleted_since(draft, mutation)) {
        leave(draft, writing, mutation);
    } else if meet::settle_by_rules(draft, writing, mutation, holder.as_ref()) {
        draft.count(&mutation.table, |stats| {
            stats.conflicts += 1;
            stats.merged += 1;
            stats.last_pushed_at = Some(writing.now_ms());
        });
        tally.merged += 1;
        return;
    } else {
        park_beside(draft, writing, mutation, MutationState::Conflict, refusal, holder);
    }
    tally.conflicts += 1;
}

/// What an answer says of each mutation, those first that others in it depend on: so that an id which it gives is known
/// before what refers to it is settled, in whatever order the results came. A result that lacks what it promises
/// acknowledges nothing: the mutation stays, and is asked about again.
fn parents_first<B: Body>(draft: &Draft<'_, B>, answer: &Answer<B>) -> Vec<(String, Outcome<B>)> {
    let outcomes = answer.results.iter().filter_map(|result| result.clone().into_outcome().ok());
    let mut unsorted: FxHashMap<String, Outcome<B>> = outcomes.collect();
    let mut sorted = Vec::with_capacity(unsorted.len());
    for result in &answer.results {
        // What has been put off until its dependencies are there, the last one first.
        let mut open = vec![result.id.clone()];
        while let Some(id) = open.last() {
            let dependencies = draft.mutation(id).map(|mutation| mutation.dependencies.clone());
            let mut missing =
                dependencies.into_iter().flatten().filter(|needed| unsorted.contains_key(&**needed));
            // A circle, which there should be none of, is cut where it closes.
            match missing.find(|needed| !open.iter().any(|open| **open == **needed)) {
                Some(needed) => open.push(needed.to_string()),
                None => {
                    sorted.extend(open.pop().and_then(|id| unsorted.remove_entry(&id)));
                }
            }
        }
    }
    sorted
}

/// Why a mutation conflicts, for people.
fn conflict<B>(mutation: &Mutation<B>, theirs: &Theirs<B>) -> Refusal {
    let (code, message) = match theirs {
        Theirs::Record(row) if row.id != *mutation.record_id => {
            ("natural-key-taken", format!("`{}` in `{}` has the same natural key", row.id, row.table))
        }
        Theirs::Record(row) => {
            ("version-conflict", format!("somebody else changed it first; it is at version {}", row.version))
        }
        Theirs::Deletion(_) => ("deleted", "somebody else deleted it first".to_owned()),
    };
    Refusal { code: code.to_owned(), message, class: Class::Conflict, ..Refusal::default() }
}

/// The record in the way, where it is another one that has the natural key.
fn other_record<'t, B: Body>(mutation: &Mutation<B>, theirs: &'t Theirs<B>) -> Option<&'t EntityRow<B>> {
    match theirs {
        Theirs::Record(row)
            if row.id != *mutation.record_id && row.created_as.as_deref() != Some(&mutation.record_id) =>
        {
            Some(row)
        }
        Theirs::Record(_) | Theirs::Deletion(_) => None,
    }
}

/// The record in a create's way: what was to be created does not exist.
fn holder_of<B: Body>(mutation: &Mutation<B>, theirs: &Theirs<B>, epoch: &str) -> Option<Holder<B>> {
    let row = other_record(mutation, theirs).filter(|_| mutation.operation == Operation::Create)?;
    Some(Holder { id: row.id.as_str().into(), copy: copy_of(row), epoch: epoch.into() })
}

/// Why an update cannot be done that gives its record a natural key which another one has. Nobody changed this record: only another
/// value helps.
fn key_taken<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>, theirs: &Theirs<B>) -> Option<Refusal> {
    other_record(mutation, theirs).filter(|_| mutation.operation == Operation::Update)?;
    let keys = draft.schema().table(&mutation.table).map(|table| table.unique.iter().flatten());
    let changed = |field: &&String| mutation.data.kind(field).is_some();
    let field = keys.and_then(|mut fields| fields.find(changed).cloned());
    Some(Refusal { field, class: Class::Validation, ..conflict(mutation, theirs) })
}

/// The conflict of a mutation that was parked for one.
fn open_conflict<B: Body>(
    draft: &Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    holder: Option<Holder<B>>,
) -> Conflict<B> {
    let met = Meeting::of(draft, &mutation.table, &mutation.record_id, None, writing);
    let kind = met.map_or_else(
        || match mutation.operation {
            Operation::Create => Kind::CreateCreate,
            Operation::Update => Kind::UpdateUpdate,
            Operation::Delete => Kind::DeleteUpdate,
        },
        |meeting| meeting.kind,
    );
    Conflict {
        table: mutation.table.clone(),
        record_id: mutation.record_id.clone(),
        kind,
        at: writing.now_ms(),
        principal: mutation.principal.clone(),
        holder,
        settled: None,
    }
}

/// Whether it creates a record that was deleted here since: refused, there is nothing left to decide.
fn is_deleted_since<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>) -> bool {
    let of_record = || draft.mutations_of(&mutation.table, &mutation.record_id).into_iter();
    mutation.operation == Operation::Create && of_record().any(|other| other.operation == Operation::Delete)
}

/// A mutation leaves that was not applied and never will be. With a create goes all that was done to its record since.
fn leave<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, mutation: &Mutation<B>) {
    draft.remove_mutation(&mutation.id);
    draft.note(writing.now_ms(), What::Withdrawn { of: mutation.subject() });
    draft.count(&mutation.table, |stats| {
        stats.withdrawn += 1;
        stats.last_pushed_at = Some(writing.now_ms());
    });
    if mutation.operation == Operation::Create {
        for later in draft.mutations_of(&mutation.table, &mutation.record_id) {
            draft.remove_mutation(&later.id);
        }
    }
    settle::settle(draft, &mutation.table, &mutation.record_id);
}

/// What came of a request that held this mutation alone and was refused, or got no answer: see [`super::Command::Fail`].
pub(super) fn fail<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    id: &Id,
    refusal: &Refusal,
    wait_ms: u64,
    spends: bool,
) {
    // Answered, discarded or parked meanwhile: the failure is old news.
    let Some(mutation) = draft.mutation(id).filter(|mutation| !mutation.state.is_parked()).cloned() else {
        return;
    };
    match refusal.class {
        // Whether the server had applied it before, it has not said: that is asked again until it does.
        _ if mutation.withdrawing => wait(draft, writing, &mutation, refusal.clone(), wait_ms, false),
        Class::Transient => wait(draft, writing, &mutation, refusal.clone(), wait_ms, spends),
        Class::Conflict => park(draft, writing, &mutation, MutationState::Conflict, refusal.clone()),
        Class::Validation | Class::Critical => {
            park(draft, writing, &mutation, MutationState::Rejected, refusal.clone());
        }
    }
}

/// Lets a mutation wait for its next attempt, and parks it when it has had as many as its priority allows. What may have
/// been sent goes again under its id, whatever comes between.
fn wait<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    reason: Refusal,
    wait_ms: u64,
    spends: bool,
) {
    if spends && !mutation.withdrawing && mutation.attempts + 1 >= attempts_max(mutation.priority) {
        let refusal = Refusal {
            code: Refusal::ATTEMPTS_SPENT.to_owned(),
            message: format!(
                "tried {} times; the last time: {}: {}",
                mutation.attempts + 1,
                reason.code,
                reason.message
            ),
            ..reason
        };
        return park(draft, writing, mutation, MutationState::Rejected, refusal);
    }
    draft.put_mutation(Mutation {
        attempts: mutation.attempts + u32::from(spends),
        last_attempt_at: Some(writing.now_ms()),
        next_attempt_at: Some(writing.now_ms().saturating_add(wait_ms)),
        error: Some(reason),
        ..mutation.clone()
    });
}

/// Takes a mutation off that was applied. `is_overtaken`: since the server was asked, tables were pulled from the beginning.
fn apply<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    applied: Applied<B>,
    is_overtaken: bool,
) {
    let table = &mutation.table;
    let id: Id = applied.record_id.as_str().into();
    if mutation.operation == Operation::Create && id != mutation.record_id {
        exchange_id(draft, writing, table, &mutation.record_id, &id, Some(&mutation.id));
    }
    let data = mutation.data.clone();
    draft.remove_mutation(&mutation.id);

    let base = draft.base(table, &id).cloned();
    // That pull did not bring the record: it was not there yet, or not any more.
    if base.is_none() && is_overtaken {
        draft.pull_table_anew(table);
    }
    // Answered once more after a restoration: what a pull has brought since has it in it. Beside theirs, or of what a pull did not
    // find, the base may be of before.
    let is_of_now = |base: &&Base<B>| !base.left && base.theirs.is_none();
    let has_it = |base: &&Base<B>| base.base.as_ref().is_some_and(|copy| copy.version >= applied.version);
    if let Some(base) = base.as_ref().filter(is_of_now).filter(has_it) {
        return go_on_from(draft, table, &id, base.clone());
    }
    let theirs = base.as_ref().and_then(|base| base.theirs.as_ref());
    // The server applied it to the version that it names. That may be theirs, where one before it was given up; and theirs is looked at
    // first, since a base may be of a server that was restored since.
    let ground = theirs.filter(|copy| Some(copy.version) == mutation.base_version);
    let before = ground.or_else(|| base.as_ref().and_then(|base| base.base.as_ref()));
    let made = match (applied.record, theirs.filter(|copy| copy.version == applied.version)) {
        (Some(row), _) => copy_of(&row),
        // A pull was quicker than the answer, and brought what it made.
        (None, Some(copy)) => copy.clone(),
        (None, None) => ServerCopy {
            data: match (mutation.operation, before) {
                (Operation::Create, _) => data,
                (Operation::Update, Some(copy)) => copy.data.patched(&data, &mutation.unset),
                // The record as we show it has this change in it.
                (Operation::Update, None) => {
                    draft.record(table, &id).map_or(data, |record| record.data.clone())
                }
                (Operation::Delete, _) => B::empty(),
            },
            version: applied.version,
            updated_at: applied.updated_at,
            deleted: mutation.operation == Operation::Delete,
        },
    };
    let version = made.version;
    let left = base.as_ref().is_some_and(|base| base.left);
    let is_newer = |theirs: &ServerCopy<B>| theirs.version > version && !planted!("late-answer-overwrites");
    let theirs = base.and_then(|base| base.theirs).filter(is_newer);
    go_on_from(draft, table, &id, Base { base: Some(made), theirs, left });
}

/// Lets a record's later changes go on from what the server has made of those before.
fn go_on_from<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id, base: Base<B>) {
    let version = base.base.as_ref().map(|made| made.version);
    draft.put_base(table, id, Some(base));
    for next in draft.mutations_of(table, id) {
        if next.first_sent_at.is_none() && !planted!("old-base-kept") {
            draft.put_mutation(Mutation { base_version: version, ..(*next).clone() });
        }
    }
    settle::settle(draft, table, id);
}

/// A record gets its server id: it moves there with all that belongs to it, in this one entry. `answered`: the mutation that is
/// taken off next.
pub(super) fn exchange_id<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    table: &Id,
    temporary: &Id,
    server: &Id,
    answered: Option<&Id>,
) {
    let mapping = Mapping {
        temporary: temporary.clone(),
        server: server.clone(),
        table: table.clone(),
        at: writing.now_ms(),
    };
    draft.put_mapping(&mapping, answered);
    if let Some(record) = draft.record(table, temporary).cloned() {
        draft.put_record(table, temporary, None);
        draft.put_record(table, server, Some(record));
    }
    if let Some(base) = draft.base(table, temporary).cloned() {
        draft.put_base(table, temporary, None);
        draft.put_base(table, server, Some(base));
    }
}

pub(super) fn park<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    state: MutationState,
    refusal: Refusal,
) {
    park_beside(draft, writing, mutation, state, refusal, None);
}

/// Parks a mutation; in a conflict about a natural key beside the record that has it.
fn park_beside<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    mutation: &Mutation<B>,
    state: MutationState,
    refusal: Refusal,
    holder: Option<Holder<B>>,
) {
    let mut parked = mutation.clone();
    parked.state = state;
    parked.attempts += 1;
    parked.last_attempt_at = Some(writing.now_ms());
    parked.next_attempt_at = None;
    parked.error = Some(refusal.clone());
    draft.put_mutation(parked);
    let conflict = state == MutationState::Conflict;
    if conflict {
        let open = open_conflict(draft, writing, mutation, holder);
        draft.put_conflict(&mutation.id, Some(open));
    }
    draft.count(&mutation.table, |stats| {
        *(if conflict { &mut stats.conflicts } else { &mut stats.rejected }) += 1;
        stats.last_pushed_at = Some(writing.now_ms());
    });
    draft.note(writing.now_ms(), What::Parked { of: mutation.subject(), conflict, reason: refusal });
    settle::settle(draft, &mutation.table, &mutation.record_id);
}

fn take_theirs<B: Body>(draft: &mut Draft<'_, B>, mutation: &Mutation<B>, theirs: Theirs<B>) {
    let copy = match theirs {
        Theirs::Record(row) if row.id == *mutation.record_id => copy_of(&row),
        // The holder of a natural key is another record.
        Theirs::Record(_) => return,
        Theirs::Deletion(row) => tombstone_of(&row),
    };
    let (table, id) = (&mutation.table, &mutation.record_id);
    let base = draft.base(table, id).cloned().unwrap_or_default();
    if !settle::is_news(draft, table, &base, &copy) {
        return;
    }
    // It may have been made on an earlier theirs, where one before it was given up.
    let ground = base.theirs.filter(|theirs| Some(theirs.version) == mutation.base_version).or(base.base);
    draft.put_base(table, id, Some(Base { base: ground, theirs: Some(copy), left: base.left }));
}

pub(super) fn copy_of<B: Body>(row: &EntityRow<B>) -> ServerCopy<B> {
    ServerCopy { data: row.data.clone(), version: row.version, updated_at: row.updated_at, deleted: false }
}

pub(super) fn tombstone_of<B: Body>(row: &DeletionRow) -> ServerCopy<B> {
    ServerCopy { data: B::empty(), version: row.version, updated_at: row.deleted_at, deleted: true }
}
