use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::body::SyncStatus;
use crate::table::Query;
use crate::table::model::{self, Model, Step};

/// A table with its live queries, as the owner of both keeps them.
struct Watched {
    table: Table<Value>,
    live: LiveQueries,
}

fn task(step: &str, status: &str) -> Record<Value> {
    let (version, server_updated_at, local_updated_at, sync_id) = (None, None, None, None);
    let (data, status) = (json!({ "step_id": step, "status": status }), SyncStatus::Synced);
    Record { data, version, server_updated_at, local_updated_at, sync_id, status, deleted: false }
}

impl Watched {
    /// Tasks 1 to 5 of step s1.
    fn new() -> Self {
        let mut table = Table::new(vec![vec!["step_id".into()], vec!["status".into()]]);
        table.extend(["1", "2", "3", "4", "5"].map(|id| (id.into(), task("s1", "open"))));
        Self { table, live: LiveQueries::new() }
    }

    fn subscribe(&mut self, query: &Value) -> SubscriptionId {
        let plan = self.table.plan(&Query::from_json(query).unwrap()).unwrap();
        self.live.subscribe("tasks".into(), plan)
    }

    fn put(&mut self, id: &str, record: Record<Value>) {
        let before = self.table.put(id.into(), record);
        self.live.record_changed("tasks", id, before.as_ref(), self.table.get(id));
    }

    fn remove(&mut self, id: &str) {
        let before = self.table.remove(id);
        self.live.record_changed("tasks", id, before.as_ref(), None);
    }

    /// The ids of each result to deliver, of every dirty live query.
    fn deliveries(&mut self) -> Vec<(SubscriptionId, String)> {
        let dirty = self.live.take_dirty();
        let deliver = |id| {
            let rows = self.live.refresh(id, &self.table)?;
            Some((id, rows.iter().filter_map(|row| row["id"].as_str()).collect::<Vec<_>>().join(" ")))
        };
        dirty.into_iter().filter_map(deliver).collect()
    }
}

#[test]
fn the_first_result_is_delivered_even_if_empty_and_then_only_another_one() {
    let mut watched = Watched::new();
    let all = watched.subscribe(&json!({ "index": "step_id", "equals": "s1" }));
    let none = watched.subscribe(&json!({ "index": "step_id", "equals": "s9" }));
    assert_eq!(watched.deliveries(), [(all, "1 2 3 4 5".into()), (none, String::new())]);
    assert_eq!(watched.live.take_dirty(), []);
    assert_eq!(watched.live.refresh(all, &watched.table), None);
}

#[test]
fn a_record_that_changes_in_place_is_delivered() {
    let mut watched = Watched::new();
    let all = watched.subscribe(&json!({ "index": "step_id", "equals": "s1" }));
    watched.deliveries();
    watched.put("3", task("s1", "completed"));
    assert_eq!(watched.live.take_dirty(), [all]);
    let rows = watched.live.refresh(all, &watched.table).unwrap();
    assert_eq!(rows[2]["status"], "completed");
}

#[test]
fn another_key_or_another_table_dirties_nobody() {
    let mut watched = Watched::new();
    watched.subscribe(&json!({ "index": "step_id", "equals": "s1" }));
    let done = watched.subscribe(&json!({ "index": "status", "equals": "completed" }));
    watched.deliveries();
    watched.put("6", task("s2", "open"));
    watched.put("6", task("s3", "in_progress"));
    watched.put("6", Record { deleted: true, ..task("s1", "completed") });
    watched.remove("6");
    watched.live.record_changed("steps", "1", None, Some(&task("s1", "completed")));
    assert_eq!(watched.live.take_dirty(), []);

    watched.put("6", task("s2", "completed"));
    assert_eq!(watched.deliveries(), [(done, "6".into())]);
    watched.put("6", task("s2", "open"));
    assert_eq!(watched.deliveries(), [(done, String::new())]);
}

#[test]
fn what_happens_behind_a_full_window_dirties_nobody() {
    let mut watched = Watched::new();
    let first = watched.subscribe(&json!({ "limit": 3 }));
    let last = watched.subscribe(&json!({ "limit": 3, "order": "desc" }));
    let second = watched.subscribe(&json!({ "offset": 2, "limit": 1 }));
    let roomy = watched.subscribe(&json!({ "limit": 9 }));
    watched.deliveries();

    watched.put("7", task("s1", "open"));
    assert_eq!(watched.deliveries(), [(last, "7 5 4".into()), (roomy, "1 2 3 4 5 7".into())]);
    watched.put("0", task("s1", "open"));
    let expected = [(first, "0 1 2".into()), (second, "2".into()), (roomy, "0 1 2 3 4 5 7".into())];
    assert_eq!(watched.deliveries(), expected);
    // What leaves a window makes room for what was behind it.
    watched.remove("1");
    let expected = [(first, "0 2 3".into()), (second, "3".into()), (roomy, "0 2 3 4 5 7".into())];
    assert_eq!(watched.deliveries(), expected);
}

#[test]
fn a_change_between_taking_and_refreshing_is_answered_by_one_result() {
    let mut watched = Watched::new();
    let first = watched.subscribe(&json!({ "limit": 2 }));
    watched.deliveries();
    watched.remove("1");
    assert_eq!(watched.live.take_dirty(), [first]);
    watched.put("2", task("s1", "blocked"));
    // Behind the window that was delivered, and in the one to come.
    watched.put("3", task("s1", "completed"));
    let rows = watched.live.refresh(first, &watched.table).unwrap();
    assert_eq!([&rows[0]["status"], &rows[1]["status"]], ["blocked", "completed"]);
    assert_eq!(watched.live.take_dirty(), []);
}

#[test]
fn a_table_loaded_anew_is_delivered_anew() {
    let mut watched = Watched::new();
    let all = watched.subscribe(&json!({}));
    watched.deliveries();
    // The same rows with the same revisions, and other objects.
    watched.table = Watched::new().table;
    watched.live.table_reset("steps");
    assert_eq!(watched.live.take_dirty(), []);
    watched.live.table_reset("tasks");
    assert_eq!(watched.deliveries(), [(all, "1 2 3 4 5".into())]);
    watched.live.all_reset();
    assert_eq!(watched.deliveries(), [(all, "1 2 3 4 5".into())]);
}

#[test]
fn who_left_is_not_told() {
    let mut watched = Watched::new();
    let gone = watched.subscribe(&json!({}));
    let stays = watched.subscribe(&json!({}));
    assert_eq!(watched.live.table(gone).map(|table| &**table), Some("tasks"));
    watched.live.unsubscribe(gone);
    watched.live.unsubscribe(gone);
    assert_eq!(watched.live.table(gone), None);
    assert_eq!(watched.live.refresh(gone, &watched.table), None);
    assert_eq!(watched.live.take_dirty(), [stays]);
    assert!(watched.live.is_watched("tasks"));
    watched.live.unsubscribe(stays);
    assert!(!watched.live.is_watched("tasks"));
    assert_ne!(watched.subscribe(&json!({})), gone);
}

/// One turn of a table's owner.
#[derive(Clone, Debug)]
enum Turn {
    Change(Step),
    Load(Vec<(Id, Record<Value>)>),
    Take,
    Refresh,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => model::step().prop_map(Turn::Change),
        1 => model::records().prop_map(Turn::Load),
        2 => Just(Turn::Take),
        2 => Just(Turn::Refresh),
    ]
}

proptest! {
    #![proptest_config(model::config())]

    #[test]
    fn no_change_of_a_result_is_missed(turns in vec(turn(), 0..40), queries in vec(model::query(), 1..8)) {
        let mut table = Table::new(model::indexes());
        let mut live = LiveQueries::new();
        let mut model = Model::default();
        let subscribe = |query| (live.subscribe("t".into(), table.plan(&query).unwrap()), query);
        let queries: BTreeMap<_, _> = queries.into_iter().map(subscribe).collect();
        // What each live query has delivered; `None` when the next result is delivered whatever it is.
        let mut delivered: BTreeMap<_, Option<Vec<(Id, usize)>>> = queries.keys().map(|id| (*id, None)).collect();
        // Dirty by the model: what was taken and not refreshed.
        let mut due: BTreeSet<SubscriptionId> = BTreeSet::new();

        for turn in turns {
            match turn {
                Turn::Load(records) => {
                    model.extend(&records);
                    table.extend(records);
                    live.table_reset("t");
                    for result in delivered.values_mut() {
                        *result = None;
                    }
                }
                Turn::Change(step) => {
                    let id = step.id().clone();
                    let clean: Vec<_> = queries.iter().filter(|(id, _)| !is_dirty(&live, **id)).collect();
                    let before = model.get(&id).cloned();
                    model.apply(&step);
                    let old = match step {
                        Step::Put(id, record) => table.put(id, record),
                        Step::Remove(id) => table.remove(&id),
                    };
                    live.record_changed("t", &id, old.as_ref(), table.get(&id));
                    for (one, query) in clean {
                        let records = [before.as_ref(), model.get(&id)];
                        let concerned = records.into_iter().flatten().any(|record| model::is_in_range(query, record));
                        prop_assert!(concerned || !is_dirty(&live, *one), "dirty for nothing: {:?}", query);
                    }
                }
                Turn::Take => due.extend(live.take_dirty()),
                Turn::Refresh => {
                    due.extend(live.take_dirty());
                    for id in std::mem::take(&mut due) {
                        let result = model.query(&queries[&id]);
                        let rows = live.refresh(id, &table);
                        let is_another = delivered[&id].as_ref() != Some(&result);
                        prop_assert_eq!(rows.is_some(), is_another, "{:?}", queries[&id]);
                        if let Some(rows) = rows {
                            let views: Vec<_> = result.iter().filter_map(|(id, _)| table.view(id)).collect();
                            prop_assert_eq!(rows, views);
                        }
                        delivered.insert(id, Some(result));
                    }
                }
            }
            for (id, query) in &queries {
                let known = due.contains(id) || is_dirty(&live, *id);
                prop_assert!(known || delivered[id].as_ref() == Some(&model.query(query)), "missed: {:?}", query);
            }
        }
    }
}

/// Looks without taking.
fn is_dirty(live: &LiveQueries, id: SubscriptionId) -> bool {
    live.tables.values().flatten().filter_map(|group| group.subscriptions.get(&id)).any(|one| one.dirty)
}
