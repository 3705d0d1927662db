//! What a service worker does on a sync event: passes, until there is nothing left to send or no use in trying.
//!
//! The browser starts the worker for it, perhaps with no page open, and may end it at any time. A rejected event is tried
//! again by the browser, later and a few times; so what another try may deliver is reported as pending. What waits for a
//! person is not.

use std::rc::Rc;

use landfall_core::error::Error;
use landfall_core::ports::Clock;

use super::instance::Instance;
use super::shapes::Delivery;
use crate::clock::DeviceClock;
use crate::signals::Signal;

/// How often the lease is asked for while a page holds it, and in which steps: a page that is alive delivers by itself,
/// and one that is frozen may hold it for hours.
const TRIES: u32 = 20;
const STEP_MS: u64 = 250;
/// The worker waits this long for a mutation whose time has not come.
const WAIT_MS_MAX: u64 = 10_000;

impl Instance {
    pub(super) async fn deliver(self: &Rc<Self>) -> Result<Delivery, Error> {
        // First of all: a page whose write comes too late for this pass must know that it needs another event.
        self.engine.ports().channel.tell(Signal::SyncBegan);
        let mut tries = 0;
        loop {
            let report = self.until_stopped(self.engine.pass()).await?;
            let outlook = self.outlook();
            let wait = match report {
                None => {
                    tries += 1;
                    self.engine.catch_up().await?;
                    let outlook = self.outlook();
                    if tries >= TRIES || !(outlook.ready || outlook.next_at.is_some()) {
                        break;
                    }
                    STEP_MS
                }
                Some(report) if report.error.is_some() => break,
                Some(report) if outlook.ready => {
                    // A pass that sends nothing although something is ready would do the same again.
                    if report.pushed == 0 {
                        break;
                    }
                    0
                }
                Some(_) => match outlook.next_at.map(|at| at.saturating_sub(DeviceClock.now_ms())) {
                    Some(wait) if wait <= WAIT_MS_MAX => wait,
                    _ => break,
                },
            };
            self.pause(wait).await?;
        }
        Ok(Delivery::new(self.deliverable(), self.engine.status()))
    }

    /// How many mutations another try may deliver.
    fn deliverable(&self) -> usize {
        let state = self.engine.state();
        let waits = landfall_core::outbox::waits(&state.outbox);
        let going = |waits: &&landfall_core::outbox::Waits| **waits == landfall_core::outbox::Waits::No;
        waits.values().filter(going).count()
    }
}
