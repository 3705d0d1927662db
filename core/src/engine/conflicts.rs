//! Conflicts as an app sees them: listed, counted, previewed, settled, taken back (V6, F10).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Engine;
use crate::{
    body::Body,
    decide::{Command, Decision, Done, Preview, preview},
    error::Error,
    log::{
        conflict::{Conflict, How, Kind, Ruling, Undone},
        entry::Id,
    },
    ports::{Durability, Ports},
    sorted::{SortedMap, sort_by},
};

type Fields = Map<String, Value>;

/// One conflict. Times are milliseconds since the Unix epoch by this device's clock, but for `theirs_at`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictView {
    /// That of the mutation that met it.
    pub id: Id,
    pub table: Id,
    pub record_id: Id,
    pub kind: Kind,
    pub class: Class,
    pub state: Standing,
    pub found_at: u64,
    /// Who wrote ours.
    pub principal: Id,
    /// The other record, where one has the natural key.
    pub holder: Option<Id>,
    /// The three versions. `None`: there is none, it is deleted, or it is not known yet.
    pub base: Option<Fields>,
    pub ours: Option<Fields>,
    pub theirs: Option<Fields>,
    /// When the server made theirs, by its clock; known while it is open.
    pub theirs_at: Option<u64>,
    pub their_version: Option<u64>,
    /// What came of it, or would by the table's rules, with theirs where they leave something open.
    pub merged: Option<Fields>,
    pub rulings: Vec<Ruling>,
    pub resolution: Option<Resolution>,
}

/// How much of a conflict it is (F7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Only one side changed it.
    None,
    /// Both sides changed it, and nothing alike.
    Potential,
    /// Both sides changed one value, each otherwise; or one side deleted what the other one changed.
    Definite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Open,
    Settled,
    /// It was settled, and that was taken back.
    Undone,
}

/// How a conflict ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    pub how: How,
    pub by: Id,
    pub at: u64,
    /// The mutation that carries the outcome. `None`: the server had it.
    pub mutation: Option<Id>,
    /// The record that was created in place of the deleted one.
    pub created: Option<Id>,
    pub undone: Option<Undone>,
}

/// What would become of an open conflict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewView {
    pub kind: Kind,
    pub base: Option<Fields>,
    pub ours: Option<Fields>,
    pub theirs: Option<Fields>,
    /// `None`: deleted, or nobody has decided.
    pub merged: Option<Fields>,
    pub rulings: Vec<Ruling>,
    /// Nothing is left to decide.
    pub settled: bool,
}

impl<B: Body> From<Preview<B>> for PreviewView {
    fn from(preview: Preview<B>) -> Self {
        let fields = |body: Option<B>| body.map(|body| body.to_fields());
        Self {
            kind: preview.kind,
            base: fields(preview.base),
            ours: fields(preview.ours),
            theirs: fields(preview.theirs.map(|theirs| theirs.data)),
            merged: fields(preview.merged),
            rulings: preview.rulings,
            settled: preview.is_settled,
        }
    }
}

/// Which conflicts, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ConflictFilter {
    pub state: Option<Standing>,
    pub table: Option<String>,
    pub kind: Option<Kind>,
    pub how: Option<How>,
    pub record_id: Option<String>,
    /// Those in which a value of this field is contested.
    pub field: Option<String>,
    pub order: Order,
    pub offset: usize,
    pub limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    #[default]
    Newest,
    Oldest,
    /// By table and record.
    Record,
}

/// Some of the conflicts, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictPage {
    pub conflicts: Vec<ConflictView>,
    pub total: usize,
}

/// How many conflicts stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    pub open: usize,
    pub settled: usize,
    pub undone: usize,
}

impl Tally {
    fn add(&mut self, state: Standing) {
        *(match state {
            Standing::Open => &mut self.open,
            Standing::Settled => &mut self.settled,
            Standing::Undone => &mut self.undone,
        }) += 1;
    }
}

/// What is kept of conflicts, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictStats {
    pub all: Tally,
    pub by_table: SortedMap<Id, Tally>,
    pub by_kind: SortedMap<Kind, Tally>,
    pub by_how: SortedMap<How, usize>,
    /// Contested values, by table and path.
    pub by_field: SortedMap<String, usize>,
    /// By table: how many changes met one by somebody else and were settled by rules, also those in which nothing lost and of
    /// which nothing is kept.
    pub merged: SortedMap<Id, u64>,
}

fn standing<B>(row: &Conflict<B>) -> Standing {
    match &row.settled {
        None => Standing::Open,
        Some(settled) if settled.undone.is_some() => Standing::Undone,
        Some(_) => Standing::Settled,
    }
}

impl<P: Ports> Engine<P> {
    /// Those conflicts that a filter asks for.
    #[must_use]
    pub fn conflicts(&self, filter: &ConflictFilter) -> ConflictPage {
        let found = self.found(filter);
        let total = found.len();
        let limit = filter.limit.unwrap_or(usize::MAX);
        let page = found.into_iter().skip(filter.offset).take(limit);
        ConflictPage { conflicts: page.filter_map(|id| self.conflict(&id)).collect(), total }
    }

    fn found(&self, filter: &ConflictFilter) -> Vec<Id> {
        let state = self.state();
        let fits = |row: &Conflict<P::Body>| {
            filter.state.is_none_or(|wanted| wanted == standing(row))
                && filter.table.as_deref().is_none_or(|table| table == &*row.table)
                && filter.kind.is_none_or(|kind| kind == row.kind)
                && filter.how.is_none_or(|how| row.settled.as_ref().is_some_and(|settled| settled.how == how))
        };
        let mut rows: Vec<_> = state.conflicts.iter().filter(|(_, row)| fits(row)).collect();
        match filter.order {
            Order::Oldest => {}
            Order::Newest => rows.reverse(),
            Order::Record => sort_by(&mut rows, |(_, one), (_, other)| {
                (&one.table, &one.record_id).cmp(&(&other.table, &other.record_id))
            }),
        }
        if let Some(id) = &filter.record_id {
            let id = state.resolve(&id.as_str().into());
            rows.retain(|(_, row)| row.record_id == id);
        }
        let mut ids: Vec<Id> = rows.into_iter().map(|(id, _)| id.clone()).collect();
        drop(state);
        if let Some(field) = &filter.field {
            let has_field = |ruling: &Ruling| ruling.path.first() == Some(field);
            ids.retain(|id| self.conflict(id).is_some_and(|view| view.rulings.iter().any(has_field)));
        }
        ids
    }

    /// One conflict as it stands.
    #[must_use]
    pub fn conflict(&self, id: &Id) -> Option<ConflictView> {
        let row = self.state().conflicts.get(id).cloned()?;
        let mut view = ConflictView {
            id: id.clone(),
            table: row.table.clone(),
            record_id: row.record_id.clone(),
            kind: row.kind,
            class: Class::Definite,
            state: standing(&row),
            found_at: row.at,
            principal: row.principal.clone(),
            holder: row.holder.as_ref().map(|holder| holder.id.clone()),
            base: None,
            ours: None,
            theirs: None,
            theirs_at: None,
            their_version: None,
            merged: None,
            rulings: Vec::new(),
            resolution: None,
        };
        let fields = |body: &Option<P::Body>| body.as_ref().map(Body::to_fields);
        if let Some(settled) = &row.settled {
            view.base = fields(&settled.base);
            view.ours = fields(&settled.ours);
            view.theirs = fields(&settled.theirs);
            view.merged = fields(&settled.merged);
            view.rulings.clone_from(&settled.rulings);
            view.resolution = Some(Resolution {
                how: settled.how,
                by: settled.by.clone(),
                at: settled.at,
                mutation: settled.mutation.clone(),
                created: settled.created.clone(),
                undone: settled.undone.clone(),
            });
        } else if let Ok(preview) = self.preview(id, &Decision::default()) {
            view.kind = preview.kind;
            view.base = fields(&preview.base);
            view.ours = fields(&preview.ours);
            view.theirs = preview.theirs.as_ref().map(|theirs| theirs.data.to_fields());
            view.theirs_at = preview.theirs.as_ref().map(|theirs| theirs.updated_at);
            view.their_version = preview.theirs.as_ref().map(|theirs| theirs.version);
            view.merged = fields(&preview.merged);
            view.rulings = preview.rulings;
        } else {
            // Of a record that is out of sight what the server said.
            view.theirs = row.holder.as_ref().map(|holder| holder.copy.data.to_fields());
        }
        let is_of_two = matches!(view.kind, Kind::UpdateUpdate | Kind::CreateCreate);
        if is_of_two && view.rulings.is_empty() {
            view.class = if view.theirs == view.base { Class::None } else { Class::Potential };
        }
        Some(view)
    }

    /// What would become of an open conflict by this decision; nothing is changed.
    pub fn preview(&self, id: &Id, decision: &Decision) -> Result<Preview<P::Body>, Error> {
        preview(&self.state(), id, decision, self.mint(), &self.writer)
    }

    /// Settles conflicts by one decision, all or none.
    pub async fn resolve(&self, conflicts: Vec<Id>, decision: Decision) -> Result<usize, Error> {
        match self.submit(Command::Resolve { conflicts, decision }, Durability::Relaxed).await? {
            Done::Settled(count) => Ok(count),
            _ => Ok(0),
        }
    }

    /// Of the open conflicts of a filter those that a decision would settle, and those that it would not.
    #[must_use]
    pub fn alike(&self, filter: &ConflictFilter, decision: &Decision) -> (Vec<Id>, Vec<Id>) {
        let filter = ConflictFilter { state: Some(Standing::Open), ..filter.clone() };
        let is_settled = |id: &Id| self.preview(id, decision).is_ok_and(|preview| preview.is_settled);
        self.found(&filter).into_iter().partition(is_settled)
    }

    /// Settles those open conflicts of a filter that this decision settles: which, and which stay open.
    pub async fn resolve_alike(
        &self,
        filter: &ConflictFilter,
        decision: Decision,
    ) -> Result<(Vec<Id>, Vec<Id>), Error> {
        let (settled, open) = self.alike(filter, &decision);
        if !settled.is_empty() {
            self.resolve(settled.clone(), decision).await?;
        }
        Ok((settled, open))
    }

    /// Takes a settlement back, by a new mutation if anything has to change for it: its id.
    pub async fn undo(&self, conflict: Id) -> Result<Option<Id>, Error> {
        match self.submit(Command::Undo { conflict }, Durability::Relaxed).await? {
            Done::Undone(mutation) => Ok(mutation),
            _ => Ok(None),
        }
    }

    /// Forgets what was settled before a time, by this device's clock; how many conflicts.
    pub async fn forget_conflicts(&self, before: u64) -> Result<usize, Error> {
        match self.submit(Command::ForgetConflicts { before }, Durability::Relaxed).await? {
            Done::Settled(count) => Ok(count),
            _ => Ok(0),
        }
    }

    /// What is kept of conflicts, counted.
    #[must_use]
    pub fn conflict_stats(&self) -> ConflictStats {
        let state = self.state();
        let mut counted = ConflictStats::default();
        for (id, row) in state.conflicts.iter() {
            let standing = standing(row);
            counted.all.add(standing);
            counted.by_table.entry(row.table.clone()).or_default().add(standing);
            counted.by_kind.entry(row.kind).or_default().add(standing);
            let rulings = match &row.settled {
                Some(settled) => {
                    *counted.by_how.entry(settled.how).or_default() += 1;
                    settled.rulings.clone()
                }
                None => self.preview(id, &Decision::default()).map(|open| open.rulings).unwrap_or_default(),
            };
            for ruling in rulings {
                *counted.by_field.entry(format!("{}.{}", row.table, ruling.path.join("."))).or_default() += 1;
            }
        }
        for table in self.schema.tables.keys() {
            let merged = state.stats(table).merged;
            if merged > 0 {
                counted.merged.insert(table.as_str().into(), merged);
            }
        }
        counted
    }
}
