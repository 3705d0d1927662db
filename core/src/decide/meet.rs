//! Three versions meet: what the server has, what we have, and what ours was made on.
//!
//! When the server answers that somebody was there first, all that is outstanding of the record is merged with what it has, as one
//! change, since none of it was written by somebody who had seen theirs. Where rules settle everything, one new mutation on the new
//! base takes the place of all of it; otherwise the change is parked, and a person decides ([`super::resolve`]). A deletion by the
//! server wins over our changes, which are kept in the conflict. Whatever is contested is kept, with what became of it.

use std::{collections::BTreeMap, rc::Rc};

use super::{
    WriteOptions, Writing, check,
    draft::Draft,
    settle,
    write::{self, add, parents},
};
use crate::{
    activity::What,
    body::Body,
    error::Error,
    ids::is_temporary,
    log::{
        conflict::{Conflict, Holder, How, Kind, Ruling, Settlement},
        entry::{Base, Dating, Id, Mapping, Mutation, Operation, ServerCopy},
    },
    merge::{self, Choice, Contest, Means, Merge, Path, Sides, Written},
    planted,
    schema::rules::{Rules, Strategy, Way},
    state::Meta,
};

/// After so many merges in a row by rules a person is asked: two devices that undo each other's work would go on for ever.
pub(super) const MERGES_MAX: u32 = 3;

/// What met.
pub(super) struct Meeting<B> {
    pub(super) table: Id,
    pub(super) record_id: Id,
    pub(super) kind: Kind,
    /// What ours was made on. `None`: nothing, or nobody knows.
    pub(super) base: Option<ServerCopy<B>>,
    /// `None`: we deleted it.
    pub(super) ours: Option<B>,
    pub(super) theirs: ServerCopy<B>,
    /// The other record, where one has the natural key.
    pub(super) holder: Option<Id>,
    /// Our roll-ups that are to be sent. Nobody merges those: they follow from the children.
    derived: B,
    /// When ours was written, by the server's clock.
    ours_at: u64,
    /// All that is outstanding, in the order of writing. Never empty.
    mutations: Vec<Rc<Mutation<B>>>,
}

/// What becomes of it.
pub(super) enum Verdict {
    /// Both sides have a record, and this is made of them.
    Merged(Merge),
    /// The server's side stands: its deletion, or its record that we had deleted.
    Theirs,
    /// Ours stands: deleted once more, or created anew.
    Ours,
}

impl<B: Body> Meeting<B> {
    /// What meets in a record that has something outstanding. `None`: there is nothing, or nothing to hold it against.
    pub(super) fn of(
        draft: &Draft<'_, B>,
        table: &Id,
        record_id: &Id,
        holder: Option<&Holder<B>>,
        writing: &Writing<'_>,
    ) -> Option<Self> {
        let of_record = draft.mutations_of(table, record_id).into_iter();
        let many = if planted!("later-changes-left-out") { 1 } else { usize::MAX };
        let outstanding = of_record.filter(|mutation| !mutation.withdrawing).take(many);
        Self::among(draft, outstanding.collect(), holder, writing)
    }

    /// What meets, if only these of its mutations are asked about.
    pub(super) fn among(
        draft: &Draft<'_, B>,
        mutations: Vec<Rc<Mutation<B>>>,
        holder: Option<&Holder<B>>,
        writing: &Writing<'_>,
    ) -> Option<Self> {
        let (first, last) = (mutations.first()?, mutations.last()?);
        let (table, record_id) = (&first.table, &first.record_id);
        let is_create = first.operation == Operation::Create;
        let row = draft.base(table, record_id);
        let base = row.and_then(|row| row.base.clone()).filter(|base| !is_create && !base.deleted);
        let theirs = match holder {
            Some(holder) => newest_of(draft, table, holder)?,
            None => row.and_then(|row| row.newest().cloned())?,
        };
        let start = match &base {
            Some(base) => base.data.clone(),
            None if is_create => B::empty(),
            // Nobody knows any more what it was made on: what it did not touch is as the server has it.
            None => theirs.data.clone(),
        };
        let mut ours = Some(start);
        for mutation in &mutations {
            ours = match mutation.operation {
                Operation::Create => Some(mutation.data.clone()),
                Operation::Update => ours.map(|data| data.patched(&mutation.data, &mutation.unset)),
                Operation::Delete => None,
            };
        }
        let rollups = draft.schema().table(table).map(|table| &table.rollups);
        let is_derived = |field: &String| rollups.is_some_and(|rollups| rollups.contains_key(field));
        let own: Vec<String> =
            ours.iter().flat_map(Body::fields).filter(|field| !is_derived(field)).collect();
        let derived = ours.as_ref().map_or_else(B::empty, |ours| ours.patched(&B::empty(), &own));
        let ours = ours.map(|ours| draft.without_rollups(table, ours));
        let kind = match (&ours, theirs.deleted) {
            (None, _) => Kind::DeleteUpdate,
            (Some(_), true) => Kind::UpdateDelete,
            (Some(_), false) if is_create => Kind::CreateCreate,
            (Some(_), false) => Kind::UpdateUpdate,
        };
        let made_at = base.as_ref().map_or(0, |base| base.updated_at);
        let ours_at = server_time_of(draft, last, writing).max(made_at);
        Some(Self {
            table: table.clone(),
            record_id: record_id.clone(),
            kind,
            base,
            ours,
            derived,
            theirs,
            holder: holder.map(|holder| holder.id.clone()),
            ours_at,
            mutations,
        })
    }

    /// The conflict's: that of the mutation that met it.
    pub(super) fn id(&self) -> &Id {
        &self.mutations[0].id
    }

    /// Both sides deleted it.
    pub(super) fn is_agreed(&self) -> bool {
        self.ours.is_none() && self.theirs.deleted
    }

    fn merges(&self) -> u32 {
        self.mutations.iter().map(|mutation| mutation.merges).max().unwrap_or_default()
    }

    /// What these rules and choices make of it. `None`: a person has to decide.
    pub(super) fn verdict(
        &self,
        rules: &Rules,
        choices: &BTreeMap<Path, Choice>,
        writing: &Writing<'_>,
    ) -> Option<Verdict> {
        let way = match rules.strategy.way() {
            Way::Latest if self.ours_at > self.theirs.updated_at => Way::Client,
            Way::Latest => Way::Server,
            way => way,
        };
        match self.kind {
            Kind::UpdateUpdate | Kind::CreateCreate => {
                Some(Verdict::Merged(self.merged(rules, choices, writing)))
            }
            // Deleted is deleted, unless somebody creates it anew.
            Kind::UpdateDelete => match rules.strategy {
                Strategy::Manual => None,
                _ => Some(Verdict::Theirs),
            },
            Kind::DeleteUpdate => match way {
                Way::Client => Some(Verdict::Ours),
                Way::Server => Some(Verdict::Theirs),
                _ => None,
            },
        }
    }

    /// The merge of two records that both are there.
    pub(super) fn merged(
        &self,
        rules: &Rules,
        choices: &BTreeMap<Path, Choice>,
        writing: &Writing<'_>,
    ) -> Merge {
        let base = self.base.as_ref().map(|base| base.data.to_fields());
        let ours = self.ours.as_ref().map(Body::to_fields).unwrap_or_default();
        let theirs = self.theirs.data.to_fields();
        let sides = Sides {
            base: base.as_ref().filter(|_| !planted!("base-left-out")),
            ours: Written { fields: &ours, at: self.ours_at },
            theirs: Written { fields: &theirs, at: self.theirs.updated_at },
        };
        let mut merge = merge::merge(sides, Means { rules, choices, functions: &*writing.writer.functions });
        // A person may also change what nobody contests.
        for (path, choice) in choices {
            let ([field], Choice::Value(value)) = (path.0.as_slice(), choice) else { continue };
            if merge.contests.iter().any(|contest| contest.contested.path.0.first() == Some(field)) {
                continue;
            }
            match value {
                Some(value) => merge.merged.insert(field.clone(), value.clone()),
                None => merge.merged.remove(field),
            };
        }
        merge
    }

    /// Carries a verdict out: what was outstanding leaves, what is to be sent comes in its place, and what was contested is kept.
    pub(super) fn conclude(
        self,
        draft: &mut Draft<'_, B>,
        writing: &mut Writing<'_>,
        verdict: Verdict,
        how: How,
    ) -> Result<Id, Error> {
        let found = Rc::clone(&self.mutations[0]);
        let outcome = match verdict {
            Verdict::Merged(merge) => self.put_merged(draft, writing, merge, how)?,
            Verdict::Theirs => {
                self.take_place(draft, writing, None)?;
                let merged = (!self.theirs.deleted).then(|| self.theirs.data.clone());
                Outcome { merged, ..Outcome::default() }
            }
            Verdict::Ours => self.put_ours(draft, writing)?,
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
        Ok(found.id.clone())
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
        check::part(check::table(draft.schema(), &self.table)?, &data, &unset)?;
        let needed = parents(draft, &self.table, &data)?;
        let data = data.patched(&self.derived, &[]);
        let merged = Some(B::of_fields(&merge.merged));
        let contests = merge.contests;
        if data.fields().is_empty() && unset.is_empty() {
            self.take_place(draft, writing, None)?;
            return Ok(Outcome { merged, contests, ..Outcome::default() });
        }
        let mut mutation = self.successor(draft, writing, Operation::Update, data, needed);
        mutation.unset = if planted!("unset-lost-in-the-merge") { Vec::new() } else { unset };
        mutation.merges = if how == How::Rules { self.merges() + 1 } else { 0 };
        if planted!("merged-under-the-same-id") {
            mutation.id = self.mutations[0].id.clone();
        }
        let id = mutation.id.clone();
        self.take_place(draft, writing, Some(mutation))?;
        Ok(Outcome { merged, contests, mutation: Some(id), created: None })
    }

    /// Ours stands though the record changed, or is gone.
    fn put_ours(&self, draft: &mut Draft<'_, B>, writing: &mut Writing<'_>) -> Result<Outcome<B>, Error> {
        let Some(ours) = &self.ours else {
            let again = self.successor(draft, writing, Operation::Delete, B::empty(), Vec::new());
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

    fn priority(&self) -> Option<crate::schema::Priority> {
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
    fn take_place(
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
        if let Some(mutation) = successor {
            let id = mutation.id.clone();
            // A record that was fused with another one is changed after all that was done to that.
            let is_fused = self.holder.is_some();
            let sequence = if is_fused { draft.next_sequence() } else { mutation.sequence };
            draft.put_mutation(Mutation { record_id: record_id.clone(), sequence, ..mutation });
            for dependent in dependents {
                let Some(dependent) = draft.mutation(&dependent).cloned() else { continue };
                let mut renamed = (*dependent).clone();
                renamed.dependencies.retain(|needed| self.mutations.iter().all(|gone| gone.id != *needed));
                add(&mut renamed.dependencies, std::slice::from_ref(&id));
                draft.put_mutation(renamed);
            }
        }
        settle::settle(draft, table, record_id);
        Ok(())
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
                return Err(Error::MutationInUse { id: self.mutations[0].id.to_string(), dependents });
            }
            draft.put_record(&self.table, &self.record_id, None);
            return Ok(());
        }
        draft.put_mapping(&Mapping {
            temporary: self.record_id.clone(),
            server: holder.clone(),
            table: self.table.clone(),
            at: writing.now_ms(),
        });
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

/// Settles by rules what the record's first outstanding mutation met. `false`: a person has to decide.
pub(super) fn settle_by_rules<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    mutation: &Mutation<B>,
    holder: Option<&Holder<B>>,
) -> bool {
    let (table, record_id) = (&mutation.table, &mutation.record_id);
    let Some(meeting) = Meeting::of(draft, table, record_id, holder, writing) else { return false };
    if meeting.is_agreed() {
        return meeting.take_place(draft, writing, None).is_ok();
    }
    let Some(definition) = draft.schema().table(table) else { return false };
    let Some(verdict) = meeting.verdict(&definition.rules, &BTreeMap::new(), writing) else { return false };
    let is_settled = match &verdict {
        Verdict::Merged(merge) => merge.is_settled() && meeting.merges() < MERGES_MAX,
        Verdict::Theirs | Verdict::Ours => true,
    };
    if !is_settled && !planted!("open-taken-for-settled") {
        return false;
    }
    let mark = draft.mark();
    let concluded = meeting.conclude(draft, writing, verdict, How::Rules);
    if concluded.is_err() {
        draft.rewind(&mark);
    }
    concluded.is_ok()
}

/// The server's side of a record that has a natural key, as it is known by now. `None`: it is gone, or may be.
fn newest_of<B: Body>(draft: &Draft<'_, B>, table: &Id, holder: &Holder<B>) -> Option<ServerCopy<B>> {
    if draft.meta(Meta::EPOCH) != Some(&holder.epoch) {
        return None;
    }
    let held = match draft.base(table, &holder.id).and_then(|base| base.newest()) {
        Some(copy) => Some(copy.clone()),
        None => draft.record(table, &holder.id).and_then(|record| {
            Some(ServerCopy {
                data: record.data.clone(),
                version: record.version?,
                updated_at: record.server_updated_at.unwrap_or_default(),
                deleted: record.deleted,
            })
        }),
    };
    let newer = held.filter(|copy| copy.version > holder.copy.version);
    let copy = newer.unwrap_or_else(|| holder.copy.clone());
    (!copy.deleted).then(|| ServerCopy { data: draft.without_rollups(table, copy.data), ..copy })
}

/// What time it was at the server when a mutation was written: the device's time, put right by what is known of its clock, and not
/// later than what it is there now, so that a clock that is fast wins nothing.
fn server_time_of<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>, writing: &Writing<'_>) -> u64 {
    let number = |key: &str| draft.meta(key).and_then(|value| value.parse::<i64>().ok());
    let offset = match &mutation.dating {
        Some(Dating::Offset(offset)) => Some(*offset),
        Some(Dating::Session(session)) if *session == writing.mint.session() => writing.mint.offset,
        Some(Dating::Session(_)) | None => None,
    };
    let offset = offset.or_else(|| number(Meta::CLOCK_OFFSET)).unwrap_or_default();
    let written = mutation.timestamp.saturating_add_signed(offset);
    let now = number(Meta::SERVER_TIME).and_then(|now| u64::try_from(now).ok());
    written.min(now.unwrap_or(u64::MAX))
}
