//! Parents and children, asked of the engine.

use super::Engine;
use crate::{
    decide::Command,
    error::Error,
    hierarchy::{
        integrity::{self, Integrity},
        rollups,
    },
    log::entry::Id,
    ports::{Durability, Ports},
};

impl<P: Ports> Engine<P> {
    /// Looks whether everything that is referred to is there. Loads all tables; a report, and no change.
    pub async fn integrity(&self) -> Result<Integrity, Error> {
        self.catch_up().await?;
        let tables: Vec<Id> = self.schema.tables.keys().map(|name| name.as_str().into()).collect();
        self.load_tables(&tables).await?;
        Ok(integrity::check(&self.state()))
    }

    /// Derives roll-ups where the schema has new ones, or another release wrote without them.
    pub(super) async fn keep_rollups(&self) -> Result<(), Error> {
        if rollups::are_current(&self.state()) {
            return Ok(());
        }
        self.submit(Command::DeriveRollups, Durability::Relaxed).await.map(|_| ())
    }
}
