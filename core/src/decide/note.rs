//! What the activity log tells, where it is more than a line to be written.

use super::draft::Draft;
use crate::{
    activity::{ByTable, Subject, What},
    body::Body,
    log::entry::Mutation,
    state::Meta,
};

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

/// One more of a table.
pub(super) fn one_more(tables: &mut ByTable, table: &str) {
    match tables.get_mut(table) {
        Some(count) => *count += 1,
        None => {
            tables.insert(table.into(), 1);
        }
    }
}
