//! Whether a record's fields are what the schema says.

use crate::{
    body::{Body, Kind},
    error::Error,
    schema::{FieldKind, Schema, Table},
};

/// The table of that name.
pub fn table<'s>(schema: &'s Schema, name: &str) -> Result<&'s Table, Error> {
    schema.table(name).ok_or_else(|| Error::UnknownTable {
        table: name.to_owned(),
        known: schema.tables.keys().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "),
    })
}

/// Checks all the fields of a new record.
pub(super) fn whole<B: Body>(table: &Table, data: &B) -> Result<(), Error> {
    let fields = data.fields();
    fields_known(table, &fields)?;
    for (name, field) in &table.fields {
        match data.kind(name) {
            None | Some(Kind::Null) if field.optional => {}
            None => return Err(invalid(name, "is required")),
            Some(kind) => fits(name, field.kind, kind)?,
        }
    }
    Ok(())
}

/// Checks the changed and removed fields of an update.
pub(super) fn part<B: Body>(table: &Table, changes: &B, unset: &[String]) -> Result<(), Error> {
    let fields = changes.fields();
    fields_known(table, &fields)?;
    fields_known(table, unset)?;
    for name in &fields {
        let (Some(field), Some(kind)) = (table.field(name), changes.kind(name)) else { continue };
        if !(field.optional && kind == Kind::Null) {
            fits(name, field.kind, kind)?;
        }
    }
    match unset.iter().find(|name| table.field(name).is_some_and(|field| !field.optional)) {
        Some(required) => Err(invalid(required, "is required and cannot be removed")),
        None => Ok(()),
    }
}

fn fields_known(table: &Table, names: &[String]) -> Result<(), Error> {
    match names.iter().find(|name| !table.fields.contains_key(*name)) {
        None => Ok(()),
        Some(name) if name == "id" || name.starts_with('_') => {
            Err(invalid(name, "is set by Landfall and cannot be written"))
        }
        Some(name) => Err(invalid(name, "is not a field of this table in the schema")),
    }
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
