//! The way to the server and back: it delays, drops, cuts, duplicates and reorders, and others answer in the server's place.

use std::{future::Future, rc::Rc};

use futures_channel::oneshot;
use landfall_core::{
    ports::{Remote, RemoteError},
    protocol::{DeletionRow, Download, EntityRow, Operation, OperationResult, Page, Upload, UploadAnswer},
};
use landfall_server::decisions::Refusal;
use serde_json::Value;

use super::{
    Commons, SERVER,
    database::Database,
    device::{Condition, principal},
};
use crate::{body::Shared, faults::Fault};

/// The longest way, one way. A client waits no longer than [`TIMEOUT_MS`].
const LATE_MS_MAX: u64 = 120_000;
const USUAL_MS_MAX: u64 = 200;
/// PROTOCOL, "Limits".
const TIMEOUT_MS: u64 = 30_000;
/// A copy of a request arrives within this time.
const COPY_MS_MAX: u64 = 600_000;
/// What a request of this mutation does is break: see [`Fault::RequestPoison`].
pub const BREAKING: &str = "breaks requests";

/// One context's connection.
#[derive(Clone)]
pub struct Connection {
    pub(super) commons: Rc<Commons>,
    pub(super) condition: Rc<Condition>,
    pub(super) device: usize,
    pub(super) database: Rc<Database>,
}

impl Connection {
    fn strikes(&self, fault: Fault) -> bool {
        self.commons.weather.strikes(fault, &self.commons.dice.network)
    }

    fn way_ms(&self, late: Fault) -> u64 {
        let max = if self.strikes(late) { LATE_MS_MAX } else { USUAL_MS_MAX };
        self.commons.dice.network.wait_ms(max)
    }

    fn note(&self, what: impl FnOnce() -> String) {
        let (device, database) = (self.device, self.database.number);
        self.commons.journal.note(|| (format!("network {device}/{database}"), what()));
    }

    /// Who the server takes the sender for.
    fn token(&self) -> String {
        principal(self.device, self.condition.user.get())
    }

    /// The answers of others: gateways, captive portals, a server that has no time. `size` is the number of operations.
    fn refusal(&self, size: usize) -> Option<RemoteError> {
        let refused = |status, code: &str, retry_after_ms| {
            Some(RemoteError::Refused { status, code: code.into(), message: String::new(), retry_after_ms })
        };
        let dice = &self.commons.dice.network;
        if self.condition.is_refused.get() && !self.commons.weather.is_healed() {
            self.commons.weather.count(Fault::TokenRefused);
            return refused(401, "unauthenticated", None);
        }
        if self.strikes(Fault::CaptivePortal) {
            return Some(RemoteError::Foreign("the answer lacks the header Landfall-Protocol".into()));
        }
        if self.strikes(Fault::Unauthorized) {
            return refused(401, "unauthenticated", None);
        }
        if self.strikes(Fault::Forbidden) {
            return refused(403, "forbidden", None);
        }
        if self.strikes(Fault::TooMany) {
            return refused(429, "too-many", Some(dice.wait_ms(90_000)));
        }
        if self.strikes(Fault::ServerError) {
            return refused(500, "internal", None);
        }
        if self.strikes(Fault::Unavailable) {
            return refused(503, "unavailable", dice.one_in(2).then(|| dice.wait_ms(10_000)));
        }
        // One that is small enough passes: what refuses even that would refuse everything.
        if size > 1 && self.strikes(Fault::TooLarge) {
            return refused(413, "body-too-large", None);
        }
        None
    }

    /// One request and its answer. `ask` is what the server does with it.
    async fn exchange<T: 'static, F>(
        &self,
        size: usize,
        ask: impl Fn(Rc<Commons>, String) -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, Refusal>> + 'static,
    {
        let time = &self.commons.executor.time;
        let number = self.condition.sent.get() + 1;
        self.condition.sent.set(number);
        let way_ms = self.way_ms(Fault::RequestLate);
        if self.condition.is_offline.get() && !self.commons.weather.is_healed() {
            time.sleep_ms(way_ms.min(TIMEOUT_MS)).await;
            return Err(RemoteError::Network("offline".into()));
        }
        let token = self.token();
        // Also of one that is lost, for all that its sender hears.
        if self.strikes(Fault::DeliveredTwice) {
            let delay_ms = way_ms + self.commons.dice.network.wait_ms(COPY_MS_MAX);
            let copy = self.arrival(number, delay_ms, ask(Rc::clone(&self.commons), token.clone()));
            self.commons.executor.spawn(SERVER, async move {
                // Nobody waits for its answer.
                let _ = copy.await;
            });
        }
        if self.strikes(Fault::RequestLost) {
            self.note(|| "the request is lost".into());
            time.sleep_ms(self.commons.dice.network.wait_ms(TIMEOUT_MS)).await;
            return Err(if self.commons.dice.network.one_in(2) {
                RemoteError::Timeout
            } else {
                RemoteError::Network("connection reset".into())
            });
        }
        if let Some(refusal) = self.refusal(size) {
            self.note(|| format!("somebody answers: {refusal}"));
            time.sleep_ms(way_ms.min(TIMEOUT_MS)).await;
            return Err(refusal);
        }
        let is_never_answered = self.strikes(Fault::NeverAnswered);
        let arrival = self.arrival(number, way_ms, ask(Rc::clone(&self.commons), token));
        let back_ms = self.way_ms(Fault::AnswerLate);
        let is_lost = self.strikes(Fault::AnswerLost);
        let is_cut = self.strikes(Fault::AnswerTruncated);
        let (sender, answer) = oneshot::channel();
        let commons = Rc::clone(&self.commons);
        // Whatever becomes of the client, the server goes on.
        self.commons.executor.spawn(SERVER, async move {
            let answer = arrival.await;
            if !is_lost {
                commons.executor.time.sleep_ms(back_ms).await;
                // A client that has gone away does not hear it.
                let _ = sender.send(answer);
            }
        });
        if is_never_answered {
            self.note(|| "waits for ever".into());
            std::future::pending::<()>().await;
        }
        let timeout = time.sleep_ms(TIMEOUT_MS);
        let answer = match futures_util::future::select(answer, timeout).await {
            futures_util::future::Either::Left((Ok(answer), _)) => answer,
            // The server died, or the answer got lost.
            futures_util::future::Either::Left((Err(_), _)) => {
                self.note(|| "the connection is cut off".into());
                return Err(RemoteError::Network("connection reset".into()));
            }
            futures_util::future::Either::Right(_) => {
                self.note(|| "no answer in time".into());
                return Err(RemoteError::Timeout);
            }
        };
        if is_cut {
            self.note(|| "the answer breaks off".into());
            return Err(RemoteError::Foreign("unexpected end of the answer".into()));
        }
        answer.map_err(|refusal| {
            let code = refusal.code();
            self.note(|| format!("refused: {refusal}"));
            RemoteError::Refused {
                status: code.http_status().unwrap_or(500),
                code: code.name().to_owned(),
                message: refusal.to_string(),
                retry_after_ms: code.retry_after_seconds().map(|seconds| u64::from(seconds) * 1_000),
            }
        })
    }

    /// The request on its way, and what the server does once it is there.
    fn arrival<T: 'static>(
        &self,
        number: u64,
        way_ms: u64,
        ask: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static {
        let this = self.clone();
        async move {
            this.commons.executor.time.sleep_ms(way_ms).await;
            if this.condition.arrived.get() > number {
                this.commons.weather.count(Fault::Reordered);
            }
            this.condition.arrived.set(this.condition.arrived.get().max(number));
            // What the request carries is in the log: the books know of it before the server does.
            this.database.observe();
            ask.await
        }
    }
}

impl Remote<Shared> for Connection {
    async fn push(&self, upload: &Upload<Shared>) -> Result<UploadAnswer<Shared>, RemoteError> {
        self.note(|| {
            let operations = upload.operations.iter().map(|operation| {
                format!(
                    "{} {:?} {}/{}",
                    operation.id, operation.operation, operation.table, operation.record_id
                )
            });
            format!("uploads {}", operations.collect::<Vec<_>>().join(", "))
        });
        let breaks = |operation: &Operation<Shared>| {
            operation
                .data
                .as_ref()
                .is_some_and(|data| data.0.get("status").is_some_and(|status| status == BREAKING))
        };
        if upload.operations.iter().any(breaks) {
            self.commons.weather.count(Fault::RequestPoison);
            return Err(RemoteError::Refused {
                status: 400,
                code: "malformed-body".into(),
                message: "the body cannot be read".into(),
                retry_after_ms: None,
            });
        }
        let request = to_wire(upload);
        let wrong = Rc::new(upload.principal.clone());
        let mut answer = self
            .exchange(upload.operations.len(), |commons, token| {
                let (request, named) = (request.clone(), Rc::clone(&wrong));
                async move {
                    if *named != token {
                        commons.weather.count(Fault::WrongPrincipal);
                    }
                    let now_ms = commons.executor.time.now_ms();
                    commons.server.upload(&token, now_ms, request).await
                }
            })
            .await?;
        if self.strikes(Fault::AnswerPartial) {
            let dice = &self.commons.dice.network;
            answer.results.retain(|_| dice.one_in(2));
            if dice.one_in(2) {
                answer.results.reverse();
            }
        }
        self.note(|| {
            let results =
                answer.results.iter().map(|result| format!("{} {}", result.id, result.status.name()));
            format!("hears {}", results.collect::<Vec<_>>().join(", "))
        });
        Ok(answer_from_wire(answer))
    }

    async fn pull(&self, download: &Download) -> Result<Page<Shared>, RemoteError> {
        let tables = Rc::new(download.entity_types.clone());
        let page = self
            .exchange(0, |commons, token| {
                let (request, tables) = (download.clone(), Rc::clone(&tables));
                async move {
                    let now_ms = commons.executor.time.now_ms();
                    let page = commons.server.download(&token, now_ms, request).await?;
                    let mut books = commons.books.borrow_mut();
                    books.served.entry(page.cursor.clone()).or_insert_with(|| (*tables).clone());
                    Ok(page)
                }
            })
            .await?;
        self.note(|| {
            let rows =
                page.entities.iter().map(|row| format!("{}/{} version {}", row.table, row.id, row.version));
            let gone =
                page.deletions.iter().map(|row| format!("{}/{} deleted {}", row.table, row.id, row.version));
            format!("hears up to {}: {}", page.cursor, rows.chain(gone).collect::<Vec<_>>().join(", "))
        });
        Ok(page_from_wire(page))
    }
}

fn to_wire(upload: &Upload<Shared>) -> Upload<Value> {
    let operation = |operation: &Operation<Shared>| Operation {
        id: operation.id.clone(),
        table: operation.table.clone(),
        record_id: operation.record_id.clone(),
        operation: operation.operation,
        base_version: operation.base_version,
        base_updated_at: operation.base_updated_at,
        base_hash: operation.base_hash.clone(),
        base: operation.base.as_ref().map(|base| (*base.0).clone()),
        data: operation.data.as_ref().map(|data| (*data.0).clone()),
        unset: operation.unset.clone(),
        timestamp: operation.timestamp,
        first_sent_at: operation.first_sent_at,
        dependencies: operation.dependencies.clone(),
    };
    Upload {
        protocol: upload.protocol,
        principal: upload.principal.clone(),
        device_id: upload.device_id.clone(),
        schema_version: upload.schema_version,
        epoch: upload.epoch.clone(),
        sent_at: upload.sent_at,
        merge: upload.merge,
        operations: upload.operations.iter().map(operation).collect(),
    }
}

fn row_from_wire(row: EntityRow<Value>) -> EntityRow<Shared> {
    let EntityRow { table, id, version, updated_at, created_as, data } = row;
    EntityRow { table, id, version, updated_at, created_as, data: data.into() }
}

fn answer_from_wire(answer: UploadAnswer<Value>) -> UploadAnswer<Shared> {
    let result = |result: OperationResult<Value>| OperationResult {
        id: result.id,
        status: result.status,
        record_id: result.record_id,
        version: result.version,
        updated_at: result.updated_at,
        record: result.record.map(row_from_wire),
        deletion: result.deletion,
        conflict_id: result.conflict_id,
        code: result.code,
        field: result.field,
        message: result.message,
        retry_after_ms: result.retry_after_ms,
    };
    UploadAnswer {
        protocol: answer.protocol,
        epoch: answer.epoch,
        server_time: answer.server_time,
        results: answer.results.into_iter().map(result).collect(),
        id_mappings: answer.id_mappings,
    }
}

fn page_from_wire(page: Page<Value>) -> Page<Shared> {
    let Page { entities, deletions, cursor, has_more, epoch, horizon, server_time } = page;
    let deletions: Vec<DeletionRow> = deletions;
    let entities = entities.into_iter().map(row_from_wire).collect();
    Page { entities, deletions, cursor, has_more, epoch, horizon, server_time }
}
