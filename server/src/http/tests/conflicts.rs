//! What is held for a decision, over HTTP.

use landfall_core::protocol::conflicts::{
    ConflictKind, ConflictResolved, ConflictState, ConflictsPage, Resolution,
};

use super::*;

fn update_of(key: &str, id: &str, base: u64, text: &str) -> Value {
    json!({ "id": key, "table": "notes", "recordId": id, "operation": "update", "baseVersion": base,
        "base": { "text": "Pull cable" }, "data": { "text": text }, "timestamp": 1 })
}

/// A note that Ana changed twice from one version, the second time in vain. The conflict's id.
pub(super) async fn held(server: &Server, number: usize) -> String {
    let upload = async |operations: Value| {
        let mut body = upload_of("ana", operations);
        body["merge"] = json!(true);
        let answer: UploadAnswer<Value> = server.post_as("ana's", "/api/sync/upload", &body).await.json();
        answer.results
    };
    let made = upload(json!([note(number, "Pull cable")])).await;
    let id = made[0].record_id.clone().unwrap();
    let operations = json!([
        update_of(&format!("a{number}"), &id, 1, "Fuse"),
        update_of(&format!("b{number}"), &id, 1, "Splice")
    ]);
    upload(operations).await[1].conflict_id.clone().unwrap()
}

fn decision(id: &str, resolution: &str) -> Value {
    json!({ "protocol": 1, "conflictId": id, "resolution": resolution })
}

#[tokio::test]
async fn from_the_upload_to_the_decision() {
    let server = Server::with_tokens(false).await;
    let id = held(&server, 1).await;
    // Who reads the records may read what is held about them.
    let page: ConflictsPage<Value> = server.get_as("rita's", "/api/sync/conflicts").await.json();
    let row = &page.conflicts[0];
    assert_eq!(
        (row.id.as_str(), row.kind, row.state, row.principal.as_str()),
        (id.as_str(), ConflictKind::UpdateUpdate, ConflictState::Open, "ana")
    );
    let sides = [&row.base, &row.ours, &row.theirs].map(|side| side.clone().unwrap()["text"].clone());
    assert_eq!(sides, ["Pull cable", "Splice", "Fuse"]);
    assert_eq!(row.paths, [["text"]]);
    let answer = server.post_as("ana's", "/api/sync/resolve-conflict", &decision(&id, "client-wins")).await;
    let resolved: ConflictResolved<Value> = answer.json();
    let entity = resolved.entity.unwrap();
    assert_eq!((resolved.success, entity.version, entity.data), (true, 3, json!({ "text": "Splice" })));
    let page: ConflictsPage<Value> =
        server.get_as("ana's", "/api/sync/conflicts?state=resolved").await.json();
    let row = &page.conflicts[0];
    assert_eq!((row.resolution, row.resolved_by.as_deref()), (Some(Resolution::ClientWins), Some("ana")));
    assert_eq!((page.counts.open, page.counts.resolved), (0, 1));
}

#[tokio::test]
async fn parameters_of_the_list() {
    let server = Server::with_tokens(false).await;
    for number in 1..=3 {
        held(&server, number).await;
    }
    let list = async |parameters: &str| {
        let path = format!("/api/sync/conflicts?{parameters}");
        server.get_as("ana's", &path).await.json::<ConflictsPage<Value>>()
    };
    for (parameters, count) in [
        ("state=open&table=notes&kind=update-update", 3),
        ("state=resolved", 0),
        ("table=tools", 0),
        ("kind=create-create", 0),
        ("limit=0", 1),
    ] {
        assert_eq!(list(parameters).await.conflicts.len(), count, "{parameters}");
    }
    let first = list("limit=2").await;
    let second = list(&format!("limit=2&after={}", first.next.unwrap())).await;
    assert_eq!((first.conflicts.len(), second.conflicts.len(), second.next), (2, 1, None));
    assert!(first.conflicts.iter().all(|row| row.id != second.conflicts[0].id));
    for wrong in ["state=shut", "kind=delete-delete", "limit=many", "after=nonsense"] {
        let answer = server.get_as("ana's", &format!("/api/sync/conflicts?{wrong}")).await;
        assert_eq!(answer.problem(), (400, "invalid-query".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn decisions_that_are_refused() {
    let server = Server::with_tokens(false).await;
    let id = held(&server, 1).await;
    let decide =
        async |token: &str, body: Value| server.post_as(token, "/api/sync/resolve-conflict", &body).await;
    assert_eq!(decide("rita's", decision(&id, "server-wins")).await.problem(), (403, "forbidden".to_owned()));
    let absent = decide("ana's", decision("4711", "server-wins")).await;
    assert_eq!(absent.problem(), (404, "conflict-not-found".to_owned()));
    let open = decide("ana's", decision(&id, "merge")).await;
    assert_eq!(open.problem(), (422, "conflict-open".to_owned()));
    let problem: Problem = serde_json::from_slice(&open.body).unwrap();
    assert!(problem.detail.unwrap().contains("`text`"), "the paths are told");
    let mut wrong = decision(&id, "server-wins");
    wrong["data"] = json!({ "number": "seven" });
    assert_eq!(decide("ana's", wrong).await.problem(), (422, "invalid-value".to_owned()));
    assert_eq!(decide("ana's", decision(&id, "manual")).await.problem(), (400, "malformed-body".to_owned()));
    assert_eq!(decide("ana's", decision(&id, "server-wins")).await.status, 200);
    let again = decide("ana's", decision(&id, "server-wins")).await;
    assert_eq!(again.problem(), (409, "conflict-resolved".to_owned()));
}

#[tokio::test]
async fn conflicts_are_their_tenants() {
    let server = Server::with_tokens(false).await;
    let id = held(&server, 1).await;
    let page: ConflictsPage<Value> = server.get_as("olaf's", "/api/sync/conflicts").await.json();
    assert_eq!((page.conflicts, page.counts.open), (vec![], 0));
    let other = server.post_as("olaf's", "/api/sync/resolve-conflict", &decision(&id, "server-wins")).await;
    assert_eq!(other.problem(), (404, "conflict-not-found".to_owned()));
    // And who has no token, or says nothing of the protocol, gets none.
    let bare = Request::get("/api/sync/conflicts").header(PROTOCOL_HEADER, "1");
    assert_eq!(server.send(bare.body(Body::empty()).unwrap()).await.problem().0, 401);
    let bare = Request::get("/api/sync/conflicts").header("authorization", "Bearer ana's");
    assert_eq!(
        server.send(bare.body(Body::empty()).unwrap()).await.problem(),
        (400, "protocol-missing".to_owned())
    );
}
