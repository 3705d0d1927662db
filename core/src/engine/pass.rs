//! A pass: push, then pull, under the lease.
//!
//! One pass runs at a time for a database, whichever context holds the lease. It can die at any await: what it had marked is
//! sent again under the same ids by the next one, and a page counts only with its cursor.

use std::collections::HashSet;

use super::{
    Engine,
    status::{Failure, Held},
};
use crate::{
    body::Body,
    decide::{Answer, Command, Done, Tally},
    error::Error,
    log::entry::{Id, Operation},
    outbox::{Backoff, next_batch},
    ports::{Durability, Event, Lease, Phase, Ports, Remote, RemoteError},
    protocol::{Download, OperationKind, OperationResult, Outcome, PROTOCOL, Page, Rejection, Upload},
    state::Meta,
};

/// PROTOCOL, "Limits".
const BATCH_MAX: usize = 50;
const PAGE_ROWS: u32 = 1_000;

/// When the next request may go, and how large. In memory only: a restart tries everything at once.
#[derive(Debug)]
pub(super) struct Pacing {
    backoff: Backoff,
    pause: Option<Pause>,
    batch_limit: usize,
}

/// No request for a while.
#[derive(Clone, Copy, Debug)]
struct Pause {
    /// By the device's clock.
    until: u64,
    /// How long it was when it began.
    ms: u64,
    /// The server asked for it.
    asked: bool,
}

impl Pause {
    /// Whether it is still on. A clock that was set back would make it longer than it was: then it is over.
    fn holds_at(self, now_ms: u64) -> bool {
        now_ms < self.until && self.until - now_ms <= self.ms
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self { backoff: Backoff::default(), pause: None, batch_limit: BATCH_MAX }
    }
}

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

/// What a failed request asks for.
enum Remedy {
    /// Wait, and ask again as before.
    BackOff { retry_after_ms: Option<u64> },
    /// Nothing is sent until somebody signs in.
    Hold(Held),
    /// Something in the batch broke it: send less at once, until it is alone.
    Halve { code: String, message: String },
    /// The server is not the one that we knew, or has forgotten where we were.
    PullInFull,
}

fn remedy(error: &RemoteError) -> Remedy {
    match error {
        RemoteError::Network(_) | RemoteError::Timeout | RemoteError::Foreign(_) => {
            Remedy::BackOff { retry_after_ms: None }
        }
        RemoteError::Refused { status, code, message, retry_after_ms } => match (status, code.as_str()) {
            (401, _) => Remedy::Hold(Held::Unauthenticated),
            (403, "principal-mismatch") => Remedy::Hold(Held::PrincipalMismatch),
            (409, "epoch-changed") | (410, "cursor-expired") => Remedy::PullInFull,
            (408 | 425 | 426 | 429, _) => Remedy::BackOff { retry_after_ms: *retry_after_ms },
            (400..=499, _) => Remedy::Halve { code: code.clone(), message: message.clone() },
            _ => Remedy::BackOff { retry_after_ms: *retry_after_ms },
        },
    }
}

fn failure(error: &RemoteError) -> Failure {
    let code = match error {
        RemoteError::Network(_) => "network",
        RemoteError::Timeout => "timeout",
        RemoteError::Foreign(_) => "foreign-answer",
        RemoteError::Refused { code, .. } => code,
    };
    Failure { code: code.to_owned(), message: error.to_string() }
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

    /// The network is back: what failed for want of it is tried again at once. A pause that the server asked for stays.
    pub fn network_returned(&self) {
        let mut pacing = self.pacing.borrow_mut();
        if pacing.pause.is_some_and(|pause| !pause.asked) {
            *pacing = Pacing { batch_limit: pacing.batch_limit, ..Pacing::default() };
            drop(pacing);
            self.set_status(|status| status.next_attempt_at = None);
        }
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

    /// Notes what a failed request asks for, or that none failed.
    fn pace(&self, remedy: Option<&Remedy>) {
        let now = self.ports.clock().now_ms();
        let bits = self.ports.random().bits();
        let mut pacing = self.pacing.borrow_mut();
        let mut held = None;
        let asked = match remedy {
            None => {
                pacing.backoff.reset();
                pacing.pause = None;
                None
            }
            Some(Remedy::Hold(why)) => {
                held = Some(*why);
                None
            }
            Some(Remedy::BackOff { retry_after_ms }) => Some(*retry_after_ms),
            Some(Remedy::Halve { .. } | Remedy::PullInFull) => Some(None),
        };
        if let Some(retry_after_ms) = asked {
            let ms = pacing.backoff.fail(bits, retry_after_ms);
            pacing.pause = Some(Pause { until: now + ms, ms, asked: retry_after_ms.is_some() });
        }
        let not_before = pacing.pause.map(|pause| pause.until);
        drop(pacing);
        self.set_status(|status| {
            status.held = held;
            status.next_attempt_at = not_before;
        });
    }

    /// Sends batches until nothing is ready, or a request fails.
    async fn push(&self, report: &mut Report) -> Result<Result<(), Remedy>, Error> {
        let total = self.state().outbox.len();
        loop {
            let limit = self.pacing.borrow().batch_limit;
            let batch = {
                let now = self.ports.clock().now_ms();
                next_batch(&self.state().outbox, &self.writer.principal, now, limit)
            };
            if batch.mutations.is_empty() {
                self.pacing.borrow_mut().batch_limit = BATCH_MAX;
                return Ok(Ok(()));
            }
            self.set_status(|status| status.phase = Phase::Pushing);
            let command = Command::Send { mutations: batch.mutations };
            let Done::Marked(marked) = self.submit(command, Durability::Strict).await? else { continue };
            if marked.is_empty() {
                return Ok(Ok(()));
            }
            let upload = self.upload(&marked);
            match self.ports.remote().push(&upload).await {
                Ok(answer) => {
                    self.set_status(|status| status.unreachable = false);
                    let tally = self
                        .settle(Answer {
                            epoch: answer.epoch,
                            server_time: answer.server_time,
                            results: answer.results,
                        })
                        .await?;
                    report.pushed += tally.applied;
                    report.conflicts += tally.conflicts;
                    report.rejected += tally.rejected;
                    let settled = report.pushed + report.conflicts + report.rejected;
                    self.event(Event::Progress { phase: Phase::Pushing, done: settled, total: Some(total) });
                    if tally == Tally::default() {
                        // An answer that names none of what was asked: not to be asked again at once.
                        return Ok(Err(Remedy::BackOff { retry_after_ms: None }));
                    }
                    let mut pacing = self.pacing.borrow_mut();
                    pacing.backoff.reset();
                    pacing.batch_limit = (pacing.batch_limit * 2).min(BATCH_MAX);
                }
                Err(error) => {
                    self.note_failure(&error, report);
                    let remedy = remedy(&error);
                    let Remedy::Halve { code, message } = remedy else { return Ok(Err(remedy)) };
                    if let [poison] = &marked[..] {
                        // Alone, the refusal of the request is the refusal of the mutation.
                        self.refuse(poison, code, message).await?;
                        report.rejected += 1;
                    } else {
                        self.pacing.borrow_mut().batch_limit = marked.len().div_ceil(2);
                    }
                }
            }
        }
    }

    async fn settle(&self, answer: Answer<P::Body>) -> Result<Tally, Error> {
        match self.submit(Command::Answer { answer }, Durability::Relaxed).await? {
            Done::Answered(tally) => Ok(tally),
            _ => Ok(Tally::default()),
        }
    }

    /// Parks a mutation that breaks every request it is in.
    async fn refuse(&self, id: &Id, code: String, message: String) -> Result<(), Error> {
        let (epoch, server_time) = {
            let state = self.state();
            let server_time = state.meta(Meta::SERVER_TIME).and_then(|time| time.parse().ok());
            (state.meta(Meta::EPOCH).unwrap_or_default().to_owned(), server_time.unwrap_or_default())
        };
        let rejection = Rejection { code, message, field: None };
        let results = vec![OperationResult::new(id.to_string(), Outcome::Rejected(rejection))];
        self.settle(Answer { epoch, server_time, results }).await.map(|_| ())
    }

    fn upload(&self, mutations: &[Id]) -> Upload<P::Body> {
        let state = self.state();
        let operations = mutations.iter().filter_map(|id| state.outbox.get(id)).map(|mutation| {
            let operation = match mutation.operation {
                Operation::Create => OperationKind::Create,
                Operation::Update => OperationKind::Update,
                Operation::Delete => OperationKind::Delete,
            };
            crate::protocol::Operation {
                id: mutation.id.to_string(),
                table: mutation.table.to_string(),
                record_id: mutation.record_id.to_string(),
                operation,
                base_version: mutation.base_version,
                data: (operation != OperationKind::Delete).then(|| mutation.data.clone()),
                unset: mutation.unset.clone(),
                timestamp: mutation.timestamp,
                // Zero: it was first sent before any server time was seen.
                first_sent_at: mutation.first_sent_at.filter(|at| *at > 0),
                dependencies: mutation.dependencies.iter().map(ToString::to_string).collect(),
            }
        });
        Upload {
            protocol: PROTOCOL,
            principal: self.writer.principal.to_string(),
            device_id: state.meta(Meta::DEVICE_ID).unwrap_or_default().to_owned(),
            schema_version: self.schema.version,
            epoch: state.meta(Meta::EPOCH).map(ToOwned::to_owned),
            sent_at: self.ports.clock().now_ms(),
            operations: operations.collect(),
        }
    }

    /// Pulls pages until there is nothing more, or a request fails. Where the cursor is too old or of another epoch,
    /// everything is pulled again, and only at its end is dropped what the server no longer has.
    async fn pull(&self, tables: &[Id], report: &mut Report) -> Result<Result<(), Remedy>, Error> {
        let set: Id = tables.join(",").into();
        let mut full: Option<HashSet<(Id, Id)>> = None;
        let mut forced = false;
        self.set_status(|status| status.phase = Phase::Pulling);
        loop {
            let download = Download {
                protocol: PROTOCOL,
                cursor: self.state().cursor(&set).map(|cursor| cursor.cursor.clone()),
                entity_types: tables.iter().map(ToString::to_string).collect(),
                scope: None,
                limit: Some(PAGE_ROWS),
                last_sync: None,
            };
            let page = match self.ports.remote().pull(&download).await {
                Ok(page) => page,
                Err(error) => {
                    let remedy = remedy(&error);
                    if matches!(remedy, Remedy::PullInFull) && full.is_none() {
                        full = Some(HashSet::new());
                        self.submit(Command::ForgetCursor { set: set.clone() }, Durability::Relaxed).await?;
                        continue;
                    }
                    self.note_failure(&error, report);
                    return Ok(Err(remedy));
                }
            };
            self.set_status(|status| status.unreachable = false);
            if let Some(seen) = &mut full {
                forced |= self.state().meta(Meta::EPOCH).is_some_and(|epoch| epoch != page.epoch);
                seen.extend(rows_of(&page));
            }
            let (has_more, rows) = (page.has_more, page.entities.len() + page.deletions.len());
            let command = Command::Pull { set: set.clone(), page, forced };
            self.submit(command, Durability::Relaxed).await?;
            report.pulled += rows;
            self.event(Event::Progress { phase: Phase::Pulling, done: report.pulled, total: None });
            if !has_more {
                break;
            }
        }
        if let Some(seen) = full {
            let command = Command::EndFullPull { seen, tables: tables.to_vec() };
            self.submit(command, Durability::Relaxed).await?;
        }
        Ok(Ok(()))
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

fn rows_of<B: Body>(page: &Page<B>) -> impl Iterator<Item = (Id, Id)> + '_ {
    page.entities.iter().map(|row| (row.table.as_str().into(), row.id.as_str().into()))
}
