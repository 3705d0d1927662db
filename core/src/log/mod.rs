//! The log: one value for each commit, in the order of its keys; and the segments that old entries become.
//!
//! What happens to a commit, in order: [`crate::decide`] makes its changes, [`codec`] packs them, the [`crate::ports::Log`]
//! adds them under the next key, [`chain`] says whether that made them valid, [`crate::state`] folds them, and in time
//! [`compaction`] rewrites them as part of a segment.

pub mod chain;
pub mod codec;
mod column;
pub mod compaction;
pub mod conflict;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod entry;
mod fresh;
pub mod keyspace;
pub mod manifest;
pub mod memory;
pub mod release;
mod rows;
#[cfg(test)]
mod shapes;
