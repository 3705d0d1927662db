//! Sending what waits, batch by batch.

use super::{
    Report,
    pacing::{BATCH_MAX, Remedy, remedy},
};
use crate::{
    decide::{Answer, Command, Done, Tally},
    engine::Engine,
    error::Error,
    log::entry::{Id, Operation},
    outbox::next_batch,
    ports::{Durability, Event, Phase, Ports, Remote},
    protocol::{OperationKind, OperationResult, Outcome, PROTOCOL, Rejection, Upload},
    state::Meta,
};

impl<P: Ports> Engine<P> {
    /// Sends batches until nothing is ready, or a request fails.
    pub(super) async fn push(&self, report: &mut Report) -> Result<Result<(), Remedy>, Error> {
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
}
