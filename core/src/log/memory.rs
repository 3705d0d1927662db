//! The store in memory: what the contract says and nothing else. Tests and the simulator run the engine over it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use crate::{
    body::Body,
    planted,
    ports::{Appended, Durability, Log, Packed, Room, SegmentKey, Snapshot, StoreError, Stored, Swap},
};

/// After so many requests the room of what was deleted is there again. In browsers it takes its time too.
const REQUESTS_UNTIL_FREED: u32 = 6;

#[derive(Debug)]
struct Store<B> {
    log: BTreeMap<u64, Kept<B>>,
    last_key: u64,
    segments: BTreeMap<SegmentKey, Kept<B>>,
    manifest: Option<String>,
    generation: u64,
    quota: Option<u64>,
    /// Bytes of everything above.
    stored: u64,
    /// Bytes of what was deleted, and for how many requests they still count.
    freed: Vec<(u32, u64)>,
}

/// What is stored, and how many bytes it takes.
#[derive(Debug)]
struct Kept<B> {
    packed: Packed<B>,
    bytes: u64,
}

fn bytes_of<B: Body>(packed: &Packed<B>) -> u64 {
    let bodies: usize = packed.bodies.iter().map(|body| body.to_json().len()).sum();
    (packed.head.len() + bodies) as u64
}

impl<B: Body> Store<B> {
    fn usage(&self) -> u64 {
        self.stored + self.freed.iter().map(|(_, bytes)| bytes).sum::<u64>()
    }

    fn has_room_for(&self, bytes: u64) -> bool {
        self.quota.is_none_or(|quota| self.usage() + bytes <= quota)
    }

    fn free(&mut self, bytes: u64) {
        self.stored -= bytes;
        if bytes > 0 {
            self.freed.push((REQUESTS_UNTIL_FREED, bytes));
        }
    }

    /// A request comes.
    fn tick(&mut self) {
        self.freed.retain_mut(|(requests, _)| {
            *requests -= 1;
            *requests > 0
        });
    }

    fn segments_of(&self, keyspace: &str) -> impl Iterator<Item = (SegmentKey, Packed<B>)> {
        let first = SegmentKey { keyspace: keyspace.to_owned(), number: 0 };
        let after = self.segments.range(first..).take_while(move |(key, _)| key.keyspace == keyspace);
        after.map(|(key, stored)| (key.clone(), stored.packed.clone()))
    }

    fn put_entry(&mut self, key: u64, entry: Packed<B>, bytes: u64) {
        self.stored += bytes;
        self.log.insert(key, Kept { packed: entry, bytes });
    }

    fn remove_entry(&mut self, key: u64) {
        let bytes = self.log.remove(&key).map_or(0, |stored| stored.bytes);
        self.free(bytes);
    }
}

/// What the next append meets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused: nothing was written.
    Quota,
    /// It is written, and the writer does not hear of it.
    WrittenUnheard,
    /// It is not written, and the writer does not hear of that.
    LostUnheard,
}

/// One context's connection to a store in memory. Clones of it are other contexts.
#[derive(Debug)]
pub struct MemoryLog<B> {
    store: Rc<RefCell<Store<B>>>,
    /// How often each request lets others run, before it is carried out and after.
    yields: Rc<dyn Yields>,
    faults: Rc<RefCell<Vec<Fault>>>,
    appends: Cell<usize>,
    loads: Cell<usize>,
}

/// Where a request lets others run.
pub trait Yields: std::fmt::Debug {
    fn turns(&self) -> u32;
}

/// Every request is carried out in its caller's turn.
#[derive(Debug)]
struct AtOnce;

impl Yields for AtOnce {
    fn turns(&self) -> u32 {
        0
    }
}

impl<B> Default for MemoryLog<B> {
    fn default() -> Self {
        Self::new(Rc::new(AtOnce))
    }
}

impl<B> Clone for MemoryLog<B> {
    fn clone(&self) -> Self {
        Self {
            store: Rc::clone(&self.store),
            yields: Rc::clone(&self.yields),
            faults: Rc::default(),
            appends: Cell::new(0),
            loads: Cell::new(0),
        }
    }
}

impl<B> MemoryLog<B> {
    /// An empty store whose requests let others run as `yields` says.
    #[must_use]
    pub fn new(yields: Rc<dyn Yields>) -> Self {
        let store = Store {
            log: BTreeMap::new(),
            last_key: 0,
            segments: BTreeMap::new(),
            manifest: None,
            generation: 0,
            quota: None,
            stored: 0,
            freed: Vec::new(),
        };
        Self {
            store: Rc::new(RefCell::new(store)),
            yields,
            faults: Rc::default(),
            appends: Cell::new(0),
            loads: Cell::new(0),
        }
    }

    /// This context's next appends meet with these faults, the last one first.
    pub fn fail_next(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }

    /// Loses one entry, as a damaged disk may.
    pub fn lose(&self, key: u64)
    where
        B: Body,
    {
        self.store.borrow_mut().remove_entry(key);
    }

    /// From now on the store takes nothing that would make it larger than this, in bytes. `None`: whatever comes.
    pub fn set_quota(&self, quota: Option<u64>) {
        self.store.borrow_mut().quota = quota;
    }

    /// How many bytes count as stored: what was deleted a few requests ago is still among them.
    #[must_use]
    pub fn usage(&self) -> u64
    where
        B: Body,
    {
        self.store.borrow().usage()
    }

    /// No fault is left for the next appends.
    pub fn clear_faults(&self) {
        self.faults.borrow_mut().clear();
    }

    /// How many appends this context has made.
    #[must_use]
    pub fn appends(&self) -> usize {
        self.appends.get()
    }

    /// The entries after a key, in order, as an observer sees them who takes no turn.
    #[must_use]
    pub fn entries_after(&self, key: u64) -> Vec<Stored<B>>
    where
        B: Body,
    {
        stored(&self.store.borrow(), key + 1)
    }

    /// How many loads, of whatever keyspaces.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.loads.get()
    }

    /// Everything stored but the map of ids, as text: to look for what should no longer be there.
    #[must_use]
    pub fn text(&self) -> String
    where
        B: Body,
    {
        let store = self.store.borrow();
        let segments = store.segments.iter().filter(|(key, _)| key.keyspace != "ids");
        let mut text = String::new();
        for stored in store.log.values().chain(segments.map(|(_, segment)| segment)) {
            text.push_str(&stored.packed.head);
            text.extend(stored.packed.bodies.iter().map(Body::to_json));
            text.push('\n');
        }
        text
    }

    /// Lets others run, as a request does.
    pub async fn pause(&self) {
        for _ in 0..self.yields.turns() {
            YieldNow(false).await;
        }
    }
}

/// Ready at the second poll.
struct YieldNow(bool);

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<B: Body> MemoryLog<B> {
    /// [`Log::swap`], with nothing in between: for who looks at what it takes away.
    pub fn swap_at_once(&self, swap: Swap<B>) -> Result<bool, StoreError> {
        let mut store = self.store.borrow_mut();
        store.tick();
        if store.generation + 1 != swap.generation && !planted!("stale-compactor-wins") {
            return Ok(false);
        }
        let manifest_before = store.manifest.as_ref().map_or(0, String::len) as u64;
        let put: Vec<(SegmentKey, Kept<B>)> = swap
            .put
            .into_iter()
            .map(|(key, packed)| (key, Kept { bytes: bytes_of(&packed), packed }))
            .collect();
        let added = put.iter().map(|(_, segment)| segment.bytes).sum::<u64>() + swap.manifest.len() as u64;
        // What it deletes makes no room for what it puts.
        if !store.has_room_for(added) {
            return Err(StoreError::Quota);
        }
        store.generation = swap.generation;
        store.stored += added;
        store.manifest = Some(swap.manifest);
        let mut freed = manifest_before;
        for key in &swap.delete {
            freed += store.segments.remove(key).map_or(0, |segment| segment.bytes);
        }
        for (key, segment) in put {
            freed += store.segments.insert(key, segment).map_or(0, |segment| segment.bytes);
        }
        store.free(freed);
        let through = swap.delete_log_through.unwrap_or_default();
        let gone: Vec<u64> = store.log.range(..=through).map(|(key, _)| *key).collect();
        for key in gone {
            store.remove_entry(key);
        }
        Ok(true)
    }
}

impl<B: Body> Log<B> for MemoryLog<B> {
    async fn open(&self, genesis: Packed<B>) -> Result<(), StoreError> {
        self.pause().await;
        let mut store = self.store.borrow_mut();
        store.tick();
        if store.last_key == 0 {
            let bytes = bytes_of(&genesis);
            if !store.has_room_for(bytes) {
                return Err(StoreError::Quota);
            }
            store.last_key = 1;
            store.put_entry(1, genesis, bytes);
        }
        Ok(())
    }

    async fn load(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<B>, StoreError> {
        self.pause().await;
        self.loads.set(self.loads.get() + 1);
        let snapshot = {
            let mut store = self.store.borrow_mut();
            store.tick();
            Snapshot {
                manifest: store.manifest.clone(),
                segments: keyspaces.iter().flat_map(|keyspace| store.segments_of(keyspace)).collect(),
                entries: stored(&store, from),
            }
        };
        self.pause().await;
        Ok(snapshot)
    }

    async fn segments(&self, keys: &[SegmentKey]) -> Result<Snapshot<B>, StoreError> {
        self.pause().await;
        let snapshot = {
            let mut store = self.store.borrow_mut();
            store.tick();
            let of = |key: &SegmentKey| Some((key.clone(), store.segments.get(key)?.packed.clone()));
            let segments = keys.iter().filter_map(of).collect();
            Snapshot { manifest: store.manifest.clone(), segments, entries: Vec::new() }
        };
        self.pause().await;
        Ok(snapshot)
    }

    async fn read(&self, from: u64) -> Result<Vec<Stored<B>>, StoreError> {
        self.pause().await;
        let entries = {
            let mut store = self.store.borrow_mut();
            store.tick();
            stored(&store, from)
        };
        self.pause().await;
        Ok(entries)
    }

    async fn append(
        &self,
        from: u64,
        entry: Packed<B>,
        _durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.pause().await;
        let fault = self.faults.borrow_mut().pop();
        self.appends.set(self.appends.get() + 1);
        if fault == Some(Fault::Quota) {
            return Err(StoreError::Quota);
        }
        let appended = {
            let mut store = self.store.borrow_mut();
            store.tick();
            let bytes = bytes_of(&entry);
            if !store.has_room_for(bytes) {
                return Err(StoreError::Quota);
            }
            let before = store.log.range(from..).map(|(key, _)| *key).collect();
            // A key is taken even where the transaction is rolled back.
            store.last_key += 1;
            let key = store.last_key;
            if fault != Some(Fault::LostUnheard) {
                store.put_entry(key, entry, bytes);
            }
            Appended { key, before, bytes }
        };
        self.pause().await;
        match fault {
            None => Ok(appended),
            Some(_) => Err(StoreError::Unknown("the connection was closed".to_owned())),
        }
    }

    async fn swap(&self, swap: Swap<B>) -> Result<bool, StoreError> {
        self.pause().await;
        self.swap_at_once(swap)
    }

    async fn room(&self) -> Result<Option<Room>, StoreError> {
        self.pause().await;
        let mut store = self.store.borrow_mut();
        store.tick();
        Ok(store.quota.map(|quota| Room { quota, usage: store.usage() }))
    }
}

fn stored<B: Body>(store: &Store<B>, from: u64) -> Vec<Stored<B>> {
    let entries = store.log.range(from..);
    entries.map(|(key, stored)| Stored { key: *key, packed: stored.packed.clone() }).collect()
}
