//! One record of a table that is not in memory.

use super::*;

const RECORDS: usize = 1_200;

/// A store with more records than a segment holds, and their ids in order.
async fn filled(log: &MemoryLog<Value>) -> Vec<String> {
    let engine = open(log, &Rc::default(), &Dice::new(1)).await;
    let records = (0..RECORDS).map(|n| json!({ "name": n.to_string() })).collect();
    let options = WriteOptions::default();
    let command = Command::Create { table: "projects".into(), records, is_list: true, options };
    let Done::Written(ids) = engine.submit(command, Durability::Relaxed).await.unwrap() else {
        unreachable!()
    };
    assert!(engine.compact().await.unwrap());
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort();
    ids
}

async fn name_of(engine: &Engine<World>, id: &str) -> Option<Value> {
    let view = engine.view(&"projects".into(), &id.into()).await.unwrap();
    view.map(|view| view["name"].clone())
}

#[test]
fn it_is_found_in_whichever_segment_it_lies_and_its_table_stays_where_it_is() {
    run(async {
        let log = MemoryLog::default();
        let ids = filled(&log).await;
        let all = open(&log, &Rc::default(), &Dice::new(2)).await;
        all.load_tables(&["projects".into()]).await.unwrap();
        for at in [0, 1, 499, 500, 999, 1_000, RECORDS - 1] {
            let engine = open(&log, &Rc::default(), &Dice::new(3)).await;
            assert_eq!(
                name_of(&engine, &ids[at]).await.unwrap(),
                view(&all, "projects", &ids[at]).unwrap()["name"]
            );
            for absent in ["", "a", "temp_0_0_projects", "zz", &format!("{}0", ids[at])] {
                assert_eq!(name_of(&engine, absent).await, None, "{absent}");
            }
            assert!(!engine.state().is_loaded("projects"));
        }
    });
}

#[test]
fn what_was_written_since_counts_here_and_elsewhere() {
    run(async {
        let log = MemoryLog::default();
        let ids = filled(&log).await;
        let other = open(&log, &Rc::default(), &Dice::new(2)).await;
        update(&other, "projects", &ids[7], json!({ "name": "changed" })).await.unwrap();
        delete(&other, "projects", &ids[8]).await.unwrap();
        let engine = open(&log, &Rc::default(), &Dice::new(3)).await;
        assert_eq!(name_of(&engine, &ids[7]).await.unwrap(), "changed");
        assert_eq!(name_of(&engine, &ids[8]).await, None);
        update(&other, "projects", &ids[7], json!({ "name": "again" })).await.unwrap();
        engine.catch_up().await.unwrap();
        assert_eq!(name_of(&engine, &ids[7]).await.unwrap(), "again");
        // The segments are others than this context knows of.
        assert!(other.compact().await.unwrap());
        assert!(!engine.state().is_loaded("projects"));
        assert_eq!(
            name_of(&engine, &ids[9]).await,
            view(&other, "projects", &ids[9]).map(|view| view["name"].clone())
        );
    });
}

#[test]
fn who_asks_for_many_gets_the_table_into_memory() {
    run(async {
        let log = MemoryLog::default();
        let ids = filled(&log).await;
        let engine = open(&log, &Rc::default(), &Dice::new(3)).await;
        for id in &ids[..20] {
            assert!(name_of(&engine, id).await.is_some());
        }
        assert!(engine.state().is_loaded("projects"));
    });
}
