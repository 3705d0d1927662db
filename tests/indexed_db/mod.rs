//! The log in IndexedDB: the contract of every log, and what only a browser's store can do to it. Included by one
//! test crate for each kind of context.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use indexed_db_futures::database::Database;
use indexed_db_futures::prelude::*;
use js_sys::Function;
use landfall::body::JsBody;
use landfall::log::IdbLog;
use landfall_core::log::contract;
use landfall_core::ports::{Durability, Log, Packed, SegmentKey, StoreError, Swap};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

struct InIndexedDb;

impl contract::Subject for InIndexedDb {
    type Body = JsBody;
    type Log = IdbLog;

    fn connect(&self, name: &str) -> IdbLog {
        IdbLog::new(name)
    }

    fn body(&self, json: &str) -> JsBody {
        JsBody::copy_in(&js_sys::JSON::parse(json).unwrap()).unwrap().body
    }
}

/// A browser's profile outlives a run, so names are never used again.
fn unused(case: &str) -> String {
    format!("test/{case}/{}", uuid::Uuid::new_v4())
}

macro_rules! in_indexed_db {
    ($($case:ident),+) => {
        $(#[wasm_bindgen_test]
        async fn $case() {
            contract::$case(&InIndexedDb, &unused(stringify!($case))).await;
        })+
    };
}

landfall_core::log_contract!(in_indexed_db);

fn entry() -> Packed<JsBody> {
    Packed { head: "\"entry\"".into(), bodies: vec![] }
}

async fn opened(name: &str) -> IdbLog {
    let log = IdbLog::new(name);
    log.open(entry()).await.unwrap();
    log
}

/// Runs JavaScript that changes the platform, and gives back what undoes it. Tests run one after another, so none meets
/// another's.
fn sabotage(body: &str) -> Function {
    Function::new_no_args(body).call0(&JsValue::NULL).unwrap().unchecked_into()
}

#[wasm_bindgen_test]
async fn a_log_that_is_not_open_says_so() {
    let log = IdbLog::new(unused("closed"));
    assert!(matches!(log.read(0).await, Err(StoreError::Unavailable(_))));
    log.open(entry()).await.unwrap();
    log.close();
    assert!(matches!(log.append(0, entry(), Durability::Relaxed).await, Err(StoreError::Unavailable(_))));
    log.open(entry()).await.unwrap();
    assert_eq!(log.append(1, entry(), Durability::Relaxed).await.unwrap().before, [1]);
}

#[wasm_bindgen_test]
async fn a_newer_release_is_not_blocked_and_is_recognised() {
    let name = unused("upgrade");
    let log = opened(&name).await;
    let newer = Database::open(name.as_str()).with_version(2_u8).build().unwrap().await.unwrap();
    match log.read(0).await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("newer release"), "{why}"),
        other => panic!("{other:?}"),
    }
    newer.close();
}

#[wasm_bindgen_test]
async fn a_deletion_is_not_blocked_and_the_store_is_made_again() {
    let name = unused("deletion");
    let log = opened(&name).await;
    let before = log.append(1, entry(), Durability::Relaxed).await.unwrap();
    assert_eq!(before.key, 2);
    Database::delete_by_name(&name).unwrap().await.unwrap();
    let entries = log.read(0).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), [1]);
}

#[wasm_bindgen_test]
async fn a_connection_that_was_closed_is_opened_again() {
    let log = opened(&unused("reopen")).await;
    // As a page sees it when Safari closed the connection while it was in the background.
    let undo = sabotage(
        "const { transaction } = IDBDatabase.prototype
         let left = 2
         IDBDatabase.prototype.transaction = function (...args) {
           if (left-- > 0) this.close()
           return transaction.apply(this, args)
         }
         return () => { IDBDatabase.prototype.transaction = transaction }",
    );
    let appended = log.append(1, entry(), Durability::Relaxed).await;
    let read = log.read(0).await;
    undo.call0(&JsValue::NULL).unwrap();
    assert_eq!(appended.unwrap().key, 2);
    assert_eq!(read.unwrap().len(), 2);
}

#[wasm_bindgen_test]
async fn a_store_that_cannot_be_reopened_gives_up() {
    let log = opened(&unused("give-up")).await;
    let undo = sabotage(
        "const { transaction } = IDBDatabase.prototype
         IDBDatabase.prototype.transaction = () => { throw new DOMException('gone', 'InvalidStateError') }
         return () => { IDBDatabase.prototype.transaction = transaction }",
    );
    let appended = log.append(1, entry(), Durability::Relaxed).await;
    undo.call0(&JsValue::NULL).unwrap();
    match appended {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("gone"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(log.append(1, entry(), Durability::Relaxed).await.unwrap().key, 2);
}

#[wasm_bindgen_test]
async fn an_aborted_write_is_unknown_and_the_next_one_goes_through() {
    let log = opened(&unused("abort")).await;
    let undo = sabotage(
        "const { commit } = IDBTransaction.prototype
         IDBTransaction.prototype.commit = function () { this.abort() }
         return () => { IDBTransaction.prototype.commit = commit }",
    );
    let appended = log.append(1, entry(), Durability::Relaxed).await;
    undo.call0(&JsValue::NULL).unwrap();
    assert!(matches!(appended, Err(StoreError::Unknown(_))), "{appended:?}");
    assert_eq!(log.append(1, entry(), Durability::Relaxed).await.unwrap().before, [1]);
}

#[wasm_bindgen_test]
async fn a_full_store_is_told_apart_however_it_shows() {
    let log = opened(&unused("quota")).await;
    // Engines refuse either the request or, more often, the commit.
    for (what, patch) in [
        (
            "request",
            "IDBObjectStore.prototype.add = () => { throw new DOMException('full', 'QuotaExceededError') }",
        ),
        (
            "commit",
            "IDBTransaction.prototype.commit = function () {
               Object.defineProperty(this, 'error', { value: new DOMException('full', 'QuotaExceededError') })
               this.abort()
             }",
        ),
    ] {
        let undo = sabotage(&format!(
            "const {{ add }} = IDBObjectStore.prototype, {{ commit }} = IDBTransaction.prototype
             {patch}
             return () => {{ IDBObjectStore.prototype.add = add; IDBTransaction.prototype.commit = commit }}"
        ));
        let appended = log.append(1, entry(), Durability::Relaxed).await;
        undo.call0(&JsValue::NULL).unwrap();
        assert_eq!(appended, Err(StoreError::Quota), "{what}");
    }
    assert_eq!(log.read(0).await.unwrap().len(), 1);
}

#[wasm_bindgen_test]
async fn a_swap_that_fails_half_way_changes_nothing() {
    let log = opened(&unused("half-way")).await;
    let last = log.append(1, entry(), Durability::Relaxed).await.unwrap().key;
    let segment = |number| SegmentKey { keyspace: "t".into(), number };
    let swap = |generation, number, through| Swap {
        generation,
        manifest: generation.to_string(),
        put: vec![(segment(number), entry()), (segment(number + 1), entry())],
        delete: vec![],
        delete_log_through: Some(through),
    };
    assert!(log.swap(swap(1, 1, 1)).await.unwrap());
    // The first of two segments cannot be written: no room for it, as far as the store's requests go.
    let undo = sabotage(
        "const { put } = IDBObjectStore.prototype
         IDBObjectStore.prototype.put = function (value, key) {
           return Array.isArray(key) && key[1] === 3 ? this.add(value, ['t', 1]) : put.call(this, value, key)
         }
         return () => { IDBObjectStore.prototype.put = put }",
    );
    let swapped = log.swap(swap(2, 3, last)).await;
    undo.call0(&JsValue::NULL).unwrap();
    assert_ne!(swapped, Ok(true));
    let seen = log.load(&["t".into()], 0).await.unwrap();
    assert_eq!(seen.manifest.as_deref(), Some("1"));
    assert_eq!(seen.segments.iter().map(|(key, _)| key.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(seen.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), [last]);
    assert!(log.swap(swap(2, 3, last)).await.unwrap());
}

#[wasm_bindgen_test]
async fn a_damaged_value_is_named() {
    let name = unused("damage");
    let log = opened(&name).await;
    log.close();
    let database = Database::open(name.as_str()).build().unwrap().await.unwrap();
    let transaction = database
        .transaction("log")
        .with_mode(indexed_db_futures::transaction::TransactionMode::Readwrite)
        .build()
        .unwrap();
    transaction.object_store("log").unwrap().put("{}").with_key(7.0).without_key_type().build().unwrap();
    transaction.commit().await.unwrap();
    database.close();
    log.open(entry()).await.unwrap();
    assert_eq!(log.read(0).await.unwrap_err(), StoreError::Unavailable("entry 7 is damaged".into()));
}
