//! A tab or a worker: one engine over one database, and the ports that it sees the world through.

use std::{cell::Cell, rc::Rc};

use landfall_core::{
    engine::Engine,
    log::entry::Id,
    ports::{Clock, Event, Ports, Random, Signals},
};

use super::{
    Commons,
    database::{Database, DatabaseLease},
    network::Connection,
    schema::Release,
    storage::Storage,
};
use crate::{body::Shared, faults::Fault};

/// A clock that is off by as much as it likes, and jumps.
pub struct SkewedClock {
    pub(super) commons: Rc<Commons>,
    /// What is to be added to the right time.
    pub(super) skew_ms: Rc<Cell<i64>>,
}

impl Clock for SkewedClock {
    fn now_ms(&self) -> u64 {
        self.commons.executor.time.now_ms().saturating_add_signed(self.skew_ms.get())
    }

    fn elapsed_ms(&self) -> u64 {
        self.commons.executor.time.elapsed_ms()
    }
}

/// The most by which a timer is late.
const LATE_MS_MAX: u64 = 120_000;

/// Contexts hear of each other only when they look: signals may always be lost.
struct NoSignals;

impl Signals for NoSignals {
    fn announce(&self, _: u64) {}
}

/// One context's world.
pub struct Surroundings {
    pub(super) commons: Rc<Commons>,
    pub(super) storage: Storage,
    pub(super) connection: Connection,
    pub(super) clock: SkewedClock,
}

impl Ports for Surroundings {
    type Body = Shared;
    type Log = Storage;
    type Remote = Connection;
    type Lease = DatabaseLease;

    fn log(&self) -> &Storage {
        &self.storage
    }

    fn remote(&self) -> &Connection {
        &self.connection
    }

    fn lease(&self) -> &DatabaseLease {
        &self.storage.database.lease
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn random(&self) -> &dyn Random {
        &*self.commons.dice.engine
    }

    fn signals(&self) -> &dyn Signals {
        &NoSignals
    }

    fn event(&self, _: Event) {}

    async fn sleep_ms(&self, ms: u64) {
        let Commons { weather, dice, executor, .. } = &*self.commons;
        let late = weather.strikes(Fault::TimerLate, &dice.storage);
        let late_ms = if late { dice.storage.wait_ms(LATE_MS_MAX) } else { 0 };
        executor.time.sleep_ms(ms + late_ms).await;
    }
}

/// A context that lives.
#[derive(Clone)]
pub struct Context {
    pub engine: Rc<Engine<Surroundings>>,
    pub database: Rc<Database>,
    pub release: Release,
    pub skew_ms: Rc<Cell<i64>>,
    /// The entry that it had read up to when it was last looked at, and since when, in the world's time.
    pub seen: Rc<Cell<(u64, u64)>>,
}

impl Context {
    /// All tables that its release knows, in memory.
    pub async fn load_all(&self) -> Result<(), landfall_core::error::Error> {
        let tables: Vec<Id> = self.engine.schema().tables.keys().map(|name| name.as_str().into()).collect();
        self.engine.load_tables(&tables).await
    }
}
