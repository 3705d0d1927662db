//! Landfall in a browser: the edges of the engine. They translate between the core's ports and what browsers have, and
//! never decide.

pub mod body;
pub mod log;
