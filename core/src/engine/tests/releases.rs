//! Contexts of different releases over one log.

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;

use super::*;
use crate::{
    log::{
        memory::Fault,
        release::{Outdated, Part, Release},
    },
    ports::{Log, Packed},
};

const NOW: u32 = crate::log::entry::FORMAT;

/// A database with contexts of several releases.
struct Database {
    log: MemoryLog<Value>,
    remote: Rc<Script>,
    dice: Rc<Dice>,
}

impl Database {
    fn new() -> Self {
        Self { log: MemoryLog::default(), remote: Rc::default(), dice: Dice::new(3) }
    }

    async fn try_open(&self, release: Release, schema: Rc<Schema>) -> Result<Engine<World>, Error> {
        let world = world(&self.log, &self.remote, &self.dice);
        Engine::open_as(release, world, schema, identity()).await
    }

    /// A context of this build.
    async fn open(&self) -> Engine<World> {
        self.try_open(Release::default(), schema()).await.unwrap()
    }

    /// One of the next, which asks this much of others.
    async fn open_next(&self, min_reader: u32, min_writer: u32) -> Engine<World> {
        let next = Release { format: NOW + 1, min_reader, min_writer };
        self.try_open(next, schema()).await.unwrap()
    }
}

/// The tests' schema at a version.
fn schema_at(version: u32, more: Value) -> Rc<Schema> {
    let mut document = document();
    document["version"] = version.into();
    let more: serde_json::Map<String, Value> = serde_json::from_value(more).unwrap();
    document.as_object_mut().unwrap().extend(more);
    Rc::new(Schema::parse(&document).unwrap())
}

async fn project(engine: &Engine<World>, name: &str) -> Result<String, Error> {
    create(engine, "projects", json!({ "name": name })).await
}

fn outdated(error: Error) -> Outdated {
    match error {
        Error::Outdated(outdated) => outdated,
        other => panic!("{other}"),
    }
}

async fn compact_twice(engine: &Engine<World>) {
    for name in ["one", "two"] {
        project(engine, name).await.unwrap();
        assert!(engine.compact().await.unwrap());
    }
}

#[test]
fn a_running_context_that_may_not_read_any_more_stops_and_says_why() {
    run(async {
        let database = Database::new();
        let old = database.open().await;
        let id = project(&old, "before").await.unwrap();
        let next = database.open_next(NOW + 1, NOW + 1).await;
        project(&next, "after").await.unwrap();
        let told = Outdated { part: Part::Engine, needed: NOW + 1, has: NOW, still_reads: false };
        assert_eq!(outdated(project(&old, "refused").await.unwrap_err()), told);
        assert_eq!(outdated(old.catch_up().await.unwrap_err()), told);
        assert_eq!(outdated(old.compact().await.unwrap_err()), told);
        assert_eq!(old.pass_now().await.error.unwrap().code, "outdated");
        assert!(database.remote.pushed.borrow().is_empty());
        assert_eq!(old.status().outdated, Some(told));
        assert!(old.ports().events.borrow().contains(&Event::Status));
        // What it had read it still shows.
        assert_eq!(view(&old, "projects", &id).unwrap()["name"], "before");
        assert_eq!(old.state().outbox.len(), 1);
        // What it appended before it knew is void.
        next.catch_up().await.unwrap();
        assert_eq!(next.status().outdated, None);
        assert_eq!(next.state().outbox.len(), 2);
    });
}

#[test]
fn where_only_writing_has_ended_reading_goes_on() {
    run(async {
        let database = Database::new();
        let old = database.open().await;
        project(&old, "mine").await.unwrap();
        let next = database.open_next(NOW, NOW + 1).await;
        let id = project(&next, "theirs").await.unwrap();
        let told = Outdated { part: Part::Engine, needed: NOW + 1, has: NOW, still_reads: true };
        assert_eq!(outdated(project(&old, "refused").await.unwrap_err()), told);
        assert_eq!(old.status().outdated, Some(told));
        old.catch_up().await.unwrap();
        assert_eq!(view(&old, "projects", &id).unwrap()["name"], "theirs");
        compact_twice(&next).await;
        compact_twice(&next).await;
        old.catch_up().await.unwrap();
        old.load_tables(&["steps".into()]).await.unwrap();
        assert_eq!(outdated(old.compact().await.unwrap_err()), told);
        assert_eq!(old.pass_now().await.error.unwrap().code, "outdated");
        assert!(database.remote.pushed.borrow().is_empty());
        assert_eq!(old.state().export(), next.state().export());
        assert_eq!(old.state().outbox.len(), 6);
    });
}

#[test]
fn a_schema_raises_it_as_an_engine_does() {
    run(async {
        let database = Database::new();
        let old = database.try_open(Release::default(), schema_at(3, json!({}))).await.unwrap();
        let additive = database.try_open(Release::default(), schema_at(4, json!({}))).await.unwrap();
        project(&additive, "an addition needs nothing").await.unwrap();
        project(&old, "goes on").await.unwrap();
        let writer = schema_at(5, json!({ "minWriter": 4 }));
        let writer = database.try_open(Release::default(), writer).await.unwrap();
        let told = Outdated { part: Part::Schema, needed: 4, has: 3, still_reads: true };
        assert_eq!(outdated(project(&old, "refused").await.unwrap_err()), told);
        old.catch_up().await.unwrap();
        project(&additive, "still writes").await.unwrap();
        let reader = schema_at(6, json!({ "minReader": 5 }));
        let reader = database.try_open(Release::default(), reader).await.unwrap();
        for (engine, has) in [(&old, 3), (&additive, 4)] {
            let told = Outdated { part: Part::Schema, needed: 5, has, still_reads: false };
            assert_eq!(outdated(engine.catch_up().await.unwrap_err()), told);
        }
        project(&writer, "still writes").await.unwrap();
        reader.catch_up().await.unwrap();
        assert_eq!(reader.state().outbox.len(), 4);
    });
}

#[test]
fn after_a_compaction_it_is_the_manifest_that_tells() {
    run(async {
        let database = Database::new();
        let sleeper = database.open().await;
        let next = database.open_next(NOW + 1, NOW + 1).await;
        compact_twice(&next).await;
        compact_twice(&next).await;
        assert!(!database.log.text().contains(r#""q":{"#), "the raising entry is gone");
        let told = Outdated { part: Part::Engine, needed: NOW + 1, has: NOW, still_reads: false };
        let opened = database.try_open(Release::default(), schema()).await;
        assert_eq!(outdated(opened.err().unwrap()), told);
        assert_eq!(outdated(sleeper.catch_up().await.unwrap_err()), told);
        assert_eq!(sleeper.status().outdated, Some(told));
        // It is kept through what others compact.
        let later = database.open_next(NOW + 1, NOW + 1).await;
        compact_twice(&later).await;
        assert!(database.try_open(Release::default(), schema()).await.is_err());
    });
}

#[test]
fn who_may_only_read_opens_and_is_told_when_it_writes() {
    run(async {
        let database = Database::new();
        let next = database.open_next(1, NOW + 1).await;
        let id = project(&next, "theirs").await.unwrap();
        compact_twice(&next).await;
        compact_twice(&next).await;
        let old = database.open().await;
        old.load_tables(&["projects".into()]).await.unwrap();
        assert_eq!(view(&old, "projects", &id).unwrap()["name"], "theirs");
        assert!(project(&old, "refused").await.is_err());
        assert!(!database.log.text().contains("refused"));
    });
}

#[test]
fn a_release_that_asks_for_no_more_writes_no_entry_for_it() {
    run(async {
        let database = Database::new();
        let first = database.open().await;
        let head = first.state().head.clone();
        let second = database.open().await;
        assert_eq!(second.state().head, head);
        let newer = database.open_next(1, 1).await;
        assert_eq!(newer.state().head, head);
        // The first of a newer release writes one, the second none.
        let asks = database.open_next(NOW, NOW + 1).await;
        assert_eq!(asks.state().head.key, head.key + 1);
        let again = database.open_next(NOW, NOW + 1).await;
        assert_eq!(again.state().head.key, head.key + 1);
    });
}

#[test]
fn where_it_cannot_be_announced_at_once_it_comes_with_the_first_entry() {
    run(async {
        let database = Database::new();
        let old = database.open().await;
        project(&old, "before").await.unwrap();
        database.log.set_quota(Some(database.log.usage()));
        let next = database.open_next(NOW + 1, NOW + 1).await;
        next.load_tables(&["projects".into()]).await.unwrap();
        old.catch_up().await.unwrap();
        database.log.set_quota(None);
        project(&next, "after").await.unwrap();
        assert_eq!(outdated(old.catch_up().await.unwrap_err()).needed, NOW + 1);
        assert_eq!(old.state().outbox.len(), 1);
    });
}

/// An entry of a far future, in which this release recognises nothing but what every release finds.
fn foreign(prev: &crate::log::entry::Position, requires: Value) -> Packed<Value> {
    let mut head = json!({ "v": 99, "m": "foreign", "p": { "k": prev.key, "m": prev.mark.0 }, "r": { "c": [{ "?": 1 }] } });
    if !requires.is_null() {
        head["q"] = requires;
    }
    Packed { head: head.to_string(), bodies: Vec::new() }
}

#[test]
fn an_entry_that_cannot_be_read_still_tells_what_it_takes() {
    for (requires, needed) in [(json!({ "r": 98, "w": 98 }), 98), (Value::Null, 99)] {
        run(async {
            let database = Database::new();
            let old = database.open().await;
            let head = old.state().head.clone();
            database.log.append(head.key, foreign(&head, requires), Durability::Relaxed).await.unwrap();
            let told = Outdated { part: Part::Engine, needed, has: NOW, still_reads: false };
            assert_eq!(outdated(old.catch_up().await.unwrap_err()), told);
            assert_eq!(outdated(project(&old, "refused").await.unwrap_err()), told);
            let opened = database.try_open(Release::default(), schema()).await;
            assert_eq!(outdated(opened.err().unwrap()), told);
        });
    }
}

#[test]
fn what_is_void_requires_nothing() {
    run(async {
        let database = Database::new();
        let engine = database.open().await;
        let head = engine.state().head.clone();
        project(&engine, "first").await.unwrap();
        let late = foreign(&head, json!({ "r": 98, "w": 98 }));
        database.log.append(head.key, late, Durability::Relaxed).await.unwrap();
        project(&engine, "second").await.unwrap();
        let fresh = database.open().await;
        fresh.load_tables(&["projects".into()]).await.unwrap();
        assert_eq!(fresh.state().export(), engine.state().export());
        assert_eq!(fresh.state().outbox.len(), 2);
    });
}

#[test]
fn what_was_written_before_the_raise_is_acknowledged_though_it_was_not_heard() {
    for seed in 0..300 {
        let mut pool = LocalPool::new();
        let dice = Dice::new(seed);
        let log = MemoryLog::new(Rc::clone(&dice) as Rc<dyn Yields>);
        let database = Database { log, remote: Rc::default(), dice };
        let old = Rc::new(pool.run_until(database.open()));
        old.ports().log.fail_next(Fault::WrittenUnheard);
        let outcome: Rc<RefCell<Option<Result<String, Error>>>> = Rc::default();
        let heard = Rc::clone(&outcome);
        let writes = async move {
            let written = project(&old, "mine").await;
            heard.replace(Some(written));
        };
        let reads = Rc::new(RefCell::new(Vec::new()));
        let raised = Rc::clone(&reads);
        pool.spawner().spawn_local(writes).unwrap();
        pool.spawner()
            .spawn_local(async move {
                let next = database.open_next(NOW + 1, NOW + 1).await;
                raised.borrow_mut().push(next);
            })
            .unwrap();
        pool.run();
        pool.run_until(async {
            let next = reads.borrow_mut().pop().unwrap();
            next.catch_up().await.unwrap();
            let written = match outcome.borrow_mut().take().unwrap() {
                Ok(_) => 1,
                Err(error) => {
                    assert_eq!(error.code(), "outdated");
                    0
                }
            };
            assert_eq!(next.state().outbox.len(), written, "seed {seed}");
        });
    }
}
