//! A page of a download, read by columns: to ask each row for each of its fields would cost more than all the rest of a pull.

use js_sys::{Array, Float64Array, JsString};
use landfall_core::ports::RemoteError;
use landfall_core::protocol::{EntityRow, Page};
use wasm_bindgen::prelude::*;

use super::{told, unreadable};
use crate::body::{JsBody, arrived, page_of};
use crate::log::integer;

/// Of each row: which table it is of, its version and its time.
const FACTS: usize = 3;

/// The page that an answer's text is.
pub(super) fn read(text: &JsString) -> Result<Page<JsBody>, RemoteError> {
    let parts = page_of(text).map_err(|error| unreadable(&error))?;
    let bodies = arrived(&parts);
    // Rows that are not by columns are in the outline.
    if parts.length() <= 2 {
        return told(&parts, bodies);
    }
    Ok(Page { entities: rows(&parts, bodies), ..told(&parts, Vec::new())? })
}

fn rows(parts: &Array, bodies: Vec<JsBody>) -> Vec<EntityRow<JsBody>> {
    let tables: Vec<String> =
        parts.get(2).unchecked_into::<Array>().iter().filter_map(|table| table.as_string()).collect();
    let facts = parts.get(3).unchecked_into::<Float64Array>().to_vec();
    let [ids, names] = [4, 5].map(|at| parts.get(at).as_string().unwrap_or_default());
    let mut names = names.split('\n');
    let columns = bodies.into_iter().zip(ids.split('\n')).zip(facts.chunks_exact(FACTS));
    columns
        .map(|((data, id), facts)| EntityRow {
            table: usize::try_from(integer(facts[0]))
                .ok()
                .and_then(|at| tables.get(at))
                .cloned()
                .unwrap_or_default(),
            id: id.to_owned(),
            version: integer(facts[1]),
            updated_at: integer(facts[2]),
            created_as: names.next().filter(|name| !name.is_empty()).map(ToOwned::to_owned),
            data,
        })
        .collect()
}
