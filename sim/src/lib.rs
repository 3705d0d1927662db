//! The engine that ships, among hostile networks, crashes and clocks: from a seed, in one thread, in virtual time.
//!
//! Devices with several contexts each run [`landfall_core`]'s engine over ports made of chance; the server is the real server's
//! decisions over a store in memory. See [`schedule`] for what a run does and demands.

pub mod device;
pub mod dice;
pub mod executor;
pub mod network;
pub mod schedule;
