//! Fetching what others changed, page by page.

use std::collections::HashSet;

use super::{
    Report,
    pacing::{Remedy, failure, remedy},
};
use crate::{
    body::Body,
    decide::Command,
    engine::Engine,
    error::Error,
    log::entry::Id,
    ports::{Durability, Event, Phase, Ports, Remote},
    protocol::{Download, PROTOCOL, Page},
    state::Meta,
};

const PAGE_ROWS: u32 = 1_000;

impl<P: Ports> Engine<P> {
    /// Pulls pages until there is nothing more, or a request fails. Where the cursor is too old or of another epoch,
    /// everything is pulled again, and only at its end is dropped what the server no longer has.
    pub(super) async fn pull(&self, tables: &[Id], report: &mut Report) -> Result<Result<(), Remedy>, Error> {
        let set: Id = tables.join(",").into();
        let mut full: Option<HashSet<(Id, Id)>> = None;
        let mut forced = false;
        self.set_status(|status| status.phase = Phase::Pulling);
        loop {
            let download = Download {
                protocol: PROTOCOL,
                principal: Some(self.writer.principal.to_string()),
                cursor: self.state().cursor(&set).map(|cursor| cursor.cursor.clone()),
                entity_types: tables.iter().map(ToString::to_string).collect(),
                scope: None,
                limit: Some(PAGE_ROWS),
                last_sync: None,
            };
            let page = match self.ports.remote().pull(&download).await {
                Ok(page) => page,
                Err(error) => {
                    let remedy = remedy(&error);
                    if matches!(remedy, Remedy::PullInFull) && full.is_none() {
                        full = Some(HashSet::new());
                        let command = Command::ForgetCursor { set: set.clone(), code: failure(&error).code };
                        self.submit(command, Durability::Relaxed).await?;
                        continue;
                    }
                    self.note_failure(&error, report);
                    return Ok(Err(remedy));
                }
            };
            self.set_status(|status| status.unreachable = false);
            if let Some(seen) = &mut full {
                forced |= self.state().meta(Meta::EPOCH).is_some_and(|epoch| epoch != page.epoch);
                seen.extend(rows_of(&page));
            }
            let (has_more, rows) = (page.has_more, page.entities.len() + page.deletions.len());
            let command = Command::Pull { set: set.clone(), page, forced };
            self.submit(command, Durability::Relaxed).await?;
            report.pulled += rows;
            self.event(Event::Progress { phase: Phase::Pulling, done: report.pulled, total: None });
            if !has_more {
                break;
            }
        }
        if let Some(seen) = full {
            let command = Command::EndFullPull { seen, tables: tables.to_vec() };
            self.submit(command, Durability::Relaxed).await?;
        }
        Ok(Ok(()))
    }
}

fn rows_of<B: Body>(page: &Page<B>) -> impl Iterator<Item = (Id, Id)> + '_ {
    page.entities.iter().map(|row| (row.table.as_str().into(), row.id.as_str().into()))
}
