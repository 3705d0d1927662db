//! Every status and every limit, through the whole stack of layers.

#![allow(
    clippy::needless_pass_by_value,
    reason = "a `json!` at the call reads better than a reference to one"
)]

mod bodies;
mod conflicts;
mod files;
mod live;
mod refusals;

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use landfall_core::protocol::{Page, Problem, UploadAnswer};
use landfall_core::schema::Schema;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;

const TOKENS: &str = r#"{
    "ana's": { "principal": "ana", "tenant": "acme" },
    "rita's": { "principal": "rita", "tenant": "acme", "role": "reader" },
    "olaf's": { "principal": "olaf", "tenant": "other", "role": "editor" }
}"#;

struct Server {
    router: Router,
    store: SqliteStore,
    /// Removed with the server.
    _directory: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, StatusCode::OK, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem's code, after a look at everything a problem must have.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header(PROTOCOL_HEADER), "1");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert!(!problem.title.is_empty());
        (problem.status, problem.code().unwrap().to_owned())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    async fn with(access: Access, timeout: Duration, static_files: Option<&Path>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let schema = Schema::parse(&json!({ "version": 1, "tables": {
            "notes": { "fields": { "text": "string", "extra": "json?", "number": "number?" } } } }))
        .unwrap();
        let file = directory.path().join("data.sqlite");
        let store = SqliteStore::open(&file, Some(&schema)).await.unwrap();
        let rules = Rules::new(Some(schema));
        let clock = || 1_760_000_000_000;
        let live = Live::with_limits(3, 2);
        let service = Service { store: store.clone(), rules, access, live, clock, timeout };
        Self { router: app(service, static_files), store, _directory: directory }
    }

    async fn open() -> Self {
        Self::with(Access::open(), REQUEST_TIMEOUT, None).await
    }

    async fn with_tokens(open: bool) -> Self {
        Self::with(Access::tokens(TOKENS, open).unwrap(), REQUEST_TIMEOUT, None).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// As the holder of a token.
    async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let request = request(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn get_as(&self, token: &str, path: &str) -> Answer {
        let request = Request::get(path).header(PROTOCOL_HEADER, "1");
        let request = request.header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(request(path).body(Body::from(body.to_string())).unwrap()).await
    }

    async fn upload(&self, operations: Value) -> Answer {
        self.post("/api/sync/upload", &upload_of("ana", operations)).await
    }

    async fn pull(&self) -> Page<Value> {
        self.post("/api/sync/download", &download_of()).await.json()
    }
}

fn request(path: &str) -> axum::http::request::Builder {
    Request::post(path).header(PROTOCOL_HEADER, "1").header(header::CONTENT_TYPE, "application/json")
}

fn upload_of(principal: &str, operations: Value) -> Value {
    json!({ "protocol": 1, "principal": principal, "deviceId": "device_1", "schemaVersion": 1, "sentAt": 1,
        "operations": operations })
}

fn download_of() -> Value {
    json!({ "protocol": 1, "cursor": null, "entityTypes": ["notes"] })
}

fn note(number: usize, text: &str) -> Value {
    json!({ "id": format!("key-{number}"), "table": "notes", "recordId": format!("temp_1_{number:06}_notes"),
        "operation": "create", "baseVersion": null, "data": { "text": text }, "timestamp": 1, "dependencies": [] })
}

fn notes(count: usize) -> Value {
    (0..count).map(|number| note(number, "Splice")).collect()
}

#[tokio::test]
async fn an_upload_and_a_download() {
    let server = Server::open().await;
    let answer = server.upload(json!([note(1, "Pull cable")])).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!((answer.header(PROTOCOL_HEADER), answer.header("cache-control")), ("1", "no-store"));
    let answer: UploadAnswer<Value> = answer.json();
    assert_eq!(answer.server_time, 1_760_000_000_000);
    assert_eq!(answer.results[0].record_id.as_deref(), Some("1"));
    let page = server.pull().await;
    assert_eq!(page.entities[0].data, json!({ "text": "Pull cable" }));
    assert_eq!(page.epoch, answer.epoch);
}

#[tokio::test]
async fn health_asks_for_nothing() {
    let server = Server::with_tokens(false).await;
    let answer = server.send(Request::get("/api/sync/health").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header(PROTOCOL_HEADER), "1");
    let health: Value = answer.json();
    assert_eq!(health["serverTime"], 1_760_000_000_000_u64);
    assert_eq!(health["epoch"], server.store.position_epoch().await);
}

impl SqliteStore {
    async fn position_epoch(&self) -> String {
        self.position().await.unwrap().epoch
    }
}

#[tokio::test]
async fn a_token_says_who_and_where() {
    let server = Server::with_tokens(false).await;
    let send = async |token: &str, path: &str, body: Value| {
        let request = request(path).header("authorization", format!("Bearer {token}"));
        server.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    let made: UploadAnswer<Value> =
        send("ana's", "/api/sync/upload", upload_of("ana", json!([note(1, "ours")]))).await.json();
    assert_eq!(made.results[0].code, None);
    // The reader of the same tenant sees it, and writes nothing.
    let page: Page<Value> = send("rita's", "/api/sync/download", download_of()).await.json();
    assert_eq!(page.entities.len(), 1);
    let refused: UploadAnswer<Value> =
        send("rita's", "/api/sync/upload", upload_of("rita", json!([note(2, "mine")]))).await.json();
    assert_eq!(refused.results[0].code.as_deref(), Some("forbidden"));
    // Another tenant's principal sees nothing of it.
    let page: Page<Value> = send("olaf's", "/api/sync/download", download_of()).await.json();
    assert_eq!(page.entities, []);
    let other = send("ana's", "/api/sync/upload", upload_of("olaf", json!([]))).await;
    assert_eq!(other.problem(), (403, "principal-mismatch".to_owned()));
}
