//! The connection to the database: opened when it is first needed, given up when another release wants to upgrade,
//! and opened again when the browser closed it under us (Safari does, when a tab comes back from the background).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;
use gloo_events::EventListener;
use gloo_timers::future::TimeoutFuture;
use indexed_db_futures::database::Database;
use indexed_db_futures::error::OpenDbError;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::prelude::*;
use js_sys::JsString;
use wasm_bindgen_futures::spawn_local;

use super::failure::said;
use super::{LOG, MANIFEST, SEGMENTS};

/// The IndexedDB schema's version. It says nothing about what is in the stores: entries carry their own format.
const VERSION: u8 = 1;

/// An upgrade or a deletion by another tab takes its time, but a user waits for this one.
const OPEN_TIMEOUT_MS: u32 = 10_000;

struct Open {
    database: Database,
    closed: Rc<Cell<bool>>,
    /// Listened to for as long as the connection is kept.
    _listeners: [EventListener; 2],
}

impl Open {
    /// The crate's own `version_changes()` is a stream: it wants a task that outlives the connection, and closes
    /// a turn later than the event. These close in the event.
    fn new(database: Database) -> Self {
        let closed = Rc::new(Cell::new(false));
        let upgrade = EventListener::new(database.as_sys(), "versionchange", {
            let (database, closed) = (database.clone(), closed.clone());
            move |_| {
                closed.set(true);
                database.clone().close();
            }
        });
        let close = EventListener::new(database.as_sys(), "close", {
            let closed = closed.clone();
            move |_| closed.set(true)
        });
        Self { database, closed, _listeners: [upgrade, close] }
    }
}

pub(super) struct Connection {
    name: String,
    /// What the upgrade that makes the stores writes as entry 1.
    genesis: RefCell<Option<JsString>>,
    open: RefCell<Option<Open>>,
    /// One opening at a time: a second connection would be one that nobody closes.
    opening: Mutex<()>,
}

impl Connection {
    pub(super) fn new(name: String) -> Self {
        Self { name, genesis: RefCell::default(), open: RefCell::default(), opening: Mutex::new(()) }
    }

    pub(super) fn set_genesis(&self, genesis: JsString) {
        self.genesis.replace(Some(genesis));
    }

    /// The open connection, or a new one; else why there is none.
    pub(super) async fn database(&self) -> Result<Database, String> {
        if let Some(database) = self.current() {
            return Ok(database);
        }
        let _turn = self.opening.lock().await;
        if let Some(database) = self.current() {
            return Ok(database);
        }
        let genesis = self.genesis.borrow().clone().ok_or("it was not opened, or it was closed")?;
        let database = connect(&self.name, genesis).await?;
        self.open.replace(Some(Open::new(database.clone())));
        Ok(database)
    }

    fn current(&self) -> Option<Database> {
        let open = self.open.borrow();
        open.as_ref().filter(|open| !open.closed.get()).map(|open| open.database.clone())
    }

    /// Gives this connection up, so that the next call opens another.
    pub(super) fn lost(&self, database: &Database) {
        database.clone().close();
        let mut open = self.open.borrow_mut();
        if open.as_ref().is_some_and(|open| open.database.as_sys() == database.as_sys()) {
            *open = None;
        }
    }

    /// Closes it for good.
    pub(super) fn close(&self) {
        self.genesis.take();
        if let Some(open) = self.open.take() {
            open.database.close();
        }
    }
}

async fn connect(name: &str, genesis: JsString) -> Result<Database, String> {
    let request = Database::open(name)
        .with_version(VERSION)
        .with_on_upgrade_needed(move |_, database| {
            let log = database.create_object_store(LOG).with_auto_increment(true).build()?;
            database.create_object_store(SEGMENTS).build()?;
            database.create_object_store(MANIFEST).build()?;
            // A new key generator begins with 1.
            log.add(genesis).build()?;
            Ok(())
        })
        .build()
        .map_err(|error| explain(&error))?;

    // The request goes on when nobody waits for it any more: whatever it opens then is closed at once, or it would
    // block the next upgrade.
    let (sender, receiver) = oneshot::channel();
    spawn_local(async move {
        if let Err(Ok(late)) = sender.send(request.await) {
            late.close();
        }
    });
    match select(receiver, TimeoutFuture::new(OPEN_TIMEOUT_MS)).await {
        Either::Left((Ok(opened), _)) => opened.map_err(|error| explain(&error)),
        Either::Left((Err(_), _)) => Err("opening it was abandoned".into()),
        Either::Right(_) => Err(format!(
            "opening it took longer than {} s: another tab may be holding or deleting it",
            OPEN_TIMEOUT_MS / 1_000
        )),
    }
}

fn explain(error: &OpenDbError) -> String {
    match error {
        OpenDbError::Base(indexed_db_futures::error::Error::DomException(exception))
            if exception.as_sys().name() == "VersionError" =>
        {
            "a newer release made it: reload to get that release".into()
        }
        OpenDbError::NullFactory | OpenDbError::UnsupportedEnvironment => {
            "this browser has no IndexedDB here".into()
        }
        OpenDbError::Base(error) => said(error),
        OpenDbError::VersionZero => "a version is never zero".into(),
    }
}
