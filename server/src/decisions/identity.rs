//! Which record an operation means: server ids, and temporary ones that the server exchanged before.

use landfall_core::ids::is_temporary;
use landfall_core::merge::detect::{self, Current, MadeOn, own_hash};
use landfall_core::protocol::Operation;
use landfall_core::schema::Table;
use serde_json::Value;

use super::Code;
use super::apply::Reason;
use super::port::{Fields, Record, Transaction};
use super::upload::Batch;

/// Whether an operation that builds on this version finds another record than it was made on, as its table tells it.
fn is_overtaken(
    operation: &Operation<Value>,
    version: Option<u64>,
    record: &Record,
    table: Option<&Table>,
) -> bool {
    let made_on =
        MadeOn { version, updated_at: operation.base_updated_at, hash: operation.base_hash.as_deref() };
    let hash = || table.map(|table| own_hash(&record.data, table)).unwrap_or_default();
    let current = Current { version: record.version, updated_at: record.updated_at, hash: &hash };
    detect::is_overtaken(table.map(|table| table.detect).unwrap_or_default(), made_on, current)
}

impl<T: Transaction> Batch<'_, T> {
    /// The living record that an update or delete is about, in the version it builds on.
    pub(super) async fn current(
        &mut self,
        operation: &Operation<Value>,
        table: Option<&Table>,
    ) -> Result<Record, Reason> {
        let id = operation.record_id.as_str();
        let tenant = self.caller.tenant.as_str();
        let mut version = operation.base_version;
        let found = if is_temporary(id) {
            // Who knows no server id knows no version but the one that the create made.
            version = version.or(Some(1));
            let found = self.tx.record_created_as(tenant, &self.caller.principal, id).await?;
            found.filter(|record| record.table == operation.table)
        } else {
            self.tx.record(tenant, &operation.table, id).await?
        };
        match found {
            None if self.unmade.contains(id) => Err(Reason::Deferred),
            None => {
                let message = format!("`{}` has no record `{id}`", operation.table);
                Err(Reason::rejected(Code::RecordNotFound, None, &message))
            }
            Some(record) if record.deleted || is_overtaken(operation, version, &record, table) => {
                Err(Reason::Conflict(Box::new(record)))
            }
            Some(record) => Ok(record),
        }
    }

    /// Puts server ids in place of temporary ones in the foreign keys that are set, and checks that each leads to a
    /// living record. `own` is the record being created (its temporary id, table and id): it may refer to itself.
    pub(super) async fn resolve_references(
        &mut self,
        fields: &mut Fields,
        table: Option<&Table>,
        own: Option<(&str, &str, &str)>,
    ) -> Result<(), Reason> {
        let Some(table) = table else { return Ok(()) };
        for (name, reference) in &table.references {
            let Some(Value::String(id)) = fields.get(name) else { continue };
            if let Some((local, own_table, own_id)) = own
                && id == local
                && reference.table == own_table
            {
                fields.insert(name.clone(), Value::String(own_id.to_owned()));
                continue;
            }
            let tenant = self.caller.tenant.as_str();
            let parent = if is_temporary(id) {
                let parent = self.tx.record_created_as(tenant, &self.caller.principal, id).await?;
                parent.filter(|record| record.table == reference.table)
            } else {
                self.tx.record(tenant, &reference.table, id).await?
            };
            match parent {
                Some(record) if !record.deleted => {
                    fields.insert(name.clone(), Value::String(record.id));
                }
                // Its create stands before this one and did not go through: it may yet, under a new key.
                None if self.unmade.contains(id) => return Err(Reason::Deferred),
                Some(_) | None => {
                    let message = format!("`{}` has no record `{id}`", reference.table);
                    return Err(Reason::rejected(Code::ReferenceMissing, Some(name), &message));
                }
            }
        }
        Ok(())
    }
}
