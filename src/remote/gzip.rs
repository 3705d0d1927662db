//! Compression by the browser's own `CompressionStream` (Chrome 80, Firefox 113, Safari 16.4).

use js_sys::JsString;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableWritablePair, Response};

/// Below this, what gzip saves is less than a packet.
const LENGTH_MIN: u32 = 1_024;

#[wasm_bindgen]
extern "C" {
    // web-sys has it behind `web_sys_unstable_apis`, a flag for the whole build.
    #[wasm_bindgen(extends = ReadableWritablePair)]
    type CompressionStream;
    #[wasm_bindgen(constructor, catch)]
    fn new(format: &str) -> Result<CompressionStream, JsValue>;

    // web-sys would have the text copied into wasm for it.
    #[wasm_bindgen(extends = Response, js_name = Response)]
    type TextResponse;
    #[wasm_bindgen(constructor, js_class = "Response", catch)]
    fn new(text: &JsString) -> Result<TextResponse, JsValue>;
}

/// The text, compressed; `None` where it is short or the browser cannot. As a buffer and not a stream: a request with a
/// stream for a body needs HTTP/2, and only Chromium sends one. And not by way of blobs, which lie in another process.
pub(super) async fn compressed(text: &JsString) -> Result<Option<JsValue>, JsValue> {
    if text.length() < LENGTH_MIN {
        return Ok(None);
    }
    // It throws where the class is absent.
    let Ok(gzip) = CompressionStream::new("gzip") else { return Ok(None) };
    let Some(plain) = TextResponse::new(text)?.body() else { return Ok(None) };
    let stream = plain.pipe_through(&gzip);
    let buffer = Response::new_with_opt_readable_stream(Some(&stream))?.array_buffer()?;
    JsFuture::from(buffer).await.map(Some)
}
