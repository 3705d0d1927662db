//! Three versions meet: what the server has, what we have, and what ours was made on.
//!
//! When the server answers that somebody was there first, all that is outstanding of the record is merged with what it has, as one
//! change, since none of it was written by somebody who had seen theirs. Where rules settle everything, one new mutation on the new
//! base takes the place of all of it; otherwise the change is parked, and a person decides ([`super::resolve`]). A deletion by the
//! server wins over our changes, which are kept in the conflict. Whatever is contested is kept, with what became of it.

use std::rc::Rc;

use super::{Writing, draft::Draft};
use crate::{
    body::Body,
    log::{
        conflict::{Holder, How, Kind},
        entry::{Dating, Id, Mutation, Operation, ServerCopy},
    },
    merge::{self, Choice, Means, Merge, Path, Sides, Written},
    planted,
    schema::rules::{Rules, Strategy, Way},
    sorted::SortedMap,
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
    pub(super) derived: B,
    /// When ours was written, by the server's clock.
    ours_at: u64,
    /// All that is outstanding, in the order of writing. Never empty.
    pub(super) mutations: Vec<Rc<Mutation<B>>>,
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

    pub(super) fn merges(&self) -> u32 {
        self.mutations.iter().map(|mutation| mutation.merges).max().unwrap_or_default()
    }

    /// What these rules and choices make of it. `None`: a person has to decide.
    pub(super) fn verdict(
        &self,
        rules: &Rules,
        choices: &SortedMap<Path, Choice>,
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
        choices: &SortedMap<Path, Choice>,
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
    let Some(verdict) = meeting.verdict(&definition.rules, &SortedMap::new(), writing) else { return false };
    let is_settled = match &verdict {
        Verdict::Merged(merge) => merge.is_settled() && meeting.merges() < MERGES_MAX,
        Verdict::Ours => meeting.merges() < MERGES_MAX,
        Verdict::Theirs => true,
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
