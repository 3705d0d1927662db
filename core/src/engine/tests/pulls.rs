//! What pages and answers tell besides their rows. The pull against a real server is in the server's own tests.

use futures_util::FutureExt;

use super::{
    passes::{Fixture, answer, applied, apply_all, page, row},
    *,
};
use crate::{
    log::entry::{Id, MutationState},
    protocol::{DeletionReason, DeletionRow, OperationResult, Outcome, Rejection},
};

fn expired(upload: &Upload<Value>) -> UploadAnswer<Value> {
    let refuse = |id: &String| {
        let rejection = Rejection { code: "expired".into(), field: None, message: "long ago".into() };
        OperationResult::new(id.clone(), Outcome::Rejected(rejection))
    };
    answer(upload.operations.iter().map(|operation| refuse(&operation.id)).collect())
}

/// A project that was created here and sent, and whose answer was lost; a later change to it waits.
async fn sent_once(fixture: &Fixture) -> String {
    let id = create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
    fixture.push(|_| unreachable());
    fixture.engine.pass_now().await;
    update(&fixture.engine, "projects", &id, json!({ "name": "Pier 2" })).await.unwrap();
    id
}

/// The later change is all that is left, and builds on what the server has.
fn goes_on_from(fixture: &Fixture, version: Option<u64>) {
    let left = fixture.only_mutation();
    assert_eq!((&*left.record_id, left.base_version), ("900", version));
    assert_eq!(view(&fixture.engine, "projects", "900").unwrap()["name"], "Pier 2");
}

#[test]
fn a_create_that_may_be_forgotten_is_settled_by_the_row_that_names_it() {
    for (data, made, version) in
        [(json!({ "name": "Pier" }), 1, Some(1)), (json!({ "name": "theirs" }), 2, None)]
    {
        run(async {
            let fixture = Fixture::new().await;
            let id = sent_once(&fixture).await;
            fixture.push(|upload| Ok(expired(&upload)));
            fixture.empty_pull();
            fixture.engine.pass_now().await;
            let state = fixture.engine.state().outbox.iter().next().unwrap().state;
            assert_eq!(state, MutationState::Rejected, "nothing says what became of it");
            fixture.pull(page(vec![row("projects", "900", made, Some(&id), data)], vec![], "c1"));
            fixture.engine.pass_now().await;
            goes_on_from(&fixture, version);
        });
    }
}

#[test]
fn a_deletion_that_may_be_forgotten_is_settled_by_the_record_being_gone() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        delete(&fixture.engine, "tasks", task).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.engine.pass_now().await;
        fixture.push(|upload| Ok(expired(&upload)));
        let gone = DeletionRow {
            table: "tasks".into(),
            id: task.into(),
            version: 2,
            deleted_at: 5_000,
            created_as: None,
            reason: DeletionReason::Deleted,
        };
        fixture.pull(page(vec![], vec![gone], "c2"));
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.remaining, view(&fixture.engine, "tasks", task)), (0, None));
    });
}

#[test]
fn an_answer_of_another_epoch_says_nothing_of_this_server() {
    run(async {
        let fixture = Fixture::new().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        fixture.push(|upload| {
            let mut late = answer(vec![applied(&upload.operations[0].id, "900", 1)]);
            late.epoch = "e0".into();
            Ok(late)
        });
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        assert_eq!(fixture.only_mutation().state, MutationState::Sending, "it is asked about again");
        fixture.push(apply_all(900));
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        assert_eq!(&*fixture.engine.state().resolve(&Id::from(id.as_str())), "900");
    });
}

#[test]
fn what_an_answer_says_of_a_record_that_a_pull_from_the_beginning_passed_over_is_looked_at_again() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        // The project is created, deleted by somebody else and purged. Another context, which took the lease, pulls everything;
        // only then does the answer come.
        fixture.push(move |upload| {
            let set = crate::pull::Plan::new(other.schema(), None).levels[0][0].clone();
            let submit =
                |command| other.submit(command, Durability::Relaxed).now_or_never().unwrap().unwrap();
            submit(Command::BeginFullPull { set: set.key.clone(), code: "cursor-expired".into() });
            let from = other.state().cursor(&set.key).cloned();
            let page = page(vec![], vec![], "c1");
            assert_eq!(submit(Command::Pull { set, from, heard: 0, page }), Done::Pulled(Some(0)));
            Ok(answer(vec![applied(&upload.operations[0].id, "900", 1)]))
        });
        fixture.script.pulls.borrow_mut().push_back(Box::new(|download| {
            assert_eq!(download.cursor, None, "the answer is older than the pull");
            Ok(page(vec![], vec![], "c1"))
        }));
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
        assert_eq!(view(&fixture.engine, "projects", "900"), None);
    });
}

#[test]
fn a_first_page_that_another_releases_rows_have_overtaken_is_asked_for_again() {
    run(async {
        let (log, script, dice) = (MemoryLog::default(), Rc::<Script>::default(), Dice::new(5));
        let engine = open(&log, &script, &dice).await;
        let other = open(&log, &script, &dice).await;
        // While the page is under way, another release pulls what a server has that is restored then: its set has another key.
        script.pulls.borrow_mut().push_back(Box::new(move |_| {
            let mut set = crate::pull::Plan::new(other.schema(), None).levels[0][0].clone();
            set.key = format!("{},of the other", set.key).as_str().into();
            let rows = page(vec![row("projects", "1", 1, None, json!({ "name": "of then" }))], vec![], "c9");
            let command = Command::Pull { set, from: None, heard: 0, page: rows };
            let done = other.submit(command, Durability::Relaxed).now_or_never().unwrap().unwrap();
            assert_eq!(done, Done::Pulled(Some(1)));
            Ok(page(vec![], vec![], "c1"))
        }));
        script.pulls.borrow_mut().push_back(Box::new(|download| {
            assert_eq!(download.cursor, None);
            Ok(page(vec![], vec![], "c1"))
        }));
        assert_eq!(engine.pass_now().await.error, None);
        assert_eq!(view(&engine, "projects", "1"), None);
        assert!(script.pulls.borrow().is_empty());
    });
}

#[test]
fn a_page_that_is_not_the_next_one_any_more_is_passed_over() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.with_task().await;
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        // While the first one waits for its page, another context takes that page and the next.
        let engine = Rc::clone(&other);
        fixture.script.pulls.borrow_mut().push_back(Box::new(move |_| {
            let newer = vec![row("projects", "1", 3, None, json!({ "name": "third" }))];
            let set = crate::pull::Plan::new(engine.schema(), None).levels[0][0].clone();
            let from = engine.state().cursor(&set.key).cloned();
            let command = Command::Pull { set, from, heard: 0, page: page(newer, Vec::new(), "c3") };
            let done = engine.submit(command, Durability::Relaxed).now_or_never().unwrap().unwrap();
            assert_eq!(done, Done::Pulled(Some(1)));
            Ok(page(vec![row("projects", "1", 2, None, json!({ "name": "second" }))], vec![], "c2"))
        }));
        fixture.script.pulls.borrow_mut().push_back(Box::new(|download| {
            assert_eq!(download.cursor.as_deref(), Some("c3"), "from where the cursor is");
            Ok(page(vec![], vec![], "c3"))
        }));
        assert_eq!(fixture.engine.pass_now().await.error, None);
        assert_eq!(view(&fixture.engine, "projects", "1").unwrap()["name"], "third");
    });
}

#[test]
fn the_servers_clock_is_measured_kept_and_measured_anew_when_the_devices_jumps() {
    run(async {
        let fixture = Fixture::new().await;
        let clock = &fixture.engine.ports().clock;
        let is_at = |engine: &Engine<World>, server_time: u64| {
            let estimated = i128::from(clock.now_ms()) + i128::from(engine.status().clock_offset_ms.unwrap());
            estimated.abs_diff(server_time.into()) < 100
        };
        assert!(is_at(&fixture.engine, 6_000));
        let before = fixture.log.text();
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        assert_eq!(fixture.log.text(), before, "kept, and not written again");
        let late = open(&fixture.log, &fixture.script, &fixture.dice).await;
        assert_eq!(
            late.clock_offset_ms().unwrap() / 1_000,
            fixture.engine.clock_offset_ms().unwrap() / 1_000
        );
        for jump in [86_400_000, 3_600_000] {
            clock.set_back(jump);
            assert!(!is_at(&fixture.engine, 6_000));
            fixture.empty_pull();
            fixture.engine.pass_now().await;
            assert!(is_at(&fixture.engine, 6_000), "by the next answer");
        }
    });
}
