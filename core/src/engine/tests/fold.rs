//! The same log, the same state: whoever wrote it, however it was interleaved, split and compacted.

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;

use super::{passes::apply_all, *};
use crate::log::memory::Fault;

const ALL: [&str; 4] = ["assets", "projects", "steps", "tasks"];

async fn load_all(engine: &Engine<World>) {
    let all: Vec<_> = ALL.iter().map(|&table| table.into()).collect();
    engine.load_tables(&all).await.unwrap();
}

/// One context at work: writes at random, compacts now and then, sleeps through what others do.
async fn work(engine: Rc<Engine<World>>, dice: Rc<Dice>, steps: u32, acknowledged: Rc<RefCell<Vec<String>>>) {
    for step in 0..steps {
        if dice.roll(6) == 0 {
            let fault = if dice.roll(2) == 0 { Fault::WrittenUnheard } else { Fault::LostUnheard };
            engine.ports().log.fail_next(fault);
        }
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
                    // Three appends in a row may have been lost.
                    let _ =
                        update(&engine, "projects", id, json!({ "name": format!("changed {step}") })).await;
                }
            }
            _ => {
                let name = format!("{step}-{}", dice.bits());
                match create(&engine, "projects", json!({ "name": name })).await {
                    Ok(id) => acknowledged.borrow_mut().push(id),
                    // Three appends in a row of which nothing was heard, and none of which is there.
                    Err(error) => assert_eq!(error.code(), "storage-unavailable"),
                }
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

/// Work of every kind in one context: children of what others made, passes that bring mappings, compactions, late loads.
async fn mixed_work(
    engine: Rc<Engine<World>>,
    dice: Rc<Dice>,
    steps: u32,
    made: Rc<RefCell<Vec<[String; 2]>>>,
) {
    let pick = |table: &str| -> Option<String> {
        let made = made.borrow();
        let of_table: Vec<&String> = made.iter().filter(|[of, _]| of == table).map(|[_, id]| id).collect();
        let at = usize::try_from(dice.roll(of_table.len().max(1) as u64)).unwrap();
        of_table.get(at).map(|id| (*id).clone())
    };
    let keep = |table: &str, id: Result<String, Error>| {
        if let Ok(id) = id {
            made.borrow_mut().push([table.to_owned(), id]);
        }
    };
    for step in 0..steps {
        match dice.roll(14) {
            0 | 1 => {
                engine.compact().await.unwrap();
            }
            2 => engine.catch_up().await.unwrap(),
            3 => {
                let table = ALL[usize::try_from(dice.roll(4)).unwrap()];
                engine.load_tables(&[table.into()]).await.unwrap();
            }
            4 | 5 => {
                let script = Rc::clone(&engine.ports().remote);
                // Half of the answers are lost: the server has it, and says so again.
                if dice.roll(2) == 0 {
                    let answer = apply_all(1_000 * u64::from(step) + 100_000 * (dice.bits() % 1_000_000));
                    script.pushes.borrow_mut().push_back(Box::new(answer));
                }
                engine.pass_now().await;
            }
            6 | 7 => keep("projects", create(&engine, "projects", json!({ "name": step.to_string() })).await),
            8 | 9 => {
                let Some(project) = pick("projects") else { continue };
                let record = json!({ "project_id": project, "name": "s" });
                keep("steps", create(&engine, "steps", record).await);
            }
            10 | 11 => {
                let Some(parent) = pick("steps") else { continue };
                let record = json!({ "step_id": parent, "title": "t", "status": "open" });
                keep("tasks", create(&engine, "tasks", record).await);
            }
            12 => {
                let Some(task) = pick("tasks") else { continue };
                // Deleted meanwhile, perhaps.
                let _ = update(&engine, "tasks", &task, json!({ "status": step.to_string() })).await;
            }
            _ => {
                let table = if dice.roll(2) == 0 { "tasks" } else { "steps" };
                let Some(id) = pick(table) else { continue };
                let _ = delete(&engine, table, &id).await;
            }
        }
    }
}

#[test]
fn any_split_into_segments_and_log_and_any_order_of_loading_is_the_same_state() {
    for seed in 0..40 {
        let mut pool = LocalPool::new();
        let dice = Dice::new(1_000 + seed);
        let log = MemoryLog::new(Rc::clone(&dice) as Rc<dyn Yields>);
        let remote: Rc<Script> = Rc::default();
        let made: Rc<RefCell<Vec<[String; 2]>>> = Rc::default();
        let engines: Vec<_> = (0..3).map(|_| pool.run_until(open(&log, &remote, &dice))).collect();
        for engine in &engines {
            let task = mixed_work(Rc::clone(engine), Rc::clone(&dice), 30, Rc::clone(&made));
            pool.spawner().spawn_local(task).unwrap();
        }
        pool.run();
        pool.run_until(async {
            let reference = open(&log, &remote, &dice).await;
            load_all(&reference).await;
            let expected = reference.state().export();
            for engine in &engines {
                load_all(engine).await;
                engine.catch_up().await.unwrap();
                assert!(engine.state().export() == expected, "seed {seed}: a context that was there");
            }
            // Tables one by one, in any order, while the log becomes segments under the reader.
            for round in 0..3 {
                let late = open(&log, &remote, &dice).await;
                let mut tables = ALL.to_vec();
                for at in (1..tables.len()).rev() {
                    tables.swap(at, usize::try_from(dice.roll(at as u64 + 1)).unwrap());
                }
                for table in tables {
                    late.load_tables(&[table.into()]).await.unwrap();
                    if dice.roll(2) == 0 {
                        engines[0].compact().await.unwrap();
                    }
                }
                late.catch_up().await.unwrap();
                assert!(late.state().export() == expected, "seed {seed}: loaded late, round {round}");
            }
            // One record alone reads as it does among all others.
            let made = made.take();
            for [table, id] in &made {
                let late = open(&log, &remote, &dice).await;
                let alone = late.view(&table.as_str().into(), &id.as_str().into()).await.unwrap();
                let resolved = reference.state().resolve(&id.as_str().into());
                assert_eq!(alone, view(&reference, table, &resolved), "seed {seed}: {table} {id}");
                if dice.roll(4) == 0 {
                    engines[1].compact().await.unwrap();
                }
            }
            // Once mapped, no foreign key holds the temporary id, whoever wrote it and wherever it lay.
            let state = reference.state();
            for (table, field) in [("steps", "project_id"), ("tasks", "step_id")] {
                for (id, record) in state.table(table).into_iter().flat_map(crate::table::Table::iter) {
                    let Some(parent) = record.data[field].as_str() else { continue };
                    assert_eq!(&*state.resolve(&parent.into()), parent, "seed {seed}: {table} {id}");
                }
            }
        });
    }
}

#[test]
fn a_reader_that_lags_by_one_compaction_reads_on_and_one_that_lags_by_two_loads_anew() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(9));
        let awake = open(&log, &remote, &dice).await;
        let reader = open(&log, &remote, &dice).await;
        load_all(&reader).await;
        for (compactions, loads_anew) in [(1, false), (2, true)] {
            create(&awake, "projects", json!({ "name": "seen" })).await.unwrap();
            reader.catch_up().await.unwrap();
            let before = reader.ports().log.loads();
            for n in 0..compactions {
                create(&awake, "projects", json!({ "name": format!("{n}") })).await.unwrap();
                assert!(awake.compact().await.unwrap());
            }
            create(&awake, "projects", json!({ "name": "after" })).await.unwrap();
            reader.catch_up().await.unwrap();
            assert_eq!(reader.ports().log.loads() > before, loads_anew, "{compactions}");
            load_all(&awake).await;
            assert!(reader.state().export() == awake.state().export());
        }
    });
}

#[test]
fn of_two_compactions_of_one_log_the_later_changes_nothing() {
    for seed in 0..20 {
        let mut pool = LocalPool::new();
        let dice = Dice::new(seed);
        let log = MemoryLog::new(Rc::clone(&dice) as Rc<dyn Yields>);
        let remote = Rc::default();
        let engines: Vec<_> = (0..3).map(|_| pool.run_until(open(&log, &remote, &dice))).collect();
        pool.run_until(async {
            for n in 0..20 {
                create(&engines[n % 3], "projects", json!({ "name": format!("{n}") })).await.unwrap();
            }
        });
        let swapped: Rc<Cell<usize>> = Rc::default();
        for engine in &engines {
            let (engine, swapped) = (Rc::clone(engine), Rc::clone(&swapped));
            pool.spawner()
                .spawn_local(async move {
                    if engine.compact().await.unwrap() {
                        swapped.set(swapped.get() + 1);
                    }
                })
                .unwrap();
        }
        pool.run();
        // One of them, or others that began after it was done.
        assert!(swapped.get() >= 1, "seed {seed}");
        pool.run_until(async {
            let fresh = open(&log, &remote, &dice).await;
            load_all(&fresh).await;
            load_all(&engines[0]).await;
            engines[0].catch_up().await.unwrap();
            assert!(fresh.state().export() == engines[0].state().export(), "seed {seed}");
            assert_eq!(fresh.state().outbox.len(), 20, "seed {seed}");
        });
    }
}

#[test]
fn a_lost_entry_is_noticed_though_one_that_lost_the_race_against_it_takes_its_place() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(9));
        let (engine, racer) = (open(&log, &remote, &dice).await, open(&log, &remote, &dice).await);
        create(&engine, "projects", json!({ "name": "lost" })).await.unwrap();
        let lost = engine.state().head.key;
        // Its first try names the same entry before it, and is void.
        create(&racer, "projects", json!({ "name": "raced" })).await.unwrap();
        log.lose(lost);
        let opened = Engine::open(world(&log, &remote, &dice), schema(), identity()).await;
        assert_eq!(opened.err().unwrap().code(), "corrupt");
    });
}

#[test]
fn a_lost_tail_leaves_a_valid_chain_and_whoever_had_read_it_says_so() {
    run(async {
        let log = MemoryLog::default();
        let (remote, dice) = (Rc::default(), Dice::new(9));
        let engine = open(&log, &remote, &dice).await;
        create(&engine, "projects", json!({ "name": "kept" })).await.unwrap();
        let kept = engine.state().head.key;
        create(&engine, "projects", json!({ "name": "lost" })).await.unwrap();
        log.lose(engine.state().head.key);
        // Who comes now cannot tell: that takes a mark outside the store.
        let fresh = open(&log, &remote, &dice).await;
        assert_eq!(fresh.state().head.key, kept);
        // Who was there finds its place gone, and keeps what it has.
        assert_eq!(engine.catch_up().await.unwrap_err().code(), "corrupt");
        assert_eq!(
            create(&engine, "projects", json!({ "name": "on top" })).await.unwrap_err().code(),
            "corrupt"
        );
        assert_eq!(engine.state().outbox.len(), 2);
    });
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
        assert!(
            reader.state().holds_the_same(&awake.state()) && writer.state().holds_the_same(&awake.state())
        );
        assert_eq!(awake.state().outbox.len(), 16);
        create(&writer, "projects", json!({ "name": "later" })).await.unwrap();
        assert!(!writer.state().holds_the_same(&awake.state()), "one of them has not heard of it");
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
