//! The engine: the decisions, walked through the ports.
//!
//! What happens to one write, in order. [`Engine::submit`] queues the command; whoever holds the gate to the store takes all
//! that has gathered, decides it into one entry, and appends it ([`commit`]). Once the entry is known to be valid it is
//! folded, the other contexts are told, and each caller gets its answer. A pass ([`pass`]) marks what it is about to send
//! by the same road, and brings answers and pages back by it. Old entries become segments in [`compact`].
//!
//! Nothing lives only in memory: an engine can be dropped at any await, and another one be opened on the same log.

mod commit;
mod compact;
mod conflicts;
mod explain;
mod health;
mod hierarchy;
mod load;
mod outlook;
mod pass;
mod peek;
mod room;
mod status;
mod vitals;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, Ref, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use futures_util::lock::Mutex;

pub use self::{
    conflicts::{
        Class, ConflictFilter, ConflictPage, ConflictStats, ConflictView, Order, PreviewView, Resolution,
        Standing as ConflictStanding, Tally as ConflictTally,
    },
    explain::{Next, Outstanding, Presence, Story, TheirVersion, Told, Waiting},
    health::{Health, Oldest, QUIET_MS_MAX, Reason, Stuck, TableHealth, Why},
    pass::Report,
    status::{Failure, Held, Status},
};
use crate::{
    clock::Session,
    decide::{Writer, mint::Mint},
    error::Error,
    live::LiveQueries,
    log::{
        codec::pack_entry,
        entry::{Change, Entry, Id, Mark, Position},
        manifest::Manifest,
        release::{Release, Standing},
    },
    ports::{Event, Log, Ports},
    pull::Plan,
    schema::Schema,
    sorted::SortedMap,
    state::{Meta, State},
};

/// Whose database this is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub tenant: Id,
    pub principal: Id,
}

/// One context's engine over one database.
pub struct Engine<P: Ports> {
    ports: P,
    schema: Rc<Schema>,
    release: Release,
    standing: Standing,
    writer: Writer,
    state: RefCell<State<P::Body>>,
    /// Queries that somebody watches.
    pub live: RefCell<LiveQueries>,
    /// How many records of tables that are not in memory were looked up, by table.
    peeks: RefCell<SortedMap<Id, u32>>,
    /// Records that changed since somebody last asked, by table.
    touched: RefCell<SortedMap<Id, Vec<Id>>>,
    /// Held while the store is read into the state or appended to, so that the state moves in the order of the log.
    gate: Mutex<()>,
    queue: RefCell<VecDeque<commit::Waiting<P::Body>>>,
    /// The manifest that was read last.
    contents: RefCell<Rc<Manifest>>,
    /// Entries and rows folded since the last compaction that this context knows of.
    grown: Cell<compact::Grown>,
    space: Cell<room::Space>,
    /// Why nothing is written any more: the log is damaged, or a newer release writes it.
    stopped: RefCell<Option<Error>>,
    status: RefCell<Status>,
    pacing: RefCell<pass::pacing::Pacing>,
    vitals: RefCell<vitals::Vitals>,
    pulling: pass::pull::Pulling,
    session: Cell<Session>,
}

impl<P: Ports> Engine<P> {
    /// Opens the database, and makes it if there is none. Tables are loaded when they are first used.
    pub async fn open(ports: P, schema: Rc<Schema>, identity: Identity) -> Result<Self, Error> {
        Self::open_as(Release::default(), ports, schema, identity).await
    }

    /// Opens it as another release of the engine would: for tests and the simulator.
    pub async fn open_as(
        release: Release,
        ports: P,
        schema: Rc<Schema>,
        identity: Identity,
    ) -> Result<Self, Error> {
        let standing = Standing::new(release, &schema);
        let writer = Writer {
            principal: identity.principal,
            schema_version: schema.version,
            functions: ports.functions(),
        };
        let engine = Self {
            pulling: pass::pull::Pulling::new(Plan::new(&schema, None)),
            state: RefCell::new(State::new(Rc::clone(&schema))),
            ports,
            schema,
            release,
            standing,
            writer,
            live: RefCell::new(LiveQueries::new()),
            peeks: RefCell::default(),
            touched: RefCell::default(),
            gate: Mutex::new(()),
            queue: RefCell::default(),
            contents: RefCell::default(),
            grown: Cell::default(),
            space: Cell::default(),
            stopped: RefCell::default(),
            status: RefCell::default(),
            pacing: RefCell::default(),
            vitals: RefCell::default(),
            session: Cell::default(),
        };
        engine.ports.log().open(pack_entry(&engine.genesis(&identity.tenant))?).await?;
        let gate = engine.gate.lock().await;
        engine.reload(&[]).await?;
        engine.check_running()?;
        engine.announce_release().await;
        drop(gate);
        engine.check_running()?;
        // A store without room is no reason not to open: the next write tries again.
        let _ = engine.keep_rollups().await;
        Ok(engine)
    }

    /// Entry 1: a new database's own facts.
    fn genesis(&self, tenant: &Id) -> Entry<P::Body> {
        let random = self.ports.random().bits();
        let fact = |key: &str, value: String| Change::Meta { key: key.into(), value: Some(value) };
        let rollups = Some(&self.schema.rollups_text).filter(|text| !text.is_empty());
        let device = format!("device_{}_{:08x}", self.ports.clock().now_ms(), random >> 32);
        Entry {
            format: self.release.format,
            requires: Some(self.standing.asks),
            mark: self.mark(),
            prev: Position::default(),
            changes: [
                fact(Meta::DEVICE_ID, device),
                fact(Meta::TENANT, tenant.to_string()),
                fact(Meta::PRINCIPAL, self.writer.principal.to_string()),
            ]
            .into_iter()
            .chain(rollups.map(|text| fact(Meta::ROLLUPS, text.clone())))
            .collect(),
        }
    }

    #[must_use]
    pub fn schema(&self) -> &Rc<Schema> {
        &self.schema
    }

    #[must_use]
    pub fn ports(&self) -> &P {
        &self.ports
    }

    /// The state as it is now. Not to be held over an await.
    pub fn state(&self) -> Ref<'_, State<P::Body>> {
        self.state.borrow()
    }

    /// The records that changed since this was last asked, by table.
    pub fn take_touched(&self) -> SortedMap<Id, Vec<Id>> {
        let mut touched = self.touched.take();
        for ids in touched.values_mut() {
            ids.sort();
            ids.dedup();
        }
        touched
    }

    /// Nobody wants to know.
    pub fn forget_touched(&self) {
        self.touched.take();
    }

    fn mark(&self) -> Mark {
        Mark(format!("{:016x}", self.ports.random().bits()).into())
    }

    /// Both of the device's clocks.
    fn now(&self) -> vitals::Now {
        let clock = self.ports.clock();
        vitals::Now { elapsed: vitals::signed(clock.elapsed_ms()), device_ms: clock.now_ms() }
    }

    fn mint(&self) -> Mint {
        let random = self.ports.random();
        let session = self.clock_session();
        Mint {
            now_ms: self.ports.clock().now_ms(),
            seed: [random.bits(), random.bits()],
            session: session.number,
            offset: session.best.map(|best| best.offset_ms),
            first: 0,
        }
    }

    /// The session of the clock that runs now.
    fn clock_session(&self) -> Session {
        let clock = self.ports.clock();
        let (now_ms, elapsed_ms) = (clock.now_ms(), clock.elapsed_ms());
        let known = self.session.get();
        let session = known.at(now_ms, elapsed_ms, || self.ports.random().bits());
        self.session.set(session);
        session
    }

    /// Says whether this context still writes, and why not.
    fn check_running(&self) -> Result<(), Error> {
        self.stopped.borrow().clone().map_or(Ok(()), Err)
    }

    /// Says whether this context may append, compact and send, and why not.
    pub(super) fn check_writing(&self) -> Result<(), Error> {
        self.check_running()?;
        let required = self.state().requires;
        self.standing.check_writing(required).map_err(Error::from)
    }

    /// Stops this context for good: what is stored stays as it is.
    fn stop(&self, error: Error) -> Error {
        self.stopped.borrow_mut().get_or_insert(error).clone()
    }

    fn event(&self, event: Event) {
        self.ports.event(event);
    }
}
