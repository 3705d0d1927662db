//! A server in memory, and devices whose requests reach it, or do not.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use landfall_core::{
    decide::{Command, Done, WriteOptions},
    engine::{Engine, Identity, Report},
    error::Error,
    ids::temporary_id,
    log::{
        entry::{Id, Mutation},
        memory::MemoryLog,
    },
    ports::{Clock, Durability, Event, Lease, Ports, Random, Remote, RemoteError, Signals},
    protocol::{Download, Operation, OperationKind, OperationResult, Page, Status, Upload, UploadAnswer},
    schema::Schema,
};
use landfall_server::{
    decisions::{
        Caller, Refusal, Role, Rules, download,
        port::{Store, Transaction},
        upload,
    },
    store::memory::MemoryStore,
};
use serde_json::{Value, json};

pub(crate) const DAY: u64 = 86_400_000;
pub(crate) const TABLES: [&str; 4] = ["projects", "steps", "tasks", "tools"];

/// A small generator that is the same everywhere (`SplitMix64`).
#[derive(Debug)]
pub(crate) struct Dice(Cell<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        Rc::new(Self(Cell::new(seed)))
    }

    pub(crate) fn roll(&self, sides: u64) -> u64 {
        self.bits() % sides
    }

    pub(crate) fn pick<T: Clone>(&self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()].clone()
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

/// Projects of the one who asks, with their steps and tasks; tools are everybody's. `pull`: by table.
pub(crate) fn schema_with(pull: &Value) -> Schema {
    let mut document = json!({ "version": 1,
        "scopes": { "mine": { "projects": { "owner": "$principal" } } },
        "tables": {
            "projects": { "fields": { "owner": "string", "name": "string?" } },
            "steps": { "fields": { "project_id": "string", "name": "string?" },
                "references": { "project_id": { "table": "projects", "onDelete": "cascade" } } },
            "tasks": { "fields": { "step_id": "string", "title": "string?", "status": "string?" },
                "references": { "step_id": { "table": "steps", "onDelete": "cascade" } } },
            "tools": { "fields": { "name": "string" } } } });
    for (table, rule) in pull.as_object().unwrap() {
        document["tables"][table]["pull"] = rule.clone();
    }
    Schema::parse(&document).unwrap()
}

pub(crate) fn schema() -> Schema {
    schema_with(&json!({}))
}

/// The server, and the time there.
pub(crate) struct Server {
    pub(crate) store: RefCell<MemoryStore>,
    pub(crate) rules: RefCell<Rules>,
    pub(crate) now: Cell<u64>,
    /// A task that somebody else changes right before each upload.
    pub(crate) contended: RefCell<Option<String>>,
    keys: Cell<u64>,
}

impl Server {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            store: RefCell::new(MemoryStore::new("epoch-1")),
            rules: RefCell::new(Rules::new(Some(schema()))),
            now: Cell::new(1_760_000_000_000),
            contended: RefCell::default(),
            keys: Cell::new(0),
        })
    }

    pub(crate) fn page_rows(&self, rows: u32) {
        self.rules.borrow_mut().page_rows_max = rows;
    }

    fn caller(principal: &str) -> Caller {
        Caller { principal: principal.into(), tenant: "acme".into(), role: Role::Editor }
    }

    pub(crate) async fn download(&self, principal: &str, request: Download) -> Result<Page<Value>, Refusal> {
        let (store, rules) = (self.store.borrow().clone(), self.rules.borrow().clone());
        self.now.set(self.now.get() + 1);
        download(&store, &rules, &Self::caller(principal), self.now.get(), request).await
    }

    pub(crate) async fn upload(
        &self,
        principal: &str,
        request: Upload<Value>,
    ) -> Result<UploadAnswer<Value>, Refusal> {
        let (store, rules) = (self.store.borrow().clone(), self.rules.borrow().clone());
        self.now.set(self.now.get() + 1);
        upload(&store, &rules, &Self::caller(principal), self.now.get(), request).await
    }

    /// Somebody else's change.
    pub(crate) async fn change(
        &self,
        operation: OperationKind,
        table: &str,
        id: &str,
        base_version: Option<u64>,
        data: Option<Value>,
    ) -> OperationResult<Value> {
        self.keys.set(self.keys.get() + 1);
        let operation = Operation {
            id: format!("other-{}", self.keys.get()),
            table: table.into(),
            record_id: id.into(),
            operation,
            base_version,
            base_updated_at: None,
            base_hash: None,
            base: None,
            data,
            unset: Vec::new(),
            timestamp: 1,
            first_sent_at: None,
            dependencies: Vec::new(),
        };
        let request = Upload {
            protocol: 1,
            principal: "other".into(),
            device_id: "device_0".into(),
            schema_version: 1,
            epoch: None,
            sent_at: 1,
            merge: false,
            operations: vec![operation],
        };
        self.upload("other", request).await.unwrap().results.remove(0)
    }

    pub(crate) async fn make(&self, table: &str, data: Value) -> String {
        let id = temporary_id(1, self.keys.get() + 1, table);
        let result = self.change(OperationKind::Create, table, &id, None, Some(data)).await;
        assert_eq!(result.status, Status::Applied, "{result:?}");
        result.record_id.unwrap()
    }

    pub(crate) async fn set(&self, table: &str, id: &str, data: Value) {
        let version = self.table().await[&(table.to_owned(), id.to_owned())].0;
        let result = self.change(OperationKind::Update, table, id, Some(version), Some(data)).await;
        assert_eq!(result.status, Status::Applied, "{result:?}");
    }

    pub(crate) async fn remove(&self, table: &str, id: &str) {
        let version = self.table().await[&(table.to_owned(), id.to_owned())].0;
        let result = self.change(OperationKind::Delete, table, id, Some(version), None).await;
        assert_eq!(result.status, Status::Applied, "{result:?}");
    }

    /// A project of this owner with a step and a task.
    pub(crate) async fn project(&self, owner: &str) -> [String; 3] {
        let project = self.make("projects", json!({ "owner": owner })).await;
        let step = self.make("steps", json!({ "project_id": project })).await;
        let task = self.make("tasks", json!({ "step_id": step, "title": "t", "status": "open" })).await;
        [project, step, task]
    }

    /// All that lives there: version and fields.
    pub(crate) async fn table(&self) -> Held {
        let store = self.store.borrow().clone();
        let rules = Rules { page_rows_max: 100_000, ..Rules::new(Some(schema())) };
        let request = Download {
            protocol: 1,
            principal: None,
            cursor: None,
            entity_types: TABLES.map(str::to_owned).to_vec(),
            scope: None,
            limit: Some(100_000),
            last_sync: None,
        };
        let page = download(&store, &rules, &Self::caller("other"), 1, request).await.unwrap();
        page.entities.into_iter().map(|row| ((row.table, row.id), (row.version, row.data))).collect()
    }

    /// What of it is in the scope `mine`.
    pub(crate) async fn mine(&self, principal: &str) -> Held {
        let all = self.table().await;
        let inside = |(table, id): &(String, String)| {
            let (mut table, mut id) = (table.clone(), id.clone());
            loop {
                let Some((_, data)) = all.get(&(table.clone(), id.clone())) else { return false };
                let (parent, field) = match table.as_str() {
                    "projects" => return data["owner"] == principal,
                    "steps" => ("projects", "project_id"),
                    "tasks" => ("steps", "step_id"),
                    _ => return true,
                };
                data[field].as_str().unwrap().clone_into(&mut id);
                parent.clone_into(&mut table);
            }
        };
        all.iter().filter(|(key, _)| inside(key)).map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    pub(crate) async fn backup(&self) -> MemoryStore {
        let store = self.store.borrow().clone();
        store.backup().await
    }

    /// Puts a backup in place of what is there.
    pub(crate) async fn restore(&self, backup: &MemoryStore, epoch: &str) {
        let restored = backup.backup().await;
        restored.renew_epoch(epoch).await;
        *self.store.borrow_mut() = restored;
    }

    /// Forgets what is older than 90 days.
    pub(crate) async fn purge(&self) {
        let store = self.store.borrow().clone();
        let mut transaction = store.begin().await.unwrap();
        transaction.purge(self.now.get() - 90 * DAY).await.unwrap();
        transaction.commit().await.unwrap();
    }
}

/// Version and fields, by table and id.
pub(crate) type Held = BTreeMap<(String, String), (u64, Value)>;

/// What becomes of a device's next requests, in turn; after the last of them all get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Through,
    LostOnTheWay,
    AnswerLost,
}

/// A device's way to the server.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) server: Rc<Server>,
    pub(crate) principal: Rc<str>,
    pub(crate) fates: Rc<RefCell<Vec<Fate>>>,
    /// The tables of each download that was sent.
    pub(crate) downloads: Rc<RefCell<Vec<Vec<String>>>>,
    /// How many requests are under way, and were at most.
    pub(crate) flying: Rc<Cell<(usize, usize)>>,
}

impl Way {
    async fn go<T>(&self, request: impl Future<Output = Result<T, Refusal>>) -> Result<T, RemoteError> {
        let fate = self.fates.borrow_mut().pop().unwrap_or(Fate::Through);
        let (now, most) = self.flying.get();
        self.flying.set((now + 1, most.max(now + 1)));
        turn().await;
        let answer = if fate == Fate::LostOnTheWay { None } else { Some(request.await) };
        let (now, most) = self.flying.get();
        self.flying.set((now - 1, most));
        match answer.filter(|_| fate != Fate::AnswerLost) {
            None => Err(RemoteError::Network("cut off".into())),
            Some(Ok(answer)) => Ok(answer),
            Some(Err(refusal)) => Err(RemoteError::Refused {
                status: refusal.code().http_status().unwrap_or(500),
                code: refusal.code().name().to_owned(),
                message: refusal.to_string(),
                retry_after_ms: None,
            }),
        }
    }
}

/// Lets others run.
async fn turn() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl Remote<Value> for Way {
    async fn push(&self, request: &Upload<Value>) -> Result<UploadAnswer<Value>, RemoteError> {
        let contended = self.server.contended.borrow().clone();
        if let Some(task) = contended {
            let title = format!("at {}", self.server.now.get());
            self.server.set("tasks", &task, json!({ "title": title })).await;
        }
        self.go(self.server.upload(&self.principal, request.clone())).await
    }

    async fn pull(&self, request: &Download) -> Result<Page<Value>, RemoteError> {
        self.downloads.borrow_mut().push(request.entity_types.clone());
        self.go(self.server.download(&self.principal, request.clone())).await
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

struct Silent;

impl Signals for Silent {
    fn announce(&self, _: u64) {}
}

/// A clock that is as wrong as a test likes.
pub(crate) struct WrongClock {
    server: Rc<Server>,
    pub(crate) ahead_ms: Rc<Cell<i64>>,
}

impl Clock for WrongClock {
    fn now_ms(&self) -> u64 {
        self.server.now.get().saturating_add_signed(self.ahead_ms.get())
    }

    fn elapsed_ms(&self) -> u64 {
        self.server.now.get()
    }
}

pub(crate) struct World {
    pub(crate) log: MemoryLog<Value>,
    pub(crate) way: Way,
    clock: WrongClock,
    dice: Rc<Dice>,
}

impl Ports for World {
    type Body = Value;
    type Log = MemoryLog<Value>;
    type Remote = Way;
    type Lease = Alone;

    fn log(&self) -> &Self::Log {
        &self.log
    }

    fn remote(&self) -> &Way {
        &self.way
    }

    fn lease(&self) -> &Alone {
        &Alone
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn random(&self) -> &dyn Random {
        &*self.dice
    }

    fn signals(&self) -> &dyn Signals {
        &Silent
    }

    fn event(&self, _: Event) {}

    async fn sleep_ms(&self, ms: u64) {
        // What is only to let others run takes no time here, and nobody gives up.
        if ms >= 1_000 {
            std::future::pending::<()>().await;
        }
    }
}

/// A device: its log outlives its contexts.
pub(crate) struct Device {
    pub(crate) log: MemoryLog<Value>,
    pub(crate) way: Way,
    pub(crate) ahead_ms: Rc<Cell<i64>>,
    pub(crate) schema: RefCell<Schema>,
    pub(crate) scope: Cell<Option<&'static str>>,
    dice: Rc<Dice>,
    engine: RefCell<Rc<Engine<World>>>,
}

impl Device {
    pub(crate) async fn new(
        server: &Rc<Server>,
        principal: &str,
        schema: Schema,
        scope: Option<&'static str>,
    ) -> Self {
        let way = Way {
            server: Rc::clone(server),
            principal: principal.into(),
            fates: Rc::default(),
            downloads: Rc::default(),
            flying: Rc::default(),
        };
        let (log, ahead_ms, dice) = (MemoryLog::default(), Rc::<Cell<i64>>::default(), Dice::new(7));
        let engine = open(&log, &way, &ahead_ms, &dice, &schema, scope).await;
        let (schema, scope, engine) = (RefCell::new(schema), Cell::new(scope), RefCell::new(engine));
        Self { log, way, ahead_ms, schema, scope, dice, engine }
    }

    pub(crate) fn engine(&self) -> Rc<Engine<World>> {
        Rc::clone(&self.engine.borrow())
    }

    /// Its tab dies, and another one is opened.
    pub(crate) async fn reopen(&self) {
        let schema = self.schema.borrow().clone();
        let engine = open(&self.log, &self.way, &self.ahead_ms, &self.dice, &schema, self.scope.get()).await;
        *self.engine.borrow_mut() = engine;
    }

    /// The fates of the next requests, the first one first.
    pub(crate) fn fated(&self, fates: &[Fate]) {
        *self.way.fates.borrow_mut() = fates.iter().rev().copied().collect();
    }

    pub(crate) async fn pass(&self) -> Report {
        let engine = self.engine();
        let report = engine.pass_now().await;
        self.fated(&[]);
        report
    }

    /// A pass that nothing hinders.
    pub(crate) async fn sync(&self) -> Report {
        let report = self.pass().await;
        assert_eq!(report.error, None);
        report
    }

    async fn submit(&self, command: Command<Value>) -> Result<Done, Error> {
        let engine = self.engine();
        engine.submit(command, Durability::Relaxed).await
    }

    pub(crate) async fn create(&self, table: &str, record: Value) -> String {
        let records = vec![record];
        let command = Command::Create {
            table: table.into(),
            records,
            is_list: false,
            options: WriteOptions::default(),
        };
        match self.submit(command).await.unwrap() {
            Done::Written(ids) => ids[0].to_string(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn update(&self, table: &str, id: &str, changes: Value) {
        let (table, id) = (table.into(), id.into());
        let command =
            Command::Update { table, id, changes, unset: Vec::new(), options: WriteOptions::default() };
        self.submit(command).await.unwrap();
    }

    pub(crate) async fn delete(&self, table: &str, id: &str) {
        self.submit(Command::Delete { table: table.into(), id: id.into(), options: WriteOptions::default() })
            .await
            .unwrap();
    }

    pub(crate) async fn discard(&self, mutation: &Id) {
        self.submit(Command::Discard { mutation: mutation.clone(), cascade: false }).await.unwrap();
    }

    pub(crate) async fn retry(&self, mutation: &Id) {
        self.submit(Command::Retry { mutation: mutation.clone(), changes: None, unset: Vec::new() })
            .await
            .unwrap();
    }

    pub(crate) fn outbox(&self) -> Vec<Rc<Mutation<Value>>> {
        self.engine().state().outbox.iter().cloned().collect()
    }

    /// The only mutation there is, and why it is parked.
    pub(crate) fn parked(&self) -> (Rc<Mutation<Value>>, String) {
        let [only] = &self.outbox()[..] else { panic!("{:?}", self.outbox()) };
        assert!(only.state.is_parked(), "{only:?}");
        (Rc::clone(only), only.error.as_ref().unwrap().code.clone())
    }

    /// The record as the app sees it.
    pub(crate) fn view(&self, table: &str, id: &str) -> Option<Value> {
        self.engine().state().table(table)?.view(id)
    }

    /// What it holds of the server's: version and fields.
    pub(crate) fn held(&self) -> Held {
        let engine = self.engine();
        let state = engine.state();
        let mut held = Held::new();
        for name in TABLES {
            for (id, record) in state.table(name).into_iter().flat_map(landfall_core::table::Table::iter) {
                if !record.deleted {
                    let row = (record.version.unwrap_or_default(), record.data.clone());
                    held.insert((name.to_owned(), id.to_string()), row);
                }
            }
        }
        held
    }
}

async fn open(
    log: &MemoryLog<Value>,
    way: &Way,
    ahead_ms: &Rc<Cell<i64>>,
    dice: &Rc<Dice>,
    schema: &Schema,
    scope: Option<&str>,
) -> Rc<Engine<World>> {
    let clock = WrongClock { server: Rc::clone(&way.server), ahead_ms: Rc::clone(ahead_ms) };
    let world = World { log: log.clone(), way: way.clone(), clock, dice: Rc::clone(dice) };
    let identity = Identity { tenant: "acme".into(), principal: Id::from(&*way.principal) };
    let engine = Engine::open(world, Rc::new(schema.clone()), identity).await.unwrap();
    engine.set_pull_scope(scope).unwrap();
    engine.load_tables(&TABLES.map(Id::from)).await.unwrap();
    Rc::new(engine)
}
