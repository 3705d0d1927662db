//! A schedule that breaks a promise, made as short as it can be in the time there is.
//!
//! Chunks of steps are left out, large ones first, as long as the same promise breaks (delta debugging, "ddmin": Zeller and Hildebrandt
//! 2002); then kinds of fault are silenced; then the steps' waits become nothing.

use std::time::{Duration, Instant};

use super::Schedule;
use crate::journal::Violation;

/// What came of it.
pub struct Shrunk {
    pub schedule: Schedule,
    pub violation: Violation,
    /// How many schedules were tried.
    pub tries: usize,
}

struct Shrinking<'r> {
    best: Shrunk,
    until: Instant,
    run: &'r dyn Fn(&Schedule) -> Result<(), Violation>,
}

impl Shrinking<'_> {
    /// Takes a candidate if it breaks the same promise.
    fn attempt(&mut self, candidate: Schedule) -> bool {
        if self.is_late() {
            return false;
        }
        self.best.tries += 1;
        match (self.run)(&candidate) {
            Err(violation) if violation.promise == self.best.violation.promise => {
                self.best.schedule = candidate;
                self.best.violation = violation;
                true
            }
            Ok(()) | Err(_) => false,
        }
    }

    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    fn leave_steps_out(&mut self) {
        let mut size = self.best.schedule.steps.len().div_ceil(2);
        while size > 0 && !self.is_late() {
            // From the end: what comes late is seldom what made it happen.
            let mut end = self.best.schedule.steps.len();
            let mut is_shorter = false;
            while end > 0 {
                let begin = end.saturating_sub(size);
                let mut candidate = self.best.schedule.clone();
                candidate.steps.drain(begin..end);
                is_shorter |= self.attempt(candidate);
                end = begin;
            }
            if !(is_shorter && size == 1) {
                size /= 2;
            }
        }
    }

    fn silence_faults(&mut self) {
        let kinds: Vec<_> = self.best.schedule.faults.keys().copied().collect();
        for kind in kinds {
            let mut candidate = self.best.schedule.clone();
            candidate.faults.remove(&kind);
            self.attempt(candidate);
        }
    }

    fn hurry(&mut self) {
        for at in 0..self.best.schedule.steps.len() {
            let mut candidate = self.best.schedule.clone();
            if std::mem::take(&mut candidate.steps[at].wait_ms) > 0 {
                self.attempt(candidate);
            }
        }
    }
}

/// Shrinks a schedule that breaks a promise for at most that long. `run` says whether one breaks a promise.
pub fn shrink(
    schedule: Schedule,
    violation: Violation,
    at_most: Duration,
    run: &dyn Fn(&Schedule) -> Result<(), Violation>,
) -> Shrunk {
    let best = Shrunk { schedule, violation, tries: 0 };
    let mut shrinking = Shrinking { best, until: Instant::now() + at_most, run };
    shrinking.silence_faults();
    loop {
        let before = shrinking.best.schedule.clone();
        shrinking.leave_steps_out();
        shrinking.silence_faults();
        shrinking.hurry();
        if shrinking.best.schedule == before || shrinking.is_late() {
            break;
        }
    }
    shrinking.best.schedule.broke = Some(shrinking.best.violation.promise);
    shrinking.best
}
