//! Whether sync is well: told truly, in every context.

use futures_executor::LocalPool;
use futures_util::task::LocalSpawnExt;

use super::{
    passes::{Fixture, answer, apply_all, page},
    *,
};
use crate::{
    activity::What,
    engine::{Health, QUIET_MS_MAX, Reason, Stuck, Why},
    protocol::{OperationResult, Outcome, Rejection},
};

fn why(health: &Health) -> Option<Why> {
    health.stuck.as_ref().map(|stuck| stuck.why.clone())
}

fn refused(status: u16, code: &str, retry_after_ms: Option<u64>) -> RemoteError {
    RemoteError::Refused { status, code: code.into(), message: String::new(), retry_after_ms }
}

fn reject(upload: Upload<Value>) -> UploadAnswer<Value> {
    let rejection = Rejection { code: "forbidden".into(), field: None, message: "no".into() };
    let results = upload.operations.into_iter();
    answer(results.map(|o| OperationResult::new(o.id, Outcome::Rejected(rejection.clone()))).collect())
}

/// A context that syncs, and another one of the same database that never does.
struct Two {
    fixture: Fixture,
    other: Rc<Engine<World>>,
}

impl Two {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let other = open(&fixture.log, &fixture.script, &fixture.dice).await;
        Self { fixture, other }
    }

    fn pass_time(&self, ms: u64) {
        self.fixture.engine.ports().clock.pass(ms);
        self.other.ports().clock.pass(ms);
    }

    /// Both know of all that was written, as they do where they hear of each other.
    async fn told(&self) {
        self.other.catch_up().await.unwrap();
    }

    /// What both say, which is to be the same.
    async fn both(&self) -> Health {
        self.told().await;
        let (here, there) = (self.fixture.engine.health(), self.other.health());
        assert_eq!(here.reasons, there.reasons);
        assert_eq!((here.healthy, here.counts, here.held), (there.healthy, there.counts, there.held));
        assert_eq!(here.per_table, there.per_table);
        assert_eq!(here.oldest.as_ref().map(|o| &o.id), there.oldest.as_ref().map(|o| &o.id));
        here
    }
}

#[test]
fn what_is_pending_is_well_until_the_backoff_is_over_and_then_it_is_not() {
    run(async {
        let two = Two::new().await;
        let engine = &two.fixture.engine;
        assert!(two.both().await.healthy);
        create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        engine.pass().await;
        two.told().await;
        two.pass_time(QUIET_MS_MAX - 1_000);
        let health = two.both().await;
        assert!(health.healthy, "{health:?}");
        assert_eq!(health.oldest.unwrap().age_ms, QUIET_MS_MAX - 1_000);
        two.pass_time(2_000);
        let health = two.both().await;
        assert_eq!((health.healthy, why(&health)), (false, Some(Why::Unreachable)));
        assert_eq!((health.consecutive_failures, health.counts.sending), (1, 1));
        two.fixture.push(apply_all(900));
        two.fixture.empty_pull();
        engine.pass_now().await;
        let health = two.both().await;
        assert!(health.healthy && health.oldest.is_none(), "{health:?}");
        assert_eq!((health.consecutive_failures, health.last_error), (0, None));
        assert!(health.last_success_at.is_some());
        assert_eq!(health.per_table["projects"].pushed, 1);
    });
}

#[test]
fn what_is_written_after_a_long_quiet_time_gets_its_time() {
    run(async {
        let two = Two::new().await;
        let engine = &two.fixture.engine;
        create(engine, "projects", json!({ "name": "refused" })).await.unwrap();
        two.fixture.push(|upload| Ok(reject(upload)));
        two.fixture.empty_pull();
        engine.pass_now().await;
        let parked = two.fixture.only_mutation().record_id.clone();
        create(engine, "steps", json!({ "project_id": &*parked, "name": "blocked" })).await.unwrap();
        two.told().await;
        two.pass_time(86_400_000);
        create(engine, "assets", json!({ "name": "new" })).await.unwrap();
        let health = two.both().await;
        assert_eq!(health.reasons, [Reason::NeedsDecision { parked: 1, blocked: 1 }]);
        assert_eq!(health.per_table["projects"].counts.parked, 1);
        two.pass_time(QUIET_MS_MAX + 1);
        let health = two.both().await;
        assert_eq!(why(&health), Some(Why::NoPass));
        // One that is sent again has been ready only since then, though it keeps its place.
        let parked = engine.state().outbox.iter().next().unwrap().id.clone();
        engine
            .submit(
                Command::Retry { mutation: parked, changes: None, unset: Vec::new() },
                Durability::Relaxed,
            )
            .await
            .unwrap();
        let oldest = two.both().await.oldest.unwrap();
        assert_eq!((&*oldest.table, oldest.age_ms), ("assets", QUIET_MS_MAX + 1));
    });
}

#[test]
fn a_clock_that_jumps_neither_alarms_nor_hides() {
    run(async {
        let two = Two::new().await;
        create(&two.fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        two.other.catch_up().await.unwrap();
        for engine in [&two.fixture.engine, &two.other] {
            engine.ports().clock.set_forward(400 * 86_400_000);
        }
        assert!(two.both().await.healthy, "nothing took a year");
        for engine in [&two.fixture.engine, &two.other] {
            engine.ports().clock.set_back(800 * 86_400_000);
        }
        two.pass_time(QUIET_MS_MAX + 1);
        assert!(!two.both().await.healthy);
        two.fixture.push(apply_all(900));
        two.fixture.empty_pull();
        two.fixture.engine.pass_now().await;
        let at = two.fixture.engine.ports().clock.now_ms();
        assert!(two.both().await.last_success_at.unwrap() <= at, "not a time that the clock once showed");
    });
}

#[test]
fn a_context_that_opens_knows_what_was_before_and_forgets_it_when_things_come_along() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        fixture.engine.pass().await;
        let world = world(&fixture.log, &fixture.script, &fixture.dice);
        world.clock.set_forward(3_600_000);
        let late = Engine::open(world, schema(), identity()).await.unwrap();
        let health = late.health();
        assert_eq!(why(&health), Some(Why::Unreachable), "so the log says");
        assert!(health.stuck.unwrap().for_ms >= 3_599_000);
        fixture.push(apply_all(900));
        fixture.empty_pull();
        late.pass_now().await;
        assert!(late.health().healthy);
    });
}

#[test]
fn a_pause_that_the_server_asks_for_is_no_sickness() {
    run(async {
        let two = Two::new().await;
        create(&two.fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        two.fixture.push(|_| Err(refused(503, "unavailable", Some(3_600_000))));
        two.fixture.pull(page(vec![], vec![], "c0"));
        two.fixture.engine.pass().await;
        two.told().await;
        two.pass_time(3_000_000);
        assert!(two.both().await.healthy);
        two.pass_time(900_000);
        let health = two.both().await;
        assert_eq!(why(&health), Some(Why::Failing { code: "unavailable".into() }));
    });
}

#[test]
fn a_sign_in_that_is_missing_is_told_everywhere_and_until_it_is_there() {
    run(async {
        let two = Two::new().await;
        create(&two.fixture.engine, "projects", json!({ "name": "a" })).await.unwrap();
        two.fixture.push(|_| Err(refused(401, "unauthenticated", None)));
        two.fixture.engine.pass().await;
        two.pass_time(QUIET_MS_MAX * 3);
        two.fixture.engine.pass().await;
        let health = two.both().await;
        assert_eq!(health.reasons, [Reason::Held { why: Held::Unauthenticated }]);
        assert_eq!(health.last_error.unwrap().code, "unauthenticated");
        two.fixture.push(apply_all(900));
        two.fixture.empty_pull();
        two.fixture.engine.pass_now().await;
        assert!(two.both().await.healthy);
    });
}

#[test]
fn each_reason_to_fail_is_told_once_until_it_goes_well_again() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        for _ in 0..20 {
            engine.pass_now().await;
        }
        fixture.push(|_| Err(refused(503, "unavailable", None)));
        fixture.push(|_| Err(refused(503, "unavailable", None)));
        for n in 0..2 {
            fixture.pull(page(vec![], vec![], &format!("c{n}")));
            engine.pass_now().await;
        }
        let appends = engine.ports().log.appends();
        engine.pass_now().await;
        assert_eq!(engine.ports().log.appends(), appends, "the network again: told already");
        fixture.push(apply_all(900));
        fixture.empty_pull();
        engine.pass_now().await;
        fixture.empty_pull();
        engine.pass_now().await;
        let troubles: Vec<_> =
            engine.activity(99).into_iter().filter(|line| line.what.is_trouble().is_some()).collect();
        let codes: Vec<_> = troubles
            .iter()
            .map(|line| match &line.what {
                What::Failed { failure, .. } => failure.code.as_str(),
                other => {
                    if *other == What::Resumed {
                        "resumed"
                    } else {
                        "?"
                    }
                }
            })
            .collect();
        assert_eq!(codes, ["resumed", "unavailable", "network"]);
    });
}

#[test]
fn a_remote_that_never_answers_is_given_up_and_asked_again() {
    let mut pool = LocalPool::new();
    let fixture = pool.run_until(Fixture::new());
    let engine = &fixture.engine;
    pool.run_until(create(engine, "projects", json!({ "name": "a" }))).unwrap();
    fixture.script.hangs.set(true);
    let reports: Rc<RefCell<Vec<_>>> = Rc::default();
    let (hanging, noted) = (Rc::clone(engine), Rc::clone(&reports));
    pool.spawner()
        .spawn_local(async move {
            let report = hanging.pass().await;
            noted.borrow_mut().push(report);
        })
        .unwrap();
    pool.run_until_stalled();
    assert!(pool.run_until(engine.pass()).is_none(), "it has the lease");
    // Others write meanwhile: that is no sign of the pass's life.
    for _ in 0..3 {
        engine.ports().clock.pass(29_000);
        pool.run_until(create(engine, "assets", json!({ "name": "x" }))).unwrap();
        pool.run_until_stalled();
    }
    engine.ports().clock.pass(60_000);
    pool.run_until_stalled();
    let report = reports.borrow_mut().pop().flatten().expect("it was given up");
    assert_eq!(report.error.unwrap().code, "hung");
    assert!(matches!(engine.activity(1)[0].what, What::Hung { .. }));
    let health = engine.health();
    assert!(health.next_attempt_at.is_some(), "it is begun again, with backoff");
    assert_eq!(health.consecutive_failures, 1);
    engine.ports().clock.pass(QUIET_MS_MAX);
    assert_eq!(why(&engine.health()), Some(Why::Hung));
    fixture.script.hangs.set(false);
    fixture.push(|upload| {
        assert_eq!(upload.operations.len(), 4);
        apply_all(900)(upload)
    });
    fixture.empty_pull();
    let report = pool.run_until(engine.pass()).expect("the lease was given back");
    assert_eq!((report.pushed, report.remaining), (4, 0));
    let first = fixture.script.pushed.borrow()[0].operations[0].id.clone();
    assert_eq!(fixture.script.pushed.borrow()[1].operations[0].id, first, "under the same id");
    assert!(engine.health().healthy);
}

#[test]
fn a_slow_pass_in_which_things_happen_is_left_alone() {
    let mut pool = LocalPool::new();
    let fixture = pool.run_until(Fixture::new());
    let engine = &fixture.engine;
    let report: Rc<RefCell<Option<_>>> = Rc::default();
    // Each page takes half a minute: the clock moves while it is answered.
    for n in 0..20 {
        let clock = Rc::clone(&engine.ports().clock);
        fixture.script.pulls.borrow_mut().push_back(Box::new(move |_| {
            clock.pass(30_000);
            let mut page = page(vec![], vec![], &format!("c{n}"));
            page.has_more = n < 19;
            Ok(page)
        }));
    }
    let (slow, done) = (Rc::clone(engine), Rc::clone(&report));
    pool.spawner()
        .spawn_local(async move {
            let report = slow.pass().await;
            *done.borrow_mut() = report;
        })
        .unwrap();
    pool.run_until_stalled();
    assert_eq!(report.take().unwrap().error, None);
}

#[test]
fn a_lease_that_a_frozen_context_keeps_is_told() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        engine.ports().lease.kept_elsewhere.set(true);
        for _ in 0..12 {
            assert!(engine.pass().await.is_none());
            engine.ports().clock.pass(30_000);
        }
        assert_eq!(why(&engine.health()), Some(Why::LeaseKept));
        engine.ports().lease.kept_elsewhere.set(false);
        fixture.push(apply_all(900));
        fixture.empty_pull();
        engine.pass().await.unwrap();
        assert!(engine.health().healthy);
    });
}

#[test]
fn a_pass_that_only_waits_is_no_success() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let success = engine.status().last_success_at;
        create(engine, "projects", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| Err(refused(503, "unavailable", Some(60_000))));
        engine.pass().await;
        assert_eq!(engine.status().last_success_at, success);
        engine.pass().await;
        assert_eq!(engine.status().last_success_at, success, "the pause is still on");
        assert_eq!(engine.health().last_error.unwrap().code, "network", "of the pull after it");
    });
}

#[test]
fn a_context_that_was_stopped_says_so() {
    run(async {
        let fixture = Fixture::new().await;
        fixture.engine.stop(Error::Corrupt("an entry is missing".into()));
        let health = fixture.engine.health();
        assert_eq!(health.reasons, [Reason::Stopped { code: "corrupt".into() }]);
        let told = serde_json::to_value(&health).unwrap();
        assert_eq!(told["reasons"][0], json!({ "kind": "stopped", "code": "corrupt" }));
        assert_eq!(told["perTable"]["tasks"]["pending"], 0);
        let stuck = Reason::Stuck(Stuck { for_ms: 5, why: Why::Failing { code: "internal".into() } });
        let told = serde_json::to_value(&stuck).unwrap();
        assert_eq!(told, json!({ "kind": "stuck", "forMs": 5, "why": "failing", "code": "internal" }));
    });
}
