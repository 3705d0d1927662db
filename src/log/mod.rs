//! The log in IndexedDB.
//!
//! Three stores: `log` (the key generator gives the order; a value is one text, see [`crate::body`]), `segments` (the
//! key is keyspace and number; packed the same) and `manifest` (key 0 holds the current one, and each generation that
//! there ever was has a key of its own, which is never deleted).
//!
//! Every transaction, reads included, is issued in one turn and ends in an explicit `commit()`. A transaction that waits
//! for an answer before its next request keeps the stores locked for as long as its tab is busy or suspended; this
//! way no tab can keep another one waiting. So in here nothing is awaited between a transaction's making and its commit.

mod connection;
mod early;
mod failure;
mod transactions;

use std::cell::{Cell, RefCell};

use futures_util::future::{OptionFuture, join};
use gloo_timers::future::TimeoutFuture;
use indexed_db_futures::database::Database;
use js_sys::Promise;
use landfall_core::log::compaction::SEGMENTS_AT_ONCE;
use landfall_core::log::keyspace;
use landfall_core::ports::{
    Appended, Durability, Log, Packed, Room, SegmentKey, Snapshot, StoreError, Stored, Swap,
};
use wasm_bindgen::JsCast;

use self::connection::Connection;
use self::early::Early;
use self::failure::Failure;
pub(crate) use self::transactions::integer;
use self::transactions::{key_of, packed};
use crate::body::JsBody;
use crate::scope::{StorageEstimate, scope};

const LOG: &str = "log";
const SEGMENTS: &str = "segments";
const MANIFEST: &str = "manifest";

/// How often one call may open the database anew.
const REOPENS_MAX: u32 = 2;

/// One database's log. Other contexts may have it open too.
pub struct IdbLog {
    connection: Connection,
    /// What [`transactions::fails_whole`] found. It is a property of the browser: asked once.
    fails_whole: Cell<Option<bool>>,
    /// A promise of what the page reads before there is an engine, and then that.
    promised: Cell<Option<Promise>>,
    early: RefCell<Option<Early>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl IdbLog {
    /// The log of the IndexedDB database of this name. Nothing is opened yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            connection: Connection::new(name.into()),
            fails_whole: Cell::new(None),
            promised: Cell::default(),
            early: RefCell::default(),
        }
    }

    /// With what the page has begun to read of it.
    #[must_use]
    pub(crate) fn with_early(self, promised: Option<Promise>) -> Self {
        self.promised.set(promised);
        self
    }

    /// Closes the connection. What is called afterwards is refused until [`Log::open`] is called again.
    pub fn close(&self) {
        self.connection.close();
    }

    async fn fails_whole(&self) -> Result<bool, StoreError> {
        if let Some(known) = self.fails_whole.get() {
            return Ok(known);
        }
        let found = self.transact(Access::Write, transactions::fails_whole).await?;
        self.fails_whole.set(Some(found));
        Ok(found)
    }

    /// Runs a transaction, on a new connection if this one turns out to be closed. A write is tried again only if
    /// nothing of it can have been done.
    async fn transact<T>(
        &self,
        access: Access,
        transaction: impl AsyncFn(&Database) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut reopened = 0;
        loop {
            let database = self.connection.database().await.map_err(StoreError::Unavailable)?;
            let failure = match transaction(&database).await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            match failure {
                Failure::Quota => return Err(StoreError::Quota),
                Failure::Damaged(what) => return Err(StoreError::Unavailable(what)),
                Failure::Taken => return Err(StoreError::Unavailable("a key of it is taken".into())),
                Failure::Lost(why) if access == Access::Write => {
                    self.connection.lost(&database);
                    return Err(StoreError::Unknown(why));
                }
                Failure::Lost(why) | Failure::NotBegun(why) => {
                    self.connection.lost(&database);
                    if reopened == REOPENS_MAX {
                        return Err(StoreError::Unavailable(why));
                    }
                    reopened += 1;
                }
            }
        }
    }
}

impl Log<JsBody> for IdbLog {
    async fn open(&self, genesis: Packed<JsBody>) -> Result<(), StoreError> {
        self.connection.set_genesis(packed(&genesis));
        let early = OptionFuture::from(self.promised.take().map(early::read));
        let (opened, early) = join(self.connection.database(), early).await;
        if let Some(early) = early.flatten() {
            early.close();
            self.early.replace(Some(early));
        }
        opened.map(drop).map_err(StoreError::Unavailable)
    }

    async fn load(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<JsBody>, StoreError> {
        let early = self.early.take();
        if let Some(early) = early.filter(|_| keyspaces.iter().all(|keyspace| keyspace::is_own(keyspace))) {
            let snapshot = early.snapshot(keyspaces, from);
            // That is a look at the manifest; the entries are asked for next.
            if from == u64::MAX {
                self.early.replace(Some(early));
            }
            // What is wrong with it is told by who reads it again.
            if let Ok(snapshot) = snapshot {
                return Ok(snapshot);
            }
        }
        self.transact(Access::Read, async |database| transactions::load(database, keyspaces, from).await)
            .await
    }

    async fn segments(&self, keys: &[SegmentKey]) -> Result<Snapshot<JsBody>, StoreError> {
        self.transact(Access::Read, async |database| transactions::segments(database, keys).await).await
    }

    async fn read(&self, from: u64) -> Result<Vec<Stored<JsBody>>, StoreError> {
        self.transact(Access::Read, async |database| transactions::read(database, from).await).await
    }

    async fn append(
        &self,
        from: u64,
        entry: Packed<JsBody>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        let text = packed(&entry);
        self.transact(Access::Write, async |database| {
            transactions::append(database, from, &text, durability).await
        })
        .await
    }

    async fn swap(&self, swap: Swap<JsBody>) -> Result<bool, StoreError> {
        let mut put = Vec::with_capacity(swap.put.len());
        for segments in swap.put.chunks(SEGMENTS_AT_ONCE) {
            // A page that compacts stays responsive.
            put.extend(segments.iter().map(|(key, segment)| (key_of(key), packed(segment))));
            TimeoutFuture::new(0).await;
        }
        let fails_whole = self.fails_whole().await?;
        self.transact(Access::Write, async |database| {
            match transactions::swap(database, &swap, &put, fails_whole).await {
                Ok(()) => Ok(true),
                // Only a generation is ever added under a key of our choice.
                Err(Failure::Taken) => Ok(false),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    /// The whole origin's: IndexedDB and the Cache API share one quota. Browsers blur it, and say too much rather than too
    /// little of what is used.
    async fn room(&self) -> Result<Option<Room>, StoreError> {
        let Some(storage) = scope().navigator().storage() else { return Ok(None) };
        // Who cannot say does not know.
        let Ok(estimate) = storage.estimate().await else { return Ok(None) };
        let estimate: StorageEstimate = estimate.unchecked_into();
        let bytes = |bytes: Option<f64>| bytes.filter(|bytes| *bytes >= 0.0).map(integer);
        Ok(bytes(estimate.quota()).zip(bytes(estimate.usage())).map(|(quota, usage)| Room { quota, usage }))
    }
}
