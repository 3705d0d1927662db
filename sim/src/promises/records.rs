//! What a record is: the server's newest copy with everything unsent on top, exactly (promise 10); where nothing is
//! unsent, what the server had at that version (promise 6). What was deleted stays deleted (promise 8), and what is mapped
//! is called by its new name everywhere (promise 9).

use std::{collections::BTreeSet, rc::Rc};

use landfall_core::{
    body::{Body, SyncStatus},
    ids::is_temporary,
    log::entry::{Change, Id, Mapping, Mutation, MutationState, Operation, Record},
    state::{Meta, references},
};
use serde_json::{Map, Value};

use super::{merges, number, shadow::Judging};
use crate::body::Shared;

/// The records that an entry says something about.
pub(super) fn touched(changes: &[Change<Shared>]) -> BTreeSet<(Id, Id)> {
    let mut touched = BTreeSet::new();
    for change in changes {
        match change {
            Change::Record { table, id, .. } | Change::Base { table, id, .. } => {
                touched.insert((table.clone(), id.clone()));
            }
            Change::Mutation { row: Some(mutation), .. } => {
                touched.insert((mutation.table.clone(), mutation.record_id.clone()));
            }
            _ => {}
        }
    }
    touched
}

impl Judging<'_> {
    pub(super) fn judge_records(&mut self, touched: &BTreeSet<(Id, Id)>) {
        for (table, id) in touched {
            self.judge_record(table, id);
            self.judge_death(table, id);
            self.judge_names(table, id);
        }
    }

    fn judge_record(&self, table: &Id, id: &Id) {
        let state = &self.shadow.state;
        let (record, base) = (state.record(table, id), state.base(table, id));
        let mut mutations = state.outbox.of_record(table, id).peekable();
        if mutations.peek().is_none() {
            if base.is_some() {
                let name = format!("{table}/{id}");
                let what = format!("{name} has nothing unsent, and yet a base");
                return self.journal.broken(number::HONEST_ROLLBACK, what, &[&name, id]);
            }
            if let Some(record) = record {
                self.judge_synced(table, id, record);
            }
            return;
        }
        let mut shown: Vec<_> = mutations.filter(|mutation| !mutation.withdrawing).cloned().collect();
        // What was refused for good is rolled back, unless others hang on it: it may have been shown before they came, or is still
        // though they have gone.
        let is_refused = |mutation: &Mutation<Shared>| {
            mutation.state == MutationState::Rejected
                && !mutation.may_be_applied()
                && mutation.operation != Operation::Create
        };
        let held = record.map(|record| (record.deleted, record.data.clone()));
        let is_right = |data: &Option<Value>, is_deleted: bool| {
            let expected = Shared::from(data.clone().unwrap_or(Value::Null));
            let expected =
                references::exchange(state.schema(), &state.ids, table, &expected).unwrap_or(expected);
            held.as_ref()
                .is_some_and(|(deleted, data)| *deleted == is_deleted && (is_deleted || data.same(&expected)))
        };
        if shown.iter().any(|mutation| is_refused(mutation)) {
            let (all, dead) = self.model(table, id, &shown);
            if is_right(&all, dead) {
                return;
            }
            shown.retain(|mutation| !is_refused(mutation));
        }
        let (data, is_deleted) = self.model(table, id, &shown);
        let name = format!("{table}/{id}");
        let Some(record) = record else {
            let what = format!("{name} is gone, and has unsent changes");
            return self.journal.broken(number::HONEST_ROLLBACK, what, &[&name, id]);
        };
        if !is_right(&data, is_deleted) {
            let expected = data.unwrap_or(Value::Null);
            let what = format!(
                "{name} is {} and should be {expected} (deleted: {} and {is_deleted}): base plus what is unsent",
                record.data.0, record.deleted
            );
            self.journal.broken(number::HONEST_ROLLBACK, what, &[&name, id]);
        }
    }

    /// The plain model: the newest copy, then each change in its turn; and whether that leaves nothing.
    fn model(&self, table: &Id, id: &Id, shown: &[Rc<Mutation<Shared>>]) -> (Option<Value>, bool) {
        let copy = self.shadow.state.base(table, id).and_then(|base| base.newest());
        let mut data: Option<Value> = copy.map(|copy| (*copy.data.0).clone());
        let mut is_deleted = copy.is_some_and(|copy| copy.deleted);
        for mutation in shown {
            match (mutation.operation, &mut data) {
                (Operation::Create, None) => data = Some((*mutation.data.0).clone()),
                (Operation::Update, Some(Value::Object(fields))) => {
                    for (field, value) in mutation.data.0.as_object().into_iter().flatten() {
                        fields.insert(field.clone(), value.clone());
                    }
                    fields.retain(|field, _| !mutation.unset.contains(field));
                }
                (Operation::Delete, _) => is_deleted = true,
                (Operation::Create | Operation::Update, _) => {}
            }
        }
        let is_gone = is_deleted || data.is_none();
        (data, is_gone)
    }

    fn judge_synced(&self, table: &Id, id: &Id, record: &Record<Shared>) {
        let name = || format!("{table}/{id}");
        let Some(version) = record.version else {
            let name = name();
            let what = format!("{name} was written here, and no mutation is left that would send it");
            return self.journal.broken(number::CONSERVED, what, &[&name, id]);
        };
        if record.status != SyncStatus::Synced {
            let name = name();
            let what = format!("{name} has nothing unsent, and is shown as {:?}", record.status);
            return self.journal.broken(number::TRUTHFUL_STATUS, what, &[&name, id]);
        }
        let row = self.books.row(&self.shadow.principal, table, id);
        let versions = row.map(|row| row.versions.as_slice()).unwrap_or_default();
        // The answer to a record may come before the answer to its parent: the server knows that one's id already.
        let named = |value: &Value| match value
            .as_str()
            .and_then(|id| self.books.id_of(&self.shadow.principal, id))
        {
            Some(id) => id.into(),
            None => value.clone(),
        };
        let fields = record.data.0.as_object().into_iter().flatten();
        let data: Map<String, Value> = fields.map(|(field, value)| (field.clone(), named(value))).collect();
        let is_so = versions.iter().any(|known| {
            // What a parent is called that was taken back together with this, nobody says any more.
            let agrees = |(field, value): (&String, &Value)| {
                let held = data.get(field);
                let is_unnamed = held.and_then(Value::as_str).is_some_and(is_temporary);
                held == Some(value) || (known.is_lost && is_unnamed)
            };
            let is_same = || known.record.data.len() == data.len() && known.record.data.iter().all(agrees);
            known.record.version == version
                && known.record.deleted == record.deleted
                && (record.deleted || is_same())
        });
        if !is_so {
            let had: Vec<_> = versions.iter().filter(|known| known.record.version == version).collect();
            let name = name();
            let what =
                format!("{name} is {} at version {version}, where the server had {had:?}", record.data.0);
            self.journal.broken(number::CONVERGENT, what, &[&name, id]);
        }
    }

    /// Once the server's copy was a tombstone, it is one for the rest of the epoch.
    fn judge_death(&mut self, table: &Id, id: &Id) {
        let state = &self.shadow.state;
        let copy_is_dead = if let Some(base) = state.base(table, id) {
            base.newest().map(|copy| copy.deleted)
        } else {
            let has_unsent = state.outbox.of_record(table, id).next().is_some();
            state.record(table, id).filter(|_| !has_unsent).map(|record| record.deleted)
        };
        let epoch = state.meta(Meta::EPOCH).unwrap_or_default();
        let key = (table.clone(), id.clone());
        match (copy_is_dead, self.shadow.tombstones.get(&key)) {
            (Some(false), Some(buried)) if *buried == epoch => {
                let name = format!("{table}/{id}");
                let what = format!("{name} was known to be deleted, and lives again");
                self.journal.broken(number::NOTHING_RESURRECTED, what, &[&name, id]);
            }
            // It may be of before still, where another page was first to tell of a new epoch.
            (Some(true), _) => {
                self.shadow.tombstones.entry(key).or_insert_with(|| epoch.to_owned());
            }
            (Some(false), Some(_)) => {
                self.shadow.tombstones.remove(&key);
            }
            _ => {}
        }
    }

    fn judge_names(&self, table: &Id, id: &Id) {
        let state = &self.shadow.state;
        let dangles = |data: &Shared| references::exchange(state.schema(), &state.ids, table, data).is_some();
        let has_record = state.record(table, id).is_some();
        let mut unsent = state.outbox.of_record(table, id).peekable();
        let is_old_name = state.ids.server_id(id).is_some() && (has_record || unsent.peek().is_some());
        let dangling = is_old_name
            || state.record(table, id).is_some_and(|record| dangles(&record.data))
            || unsent.any(|mutation| dangles(&mutation.data));
        if dangling {
            let name = format!("{table}/{id}");
            let what = format!("{name} is named, or names another, by a temporary id that is mapped");
            self.journal.broken(number::NO_DANGLING_IDS, what, &[&name, id]);
        }
    }

    /// A mapping takes its temporary id out of everything.
    pub(super) fn judge_mappings(&self, mapped: &[Mapping]) {
        let state = &self.shadow.state;
        if let (false, Some(id)) = (mapped.is_empty(), merges::dangling(state)) {
            let what = format!("conflict {id} names a record by a temporary id that is mapped");
            self.journal.broken(number::NO_DANGLING_IDS, what, &[&id]);
        }
        for mapping in mapped {
            self.judge_names(&mapping.table, &mapping.temporary);
            for (child, field, _) in state.schema().children_of(&mapping.table) {
                let child: Id = child.into();
                let of_temporary = |data: &Shared| data.text(field).as_ref() == Some(&mapping.temporary);
                let records = state.table(&child).map(|table| table.referencing(field, &mapping.temporary));
                let dangling = records.into_iter().flatten().next().or_else(|| {
                    let mut of_child = state.outbox.iter().filter(|mutation| mutation.table == child);
                    of_child
                        .find(|mutation| of_temporary(&mutation.data))
                        .map(|mutation| mutation.record_id.clone())
                });
                if let Some(id) = dangling {
                    let name = format!("{child}/{id}");
                    let what = format!(
                        "{name} still names {} by its temporary id {}",
                        mapping.server, mapping.temporary
                    );
                    self.journal.broken(number::NO_DANGLING_IDS, what, &[&name, &id, &mapping.temporary]);
                }
            }
        }
    }
}
