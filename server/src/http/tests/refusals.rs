//! Requests that are refused, and that nothing came of them.

use std::time::Duration;

use super::*;
use crate::decisions::port::StoreError;

#[tokio::test]
async fn the_protocol_header() {
    let server = Server::open().await;
    for path in ["/api/sync/upload", "/api/sync/download"] {
        let bare = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let answer = server.send(bare.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.problem(), (400, "protocol-missing".to_owned()));
        for version in ["2", "one", ""] {
            let other = Request::post(path).header(PROTOCOL_HEADER, version);
            let answer = server.send(other.body(Body::from("{}")).unwrap()).await;
            assert_eq!(answer.problem(), (400, "protocol-unsupported".to_owned()));
        }
    }
    let mut body = upload_of("ana", json!([]));
    body["protocol"] = json!(2);
    let answer = server.post("/api/sync/upload", &body).await;
    assert_eq!(answer.problem(), (400, "protocol-unsupported".to_owned()));
}

#[tokio::test]
async fn tokens() {
    for open in [false, true] {
        let server = Server::with_tokens(open).await;
        for value in ["Bearer nobody's", "Basic YW5hOg==", "ana's", "Bearer", "Bearer "] {
            let request = request("/api/sync/upload").header("authorization", value);
            let body = upload_of("ana", json!([note(1, "x")])).to_string();
            let answer = server.send(request.body(Body::from(body)).unwrap()).await;
            assert_eq!(answer.problem(), (401, "unauthenticated".to_owned()), "{value}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        assert_eq!(server.store.position().await.unwrap().last_seq, 0);
        let without = server.upload(json!([note(1, "x")])).await;
        assert_eq!(without.status.as_u16(), if open { 200 } else { 401 });
    }
    let server = Server::with_tokens(false).await;
    assert_eq!(server.post("/api/sync/download", &download_of()).await.problem().0, 401);
    for wrong in [
        "[]",
        "{\"t\": {\"principal\": \"p\"}}",
        "{\"t\": {\"principal\": \"p\", \"tenant\": \"t\", \"role\": \"god\"}}",
    ] {
        assert!(Access::tokens(wrong, false).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let server = Server::open().await;
    for path in ["/api", "/api/", "/api/sync", "/api/sync/uploads", "/api/sync/upload/", "/elsewhere"] {
        let answer = server.send(request(path).body(Body::empty()).unwrap()).await;
        let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status.as_u16(), problem.code()), (404, Some("not-found")), "{path}");
    }
    let answer = server.send(Request::get("/api/sync/upload").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem(), (405, "method-not-allowed".to_owned()));
    assert_eq!(answer.header("allow"), "POST");
    let answer = server.send(Request::delete("/api/sync/health").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.problem().0, 405);
}

#[tokio::test]
async fn another_epoch_and_an_old_cursor() {
    let server = Server::open().await;
    let mut body = upload_of("ana", json!([note(1, "x")]));
    body["epoch"] = json!("before the restoration");
    let answer = server.post("/api/sync/upload", &body).await;
    assert_eq!(answer.problem(), (409, "epoch-changed".to_owned()));
    assert_eq!(server.pull().await.entities, []);
    let mut body = download_of();
    body["cursor"] = json!("nonsense");
    let answer = server.post("/api/sync/download", &body).await;
    assert_eq!(answer.problem(), (410, "cursor-expired".to_owned()));
    body["cursor"] = json!(server.pull().await.cursor);
    server.store.renew_epoch().await.unwrap();
    assert_eq!(server.post("/api/sync/download", &body).await.problem().0, 410);
}

#[tokio::test]
async fn downloads_of_nothing_known() {
    let server = Server::open().await;
    let mut body = download_of();
    body["entityTypes"] = json!(["tools"]);
    assert_eq!(server.post("/api/sync/download", &body).await.problem(), (400, "unknown-table".to_owned()));
    body["entityTypes"] = json!([]);
    assert_eq!(server.post("/api/sync/download", &body).await.problem(), (400, "malformed-body".to_owned()));
}

#[tokio::test]
async fn a_batch_of_a_thousand_and_one() {
    let server = Server::open().await;
    let answer = server.upload(notes(1_001)).await;
    assert_eq!(answer.problem(), (413, "batch-too-large".to_owned()));
    assert_eq!(server.store.position().await.unwrap().last_seq, 0);
    let answer: UploadAnswer<Value> = server.upload(notes(1_000)).await.json();
    assert_eq!(answer.id_mappings.len(), 1_000);
    // And the page's limit: what is asked beyond it is cut.
    server.upload(json!([note(1_000, "one more")])).await;
    let mut body = download_of();
    body["limit"] = json!(5_000);
    let page: Page<Value> = server.post("/api/sync/download", &body).await.json();
    assert_eq!((page.entities.len(), page.has_more), (1_000, true));
}

#[tokio::test]
async fn a_request_that_does_not_end() {
    let server = Server::with(Access::open(), Duration::from_millis(50), None).await;
    let never = Body::from_stream(tokio_stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
    let answer = server.send(request("/api/sync/upload").body(never).unwrap()).await;
    assert_eq!(answer.problem(), (503, "timeout".to_owned()));
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn a_database_that_fails() {
    let server = Server::open().await;
    server.store.close().await;
    let answer = server.upload(json!([note(1, "x")])).await;
    assert_eq!(answer.problem(), (500, "internal".to_owned()));
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem.detail, None, "an operator's words must not reach the client");

    let busy = ProblemResponse::from(StoreError::Busy).into_response();
    assert_eq!(busy.status().as_u16(), 503);
    assert_eq!(busy.headers()["retry-after"], "2");
}
