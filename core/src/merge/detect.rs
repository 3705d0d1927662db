//! Whether somebody else changed a record first.
//!
//! A change says what it was made on: the version, and as the table has it the time or the content's hash. The server compares that
//! with what it holds; a client that has pulled a newer copy can do the same. What a change does not say cannot be compared: the
//! version counts then, which every change has.
//!
//! By version and by time what is overtaken stays overtaken: both only grow (of a table that goes by time the server sees to it). Content
//! can come back to what it was. That is the meaning of it, and a danger: a change that was overtaken, and told so, fits again
//! once somebody has changed the record back. Whoever answers by content must remember the answer under the change's own key, or a
//! late copy of the request is applied after its sender was told that it was not.

use super::Fields;
use crate::canonical::content_hash;
use crate::schema::{Table, rules::Detect};

/// What a change was made on.
#[derive(Clone, Copy, Debug, Default)]
pub struct MadeOn<'a> {
    pub version: Option<u64>,
    /// By the server's clock, in milliseconds.
    pub updated_at: Option<u64>,
    /// As [`own_hash`] has it.
    pub hash: Option<&'a str>,
}

/// A living record as it is.
#[derive(Clone, Copy)]
pub struct Current<'a> {
    pub version: u64,
    /// By the server's clock, in milliseconds.
    pub updated_at: u64,
    /// [`own_hash`] of its fields: asked for only where it counts.
    pub hash: &'a dyn Fn() -> String,
}

/// Whether a record is not any more what a change was made on. A change that says nothing of what it was made on is overtaken.
#[must_use]
pub fn is_overtaken(detect: Detect, made_on: MadeOn<'_>, current: Current<'_>) -> bool {
    match (detect, made_on) {
        (Detect::Timestamp, MadeOn { updated_at: Some(updated_at), .. }) => current.updated_at > updated_at,
        (Detect::Hash, MadeOn { hash: Some(hash), .. }) => (current.hash)() != hash,
        (Detect::Version | Detect::Timestamp | Detect::Hash, MadeOn { version, .. }) => {
            version != Some(current.version)
        }
    }
}

/// The content hash of a record's own fields: what is derived from its children is left out, since every device derives it for
/// itself.
#[must_use]
pub fn own_hash(fields: &Fields, table: &Table) -> String {
    if fields.keys().any(|name| table.rollups.contains_key(name)) {
        let own = fields.iter().filter(|(name, _)| !table.rollups.contains_key(*name));
        return content_hash(&own.map(|(name, value)| (name.clone(), value.clone())).collect());
    }
    content_hash(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::schema::Schema;

    const ALL: [Detect; 3] = [Detect::Version, Detect::Timestamp, Detect::Hash];

    fn overtaken(detect: Detect, made_on: MadeOn<'_>) -> bool {
        is_overtaken(detect, made_on, Current { version: 4, updated_at: 70, hash: &|| "now".to_owned() })
    }

    #[test]
    fn each_way_looks_at_its_own_member_alone() {
        let fresh = MadeOn { version: Some(4), updated_at: Some(70), hash: Some("now") };
        let stale = MadeOn { version: Some(3), updated_at: Some(69), hash: Some("then") };
        for detect in ALL {
            assert!(!overtaken(detect, fresh), "{detect:?}");
            assert!(overtaken(detect, stale), "{detect:?}");
        }
        assert!(overtaken(Detect::Version, MadeOn { version: Some(3), ..fresh }));
        assert!(!overtaken(Detect::Version, MadeOn { version: Some(4), ..stale }));
        assert!(overtaken(Detect::Timestamp, MadeOn { updated_at: Some(69), ..fresh }));
        assert!(!overtaken(Detect::Timestamp, MadeOn { updated_at: Some(70), ..stale }));
        assert!(overtaken(Detect::Hash, MadeOn { hash: Some("then"), ..fresh }));
        assert!(!overtaken(Detect::Hash, MadeOn { hash: Some("now"), ..stale }));
    }

    #[test]
    fn what_is_not_said_is_decided_by_the_version() {
        for detect in ALL {
            assert!(!overtaken(detect, MadeOn { version: Some(4), ..MadeOn::default() }), "{detect:?}");
            assert!(overtaken(detect, MadeOn { version: Some(5), ..MadeOn::default() }), "{detect:?}");
            assert!(overtaken(detect, MadeOn::default()), "{detect:?}");
        }
    }

    #[test]
    fn the_hash_is_of_what_is_the_records_own() {
        let document = json!({ "version": 1, "tables": {
            "projects": { "fields": { "name": "string", "phase_count": "number" },
                "rollups": { "phase_count": { "count": "phases" } } },
            "phases": { "fields": { "project_id": "string" },
                "references": { "project_id": { "table": "projects" } } } } });
        let schema = Schema::parse(&document).unwrap();
        let hash = |fields: Value| own_hash(fields.as_object().unwrap(), schema.table("projects").unwrap());
        assert_eq!(hash(json!({ "name": "x", "phase_count": 3 })), hash(json!({ "name": "x" })));
        assert_ne!(hash(json!({ "name": "x" })), hash(json!({ "name": "y" })));
        assert_eq!(hash(json!({ "name": "x" })), content_hash(json!({ "name": "x" }).as_object().unwrap()));
    }
}
