//! Streams and locks without HTTP: what is heard, by whom, and what is not.

use landfall_core::protocol::live::{LockAction, LockAnswer, LockRequest};
use serde_json::{Value, json};

use super::*;
use crate::decisions::Role;

fn caller(principal: &str, tenant: &str) -> Caller {
    Caller { principal: principal.into(), tenant: tenant.into(), role: Role::Editor }
}

fn changed(table: &str, id: usize, version: u64) -> Changed {
    Changed { table: table.into(), id: id.to_string(), version }
}

fn these(tables: &[&str]) -> BTreeSet<String> {
    tables.iter().map(|table| (*table).to_owned()).collect()
}

/// What is waiting, by event.
async fn heard(listener: &mut Listener) -> Vec<(&'static str, Value)> {
    let mut events = Vec::new();
    let wait = std::time::Duration::from_millis(20);
    while let Ok(Some(messages)) = tokio::time::timeout(wait, listener.next(|| 7)).await {
        events.extend(
            messages.iter().map(|message| (message.event, serde_json::from_str(&message.data).unwrap())),
        );
    }
    events
}

fn lock_of(live: &Live, who: (&str, &str), record: &str, action: LockAction, now: u64) -> LockAnswer {
    let (principal, device) = who;
    let request = LockRequest {
        protocol: 1,
        principal: None,
        device_id: device.into(),
        table: "tasks".into(),
        record_id: record.into(),
        action,
        ttl_ms: None,
    };
    live.lock(&caller(principal, "acme"), request, now).unwrap()
}

const ANA: (&str, &str) = ("ana", "d1");
const BEN: (&str, &str) = ("ben", "d2");

#[tokio::test]
async fn a_change_is_heard_by_who_asked_for_its_table() {
    let live = Live::default();
    let (mut all, _) = live.listen("acme", None, 0).unwrap();
    let (mut tasks, _) = live.listen("acme", Some(these(&["tasks"])), 0).unwrap();
    let (mut steps, _) = live.listen("acme", Some(these(&["steps"])), 0).unwrap();
    let (mut other, _) = live.listen("other", None, 0).unwrap();
    let written = vec![changed("tasks", 1, 2), changed("phases", 3, 1), changed("tasks", 1, 3)];
    live.tell_change(&caller("ana", "acme"), "d1", written, 5);
    live.tell_change(&caller("ana", "acme"), "d1", Vec::new(), 6);
    let change = json!({ "tables": ["phases", "tasks"], "principal": "ana", "deviceId": "d1", "serverTime": 5,
        "records": [{ "table": "phases", "id": "3", "version": 1 }, { "table": "tasks", "id": "1", "version": 3 }] });
    assert_eq!(heard(&mut all).await, [(CHANGE, change.clone())]);
    assert_eq!(heard(&mut tasks).await, [(CHANGE, change)]);
    assert_eq!(heard(&mut steps).await, []);
    assert_eq!(heard(&mut other).await, []);
}

#[tokio::test]
async fn more_than_a_hundred_records_are_not_named() {
    let live = Live::default();
    let (mut listener, _) = live.listen("acme", None, 0).unwrap();
    for count in [CHANGED_MAX, CHANGED_MAX + 1] {
        let written = (0..count).map(|id| changed("tasks", id, 1)).collect();
        live.tell_change(&caller("ana", "acme"), "d1", written, 5);
    }
    let counts: Vec<_> = heard(&mut listener)
        .await
        .iter()
        .map(|(_, change)| change["records"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [CHANGED_MAX, 0]);
}

#[tokio::test]
async fn who_falls_behind_hears_that_anything_may_have_changed() {
    let live = Live::default();
    let (mut tasks, _) = live.listen("acme", Some(these(&["tasks", "steps"])), 0).unwrap();
    let (mut all, _) = live.listen("acme", None, 0).unwrap();
    lock_of(&live, ANA, "1", LockAction::Take, 0);
    for version in 0..2 * BACKLOG as u64 {
        live.tell_change(&caller("ana", "acme"), "d1", vec![changed("tasks", 1, version)], 5);
    }
    let events = heard(&mut tasks).await;
    let instead = json!({ "tables": ["steps", "tasks"], "records": [], "principal": "", "deviceId": "", "serverTime": 7 });
    assert_eq!(events[0], (CHANGE, instead));
    assert_eq!(
        (events[1].0, &events[1].1["recordId"]),
        (LOCK, &json!("1")),
        "what was missed may have been a lock"
    );
    assert_eq!(events.len(), 2 + BACKLOG, "and then what is still there");
    assert_eq!(heard(&mut all).await[0].1["tables"], json!([]));
}

#[tokio::test]
async fn streams_are_bounded_and_counted() {
    let live = Live::with_limits(2, 9);
    let first = live.listen("acme", None, 0).unwrap();
    let _second = live.listen("acme", None, 0).unwrap();
    assert_eq!(live.listen("acme", None, 0).unwrap_err(), Full::Streams);
    assert!(live.listen("other", None, 0).is_ok(), "each tenant has its own");
    drop(first);
    let _third = live.listen("acme", None, 0).unwrap();
    assert!(!live.state().tenants.contains_key("other"), "who has neither stream nor lock is forgotten");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let live = Live::default();
    let (mut listener, _) = live.listen("acme", None, 0).unwrap();
    live.stop();
    assert_eq!(listener.next(|| 0).await, None);
    drop(listener);
    assert_eq!(live.listen("acme", None, 0).unwrap_err(), Full::Stopping);
}

#[tokio::test]
async fn a_lock_is_one_devices_until_its_time_comes() {
    let live = Live::default();
    let (mut listener, _) = live.listen("acme", None, 0).unwrap();
    let taken = lock_of(&live, ANA, "1", LockAction::Take, 1_000);
    let lock = taken.lock.clone().unwrap();
    assert_eq!((taken.granted, lock.until, taken.server_time), (true, Some(31_000), 1_000));
    for action in [LockAction::Take, LockAction::Renew, LockAction::Release] {
        for who in [BEN, ("ana", "d2"), ("ben", "d1")] {
            let refused = lock_of(&live, who, "1", action, 2_000);
            assert_eq!((refused.granted, refused.lock), (false, Some(lock.clone())), "{who:?} {action:?}");
        }
    }
    let renewed = lock_of(&live, ANA, "1", LockAction::Renew, 30_999);
    assert_eq!(renewed.lock.unwrap().until, Some(60_999));
    let late = lock_of(&live, BEN, "1", LockAction::Take, 60_999);
    assert_eq!((late.granted, late.lock.unwrap().device_id.as_str()), (true, "d2"), "it had expired");
    let released = lock_of(&live, BEN, "1", LockAction::Release, 61_000);
    assert_eq!((released.granted, released.lock), (true, None));
    assert!(!lock_of(&live, BEN, "1", LockAction::Release, 61_000).granted, "there is none");
    assert!(lock_of(&live, ANA, "1", LockAction::Renew, 61_000).granted, "one that is free is taken by it");
    let until: Vec<Value> =
        heard(&mut listener).await.into_iter().map(|(_, lock)| lock["until"].clone()).collect();
    assert_eq!(
        json!(until),
        json!([31_000, 60_999, 90_999, null, 91_000]),
        "refusals are told to nobody else"
    );
}

#[test]
fn a_lock_holds_five_minutes_at_most() {
    let live = Live::default();
    let lock = |ttl_ms: Option<u64>| {
        let request = LockRequest { ttl_ms, ..request("1") };
        live.lock(&caller("ana", "acme"), request, 1_000).unwrap().lock.unwrap().until.unwrap()
    };
    assert_eq!(
        [lock(None), lock(Some(5_000)), lock(Some(u64::MAX)), lock(Some(0))],
        [31_000, 6_000, 301_000, 1_001]
    );
}

fn request(record: &str) -> LockRequest {
    LockRequest {
        protocol: 1,
        principal: None,
        device_id: "d1".into(),
        table: "tasks".into(),
        record_id: record.into(),
        action: LockAction::Take,
        ttl_ms: None,
    }
}

#[test]
fn locks_are_bounded_and_expired_ones_make_room() {
    let live = Live::with_limits(9, 2);
    let lock = |record: &str, now: u64| live.lock(&caller("ana", "acme"), request(record), now);
    assert!(lock("1", 0).is_ok() && lock("2", 10_000).is_ok());
    assert_eq!(lock("3", 10_000).unwrap_err(), Full::Locks);
    assert!(lock("2", 10_000).is_ok(), "one that holds is renewed");
    assert!(live.lock(&caller("ana", "other"), request("1"), 10_000).is_ok(), "each tenant has its own");
    assert!(lock("3", 30_000).is_ok());
}

#[test]
fn who_begins_to_listen_hears_of_the_locks_that_hold() {
    let live = Live::default();
    lock_of(&live, ANA, "2", LockAction::Take, 0);
    lock_of(&live, BEN, "1", LockAction::Take, 10_000);
    let records = |tenant: &str, tables: Option<BTreeSet<String>>, now: u64| {
        let (_, locks) = live.listen(tenant, tables, now).unwrap();
        locks.into_iter().map(|lock| lock.record_id).collect::<Vec<_>>()
    };
    assert_eq!(records("acme", None, 10_000), ["1", "2"]);
    assert_eq!(records("acme", Some(these(&["tasks"])), 30_000), ["1"]);
    assert_eq!(records("acme", Some(these(&["steps"])), 10_000), Vec::<String>::new());
    assert_eq!(records("other", None, 10_000), Vec::<String>::new());
}
