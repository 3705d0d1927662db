//! Passes against a remote that does what the test says.

use super::*;
use crate::{
    log::entry::{Id, MutationState},
    protocol::{
        Applied, DeletionReason, DeletionRow, EntityRow, OperationResult, Outcome, Rejection, Theirs,
    },
};

pub(super) fn answer(results: Vec<OperationResult<Value>>) -> UploadAnswer<Value> {
    UploadAnswer { protocol: 1, epoch: "e1".into(), server_time: 6_000, results, id_mappings: Vec::new() }
}

pub(super) fn applied(id: &str, record_id: &str, version: u64) -> OperationResult<Value> {
    let applied = Applied { record_id: record_id.into(), version, updated_at: 4_000 + version, record: None };
    OperationResult::new(id.into(), Outcome::Applied(applied))
}

pub(super) fn page(
    entities: Vec<EntityRow<Value>>,
    deletions: Vec<DeletionRow>,
    cursor: &str,
) -> Page<Value> {
    Page {
        entities,
        deletions,
        cursor: cursor.into(),
        has_more: false,
        epoch: "e1".into(),
        horizon: 0,
        server_time: 6_000,
    }
}

pub(super) fn row(
    table: &str,
    id: &str,
    version: u64,
    created_as: Option<&str>,
    data: Value,
) -> EntityRow<Value> {
    EntityRow {
        table: table.into(),
        id: id.into(),
        version,
        updated_at: 4_000 + version,
        created_as: created_as.map(Into::into),
        data,
    }
}

/// Gives every create of an upload the next number as its id, and applies everything.
pub(super) fn apply_all(
    first_id: u64,
) -> impl FnOnce(Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
    move |upload| {
        let mut next = first_id;
        let results = upload.operations.iter().map(|operation| {
            let id = if crate::ids::is_temporary(&operation.record_id) {
                next += 1;
                (next - 1).to_string()
            } else {
                operation.record_id.clone()
            };
            applied(&operation.id, &id, operation.base_version.unwrap_or(0) + 1)
        });
        Ok(answer(results.collect()))
    }
}

pub(super) struct Fixture {
    pub(super) log: MemoryLog<Value>,
    pub(super) script: Rc<Script>,
    pub(super) dice: Rc<Dice>,
    pub(super) engine: Rc<Engine<World>>,
}

impl Fixture {
    /// A device that has pulled once: it knows what time it is at the server, so it may send.
    pub(super) async fn new() -> Self {
        let (log, script, dice) = (MemoryLog::default(), Rc::<Script>::default(), Dice::new(5));
        let engine = open(&log, &script, &dice).await;
        let fixture = Self { log, script, dice, engine };
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.error, None);
        fixture
    }

    pub(super) fn push(
        &self,
        answer: impl FnOnce(Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> + 'static,
    ) {
        self.script.pushes.borrow_mut().push_back(Box::new(answer));
    }

    pub(super) fn pull(&self, page: Page<Value>) {
        self.script.pulls.borrow_mut().push_back(Box::new(move |_| Ok(page)));
    }

    pub(super) fn empty_pull(&self) {
        self.pull(page(Vec::new(), Vec::new(), "c0"));
    }

    /// A task that both sides have at version 1.
    pub(super) async fn with_task(&self) -> &'static str {
        let rows = vec![
            row("projects", "1", 1, None, json!({ "name": "p" })),
            row("steps", "2", 1, None, json!({ "project_id": "1", "name": "s" })),
            row("tasks", "77", 1, None, json!({ "step_id": "2", "title": "Splice", "status": "open" })),
        ];
        self.pull(page(rows, Vec::new(), "c1"));
        let report = self.engine.pass_now().await;
        assert_eq!((report.pulled, report.error), (3, None));
        "77"
    }

    pub(super) fn only_mutation(&self) -> Rc<crate::log::entry::Mutation<Value>> {
        let state = self.engine.state();
        assert_eq!(state.outbox.len(), 1);
        state.outbox.iter().next().unwrap().clone()
    }
}

#[test]
fn what_was_marked_goes_again_only_with_what_it_needs() {
    run(async {
        let Fixture { engine, .. } = Fixture::new().await;
        let project = create(&engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        create(&engine, "steps", json!({ "project_id": project, "name": "Pull" })).await.unwrap();
        let both: Vec<Id> = engine.state().outbox.iter().map(|mutation| mutation.id.clone()).collect();
        let send = async |mutations: &[Id]| {
            let command = Command::Send { mutations: mutations.to_vec() };
            engine.submit(command, Durability::Strict).await.unwrap()
        };
        assert_eq!(send(&both).await, Done::Marked(both.clone()));
        // As when what it needs was sent anew under another id, after this was asked for.
        assert_eq!(send(&both[1..]).await, Done::Marked(Vec::new()));
        assert_eq!(send(&both).await, Done::Marked(both.clone()));
    });
}

#[test]
fn what_was_created_offline_is_delivered_and_no_temporary_id_is_left() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let project = create(engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        let step = create(engine, "steps", json!({ "project_id": project, "name": "Pull" })).await.unwrap();
        let task = create(engine, "tasks", json!({ "step_id": step, "title": "Splice" })).await.unwrap();
        fixture.push(apply_all(900));
        fixture.empty_pull();
        let report = engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining, report.error), (3, 0, None));
        let sent = fixture.script.pushed.borrow()[0].clone();
        assert_eq!(sent.operations.len(), 3, "a parent and its children travel together, in order");
        assert_eq!(view(engine, "tasks", "902").unwrap()["step_id"], "901");
        assert_eq!(view(engine, "tasks", "902").unwrap()["_syncStatus"], "synced");
        let old: Id = task.as_str().into();
        assert_eq!(&*engine.state().resolve(&old), "902", "the old id still leads to the record");
        for line in engine.state().export().lines().filter(|line| !line.starts_with("mapping")) {
            assert!(!line.contains("temp_"), "{line}");
        }
        assert!(engine.compact().await.unwrap());
        create(engine, "assets", json!({ "name": "x" })).await.unwrap();
        assert!(engine.compact().await.unwrap());
        assert!(!fixture.log.text().contains("temp_"), "{}", fixture.log.text());
    });
}

#[test]
fn a_table_that_was_not_loaded_takes_the_server_ids_when_it_is() {
    run(async {
        let fixture = Fixture::new().await;
        let project = create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        let step =
            create(&fixture.engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
        fixture.engine.compact().await.unwrap();
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        assert!(!other.state().is_loaded("steps"), "it has segments, and nobody has used it");
        other.load_tables(&["steps".into()]).await.unwrap();
        fixture.push(apply_all(900));
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        other.catch_up().await.unwrap();
        assert_eq!(view(&other, "steps", "901").unwrap()["project_id"], "900");
        assert!(view(&other, "steps", &step).is_none());
        let late = open(&fixture.log, &fixture.script, &fixture.dice).await;
        late.load_tables(&["steps".into()]).await.unwrap();
        assert_eq!(view(&late, "steps", "901").unwrap()["project_id"], "900");
    });
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.engine.pass_now().await;
        let waiting = fixture.only_mutation();
        assert_eq!((waiting.state, waiting.attempts), (MutationState::Sending, 0));
        fixture.push(apply_all(900));
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining), (1, 0));
        let pushed = fixture.script.pushed.borrow();
        assert_eq!(pushed[0].operations, pushed[1].operations);
    });
}

#[test]
fn a_pull_that_comes_before_the_repeated_answer_brings_the_id_and_settles_the_create() {
    run(async {
        let fixture = Fixture::new().await;
        let id = create(&fixture.engine, "projects", json!({ "name": "Pier" })).await.unwrap();
        let step = create(&fixture.engine, "steps", json!({ "project_id": id, "name": "s" })).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.pull(page(
            vec![row("projects", "900", 1, Some(&id), json!({ "name": "Pier" }))],
            vec![],
            "c1",
        ));
        fixture.engine.pass_now().await;
        assert!(view(&fixture.engine, "projects", &id).is_none());
        assert_eq!(view(&fixture.engine, "projects", "900").unwrap()["_syncStatus"], "synced");
        assert_eq!(view(&fixture.engine, "steps", &step).unwrap()["project_id"], "900");
        fixture.push(|upload| {
            let [step] = &upload.operations[..] else { panic!("{:?}", upload.operations) };
            assert_eq!(step.data.as_ref().unwrap()["project_id"], "900");
            Ok(answer(vec![applied(&step.id, "901", 1)]))
        });
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining), (1, 0));
        assert_eq!(fixture.engine.state().table("projects").unwrap().len(), 1);
    });
}

#[test]
fn what_may_have_been_sent_is_frozen_and_the_next_change_waits_for_its_answer() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        update(&fixture.engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        fixture.push(|_| unreachable());
        fixture.engine.pass_now().await;
        update(&fixture.engine, "tasks", task, json!({ "title": "Splice again" })).await.unwrap();
        assert_eq!(fixture.engine.state().outbox.len(), 2);
        fixture.push(|upload| {
            assert_eq!(upload.operations.len(), 1, "one unanswered mutation per record");
            assert_eq!(upload.operations[0].data, Some(json!({ "status": "done" })));
            apply_all(0)(upload)
        });
        fixture.push(|upload| {
            assert_eq!(upload.operations[0].base_version, Some(2), "the base that the answer made");
            apply_all(0)(upload)
        });
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining), (2, 0));
        let record = view(&fixture.engine, "tasks", task).unwrap();
        assert_eq!((&record["title"], &record["_version"]), (&json!("Splice again"), &json!(3)));
    });
}

#[test]
fn a_pull_keeps_what_is_pending_on_top() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        update(&fixture.engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        fixture.push(|_| {
            Err(RemoteError::Refused {
                status: 503,
                code: "unavailable".into(),
                message: String::new(),
                retry_after_ms: None,
            })
        });
        let theirs = json!({ "step_id": "2", "title": "Splice both", "status": "open" });
        fixture.pull(page(vec![row("tasks", task, 2, None, theirs)], vec![], "c2"));
        fixture.engine.pass_now().await;
        let record = view(&fixture.engine, "tasks", task).unwrap();
        assert_eq!((&record["title"], &record["status"]), (&json!("Splice both"), &json!("done")));
        assert_eq!(record["_syncStatus"], "modified");
    });
}

#[test]
fn a_conflict_parks_the_change_and_discarding_it_leaves_theirs() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        update(&fixture.engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        let theirs =
            row("tasks", task, 4, None, json!({ "step_id": "2", "title": "Splice", "status": "blocked" }));
        fixture.push(move |upload| {
            let outcome = Outcome::Conflict(Theirs::Record(theirs));
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.conflicts, report.remaining), (1, 1));
        assert_eq!(view(&fixture.engine, "tasks", task).unwrap()["_syncStatus"], "conflict");
        let parked = fixture.only_mutation();
        fixture
            .engine
            .submit(Command::Discard { mutation: parked.id.clone(), cascade: false }, Durability::Relaxed)
            .await
            .unwrap();
        let record = view(&fixture.engine, "tasks", task).unwrap();
        assert_eq!((&record["status"], &record["_version"]), (&json!("blocked"), &json!(4)));
        assert_eq!(record["_syncStatus"], "synced");
    });
}

#[test]
fn a_rejected_change_parks_alone_and_a_retry_goes_under_a_new_id() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        update(&fixture.engine, "tasks", task, json!({ "status": "done" })).await.unwrap();
        create(&fixture.engine, "projects", json!({ "name": "other" })).await.unwrap();
        fixture.push(|upload| {
            let results = upload.operations.iter().map(|operation| {
                if operation.table == "tasks" {
                    let rejection = Rejection { code: "forbidden".into(), field: None, message: "no".into() };
                    OperationResult::new(operation.id.clone(), Outcome::Rejected(rejection))
                } else {
                    applied(&operation.id, "900", 1)
                }
            });
            Ok(answer(results.collect()))
        });
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.rejected, report.remaining), (1, 1, 1));
        let parked = fixture.only_mutation();
        assert_eq!(parked.error.as_ref().unwrap().code, "forbidden");
        fixture
            .engine
            .submit(
                Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() },
                Durability::Relaxed,
            )
            .await
            .unwrap();
        let again = fixture.only_mutation();
        assert_ne!(again.id, parked.id);
        assert_eq!(
            (again.state, again.base_version, &again.data),
            (MutationState::Pending, Some(1), &parked.data)
        );
    });
}

#[test]
fn a_deletion_elsewhere_takes_the_record_and_no_older_row_brings_it_back() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let gone = DeletionRow {
            table: "tasks".into(),
            id: task.into(),
            version: 3,
            deleted_at: 5_000,
            created_as: None,
            reason: DeletionReason::Deleted,
        };
        fixture.pull(page(vec![], vec![gone], "c2"));
        fixture.engine.pass_now().await;
        assert!(view(&fixture.engine, "tasks", task).is_none());
        fixture.pull(page(
            vec![row("tasks", task, 2, None, json!({ "step_id": "2", "title": "late" }))],
            vec![],
            "c3",
        ));
        fixture.engine.pass_now().await;
        assert!(view(&fixture.engine, "tasks", task).is_none());
    });
}

#[test]
fn two_that_delete_the_same_record_agree() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        delete(&fixture.engine, "tasks", task).await.unwrap();
        fixture.push(move |upload| {
            let gone = DeletionRow {
                table: "tasks".into(),
                id: task.into(),
                version: 5,
                deleted_at: 5_000,
                created_as: None,
                reason: DeletionReason::Deleted,
            };
            let outcome = Outcome::Conflict(Theirs::Deletion(gone));
            Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
        });
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.conflicts, report.remaining), (1, 0, 0));
        assert_eq!(fixture.engine.state().record("tasks", task).unwrap().version, Some(5));
    });
}

#[test]
fn a_poison_that_breaks_every_request_is_found_and_parked_alone() {
    run(async {
        let fixture = Fixture::new().await;
        for n in 0..8 {
            create(&fixture.engine, "projects", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for _ in 0..20 {
            fixture.push(|upload| {
                if upload.operations.iter().any(|operation| operation.data == Some(json!({ "name": "5" }))) {
                    return Err(RemoteError::Refused {
                        status: 400,
                        code: "malformed-body".into(),
                        message: "cannot be read".into(),
                        retry_after_ms: None,
                    });
                }
                let first = upload.sent_at;
                apply_all(first)(upload)
            });
        }
        fixture.empty_pull();
        let report = fixture.engine.pass_now().await;
        assert_eq!((report.pushed, report.rejected, report.remaining), (7, 1, 1));
        assert_eq!(fixture.only_mutation().data, json!({ "name": "5" }));
    });
}

#[test]
fn a_sign_in_that_is_asked_for_holds_the_queue_and_spends_nothing() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| {
            Err(RemoteError::Refused {
                status: 401,
                code: "unauthenticated".into(),
                message: String::new(),
                retry_after_ms: None,
            })
        });
        fixture.engine.pass_now().await;
        assert_eq!(fixture.engine.status().held, Some(Held::Unauthenticated));
        fixture.engine.pass().await;
        assert_eq!(fixture.script.pushed.borrow().len(), 1, "nothing is sent while it is held");
        assert_eq!(fixture.only_mutation().attempts, 0);
        fixture.push(apply_all(900));
        fixture.empty_pull();
        assert_eq!(fixture.engine.pass_now().await.remaining, 0);
    });
}

#[test]
fn a_cursor_that_expired_leads_to_a_full_pull_that_drops_what_is_no_longer_there() {
    run(async {
        let fixture = Fixture::new().await;
        let task = fixture.with_task().await;
        let unsent = create(&fixture.engine, "assets", json!({ "name": "mine" })).await.unwrap();
        fixture.script.pulls.borrow_mut().push_back(Box::new(|download| {
            assert_eq!(download.cursor.as_deref(), Some("c1"));
            Err(RemoteError::Refused {
                status: 410,
                code: "cursor-expired".into(),
                message: String::new(),
                retry_after_ms: None,
            })
        }));
        fixture.script.pulls.borrow_mut().push_back(Box::new(|download| {
            assert_eq!(download.cursor, None);
            Ok(page(vec![row("projects", "1", 1, None, json!({ "name": "p" }))], vec![], "c9"))
        }));
        fixture.engine.pass_now().await;
        assert!(view(&fixture.engine, "tasks", task).is_none());
        assert!(view(&fixture.engine, "projects", "1").is_some());
        assert!(view(&fixture.engine, "assets", &unsent).is_some(), "what is unsent stays");
    });
}

#[test]
fn a_clock_that_is_set_back_holds_no_request_back() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| {
            Err(RemoteError::Refused {
                status: 503,
                code: "unavailable".into(),
                message: String::new(),
                retry_after_ms: Some(60_000),
            })
        });
        fixture.engine.pass().await;
        fixture.engine.pass().await;
        assert_eq!(fixture.script.pushed.borrow().len(), 1, "the server asked for a pause");
        fixture.engine.network_returned();
        fixture.engine.pass().await;
        assert_eq!(fixture.script.pushed.borrow().len(), 1, "a network that returns does not end that");
        fixture.engine.ports().clock.set_back(86_400_000);
        fixture.push(apply_all(900));
        fixture.empty_pull();
        fixture.engine.pass().await;
        assert!(fixture.engine.state().outbox.is_empty());
    });
}

#[test]
fn what_failed_for_want_of_a_network_is_tried_when_it_returns() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        for _ in 0..12 {
            fixture.engine.network_returned();
            fixture.engine.pass().await;
        }
        assert_eq!(fixture.script.pushed.borrow().len(), 12);
        fixture.engine.network_returned();
        fixture.push(apply_all(900));
        fixture.empty_pull();
        fixture.engine.pass().await;
        assert!(fixture.engine.state().outbox.is_empty());
    });
}

#[test]
fn a_pull_that_brings_nothing_writes_nothing() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.with_task().await;
        let before = fixture.engine.ports().log.appends();
        for minute in 1..5 {
            let mut same = page(vec![], vec![], "c1");
            same.server_time += minute * 60_000;
            fixture.engine.ports().clock.set_forward(60_000);
            fixture.pull(same);
            assert_eq!(fixture.engine.pass_now().await.error, None);
        }
        assert_eq!(fixture.engine.ports().log.appends(), before);
        let mut later = page(vec![], vec![], "c1");
        later.server_time += 7_200_000;
        fixture.engine.ports().clock.set_forward(6_960_000);
        fixture.pull(later);
        fixture.engine.pass_now().await;
        assert_eq!(fixture.engine.ports().log.appends(), before + 1, "the time, once in a while");
    });
}
