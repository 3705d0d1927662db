//! What benchmarks and counts of the core share: records, a body, a log and a world for the engine.

pub(crate) mod body;
mod log;
pub(crate) mod records;
pub(crate) mod world;
