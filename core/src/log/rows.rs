//! Rows as they are stored: the short way to say what most rows are.
//!
//! Most rows are one of two. A record that is as the server has it is an id, a version and a time; a create that was just
//! written, and the record that it made, are two ids and a time ([`super::fresh`]). A run of either is stored as columns. What is
//! left is stored as it is. Reading a store of 10,000 records is mostly reading this.

use std::{iter::Peekable, vec::IntoIter};

use serde::{Deserialize, Serialize};

use super::{
    codec::{CodecError, damaged},
    column::{Ids, Numbers},
    entry::{Change, Id, Record},
    fresh::{Found, Fresh},
};
use crate::body::{Body, SyncStatus};

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Rows {
    #[serde(rename = "c")]
    changes: Vec<Change<u32>>,
    /// Which of the changes are creates that put their record too: [`Record::born_of`] says what it is. So it was written up to
    /// format 3.
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    births: Vec<usize>,
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    fresh: Vec<Fresh>,
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    synced: Vec<Synced>,
}

/// Records of one table as the server has them. Their bodies follow each other.
#[derive(Serialize, Deserialize)]
struct Synced {
    /// Which of the changes comes after them.
    #[serde(rename = "a")]
    before: usize,
    #[serde(rename = "t")]
    table: Id,
    #[serde(rename = "d")]
    first_body: u32,
    #[serde(rename = "i")]
    ids: Ids,
    #[serde(rename = "v")]
    versions: Numbers,
    #[serde(rename = "s")]
    server_updated_at: Numbers,
}

impl Rows {
    /// The rows of these changes, and the bodies that they refer to by index.
    pub(super) fn pack<B: Body>(changes: &[Change<B>]) -> (Self, Vec<B>) {
        let mut rows = Self::default();
        let mut bodies: Vec<B> = Vec::with_capacity(changes.len());
        let mut at = 0;
        while let Some(change) = changes.get(at) {
            at += 1;
            if let Some((table, id, record)) = as_synced(change) {
                rows.add_synced(table, id, record, index_of(&mut bodies, &record.data));
            } else if let Some(found) = Found::at(change, changes.get(at)) {
                rows.add_fresh(&found, index_of(&mut bodies, found.data()));
                at += found.changes() - 1;
            } else {
                rows.changes.push(change.map(&mut |body| index_of(&mut bodies, body)));
            }
        }
        (rows, bodies)
    }

    fn add_fresh<B: Body>(&mut self, found: &Found<'_, B>, body: u32) {
        let (before, after_runs) = (self.changes.len(), self.synced.len());
        let goes_on =
            |run: &Fresh| run.before == before && run.after_runs == after_runs && run.goes_on(body, found);
        if !self.fresh.last().is_some_and(goes_on) {
            self.fresh.push(Fresh::new(before, after_runs, body, found));
        }
        if let Some(run) = self.fresh.last_mut() {
            run.add(found);
        }
    }

    fn add_synced<B>(&mut self, table: &Id, id: &Id, record: &Record<B>, body: u32) {
        let before = self.changes.len();
        let is_cut = self.fresh.last().is_some_and(|run| run.after_runs == self.synced.len());
        let goes_on = |run: &Synced| {
            !is_cut
                && run.before == before
                && run.table == *table
                && run.first_body as usize + run.ids.0.len() == body as usize
        };
        if !self.synced.last().is_some_and(goes_on) {
            self.synced.push(Synced {
                before,
                table: table.clone(),
                first_body: body,
                ids: Ids::default(),
                versions: Numbers::default(),
                server_updated_at: Numbers::default(),
            });
        }
        if let Some(run) = self.synced.last_mut() {
            run.ids.0.push(id.clone());
            run.versions.0.push(record.version.unwrap_or_default());
            run.server_updated_at.0.push(record.server_updated_at.unwrap_or_default());
        }
    }

    /// The changes again, in their order.
    pub(super) fn unpack<B: Body>(self, bodies: &[B]) -> Result<Vec<Change<B>>, CodecError> {
        let synced: usize = self.synced.iter().map(|run| run.ids.0.len()).sum();
        let fresh: usize = self.fresh.iter().map(Fresh::len).sum();
        let mut changes = Vec::with_capacity(self.changes.len() + self.births.len() + synced + fresh);
        let mut births = self.births.into_iter().peekable();
        let mut runs = Runs {
            synced: self.synced.into_iter().peekable(),
            done: 0,
            fresh: self.fresh.into_iter().peekable(),
        };
        for (at, stored) in self.changes.iter().enumerate() {
            runs.unpack(at, bodies, &mut changes)?;
            let mut missing = None;
            let change = stored.map(&mut |index: &u32| {
                bodies.get(*index as usize).cloned().unwrap_or_else(|| {
                    missing = Some(*index);
                    B::empty()
                })
            });
            if let Some(index) = missing {
                return Err(no_body(index as usize, bodies.len()));
            }
            if births.next_if_eq(&at).is_some() {
                let Change::Mutation { row: Some(create), .. } = &change else {
                    return Err(damaged(format!("change {at} is no create")));
                };
                let row = Some(Record::born_of(create));
                changes.push(Change::Record {
                    table: create.table.clone(),
                    id: create.record_id.clone(),
                    row,
                });
            }
            changes.push(change);
        }
        runs.unpack(usize::MAX, bodies, &mut changes)?;
        Ok(changes)
    }
}

/// Runs of both kinds, in the order in which they were written.
struct Runs {
    synced: Peekable<IntoIter<Synced>>,
    done: usize,
    fresh: Peekable<IntoIter<Fresh>>,
}

impl Runs {
    /// Unpacks those that come before a change.
    fn unpack<B: Body>(
        &mut self,
        change: usize,
        bodies: &[B],
        changes: &mut Vec<Change<B>>,
    ) -> Result<(), CodecError> {
        loop {
            if let Some(run) = self.fresh.next_if(|run| run.before <= change && run.after_runs <= self.done) {
                run.unpack(bodies, changes)?;
            } else if let Some(run) = self.synced.next_if(|run| run.before <= change) {
                run.unpack(bodies, changes)?;
                self.done += 1;
            } else {
                return Ok(());
            }
        }
    }
}

impl Synced {
    fn unpack<B: Body>(self, bodies: &[B], changes: &mut Vec<Change<B>>) -> Result<(), CodecError> {
        let (first, count) = (self.first_body as usize, self.ids.0.len());
        let data = bodies.get(first..first + count).ok_or_else(|| no_body(first + count, bodies.len()))?;
        if self.versions.0.len() != count || self.server_updated_at.0.len() != count {
            return Err(damaged(format!("columns of {} have different lengths", self.table)));
        }
        let columns = self.ids.0.into_iter().zip(self.versions.0).zip(self.server_updated_at.0).zip(data);
        changes.extend(columns.map(|(((id, version), updated_at), data)| Change::Record {
            table: self.table.clone(),
            id,
            row: Some(Record {
                data: data.clone(),
                version: Some(version),
                server_updated_at: Some(updated_at),
                local_updated_at: None,
                sync_id: None,
                status: SyncStatus::Synced,
                deleted: false,
            }),
        }));
        Ok(())
    }
}

/// The index of a body among those to be stored. A create's record and mutation are one body: stored once.
fn index_of<B: Body>(bodies: &mut Vec<B>, body: &B) -> u32 {
    if !bodies.last().is_some_and(|last| last.same(body)) {
        bodies.push(body.clone());
    }
    u32::try_from(bodies.len() - 1).unwrap_or(u32::MAX)
}

/// A record with nothing of this device's in it.
fn as_synced<B>(change: &Change<B>) -> Option<(&Id, &Id, &Record<B>)> {
    let Change::Record { table, id, row: Some(record) } = change else { return None };
    let plain = record.version.is_some()
        && record.server_updated_at.is_some()
        && record.local_updated_at.is_none()
        && record.sync_id.is_none()
        && record.status == SyncStatus::Synced
        && !record.deleted;
    plain.then_some((table, id, record))
}

pub(super) fn no_body(index: usize, bodies: usize) -> CodecError {
    damaged(format!("body {index} of {bodies} is missing"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        decide::Writer,
        log::entry::{Mutation, Operation},
    };

    fn synced(id: &str, version: u64) -> Change<Value> {
        let data = json!({ "n": version });
        let row = Record {
            data,
            version: Some(version),
            server_updated_at: Some(9),
            local_updated_at: None,
            sync_id: None,
            status: SyncStatus::Synced,
            deleted: false,
        };
        Change::Record { table: "t".into(), id: id.into(), row: Some(row) }
    }

    fn create(id: &str) -> [Change<Value>; 2] {
        let writer = Writer { principal: "u".into(), schema_version: 1, functions: std::rc::Rc::new(()) };
        let mutation = Mutation {
            id: format!("m{id}").as_str().into(),
            sequence: 1,
            table: "t".into(),
            record_id: id.into(),
            operation: Operation::Create,
            data: json!({ "born": id }),
            unset: Vec::new(),
            base_version: None,
            timestamp: 7,
            priority: crate::schema::Priority::Medium,
            state: crate::log::entry::MutationState::Pending,
            attempts: 0,
            first_sent_at: None,
            last_attempt_at: None,
            next_attempt_at: None,
            error: None,
            dependencies: Vec::new(),
            principal: writer.principal,
            schema_version: writer.schema_version,
            withdrawing: false,
            dating: None,
            merges: 0,
        };
        let row = Some(Record::born_of(&mutation));
        let record = Change::Record { table: "t".into(), id: id.into(), row };
        [record, Change::Mutation { id: mutation.id.clone(), row: Some(mutation.into()) }]
    }

    #[test]
    fn rows_come_back_as_they_were_and_in_their_order() {
        let gone = |id: &str| Change::Record { table: "t".into(), id: id.into(), row: None };
        let mut changes = vec![synced("1", 1), synced("2", 5), gone("3"), synced("4", 2)];
        changes.extend(create("5"));
        changes.extend(create("6"));
        changes.push(synced("7", 1));
        let (rows, bodies) = Rows::pack(&changes);
        assert_eq!((rows.synced.len(), rows.fresh.len(), rows.changes.len(), bodies.len()), (3, 1, 1, 6));
        let text = serde_json::to_string(&rows).unwrap();
        let again: Rows = serde_json::from_str(&text).unwrap();
        assert_eq!(again.unpack(&bodies).unwrap(), changes);
    }

    #[test]
    fn runs_keep_their_order_and_what_each_of_them_is() {
        let [record, mutation] = create("5");
        let mut needy = create("6");
        if let Change::Mutation { row: Some(row), .. } = &mut needy[1] {
            std::rc::Rc::make_mut(row).dependencies = vec!["m5".into()];
        }
        let mut urgent = create("7");
        if let Change::Mutation { row: Some(row), .. } = &mut urgent[1] {
            std::rc::Rc::make_mut(row).priority = crate::schema::Priority::High;
        }
        let mut sent = create("8");
        if let Change::Mutation { row: Some(row), .. } = &mut sent[1] {
            let row = std::rc::Rc::make_mut(row);
            (row.state, row.first_sent_at) = (crate::log::entry::MutationState::Sending, Some(9));
        }
        let mut parked = create("9");
        if let Change::Mutation { row: Some(row), .. } = &mut parked[1] {
            std::rc::Rc::make_mut(row).state = crate::log::entry::MutationState::Rejected;
        }
        let mut changes = vec![record.clone(), mutation.clone(), synced("1", 1)];
        changes.extend(needy);
        changes.extend(urgent);
        changes.extend([synced("2", 1), mutation.clone(), record.clone(), record, synced("3", 1), mutation]);
        changes.extend(sent.into_iter().chain(parked));
        let (rows, bodies) = Rows::pack(&changes);
        let text = serde_json::to_string(&rows).unwrap();
        let again: Rows = serde_json::from_str(&text).unwrap();
        assert_eq!(again.unpack(&bodies).unwrap(), changes);
    }

    #[test]
    fn a_body_that_is_missing_is_told_and_not_invented() {
        let (rows, mut bodies) = Rows::pack(&[synced("1", 1), synced("2", 2)]);
        bodies.pop();
        assert!(matches!(rows.unpack(&bodies), Err(CodecError::Damaged(_))));
        let (rows, bodies) = Rows::pack(&create("1"));
        assert!(matches!(rows.unpack(&bodies[1..]), Err(CodecError::Damaged(_))));
    }
}
