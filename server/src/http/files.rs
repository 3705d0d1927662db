//! The app's own files.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_http::services::ServeDir;

/// Serves a directory, `index.html` at `/`. Where a file lies beside its brotli form (`app.js.br`), that is sent to those
/// who take it.
pub(super) fn serve(directory: &Path) -> Router {
    Router::new().fallback_service(ServeDir::new(directory).precompressed_br()).layer(from_fn(cache))
}

/// Files under `/assets/` have their content's hash in the name and never change. Anything else (the page, the service
/// worker, the manifest) is asked for again each time, or an update would not arrive.
async fn cache(request: Request, next: Next) -> Response {
    let hashed = request.uri().path().starts_with("/assets/");
    let mut response = next.run(request).await;
    let fresh =
        matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
    let policy = if hashed && fresh { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
