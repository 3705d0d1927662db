//! What is settled with nobody asked: by rules, by strategies, and how it is told that there is something to settle.

use landfall_core::{
    decide::{Command, WriteOptions},
    engine::{ConflictFilter, ConflictStanding},
    log::{
        conflict::{How, Kind},
        entry::Id,
    },
    ports::Durability,
    schema::rules::Strategy,
};
use serde_json::{Value, json};

use super::{Two, by, schema_with};

#[tokio::test]
async fn what_nobody_else_touched_is_merged_without_a_word() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "assignee": "ben" }), json!({ "status": "in_progress" })).await;
    two.settle().await;
    assert_eq!(
        two.server_has().await,
        json!({ "title": "Splice", "assignee": "ben", "status": "in_progress" })
    );
    assert_eq!(two.ana.conflicts(), [], "nothing lost, so nothing is kept");
    let stats = two.ana.engine().conflict_stats();
    assert_eq!(stats.merged.get("tasks"), Some(&1));
}

#[tokio::test]
async fn each_kind_of_data_goes_by_its_rule_and_what_lost_is_kept() {
    let log = |id: &str, start: u64, end: u64| json!({ "id": id, "start": start, "end": end });
    let table = [
        ("status", json!("not_started"), json!("completed"), json!("in_progress"), json!("completed")),
        ("progress", json!(10), json!(40), json!(60), json!(60)),
        ("visits", json!(5), json!(7), json!(6), json!(8)),
        ("notes", json!("a\nb\nc"), json!("A\nb\nc"), json!("a\nb\nC"), json!("A\nb\nC")),
        (
            "logs",
            json!([log("1", 0, 5)]),
            json!([log("1", 0, 5), log("2", 10, 20)]),
            json!([log("1", 0, 5), log("3", 15, 30)]),
            json!([log("1", 0, 5), log("2", 10, 20), log("3", 15, 30)]),
        ),
        // Ana wrote later, though Ben was first at the server: by the clock of the server, whatever theirs show.
        ("due", json!("2026-01-01"), json!("2026-02-02"), json!("2026-03-03"), json!("2026-02-02")),
        (
            "address",
            json!({ "city": "Bern", "zip": 1 }),
            json!({ "city": "Thun", "zip": 1 }),
            json!({ "city": "Biel", "zip": 2 }),
            json!({ "city": "Thun", "zip": 2 }),
        ),
    ];
    for (field, base, bens, anas, expected) in table {
        let two = Two::new(json!({ "title": "Splice", field: base })).await;
        two.meet(json!({ field: bens }), json!({ field: anas })).await;
        two.settle().await;
        assert_eq!(two.server_has().await[field], expected, "{field}");
        let kept = two.ana.only_conflict();
        assert_eq!((kept.state, kept.kind), (ConflictStanding::Settled, Kind::UpdateUpdate));
        assert_eq!(kept.resolution.unwrap().how, How::Rules);
        assert_eq!(kept.ours.unwrap()[field], anas);
        assert_eq!(kept.theirs.unwrap()[field], bens);
        assert!(kept.rulings.iter().all(|ruling| ruling.by.is_some()));
        assert_eq!(kept.rulings[0].notify, ["status", "due"].contains(&field), "{field}");
        let overlaps = kept.rulings[0].overlaps.clone();
        assert_eq!(overlaps.len(), usize::from(field == "logs"), "what overlaps since is flagged");
    }
}

#[tokio::test]
async fn the_later_one_is_told_by_the_servers_clock_and_a_wrong_clock_wins_nothing() {
    for (ahead_ms, wait_ms, winner) in [
        // Ana wrote before Ben did, and her clock is a day fast.
        (86_400_000, 0, "ben"),
        // She wrote after him, and it is a day slow.
        (-86_400_000, 60_000, "ana"),
    ] {
        let two = Two::new(json!({ "title": "Splice" })).await;
        two.ana.ahead_ms.set(ahead_ms);
        two.ana.reopen().await;
        two.ana.sync().await;
        if wait_ms == 0 {
            two.ana.update("tasks", &two.task, json!({ "assignee": "ana" })).await;
            two.server.now.set(two.server.now.get() + 60_000);
            two.ben.update("tasks", &two.task, json!({ "assignee": "ben" })).await;
            two.ben.sync().await;
        } else {
            two.ben.update("tasks", &two.task, json!({ "assignee": "ben" })).await;
            two.ben.sync().await;
            two.server.now.set(two.server.now.get() + wait_ms);
            two.ana.update("tasks", &two.task, json!({ "assignee": "ana" })).await;
        }
        two.ana.sync().await;
        two.settle().await;
        assert_eq!(two.server_has().await["assignee"], winner);
    }
}

#[tokio::test]
async fn the_strategy_of_a_table_holds_where_no_rule_does() {
    for (word, title, waits) in [
        ("server-wins", Some("Ben's"), false),
        ("client-wins", Some("Ana's"), false),
        ("last-write-wins", Some("Ben's"), false),
        ("merge", None, true),
        ("manual", None, true),
    ] {
        let schema = schema_with(&json!({ "strategy": word }), &json!({}));
        let two = Two::with(schema, json!({ "title": "Splice" })).await;
        // Ana wrote first, and is heard second.
        two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
        two.server.now.set(two.server.now.get() + 60_000);
        two.ben.update("tasks", &two.task, json!({ "title": "Ben's" })).await;
        two.ben.sync().await;
        two.ana.sync().await;
        let kept = two.ana.only_conflict();
        assert_eq!(kept.state == ConflictStanding::Open, waits, "{word}");
        if let Some(title) = title {
            two.settle().await;
            assert_eq!(two.server_has().await["title"], title, "{word}");
        }
    }
}

#[tokio::test]
async fn what_was_written_after_a_change_that_met_another_is_merged_with_it() {
    let two = Two::new(json!({ "title": "Splice", "visits": 1 })).await;
    two.ben.update("tasks", &two.task, json!({ "visits": 5, "assignee": "ben" })).await;
    two.ana.update("tasks", &two.task, json!({ "notes": "hers" })).await;
    // Her first change is under way and unanswered while she goes on.
    two.ana.fated(&[crate::world::Fate::LostOnTheWay, crate::world::Fate::LostOnTheWay]);
    two.ana.pass().await;
    two.ana.update("tasks", &two.task, json!({ "visits": 2 })).await;
    two.ben.sync().await;
    two.settle().await;
    assert_eq!(
        two.server_has().await,
        json!({ "title": "Splice", "visits": 6, "assignee": "ben", "notes": "hers" }),
        "nobody had seen five visits when she wrote two"
    );
}

#[tokio::test]
async fn a_change_that_somebody_else_is_always_quicker_than_is_left_to_a_person() {
    let two = Two::with(
        schema_with(&json!({ "strategy": "client-wins" }), &json!({})),
        json!({ "title": "Splice" }),
    )
    .await;
    *two.server.contended.borrow_mut() = Some(two.task.clone());
    two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
    let report = two.ana.pass().await;
    assert_eq!(
        (report.pushed, report.merged, report.conflicts),
        (0, 3, 1),
        "after three merges a person is asked"
    );
    let open: Vec<_> =
        two.ana.conflicts().into_iter().filter(|view| view.state == ConflictStanding::Open).collect();
    assert_eq!(open.len(), 1);
    // Nobody is in the way any more, and what a person decides counts as a new beginning.
    *two.server.contended.borrow_mut() = None;
    two.ana.resolve(&open[0].id, by(Strategy::ClientWins)).await.unwrap();
    assert_eq!(two.ana.outbox()[0].merges, 0);
    two.settle().await;
    assert_eq!(two.server_has().await["title"], "Ana's");
    assert_eq!(two.ana.conflicts().len(), 4, "each of the titles that lost is kept");
}

#[tokio::test]
async fn all_replicas_end_equal_in_whatever_order_they_sync() {
    use crate::world::Dice;
    for seed in 0..30 {
        let dice = Dice::new(seed);
        let two = Two::new(json!({ "title": "t", "visits": 0, "logs": [], "status": "not_started" })).await;
        for step in 0..30 {
            let device = if dice.roll(2) == 0 { &two.ana } else { &two.ben };
            if device.view("tasks", &two.task).is_none() {
                break;
            }
            let shown = device.view("tasks", &two.task).unwrap();
            match dice.roll(8) {
                0 => device.update("tasks", &two.task, json!({ "title": format!("{step}") })).await,
                1 => {
                    let visits = shown["visits"].as_u64().unwrap() + 1;
                    device.update("tasks", &two.task, json!({ "visits": visits })).await;
                }
                2 => {
                    let mut logs = shown["logs"].as_array().unwrap().clone();
                    logs.push(json!({ "id": format!("{step}"), "start": step, "end": step + 2 }));
                    device.update("tasks", &two.task, json!({ "logs": logs })).await;
                }
                3 => {
                    let status = dice.pick(&["not_started", "in_progress", "completed"]);
                    device.update("tasks", &two.task, json!({ "status": status })).await;
                }
                4 => device.update("tasks", &two.task, json!({ "notes": format!("{step}\nx\ny") })).await,
                _ => drop(device.pass().await),
            }
        }
        for _ in 0..8 {
            for device in [&two.ana, &two.ben] {
                device.sync().await;
                let engine = device.engine();
                let (_, open) =
                    engine.resolve_alike(&ConflictFilter::default(), by(Strategy::ServerWins)).await.unwrap();
                assert!(open.is_empty(), "{open:?}");
            }
        }
        two.settle().await;
    }
}

#[tokio::test]
async fn a_table_says_how_it_is_told_that_somebody_was_there_first() {
    for (detect, meets) in [("version", true), ("timestamp", true), ("hash", false)] {
        let schema = schema_with(&json!({ "detect": detect }), &json!({}));
        let two = Two::with(schema, json!({ "title": "Splice" })).await;
        // Ben changes it, and changes it back: the same content, under another version.
        for title in ["Ben's", "Splice"] {
            two.ben.update("tasks", &two.task, json!({ "title": title })).await;
            two.ben.sync().await;
        }
        two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
        two.ana.sync().await;
        let stats = two.ana.engine().conflict_stats();
        assert_eq!(stats.merged.contains_key("tasks"), meets, "{detect}");
        two.settle().await;
        assert_eq!(two.server_has().await["title"], "Ana's", "{detect}: of nobody's change it is in the way");
        // And where the content is another, each of them says so.
        two.meet(json!({ "title": "B" }), json!({ "title": "A" })).await;
        assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "{detect}");
    }
}

#[tokio::test]
async fn what_was_written_between_two_changes_and_needs_both_ways_is_left_to_a_person() {
    let two = Two::new(json!({ "title": "Pump", "visits": 1 })).await;
    two.ben.update("tasks", &two.task, json!({ "visits": 5 })).await;
    two.ben.sync().await;
    two.ana.update("tasks", &two.task, json!({ "notes": "hers" })).await;
    let first = two.ana.outbox()[0].id.clone();
    let engine = two.ana.engine();
    let write = |table: &str, changes: Option<Value>, depends_on: Vec<Id>| {
        let options = WriteOptions { depends_on, ..WriteOptions::default() };
        match changes {
            Some(changes) => Command::Update {
                table: table.into(),
                id: two.task.as_str().into(),
                changes,
                unset: Vec::new(),
                options,
            },
            None => Command::Create {
                table: table.into(),
                records: vec![json!({ "name": "wrench" })],
                is_list: false,
                options,
            },
        }
    };
    let relaxed = Durability::Relaxed;
    engine.submit(write("tools", None, vec![first.clone()]), relaxed).await.unwrap();
    let between = two.ana.outbox()[1].id.clone();
    engine.submit(write("tasks", Some(json!({ "visits": 2 })), vec![between]), relaxed).await.unwrap();
    two.ana.sync().await;
    let open = two.ana.only_conflict();
    assert_eq!((open.state, open.id.clone()), (ConflictStanding::Open, first));
    let refused = two.ana.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap_err();
    assert_eq!(refused.code(), "dependency-cycle");
    assert_eq!(two.ana.outbox().len(), 3, "nothing is lost");
}
