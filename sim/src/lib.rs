//! The engine that ships, among hostile networks, crashes and clocks: from a seed, in one thread, in virtual time.
//!
//! A [`schedule`] is data: steps, each with a seed of its own. It is [`run`] in a [`world`] of devices with several
//! contexts each, which run [`landfall_core`]'s engine over ports made of chance, and of a server, which is the real one's decisions
//! over a store that commits late. The [`promises`] are watched at every step. [`campaign`] runs many schedules; where one
//! breaks a promise, the schedule is shrunk and the [`story`] of the record is told.

pub mod body;
pub mod campaign;
pub mod dice;
pub mod executor;
pub mod faults;
pub mod journal;
#[cfg(feature = "planted")]
pub mod planted;
pub mod promises;
pub mod run;
pub mod schedule;
pub mod story;
pub mod world;
