//! Much at once (V8, V12): a thousand changes in one go, some of them refused, graphs of five hundred, and two contexts that
//! sync at the same time.

use std::collections::BTreeMap;

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;

use super::{
    passes::{Fixture, answer, applied, page, row},
    *,
};
use crate::{
    log::{
        entry::{Id, MutationState},
        memory::Yields,
    },
    outbox::{Waits, waits},
    protocol::{EntityRow, OperationResult, Outcome, Rejection},
};

/// A server that creates each record once, whatever is asked how often, and refuses what is called `poison`.
#[derive(Default)]
struct Once {
    ids: RefCell<BTreeMap<String, String>>,
    /// The names of its records, in the order in which they came.
    names: RefCell<Vec<String>>,
    /// Those of them that refer to nothing.
    projects: RefCell<Vec<EntityRow<Value>>>,
}

impl Once {
    fn take(&self, upload: &Upload<Value>) -> UploadAnswer<Value> {
        let results = upload.operations.iter().map(|operation| {
            let name = operation.data.as_ref().unwrap()["name"].as_str().unwrap();
            if name == "poison" {
                let rejection = Rejection { code: "forbidden".into(), field: None, message: "no".into() };
                return OperationResult::new(operation.id.clone(), Outcome::Rejected(rejection));
            }
            let mut ids = self.ids.borrow_mut();
            let next = (ids.len() + 1).to_string();
            let id = ids.entry(operation.id.clone()).or_insert_with(|| {
                self.names.borrow_mut().push(name.to_owned());
                if operation.table == "projects" {
                    let made = row("projects", &next, 1, Some(&operation.record_id), json!({ "name": name }));
                    self.projects.borrow_mut().push(made);
                }
                next
            });
            applied(&operation.id, id, 1)
        });
        answer(results.collect())
    }

    /// Answers that many requests of a script, and two pulls of each of two contexts.
    fn serve(self: &Rc<Self>, script: &Script, requests: usize) {
        for _ in 0..4 {
            let server = Rc::clone(self);
            let rows = move || server.projects.borrow().clone();
            script.pulls.borrow_mut().push_back(Box::new(move |_| Ok(page(rows(), Vec::new(), "c0"))));
        }
        for _ in 0..requests {
            let server = Rc::clone(self);
            script.pushes.borrow_mut().push_back(Box::new(move |upload| Ok(server.take(&upload))));
        }
    }
}

async fn create_all(engine: &Engine<World>, table: &str, records: Vec<Value>) -> Vec<Id> {
    let options = WriteOptions::default();
    let command = Command::Create { table: table.into(), records, is_list: true, options };
    match engine.submit(command, Durability::Relaxed).await.unwrap() {
        Done::Written(ids) => ids,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_a_thousand_changes_in_one_go_the_refused_ones_and_what_needs_them_stay() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let name = |n: usize| if n % 100 == 7 { "poison".to_owned() } else { format!("project {n}") };
        let projects =
            create_all(engine, "projects", (0..600).map(|n| json!({ "name": name(n) })).collect()).await;
        let steps = projects.iter().map(|id| json!({ "project_id": &**id, "name": "step" })).collect();
        create_all(engine, "steps", steps).await;
        let server = Rc::<Once>::default();
        server.serve(&fixture.script, 100);
        fixture.empty_pull();
        let report = engine.pass_now().await;
        assert_eq!((report.pushed, report.rejected, report.remaining), (1_188, 6, 12));
        let waits = waits(&engine.state().outbox);
        let blocked = waits.values().filter(|waits| **waits == Waits::Blocked).count();
        assert_eq!((engine.state().outbox.counts().parked, blocked), (6, 6));
        let sizes: Vec<usize> =
            fixture.script.pushed.borrow().iter().map(|upload| upload.operations.len()).collect();
        assert_eq!(sizes, [50, 200, 500, 444], "each that gets through lets the next be larger");
        assert_eq!(engine.pass_now().await.pushed, 0, "nothing of it is asked again");
    });
}

/// A store whose requests take so many turns.
#[derive(Debug)]
struct Turns(Cell<u32>);

impl Yields for Turns {
    fn turns(&self) -> u32 {
        self.0.get()
    }
}

#[test]
fn what_is_written_while_the_log_is_compacted_is_compacted_next() {
    run(async {
        let turns = Rc::new(Turns(Cell::new(5)));
        let log = MemoryLog::new(Rc::<Turns>::clone(&turns));
        let engine = open(&log, &Rc::default(), &Dice::new(5)).await;
        let much = || (0..5_000).map(|n| json!({ "name": format!("{n}") })).collect::<Vec<_>>();
        create_all(&engine, "assets", much()).await;
        assert!(engine.wants_compaction());
        let loads = engine.ports().log.loads();
        let write = async {
            while engine.ports().log.loads() == loads {
                engine.ports().log.pause().await;
            }
            // The compaction's snapshot is taken, and on its way to it.
            turns.0.set(0);
            create_all(&engine, "assets", much()).await;
        };
        let (compacted, ()) = futures_util::future::join(engine.compact(), write).await;
        assert_eq!((compacted, engine.wants_compaction()), (Ok(true), true));
        assert_eq!((engine.compact().await, engine.wants_compaction()), (Ok(true), false));
    });
}

#[test]
fn a_graph_of_five_hundred_is_delivered_in_its_order() {
    run(async {
        let document = json!({ "version": 1, "tables": {
            "nodes": { "fields": { "name": "string", "parent_id": "string?" },
                       "references": { "parent_id": { "table": "nodes", "onDelete": "refuse" } } } } });
        let script: Rc<Script> = Rc::default();
        let schema = Rc::new(Schema::parse(&document).unwrap());
        let engine = open_with(schema, &MemoryLog::default(), &script, &Dice::new(3)).await;
        // A chain of a hundred, with four leaves at each link.
        let mut parent: Option<String> = None;
        for link in 0..100 {
            let mut data = json!({ "name": format!("{link}") });
            if let Some(parent) = &parent {
                data["parent_id"] = parent.as_str().into();
            }
            let id = create(&engine, "nodes", data).await.unwrap();
            for leaf in 0..4 {
                let data = json!({ "name": format!("{link}.{leaf}"), "parent_id": id });
                create(&engine, "nodes", data).await.unwrap();
            }
            parent = Some(id);
        }
        let server = Rc::<Once>::default();
        server.serve(&script, 20);
        assert_eq!(engine.pass_now().await.remaining, 0);
        let names = server.names.borrow();
        assert_eq!(names.len(), 500);
        let at = |name: &str| names.iter().position(|other| other == name).unwrap();
        for link in 0..100 {
            let parent = at(&link.to_string());
            assert!(link == 0 || at(&(link - 1).to_string()) < parent);
            assert!((0..4).all(|leaf| at(&format!("{link}.{leaf}")) > parent));
        }
    });
}

#[test]
fn two_contexts_that_sync_at_once_deliver_everything_once() {
    for seed in 0..20 {
        let mut pool = LocalPool::new();
        let dice = Dice::new(seed);
        let log = MemoryLog::new(Rc::clone(&dice) as Rc<dyn Yields>);
        let script: Rc<Script> = Rc::default();
        let server = Rc::<Once>::default();
        server.serve(&script, 40);
        let engines: Vec<_> = (0..2).map(|_| pool.run_until(open(&log, &script, &dice))).collect();
        for engine in &engines {
            let records = (0..150).map(|n| json!({ "name": format!("{n}") })).collect();
            pool.run_until(create_all(engine, "projects", records));
        }
        for engine in &engines {
            // The lease of these tests is anybody's: both run at the same time.
            let engine = Rc::clone(engine);
            let pass = async move {
                engine.pass().await;
            };
            pool.spawner().spawn_local(pass).unwrap();
        }
        pool.run_until_stalled();
        pool.run_until(async {
            for engine in &engines {
                engine.catch_up().await.unwrap();
            }
        });
        let left = engines[0].state().outbox.iter().filter(|m| m.state == MutationState::Pending).count();
        assert_eq!((server.names.borrow().len(), left), (300, 0), "seed {seed}");
        assert_eq!(engines[0].state().export(), engines[1].state().export(), "seed {seed}");
        let records = engines[0].state().table("projects").unwrap().len();
        assert_eq!(
            (records, engines[0].state().outbox.len()),
            (300, 0),
            "seed {seed}: none lost, none doubled"
        );
    }
}
