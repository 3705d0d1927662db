//! Roll-ups: consistent in the same entry as what they follow from.

use futures_util::FutureExt;

use super::{
    passes::{answer, apply_all, page, row},
    *,
};
use crate::{
    log::entry::{Change, MutationState, Operation},
    ports::Log,
    protocol::{DeletionReason, DeletionRow, OperationResult, Outcome, Rejection},
    pull::Plan,
    table::Query,
};

pub(super) fn document() -> Value {
    json!({ "version": 1, "tables": {
        "phases": { "fields": { "name": "string" },
            "rollups": { "complete": { "all": "steps", "where": { "complete": true } }, "total": { "sum": "steps", "of": "task_count" },
                         "progress": { "average": "steps", "of": "progress" } } },
        "steps": { "fields": { "phase_id": "string", "name": "string", "task_count": "number", "complete": "boolean?" },
            "references": { "phase_id": { "table": "phases", "onDelete": "cascade" } }, "indexes": ["task_count"],
            "rollups": { "task_count": { "count": "tasks" }, "progress": { "average": "tasks", "of": "progress" },
                         "complete": { "all": "tasks", "where": { "status": "completed" } },
                         "open": { "count": "tasks", "where": { "status": ["not_started", "in_progress"] } },
                         "first_due": { "min": "tasks", "of": "due" }, "last_due": { "max": "tasks", "of": "due" } } },
        "tasks": { "fields": { "step_id": "string", "title": "string", "status": "string", "progress": "number?", "due": "string?" },
            "references": { "step_id": { "table": "steps", "onDelete": "cascade" } } } } })
}

fn parse(document: &Value) -> Rc<Schema> {
    Rc::new(Schema::parse(document).unwrap())
}

/// A context with a phase and two steps that the server has too, and nothing else.
struct Fixture {
    log: MemoryLog<Value>,
    script: Rc<Script>,
    dice: Rc<Dice>,
    engine: Rc<Engine<World>>,
}

impl Fixture {
    async fn new(document: &Value) -> Self {
        let (log, script, dice) = (MemoryLog::default(), Rc::<Script>::default(), Dice::new(5));
        let engine = open_with(parse(document), &log, &script, &dice).await;
        let fixture = Self { log, script, dice, engine };
        let step = |id, name| row("steps", id, 1, None, json!({ "phase_id": "1", "name": name }));
        let phase = row("phases", "1", 1, None, json!({ "name": "Build" }));
        fixture.pull(vec![phase, step("2", "Pull"), step("3", "Splice")], Vec::new()).await;
        fixture
    }

    fn script_pull(&self, rows: Vec<crate::protocol::EntityRow<Value>>, gone: Vec<DeletionRow>) {
        let cursor = format!("c{}", self.dice.bits());
        self.script.pulls.borrow_mut().push_back(Box::new(move |_| Ok(page(rows, gone, &cursor))));
    }

    async fn pull(&self, rows: Vec<crate::protocol::EntityRow<Value>>, gone: Vec<DeletionRow>) {
        self.script_pull(rows, gone);
        assert_eq!(self.engine.pass_now().await.error, None);
    }

    async fn push(
        &self,
        answer: impl FnOnce(Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> + 'static,
    ) {
        self.script.pushes.borrow_mut().push_back(Box::new(answer));
        self.pull(Vec::new(), Vec::new()).await;
    }

    async fn task(&self, step: &str, status: &str, progress: Value) -> String {
        let task = json!({ "step_id": step, "title": "t", "status": status, "progress": progress });
        create(&self.engine, "tasks", task).await.unwrap()
    }

    fn of(&self, table: &str, id: &str, fields: &[&str]) -> Value {
        let view = view(&self.engine, table, id).unwrap();
        fields.iter().map(|field| view[field].clone()).collect()
    }

    fn step(&self, id: &str) -> Value {
        self.of("steps", id, &["task_count", "progress", "complete", "open"])
    }

    fn phase(&self) -> Value {
        self.of("phases", "1", &["total", "progress", "complete"])
    }

    fn mutations(&self) -> Vec<(Operation, String, Value)> {
        let state = self.engine.state();
        let of =
            |m: &Rc<crate::log::entry::Mutation<Value>>| (m.operation, m.table.to_string(), m.data.clone());
        state.outbox.iter().map(of).collect()
    }
}

fn deletion(table: &str, id: &str, version: u64) -> DeletionRow {
    DeletionRow {
        table: table.into(),
        id: id.into(),
        version,
        deleted_at: 4_000 + version,
        created_as: None,
        reason: DeletionReason::Deleted,
    }
}

#[test]
fn they_follow_every_write_up_to_the_root_and_leave_parents_as_the_server_has_them() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        assert_eq!(
            fixture.step("2"),
            json!([0, null, false, 0]),
            "all of no children is false, the average null"
        );
        let task = fixture.task("2", "completed", json!(100)).await;
        fixture.task("2", "in_progress", json!(50)).await;
        assert_eq!(fixture.step("2"), json!([2, 75, false, 1]));
        assert_eq!(fixture.phase(), json!([2, 75, false]));
        let other = fixture.task("3", "completed", Value::Null).await;
        assert_eq!(fixture.step("3"), json!([1, null, true, 0]), "an absent progress does not count");
        update(&fixture.engine, "tasks", &task, json!({ "step_id": "3" })).await.unwrap();
        assert_eq!(
            (fixture.step("2"), fixture.step("3")),
            (json!([1, 50, false, 1]), json!([2, 100, true, 0]))
        );
        assert_eq!(fixture.phase(), json!([3, 75, false]));
        delete(&fixture.engine, "tasks", &other).await.unwrap();
        delete(&fixture.engine, "steps", "2").await.unwrap();
        assert_eq!(fixture.step("3"), json!([1, 100, true, 0]));
        assert_eq!(fixture.phase(), json!([1, 100, true]), "all tasks complete: the step, and so the phase");
        assert_eq!(fixture.of("phases", "1", &["_syncStatus", "_localUpdatedAt"]), json!(["synced", null]));
        assert!(fixture.mutations().iter().all(|(_, table, data)| table == "tasks" || *data == json!({})));
    });
}

#[test]
fn nobody_writes_them() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let step = json!({ "phase_id": "1", "name": "s", "task_count": 4 });
        let declared = create(&fixture.engine, "steps", step).await.unwrap_err();
        let other = create(&fixture.engine, "phases", json!({ "name": "p", "total": 4 })).await.unwrap_err();
        let changed = update(&fixture.engine, "steps", "2", json!({ "complete": true })).await.unwrap_err();
        for (error, field) in [(declared, "task_count"), (other, "total"), (changed, "complete")] {
            assert_eq!((error.code(), error.field()), ("invalid-value", Some(field)));
            assert!(error.to_string().contains("is derived ("), "{error}");
        }
        let unset = Command::Update {
            table: "steps".into(),
            id: "2".into(),
            changes: json!({}),
            unset: vec!["complete".into()],
            options: WriteOptions::default(),
        };
        let error = fixture.engine.submit(unset, Durability::Relaxed).await.unwrap_err();
        assert!(error.to_string().contains("is derived (all in tasks"), "{error}");
        // A required field that is derived need not be given.
        let step = create(&fixture.engine, "steps", json!({ "phase_id": "1", "name": "s" })).await.unwrap();
        assert_eq!(fixture.step(&step), json!([0, null, false, 0]));
        assert_eq!(fixture.mutations()[0].2, json!({ "phase_id": "1", "name": "s" }), "and is not sent");
    });
}

#[test]
fn what_the_server_says_of_them_is_overridden_and_the_base_is_without_them() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let task = |id: &str, version| {
            row(
                "tasks",
                id,
                version,
                None,
                json!({ "step_id": "2", "title": "t", "status": "completed", "progress": 80 }),
            )
        };
        let step = row(
            "steps",
            "2",
            2,
            None,
            json!({ "phase_id": "1", "name": "Pull", "task_count": 99, "open": "x" }),
        );
        fixture.pull(vec![task("7", 1), step, task("8", 1)], Vec::new()).await;
        assert_eq!(fixture.step("2"), json!([2, 80, true, 0]));
        update(&fixture.engine, "steps", "2", json!({ "name": "Haul" })).await.unwrap();
        let theirs = json!({ "phase_id": "1", "name": "Pull", "task_count": 7 });
        fixture.script_pull(vec![row("steps", "2", 3, None, theirs)], Vec::new());
        fixture.engine.pass_now().await;
        let base = fixture.engine.state().base(&"steps".into(), &"2".into()).cloned().unwrap();
        let server = json!({ "phase_id": "1", "name": "Pull" });
        assert_eq!((base.base.unwrap().data, base.theirs.unwrap().data), (server.clone(), server));
        assert_eq!(fixture.step("2"), json!([2, 80, true, 0]));
        fixture.script_pull(Vec::new(), vec![deletion("tasks", "7", 2)]);
        fixture.engine.pass_now().await;
        assert_eq!(fixture.step("2"), json!([1, 80, true, 0]));
        assert_eq!(fixture.of("steps", "2", &["name", "_syncStatus"]), json!(["Haul", "modified"]));
    });
}

#[test]
fn an_answer_with_a_server_id_and_a_discard_keep_them_right() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let step = create(&fixture.engine, "steps", json!({ "phase_id": "1", "name": "new" })).await.unwrap();
        for progress in [10, 20, 60] {
            fixture.task(&step, "in_progress", json!(progress)).await;
        }
        assert_eq!(fixture.step(&step), json!([3, 30, false, 3]));
        fixture.push(apply_all(900)).await;
        assert_eq!(fixture.step("900"), json!([3, 30, false, 3]));
        assert_eq!(fixture.of("steps", "900", &["_syncStatus"]), json!(["synced"]));
        assert!(fixture.mutations().is_empty());

        update(&fixture.engine, "tasks", "901", json!({ "progress": 100, "step_id": "2" })).await.unwrap();
        assert_eq!(
            (fixture.step("900"), fixture.step("2")),
            (json!([2, 40, false, 2]), json!([1, 100, false, 1]))
        );
        fixture
            .push(|upload| {
                let rejection = Rejection { code: "invalid-value".into(), message: "no".into(), field: None };
                Ok(answer(vec![OperationResult::new(
                    upload.operations[0].id.clone(),
                    Outcome::Rejected(rejection),
                )]))
            })
            .await;
        assert_eq!(fixture.step("2"), json!([0, null, false, 0]), "what is refused is rolled back");
        let parked = fixture.engine.state().outbox.iter().next().unwrap().clone();
        assert_eq!(parked.state, MutationState::Rejected);
        let retry = Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() };
        fixture.engine.submit(retry, Durability::Relaxed).await.unwrap();
        assert_eq!(fixture.step("2"), json!([1, 100, false, 1]));
        let fresh = fixture.engine.state().outbox.iter().next().unwrap().id.clone();
        fixture
            .engine
            .submit(Command::Discard { mutation: fresh, cascade: false }, Durability::Relaxed)
            .await
            .unwrap();
        assert_eq!(
            (fixture.step("900"), fixture.step("2")),
            (json!([3, 30, false, 3]), json!([0, null, false, 0]))
        );
    });
}

#[test]
fn a_declared_one_is_found_by_its_index() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        fixture.task("3", "completed", json!(1)).await;
        let query = Query::from_json(&json!({ "index": "task_count", "equals": 1 })).unwrap();
        let state = fixture.engine.state();
        assert_eq!(state.table("steps").unwrap().query(&query).unwrap(), ["3".into()]);
    });
}

#[test]
fn the_least_and_the_greatest_of_a_text() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let due = |due: &str| json!({ "step_id": "2", "title": "t", "status": "x", "due": due });
        for day in ["2026-03-01", "2025-12-24", "2026-11-20"] {
            create(&fixture.engine, "tasks", due(day)).await.unwrap();
        }
        assert_eq!(fixture.of("steps", "2", &["first_due", "last_due"]), json!(["2025-12-24", "2026-11-20"]));
        assert_eq!(fixture.of("steps", "3", &["first_due"]), json!([null]));
    });
}

/// The rows that the newest entry that puts records puts in place.
async fn newest(log: &MemoryLog<Value>) -> Vec<Change<Value>> {
    let stored = log.read(1).await.unwrap();
    let entries =
        stored.iter().rev().map(|stored| crate::log::codec::unpack_entry(&stored.packed).unwrap().changes);
    let puts =
        |changes: &Vec<Change<Value>>| changes.iter().any(|change| matches!(change, Change::Record { .. }));
    entries.into_iter().find(puts).unwrap()
}

fn rows_of(changes: &[Change<Value>], wanted: &str) -> usize {
    changes
        .iter()
        .filter(|change| matches!(change, Change::Record { table, .. } if **table == *wanted))
        .count()
}

#[test]
fn ten_thousand_children_at_once_are_one_entry_and_one_row_of_each_parent() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let task = json!({ "step_id": "2", "title": "t", "status": "completed", "progress": 100 });
        let records = vec![task; 10_000];
        let command = Command::Create {
            table: "tasks".into(),
            records,
            is_list: true,
            options: WriteOptions::default(),
        };
        fixture.engine.submit(command, Durability::Relaxed).await.unwrap();
        assert_eq!(fixture.step("2"), json!([10_000, 100, true, 0]));
        let changes = newest(&fixture.log).await;
        assert_eq!((rows_of(&changes, "steps"), rows_of(&changes, "phases"), changes.len()), (1, 1, 20_002));
    });
}

#[test]
fn an_entry_does_not_grow_where_nothing_changed() {
    run(async {
        let fixture = Fixture::new(&document()).await;
        let task = fixture.task("2", "completed", json!(100)).await;
        update(&fixture.engine, "tasks", &task, json!({ "title": "another" })).await.unwrap();
        assert_eq!(
            newest(&fixture.log).await.len(),
            2,
            "the record and its mutation: a title counts for nothing"
        );
        update(&fixture.engine, "steps", "2", json!({ "name": "another" })).await.unwrap();
        assert_eq!(newest(&fixture.log).await.len(), 3, "the record, its mutation and its base");
        let phase = row("phases", "1", 2, None, json!({ "name": "again" }));
        fixture.script_pull(vec![phase], Vec::new());
        fixture.engine.pass_now().await;
        assert_eq!(rows_of(&newest(&fixture.log).await, "phases"), 1, "derived in the row that the pull put");
        assert_eq!(fixture.phase(), json!([1, 100, false]));
    });
}

fn sending() -> Value {
    let mut document = document();
    document["tables"]["steps"]["rollups"]["task_count"]["write"] = json!(true);
    document["tables"]["steps"]["rollups"]["complete"]["write"] = json!(true);
    document
}

#[test]
fn one_that_is_sent_is_an_ordinary_update_of_the_parent() {
    run(async {
        let fixture = Fixture::new(&sending()).await;
        assert!(fixture.mutations().is_empty(), "what a pull changes is not written back");
        fixture.task("2", "completed", json!(1)).await;
        let last = fixture.task("2", "completed", json!(1)).await;
        let of_steps = |fixture: &Fixture| {
            let all = fixture.mutations().into_iter();
            all.filter(|(_, table, _)| table == "steps").map(|(_, _, data)| data).collect::<Vec<_>>()
        };
        assert_eq!(of_steps(&fixture), [json!({ "task_count": 2, "complete": true })], "two changes are one");
        assert_eq!(fixture.of("steps", "2", &["_syncStatus", "task_count"]), json!(["modified", 2]));
        assert_eq!(fixture.of("phases", "1", &["_syncStatus", "total"]), json!(["synced", 2]));
        fixture.push(apply_all(900)).await;
        assert_eq!(
            fixture.of("steps", "2", &["_syncStatus", "task_count", "_version"]),
            json!(["synced", 2, 2])
        );
        let pulled = row("tasks", "77", 1, None, json!({ "step_id": "2", "title": "t", "status": "x" }));
        fixture.pull(vec![pulled], Vec::new()).await;
        assert_eq!(fixture.step("2"), json!([3, 1, false, 0]));
        assert!(fixture.mutations().is_empty());
        let last = fixture.engine.state().resolve(&last.as_str().into());
        delete(&fixture.engine, "tasks", &last).await.unwrap();
        assert_eq!(of_steps(&fixture), [json!({ "task_count": 2 })], "only what changed");
        // A parent that was created here has it in its create.
        let step = create(&fixture.engine, "steps", json!({ "phase_id": "1", "name": "s" })).await.unwrap();
        fixture.task(&step, "completed", json!(1)).await;
        let data = json!({ "phase_id": "1", "name": "s", "task_count": 1, "complete": true });
        assert_eq!(of_steps(&fixture)[1], data);
    });
}

#[test]
fn a_write_that_waits_beside_a_pull_still_sends_what_it_changes() {
    let fixture = run(Fixture::new(&sending()));
    run(async {
        let engine = &fixture.engine;
        let pulled = row("tasks", "77", 1, None, json!({ "step_id": "3", "title": "t", "status": "x" }));
        let whole = Plan::new(engine.schema(), None).levels[0][0].clone();
        let from = engine.state().cursor(&whole.key).cloned();
        let pull = Command::Pull { set: whole, from, heard: 0, page: page(vec![pulled], Vec::new(), "c9") };
        let task = json!({ "step_id": "2", "title": "t", "status": "completed" });
        let gate = engine.gate.lock().await;
        let mut write = Box::pin(create(engine, "tasks", task));
        let mut pull = Box::pin(engine.submit(pull, Durability::Relaxed));
        assert!(write.as_mut().now_or_never().is_none() && pull.as_mut().now_or_never().is_none());
        drop(gate);
        // It comes last and is first at the gate: it commits what waits, entry by entry, and itself.
        create(engine, "phases", json!({ "name": "last" })).await.unwrap();
        assert!(write.await.is_ok() && pull.await.is_ok());
        let sent: Vec<_> = fixture.mutations().into_iter().filter(|(_, table, _)| table == "steps").collect();
        assert_eq!(sent, [(Operation::Update, "steps".into(), json!({ "task_count": 1, "complete": true }))]);
        assert_eq!(
            (fixture.step("2"), fixture.step("3")),
            (json!([1, null, true, 0]), json!([1, null, false, 0]))
        );
    });
}

#[test]
fn a_release_that_adds_one_derives_it_when_it_opens_and_once() {
    run(async {
        let mut before = document();
        for table in ["phases", "steps"] {
            before["tables"][table].as_object_mut().unwrap().remove("rollups");
        }
        before["tables"]["steps"]["fields"]["task_count"] = json!("number?");
        let old = Fixture::new(&before).await;
        old.task("2", "completed", json!(50)).await;
        assert!(old.engine.compact().await.unwrap());

        let open = || open_with(parse(&document()), &old.log, &old.script, &old.dice);
        let new = Fixture {
            log: old.log.clone(),
            script: old.script.clone(),
            dice: old.dice.clone(),
            engine: open().await,
        };
        assert_eq!((new.step("2"), new.phase()), (json!([1, 50, true, 0]), json!([1, 50, false])));
        let head = new.engine.state().head.key;
        assert_eq!(open().await.state().head.key, head, "and writes nothing more");
        old.engine.catch_up().await.unwrap();
        assert_eq!(
            old.engine.state().export(),
            new.engine.state().export(),
            "it is an entry: all fold the same"
        );

        // The release before is still open in another tab. What it writes it derives nothing from.
        old.task("2", "open", json!(100)).await;
        new.engine.catch_up().await.unwrap();
        assert_eq!(new.step("2"), json!([1, 50, true, 0]));
        create(&new.engine, "phases", json!({ "name": "another" })).await.unwrap();
        assert_eq!((new.step("2"), new.phase()), (json!([2, 75, false, 0]), json!([2, 75, false])));
    });
}
