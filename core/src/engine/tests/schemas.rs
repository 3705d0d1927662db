//! A context of an older schema beside one of a newer: what the one does not know it must not lose for the other.

use super::{passes::*, *};
use crate::log::release::Release;

/// The newer schema: a table more, and a field more in one that both have, each with a foreign key.
fn newer() -> Rc<Schema> {
    let mut document = document();
    document["version"] = 2.into();
    document["tables"]["photos"] = json!({ "fields": { "task_id": "string", "name": "string" },
        "references": { "task_id": { "table": "tasks", "onDelete": "cascade" } } });
    document["tables"]["tasks"]["fields"]["asset_id"] = "string?".into();
    document["tables"]["tasks"]["references"]["asset_id"] =
        json!({ "table": "projects", "onDelete": "refuse" });
    Rc::new(Schema::parse(&document).unwrap())
}

struct Pair {
    log: MemoryLog<Value>,
    script: Rc<Script>,
    old: Rc<Engine<World>>,
    new: Rc<Engine<World>>,
}

impl Pair {
    async fn open() -> Self {
        let (log, script, dice) = (MemoryLog::default(), Rc::<Script>::default(), Dice::new(8));
        let old = open(&log, &script, &dice).await;
        let new = Self::open_new(&log, &script, &dice).await;
        Self { log, script, old, new }
    }

    async fn open_new(log: &MemoryLog<Value>, script: &Rc<Script>, dice: &Rc<Dice>) -> Rc<Engine<World>> {
        let world = world(log, script, dice);
        Rc::new(Engine::open_as(Release::default(), world, newer(), identity()).await.unwrap())
    }

    /// A project, a step, a task in both and a photo, all made by the newer context.
    async fn with_photo(&self) -> [String; 4] {
        let project = create(&self.new, "projects", json!({ "name": "p" })).await.unwrap();
        let step = json!({ "project_id": project, "name": "s" });
        let step = create(&self.new, "steps", step).await.unwrap();
        let task = json!({ "step_id": step, "title": "t", "status": "open", "asset_id": project });
        let task = create(&self.new, "tasks", task).await.unwrap();
        let photo = json!({ "task_id": task, "name": "front" });
        let photo = create(&self.new, "photos", photo).await.unwrap();
        [project, step, task, photo]
    }

    async fn compact_old(&self) {
        for name in ["a", "b", "c"] {
            create(&self.old, "assets", json!({ "name": name })).await.unwrap();
            assert!(self.old.compact().await.unwrap());
        }
    }

    async fn fresh_new(&self) -> Rc<Engine<World>> {
        let fresh = Self::open_new(&self.log, &self.script, &Dice::new(9)).await;
        let tables: Vec<_> = fresh.schema().tables.keys().map(|table| table.as_str().into()).collect();
        fresh.load_tables(&tables).await.unwrap();
        fresh
    }
}

#[test]
fn a_compaction_by_the_older_loses_nothing_of_the_newer() {
    run(async {
        let pair = Pair::open().await;
        let [_, _, task, photo] = pair.with_photo().await;
        pair.compact_old().await;
        let fresh = pair.fresh_new().await;
        assert_eq!(view(&fresh, "photos", &photo).unwrap()["task_id"], task.as_str());
        assert!(view(&fresh, "tasks", &task).unwrap()["asset_id"].is_string());
        update(&pair.new, "photos", &photo, json!({ "name": "back" })).await.unwrap();
        let fresh = pair.fresh_new().await;
        assert_eq!(view(&fresh, "photos", &photo).unwrap()["name"], "back");
        // The older one writes over a record that has a field that it does not know.
        pair.old.load_tables(&["tasks".into()]).await.unwrap();
        update(&pair.old, "tasks", &task, json!({ "status": "done" })).await.unwrap();
        pair.compact_old().await;
        let fresh = pair.fresh_new().await;
        let task = view(&fresh, "tasks", &task).unwrap();
        assert_eq!(task["status"], "done");
        assert!(task["asset_id"].is_string());
    });
}

#[test]
fn the_older_sends_what_it_knows_and_leaves_the_rest_to_the_newer() {
    run(async {
        let pair = Pair::open().await;
        let [project, step, task, photo] = pair.with_photo().await;
        pair.script.pulls.borrow_mut().push_back(Box::new(|_| Ok(page(Vec::new(), Vec::new(), "c0"))));
        pair.script.pushes.borrow_mut().push_back(Box::new(apply_all(100)));
        for _ in 0..2 {
            pair.script.pushes.borrow_mut().push_back(Box::new(apply_all(200)));
        }
        pair.old.pass_now().await;
        let sent: Vec<String> = {
            let pushed = pair.script.pushed.borrow();
            pushed.iter().flat_map(|upload| upload.operations.iter().map(|o| o.table.clone())).collect()
        };
        assert_eq!(sent, ["projects", "steps", "tasks"]);
        let left = pair.old.state().outbox.iter().next().unwrap().clone();
        assert_eq!((&*left.table, pair.old.state().outbox.len()), ("photos", 1));
        let discard = Command::Discard { mutation: left.id.clone(), cascade: true };
        let error = pair.old.submit(discard, Durability::Relaxed).await.unwrap_err();
        assert_eq!(error.code(), "unknown-table");

        // Every reference, also in what the older one does not know, is to the server's ids now.
        pair.new.catch_up().await.unwrap();
        for engine in [&pair.new, &pair.fresh_new().await] {
            let state = engine.state();
            let server = |id: &str| state.resolve(&id.into()).to_string();
            assert_eq!(view(engine, "photos", &photo).unwrap()["task_id"], server(&task));
            let task = view(engine, "tasks", &server(&task)).unwrap();
            assert_eq!(
                (&task["step_id"], &task["asset_id"]),
                (&json!(server(&step)), &json!(server(&project)))
            );
            let mutation = state.outbox.iter().next().unwrap();
            assert_eq!(mutation.data["task_id"], task["id"]);
        }
        pair.compact_old().await;
        let fresh = pair.fresh_new().await;
        pair.new.load_tables(&["photos".into(), "assets".into(), "projects".into()]).await.unwrap();
        pair.new.load_tables(&["steps".into(), "tasks".into()]).await.unwrap();
        pair.new.catch_up().await.unwrap();
        assert!(fresh.state().export() == pair.new.state().export());

        let report = pair.new.pass_now().await;
        assert_eq!((report.pushed, report.remaining), (4, 0), "the photo, and three assets");
        for name in ["x", "y"] {
            create(&pair.new, "assets", json!({ "name": name })).await.unwrap();
            assert!(pair.new.compact().await.unwrap());
        }
        create(&pair.new, "assets", json!({ "name": "z" })).await.unwrap();
        pair.new.compact().await.unwrap();
        for temporary in [&project, &step, &task, &photo] {
            assert!(!pair.log.text().contains(temporary.as_str()), "nothing stored refers to {temporary}");
        }
    });
}

#[test]
fn a_pull_by_the_older_skips_nothing_for_the_newer() {
    run(async {
        let pair = Pair::open().await;
        let asked: Rc<RefCell<Vec<Download>>> = Rc::default();
        let answer = |entities: Vec<_>| -> Box<dyn FnOnce(Download) -> _> {
            let asked = Rc::clone(&asked);
            Box::new(move |download| {
                asked.borrow_mut().push(download);
                Ok(page(entities, Vec::new(), "c1"))
            })
        };
        let project = || row("projects", "1", 1, None, json!({ "name": "p", "colour": "red" }));
        pair.script.pulls.borrow_mut().push_back(answer(vec![project()]));
        assert_eq!(pair.old.pass_now().await.pulled, 1);
        let photo = row("photos", "9", 1, None, json!({ "task_id": "7", "name": "front" }));
        pair.script.pulls.borrow_mut().push_back(answer(vec![project(), photo]));
        assert_eq!(pair.new.pass_now().await.pulled, 2);
        assert_eq!(asked.borrow()[1].cursor, None, "other tables, another cursor");
        assert!(view(&pair.new, "photos", "9").is_some());
        // A field that no schema here knows is kept as it came.
        assert_eq!(view(&pair.new, "projects", "1").unwrap()["colour"], "red");
    });
}
