//! What the activity log tells, where it is more than a line to be written.

use super::draft::Draft;
use crate::{
    activity::{ByTable, Subject, What},
    body::{Body, Scalar},
    ids::is_temporary,
    log::entry::{Id, Mutation, Operation},
    state::Meta,
    table::Query,
};

/// Of more than these that are alike nobody wants to be told.
const ALIKE_MAX: usize = 8;

impl<B> Mutation<B> {
    /// As the activity log names it.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            mutation: self.id.clone(),
            operation: self.operation,
            table: self.table.clone(),
            record: self.record_id.clone(),
        }
    }
}

/// Notes that passes fail, or succeed again. A device that is offline for a week says so once: each reason is noted once until
/// a pass has succeeded, and a success only after a failure. A pause that the server asks for is noted each
/// time, since how long nothing is to be expected depends on it.
pub(super) fn how_it_goes<B: Body>(draft: &mut Draft<'_, B>, at: u64, what: &What) {
    let mut troubles = draft.state().activity.troubles().map(|line| &line.what);
    let is_news = match what {
        What::Failed { wait_ms: Some(_), .. } => true,
        What::Resumed => troubles.next().is_some(),
        // Whether it is held is what the newest line says.
        What::Held { .. } => troubles.next().is_none_or(|newest| !newest.is_same_trouble(what)),
        _ => !troubles
            .take_while(|line| !matches!(line, What::Held { .. }))
            .any(|line| line.is_same_trouble(what)),
    };
    if is_news {
        draft.note(at, what.clone());
    }
}

/// Takes the server's epoch in.
pub(super) fn take_epoch<B: Body>(draft: &mut Draft<'_, B>, at: u64, epoch: &str) {
    if let Some(before) = draft.meta(Meta::EPOCH).filter(|known| *known != epoch).map(ToOwned::to_owned) {
        draft.note(at, What::EpochChanged { before, after: epoch.to_owned() });
    }
    draft.put_meta(Meta::EPOCH, epoch.to_owned());
}

/// Tells that a record which has just come, or got its id, has a key in common with another one (F7): one of the two was written
/// here, and perhaps both are meant to be the same.
pub(super) fn alike<B: Body>(draft: &mut Draft<'_, B>, at: u64, table: &Id, id: &Id) {
    let Some(definition) = draft.schema().table(table).filter(|definition| !definition.alike.is_empty())
    else {
        return;
    };
    let Some(record) = draft.live(table, id).cloned() else { return };
    for key in &definition.alike {
        let part = |field: &String| record.data.scalar(field).filter(|value| !matches!(value, Scalar::Null));
        let Some(parts) = key.iter().map(part).collect::<Option<Vec<Scalar>>>() else { continue };
        let query = Query {
            index: Some(key.clone()),
            equals: Some(parts),
            limit: Some(ALIKE_MAX),
            ..Query::default()
        };
        let found = draft.state().table(table).and_then(|held| held.query(&query).ok()).unwrap_or_default();
        for other in found.into_iter().filter(|other| other != id && !is_temporary(other)) {
            let Some(twin) = draft.live(table, &other) else { continue };
            let (of, other) = match (twin.local_updated_at, record.local_updated_at) {
                (Some(_), _) => (other, id.clone()),
                (None, Some(_)) => (id.clone(), other),
                (None, None) => continue,
            };
            let mutation = draft.record(table, &of).and_then(|record| record.sync_id.clone());
            let of = Subject {
                mutation: mutation.unwrap_or_else(|| "".into()),
                operation: Operation::Create,
                table: table.clone(),
                record: of,
            };
            draft.note(at, What::Alike { of, other });
        }
    }
}

/// One more of a table.
pub(super) fn one_more(tables: &mut ByTable, table: &str) {
    match tables.get_mut(table) {
        Some(count) => *count += 1,
        None => {
            tables.insert(table.into(), 1);
        }
    }
}
