//! A record's fields as every context of the simulator shares them: to clone one is to count a handle, as in a browser.

use std::rc::Rc;

use landfall_core::body::{Body, Kind, Outline, Scalar, SyncMetadata};
use serde_json::{Map, Value};

/// A JSON object that nobody changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared(pub Rc<Value>);

impl From<Value> for Shared {
    fn from(value: Value) -> Self {
        Self(Rc::new(value))
    }
}

impl Body for Shared {
    fn empty() -> Self {
        Value::empty().into()
    }

    fn of(fields: &[(&str, Scalar)]) -> Self {
        Value::of(fields).into()
    }

    fn of_fields(fields: &Map<String, Value>) -> Self {
        Value::of_fields(fields).into()
    }

    fn to_fields(&self) -> Map<String, Value> {
        self.0.to_fields()
    }

    fn fields(&self) -> Vec<String> {
        self.0.fields()
    }

    fn outline(&self, names: &[String]) -> Outline {
        self.0.outline(names)
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        self.0.kind(field)
    }

    fn scalar(&self, field: &str) -> Option<Scalar> {
        self.0.scalar(field)
    }

    fn with_text(&self, field: &str, value: &str) -> Self {
        self.0.with_text(field, value).into()
    }

    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        self.0.patched(&changes.0, unset).into()
    }

    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        self.0.record(id, metadata).into()
    }

    fn to_json(&self) -> String {
        self.0.to_json()
    }

    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}
