//! Roll-ups: values of a record that follow from its children.
//!
//! What happens to one entry, in order. All its commands are decided. Then, as the last step, the roll-ups are derived on
//! top of the draft, those first that others read: a child that came, went, moved or changed in what counts makes its
//! parents affected, before and after; and so does every new row of the parent itself, since it was put together from what
//! the server has, which no roll-up comes from. Each affected parent is derived once, from all its children as the entry
//! will leave them, however many of them changed. Its new value is part of its row in this same entry, and makes it a
//! child that changed for the roll-ups over it.
//!
//! So whoever folds the entry runs no rule, and a reader never sees a child without what follows from it. A difference kept
//! up by adding and subtracting was the other way: it drifts (floats, and whatever once went wrong), while this heals.
//!
//! A database says in a fact of its own by which roll-ups its records are derived. A release that declares others derives
//! them all when it opens or writes; one that writes without them takes the fact away.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    body::{Body, Scalar},
    decide::draft::Draft,
    log::entry::{Id, Record},
    schema::{RollupGroup, RollupKind, Schema},
    sorted::{SortedMap, sort},
    state::{Meta, State},
};

/// What is to be sent of a record's roll-ups, because it changed with a write made here.
pub(crate) type Sent<'s> = SortedMap<(Id, Id), Vec<(&'s str, Scalar)>>;

/// Whether the records are derived by this schema's roll-ups. Without any there is nothing to be derived.
#[must_use]
pub fn are_current<B: Body>(state: &State<B>) -> bool {
    state.schema().rollups.is_empty()
        || state.meta(Meta::ROLLUPS) == Some(state.schema().rollups_text.as_str())
}

/// The tables that roll-ups read or write, for a schema that derives all of them anew.
#[must_use]
pub fn tables(schema: &Schema) -> Vec<Id> {
    schema
        .rollups
        .iter()
        .flat_map(|group| [group.parent.as_str().into(), group.child.as_str().into()])
        .collect()
}

/// Adds to the tables that a command may change those that roll-ups make it change and read besides.
pub fn close(schema: &Schema, tables: &mut Vec<Id>) {
    if schema.rollups.is_empty() {
        return;
    }
    let mut at = 0;
    while let Some(changed) = tables.get(at).cloned() {
        for group in schema.rollups.iter().filter(|group| *group.child == *changed) {
            if !tables.iter().any(|known| **known == *group.parent) {
                tables.push(group.parent.as_str().into());
            }
        }
        at += 1;
    }
    for group in &schema.rollups {
        if tables.iter().any(|known| **known == *group.parent) {
            tables.push(group.child.as_str().into());
        }
    }
}

/// The last step of an entry: derives every roll-up that its changes affect. What came of those that are sent is returned,
/// for a write made here to send it.
/// `may_derive_all`: where all of them are out of date, all are derived.
pub(crate) fn derive<'s, B: Body>(draft: &mut Draft<'s, B>, may_derive_all: bool) -> Sent<'s> {
    let schema = draft.schema();
    let anew = note_rollups(draft, may_derive_all);
    let mut sent = Sent::new();
    if schema.rollups.is_empty() || !(anew || draft.changes_records()) {
        return sent;
    }
    // Rows that the commands put, before roll-ups add theirs.
    let put: FxHashMap<&str, Vec<Id>> =
        schema.rollups.iter().map(|group| (group.parent.as_str(), draft.drafted(&group.parent))).collect();
    let mut exchanged: FxHashMap<Id, Vec<Id>> = FxHashMap::default();
    for (temporary, server) in draft.exchanges() {
        exchanged.entry(server.clone()).or_default().push(temporary.clone());
    }
    for group in &schema.rollups {
        let derivation = Derivation::new(schema, group);
        let mut affected = derivation.affected(draft);
        affected.parents.extend(put.get(group.parent.as_str()).into_iter().flatten().cloned());
        let mut parents: Vec<Id> = affected.parents.iter().cloned().collect();
        if anew {
            let held = draft.state().table(&group.parent).into_iter().flat_map(crate::table::Table::iter);
            let others = held.map(|(id, _)| id).filter(|id| !affected.parents.contains(*id));
            parents.extend(others.cloned());
        }
        sort(&mut parents);
        for id in parents {
            let Some(parent) = draft.live(&derivation.parent, &id) else { continue };
            let temporary = exchanged.get(&id).map_or(&[][..], Vec::as_slice);
            let values = derivation.values(draft, &id, temporary, &affected);
            let changed: Vec<(&str, Scalar)> =
                values.iter().filter(|(name, value)| !holds(&parent.data, name, value)).cloned().collect();
            if !changed.is_empty() {
                let data = parent.data.patched(&B::of(&changed), &[]);
                draft.amend_record(&derivation.parent, &id, data);
            }
            if affected.parents.contains(&id) {
                let news = derivation.to_send(draft.state(), &id, temporary, values);
                if !news.is_empty() {
                    sent.entry((derivation.parent.clone(), id)).or_default().extend(news);
                }
            }
        }
    }
    sent
}

/// Keeps the fact true that says by which roll-ups the records are derived; whether all have to be derived anew.
fn note_rollups<B: Body>(draft: &mut Draft<'_, B>, may_derive_all: bool) -> bool {
    let schema = draft.schema();
    if are_current(draft.state()) && !schema.rollups.is_empty() {
        return false;
    }
    let anew = may_derive_all
        && !schema.rollups.is_empty()
        && tables(schema).iter().all(|table| draft.state().is_loaded(table));
    if anew {
        draft.put_meta(Meta::ROLLUPS, schema.rollups_text.clone());
    } else if draft.changes_records() {
        // What another release derives is no longer right after this entry.
        draft.take_meta(Meta::ROLLUPS);
    }
    anew
}

/// Whether a record holds a roll-up's value already. Absent is not `null`: readers would see the difference.
fn holds<B: Body>(data: &B, name: &str, value: &Scalar) -> bool {
    data.kind(name).is_some() && data.scalar(name).as_ref() == Some(value)
}

/// The parents whose roll-ups may change, and the drafted children by their parent.
#[derive(Default)]
struct Affected {
    parents: FxHashSet<Id>,
    children: FxHashMap<Id, Vec<Id>>,
    drafted: FxHashSet<Id>,
}

/// One group of roll-ups, ready to be derived.
struct Derivation<'s> {
    parent: Id,
    child: Id,
    by: &'s str,
    rollups: Vec<(&'s str, Measure<'s>)>,
}

/// One roll-up, ready to be derived.
struct Measure<'s> {
    kind: &'s RollupKind,
    only: Vec<(&'s str, Vec<Scalar>)>,
    write: bool,
}

impl Measure<'_> {
    /// What a child counts for; `None`: it does not.
    fn of<B: Body>(&self, child: &B) -> Option<Scalar> {
        let meets = self
            .only
            .iter()
            .all(|(field, values)| child.scalar(field).is_some_and(|value| values.contains(&value)));
        match self.kind {
            RollupKind::All => Some(Scalar::Boolean(meets)),
            RollupKind::Count => meets.then_some(Scalar::Null),
            RollupKind::Average { of } | RollupKind::Sum { of } if meets => {
                child.scalar(of).filter(|value| matches!(value, Scalar::Number(_)))
            }
            RollupKind::Min { of } | RollupKind::Max { of } if meets => {
                child.scalar(of).filter(|value| matches!(value, Scalar::Number(_) | Scalar::String(_)))
            }
            RollupKind::Average { .. }
            | RollupKind::Sum { .. }
            | RollupKind::Min { .. }
            | RollupKind::Max { .. } => None,
        }
    }

    /// The value, from what each child counts for, in the order of the children's ids: floats add up the same everywhere.
    fn value(&self, counted: Vec<Scalar>) -> Scalar {
        // Children fit in memory, so their number is exact as a double.
        #[expect(clippy::cast_precision_loss)]
        let count = counted.len() as f64;
        let sum = || {
            let add = |sum: f64, value: &Scalar| match value {
                // JSON has no infinity.
                Scalar::Number(number) => (sum + number).clamp(f64::MIN, f64::MAX),
                Scalar::Null | Scalar::Boolean(_) | Scalar::String(_) => sum,
            };
            counted.iter().fold(0.0, add)
        };
        match self.kind {
            RollupKind::Count => Scalar::Number(count),
            RollupKind::All => {
                Scalar::Boolean(!counted.is_empty() && !counted.contains(&Scalar::Boolean(false)))
            }
            RollupKind::Sum { .. } => Scalar::Number(sum()),
            RollupKind::Average { .. } if counted.is_empty() => Scalar::Null,
            RollupKind::Average { .. } => Scalar::Number(sum() / count),
            RollupKind::Min { .. } => counted.into_iter().min().unwrap_or(Scalar::Null),
            RollupKind::Max { .. } => counted.into_iter().max().unwrap_or(Scalar::Null),
        }
    }
}

impl<'s> Derivation<'s> {
    fn new(schema: &'s Schema, group: &'s RollupGroup) -> Self {
        let of_parent = schema.table(&group.parent).into_iter().flat_map(|table| &table.rollups);
        let rollups = of_parent.filter(|(name, _)| group.names.contains(name)).map(|(name, rollup)| {
            let only = rollup
                .only
                .iter()
                .map(|(field, values)| (field.as_str(), values.iter().filter_map(Scalar::of_json).collect()));
            (name.as_str(), Measure { kind: &rollup.kind, only: only.collect(), write: rollup.write })
        });
        Self {
            parent: group.parent.as_str().into(),
            child: group.child.as_str().into(),
            by: &group.by,
            rollups: rollups.collect(),
        }
    }

    /// What a child counts for, and for whom.
    fn part<B: Body>(
        &self,
        draft: &Draft<'_, B>,
        child: Option<&Record<B>>,
    ) -> Option<(Id, Vec<Option<Scalar>>)> {
        let child = child.filter(|record| !record.deleted)?;
        let parent = draft.resolve(&child.data.text(self.by)?);
        Some((parent, self.rollups.iter().map(|(_, measure)| measure.of(&child.data)).collect()))
    }

    fn affected<B: Body>(&self, draft: &Draft<'_, B>) -> Affected {
        let mut affected = Affected::default();
        for id in &draft.drafted(&self.child) {
            let before = self.part(draft, draft.state().record(&self.child, id));
            let after = self.part(draft, draft.record(&self.child, id));
            affected.drafted.insert(id.clone());
            if let Some((parent, _)) = &after {
                affected.children.entry(parent.clone()).or_default().push(id.clone());
            }
            if before != after {
                affected.parents.extend([before, after].into_iter().flatten().map(|(parent, _)| parent));
            }
        }
        affected
    }

    /// The roll-ups of a parent as this draft leaves its children. `temporary`: the ids under which children in the state
    /// may still refer to it.
    fn values<B: Body>(
        &self,
        draft: &Draft<'_, B>,
        id: &Id,
        temporary: &[Id],
        affected: &Affected,
    ) -> Vec<(&'s str, Scalar)> {
        let held = draft.state().table(&self.child).into_iter().flat_map(|table| {
            let under = |id: &Id| table.referencing(self.by, id);
            temporary.iter().chain([id]).flat_map(under).collect::<Vec<_>>()
        });
        let held = held.filter(|child| !affected.drafted.contains(child));
        let mut children: Vec<Id> =
            held.chain(affected.children.get(id).into_iter().flatten().cloned()).collect();
        sort(&mut children);
        let children: Vec<&Record<B>> =
            children.iter().filter_map(|child| draft.live(&self.child, child)).collect();
        let value = |(name, measure): &(&'s str, Measure<'_>)| {
            let counted = children.iter().filter_map(|child| measure.of(&child.data)).collect();
            (*name, measure.value(counted))
        };
        self.rollups.iter().map(value).collect()
    }

    /// Of these values those that are sent and that the record did not have before.
    fn to_send<B: Body>(
        &self,
        before: &State<B>,
        id: &Id,
        temporary: &[Id],
        values: Vec<(&'s str, Scalar)>,
    ) -> Vec<(&'s str, Scalar)> {
        let before = temporary.iter().chain([id]).find_map(|id| before.record(&self.parent, id));
        let sent = self.rollups.iter().map(|(_, measure)| measure.write);
        let sent = values.into_iter().zip(sent).filter_map(|(value, sent)| sent.then_some(value));
        sent.filter(|(name, value)| !before.is_some_and(|record| holds(&record.data, name, value))).collect()
    }
}
