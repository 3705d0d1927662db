//! Nothing is sent before the server has said which one it is and what time it is there.

use super::{
    passes::{answer, apply_all},
    *,
};
use crate::{log::entry::MutationState, state::Meta};

async fn new_device() -> (Rc<Script>, Rc<Engine<World>>) {
    let script = Rc::<Script>::default();
    let engine = open(&MemoryLog::default(), &script, &Dice::new(3)).await;
    create(&engine, "projects", json!({ "name": "Pier" })).await.unwrap();
    (script, engine)
}

fn refused<T>(status: u16, code: &str) -> Result<T, RemoteError> {
    let (code, message) = (code.to_owned(), String::new());
    Err(RemoteError::Refused { status, code, message, retry_after_ms: None })
}

fn forbid_pull(script: &Script) {
    script.pulls.borrow_mut().push_back(Box::new(|_| refused(403, "forbidden")));
}

fn push(
    script: &Script,
    answer: impl FnOnce(Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> + 'static,
) {
    script.pushes.borrow_mut().push_back(Box::new(answer));
}

#[test]
fn where_the_pull_is_forbidden_an_upload_of_nothing_asks_first() {
    run(async {
        let (script, engine) = new_device().await;
        forbid_pull(&script);
        push(&script, |_| Ok(answer(Vec::new())));
        push(&script, apply_all(900));
        let report = engine.pass_now().await;
        assert_eq!((report.pushed, report.remaining), (1, 0));
        let pushed = script.pushed.borrow();
        let [asking, sending] = &pushed[..] else { panic!("{pushed:?}") };
        assert_eq!((asking.operations.len(), asking.epoch.as_deref()), (0, None));
        assert_eq!((sending.operations.len(), sending.epoch.as_deref()), (1, Some("e1")));
        assert_eq!(sending.operations[0].first_sent_at, Some(6_000), "the server's time");
    });
}

#[test]
fn what_cannot_be_dated_stays_as_it_was_written() {
    run(async {
        let refusals = [(403, "forbidden"), (401, "unauthenticated"), (413, "body-too-large"), (503, "busy")];
        for (status, code) in refusals {
            let (script, engine) = new_device().await;
            forbid_pull(&script);
            push(&script, move |_| refused(status, code));
            let report = engine.pass_now().await;
            assert_eq!((report.pushed, report.rejected, report.remaining), (0, 0, 1), "{code}");
            assert_eq!(report.error.unwrap().code, code);
            assert!(script.pushed.borrow().iter().all(|upload| upload.operations.is_empty()), "{code}");
            let state = engine.state();
            let mutation = state.outbox.iter().next().unwrap();
            assert_eq!((mutation.state, mutation.first_sent_at), (MutationState::Pending, None), "{code}");
        }
    });
}

#[test]
fn a_context_that_was_asked_to_send_too_early_marks_nothing() {
    run(async {
        let (_, engine) = new_device().await;
        let id = engine.state().outbox.iter().next().unwrap().id.clone();
        let send = Command::Send { mutations: vec![id.clone()] };
        assert_eq!(engine.submit(send.clone(), Durability::Strict).await, Ok(Done::Marked(Vec::new())));
        let keep = Command::KeepClock { offset_ms: 0, server_time: 6_000 };
        engine.submit(keep, Durability::Relaxed).await.unwrap();
        assert_eq!(engine.submit(send, Durability::Strict).await, Ok(Done::Marked(Vec::new())));
        assert_eq!(engine.state().meta(Meta::EPOCH), None);
    });
}
