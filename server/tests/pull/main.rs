//! The engine's pull against the server's decisions, without a network in between: what a device holds is what the server has in
//! its scope, whatever was cut off, restored or forgotten on the way.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "in a test, a panic says where")]

mod conflicts;
mod epochs;
mod forgotten;
mod history;
mod scopes;
mod sets;
mod world;
