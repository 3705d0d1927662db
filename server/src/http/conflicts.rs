//! What is held for a decision, and decisions.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use landfall_core::protocol::conflicts::{ConflictKind, ConflictState, ResolveConflict};
use serde::Deserialize;
use serde_json::Value;

use super::problem::ProblemResponse;
use super::{Shared, body};
use crate::decisions::port::ConflictsQuery;
use crate::decisions::{Code, conflicts, place_of, resolve};

/// Conflicts to a page where the request does not say.
const PAGE_ROWS: u32 = 100;

/// The parameters of the address.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    state: Option<ConflictState>,
    table: Option<String>,
    kind: Option<ConflictKind>,
    limit: Option<u32>,
    after: Option<String>,
}

pub(super) fn readable<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ProblemResponse> {
    let Query(query) =
        query.map_err(|error| ProblemResponse::because(Code::InvalidQuery, error.body_text()))?;
    Ok(query)
}

pub(super) async fn list(
    State(service): State<Shared>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ProblemResponse> {
    let asked = body::Asked::of(&headers)?;
    let caller = service.access.visitor(&headers)?.named("");
    let Wanted { state, table, kind, limit, after } = readable(wanted)?;
    let after = match after {
        None => None,
        Some(after) => Some(place_of(&after).ok_or_else(|| {
            ProblemResponse::because(Code::InvalidQuery, "`after` is no `next` of an earlier page")
        })?),
    };
    let limit = limit.unwrap_or(PAGE_ROWS).clamp(1, service.rules.page_rows_max);
    let query = ConflictsQuery { tenant: caller.tenant, state, table, kind, after, limit };
    asked.write(&conflicts(&service.store, query).await?)
}

pub(super) async fn take_decision(
    State(service): State<Shared>,
    request: Request,
) -> Result<Response, ProblemResponse> {
    let asked = body::Asked::of(request.headers())?;
    let visitor = service.access.visitor(request.headers())?;
    let decision: ResolveConflict<Value> = body::read(request).await?;
    let caller = visitor.named(decision.principal.as_deref().unwrap_or_default());
    let now = (service.clock)();
    let device_id = decision.device_id.clone().unwrap_or_default();
    let (resolved, changed) = resolve(&service.store, &service.rules, &caller, now, decision).await?;
    service.live.tell_change(&caller, &device_id, changed, now);
    asked.write(&resolved)
}
