//! A device: one database, several contexts that come and die, and a user who notes what was acknowledged.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use landfall_core::{
    decide::{Command, Done, WriteOptions},
    engine::{Engine, Identity},
    error::Error,
    log::{
        entry::Id,
        memory::{Fault, MemoryLog},
    },
    ports::{Clock, Durability, Event, Lease, Ports, Random, Signals},
    schema::Schema,
};
use serde_json::{Value, json};

use crate::{
    dice::Dice,
    executor::{Executor, Owner},
    network::Network,
};

pub const TABLES: [&str; 3] = ["folders", "notes", "tasks"];

/// Folders and notes belong to the device that made them; tasks are everybody's.
#[must_use]
pub fn schema() -> Schema {
    let document = json!({ "version": 1, "tables": {
        "folders": { "fields": { "name": "string" } },
        "notes": { "fields": { "folder_id": "string", "text": "string", "pinned": "boolean?" },
                   "references": { "folder_id": { "table": "folders", "onDelete": "refuse" } } },
        "tasks": { "fields": { "title": "string", "status": "string?" }, "indexes": ["status"],
                   "priority": { "default": "low", "fields": { "status": "high" } } } } });
    match Schema::parse(&document) {
        Ok(schema) => schema,
        Err(error) => unreachable!("the simulator's own schema: {error}"),
    }
}

/// A clock that is off by as much as it likes, and jumps.
pub struct SkewedClock {
    executor: Rc<Executor>,
    pub skew_ms: Rc<Cell<u64>>,
}

impl Clock for SkewedClock {
    fn now_ms(&self) -> u64 {
        self.executor.time.now_ms() + self.skew_ms.get()
    }
}

/// The lease of one device's contexts.
#[derive(Clone)]
pub struct DeviceLease {
    taken: Rc<Cell<bool>>,
    executor: Rc<Executor>,
}

pub struct Held(Rc<Cell<bool>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Lease for DeviceLease {
    type Held = Held;

    async fn try_acquire(&self) -> Option<Held> {
        (!self.taken.replace(true)).then(|| Held(Rc::clone(&self.taken)))
    }

    async fn acquire(&self) -> Held {
        loop {
            if let Some(held) = self.try_acquire().await {
                return held;
            }
            self.executor.time.sleep_ms(50).await;
        }
    }
}

/// Contexts hear of each other only when they look: signals may always be lost.
struct NoSignals;

impl Signals for NoSignals {
    fn announce(&self, _: u64) {}
}

pub struct World {
    log: MemoryLog<Value>,
    network: Network,
    lease: DeviceLease,
    clock: SkewedClock,
    dice: Rc<Dice>,
}

impl Ports for World {
    type Body = Value;
    type Log = MemoryLog<Value>;
    type Remote = Network;
    type Lease = DeviceLease;

    fn log(&self) -> &Self::Log {
        &self.log
    }

    fn remote(&self) -> &Network {
        &self.network
    }

    fn lease(&self) -> &DeviceLease {
        &self.lease
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn random(&self) -> &dyn Random {
        &*self.dice
    }

    fn signals(&self) -> &dyn Signals {
        &NoSignals
    }

    fn event(&self, _: Event) {}

    async fn sleep_ms(&self, ms: u64) {
        self.network.executor.time.sleep_ms(ms).await;
    }
}

pub type Context = Rc<Engine<World>>;

/// What the user of a device may expect of a record that only this device writes.
#[derive(Clone, Debug)]
pub struct Expected {
    pub table: &'static str,
    /// The field that is written, and the values it may have: more than one where a crash kept the answer back.
    pub text: Vec<String>,
    /// Deleted for certain, or perhaps.
    pub deleted: bool,
    pub perhaps_deleted: bool,
    /// A write of it is under way.
    busy: bool,
}

pub struct Device {
    pub name: String,
    first_owner: Owner,
    pub log: MemoryLog<Value>,
    network: Network,
    lease: DeviceLease,
    pub skew_ms: Rc<Cell<u64>>,
    /// The contexts that live; a dead one's place is empty.
    pub contexts: RefCell<Vec<Option<Context>>>,
    /// By the id under which it was created.
    pub expected: RefCell<BTreeMap<String, Expected>>,
    /// Which context is writing to which record.
    writing: RefCell<Vec<(usize, String)>>,
}

impl Device {
    #[must_use]
    pub fn new(number: usize, network: Network) -> Rc<Self> {
        let executor = Rc::clone(&network.executor);
        let yields = Rc::clone(&network.dice) as Rc<dyn landfall_core::log::memory::Yields>;
        Rc::new(Self {
            name: format!("device {number}"),
            first_owner: number * 10,
            log: MemoryLog::new(yields),
            lease: DeviceLease { taken: Rc::default(), executor },
            skew_ms: Rc::new(Cell::new(1_760_000_000_000)),
            contexts: RefCell::new(vec![None, None]),
            expected: RefCell::default(),
            writing: RefCell::default(),
            network,
        })
    }

    #[must_use]
    pub fn owner(&self, slot: usize) -> Owner {
        self.first_owner + slot
    }

    /// An engine on this device's database, as a tab or a worker that starts.
    pub async fn open(&self) -> Result<Context, Error> {
        let world = World {
            log: self.log.clone(),
            network: self.network.clone(),
            lease: self.lease.clone(),
            clock: SkewedClock {
                executor: Rc::clone(&self.network.executor),
                skew_ms: Rc::clone(&self.skew_ms),
            },
            dice: Rc::clone(&self.network.dice),
        };
        let identity = Identity { tenant: "acme".into(), principal: Id::from(&*self.network.principal) };
        Engine::open(world, Rc::new(schema()), identity).await.map(Rc::new)
    }

    /// A tab closes, or the browser dies: nothing in memory is left of it.
    pub fn crash(&self, slot: usize) {
        self.network.executor.kill(self.owner(slot));
        if let Some(context) = self.contexts.borrow_mut().get_mut(slot) {
            *context = None;
        }
    }

    /// A context begins to write to a record.
    pub fn begin(&self, slot: usize, id: &str) {
        self.writing.borrow_mut().push((slot, id.to_owned()));
    }

    /// It heard how that ended.
    pub fn end(&self, slot: usize, id: &str) {
        self.writing.borrow_mut().retain(|(at, of)| (*at, of.as_str()) != (slot, id));
    }

    /// What was under way when a context died is no longer.
    pub fn forget_unfinished(&self, slot: usize) {
        let unfinished = self.writing.take();
        for (at, id) in unfinished {
            if at == slot {
                self.set_busy(&id, false);
            } else {
                self.writing.borrow_mut().push((at, id));
            }
        }
    }

    /// A record of this device alone that nobody is writing to.
    #[must_use]
    pub fn pick_own(&self, table: &str) -> Option<String> {
        let expected = self.expected.borrow();
        let free: Vec<&String> = expected
            .iter()
            .filter(|(_, e)| e.table == table && !e.busy && !e.deleted && !e.perhaps_deleted)
            .map(|(id, _)| id)
            .collect();
        self.network.dice.pick(&free).map(|id| (*id).clone())
    }

    fn set_busy(&self, id: &str, busy: bool) {
        if let Some(expected) = self.expected.borrow_mut().get_mut(id) {
            expected.busy = busy;
        }
    }

    /// The user makes a record; it counts once it is acknowledged.
    pub async fn create_own(&self, context: &Context, table: &'static str, data: Value, text: String) {
        let records = vec![data];
        let command = Command::Create {
            table: table.into(),
            records,
            is_list: false,
            options: WriteOptions::default(),
        };
        if let Ok(Done::Written(ids)) = context.submit(command, Durability::Relaxed).await {
            let expected =
                Expected { table, text: vec![text], deleted: false, perhaps_deleted: false, busy: false };
            self.expected.borrow_mut().insert(ids[0].to_string(), expected);
        }
    }

    /// The user changes a record of this device; the id is the one it was created with.
    pub async fn update_own(&self, context: &Context, id: &str, text: String) -> Result<(), Error> {
        let (table, field) = {
            let mut expected = self.expected.borrow_mut();
            let Some(entry) = expected.get_mut(id) else { return Ok(()) };
            entry.busy = true;
            entry.text.push(text.clone());
            (entry.table, if entry.table == "folders" { "name" } else { "text" })
        };
        let changes = json!({ field: text });
        let command = Command::Update {
            table: table.into(),
            id: id.into(),
            changes,
            unset: Vec::new(),
            options: WriteOptions::default(),
        };
        let done = context.submit(command, Durability::Relaxed).await;
        if let Some(entry) = self.expected.borrow_mut().get_mut(id) {
            match &done {
                Ok(_) => entry.text = vec![text],
                Err(Error::QuotaExceeded) => {
                    entry.text.pop();
                }
                Err(_) => {}
            }
        }
        self.set_busy(id, false);
        done.map(|_| ())
    }

    /// The user deletes a record of this device.
    pub async fn delete_own(&self, context: &Context, id: &str) {
        let table = {
            let mut expected = self.expected.borrow_mut();
            let Some(entry) = expected.get_mut(id) else { return };
            entry.busy = true;
            entry.perhaps_deleted = true;
            entry.table
        };
        let command =
            Command::Delete { table: table.into(), id: id.into(), options: WriteOptions::default() };
        let done = context.submit(command, Durability::Relaxed).await;
        if let Some(entry) = self.expected.borrow_mut().get_mut(id) {
            match done {
                Ok(_) => entry.deleted = true,
                Err(Error::QuotaExceeded | Error::ReferenceInUse { .. }) => entry.perhaps_deleted = false,
                Err(_) => {}
            }
        }
        self.set_busy(id, false);
    }

    /// The next append of a living context meets with a fault.
    pub fn break_storage(&self) {
        let contexts = self.contexts.borrow();
        let living: Vec<&Context> = contexts.iter().flatten().collect();
        let Some(context) = self.network.dice.pick(&living) else { return };
        let (name, fault) = match self.network.dice.roll(3) {
            0 => ("no room", Fault::Quota),
            1 => ("written, unheard", Fault::WrittenUnheard),
            _ => ("lost, unheard", Fault::LostUnheard),
        };
        self.network.count(name);
        context.ports().log.fail_next(fault);
    }
}
