//! Bodies in a browser: handles to JavaScript objects that nobody changes.

mod names;
mod text;

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, JsString};
use landfall_core::body::{Body, Kind, Outline, Scalar, SyncMetadata};
use landfall_core::json;
use wasm_bindgen::prelude::*;

pub(crate) use self::text::{arrived, js_of, json_of, outline_of, page_of, read};

#[wasm_bindgen(module = "/src/body/values.js")]
extern "C" {
    #[wasm_bindgen(js_name = hold)]
    fn hold(body: &JsValue) -> u32;
    #[wasm_bindgen(js_name = release)]
    fn release(numbers: &[u32]);
    #[wasm_bindgen(js_name = bodyOf)]
    fn body_of(number: u32) -> JsValue;
    #[wasm_bindgen(js_name = arrayOf)]
    fn array_of_numbers(numbers: &[u32]) -> Array;
    #[wasm_bindgen(js_name = copyIn, catch)]
    fn copy_in(value: &JsValue, absent: &Array) -> Result<u32, JsValue>;
    /// The same for whoever calls it from there.
    #[wasm_bindgen(thread_local_v2, js_name = copyIn)]
    pub(crate) static COPY_IN: Function;
    #[wasm_bindgen(js_name = copyAllIn, catch)]
    fn copy_all_in(values: &Array) -> Result<Vec<u32>, JsValue>;
    #[wasm_bindgen(js_name = frozen)]
    fn frozen(object: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = recordOf)]
    fn record_of(
        number: u32,
        id: &str,
        status: u8,
        local_updated_at: Option<f64>,
        server_updated_at: Option<f64>,
        sync_id: Option<&str>,
        deleted: bool,
        version: Option<f64>,
    ) -> u32;
    #[wasm_bindgen(js_name = recordsOf)]
    fn records_of(numbers: &[u32], ids: &str, sync_ids: &str, facts: &[f64]) -> Option<Vec<u32>>;
    #[wasm_bindgen(js_name = outlines)]
    fn outlines(numbers: &[u32], names: &Array, kinds: &mut [u8]) -> Option<Array>;
    #[wasm_bindgen(js_name = column)]
    fn column(numbers: &[u32], field: &JsValue, kinds: &mut [u8], facts: &mut [f64]) -> String;
    #[wasm_bindgen(js_name = patched)]
    fn patched(number: u32, changes: u32, unset: Option<Array>) -> u32;
    #[wasm_bindgen(js_name = withText)]
    fn with_text(number: u32, field: &JsValue, text: &str) -> u32;
    #[wasm_bindgen(js_name = get)]
    fn get(number: u32, field: &JsValue) -> JsValue;
    #[wasm_bindgen(js_name = fieldsOf)]
    fn fields_of(number: u32) -> Array;
    #[wasm_bindgen(js_name = kind)]
    fn kind(number: u32, field: &JsValue) -> u8;
    #[wasm_bindgen(js_name = toJson)]
    fn to_json(number: u32) -> JsString;
    #[wasm_bindgen(js_name = lengthsOf)]
    fn lengths_of(numbers: &[u32]) -> Vec<u32>;
    #[wasm_bindgen(js_name = pack)]
    fn pack_numbers(head: &str, numbers: &[u32]) -> JsString;
    #[wasm_bindgen(js_name = headOf, catch)]
    pub(crate) fn head_of(text: &JsValue) -> Result<Vec<u8>, JsValue>;
    #[wasm_bindgen(js_name = bodiesOf, catch)]
    fn numbers_of(text: &JsValue) -> Result<Vec<u32>, JsValue>;
}

/// A value that JSON cannot say, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct InvalidValue {
    /// As `notes`, `tags[2].color` or `["due date"]`; empty for the value itself.
    pub path: String,
    /// In words, as `a function` or `NaN`.
    pub what: String,
}

/// What an app passed in: its fields, and the names of those that it gave as `undefined`.
#[derive(Clone, Debug, PartialEq)]
pub struct CopiedIn {
    /// Its fields, without those.
    pub body: JsBody,
    /// An update removes them; a create is without them.
    pub absent: Vec<String>,
}

/// A JavaScript object with a record's fields. Equality is identity.
///
/// It is held on the other side, and known here by its number: most of what is done with bodies is done there, with many at once.
#[derive(Clone, Debug, PartialEq)]
pub struct JsBody(Rc<Held>);

#[derive(Debug, PartialEq)]
struct Held(u32);

/// So many bodies that are gone are let go together.
const RELEASED_TOGETHER: usize = 512;

thread_local! {
    static GONE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Held {
    fn drop(&mut self) {
        GONE.with_borrow_mut(|gone| {
            gone.push(self.0);
            if gone.len() >= RELEASED_TOGETHER {
                release(gone);
                gone.clear();
            }
        });
    }
}

impl JsBody {
    /// Copies what an app passes in. The copy shares nothing that can change with the app's object, and holds what JSON
    /// can say, exactly; for anything else the error names the field.
    ///
    /// # Errors
    /// Functions, symbols, `BigInt`s, NaN and infinities, nested `undefined`, objects that are neither plain nor arrays,
    /// cycles, holes, halves of surrogate pairs, `__proto__`, and nesting beyond 32.
    pub fn copy_in(value: &JsValue) -> Result<CopiedIn, InvalidValue> {
        let absent = Array::new();
        let number = copy_in(value, &absent).map_err(|refusal| refused(&Array::from(&refusal)))?;
        Ok(CopiedIn { body: Self::numbered(number), absent: strings(&absent) })
    }

    /// The same of each of a list, without what is absent, to be taken over later by its [number](Self::all_numbered); the error says which of
    /// them it is about.
    pub(crate) fn hold_all(values: &Array) -> Result<Vec<u32>, (usize, InvalidValue)> {
        copy_all_in(values).map_err(|refusal| {
            let refusal = Array::from(&refusal);
            let at = refusal.get(2).as_f64().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
            let at = at as usize;
            (at, refused(&refusal))
        })
    }

    /// An object that nobody else holds.
    fn holding(object: &JsValue) -> Self {
        Self::numbered(hold(object))
    }

    fn numbered(number: u32) -> Self {
        Self(Rc::new(Held(number)))
    }

    /// Bodies that are held, and nobody's yet.
    pub(crate) fn all_numbered(numbers: &[u32]) -> Vec<Self> {
        numbers.iter().map(|number| Self::numbered(*number)).collect()
    }

    fn number(&self) -> u32 {
        self.0.0
    }

    /// The object itself.
    #[must_use]
    pub fn object(&self) -> JsValue {
        body_of(self.number())
    }

    /// The object, frozen with all that it holds, to be handed out.
    #[must_use]
    pub fn shared(&self) -> JsValue {
        frozen(&self.object())
    }
}

/// An object of ours that came from plain data, frozen with all that it holds.
pub(crate) fn freeze(object: &JsValue) -> JsValue {
    frozen(object)
}

/// An array of these very objects.
pub(crate) fn array_of(bodies: &[JsBody]) -> Array {
    array_of_numbers(&numbers(bodies))
}

/// A stored value's text.
pub(crate) fn pack(head: &str, bodies: &[JsBody]) -> JsString {
    pack_numbers(head, &numbers(bodies))
}

/// The bodies of a stored value.
pub(crate) fn bodies_of(text: &JsValue) -> Result<Vec<JsBody>, JsValue> {
    numbers_of(text).map(|numbers| JsBody::all_numbered(&numbers))
}

fn numbers(bodies: &[JsBody]) -> Vec<u32> {
    bodies.iter().map(JsBody::number).collect()
}

impl InvalidValue {
    /// What copying throws; `None` where it is something else.
    pub(crate) fn thrown(refusal: &JsValue) -> Option<Self> {
        Array::is_array(refusal).then(|| refused(refusal.unchecked_ref()))
    }
}

fn refused(refusal: &Array) -> InvalidValue {
    let mut words = strings(refusal).into_iter();
    let path = words.next().unwrap_or_default();
    InvalidValue { path, what: words.next().unwrap_or_default() }
}

impl Body for JsBody {
    fn empty() -> Self {
        Self::holding(&js_sys::Object::new())
    }

    fn of(fields: &[(&str, Scalar)]) -> Self {
        let value = |value: &Scalar| match value {
            Scalar::Null => JsValue::NULL,
            Scalar::Boolean(value) => (*value).into(),
            Scalar::Number(value) => (*value).into(),
            Scalar::String(text) => (&**text).into(),
        };
        let entry = |(name, of): &(&str, Scalar)| names::with(name, |name| Array::of2(name, &value(of)));
        let entries: Array = fields.iter().map(entry).collect();
        // It fails for what is no list of pairs.
        Self::holding(&js_sys::Object::from_entries(&entries).unwrap_or_default())
    }

    fn of_fields(fields: &serde_json::Map<String, serde_json::Value>) -> Self {
        // What JSON wrote, JSON reads.
        let text = json::to_string(fields).unwrap_or_default();
        Self::holding(&js_sys::JSON::parse(&text).unwrap_or_else(|_| js_sys::Object::new().into()))
    }

    fn fields(&self) -> Vec<String> {
        strings(&fields_of(self.number()))
    }

    fn kind(&self, field: &str) -> Option<Kind> {
        kind_of(names::with(field, |field| kind(self.number(), field)))
    }

    fn outlines(bodies: &[Self], names: &[String]) -> Vec<Outline> {
        let mut kinds = vec![0; bodies.len() * names.len()];
        let strange = names::with_all(names, |names| outlines(&numbers(bodies), names, &mut kinds));
        let mut each = kinds.chunks_exact(names.len().max(1));
        let mut outlines: Vec<Outline> = bodies
            .iter()
            .map(|_| Outline {
                kinds: each.next().unwrap_or_default().iter().map(|kind| kind_of(*kind)).collect(),
                unknown: None,
            })
            .collect();
        let strange = strange.iter().flat_map(Array::iter).collect::<Vec<_>>();
        for pair in strange.chunks_exact(2) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
            let at = pair[0].as_f64().unwrap_or_default() as usize;
            outlines[at].unknown = pair[1].as_string();
        }
        outlines
    }

    fn scalar(&self, field: &str) -> Option<Scalar> {
        let value = names::with(field, |field| get(self.number(), field));
        if let Some(text) = value.as_string() {
            Some(Scalar::String(text.into()))
        } else if value.is_undefined() || value.is_null() {
            Some(Scalar::Null)
        } else if let Some(number) = value.as_f64() {
            Some(Scalar::Number(number))
        } else {
            value.as_bool().map(Scalar::Boolean)
        }
    }

    fn column(bodies: &[&Self], field: &str) -> Vec<Option<Scalar>> {
        const LINES: u8 = 7;
        let numbers: Vec<u32> = bodies.iter().map(|body| body.number()).collect();
        let (mut kinds, mut facts) = (vec![0; bodies.len()], vec![0.0; bodies.len()]);
        let text = names::with(field, |field| column(&numbers, field, &mut kinds, &mut facts));
        let mut lines = text.split('\n');
        let places = bodies.iter().zip(kinds).zip(facts);
        let scalar = |((body, kind), fact): ((&&Self, u8), f64)| match kind_of(kind) {
            _ if kind == LINES => body.scalar(field),
            None | Some(Kind::Null) => Some(Scalar::Null),
            Some(Kind::Boolean) => Some(Scalar::Boolean(fact != 0.0)),
            Some(Kind::Number) => Some(Scalar::Number(fact)),
            Some(Kind::String) => lines.next().map(|line| Scalar::String(line.into())),
            Some(Kind::Array | Kind::Object) => None,
        };
        places.map(scalar).collect()
    }

    fn with_text(&self, field: &str, value: &str) -> Self {
        Self::numbered(names::with(field, |field| with_text(self.number(), field, value)))
    }

    fn patched(&self, changes: &Self, unset: &[String]) -> Self {
        let unset = (!unset.is_empty()).then(|| unset.iter().map(JsValue::from).collect());
        Self::numbered(patched(self.number(), changes.number(), unset))
    }

    fn record(&self, id: &str, metadata: &SyncMetadata) -> Self {
        Self::numbered(record_of(
            self.number(),
            id,
            metadata.status as u8,
            metadata.local_updated_at.map(number),
            metadata.server_updated_at.map(number),
            metadata.sync_id.as_deref(),
            metadata.deleted,
            metadata.version.map(number),
        ))
    }

    fn records(rows: &[(&Self, &str, SyncMetadata)]) -> Vec<Self> {
        let one_by_one = || rows.iter().map(|(body, id, metadata)| body.record(id, metadata)).collect();
        if rows.len() < BATCH_MIN {
            return one_by_one();
        }
        let bodies: Vec<u32> = rows.iter().map(|(body, _, _)| body.number()).collect();
        let lines = |lines: &mut dyn Iterator<Item = &str>| lines.collect::<Vec<_>>().join("\n");
        let ids = lines(&mut rows.iter().map(|(_, id, _)| *id));
        let has_sync_ids = rows.iter().any(|(_, _, metadata)| metadata.sync_id.is_some());
        let mut sync_ids =
            rows.iter().map(|(_, _, metadata)| metadata.sync_id.as_deref().unwrap_or_default());
        let sync_ids = if has_sync_ids { lines(&mut sync_ids) } else { String::new() };
        let mut facts = Vec::with_capacity(rows.len() * 5);
        for (_, _, metadata) in rows {
            let or_nan = |value: Option<u64>| value.map_or(f64::NAN, number);
            facts.extend([
                f64::from(metadata.status as u8),
                or_nan(metadata.local_updated_at),
                or_nan(metadata.server_updated_at),
                f64::from(u8::from(metadata.deleted)),
                or_nan(metadata.version),
            ]);
        }
        match records_of(&bodies, &ids, &sync_ids, &facts) {
            Some(records) => Self::all_numbered(&records),
            // An id is whatever the server says: one has a line's end in it.
            None => one_by_one(),
        }
    }

    fn to_json(&self) -> String {
        to_json(self.number()).into()
    }

    /// In UTF-16.
    fn lengths(bodies: &[&Self]) -> Vec<usize> {
        let numbers: Vec<u32> = bodies.iter().map(|body| body.number()).collect();
        lengths_of(&numbers).into_iter().map(|length| length as usize).collect()
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn text(&self, field: &str) -> Option<Rc<str>> {
        names::with(field, |field| get(self.number(), field)).as_string().map(Into::into)
    }
}

/// From so many records on, making them together is quicker than making each.
const BATCH_MIN: usize = 4;

/// What `values.js` means by a kind's number.
fn kind_of(number: u8) -> Option<Kind> {
    match number {
        0 => None,
        1 => Some(Kind::Null),
        2 => Some(Kind::Boolean),
        3 => Some(Kind::Number),
        4 => Some(Kind::String),
        5 => Some(Kind::Array),
        _ => Some(Kind::Object),
    }
}

/// Times and versions stay below 2^53, where a double counts exactly.
#[expect(clippy::cast_precision_loss, reason = "they stay below 2^53")]
pub(crate) fn number(integer: u64) -> f64 {
    integer as f64
}

fn strings(array: &Array) -> Vec<String> {
    array.iter().filter_map(|value| value.as_string()).collect()
}
