//! The table of conflicts.

use landfall_core::protocol::conflicts::ConflictCounts;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::sqlite_rows::{encoded, failed, json, signed, text, unsigned, word};
use crate::decisions::port::{Conflict, Conflicts, ConflictsQuery, Decision, Fields, StoreError};

pub(super) const TABLE: &str = "
    CREATE TABLE conflicts (
        tenant TEXT NOT NULL,
        id TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        principal TEXT NOT NULL,
        device_id TEXT NOT NULL,
        tbl TEXT NOT NULL,
        record_id TEXT NOT NULL,
        operation TEXT NOT NULL,
        kind TEXT NOT NULL,
        base TEXT,
        ours TEXT,
        ours_at INTEGER NOT NULL,
        theirs TEXT,
        paths TEXT NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        resolution TEXT,
        resolved_by TEXT,
        resolved_at INTEGER,
        PRIMARY KEY (tenant, id)
    ) STRICT;
    CREATE INDEX conflicts_at ON conflicts (tenant, state, at, id);
";

pub(super) async fn one(
    connection: &mut SqliteConnection,
    tenant: &str,
    id: &str,
) -> Result<Option<Conflict>, StoreError> {
    let query = sqlx::query("SELECT * FROM conflicts WHERE tenant = ? AND id = ?").bind(tenant).bind(id);
    query.fetch_optional(connection).await.map_err(failed)?.as_ref().map(conflict).transpose()
}

pub(super) async fn put(connection: &mut SqliteConnection, conflict: &Conflict) -> Result<(), StoreError> {
    let fields = |fields: &Option<Fields>| fields.as_ref().map(encoded).transpose();
    let decision = conflict.decision.as_ref();
    sqlx::query(
        "INSERT OR REPLACE INTO conflicts (tenant, id, operation_id, principal, device_id, tbl, record_id, operation,
         kind, base, ours, ours_at, theirs, paths, at, state, resolution, resolved_by, resolved_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&conflict.tenant)
    .bind(&conflict.id)
    .bind(&conflict.operation_id)
    .bind(&conflict.principal)
    .bind(&conflict.device_id)
    .bind(&conflict.table)
    .bind(&conflict.record_id)
    .bind(conflict.operation.name())
    .bind(conflict.kind.name())
    .bind(fields(&conflict.base)?)
    .bind(fields(&conflict.ours)?)
    .bind(signed(conflict.ours_at))
    .bind(fields(&conflict.theirs)?)
    .bind(encoded(&conflict.paths)?)
    .bind(signed(conflict.at))
    .bind(conflict.state().name())
    .bind(decision.map(|decision| decision.resolution.name()))
    .bind(decision.map(|decision| decision.by.as_str()))
    .bind(decision.map(|decision| signed(decision.at)))
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn page(
    connection: &mut SqliteConnection,
    query: &ConflictsQuery,
) -> Result<Conflicts, StoreError> {
    let counts = "SELECT COUNT(*) FILTER (WHERE state = 'open') AS open,
         COUNT(*) FILTER (WHERE state = 'resolved') AS resolved FROM conflicts WHERE tenant = ?";
    let counts = sqlx::query(counts).bind(&query.tenant).fetch_one(&mut *connection).await.map_err(failed)?;
    let conditions = [
        (query.state.is_some(), " AND state = ?"),
        (query.table.is_some(), " AND tbl = ?"),
        (query.kind.is_some(), " AND kind = ?"),
        (query.after.is_some(), " AND (at, id) > (?, ?)"),
    ];
    let conditions = conditions.map(|(is_asked_for, sql)| if is_asked_for { sql } else { "" }).concat();
    let sql = format!("SELECT * FROM conflicts WHERE tenant = ?{conditions} ORDER BY at, id LIMIT ?");
    let mut asked = sqlx::query(AssertSqlSafe(sql)).bind(&query.tenant);
    if let Some(state) = query.state {
        asked = asked.bind(state.name());
    }
    if let Some(table) = &query.table {
        asked = asked.bind(table);
    }
    if let Some(kind) = query.kind {
        asked = asked.bind(kind.name());
    }
    if let Some((at, id)) = &query.after {
        asked = asked.bind(signed(*at)).bind(id);
    }
    let mut rows = asked.bind(i64::from(query.limit) + 1).fetch_all(connection).await.map_err(failed)?;
    let limit = query.limit as usize;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Conflicts {
        conflicts: rows.iter().map(conflict).collect::<Result<_, _>>()?,
        has_more,
        counts: ConflictCounts { open: unsigned(&counts, "open")?, resolved: unsigned(&counts, "resolved")? },
    })
}

fn conflict(row: &SqliteRow) -> Result<Conflict, StoreError> {
    let is_there =
        |column: &str| row.try_get::<Option<&str>, _>(column).map(|text| text.is_some()).map_err(failed);
    let fields = |column: &str| if is_there(column)? { json(row, column).map(Some) } else { Ok(None) };
    let decision = if is_there("resolution")? {
        let (by, at) = (text(row, "resolved_by")?, unsigned(row, "resolved_at")?);
        Some(Decision { resolution: word(row, "resolution")?, by, at })
    } else {
        None
    };
    Ok(Conflict {
        tenant: text(row, "tenant")?,
        id: text(row, "id")?,
        operation_id: text(row, "operation_id")?,
        principal: text(row, "principal")?,
        device_id: text(row, "device_id")?,
        table: text(row, "tbl")?,
        record_id: text(row, "record_id")?,
        operation: word(row, "operation")?,
        kind: word(row, "kind")?,
        base: fields("base")?,
        ours: fields("ours")?,
        ours_at: unsigned(row, "ours_at")?,
        theirs: fields("theirs")?,
        paths: json(row, "paths")?,
        at: unsigned(row, "at")?,
        decision,
    })
}
