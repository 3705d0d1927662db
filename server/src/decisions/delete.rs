//! Deleting a record, and what hangs on it.

use std::collections::HashSet;

use landfall_core::protocol::{Applied, Operation};
use landfall_core::schema::{OnDelete, Table};
use serde_json::Value;

use super::Code;
use super::apply::{Decided, Done, Reason};
use super::port::{Fields, Record, Transaction};
use super::upload::Batch;

impl<T: Transaction> Batch<'_, T> {
    /// Deletes the record that an operation is about.
    pub(super) async fn delete(&mut self, operation: &Operation<Value>, table: Option<&Table>) -> Decided {
        let root = self.current(operation, table).await?;
        let (record_id, version) = (root.id.clone(), root.version + 1);
        self.bury_with_all(root).await?;
        let applied = Applied { record_id, version, updated_at: self.now, record: None };
        Ok(Done { applied, contests: Vec::new() })
    }

    /// Puts a tombstone in the record's place and, where the schema says cascade, in its children's. Theirs come first: a
    /// reader that stops between two pages has no child without a parent.
    pub(super) async fn bury_with_all(&mut self, root: Record) -> Result<(), Reason> {
        for record in self.cascade(root).await?.into_iter().rev() {
            self.bury(record).await?;
        }
        Ok(())
    }

    /// Everything that goes with `root`, breadth first from it, or the refusal. A child whose rule is `refuse` refuses
    /// only if it would stay: it may be doomed by another way.
    async fn cascade(&mut self, root: Record) -> Result<Vec<Record>, Reason> {
        let Some(schema) = &self.rules.schema else { return Ok(vec![root]) };
        let mut seen = HashSet::from([(root.table.clone(), root.id.clone())]);
        let mut doomed = vec![root];
        let mut refusing: Vec<(String, String, &str)> = Vec::new();
        let mut next = 0;
        while let Some(parent) = doomed.get(next) {
            let (table, id) = (parent.table.clone(), Value::String(parent.id.clone()));
            for (child, field, on_delete) in schema.children_of(&table) {
                for record in self.tx.records_with(&self.caller.tenant, child, &[(field, &id)]).await? {
                    match on_delete {
                        OnDelete::Refuse => refusing.push((record.table, record.id, field)),
                        OnDelete::Cascade => {
                            if seen.insert((record.table.clone(), record.id.clone())) {
                                doomed.push(record);
                            }
                        }
                    }
                }
            }
            next += 1;
        }
        match refusing.into_iter().find(|(table, id, _)| !seen.contains(&(table.clone(), id.clone()))) {
            None => Ok(doomed),
            Some((table, id, field)) => {
                let message = format!("`{table}` `{id}` refers to it by `{field}`");
                Err(Reason::rejected(Code::ReferenceInUse, None, &message))
            }
        }
    }

    async fn bury(&mut self, record: Record) -> Result<(), Reason> {
        let seq = self.tx.next_seq().await?;
        let tombstone = Record {
            version: record.version + 1,
            updated_at: self.now,
            deleted: true,
            seq,
            scope_seq: seq,
            data: Fields::new(),
            ..record
        };
        Ok(self.put(&tombstone).await?)
    }
}
