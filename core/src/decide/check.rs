//! Whether a record's fields are what the schema says.

use super::Command;
use crate::{
    body::{Body, Kind, Outline},
    error::Error,
    log::entry::Id,
    schema::{FieldKind, Schema, Table},
    sorted::SortedMap,
};

/// The table of that name.
pub fn table<'s>(schema: &'s Schema, name: &str) -> Result<&'s Table, Error> {
    schema.table(name).ok_or_else(|| Error::UnknownTable {
        table: name.to_owned(),
        known: schema.tables.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
    })
}

/// What an app writes by these commands, for each of them what its bodies hold. One look at many bodies of a table costs no more
/// than a look at one.
#[must_use]
pub fn outlines<'c, B: Body>(
    schema: &Schema,
    commands: impl Iterator<Item = &'c Command<B>> + Clone,
) -> Vec<Vec<Outline>> {
    let mut bodies: SortedMap<&Id, Vec<B>> = SortedMap::new();
    for (table, written) in commands.clone().filter_map(written_by) {
        bodies.entry(table).or_default().extend_from_slice(written);
    }
    let look = |(table, bodies): (&'c Id, Vec<B>)| {
        // Where there is no such table, the command is refused before its bodies matter.
        let outlines = schema.table(table).map(|known| B::outlines(&bodies, &known.field_names));
        (table, outlines.unwrap_or_default().into_iter())
    };
    let mut looks: SortedMap<&Id, _> = bodies.into_iter().map(look).collect();
    let mut of = |command| {
        let (table, written) = written_by(command)?;
        Some(looks.get_mut(&table)?.by_ref().take(written.len()).collect())
    };
    commands.map(|command| of(command).unwrap_or_default()).collect()
}

/// What of a command is checked against the schema as it came from the app.
fn written_by<B>(command: &Command<B>) -> Option<(&Id, &[B])> {
    match command {
        Command::Create { table, records, .. } => Some((table, records)),
        Command::Update { table, changes, .. } => Some((table, std::slice::from_ref(changes))),
        _ => None,
    }
}

/// Checks all the fields of a new record; the names of those that it has.
pub(super) fn whole(table: &Table, outline: Outline) -> Result<Vec<&str>, Error> {
    known(table, outline.unknown.as_deref())?;
    let mut present = Vec::with_capacity(outline.kinds.len());
    let is_derived = |name| !table.rollups.is_empty() && table.rollups.contains_key(name);
    for ((name, field), kind) in table.fields.iter().zip(outline.kinds) {
        match kind {
            Some(_) if is_derived(name) => return Err(derived(table, name)),
            None if is_derived(name) => continue,
            None if field.optional => continue,
            None => return Err(invalid(name, "is required")),
            Some(Kind::Null) if field.optional => {}
            Some(kind) => fits(name, field.kind, kind)?,
        }
        present.push(name.as_str());
    }
    Ok(present)
}

/// Checks the changed and removed fields of an update; the names of those that it changes.
pub(super) fn part<'t>(table: &'t Table, outline: Outline, unset: &[String]) -> Result<Vec<&'t str>, Error> {
    known(table, outline.unknown.as_deref())?;
    known(table, unset.iter().find(|name| !table.fields.contains_key(*name)).map(String::as_str))?;
    if let Some(name) = unset.iter().find(|name| table.rollups.contains_key(*name)) {
        return Err(derived(table, name));
    }
    let mut present = Vec::new();
    for ((name, field), kind) in table.fields.iter().zip(outline.kinds) {
        let Some(kind) = kind else { continue };
        if table.rollups.contains_key(name) {
            return Err(derived(table, name));
        }
        if !(field.optional && kind == Kind::Null) {
            fits(name, field.kind, kind)?;
        }
        present.push(name.as_str());
    }
    match unset.iter().find(|name| table.field(name).is_some_and(|field| !field.optional)) {
        Some(required) => Err(invalid(required, "is required and cannot be removed")),
        None => Ok(present),
    }
}

/// Refuses a field that the table has not.
fn known(table: &Table, unknown: Option<&str>) -> Result<(), Error> {
    match unknown {
        None => Ok(()),
        Some(name) if table.rollups.contains_key(name) => Err(derived(table, name)),
        Some(name) if name == "id" || name.starts_with('_') => {
            Err(invalid(name, "is set by Landfall and cannot be written"))
        }
        Some(name) => Err(invalid(name, "is not a field of this table in the schema")),
    }
}

fn derived(table: &Table, name: &str) -> Error {
    let from = table.rollups.get(name).map(ToString::to_string).unwrap_or_default();
    invalid(name, &format!("is derived ({from}) and cannot be written"))
}

fn fits(name: &str, expected: FieldKind, found: Kind) -> Result<(), Error> {
    let ok = match expected {
        FieldKind::String => found == Kind::String,
        FieldKind::Number => found == Kind::Number,
        FieldKind::Boolean => found == Kind::Boolean,
        FieldKind::Json => true,
    };
    if ok {
        return Ok(());
    }
    let found = match found {
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    };
    Err(invalid(name, &format!("must be a {} but is {found}", expected.name())))
}

fn invalid(path: &str, problem: &str) -> Error {
    Error::InvalidValue { path: path.to_owned(), problem: problem.to_owned() }
}
