//! What happens to an operation that somebody overtook, when its device asks the server to merge.
//!
//! An update of a living record is merged by the rules of its table: base is what the operation says that it began from, ours what it made
//! of that, theirs the record as it is. What the rules settle is written as a new version, and what lost is in the audit. What
//! they leave open, and what a deletion meets, is *held*: a [`Conflict`] that waits for somebody's decision, and is the operation's
//! definite answer. A natural key that an update finds taken is another record's, and nothing to merge: it is answered as ever.

use landfall_core::canonical::content_hash;
use landfall_core::ids::is_temporary;
use landfall_core::merge::{Contest, Written};
use landfall_core::protocol::conflicts::ConflictKind;
use landfall_core::protocol::{Applied, Operation, OperationKind};
use landfall_core::schema::Table;
use landfall_core::sorted::SortedMap;
use serde_json::{Map, Value};

use super::apply::{Decided, Done, Reason, change};
use super::port::{Conflict, Fields, Record, StoreError, Transaction};
use super::three_way::{Began, three_way};
use super::upload::Batch;
use super::values::fields_of;
use super::{Caller, Code};

/// An update that its table's rules do not settle.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) theirs: Record,
    base: Option<Fields>,
    ours: Fields,
    paths: Vec<Vec<String>>,
}

impl<T: Transaction> Batch<'_, T> {
    /// Merges an update with what its record is now. `changes` are its fields, references resolved.
    pub(super) async fn merge(
        &mut self,
        operation: &Operation<Value>,
        table: &Table,
        changes: Fields,
        theirs: Record,
    ) -> Decided {
        let mut base = match self.began_from(operation, table).await? {
            None => None,
            Some(values) => Some(patched(&theirs.data, operation, &changes, &values)),
        };
        let derived: Fields =
            changes.iter().filter(|(name, _)| table.rollups.contains_key(*name)).map(owned).collect();
        let mut ours = base.clone().unwrap_or_else(|| theirs.data.clone());
        ours.extend(changes);
        ours.retain(|name, _| !operation.unset.contains(name));
        for side in base.iter_mut().chain([&mut ours]) {
            leave_derived(side, &theirs.data, table);
        }
        let began = base.as_ref().map_or(Began::Unknown { met: &theirs.data }, Began::From);
        let written = Written { fields: &ours, at: self.written_at(operation) };
        let held = Written { fields: &theirs.data, at: theirs.updated_at };
        let mut merge = three_way(began, written, held, &table.rules, &SortedMap::new());
        if !merge.is_settled() {
            let paths = merge.open().map(|contested| contested.path.0.clone()).collect();
            return Err(Reason::Open(Box::new(Open { theirs, base, ours, paths })));
        }
        // What is derived from children every device derives for itself: whose it is, is nobody's question.
        merge.merged.extend(derived);
        let record = match merge.changes_of(&theirs.data) {
            (set, unset) if set.is_empty() && unset.is_empty() => theirs,
            _ => change(self, &theirs, merge.merged, Some(table)).await?,
        };
        Ok(whole(record, merge.contests))
    }

    /// Holds an operation that a record is in the way of, if there is something to decide. Gives the conflict's id.
    pub(super) async fn hold(
        &mut self,
        operation: &Operation<Value>,
        theirs: &Record,
    ) -> Result<Option<String>, StoreError> {
        let table = self.rules.schema.as_ref().and_then(|schema| schema.table(&operation.table));
        let Some(table) = table.filter(|_| self.merges) else { return Ok(None) };
        let kind = match (operation.operation, theirs.deleted) {
            (OperationKind::Create, false) => ConflictKind::CreateCreate,
            (OperationKind::Update, true) => ConflictKind::UpdateDelete,
            (OperationKind::Delete, false) => ConflictKind::DeleteUpdate,
            // What was to be deleted is. What was created under this id was deleted since. A natural key is taken.
            (OperationKind::Delete | OperationKind::Create, true)
            | (OperationKind::Update, false)
            | (OperationKind::Withdraw, _) => return Ok(None),
        };
        let (mut base, mut ours) = (None, None);
        if operation.operation != OperationKind::Delete {
            let Ok(mut changes) = fields_of(operation.data.clone()) else { return Ok(None) };
            self.exchange_ids(&mut changes, table).await?;
            if kind == ConflictKind::UpdateDelete
                && let Ok(Some(values)) = self.began_from(operation, table).await
            {
                base = Some(patched(&Fields::new(), operation, &changes, &values));
            }
            let mut fields = base.clone().unwrap_or_default();
            fields.extend(changes);
            fields.retain(|name, _| !operation.unset.contains(name));
            ours = Some(fields);
        }
        self.keep(operation, kind, theirs, base, ours, Vec::new()).await.map(Some)
    }

    /// Holds an update that the rules left open. Gives the conflict's id.
    pub(super) async fn hold_open(
        &mut self,
        operation: &Operation<Value>,
        open: Open,
    ) -> Result<String, StoreError> {
        let Open { theirs, base, ours, paths } = open;
        self.keep(operation, ConflictKind::UpdateUpdate, &theirs, base, Some(ours), paths).await
    }

    async fn keep(
        &mut self,
        operation: &Operation<Value>,
        kind: ConflictKind,
        theirs: &Record,
        base: Option<Fields>,
        ours: Option<Fields>,
        paths: Vec<Vec<String>>,
    ) -> Result<String, StoreError> {
        let tenant = &self.caller.tenant;
        let id = uuid_of(&[tenant, &self.caller.principal, &operation.id]);
        // A copy that comes when the answer to it is forgotten must not open again what somebody has decided.
        if self.tx.conflict(tenant, &id).await?.is_none() {
            let conflict = Conflict {
                tenant: tenant.clone(),
                id: id.clone(),
                operation_id: operation.id.clone(),
                principal: self.caller.principal.clone(),
                device_id: self.device_id.clone(),
                table: theirs.table.clone(),
                record_id: theirs.id.clone(),
                operation: operation.operation,
                kind,
                base,
                ours,
                ours_at: self.written_at(operation),
                theirs: (!theirs.deleted).then(|| theirs.data.clone()),
                paths,
                at: self.now,
                decision: None,
            };
            self.tx.put_conflict(&conflict).await?;
        }
        Ok(id)
    }

    /// When an operation was written, by our clock: as long ago as by its device's clock, and no later than it came.
    /// No earlier, either, than what it was made on, whatever the device's clock says.
    fn written_at(&self, operation: &Operation<Value>) -> u64 {
        let corrected = operation.timestamp.saturating_add(self.now).saturating_sub(self.sent_at);
        corrected.max(operation.base_updated_at.unwrap_or_default()).min(self.now)
    }

    /// What an operation says that its fields held before it; `None`: it does not say.
    async fn began_from(
        &mut self,
        operation: &Operation<Value>,
        table: &Table,
    ) -> Result<Option<Fields>, Reason> {
        match &operation.base {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(values)) => {
                let mut values = values.clone();
                self.exchange_ids(&mut values, table).await?;
                Ok(Some(values))
            }
            Some(_) => Err(Reason::rejected(Code::InvalidValue, None, "`base` must be an object")),
        }
    }

    /// Puts server ids in place of the temporary ones that are known, in foreign keys. What is not known stays.
    async fn exchange_ids(&mut self, fields: &mut Fields, table: &Table) -> Result<(), StoreError> {
        for name in table.references.keys() {
            let Some(Value::String(id)) = fields.get(name).filter(|id| id.as_str().is_some_and(is_temporary))
            else {
                continue;
            };
            let Caller { tenant, principal, .. } = self.caller;
            if let Some(parent) = self.tx.record_created_as(tenant, principal, id).await? {
                fields.insert(name.clone(), Value::String(parent.id));
            }
        }
        Ok(())
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Puts what is derived from a record's children as it is there, so that it is not contested.
pub(super) fn leave_derived(side: &mut Fields, there: &Fields, table: &Table) {
    for name in table.rollups.keys() {
        match there.get(name) {
            Some(value) => side.insert(name.clone(), value.clone()),
            None => side.remove(name),
        };
    }
}

/// A record as it was before an operation: this one, but for what the operation names.
fn patched(record: &Fields, operation: &Operation<Value>, changes: &Fields, values: &Fields) -> Fields {
    let mut before = record.clone();
    for name in changes.keys().chain(&operation.unset) {
        match values.get(name) {
            Some(value) => before.insert(name.clone(), value.clone()),
            None => before.remove(name),
        };
    }
    before
}

/// What became of an operation that was merged: the server did other than it was asked, so the record goes with the answer.
fn whole(record: Record, contests: Vec<Contest>) -> Done {
    let row = record.clone().into_entity();
    let applied = Applied {
        record_id: record.id,
        version: record.version,
        updated_at: record.updated_at,
        record: Some(row),
    };
    Done { applied, contests }
}

/// A UUID that is the same for the same words (version 8 of RFC 9562): decisions roll no dice.
pub(super) fn uuid_of(words: &[&str]) -> String {
    let fields: Map<String, Value> =
        words.iter().enumerate().map(|(at, word)| (at.to_string(), Value::from(*word))).collect();
    let digits = content_hash(&fields);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    // The variant's two bits are 10; two of the digit's own four bits remain.
    let variant = match part(16, 17) {
        "0" | "4" | "8" | "c" => '8',
        "1" | "5" | "9" | "d" => '9',
        "2" | "6" | "a" | "e" => 'a',
        _ => 'b',
    };
    format!("{}-{}-8{}-{variant}{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
