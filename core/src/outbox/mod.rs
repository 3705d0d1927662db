//! What is sent next, and when it is tried again.

mod backoff;
mod class;
mod order;

pub use backoff::{Backoff, CAP_MS as BACKOFF_MS_MAX, attempts_max};
pub use class::{Class, Remedy, is_about_content, remedy};
pub use order::{Batch, Order, Waits, Wanted, next_batch, waits};
