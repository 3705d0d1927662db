//! Which releases may read and write a log.
//!
//! Tabs of different releases live on one database: a page that was opened yesterday, a service worker of today.
//! IndexedDB's own barrier, an upgrade, would let each block the other. Here the log itself says what its readers and
//! writers must be. Most changes of a format or a schema are additions that an older release passes over, and need
//! nothing. One that an older release would misread or damage comes with a [`Requirement`]: the first entry that a newer
//! release writes carries it, beside the mark, where a reader that cannot make sense of the rest still finds it; from there on it
//! holds, and a compaction repeats it in the manifest, which is read before anything else. It is only ever raised.
//!
//! A context below it stops: below `reader` it reads nothing more, below `writer` it appends, compacts and sends nothing
//! more. What it has not saved yet it refuses as [`outdated`](Outdated), whole, so that the app can keep the input.

use crate::planted;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::FORMAT;
use crate::schema::Schema;

/// The least format that a reader of what this build writes must know. 4: creates are columns, which format 3 would pass over.
pub const MIN_READER: u32 = 4;

/// The least format that a writer beside this build must know. It has to be raised with every field that is added to a stored
/// shape and must not get lost: a compaction by an older release writes what it has read, and nothing more.
pub const MIN_WRITER: u32 = 4;

/// One release of the engine: the format that it knows, and what it asks of others that use the same log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    pub format: u32,
    pub min_reader: u32,
    pub min_writer: u32,
}

/// This build.
impl Default for Release {
    fn default() -> Self {
        Self { format: FORMAT, min_reader: MIN_READER, min_writer: MIN_WRITER }
    }
}

fn first() -> u32 {
    1
}

// Serde hands it a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_first(version: &u32) -> bool {
    *version <= 1
}

/// What a log asks of its readers and writers: the least format of the engine, and the least version of the app's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    #[serde(rename = "r", default = "first", skip_serializing_if = "is_first")]
    pub engine_reader: u32,
    #[serde(rename = "w", default = "first", skip_serializing_if = "is_first")]
    pub engine_writer: u32,
    #[serde(rename = "sr", default = "first", skip_serializing_if = "is_first")]
    pub schema_reader: u32,
    #[serde(rename = "sw", default = "first", skip_serializing_if = "is_first")]
    pub schema_writer: u32,
}

/// Nothing: every release may do everything.
impl Default for Requirement {
    fn default() -> Self {
        Self { engine_reader: 1, engine_writer: 1, schema_reader: 1, schema_writer: 1 }
    }
}

impl Requirement {
    /// Whether it asks for no less than the other one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.raised_to(other) == self
    }

    /// What both ask for.
    #[must_use]
    pub fn raised_to(self, other: Self) -> Self {
        Self {
            engine_reader: self.engine_reader.max(other.engine_reader),
            engine_writer: self.engine_writer.max(other.engine_writer),
            schema_reader: self.schema_reader.max(other.schema_reader),
            schema_writer: self.schema_writer.max(other.schema_writer),
        }
    }
}

/// What one context is, and what it asks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    engine: u32,
    schema: u32,
    /// What the log must require before this context writes to it.
    pub asks: Requirement,
}

impl Standing {
    #[must_use]
    pub fn new(release: Release, schema: &Schema) -> Self {
        let asks = Requirement {
            engine_reader: release.min_reader,
            engine_writer: release.min_writer.max(release.min_reader),
            schema_reader: schema.min_reader,
            schema_writer: schema.min_writer.max(schema.min_reader),
        };
        Self { engine: release.format, schema: schema.version, asks }
    }

    /// Whether this context may read what is under a requirement.
    pub fn check_reading(self, required: Requirement) -> Result<(), Outdated> {
        self.check(required.engine_reader, required.schema_reader, false)
    }

    /// Whether it may append, compact and send.
    pub fn check_writing(self, required: Requirement) -> Result<(), Outdated> {
        self.check_reading(required)?;
        if planted!("older-release-writes") {
            return Ok(());
        }
        self.check(required.engine_writer, required.schema_writer, true)
    }

    fn check(self, engine: u32, schema: u32, still_reads: bool) -> Result<(), Outdated> {
        if self.engine < engine {
            Err(Outdated { part: Part::Engine, needed: engine, has: self.engine, still_reads })
        } else if self.schema < schema {
            Err(Outdated { part: Part::Schema, needed: schema, has: self.schema, still_reads })
        } else {
            Ok(())
        }
    }
}

/// What of a context can be too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Landfall itself: versions are those of [`FORMAT`].
    Engine,
    /// The app's schema: versions are its `version`.
    Schema,
}

impl Part {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Schema => "schema",
        }
    }
}

/// This context is too old for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outdated {
    pub part: Part,
    /// The least version that may do it,
    pub needed: u32,
    /// and the one that runs here.
    pub has: u32,
    /// Only writing has ended: what is read is still right.
    pub still_reads: bool,
}

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, needed, has, still_reads } = self;
        let what = if *still_reads { "write" } else { "read and write" };
        let (part, version) = match part {
            Part::Engine => ("Landfall", "format"),
            Part::Schema => ("the app's schema", "version"),
        };
        write!(f, "to {what} it takes {version} {needed} of {part}, and this context has {has}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(engine: u32, schema: u32) -> Standing {
        Standing { engine, schema, asks: Requirement::default() }
    }

    #[test]
    fn a_requirement_is_only_ever_raised() {
        let one = Requirement { engine_reader: 2, schema_writer: 5, ..Requirement::default() };
        let other = Requirement { engine_reader: 3, schema_writer: 4, ..Requirement::default() };
        let both = one.raised_to(other);
        assert_eq!(both, Requirement { engine_reader: 3, schema_writer: 5, ..Requirement::default() });
        assert!(both.covers(one) && both.covers(other) && !one.covers(other) && !other.covers(one));
        assert!(one.covers(Requirement::default()));
    }

    #[test]
    fn who_is_below_it_is_told_what_is_too_old() {
        let required = Requirement { engine_writer: 3, schema_reader: 4, schema_writer: 4, engine_reader: 2 };
        assert_eq!(standing(3, 4).check_writing(required), Ok(()));
        let old = standing(2, 4);
        assert_eq!(old.check_reading(required), Ok(()));
        let refused = Outdated { part: Part::Engine, needed: 3, has: 2, still_reads: true };
        assert_eq!(old.check_writing(required), Err(refused));
        let refused = Outdated { part: Part::Schema, needed: 4, has: 3, still_reads: false };
        assert_eq!(standing(3, 3).check_writing(required), Err(refused));
        assert_eq!(
            refused.to_string(),
            "to read and write it takes version 4 of the app's schema, and this context has 3"
        );
    }

    #[test]
    fn who_may_not_read_may_not_write() {
        let schema = serde_json::json!({ "version": 3, "minReader": 3, "tables": { "t": { "fields": { "a": "string" } } } });
        let schema = Schema::parse(&schema).unwrap();
        let asks = Standing::new(Release { format: 7, min_reader: 6, min_writer: 1 }, &schema).asks;
        assert_eq!((asks.engine_reader, asks.engine_writer), (6, 6));
        assert_eq!((asks.schema_reader, asks.schema_writer), (3, 3));
    }

    #[test]
    fn what_is_not_required_is_not_stored() {
        let text = |required| serde_json::to_string(&required).unwrap();
        assert_eq!(text(Requirement::default()), "{}");
        let some = Requirement { schema_writer: 4, ..Requirement::default() };
        assert_eq!(text(some), r#"{"sw":4}"#);
        // A part that this release does not know is passed over.
        assert_eq!(serde_json::from_str::<Requirement>(r#"{"sw":4,"files":9}"#).unwrap(), some);
    }
}
