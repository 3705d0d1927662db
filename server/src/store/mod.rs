//! Implementations of the store port.

#[cfg(test)]
mod contract;
pub mod memory;
pub mod sqlite;
mod sqlite_rows;
