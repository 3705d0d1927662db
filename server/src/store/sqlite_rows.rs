//! Between rows of the database and the port's types.

use landfall_core::protocol::OperationKind;
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::decisions::port::{Answer, Record, StoreError};

/// The columns of [`record`], in any order.
pub(super) const RECORD_COLUMNS: &str =
    "tenant, tbl, id, version, updated_at, deleted, created_as, created_by, seq, scope_seq, data";

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::PoolTimedOut => StoreError::Busy,
        // SQLITE_BUSY and its extended forms, SQLITE_LOCKED: another process holds the database.
        sqlx::Error::Database(cause)
            if cause
                .code()
                .and_then(|code| code.parse::<u32>().ok())
                .is_some_and(|code| matches!(code & 0xff, 5 | 6)) =>
        {
            StoreError::Busy
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// SQLite's integers are signed. Ours stay below 2^53; but a device's clock may say anything, and the largest number is
/// as good as any beyond it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let number: i64 = row.try_get(column).map_err(failed)?;
    u64::try_from(number).map_err(|_| StoreError::Failed(format!("`{column}` is negative: {number}")))
}

pub(super) fn text(row: &SqliteRow, column: &str) -> Result<String, StoreError> {
    row.try_get(column).map_err(failed)
}

pub(super) fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(row.try_get::<&str, _>(column).map_err(failed)?)
        .map_err(|error| StoreError::Failed(format!("`{column}` cannot be read: {error}")))
}

/// A word that stands for a variant.
pub(super) fn word<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    serde_json::from_value(Value::String(text(row, column)?))
        .map_err(|error| StoreError::Failed(format!("`{column}` cannot be read: {error}")))
}

pub(super) fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    Ok(Record {
        tenant: text(row, "tenant")?,
        table: text(row, "tbl")?,
        id: text(row, "id")?,
        version: unsigned(row, "version")?,
        updated_at: unsigned(row, "updated_at")?,
        deleted: row.try_get("deleted").map_err(failed)?,
        created_as: row.try_get("created_as").map_err(failed)?,
        created_by: text(row, "created_by")?,
        seq: unsigned(row, "seq")?,
        scope_seq: unsigned(row, "scope_seq")?,
        data: json(row, "data")?,
    })
}

pub(super) fn answer(row: &SqliteRow) -> Result<Answer, StoreError> {
    let operation: OperationKind = word(row, "operation")?;
    Ok(Answer {
        tenant: text(row, "tenant")?,
        principal: text(row, "principal")?,
        operation,
        table: text(row, "tbl")?,
        local_id: text(row, "local_id")?,
        result: json(row, "result")?,
        at: unsigned(row, "at")?,
    })
}

pub(super) fn encoded<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Failed(error.to_string()))
}
