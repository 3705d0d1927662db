//! The log's transactions. Each is made and committed in one turn; only then are its requests' results looked at, which
//! are there by then.

use indexed_db_futures::KeyRange;
use indexed_db_futures::database::Database;
use indexed_db_futures::error::Error;
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{TransactionDurability, TransactionMode, TransactionOptions};
use js_sys::{Array, JsString};
use landfall_core::ports::{Appended, Durability, Packed, SegmentKey, Snapshot, Stored, Swap};
use wasm_bindgen::prelude::*;

use super::failure::{Failure, commit};
use super::{LOG, MANIFEST, SEGMENTS};
use crate::body::{JsBody, bodies_of, head_of, number, pack};

/// Where the current manifest lies. Generations begin with 1.
const CURRENT_MANIFEST: f64 = 0.0;

/// Where there is never anything for long.
const PROBE: f64 = -1.0;

pub(super) async fn load(
    database: &Database,
    keyspaces: &[String],
    from: u64,
) -> Result<Snapshot<JsBody>, Failure> {
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
        let keys = store.get_all_keys::<f64>().with_query::<f64, _>(number(from)..).primitive()?;
        let values = store.get_all::<JsValue>().with_query::<f64, _>(number(from)..).primitive()?;
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
            let segment = unpacked_segment(&key, &value.map_err(Failure::of)?)?;
            segments.push((key, segment));
        }
    }
    Ok(Snapshot {
        manifest: manifest.await.map_err(Failure::of)?,
        segments,
        entries: stored(keys.await.map_err(Failure::of)?, values.await.map_err(Failure::of)?)?,
    })
}

pub(super) async fn segments(database: &Database, keys: &[SegmentKey]) -> Result<Snapshot<JsBody>, Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database.transaction([SEGMENTS, MANIFEST]).build()?;
        let manifest =
            transaction.object_store(MANIFEST)?.get::<String, _, _>(CURRENT_MANIFEST).primitive()?;
        let store = transaction.object_store(SEGMENTS)?;
        let get = |key: &SegmentKey| store.get::<JsValue, JsValue, _>(key_of(key)).primitive();
        let values = keys.iter().map(get).collect::<Result<Vec<_>, _>>()?;
        drop(store);
        Ok((transaction, manifest, values))
    };
    let (transaction, manifest, values) = issue().map_err(Failure::not_begun)?;
    commit(transaction).await?;
    let mut segments = Vec::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(values) {
        if let Some(value) = value.await.map_err(Failure::of)? {
            segments.push((key.clone(), unpacked_segment(key, &value)?));
        }
    }
    Ok(Snapshot { manifest: manifest.await.map_err(Failure::of)?, segments, entries: Vec::new() })
}

pub(super) async fn read(database: &Database, from: u64) -> Result<Vec<Stored<JsBody>>, Failure> {
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

pub(super) async fn append(
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
        bytes: text.length().into(),
    })
}

/// Swaps a compaction in. See [`fails_whole`] for why the fence is the last request, and why it may be waited for.
pub(super) async fn swap(
    database: &Database,
    swap: &Swap<JsBody>,
    put: &[(JsValue, JsString)],
    fails_whole: bool,
) -> Result<(), Failure> {
    let issue = || -> Result<_, Error> {
        let transaction = database
            .transaction([LOG, SEGMENTS, MANIFEST])
            .with_mode(TransactionMode::Readwrite)
            .with_options(options(Durability::Strict))
            .build()?;
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
        let manifest = transaction.object_store(MANIFEST)?;
        manifest.put(swap.manifest.as_str()).with_key(CURRENT_MANIFEST).without_key_type().primitive()?;
        // Where the generation is there already this request fails, and the transaction with it.
        let fence =
            manifest.add(JsValue::NULL).with_key(number(swap.generation)).without_key_type().primitive()?;
        drop(manifest);
        Ok((transaction, fence))
    };
    let (transaction, fence) = issue().map_err(Failure::not_begun)?;
    if !fails_whole {
        // It succeeds only if all that was asked before it did; else the transaction, dropped here, aborts.
        fence.await.map_err(Failure::of)?;
    }
    commit(transaction).await
}

/// Whether a transaction that is committed in the turn in which it is issued still fails as a whole.
///
/// It must (IndexedDB 3.0, "asynchronously execute a request", 5.3), but in Firefox (tried with 153) it does only if
/// the request that fails is the last one before `commit()`: an earlier failure is reported, and the rest is done. An
/// append has one request that writes, and that is its last. A swap has many, so there the fence comes last; and lest a
/// segment that found no room is missing while the log that it was made of is deleted, a swap in such a browser waits for
/// the fence before it commits. That lets a busy tab hold the store, but only in the midst of a compaction.
///
/// The probe adds a key twice and asks for something else, then looks whether the key is there.
pub(super) async fn fails_whole(database: &Database) -> Result<bool, Failure> {
    let probe = || -> Result<_, Error> {
        let transaction = database.transaction(MANIFEST).with_mode(TransactionMode::Readwrite).build()?;
        let manifest = transaction.object_store(MANIFEST)?;
        for _ in 0..2 {
            manifest.add(JsValue::NULL).with_key(PROBE).without_key_type().primitive()?;
        }
        manifest.get::<JsValue, f64, _>(PROBE).primitive()?;
        drop(manifest);
        Ok(transaction)
    };
    let look = || -> Result<_, Error> {
        let transaction = database.transaction(MANIFEST).with_mode(TransactionMode::Readwrite).build()?;
        let manifest = transaction.object_store(MANIFEST)?;
        let found = manifest.get_key::<f64, _>(PROBE).primitive()?;
        manifest.delete::<f64, _>(PROBE).primitive()?;
        drop(manifest);
        Ok((transaction, found))
    };
    let transaction = probe().map_err(Failure::not_begun)?;
    match commit(transaction).await {
        Ok(()) | Err(Failure::Taken) => {}
        Err(other) => return Err(other),
    }
    let (transaction, found) = look().map_err(Failure::not_begun)?;
    commit(transaction).await?;
    found.await.map(|found| found.is_none()).map_err(Failure::of)
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
            Ok(Stored { key, packed: unpacked_entry(key, &value.map_err(Failure::of)?)? })
        })
        .collect()
}

pub(super) fn packed(packed: &Packed<JsBody>) -> JsString {
    pack(&packed.head, &packed.bodies)
}

pub(super) fn unpacked_segment(key: &SegmentKey, text: &JsValue) -> Result<Packed<JsBody>, Failure> {
    unpacked(text, || format!("segment {} of {} is damaged", key.number, key.keyspace))
}

pub(super) fn unpacked_entry(key: u64, text: &JsValue) -> Result<Packed<JsBody>, Failure> {
    unpacked(text, || format!("entry {key} is damaged"))
}

/// The bodies' text stays in JavaScript: only the head is copied over here.
fn unpacked(text: &JsValue, what: impl Fn() -> String) -> Result<Packed<JsBody>, Failure> {
    let head = head_of(text).map_err(|_| Failure::Damaged(what()))?;
    let bodies = bodies_of(text).map_err(|_| Failure::Damaged(what()))?;
    Ok(Packed { head: String::from_utf8(head).map_err(|_| Failure::Damaged(what()))?, bodies })
}

pub(super) fn key_of(key: &SegmentKey) -> JsValue {
    Array::of2(&key.keyspace.as_str().into(), &number(key.number).into()).into()
}

/// All segments of a keyspace: IndexedDB sorts every array after every number.
fn run_of(keyspace: &str) -> KeyRange<JsValue> {
    let keyspace = JsValue::from(keyspace);
    let (first, last) = (Array::of1(&keyspace), Array::of2(&keyspace, &Array::new()));
    KeyRange::Bound(first.into(), false, last.into(), false)
}

/// A key that IndexedDB's generator gave, or a number of bytes: whole, and no more than 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is whole, and no more than 2^53"
)]
pub(crate) fn integer(number: f64) -> u64 {
    number as u64
}
