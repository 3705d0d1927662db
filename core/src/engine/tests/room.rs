//! A device that is full still gets rid of what it has to send.

use super::{passes::*, *};
use crate::{log::memory::Fault, ports::Log};

/// What users may still write in [`nearly_full`], in bytes.
const SPARE: u64 = 40_000;
/// What was pulled there, in bytes.
const PULLED: u64 = 1_500_000;

/// A context that opens on a store most of which is taken by what was pulled.
async fn nearly_full() -> Fixture {
    let fixture = Fixture::new().await;
    let text = "x".repeat(1_600);
    let mut pages = 0;
    while fixture.log.usage() < PULLED {
        let asset = |n| row("assets", &format!("{n}"), 1, None, json!({ "name": format!("{n}{text}") }));
        let rows = (pages * 20..(pages + 1) * 20).map(asset).collect();
        pages += 1;
        fixture.pull(page(rows, Vec::new(), &format!("c{pages}")));
        assert_eq!(fixture.engine.pass_now().await.error, None);
        assert!(fixture.engine.compact().await.unwrap());
    }
    for _ in 0..10 {
        // What was deleted comes back.
        fixture.log.room().await.unwrap();
    }
    fixture.log.set_quota(Some((fixture.log.usage() + SPARE) * 10 / 9));
    let engine = open(&fixture.log, &fixture.script, &fixture.dice).await;
    engine.load_tables(&["assets".into()]).await.unwrap();
    Fixture { engine, ..fixture }
}

/// Writes projects until one is refused; how many were taken.
async fn fill(fixture: &Fixture, text: &str) -> usize {
    for count in 0.. {
        match create(&fixture.engine, "projects", json!({ "name": format!("{text}{count}") })).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, Error::QuotaExceeded);
                return count;
            }
        }
    }
    unreachable!()
}

/// Fills all that users may: smaller ones fill what larger ones left, and what a compaction freed comes back late.
async fn fill_up(fixture: &Fixture) {
    assert!(fill(fixture, &"x".repeat(500)).await > 30);
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 8 {
        refused_in_a_row = if fill(fixture, "").await == 0 { refused_in_a_row + 1 } else { 0 };
    }
}

/// What is to be held back, and what is left in all.
async fn reserve_and_left(fixture: &Fixture) -> (u64, u64) {
    let room = fixture.log.room().await.unwrap().unwrap();
    (room.quota / 10, room.quota - room.usage)
}

/// The remote applies what it is sent, in however many batches.
fn answer_all(fixture: &Fixture) {
    for batch in 0..500 {
        fixture.push(apply_all(10_000 + batch * 50));
    }
}

#[test]
fn users_are_refused_before_the_store_is_full_and_the_outbox_still_drains() {
    run(async {
        let fixture = nearly_full().await;
        fill_up(&fixture).await;
        let (reserve, left) = reserve_and_left(&fixture).await;
        let mappings = fixture.engine.state().outbox.len() as u64 * 200;
        assert!(left >= reserve && left < reserve + mappings + 5_000, "{left} {reserve}");

        let (before, text) = (fixture.engine.state().export(), fixture.log.text());
        assert_eq!(create(&fixture.engine, "assets", json!({ "name": "" })).await, Err(Error::QuotaExceeded));
        let after = fixture.engine.state().export();
        assert!(after == before && fixture.log.text() == text, "nothing of it is left");

        answer_all(&fixture);
        let rows = vec![row("steps", "9", 1, None, json!({ "project_id": "1", "name": "pulled" }))];
        fixture.pull(page(rows, Vec::new(), "c2"));
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.remaining, report.error.unwrap().code.as_str()), (0, "quota-exceeded"));
        assert!(fixture.engine.state().table("steps").is_none_or(crate::table::Table::is_empty));
        // By now there is something to gain by a compaction; what it frees comes back late.
        let mut tries = 0;
        while create(&fixture.engine, "projects", json!({ "name": "again" })).await.is_err() {
            tries += 1;
            assert!(tries < 8);
        }
    });
}

#[test]
fn a_compaction_makes_room_before_a_write_is_refused() {
    run(async {
        let fixture = nearly_full().await;
        // One record, changed again and again: nearly all of what is written is of the past.
        let id = create(&fixture.engine, "projects", json!({ "name": "p" })).await.unwrap();
        let notes = "x".repeat(5_000);
        let (mut written, mut refused_in_a_row) = (0, 0);
        for round in 0..300 {
            let changes = json!({ "name": format!("{round}{notes}") });
            match update(&fixture.engine, "projects", &id, changes).await {
                Ok(()) => (written, refused_in_a_row) = (written + 1, 0),
                Err(error) => {
                    assert_eq!(error, Error::QuotaExceeded);
                    refused_in_a_row += 1;
                    assert!(
                        refused_in_a_row < 5,
                        "in round {round}: what was freed comes back late, and is found"
                    );
                }
            }
        }
        // Six times what there was room for.
        assert!(written > 200, "{written}");
        let fresh = open(&fixture.log, &fixture.script, &fixture.dice).await;
        let tables = ["projects".into(), "assets".into()];
        fresh.load_tables(&tables).await.unwrap();
        fixture.engine.load_tables(&tables).await.unwrap();
        fixture.engine.catch_up().await.unwrap();
        assert!(fresh.state().export() == fixture.engine.state().export());
    });
}

#[test]
fn what_is_too_large_for_what_is_left_is_refused_whole_and_the_small_is_taken() {
    run(async {
        let Fixture { engine, .. } = nearly_full().await;
        let large = json!({ "name": "x".repeat(usize::try_from(SPARE * 2).unwrap()) });
        assert_eq!(create(&engine, "projects", large).await, Err(Error::QuotaExceeded));
        assert!(engine.state().outbox.is_empty());
        create(&engine, "projects", json!({ "name": "small" })).await.unwrap();
        assert_eq!(engine.state().outbox.len(), 1);
    });
}

#[test]
fn an_answer_is_not_refused_with_the_write_that_waits_beside_it() {
    run(async {
        let fixture = nearly_full().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "p" })).await.unwrap();
        let mutation = fixture.only_mutation().id.clone();
        let send = Command::Send { mutations: vec![mutation.clone()] };
        fixture.engine.submit(send, Durability::Strict).await.unwrap();
        fill_up(&fixture).await;
        let answered = crate::decide::Answer {
            epoch: "e1".into(),
            server_time: 5_000,
            results: vec![applied(&mutation, "77", 1)],
            beginnings: 0,
        };
        let gate = fixture.engine.gate.lock().await;
        let (write, answer, ()) = futures_util::future::join3(
            create(&fixture.engine, "assets", json!({ "name": "refused" })),
            fixture.engine.submit(Command::Answer { answer: answered }, Durability::Relaxed),
            async { drop(gate) },
        )
        .await;
        assert_eq!(write, Err(Error::QuotaExceeded));
        assert!(matches!(answer, Ok(Done::Answered(_))), "{answer:?}");
        assert_eq!(&*fixture.engine.state().resolve(&id.as_str().into()), "77");
    });
}

#[test]
fn where_the_room_is_unknown_nothing_is_held_back_and_a_full_store_compacts_first() {
    run(async {
        let fixture = Fixture::new().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "p" })).await.unwrap();
        for n in 0..10 {
            update(&fixture.engine, "projects", &id, json!({ "name": format!("{n}") })).await.unwrap();
        }
        fixture.engine.ports().log.fail_next(Fault::Quota);
        create(&fixture.engine, "projects", json!({ "name": "there was something to gain" })).await.unwrap();
        // Nothing came since: another compaction promises nothing.
        fixture.engine.ports().log.fail_next(Fault::Quota);
        let refused = create(&fixture.engine, "projects", json!({ "name": "refused" })).await;
        assert_eq!(refused, Err(Error::QuotaExceeded));
        create(&fixture.engine, "projects", json!({ "name": "and goes on" })).await.unwrap();
        assert_eq!(fixture.engine.state().outbox.len(), 3);
    });
}

#[test]
fn a_discard_needs_no_room_of_the_users() {
    run(async {
        let fixture = nearly_full().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "p" })).await.unwrap();
        let mutation = fixture.only_mutation().id.clone();
        fill_up(&fixture).await;
        fixture
            .engine
            .submit(Command::Discard { mutation, cascade: false }, Durability::Relaxed)
            .await
            .unwrap();
        assert!(view(&fixture.engine, "projects", &id).is_none());
    });
}
