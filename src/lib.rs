//! Landfall in a browser: the edges of the engine. They translate between the core's ports and what browsers have, and
//! never decide.

pub mod background;
pub mod body;
pub mod client;
pub mod clock;
pub mod connectivity;
pub mod lease;
pub mod live;
pub mod log;
pub mod remote;
mod scope;
pub mod signals;
