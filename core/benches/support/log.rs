//! A log that keeps what it is given and does nothing else: what is measured is the engine above it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use landfall_core::ports::{
    Appended, Durability, Log, Packed, SegmentKey, Snapshot, StoreError, Stored, Swap,
};

use super::body::Handle;

/// Clones are other contexts on the same store.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Rc<RefCell<Store>>);

#[derive(Default)]
struct Store {
    log: BTreeMap<u64, Packed<Handle>>,
    last_key: u64,
    segments: BTreeMap<SegmentKey, Packed<Handle>>,
    manifest: Option<String>,
}

impl Store {
    fn add(&mut self, entry: Packed<Handle>) -> u64 {
        self.last_key += 1;
        self.log.insert(self.last_key, entry);
        self.last_key
    }

    fn entries(&self, from: u64) -> Vec<Stored<Handle>> {
        let entries = self.log.range(from..);
        entries.map(|(key, packed)| Stored { key: *key, packed: packed.clone() }).collect()
    }
}

impl Log<Handle> for Shelf {
    async fn open(&self, genesis: Packed<Handle>) -> Result<(), StoreError> {
        let mut store = self.0.borrow_mut();
        if store.last_key == 0 {
            store.add(genesis);
        }
        Ok(())
    }

    async fn load(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<Handle>, StoreError> {
        let store = self.0.borrow();
        let of = |keyspace: &String| {
            let all = store.segments.iter().filter(move |(key, _)| key.keyspace == *keyspace);
            all.map(|(key, packed)| (key.clone(), packed.clone())).collect::<Vec<_>>()
        };
        Ok(Snapshot {
            manifest: store.manifest.clone(),
            segments: keyspaces.iter().flat_map(of).collect(),
            entries: store.entries(from),
        })
    }

    async fn segments(&self, keys: &[SegmentKey]) -> Result<Snapshot<Handle>, StoreError> {
        let store = self.0.borrow();
        let of = |key: &SegmentKey| Some((key.clone(), store.segments.get(key)?.clone()));
        let segments = keys.iter().filter_map(of).collect();
        Ok(Snapshot { manifest: store.manifest.clone(), segments, entries: Vec::new() })
    }

    async fn read(&self, from: u64) -> Result<Vec<Stored<Handle>>, StoreError> {
        Ok(self.0.borrow().entries(from))
    }

    async fn append(&self, from: u64, entry: Packed<Handle>, _: Durability) -> Result<Appended, StoreError> {
        let mut store = self.0.borrow_mut();
        let before = store.log.range(from..).map(|(key, _)| *key).collect();
        let bytes = entry.head.len() as u64;
        Ok(Appended { key: store.add(entry), before, bytes })
    }

    async fn swap(&self, swap: Swap<Handle>) -> Result<bool, StoreError> {
        let mut store = self.0.borrow_mut();
        store.manifest = Some(swap.manifest);
        for key in &swap.delete {
            store.segments.remove(key);
        }
        store.segments.extend(swap.put);
        let through = swap.delete_log_through.unwrap_or_default();
        store.log.retain(|key, _| *key > through);
        Ok(true)
    }
}
