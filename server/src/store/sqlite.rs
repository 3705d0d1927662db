//! The store in one SQLite file.
//!
//! The tables, for whoever reads them by SQL:
//!
//! - `records`: every record and tombstone of every table: `tenant`, `tbl`, `id`, `version` (from 1), `updated_at` (ms),
//!   `deleted` (0 or 1), `created_as` (temporary id), `created_by` (principal), `seq` (the change sequence: each row has
//!   the place of its newest version, or of a later change to what it hangs on), `scope_seq` (the place of the last change that may have
//!   changed which scopes it is in), `data` (the app's fields as JSON; `{}` of a tombstone).
//! - `answers`: what was answered under each idempotency key.
//! - `conflicts`: what is held for a decision, and what was: `state` is `open` or `resolved`, `base`, `ours` and `theirs` are
//!   JSON, `paths` a JSON list of paths.
//! - `audit`: a line for each operation received (K5).
//! - `meta`: one row: epoch, horizon, and the last numbers given.
//!
//! WAL, so that pulls read beside the writer. `synchronous=FULL`: under WAL, `NORMAL` does not sync the log at a commit,
//! and a power cut could take back what was answered `applied`. The client would have dropped the mutation by then, and
//! nothing would ever send it again. One commit holds a whole batch, so the sync is paid once for up to 1,000 operations.

use std::path::Path;
use std::time::Duration;

use landfall_core::schema::Schema;
use serde_json::Value;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::sqlite_conflicts;
use super::sqlite_rows::{RECORD_COLUMNS, answer, encoded, failed, record, signed, unsigned};
use crate::decisions::port::{
    After, Answer, AuditLine, Changes, ChangesQuery, Conflict, Conflicts, ConflictsQuery, Position, Record,
    Snapshot, Store, StoreError, Transaction,
};

/// The shape of the tables, in SQLite's `user_version`.
const FORMAT: i64 = 3;

/// From format 1: nothing was in a scope before there were any, so no cursor of one asks for what came earlier.
const TO_FORMAT_2: &str = "ALTER TABLE records ADD COLUMN scope_seq INTEGER NOT NULL DEFAULT 0";

const TABLES: &str = "
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        epoch TEXT NOT NULL,
        horizon INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        purged_seq INTEGER NOT NULL,
        last_id INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE records (
        tenant TEXT NOT NULL,
        tbl TEXT NOT NULL,
        id TEXT NOT NULL,
        version INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        deleted INTEGER NOT NULL,
        created_as TEXT,
        created_by TEXT NOT NULL,
        seq INTEGER NOT NULL,
        scope_seq INTEGER NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (tenant, tbl, id)
    ) STRICT;
    CREATE UNIQUE INDEX records_seq ON records (tenant, seq);
    CREATE UNIQUE INDEX records_created_as ON records (tenant, created_by, created_as) WHERE created_as IS NOT NULL;
    CREATE INDEX records_deleted ON records (updated_at) WHERE deleted = 1;
    CREATE TABLE answers (
        tenant TEXT NOT NULL,
        principal TEXT NOT NULL,
        id TEXT NOT NULL,
        operation TEXT NOT NULL,
        tbl TEXT NOT NULL,
        local_id TEXT NOT NULL,
        record_id TEXT,
        result TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (tenant, principal, id)
    ) STRICT;
    CREATE TABLE audit (
        line INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        principal TEXT NOT NULL,
        device_id TEXT NOT NULL,
        operation_id TEXT NOT NULL,
        operation TEXT NOT NULL,
        tbl TEXT NOT NULL,
        local_id TEXT NOT NULL,
        record_id TEXT,
        payload TEXT NOT NULL,
        status TEXT NOT NULL,
        code TEXT,
        error TEXT,
        written_at INTEGER NOT NULL,
        sent_at INTEGER NOT NULL,
        decided_at INTEGER NOT NULL
    ) STRICT;
";

/// The store. Clones share its connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    /// One connection: the writer. Whoever has it is the one transaction.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database of this file, or makes it, with the indexes that the schema's references and natural keys
    /// need.
    pub async fn open(path: &Path, schema: Option<&Schema>) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(10));
        let writer = pool
            .clone()
            .max_connections(1)
            .connect_with(options.clone().create_if_missing(true))
            .await
            .map_err(failed)?;
        let store =
            Self { writer, readers: pool.max_connections(4).connect_lazy_with(options.read_only(true)) };
        store.prepare().await?;
        store.index(schema).await?;
        Ok(store)
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let format: i64 =
            sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(failed)?;
        match format {
            FORMAT => return Ok(()),
            0 => {
                sqlx::raw_sql(TABLES).execute(&mut *transaction).await.map_err(failed)?;
                sqlx::raw_sql(sqlite_conflicts::TABLE).execute(&mut *transaction).await.map_err(failed)?;
                sqlx::query("INSERT INTO meta VALUES (1, ?, 0, 0, 0, 0)")
                    .bind(new_epoch())
                    .execute(&mut *transaction)
                    .await
                    .map_err(failed)?;
            }
            // From format 2: no conflicts were held before there was a place for them.
            1 | 2 => {
                if format == 1 {
                    sqlx::raw_sql(TO_FORMAT_2).execute(&mut *transaction).await.map_err(failed)?;
                }
                sqlx::raw_sql(sqlite_conflicts::TABLE).execute(&mut *transaction).await.map_err(failed)?;
            }
            other => {
                let message = format!("the file has format {other}; this release reads up to {FORMAT}");
                return Err(StoreError::Failed(message));
            }
        }
        let mark = format!("PRAGMA user_version = {FORMAT}");
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// An index on each foreign key and natural key, over the JSON itself, so that it cannot drift from the data. What an
    /// earlier schema wanted and this one does not is dropped.
    async fn index(&self, schema: Option<&Schema>) -> Result<(), StoreError> {
        let mut wanted: Vec<(String, String)> = Vec::new();
        for (table, definition) in schema.iter().flat_map(|schema| &schema.tables) {
            let references = definition.references.keys().map(|field| vec![field.clone()]);
            for key in references.chain(definition.unique.iter().cloned()) {
                // A dot cannot occur in a name, so two keys never share an index name.
                let name = format!("key.{table}.{}", key.join("."));
                let columns: Vec<String> = key.iter().map(|field| extracted(field)).collect();
                let sql = format!(
                    "CREATE INDEX IF NOT EXISTS \"{name}\" ON records (tenant, {}) WHERE deleted = 0 AND tbl = {}",
                    columns.join(", "),
                    quoted(table),
                );
                wanted.push((name, sql));
            }
        }
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let present: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'key.%'")
                .fetch_all(&mut *transaction)
                .await
                .map_err(failed)?;
        for name in present.iter().filter(|name| wanted.iter().all(|(wanted, _)| wanted != *name)) {
            let sql = format!("DROP INDEX \"{name}\"");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.map_err(failed)?;
        }
        for (_, sql) in wanted {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Begins a new epoch: to be done once after the file was restored from a backup.
    pub async fn renew_epoch(&self) -> Result<String, StoreError> {
        let epoch = new_epoch();
        sqlx::query("UPDATE meta SET epoch = ?, last_id = last_id + ?")
            .bind(&epoch)
            .bind(signed(super::IDS_LEFT_OUT))
            .execute(&self.writer)
            .await
            .map_err(failed)?;
        Ok(epoch)
    }

    /// Waits for what is under way and closes the file, which folds the write-ahead log into it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn new_epoch() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A string literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The expression for a field. The schema's alphabet for names has no quotes; were there one, it would be doubled here
/// and found nowhere, which is an answer and no injection.
fn extracted(field: &str) -> String {
    format!("json_extract(data, {})", quoted(&format!("$.\"{field}\"")))
}

fn position_of(row: &SqliteRow) -> Result<Position, StoreError> {
    Ok(Position {
        epoch: row.try_get("epoch").map_err(failed)?,
        horizon: unsigned(row, "horizon")?,
        last_seq: unsigned(row, "last_seq")?,
        purged_seq: unsigned(row, "purged_seq")?,
    })
}

impl Store for SqliteStore {
    type Transaction = SqliteTransaction;
    type Snapshot = SqliteSnapshot;

    async fn begin(&self) -> Result<SqliteTransaction, StoreError> {
        let mut inner = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let row = sqlx::query("SELECT * FROM meta").fetch_one(&mut *inner).await.map_err(failed)?;
        let numbers = Numbers { position: position_of(&row)?, last_id: unsigned(&row, "last_id")? };
        Ok(SqliteTransaction { inner, at_savepoint: None, numbers })
    }

    async fn position(&self) -> Result<Position, StoreError> {
        position_of(&sqlx::query("SELECT * FROM meta").fetch_one(&self.readers).await.map_err(failed)?)
    }

    async fn snapshot(&self) -> Result<SqliteSnapshot, StoreError> {
        let mut inner = self.readers.begin().await.map_err(failed)?;
        // The snapshot is taken by the first read of the transaction.
        let meta = sqlx::query("SELECT * FROM meta").fetch_one(&mut *inner).await.map_err(failed)?;
        Ok(SqliteSnapshot { inner, position: position_of(&meta)? })
    }
}

/// A read transaction.
#[derive(Debug)]
pub struct SqliteSnapshot {
    inner: sqlx::Transaction<'static, Sqlite>,
    position: Position,
}

impl Snapshot for SqliteSnapshot {
    async fn position(&mut self) -> Result<Position, StoreError> {
        Ok(self.position.clone())
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(one_record())).bind(tenant).bind(table).bind(id);
        query.fetch_optional(&mut *self.inner).await.map_err(failed)?.as_ref().map(record).transpose()
    }

    async fn changes(&mut self, query: ChangesQuery) -> Result<Changes, StoreError> {
        let after = match query.after {
            After::Seq(seq) => signed(seq),
            After::Time(time) => {
                let sql = "SELECT MIN(seq) - 1 FROM records WHERE tenant = ? AND updated_at >= ?";
                let first: Option<i64> = sqlx::query_scalar(sql)
                    .bind(&query.tenant)
                    .bind(signed(time))
                    .fetch_one(&mut *self.inner)
                    .await
                    .map_err(failed)?;
                first.unwrap_or_else(|| signed(self.position.last_seq))
            }
        };
        let sql = format!(
            "SELECT {RECORD_COLUMNS} FROM records WHERE tenant = ? AND seq > ? \
             AND tbl IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?"
        );
        let mut rows = sqlx::query(AssertSqlSafe(sql))
            .bind(&query.tenant)
            .bind(after)
            .bind(encoded(&query.tables)?)
            .bind(i64::from(query.limit) + 1)
            .fetch_all(&mut *self.inner)
            .await
            .map_err(failed)?;
        let limit = query.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Changes { records: rows.iter().map(record).collect::<Result<_, _>>()?, has_more })
    }

    async fn conflicts(&mut self, query: ConflictsQuery) -> Result<Conflicts, StoreError> {
        sqlite_conflicts::page(&mut self.inner, &query).await
    }
}

fn one_record() -> String {
    format!("SELECT {RECORD_COLUMNS} FROM records WHERE tenant = ? AND tbl = ? AND id = ?")
}

#[derive(Debug, Clone)]
struct Numbers {
    position: Position,
    last_id: u64,
}

/// The transaction. Numbers are drawn in memory and written at the commit.
#[derive(Debug)]
pub struct SqliteTransaction {
    inner: sqlx::Transaction<'static, Sqlite>,
    at_savepoint: Option<Numbers>,
    numbers: Numbers,
}

type Prepared<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

impl SqliteTransaction {
    async fn run(&mut self, query: Prepared<'_>) -> Result<u64, StoreError> {
        Ok(query.execute(&mut *self.inner).await.map_err(failed)?.rows_affected())
    }

    async fn find(&mut self, query: Prepared<'_>) -> Result<Option<SqliteRow>, StoreError> {
        query.fetch_optional(&mut *self.inner).await.map_err(failed)
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(sql).execute(&mut *self.inner).await.map_err(failed)?;
        Ok(())
    }
}

impl Transaction for SqliteTransaction {
    async fn position(&mut self) -> Result<Position, StoreError> {
        Ok(self.numbers.position.clone())
    }

    async fn next_id(&mut self) -> Result<String, StoreError> {
        self.numbers.last_id += 1;
        Ok(self.numbers.last_id.to_string())
    }

    async fn next_seq(&mut self) -> Result<u64, StoreError> {
        self.numbers.position.last_seq += 1;
        Ok(self.numbers.position.last_seq)
    }

    async fn record(&mut self, tenant: &str, table: &str, id: &str) -> Result<Option<Record>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(one_record())).bind(tenant).bind(table).bind(id);
        self.find(query).await?.as_ref().map(record).transpose()
    }

    async fn record_created_as(
        &mut self,
        tenant: &str,
        principal: &str,
        temporary_id: &str,
    ) -> Result<Option<Record>, StoreError> {
        let sql = format!(
            "SELECT {RECORD_COLUMNS} FROM records WHERE tenant = ? AND created_by = ? AND created_as = ?"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(tenant).bind(principal).bind(temporary_id);
        self.find(query).await?.as_ref().map(record).transpose()
    }

    async fn records_with(
        &mut self,
        tenant: &str,
        table: &str,
        fields: &[(&str, &Value)],
    ) -> Result<Vec<Record>, StoreError> {
        // Table and paths are literals, or SQLite could not see that the partial index over the expression serves.
        let conditions: Vec<String> =
            fields.iter().map(|(name, _)| format!(" AND {} = ?", extracted(name))).collect();
        let sql = format!(
            "SELECT {RECORD_COLUMNS} FROM records WHERE deleted = 0 AND tbl = {} AND tenant = ?{} ORDER BY id",
            quoted(table),
            conditions.concat(),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(tenant);
        for (name, value) in fields {
            query = match value {
                Value::String(text) => query.bind(text.as_str()),
                Value::Bool(flag) => query.bind(i64::from(*flag)),
                Value::Number(number) => match number.as_i64() {
                    Some(integer) => query.bind(integer),
                    None => query.bind(number.as_f64()),
                },
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(StoreError::Failed(format!("`{name}` is no key")));
                }
            };
        }
        let rows = query.fetch_all(&mut *self.inner).await.map_err(failed)?;
        rows.iter().map(record).collect()
    }

    async fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO records (tenant, tbl, id, version, updated_at, deleted, created_as, created_by, seq, scope_seq,
             data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, tbl, id) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at,
             deleted = excluded.deleted, created_as = excluded.created_as, created_by = excluded.created_by,
             seq = excluded.seq, scope_seq = excluded.scope_seq, data = excluded.data",
        )
        .bind(&record.tenant)
        .bind(&record.table)
        .bind(&record.id)
        .bind(signed(record.version))
        .bind(signed(record.updated_at))
        .bind(i64::from(record.deleted))
        .bind(record.created_as.as_deref())
        .bind(&record.created_by)
        .bind(signed(record.seq))
        .bind(signed(record.scope_seq))
        .bind(encoded(&record.data)?);
        self.run(query).await?;
        Ok(())
    }

    async fn answer(
        &mut self,
        tenant: &str,
        principal: &str,
        key: &str,
    ) -> Result<Option<Answer>, StoreError> {
        let sql = "SELECT * FROM answers WHERE tenant = ? AND principal = ? AND id = ?";
        let query = sqlx::query(sql).bind(tenant).bind(principal).bind(key);
        self.find(query).await?.as_ref().map(answer).transpose()
    }

    async fn remember(&mut self, answer: &Answer) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO answers (tenant, principal, id, operation, tbl, local_id, record_id, result, at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&answer.tenant)
        .bind(&answer.principal)
        .bind(&answer.result.id)
        .bind(answer.operation.name())
        .bind(&answer.table)
        .bind(&answer.local_id)
        .bind(answer.result.record_id.as_deref())
        .bind(encoded(&answer.result)?)
        .bind(signed(answer.at));
        self.run(query).await?;
        Ok(())
    }

    async fn conflict(&mut self, tenant: &str, id: &str) -> Result<Option<Conflict>, StoreError> {
        sqlite_conflicts::one(&mut self.inner, tenant, id).await
    }

    async fn put_conflict(&mut self, conflict: &Conflict) -> Result<(), StoreError> {
        sqlite_conflicts::put(&mut self.inner, conflict).await
    }

    async fn audit(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO audit (tenant, principal, device_id, operation_id, operation, tbl, local_id, record_id,
             payload, status, code, error, written_at, sent_at, decided_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&line.tenant)
        .bind(&line.principal)
        .bind(&line.device_id)
        .bind(&line.operation_id)
        .bind(line.operation.name())
        .bind(&line.table)
        .bind(&line.local_id)
        .bind(line.record_id.as_deref())
        .bind(encoded(&line.payload)?)
        .bind(line.status.name())
        .bind(line.code.as_deref())
        .bind(line.error.as_deref())
        .bind(signed(line.written_at))
        .bind(signed(line.sent_at))
        .bind(signed(line.decided_at));
        self.run(query).await?;
        Ok(())
    }

    async fn purge(&mut self, horizon: u64) -> Result<u64, StoreError> {
        let horizon = horizon.max(self.numbers.position.horizon);
        let time = signed(horizon);
        let sql = "SELECT MAX(seq) AS seq FROM records WHERE deleted = 1 AND updated_at < ? HAVING MAX(seq) IS NOT NULL";
        if let Some(row) = self.find(sqlx::query(sql).bind(time)).await? {
            let position = &mut self.numbers.position;
            position.purged_seq = position.purged_seq.max(unsigned(&row, "seq")?);
        }
        self.numbers.position.horizon = horizon;
        let sql = "DELETE FROM records WHERE deleted = 1 AND updated_at < ?";
        let purged = self.run(sqlx::query(sql).bind(time)).await?;
        let sql = "DELETE FROM answers WHERE at < ? AND NOT (operation = 'create' AND EXISTS (SELECT 1 FROM records
             WHERE records.tenant = answers.tenant AND records.tbl = answers.tbl AND records.id = answers.record_id))";
        self.run(sqlx::query(sql).bind(time)).await?;
        Ok(purged)
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        self.say(if self.at_savepoint.is_some() { "RELEASE op; SAVEPOINT op" } else { "SAVEPOINT op" })
            .await?;
        self.at_savepoint = Some(self.numbers.clone());
        Ok(())
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        match self.at_savepoint.clone() {
            None => Err(StoreError::Failed("there is no savepoint".to_owned())),
            Some(numbers) => {
                self.say("ROLLBACK TO op").await?;
                self.numbers = numbers;
                Ok(())
            }
        }
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let Numbers { position, last_id } = self.numbers.clone();
        let query = sqlx::query("UPDATE meta SET horizon = ?, last_seq = ?, purged_seq = ?, last_id = ?")
            .bind(signed(position.horizon))
            .bind(signed(position.last_seq))
            .bind(signed(position.purged_seq))
            .bind(signed(last_id));
        self.run(query).await?;
        self.inner.commit().await.map_err(failed)
    }
}
