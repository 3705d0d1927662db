//! The stream of what goes on, and locks.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use landfall_core::protocol::PROTOCOL;
use landfall_core::protocol::live::{HELLO, Hello, LockRequest};
use serde::Deserialize;

use super::conflicts::readable;
use super::problem::ProblemResponse;
use super::{Shared, body};
use crate::decisions::port::Store;
use crate::decisions::{Code, Refusal, Role};
use crate::live::{Full, Listener, Message};

/// How often a comment says that the connection lives.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Bytes of each name that a lock keeps.
const NAME_BYTES_MAX: usize = 256;

/// The parameters of the address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wanted {
    /// Names with commas between; absent: all.
    entity_types: Option<String>,
}

impl From<Full> for ProblemResponse {
    fn from(full: Full) -> Self {
        Self::new(match full {
            Full::Streams => Code::TooManyStreams,
            Full::Locks => Code::TooManyLocks,
            Full::Stopping => Code::Unavailable,
        })
    }
}

pub(super) async fn stream(
    State(service): State<Shared>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ProblemResponse> {
    // Of events there is one format, whatever is accepted.
    body::Asked::of(&headers)?;
    let caller = service.access.visitor(&headers)?.named("");
    let names = readable(wanted)?.entity_types.unwrap_or_default();
    let tables: BTreeSet<String> =
        names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if let Some(schema) = &service.rules.schema
        && let Some(unknown) = tables.iter().find(|table| schema.table(table).is_none())
    {
        return Err(Refusal::UnknownTable(unknown.clone()).into());
    }
    let tables = Some(tables).filter(|tables| !tables.is_empty());
    let epoch = service.store.position().await?.epoch;
    let now = (service.clock)();
    let (listener, locks) = service.live.listen(&caller.tenant, tables, now)?;
    let hello = Hello { protocol: PROTOCOL, epoch, server_time: now, locks };
    let first = serde_json::to_string(&hello).map_err(|_| ProblemResponse::new(Code::Internal))?;
    let reader = Reader { listener, clock: service.clock, waiting: VecDeque::new() };
    let events = stream::unfold((Some(first), reader), async |(first, mut reader)| {
        let event = match first {
            Some(hello) => Event::default().event(HELLO).data(hello),
            None => reader.next().await?,
        };
        Some((Ok::<_, Infallible>(event), (None, reader)))
    });
    let answer = Sse::new(events).keep_alive(KeepAlive::new().interval(COMMENT_EVERY));
    // A proxy that gathers an answer before it sends it on would gather this one for ever.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];
    Ok((unbuffered, answer).into_response())
}

/// Reads message by message what a listener may hear several of at once.
struct Reader {
    listener: Listener,
    clock: fn() -> u64,
    waiting: VecDeque<Arc<Message>>,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(Event::default().event(message.event).data(&message.data));
            }
            self.waiting.extend(self.listener.next(self.clock).await?);
        }
    }
}

pub(super) async fn take_lock(
    State(service): State<Shared>,
    request: Request,
) -> Result<Response, ProblemResponse> {
    let asked = body::Asked::of(request.headers())?;
    let visitor = service.access.visitor(request.headers())?;
    let wanted: LockRequest = body::read(request).await?;
    if wanted.protocol != PROTOCOL {
        return Err(Refusal::ProtocolUnsupported(wanted.protocol).into());
    }
    let caller = visitor.named(wanted.principal.as_deref().unwrap_or_default());
    if let Some(principal) = wanted.principal.as_ref().filter(|principal| **principal != caller.principal) {
        return Err(Refusal::PrincipalMismatch(principal.clone()).into());
    }
    if caller.role == Role::Reader {
        return Err(Refusal::Forbidden.into());
    }
    if service.rules.schema.as_ref().is_some_and(|schema| schema.table(&wanted.table).is_none()) {
        return Err(Refusal::UnknownTable(wanted.table).into());
    }
    let names = [&wanted.table, &wanted.record_id, &wanted.device_id, &caller.principal];
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        let detail = format!("a name is longer than {NAME_BYTES_MAX} bytes");
        return Err(ProblemResponse::because(Code::MalformedBody, detail));
    }
    asked.write(&service.live.lock(&caller, wanted, (service.clock)())?)
}
