//! Landfall's sync server: decisions over a store port, the stores, and HTTP around them.

pub mod decisions;
pub mod demo;
pub mod http;
pub mod store;
