//! Landfall's decisions: plain functions over plain data, and the engine over ports.
//!
//! The way of one mutation, room by room: [`decide`] turns a write into the changes of an entry, [`log`] keeps it,
//! [`state`] folds it, [`outbox`] says when it goes, [`protocol`] is how it travels, [`decide`] settles the answer, and
//! [`live`] tells the readers. [`engine`] walks it through them, over the [`ports`].

pub mod activity;
pub mod body;
pub mod canonical;
pub mod clock;
pub mod decide;
pub mod engine;
pub mod error;
pub mod hierarchy;
pub mod ids;
pub mod json;
pub mod live;
pub mod log;
pub mod merge;
pub mod outbox;
pub mod planted;
pub mod ports;
pub mod protocol;
pub mod pull;
pub mod schedule;
pub mod schema;
pub mod sorted;
pub mod state;
pub mod table;
