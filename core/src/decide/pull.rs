//! Taking in what others changed.
//!
//! A row counts only if it is newer than what is known of its record. What is outstanding stays on top: where a record has
//! mutations, the row is kept beside them as theirs, and neither merged nor taken for the answer to any of them, but for their
//! create: a record that is there was created. The
//! temporary id under which a record was created comes with its row; that establishes the mapping even where the
//! answer to the create was lost.
//!
//! A set that is pulled anew ([`begin_anew`]) keeps what it has until its replacement is there. Its cursor says that a full pull is
//! under way, and what the pages brought is noted beside it, so that any context can go on where another one died. The
//! entry that takes the last page drops what none of them brought ([`sweep`]).

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::{
    Writing,
    answer::{copy_of, exchange_id, tombstone_of},
    draft::Draft,
    forgotten, note, restored, settle,
};
use crate::{
    activity::{ByTable, What},
    body::Body,
    log::entry::{Base, Cursor, FullPull, Id, Seen, ServerCopy},
    planted,
    protocol::{DeletionReason, DeletionRow, EPOCH_CHANGED, Page},
    pull::{self, Set},
    sorted::SortedMap,
    state::Meta,
};

const SERVER_TIME_STEP_MS: u64 = 3_600_000;

/// How the rows of a page are taken.
#[derive(Clone, Copy)]
struct Taking {
    /// Versions of before say nothing: the server was restored since.
    forced: bool,
    /// Only a part of the tables is pulled.
    scoped: bool,
}

/// Takes a page in, and its cursor with it; how many rows were news. `from`: the set's cursor when the page was asked for. `None`:
/// the page is not the next one any more, since another context has pulled meanwhile or begun anew, or, where versions
/// cannot be compared, has heard of something that the page may not know of. What it brings comes again.
pub(super) fn take<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    set: &Set,
    from: Option<&Cursor>,
    heard: u64,
    page: &Page<B>,
) -> Option<usize> {
    let known = draft.cursor(&set.key).cloned();
    let (place, asked) = (known.as_ref().and_then(Cursor::place), from.and_then(Cursor::place));
    let other_epoch = known.as_ref().is_some_and(|known| known.is_of_another(&page.epoch));
    let full = known.as_ref().and_then(|known| known.full);
    let is_next = place == asked && full == from.and_then(|from| from.full);
    if !is_next || (other_epoch && (full.is_none() || asked.is_some())) {
        return None;
    }
    // Since it was asked for, the set of another release has brought what this page may lack.
    if known.is_none() && set.is_held(draft.state()) {
        begin_anew(draft, writing, &set.key, crate::activity::SETS_CHANGED);
        return None;
    }
    // Or it is of before a restoration that another release's set has told of; or of after one that nobody has heard of yet.
    if known.is_none() && draft.meta(Meta::EPOCH).is_some_and(|known| known != page.epoch) {
        begin_anew(draft, writing, &set.key, EPOCH_CHANGED);
        return None;
    }
    let came_on = place != Some(page.cursor.as_str());
    let forced = full.is_some_and(|full| full.forced || other_epoch) && !planted!("epoch-ignored");
    if forced && heard != draft.heard(&set.tables) {
        return None;
    }
    note::take_epoch(draft, writing.now_ms(), &page.epoch);
    if asked.is_none() {
        for table in &set.tables {
            draft.count(table, |stats| stats.beginnings += 1);
        }
    }
    let news = take_rows(draft, writing, page, Taking { forced, scoped: set.scope.is_some() });
    let full = match full {
        Some(FullPull { pages, .. }) if page.has_more => {
            draft.put_seen(&set.key, pages, seen_of(page));
            Some(FullPull { forced, pages: pages + 1 })
        }
        Some(FullPull { pages, .. }) => {
            sweep(draft, writing, set, pages, page);
            None
        }
        None => None,
    };
    if came_on || full.is_some() || known.is_some_and(|known| known.full.is_some()) {
        let epoch = Some(page.epoch.as_str().into());
        draft.put_cursor(
            &set.key,
            Some(Cursor { cursor: page.cursor.clone(), at: writing.now_ms(), epoch, full }),
        );
    }
    // A pull that brings nothing writes nothing, but for the time now and then: it is held against a horizon of months.
    let known = draft.meta(Meta::SERVER_TIME).and_then(|time| time.parse().ok()).unwrap_or(0_u64);
    if came_on || page.server_time.saturating_sub(known) > SERVER_TIME_STEP_MS {
        draft.put_meta(Meta::SERVER_TIME, page.server_time.to_string());
    }
    Some(news)
}

fn take_rows<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    page: &Page<B>,
    taking: Taking,
) -> usize {
    let mut news = ByTable::new();
    for row in &page.entities {
        let id: Id = row.id.as_str().into();
        let Some(table) = known_table(draft, &row.table) else { continue };
        learn_id(draft, writing, &table, &id, row.created_as.as_deref());
        let is_new = draft.record(&table, &id).is_none();
        if take_row(draft, taking, &table, &id, copy_of(row)) {
            note::one_more(&mut news, &row.table);
            if is_new {
                note::alike(draft, writing.now_ms(), &table, &id);
            }
        }
    }
    for row in &page.deletions {
        let id: Id = row.id.as_str().into();
        let Some(table) = known_table(draft, &row.table) else { continue };
        let created_as = row.created_as.as_deref().filter(|_| !planted!("deletion-without-its-old-name"));
        learn_id(draft, writing, &table, &id, created_as);
        let is_news = match row.reason {
            DeletionReason::LeftScope => forget(draft, &table, &id),
            DeletionReason::Deleted => take_row(draft, taking, &table, &id, tombstone_of(row)),
        };
        if is_news {
            note::one_more(&mut news, &table);
        }
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

/// `None`: a table of a schema newer than ours; its rows come again when the app knows it, since its set is another one then.
fn known_table<B: Body>(draft: &Draft<'_, B>, table: &str) -> Option<Id> {
    draft.schema().tables.get_key_value(table).map(|(table, _)| table.as_str().into())
}

/// A row says under which temporary id its record was created: if that was here, it has its server id now.
fn learn_id<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &Writing<'_>,
    table: &Id,
    id: &Id,
    created_as: Option<&str>,
) {
    let Some(temporary) = created_as.map(Id::from) else { return };
    if temporary != *id && draft.record(table, &temporary).is_some() {
        exchange_id(draft, writing, table, &temporary, id, None);
    }
}

fn take_row<B: Body>(
    draft: &mut Draft<'_, B>,
    taking: Taking,
    table: &Id,
    id: &Id,
    copy: ServerCopy<B>,
) -> bool {
    let outstanding = draft.mutations_of(table, id);
    let first = outstanding.first().filter(|_| !planted!("pending-overwritten"));
    let Some(first) = first else { return take_plain(draft, taking, table, id, copy) };
    if forgotten::proves(&copy, first) {
        forgotten::was_applied(draft, first, copy);
        draft.count(table, |stats| stats.pushed += 1);
        return true;
    }
    let base = draft.base(table, id).cloned().unwrap_or_default();
    let came_back = base.left;
    let newer = settle::is_news(draft, table, &base, &copy);
    let base = Base { left: false, ..base };
    match base.newest() {
        Some(_) if taking.forced => return restored::rebase(draft, table, id, base, copy),
        _ if newer => draft.put_base(table, id, Some(Base { theirs: Some(copy), ..base })),
        _ if came_back => draft.put_base(table, id, Some(base)),
        _ => return false,
    }
    settle::settle(draft, table, id);
    newer
}

/// A row of a record that has nothing outstanding.
fn take_plain<B: Body>(
    draft: &mut Draft<'_, B>,
    taking: Taking,
    table: &Id,
    id: &Id,
    copy: ServerCopy<B>,
) -> bool {
    let is_news = match draft.record(table, id) {
        // Of a part, the deletions of the rest come too: nobody here asked for those.
        None => !(copy.deleted && taking.scoped),
        Some(held) if taking.forced => {
            held.version != Some(copy.version)
                || held.deleted != copy.deleted
                || !draft.same_data(table, &held.data, &copy.data)
        }
        Some(held) => {
            planted!("older-row-overwrites") || held.version.is_none_or(|version| version < copy.version)
        }
    };
    if is_news {
        let row = settle::synced(copy, draft.record(table, id));
        draft.put_record(table, id, Some(row));
    }
    is_news
}

/// A record that left what is pulled: it lives on elsewhere, so nothing of it is kept here but what is unsent. Once that is
/// settled it goes too, unless it comes back before.
fn forget<B: Body>(draft: &mut Draft<'_, B>, table: &Id, id: &Id) -> bool {
    let outstanding = draft.mutations_of(table, id);
    let Some(first) = outstanding.first() else {
        let held = draft.record(table, id).is_some();
        if held {
            draft.put_record(table, id, None);
        }
        return held;
    };
    let base = draft.base(table, id).cloned().unwrap_or_default();
    if !base.left {
        draft.put_base(table, id, Some(Base { left: true, ..base }));
    }
    if forgotten::is_birth(first) {
        draft.remove_mutation(&first.id);
        settle::settle(draft, table, id);
    }
    false
}

/// Begins to pull a set from the beginning, and keeps what it has until it is replaced.
pub(super) fn begin_anew<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, set: &Id, code: &str) {
    draft.pull_anew(set);
    draft.note(writing.now_ms(), What::FullPullBegan { set: set.clone(), code: code.to_owned() });
}

/// Takes up the sets of this release. One that has no cursor although the server's records are here takes the place of
/// another one: it is pulled anew. The cursors of sets that are no more go; those with a table that a newer release knows are
/// not ours to judge, and of that table's rows they alone say how old they are.
pub(super) fn regroup<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, sets: &[Set]) {
    let gone: Vec<(Id, Option<FullPull>)> = draft
        .state()
        .cursors()
        .filter(|(key, _)| !sets.iter().any(|set| set.key == **key))
        .filter(|(key, _)| pull::tables_of(key).all(|table| draft.schema().table(table).is_some()))
        .map(|(key, cursor)| (key.clone(), cursor.full))
        .collect();
    for set in sets {
        if draft.cursor(&set.key).is_none() && set.is_held(draft.state()) {
            begin_anew(draft, writing, &set.key, crate::activity::SETS_CHANGED);
        }
    }
    for (key, full) in gone {
        draft.drop_seen(&key, full.map_or(0, |full| full.pages));
        draft.put_cursor(&key, None);
    }
}

/// Ends a full pull: what the server did not send is no longer there, or no longer ours to see.
fn sweep<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, set: &Set, pages: u32, last: &Page<B>) {
    let state = draft.state();
    let last = seen_of(last);
    let earlier = if planted!("earlier-pages-forgotten") { 0 } else { pages };
    let noted = (0..earlier).filter_map(|page| state.seen(&set.key, page));
    let mut seen: FxHashSet<(&Id, &Id)> = FxHashSet::default();
    for rows in noted.chain([&last]) {
        seen.extend(rows.iter().flat_map(|(table, ids)| ids.iter().map(move |id| (table, id))));
    }
    let mut dropped = ByTable::new();
    for table in &set.tables {
        let Some(held) = state.table(table) else { continue };
        for (id, _) in held.iter() {
            // One that had its id exchanged is under its new one.
            if seen.contains(&(table, id)) || draft.record(table, id).is_none() {
                continue;
            }
            if draft.mutations_of(table, id).is_empty() || planted!("unsent-swept") {
                draft.put_record(table, id, None);
                note::one_more(&mut dropped, table);
            } else if let Some(base) = draft.base(table, id).filter(|base| !base.left).cloned() {
                // What is unsent stays, and with it what it was made on; once that is decided, both go.
                draft.put_base(table, id, Some(Base { left: true, ..base }));
            }
        }
    }
    draft.drop_seen(&set.key, pages);
    // The set of another release may have brought what came after the last page was made, and would not bring it again.
    let others = draft.state().cursors().map(|(key, _)| key).filter(|key| **key != set.key);
    let lacking = others.filter(|key| dropped.keys().any(|table| pull::is_in(table, key)));
    for key in lacking.cloned().collect::<Vec<_>>() {
        draft.pull_anew(&key);
    }
    draft.note(writing.now_ms(), What::FullPullEnded { dropped });
}

/// The rows of a page, by table.
fn seen_of<B: Body>(page: &Page<B>) -> Rc<Seen> {
    let mut seen: Seen = SortedMap::new();
    let deleted = |row: &DeletionRow| row.reason == DeletionReason::Deleted;
    let entities = page.entities.iter().map(|row| (&row.table, &row.id));
    let deletions = page.deletions.iter().filter(|row| deleted(row)).map(|row| (&row.table, &row.id));
    for (table, id) in entities.chain(deletions) {
        match seen.get_mut(table.as_str()) {
            Some(ids) => ids.push(id.as_str().into()),
            None => {
                seen.insert(table.as_str().into(), vec![id.as_str().into()]);
            }
        }
    }
    Rc::new(seen)
}
