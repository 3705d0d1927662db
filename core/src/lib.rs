//! Landfall's decisions: plain functions over plain data, and the engine over ports.

pub mod body;
pub mod ids;
pub mod live;
pub mod log;
pub mod ports;
pub mod protocol;
pub mod schema;
pub mod table;
