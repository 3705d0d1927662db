//! The watch over a pass: one in which nothing happens is given up.
//!
//! A request has a timeout of its own, so a pass hangs only where that fails: a remote of the app's that never
//! answers, a browser that forgot a fetch. It holds the lease meanwhile, and so everybody up. A pass may end at any await, so
//! it is simply dropped: what it had marked goes again under the same ids.

use crate::planted;
use std::pin::pin;

use futures_util::future::{Either, select};

use crate::{engine::Engine, ports::Ports};

/// A pass in which nothing happens for this long is given up, before twice as long is over. A request may take half of it
/// (PROTOCOL, "Limits").
pub(in crate::engine) const SILENT_MS_MAX: u64 = 60_000;

impl<P: Ports> Engine<P> {
    /// Runs a pass to its end, or gives it up: `None`, nothing has happened in it for too long.
    pub(super) async fn watched<T>(&self, pass: impl Future<Output = T>) -> Option<T> {
        let mut pass = pin!(pass);
        loop {
            let before = self.vitals.borrow().beats;
            // One timer, looked at when it fires: not one for each beat.
            let timer = pin!(self.ports.sleep_ms(SILENT_MS_MAX));
            match select(pass.as_mut(), timer).await {
                Either::Left((done, _)) => return Some(done),
                Either::Right(_) => {
                    // Where the store is at work it may be for this pass, and with writes of others gathered in the same
                    // entry: they are to hear how that ends. The remote it is not that is waited for then.
                    let is_storing = self.gate.try_lock().is_none();
                    if self.vitals.borrow().beats == before && !is_storing && !planted!("hung-pass-kept") {
                        return None;
                    }
                }
            }
        }
    }
}
