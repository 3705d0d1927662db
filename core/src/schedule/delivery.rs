//! What a service worker does on a sync event: passes, until there is nothing left to send or no use in trying.
//!
//! The browser starts the worker for it, perhaps with no page open, and may end it at any time. A rejected event is tried
//! again by the browser, later and a few times; so what another try may deliver is reported as pending. What waits for a
//! person is not.

use super::Outlook;
use crate::engine::Report;

/// How often the lease is asked for while a page holds it, and in which steps: a page that is alive delivers by itself,
/// and one that is frozen may hold it for hours.
const TRIES: u32 = 20;
const STEP_MS: u64 = 250;
/// The worker waits this long for a mutation whose time has not come.
const WAIT_MS_MAX: u64 = 10_000;

/// What the worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another pass, after so many milliseconds.
    PassIn(u64),
    End,
}

/// One sync event's delivery.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    tries: u32,
}

impl Delivery {
    /// A pass ended, or another context was at it (`None`; the state has caught up with it meanwhile).
    pub fn handle_pass_ended(&mut self, report: Option<&Report>, outlook: Outlook) -> Step {
        let Some(report) = report else {
            self.tries += 1;
            let may_go = outlook.ready || outlook.next_in_ms.is_some();
            return if self.tries < TRIES && may_go { Step::PassIn(STEP_MS) } else { Step::End };
        };
        if report.error.is_some() {
            return Step::End;
        }
        if outlook.ready {
            // A pass that sends nothing although something is ready would do the same again.
            return if report.pushed > 0 { Step::PassIn(0) } else { Step::End };
        }
        match outlook.next_in_ms {
            Some(wait_ms) if wait_ms <= WAIT_MS_MAX => Step::PassIn(wait_ms),
            Some(_) | None => Step::End,
        }
    }
}
