//! A pass: push, then pull, under the lease.
//!
//! One pass runs at a time for a database, whichever context holds the lease. It can die at any await: what it had marked is
//! sent again under the same ids by the next one, and a page counts only with its cursor.

pub(super) mod pacing;
mod pull;
mod push;

use self::pacing::{Remedy, failure};
use super::{Engine, status::Failure};
use crate::{
    error::Error,
    log::entry::Id,
    ports::{Lease, Phase, Ports, RemoteError},
};

/// What a pass did (V6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub pushed: usize,
    pub pulled: usize,
    pub rejected: usize,
    pub conflicts: usize,
    /// Still in the outbox afterwards.
    pub remaining: usize,
    pub duration_ms: u64,
    /// Why it ended early, if it did.
    pub error: Option<Failure>,
}

impl<P: Ports> Engine<P> {
    /// Runs a pass if nobody else does. `None`: another context is at it.
    pub async fn pass(&self) -> Option<Report> {
        let held = self.ports.lease().try_acquire().await?;
        let report = self.run_pass(false).await;
        drop(held);
        Some(report)
    }

    /// Runs a pass because somebody asked for it: waits for one that is under way, and not for the backoff.
    pub async fn pass_now(&self) -> Report {
        let held = self.ports.lease().acquire().await;
        let report = self.run_pass(true).await;
        drop(held);
        report
    }

    async fn run_pass(&self, now: bool) -> Report {
        let started = self.ports.clock().now_ms();
        let mut report = Report::default();
        if now {
            self.set_status(|status| status.held = None);
            self.pacing.borrow_mut().pause = None;
        }
        let outcome = self.push_and_pull(&mut report).await;
        if let Err(error) = outcome {
            report.error = Some(Failure { code: error.code().to_owned(), message: error.to_string() });
        }
        let finished = self.ports.clock().now_ms();
        report.duration_ms = finished.saturating_sub(started);
        report.remaining = self.state().outbox.len();
        self.set_status(|status| {
            status.phase = Phase::Idle;
            if report.error.is_none() {
                status.last_success_at = Some(finished);
            }
            status.last_error.clone_from(&report.error);
        });
        report
    }

    async fn push_and_pull(&self, report: &mut Report) -> Result<(), Error> {
        self.catch_up().await?;
        self.check_writing()?;
        let tables: Vec<Id> = self.schema.tables.keys().map(|name| name.as_str().into()).collect();
        self.load_tables(&tables).await?;
        if let Some(held) = self.status.borrow().held {
            report.error = Some(Failure {
                code: held.as_str().to_owned(),
                message: "nothing is sent until somebody signs in".to_owned(),
            });
            return Ok(());
        }
        let now = self.ports.clock().now_ms();
        if self.pacing.borrow().pause.is_some_and(|pause| pause.holds_at(now)) {
            return Ok(());
        }
        let pushed = self.push(report).await?;
        // A pull may succeed where a push did not, and brings the ids of creates whose answer was lost.
        let pulled = match pushed {
            Ok(()) | Err(Remedy::BackOff { .. } | Remedy::PullInFull | Remedy::Halve { .. }) => {
                self.pull(&tables, report).await?
            }
            Err(Remedy::Hold(_)) => Ok(()),
        };
        self.pace(pushed.err().or(pulled.err()).as_ref());
        Ok(())
    }

    fn note_failure(&self, error: &RemoteError, report: &mut Report) {
        let failure = failure(error);
        report.error = Some(failure.clone());
        self.set_status(|status| {
            status.unreachable = matches!(error, RemoteError::Network(_) | RemoteError::Timeout);
            status.last_error = Some(failure);
        });
    }
}
