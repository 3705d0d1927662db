//! A batch of operations, one after the other, in one transaction.

use std::collections::{HashMap, HashSet};

use landfall_core::ids::is_temporary;
use landfall_core::merge::Contest;
use landfall_core::planted;
use landfall_core::protocol::live::Changed;
use landfall_core::protocol::{
    DeletionReason, Mapping, Operation, OperationKind, OperationResult, Outcome, PROTOCOL, Rejection, Status,
    Theirs, Upload, UploadAnswer,
};
use landfall_core::schema::rules::Detect;
use serde_json::{Value, json};

use super::apply::{Done, Reason, apply};
use super::port::{Answer, AuditLine, Position, Record, Store, StoreError, Transaction};
use super::three_way::told;
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
    /// Whether what is overtaken is merged or held. Only with a schema.
    pub(super) merges: bool,
    pub(super) device_id: String,
    /// By the device's clock.
    pub(super) sent_at: u64,
    /// What was written, in order.
    pub(super) changed: Vec<Changed>,
}

/// What was decided about an operation.
struct Verdict {
    outcome: Outcome<Value>,
    /// Under which it is held.
    conflict_id: Option<String>,
    /// What was settled.
    contests: Vec<Contest>,
}

impl From<Outcome<Value>> for Verdict {
    fn from(outcome: Outcome<Value>) -> Self {
        Self { outcome, conflict_id: None, contests: Vec::new() }
    }
}

/// Answers an upload.
pub async fn upload<S: Store>(
    store: &S,
    rules: &Rules,
    caller: &Caller,
    now: u64,
    request: Upload<Value>,
) -> Result<UploadAnswer<Value>, Refusal> {
    // On the heap: it is as large as the rarest way through it, and callers are futures too.
    Ok(Box::pin(upload_and_tell(store, rules, caller, now, request)).await?.0)
}

/// Answers an upload, and tells what it has changed.
pub async fn upload_and_tell<S: Store>(
    store: &S,
    rules: &Rules,
    caller: &Caller,
    now: u64,
    request: Upload<Value>,
) -> Result<(UploadAnswer<Value>, Vec<Changed>), Refusal> {
    if request.protocol != PROTOCOL {
        return Err(Refusal::ProtocolUnsupported(request.protocol));
    }
    if request.principal != caller.principal && !planted!("sent-as-somebody-else") {
        return Err(Refusal::PrincipalMismatch(request.principal));
    }
    if request.operations.len() > rules.operations_max {
        return Err(Refusal::BatchTooLarge(request.operations.len(), rules.operations_max));
    }
    let tx = store.begin().await?;
    let mut batch = Batch::new(tx, rules, caller, now, request.device_id, request.sent_at);
    batch.merges = request.merge && rules.schema.is_some();
    let position = batch.tx.position().await?;
    if request.epoch.as_ref().is_some_and(|epoch| *epoch != position.epoch) {
        return Err(Refusal::EpochChanged(position.epoch));
    }
    let mut results: Vec<OperationResult<Value>> = Vec::with_capacity(request.operations.len());
    let mut id_mappings = Vec::new();
    // Outcomes of this batch by key, for those that depend on them.
    let mut went_through: HashMap<String, bool> = HashMap::new();
    for operation in request.operations {
        let Answered { result, mapping, contests } =
            batch.answer(&operation, &position, &went_through).await?;
        batch.write_audit(&operation, &result, &contests).await?;
        let through = matches!(result.status, Status::Applied | Status::Duplicate);
        if operation.operation == OperationKind::Create && !through {
            batch.unmade.insert(operation.record_id);
        }
        went_through.insert(operation.id, through);
        id_mappings.extend(mapping);
        results.push(result);
    }
    batch.tx.commit().await?;
    let answer =
        UploadAnswer { protocol: PROTOCOL, epoch: position.epoch, server_time: now, results, id_mappings };
    Ok((answer, batch.changed))
}

/// An answer to one operation, and what goes with it.
struct Answered {
    result: OperationResult<Value>,
    mapping: Option<Mapping>,
    contests: Vec<Contest>,
}

impl<'a, T: Transaction> Batch<'a, T> {
    pub(super) fn new(
        tx: T,
        rules: &'a Rules,
        caller: &'a Caller,
        now: u64,
        device_id: String,
        sent_at: u64,
    ) -> Self {
        let (unmade, changed) = (HashSet::new(), Vec::new());
        Self { tx, rules, caller, now, unmade, merges: false, device_id, sent_at, changed }
    }

    async fn answer(
        &mut self,
        operation: &Operation<Value>,
        position: &Position,
        went_through: &HashMap<String, bool>,
    ) -> Result<Answered, Refusal> {
        let Caller { tenant, principal, .. } = self.caller;
        let known = self.tx.answer(tenant, principal, &operation.id).await?;
        if let Some(answer) =
            known.filter(|answer| !(planted!("key-forgotten") && answer.at + 60_000 < self.now))
        {
            let mapping = mapping(&answer);
            let result = again(answer.result, operation.operation);
            return Ok(Answered { result, mapping, contests: Vec::new() });
        }
        let Verdict { outcome, conflict_id, contests } =
            self.outcome(operation, position, went_through).await?;
        let mut result = OperationResult::new(operation.id.clone(), outcome);
        result.conflict_id = conflict_id;
        let definite = match result.status {
            Status::Rejected if planted!("withdrawal-forgotten") => {
                operation.operation != OperationKind::Withdraw
            }
            Status::Applied | Status::Rejected => true,
            Status::Conflict => {
                operation.operation == OperationKind::Create
                    || result.conflict_id.is_some()
                    || self.is_found_by_content(operation)
                    || is_in_the_way(&result, operation)
            }
            Status::Deferred | Status::Duplicate => false,
        };
        if !definite {
            return Ok(Answered { result, mapping: None, contests });
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
        Ok(Answered { result: answer.result, mapping, contests })
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
    ) -> Result<Verdict, Refusal> {
        let deferred = Outcome::Deferred { retry_after_ms: DEFERRED_RETRY_MS };
        if operation.first_sent_at.is_some_and(|time| time < position.horizon) {
            let message = "first sent so long ago that its answer may be forgotten".to_owned();
            return Ok(rejected(Code::Expired, None, message).into());
        }
        let waits = operation.dependencies.iter().any(|key| went_through.get(key) == Some(&false));
        if waits && operation.operation != OperationKind::Withdraw {
            return Ok(deferred.into());
        }
        self.tx.savepoint().await?;
        let written = self.changed.len();
        let reason = match apply(self, operation).await {
            Ok(Done { applied, contests }) => {
                return Ok(Verdict { outcome: Outcome::Applied(applied), conflict_id: None, contests });
            }
            Err(Reason::Store(error)) => return Err(error.into()),
            Err(reason) => reason,
        };
        self.tx.rollback_to_savepoint().await?;
        self.changed.truncate(written);
        let (theirs, conflict_id) = match reason {
            Reason::Store(error) => return Err(error.into()),
            Reason::Rejected { code, field, message } => return Ok(rejected(code, field, message).into()),
            Reason::Deferred => return Ok(deferred.into()),
            Reason::Conflict(theirs) => {
                let conflict_id = self.hold(operation, &theirs).await?;
                (*theirs, conflict_id)
            }
            Reason::Open(open) => {
                let theirs = open.theirs.clone();
                (theirs, Some(self.hold_open(operation, *open).await?))
            }
        };
        let theirs = if theirs.deleted {
            Theirs::Deletion(theirs.into_deletion(DeletionReason::Deleted))
        } else {
            Theirs::Record(theirs.into_entity())
        };
        Ok(Verdict { outcome: Outcome::Conflict(theirs), conflict_id, contests: Vec::new() })
    }

    /// Writes a record or tombstone, and notes that it was.
    pub(super) async fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        self.tx.put(record).await?;
        let Record { table, id, version, .. } = record;
        self.changed.push(Changed { table: table.clone(), id: id.clone(), version: *version });
        Ok(())
    }

    async fn write_audit(
        &mut self,
        operation: &Operation<Value>,
        result: &OperationResult<Value>,
        contests: &[Contest],
    ) -> Result<(), Refusal> {
        let mut payload = json!({ "data": operation.data, "unset": operation.unset, "baseVersion": operation.base_version });
        if !contests.is_empty() {
            payload["merged"] = contests.iter().map(told).collect();
        }
        let line = AuditLine {
            tenant: self.caller.tenant.clone(),
            principal: self.caller.principal.clone(),
            device_id: self.device_id.clone(),
            operation_id: operation.id.clone(),
            operation: operation.operation,
            table: operation.table.clone(),
            local_id: operation.record_id.clone(),
            record_id: result.record_id.clone(),
            payload,
            status: result.status,
            code: result.code.clone(),
            error: result.message.clone(),
            written_at: operation.timestamp,
            sent_at: self.sent_at,
            decided_at: self.now,
        };
        Ok(self.tx.audit(&line).await?)
    }
}

fn rejected(code: Code, field: Option<String>, message: String) -> Outcome<Value> {
    Outcome::Rejected(Rejection { code: code.name().to_owned(), field, message })
}

/// Whether another record has the natural key: that one may give it up at any time, and a late copy would be applied then.
fn is_in_the_way(result: &OperationResult<Value>, operation: &Operation<Value>) -> bool {
    result.record.as_ref().is_some_and(|row| {
        row.id != operation.record_id && row.created_as.as_ref() != Some(&operation.record_id)
    })
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
