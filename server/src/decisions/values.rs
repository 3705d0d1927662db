//! Whether a record's fields are what the schema says.

use landfall_core::schema::{Field, FieldKind, Table};
use serde_json::Value;

use super::Code;
use super::apply::Reason;
use super::port::Fields;

/// The fields of an operation: none is an empty object, anything but an object is refused.
pub(super) fn fields_of(data: Option<Value>) -> Result<Fields, Reason> {
    match data {
        None | Some(Value::Null) => Ok(Fields::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(Reason::rejected(Code::InvalidValue, None, "`data` must be an object")),
    }
}

/// Checks the fields that are set. `table` is absent where the server has no schema: then only the names that are
/// Landfall's own are refused, since a record that carried them could not be told from its metadata.
pub(super) fn check_set(fields: &Fields, table: Option<&Table>) -> Result<(), Reason> {
    for (name, value) in fields {
        let Some(table) = table else {
            if name == "id" || name.starts_with('_') {
                return Err(invalid(name, "is a reserved name"));
            }
            continue;
        };
        let Some(field) = table.field(name) else { return Err(invalid(name, "is no field of this table")) };
        check_value(name, value, field)?;
    }
    Ok(())
}

/// Checks the fields that are removed.
pub(super) fn check_unset(unset: &[String], fields: &Fields, table: Option<&Table>) -> Result<(), Reason> {
    for name in unset {
        if fields.contains_key(name) {
            return Err(invalid(name, "is both set and removed"));
        }
        let Some(table) = table else { continue };
        match table.field(name) {
            None => return Err(invalid(name, "is no field of this table")),
            Some(field) if !field.optional => return Err(invalid(name, "must not be removed")),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Checks that a new record has everything it must have. Roll-ups are each device's own: most are never sent.
pub(super) fn check_complete(fields: &Fields, table: &Table) -> Result<(), Reason> {
    let must = |name: &String, field: &Field| !field.optional && !table.rollups.contains_key(name);
    match table.fields.iter().find(|(name, field)| must(name, field) && !fields.contains_key(*name)) {
        Some((name, _)) => Err(invalid(name, "is missing")),
        None => Ok(()),
    }
}

fn check_value(name: &str, value: &Value, field: Field) -> Result<(), Reason> {
    let fits = match (field.kind, value) {
        // A json field may hold `null` as one of its values only if it may be absent: the client's types say the same.
        (_, Value::Null) => field.optional,
        (FieldKind::String, Value::String(_))
        | (FieldKind::Number, Value::Number(_))
        | (FieldKind::Boolean, Value::Bool(_))
        | (FieldKind::Json, _) => true,
        (FieldKind::String | FieldKind::Number | FieldKind::Boolean, _) => false,
    };
    if fits {
        return Ok(());
    }
    let or_null = if field.optional { " or null" } else { "" };
    Err(invalid(name, &format!("must be a {}{or_null}", field.kind.name())))
}

fn invalid(name: &str, message: &str) -> Reason {
    Reason::rejected(Code::InvalidValue, Some(name), &format!("`{name}` {message}"))
}

/// Whether a whole record is what the schema says. For data that does not come by an upload.
#[cfg(test)]
pub(crate) fn check_record(fields: &Fields, table: &Table) -> Result<(), String> {
    let checked = check_set(fields, Some(table)).and_then(|()| check_complete(fields, table));
    checked.map_err(|reason| format!("{reason:?}"))
}
