//! Old entries become segments.

use super::{
    Engine,
    load::{Watch, valid_after},
    room::weight,
};
use crate::{
    error::Error,
    log::{
        codec::unpack_segment,
        compaction::{self, Material, SEGMENTS_AT_ONCE},
        manifest::SegmentInfo,
        release::Requirement,
    },
    ports::{Log, Ports},
    sorted::SortedMap,
    state::references,
};

/// A log of this many entries is compacted,
const ENTRIES_MAX: usize = 500;
/// or of this many rows.
const ROWS_MAX: usize = 5_000;

/// How much the log has grown since the last compaction that this context knows of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grown {
    entries: usize,
    rows: usize,
}

/// What a compaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To keep the log short.
    Upkeep,
    /// To gain room: where it would gain none, it is not done.
    Room,
}

impl<P: Ports> Engine<P> {
    pub(super) fn grow(&self, rows: usize) {
        let grown = self.grown.get();
        self.grown.set(Grown { entries: grown.entries + 1, rows: grown.rows + rows });
    }

    pub(super) fn reset_grown(&self, entries: usize, rows: usize) {
        self.grown.set(Grown { entries, rows });
    }

    /// So much of it is in segments. What came meanwhile is not.
    fn shrink(&self, by: Grown) {
        let Grown { entries, rows } = self.grown.get();
        self.reset_grown(entries.saturating_sub(by.entries), rows.saturating_sub(by.rows));
    }

    /// Whether it is time to compact.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        let grown = self.grown.get();
        grown.entries >= ENTRIES_MAX || grown.rows >= ROWS_MAX
    }

    /// Compacts all that is in the log, if another context has not just done so. Any context may, at any time.
    ///
    /// It needs no gate: what it writes is a function of what it read, and the swap fails if that is no longer so.
    pub async fn compact(&self) -> Result<bool, Error> {
        self.check_running()?;
        // Its id map must hold every mapping that it compacts.
        let gate = self.gate.lock().await;
        self.catch_up_gated(Watch::None).await?;
        // Segments of this release are no more readable for others than its entries.
        self.announce_release().await;
        drop(gate);
        self.compact_for(Purpose::Upkeep).await
    }

    /// Compacts what is in the log up to the state's head. Where there is no room to merge older runs, without that.
    pub(super) async fn compact_for(&self, purpose: Purpose) -> Result<bool, Error> {
        match self.compact_once(purpose, true).await {
            Err(Error::QuotaExceeded) => self.compact_once(purpose, false).await,
            done => done,
        }
    }

    async fn compact_once(&self, purpose: Purpose, merge: bool) -> Result<bool, Error> {
        self.check_writing()?;
        if !self.state().requires.covers(self.standing.asks) {
            return Ok(false);
        }
        let log = self.ports.log();
        let snapshot = log.load(&[], self.through()).await?;
        let manifest = self.read_manifest(&snapshot)?;
        let valid = valid_after(&manifest.through, &snapshot.entries, self.standing)
            .map_err(|error| self.stop(error))?;
        let for_room = purpose == Purpose::Room;
        let entries_weight =
            snapshot.entries.iter().map(|stored| if for_room { weight(&stored.packed) } else { 0 });
        let mut gain: u64 = entries_weight.sum();
        let head = self.state().head.key;
        let entries: Vec<_> =
            valid.entries.into_iter().take_while(|(position, _)| position.key <= head).collect();
        let Some((through, _)) = entries.last() else {
            self.reset_grown(0, 0);
            return Ok(false);
        };
        let through = through.clone();
        let taken_in = Grown {
            entries: entries.len(),
            rows: entries.iter().map(|(_, entry)| entry.changes.len()).sum(),
        };
        let asked = entries.iter().filter_map(|(_, entry)| entry.requires);
        let requires = asked.fold(manifest.requires, Requirement::raised_to);
        let pause = async |segments: usize| {
            if segments.is_multiple_of(SEGMENTS_AT_ONCE) {
                self.ports.sleep_ms(0).await;
            }
        };
        let rows =
            compaction::latest_by_parts(entries.into_iter().flat_map(|(_, entry)| entry.changes), pause)
                .await;
        let plan = compaction::plan(&manifest, &rows, merge);
        let taken = &plan.taken;
        let keyspaces: Vec<String> =
            taken.iter().filter(|(_, runs)| !runs.is_empty()).map(|(keyspace, _)| keyspace.clone()).collect();
        let mut segments = SortedMap::new();
        if !keyspaces.is_empty() {
            let again = log.load(&keyspaces, u64::MAX).await?;
            let now = self.read_manifest(&again)?;
            if now.generation != manifest.generation {
                return Ok(false);
            }
            for (key, packed) in again.segments {
                let of_run = |info: &&SegmentInfo| info.keyspace == key.keyspace && info.number == key.number;
                let info = manifest.segments.iter().find(of_run);
                if for_room && info.is_some_and(|info| plan.takes(info)) {
                    gain += weight(&packed);
                }
                segments.insert(key, unpack_segment(&packed).map_err(|error| self.stop(error.into()))?);
                pause(segments.len()).await;
            }
        }
        let exchange = |row| references::exchange_in_row(&self.schema, &self.state().ids, row);
        let material = Material { through, requires, rows, plan, segments };
        let swap = compaction::compact(&manifest, material, &self.schema, exchange, pause).await?;
        // A create is one text in the log and two in segments: to compact what is all of the present makes it larger.
        if for_room && gain <= swap.put.iter().map(|(_, segment)| weight(segment)).sum() {
            return Ok(false);
        }
        let done = log.swap(swap).await?;
        // Whoever was first: the log is that much shorter.
        self.shrink(taken_in);
        Ok(done)
    }
}
