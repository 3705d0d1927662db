//! The client over real IndexedDB, with no server. Included by one test crate for each kind of context.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod app;
mod contexts;
mod hierarchy;
mod reading;
mod refusals;
mod reports;
mod upkeep;
mod writing;
