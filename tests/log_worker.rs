//! The log in a dedicated worker.

#![cfg(target_arch = "wasm32")]

mod indexed_db;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
