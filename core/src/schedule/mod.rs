//! When a pass is run, and the log compacted, without anybody asking for it.
//!
//! A pass is due
//! - at the start, when the network comes back, and when the page is looked at again;
//! - soon after a write, so that what is written together travels together;
//! - after a failure, when the engine says that it may try again;
//! - now and then while somebody looks at the page and nothing else happened, to see what others changed;
//! - while another context holds the lease or has written something: some seconds later, if it is still not sent. It may
//!   have been closed meanwhile.
//!
//! It is plain data with no timer of its own: what happens comes in by `handle_*`, [`Schedule::poll_timeout`] says when to look
//! again, and [`Schedule::poll`] what to begin then. Times are milliseconds by any clock that only goes forward.

mod delivery;

#[cfg(test)]
mod tests;

pub use delivery::{Delivery, Step};

use crate::engine::Report;

/// A burst of writes becomes one batch.
pub const WRITE_PAUSE_MS: u64 = 30;
/// Full jitter may say "at once": a server that fails at once would be asked without a pause.
const RETRY_MS_MIN: u64 = 250;
/// How often a page that is looked at asks what is new.
const IDLE_MS: u64 = 60_000;
/// How long another context gets to send what is pending, at least and at most half of it again.
const OTHERS_MS: u64 = 3_000;
/// Nothing is put off for longer than this: whether it is really time is the engine's to say, and clocks are set.
const WAIT_MS_MAX: u64 = 5 * 60_000;
/// Before a compaction, long enough for the burst that made it necessary to end. Contexts that saw the same burst begin
/// at different times: the second one finds little left to do.
const TIDY_PAUSE_MS: u64 = 300;
const TIDY_SPREAD_MS: u64 = 600;
/// While the app asks for something now and then, a compaction waits for so long a silence: it would make the answers late.
const TIDY_SILENCE_MS: u64 = 800;
/// But no longer than this altogether: a long log makes starts late.
const TIDY_PATIENCE_MS: u64 = 10_000;
/// After a compaction that failed.
const TIDY_RETRY_MS: u64 = 30_000;

/// What makes it worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    Opened,
    NetworkReturned,
    /// The page is looked at again: a phone may have slept since.
    LookedAt,
    WroteHere,
    /// Another context wrote: who wrote it sends it, unless it is gone by then.
    WroteElsewhere,
}

/// What keeps the outbox from being sent. Durations are from now, by the device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The outbox is not empty.
    pub unsent: bool,
    /// How long requests still have to wait.
    pub pause_ms: Option<u64>,
    /// Nothing is sent until somebody signs in.
    pub held: bool,
}

/// What could be sent, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    pub backlog: Backlog,
    /// Something may go now.
    pub ready: bool,
    /// After how long the next mutation may go, where it has to wait for its time.
    pub next_in_ms: Option<u64>,
}

/// Something to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Pass,
    Compaction,
}

/// What is due when, in one context.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    pass_at: Option<u64>,
    /// Only if something is still in the outbox then.
    pass_for_unsent_at: Option<u64>,
    compaction_at: Option<u64>,
    /// When it begins at the latest.
    compaction_by: u64,
    is_passing: bool,
    is_compacting: bool,
}

impl Schedule {
    /// Something happened. `bits` are random.
    pub fn handle_occasion(&mut self, occasion: Occasion, backlog: Backlog, now_ms: u64, bits: u64) {
        match occasion {
            Occasion::Opened | Occasion::NetworkReturned | Occasion::LookedAt => self.pass_in(0, now_ms),
            // In backoff a write changes nothing: the time is set already.
            Occasion::WroteHere if backlog.pause_ms.is_some() => {}
            Occasion::WroteHere => self.pass_in(WRITE_PAUSE_MS, now_ms),
            Occasion::WroteElsewhere => self.watch_over_others(backlog, now_ms, bits),
        }
    }

    /// A pass ended, or another context was at it (`None`).
    pub fn handle_pass_ended(
        &mut self,
        report: Option<&Report>,
        outlook: Outlook,
        is_looked_at: bool,
        now_ms: u64,
        bits: u64,
    ) {
        self.is_passing = false;
        match report {
            None => self.watch_over_others(outlook.backlog, now_ms, bits),
            Some(report) => {
                if let Some(ms) = next_try_in(report, outlook) {
                    self.pass_in(ms, now_ms);
                }
            }
        }
        if is_looked_at {
            self.pass_in(IDLE_MS, now_ms);
        }
    }

    /// The log has grown long enough to be compacted.
    pub fn handle_long_log(&mut self, now_ms: u64, bits: u64) {
        if self.compaction_at.is_none() && !self.is_compacting {
            self.compaction_at = Some(now_ms + TIDY_PAUSE_MS + bits % TIDY_SPREAD_MS);
            self.compaction_by = now_ms + TIDY_PATIENCE_MS;
        }
    }

    /// The app has read or written something of late: a compaction that is due waits for a silence.
    pub fn handle_use(&mut self, now_ms: u64) {
        if let Some(at) = &mut self.compaction_at {
            *at = (*at).max((now_ms + TIDY_SILENCE_MS).min(self.compaction_by));
        }
    }

    /// A compaction ended. One that failed costs time and loses nothing.
    pub fn handle_compacted(&mut self, is_done: bool, now_ms: u64) {
        self.is_compacting = false;
        if !is_done {
            self.compaction_at = Some(now_ms + TIDY_RETRY_MS);
        }
    }

    /// When to [`poll`](Self::poll) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let pass = [self.pass_at, self.pass_for_unsent_at].into_iter().flatten().filter(|_| !self.is_passing);
        pass.chain(self.compaction_at).min()
    }

    /// What to begin now. To be asked until there is nothing more. Without a network no pass is begun; the event that
    /// says otherwise begins anew.
    pub fn poll(&mut self, backlog: Backlog, is_online: bool, now_ms: u64) -> Option<Task> {
        if !self.is_passing {
            let is_due = take_due(&mut self.pass_at, now_ms);
            let is_due_for_unsent = take_due(&mut self.pass_for_unsent_at, now_ms) && backlog.unsent;
            if (is_due || is_due_for_unsent) && is_online {
                self.is_passing = true;
                return Some(Task::Pass);
            }
        }
        if take_due(&mut self.compaction_at, now_ms) {
            self.is_compacting = true;
            return Some(Task::Compaction);
        }
        None
    }

    /// A pass after so many milliseconds, unless one is due earlier.
    fn pass_in(&mut self, ms: u64, now_ms: u64) {
        sooner(&mut self.pass_at, now_ms + ms.min(WAIT_MS_MAX));
    }

    fn watch_over_others(&mut self, backlog: Backlog, now_ms: u64, bits: u64) {
        if backlog.unsent && self.pass_for_unsent_at.is_none() {
            self.pass_for_unsent_at = Some(now_ms + OTHERS_MS + bits % OTHERS_MS);
        }
    }
}

fn sooner(slot: &mut Option<u64>, at: u64) {
    *slot = Some(slot.map_or(at, |before| before.min(at)));
}

fn take_due(slot: &mut Option<u64>, now_ms: u64) -> bool {
    slot.take_if(|at| *at <= now_ms).is_some()
}

/// After how many milliseconds another pass may do more than this one did.
fn next_try_in(report: &Report, outlook: Outlook) -> Option<u64> {
    if outlook.backlog.held {
        return None;
    }
    match outlook.backlog.pause_ms.into_iter().chain(outlook.next_in_ms).min() {
        Some(ms) => Some(ms.max(RETRY_MS_MIN)),
        // Written meanwhile.
        None if outlook.ready && report.pushed > 0 => Some(WRITE_PAUSE_MS),
        // Nothing went at all: not to be asked for at once again.
        None if outlook.ready && report.error.is_none() => Some(RETRY_MS_MIN),
        None => None,
    }
}
