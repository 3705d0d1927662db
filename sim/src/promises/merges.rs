//! What becomes of changes that met those of somebody else (promises 10 and 11): each value that lost is kept with the conflict, what one
//! side alone changed is that side's, and a settlement that is taken back comes back.
//!
//! The rules are said here once more, field by field, from what a row of the history holds and from what was in the outbox before
//! it; nothing of the engine's merge is asked.

use std::{collections::BTreeSet, rc::Rc};

use landfall_core::{
    body::Body,
    log::{
        conflict::{Conflict, How, Kind, Ruling, Settlement},
        entry::{Change, Id, Mutation, Operation, Record},
    },
    state::{State, references},
};
use serde_json::{Map, Value};

use super::{number, outbox::Transition, shadow::Judging};
use crate::body::Shared;

type Fields = Map<String, Value>;

/// A conflict that an entry settles, or whose settlement it takes back; and all that was outstanding of its record before.
pub(super) struct Settled {
    id: Id,
    is_undone: bool,
    /// The fields that were outstanding, the last value of each; `None`: removed.
    outstanding: Vec<(String, Option<Value>)>,
    /// What carries the outcome to the server, and the record, as they were before anything else of the same entry was added.
    sent: Option<Rc<Mutation<Shared>>>,
    record: Option<Record<Shared>>,
}

/// What the changes of an entry settle. `before`: the state before it.
pub(super) fn settled(before: &State<Shared>, changes: &[Change<Shared>]) -> Vec<Settled> {
    let mut found = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Change::Conflict { id, row: Some(row) } = change else { continue };
        let Some(settlement) = &row.settled else { continue };
        let row_of = row;
        let known = before.conflicts.get(id).and_then(|row| row.settled.as_ref());
        let is_undone = settlement.undone.is_some();
        if known.is_some_and(|known| known.undone.is_some() == is_undone) {
            continue;
        }
        let first = before.outbox.get(id);
        let of_record =
            first.into_iter().flat_map(|first| before.outbox.of_record(&first.table, &first.record_id));
        // Other commands of the same entry may have written to it before.
        let written = |id: &Id| {
            changes[..at].iter().rev().find_map(|change| match change {
                Change::Mutation { id: written, row: Some(row) } if written == id => Some(Rc::clone(row)),
                _ => None,
            })
        };
        let of_record =
            of_record.map(|mutation| written(&mutation.id).unwrap_or_else(|| Rc::clone(mutation)));
        let mut outstanding: Vec<(String, Option<Value>)> = Vec::new();
        // Who gives one up leaves those after it.
        let alone = settlement.how == How::Discarded;
        for mutation in of_record.filter(|mutation| !mutation.withdrawing && (!alone || mutation.id == *id)) {
            let set = mutation.data.0.as_object().into_iter().flatten();
            let set = set.map(|(field, value)| (field.clone(), Some(value.clone())));
            for (field, value) in set.chain(mutation.unset.iter().map(|field| (field.clone(), None))) {
                outstanding.retain(|(known, _)| *known != field);
                outstanding.push((field, value));
            }
        }
        let sent = settlement.mutation.as_ref().and_then(written);
        let record = changes[..at].iter().rev().find_map(|change| match change {
            Change::Record { table, id, row } if *table == row_of.table && *id == row_of.record_id => {
                row.clone()
            }
            _ => None,
        });
        found.push(Settled { id: id.clone(), is_undone, outstanding, sent, record });
    }
    found
}

impl Judging<'_> {
    pub(super) fn judge_settled(&self, settled: &[Settled]) {
        for settled in settled {
            let Some(row) = self.shadow.state.conflicts.get(&settled.id).cloned() else { continue };
            let Some(settlement) = &row.settled else { continue };
            if settled.is_undone {
                self.judge_undone(settled, &row, settlement);
            } else {
                self.judge_settlement(settled, &row, settlement);
            }
        }
    }

    fn lost(&self, id: &Id, what: &str) {
        self.journal.broken(number::NO_SILENT_LOSS, format!("conflict {id}: {what}"), &[id]);
    }

    fn judge_settlement(&self, settled: &Settled, row: &Conflict<Shared>, settlement: &Settlement<Shared>) {
        let id = &settled.id;
        let fields = |body: &Option<Shared>| body.as_ref().and_then(|body| body.0.as_object().cloned());
        let (base, ours, theirs, merged) = (
            fields(&settlement.base),
            fields(&settlement.ours),
            fields(&settlement.theirs),
            fields(&settlement.merged),
        );
        // All that waited is in ours.
        if let Some(ours) = &ours {
            for (field, value) in &settled.outstanding {
                let value = value.as_ref().map(|value| self.named(value));
                if ours.get(field).map(|value| self.named(value)) != value {
                    let kept = ours.get(field);
                    self.lost(id, &format!("`{field}` was written as {value:?}, and ours has {kept:?}"));
                }
            }
        }
        self.judge_theirs(id, row, theirs.as_ref());
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
        let (Some(merged), Kind::UpdateUpdate | Kind::CreateCreate) = (merged, row.kind) else {
            return self.lost(id, "both sides have a record, and nothing came of them");
        };
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).chain(merged.keys()).collect();
        for field in names {
            let [base, ours, theirs, merged] = [
                base.as_ref().and_then(|base| base.get(field)),
                ours.get(field),
                theirs.get(field),
                merged.get(field),
            ];
            let is_contested = ours != theirs && ours != base && theirs != base;
            let ruling = settlement.rulings.iter().find(|ruling| ruling.path == [field.clone()]);
            let below = settlement.rulings.iter().any(|ruling| ruling.path.first() == Some(field));
            match (is_contested, ruling) {
                (true, None) if !below => {
                    self.lost(
                        id,
                        &format!("`{field}` was {base:?}, {ours:?}, {theirs:?}, and nothing is kept of that"),
                    );
                }
                (true, Some(ruling)) => {
                    let kept = [ruling.base.as_ref(), ruling.ours.as_ref(), ruling.theirs.as_ref()];
                    if kept != [base, ours, theirs] {
                        self.lost(
                            id,
                            &format!("`{field}` was {base:?}, {ours:?}, {theirs:?}, and {kept:?} is kept"),
                        );
                    }
                    self.judge_ruling(id, field, ruling, merged, settlement.how);
                }
                (false, Some(_)) => self.lost(id, &format!("`{field}` is kept as contested, and was not")),
                (false, None) if settlement.how == How::Rules => {
                    let won = if ours == theirs || ours == base { theirs } else { ours };
                    if merged != won {
                        self.lost(
                            id,
                            &format!("`{field}` was changed by one side to {won:?}, and is {merged:?}"),
                        );
                    }
                }
                (_, None) => {}
            }
        }
        self.judge_successor(settled, settlement, &theirs, &settlement_fields(settlement));
    }

    /// What a rule of the simulated app says of a contested field.
    fn judge_ruling(&self, id: &Id, field: &str, ruling: &Ruling, merged: Option<&Value>, how: How) {
        let Some(by) = &ruling.by else {
            return self.lost(id, &format!("nobody has decided about `{field}`, and it is settled"));
        };
        if ruling.value.as_ref() != merged && how != How::Discarded {
            self.lost(id, &format!("`{field}` was settled as {:?}, and is {merged:?}", ruling.value));
        }
        if how != How::Rules {
            return;
        }
        let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64).unwrap_or_default();
        let names = |value: &Option<Value>| -> BTreeSet<String> {
            let entries = value.as_ref().and_then(Value::as_array).into_iter().flatten();
            entries.filter_map(|entry| entry["id"].as_str().map(str::to_owned)).collect()
        };
        let is_right = match by.as_str() {
            "counter" => {
                let sum = number(&ruling.ours) + number(&ruling.theirs) - number(&ruling.base);
                ruling.value.as_ref().and_then(Value::as_i64) == Some(sum)
            }
            "union" => {
                let (base, made) = (names(&ruling.base), names(&ruling.value));
                let added =
                    names(&ruling.ours).union(&names(&ruling.theirs)).cloned().collect::<BTreeSet<_>>();
                added.difference(&base).all(|entry| made.contains(entry))
            }
            "latest" => ruling.value == ruling.ours || ruling.value == ruling.theirs,
            "server" => ruling.value == ruling.theirs,
            "client" => ruling.value == ruling.ours,
            _ => false,
        };
        if !is_right {
            self.lost(
                id,
                &format!("`{field}` was settled by `{by}` as {:?} out of {ruling:?}", ruling.value),
            );
        }
    }

    /// The server had it so.
    fn judge_theirs(&self, id: &Id, row: &Conflict<Shared>, theirs: Option<&Fields>) {
        let Some(theirs) = theirs else { return };
        let known = self.books.row(&self.shadow.principal, &row.table, &row.record_id);
        let versions = known.into_iter().flat_map(|row| &row.versions);
        // The server put its own id in; a restoration may have taken that back.
        let is_it = |ours: &Value, there: &Value| {
            self.named(ours) == *there
                || ours.as_str().zip(there.as_str()).is_some_and(|(temporary, id)| {
                    self.books.was_id_of(&self.shadow.principal, temporary, id)
                })
        };
        let are_they = |data: &Fields| {
            data.len() == theirs.len()
                && theirs.iter().all(|(field, ours)| data.get(field).is_some_and(|there| is_it(ours, there)))
        };
        let mut versions = versions.map(|version| &version.record.data).peekable();
        if versions.peek().is_some() && !versions.any(are_they) {
            self.lost(id, &format!("{theirs:?} is kept as theirs, and the server never had that"));
        }
    }

    /// What is sent makes of theirs what came of it, on the version that theirs is.
    fn judge_successor(
        &self,
        settled: &Settled,
        settlement: &Settlement<Shared>,
        theirs: &Fields,
        merged: &Fields,
    ) {
        let id = &settled.id;
        if settlement.how == How::Discarded {
            return;
        }
        let mut made = theirs.clone();
        if let Some(mutation) = settlement.mutation.as_ref() {
            let Some(mutation) = &settled.sent else {
                return self.lost(id, &format!("{mutation} is to carry the outcome, and is not there"));
            };
            for (field, value) in mutation.data.0.as_object().into_iter().flatten() {
                made.insert(field.clone(), value.clone());
            }
            made.retain(|field, _| !mutation.unset.contains(field));
            let base = self.shadow.state.base(&mutation.table, &mutation.record_id);
            let newest = base.and_then(|base| base.newest()).map(|copy| copy.version);
            let alone = self.shadow.state.outbox.of_record(&mutation.table, &mutation.record_id).count() == 1;
            if alone && mutation.base_version != newest {
                let version = mutation.base_version;
                self.lost(
                    id,
                    &format!("the outcome is sent on version {version:?}, and theirs is {newest:?}"),
                );
            }
        }
        let merged: Fields = merged.iter().map(|(field, value)| (field.clone(), self.named(value))).collect();
        let made: Fields = made.iter().map(|(field, value)| (field.clone(), self.named(value))).collect();
        if made != merged {
            let what = format!("conflict {id}: it came to {merged:?}, and what is sent makes {made:?}");
            self.journal.broken(number::HONEST_ROLLBACK, what, &[id]);
        }
    }

    fn judge_undone(&self, settled: &Settled, row: &Conflict<Shared>, settlement: &Settlement<Shared>) {
        let id = &settled.id;
        let now = self.shadow.state.record(&row.table, &row.record_id);
        let record = settled.record.as_ref().or(now).filter(|record| !record.deleted);
        let (Some(record), Some(_), Some(_), Some(_), None) =
            (record, &settlement.ours, &settlement.theirs, &settlement.merged, &settlement.created)
        else {
            return;
        };
        for ruling in &settlement.rulings {
            let [field] = ruling.path.as_slice() else { continue };
            let back = if ruling.value == ruling.theirs { &ruling.ours } else { &ruling.theirs };
            let held = record.data.0.get(field);
            if held.map(|value| self.named(value)) != back.as_ref().map(|value| self.named(value)) {
                let what =
                    format!("conflict {id} was taken back: `{field}` should be {back:?}, and is {held:?}");
                self.journal.broken(number::HONEST_ROLLBACK, what, &[id]);
            }
        }
    }

    /// A value with the id of now, where it is one.
    fn named(&self, value: &Value) -> Value {
        let id = value.as_str().and_then(|id| {
            let known = self.books.id_of(&self.shadow.principal, id);
            known.or_else(|| self.shadow.state.ids.server_id(id).map(|id| &**id))
        });
        id.map_or_else(|| value.clone(), Into::into)
    }

    /// Whether a mutation that met a change of somebody else left with nothing of it lost: each of its values is sent on, is what
    /// the server has, or is kept with the conflict; and nothing that was written after it is left to overwrite what nobody has seen.
    pub(super) fn was_merged(
        &self,
        id: &Id,
        mutation: &Mutation<Shared>,
        transitions: &[Transition],
    ) -> bool {
        let state = &self.shadow.state;
        let (table, record_id) = (&mutation.table, state.resolve(&mutation.record_id));
        let is_of_record =
            |other: &Mutation<Shared>| other.table == *table && state.resolve(&other.record_id) == record_id;
        let left: Vec<&Mutation<Shared>> = transitions
            .iter()
            .filter(|other| other.after.is_none())
            .filter_map(|other| other.before.as_deref())
            .filter(|other| is_of_record(other))
            .collect();
        let Some(first) = left.iter().min_by_key(|other| other.sequence) else { return false };
        if !self.books.met.contains(&*first.id) && !first.state.is_parked() {
            return false;
        }
        let row = state.conflicts.get(&first.id).or_else(|| state.conflicts.get(id));
        let settlement = row.and_then(|row| row.settled.as_ref());
        let ours = settlement.and_then(|settlement| settlement.ours.as_ref());
        let theirs = settlement.and_then(|settlement| settlement.theirs.as_ref());
        let server = match state.base(table, &record_id).and_then(|base| base.newest()) {
            Some(copy) => Some((copy.data.clone(), copy.deleted)),
            None => state.record(table, &record_id).map(|record| (record.data.clone(), record.deleted)),
        };
        if mutation.operation == Operation::Delete {
            let sent_on =
                state.outbox.of_record(table, &record_id).any(|other| other.operation == Operation::Delete);
            return sent_on || theirs.is_some() || server.is_none_or(|(_, deleted)| deleted);
        }
        let is_stale = |other: &Mutation<Shared>| {
            other.sequence > mutation.sequence
                && other.merges == 0
                && transitions
                    .iter()
                    .all(|transition| transition.id != other.id || transition.before.is_some())
                && settlement.is_none_or(|settlement| settlement.mutation.as_ref() != Some(&other.id))
                && row.is_none_or(|row| row.holder.is_none())
        };
        if state.outbox.of_record(table, &record_id).any(|other| is_stale(other)) {
            return false;
        }
        let last_word = |field: &str| {
            left.iter()
                .filter(|other| {
                    // Who deleted it after that wanted none of it.
                    other.operation == Operation::Delete
                        || other.data.kind(field).is_some()
                        || other.unset.iter().any(|name| name == field)
                })
                .max_by_key(|other| other.sequence)
                .is_none_or(|other| other.id == *id)
        };
        // As it was before anything else of the same entry was added to it.
        let stays = transitions.iter().filter(|other| other.after.is_some());
        let rows = stays.flat_map(|other| &other.rows).filter(|other| is_of_record(other));
        let is_kept = |field: &String, value: Option<&Value>| {
            let value = value.map(|value| self.named(value));
            let has = |body: &Shared| body.0.get(field).map(|value| self.named(value)) == value;
            let grounds = transitions.iter().find(|other| other.id == *id).map(|other| &other.grounds[..]);
            let grounds = grounds.unwrap_or_default();
            !last_word(field)
                || grounds.iter().any(has)
                || ours.is_some_and(has)
                || server.as_ref().is_some_and(|(body, deleted)| !deleted && has(body))
                || rows.clone().any(|other| match &value {
                    Some(_) => other.data.kind(field).is_some() && has(&other.data),
                    None => other.unset.contains(field),
                })
        };
        let set = mutation.data.0.as_object().into_iter().flatten();
        set.map(|(field, value)| (field, Some(value)))
            .chain(mutation.unset.iter().map(|field| (field, None)))
            .all(|(field, value)| is_kept(field, value))
    }

    /// Whether an entry says that a record was created anew, in place of one that is deleted.
    pub(super) fn is_created_anew(&self, record_id: &Id) -> bool {
        self.shadow.state.conflicts.iter().any(|(_, row)| {
            row.settled.as_ref().is_some_and(|settled| {
                settled.created.as_ref() == Some(record_id)
                    || (settled.undone.is_some() && settled.merged.is_none())
            })
        })
    }

    /// Of a conflict that somebody gave up everything is kept. Who tries it again, or edits it, has it still; and who died giving it
    /// up, and then deletes the record or what it hangs on, wants it gone.
    pub(super) fn judge_given_up(&self, id: &Id, mutation: &Mutation<Shared>) {
        let (is_given_up, is_retried) = (self.shadow.given_up.contains(id), self.shadow.retried.contains(id));
        let kept = self.shadow.state.conflicts.get(id).and_then(|row| row.settled.as_ref());
        let data = &mutation.data.0;
        let is_deleted = |id: &str| {
            let deleted = &self.shadow.deleted;
            deleted.contains(id) || deleted.contains(&*self.shadow.state.resolve(&id.into()))
        };
        let parents =
            data.as_object().into_iter().flat_map(|fields| fields.values()).filter_map(Value::as_str);
        let goes_with_its_record = parents.chain([&*mutation.record_id]).any(is_deleted);
        if is_given_up && !is_retried && !goes_with_its_record && kept.is_none() {
            self.lost(id, &format!("it was given up, and {data} is kept nowhere"));
        }
    }
}

fn settlement_fields(settlement: &Settlement<Shared>) -> Fields {
    settlement.merged.as_ref().and_then(|body| body.0.as_object().cloned()).unwrap_or_default()
}

/// Conflicts that name a record by an id that is mapped.
pub(super) fn dangling(state: &State<Shared>) -> Option<Id> {
    let dangles = |row: &Conflict<Shared>| {
        let data =
            |data: &Shared| references::exchange(state.schema(), &state.ids, &row.table, data).is_some();
        state.ids.server_id(&row.record_id).is_some()
            || row.settled.as_ref().is_some_and(|settled| {
                [&settled.base, &settled.ours, &settled.theirs, &settled.merged]
                    .into_iter()
                    .flatten()
                    .any(data)
            })
    };
    state.conflicts.iter().find(|(_, row)| dangles(row)).map(|(id, _)| id.clone())
}
