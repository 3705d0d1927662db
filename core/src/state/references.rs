//! Foreign keys that hold a temporary id, and their exchange for the server id.
//!
//! A mapping holds for every table from its entry on. Tables in memory are rewritten when the mapping is folded,
//! tables that are loaded later while they are loaded, and segments while they are compacted.

use std::rc::Rc;

use super::ids::IdMap;
use crate::{
    activity::Activity,
    body::Body,
    ids::is_temporary,
    log::entry::{Base, Change, Id, Record, ServerCopy},
    schema::Schema,
};

/// The data with every mapped temporary id in a foreign key exchanged; `None` if there is none.
pub fn exchange<B: Body>(schema: &Schema, ids: &IdMap, table: &str, data: &B) -> Option<B> {
    if ids.is_empty() {
        return None;
    }
    let mut exchanged = None;
    for field in schema.table(table)?.references.keys() {
        let Some(text) = data.text(field) else { continue };
        if let Some(server) = ids.server_id(&text) {
            exchanged = Some(exchanged.as_ref().unwrap_or(data).with_text(field, server));
        }
    }
    exchanged
}

/// Whether a foreign key holds a temporary id.
fn refers_to_temporary<B: Body>(schema: &Schema, table: &str, data: &B) -> bool {
    schema.table(table).is_some_and(|table| {
        table.references.keys().any(|field| data.text(field).is_some_and(|text| is_temporary(&text)))
    })
}

/// Whether a row may hold a temporary id. What a newer schema added may refer by one too, so that is not taken for settled:
/// whoever knows it finds out.
fn holds<B: Body>(schema: &Schema, table: &str, id: &str, data: &B) -> bool {
    let Some(definition) = schema.table(table) else { return true };
    is_temporary(id)
        || refers_to_temporary(schema, table, data)
        || data.outline(&definition.field_names).unknown.is_some()
}

/// Whether a foreign key in one of the server's copies holds a temporary id.
pub fn base_holds_temporary<B: Body>(schema: &Schema, table: &str, base: &Base<B>) -> bool {
    let copies = base.base.iter().chain(&base.theirs);
    copies.into_iter().any(|copy| refers_to_temporary(schema, table, &copy.data))
}

/// The server's copies of a record with their mapped foreign keys exchanged.
pub fn exchange_in_base<B: Body>(schema: &Schema, ids: &IdMap, table: &str, base: Base<B>) -> Base<B> {
    let copy = |copy: ServerCopy<B>| match exchange(schema, ids, table, &copy.data) {
        Some(data) => ServerCopy { data, ..copy },
        None => copy,
    };
    Base { base: base.base.map(copy), theirs: base.theirs.map(copy) }
}

/// The data with a temporary id exchanged wherever a foreign key holds it; `None` if none does. Of what a newer schema added
/// nobody here knows which fields those are: no other text has that form, so there every field counts.
pub fn exchange_one<B: Body>(
    schema: &Schema,
    table: &str,
    data: &B,
    temporary: &Id,
    server: &Id,
) -> Option<B> {
    let fields: Vec<String> = match schema.table(table) {
        None => data.fields(),
        Some(table) => {
            let mut fields: Vec<String> = table.references.keys().cloned().collect();
            if data.outline(&table.field_names).unknown.is_some() {
                fields.extend(data.fields().into_iter().filter(|field| table.field(field).is_none()));
            }
            fields
        }
    };
    let holding = fields.into_iter().filter(|field| data.text(field).as_ref() == Some(temporary));
    holding.fold(None, |exchanged, field| Some(exchanged.as_ref().unwrap_or(data).with_text(&field, server)))
}

/// Whether a stored row holds a temporary id outside the id map.
pub fn holds_temporary<B: Body>(schema: &Schema, row: &Change<B>) -> bool {
    let in_copy = |table: &Id, id: &Id, copy: &Option<ServerCopy<B>>| {
        copy.as_ref().is_some_and(|copy| holds(schema, table, id, &copy.data))
    };
    match row {
        Change::Record { table, id, row } => match row {
            Some(record) => holds(schema, table, id, &record.data),
            None => is_temporary(id),
        },
        Change::Base { table, id, row } => {
            is_temporary(id)
                || row
                    .as_ref()
                    .is_some_and(|base| in_copy(table, id, &base.base) || in_copy(table, id, &base.theirs))
        }
        Change::Mutation { row, .. } => {
            row.as_ref().is_some_and(|row| holds(schema, &row.table, &row.record_id, &row.data))
        }
        Change::Activity(line) => line.what.subject().is_some_and(|of| is_temporary(&of.record)),
        Change::Mapping(_) | Change::Cursor { .. } | Change::Meta { .. } | Change::Stats { .. } => false,
    }
}

/// Names the record that a line is about by the id that it has now: the old one is to be seen nowhere.
pub fn exchange_in_line(ids: &IdMap, line: &mut Activity) {
    if let Some(of) = line.what.subject_mut()
        && let Some(server) = ids.server_id(&of.record)
    {
        of.record = server.clone();
    }
}

/// A stored row with its mapped foreign keys exchanged.
pub fn exchange_in_row<B: Body>(schema: &Schema, ids: &IdMap, row: Change<B>) -> Change<B> {
    match row {
        Change::Record { table, id, row: Some(record) } => {
            let record = match exchange(schema, ids, &table, &record.data) {
                Some(data) => Record { data, ..record },
                None => record,
            };
            Change::Record { table, id, row: Some(record) }
        }
        Change::Base { table, id, row: Some(base) } => {
            let row = Some(exchange_in_base(schema, ids, &table, base));
            Change::Base { table, id, row }
        }
        Change::Mutation { id, row: Some(mutation) } => {
            let row = match exchange(schema, ids, &mutation.table, &mutation.data) {
                Some(data) => {
                    let mut exchanged = (*mutation).clone();
                    exchanged.data = data;
                    Rc::new(exchanged)
                }
                None => mutation,
            };
            Change::Mutation { id, row: Some(row) }
        }
        Change::Activity(mut line) => {
            exchange_in_line(ids, &mut line);
            Change::Activity(line)
        }
        other => other,
    }
}
