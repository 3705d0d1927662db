//! A batch of operations, one after the other, in one transaction.

use std::collections::{HashMap, HashSet};

use landfall_core::ids::is_temporary;
use landfall_core::planted;
use landfall_core::protocol::{
    DeletionReason, Mapping, Operation, OperationKind, OperationResult, Outcome, PROTOCOL, Status, Theirs,
    Upload, UploadAnswer,
};
use landfall_core::schema::rules::Detect;
use serde_json::{Value, json};

use super::apply::{Reason, apply, rejection};
use super::port::{Answer, AuditLine, Position, Store, Transaction};
use super::{Caller, Code, Refusal, Rules};

/// When a deferred operation may be worth another try. What it waits for needs somebody's decision, so not at once.
const DEFERRED_RETRY_MS: u64 = 5_000;

/// What the operations of one upload share.
pub(super) struct Batch<'a, T> {
    pub(super) tx: T,
    pub(super) rules: &'a Rules,
    pub(super) caller: &'a Caller,
    pub(super) now: u64,
    /// Temporary ids whose create came earlier in this batch and made nothing.
    pub(super) unmade: HashSet<String>,
}

/// Answers an upload.
pub async fn upload<S: Store>(
    store: &S,
    rules: &Rules,
    caller: &Caller,
    now: u64,
    request: Upload<Value>,
) -> Result<UploadAnswer<Value>, Refusal> {
    if request.protocol != PROTOCOL {
        return Err(Refusal::ProtocolUnsupported(request.protocol));
    }
    if request.principal != caller.principal && !planted!("sent-as-somebody-else") {
        return Err(Refusal::PrincipalMismatch(request.principal));
    }
    if request.operations.len() > rules.operations_max {
        return Err(Refusal::BatchTooLarge(request.operations.len(), rules.operations_max));
    }
    let mut batch = Batch { tx: store.begin().await?, rules, caller, now, unmade: HashSet::new() };
    let position = batch.tx.position().await?;
    if request.epoch.as_ref().is_some_and(|epoch| *epoch != position.epoch) {
        return Err(Refusal::EpochChanged(position.epoch));
    }
    let mut results: Vec<OperationResult<Value>> = Vec::with_capacity(request.operations.len());
    let mut id_mappings = Vec::new();
    // Outcomes of this batch by key, for those that depend on them.
    let mut went_through: HashMap<String, bool> = HashMap::new();
    for operation in request.operations {
        let (result, mapping) = batch.answer(&operation, &position, &went_through).await?;
        batch.write_audit(&operation, &result, &request.device_id, request.sent_at).await?;
        let through = matches!(result.status, Status::Applied | Status::Duplicate);
        if operation.operation == OperationKind::Create && !through {
            batch.unmade.insert(operation.record_id);
        }
        went_through.insert(operation.id, through);
        id_mappings.extend(mapping);
        results.push(result);
    }
    batch.tx.commit().await?;
    Ok(UploadAnswer { protocol: PROTOCOL, epoch: position.epoch, server_time: now, results, id_mappings })
}

impl<T: Transaction> Batch<'_, T> {
    async fn answer(
        &mut self,
        operation: &Operation<Value>,
        position: &Position,
        went_through: &HashMap<String, bool>,
    ) -> Result<(OperationResult<Value>, Option<Mapping>), Refusal> {
        let Caller { tenant, principal, .. } = self.caller;
        let known = self.tx.answer(tenant, principal, &operation.id).await?;
        if let Some(answer) =
            known.filter(|answer| !(planted!("key-forgotten") && answer.at + 60_000 < self.now))
        {
            let mapping = mapping(&answer);
            return Ok((again(answer.result, operation.operation), mapping));
        }
        let outcome = self.outcome(operation, position, went_through).await?;
        let result = OperationResult::new(operation.id.clone(), outcome);
        let definite = match result.status {
            Status::Rejected if planted!("withdrawal-forgotten") => {
                operation.operation != OperationKind::Withdraw
            }
            Status::Applied | Status::Rejected => true,
            Status::Conflict => {
                operation.operation == OperationKind::Create || self.is_found_by_content(operation)
            }
            Status::Deferred | Status::Duplicate => false,
        };
        if !definite {
            return Ok((result, None));
        }
        let answer = Answer {
            tenant: tenant.clone(),
            principal: principal.clone(),
            operation: operation.operation,
            table: operation.table.clone(),
            local_id: operation.record_id.clone(),
            result,
            at: self.now,
        };
        self.tx.remember(&answer).await?;
        let mapping = mapping(&answer);
        Ok((answer.result, mapping))
    }

    /// Content can come back to what an operation was made on, so a late copy of one that was overtaken might fit: what it was
    /// told once holds.
    fn is_found_by_content(&self, operation: &Operation<Value>) -> bool {
        let table = self.rules.schema.as_ref().and_then(|schema| schema.table(&operation.table));
        operation.base_hash.is_some() && table.is_some_and(|table| table.detect == Detect::Hash)
    }

    async fn outcome(
        &mut self,
        operation: &Operation<Value>,
        position: &Position,
        went_through: &HashMap<String, bool>,
    ) -> Result<Outcome<Value>, Refusal> {
        let deferred = Outcome::Deferred { retry_after_ms: DEFERRED_RETRY_MS };
        if operation.first_sent_at.is_some_and(|time| time < position.horizon) {
            let message = "first sent so long ago that its answer may be forgotten";
            return Ok(Outcome::Rejected(rejection(Code::Expired, None, message)));
        }
        let waits = operation.dependencies.iter().any(|key| went_through.get(key) == Some(&false));
        if waits && operation.operation != OperationKind::Withdraw {
            return Ok(deferred);
        }
        self.tx.savepoint().await?;
        let outcome = match apply(self, operation).await {
            Ok(applied) => return Ok(Outcome::Applied(applied)),
            Err(Reason::Store(error)) => return Err(error.into()),
            Err(Reason::Rejected(rejection)) => Outcome::Rejected(rejection),
            Err(Reason::Conflict(record)) if record.deleted => {
                Outcome::Conflict(Theirs::Deletion(record.into_deletion(DeletionReason::Deleted)))
            }
            Err(Reason::Conflict(record)) => Outcome::Conflict(Theirs::Record(record.into_entity())),
            Err(Reason::Deferred) => deferred,
        };
        self.tx.rollback_to_savepoint().await?;
        Ok(outcome)
    }

    async fn write_audit(
        &mut self,
        operation: &Operation<Value>,
        result: &OperationResult<Value>,
        device_id: &str,
        sent_at: u64,
    ) -> Result<(), Refusal> {
        let line = AuditLine {
            tenant: self.caller.tenant.clone(),
            principal: self.caller.principal.clone(),
            device_id: device_id.to_owned(),
            operation_id: operation.id.clone(),
            operation: operation.operation,
            table: operation.table.clone(),
            local_id: operation.record_id.clone(),
            record_id: result.record_id.clone(),
            payload: json!({ "data": operation.data, "unset": operation.unset, "baseVersion": operation.base_version }),
            status: result.status,
            code: result.code.clone(),
            error: result.message.clone(),
            written_at: operation.timestamp,
            sent_at,
            decided_at: self.now,
        };
        Ok(self.tx.audit(&line).await?)
    }
}

/// A remembered answer, said again. What was applied is a `duplicate` now, except to a withdrawal: it asks whether the
/// operation was applied, and it was.
fn again(mut result: OperationResult<Value>, asked: OperationKind) -> OperationResult<Value> {
    if result.status == Status::Applied && asked != OperationKind::Withdraw {
        result.status = Status::Duplicate;
    }
    result
}

/// The exchange of ids that a create's answer carries, the first time and every time.
fn mapping(answer: &Answer) -> Option<Mapping> {
    let created = answer.operation == OperationKind::Create && answer.result.status == Status::Applied;
    let real_id = answer.result.record_id.clone().filter(|_| created && is_temporary(&answer.local_id))?;
    Some(Mapping { temp_id: answer.local_id.clone(), real_id, entity_type: answer.table.clone() })
}
