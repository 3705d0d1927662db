//! The schema: one JSON document that page, worker, server and simulator read the same.
//!
//! [`Schema::parse`] takes the document and answers with either a schema in which every name resolves, or the first
//! thing that is wrong with it and where. Code that holds a [`Schema`] need not check a name again.

mod order;
mod parse;
mod relations;
mod rollups;
pub mod rules;
pub mod scope;

pub use self::{
    relations::{Relation, Relations},
    rollups::{Rollup, RollupGroup, RollupKind},
    scope::Scope,
};
use crate::sorted::SortedMap;

/// What is wrong with a schema document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SchemaError {
    /// Where in the document, as `tables.tasks.references.step_id`; `schema` for the document itself.
    pub path: String,
    /// What is wrong there, as a sentence.
    pub message: String,
}

impl SchemaError {
    /// The stable code of every schema error.
    pub const CODE: &str = "invalid-schema";

    /// The stable code, for a table of errors.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        Self::CODE
    }
}

/// A validated schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The app's number for this shape of its data; at least 1.
    pub version: u32,
    /// The least version of the schema whose contexts may still read what this one's write, and
    pub min_reader: u32,
    /// the least whose contexts may write beside them. 1 unless the document says otherwise: a table, a field or an index more
    /// takes nothing away from who does not know it.
    pub min_writer: u32,
    /// By name. Never empty.
    pub tables: SortedMap<String, Table>,
    /// By name: parts of the data that can be pulled instead of the whole.
    pub scopes: SortedMap<String, Scope>,
    /// All roll-ups in the order in which they are derived: one that another reads comes first.
    pub rollups: Vec<RollupGroup>,
    /// The same as text, a line each: equal text, equal values. Empty without roll-ups.
    pub rollups_text: String,
}

/// One table of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The app's own fields; `id` and names that begin with `_` are Landfall's.
    pub fields: SortedMap<String, Field>,
    /// The names of the fields, in the same order: asked for with every write.
    pub field_names: Vec<String>,
    /// Foreign keys, by the field that holds them.
    pub references: SortedMap<String, Reference>,
    /// The declared indexes in the order of the document, then one for each foreign key that leads none of them.
    pub indexes: Vec<Vec<String>>,
    /// Natural keys. A record in which a part of the key is absent or `null` is not constrained by it.
    pub unique: Vec<Vec<String>>,
    /// Keys that are not unique, and seldom shared by two records that are meant to be two: when a record comes that has such a key
    /// in common with another one, the user is told.
    pub alike: Vec<Vec<String>>,
    /// Who names a record of this table.
    pub ids: Ids,
    /// How urgently a change is sent.
    pub priority: PriorityRule,
    /// How it is pulled.
    pub pull: PullRule,
    /// Values derived from children, by name; some are declared as fields too.
    pub rollups: SortedMap<String, Rollup>,
    /// How it is told that somebody else changed a record first.
    pub detect: rules::Detect,
    /// What becomes of what both sides changed.
    pub rules: rules::Rules,
}

/// How a table is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRule {
    /// Not again before this long after the last time, in milliseconds, unless somebody asks; 0: with every pass.
    pub every_ms: u64,
    /// The scope of which it is pulled; `None`: all of it.
    pub scope: Option<String>,
    /// What is more urgent is pulled before the rest, with what it refers to.
    pub priority: Priority,
}

impl Default for PullRule {
    fn default() -> Self {
        Self { every_ms: 0, scope: None, priority: Priority::Medium }
    }
}

/// A field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it may be absent or `null`.
    pub optional: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// Text.
    String,
    /// A finite double.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any JSON value. It cannot be indexed.
    Json,
}

impl FieldKind {
    /// The word for it in the document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
        }
    }
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The parent table.
    pub table: String,
    /// What deleting the parent does.
    pub on_delete: OnDelete,
}

/// What deleting a parent does to its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnDelete {
    /// The children are deleted with it.
    Cascade,
    /// It is refused while it has children.
    Refuse,
}

/// Who names a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ids {
    /// The server; the record has a temporary id until then.
    Temporary,
    /// The device, by a UUID that stays.
    Uuid,
}

/// How urgently a mutation is sent. `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After everything else.
    Low,
    /// The default.
    Medium,
    /// Before the ordinary.
    High,
    /// Before everything else.
    Critical,
}

/// The priority of a table's mutations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityRule {
    /// Of a mutation that changes no field with a priority of its own.
    pub default: Priority,
    /// By field; a mutation has the highest of those it changes.
    pub fields: SortedMap<String, Priority>,
}

impl PriorityRule {
    /// The priority of a mutation that changes these fields. A field's own priority replaces the default; of several
    /// fields the highest counts.
    #[must_use]
    pub fn of<'a>(&self, changed: impl IntoIterator<Item = &'a str>) -> Priority {
        changed.into_iter().filter_map(|field| self.fields.get(field).copied()).max().unwrap_or(self.default)
    }
}

impl Schema {
    /// Reads and validates a schema document.
    pub fn parse(document: &serde_json::Value) -> Result<Self, SchemaError> {
        parse::schema(document)
    }

    /// The table of that name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// Who refers to `table`: (child table, field, what a deletion does), by table and field name.
    pub fn children_of<'a>(&'a self, table: &str) -> impl Iterator<Item = (&'a str, &'a str, OnDelete)> {
        self.tables.iter().flat_map(move |(child, definition)| {
            definition
                .references
                .iter()
                .filter(move |(_, reference)| reference.table == table)
                .map(move |(field, reference)| (child.as_str(), field.as_str(), reference.on_delete))
        })
    }

    /// Every table once, parents before children. Where tables refer to each other in a circle no such order exists:
    /// the circle is then entered at its first name, so that the order is total and the same everywhere.
    #[must_use]
    pub fn tables_parents_first(&self) -> Vec<&str> {
        order::parents_first(self)
    }

    /// What refers to what, as a graph.
    #[must_use]
    pub fn relations(&self) -> Relations<'_> {
        relations::of(self)
    }
}

impl Table {
    /// The field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields.get(name).copied()
    }
}

#[cfg(test)]
mod tests;
