use std::collections::{BTreeMap, HashSet};

use landfall_core::schema::Schema;

use super::*;
use crate::decisions::port::{After, ChangesQuery};
use crate::store::memory::MemoryStore;

const NOW: u64 = 1_772_280_000_000;

fn schema() -> Schema {
    Schema::parse(&serde_json::from_str(include_str!("../../../www/schema.json")).unwrap()).unwrap()
}

async fn all(store: &MemoryStore) -> Vec<Record> {
    let tables = TABLES.map(str::to_owned).to_vec();
    let query = ChangesQuery { tenant: TENANT.into(), tables, after: After::Seq(0), limit: 100_000 };
    store.changes(query).await.unwrap().records
}

async fn filled() -> Vec<Record> {
    let store = MemoryStore::new("e");
    assert!(fill(&store, &schema(), NOW).await.unwrap() > 1_200);
    all(&store).await
}

#[tokio::test]
async fn the_same_every_time() {
    let records = filled().await;
    assert_eq!(records, filled().await);
    let count = |table: &str| records.iter().filter(|record| record.table == table).count();
    assert_eq!((count("projects"), count("phases"), count("steps")), (12, 48, 144));
    assert!(count("tasks") > 1_000, "{}", count("tasks"));
}

#[tokio::test]
async fn what_the_schema_allows_and_every_parent_is_there() {
    let schema = schema();
    let records = filled().await;
    let ids: HashSet<(&str, &str)> = records.iter().map(|r| (r.table.as_str(), r.id.as_str())).collect();
    assert_eq!(ids.len(), records.len());
    for record in &records {
        let table = schema.table(&record.table).unwrap();
        crate::decisions::check_record(&record.data, table).unwrap();
        for (field, reference) in &table.references {
            let parent = record.data[field].as_str().unwrap();
            assert!(ids.contains(&(reference.table.as_str(), parent)), "{record:?}");
        }
    }
}

#[tokio::test]
async fn tasks_look_like_work_under_way() {
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    let mut titles = HashSet::new();
    for record in filled().await.into_iter().filter(|record| record.table == "tasks") {
        *statuses.entry(record.data["status"].as_str().unwrap().to_owned()).or_default() += 1;
        let title = record.data["title"].as_str().unwrap().to_owned();
        assert!(!title.contains("{}"), "{title}");
        assert!(titles.insert((record.data["step_id"].clone(), title)), "said twice: {:?}", record.data);
        assert_eq!(record.data["status"] == "completed", record.data["progress_percentage"] == 100);
    }
    assert_eq!(statuses.keys().collect::<Vec<_>>(), ["blocked", "completed", "in_progress", "not_started"]);
    assert!(statuses.values().all(|count| *count >= 10), "{statuses:?}");
}

#[tokio::test]
async fn a_database_with_data_is_left_alone() {
    let store = MemoryStore::new("e");
    fill(&store, &schema(), NOW).await.unwrap();
    assert_eq!(fill(&store, &schema(), NOW).await.unwrap(), 0);
    let other =
        serde_json::json!({ "version": 1, "tables": { "notes": { "fields": { "text": "string" } } } });
    let other = Schema::parse(&other).unwrap();
    assert!(fill(&MemoryStore::new("e"), &other, NOW).await.is_err());
}
