//! A device: people who sign in on it, a database for each of them, and contexts that come and die.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use landfall_core::{
    engine::{Engine, Identity},
    error::Error,
    log::entry::Id,
};

use super::{
    Commons,
    context::{Context, SkewedClock, Surroundings},
    database::Database,
    network::Connection,
    schema::Release,
    storage::Storage,
};
use crate::executor::Owner;

/// Two tabs and a worker.
pub const CONTEXTS: usize = 3;
/// Who may sign in on a device. The second one uses several devices.
pub const USERS: usize = 2;
pub const TENANT: &str = "acme";

/// What a device's contexts share, and the network with them.
#[derive(Default)]
pub struct Condition {
    pub is_offline: Cell<bool>,
    /// The server does not take its token until somebody signs in again.
    pub is_refused: Cell<bool>,
    /// Who is signed in: a number below [`USERS`].
    pub user: Cell<usize>,
    /// How many requests it has sent, and the latest of them that has arrived.
    pub sent: Cell<u64>,
    pub arrived: Cell<u64>,
}

pub struct Device {
    pub number: usize,
    pub condition: Rc<Condition>,
    pub databases: Vec<Rc<Database>>,
    /// A dead one's place is empty.
    pub contexts: RefCell<Vec<Option<Context>>>,
    is_full: Rc<Cell<bool>>,
    /// By context.
    skews_ms: Vec<Rc<Cell<i64>>>,
    commons: Rc<Commons>,
}

/// A principal's name. The first user of each device is nobody else's; the second is the same person everywhere.
#[must_use]
pub fn principal(device: usize, user: usize) -> String {
    if user == 0 { format!("user{device}") } else { "everywhere".to_owned() }
}

impl Device {
    #[must_use]
    pub fn new(number: usize, commons: &Rc<Commons>) -> Rc<Self> {
        let database = |user| Database::new(number * USERS + user, &principal(number, user), commons);
        Rc::new(Self {
            number,
            condition: Rc::default(),
            databases: (0..USERS).map(database).collect(),
            contexts: RefCell::new(vec![None; CONTEXTS]),
            is_full: Rc::default(),
            skews_ms: (0..CONTEXTS).map(|_| Rc::default()).collect(),
            commons: Rc::clone(commons),
        })
    }

    #[must_use]
    pub fn owner(&self, slot: usize) -> Owner {
        Owner::try_from(self.number * CONTEXTS + slot).unwrap_or_default()
    }

    #[must_use]
    pub fn context(&self, slot: usize) -> Option<Context> {
        self.contexts.borrow()[slot].clone()
    }

    /// An engine on the database of one of its users, as a tab or a worker that starts.
    pub async fn open(&self, slot: usize, user: usize, release: Release) -> Result<Context, Error> {
        let database = Rc::clone(&self.databases[user]);
        let skew_ms = Rc::clone(&self.skews_ms[slot]);
        let storage = Storage {
            commons: Rc::clone(&self.commons),
            database: Rc::clone(&database),
            is_full: Rc::clone(&self.is_full),
            log: database.log.clone(),
        };
        let connection = Connection {
            commons: Rc::clone(&self.commons),
            condition: Rc::clone(&self.condition),
            device: self.number,
            database: Rc::clone(&database),
        };
        let surroundings = Surroundings {
            storage,
            connection,
            clock: SkewedClock { commons: Rc::clone(&self.commons), skew_ms: Rc::clone(&skew_ms) },
            commons: Rc::clone(&self.commons),
        };
        let identity = Identity { tenant: TENANT.into(), principal: Id::from(&*database.principal) };
        let engine = Engine::open(surroundings, self.commons.schema(release), identity).await?;
        Ok(Context { engine: Rc::new(engine), database, release, skew_ms, seen: Rc::default() })
    }

    /// A tab closes, or dies: nothing in memory is left of it.
    pub fn end(&self, slot: usize) {
        self.commons.executor.kill(self.owner(slot));
        self.contexts.borrow_mut()[slot] = None;
    }

    /// Its clocks: all of them, or one context's.
    pub fn set_skew_ms(&self, slot: Option<usize>, skew_ms: i64) {
        for (at, skew) in self.skews_ms.iter().enumerate() {
            if slot.is_none_or(|slot| slot == at) {
                skew.set(skew_ms);
            }
        }
    }

    /// No room is left at all, or so many bytes in each database; `None`: there is room again.
    pub fn set_room(&self, room: Option<u64>) {
        self.is_full.set(room == Some(0));
        for database in &self.databases {
            let log = &database.log;
            log.set_quota(room.filter(|room| *room > 0).map(|room| log.usage() + room));
        }
    }

    pub fn observe(&self) {
        for database in &self.databases {
            database.observe();
        }
    }
}
