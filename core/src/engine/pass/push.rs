//! Sending what waits, batch by batch.
//!
//! A batch that fails as a whole says nothing of any mutation in it. Where what it held may be the reason, the next one is
//! half as large, until the poison is alone; what got through lets the batches grow again. Alone, a request that is refused
//! for good parks its mutation. One that fails for the moment waits for a time of its own while the next mutation is tried:
//! if that gets through, the fault was the first one's, and costs it an attempt; if not, it is the server's, and costs nobody
//! anything.

use super::{
    Report,
    pacing::{Remedy, failure, is_about_content, remedy},
};
use crate::{
    activity::Failure,
    body::Body,
    decide::{Answer, Command, Done, Tally, is_expired},
    engine::Engine,
    error::Error,
    log::entry::{Id, Mutation, Operation, Refusal},
    merge::detect::own_hash,
    outbox::{Backoff, Wanted, next_batch},
    planted,
    ports::{Durability, Event, Phase, Ports, Remote, RemoteError},
    protocol::{OperationKind, PROTOCOL, Upload, UploadAnswer},
    schema::rules::Detect,
    state::{Meta, State},
};

/// About what an operation takes on the wire besides its fields.
const OPERATION_BYTES: usize = 400;
/// What failed alone waits at least so long, so that others come before it.
const ALONE_MS_MIN: u64 = 1_000;

/// What the next request holds.
struct Chosen {
    mutations: Vec<Id>,
    /// There is more that could go.
    more: bool,
}

/// Whether another request follows one that failed as a whole.
enum Next {
    AtOnce,
    /// To see whether another mutation gets through; if not, what the failure asks for.
    Another(Remedy),
    Not(Remedy),
}

impl<P: Ports> Engine<P> {
    /// Sends batches until nothing is ready, or a request fails.
    pub(super) async fn push(&self, report: &mut Report) -> Result<Result<(), Remedy>, Error> {
        let total = self.state().outbox.len();
        // What the last request asked for, if it failed and another was tried at once.
        let mut failed = None;
        loop {
            let chosen = self.choose();
            if chosen.mutations.is_empty() {
                return Ok(failed.map_or(Ok(()), Err));
            }
            self.set_status(|status| status.phase = Phase::Pushing);
            if self.lacks_bearings()
                && let Err(error) = self.exchange(&[]).await?
            {
                self.note_failure(&error, report);
                return Ok(Err(remedy(&error)));
            }
            let fresh = self.never_sent(&chosen.mutations);
            let marked = if planted!("marked-after-the-request") {
                chosen.mutations
            } else {
                self.mark_sending(chosen.mutations).await?
            };
            if marked.is_empty() {
                return Ok(failed.map_or(Ok(()), Err));
            }
            match self.exchange(&marked).await? {
                Ok(tally) => {
                    report.pushed += tally.applied;
                    report.merged += tally.merged;
                    report.conflicts += tally.conflicts;
                    report.rejected += tally.rejected - self.send_anew(&fresh).await?;
                    let settled = report.pushed + report.merged + report.conflicts + report.rejected;
                    self.event(Event::Progress { phase: Phase::Pushing, done: settled, total: Some(total) });
                    if tally == Tally::default() {
                        // An answer that names none of what was asked: not to be asked again at once.
                        return Ok(Err(Remedy::BackOff { retry_after_ms: None, splits: false }));
                    }
                    self.got_through(&marked).await?;
                    (failed, report.error) = (None, None);
                }
                Err(error) => {
                    self.note_failure(&error, report);
                    let is_other = chosen.more && failed.is_none();
                    match self.failed(&marked, is_other, &error, report).await? {
                        Next::AtOnce => {}
                        Next::Another(remedy) => failed = Some(remedy),
                        Next::Not(remedy) => return Ok(Err(remedy)),
                    }
                }
            }
        }
    }

    /// One request and what its answer settles. One that carries nothing asks which server it is and what time it is there, where no
    /// pull has told that.
    async fn exchange(&self, marked: &[Id]) -> Result<Result<Tally, RemoteError>, Error> {
        let upload = self.upload(marked);
        let beginnings = self.state().beginnings();
        let sent_at = self.ports.clock().elapsed_ms();
        let answer = self.ports.remote().push(&upload).await;
        if planted!("marked-after-the-request") {
            self.mark_sending(marked.to_vec()).await?;
        }
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        if planted!("answers-by-position") {
            let named = answer.results.iter_mut().zip(marked);
            named.for_each(|(result, id)| result.id = id.to_string());
        }
        self.set_status(|status| status.unreachable = false);
        self.hear(sent_at, answer.server_time).await;
        let UploadAnswer { epoch, server_time, results, .. } = answer;
        self.settle(Answer { epoch, server_time, results, beginnings }).await.map(Ok)
    }

    /// Marks what a request will carry, before it does; those of them that may go.
    async fn mark_sending(&self, mutations: Vec<Id>) -> Result<Vec<Id>, Error> {
        match self.submit(Command::Send { mutations }, Durability::Strict).await? {
            Done::Marked(marked) => Ok(marked),
            _ => Ok(Vec::new()),
        }
    }

    /// What goes next: no more than the remote takes, and than got through of late.
    fn choose(&self) -> Chosen {
        let terms = self.ports.remote().terms();
        let pacing = self.pacing.borrow();
        let limit = pacing.batch_limit.min(terms.batch_max).max(1);
        let state = self.state();
        let wanted = Wanted {
            principal: &self.writer.principal,
            now_ms: self.ports.clock().now_ms(),
            limit: limit + 1,
            one_table: terms.one_table_per_batch,
            schema: Some(&self.schema),
        };
        let mut mutations = next_batch(&state.outbox, &wanted).mutations;
        let ready = mutations.len();
        mutations.truncate(limit);
        // One whose own fault it was that a request failed goes alone.
        if let Some(at) = mutations.iter().position(|id| pacing.alone.contains(id)) {
            mutations.truncate(at.max(1));
        }
        let fields: Vec<&P::Body> =
            mutations.iter().filter_map(|id| state.outbox.get(id)).map(|mutation| &mutation.data).collect();
        let mut bytes = 0_usize;
        let fits = Body::lengths(&fields).into_iter().position(|length| {
            bytes = bytes.saturating_add(length + OPERATION_BYTES);
            bytes > terms.batch_bytes_max
        });
        mutations.truncate(fits.unwrap_or(usize::MAX).max(1));
        Chosen { more: mutations.len() < ready, mutations }
    }

    /// A request got its answer: batches may grow again, and what failed alone before it failed by its own fault.
    async fn got_through(&self, marked: &[Id]) -> Result<(), Error> {
        let suspect = {
            let mut pacing = self.pacing.borrow_mut();
            pacing.backoff.reset();
            pacing.grow(self.ports.remote().terms().batch_max);
            let outbox = &self.state().outbox;
            pacing.alone.retain(|id| outbox.get(id).is_some());
            pacing.suspect.take().filter(|(id, _)| !marked.contains(id))
        };
        let Some((id, refusal)) = suspect else { return Ok(()) };
        let wait_ms = self.wait_alone(&id, None);
        self.pacing.borrow_mut().alone.insert(id.clone());
        let command = Command::Fail { mutation: id, refusal, wait_ms, spends: true };
        self.submit(command, Durability::Relaxed).await.map(|_| ())
    }

    /// A request failed as a whole. `is_other`: there is another that could tell whether the fault is the mutation's own.
    async fn failed(
        &self,
        marked: &[Id],
        is_other: bool,
        error: &RemoteError,
        report: &mut Report,
    ) -> Result<Next, Error> {
        self.pacing.borrow_mut().suspect = None;
        let remedy = remedy(error);
        let refusal = || {
            let Failure { code, message } = failure(error);
            // The request held that one mutation alone: the server's own words are about it.
            let message = match error {
                RemoteError::Refused { message: words, .. } if !words.is_empty() => words.clone(),
                _ => message,
            };
            Refusal {
                code,
                message,
                field: None,
                class: remedy.class(),
                unanswered: !is_about_content(error),
            }
        };
        match (&remedy, marked) {
            (Remedy::Halve { .. }, [poison]) => {
                // Alone, the refusal of the request is the refusal of the mutation.
                let wait_ms = self.wait_alone(poison, None);
                let command =
                    Command::Fail { mutation: poison.clone(), refusal: refusal(), wait_ms, spends: false };
                self.submit(command, Durability::Relaxed).await?;
                report.rejected += 1;
                return Ok(Next::AtOnce);
            }
            (Remedy::Halve { .. }, _) => {
                self.pacing.borrow_mut().halve(marked.len());
                return Ok(Next::AtOnce);
            }
            (Remedy::BackOff { splits: true, retry_after_ms }, [alone]) if is_other => {
                let wait_ms = self.wait_alone(alone, *retry_after_ms);
                let command =
                    Command::Fail { mutation: alone.clone(), refusal: refusal(), wait_ms, spends: false };
                self.submit(command, Durability::Relaxed).await?;
                self.pacing.borrow_mut().suspect = Some((alone.clone(), refusal()));
                if retry_after_ms.is_none() {
                    return Ok(Next::Another(remedy));
                }
            }
            (Remedy::BackOff { splits: true, .. }, _) => {
                let mut pacing = self.pacing.borrow_mut();
                // Once is a hiccup. Twice may be something in it.
                if pacing.backoff.failures() > 0 {
                    pacing.halve(marked.len());
                }
            }
            (Remedy::BackOff { splits: false, .. }, _) if planted!("offline-costs-attempts") => {
                for mutation in marked.iter().cloned() {
                    let command = Command::Fail { mutation, refusal: refusal(), wait_ms: 0, spends: true };
                    self.submit(command, Durability::Relaxed).await?;
                }
            }
            (Remedy::BackOff { splits: false, .. } | Remedy::Hold(_) | Remedy::PullInFull, _) => {}
        }
        Ok(Next::Not(remedy))
    }

    /// How long a mutation that failed alone waits, so that others go on.
    fn wait_alone(&self, id: &Id, retry_after_ms: Option<u64>) -> u64 {
        let attempts = self.state().outbox.get(id).map_or(0, |mutation| mutation.attempts);
        let bits = self.ports.random().bits();
        ALONE_MS_MIN.saturating_add(Backoff::after(attempts).fail(bits, retry_after_ms))
    }

    fn never_sent(&self, mutations: &[Id]) -> Vec<Id> {
        let state = self.state();
        let is_new = |id: &&Id| state.outbox.get(id).is_some_and(|mutation| mutation.first_sent_at.is_none());
        mutations.iter().filter(is_new).cloned().collect()
    }

    /// Of what no request had carried before, what was refused as perhaps forgotten goes again under new ids: this device's clock
    /// stood still while it was away, and dated it by a time of then. How many those are.
    async fn send_anew(&self, fresh: &[Id]) -> Result<usize, Error> {
        let mut anew = 0;
        for id in fresh {
            let is_expired = self.state().outbox.get(id).is_some_and(|mutation| is_expired(mutation));
            if !is_expired {
                continue;
            }
            let retry = Command::Retry { mutation: id.clone(), changes: None, unset: Vec::new() };
            match self.submit(retry, Durability::Relaxed).await {
                Ok(_) => anew += 1,
                // It waits for a person, as it is.
                Err(Error::ReferenceMissing { .. } | Error::MutationNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(anew)
    }

    async fn settle(&self, answer: Answer<P::Body>) -> Result<Tally, Error> {
        match self.submit(Command::Answer { answer }, Durability::Relaxed).await? {
            Done::Answered(tally) => Ok(tally),
            _ => Ok(Tally::default()),
        }
    }

    fn upload(&self, mutations: &[Id]) -> Upload<P::Body> {
        let state = self.state();
        let operations = mutations.iter().filter_map(|id| state.outbox.get(id));
        Upload {
            protocol: PROTOCOL,
            principal: self.writer.principal.to_string(),
            device_id: state.meta(Meta::DEVICE_ID).unwrap_or_default().to_owned(),
            schema_version: self.schema.version,
            epoch: state.meta(Meta::EPOCH).map(ToOwned::to_owned),
            sent_at: self.ports.clock().now_ms(),
            merge: false,
            operations: operations.map(|mutation| operation(&state, mutation)).collect(),
        }
    }
}

/// By what else than the version the server tells whether somebody else was there first, where the table wants that: the time of
/// what a mutation was made on, or its hash.
fn made_on<B: Body>(state: &State<B>, mutation: &Mutation<B>) -> (Option<u64>, Option<String>) {
    let nothing = (None, None);
    let Some(table) = state.schema().table(&mutation.table) else { return nothing };
    let Some(version) = mutation.base_version.filter(|_| table.detect != Detect::Version) else {
        return nothing;
    };
    let base = state.base(&mutation.table, &mutation.record_id);
    let copies = base.into_iter().flat_map(|base| base.base.iter().chain(&base.theirs));
    let Some(copy) = copies.into_iter().find(|copy| copy.version == version) else { return nothing };
    match table.detect {
        Detect::Version => nothing,
        Detect::Timestamp => (Some(copy.updated_at), None),
        Detect::Hash => (None, Some(own_hash(&copy.data.to_fields(), table))),
    }
}

/// A mutation on the wire. One that is to be forgotten says nothing but its id and its record.
fn operation<B: Body>(state: &State<B>, mutation: &Mutation<B>) -> crate::protocol::Operation<B> {
    let operation = match mutation.operation {
        _ if mutation.withdrawing => OperationKind::Withdraw,
        Operation::Create => OperationKind::Create,
        Operation::Update => OperationKind::Update,
        Operation::Delete => OperationKind::Delete,
    };
    let says = !mutation.withdrawing;
    let sets = says && operation != OperationKind::Delete;
    let (base_updated_at, base_hash) = if says { made_on(state, mutation) } else { (None, None) };
    crate::protocol::Operation {
        id: mutation.id.to_string(),
        table: mutation.table.to_string(),
        record_id: mutation.record_id.to_string(),
        operation,
        base_version: mutation.base_version,
        base_updated_at,
        base_hash,
        base: None,
        data: sets.then(|| mutation.data.clone()),
        unset: if says { mutation.unset.clone() } else { Vec::new() },
        timestamp: mutation.timestamp,
        first_sent_at: mutation.first_sent_at,
        dependencies: mutation.dependencies.iter().filter(|_| says).map(ToString::to_string).collect(),
    }
}
