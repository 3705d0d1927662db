//! One page of what changed.

use landfall_core::protocol::{Download, PROTOCOL, Page};
use serde_json::Value;

use super::cursor::{Bound, Cursor};
use super::port::{After, ChangesQuery, Store};
use super::{Caller, Refusal, Rules};

/// How far behind `lastSync` a pull by time begins. A change is stamped when its transaction begins and seen when it
/// commits, so a page's `serverTime` may be younger than a change that it does not show. A request lives half as long.
const LAST_SYNC_MARGIN_MS: u64 = 60_000;

/// Answers a download.
///
/// Every principal of a tenant sees the tenant's data: scopes have no definition yet, so a scope is the whole, and only
/// its name is bound into the cursor.
pub async fn download<S: Store>(
    store: &S,
    rules: &Rules,
    caller: &Caller,
    now: u64,
    request: Download,
) -> Result<Page<Value>, Refusal> {
    if request.protocol != PROTOCOL {
        return Err(Refusal::ProtocolUnsupported(request.protocol));
    }
    let mut tables = request.entity_types;
    tables.sort_unstable();
    tables.dedup();
    if tables.is_empty() {
        return Err(Refusal::NothingAsked);
    }
    if let Some(schema) = &rules.schema
        && let Some(unknown) = tables.iter().find(|table| schema.table(table).is_none())
    {
        return Err(Refusal::UnknownTable(unknown.clone()));
    }
    let bound = Bound { tenant: &caller.tenant, scope: request.scope.as_deref(), tables: &tables };
    let before = store.position().await?;
    let (after, floor) = match (&request.cursor, request.last_sync) {
        (Some(text), _) => {
            let cursor = Cursor::decode(text, bound, &before).map_err(Refusal::CursorExpired)?;
            (After::Seq(cursor.seq), cursor.floor)
        }
        (None, Some(time)) if time < before.horizon => {
            return Err(Refusal::CursorExpired("`lastSync` lies before the horizon"));
        }
        (None, Some(time)) => (After::Time(time.saturating_sub(LAST_SYNC_MARGIN_MS)), 0),
        (None, None) => (After::Seq(0), before.last_seq),
    };
    let limit = request.limit.unwrap_or(rules.page_rows_max).clamp(1, rules.page_rows_max);
    let query = ChangesQuery { tenant: caller.tenant.clone(), tables: tables.clone(), after, limit };
    let changes = store.changes(query).await?;
    let position = changes.position;
    // A purge or a restoration between the two reads.
    if position.epoch != before.epoch || position.purged_seq != before.purged_seq {
        return Err(Refusal::CursorExpired("the server was cleaning up"));
    }
    let seq = match (changes.has_more, changes.records.last()) {
        (true, Some(last)) => last.seq,
        // Past what is not of these tables too: a cursor that stays behind would expire for nothing.
        _ => position.last_seq,
    };
    let mut page = Page {
        entities: Vec::with_capacity(changes.records.len()),
        deletions: Vec::new(),
        cursor: Cursor { floor, seq }.encode(&position.epoch, bound),
        has_more: changes.has_more,
        epoch: position.epoch,
        horizon: position.horizon,
        server_time: now,
    };
    for record in changes.records {
        if record.deleted {
            page.deletions.push(record.into_deletion());
        } else {
            page.entities.push(record.into_entity());
        }
    }
    Ok(page)
}
