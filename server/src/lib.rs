//! Landfall's sync server: decisions over a store port, the stores, and HTTP around them.

pub mod decisions;
#[cfg(feature = "service")]
pub mod demo;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod live;
pub mod store;
