//! The manifest: which segments there are, and where the log goes on.

use serde::{Deserialize, Serialize};

use super::{
    codec::{self, CodecError},
    entry::{FORMAT, Position},
    release::{Requirement, Standing},
};

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
