//! The engine over a store in memory: several contexts, one log.

mod activity;
mod bearings;
mod explain;
mod fold;
mod health;
mod ids;
mod orphans;
mod outbox;
mod passes;
mod peeks;
mod pulls;
mod releases;
mod restored;
mod rollups;
mod rollups_model;
mod room;
mod schemas;
mod volume;
mod writes;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    task::{Poll, Waker},
};

use futures_executor::LocalPool;
use serde_json::{Value, json};

use super::{Engine, Held, Identity};
use crate::{
    decide::{Command, Done, WriteOptions},
    error::Error,
    log::memory::{MemoryLog, Yields},
    ports::{Clock, Durability, Event, Lease, Ports, Random, Remote, RemoteError, Signals, Terms},
    protocol::{Download, Page, Upload, UploadAnswer},
    schema::Schema,
};

/// A small generator that is the same everywhere (`SplitMix64`).
#[derive(Debug)]
struct Dice(Cell<u64>);

impl Dice {
    fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self(Cell::new(seed)))
    }

    fn roll(&self, sides: u64) -> u64 {
        self.bits() % sides
    }
}

impl Random for Dice {
    fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Yields for Dice {
    fn turns(&self) -> u32 {
        u32::try_from(self.roll(4)).unwrap()
    }
}

/// A clock that people set, one that they do not, and who sleeps by it.
#[derive(Debug, Default)]
struct TestClock {
    set: Cell<u64>,
    elapsed: Cell<u64>,
    sleepers: RefCell<Vec<Waker>>,
}

impl TestClock {
    fn set_back(&self, ms: u64) {
        self.set.set(self.set.get().wrapping_sub(ms));
    }

    fn set_forward(&self, ms: u64) {
        self.set.set(self.set.get().wrapping_add(ms));
    }

    /// Time goes by.
    fn pass(&self, ms: u64) {
        self.set_forward(ms);
        self.elapsed.set(self.elapsed.get() + ms);
        self.sleepers.take().into_iter().for_each(Waker::wake);
    }

    async fn sleep(&self, ms: u64) {
        let until = self.elapsed.get() + ms;
        std::future::poll_fn(|context| {
            if self.elapsed.get() >= until {
                return Poll::Ready(());
            }
            self.sleepers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.set_forward(1);
        self.set.get().wrapping_add(1_760_000_000_000)
    }

    fn elapsed_ms(&self) -> u64 {
        self.elapsed.get()
    }
}

type Answers<Q, A> = RefCell<VecDeque<Box<dyn FnOnce(Q) -> Result<A, RemoteError>>>>;

/// A remote that answers what the test says, in turn, and is unreachable after that.
#[derive(Default)]
struct Script {
    pushes: Answers<Upload<Value>, UploadAnswer<Value>>,
    pulls: Answers<Download, Page<Value>>,
    pushed: RefCell<Vec<Upload<Value>>>,
    /// It answers never.
    hangs: Cell<bool>,
    terms: Cell<Terms>,
}

fn unreachable<T>() -> Result<T, RemoteError> {
    Err(RemoteError::Network("the script is at its end".to_owned()))
}

impl Remote<Value> for Rc<Script> {
    async fn push(&self, upload: &Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
        self.pushed.borrow_mut().push(upload.clone());
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        let answer = self.pushes.borrow_mut().pop_front();
        answer.map_or_else(unreachable, |answer| answer(upload.clone()))
    }

    async fn pull(&self, download: &Download) -> Result<Page<Value>, RemoteError> {
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        let answer = self.pulls.borrow_mut().pop_front();
        answer.map_or_else(unreachable, |answer| answer(download.clone()))
    }

    fn terms(&self) -> Terms {
        self.terms.get()
    }
}

/// A lease that nobody else wants, unless another context keeps it for ever.
#[derive(Default)]
struct TestLease {
    kept_elsewhere: Cell<bool>,
    held: Rc<Cell<bool>>,
}

struct HeldLease(Rc<Cell<bool>>);

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Lease for TestLease {
    type Held = HeldLease;

    async fn try_acquire(&self) -> Option<HeldLease> {
        let free = !self.kept_elsewhere.get() && !self.held.replace(true);
        free.then(|| HeldLease(Rc::clone(&self.held)))
    }

    async fn acquire(&self) -> HeldLease {
        match self.try_acquire().await {
            Some(held) => held,
            None => std::future::pending().await,
        }
    }
}

struct Silent;

impl Signals for Silent {
    fn announce(&self, _: u64) {}
}

struct World {
    log: MemoryLog<Value>,
    remote: Rc<Script>,
    clock: Rc<TestClock>,
    dice: Rc<Dice>,
    lease: TestLease,
    events: RefCell<Vec<Event>>,
}

impl Ports for World {
    type Body = Value;
    type Log = MemoryLog<Value>;
    type Remote = Rc<Script>;
    type Lease = TestLease;

    fn log(&self) -> &Self::Log {
        &self.log
    }

    fn remote(&self) -> &Self::Remote {
        &self.remote
    }

    fn lease(&self) -> &TestLease {
        &self.lease
    }

    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn random(&self) -> &dyn Random {
        &*self.dice
    }

    fn signals(&self) -> &dyn Signals {
        &Silent
    }

    fn event(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    async fn sleep_ms(&self, ms: u64) {
        // What is only to let others run takes no time here.
        if ms >= 1_000 {
            self.clock.sleep(ms).await;
        }
    }
}

fn schema() -> Rc<Schema> {
    Rc::new(Schema::parse(&document()).unwrap())
}

fn document() -> Value {
    json!({ "version": 1, "tables": {
        "projects": { "fields": { "name": "string" } },
        "steps": { "fields": { "project_id": "string", "name": "string" },
                   "references": { "project_id": { "table": "projects", "onDelete": "refuse" } } },
        "tasks": { "fields": { "step_id": "string", "title": "string", "status": "string?", "notes": "json?" },
                   "references": { "step_id": { "table": "steps", "onDelete": "cascade" } }, "indexes": ["status"] },
        "assets": { "fields": { "name": "string" }, "ids": "uuid" } } })
}

fn world(log: &MemoryLog<Value>, remote: &Rc<Script>, dice: &Rc<Dice>) -> World {
    World {
        log: log.clone(),
        remote: Rc::clone(remote),
        clock: Rc::default(),
        dice: Rc::clone(dice),
        lease: TestLease::default(),
        events: RefCell::default(),
    }
}

fn identity() -> Identity {
    Identity { tenant: "acme".into(), principal: "u7".into() }
}

/// Another context of the same database.
async fn open(log: &MemoryLog<Value>, remote: &Rc<Script>, dice: &Rc<Dice>) -> Rc<Engine<World>> {
    open_with(schema(), log, remote, dice).await
}

/// The same under another schema.
async fn open_with(
    schema: Rc<Schema>,
    log: &MemoryLog<Value>,
    remote: &Rc<Script>,
    dice: &Rc<Dice>,
) -> Rc<Engine<World>> {
    Rc::new(Engine::open(world(log, remote, dice), schema, identity()).await.unwrap())
}

fn run<T>(test: impl Future<Output = T>) -> T {
    LocalPool::new().run_until(test)
}

async fn create(engine: &Engine<World>, table: &str, record: Value) -> Result<String, Error> {
    let command = Command::Create {
        table: table.into(),
        records: vec![record],
        is_list: false,
        options: WriteOptions::default(),
    };
    match engine.submit(command, Durability::Relaxed).await? {
        Done::Written(ids) => Ok(ids[0].to_string()),
        other => panic!("{other:?}"),
    }
}

async fn update(engine: &Engine<World>, table: &str, id: &str, changes: Value) -> Result<(), Error> {
    let command = Command::Update {
        table: table.into(),
        id: id.into(),
        changes,
        unset: Vec::new(),
        options: WriteOptions::default(),
    };
    engine.submit(command, Durability::Relaxed).await.map(|_| ())
}

async fn delete(engine: &Engine<World>, table: &str, id: &str) -> Result<(), Error> {
    let command = Command::Delete { table: table.into(), id: id.into(), options: WriteOptions::default() };
    engine.submit(command, Durability::Relaxed).await.map(|_| ())
}

fn view(engine: &Engine<World>, table: &str, id: &str) -> Option<Value> {
    engine.state().table(table)?.view(id)
}
