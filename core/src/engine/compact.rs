//! Old entries become segments.

use std::collections::BTreeMap;

use super::{Engine, load::valid_after};
use crate::{
    error::Error,
    log::{
        codec::unpack_segment,
        compaction::{self, Material},
        release::Requirement,
    },
    ports::{Log, Ports},
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

impl<P: Ports> Engine<P> {
    pub(super) fn grow(&self, rows: usize) {
        let grown = self.grown.get();
        self.grown.set(Grown { entries: grown.entries + 1, rows: grown.rows + rows });
    }

    pub(super) fn reset_grown(&self, entries: usize, rows: usize) {
        self.grown.set(Grown { entries, rows });
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
        // Its id map must hold every mapping that it compacts.
        self.catch_up().await?;
        // Segments of this release are no more readable for others than its entries.
        let gate = self.gate.lock().await;
        self.announce_release().await;
        drop(gate);
        self.check_writing()?;
        if !self.state().requires.covers(self.standing.asks) {
            return Ok(false);
        }
        let log = self.ports.log();
        let snapshot = log.load(&[], self.through.get()).await?;
        let manifest = self.read_manifest(&snapshot)?;
        let valid = valid_after(&manifest.through, &snapshot.entries, self.standing)
            .map_err(|error| self.stop(error))?;
        let head = self.state().head.key;
        let entries: Vec<_> =
            valid.entries.into_iter().take_while(|(position, _)| position.key <= head).collect();
        let Some((through, _)) = entries.last() else {
            self.reset_grown(0, 0);
            return Ok(false);
        };
        let through = through.clone();
        let asked = entries.iter().filter_map(|(_, entry)| entry.requires);
        let requires = asked.fold(manifest.requires, Requirement::raised_to);
        let rows = compaction::latest(entries.into_iter().flat_map(|(_, entry)| entry.changes));
        let taken = compaction::plan(&manifest, &rows);
        let keyspaces: Vec<String> =
            taken.iter().filter(|(_, runs)| !runs.is_empty()).map(|(keyspace, _)| keyspace.clone()).collect();
        let mut segments = BTreeMap::new();
        if !keyspaces.is_empty() {
            let again = log.load(&keyspaces, u64::MAX).await?;
            let now = self.read_manifest(&again)?;
            if now.generation != manifest.generation {
                return Ok(false);
            }
            for (key, packed) in again.segments {
                segments.insert(key, unpack_segment(&packed).map_err(|error| self.stop(error.into()))?);
                self.ports.sleep_ms(0).await;
            }
        }
        let exchange = |row| references::exchange_in_row(&self.schema, &self.state().ids, row);
        let pause = async || self.ports.sleep_ms(0).await;
        let material = Material { through, requires, rows, taken, segments };
        let swap = compaction::compact(&manifest, material, &self.schema, exchange, pause).await?;
        let done = log.swap(swap).await?;
        // Whoever was first: the log is short again.
        self.reset_grown(0, 0);
        Ok(done)
    }
}
