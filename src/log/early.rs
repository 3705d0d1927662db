//! What the page read of the store while the engine was still being loaded (the package's `early.ts`). It stands for the first load, if
//! that asks for no segments of tables; the engine learns what was written since as it learns of everything that other contexts write.

use js_sys::{Array, Promise};
use landfall_core::ports::{SegmentKey, Snapshot, Stored};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::failure::Failure;
use super::transactions::{integer, unpacked_entry, unpacked_segment};
use crate::body::JsBody;

#[wasm_bindgen]
extern "C" {
    pub(super) type Early;

    #[wasm_bindgen(method, getter)]
    fn manifest(this: &Early) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = segmentKeys)]
    fn segment_keys(this: &Early) -> Array;
    #[wasm_bindgen(method, getter)]
    fn segments(this: &Early) -> Array;
    #[wasm_bindgen(method, getter)]
    fn keys(this: &Early) -> Vec<f64>;
    #[wasm_bindgen(method, getter)]
    fn values(this: &Early) -> Array;
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &Early);
}

/// What a promise of it gives, if anything.
pub(super) async fn read(promise: Promise) -> Option<Early> {
    let early = JsFuture::from(promise).await.ok()?;
    early.is_object().then(|| early.unchecked_into())
}

impl Early {
    /// The manifest, the segments of these keyspaces, which are none of tables, and the entries with `key >= from`.
    pub(super) fn snapshot(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<JsBody>, Failure> {
        let segment = |(key, value): (JsValue, JsValue)| {
            let key = Array::from(&key);
            let keyspace = key.get(0).as_string().filter(|keyspace| keyspaces.contains(keyspace))?;
            let key = SegmentKey { keyspace, number: integer(key.get(1).as_f64().unwrap_or_default()) };
            Some(unpacked_segment(&key, &value).map(|segment| (key, segment)))
        };
        let segments = self.segment_keys().into_iter().zip(self.segments()).filter_map(segment);
        let entry = |(key, value): (f64, JsValue)| {
            let key = integer(key);
            Ok(Stored { key, packed: unpacked_entry(key, &value)? })
        };
        let entries = self.keys().into_iter().zip(self.values()).filter(|(key, _)| integer(*key) >= from);
        Ok(Snapshot {
            manifest: self.manifest(),
            segments: segments.collect::<Result<_, Failure>>()?,
            entries: entries.map(entry).collect::<Result<_, Failure>>()?,
        })
    }
}
