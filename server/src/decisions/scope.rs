//! Who is in a scope, and who must hear that this may have changed.
//!
//! Whether a record is in a scope can change without a change to the record: its project gets another owner, its phase moves to
//! another project. So every record has a second place in the change sequence, `scope_seq`: of the last change to anything that
//! decides about it. When a record changes in a way that decides ([`decides`]), all that hangs on it is *touched* in the same
//! transaction ([`Batch::touch`]): it moves to the end of the change sequence, at the same version and with the same data. A pull then
//! meets each of them again, and asks [`Membership`] what it is now. What is in is sent: news to those who had not got it. What is
//! not, and was decided about since the client was last up to date, is reported as gone from there; if it was never in, nobody minds.

use std::collections::{HashMap, HashSet};

use landfall_core::schema::{Schema, Scope};
use serde_json::Value;

use super::port::{Fields, Record, Snapshot, StoreError, Transaction};
use super::upload::Batch;

/// Whether a change to a record may change who is in a scope.
pub(super) fn decides(schema: &Schema, table: &str, before: &Fields, after: &Fields) -> bool {
    schema.scopes.values().any(|scope| {
        let audience = |fields| scope.audience(table, |name| Fields::get(fields, name));
        let parent = |fields, field| Fields::get(fields, field).and_then(Value::as_str);
        audience(before) != audience(after)
            || scope
                .ways
                .get(table)
                .is_some_and(|ways| ways.iter().any(|field| parent(before, field) != parent(after, field)))
    })
}

impl<T: Transaction> Batch<'_, T> {
    /// Moves all that hangs on a record, in any scope, to the end of the change sequence: parents before children.
    pub(super) async fn touch(&mut self, schema: &Schema, root: &Record) -> Result<(), StoreError> {
        let mut seen = HashSet::from([(root.table.clone(), root.id.clone())]);
        let mut reached = vec![(root.table.clone(), root.id.clone())];
        let mut next = 0;
        while let Some((table, id)) = reached.get(next).cloned() {
            let id = Value::String(id);
            let hanging = schema
                .children_of(&table)
                .filter(|(child, field, _)| schema.scopes.values().any(|scope| scope.hangs_on(child, field)));
            for (child, field, _) in hanging {
                for mut record in self.tx.records_with(&root.tenant, child, &[(field, &id)]).await? {
                    if seen.insert((record.table.clone(), record.id.clone())) {
                        record.seq = self.tx.next_seq().await?;
                        record.scope_seq = record.seq;
                        self.put(&record).await?;
                        reached.push((record.table, record.id));
                    }
                }
            }
            next += 1;
        }
        Ok(())
    }
}

/// Who is in a scope for one principal, as a snapshot has it.
pub(super) struct Membership<'a> {
    scope: &'a Scope,
    schema: &'a Schema,
    principal: &'a str,
    /// By table and id. The children of one parent ask about it again and again.
    known: HashMap<(String, String), bool>,
}

impl<'a> Membership<'a> {
    pub(super) fn new(scope: &'a Scope, schema: &'a Schema, principal: &'a str) -> Self {
        Self { scope, schema, principal, known: HashMap::new() }
    }

    /// Whether a living record is in the scope: it, and all that it hangs on. Records that hang on each other in a circle are
    /// in it together.
    pub(super) async fn has<S: Snapshot>(
        &mut self,
        snapshot: &mut S,
        record: &Record,
    ) -> Result<bool, StoreError> {
        /// A record that was reached, and by whom.
        struct Reached {
            record: Record,
            by: Option<usize>,
        }
        let mut reached = vec![Reached { record: record.clone(), by: None }];
        let mut seen = HashSet::from([(record.table.clone(), record.id.clone())]);
        let mut next = 0;
        let mut outside = None;
        'walk: while let Some(Reached { record, .. }) = reached.get(next).filter(|_| outside.is_none()) {
            match self.scope.admits(&record.table, |field| record.data.get(field), self.principal) {
                Some(true) => {}
                Some(false) => outside = Some(next),
                None => {
                    let mut parents = Vec::new();
                    for (table, id) in self.parents(record) {
                        match self.known.get(&(table.clone(), id.clone())) {
                            Some(true) => continue,
                            Some(false) => {
                                outside = Some(next);
                                break 'walk;
                            }
                            None if !seen.insert((table.clone(), id.clone())) => continue,
                            None => {}
                        }
                        let parent = snapshot.record(&record.tenant, &table, &id).await?;
                        let Some(parent) = parent.filter(|parent| !parent.deleted) else {
                            outside = Some(next);
                            break 'walk;
                        };
                        parents.push(Reached { record: parent, by: Some(next) });
                    }
                    reached.extend(parents);
                }
            }
            next += 1;
        }
        let key = |record: &Record| (record.table.clone(), record.id.clone());
        if outside.is_none() {
            self.known.extend(reached.iter().map(|reached| (key(&reached.record), true)));
            return Ok(true);
        }
        // What led to the one outside is outside with it; of the others nothing is known yet.
        while let Some(Reached { record, by }) = outside.and_then(|at| reached.get(at)) {
            self.known.insert(key(record), false);
            outside = *by;
        }
        Ok(false)
    }

    fn parents(&self, record: &Record) -> Vec<(String, String)> {
        let references = self.schema.table(&record.table).map(|table| &table.references);
        let ways = self.scope.ways.get(&record.table).into_iter().flatten();
        ways.filter_map(|field| {
            let table = &references?.get(field)?.table;
            Some((table.clone(), record.data.get(field)?.as_str()?.to_owned()))
        })
        .collect()
    }
}
