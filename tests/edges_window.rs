//! Lease, signals, clock, connectivity and Background Sync in a page.

#![cfg(target_arch = "wasm32")]

mod edges;

use landfall::background::Background;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn without_a_service_worker_a_write_does_not_wait() {
    let background = Background::new("landfall:test");
    for _ in 0..3 {
        assert!(!background.arm().await);
    }
    background.disarm();
    assert!(!background.is_armed());
}
