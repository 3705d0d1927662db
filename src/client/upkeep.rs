//! Compaction, at a time when nobody waits for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use landfall_core::ports::Random;
use wasm_bindgen_futures::spawn_local;

use super::instance::Instance;
use crate::clock::CryptoRandom;

/// Long enough for the burst that made it necessary to end. Contexts that saw the same burst begin at different times:
/// the second one finds little left to do.
const PAUSE_MS_MIN: u32 = 300;
const PAUSE_MS_SPREAD: u64 = 1_200;
/// After one that failed.
const RETRY_MS: u32 = 30_000;

/// At most one compaction at a time, and the timer of the next.
#[derive(Default)]
pub(super) struct Upkeep {
    timer: RefCell<Option<Timeout>>,
    is_due: Cell<bool>,
}

impl Upkeep {
    pub(super) fn stop(&self) {
        self.timer.take();
    }
}

impl Instance {
    /// Compacts before long, if it is time to.
    pub(super) fn tidy_soon(self: &Rc<Self>) {
        if self.is_self_driven
            && !self.is_ending()
            && self.engine.wants_compaction()
            && !self.upkeep.is_due.replace(true)
        {
            let spread = u32::try_from(CryptoRandom.bits() % PAUSE_MS_SPREAD).unwrap_or_default();
            self.tidy_after(PAUSE_MS_MIN + spread);
        }
    }

    fn tidy_after(self: &Rc<Self>, ms: u32) {
        let this = Rc::downgrade(self);
        let timer = Timeout::new(ms, move || {
            let Some(this) = this.upgrade() else { return };
            spawn_local(async move {
                let done = this.until_stopped(this.engine.compact()).await;
                if this.is_ending() {
                    return;
                }
                match done {
                    Ok(Ok(_)) => {
                        this.upkeep.is_due.set(false);
                        this.tidy_soon();
                    }
                    // The log stays long, which costs time and loses nothing.
                    _ => this.tidy_after(RETRY_MS),
                }
            });
        });
        self.upkeep.timer.replace(Some(timer));
    }
}
