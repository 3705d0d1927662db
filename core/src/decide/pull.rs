//! Taking in what others changed.
//!
//! A row counts only if it is newer than what is known of its record. What is outstanding stays on top: where a record has
//! mutations, the row is kept beside them as theirs, and neither merged nor taken for the answer to any of them. The
//! temporary id under which a record was created comes with its row; that establishes the mapping even where the
//! answer to the create was lost.

use std::collections::HashSet;

use super::{
    Writing,
    answer::{copy_of, exchange_id, keep_theirs, tombstone_of},
    draft::Draft,
    note, settle,
};
use crate::{
    activity::{ByTable, What},
    body::Body,
    log::entry::{Cursor, Id, ServerCopy},
    protocol::{DeletionReason, Page},
    state::Meta,
};

const SERVER_TIME_STEP_MS: u64 = 3_600_000;

/// Takes a page in, and its cursor with it; how many rows were news. `forced`: versions of before do not count, the
/// server was restored.
pub(super) fn take<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    set: &Id,
    page: &Page<B>,
    forced: bool,
) -> usize {
    let mut news = ByTable::new();
    for row in &page.entities {
        let id: Id = row.id.as_str().into();
        let created_as = row.created_as.as_deref();
        if take_row(draft, writing, &row.table, &id, created_as, copy_of(row), forced) {
            note::one_more(&mut news, &row.table);
        }
    }
    for row in &page.deletions {
        let (table, id): (Id, Id) = (row.table.as_str().into(), row.id.as_str().into());
        let is_news = match row.reason {
            DeletionReason::LeftScope => forget(draft, &table, &id),
            DeletionReason::Deleted => {
                let created_as = row.created_as.as_deref();
                take_row(draft, writing, &row.table, &id, created_as, tombstone_of(row), forced)
            }
        };
        if is_news {
            note::one_more(&mut news, &table);
        }
    }
    note::take_epoch(draft, writing.now_ms(), &page.epoch);
    let came_on = draft.state().cursor(set).map(|known| known.cursor.as_str()) != Some(page.cursor.as_str());
    if came_on {
        draft.put_cursor(set, Some(Cursor { cursor: page.cursor.clone(), at: writing.now_ms() }));
    }
    // A pull that brings nothing writes nothing, but for the time now and then: it is held against a horizon of months.
    let known = draft.meta(Meta::SERVER_TIME).and_then(|time| time.parse().ok()).unwrap_or(0_u64);
    if came_on || page.server_time.saturating_sub(known) > SERVER_TIME_STEP_MS {
        draft.put_meta(Meta::SERVER_TIME, page.server_time.to_string());
    }
    for (table, count) in &news {
        draft.count(table, |stats| {
            stats.pulled += count;
            stats.last_pulled_at = Some(writing.now_ms());
        });
    }
    let rows = news.values().sum::<u64>();
    if rows > 0 {
        draft.note(writing.now_ms(), What::Pulled { rows: news });
    }
    usize::try_from(rows).unwrap_or(usize::MAX)
}

fn take_row<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    table: &str,
    id: &Id,
    created_as: Option<&str>,
    copy: ServerCopy<B>,
    forced: bool,
) -> bool {
    // A table of a schema newer than ours: its rows come again when the app knows it.
    let Some((table, _)) = draft.schema().tables.get_key_value(table) else { return false };
    let table: Id = table.as_str().into();
    if let Some(temporary) = created_as.map(Id::from) {
        let born_here = draft.record(&table, &temporary).is_some();
        if temporary != *id && born_here {
            exchange_id(draft, writing, &table, &temporary, id);
        }
    }
    let outstanding = !draft.mutations_of(&table, id).is_empty();
    let known = match draft.base(&table, id).and_then(|base| base.newest()) {
        Some(known) => Some(known.version),
        None if outstanding => None,
        None => draft.record(&table, id).and_then(|record| record.version),
    };
    if known.is_some_and(|known| known >= copy.version) && !forced {
        return false;
    }
    if outstanding {
        keep_theirs(draft, &table, id, copy);
        settle::settle(draft, &table, id);
    } else {
        let row = settle::synced(copy, draft.record(&table, id));
        draft.put_record(&table, id, Some(row));
    }
    true
}

/// A record that left what we pull: it lives on elsewhere, so nothing of it is kept here but what is unsent.
fn forget<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id) -> bool {
    let held = draft.record(table, id).is_some();
    let outstanding = !draft.mutations_of(table, id).is_empty();
    if held && !outstanding {
        draft.put_record(table, id, None);
    }
    held && !outstanding
}

/// Ends a full pull: what the server did not send is no longer there, or no longer ours to see.
pub(super) fn drop_unseen<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    seen: &HashSet<(Id, Id)>,
    tables: &[Id],
) {
    let mut dropped = ByTable::new();
    for table in tables {
        let Some(held) = draft.state().table(table) else { continue };
        for (id, _) in held.iter() {
            let unsent = !draft.mutations_of(table, id).is_empty();
            if !unsent && !seen.contains(&(table.clone(), id.clone())) {
                draft.put_record(table, id, None);
                note::one_more(&mut dropped, table);
            }
        }
    }
    draft.note(writing.now_ms(), What::FullPullEnded { dropped });
}
