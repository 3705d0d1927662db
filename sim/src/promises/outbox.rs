//! Promise 2: each mutation is somewhere, frozen once it may have been sent, and leaves for a reason only. And the order of
//! writing, by which promise 4 is judged.

use std::{collections::BTreeMap, rc::Rc};

use landfall_core::{
    activity::Failure,
    body::Body,
    log::entry::{Change, Id, Mutation, Operation, Refusal},
    state::{Meta, State},
};

use super::{
    books::{Life, Row, Standing},
    number,
    shadow::Judging,
};
use crate::{body::Shared, world::schema::text_field};

/// A request failed, and would have with anything in it.
const NO_FAULT_OF_ITS_OWN: [&str; 4] =
    [Failure::NETWORK, "unauthenticated", "principal-mismatch", "too-many"];
/// Parked without an answer that names it: whether it took effect nobody has heard.
const UNANSWERED: [&str; 5] =
    [Refusal::ATTEMPTS_SPENT, "forbidden", "malformed-body", "body-too-large", "expired"];

/// The server may have forgotten what it answered.
fn is_expired(mutation: &Mutation<Shared>) -> bool {
    mutation.error.as_ref().is_some_and(|error| error.code == "expired")
}

/// A mutation before and after an entry.
pub(super) struct Transition {
    pub(super) id: Id,
    pub(super) before: Option<Rc<Mutation<Shared>>>,
    pub(super) after: Option<Rc<Mutation<Shared>>>,
    /// All that the entry says it is, one after the other.
    pub(super) rows: Vec<Rc<Mutation<Shared>>>,
    /// It was in a conflict that waited for somebody, and whose theirs was known.
    was_open: bool,
    /// What it was made on, as far as its database knew: no change is what is the same there.
    pub(super) grounds: Vec<Shared>,
}

pub(super) fn transitions(before: &State<Shared>, changes: &[Change<Shared>]) -> Vec<Transition> {
    let mut last: BTreeMap<&Id, &Option<Rc<Mutation<Shared>>>> = BTreeMap::new();
    for change in changes {
        if let Change::Mutation { id, row } = change {
            last.insert(id, row);
        }
    }
    let transition = |(id, after): (&Id, &Option<Rc<Mutation<Shared>>>)| Transition {
        id: id.clone(),
        before: before.outbox.get(id).cloned(),
        after: after.clone(),
        rows: changes
            .iter()
            .filter_map(|change| match change {
                Change::Mutation { id: other, row: Some(row) } if other == id => Some(Rc::clone(row)),
                _ => None,
            })
            .collect(),
        was_open: before.outbox.get(id).is_some_and(|mutation| {
            let row = before.conflicts.get(id).filter(|row| row.settled.is_none());
            let base = before.base(&mutation.table, &mutation.record_id);
            row.is_some_and(|row| row.holder.is_some() || base.is_some_and(|base| base.newest().is_some()))
        }),
        grounds: before
            .outbox
            .get(id)
            .and_then(|mutation| before.base(&mutation.table, &mutation.record_id))
            .into_iter()
            .flat_map(|base| base.base.iter().chain(&base.theirs))
            .map(|copy| copy.data.clone())
            .collect(),
    };
    last.into_iter().map(transition).collect()
}

impl Judging<'_> {
    pub(super) fn judge_outbox(&mut self, transitions: &[Transition]) {
        // First what is new: what leaves may have become it.
        let born = |transition: &Transition| {
            let Transition { id, before, after, .. } = transition;
            after
                .clone()
                .filter(|_| before.is_none())
                .map(|mutation| (mutation.sequence, id.clone(), mutation))
        };
        let mut births: Vec<_> = transitions.iter().filter_map(born).collect();
        births.sort_unstable_by_key(|(sequence, ..)| *sequence);
        for (_, id, mutation) in births {
            self.enter_birth(&id, &mutation, transitions);
        }
        for Transition { id, before, after, was_open, .. } in transitions {
            match (before, after) {
                (Some(before), None) if *was_open => {
                    self.judge_given_up(id, before);
                    self.judge_departure(id, before, transitions);
                }
                (Some(before), Some(after)) => self.judge_change(id, before, after, transitions),
                (Some(before), None) => self.judge_departure(id, before, transitions),
                (None, _) => {}
            }
            if let Some(life) = self.books.lives.get_mut(&**id) {
                life.standing = match after {
                    None => Standing::Gone,
                    Some(after) if after.state.is_parked() => Standing::Parked,
                    Some(_) => Standing::Waiting,
                };
            }
        }
    }

    fn enter_birth(&mut self, id: &Id, mutation: &Mutation<Shared>, transitions: &[Transition]) {
        // A retry takes the place of what it retries.
        let retried = transitions.iter().find_map(|other| match (&other.before, &other.after) {
            (Some(before), None) if before.sequence == mutation.sequence => self.books.lives.get(&*other.id),
            _ => None,
        });
        let order = retried.map_or(self.shadow.next_order, |life| life.order);
        self.shadow.next_order += 1;
        self.journal.note(|| {
            let record = format!("{}/{}", mutation.table, mutation.record_id);
            let what = format!("{:?} {record} {}", mutation.operation, mutation.data.0).to_lowercase();
            (self.place(), format!("born {id} {what}, that is {}", mutation.record_id))
        });
        if let Some(other) = self.books.lives.get(&**id) {
            let what = format!(
                "the id {id} was given twice, in databases {} and {}",
                other.database, self.shadow.number
            );
            self.journal.broken(number::ONCE, what, &[id]);
        }
        // A person tries again what is parked, and what the server may have forgotten goes again.
        let is_again = transitions.iter().any(|other| {
            let before = other.before.as_ref().filter(|before| before.record_id == mutation.record_id);
            other.after.is_none()
                && before.is_some_and(|before| is_expired(before) || self.shadow.retried.contains(&other.id))
        });
        if mutation.operation == Operation::Create
            && !is_again
            && !self.is_created_anew(&mutation.record_id)
            && let Some(text) = mutation.data.text(text_field(&mutation.table))
            && let Some(twin) = self.shadow.births.insert(text.clone(), id.clone())
        {
            let what = format!("`{text}` was written once, and created by {twin} and by {id}");
            self.journal.broken(number::ONCE, what, &[&twin, id]);
        }
        if mutation.schema_version < self.shadow.state.requires.schema_writer {
            let what = format!("{id} was written by a release that may not write here any more");
            self.journal.broken(number::CONSERVED, what, &[id]);
        }
        if *mutation.principal != *self.shadow.principal {
            let what = format!(
                "{id} was written as {}'s into {}'s database",
                mutation.principal, self.shadow.principal
            );
            self.journal.broken(number::ISOLATED_TENANTS, what, &[id]);
        }
        let life = Life {
            database: self.shadow.number,
            principal: mutation.principal.to_string(),
            order,
            operation: mutation.operation,
            table: mutation.table.to_string(),
            record_id: mutation.record_id.to_string(),
            standing: Standing::Waiting,
        };
        self.books.lives.insert(id.to_string(), life);
    }

    /// What was written is in an entry that counts, also where the same entry holds what was written over it.
    pub(super) fn note_texts(&mut self, changes: &[Change<Shared>]) {
        let written = changes.iter().filter_map(|change| match change {
            Change::Mutation { row: Some(mutation), .. } => mutation.data.0.as_object(),
            _ => None,
        });
        for text in written.flatten().filter_map(|(_, value)| value.as_str()) {
            if !self.shadow.texts.contains(text) {
                self.shadow.texts.insert(text.into());
            }
        }
    }

    fn judge_change(
        &mut self,
        id: &Id,
        before: &Mutation<Shared>,
        after: &Mutation<Shared>,
        transitions: &[Transition],
    ) {
        self.journal.note(|| {
            (
                self.place(),
                format!("{id} {:?} after {} attempts: {:?}", after.state, after.attempts, after.error),
            )
        });
        let data = |mutation: &Mutation<Shared>| {
            let exchanged = landfall_core::state::references::exchange(
                self.shadow.state.schema(),
                &self.shadow.state.ids,
                &mutation.table,
                &mutation.data,
            );
            exchanged.unwrap_or_else(|| mutation.data.clone())
        };
        let is_same = before.operation == after.operation
            && before.table == after.table
            && before.unset == after.unset
            && (before.data.same(&after.data) || data(before).same(&data(after)));
        if after.withdrawing && !before.withdrawing && !self.is_given_up(id, before, transitions) {
            let what = format!("{id} is withdrawn, and nobody gave it up");
            self.journal.broken(number::CONSERVED, what, &[id]);
        }
        self.judge_failure(id, before, after);
        if before.first_sent_at.is_some() {
            if after.first_sent_at != before.first_sent_at || !is_same {
                let what = format!("{id} may have been sent, and was changed after that");
                self.journal.broken(number::CONSERVED, what, &[id]);
            }
            return;
        }
        if after.first_sent_at.is_some_and(|at| at == 0 || self.shadow.state.meta(Meta::EPOCH).is_none()) {
            let what = format!("{id} is to be sent, and nothing tells a late copy of it from a first one");
            self.journal.broken(number::ONCE, what, &[id]);
        }
        if !is_same {
            let is_there = |field: &String| after.data.kind(field).is_some() || after.unset.contains(field);
            if let Some(field) =
                before.data.fields().iter().chain(&before.unset).find(|field| !is_there(field))
                && after.operation == before.operation
                && !(after.operation == Operation::Create && before.data.kind(field).is_some())
            {
                let what = format!("{id} lost its change of `{field}`");
                self.journal.broken(number::CONSERVED, what, &[id]);
            }
        }
    }

    /// It failed by its own fault, if it failed.
    fn judge_failure(&mut self, id: &Id, before: &Mutation<Shared>, after: &Mutation<Shared>) {
        let code = after.error.as_ref().map_or("", |error| error.code.as_str());
        if after.attempts > before.attempts && code == Failure::NETWORK {
            let what = format!("{id} lost an attempt because there was no connection");
            self.journal.broken(number::ISOLATED_FAILURE, what, &[id]);
        }
        if before.state.is_parked() || !after.state.is_parked() {
            return;
        }
        if NO_FAULT_OF_ITS_OWN.contains(&code) {
            let what = format!("{id} is parked for what is no fault of its own: {code}");
            self.journal.broken(number::ISOLATED_FAILURE, what, &[id]);
        }
        if UNANSWERED.contains(&code) {
            self.books.unanswered.insert(id.to_string());
        } else if self.books.is_remembered(&after.principal, id) {
            let what = format!("{id} took effect, and is parked: {code}");
            self.journal.broken(number::ISOLATED_FAILURE, what, &[id]);
        }
    }

    /// Whether a person gave it up: itself, or something that it builds on, by however many steps; or, of a create, the record.
    /// What lies between need not go with it: the deletion of a record whose create is in doubt stays.
    fn is_given_up(&mut self, id: &Id, mutation: &Mutation<Shared>, transitions: &[Transition]) -> bool {
        let state = &self.shadow.state;
        let before = transitions.iter().filter_map(|other| other.before.as_deref());
        let known: Vec<&Mutation<Shared>> = before.chain(state.outbox.iter().map(|other| &**other)).collect();
        let mut reach: Vec<(&Id, &Mutation<Shared>)> = vec![(id, mutation)];
        let mut at = 0;
        let deletes = |other: &Mutation<Shared>| {
            other.operation == Operation::Delete
                && other.table == mutation.table
                && state.resolve(&other.record_id) == state.resolve(&mutation.record_id)
        };
        let mut deletions = transitions.iter().filter(|other| other.before.is_none());
        let mut is_given_up = mutation.operation == Operation::Create
            && deletions.any(|other| other.after.as_deref().is_some_and(deletes));
        while let Some(&(id, mutation)) = reach.get(at) {
            at += 1;
            is_given_up |= self.shadow.given_up.contains(id);
            let record = state.resolve(&mutation.record_id);
            for other in &known {
                let is_ground = mutation.dependencies.contains(&other.id)
                    || (other.operation == Operation::Create
                        && other.table == mutation.table
                        && other.sequence < mutation.sequence
                        && state.resolve(&other.record_id) == record);
                if is_ground && !reach.iter().any(|(known, _)| **known == other.id) {
                    reach.push((&other.id, other));
                }
            }
        }
        if is_given_up {
            self.shadow.given_up.insert(id.clone());
        }
        is_given_up
    }

    fn judge_departure(&mut self, id: &Id, mutation: &Mutation<Shared>, transitions: &[Transition]) {
        let (table, record_id) = (&mutation.table, &mutation.record_id);
        let is_given_up = self.is_given_up(id, mutation, transitions);
        let shadow = &self.shadow;
        let is_of_record = |other: &Mutation<Shared>| {
            other.table == *table && shadow.state.resolve(&other.record_id) == shadow.state.resolve(record_id)
        };
        let was_applied = self.books.was_applied(&mutation.principal, id);
        let was_in_vain = mutation.operation == Operation::Delete
            && self.books.row(&mutation.principal, table, record_id).is_none_or(|row| {
                row.now().is_none_or(|record| record.deleted)
                    || row.versions.iter().any(|version| version.record.deleted)
            });
        let was_folded = mutation.first_sent_at.is_none() && {
            let id = shadow.state.resolve(record_id);
            let later =
                shadow.state.outbox.of_record(table, &id).any(|other| other.sequence >= mutation.sequence);
            later || shadow.state.record(table, record_id).is_none()
        };
        let was_given_up = is_given_up;
        // A create that the server refuses settles the deletion of its record, and all that was done to it.
        let was_settled = transitions.iter().any(|other| {
            let create = other.before.as_ref().filter(|create| create.operation == Operation::Create);
            other.after.is_none()
                && create.is_some_and(|create| is_of_record(create))
                && self.books.was_refused(&mutation.principal, &other.id)
                && transitions.iter().any(|other| {
                    other
                        .before
                        .as_ref()
                        .is_some_and(|other| other.operation == Operation::Delete && is_of_record(other))
                })
        });
        // What the server may have forgotten goes again under a new id, once it is known that it was not applied; an update not even
        // that, where its record is deleted before it goes.
        let is_renewal = |other: &Mutation<Shared>| {
            let is_deletion = (mutation.operation, other.operation) == (Operation::Update, Operation::Delete);
            is_of_record(other) && (other.operation == mutation.operation || is_deletion)
        };
        let was_renewed = is_expired(mutation)
            && transitions
                .iter()
                .any(|other| other.before.is_none() && other.after.as_deref().is_some_and(is_renewal));
        // A create under another id, after one of unknown outcome that had made the record.
        let was_made_before = mutation.operation == Operation::Create
            && self.books.row(&mutation.principal, table, record_id).and_then(Row::now).is_some();
        // Who deletes a record that the server refused to create leaves nothing behind; but refused it must be.
        let was_refused = shadow.state.record(table, record_id).is_none()
            && self.books.row(&mutation.principal, table, record_id).and_then(Row::now).is_none()
            && transitions.iter().any(|other| {
                let create = other.before.as_ref().filter(|create| create.operation == Operation::Create);
                other.after.is_none()
                    && create.is_some_and(|create| is_of_record(create) && create.state.is_parked())
            });
        let was_retried = shadow.retried.contains(id)
            && transitions.iter().any(|other| {
                other.before.is_none() && other.after.as_ref().is_some_and(|other| is_of_record(other))
            });
        let was_merged = self.was_merged(id, mutation, transitions);
        self.journal.note(|| {
            let why = [
                (was_applied, "applied"),
                (was_merged, "merged"),
                (was_folded, "folded"),
                (was_given_up, "given up"),
                (was_retried, "retried"),
                (was_in_vain, "deleted in vain"),
                (was_settled, "settled by its create"),
                (was_renewed, "renewed"),
                (was_made_before, "made before"),
                (was_refused, "deleted, and its create was refused"),
            ];
            let why = why.iter().find(|(is, _)| *is).map_or("for no reason", |(_, why)| why);
            (self.place(), format!("{id} left: {why}"))
        });
        let is_unseen = self.books.met.contains(&**id) && !was_applied && !was_merged && !was_given_up;
        if is_unseen
            && !(was_in_vain || was_retried || was_settled || was_renewed || was_made_before || was_refused)
        {
            let what = format!(
                "{id} ({:?} {table}/{record_id}) met a change by somebody else and left, and of what it had something is nowhere",
                mutation.operation
            );
            return self.journal.broken(number::NO_SILENT_LOSS, what, &[id, record_id]);
        }
        if !(was_applied
            || was_merged
            || was_in_vain
            || was_folded
            || was_given_up
            || was_retried
            || was_settled
            || was_renewed
            || was_made_before
            || was_refused)
        {
            let what = format!(
                "{id} ({:?} {table}/{record_id}) left the outbox, and nothing became of it",
                mutation.operation
            );
            self.journal.broken(number::CONSERVED, what, &[id, record_id]);
        }
    }
}
