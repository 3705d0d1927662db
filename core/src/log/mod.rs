//! The log: one value for each commit, in the order of its keys.

pub mod entry;
