use serde_json::{Value, json};

use super::*;
use crate::protocol::conflicts::{
    ConflictKind, ConflictResolved, ConflictState, ConflictsPage, Resolution, ResolveConflict,
};
use crate::protocol::live::{Change, Hello, Lock, LockAction, LockAnswer, LockRequest};

/// The documented examples, as they are on the wire. A change here is a change of the protocol.
fn round_trip<T: Serialize + for<'de> Deserialize<'de>>(wire: &Value) -> T {
    let parsed: T = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(&serde_json::to_value(&parsed).unwrap(), wire);
    parsed
}

#[test]
fn an_upload_on_the_wire() {
    let upload: Upload<Value> = round_trip(&json!({
        "protocol": 1, "principal": "u7", "deviceId": "device_1760000000000_a7b3c2", "schemaVersion": 3, "epoch": "b1f0",
        "sentAt": 1_760_000_001_000_u64,
        "operations": [
            { "id": "0199", "table": "steps", "recordId": "temp_1760000000000_k3j9x2_steps", "operation": "create",
              "baseVersion": null, "data": { "phase_id": "41", "name": "Pull cable" }, "timestamp": 1_760_000_000_000_u64,
              "dependencies": [] },
            { "id": "019b", "table": "tasks", "recordId": "77", "operation": "update", "baseVersion": 4,
              "baseUpdatedAt": 1_759_999_990_000_u64, "baseHash": "44136fa3", "base": { "status": "open", "blocked_reason": "rain" },
              "data": { "status": "completed" }, "unset": ["blocked_reason"], "timestamp": 1_760_000_000_009_u64,
              "firstSentAt": 1_759_999_999_000_u64, "dependencies": ["0199"] }
        ]
    }));
    assert_eq!(upload.operations[1].base_version, Some(4));
    assert_eq!(upload.operations[0].unset, Vec::<String>::new());
}

#[test]
fn the_least_an_operation_can_say() {
    let least = json!({ "id": "1", "table": "t", "recordId": "2", "operation": "withdraw", "timestamp": 3 });
    let operation: Operation<Value> = serde_json::from_value(least).unwrap();
    assert_eq!((operation.base_version, operation.data, operation.first_sent_at), (None, None, None));
    assert_eq!((operation.base_updated_at, operation.base_hash, operation.base), (None, None, None));
}

#[test]
fn an_answer_on_the_wire() {
    let answer: UploadAnswer<Value> = round_trip(&json!({
        "protocol": 1, "epoch": "b1f0", "serverTime": 1_760_000_001_040_u64,
        "results": [
            { "id": "0199", "status": "applied", "recordId": "903", "version": 1, "updatedAt": 1_760_000_001_040_u64 },
            { "id": "019b", "status": "conflict", "record": { "table": "tasks", "id": "77", "version": 6,
                "updatedAt": 1_759_999_990_000_u64, "data": { "status": "in_progress" } } },
            { "id": "019c", "status": "conflict", "deletion": { "table": "tasks", "id": "78", "version": 2,
                "deletedAt": 1, "createdAs": "temp_1_abcdef_tasks", "reason": "deleted" } },
            { "id": "019d", "status": "rejected", "code": "invalid-value", "field": "title", "message": "must be a string" },
            { "id": "019e", "status": "deferred", "retryAfterMs": 5000 }
        ],
        "idMappings": [{ "tempId": "temp_1760000000000_k3j9x2_steps", "realId": "903", "entityType": "steps" }]
    }));
    for result in answer.results {
        let wire = result.clone();
        let (id, outcome) = result.into_outcome().unwrap();
        assert_eq!(OperationResult::new(id, outcome), wire);
    }
}

#[test]
fn a_result_that_lacks_what_it_promises_is_told() {
    for (wire, member) in [
        (json!({ "id": "1", "status": "applied", "version": 1, "updatedAt": 1 }), "recordId"),
        (json!({ "id": "1", "status": "duplicate", "recordId": "2", "updatedAt": 1 }), "version"),
        (json!({ "id": "1", "status": "conflict" }), "record"),
        (json!({ "id": "1", "status": "rejected", "message": "no" }), "code"),
    ] {
        let result: OperationResult<Value> = serde_json::from_value(wire).unwrap();
        assert_eq!(result.into_outcome().unwrap_err().member, member);
    }
}

#[test]
fn a_page_on_the_wire() {
    let page: Page<Value> = round_trip(&json!({
        "entities": [{ "table": "tasks", "id": "904", "version": 1, "updatedAt": 2, "createdAs": "temp_1_abcdef_tasks",
            "data": { "title": "Splice" } }],
        "deletions": [{ "table": "tasks", "id": "78", "version": 2, "deletedAt": 1, "reason": "left-scope" }],
        "cursor": "x", "hasMore": false, "epoch": "b1f0", "horizon": 0, "serverTime": 3
    }));
    assert_eq!(page.deletions[0].reason, DeletionReason::LeftScope);
    let download: Download = round_trip(&json!({ "protocol": 1, "cursor": null, "entityTypes": ["tasks"],
        "scope": "mine", "limit": 1000, "lastSync": 7 }));
    assert_eq!(download.limit, Some(1000));
}

#[test]
fn a_problem_on_the_wire() {
    let problem: Problem =
        round_trip(&json!({ "type": "urn:landfall:error:epoch-changed", "title": "The epoch changed",
        "status": 409, "detail": "pull in full" }));
    assert_eq!(problem.code(), Some("epoch-changed"));
    assert_eq!(Problem::new("a", "b", 400, None).kind, "urn:landfall:error:a");
    assert_eq!(Problem { kind: "about:blank".into(), ..problem }.code(), None);
}

#[test]
fn a_server_that_is_to_merge() {
    let upload: Upload<Value> =
        round_trip(&json!({ "protocol": 1, "principal": "u7", "deviceId": "d", "schemaVersion": 3,
        "sentAt": 1, "merge": true, "operations": [] }));
    assert!(upload.merge);
    let held: OperationResult<Value> =
        round_trip(&json!({ "id": "1", "status": "conflict", "conflictId": "c", "record":
        { "table": "tasks", "id": "77", "version": 6, "updatedAt": 1, "data": {} } }));
    assert_eq!(held.conflict_id.as_deref(), Some("c"));
    assert!(matches!(held.into_outcome().unwrap().1, Outcome::Conflict(Theirs::Record(_))));
}

#[test]
fn conflicts_on_the_wire() {
    let row = json!({ "id": "c", "operationId": "019b", "principal": "u7", "deviceId": "d", "table": "tasks",
        "recordId": "77", "operation": "update", "kind": "update-update", "base": { "a": 1 }, "ours": { "a": 2 }, "oursAt": 4,
        "theirs": { "a": 3 }, "paths": [["a"]], "at": 5, "state": "open" });
    let mut resolved = row.clone();
    resolved["kind"] = json!("update-delete");
    resolved["theirs"] = json!(null);
    resolved["state"] = json!("resolved");
    resolved["resolution"] = json!("last-write-wins");
    resolved["resolvedBy"] = json!("u8");
    resolved["resolvedAt"] = json!(6);
    let page: ConflictsPage<Value> =
        round_trip(&json!({ "protocol": 1, "conflicts": [row, resolved], "next": null,
        "counts": { "open": 1, "resolved": 1 } }));
    assert_eq!(
        (page.conflicts[1].kind, page.conflicts[1].theirs.clone()),
        (ConflictKind::UpdateDelete, None)
    );
    let ask: ResolveConflict<Value> =
        round_trip(&json!({ "protocol": 1, "conflictId": "c", "resolution": "client-wins",
        "data": { "a": 4 } }));
    assert_eq!((ask.resolution, ask.principal), (Resolution::ClientWins, None));
    let done: ConflictResolved<Value> = round_trip(&json!({ "success": true, "entity": null }));
    assert!(done.success);
}

#[test]
fn what_goes_on_on_the_wire() {
    let lock = json!({ "table": "tasks", "recordId": "77", "principal": "u7", "deviceId": "d", "until": 5 });
    let mut given_up = lock.clone();
    given_up["until"] = json!(null);
    assert_eq!(round_trip::<Lock>(&given_up).until, None);
    let hello: Hello =
        round_trip(&json!({ "protocol": 1, "epoch": "b1f0", "serverTime": 3, "locks": [lock.clone()] }));
    assert_eq!(hello.locks[0].until, Some(5));
    let change: Change = round_trip(
        &json!({ "tables": ["tasks"], "records": [{ "table": "tasks", "id": "77", "version": 6 }],
        "principal": "u7", "deviceId": "d", "serverTime": 3 }),
    );
    assert_eq!(change.records[0].version, 6);
    let ask: LockRequest =
        round_trip(&json!({ "protocol": 1, "deviceId": "d", "table": "tasks", "recordId": "77",
        "action": "renew", "ttlMs": 30_000 }));
    assert_eq!((ask.action, ask.principal), (LockAction::Renew, None));
    let answer: LockAnswer =
        round_trip(&json!({ "protocol": 1, "granted": false, "lock": lock, "serverTime": 3 }));
    assert!(!answer.granted);
    assert_eq!(
        round_trip::<LockAnswer>(&json!({ "protocol": 1, "granted": true, "lock": null, "serverTime": 3 }))
            .lock,
        None
    );
}

/// The names are written by hand beside what serde makes of the variants.
#[test]
fn every_word_about_conflicts_is_the_one_on_the_wire() {
    for kind in ConflictKind::ALL {
        assert_eq!(json!(kind), kind.name());
    }
    for state in ConflictState::ALL {
        assert_eq!(json!(state), state.name());
    }
    for resolution in Resolution::ALL {
        assert_eq!(json!(resolution), resolution.name());
    }
}
