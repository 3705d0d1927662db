//! A body as a browser has it: a handle to an object that nobody copies. With the objects themselves for bodies, what is measured
//! would be the copying.

use std::rc::Rc;

use landfall_core::body::{Body, Kind, Outline, Scalar, SyncMetadata};
use serde_json::{Map, Value};

#[derive(Clone, Debug)]
pub(crate) struct Handle(Rc<Value>);

impl Handle {
    pub(crate) fn new(value: Value) -> Self {
        Self(Rc::new(value))
    }
}

impl Body for Handle {
    fn empty() -> Self {
        Self::new(Value::empty())
    }

    fn of(fields: &[(&str, Scalar)]) -> Self {
        Self::new(Value::of(fields))
    }

    fn of_fields(fields: &Map<String, Value>) -> Self {
        Self::new(Value::of_fields(fields))
    }

    fn to_fields(&self) -> Map<String, Value> {
        self.0.to_fields()
    }

    fn fields(&self) -> Vec<String> {
        self.0.fields()
    }

    fn outlines(bodies: &[Self], names: &[String]) -> Vec<Outline> {
        let unknown = |body: &Self| {
            let fields = body.0.as_object()?;
            fields.keys().find(|field| !names.contains(field)).cloned()
        };
        let kinds = |body: &Self| names.iter().map(|name| body.kind(name)).collect();
        bodies.iter().map(|body| Outline { kinds: kinds(body), unknown: unknown(body) }).collect()
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        self.0.kind(field)
    }

    fn scalar(&self, field: &str) -> Option<Scalar> {
        self.0.scalar(field)
    }

    fn with_text(&self, field: &str, value: &str) -> Self {
        Self::new(self.0.with_text(field, value))
    }

    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        Self::new(self.0.patched(&changes.0, unset))
    }

    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        Self::new(self.0.record(id, metadata))
    }

    fn to_json(&self) -> String {
        self.0.to_json()
    }

    fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
