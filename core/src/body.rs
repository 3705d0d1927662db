//! What the core needs of a record's fields, wherever they live.
//!
//! In a browser a body is a handle to one frozen JavaScript object; in the simulator and in tests it is a
//! [`serde_json::Value`]. The core never copies a body to read it: it asks for the fields that it decides by.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What kind of JSON value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// A body held against the fields of its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// In the order in which they were asked for; `None`: absent.
    pub kinds: Vec<Option<Kind>>,
    pub unknown: Option<String>,
}

/// A scalar as a part of an index key. The order is null, booleans, numbers, strings by code point.
#[derive(Clone, Debug)]
pub enum Scalar {
    Null,
    Boolean(bool),
    /// Never NaN: JSON has none.
    Number(f64),
    String(Rc<str>),
}

impl Scalar {
    /// A JSON value as a scalar; an array or object is `None`.
    #[must_use]
    pub fn of_json(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::Number(value) => value.as_f64().map(Self::Number),
            Value::String(value) => Some(Self::String(value.as_str().into())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As a JSON value. A whole number is an integer there, as JavaScript writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Bool(*value),
            Self::Number(value) => {
                #[expect(clippy::cast_possible_truncation, reason = "whole and in range, as checked")]
                let whole = (value.fract() == 0.0 && value.abs() < 9e15).then_some(*value as i64);
                whole.map_or_else(|| Value::from(*value), Value::from)
            }
            Self::String(text) => Value::String(text.to_string()),
        }
    }
}

/// `_syncStatus`, with F1's four values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// As the server has it.
    #[default]
    Synced,
    /// The server has it, and something that it has not.
    Modified,
    /// The server has not got it yet.
    PendingUpload,
    /// A change to it waits for a person's decision.
    Conflict,
}

impl SyncStatus {
    /// The value that an app sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Modified => "modified",
            Self::PendingUpload => "pending_upload",
            Self::Conflict => "conflict",
        }
    }
}

/// `_syncReason`: in short, why a record is not on its way although it differs from the server's. What says more comes
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncReason {
    /// Somebody else changed it first, and a person has to decide.
    Conflict,
    /// The server refused a change to it.
    Rejected,
    /// A change to it needs one that is parked.
    Blocked,
    /// Nothing is sent until somebody acts.
    Held,
}

impl SyncReason {
    /// Where a record says it: absent where there is none.
    pub const FIELD: &'static str = "_syncReason";

    /// The value that an app sees.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
            Self::Held => "held",
        }
    }
}

/// What every record carries besides its fields (F1). Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncMetadata {
    pub status: SyncStatus,
    pub local_updated_at: Option<u64>,
    pub server_updated_at: Option<u64>,
    /// The latest mutation written here for this record.
    pub sync_id: Option<Rc<str>>,
    pub deleted: bool,
    pub version: Option<u64>,
}

/// The fields of one record, or the changed fields of one mutation: a JSON object that is never changed in place.
///
/// Cloning is cheap (a handle). Every value in it has passed the boundary's check, so it is JSON's and nothing else.
pub trait Body: Clone + 'static {
    /// An object without fields.
    fn empty() -> Self;

    /// An object with these fields.
    fn of(fields: &[(&str, Scalar)]) -> Self;

    /// An object with these fields.
    fn of_fields(fields: &Map<String, Value>) -> Self;

    /// Its fields as values.
    fn to_fields(&self) -> Map<String, Value> {
        crate::json::from_str(&self.to_json()).unwrap_or_default()
    }

    /// The names of its fields.
    fn fields(&self) -> Vec<String>;

    /// What each of these fields holds, and a field that is none of them.
    fn outline(&self, names: &[String]) -> Outline {
        let outline = Self::outlines(std::slice::from_ref(self), names).pop();
        outline.unwrap_or_default()
    }

    /// What each of these fields holds in each body, and a field that is none of them: in one look.
    fn outlines(bodies: &[Self], names: &[String]) -> Vec<Outline> {
        let outline = |body: &Self| Outline {
            kinds: names.iter().map(|name| body.kind(name)).collect(),
            unknown: body.fields().into_iter().find(|field| !names.contains(field)),
        };
        bodies.iter().map(outline).collect()
    }

    /// What a field holds, or `None` if it is absent.
    fn kind(&self, field: &str) -> Option<Kind>;

    /// A field as an index key's part: absent is [`Scalar::Null`]; an array or object is `None`.
    fn scalar(&self, field: &str) -> Option<Scalar>;

    /// The same of many bodies at once.
    fn column(bodies: &[&Self], field: &str) -> Vec<Option<Scalar>> {
        bodies.iter().map(|body| body.scalar(field)).collect()
    }

    /// This object with one field replaced by a string (an id that was exchanged).
    #[must_use]
    fn with_text(&self, field: &str, value: &str) -> Self;

    /// This object with the fields of `changes` in place of its own, and without those of `unset`.
    #[must_use]
    fn patched(&self, changes: &Self, unset: &[String]) -> Self;

    /// The record as readers get it: these fields, `id` and the sync metadata, frozen.
    #[must_use]
    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self;

    /// Many records at once, as [`record`](Self::record) makes each.
    #[must_use]
    fn records(rows: &[(&Self, &str, SyncMetadata)]) -> Vec<Self> {
        rows.iter().map(|(body, id, metadata)| body.record(id, metadata)).collect()
    }

    /// As JSON text; fields in the order in which they were set.
    fn to_json(&self) -> String;

    /// How long the text of each is, or about so long.
    fn lengths(bodies: &[&Self]) -> Vec<usize> {
        bodies.iter().map(|body| body.to_json().len()).collect()
    }

    /// Whether both are the same object. `false` is always a right answer; `true` stores it only once.
    fn same(&self, _other: &Self) -> bool {
        false
    }

    /// A string field's text.
    fn text(&self, field: &str) -> Option<Rc<str>> {
        match self.scalar(field) {
            Some(Scalar::String(text)) => Some(text),
            _ => None,
        }
    }
}

impl Body for Value {
    fn empty() -> Self {
        Self::Object(Map::new())
    }

    fn of(fields: &[(&str, Scalar)]) -> Self {
        Self::Object(fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect())
    }

    fn of_fields(fields: &Map<String, Value>) -> Self {
        Self::Object(fields.clone())
    }

    fn to_fields(&self) -> Map<String, Value> {
        self.as_object().cloned().unwrap_or_default()
    }

    fn fields(&self) -> Vec<String> {
        self.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        Some(match self.get(field)? {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Number(_) => Kind::Number,
            Self::String(_) => Kind::String,
            Self::Array(_) => Kind::Array,
            Self::Object(_) => Kind::Object,
        })
    }

    fn scalar(&self, field: &str) -> Option<Scalar> {
        self.get(field).map_or(Some(Scalar::Null), Scalar::of_json)
    }

    fn with_text(&self, field: &str, value: &str) -> Self {
        let mut copy = self.clone();
        copy[field] = Self::String(value.to_owned());
        copy
    }

    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        let mut copy = self.as_object().cloned().unwrap_or_default();
        if let Some(changes) = changes.as_object() {
            copy.extend(changes.iter().map(|(field, value)| (field.clone(), value.clone())));
        }
        copy.retain(|field, _| !unset.contains(field));
        Self::Object(copy)
    }

    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        let mut copy = self.as_object().cloned().unwrap_or_default();
        copy.insert("id".into(), id.into());
        copy.insert("_syncStatus".into(), metadata.status.as_str().into());
        copy.insert("_localUpdatedAt".into(), metadata.local_updated_at.into());
        copy.insert("_serverUpdatedAt".into(), metadata.server_updated_at.into());
        copy.insert("_syncId".into(), metadata.sync_id.as_deref().into());
        copy.insert("_isDeleted".into(), metadata.deleted.into());
        copy.insert("_version".into(), metadata.version.into());
        Self::Object(copy)
    }

    fn to_json(&self) -> String {
        self.to_string()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }
}
