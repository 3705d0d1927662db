//! What a verdict about a conflict does: what was outstanding leaves, what is to be sent comes in its place, and what was contested is kept.

use std::rc::Rc;

use super::{
    WriteOptions, Writing, check, cycle,
    draft::Draft,
    meet::{Meeting, Verdict},
    settle,
    write::{self, add, parents},
};
use crate::{
    activity::What,
    body::Body,
    error::Error,
    ids::is_temporary,
    log::{
        conflict::{Conflict, How, Kind, Ruling, Settlement},
        entry::{Base, Id, Mapping, Mutation, Operation},
    },
    merge::{Contest, Merge},
    planted,
    schema::Priority,
};

impl<B: Body> Meeting<B> {
    /// Carries a verdict out: what was outstanding leaves, what is to be sent comes in its place, and what was contested is kept.
    pub(super) fn conclude(
        self,
        draft: &mut Draft<'_, B>,
        writing: &mut Writing<'_>,
        verdict: Verdict,
        how: How,
    ) -> Result<(), Error> {
        let found = Rc::clone(&self.mutations[0]);
        let outcome = match verdict {
            Verdict::Merged(merge) => self.put_merged(draft, writing, merge, how)?,
            Verdict::Theirs => {
                self.take_place(draft, writing, None)?;
                let merged = (!self.theirs.deleted).then(|| self.theirs.data.clone());
                Outcome { merged, ..Outcome::default() }
            }
            Verdict::Ours => self.put_ours(draft, writing, how)?,
        };
        let keeps = !outcome.contests.is_empty() || self.kind != Kind::UpdateUpdate || how != How::Rules;
        let now = writing.now_ms();
        draft.note(
            now,
            What::Settled {
                of: found.subject(),
                how,
                contested: outcome.contests.len(),
                kept: keeps.then(|| found.id.clone()),
            },
        );
        let forgets = planted!("losses-not-kept")
            || (planted!("edits-of-the-deleted-forgotten") && self.kind == Kind::UpdateDelete);
        if keeps && !forgets {
            let row = self.kept(draft, &found.id, outcome, how, writing);
            draft.put_conflict(&found.id, Some(row));
        }
        Ok(())
    }

    /// The row of a conflict that was settled.
    fn kept(
        &self,
        draft: &Draft<'_, B>,
        id: &Id,
        outcome: Outcome<B>,
        how: How,
        writing: &Writing<'_>,
    ) -> Conflict<B> {
        let open = draft.conflict(id);
        let written_by = self.mutations.first().map(|mutation| mutation.principal.clone());
        let principal = written_by.unwrap_or_else(|| writing.writer.principal.clone());
        let by = if how == How::Rules { principal.clone() } else { writing.writer.principal.clone() };
        Conflict {
            table: self.table.clone(),
            record_id: self.holder.as_ref().unwrap_or(&self.record_id).clone(),
            kind: self.kind,
            at: open.map_or(writing.now_ms(), |open| open.at),
            principal,
            holder: open.and_then(|open| open.holder.clone()),
            settled: Some(Settlement {
                base: self.base.as_ref().map(|base| base.data.clone()),
                ours: self.ours.clone(),
                theirs: (!self.theirs.deleted).then(|| self.theirs.data.clone()),
                merged: outcome.merged,
                rulings: outcome.contests.into_iter().map(Ruling::from).collect(),
                how,
                by,
                at: writing.now_ms(),
                mutation: outcome.mutation,
                created: outcome.created,
                undone: None,
            }),
        }
    }

    fn put_merged(
        &self,
        draft: &mut Draft<'_, B>,
        writing: &mut Writing<'_>,
        merge: Merge,
        how: How,
    ) -> Result<Outcome<B>, Error> {
        let (set, unset) = merge.changes_of(&self.theirs.data.to_fields());
        let data = draft.resolved(&self.table, B::of_fields(&set));
        // What a person or a function made is checked as a write is.
        let definition = check::table(draft.schema(), &self.table)?;
        check::part(definition, data.outline(&definition.field_names), &unset)?;
        let needed = parents(draft, check::table(draft.schema(), &self.table)?, &data)?;
        let data = data.patched(&self.derived, &[]);
        let merged = Some(B::of_fields(&merge.merged));
        let contests = merge.contests;
        if data.fields().is_empty() && unset.is_empty() {
            self.take_place(draft, writing, None)?;
            return Ok(Outcome { merged, contests, ..Outcome::default() });
        }
        let mut mutation = self.successor(draft, writing, Operation::Update, data, needed);
        mutation.unset = if planted!("unset-lost-in-the-merge") { Vec::new() } else { unset };
        mutation.merges = self.merges_after(how);
        if planted!("merged-under-the-same-id") {
            mutation.id = self.mutations[0].id.clone();
        }
        let id = mutation.id.clone();
        self.take_place(draft, writing, Some(mutation))?;
        Ok(Outcome { merged, contests, mutation: Some(id), created: None })
    }

    /// Ours stands though the record changed, or is gone.
    fn put_ours(
        &self,
        draft: &mut Draft<'_, B>,
        writing: &mut Writing<'_>,
        how: How,
    ) -> Result<Outcome<B>, Error> {
        let Some(ours) = &self.ours else {
            let mut again = self.successor(draft, writing, Operation::Delete, B::empty(), Vec::new());
            again.merges = self.merges_after(how);
            let mutation = Some(again.id.clone());
            self.take_place(draft, writing, Some(again))?;
            return Ok(Outcome { mutation, ..Outcome::default() });
        };
        let options = WriteOptions { priority: self.priority(), ..WriteOptions::default() };
        let created = write::create(draft, writing, &self.table, ours, &options)?;
        self.take_place(draft, writing, None)?;
        let mutation = draft.mutations_of(&self.table, &created).first().map(|create| create.id.clone());
        Ok(Outcome { merged: Some(ours.clone()), created: Some(created), mutation, contests: Vec::new() })
    }

    /// How often in a row it will have been merged by rules.
    fn merges_after(&self, how: How) -> u32 {
        if how == How::Rules { self.merges() + 1 } else { 0 }
    }

    fn priority(&self) -> Option<Priority> {
        self.mutations.iter().map(|mutation| mutation.priority).max()
    }

    /// The mutation that takes the place of all that was outstanding, on top of theirs.
    fn successor(
        &self,
        draft: &Draft<'_, B>,
        writing: &mut Writing<'_>,
        operation: Operation,
        data: B,
        mut dependencies: Vec<Id>,
    ) -> Mutation<B> {
        for mutation in &self.mutations {
            add(&mut dependencies, &mutation.dependencies);
        }
        dependencies.retain(|id| {
            draft.mutation(id).is_some() && self.mutations.iter().all(|mutation| mutation.id != *id)
        });
        let last = &self.mutations[self.mutations.len() - 1];
        let priority = self.priority().unwrap_or(last.priority);
        let stale = planted!("merged-on-the-old-base");
        let base_version = if stale { last.base_version } else { Some(self.theirs.version) };
        Mutation {
            // All that it waits for was written before the last of them.
            sequence: last.sequence,
            base_version,
            timestamp: last.timestamp,
            dating: last.dating.clone(),
            dependencies,
            ..writing.mutation(draft, &self.table, &self.record_id, operation, data, priority)
        }
    }

    /// All that was outstanding leaves, and the record is as the server has it, with `successor` on top. Who waited for any of it waits
    /// for that.
    pub(super) fn take_place(
        &self,
        draft: &mut Draft<'_, B>,
        writing: &Writing<'_>,
        successor: Option<Mutation<B>>,
    ) -> Result<(), Error> {
        let dependents = self.mutations.iter().flat_map(|replaced| draft.dependents(&replaced.id));
        let dependents: Vec<Id> = dependents.map(|dependent| dependent.id.clone()).collect();
        let (table, record_id) = (&self.table, self.holder.as_ref().unwrap_or(&self.record_id));
        // What is not held here is nobody's to pull: it goes again when nothing of it is unsent.
        let mut left = draft.base(table, record_id).is_some_and(|base| base.left);
        if let Some(holder) = &self.holder {
            left |= draft.record(table, holder).is_none();
            self.fuse(draft, writing, holder)?;
        }
        for mutation in &self.mutations {
            draft.remove_mutation(&mutation.id);
        }
        let theirs = Base { base: Some(self.theirs.clone()), theirs: None, left };
        draft.put_base(table, record_id, Some(theirs));
        let id = successor.as_ref().map(|mutation| mutation.id.clone());
        if let Some(mutation) = successor {
            // A record that was fused with another one is changed after all that was done to that.
            let is_fused = self.holder.is_some();
            let sequence = if is_fused { draft.next_sequence() } else { mutation.sequence };
            draft.put_mutation(Mutation { record_id: record_id.clone(), sequence, ..mutation });
        }
        for dependent in dependents {
            let Some(dependent) = draft.mutation(&dependent).cloned() else { continue };
            // What was put off because of this waits no longer.
            let mut renamed = Mutation { next_attempt_at: None, ..(*dependent).clone() };
            renamed.dependencies.retain(|needed| self.mutations.iter().all(|gone| gone.id != *needed));
            // Who waited for a record to be there waits no longer: the other one is.
            if self.holder.is_none() {
                add(&mut renamed.dependencies, id.as_slice());
            }
            draft.put_mutation(renamed);
        }
        settle::settle(draft, table, record_id);
        // What was written between two of them may need the first, and be needed by the second: they are not one then.
        id.map_or(Ok(()), |id| cycle::refuse(draft, &id, "conflict"))
    }

    /// A record that was to be created is another one that has its natural key: from here on it goes by that one's id.
    fn fuse(&self, draft: &mut Draft<'_, B>, writing: &Writing<'_>, holder: &Id) -> Result<(), Error> {
        let outstanding = draft.mutations_of(&self.table, holder);
        if !outstanding.is_empty() {
            let on = outstanding.iter().map(|mutation| mutation.id.to_string()).collect();
            return Err(Error::ConflictWaits { id: self.id().to_string(), on });
        }
        if !is_temporary(&self.record_id) {
            // An id that was to stay may be anywhere in the app; in the store it is looked for in foreign keys of what is loaded.
            let children = draft.schema().children_of(&self.table);
            let referring = children.into_iter().flat_map(|(child, field, _)| {
                let child: Id = child.into();
                draft
                    .children(&child, field, &self.record_id)
                    .into_iter()
                    .map(move |id| format!("{child}/{id}"))
            });
            let dependents: Vec<String> = referring.collect();
            if !dependents.is_empty() {
                return Err(Error::MutationInUse { id: self.id().to_string(), dependents });
            }
            draft.put_record(&self.table, &self.record_id, None);
            return Ok(());
        }
        draft.put_mapping(
            &Mapping {
                temporary: self.record_id.clone(),
                server: holder.clone(),
                table: self.table.clone(),
                at: writing.now_ms(),
            },
            None,
        );
        draft.put_record(&self.table, &self.record_id, None);
        Ok(())
    }
}

/// What a verdict left.
struct Outcome<B> {
    merged: Option<B>,
    contests: Vec<Contest>,
    mutation: Option<Id>,
    created: Option<Id>,
}

impl<B> Default for Outcome<B> {
    fn default() -> Self {
        Self { merged: None, contests: Vec::new(), mutation: None, created: None }
    }
}
