//! Maps and sets in the order of their keys, as `std`'s, at a tenth of the code for each type that is kept in one.
//!
//! A B-tree is written for its type all over again: with its nodes, their splitting, stealing and merging about ten kilobytes of
//! wasm, and there are dozens of types. Here entries are in order in a list of short lists ("chunks"). Finding one is two binary
//! searches; putting one in between moves at most a chunk, and what comes in order is pushed. A list of a hundred thousand has some
//! four hundred chunks, so that even that list is short.

mod map;
mod set;
mod sort;

pub use self::map::SortedMap;
pub use self::set::SortedSet;
pub use self::sort::{sort, sort_by};

#[cfg(test)]
mod tests;

/// Entries in one chunk. More of them make it dear to put one in between, fewer make the list of chunks long.
const CHUNK_MAX: usize = 256;
