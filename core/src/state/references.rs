//! Foreign keys that hold a temporary id, and their exchange for the server id.
//!
//! A mapping holds for every table from its entry on. Tables in memory are rewritten when the mapping is folded,
//! tables that are loaded later while they are loaded, and segments while they are compacted.

use std::rc::Rc;

use super::ids::IdMap;
use crate::{
    activity::Activity,
    body::{Body, Scalar},
    ids::is_temporary,
    log::{
        conflict::{Conflict, Settlement},
        entry::{Base, Change, Id, Record, ServerCopy},
    },
    schema::{Schema, Table},
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
        || !unknown_fields(definition, data).is_empty()
}

/// The fields that only a newer schema can have put there.
fn unknown_fields<B: Body>(table: &Table, data: &B) -> Vec<String> {
    // Most rows have none, which one look tells.
    if data.outline(&table.field_names).unknown.is_none() {
        return Vec::new();
    }
    let is_unknown = |field: &String| table.field(field).is_none() && !table.rollups.contains_key(field);
    data.fields().into_iter().filter(is_unknown).collect()
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
    Base { base: base.base.map(copy), theirs: base.theirs.map(copy), left: base.left }
}

/// Whether a conflict holds a temporary id: as its record's, in a foreign key of one of its versions, or in what was contested.
pub fn conflict_holds_temporary<B: Body>(schema: &Schema, row: &Conflict<B>) -> bool {
    let Conflict { table, record_id, holder, settled, .. } = row;
    let created = settled.as_ref().and_then(|settled| settled.created.as_ref());
    is_temporary(record_id)
        || created.is_some_and(|id| is_temporary(id))
        || holder.iter().any(|holder| holds(schema, table, &holder.id, &holder.copy.data))
        || settled.iter().flat_map(bodies_of).any(|data| holds(schema, table, record_id, data))
}

fn bodies_of<B>(settled: &Settlement<B>) -> impl Iterator<Item = &B> {
    [&settled.base, &settled.ours, &settled.theirs, &settled.merged].into_iter().flatten()
}

/// A conflict with its mapped ids exchanged.
pub fn exchange_in_conflict<B: Body>(
    schema: &Schema,
    ids: &IdMap,
    mut row: Rc<Conflict<B>>,
) -> Rc<Conflict<B>> {
    if ids.is_empty() || !conflict_holds_temporary(schema, &row) {
        return row;
    }
    let now = |id: &mut Id| {
        if let Some(server) = ids.server_id(id) {
            *id = server.clone();
        }
    };
    let Conflict { table, record_id, holder, settled, .. } = Rc::make_mut(&mut row);
    let rename = |data: &mut B| {
        if let Some(exchanged) = exchange(schema, ids, table, data) {
            *data = exchanged;
        }
    };
    now(record_id);
    if let Some(holder) = holder {
        rename(&mut holder.copy.data);
    }
    let Some(settled) = settled else { return row };
    settled.created.iter_mut().for_each(now);
    let Settlement { base, ours, theirs, merged, rulings, .. } = settled;
    [base, ours, theirs, merged].into_iter().flatten().for_each(rename);
    let references = schema.table(table).map(|table| &table.references);
    for ruling in rulings {
        let [field] = ruling.path.as_slice() else { continue };
        if !references.is_some_and(|references| references.contains_key(field)) {
            continue;
        }
        let versions = [&mut ruling.base, &mut ruling.ours, &mut ruling.theirs, &mut ruling.value];
        for value in versions.into_iter().flatten() {
            let server = value.as_str().and_then(|id| ids.server_id(&Id::from(id)));
            if let Some(server) = server {
                *value = server.to_string().into();
            }
        }
    }
    row
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
        Some(table) => table.references.keys().cloned().chain(unknown_fields(table, data)).collect(),
    };
    let holding = fields.into_iter().filter(|field| data.text(field).as_ref() == Some(temporary));
    holding.fold(None, |exchanged, field| Some(exchanged.as_ref().unwrap_or(data).with_text(&field, server)))
}

/// Whether one of these stored rows holds a temporary id outside the id map. Records of one table, which most rows are, are looked at
/// together: a look at each crosses to where its fields are.
pub fn any_holds_temporary<B: Body>(schema: &Schema, rows: &[Change<B>]) -> bool {
    let plain = |row| match row {
        &Change::Record { ref table, ref id, row: Some(ref record) } => Some((table, id, &record.data)),
        _ => None,
    };
    let Some(records) = rows.iter().map(plain).collect::<Option<Vec<_>>>() else {
        return rows.iter().any(|row| holds_temporary(schema, row));
    };
    records.chunk_by(|(table, ..), (next, ..)| table == next).any(|of_one| {
        let Some(definition) = schema.table(of_one[0].0) else { return true };
        let bodies: Vec<&B> = of_one.iter().map(|(_, _, data)| *data).collect();
        let refers = |field: &String| {
            let texts = B::column(&bodies, field).into_iter();
            texts.flatten().any(|value| matches!(value, Scalar::String(text) if is_temporary(&text)))
        };
        let has_unknown = || {
            let bodies: Vec<B> = bodies.iter().map(|data| (*data).clone()).collect();
            let outlines = B::outlines(&bodies, &definition.field_names);
            let strange = outlines.iter().zip(&bodies).filter(|(outline, _)| outline.unknown.is_some());
            strange.into_iter().any(|(_, data)| !unknown_fields(definition, data).is_empty())
        };
        of_one.iter().any(|(_, id, _)| is_temporary(id))
            || definition.references.keys().any(refers)
            || has_unknown()
    })
}

/// Whether a stored row holds a temporary id outside the id map.
fn holds_temporary<B: Body>(schema: &Schema, row: &Change<B>) -> bool {
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
        Change::Conflict { row, .. } => row.as_ref().is_some_and(|row| conflict_holds_temporary(schema, row)),
        Change::Activity(line) => line.what.subject().is_some_and(|of| is_temporary(&of.record)),
        Change::Mapping(_)
        | Change::Cursor { .. }
        | Change::Seen { .. }
        | Change::Meta { .. }
        | Change::Stats { .. } => false,
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
        Change::Conflict { id, row: Some(row) } => {
            Change::Conflict { id, row: Some(exchange_in_conflict(schema, ids, row)) }
        }
        Change::Activity(mut line) => {
            exchange_in_line(ids, &mut line);
            Change::Activity(line)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::body::SyncStatus;

    const TEMPORARY: &str = "temp_1760000000000_k3j9x2_steps";

    fn schema() -> Schema {
        let document = json!({ "version": 1, "tables": { "steps": { "fields": { "name": "string" } },
            "tasks": { "fields": { "step_id": "string", "note": "string?" }, "references": { "step_id": { "table": "steps" } } } } });
        Schema::parse(&document).unwrap()
    }

    fn row(table: &str, data: Value) -> Change<Value> {
        let record = Record {
            data,
            version: Some(1),
            server_updated_at: Some(1),
            local_updated_at: None,
            sync_id: None,
            status: SyncStatus::Synced,
            deleted: false,
        };
        Change::Record { table: table.into(), id: "1".into(), row: Some(record) }
    }

    #[test]
    fn a_row_is_settled_only_where_nothing_in_it_can_refer_by_a_temporary_id() {
        // The same alone, in the middle of others, and among others of which one is gone.
        let gone = Change::Record { table: "tasks".into(), id: "2".into(), row: None };
        let holds = |table, data: Value| {
            let (row, plain) = (row(table, data), row("tasks", json!({ "step_id": "7" })));
            let holds = holds_temporary(&schema(), &row);
            for among in [
                vec![row.clone()],
                vec![plain.clone(), row.clone(), plain.clone()],
                vec![plain, gone.clone(), row],
            ] {
                assert_eq!(any_holds_temporary(&schema(), &among), holds);
            }
            holds
        };
        assert!(!holds("tasks", json!({ "step_id": "7" })));
        assert!(!holds("tasks", json!({ "step_id": "7", "note": TEMPORARY })), "a text that is no reference");
        assert!(holds("tasks", json!({ "step_id": TEMPORARY })));
        assert!(holds("tasks", json!({ "step_id": "7", "added": "9" })), "a field of a newer schema");
        assert!(holds("photos", json!({ "name": "front" })), "a table of a newer schema");
    }

    #[test]
    fn an_id_is_exchanged_where_it_is_a_reference_or_may_be_one() {
        let exchanged =
            |table, data: Value| exchange_one(&schema(), table, &data, &TEMPORARY.into(), &"7".into());
        let both = json!({ "step_id": TEMPORARY, "note": TEMPORARY, "added": TEMPORARY });
        assert_eq!(
            exchanged("tasks", both).unwrap(),
            json!({ "step_id": "7", "note": TEMPORARY, "added": "7" })
        );
        assert_eq!(exchanged("photos", json!({ "task_id": TEMPORARY })).unwrap(), json!({ "task_id": "7" }));
        assert_eq!(exchanged("tasks", json!({ "step_id": "8" })), None);
    }
}
