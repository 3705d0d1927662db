//! A pass: push, then pull, under the lease.
//!
//! One pass runs at a time for a database, whichever context holds the lease. It can die at any await: what it had marked is
//! sent again under the same ids by the next one, and a page counts only with its cursor.

pub(super) mod pacing;
pub(super) mod pull;
mod push;
mod watch;

use self::{
    pacing::{Pause, Remedy, failure},
    pull::Due,
    watch::SILENT_MS_MAX,
};
use super::{Engine, status::Failure};
use crate::{
    activity::What,
    decide::Command,
    error::Error,
    log::entry::Id,
    ports::{Durability, Lease, Phase, Ports, RemoteError},
};

/// What a pass did (V6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub pushed: usize,
    pub pulled: usize,
    pub rejected: usize,
    /// Met changes by others, and were settled by rules.
    pub merged: usize,
    pub conflicts: usize,
    /// Still in the outbox afterwards.
    pub remaining: usize,
    pub duration_ms: u64,
    /// Why it ended early, if it did.
    pub error: Option<Failure>,
}

/// How a pass ended.
enum Ended {
    /// It did all that there was to do.
    Done,
    /// It did not even ask: there is a pause, or somebody has to sign in first.
    Skipped,
    Failed(Option<What>),
}

impl<P: Ports> Engine<P> {
    /// Runs a pass if nobody else does. `None`: another context is at it.
    pub async fn pass(&self) -> Option<Report> {
        self.vitals.borrow_mut().wants_lease(self.now().elapsed);
        let held = self.ports.lease().try_acquire().await?;
        self.vitals.borrow_mut().has_lease();
        let report = self.run_pass(false).await;
        drop(held);
        Some(report)
    }

    /// Runs a pass because somebody asked for it: waits for one that is under way, and not for the backoff.
    pub async fn pass_now(&self) -> Report {
        self.vitals.borrow_mut().wants_lease(self.now().elapsed);
        let held = self.ports.lease().acquire().await;
        self.vitals.borrow_mut().has_lease();
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
        let due = if now { Due::All } else { Due::Timely };
        let outcome = self.watched(self.push_and_pull(due, &mut report)).await;
        let ended = match outcome {
            Some(Ok(ended)) => ended,
            // Of the store, where nothing can be noted: the status says it.
            Some(Err(error)) => {
                report.error = Some(Failure { code: error.code().to_owned(), message: error.to_string() });
                Ended::Failed(None)
            }
            None => {
                report.error = Some(Failure::hung());
                self.pace(Some(&Remedy::BackOff { retry_after_ms: None, splits: true }));
                Ended::Failed(Some(What::Hung { silent_ms: SILENT_MS_MAX }))
            }
        };
        self.note(&ended).await;
        report.duration_ms = self.ports.clock().now_ms().saturating_sub(started);
        report.remaining = self.state().outbox.len();
        let skipped = matches!(ended, Ended::Skipped);
        if !skipped {
            self.vitals.borrow_mut().pass_ended(matches!(ended, Ended::Failed(_)), self.now());
        }
        self.set_status(|status| {
            status.phase = Phase::Idle;
            if !skipped || report.error.is_some() {
                status.last_error.clone_from(&report.error);
            }
        });
        report
    }

    /// Notes in the activity log how it went, where that is news.
    async fn note(&self, ended: &Ended) {
        let what = match ended {
            Ended::Failed(Some(what)) => what.clone(),
            // Without trouble before it that is no news, and not worth a look at the store.
            Ended::Done if self.state().activity.troubles().next().is_some() => What::Resumed,
            Ended::Done | Ended::Skipped | Ended::Failed(None) => return,
        };
        // A line more or less is not worth a failure.
        let _ = self.submit(Command::Note { what }, Durability::Relaxed).await;
    }

    async fn push_and_pull(&self, due: Due, report: &mut Report) -> Result<Ended, Error> {
        self.catch_up().await?;
        self.check_writing()?;
        let tables: Vec<Id> = self.schema.tables.keys().map(|name| name.as_str().into()).collect();
        self.load_tables(&tables).await?;
        // Without room for it there is still what empties the outbox; anything else comes up again below.
        let _ = self.keep_rollups().await;
        if let Some(held) = self.status.borrow().held {
            report.error = Some(Failure::held(held));
            return Ok(Ended::Skipped);
        }
        let now = self.ports.clock().now_ms();
        if self.pacing.borrow().pause.is_some_and(|pause| pause.holds_at(now)) {
            return Ok(Ended::Skipped);
        }
        let mut pulled = None;
        if self.is_between_epochs() || self.lacks_bearings() {
            let outcome = match self.pull(if due == Due::Timely { Due::One } else { due }, report).await {
                // A full device gets rid of what it has to send first.
                Err(Error::QuotaExceeded) => Ok(()),
                outcome => outcome?,
            };
            if let Err(remedy @ (Remedy::BackOff { .. } | Remedy::Hold(_) | Remedy::PullInFull)) = outcome {
                return Ok(self.ended(Some(&remedy), report));
            }
            pulled = Some(outcome);
        }
        let noted = report.error.take();
        let mut pushed = if self.is_between_epochs() { Ok(()) } else { self.push(report).await? };
        report.error = report.error.take().or(noted);
        if let Err(Remedy::PullInFull) = pushed {
            // The server is another one than we knew. What waits is compared with what it has, and then sent.
            let outcome = self.pull(Due::All, report).await?;
            if outcome.is_ok() && !self.is_between_epochs() {
                report.error = None;
                pushed = self.push(report).await?;
            }
            pulled = Some(outcome);
        }
        let pulled = match (pulled, &pushed) {
            (Some(outcome), _) => outcome,
            // A pull may succeed where a push did not, and brings the ids of creates whose answer was lost.
            (None, Ok(()) | Err(Remedy::BackOff { .. } | Remedy::PullInFull | Remedy::Halve { .. })) => {
                self.pull(due, report).await?
            }
            (None, Err(Remedy::Hold(_))) => Ok(()),
        };
        Ok(self.ended(pushed.err().or(pulled.err()).as_ref(), report))
    }

    /// Paces the next pass by what this one met with.
    fn ended(&self, remedy: Option<&Remedy>, report: &mut Report) -> Ended {
        self.pace(remedy);
        match remedy {
            None => Ended::Done,
            Some(Remedy::Hold(why)) => Ended::Failed(Some(What::Held { why: *why })),
            Some(Remedy::BackOff { .. } | Remedy::PullInFull | Remedy::Halve { .. }) => {
                let failure = report.error.get_or_insert_with(Failure::beside_the_point).clone();
                let pause = self.pacing.borrow().pause;
                Ended::Failed(Some(What::Failed { failure, wait_ms: pause.and_then(Pause::asked_ms) }))
            }
        }
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
