//! A world: devices with databases and contexts, a server, and what lies between them.

pub mod context;
pub mod database;
pub mod device;
pub mod network;
pub mod schema;
pub mod server;
mod storage;
pub mod store;

use std::{cell::RefCell, rc::Rc, sync::Arc};

use crate::{
    dice::{Dice, mix},
    executor::{Executor, Owner},
    faults::Weather,
    journal::Journal,
    promises::books::Books,
    schedule::Schedule,
};

use device::Device;
use landfall_core::schema::Schema;
use schema::{Release, schema_of};
use server::Server;
use store::SimStore;

/// The owner of what happens at the server and on the way to it: no crash of a client ends it.
pub const SERVER: Owner = Owner::MAX;
/// The owner of what the simulator itself asks.
pub const OBSERVER: Owner = Owner::MAX - 1;

/// One dice for each concern, so that none changes another's luck.
pub struct AllDice {
    pub order: Arc<Dice>,
    pub storage: Arc<Dice>,
    pub network: Arc<Dice>,
    pub server: Arc<Dice>,
    pub engine: Arc<Dice>,
}

impl AllDice {
    fn new() -> Self {
        let dice = || Dice::new(0);
        Self { order: dice(), storage: dice(), network: dice(), server: dice(), engine: dice() }
    }

    /// All anew, each from its own part of the seed.
    pub fn reseed(&self, seed: u64) {
        let all = [&self.order, &self.storage, &self.network, &self.server, &self.engine];
        for (part, dice) in (1..).zip(all) {
            dice.reseed(mix(seed, part));
        }
    }
}

/// What everything in a world shares.
pub struct Commons {
    pub journal: Journal,
    pub weather: Arc<Weather>,
    pub executor: Rc<Executor>,
    pub dice: AllDice,
    pub server: Server,
    pub books: Rc<RefCell<Books>>,
    /// What the app stores, by its release.
    schemas: [Rc<Schema>; 2],
}

impl Commons {
    #[must_use]
    pub fn schema(&self, release: Release) -> Rc<Schema> {
        match release {
            Release::Old => Rc::clone(&self.schemas[0]),
            Release::New => Rc::clone(&self.schemas[1]),
        }
    }
}

/// See the [module](self).
pub struct World {
    pub commons: Rc<Commons>,
    pub devices: Vec<Rc<Device>>,
}

impl World {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(schedule: &Schedule, keeps_lines: bool) -> Self {
        let dice = AllDice::new();
        dice.reseed(schedule.seed);
        let executor = Executor::new(Arc::clone(&dice.order));
        let journal = Journal::new(executor.time.clone(), keeps_lines);
        let weather = Weather::new(&schedule.faults);
        let store = SimStore::new(Arc::clone(&dice.server), Arc::clone(&weather), executor.time.clone());
        let books = Rc::new(RefCell::new(Books::new(journal.clone(), store.clone())));
        let server = Server::new(store, schedule.batch_max, schedule.page_rows_max);
        let schemas =
            [Release::Old, Release::New].map(|release| Rc::new(schema_of(release, schedule.has_barrier)));
        let commons = Rc::new(Commons { journal, weather, executor, dice, server, books, schemas });
        let devices = (0..schedule.devices).map(|number| Device::new(number, &commons)).collect();
        Self { commons, devices }
    }

    /// Enters in books and shadows what has happened since, and judges it.
    pub fn observe(&self) {
        for device in &self.devices {
            device.observe();
        }
        self.commons.books.borrow_mut().bring_up_to_date();
    }
}
