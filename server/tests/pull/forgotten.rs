//! Devices that were away for so long that the server may have forgotten what it answered.

use landfall_core::log::entry::MutationState;
use serde_json::json;

use crate::world::{DAY, Device, Fate, Server, schema};

#[tokio::test]
async fn what_was_never_sent_is_not_expired_however_long_the_device_was_away() {
    for lost in [0, 1, 2] {
        let server = Server::new();
        let [_, _, task] = server.project("ana").await;
        let device = Device::new(&server, "ana", schema(), None).await;
        device.sync().await;
        server.now.set(server.now.get() + 100 * DAY);
        server.purge().await;
        device.reopen().await;
        device.update("tasks", &task, json!({ "status": "done" })).await;
        device.create("tools", json!({ "name": "spade" })).await;
        // Whatever gets lost of the first pass: it was dated by the server's time of now.
        let fates = [Fate::Through, Fate::LostOnTheWay, Fate::AnswerLost];
        device.fated(&[Fate::Through, Fate::Through, fates[lost]]);
        device.pass().await;
        device.sync().await;
        device.sync().await;
        assert_eq!(device.outbox().len(), 0, "{lost}: {:?}", device.outbox());
        assert_eq!((device.held(), device.held().len()), (server.table().await, 4));
    }
}

#[tokio::test]
async fn a_device_that_never_heard_the_time_asks_before_it_sends() {
    let server = Server::new();
    server.purge().await;
    let device = Device::new(&server, "ana", schema(), None).await;
    device.create("tools", json!({ "name": "spade" })).await;
    device.fated(&[Fate::LostOnTheWay]);
    device.pass().await;
    assert_eq!(device.outbox()[0].state, MutationState::Pending, "nothing was sent");
    device.fated(&[Fate::Through, Fate::AnswerLost]);
    device.pass().await;
    assert_eq!(device.outbox()[0].first_sent_at, Some(server.now.get() - 1), "the server's time");
    device.sync().await;
    assert_eq!((device.outbox().len(), server.table().await.len()), (0, 1));
}

#[tokio::test]
async fn a_clock_that_stood_still_costs_one_more_request_and_nothing_else() {
    let server = Server::new();
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    server.now.set(server.now.get() + 100 * DAY);
    server.purge().await;
    // It believes that no time has passed.
    device.ahead_ms.set(-(100 * DAY).cast_signed());
    device.reopen().await;
    let project = device.create("projects", json!({ "owner": "ana" })).await;
    device.create("steps", json!({ "project_id": project })).await;
    device.sync().await;
    assert_eq!(device.outbox().len(), 0, "{:?}", device.outbox());
    device.sync().await;
    assert_eq!((device.held(), device.held().len()), (server.table().await, 2));
}

#[tokio::test]
async fn an_update_that_may_be_forgotten_is_parked_with_theirs_beside_it() {
    for applied in [true, false] {
        let server = Server::new();
        let [_, _, task] = server.project("ana").await;
        let device = Device::new(&server, "ana", schema(), None).await;
        device.sync().await;
        device.update("tasks", &task, json!({ "status": "done" })).await;
        device.fated(&[if applied { Fate::AnswerLost } else { Fate::LostOnTheWay }, Fate::LostOnTheWay]);
        device.pass().await;
        server.set("tasks", &task, json!({ "title": "theirs" })).await;
        server.now.set(server.now.get() + 100 * DAY);
        server.purge().await;
        device.sync().await;
        let (parked, code) = device.parked();
        assert_eq!((code.as_str(), parked.state), ("expired", MutationState::Conflict));
        let engine = device.engine();
        let base = engine.state().base(&"tasks".into(), &task.as_str().into()).cloned().unwrap();
        assert_eq!(base.theirs.unwrap().data["title"], "theirs");
        assert_eq!(base.base.unwrap().data["title"], "t");
        let before = server.table().await[&("tasks".to_owned(), task.clone())].0;
        device.retry(&parked.id).await;
        device.sync().await;
        device.sync().await;
        let (version, data) = server.table().await[&("tasks".to_owned(), task.clone())].clone();
        // What theirs has already is not sent once more.
        assert_eq!((version, &data["status"]), (before + u64::from(!applied), &json!("done")));
        assert_eq!(device.held(), server.table().await);
    }
}

#[tokio::test]
async fn a_deletion_of_which_nothing_is_known_any_more_is_for_a_person_to_decide() {
    let server = Server::new();
    let [_, _, task] = server.project("ana").await;
    let device = Device::new(&server, "ana", schema(), None).await;
    device.sync().await;
    device.delete("tasks", &task).await;
    device.fated(&[Fate::AnswerLost, Fate::LostOnTheWay]);
    device.pass().await;
    server.now.set(server.now.get() + 91 * DAY);
    // Answer and tombstone are forgotten: nobody can tell any more what became of it.
    server.purge().await;
    device.sync().await;
    let (parked, code) = device.parked();
    assert_eq!((code.as_str(), parked.state), ("expired", MutationState::Conflict));
    device.discard(&parked.id).await;
    assert_eq!(device.held(), server.table().await);
}
