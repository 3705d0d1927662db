//! Values that are derived from a record's children: how many tasks a step has, whether all of them are complete.

use std::fmt;

use serde_json::{Map, Value};

use super::{
    Field, FieldKind, Schema, SchemaError, Table,
    parse::{at, error, name, object, only},
};
use crate::{canonical, sorted::SortedMap};

/// A value of a record that follows from its children. Nobody writes it: it is derived on each device, and changes in the
/// same entry as what it follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollup {
    pub kind: RollupKind,
    /// The children's table.
    pub child: String,
    /// Their foreign key that makes them children.
    pub by: String,
    /// Which children count, by field: those with one of these values. An absent field is `null`. For
    /// [`RollupKind::All`] it is the condition that they all have to meet.
    pub only: SortedMap<String, Vec<Value>>,
    /// Whether a change that is made here goes to the server as an update of the parent.
    pub write: bool,
}

/// How a roll-up follows from the children. Those that are deleted do not count; of `of`, neither do children in which it
/// is absent, `null` or of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollupKind {
    /// How many there are.
    Count,
    /// Whether there are some and all of them meet the condition. Of none, `false`: a step without tasks is not complete.
    All,
    /// The mean of a number; `null` of none.
    Average { of: String },
    /// 0 of none.
    Sum { of: String },
    /// The least number or text (by code point); `null` of none.
    Min { of: String },
    /// The greatest; `null` of none.
    Max { of: String },
}

impl RollupKind {
    /// The field of the children that it reads besides those of the condition.
    #[must_use]
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::Count | Self::All => None,
            Self::Average { of } | Self::Sum { of } | Self::Min { of } | Self::Max { of } => Some(of),
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::All => "all",
            Self::Average { .. } => "average",
            Self::Sum { .. } => "sum",
            Self::Min { .. } => "min",
            Self::Max { .. } => "max",
        }
    }
}

/// As `average of progress in tasks by step_id where status is "completed"`. Equal text, equal roll-up.
impl fmt::Display for Rollup {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, child, by, only, write: _ } = self;
        write!(to, "{}", kind.word())?;
        if let Some(of) = kind.of() {
            write!(to, " of {of}")?;
        }
        write!(to, " in {child} by {by}")?;
        for (at, (field, values)) in only.iter().enumerate() {
            // So that page and worker say the same of a number however it was written.
            let values: Vec<String> = values.iter().map(canonical::text).collect();
            write!(to, " {} {field} is {}", if at == 0 { "where" } else { "and" }, values.join(" or "))?;
        }
        Ok(())
    }
}

/// Roll-ups of one table over the same children: derived together, so that the children are read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupGroup {
    pub parent: String,
    pub child: String,
    pub by: String,
    /// Of [`Table::rollups`].
    pub names: Vec<String>,
}

const KINDS: [&str; 6] = ["count", "all", "average", "sum", "min", "max"];

/// Reads the `rollups` of all tables of a document, when everything else of it is read, and puts them in order.
pub(super) fn add(schema: &mut Schema, tables: &Map<String, Value>) -> Result<(), SchemaError> {
    for (table, value) in tables {
        let Some(value) = value.get("rollups") else { continue };
        let path = format!("tables.{table}.rollups");
        let rollups = parse(value, &path, table, &schema.tables)?;
        if let Some(table) = schema.tables.get_mut(table) {
            table.rollups = rollups;
        }
    }
    schema.rollups = resolve(schema)?;
    schema.rollups_text = text(schema);
    Ok(())
}

fn parse(
    value: &Value,
    path: &str,
    parent: &str,
    tables: &SortedMap<String, Table>,
) -> Result<SortedMap<String, Rollup>, SchemaError> {
    let parse = |(rollup, value): (&String, &Value)| {
        let path = at(path, rollup);
        name(rollup, &path)?;
        Ok((rollup.clone(), one(object(value, &path)?, &path, parent, tables)?))
    };
    object(value, path)?.iter().map(parse).collect()
}

fn one(
    map: &Map<String, Value>,
    path: &str,
    parent: &str,
    tables: &SortedMap<String, Table>,
) -> Result<Rollup, SchemaError> {
    only(map, path, &[&KINDS[..], &["of", "where", "by", "write"]].concat())?;
    let mut kinds = KINDS.iter().filter(|kind| map.contains_key(**kind));
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return error(path, format!("must have one of {}", KINDS.join(", ")));
    };
    let child_path = at(path, kind);
    let Some(child) = map[*kind].as_str() else {
        return error(&child_path, "must be the name of the children's table");
    };
    let Some(table) = tables.get(child) else {
        return error(&child_path, format!("`{child}` is no table of this schema"));
    };
    let by = by(map.get("by"), path, &child_path, parent, (child, table))?;
    let of = match (map.get("of"), *kind) {
        (None, "count" | "all") => None,
        (Some(Value::String(of)), kind) if kind != "count" && kind != "all" => Some(of.clone()),
        (Some(_), "count" | "all") => return error(&at(path, "of"), format!("says nothing to `{kind}`")),
        _ => return error(&at(path, "of"), format!("must be the field of `{child}` to take the {kind} of")),
    };
    let kind = match (*kind, of) {
        ("count", _) => RollupKind::Count,
        ("average", Some(of)) => RollupKind::Average { of },
        ("sum", Some(of)) => RollupKind::Sum { of },
        ("min", Some(of)) => RollupKind::Min { of },
        ("max", Some(of)) => RollupKind::Max { of },
        _ => RollupKind::All,
    };
    let only = match map.get("where") {
        Some(value) => condition(value, &at(path, "where"))?,
        None if kind == RollupKind::All => {
            return error(&at(path, "where"), "is missing: all of them must meet a condition");
        }
        None => SortedMap::new(),
    };
    let write = match map.get("write") {
        None => false,
        Some(Value::Bool(write)) => *write,
        Some(_) => return error(&at(path, "write"), "must be `true` or `false`"),
    };
    Ok(Rollup { kind, child: child.to_owned(), by, only, write })
}

fn by(
    value: Option<&Value>,
    path: &str,
    child_path: &str,
    parent: &str,
    (child, table): (&str, &Table),
) -> Result<String, SchemaError> {
    let mut keys = table.references.iter().filter(|(_, reference)| reference.table == parent);
    if let Some(value) = value {
        let by = value.as_str().unwrap_or_default();
        return match keys.find(|(field, _)| *field == by) {
            Some((field, _)) => Ok(field.clone()),
            None => error(&at(path, "by"), format!("must be a field of `{child}` that refers to `{parent}`")),
        };
    }
    match (keys.next(), keys.next()) {
        (Some((field, _)), None) => Ok(field.clone()),
        (Some(_), Some(_)) => {
            error(&at(path, "by"), format!("is missing: `{child}` refers to `{parent}` by several fields"))
        }
        (None, _) => error(child_path, format!("`{child}` does not refer to `{parent}`")),
    }
}

fn condition(value: &Value, path: &str) -> Result<SortedMap<String, Vec<Value>>, SchemaError> {
    let map = object(value, path)?;
    if map.is_empty() {
        return error(path, "must name at least one field");
    }
    let parse = |(field, value): (&String, &Value)| {
        let values = match value {
            Value::Array(values) => values.clone(),
            value => vec![value.clone()],
        };
        let scalar = |value: &Value| !value.is_array() && !value.is_object();
        if values.is_empty() || !values.iter().all(scalar) {
            return error(&at(path, field), "must be a string, number, boolean or null, or a list of those");
        }
        Ok((field.clone(), values))
    };
    map.iter().map(parse).collect()
}

/// Checks every roll-up against the fields and roll-ups that it reads and the field that it fills, and puts them in
/// order: what another one reads comes first.
fn resolve(schema: &Schema) -> Result<Vec<RollupGroup>, SchemaError> {
    let mut groups: SortedMap<(usize, &str, &str, &str), Vec<String>> = SortedMap::new();
    for (table, definition) in &schema.tables {
        for (name, rollup) in &definition.rollups {
            let depth = depth(schema, table, name, &mut Vec::new())?;
            groups.entry((depth, table, &rollup.child, &rollup.by)).or_default().push(name.clone());
        }
    }
    // From here on there is no circle.
    for (table, definition) in &schema.tables {
        for (name, rollup) in &definition.rollups {
            let path = format!("tables.{table}.rollups.{name}");
            let kind = check_reads(schema, rollup, &path)?;
            check_field(definition, name, rollup, kind, &path)?;
        }
    }
    let group = |((_, parent, child, by), names): ((usize, &str, &str, &str), _)| RollupGroup {
        parent: parent.to_owned(),
        child: child.to_owned(),
        by: by.to_owned(),
        names,
    };
    Ok(groups.into_iter().map(group).collect())
}

/// What a field of a record holds, derived or not.
fn kind_of(schema: &Schema, table: &str, field: &str) -> Option<FieldKind> {
    let definition = schema.table(table)?;
    let Some(rollup) = definition.rollups.get(field) else {
        return definition.field(field).map(|field| field.kind);
    };
    match &rollup.kind {
        RollupKind::Count | RollupKind::Average { .. } | RollupKind::Sum { .. } => Some(FieldKind::Number),
        RollupKind::All => Some(FieldKind::Boolean),
        RollupKind::Min { of } | RollupKind::Max { of } => kind_of(schema, &rollup.child, of),
    }
}

/// Checks what a roll-up reads; the kind of what it gives.
fn check_reads(schema: &Schema, rollup: &Rollup, path: &str) -> Result<FieldKind, SchemaError> {
    let child = &rollup.child;
    let read = |field: &str, path: &str| match kind_of(schema, child, field) {
        Some(kind) => Ok(kind),
        None => error(path, format!("`{field}` is neither a field nor a roll-up of `{child}`")),
    };
    for (field, values) in &rollup.only {
        let path = format!("{path}.where.{field}");
        let kind = read(field, &path)?;
        let fits = |value: &Value| match value {
            Value::Null => kind != FieldKind::Json,
            Value::Bool(_) => kind == FieldKind::Boolean,
            Value::Number(_) => kind == FieldKind::Number,
            Value::String(_) => kind == FieldKind::String,
            Value::Array(_) | Value::Object(_) => false,
        };
        if !values.iter().all(fits) {
            return error(&path, format!("does not fit `{field}`, which is a {}", kind.name()));
        }
    }
    let path = at(path, "of");
    match &rollup.kind {
        RollupKind::Count => Ok(FieldKind::Number),
        RollupKind::All => Ok(FieldKind::Boolean),
        RollupKind::Average { of } | RollupKind::Sum { of } => match read(of, &path)? {
            FieldKind::Number => Ok(FieldKind::Number),
            kind => error(&path, format!("must be a number, but `{of}` is a {}", kind.name())),
        },
        RollupKind::Min { of } | RollupKind::Max { of } => match read(of, &path)? {
            kind @ (FieldKind::Number | FieldKind::String) => Ok(kind),
            kind => error(&path, format!("must be a number or a string, but `{of}` is a {}", kind.name())),
        },
    }
}

/// Checks the declared field that a roll-up fills, if there is one.
fn check_field(
    table: &Table,
    name: &str,
    rollup: &Rollup,
    kind: FieldKind,
    path: &str,
) -> Result<(), SchemaError> {
    let may_be_null =
        matches!(rollup.kind, RollupKind::Average { .. } | RollupKind::Min { .. } | RollupKind::Max { .. });
    match table.field(name) {
        None if rollup.write => {
            error(&at(path, "write"), "needs a field of that name: the server has to know what is sent to it")
        }
        Some(_) if table.references.contains_key(name) => error(path, "is a reference and cannot be derived"),
        Some(Field { kind: declared, .. }) if declared != kind => error(
            path,
            format!("gives a {}, but the field of that name is a {}", kind.name(), declared.name()),
        ),
        Some(Field { optional: false, .. }) if may_be_null => {
            error(path, format!("may be null: declare the field as `{}?`", kind.name()))
        }
        None | Some(_) => Ok(()),
    }
}

/// How many roll-ups lie under this one, at most. `above` are those that read it.
fn depth<'s>(
    schema: &'s Schema,
    table: &'s str,
    name: &'s str,
    above: &mut Vec<(&'s str, &'s str)>,
) -> Result<usize, SchemaError> {
    let Some(rollup) = schema.table(table).and_then(|table| table.rollups.get(name)) else { return Ok(0) };
    if let Some(from) = above.iter().position(|known| *known == (table, name)) {
        above.push((table, name));
        let circle: Vec<String> =
            above[from..].iter().map(|(table, name)| format!("{table}.{name}")).collect();
        let path = format!("tables.{table}.rollups.{name}");
        return error(&path, format!("is derived from itself: {}", circle.join(" from ")));
    }
    above.push((table, name));
    let mut deepest = 0;
    for field in rollup.kind.of().into_iter().chain(rollup.only.keys().map(String::as_str)) {
        if schema.table(&rollup.child).is_some_and(|child| child.rollups.contains_key(field)) {
            deepest = deepest.max(1 + depth(schema, &rollup.child, field, above)?);
        }
    }
    above.pop();
    Ok(deepest)
}

impl Schema {
    /// Whether a roll-up of it is sent.
    #[must_use]
    pub fn sends_rollups(&self) -> bool {
        self.tables.values().flat_map(|table| table.rollups.values()).any(|rollup| rollup.write)
    }
}

/// All roll-ups, a line each.
fn text(schema: &Schema) -> String {
    let of_table = |(table, definition): (&String, &Table)| {
        let line = |(name, rollup): (&String, &Rollup)| format!("{table}.{name}: {rollup}\n");
        definition.rollups.iter().map(line).collect::<String>()
    };
    schema.tables.iter().map(of_table).collect()
}
