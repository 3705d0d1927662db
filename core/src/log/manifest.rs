//! The manifest: which segments there are, and where the log goes on.

use serde::{Deserialize, Serialize};

use super::{
    codec::{self, CodecError},
    entry::{FORMAT, Id, Position},
    keyspace,
    release::{Requirement, Standing},
};
use crate::sorted::SortedMap;

/// A segment's place among the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    pub keyspace: String,
    pub number: u64,
    /// Segments of one run do not overlap; a row in a later run replaces the same row in an earlier one.
    pub run: u64,
    pub rows: usize,
    /// Holds a temporary id that may yet be exchanged, so it is rewritten when a mapping comes.
    pub temporary: bool,
    /// The id of its first record, where it is of one of the app's tables. Absent in what older releases wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Id>,
}

/// The store's table of contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    #[serde(rename = "v")]
    pub format: u32,
    /// What the entries in the segments require of readers and writers.
    #[serde(rename = "q", default)]
    pub requires: Requirement,
    /// Counts compactions. Two compactors that read the same one cannot both succeed.
    pub generation: u64,
    /// The segments hold everything up to this entry; the log goes on after it. Older entries go one compaction
    /// late, so that a reader that lags by one does not have to load anew.
    pub through: Position,
    /// A mapping came, and there was no room to rewrite what still holds its temporary id: the next compaction does it.
    #[serde(rename = "due", default, skip_serializing_if = "std::ops::Not::not")]
    pub rewrite_due: bool,
    /// The number of the next new segment.
    pub next_segment: u64,
    pub segments: Vec<SegmentInfo>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            format: FORMAT,
            requires: Requirement::default(),
            generation: 0,
            through: Position::default(),
            rewrite_due: false,
            next_segment: 1,
            segments: Vec::new(),
        }
    }
}

impl Manifest {
    /// The segments that may hold a record of a table, newest first; `None`: it is not said where records lie.
    #[must_use]
    pub fn holding(&self, table: &str, id: &str) -> Option<Vec<&SegmentInfo>> {
        let keyspace = keyspace::of_table(table);
        let mut of_runs: SortedMap<u64, (&str, &SegmentInfo)> = SortedMap::new();
        for info in self.segments.iter().filter(|info| info.keyspace == keyspace) {
            let first = info.first.as_deref()?;
            let is_nearer = of_runs.get(&info.run).is_none_or(|(known, _)| *known < first);
            if first <= id && is_nearer {
                of_runs.insert(info.run, (first, info));
            }
        }
        Some(of_runs.values().rev().map(|(_, info)| *info).collect())
    }

    /// Reads the stored text, if this context may; an absent one is generation 0 of an empty store.
    pub fn parse(text: Option<&str>, reader: Standing) -> Result<Self, CodecError> {
        #[derive(Deserialize)]
        struct Outside {
            #[serde(rename = "q", default)]
            requires: Requirement,
        }
        let Some(text) = text else { return Ok(Self::default()) };
        // Whether it may be read is said before it is.
        let Outside { requires } = codec::read(text)?;
        reader.check_reading(requires).map_err(CodecError::Newer)?;
        codec::read(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_run_the_segment_is_named_that_begins_last_before_the_record() {
        let info = |keyspace: &str, run, number, first: Option<&str>| SegmentInfo {
            keyspace: keyspace.into(),
            number,
            run,
            rows: 2,
            temporary: false,
            first: first.map(Into::into),
        };
        let segments = vec![
            info("table:a", 1, 1, Some("b")),
            info("table:a", 1, 2, Some("m")),
            info("table:a", 3, 7, Some("k")),
            info("table:ab", 4, 9, Some("a")),
            info("meta", 4, 10, None),
        ];
        let mut manifest = Manifest { segments, ..Manifest::default() };
        let numbers = |manifest: &Manifest, id| {
            manifest.holding("a", id).map(|found| found.iter().map(|info| info.number).collect::<Vec<_>>())
        };
        assert!(numbers(&manifest, "a").unwrap().is_empty());
        assert_eq!(numbers(&manifest, "b").unwrap(), [1]);
        assert_eq!(numbers(&manifest, "l").unwrap(), [7, 1]);
        assert_eq!(numbers(&manifest, "m").unwrap(), [7, 2]);
        manifest.segments.push(info("table:a", 5, 11, None));
        assert_eq!(numbers(&manifest, "m"), None, "an older release wrote it");
    }
}
