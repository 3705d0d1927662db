//! What is sent again: by itself, or because a person says so.

use super::*;

async fn parked_task(fixture: &Fixture, code: &'static str) -> (String, Id) {
    let engine = &fixture.engine;
    let project = create(engine, "projects", json!({ "name": "a" })).await.unwrap();
    let step = create(engine, "steps", json!({ "project_id": project, "name": "s" })).await.unwrap();
    let task = create(engine, "tasks", json!({ "step_id": step, "title": "t" })).await.unwrap();
    fixture.push(move |upload| {
        let results = upload.operations.iter().enumerate().map(|(at, operation)| match at {
            0 => applied(&operation.id, "900", 1),
            1 => applied(&operation.id, "901", 1),
            _ => rejected(&operation.id, code),
        });
        Ok(answer(results.collect()))
    });
    fixture.empty_pull();
    engine.pass_now().await;
    (task, fixture.only_mutation().id.clone())
}

#[test]
fn what_is_parked_goes_again_with_other_fields() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        let (task, parked) = parked_task(&fixture, "invalid-value").await;
        for (changes, field) in [(json!({ "title": 5 }), "title"), (json!({ "boat": "x" }), "boat")] {
            let error = submit(engine, retry(&parked, changes)).await.unwrap_err();
            assert_eq!((error.code(), error.field()), ("invalid-value", Some(field)));
        }
        let error = submit(engine, retry(&parked, json!({ "step_id": "41" }))).await.unwrap_err();
        assert_eq!(error.code(), "reference-missing");
        let step = create(engine, "steps", json!({ "project_id": "900", "name": "new" })).await.unwrap();
        let parent = last(engine).id.clone();
        let done =
            submit(engine, retry(&parked, json!({ "step_id": step, "status": "open" }))).await.unwrap();
        let Done::Queued(again) = done else { panic!("{done:?}") };
        assert_ne!(again, parked);
        let again = engine.state().outbox.get(&again).unwrap().clone();
        assert_eq!((again.state, &again.dependencies), (MutationState::Pending, &vec![parent]));
        assert_eq!(again.data, json!({ "step_id": step, "title": "t", "status": "open" }));
        let record = view(engine, "tasks", &task).unwrap();
        assert_eq!((&record["status"], &record["_syncStatus"]), (&json!("open"), &json!("pending_upload")));
    });
}

#[test]
fn an_edit_that_would_close_a_circle_is_refused() {
    run(async {
        let document = json!({ "version": 1, "tables": {
            "nodes": { "fields": { "name": "string", "next_id": "string?" },
                       "references": { "next_id": { "table": "nodes", "onDelete": "cascade" } } } } });
        let script: Rc<Script> = Rc::default();
        let schema = Rc::new(Schema::parse(&document).unwrap());
        let engine = open_with(schema, &MemoryLog::default(), &script, &Dice::new(1)).await;
        let one = create(&engine, "nodes", json!({ "name": "one" })).await.unwrap();
        let two = create(&engine, "nodes", json!({ "name": "two", "next_id": one })).await.unwrap();
        let reject =
            |upload: Upload<Value>| Ok(answer(vec![rejected(&upload.operations[0].id, "invalid-value")]));
        script.pulls.borrow_mut().push_back(Box::new(|_| Ok(page(Vec::new(), Vec::new(), "c0"))));
        script.pushes.borrow_mut().push_back(Box::new(reject));
        engine.pass_now().await;
        let parked = mutations(&engine)[0].clone();
        assert_eq!(parked.state, MutationState::Rejected);
        let before = engine.state().export();
        let error = submit(&engine, retry(&parked.id, json!({ "next_id": two }))).await.unwrap_err();
        assert_eq!(error.code(), "dependency-cycle");
        assert_eq!(engine.state().export(), before);
    });
}

#[test]
fn attempts_are_counted_by_answers_that_name_the_mutation_and_then_it_is_parked() {
    for (priority, attempts) in
        [(Priority::Low, 3), (Priority::Medium, 5), (Priority::High, 10), (Priority::Critical, 10)]
    {
        run(async {
            let fixture = Fixture::new().await;
            let engine = &fixture.engine;
            let options = WriteOptions { priority: Some(priority), ..WriteOptions::default() };
            let records = vec![json!({ "name": "a" })];
            let command = Command::Create { table: "projects".into(), records, is_list: false, options };
            submit(engine, command).await.unwrap();
            for attempt in 1..=attempts {
                fixture.push(|_| unreachable());
                engine.pass_now().await;
                assert_eq!(fixture.only_mutation().attempts, attempt - 1, "being offline costs nothing");
                fixture.push(|upload| {
                    let outcome = Outcome::Deferred { retry_after_ms: 0 };
                    Ok(answer(vec![OperationResult::new(upload.operations[0].id.clone(), outcome)]))
                });
                engine.pass_now().await;
                assert_eq!(fixture.only_mutation().attempts, attempt);
            }
            let parked = fixture.only_mutation();
            let error = parked.error.clone().unwrap();
            assert_eq!((parked.state, error.code.as_str()), (MutationState::Rejected, "attempts-spent"));
            assert!(error.message.contains("the server put it off"), "{}", error.message);
            // It never had an answer for good: it goes again under its id, and is withdrawn when it is given up.
            let again = Command::Retry { mutation: parked.id.clone(), changes: None, unset: Vec::new() };
            assert_eq!(submit(engine, again).await.unwrap(), Done::Queued(parked.id.clone()));
            assert_eq!(fixture.only_mutation().attempts, 0);
            let done = submit(engine, discard(&parked.id, false)).await.unwrap();
            assert_eq!(done, Done::Discarded { discarded: vec![], withdrawing: vec![parked.id.clone()] });
        });
    }
}

#[test]
fn what_breaks_the_server_waits_alone_while_the_others_go_on_and_is_parked_in_the_end() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        for n in 0..40 {
            create(engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        let others = Rc::new(RefCell::new(0));
        let mut rounds = 0;
        while engine.state().outbox.counts().parked == 0 {
            rounds += 1;
            assert!(rounds < 200, "the poison is never parked");
            let others = Rc::clone(&others);
            // Somebody goes on working, so that there is always something else that gets through.
            create(engine, "assets", json!({ "name": format!("more {rounds}") })).await.unwrap();
            for _ in 0..30 {
                let others = Rc::clone(&others);
                fixture.push(move |upload| {
                    let is_poison = |operation: &crate::protocol::Operation<Value>| {
                        operation.data == Some(json!({ "name": "17" }))
                    };
                    if upload.operations.iter().any(is_poison) {
                        return Err(refused(500, "internal"));
                    }
                    *others.borrow_mut() += upload.operations.len();
                    let results = upload
                        .operations
                        .iter()
                        .map(|operation| applied(&operation.id, &operation.record_id, 1));
                    Ok(answer(results.collect()))
                });
            }
            engine.pass_now().await;
            fixture.script.pushes.borrow_mut().clear();
            engine.ports().clock.pass(400_000);
            if rounds == 12 {
                assert!(*others.borrow() >= 39, "{} got through after {rounds} passes", others.borrow());
            }
        }
        let parked = mutations(engine).into_iter().find(|mutation| mutation.state.is_parked()).unwrap();
        let error = parked.error.clone().unwrap();
        assert_eq!((&parked.data["name"], error.code.as_str()), (&json!("17"), "attempts-spent"));
        assert!(error.message.contains("internal"), "the last reason is kept: {}", error.message);
        assert_eq!(error.class, crate::outbox::Class::Transient);
        assert_eq!(parked.attempts, 5);
    });
}

#[test]
fn a_server_that_is_down_costs_no_mutation_an_attempt() {
    run(async {
        let fixture = Fixture::new().await;
        let engine = &fixture.engine;
        for n in 0..10 {
            create(engine, "assets", json!({ "name": format!("{n}") })).await.unwrap();
        }
        for _ in 0..40 {
            for _ in 0..4 {
                fixture.push(|_| Err(refused(503, "unavailable")));
            }
            engine.pass_now().await;
            fixture.script.pushes.borrow_mut().clear();
            engine.ports().clock.pass(400_000);
        }
        assert!(mutations(engine).iter().all(|mutation| mutation.attempts == 0));
        for _ in 0..10 {
            fixture.push(apply_all(0));
        }
        fixture.empty_pull();
        assert_eq!(engine.pass_now().await.remaining, 0);
    });
}

#[test]
fn a_conflict_of_a_whole_request_parks_its_mutation_as_one() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "assets", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| Err(refused(412, "http-error")));
        fixture.empty_pull();
        fixture.engine.pass_now().await;
        let parked = fixture.only_mutation();
        assert_eq!(parked.state, MutationState::Conflict);
        let refusal = parked.error.as_ref().unwrap();
        assert_eq!((refusal.class, refusal.message.as_str()), (crate::outbox::Class::Conflict, "no"));
    });
}

#[test]
fn a_protocol_that_is_not_spoken_holds_everything_and_says_so() {
    run(async {
        let fixture = Fixture::new().await;
        create(&fixture.engine, "assets", json!({ "name": "a" })).await.unwrap();
        fixture.push(|_| Err(refused(426, "http-error")));
        fixture.engine.pass().await;
        assert_eq!(fixture.engine.status().held, Some(Held::ProtocolUnsupported));
        let report = fixture.engine.pass().await.unwrap();
        assert!(report.error.unwrap().message.contains("updated"));
        assert_eq!(fixture.script.pushed.borrow().len(), 1);
        assert_eq!(fixture.only_mutation().attempts, 0);
    });
}
