//! Rewriting old entries as segments.
//!
//! Entries hold whole rows, so what an entry range comes to is its latest row for each key: no table needs to be
//! loaded to compact it. A compaction writes one new run for each keyspace that it touches, merged with the younger runs
//! that are not much larger, so that a row is rewritten about log(n) times and scattered updates do not rewrite
//! everything. Where an id mapping has come, all runs that still hold temporary ids are merged and rewritten.

use super::{
    codec::{CodecError, pack_segment},
    entry::{Change, FORMAT, Id, Position},
    keyspace::RowKey,
    manifest::{Manifest, SegmentInfo},
    release::Requirement,
};
use crate::{
    body::Body,
    json, planted,
    ports::{SegmentKey, Swap},
    schema::Schema,
    sorted::{SortedMap, SortedSet, sort_by},
    state::references,
};

/// From 200 to 1,000 rows in a value are about as fast in all three browsers (DESIGN, "Encoding").
const ROWS_PER_SEGMENT: usize = 500;
/// So many segments are read or written before others run: about 10 ms of work in a page. Each pause is a timer, and a
/// hidden tab's timers are slow.
pub const SEGMENTS_AT_ONCE: usize = 4;

/// The latest row for each key, by keyspace.
pub type Rows<B> = SortedMap<String, SortedMap<RowKey, Change<B>>>;

/// Folds changes, oldest first, to the latest row for each key.
pub fn latest<B>(changes: impl IntoIterator<Item = Change<B>>) -> Rows<B> {
    let mut rows = Rows::new();
    fold(&mut rows, changes);
    rows
}

/// The same, a segment's rows at a time: see [`compact`] about `pause`.
pub async fn latest_by_parts<B>(
    changes: impl IntoIterator<Item = Change<B>>,
    pause: impl AsyncFn(usize),
) -> Rows<B> {
    let mut rows = Rows::new();
    let mut changes = changes.into_iter().peekable();
    let mut parts = 0;
    while changes.peek().is_some() {
        fold(&mut rows, changes.by_ref().take(ROWS_PER_SEGMENT));
        parts += 1;
        pause(parts).await;
    }
    rows
}

fn fold<B>(rows: &mut Rows<B>, changes: impl IntoIterator<Item = Change<B>>) {
    for change in changes {
        let rows = rows.entry(change.keyspace()).or_default();
        if !(planted!("oldest-row-kept") && rows.contains_key(&change.key())) {
            rows.insert(change.key(), change);
        }
    }
}

/// Which existing runs each keyspace's new run takes in: those that are not much larger than it, and those that a mapping
/// wants rewritten. None, where there is no room to `merge`; the rewriting is due then.
#[must_use]
pub fn plan<B>(manifest: &Manifest, rows: &Rows<B>, merge: bool) -> Plan {
    let mapped = manifest.rewrite_due || rows.values().flat_map(SortedMap::values).any(is_mapping);
    let mut runs: SortedMap<&str, SortedMap<u64, (usize, bool)>> = SortedMap::new();
    for segment in &manifest.segments {
        let run = runs.entry(&segment.keyspace).or_default().entry(segment.run).or_default();
        run.0 += segment.rows;
        run.1 |= segment.temporary;
    }
    let keyspaces: SortedSet<&str> = rows.keys().map(String::as_str).chain(runs.keys().copied()).collect();
    let mut taken = SortedMap::new();
    for keyspace in keyspaces {
        let existing = runs.remove(keyspace).unwrap_or_default();
        let rewrite = merge && mapped && existing.values().any(|(_, temporary)| *temporary);
        let mut size = rows.get(keyspace).map_or(0, SortedMap::len);
        if size == 0 && !rewrite {
            continue;
        }
        let mut merged = SortedSet::new();
        for (run, (run_rows, _)) in existing.iter().rev() {
            if !rewrite && (!merge || *run_rows > 2 * size) {
                break;
            }
            size += run_rows;
            merged.insert(*run);
        }
        taken.insert(keyspace.to_owned(), merged);
    }
    Plan { taken, rewrite_due: mapped && !merge }
}

fn is_mapping<B>(row: &Change<B>) -> bool {
    matches!(row, Change::Mapping(_))
}

/// What a compaction takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// By keyspace: the runs that go into the new one.
    pub taken: SortedMap<String, SortedSet<u64>>,
    /// Mappings still have to be applied to what is not taken.
    pub rewrite_due: bool,
}

impl Plan {
    /// Whether this segment is rewritten.
    #[must_use]
    pub fn takes(&self, segment: &SegmentInfo) -> bool {
        self.taken.get(&segment.keyspace).is_some_and(|runs| runs.contains(&segment.run))
    }
}

/// What a compaction rewrites.
pub struct Material<B> {
    /// The last entry whose rows are in it.
    pub through: Position,
    /// What the log required of readers and writers there.
    pub requires: Requirement,
    /// The latest rows since the manifest's position.
    pub rows: Rows<B>,
    pub plan: Plan,
    /// The segments of the runs that are taken.
    pub segments: SortedMap<SegmentKey, Vec<Change<B>>>,
}

/// Writes a compaction. `exchange` exchanges the mapped ids in a row; `pause` may let others run, so that a page that compacts stays
/// responsive: it is called after each segment, with how many there were.
pub async fn compact<B: Body>(
    manifest: &Manifest,
    material: Material<B>,
    schema: &Schema,
    exchange: impl Fn(Change<B>) -> Change<B>,
    pause: impl AsyncFn(usize),
) -> Result<Swap<B>, CodecError> {
    let Material { through, requires, mut rows, plan, mut segments } = material;
    let generation = manifest.generation + 1;
    let mut next = Manifest {
        format: FORMAT,
        requires,
        generation,
        through,
        rewrite_due: plan.rewrite_due,
        next_segment: manifest.next_segment,
        segments: Vec::new(),
    };
    let mut delete = Vec::new();
    let mut put = Vec::new();
    let mut older_remain: SortedSet<&str> = SortedSet::new();
    let mut merged: Rows<B> = SortedMap::new();
    let mut by_run: Vec<&SegmentInfo> = manifest.segments.iter().collect();
    sort_by(&mut by_run, |one, other| one.run.cmp(&other.run));
    for segment in by_run {
        let key = SegmentKey { keyspace: segment.keyspace.clone(), number: segment.number };
        if plan.takes(segment) {
            let old = segments
                .remove(&key)
                .ok_or_else(|| CodecError::Damaged(format!("segment {} is missing", segment.number)))?;
            let into = merged.entry(segment.keyspace.clone()).or_default();
            into.extend(old.into_iter().map(|row| (row.key(), row)));
            delete.push(key);
            pause(delete.len()).await;
        } else {
            older_remain.insert(&segment.keyspace);
            next.segments.push(segment.clone());
        }
    }
    for keyspace in plan.taken.keys() {
        let mut all = merged.remove(keyspace).unwrap_or_default();
        all.extend(rows.remove(keyspace).unwrap_or_default());
        let keeps_removals = older_remain.contains(keyspace.as_str()) && !planted!("removal-compacted-away");
        let mut kept = all.into_values().filter(|row| keeps_removals || !row.is_removal()).peekable();
        while kept.peek().is_some() {
            let rows: Vec<Change<B>> = kept.by_ref().take(ROWS_PER_SEGMENT).map(&exchange).collect();
            let number = next.next_segment;
            next.next_segment += 1;
            next.segments.push(SegmentInfo {
                keyspace: keyspace.clone(),
                number,
                run: generation,
                rows: rows.len(),
                temporary: references::any_holds_temporary(schema, &rows),
                first: first_record(&rows),
            });
            put.push((SegmentKey { keyspace: keyspace.clone(), number }, pack_segment(&rows)?));
            pause(put.len()).await;
        }
    }
    let text = write(&next)?;
    if planted!("log-cut-too-far") {
        let delete_log_through = Some(u64::MAX);
        return Ok(Swap { generation, manifest: text, put, delete, delete_log_through });
    }
    let delete_log_through = (manifest.through.key > 0).then_some(manifest.through.key);
    Ok(Swap { generation, manifest: text, put, delete, delete_log_through })
}

/// The id of the first of some rows, if they are records.
fn first_record<B>(rows: &[Change<B>]) -> Option<Id> {
    match rows.first() {
        Some(Change::Record { id, .. }) => Some(id.clone()),
        _ => None,
    }
}

/// A swap that only takes out of the log what is in the segments already, but for the last entry of that: it may be the
/// last valid one. `None`: nothing is in them yet.
pub fn drop_compacted<B>(manifest: &Manifest) -> Result<Option<Swap<B>>, CodecError> {
    let Some(through) = manifest.through.key.checked_sub(1) else { return Ok(None) };
    let generation = manifest.generation + 1;
    let next = Manifest { generation, format: FORMAT, ..manifest.clone() };
    Ok(Some(Swap {
        generation,
        manifest: write(&next)?,
        put: Vec::new(),
        delete: Vec::new(),
        delete_log_through: Some(through),
    }))
}

fn write(manifest: &Manifest) -> Result<String, CodecError> {
    json::to_string(manifest).map_err(|error| CodecError::Damaged(error.to_string()))
}
