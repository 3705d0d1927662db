//! What a person decides about conflicts: how they are settled, and that a settlement is taken back.

use std::rc::Rc;

use super::{
    Decision, WriteOptions, Writer, Writing, check, delete,
    draft::Draft,
    meet::{Meeting, Verdict},
    mint::Mint,
    write,
};
use crate::{
    activity::{Subject, What},
    body::Body,
    error::Error,
    log::{
        conflict::{Conflict, How, Kind, Ruling, Settlement, Undone},
        entry::{Id, Mutation, MutationState, Operation, ServerCopy},
    },
    merge::{self, Choice, Means, Path, Sides, Written},
    planted,
    schema::rules::{Rules, Strategy},
    sorted::SortedMap,
    state::State,
};

/// An open conflict as it stands, and what would become of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview<B> {
    /// As it is now: theirs may have been deleted since it was found.
    pub kind: Kind,
    /// The three versions. `None`: there is none, or it is deleted.
    pub base: Option<B>,
    pub ours: Option<B>,
    pub theirs: Option<ServerCopy<B>>,
    /// What it would be. `None`: deleted, or nobody has decided.
    pub merged: Option<B>,
    /// The contested values, open ones among them.
    pub rulings: Vec<Ruling>,
    /// Nothing is left to decide.
    pub is_settled: bool,
}

/// What would become of an open conflict by this decision.
pub fn preview<B: Body>(
    state: &State<B>,
    id: &Id,
    decision: &Decision,
    mint: Mint,
    writer: &Writer,
) -> Result<Preview<B>, Error> {
    let draft = Draft::new(state);
    let writing = Writing { writer, mint, mutations: 0, records: 0 };
    let meeting = meeting_of(&draft, id, &writing)?;
    let verdict = decide(&draft, &meeting, decision, &writing).ok();
    let (merged, rulings, is_settled) = match &verdict {
        Some(Verdict::Merged(merge)) => {
            let rulings = merge.contests.iter().cloned().map(Ruling::from).collect();
            (Some(B::of_fields(&merge.merged)), rulings, merge.is_settled())
        }
        Some(Verdict::Theirs) => {
            ((!meeting.theirs.deleted).then(|| meeting.theirs.data.clone()), Vec::new(), true)
        }
        Some(Verdict::Ours) => (meeting.ours.clone(), Vec::new(), true),
        None => (None, Vec::new(), false),
    };
    let Meeting { kind, base, ours, theirs, .. } = meeting;
    let theirs = Some(theirs).filter(|theirs| !theirs.deleted);
    Ok(Preview { kind, base: base.map(|base| base.data), ours, theirs, merged, rulings, is_settled })
}

/// Settles conflicts, all or none; how many.
pub(super) fn resolve<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    conflicts: &[Id],
    decision: &Decision,
) -> Result<usize, Error> {
    for id in conflicts {
        let meeting = meeting_of(draft, id, writing)?;
        let verdict = decide(draft, &meeting, decision, writing)?;
        if let Verdict::Merged(merge) = &verdict {
            let open: Vec<String> = merge.open().map(|contested| contested.path.to_string()).collect();
            if !open.is_empty() {
                return Err(Error::ConflictOpen { id: id.to_string(), paths: open });
            }
        }
        let how = match decision.strategy {
            _ if !decision.choices.is_empty() => How::Manual,
            Some(strategy) => How::by_strategy(strategy),
            None => How::Merge,
        };
        meeting.conclude(draft, writing, verdict, how)?;
    }
    Ok(conflicts.len())
}

/// What met in an open conflict.
fn meeting_of<B: Body>(draft: &Draft<'_, B>, id: &Id, writing: &Writing<'_>) -> Result<Meeting<B>, Error> {
    let row = draft.conflict(id).ok_or_else(|| Error::ConflictNotFound { id: id.to_string() })?;
    if row.settled.is_some() {
        return Err(Error::ConflictSettled { id: id.to_string() });
    }
    let mutation = draft.mutation(id).ok_or_else(|| Error::ConflictNotFound { id: id.to_string() })?;
    // The record that has its natural key may be gone since, or out of sight: nobody decides about what nobody sees.
    let holder = row.holder.as_ref();
    let is_seen = holder.is_none_or(|holder| draft.live(&row.table, &holder.id).is_some());
    let meeting = Meeting::of(draft, &mutation.table, &mutation.record_id, holder, writing);
    let meeting = meeting.filter(|_| is_seen);
    // Nobody has told yet what the server has.
    meeting.ok_or_else(|| Error::TheirsUnknown { id: id.to_string() })
}

/// What a decision makes of it. A merge may still have open values.
fn decide<B: Body>(
    draft: &Draft<'_, B>,
    meeting: &Meeting<B>,
    decision: &Decision,
    writing: &Writing<'_>,
) -> Result<Verdict, Error> {
    let declared = draft.schema().table(&meeting.table).map(|table| &table.rules);
    let own = decision.strategy.filter(|strategy| *strategy != Strategy::Merge).map(Rules::of);
    let usual = Rules::default();
    let rules = own.as_ref().or(declared).unwrap_or(&usual);
    match (meeting.kind, rules.strategy) {
        // A person may create anew what somebody else deleted.
        (Kind::UpdateDelete, Strategy::ClientWins) => Ok(Verdict::Ours),
        _ => meeting
            .verdict(rules, &decision.choices, writing)
            .ok_or_else(|| Error::ConflictOpen { id: meeting.id().to_string(), paths: Vec::new() }),
    }
}

/// Keeps what a person gives up with a conflict: theirs stands.
pub(super) fn give_up<B: Body>(draft: &mut Draft<'_, B>, writing: &Writing<'_>, mutation: &Mutation<B>) {
    if planted!("discarded-with-its-values") {
        return;
    }
    let Some(row) = draft.conflict(&mutation.id).filter(|row| row.settled.is_none()).cloned() else { return };
    let alone = vec![Rc::new(mutation.clone())];
    let lost = match Meeting::among(draft, alone, row.holder.as_ref(), writing) {
        Some(meeting) => {
            let both = !meeting.theirs.deleted && meeting.ours.is_some();
            let strategy = Rules::of(Strategy::ServerWins);
            let merge = both.then(|| meeting.merged(&strategy, &SortedMap::new(), writing));
            let contests = merge.into_iter().flat_map(|merge| merge.contests);
            let Meeting { kind, base, ours, theirs, .. } = meeting;
            let theirs = (!theirs.deleted).then_some(theirs.data);
            (kind, base.map(|base| base.data), ours, theirs, contests.map(Ruling::from).collect())
        }
        // The record that had its natural key is gone, or may be.
        None if mutation.operation == Operation::Create => {
            (row.kind, None, Some(mutation.data.clone()), None, Vec::new())
        }
        None => return,
    };
    let (kind, base, ours, theirs, rulings) = lost;
    let settled = Settlement {
        base,
        ours,
        merged: theirs.clone(),
        theirs,
        rulings,
        how: How::Discarded,
        by: writing.writer.principal.clone(),
        at: writing.now_ms(),
        mutation: None,
        created: None,
        undone: None,
    };
    draft.put_conflict(&mutation.id, Some(Conflict { kind, settled: Some(settled), ..(*row).clone() }));
}

/// Takes the settlement of a conflict back: what it replaced is put in place again, by a mutation like any other. Refused if
/// somebody has changed since what it settled.
pub(super) fn undo<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    id: &Id,
) -> Result<Option<Id>, Error> {
    let row = draft.conflict(id).cloned().ok_or_else(|| Error::ConflictNotFound { id: id.to_string() })?;
    let settled = match &row.settled {
        None => return Err(Error::ConflictNotSettled { id: id.to_string() }),
        Some(settled) if settled.undone.is_some() => {
            return Err(Error::ConflictUndone { id: id.to_string() });
        }
        Some(settled) => settled,
    };
    let table = row.table.clone();
    let options = WriteOptions::default();
    let record_id = draft.resolve(&row.record_id);
    let written = match (&settled.created, &settled.merged, &settled.ours, &settled.theirs) {
        // It was created anew: away with it.
        (Some(created), ..) => {
            let created = draft.resolve(created);
            delete::delete(draft, writing, &table, &created, &options)?;
            Some(created)
        }
        (None, Some(merged), Some(ours), Some(theirs)) => {
            put_back(draft, writing, &row, [merged, ours, theirs])?;
            Some(record_id)
        }
        // Theirs stood, and we had deleted it.
        (None, Some(_), None, Some(_)) => {
            delete::delete(draft, writing, &table, &record_id, &options)?;
            Some(record_id)
        }
        // The deletion stood: nothing comes to life again, but the same can be created anew.
        (None, None, Some(lost), _) | (None, None, None, Some(lost)) => {
            Some(write::create(draft, writing, &table, lost, &options)?)
        }
        (None, None | Some(_), ..) => None,
    };
    let mutation = written.and_then(|id| draft.mutations_of(&table, &id).last().map(|last| last.id.clone()));
    let undone = Undone { by: writing.writer.principal.clone(), at: writing.now_ms() };
    let settled = Settlement { undone: Some(undone), ..settled.clone() };
    draft.put_conflict(id, Some(Conflict { settled: Some(settled), ..(*row).clone() }));
    let of =
        Subject { mutation: id.clone(), operation: Operation::Update, table, record: row.record_id.clone() };
    draft.note(writing.now_ms(), What::Undone { of });
    Ok(mutation)
}

/// Gives each contested value the version that did not win: ours, where theirs stood; otherwise theirs.
fn put_back<B: Body>(
    draft: &mut Draft<'_, B>,
    writing: &mut Writing<'_>,
    row: &Conflict<B>,
    [merged, ours, theirs]: [&B; 3],
) -> Result<(), Error> {
    let Some(settled) = &row.settled else { return Ok(()) };
    let same = |one: &Option<serde_json::Value>, other: &Option<serde_json::Value>| match (one, other) {
        (Some(one), Some(other)) => merge::same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let choices: SortedMap<Path, Choice> = settled
        .rulings
        .iter()
        .map(|ruling| {
            let theirs_stood = same(&ruling.value, &ruling.theirs) && !planted!("undo-keeps-the-winner");
            let choice = if theirs_stood { Choice::Ours } else { Choice::Theirs };
            (Path(ruling.path.clone()), choice)
        })
        .collect();
    let base = settled.base.as_ref().map(Body::to_fields);
    let (ours, theirs) = (ours.to_fields(), theirs.to_fields());
    let sides = Sides {
        base: base.as_ref(),
        ours: Written { fields: &ours, at: 0 },
        theirs: Written { fields: &theirs, at: 0 },
    };
    let rules = Rules::of(Strategy::ClientWins);
    let before = merge::merge(sides, Means { rules: &rules, choices: &choices, functions: &() });
    let merged = merged.to_fields();
    let (set, unset) = before.changes_of(&merged);
    let id = draft.resolve(&row.record_id);
    let Some(record) = draft.live(&row.table, &id) else {
        return Err(write::not_found(&row.table, &id));
    };
    let now = record.data.to_fields();
    let named = set.keys().chain(&unset);
    let changed: Vec<String> = named
        .filter(|field| !same(&now.get(*field).cloned(), &merged.get(*field).cloned()))
        .cloned()
        .collect();
    if !changed.is_empty() {
        return Err(Error::ConflictOutlived { fields: changed });
    }
    let options = WriteOptions::default();
    let (definition, ours) = (check::table(draft.schema(), &row.table)?, B::of_fields(&set));
    let outline = ours.outline(&definition.field_names);
    write::update(draft, writing, &row.table, &id, (&ours, outline), &unset, &options).map(|_| ())
}

/// Forgets what was settled before a time; how many. What is open stays.
pub(super) fn forget<B: Body>(draft: &mut Draft<'_, B>, before: u64) -> usize {
    let is_old = |row: &Conflict<B>| row.settled.as_ref().is_some_and(|settled| settled.at < before);
    let old = draft.state().conflicts.iter().filter(|(_, row)| is_old(row));
    let old: Vec<Id> = old.map(|(id, _)| id.clone()).collect();
    for id in &old {
        draft.put_conflict(id, None);
    }
    old.len()
}

/// Whether a mutation waits in an open conflict about one record, whose theirs is known.
pub(super) fn is_open<B: Body>(draft: &Draft<'_, B>, mutation: &Mutation<B>, writing: &Writing<'_>) -> bool {
    mutation.state == MutationState::Conflict
        && draft.conflict(&mutation.id).is_some_and(|row| row.settled.is_none() && row.holder.is_none())
        && meeting_of(draft, &mutation.id, writing).is_ok()
}
