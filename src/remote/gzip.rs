//! Compression by the browser's own `CompressionStream` (Chrome 80, Firefox 113, Safari 16.4).

use js_sys::{Array, JsString};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ReadableStream, ReadableWritablePair, Response};

/// Below this, what gzip saves is less than a packet.
const LENGTH_MIN: u32 = 1_024;

#[wasm_bindgen]
extern "C" {
    // web-sys has it behind `web_sys_unstable_apis`, a flag for the whole build.
    #[wasm_bindgen(extends = ReadableWritablePair)]
    type CompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;
}

/// The text, compressed; `None` where it is short or the browser cannot. As a blob and not a stream: a request with a
/// stream for a body needs HTTP/2, and only Chromium sends one.
pub(super) async fn compressed(text: &JsString) -> Result<Option<Blob>, JsValue> {
    if text.length() < LENGTH_MIN {
        return Ok(None);
    }
    // It throws where the class is absent.
    let Ok(gzip) = CompressionStream::new("gzip") else { return Ok(None) };
    let stream: ReadableStream = Blob::new_with_str_sequence(&Array::of1(text))?.stream().pipe_through(&gzip);
    let blob = Response::new_with_opt_readable_stream(Some(&stream))?.blob()?;
    JsFuture::from(blob).await.map(|blob| Some(blob.unchecked_into()))
}
