//! What is held for a decision, and deciding it.
//!
//! A decision is about the record as it is now, not as it was when the operation came: what the operation began from and what it made of
//! that is kept, and merged with the record once more. The ways are those of [`Resolution`]; what is given by hand wins over
//! everything. Nothing that was deleted comes back: an edit that wins over a deletion is a new record.

use landfall_core::merge::{Choice, Contest, Merge, Path, Written};
use landfall_core::protocol::conflicts::{
    ConflictKind, ConflictResolved, ConflictRow, ConflictsPage, Resolution, ResolveConflict,
};
use landfall_core::protocol::live::Changed;
use landfall_core::protocol::{OperationKind, PROTOCOL, Status};
use landfall_core::schema::{
    Ids, Table,
    rules::{Rules as MergeRules, Strategy},
};
use landfall_core::sorted::SortedMap;
use serde_json::{Value, json};

use super::apply::{Reason, change, make};
use super::holding::{leave_derived, uuid_of};
use super::port::{
    AuditLine, Conflict, Conflicts, ConflictsQuery, Decision, Fields, Record, Snapshot, Store, Transaction,
};
use super::three_way::{Began, three_way, told};
use super::upload::Batch;
use super::values::{check_complete, check_set, fields_of};
use super::{Caller, Code, Refusal, Role, Rules};

/// One page of what a tenant holds. Whoever may read its records may read these.
pub async fn conflicts<S: Store>(store: &S, query: ConflictsQuery) -> Result<ConflictsPage<Value>, Refusal> {
    let Conflicts { conflicts, has_more, counts } = store.snapshot().await?.conflicts(query).await?;
    let last = conflicts.last().filter(|_| has_more);
    let next = last.map(|conflict| format!("{:x}.{}", conflict.at, conflict.id));
    Ok(ConflictsPage {
        protocol: PROTOCOL,
        conflicts: conflicts.into_iter().map(row).collect(),
        next,
        counts,
    })
}

/// Where a page ended, as [`ConflictsPage::next`] has it.
#[must_use]
pub fn place_of(next: &str) -> Option<(u64, String)> {
    let (at, id) = next.split_once('.')?;
    Some((u64::from_str_radix(at, 16).ok()?, id.to_owned()))
}

fn row(conflict: Conflict) -> ConflictRow<Value> {
    let state = conflict.state();
    let (resolution, resolved_by, resolved_at) = match conflict.decision {
        None => (None, None, None),
        Some(Decision { resolution, by, at }) => (Some(resolution), Some(by), Some(at)),
    };
    ConflictRow {
        id: conflict.id,
        operation_id: conflict.operation_id,
        principal: conflict.principal,
        device_id: conflict.device_id,
        table: conflict.table,
        record_id: conflict.record_id,
        operation: conflict.operation,
        kind: conflict.kind,
        base: conflict.base.map(Value::Object),
        ours: conflict.ours.map(Value::Object),
        ours_at: conflict.ours_at,
        theirs: conflict.theirs.map(Value::Object),
        paths: conflict.paths,
        at: conflict.at,
        state,
        resolution,
        resolved_by,
        resolved_at,
    }
}

/// What a decision came to.
struct Resolved {
    /// `None`: it is deleted.
    record: Option<Record>,
    /// What was done for it.
    operation: OperationKind,
    contests: Vec<Contest>,
}

/// Decides a conflict, and tells what this has changed.
pub async fn resolve<S: Store>(
    store: &S,
    rules: &Rules,
    caller: &Caller,
    now: u64,
    request: ResolveConflict<Value>,
) -> Result<(ConflictResolved<Value>, Vec<Changed>), Refusal> {
    if request.protocol != PROTOCOL {
        return Err(Refusal::ProtocolUnsupported(request.protocol));
    }
    if let Some(principal) = request.principal.filter(|principal| *principal != caller.principal) {
        return Err(Refusal::PrincipalMismatch(principal));
    }
    if caller.role == Role::Reader {
        return Err(Refusal::Forbidden);
    }
    let device_id = request.device_id.unwrap_or_default();
    let mut batch = Batch::new(store.begin().await?, rules, caller, now, device_id, now);
    let found = batch.tx.conflict(&caller.tenant, &request.conflict_id).await?;
    let Some(mut conflict) = found else { return Err(Refusal::ConflictNotFound(request.conflict_id)) };
    if let Some(Decision { by, .. }) = conflict.decision {
        return Err(Refusal::ConflictResolved(by));
    }
    let table = match &rules.schema {
        None => None,
        Some(schema) => {
            let table = schema.table(&conflict.table);
            Some(table.ok_or_else(|| Refusal::UnknownTable(conflict.table.clone()))?)
        }
    };
    let mut data = fields_of(request.data.clone())?;
    check_set(&data, table)?;
    batch.resolve_references(&mut data, table, None).await?;
    let Resolved { record, operation, contests } =
        batch.decide(&conflict, request.resolution, table, data).await?;
    let line = AuditLine {
        tenant: caller.tenant.clone(),
        principal: caller.principal.clone(),
        device_id: batch.device_id.clone(),
        operation_id: conflict.id.clone(),
        operation,
        table: conflict.table.clone(),
        local_id: conflict.record_id.clone(),
        record_id: record.as_ref().map(|record| record.id.clone()),
        payload: json!({ "resolution": request.resolution, "data": request.data,
            "merged": contests.iter().map(told).collect::<Value>() }),
        status: Status::Applied,
        code: None,
        error: None,
        written_at: now,
        sent_at: now,
        decided_at: now,
    };
    batch.tx.audit(&line).await?;
    conflict.decision =
        Some(Decision { resolution: request.resolution, by: caller.principal.clone(), at: now });
    batch.tx.put_conflict(&conflict).await?;
    batch.tx.commit().await?;
    let entity = record.map(Record::into_entity);
    Ok((ConflictResolved { success: true, entity }, batch.changed))
}

impl<T: Transaction> Batch<'_, T> {
    async fn decide(
        &mut self,
        conflict: &Conflict,
        resolution: Resolution,
        table: Option<&Table>,
        data: Fields,
    ) -> Result<Resolved, Refusal> {
        let found = self.tx.record(&conflict.tenant, &conflict.table, &conflict.record_id).await?;
        let changed_at = found.as_ref().map(|record| record.updated_at);
        let current = found.filter(|record| !record.deleted);
        // Of a deletion that is long forgotten nobody knows when it was: it stands.
        let ours_is_later = changed_at.is_some_and(|at| conflict.ours_at > at);
        let ours_wins = match resolution {
            Resolution::ClientWins => true,
            Resolution::ServerWins => false,
            Resolution::LastWriteWins => ours_is_later,
            Resolution::Merge if current.is_some() == conflict.ours.is_some() => false,
            Resolution::Merge => {
                let (deleted, changed) =
                    if current.is_some() { ("ours", "theirs") } else { ("theirs", "ours") };
                let what = format!("the record as a whole: {deleted} deleted it, {changed} did not");
                return Err(Refusal::ConflictOpen(what));
            }
        };
        match (current, &conflict.ours) {
            (Some(current), Some(ours)) => {
                self.merge_again(conflict, ours, current, resolution, table, data).await
            }
            (Some(current), None) if !ours_wins => {
                let mut merged = current.data.clone();
                merged.extend(data);
                self.changed_to(current, Merge { merged, contests: Vec::new() }, table).await
            }
            (None, Some(ours)) if ours_wins => {
                let mut fields = ours.clone();
                fields.extend(data);
                self.make_anew(conflict, fields, table).await
            }
            (current, _) => {
                if !data.is_empty() {
                    let message = "`data` is for a record, and there is none after this";
                    return Err(Reason::rejected(Code::InvalidValue, Some("data"), message).into());
                }
                if let Some(current) = current {
                    self.bury_with_all(current).await?;
                }
                Ok(Resolved { record: None, operation: OperationKind::Delete, contests: Vec::new() })
            }
        }
    }

    async fn merge_again(
        &mut self,
        conflict: &Conflict,
        ours: &Fields,
        current: Record,
        resolution: Resolution,
        table: Option<&Table>,
        data: Fields,
    ) -> Result<Resolved, Refusal> {
        let rules = match resolution {
            Resolution::ServerWins => MergeRules::of(Strategy::ServerWins),
            Resolution::ClientWins => MergeRules::of(Strategy::ClientWins),
            Resolution::LastWriteWins => MergeRules::of(Strategy::LastWriteWins),
            Resolution::Merge => table.map(|table| table.rules.clone()).unwrap_or_default(),
        };
        let by_hand =
            |(name, value): (&String, &Value)| (Path(vec![name.clone()]), Choice::Value(Some(value.clone())));
        let choices: SortedMap<Path, Choice> = data.iter().map(by_hand).collect();
        let (mut ours, mut base, mut met) = (ours.clone(), conflict.base.clone(), conflict.theirs.clone());
        if let Some(table) = table {
            for side in [&mut ours].into_iter().chain(&mut base).chain(&mut met) {
                leave_derived(side, &current.data, table);
            }
        }
        let nothing = Fields::new();
        let began = match (conflict.kind, &base) {
            (ConflictKind::CreateCreate, _) => Began::Nothing,
            (_, Some(base)) => Began::From(base),
            (_, None) => Began::Unknown { met: met.as_ref().unwrap_or(&nothing) },
        };
        let ours = Written { fields: &ours, at: conflict.ours_at };
        let theirs = Written { fields: &current.data, at: current.updated_at };
        let mut merge = three_way(began, ours, theirs, &rules, &choices);
        if !merge.is_settled() {
            let open: Vec<String> = merge.open().map(|contested| format!("`{}`", contested.path)).collect();
            return Err(Refusal::ConflictOpen(open.join(", ")));
        }
        // Also where nothing was contested.
        merge.merged.extend(data);
        self.changed_to(current, merge, table).await
    }

    /// Writes what differs, after a look at it: what the operation referred to may be gone since.
    async fn changed_to(
        &mut self,
        current: Record,
        merged: Merge,
        table: Option<&Table>,
    ) -> Result<Resolved, Refusal> {
        let (mut set, unset) = merged.changes_of(&current.data);
        let record = if set.is_empty() && unset.is_empty() {
            current
        } else {
            check_set(&set, table)?;
            self.resolve_references(&mut set, table, None).await?;
            let mut fields = merged.merged;
            fields.extend(set);
            change(self, &current, fields, table).await?
        };
        Ok(Resolved { record: Some(record), operation: OperationKind::Update, contests: merged.contests })
    }

    async fn make_anew(
        &mut self,
        conflict: &Conflict,
        mut fields: Fields,
        table: Option<&Table>,
    ) -> Result<Resolved, Refusal> {
        check_set(&fields, table)?;
        if let Some(table) = table {
            check_complete(&fields, table)?;
        }
        let id = match table.map(|table| table.ids) {
            Some(Ids::Uuid) => uuid_of(&["anew", &conflict.id]),
            Some(Ids::Temporary) | None => self.tx.next_id().await?,
        };
        self.resolve_references(&mut fields, table, None).await?;
        let record = make(self, &conflict.table, id, None, fields, table).await?;
        Ok(Resolved { record: Some(record), operation: OperationKind::Create, contests: Vec::new() })
    }
}
