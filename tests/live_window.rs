//! The live notice in a page: the stream as it is read, the locks of others, and ours. The answers are real `Response`s with
//! real streams, given by a `fetch` of the test's own.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod live;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
