//! The engine's ports: a log in memory, a clock that ticks, and a server that applies everything.

use std::cell::Cell;

use landfall_core::{
    decide::{Command, Done, WriteOptions},
    engine::{Engine, Identity},
    log::entry::Id,
    ports::{Clock, Durability, Event, Lease, Ports, Random, Remote, RemoteError, Signals},
    protocol::{Applied, Download, OperationResult, Outcome, Page, Upload, UploadAnswer},
    pull::Plan,
};

use super::{
    body::Handle,
    log::Shelf,
    records::{page, schema},
};

/// A remote that applies everything, and has nothing to say.
#[derive(Default)]
pub(crate) struct Obliging(Cell<u64>);

impl Remote<Handle> for Obliging {
    async fn push(&self, upload: &Upload<Handle>) -> Result<UploadAnswer<Handle>, RemoteError> {
        let results = upload.operations.iter().map(|operation| {
            self.0.set(self.0.get() + 1);
            let applied =
                Applied { record_id: self.0.get().to_string(), version: 1, updated_at: 1, record: None };
            OperationResult::new(operation.id.clone(), Outcome::Applied(applied))
        });
        Ok(UploadAnswer {
            protocol: 1,
            epoch: "e".to_owned(),
            server_time: 1,
            results: results.collect(),
            id_mappings: Vec::new(),
        })
    }

    async fn pull(&self, _: &Download) -> Result<Page<Handle>, RemoteError> {
        Ok(page(0, 0))
    }
}

pub(crate) struct Alone;

impl Lease for Alone {
    type Held = ();

    async fn try_acquire(&self) -> Option<()> {
        Some(())
    }

    async fn acquire(&self) {}
}

#[derive(Default)]
pub(crate) struct World {
    log: Shelf,
    remote: Obliging,
    ticks: Cell<u64>,
}

impl Clock for World {
    fn now_ms(&self) -> u64 {
        1_760_000_000_000 + self.elapsed_ms()
    }

    fn elapsed_ms(&self) -> u64 {
        self.ticks.set(self.ticks.get() + 1);
        self.ticks.get()
    }
}

impl Random for World {
    fn bits(&self) -> u64 {
        self.elapsed_ms().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Signals for World {
    fn announce(&self, _: u64) {}
}

impl Ports for World {
    type Body = Handle;
    type Log = Shelf;
    type Remote = Obliging;
    type Lease = Alone;

    fn log(&self) -> &Shelf {
        &self.log
    }

    fn remote(&self) -> &Obliging {
        &self.remote
    }

    fn lease(&self) -> &Alone {
        &Alone
    }

    fn clock(&self) -> &dyn Clock {
        self
    }

    fn random(&self) -> &dyn Random {
        self
    }

    fn signals(&self) -> &dyn Signals {
        self
    }

    fn event(&self, _: Event) {}

    async fn sleep_ms(&self, ms: u64) {
        // The pauses of a compaction are not waited for; a request's time limit never comes.
        if ms > 0 {
            std::future::pending::<()>().await;
        }
    }
}

pub(crate) async fn open() -> Engine<World> {
    open_on(&World::default()).await
}

/// Opens the store of a world once more.
pub(crate) async fn open_on(world: &World) -> Engine<World> {
    let identity = Identity { tenant: "acme".into(), principal: "u7".into() };
    let world = World { log: world.log.clone(), ..World::default() };
    Engine::open(world, schema(), identity).await.expect("a store in memory opens")
}

pub(crate) async fn create(engine: &Engine<World>, table: &str, records: Vec<Handle>) -> Vec<Id> {
    let options = WriteOptions::default();
    let command = Command::Create { table: table.into(), records, is_list: true, options };
    match engine.submit(command, Durability::Relaxed).await {
        Ok(Done::Written(ids)) => ids,
        other => unreachable!("{other:?}"),
    }
}

/// Takes a page in as the next one.
pub(crate) async fn pull(engine: &Engine<World>, page: Page<Handle>) {
    let rows = page.entities.len();
    let plan = Plan::new(engine.schema(), None);
    let set = plan.set_of("tasks").expect("the tables are pulled together").clone();
    let (from, heard) = {
        let state = engine.state();
        (state.cursor(&set.key).cloned(), state.heard(&set.tables))
    };
    let done = engine.submit(Command::Pull { set, from, heard, page }, Durability::Relaxed).await;
    assert_eq!(done, Ok(Done::Pulled(Some(rows))));
}

/// A store with so many tasks, all of them in segments.
pub(crate) async fn fill(count: u64) -> World {
    const PAGE_ROWS: u64 = 1_000;
    let world = World::default();
    let engine = open_on(&world).await;
    for from in (0..count).step_by(1_000) {
        pull(&engine, page(from, PAGE_ROWS.min(count - from))).await;
    }
    assert_eq!(engine.compact().await, Ok(true));
    world
}
