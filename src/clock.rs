//! The device's time, and chance.

use landfall_core::ports::{Clock, Random};
use uuid::Uuid;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// `Date.now()`, and `performance.now()` for durations.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceClock;

impl Clock for DeviceClock {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole milliseconds after 1970"
    )]
    fn now_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole milliseconds, never negative"
    )]
    fn elapsed_ms(&self) -> u64 {
        performance_now() as u64
    }
}

/// `crypto.getRandomValues`.
#[derive(Clone, Copy, Debug, Default)]
pub struct CryptoRandom;

impl Random for CryptoRandom {
    fn bits(&self) -> u64 {
        // A version 4 UUID's fixed bits lie in different places of its halves, so each bit of the sum has chance in it.
        let (high, low) = Uuid::new_v4().as_u64_pair();
        high ^ low
    }
}
