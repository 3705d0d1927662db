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
mod failure;

use indexed_db_futures::KeyRange;
use indexed_db_futures::database::Database;
use indexed_db_futures::error::Error;
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{TransactionDurability, TransactionMode, TransactionOptions};
use js_sys::{Array, JsString};
use landfall_core::ports::{
    Appended, Durability, Log, Packed, SegmentKey, Snapshot, StoreError, Stored, Swap,
};
use wasm_bindgen::prelude::*;

use self::connection::Connection;
use self::failure::{Failure, commit};
use crate::body::{JsBody, number, pack, unpack};

const LOG: &str = "log";
const SEGMENTS: &str = "segments";
const MANIFEST: &str = "manifest";

/// Where the current manifest lies. Generations begin with 1.
const CURRENT_MANIFEST: f64 = 0.0;

/// How often one call may open the database anew.
const REOPENS_MAX: u32 = 2;

/// One database's log. Other contexts may have it open too.
pub struct IdbLog {
    connection: Connection,
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
        Self { connection: Connection::new(name.into()) }
    }

    /// Closes the connection. What is called afterwards is refused until [`Log::open`] is called again.
    pub fn close(&self) {
        self.connection.close();
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
        self.connection.database().await.map(drop).map_err(StoreError::Unavailable)
    }

    async fn load(&self, keyspaces: &[String]) -> Result<Snapshot<JsBody>, StoreError> {
        self.transact(Access::Read, async |database| load(database, keyspaces).await).await
    }

    async fn read(&self, from: u64) -> Result<Vec<Stored<JsBody>>, StoreError> {
        self.transact(Access::Read, async |database| read(database, from).await).await
    }

    async fn append(
        &self,
        from: u64,
        entry: Packed<JsBody>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        let text = packed(&entry);
        self.transact(Access::Write, async |database| append(database, from, &text, durability).await).await
    }

    async fn swap(&self, swap: Swap<JsBody>) -> Result<bool, StoreError> {
        let put: Vec<_> = swap.put.iter().map(|(key, segment)| (key_of(key), packed(segment))).collect();
        self.transact(Access::Write, async |database| match replace(database, &swap, &put).await {
            Ok(()) => Ok(true),
            // Only a generation is ever added under a key of our choice.
            Err(Failure::Taken) => Ok(false),
            Err(failure) => Err(failure),
        })
        .await
    }
}

async fn load(database: &Database, keyspaces: &[String]) -> Result<Snapshot<JsBody>, Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database.transaction([LOG, SEGMENTS, MANIFEST]).build()?;
        let manifest =
            transaction.object_store(MANIFEST)?.get::<String, _, _>(CURRENT_MANIFEST).primitive()?;
        let store = transaction.object_store(SEGMENTS)?;
        let segments = keyspaces
            .iter()
            .map(|keyspace| -> Result<_, Error> {
                let keys =
                    store.get_all_keys::<JsValue>().with_query::<JsValue, _>(run_of(keyspace)).primitive()?;
                let values =
                    store.get_all::<JsValue>().with_query::<JsValue, _>(run_of(keyspace)).primitive()?;
                Ok((keyspace, keys, values))
            })
            .collect::<Result<Vec<_>, _>>()?;
        drop(store);
        let store = transaction.object_store(LOG)?;
        let keys = store.get_all_keys::<f64>().primitive()?;
        let values = store.get_all::<JsValue>().primitive()?;
        drop(store);
        Ok((transaction, manifest, segments, keys, values))
    };
    let (transaction, manifest, runs, keys, values) = issue().map_err(Failure::not_begun)?;
    commit(transaction).await?;

    let mut segments = Vec::new();
    for (keyspace, keys, values) in runs {
        for (key, value) in keys.await.map_err(Failure::of)?.zip(values.await.map_err(Failure::of)?) {
            let key = Array::from(&key.map_err(Failure::of)?).get(1).as_f64().unwrap_or_default();
            let key = SegmentKey { keyspace: keyspace.clone(), number: integer(key) };
            let segment = unpacked(&value.map_err(Failure::of)?, || {
                format!("segment {} of {keyspace} is damaged", key.number)
            })?;
            segments.push((key, segment));
        }
    }
    Ok(Snapshot {
        manifest: manifest.await.map_err(Failure::of)?,
        segments,
        entries: stored(keys.await.map_err(Failure::of)?, values.await.map_err(Failure::of)?)?,
    })
}

async fn read(database: &Database, from: u64) -> Result<Vec<Stored<JsBody>>, Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database.transaction(LOG).build()?;
        let store = transaction.object_store(LOG)?;
        let keys = store.get_all_keys::<f64>().with_query::<f64, _>(number(from)..).primitive()?;
        let values = store.get_all::<JsValue>().with_query::<f64, _>(number(from)..).primitive()?;
        drop(store);
        Ok((transaction, keys, values))
    };
    let (transaction, keys, values) = issue().map_err(Failure::not_begun)?;
    commit(transaction).await?;
    stored(keys.await.map_err(Failure::of)?, values.await.map_err(Failure::of)?)
}

async fn append(
    database: &Database,
    from: u64,
    text: &JsString,
    durability: Durability,
) -> Result<Appended, Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database
            .transaction(LOG)
            .with_mode(TransactionMode::Readwrite)
            .with_options(options(durability))
            .build()?;
        let store = transaction.object_store(LOG)?;
        let before = store.get_all_keys::<f64>().with_query::<f64, _>(number(from)..).primitive()?;
        let key = store.add(text).with_key_type::<f64>().primitive()?;
        drop(store);
        Ok((transaction, before, key))
    };
    let (transaction, before, key) = issue().map_err(Failure::not_begun)?;
    commit(transaction).await?;
    Ok(Appended {
        key: integer(key.await.map_err(Failure::of)?),
        before: before
            .await
            .map_err(Failure::of)?
            .map(|key| key.map(integer).map_err(Failure::of))
            .collect::<Result<_, _>>()?,
    })
}

async fn replace(
    database: &Database,
    swap: &Swap<JsBody>,
    put: &[(JsValue, JsString)],
) -> Result<(), Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database
            .transaction([LOG, SEGMENTS, MANIFEST])
            .with_mode(TransactionMode::Readwrite)
            .with_options(options(Durability::Strict))
            .build()?;
        let manifest = transaction.object_store(MANIFEST)?;
        // The fence. Where the generation is there already this request fails, and the transaction with it.
        manifest.add(JsValue::NULL).with_key(number(swap.generation)).without_key_type().primitive()?;
        manifest.put(swap.manifest.as_str()).with_key(CURRENT_MANIFEST).without_key_type().primitive()?;
        drop(manifest);
        let segments = transaction.object_store(SEGMENTS)?;
        for (key, text) in put {
            segments.put(text).with_key(key).without_key_type().primitive()?;
        }
        for key in &swap.delete {
            segments.delete::<JsValue, _>(key_of(key)).primitive()?;
        }
        drop(segments);
        if let Some(through) = swap.delete_log_through {
            let through = KeyRange::UpperBound(number(through), false);
            transaction.object_store(LOG)?.delete::<f64, _>(through).primitive()?;
        }
        Ok(transaction)
    };
    let transaction = issue().map_err(Failure::not_begun)?;
    commit(transaction).await
}

fn options(durability: Durability) -> TransactionOptions {
    TransactionOptions::new().with_durability(match durability {
        Durability::Relaxed => TransactionDurability::Relaxed,
        Durability::Strict => TransactionDurability::Strict,
    })
}

fn stored(
    keys: impl Iterator<Item = Result<f64, Error>>,
    values: impl Iterator<Item = Result<JsValue, Error>>,
) -> Result<Vec<Stored<JsBody>>, Failure> {
    keys.zip(values)
        .map(|(key, value)| {
            let key = integer(key.map_err(Failure::of)?);
            let packed = unpacked(&value.map_err(Failure::of)?, || format!("entry {key} is damaged"))?;
            Ok(Stored { key, packed })
        })
        .collect()
}

fn packed(packed: &Packed<JsBody>) -> JsString {
    pack(&packed.head, &packed.bodies.iter().map(AsRef::<JsValue>::as_ref).collect())
}

/// The bodies' text stays in JavaScript: only the head is copied over here.
fn unpacked(text: &JsValue, what: impl Fn() -> String) -> Result<Packed<JsBody>, Failure> {
    let parts = unpack(text).map_err(|_| Failure::Damaged(what()))?;
    Ok(Packed {
        head: parts.get(0).as_string().ok_or_else(|| Failure::Damaged(what()))?,
        bodies: Array::from(&parts.get(1)).iter().map(JsBody::parsed).collect(),
    })
}

fn key_of(key: &SegmentKey) -> JsValue {
    Array::of2(&key.keyspace.as_str().into(), &number(key.number).into()).into()
}

/// All segments of a keyspace: IndexedDB sorts every array after every number.
fn run_of(keyspace: &str) -> KeyRange<JsValue> {
    let keyspace = JsValue::from(keyspace);
    let (first, last) = (Array::of1(&keyspace), Array::of2(&keyspace, &Array::new()));
    KeyRange::Bound(first.into(), false, last.into(), false)
}

/// A key that IndexedDB's generator gave: whole, and no more than 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole, and no more than 2^53"
)]
fn integer(key: f64) -> u64 {
    key as u64
}
