//! What a person decides about records whose parent is not here.
//!
//! A decision that is to be remembered is a fact of the database, under the reference that it is about, and holds as long as
//! that reference: when the record is deleted or gets another parent, or the parent comes, it is forgotten.

use rustc_hash::FxHashMap;

use super::integrity::{self, Orphan, Why};
use crate::{body::Body, decide::draft::Draft, error::Error, log::entry::Id, state::State};

/// What is done about an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It is deleted, as if the app had: what refers to it goes with it or keeps it, and the server is told.
    Delete,
    /// It stays as it is and is reported no more, until it refers to another parent.
    Keep,
    /// It waits for its parent: the parent's table is pulled from the beginning by the next pass.
    Queue,
}

impl Strategy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Queue => "queue",
        }
    }

    /// The strategy of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Delete, Self::Keep, Self::Queue].into_iter().find(|strategy| strategy.as_str() == name)
    }
}

/// A reference: table, field, record id.
pub(super) type Place = (Id, Id, Id);

/// What was decided about a reference, and to which parent.
pub(super) struct Decision {
    pub(super) strategy: Strategy,
    pub(super) parent: Id,
}

const PREFIX: &str = "orphan ";

/// Names of tables and fields have no space in them; ids may.
fn key((table, field, id): &Place) -> String {
    format!("{PREFIX}{table} {field} {id}")
}

fn parse(key: &str, value: &str) -> Option<(Place, Decision)> {
    let mut words = key.strip_prefix(PREFIX)?.splitn(3, ' ');
    let place = (words.next()?.into(), words.next()?.into(), words.next()?.into());
    let (strategy, parent) = value.split_once(' ')?;
    Some((place, Decision { strategy: Strategy::named(strategy)?, parent: parent.into() }))
}

/// What is remembered.
pub(super) fn decisions<B: Body>(state: &State<B>) -> FxHashMap<Place, Decision> {
    state.facts(PREFIX).filter_map(|(key, value)| parse(key, value)).collect()
}

/// Resolves these orphans, or all that nobody has decided about; how many references that were.
pub(crate) fn resolve<'s, B: Body>(
    draft: &mut Draft<'s, B>,
    strategy: Strategy,
    named: Option<&[(Id, Id)]>,
    mut delete: impl FnMut(&mut Draft<'s, B>, &Orphan) -> Result<(), Error>,
) -> Result<usize, Error> {
    let orphans = match named {
        None => integrity::check(draft.state()).orphans,
        Some(named) => {
            named.iter().flat_map(|(table, id)| orphans_at(draft, table, &draft.resolve(id))).collect()
        }
    };
    let mut resolved = 0;
    for orphan in orphans {
        // The commands before this one in its entry, and a cascade, may have changed what was reported.
        if !orphans_at(draft, &orphan.table, &orphan.id).contains(&orphan) {
            continue;
        }
        resolved += 1;
        match strategy {
            Strategy::Delete => delete(draft, &orphan)?,
            Strategy::Keep | Strategy::Queue => {
                let value = format!("{} {}", strategy.as_str(), orphan.parent_id);
                draft.put_meta(&key(&orphan.place()), value);
            }
        }
        if strategy == Strategy::Queue {
            draft.pull_table_anew(&orphan.parent_table);
        }
    }
    Ok(resolved)
}

/// The references of one record that lead nowhere.
fn orphans_at<B: Body>(draft: &Draft<'_, B>, table: &Id, id: &Id) -> Vec<Orphan> {
    let Some(definition) = draft.schema().table(table) else { return Vec::new() };
    let Some(record) = draft.live(table, id) else { return Vec::new() };
    let dangling = definition.references.iter().filter_map(|(field, reference)| {
        let parent_table: Id = reference.table.as_str().into();
        let parent_id = record.data.text(field)?;
        let why = match draft.record(&parent_table, &draft.resolve(&parent_id)) {
            Some(parent) if !parent.deleted => return None,
            Some(_) => Why::Deleted,
            None => Why::Missing,
        };
        let (table, id, field) = (table.clone(), id.clone(), field.as_str().into());
        Some(Orphan { table, id, field, parent_table, parent_id, why })
    });
    dangling.collect()
}

/// Forgets decisions about references that are no longer what they were decided about, and lets the others follow an
/// exchange of ids.
pub(crate) fn forget_settled<B: Body>(draft: &mut Draft<'_, B>) {
    if !draft.changes_records() {
        return;
    }
    for (place, decision) in decisions(draft.state()) {
        let (table, field, id) = &place;
        let now = (table.clone(), field.clone(), draft.resolve(id));
        let parent = draft.resolve(&decision.parent);
        if !draft.state().is_loaded(table) {
            continue;
        }
        let still = orphans_at(draft, table, &now.2)
            .iter()
            .any(|orphan| orphan.field == *field && draft.resolve(&orphan.parent_id) == parent);
        if still && (&now, &parent) == (&place, &decision.parent) {
            continue;
        }
        draft.take_meta(&key(&place));
        if still {
            draft.put_meta(&key(&now), format!("{} {parent}", decision.strategy.as_str()));
        }
    }
}
