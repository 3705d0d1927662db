//! What refers to nothing: found, told and decided.

use super::{
    passes::{answer, page, row},
    *,
};
use crate::{
    hierarchy::{
        integrity::{Circle, Integrity, Unresolved, Why},
        orphans::Strategy,
    },
    log::entry::{Id, MutationState},
    protocol::{DeletionReason, DeletionRow, EntityRow, OperationResult, Outcome, Rejection},
    pull::Set,
};

fn tree() -> Rc<Schema> {
    let document = json!({ "version": 1, "tables": {
        "projects": { "fields": { "name": "string" } },
        "steps": { "fields": { "project_id": "string?", "after": "string?", "name": "string" },
                   "references": { "project_id": { "table": "projects", "onDelete": "cascade" }, "after": { "table": "steps", "onDelete": "cascade" } } },
        "tasks": { "fields": { "step_id": "string", "title": "string" }, "references": { "step_id": { "table": "steps", "onDelete": "cascade" } } },
        "bills": { "fields": { "step_id": "string" }, "references": { "step_id": { "table": "steps", "onDelete": "refuse" } } } } });
    Rc::new(Schema::parse(&document).unwrap())
}

struct Fixture {
    log: MemoryLog<Value>,
    script: Rc<Script>,
    dice: Rc<Dice>,
    engine: Rc<Engine<World>>,
}

fn gone(table: &str, id: &str, version: u64) -> DeletionRow {
    DeletionRow {
        table: table.into(),
        id: id.into(),
        version,
        deleted_at: 4_000,
        created_as: None,
        reason: DeletionReason::Deleted,
    }
}

fn step(id: &str, project: &str, after: Option<&str>) -> EntityRow<Value> {
    row("steps", id, 1, None, json!({ "project_id": project, "after": after, "name": "s" }))
}

fn task(id: &str, step: &str) -> EntityRow<Value> {
    row("tasks", id, 1, None, json!({ "step_id": step, "title": "t" }))
}

impl Fixture {
    async fn new(rows: Vec<EntityRow<Value>>, deletions: Vec<DeletionRow>) -> Self {
        let (log, script, dice) = (MemoryLog::default(), Rc::<Script>::default(), Dice::new(5));
        let engine = open_with(tree(), &log, &script, &dice).await;
        let fixture = Self { log, script, dice, engine };
        fixture.pull(rows, deletions).await;
        fixture
    }

    /// A pass that pulls this, and the cursors that it asked from.
    async fn pull(&self, rows: Vec<EntityRow<Value>>, deletions: Vec<DeletionRow>) -> Vec<Option<String>> {
        let asked: Rc<RefCell<Vec<Option<String>>>> = Rc::default();
        let (noted, cursor) = (Rc::clone(&asked), format!("c{}", self.dice.bits()));
        self.script.pulls.borrow_mut().push_back(Box::new(move |download: Download| {
            noted.borrow_mut().push(download.cursor);
            Ok(page(rows, deletions, &cursor))
        }));
        self.engine.pass_now().await;
        self.script.pulls.borrow_mut().clear();
        asked.take()
    }

    async fn integrity(&self) -> Integrity {
        self.engine.integrity().await.unwrap()
    }

    async fn orphans(&self) -> Vec<String> {
        let told = |orphan: &crate::hierarchy::integrity::Orphan| {
            let why = orphan.why.as_str();
            format!("{} {} {} {} {why}", orphan.table, orphan.id, orphan.parent_table, orphan.parent_id)
        };
        self.integrity().await.orphans.iter().map(told).collect()
    }

    async fn resolve(&self, strategy: Strategy, only: Option<&[(&str, &str)]>) -> Result<usize, Error> {
        let named =
            |list: &[(&str, &str)]| list.iter().map(|(table, id)| ((*table).into(), (*id).into())).collect();
        let command = Command::ResolveOrphans { strategy, orphans: only.map(named), priority: None };
        match self.engine.submit(command, Durability::Relaxed).await? {
            Done::Resolved(count) => Ok(count),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_report_says_what_refers_to_nothing_and_why() {
    run(async {
        let rows = vec![
            row("projects", "1", 1, None, json!({ "name": "p" })),
            step("2", "1", None),
            step("3", "99", Some("2")),
            step("4", "1", Some("5")),
            step("5", "1", Some("6")),
            step("6", "1", Some("4")),
            step("8", "1", Some("8")),
            task("7", "2"),
            task("70", "88"),
            task("71", "temp_1760000000000_abc123_steps"),
        ];
        let fixture = Fixture::new(rows, vec![gone("steps", "88", 3)]).await;
        let report = fixture.integrity().await;
        assert_eq!((report.records_checked, report.references_checked), (10, 14));
        assert_eq!(
            fixture.orphans().await,
            [
                "steps 3 projects 99 missing",
                "tasks 70 steps 88 deleted",
                "tasks 71 steps temp_1760000000000_abc123_steps missing"
            ]
        );
        assert_eq!(report.orphans[1].why, Why::Deleted);
        let circle = |ids: &[&str]| Circle {
            table: "steps".into(),
            field: "after".into(),
            ids: ids.iter().map(|id| Id::from(*id)).collect(),
        };
        assert_eq!(report.circles, [circle(&["4", "5", "6"]), circle(&["8"])]);
        let temporary: Id = "temp_1760000000000_abc123_steps".into();
        let (table, id, field) = ("tasks".into(), "71".into(), Some("step_id".into()));
        assert_eq!(report.unresolved, [Unresolved { table, id, field, temporary }]);
        assert_eq!((report.queued.len(), report.kept), (0, 0));
    });
}

#[test]
fn a_circle_of_records_is_deleted_as_one() {
    run(async {
        let rows = vec![step("4", "1", Some("5")), step("5", "1", Some("4")), task("7", "5")];
        let project = row("projects", "1", 1, None, json!({ "name": "p" }));
        let fixture = Fixture::new([vec![project], rows].concat(), Vec::new()).await;
        delete(&fixture.engine, "projects", "1").await.unwrap();
        let report = fixture.integrity().await;
        assert_eq!((report.records_checked, report.circles.len(), report.orphans.len()), (0, 0, 0));
        assert_eq!(fixture.engine.state().outbox.len(), 4);
    });
}

#[test]
fn a_deleted_orphan_takes_its_children_along_or_is_refused() {
    run(async {
        let bill = row("bills", "9", 1, None, json!({ "step_id": "3" }));
        let rows = vec![step("2", "99", None), task("7", "2"), step("3", "99", None), bill];
        let fixture = Fixture::new(rows, Vec::new()).await;
        let before = fixture.engine.state().export();
        let error = fixture.resolve(Strategy::Delete, None).await.unwrap_err();
        assert_eq!(error.code(), "reference-in-use", "all or none");
        assert_eq!(fixture.engine.state().export(), before);
        let only: &[(&str, &str)] = &[("steps", "2"), ("tasks", "7"), ("tasks", "absent"), ("boats", "1")];
        assert_eq!(fixture.resolve(Strategy::Delete, Some(only)).await.unwrap(), 1);
        assert_eq!(fixture.orphans().await, ["steps 3 projects 99 missing"]);
        let state = fixture.engine.state();
        let deletes: Vec<_> = state.outbox.iter().map(|m| (m.operation, m.record_id.to_string())).collect();
        let delete = crate::log::entry::Operation::Delete;
        assert_eq!(
            deletes,
            [(delete, "7".to_owned()), (delete, "2".to_owned())],
            "told to the server, children first"
        );
    });
}

#[test]
fn a_kept_orphan_is_reported_again_when_it_refers_to_another_parent() {
    run(async {
        let fixture = Fixture::new(vec![task("7", "41"), task("8", "41")], Vec::new()).await;
        assert_eq!(fixture.resolve(Strategy::Keep, Some(&[("tasks", "7")])).await.unwrap(), 1);
        assert_eq!(fixture.orphans().await, ["tasks 8 steps 41 missing"]);
        assert_eq!(fixture.resolve(Strategy::Keep, None).await.unwrap(), 1);
        assert_eq!(fixture.integrity().await.kept, 2);
        assert!(fixture.engine.state().outbox.is_empty());

        // Remembered by the database, not by this context.
        assert!(fixture.engine.compact().await.unwrap());
        let again = open_with(tree(), &fixture.log, &fixture.script, &fixture.dice).await;
        let report = again.integrity().await.unwrap();
        assert_eq!((report.orphans.len(), report.kept), (0, 2));

        let moved = row("tasks", "7", 2, None, json!({ "step_id": "42", "title": "t" }));
        fixture.pull(vec![moved], Vec::new()).await;
        assert_eq!(fixture.orphans().await, ["tasks 7 steps 42 missing"]);
        // Its parent came and went: that is news.
        fixture.pull(vec![step("41", "1", None)], Vec::new()).await;
        fixture.pull(Vec::new(), vec![gone("steps", "41", 2)]).await;
        let orphans = fixture.orphans().await;
        assert_eq!(orphans, ["tasks 7 steps 42 missing", "tasks 8 steps 41 deleted"]);
        assert_eq!(fixture.engine.state().facts("orphan ").count(), 0, "what no longer holds is forgotten");
    });
}

#[test]
fn a_queued_orphan_waits_until_its_parents_table_was_pulled_anew() {
    run(async {
        let fixture = Fixture::new(vec![task("7", "41"), task("8", "43")], Vec::new()).await;
        assert!(fixture.pull(Vec::new(), Vec::new()).await.iter().all(Option::is_some));
        for set in ["bills,steps@mine", "tasks@steps"] {
            let page = page(Vec::new(), Vec::new(), "c");
            let set = Set { key: set.into(), tables: Vec::new(), scope: None, every_ms: 0 };
            let command = Command::Pull { set, from: None, heard: 0, page };
            fixture.engine.submit(command, Durability::Relaxed).await.unwrap();
        }
        assert_eq!(fixture.resolve(Strategy::Queue, None).await.unwrap(), 2);
        let begins = |set: &str| fixture.engine.state().cursor(set).unwrap().place().is_none();
        assert!(
            begins("bills,steps@mine") && !begins("tasks@steps"),
            "every set that the parents' table is in"
        );
        let report = fixture.integrity().await;
        assert_eq!((report.orphans.len(), report.queued.len()), (0, 2));
        let project = row("projects", "1", 1, None, json!({ "name": "p" }));
        let asked = fixture
            .pull(vec![project, step("41", "1", None), task("7", "41"), task("8", "43")], Vec::new())
            .await;
        assert!(asked.contains(&None), "from the beginning: {asked:?}");
        let report = fixture.integrity().await;
        assert_eq!(
            (report.orphans.len(), report.queued.len()),
            (0, 1),
            "one parent came, the other is still waited for"
        );
        assert_eq!(&*report.queued[0].parent_id, "43");
        assert_eq!(report.records_checked, 4, "nothing was cleared meanwhile");
        assert!(fixture.pull(Vec::new(), Vec::new()).await.iter().all(Option::is_some), "asked once");
        fixture.pull(vec![step("43", "1", None)], Vec::new()).await;
        fixture.pull(Vec::new(), vec![gone("steps", "43", 2)]).await;
        assert_eq!(
            fixture.orphans().await,
            ["tasks 8 steps 43 deleted"],
            "its wait was over when the parent came"
        );
    });
}

#[test]
fn children_written_here_under_a_parent_that_the_server_deleted_are_told_parked_and_not_lost() {
    run(async {
        let rows = vec![row("projects", "1", 1, None, json!({ "name": "p" })), step("2", "1", None)];
        let fixture = Fixture::new(rows, Vec::new()).await;
        let engine = &fixture.engine;
        let child = create(engine, "tasks", json!({ "step_id": "2", "title": "mine" })).await.unwrap();
        fixture.pull(Vec::new(), vec![gone("steps", "2", 2)]).await;
        assert_eq!(fixture.orphans().await, [format!("tasks {child} steps 2 deleted")]);
        assert_eq!(view(engine, "tasks", &child).unwrap()["title"], "mine");

        fixture.script.pushes.borrow_mut().push_back(Box::new(|upload| {
            let rejection = Rejection {
                code: "reference-missing".into(),
                message: "there is no step `2`".into(),
                field: Some("step_id".into()),
            };
            Ok(answer(vec![OperationResult::new(
                upload.operations[0].id.clone(),
                Outcome::Rejected(rejection),
            )]))
        }));
        fixture.pull(Vec::new(), Vec::new()).await;
        let parked = engine.state().outbox.iter().next().unwrap().clone();
        assert_eq!(
            (parked.state, parked.error.clone().unwrap().code),
            (MutationState::Rejected, "reference-missing".to_owned())
        );
        assert_eq!(view(engine, "tasks", &child).unwrap()["title"], "mine");
        assert_eq!(fixture.orphans().await, [format!("tasks {child} steps 2 deleted")]);

        assert_eq!(fixture.resolve(Strategy::Delete, None).await.unwrap(), 1);
        assert!(fixture.orphans().await.is_empty());
        assert_eq!(view(engine, "tasks", &child), None);
        assert!(engine.state().outbox.is_empty(), "the server has never had it: {}", engine.state().export());
    });
}

#[test]
fn a_decision_follows_its_record_to_the_server_id() {
    run(async {
        let rows = vec![row("projects", "1", 1, None, json!({ "name": "p" })), step("2", "1", None)];
        let fixture = Fixture::new(rows, Vec::new()).await;
        let child =
            create(&fixture.engine, "tasks", json!({ "step_id": "2", "title": "mine" })).await.unwrap();
        fixture.pull(Vec::new(), vec![gone("steps", "2", 2)]).await;
        assert_eq!(fixture.resolve(Strategy::Keep, Some(&[("tasks", &child)])).await.unwrap(), 1);
        fixture.script.pushes.borrow_mut().push_back(Box::new(super::passes::apply_all(900)));
        fixture.pull(Vec::new(), Vec::new()).await;
        assert!(view(&fixture.engine, "tasks", "900").is_some());
        let report = fixture.integrity().await;
        assert_eq!((report.orphans.len(), report.kept), (0, 1));
    });
}
