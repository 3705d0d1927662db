//! Refusals as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use landfall_core::protocol::Problem;

use crate::decisions::port::StoreError;
use crate::decisions::{Code, Refusal};

/// A request that was refused.
#[derive(Debug)]
pub(super) struct ProblemResponse {
    code: Code,
    detail: Option<String>,
}

impl ProblemResponse {
    pub(super) fn new(code: Code) -> Self {
        Self { code, detail: None }
    }

    pub(super) fn because(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()) }
    }
}

impl From<Refusal> for ProblemResponse {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Store(StoreError::Failed(cause)) = &refusal {
            // The cause may name files and tables: it is for the operator, not for the answer.
            eprintln!("landfall-server: the database failed: {cause}");
            return Self::new(Code::Internal);
        }
        Self::because(refusal.code(), refusal.to_string())
    }
}

impl From<StoreError> for ProblemResponse {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let Self { code, detail } = self;
        // A code without a status only ever rejects one operation: as a problem it would be our fault.
        let status = code.http_status().unwrap_or(500);
        let problem = Problem::new(code.name(), code.title(), status, detail);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = code.retry_after_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
