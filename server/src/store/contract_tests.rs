//! The contract, held to by every store there is; and what only the file can show.

use super::{contract::*, contract_conflicts::*, over_every_store};

over_every_store![
    begins_empty,
    what_is_committed_is_there_whole,
    what_is_dropped_never_was,
    a_savepoint_takes_back_what_came_after_it,
    numbers_are_never_given_twice,
    finds_by_temporary_id_of_that_principal,
    finds_living_records_by_field,
    values_come_back_exactly,
    changes_are_in_order_and_in_pages,
    changes_from_a_time,
    tenants_do_not_meet,
    one_transaction_at_a_time,
    a_snapshot_reads_one_state,
    a_purge_forgets_what_is_old,
    conflicts_come_back_exactly,
    conflicts_are_taken_back_with_the_rest,
    conflicts_are_found_in_order_and_in_pages,
];

mod file {
    //! What only the file can show.

    use landfall_core::schema::Schema;
    use sqlx::Connection;

    use serde_json::json;

    use super::super::contract::{changes, ids, record, write};
    use crate::decisions::port::{After, Record, Store, StoreError, Transaction};
    use crate::store::sqlite::SqliteStore;

    fn schema(key: &str) -> Schema {
        let document = json!({ "version": 1, "tables": {
            "tasks": { "fields": { "step_id": "string", "title": "string" },
                "references": { "step_id": { "table": "tasks" } }, "unique": [key] } } });
        Schema::parse(&document).unwrap()
    }

    #[tokio::test]
    async fn survives_being_closed_and_opened() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data.sqlite");
        let store = SqliteStore::open(&file, None).await.unwrap();
        write(&store, &[record("1", 1, json!({ "title": "kept" }))]).await;
        let position = store.position().await.unwrap();
        store.close().await;
        let store = SqliteStore::open(&file, None).await.unwrap();
        assert_eq!(store.position().await.unwrap(), position);
        assert_eq!(ids(&changes(&store, "acme", After::Seq(0), 9).await), ["1"]);
        let epoch = store.renew_epoch().await.unwrap();
        assert_ne!(epoch, position.epoch);
        let id = store.begin().await.unwrap().next_id().await.unwrap();
        assert!(id.parse::<u64>().unwrap() > 1_000_000, "`{id}` may have been given after the backup");
        assert_eq!(store.position().await.unwrap().epoch, epoch);
    }

    #[tokio::test]
    async fn indexes_follow_the_schema_and_serve() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data.sqlite");
        SqliteStore::open(&file, Some(&schema("title"))).await.unwrap().close().await;
        let url = format!("sqlite://{}", file.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
            "EXPLAIN QUERY PLAN SELECT id FROM records WHERE deleted = 0 AND tbl = 'tasks' AND tenant = ? \
             AND json_extract(data, '$.\"step_id\"') = ?",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        assert!(plan[0].3.contains("key.tasks.step_id"), "{plan:?}");
        let names = "SELECT name FROM sqlite_schema WHERE name LIKE 'key.%' ORDER BY name";
        let before: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await.unwrap();
        assert_eq!(before, ["key.tasks.step_id", "key.tasks.title"]);
        connection.close().await.unwrap();

        SqliteStore::open(&file, Some(&schema("step_id"))).await.unwrap().close().await;
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let after: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut connection).await.unwrap();
        assert_eq!(after, ["key.tasks.step_id"]);
        let synchronous: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
        assert_eq!(synchronous, "wal");
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_format_is_brought_up() {
        let to_2 = "DROP TABLE conflicts; PRAGMA user_version = 2";
        let to_1 = "DROP TABLE conflicts; ALTER TABLE records DROP COLUMN scope_seq; PRAGMA user_version = 1";
        for (back, scope_seq) in [(to_2, 7), (to_1, 0)] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("data.sqlite");
            let store = SqliteStore::open(&file, None).await.unwrap();
            write(&store, &[record("1", 7, json!({ "title": "kept" }))]).await;
            store.close().await;
            let mut connection =
                sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
            sqlx::raw_sql(back).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            for _ in 0..2 {
                let store = SqliteStore::open(&file, None).await.unwrap();
                let kept = Record { scope_seq, ..record("1", 7, json!({ "title": "kept" })) };
                assert_eq!(changes(&store, "acme", After::Seq(0), 9).await.records, [kept]);
                assert_eq!(store.begin().await.unwrap().conflict("acme", "c").await.unwrap(), None);
                store.close().await;
            }
        }
    }

    #[tokio::test]
    async fn a_file_of_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data.sqlite");
        SqliteStore::open(&file, None).await.unwrap().close().await;
        let mut connection =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 9").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let refused = SqliteStore::open(&file, None).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Failed(why) if why.contains("format 9")), "{refused}");
        std::fs::write(&file, "no database, whatever the name says").unwrap();
        assert!(SqliteStore::open(&file, None).await.is_err());
    }

    #[tokio::test]
    async fn a_pull_does_not_wait_for_the_writer() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("data.sqlite"), None).await.unwrap();
        write(&store, &[record("1", 1, json!({ "title": "old" }))]).await;
        let mut transaction = store.begin().await.unwrap();
        transaction.put(&record("1", 2, json!({ "title": "new" }))).await.unwrap();
        assert_eq!(changes(&store, "acme", After::Seq(0), 9).await.records[0].data["title"], "old");
        transaction.commit().await.unwrap();
        assert_eq!(changes(&store, "acme", After::Seq(0), 9).await.records[0].data["title"], "new");
    }
}
