//! When a pass is run without anybody asking for it.
//!
//! - At the start, when the network comes back, and when the page is looked at again.
//! - Soon after a write, so that what is written together travels together.
//! - After a failure, when the engine says that it may try again.
//! - Now and then while somebody looks at the page and nothing else happened, to see what others changed.
//! - While another context holds the lease, or has written something: some seconds later, if it is still not sent. It
//!   may have been closed meanwhile.
//!
//! One timer stands for all of them: it waits for the earliest. None of them runs while the browser says that there is
//! no network; the event that says otherwise begins anew.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use landfall_core::engine::Report;
use landfall_core::error::Error;
use landfall_core::outbox::next_batch;
use landfall_core::ports::{Clock, Ports, Random};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::VisibilityState;

use super::instance::Instance;
use crate::clock::{CryptoRandom, DeviceClock};
use crate::connectivity::online;
use crate::scope::scope;

/// A burst of writes becomes one batch.
const WRITE_PAUSE_MS: u64 = 30;
/// Full jitter may say "at once": a server that fails at once would be asked without a pause.
const RETRY_MS_MIN: u64 = 250;
/// How often a page that is looked at asks what is new.
const IDLE_MS: u64 = 60_000;
/// How long another context gets to send what is pending.
const OTHERS_MS: u64 = 3_000;
/// Nothing is put off for longer than this: whether it is really time is the engine's to say, and clocks are set.
const WAIT_MS_MAX: u64 = 5 * 60_000;
/// How long after a sync event what is still unsent gets another one.
const REARM_MS: u32 = 10_000;

/// The next pass, if there is a reason for one.
#[derive(Default)]
pub(super) struct Schedule {
    timer: RefCell<Option<Timeout>>,
    /// By the [monotonic](now_ms) clock.
    due: Cell<Option<u64>>,
    /// Only if something is still in the outbox then.
    due_for_pending: Cell<Option<u64>>,
    running: Cell<bool>,
    rearming: RefCell<Option<Timeout>>,
}

impl Schedule {
    pub(super) fn stop(&self) {
        self.timer.take();
        self.rearming.take();
        self.due.set(None);
        self.due_for_pending.set(None);
    }

    fn next(&self) -> Option<u64> {
        let (due, pending) = (self.due.get(), self.due_for_pending.get());
        due.into_iter().chain(pending).min()
    }
}

fn sooner(slot: &Cell<Option<u64>>, at: u64) {
    slot.set(Some(slot.get().map_or(at, |before| before.min(at))));
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Milliseconds by a clock that nobody sets.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole milliseconds, never negative"
)]
fn now_ms() -> u64 {
    performance_now() as u64
}

fn is_looked_at() -> bool {
    scope().document().is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
}

/// What is in the outbox and could be sent.
pub(super) struct Outlook {
    /// Something may go now.
    pub(super) ready: bool,
    /// When the next thing may, if it has to wait.
    pub(super) next_at: Option<u64>,
}

impl Instance {
    pub(super) fn outlook(&self) -> Outlook {
        let batch = next_batch(&self.engine.state().outbox, &self.principal, DeviceClock.now_ms(), 1);
        Outlook { ready: !batch.mutations.is_empty(), next_at: batch.next_attempt_at }
    }

    /// Runs a pass after so many milliseconds, unless one is due earlier.
    pub(super) fn pass_after(self: &Rc<Self>, ms: u64) {
        sooner(&self.schedule.due, now_ms() + ms.min(WAIT_MS_MAX));
        self.set_timer();
    }

    /// Something was written here.
    pub(super) fn push_soon(self: &Rc<Self>) {
        if self.schedule.due.get().is_some_and(|due| due <= now_ms() + WRITE_PAUSE_MS) {
            return;
        }
        // In backoff a write changes nothing: the timer stands already.
        if self.engine.status().next_attempt_at.is_none_or(|until| until <= DeviceClock.now_ms()) {
            self.pass_after(WRITE_PAUSE_MS);
        }
    }

    /// Something was written elsewhere: who wrote it sends it, unless it is gone by then.
    pub(super) fn watch_over_others(self: &Rc<Self>) {
        if self.engine.state().outbox.is_empty() || self.schedule.due_for_pending.get().is_some() {
            return;
        }
        let at = now_ms() + OTHERS_MS + CryptoRandom.bits() % OTHERS_MS;
        sooner(&self.schedule.due_for_pending, at);
        self.set_timer();
    }

    fn set_timer(self: &Rc<Self>) {
        let may_run = self.has_remote && self.is_self_driven && !self.is_ending();
        let Some(next) = self.schedule.next().filter(|_| may_run && !self.schedule.running.get()) else {
            return;
        };
        let wait = next.saturating_sub(now_ms());
        let this = Rc::downgrade(self);
        let timer = Timeout::new(u32::try_from(wait).unwrap_or(u32::MAX), move || {
            if let Some(this) = this.upgrade() {
                this.timer_fired();
            }
        });
        self.schedule.timer.replace(Some(timer));
    }

    fn timer_fired(self: &Rc<Self>) {
        let now = now_ms();
        let is_due = |slot: &Cell<Option<u64>>| {
            let due = slot.get().is_some_and(|at| at <= now);
            if due {
                slot.set(None);
            }
            due
        };
        let due = is_due(&self.schedule.due);
        let due_for_pending =
            is_due(&self.schedule.due_for_pending) && !self.engine.state().outbox.is_empty();
        if (due || due_for_pending) && online() && !self.schedule.running.replace(true) {
            let this = Rc::clone(self);
            spawn_local(async move {
                let outcome = this.until_stopped(this.engine.pass()).await;
                this.schedule.running.set(false);
                if let Ok(report) = outcome {
                    this.pass_ended(report.as_ref());
                }
            });
        } else {
            self.set_timer();
        }
    }

    /// A pass ended, or another context was at it (`None`): when is the next one?
    pub(super) fn pass_ended(self: &Rc<Self>, report: Option<&Report>) {
        if self.is_ending() {
            return;
        }
        if self.engine.state().outbox.is_empty() {
            self.background.disarm();
        }
        match report {
            None => self.watch_over_others(),
            Some(report) => {
                if let Some(ms) = self.next_try_in(report) {
                    self.pass_after(ms);
                }
            }
        }
        if is_looked_at() {
            self.pass_after(IDLE_MS);
        }
        self.set_timer();
    }

    /// After how many milliseconds another pass may do more than this one did.
    fn next_try_in(&self, report: &Report) -> Option<u64> {
        let (status, outlook) = (self.engine.status(), self.outlook());
        if status.held.is_some() {
            return None;
        }
        match status.next_attempt_at.into_iter().chain(outlook.next_at).min() {
            Some(at) => Some(at.saturating_sub(DeviceClock.now_ms()).max(RETRY_MS_MIN)),
            // Written meanwhile.
            None if outlook.ready && report.pushed > 0 => Some(WRITE_PAUSE_MS),
            // Nothing went at all: not to be asked for at once again.
            None if outlook.ready && report.error.is_none() => Some(RETRY_MS_MIN),
            None => None,
        }
    }

    /// The worker's event has used the registration up. What it does not deliver gets another one; not at once, or the
    /// browser would begin the next event as soon as this one failed, without end.
    pub(super) fn rearm_later(self: &Rc<Self>) {
        if self.is_ending() || !self.has_remote {
            return;
        }
        let this = Rc::downgrade(self);
        let timer = Timeout::new(REARM_MS, move || {
            let Some(this) = this.upgrade() else { return };
            let outlook = this.outlook();
            if (outlook.ready || outlook.next_at.is_some()) && !this.background.is_armed() {
                spawn_local(async move {
                    this.background.arm().await;
                });
            }
        });
        self.schedule.rearming.replace(Some(timer));
    }

    /// A pass because the app asks for one, whatever the browser thinks of the network.
    pub(super) async fn sync(self: &Rc<Self>) -> Result<Report, Error> {
        let report = self.until_stopped(self.engine.pass_now()).await?;
        self.pass_ended(Some(&report));
        Ok(report)
    }

    /// Waits, as long as the instance is open.
    pub(super) async fn pause(&self, ms: u64) -> Result<(), Error> {
        self.until_stopped(self.engine.ports().sleep_ms(ms)).await
    }
}
