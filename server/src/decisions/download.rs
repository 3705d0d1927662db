//! One page of what changed.

use landfall_core::planted;
use landfall_core::protocol::{DeletionReason, Download, PROTOCOL, Page};
use serde_json::Value;

use super::cursor::{Bound, Cursor};
use super::port::{After, ChangesQuery, Record, Snapshot, Store};
use super::scope::Membership;
use super::{Caller, Refusal, Rules};

/// How far behind `lastSync` a pull by time begins. A change is stamped when its transaction begins and seen when it
/// commits, so a page's `serverTime` may be younger than a change that it does not show. A request lives half as long.
const LAST_SYNC_MARGIN_MS: u64 = 60_000;

/// How many rows are looked through for a page of a scope. A page may be short, or empty, with more to come.
const EXAMINED_ROWS_MAX: usize = 10_000;

/// Answers a download.
///
/// Every principal of a tenant may see the tenant's data: a scope spares those who do not want all of it.
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
    if let Some(principal) = request.principal.filter(|principal| *principal != caller.principal) {
        return Err(Refusal::PrincipalMismatch(principal));
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
    let schema = rules.schema.as_ref();
    let scope = match request.scope {
        None => None,
        Some(name) => {
            let found = schema.and_then(|schema| Some((schema.scopes.get(&name)?, schema)));
            Some(found.ok_or(Refusal::UnknownScope(name))?)
        }
    };
    // What the scope means is part of it: where that changes, only a full pull is right.
    let scope_text = scope.map(|(scope, _)| format!("{} {}", caller.principal, scope.text()));
    let bound = Bound { tenant: &caller.tenant, scope: scope_text.as_deref(), tables: &tables };
    let mut membership = scope.map(|(scope, schema)| Membership::new(scope, schema, &caller.principal));

    let mut snapshot = store.snapshot().await?;
    let position = snapshot.position().await?;
    let (mut after, mut floor) = match (&request.cursor, request.last_sync) {
        (Some(text), _) => {
            let cursor = Cursor::decode(text, bound, &position).map_err(Refusal::CursorExpired)?;
            (After::Seq(cursor.seq), cursor.floor)
        }
        (None, Some(time)) if time < position.horizon => {
            return Err(Refusal::CursorExpired("`lastSync` lies before the horizon"));
        }
        (None, Some(time)) => (After::Time(time.saturating_sub(LAST_SYNC_MARGIN_MS)), 0),
        // Who begins has nothing yet, and what changes from here on has a later place.
        (None, None) => (After::Seq(0), position.last_seq),
    };
    let limit = request.limit.unwrap_or(rules.page_rows_max).clamp(1, rules.page_rows_max);
    let mut page = Page {
        entities: Vec::new(),
        deletions: Vec::new(),
        cursor: String::new(),
        has_more: false,
        epoch: position.epoch,
        horizon: position.horizon,
        server_time: now,
    };
    let mut examined = 0;
    // Past what is not of these tables too: a cursor that stays behind would expire for nothing.
    let mut seq = position.last_seq;
    'scan: loop {
        let query = ChangesQuery { tenant: caller.tenant.clone(), tables: tables.clone(), after, limit };
        let changes = snapshot.changes(query).await?;
        let mut last = None;
        for record in changes.records {
            if page.entities.len() + page.deletions.len() == limit as usize {
                page.has_more = true;
                seq = last.unwrap_or(seq);
                break 'scan;
            }
            examined += 1;
            last = Some(record.seq);
            let inside = match &mut membership {
                Some(membership) if !record.deleted => membership.has(&mut snapshot, &record).await?,
                _ => true,
            };
            take(&mut page, record, inside, floor);
        }
        let Some(last) = last.filter(|_| changes.has_more) else { break };
        if page.entities.len() + page.deletions.len() == limit as usize || examined >= EXAMINED_ROWS_MAX {
            page.has_more = true;
            seq = if planted!("page-end-passed") { seq } else { last };
            break;
        }
        after = After::Seq(last);
    }
    if !page.has_more {
        floor = seq;
    }
    page.cursor = Cursor { floor, seq }.encode(&page.epoch, bound);
    Ok(page)
}

/// Puts a record on the page, if it is news to whoever was up to date at `floor`.
fn take(page: &mut Page<Value>, record: Record, inside: bool, floor: u64) {
    if record.deleted {
        page.deletions.push(record.into_deletion(DeletionReason::Deleted));
    } else if inside {
        page.entities.push(record.into_entity());
    } else if record.scope_seq > floor {
        page.deletions.push(record.into_deletion(DeletionReason::LeftScope));
    }
}
