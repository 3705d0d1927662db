//! A context's connection to its database, on a disk that fails.

use std::{cell::Cell, rc::Rc};

use landfall_core::{
    log::memory::Fault as LogFault,
    ports::{Appended, Durability, Log, Packed, Room, SegmentKey, Snapshot, StoreError, Stored, Swap},
};

use super::{Commons, database::Database};
use crate::{body::Shared, faults::Fault};

pub struct Storage {
    pub(super) commons: Rc<Commons>,
    pub(super) database: Rc<Database>,
    /// The device has no room left.
    pub(super) is_full: Rc<Cell<bool>>,
    pub(super) log: landfall_core::log::memory::MemoryLog<Shared>,
}

impl Storage {
    fn strikes(&self, fault: Fault) -> bool {
        self.commons.weather.strikes(fault, &self.commons.dice.storage)
    }

    /// A request that only reads may be aborted as well.
    fn may_read(&self) -> Result<(), StoreError> {
        if self.strikes(Fault::ReadAborted) {
            return Err(StoreError::Unavailable("the transaction was aborted".to_owned()));
        }
        Ok(())
    }

    fn has_room(&self) -> Result<(), StoreError> {
        if self.is_full.get() && !self.commons.weather.is_healed() {
            self.commons.weather.count(Fault::NoRoom);
            return Err(StoreError::Quota);
        }
        Ok(())
    }
}

impl Log<Shared> for Storage {
    async fn open(&self, genesis: Packed<Shared>) -> Result<(), StoreError> {
        self.may_read()?;
        self.log.open(genesis).await
    }

    async fn load(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<Shared>, StoreError> {
        self.may_read()?;
        self.log.load(keyspaces, from).await
    }

    async fn segments(&self, keys: &[SegmentKey]) -> Result<Snapshot<Shared>, StoreError> {
        self.may_read()?;
        self.log.segments(keys).await
    }

    async fn read(&self, from: u64) -> Result<Vec<Stored<Shared>>, StoreError> {
        self.may_read()?;
        self.log.read(from).await
    }

    async fn append(
        &self,
        from: u64,
        entry: Packed<Shared>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.has_room()?;
        if self.strikes(Fault::WriteLost) {
            self.log.fail_next(LogFault::LostUnheard);
        } else if self.strikes(Fault::WriteUnheard) {
            self.log.fail_next(LogFault::WrittenUnheard);
        }
        self.log.append(from, entry, durability).await
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        self.may_read()?;
        self.log.room().await
    }

    async fn swap(&self, swap: Swap<Shared>) -> Result<bool, StoreError> {
        self.has_room()?;
        if self.strikes(Fault::WriteLost) {
            return Err(StoreError::Unknown("the transaction was aborted".to_owned()));
        }
        // What it takes away must have been seen.
        self.database.observe();
        let is_unheard = self.strikes(Fault::WriteUnheard);
        let done = self.log.swap(swap).await;
        self.commons.journal.note(|| {
            let what = format!(
                "* a compaction was swapped in: {done:?}{}",
                if is_unheard { ", unheard" } else { "" }
            );
            (format!("database {}", self.database.number), what)
        });
        if is_unheard {
            return Err(StoreError::Unknown("the connection was closed".to_owned()));
        }
        done
    }
}
