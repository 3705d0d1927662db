//! Runs what the core's [`Schedule`] says is due: one timer, which stands for the earliest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use landfall_core::engine::Report;
use landfall_core::error::Error;
use landfall_core::ports::{Clock, Ports, Random};
use landfall_core::schedule::{Occasion, Schedule, Task};
use wasm_bindgen_futures::spawn_local;
use web_sys::VisibilityState;

use super::instance::Instance;
use crate::clock::{CryptoRandom, DeviceClock};
use crate::connectivity::online;
use crate::scope::scope;

/// How long after a sync event what is still unsent gets another one.
const REARM_MS: u32 = 10_000;

/// The schedule and its timers.
#[derive(Default)]
pub(super) struct Clockwork {
    schedule: RefCell<Schedule>,
    timer: RefCell<Option<Timeout>>,
    /// When it fires.
    due: Cell<u64>,
    rearming: RefCell<Option<Timeout>>,
    /// The app has read or written something since the timer last fired.
    used: Cell<bool>,
}

impl Clockwork {
    /// The app reads or writes something.
    pub(super) fn note_use(&self) {
        self.used.set(true);
    }

    pub(super) fn stop(&self) {
        self.timer.take();
        self.rearming.take();
        self.schedule.take();
    }
}

/// Milliseconds by a clock that nobody sets.
fn now_ms() -> u64 {
    DeviceClock.elapsed_ms()
}

fn is_looked_at() -> bool {
    scope().document().is_some_and(|document| document.visibility_state() == VisibilityState::Visible)
}

impl Instance {
    /// Something happened that may make a pass worth its while.
    pub(super) fn occasion(self: &Rc<Self>, occasion: Occasion) {
        let (backlog, bits) = (self.engine.backlog(), CryptoRandom.bits());
        self.clockwork.schedule.borrow_mut().handle_occasion(occasion, backlog, now_ms(), bits);
        self.set_timer();
    }

    /// Compacts before long, if it is time to.
    pub(super) fn tidy_soon(self: &Rc<Self>) {
        if self.engine.wants_compaction() {
            self.clockwork.schedule.borrow_mut().handle_long_log(now_ms(), CryptoRandom.bits());
            self.set_timer();
        }
    }

    fn set_timer(self: &Rc<Self>) {
        if !self.is_self_driven || self.is_ending() {
            return;
        }
        let Some(next) = self.clockwork.schedule.borrow().poll_timeout() else { return };
        // One that fires too early looks again. To set it anew for every write of a burst would cost as much as the write.
        if self.clockwork.timer.borrow().is_some() && self.clockwork.due.get() <= next {
            return;
        }
        self.clockwork.due.set(next);
        let this = Rc::downgrade(self);
        let wait = u32::try_from(next.saturating_sub(now_ms())).unwrap_or(u32::MAX);
        let timer = Timeout::new(wait, move || {
            if let Some(this) = this.upgrade() {
                this.timer_fired();
            }
        });
        self.clockwork.timer.replace(Some(timer));
    }

    fn timer_fired(self: &Rc<Self>) {
        self.clockwork.timer.take();
        if self.clockwork.used.take() {
            self.clockwork.schedule.borrow_mut().handle_use(now_ms());
        }
        let may_sync = self.has_remote && online();
        loop {
            let task = self.clockwork.schedule.borrow_mut().poll(self.engine.backlog(), may_sync, now_ms());
            let Some(task) = task else { break };
            let this = Rc::clone(self);
            spawn_local(async move {
                match task {
                    Task::Pass => {
                        if let Ok(report) = this.until_stopped(this.engine.pass()).await {
                            this.pass_ended(report.as_ref());
                        }
                    }
                    Task::Compaction => {
                        if let Ok(done) = this.until_stopped(this.engine.compact()).await {
                            this.clockwork.schedule.borrow_mut().handle_compacted(done.is_ok(), now_ms());
                            this.tidy_soon();
                            this.set_timer();
                        }
                    }
                }
            });
        }
        self.set_timer();
    }

    /// A pass ended, or another context was at it (`None`).
    pub(super) fn pass_ended(self: &Rc<Self>, report: Option<&Report>) {
        if self.is_ending() {
            return;
        }
        let outlook = self.engine.outlook();
        if !outlook.backlog.unsent {
            self.background.disarm();
        }
        let mut schedule = self.clockwork.schedule.borrow_mut();
        schedule.handle_pass_ended(report, outlook, is_looked_at(), now_ms(), CryptoRandom.bits());
        drop(schedule);
        self.set_timer();
        self.look_again(report.is_some());
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
            let outlook = this.engine.outlook();
            if (outlook.ready || outlook.next_in_ms.is_some()) && !this.background.is_armed() {
                spawn_local(async move {
                    this.background.arm().await;
                });
            }
        });
        self.clockwork.rearming.replace(Some(timer));
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
