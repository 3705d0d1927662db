//! Two devices change the same records, and the server tells each what it has: the whole way, from a write to a merge, a decision, and
//! back.

use std::{collections::BTreeMap, rc::Rc};

use landfall_core::{
    decide::{Command, Decision, WriteOptions},
    engine::{Class, ConflictFilter, ConflictStanding, ConflictView},
    error::Error,
    log::{
        conflict::{How, Kind},
        entry::{Id, MutationState},
    },
    merge::{Choice, Path},
    schema::{Schema, rules::Strategy},
};
use serde_json::{Value, json};

use crate::world::{Device, Server};

/// F7's data types, each with the rule that it asks for.
fn rules() -> Value {
    json!({
        "status": { "progression": ["not_started", "in_progress", "completed"], "notify": true },
        "progress": "highest",
        "logs": { "union": { "by": "id", "overlap": ["start", "end"] } },
        "assignee": { "latest": true, "notify": true },
        "due": { "latest": true, "notify": true },
        "visits": "counter",
        "notes": "text",
        "address.city": "server",
    })
}

fn schema_with(conflict: &Value, rules: &Value) -> Schema {
    let document = json!({ "version": 1, "tables": {
        "projects": { "fields": { "owner": "string" } },
        "steps": { "fields": { "project_id": "string" }, "references": { "project_id": { "table": "projects" } } },
        "tasks": {
            "fields": { "title": "string", "status": "string?", "progress": "number?", "logs": "json?", "assignee": "string?",
                "due": "string?", "visits": "number?", "notes": "string?", "address": "json?", "serial": "string?" },
            "unique": [["serial"]], "alike": [["title"]], "conflict": conflict, "rules": rules },
        "tools": { "fields": { "name": "string", "task_id": "string?" },
            "references": { "task_id": { "table": "tasks", "onDelete": "cascade" } } } } });
    Schema::parse(&document).unwrap()
}

fn schema() -> Schema {
    schema_with(&json!({}), &rules())
}

/// A server with one task, and two devices that have it.
struct Two {
    server: Rc<Server>,
    ana: Device,
    ben: Device,
    task: String,
}

impl Two {
    async fn with(schema: Schema, task: Value) -> Self {
        let server = Server::new();
        server.rules.borrow_mut().schema = Some(schema.clone());
        let ana = Device::new(&server, "ana", schema.clone(), None).await;
        let ben = Device::new(&server, "ben", schema, None).await;
        let temporary = ana.create("tasks", task).await;
        ana.sync().await;
        ben.sync().await;
        let task = ana.engine().state().resolve(&temporary.as_str().into()).to_string();
        Self { server, ana, ben, task }
    }

    async fn new(task: Value) -> Self {
        Self::with(schema(), task).await
    }

    /// Ben changes it and is first; then Ana, who has not heard of that.
    async fn meet(&self, bens: Value, anas: Value) {
        self.ben.update("tasks", &self.task, bens).await;
        self.ana.update("tasks", &self.task, anas).await;
        self.ben.sync().await;
        self.ana.sync().await;
    }

    async fn server_has(&self) -> Value {
        self.server.table().await[&("tasks".to_owned(), self.task.clone())].1.clone()
    }

    /// Everybody syncs until nothing is left, and then has the same as the server.
    async fn settle(&self) {
        // What was put off waits no longer.
        self.server.now.set(self.server.now.get() + 10_000);
        for _ in 0..3 {
            self.ana.sync().await;
            self.ben.sync().await;
        }
        assert_eq!([self.ana.outbox(), self.ben.outbox()], [vec![], vec![]]);
        assert_eq!(self.ana.held(), self.server.table().await);
        assert_eq!(self.ben.held(), self.server.table().await);
    }
}

impl Device {
    fn conflicts(&self) -> Vec<ConflictView> {
        self.engine().conflicts(&ConflictFilter::default()).conflicts
    }

    fn only_conflict(&self) -> ConflictView {
        let mut all = self.conflicts();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    async fn resolve(&self, conflict: &Id, decision: Decision) -> Result<usize, Error> {
        let engine = self.engine();
        engine.resolve(vec![conflict.clone()], decision).await
    }
}

fn by(strategy: Strategy) -> Decision {
    Decision { strategy: Some(strategy), ..Decision::default() }
}

fn chosen(path: &str, choice: Choice) -> Decision {
    let path = Path(path.split('.').map(str::to_owned).collect());
    Decision { strategy: None, choices: BTreeMap::from([(path, choice)]) }
}

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
async fn what_no_rule_settles_waits_for_a_person_who_sees_all_three_versions() {
    let two = Two::new(json!({ "title": "Splice", "visits": 1 })).await;
    two.meet(json!({ "title": "Ben's", "visits": 2 }), json!({ "title": "Ana's", "visits": 3 })).await;
    let open = two.ana.only_conflict();
    assert_eq!(
        (open.state, open.kind, open.class),
        (ConflictStanding::Open, Kind::UpdateUpdate, Class::Definite)
    );
    let field = |fields: &Option<serde_json::Map<String, Value>>| fields.as_ref().unwrap()["title"].clone();
    assert_eq!(
        (field(&open.base), field(&open.ours), field(&open.theirs)),
        (json!("Splice"), json!("Ana's"), json!("Ben's"))
    );
    let undecided: Vec<_> = open.rulings.iter().filter(|ruling| ruling.by.is_none()).collect();
    assert_eq!(undecided.len(), 1, "the counter is settled already: {:?}", open.rulings);
    assert_eq!(two.server_has().await["title"], "Ben's", "nothing is overwritten meanwhile");
    assert_eq!(two.ana.view("tasks", &two.task).unwrap()["_syncStatus"], "conflict");
    // What the rules alone say does not settle it, and says so.
    let refused = two.ana.resolve(&open.id, Decision::default()).await;
    assert_eq!(refused, Err(Error::ConflictOpen { id: open.id.to_string(), paths: vec!["title".into()] }));

    let decision = chosen("title", Choice::Value(Some(json!("Ben's and Ana's"))));
    let preview = two.ana.engine().preview(&open.id, &decision).unwrap();
    assert!(preview.is_settled);
    assert_eq!(preview.merged, Some(json!({ "title": "Ben's and Ana's", "visits": 4 })));
    assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "a preview changes nothing");
    assert_eq!(two.ana.resolve(&open.id, decision).await, Ok(1));
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's and Ana's", "visits": 4 }));
    let kept = two.ana.only_conflict();
    let resolution = kept.resolution.unwrap();
    assert_eq!(
        (kept.state, resolution.how, &*resolution.by),
        (ConflictStanding::Settled, How::Manual, "ana")
    );
    assert!(kept.rulings.iter().any(|ruling| ruling.by.as_deref() == Some("person")));
}

#[tokio::test]
async fn a_strategy_by_call_settles_all_that_is_contested_and_undo_brings_back_what_lost() {
    for (strategy, won, back) in [
        (Strategy::ServerWins, ("Ben's", 2), ("Ana's", 3)),
        (Strategy::ClientWins, ("Ana's", 3), ("Ben's", 2)),
    ] {
        let two = Two::new(json!({ "title": "Splice", "visits": 1 })).await;
        two.meet(
            json!({ "title": "Ben's", "visits": 2, "due": "2026-01-01" }),
            json!({ "title": "Ana's", "visits": 3, "notes": "hers" }),
        )
        .await;
        let open = two.ana.only_conflict();
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        let expected = |(title, visits): (&str, u64)| json!({ "title": title, "visits": visits, "due": "2026-01-01", "notes": "hers" });
        assert_eq!(two.server_has().await, expected(won), "what one side alone changed is that side's");

        let undone = two.ana.engine().undo(open.id.clone()).await.unwrap();
        assert!(undone.is_some(), "it goes to the server as a change like any other");
        two.settle().await;
        assert_eq!(two.server_has().await, expected(back));
        let kept = two.ana.only_conflict();
        assert_eq!(kept.state, ConflictStanding::Undone);
        let again = two.ana.engine().undo(open.id.clone()).await;
        assert_eq!(again, Err(Error::ConflictUndone { id: open.id.to_string() }));
    }
}

#[tokio::test]
async fn an_undo_overwrites_nothing_that_somebody_wrote_since() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let open = two.ana.only_conflict();
    two.ana.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    two.ben.update("tasks", &two.task, json!({ "title": "Later" })).await;
    two.settle().await;
    let refused = two.ana.engine().undo(open.id).await;
    assert_eq!(refused, Err(Error::ConflictOutlived { fields: vec!["title".into()] }));
    assert_eq!(two.server_has().await["title"], "Later");
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
async fn a_deletion_by_somebody_else_wins_and_the_edits_are_kept() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
    two.ben.delete("tasks", &two.task).await;
    two.ben.sync().await;
    two.settle().await;
    assert!(two.server.table().await.is_empty(), "what was deleted stays deleted");
    let kept = two.ana.only_conflict();
    assert_eq!((kept.state, kept.kind), (ConflictStanding::Settled, Kind::UpdateDelete));
    assert_eq!(kept.ours.unwrap()["title"], "Ana's");
    // Taken back, it is created anew, under another id.
    two.ana.engine().undo(kept.id).await.unwrap();
    two.settle().await;
    let table = two.server.table().await;
    let ((_, id), (version, data)) = table.iter().next().unwrap();
    assert_eq!((*version, data), (1, &json!({ "title": "Ana's" })));
    assert_ne!(*id, two.task);
}

#[tokio::test]
async fn where_a_person_decides_about_deletions_either_side_may_stand() {
    for (strategy, lives) in [(Strategy::ServerWins, false), (Strategy::ClientWins, true)] {
        let schema = schema_with(&json!({ "strategy": "manual" }), &json!({}));
        let two = Two::with(schema, json!({ "title": "Splice" })).await;
        two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
        two.ben.delete("tasks", &two.task).await;
        two.ben.sync().await;
        two.ana.sync().await;
        let open = two.ana.only_conflict();
        assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::UpdateDelete));
        assert_eq!(two.ana.view("tasks", &two.task), None, "it is gone at once");
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(lives));
    }
}

#[tokio::test]
async fn our_deletion_of_what_somebody_else_changed_is_for_a_person_or_the_strategy() {
    for (strategy, lives) in [(Strategy::ServerWins, true), (Strategy::ClientWins, false)] {
        let two = Two::new(json!({ "title": "Splice" })).await;
        two.ben.update("tasks", &two.task, json!({ "title": "Ben's" })).await;
        two.ana.delete("tasks", &two.task).await;
        two.ben.sync().await;
        two.ana.sync().await;
        let open = two.ana.only_conflict();
        assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::DeleteUpdate));
        two.ana.resolve(&open.id, by(strategy)).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(lives));
        // And back.
        two.ana.engine().undo(open.id).await.unwrap();
        two.settle().await;
        assert_eq!(two.server.table().await.len(), usize::from(!lives));
    }
}

#[tokio::test]
async fn two_records_with_one_natural_key_become_one_and_what_hangs_on_ours_comes_along() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    let ours = two.ben.create("tasks", json!({ "title": "Ben's pump", "serial": "P-2" })).await;
    let tool = two.ben.create("tools", json!({ "name": "wrench", "task_id": ours })).await;
    // Ana has one of that serial already, and was first.
    two.ana.create("tasks", json!({ "title": "Ana's pump", "serial": "P-2", "notes": "hers" })).await;
    two.ana.sync().await;
    two.ben.sync().await;
    let open = two.ben.only_conflict();
    assert_eq!((open.state, open.kind), (ConflictStanding::Open, Kind::CreateCreate));
    assert_eq!(open.theirs.as_ref().unwrap()["title"], "Ana's pump");
    assert_eq!(two.ben.outbox().len(), 2, "the tool waits for its task");
    let holder = open.holder.clone().unwrap();
    two.ben.resolve(&open.id, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    let table = two.server.table().await;
    assert_eq!(
        table[&("tasks".to_owned(), holder.to_string())].1,
        json!({ "title": "Ben's pump", "serial": "P-2", "notes": "hers" })
    );
    let tools: Vec<&Value> =
        table.iter().filter(|((name, _), _)| name == "tools").map(|(_, row)| &row.1).collect();
    assert_eq!(tools, [&json!({ "name": "wrench", "task_id": &*holder })]);
    // Who holds the old id finds the record that it became.
    assert_eq!(two.ben.engine().state().resolve(&ours.as_str().into()), holder);
    assert_ne!(tool, "");
}

#[tokio::test]
async fn both_can_be_kept_under_two_keys() {
    let two = Two::new(json!({ "title": "Pump", "serial": "P-1" })).await;
    two.ben.create("tasks", json!({ "title": "Ben's", "serial": "P-2" })).await;
    two.ana.create("tasks", json!({ "title": "Ana's", "serial": "P-2" })).await;
    two.ana.sync().await;
    two.ben.sync().await;
    let open = two.ben.only_conflict();
    let engine = two.ben.engine();
    let retry =
        Command::Retry { mutation: open.id, changes: Some(json!({ "serial": "P-3" })), unset: Vec::new() };
    engine.submit(retry, landfall_core::ports::Durability::Relaxed).await.unwrap();
    two.settle().await;
    assert_eq!(two.server.table().await.len(), 3);
    assert_eq!(two.ben.conflicts(), [], "nothing lost");
}

#[tokio::test]
async fn alike_records_are_told_of() {
    let two = Two::new(json!({ "title": "Pump" })).await;
    two.ben.create("tasks", json!({ "title": "Valve" })).await;
    two.ana.create("tasks", json!({ "title": "Valve" })).await;
    two.settle().await;
    assert_eq!(two.server.table().await.len(), 3, "both are there");
    let told = |device: &Device| {
        let engine = device.engine();
        let state = engine.state();
        state.activity.iter().filter(|line| line.sentence().contains("perhaps it is there twice")).count()
    };
    assert_eq!(told(&two.ana) + told(&two.ben), 2);
}

#[tokio::test]
async fn many_alike_are_settled_by_one_decision() {
    let two = Two::new(json!({ "title": "first" })).await;
    let mut ids = vec![two.task.clone()];
    for at in 0..4 {
        two.ana.create("tasks", json!({ "title": format!("task {at}") })).await;
    }
    two.settle().await;
    ids.extend(two.server.table().await.keys().map(|(_, id)| id.clone()).filter(|id| *id != two.task));
    for id in &ids {
        two.ben.update("tasks", id, json!({ "title": "Ben's" })).await;
        two.ana.update("tasks", id, json!({ "title": "Ana's" })).await;
    }
    two.ben.update("tasks", &ids[0], json!({ "notes": "a\nb" })).await;
    two.ana.update("tasks", &ids[0], json!({ "notes": "c\nd" })).await;
    two.ben.sync().await;
    two.ana.sync().await;
    let engine = two.ana.engine();
    let filter = ConflictFilter {
        table: Some("tasks".into()),
        field: Some("title".into()),
        ..ConflictFilter::default()
    };
    assert_eq!(engine.conflicts(&filter).total, 5);
    let page = engine.conflicts(&ConflictFilter { offset: 1, limit: Some(2), ..filter.clone() });
    assert_eq!((page.conflicts.len(), page.total), (2, 5));
    // One of them has another open value besides: this does not settle it.
    let (settled, open) = engine.resolve_alike(&filter, chosen("title", Choice::Ours)).await.unwrap();
    assert_eq!((settled.len(), open.len()), (4, 1));
    let stats = engine.conflict_stats();
    assert_eq!((stats.all.open, stats.all.settled, stats.by_how[&How::Manual]), (1, 4, 4));
    engine.resolve_alike(&filter, by(Strategy::ClientWins)).await.unwrap();
    two.settle().await;
    assert!(two.server.table().await.values().all(|(_, data)| data["title"] == "Ana's"));
    assert_eq!(engine.forget_conflicts(u64::MAX).await, Ok(5));
    assert_eq!(two.ana.conflicts(), []);
}

#[tokio::test]
async fn what_is_given_up_is_kept_and_can_be_taken_back() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's", "notes": "hers" })).await;
    let open = two.ana.only_conflict();
    two.ana.discard(&open.id).await;
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's" }));
    let kept = two.ana.only_conflict();
    assert_eq!(kept.resolution.unwrap().how, How::Discarded);
    two.ana.engine().undo(open.id).await.unwrap();
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ana's", "notes": "hers" }));
}

#[tokio::test]
async fn a_refused_change_is_rolled_back_and_says_what_and_why() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    // The server's schema takes no such status: what it was given is newer.
    let strict = json!({ "version": 1, "tables": { "tasks": { "fields": { "title": "string", "status": "number?" } },
        "projects": { "fields": { "owner": "string" } }, "steps": { "fields": { "project_id": "string" } }, "tools": { "fields": { "name": "string" } } } });
    two.server.rules.borrow_mut().schema = Some(Schema::parse(&strict).unwrap());
    two.ana.update("tasks", &two.task, json!({ "status": "completed" })).await;
    assert_eq!(two.ana.view("tasks", &two.task).unwrap()["status"], "completed");
    two.ana.sync().await;
    let (parked, code) = two.ana.parked();
    assert_eq!((parked.state, code.as_str()), (MutationState::Rejected, "invalid-value"));
    let shown = two.ana.view("tasks", &two.task).unwrap();
    assert_eq!((&shown["status"], &shown["_syncReason"]), (&Value::Null, &json!("rejected")));
    let story = two.ana.engine().explain(&"tasks".into(), &two.task.as_str().into()).await.unwrap();
    assert!(story.activity.iter().any(|told| told.sentence.contains("The server refused")), "{story:?}");
    // What was written is there still, to be edited and sent.
    assert_eq!(parked.data["status"], "completed");
    let edited = Command::Retry {
        mutation: parked.id.clone(),
        changes: Some(json!({ "title": "x" })),
        unset: vec!["status".into()],
    };
    two.ana.engine().submit(edited, landfall_core::ports::Durability::Relaxed).await.unwrap();
    two.ana.sync().await;
    assert_eq!(two.ana.outbox().len(), 0);
}

#[tokio::test]
async fn two_devices_that_undo_each_other_are_stopped() {
    let two = Two::with(
        schema_with(&json!({ "strategy": "client-wins" }), &json!({})),
        json!({ "title": "Splice" }),
    )
    .await;
    two.ana.update("tasks", &two.task, json!({ "title": "Ana's" })).await;
    let mut merges = 0;
    // Each time that she sends, Ben was quicker.
    for turn in 0..6 {
        two.ben.update("tasks", &two.task, json!({ "title": format!("Ben's {turn}") })).await;
        two.ben.sync().await;
        two.ana.fated(&[]);
        let engine = two.ana.engine();
        let before = two.ana.outbox();
        if before.is_empty() {
            break;
        }
        engine.pass_now().await;
        merges = two.ana.outbox().first().map_or(merges, |mutation| mutation.merges);
    }
    assert!(merges <= 3, "{merges}");
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
async fn a_conflict_survives_its_tab_and_is_decided_in_another() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let before = two.ana.only_conflict();
    two.ana.engine().compact().await.unwrap();
    two.ana.reopen().await;
    assert_eq!(two.ana.only_conflict(), before);
    two.ana.resolve(&before.id, by(Strategy::ClientWins)).await.unwrap();
    let settled = two.ana.only_conflict();
    two.ana.engine().compact().await.unwrap();
    two.ana.reopen().await;
    assert_eq!(two.ana.only_conflict(), settled);
    two.settle().await;
}

#[tokio::test]
async fn a_hand_merge_is_checked_as_a_write_is() {
    let two = Two::new(json!({ "title": "Splice" })).await;
    two.meet(json!({ "title": "Ben's" }), json!({ "title": "Ana's" })).await;
    let open = two.ana.only_conflict();
    let refused =
        two.ana.resolve(&open.id, chosen("title", Choice::Value(Some(json!(7))))).await.unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("invalid-value", Some("title")));
    let refused = two.ana.resolve(&open.id, chosen("title", Choice::Value(None))).await.unwrap_err();
    assert_eq!(refused.code(), "invalid-value", "it is required");
    assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "nothing is lost");
    let unknown =
        two.ana.resolve(&"019b0000-0000-7000-8000-000000000000".into(), by(Strategy::ClientWins)).await;
    assert_eq!(unknown.unwrap_err().code(), "conflict-not-found");
    let options = WriteOptions::default();
    let update = Command::Update {
        table: "tasks".into(),
        id: two.task.as_str().into(),
        changes: json!({ "notes": "x" }),
        unset: vec![],
        options,
    };
    two.ana.engine().submit(update, landfall_core::ports::Durability::Relaxed).await.unwrap();
    // What is written while it is open is part of it.
    assert_eq!(two.ana.only_conflict().ours.unwrap()["notes"], "x");
    two.ana.resolve(&open.id, by(Strategy::ServerWins)).await.unwrap();
    two.settle().await;
    assert_eq!(two.server_has().await, json!({ "title": "Ben's", "notes": "x" }));
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
        assert_eq!(stats.merged.get("tasks").is_some(), meets, "{detect}");
        two.settle().await;
        assert_eq!(two.server_has().await["title"], "Ana's", "{detect}: of nobody's change it is in the way");
        // And where the content is another, each of them says so.
        two.meet(json!({ "title": "B" }), json!({ "title": "A" })).await;
        assert_eq!(two.ana.only_conflict().state, ConflictStanding::Open, "{detect}");
    }
}
