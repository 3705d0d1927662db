//! The stream and the locks, over HTTP.

use axum::response::Response;
use http_body_util::BodyExt;

use super::*;

/// A stream that is read event by event.
struct Stream {
    headers: HeaderMap,
    body: Body,
    text: String,
}

impl Stream {
    /// The next event and its data; `None`: the stream has ended, or nothing came for a while.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let member =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let found =
                    (member("event: ").unwrap(), serde_json::from_str(&member("data: ").unwrap()).unwrap());
                self.text = rest.to_owned();
                return Some(found);
            }
            let frame = tokio::time::timeout(Duration::from_millis(100), self.body.frame()).await.ok()??;
            self.text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
    }
}

impl Server {
    async fn asked_to_stream(&self, token: &str, parameters: &str) -> Response {
        let request = Request::get(format!("/api/sync/stream{parameters}")).header(PROTOCOL_HEADER, "1");
        let request =
            request.header("authorization", format!("Bearer {token}")).header("accept-encoding", "gzip");
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn stream(&self, token: &str, parameters: &str) -> Stream {
        let (parts, body) = self.asked_to_stream(token, parameters).await.into_parts();
        assert_eq!(parts.status, StatusCode::OK);
        Stream { headers: parts.headers, body, text: String::new() }
    }

    async fn upload_as(&self, token: &str, principal: &str, operations: Value) {
        assert_eq!(
            self.post_as(token, "/api/sync/upload", &upload_of(principal, operations)).await.status,
            200
        );
    }

    async fn lock_as(&self, token: &str, device: &str, action: &str) -> Answer {
        let body =
            json!({ "protocol": 1, "deviceId": device, "table": "notes", "recordId": "1", "action": action });
        self.post_as(token, "/api/sync/locks", &body).await
    }
}

#[tokio::test]
async fn a_stream_tells_of_changes() {
    // What is applied is told; a stream is not cut by the time that a request has.
    let access = Access::tokens(TOKENS, false).unwrap();
    let server = Server::with(access, Duration::from_millis(250), None).await;
    let mut stream = server.stream("rita's", "?entityTypes=notes").await;
    let header = |name: &str| stream.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(
        (header("content-type"), header(PROTOCOL_HEADER), header("content-encoding")),
        ("text/event-stream", "1", "")
    );
    assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-store", "no"));
    let epoch = server.store.position_epoch().await;
    let hello = json!({ "protocol": 1, "epoch": epoch, "serverTime": 1_760_000_000_000_u64, "locks": [] });
    assert_eq!(stream.next().await, Some(("hello".to_owned(), hello)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.upload_as("ana's", "ana", json!([note(1, "one"), note(2, "two")])).await;
    let change = json!({ "tables": ["notes"], "principal": "ana", "deviceId": "device_1", "serverTime": 1_760_000_000_000_u64,
        "records": [{ "table": "notes", "id": "1", "version": 1 }, { "table": "notes", "id": "2", "version": 1 }] });
    assert_eq!(stream.next().await, Some(("change".to_owned(), change)));
    // Nothing was applied: a copy, a refusal, a conflict. What was rolled back was not written.
    let stale = json!({ "id": "stale", "table": "notes", "recordId": "1", "operation": "update", "baseVersion": 9,
        "data": { "text": "x" }, "timestamp": 1 });
    let mut bad = note(3, "three");
    bad["data"]["number"] = json!("seven");
    server.upload_as("ana's", "ana", json!([note(1, "one"), bad, stale])).await;
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_decision_is_a_change_too() {
    let server = Server::with_tokens(false).await;
    let id = conflicts::held(&server, 1).await;
    let mut stream = server.stream("ana's", "").await;
    stream.next().await.unwrap();
    let body =
        json!({ "protocol": 1, "conflictId": id, "resolution": "client-wins", "deviceId": "device_2" });
    assert_eq!(server.post_as("ana's", "/api/sync/resolve-conflict", &body).await.status, 200);
    let (event, change) = stream.next().await.unwrap();
    assert_eq!(
        (event.as_str(), &change["deviceId"], &change["records"][0]["version"]),
        ("change", &json!("device_2"), &json!(3))
    );
}

#[tokio::test]
async fn tenants_do_not_hear_each_other() {
    let server = Server::with_tokens(false).await;
    server.lock_as("ana's", "d1", "take").await;
    let mut other = server.stream("olaf's", "").await;
    assert_eq!(other.next().await.unwrap().1["locks"], json!([]));
    server.upload_as("ana's", "ana", json!([note(1, "ours")])).await;
    server.lock_as("ana's", "d1", "release").await;
    assert_eq!(other.next().await, None);
    // The other tenant's lock on a record of the same name is another lock.
    server.lock_as("ana's", "d1", "take").await;
    let answer: Value = server.lock_as("olaf's", "d9", "take").await.json();
    assert_eq!(answer["granted"], true);
    assert_eq!(other.next().await.unwrap().1["deviceId"], "d9");
}

#[tokio::test]
async fn locks_are_taken_and_told() {
    let server = Server::with_tokens(false).await;
    let mut early = server.stream("rita's", "").await;
    early.next().await.unwrap();
    let until = 1_760_000_030_000_u64;
    let lock =
        json!({ "table": "notes", "recordId": "1", "principal": "ana", "deviceId": "d1", "until": until });
    let taken: Value = server.lock_as("ana's", "d1", "take").await.json();
    assert_eq!(
        taken,
        json!({ "protocol": 1, "granted": true, "lock": lock, "serverTime": 1_760_000_000_000_u64 })
    );
    let refused: Value = server.lock_as("ana's", "d2", "take").await.json();
    assert_eq!((&refused["granted"], &refused["lock"]), (&json!(false), &lock));
    let mut late = server.stream("rita's", "?entityTypes=notes").await;
    assert_eq!(late.next().await.unwrap().1["locks"], json!([lock]));
    let released: Value = server.lock_as("ana's", "d1", "release").await.json();
    assert_eq!((&released["granted"], &released["lock"]), (&json!(true), &json!(null)));
    assert_eq!(early.next().await, Some(("lock".to_owned(), lock.clone())));
    let mut given_up = lock;
    given_up["until"] = json!(null);
    assert_eq!(early.next().await, Some(("lock".to_owned(), given_up.clone())));
    assert_eq!(late.next().await, Some(("lock".to_owned(), given_up)));
}

#[tokio::test]
async fn streams_and_locks_that_are_refused() {
    let server = Server::with_tokens(false).await;
    let problem = async |path: &str, token: &str| {
        let answer = server.get_as(token, path).await;
        answer.problem()
    };
    assert_eq!(problem("/api/sync/stream", "nobody's").await, (401, "unauthenticated".to_owned()));
    assert_eq!(
        problem("/api/sync/stream?entityTypes=notes,tools", "ana's").await,
        (400, "unknown-table".to_owned())
    );
    let bare = Request::get("/api/sync/stream").header("authorization", "Bearer ana's");
    assert_eq!(
        server.send(bare.body(Body::empty()).unwrap()).await.problem(),
        (400, "protocol-missing".to_owned())
    );
    // The tests' server takes three streams and two locks of a tenant.
    let streams = [
        server.stream("ana's", "").await,
        server.stream("rita's", "").await,
        server.stream("ana's", "").await,
    ];
    let full = server.get_as("ana's", "/api/sync/stream").await;
    assert_eq!((full.problem(), full.header("retry-after")), ((503, "too-many-streams".to_owned()), "2"));
    drop(streams);
    assert_eq!(server.asked_to_stream("ana's", "").await.status(), StatusCode::OK);

    let lock = async |token: &str, member: &str, value: Value| {
        let mut body =
            json!({ "protocol": 1, "deviceId": "d1", "table": "notes", "recordId": "1", "action": "take" });
        body[member] = value;
        server.post_as(token, "/api/sync/locks", &body).await
    };
    for (token, member, value, refusal) in [
        ("rita's", "ttlMs", json!(1), (403, "forbidden")),
        ("ana's", "table", json!("tools"), (400, "unknown-table")),
        ("ana's", "principal", json!("ben"), (403, "principal-mismatch")),
        ("ana's", "protocol", json!(2), (400, "protocol-unsupported")),
        ("ana's", "action", json!("steal"), (400, "malformed-body")),
        ("ana's", "recordId", json!("x".repeat(257)), (400, "malformed-body")),
    ] {
        assert_eq!(lock(token, member, value).await.problem(), (refusal.0, refusal.1.to_owned()), "{member}");
    }
    assert_eq!(lock("ana's", "recordId", json!("1")).await.status, 200);
    assert_eq!(lock("ana's", "recordId", json!("2")).await.status, 200);
    assert_eq!(lock("ana's", "recordId", json!("3")).await.problem(), (503, "too-many-locks".to_owned()));
}
