//! What one operation does to the records, or why it does nothing.

use landfall_core::ids::is_temporary;
use landfall_core::merge::Contest;
use landfall_core::protocol::{Applied, Operation, OperationKind};
use landfall_core::schema::{Ids, Table, rules::Detect};
use serde_json::Value;

use super::holding::Open;
use super::port::{Fields, Record, StoreError, Transaction};
use super::upload::Batch;
use super::{Code, Role, scope, values};

/// Why an operation was not applied.
#[derive(Debug)]
pub(super) enum Reason {
    Rejected {
        code: Code,
        field: Option<String>,
        message: String,
    },
    /// The record that is in the way, or its tombstone.
    Conflict(Box<Record>),
    /// The record in the way, and what its table's rules leave to a person.
    Open(Box<Open>),
    Deferred,
    Store(StoreError),
}

impl Reason {
    pub(super) fn rejected(code: Code, field: Option<&str>, message: &str) -> Self {
        Self::Rejected { code, field: field.map(str::to_owned), message: message.to_owned() }
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What was done, and what was settled on the way.
pub(super) struct Done {
    pub(super) applied: Applied<Value>,
    pub(super) contests: Vec<Contest>,
}

impl From<Record> for Done {
    fn from(record: Record) -> Self {
        let Record { id, version, updated_at, .. } = record;
        Self { applied: Applied { record_id: id, version, updated_at, record: None }, contests: Vec::new() }
    }
}

pub(super) type Decided = Result<Done, Reason>;

/// Applies an operation. What it has written when it fails is the caller's to undo, by the savepoint.
pub(super) async fn apply<T: Transaction>(batch: &mut Batch<'_, T>, operation: &Operation<Value>) -> Decided {
    if batch.caller.role == Role::Reader {
        return Err(Reason::rejected(Code::Forbidden, None, "this role only reads"));
    }
    let table = match &batch.rules.schema {
        None => None,
        Some(schema) => Some(schema.table(&operation.table).ok_or_else(|| {
            let message = format!("the schema has no table `{}`", operation.table);
            Reason::rejected(Code::UnknownTable, None, &message)
        })?),
    };
    match operation.operation {
        OperationKind::Create => create(batch, operation, table).await,
        OperationKind::Update => update(batch, operation, table).await,
        OperationKind::Delete => batch.delete(operation, table).await,
        OperationKind::Withdraw => {
            Err(Reason::rejected(Code::Withdrawn, None, "given up before it was applied"))
        }
    }
}

async fn create<T: Transaction>(
    batch: &mut Batch<'_, T>,
    operation: &Operation<Value>,
    table: Option<&Table>,
) -> Decided {
    let mut data = values::fields_of(operation.data.clone())?;
    values::check_set(&data, table)?;
    if let Some(table) = table {
        values::check_complete(&data, table)?;
    }
    let local = operation.record_id.as_str();
    let temporary = is_temporary(local);
    check_new_id(local, table)?;
    let tenant = batch.caller.tenant.as_str();
    // The same record under another key: a device that lost its memory of the first. Two records would be one too many.
    let known = if temporary {
        batch.tx.record_created_as(tenant, &batch.caller.principal, local).await?
    } else {
        batch.tx.record(tenant, &operation.table, local).await?
    };
    if let Some(record) = known {
        return Err(Reason::Conflict(Box::new(record)));
    }
    let id = if temporary { batch.tx.next_id().await? } else { local.to_owned() };
    batch.resolve_references(&mut data, table, Some((local, &operation.table, &id))).await?;
    let created_as = temporary.then(|| local.to_owned());
    Ok(make(batch, &operation.table, id, created_as, data, table).await?.into())
}

/// Writes a record that is new, under an id that is.
pub(super) async fn make<T: Transaction>(
    batch: &mut Batch<'_, T>,
    name: &str,
    id: String,
    created_as: Option<String>,
    data: Fields,
    table: Option<&Table>,
) -> Result<Record, Reason> {
    let seq = batch.tx.next_seq().await?;
    let record = Record {
        tenant: batch.caller.tenant.clone(),
        table: name.to_owned(),
        id,
        version: 1,
        updated_at: batch.now,
        deleted: false,
        created_as,
        created_by: batch.caller.principal.clone(),
        seq,
        scope_seq: seq,
        data,
    };
    check_natural_keys(batch, &record, table, None).await?;
    batch.put(&record).await?;
    Ok(record)
}

async fn update<T: Transaction>(
    batch: &mut Batch<'_, T>,
    operation: &Operation<Value>,
    table: Option<&Table>,
) -> Decided {
    let mut changes = values::fields_of(operation.data.clone())?;
    values::check_set(&changes, table)?;
    values::check_unset(&operation.unset, &changes, table)?;
    let current = match batch.current(operation, table).await {
        Err(Reason::Conflict(theirs)) if batch.merges && !theirs.deleted => Err(theirs),
        found => Ok(found?),
    };
    batch.resolve_references(&mut changes, table, None).await?;
    match (current, table) {
        (Ok(current), _) => {
            let mut data = current.data.clone();
            data.extend(changes);
            data.retain(|name, _| !operation.unset.contains(name));
            Ok(change(batch, &current, data, table).await?.into())
        }
        (Err(theirs), Some(table)) => batch.merge(operation, table, changes, *theirs).await,
        (Err(theirs), None) => Err(Reason::Conflict(theirs)),
    }
}

/// Writes the next version of a record.
pub(super) async fn change<T: Transaction>(
    batch: &mut Batch<'_, T>,
    current: &Record,
    data: Fields,
    table: Option<&Table>,
) -> Result<Record, Reason> {
    let seq = batch.tx.next_seq().await?;
    let deciding = batch
        .rules
        .schema
        .as_ref()
        .filter(|schema| scope::decides(schema, &current.table, &current.data, &data));
    let record = Record {
        version: current.version + 1,
        updated_at: time_of_change(current, table, batch.now),
        seq,
        scope_seq: if deciding.is_some() { seq } else { current.scope_seq },
        data,
        ..current.clone()
    };
    check_natural_keys(batch, &record, table, Some(&current.data)).await?;
    batch.put(&record).await?;
    if let Some(schema) = deciding {
        batch.touch(schema, &record).await?;
    }
    Ok(record)
}

/// Where conflicts are found by time, a version is later than the one before it, though they were made in one millisecond or
/// the clock was set back.
fn time_of_change(current: &Record, table: Option<&Table>, now: u64) -> u64 {
    match table.map(|table| table.detect) {
        Some(Detect::Timestamp) => now.max(current.updated_at + 1),
        Some(Detect::Version | Detect::Hash) | None => now,
    }
}

/// A record is made under a temporary id, or under a UUID where the schema says so. Any other name could be one that the
/// server gives to somebody else's record.
fn check_new_id(id: &str, table: Option<&Table>) -> Result<(), Reason> {
    let (temporary, uuid) = match table.map(|table| table.ids) {
        None => (true, true),
        Some(Ids::Temporary) => (true, false),
        Some(Ids::Uuid) => (false, true),
    };
    if (temporary && is_temporary(id)) || (uuid && is_uuid(id)) {
        return Ok(());
    }
    let form = match (temporary, uuid) {
        (true, true) => "a temporary id or a UUID",
        (true, false) => "a temporary id",
        (false, _) => "a UUID",
    };
    Err(Reason::rejected(
        Code::InvalidValue,
        Some("id"),
        &format!("a new record of this table is named by {form}"),
    ))
}

/// The canonical form, in lower case: two spellings of one UUID would be two records.
fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// No other living record has the same values in all fields of a natural key. A key with an absent or `null` part binds
/// nobody. An update that leaves a key alone need not be checked again.
async fn check_natural_keys<T: Transaction>(
    batch: &mut Batch<'_, T>,
    record: &Record,
    table: Option<&Table>,
    before: Option<&Fields>,
) -> Result<(), Reason> {
    for key in table.map(|table| table.unique.as_slice()).unwrap_or_default() {
        let parts: Option<Vec<(&str, &Value)>> = key
            .iter()
            .map(|name| Some((name.as_str(), record.data.get(name).filter(|value| !value.is_null())?)))
            .collect();
        let Some(parts) = parts else { continue };
        if before.is_some_and(|before| parts.iter().all(|(name, value)| before.get(*name) == Some(value))) {
            continue;
        }
        let holders = batch.tx.records_with(&record.tenant, &record.table, &parts).await?;
        if let Some(holder) = holders.into_iter().find(|holder| holder.id != record.id) {
            return Err(Reason::Conflict(Box::new(holder)));
        }
    }
    Ok(())
}
