//! What is sent next, and when it is tried again.

mod backoff;
mod order;

pub use backoff::{Backoff, CAP_MS as BACKOFF_MS_MAX};
pub use order::{Batch, Waits, next_batch, waits};
