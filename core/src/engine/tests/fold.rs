//! The same log, the same state: whoever wrote it, however it was interleaved, split and compacted.

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;

use super::*;

const ALL: [&str; 4] = ["assets", "projects", "steps", "tasks"];

async fn load_all(engine: &Engine<World>) {
    let all: Vec<_> = ALL.iter().map(|&table| table.into()).collect();
    engine.load_tables(&all).await.unwrap();
}

/// One context at work: writes at random, compacts now and then, sleeps through what others do.
async fn work(engine: Rc<Engine<World>>, dice: Rc<Dice>, steps: u32, acknowledged: Rc<RefCell<Vec<String>>>) {
    for step in 0..steps {
        match dice.roll(12) {
            0 => {
                engine.compact().await.unwrap();
            }
            1 => engine.catch_up().await.unwrap(),
            2 => load_all(&engine).await,
            3 | 4 => {
                let known: Vec<String> = acknowledged.borrow().clone();
                if !known.is_empty() {
                    let id = &known[usize::try_from(dice.roll(known.len() as u64)).unwrap()];
                    update(&engine, "projects", id, json!({ "name": format!("changed {step}") }))
                        .await
                        .unwrap();
                }
            }
            _ => {
                let name = format!("{step}-{}", dice.bits());
                let id = create(&engine, "projects", json!({ "name": name })).await.unwrap();
                acknowledged.borrow_mut().push(id);
            }
        }
    }
}

#[test]
fn contexts_that_write_and_compact_at_once_agree_and_lose_nothing() {
    for seed in 0..60 {
        let mut pool = LocalPool::new();
        let dice = Dice::new(seed);
        let log = MemoryLog::new(Rc::clone(&dice) as Rc<dyn Yields>);
        let remote = Rc::default();
        let acknowledged: Rc<RefCell<Vec<String>>> = Rc::default();
        let engines: Vec<_> = (0..3).map(|_| pool.run_until(open(&log, &remote, &dice))).collect();
        for engine in &engines {
            let task = work(Rc::clone(engine), Rc::clone(&dice), 40, Rc::clone(&acknowledged));
            pool.spawner().spawn_local(task).unwrap();
        }
        pool.run();
        pool.run_until(async {
            let fresh = open(&log, &remote, &dice).await;
            load_all(&fresh).await;
            let expected = fresh.state().export();
            for engine in &engines {
                load_all(engine).await;
                engine.catch_up().await.unwrap();
                assert_eq!(engine.state().export(), expected, "seed {seed}");
            }
            let ids = acknowledged.borrow();
            let state = fresh.state();
            assert_eq!(state.outbox.len(), ids.len(), "seed {seed}: none lost, none doubled");
            assert!(ids.iter().all(|id| state.record("projects", id).is_some()), "seed {seed}");
        });
    }
}

#[test]
fn a_reader_and_a_writer_that_slept_through_two_compactions_catch_up() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(9));
        let awake = open(&log, &remote, &dice).await;
        let reader = open(&log, &remote, &dice).await;
        let writer = open(&log, &remote, &dice).await;
        load_all(&reader).await;
        load_all(&writer).await;
        for round in 0..3 {
            for n in 0..5 {
                create(&awake, "projects", json!({ "name": format!("{round}.{n}") })).await.unwrap();
            }
            assert!(awake.compact().await.unwrap());
        }
        reader.catch_up().await.unwrap();
        create(&writer, "projects", json!({ "name": "late" })).await.unwrap();
        load_all(&awake).await;
        for engine in [&awake, &reader, &writer] {
            engine.catch_up().await.unwrap();
        }
        assert_eq!(reader.state().export(), awake.state().export());
        assert_eq!(writer.state().export(), awake.state().export());
        assert_eq!(awake.state().outbox.len(), 16);
    });
}

#[test]
fn a_record_that_left_does_not_come_back_from_an_older_segment() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(2));
        let engine = open(&log, &remote, &dice).await;
        let mut ids = Vec::new();
        for n in 0..60 {
            ids.push(create(&engine, "projects", json!({ "name": format!("{n}") })).await.unwrap());
        }
        engine.compact().await.unwrap();
        delete(&engine, "projects", &ids[30]).await.unwrap();
        for _ in 0..2 {
            engine.compact().await.unwrap();
            create(&engine, "assets", json!({ "name": "x" })).await.unwrap();
        }
        let fresh = open(&log, &remote, &dice).await;
        fresh.load_tables(&["projects".into()]).await.unwrap();
        assert_eq!(fresh.state().table("projects").unwrap().len(), 59);
        assert!(fresh.state().record("projects", &ids[30]).is_none());
    });
}

#[test]
fn a_mutation_that_took_the_place_of_one_that_is_gone_is_there_after_a_load() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(2));
        let engine = open(&log, &remote, &dice).await;
        for n in 0..20 {
            create(&engine, "projects", json!({ "name": format!("{n}") })).await.unwrap();
        }
        let last = create(&engine, "assets", json!({ "name": "gone" })).await.unwrap();
        engine.compact().await.unwrap();
        delete(&engine, "assets", &last).await.unwrap();
        // So that the new mutation's id lies before that of the one that is gone.
        engine.ports().clock.set_back(60_000);
        create(&engine, "assets", json!({ "name": "there" })).await.unwrap();
        engine.compact().await.unwrap();
        let fresh = open(&log, &remote, &dice).await;
        load_all(&fresh).await;
        load_all(&engine).await;
        assert_eq!(fresh.state().outbox.len(), 21);
        assert!(fresh.state().export() == engine.state().export());
    });
}

#[test]
fn a_gap_in_the_log_is_noticed_and_nothing_more_is_written() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(9));
        let engine = open(&log, &remote, &dice).await;
        for name in ["a", "b", "c"] {
            create(&engine, "projects", json!({ "name": name })).await.unwrap();
        }
        log.lose(3);
        let error = Engine::open(world(&log, &remote, &dice), schema(), identity()).await.err().unwrap();
        assert_eq!(error.code(), "corrupt");
        let text = log.text();
        assert_eq!(
            create(&engine, "projects", json!({ "name": "d" })).await.map_err(|error| error.code()).err(),
            None
        );
        assert_ne!(log.text(), text, "a context that had read all of it goes on");
    });
}
