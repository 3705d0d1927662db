//! HTTP around the decisions: it reads requests, asks, and says the answer. It decides nothing about records.

mod access;
mod body;
mod conflicts;
mod files;
mod live;
mod problem;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use landfall_core::protocol::{Download, PROTOCOL, PROTOCOL_HEADER, Upload};
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::decompression::RequestDecompressionLayer;

pub use access::{Access, AccessError};

use crate::decisions::port::Store;
use crate::decisions::{Code, Rules, download, upload_and_tell};
use crate::live::Live;
use crate::store::sqlite::SqliteStore;
use problem::ProblemResponse;

/// How long one request may take, body included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers shorter than this are not worth compressing.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

/// Everything a request needs.
#[derive(Debug)]
pub struct Service {
    /// The data.
    pub store: SqliteStore,
    /// Schema and limits.
    pub rules: Rules,
    /// Who may ask.
    pub access: Access,
    /// Who listens, and who edits what.
    pub live: Live,
    /// Milliseconds since the Unix epoch.
    pub clock: fn() -> u64,
    /// [`REQUEST_TIMEOUT`], but in tests.
    pub timeout: Duration,
}

type Shared = Arc<Service>;

/// The application: the API under `/api`, and the files of a directory beside it.
pub fn app(service: Service, static_files: Option<&Path>) -> Router {
    let service = Arc::new(service);
    let timeout = service.timeout;
    let api = Router::new()
        .route("/sync/upload", post(take_upload))
        .route("/sync/download", post(take_download))
        .route("/sync/conflicts", get(conflicts::list))
        .route("/sync/resolve-conflict", post(conflicts::take_decision))
        .route("/sync/stream", get(live::stream))
        .route("/sync/locks", post(live::take_lock))
        .route("/sync/health", get(tell_health))
        .fallback(async || ProblemResponse::new(Code::NotFound))
        .method_not_allowed_fallback(async || ProblemResponse::new(Code::MethodNotAllowed))
        .with_state(service)
        // What it cannot inflate it passes on with its header, so that the refusal is ours, with a code.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(from_fn(move |request: Request, next: Next| in_time(timeout, request, next)))
        .layer(from_fn(say_protocol));
    let router = Router::new().nest("/api", api);
    let router = match static_files {
        Some(directory) => router.fallback_service(files::serve(directory)),
        None => router.fallback(async || ProblemResponse::new(Code::NotFound)),
    };
    let worth_it =
        SizeAbove::new(COMPRESSED_BYTES_MIN).and(NotForContentType::IMAGES).and(NotForContentType::SSE);
    router.layer(CompressionLayer::new().compress_when(worth_it))
}

async fn take_upload(State(service): State<Shared>, request: Request) -> Result<Response, ProblemResponse> {
    let asked = body::Asked::of(request.headers())?;
    let visitor = service.access.visitor(request.headers())?;
    let upload_request: Upload<Value> = body::read(request).await?;
    let caller = visitor.named(&upload_request.principal);
    let now = (service.clock)();
    let device_id = upload_request.device_id.clone();
    let (answer, changed) =
        upload_and_tell(&service.store, &service.rules, &caller, now, upload_request).await?;
    service.live.tell_change(&caller, &device_id, changed, now);
    asked.write(&answer)
}

async fn take_download(State(service): State<Shared>, request: Request) -> Result<Response, ProblemResponse> {
    let asked = body::Asked::of(request.headers())?;
    let visitor = service.access.visitor(request.headers())?;
    let download_request: Download = body::read(request).await?;
    // Without a token whoever asks is who they say.
    let caller = visitor.named(download_request.principal.as_deref().unwrap_or_default());
    let page = download(&service.store, &service.rules, &caller, (service.clock)(), download_request).await?;
    asked.write(&page)
}

/// Whether this is a Landfall server and its database answers. It asks for no token and no header, so that a person, a
/// probe or a client behind a captive portal can use it.
async fn tell_health(State(service): State<Shared>) -> Result<Response, ProblemResponse> {
    let position = service.store.position().await?;
    let answer = json!({ "protocol": PROTOCOL, "epoch": position.epoch, "serverTime": (service.clock)() });
    Ok(axum::Json(answer).into_response())
}

/// A stream is in time when it begins: what follows is its body.
async fn in_time(timeout: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ProblemResponse::new(Code::Timeout).into_response(),
    }
}

/// An answer without the header is not ours, and acknowledges nothing.
async fn say_protocol(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(PROTOCOL_HEADER), HeaderValue::from(PROTOCOL));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
