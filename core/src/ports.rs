//! What the engine asks of the world. Each port says what it promises; one contract suite runs against every
//! implementation of it. All futures are driven by one thread.

use crate::body::Body;
use crate::log::entry::Id;
use crate::protocol::{Download, Page, Upload, UploadAnswer};

/// An entry or a segment as it is stored: its head as JSON text, and the bodies that the head refers to by index.
///
/// An implementation stores both in one value (one JSON text, or whatever is fastest there) and gives back equal ones.
#[derive(Clone, Debug)]
pub struct Packed<B> {
    pub head: String,
    pub bodies: Vec<B>,
}

/// A stored entry and the key under which it lies.
#[derive(Clone, Debug)]
pub struct Stored<B> {
    pub key: u64,
    pub packed: Packed<B>,
}

/// Names a segment: its keyspace, and a number that is never used again in that keyspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentKey {
    pub keyspace: String,
    pub number: u64,
}

/// What one transaction saw of the store.
#[derive(Clone, Debug)]
pub struct Snapshot<B> {
    /// The manifest's JSON, if there was ever a compaction.
    pub manifest: Option<String>,
    /// Keyspace by keyspace, in the order in which they were asked for; those of one by number.
    pub segments: Vec<(SegmentKey, Packed<B>)>,
    /// In key order.
    pub entries: Vec<Stored<B>>,
}

/// What an append found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The new entry's key.
    pub key: u64,
    /// The keys from the asked one on, without the new one, in order, as the append's own transaction saw them.
    pub before: Vec<u64>,
    /// About how many bytes the entry takes.
    pub bytes: u64,
}

/// How much may be stored, and how much is: by this store and whatever shares its quota. In bytes, and as true as the
/// platform's estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub quota: u64,
    pub usage: u64,
}

/// One compaction's outcome, to be swapped in as a whole.
#[derive(Clone, Debug)]
pub struct Swap<B> {
    /// The new manifest's generation: the one that was read, plus one.
    pub generation: u64,
    pub manifest: String,
    pub put: Vec<(SegmentKey, Packed<B>)>,
    pub delete: Vec<SegmentKey>,
    /// Log keys up to and including this one go.
    pub delete_log_through: Option<u64>,
}

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Handed to the operating system: survives the death of tab, worker and browser.
    #[default]
    Relaxed,
    /// The operating system says that it is on the disk: asked for before anything is sent.
    Strict,
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written: there is no room.
    #[error("there is no room left on this device")]
    Quota,
    /// Whether it was written is unknown (aborted, connection closed): look before you write again.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
    /// The store cannot be opened or read here.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

/// The durable log, its segments and its manifest: one per database, shared by all contexts of the origin.
///
/// - *Atomic*: each method is one transaction, issued in one turn; it happened as a whole or not at all.
/// - *Isolated*: transactions that write are totally ordered over all contexts; a read sees a prefix of that order.
/// - *Durable*: what a method returned `Ok` for survives (see [`Durability`]).
/// - Log keys only grow, and no key is ever used twice, whatever was deleted.
#[expect(async_fn_in_trait, reason = "one thread drives every port")]
pub trait Log<B: Body> {
    /// Makes the store if it is absent, with `genesis` as entry 1, in the transaction that creates it.
    async fn open(&self, genesis: Packed<B>) -> Result<(), StoreError>;

    /// The manifest, the segments of these keyspaces and the entries with `key >= from`, as one transaction saw them.
    async fn load(&self, keyspaces: &[String], from: u64) -> Result<Snapshot<B>, StoreError>;

    /// The manifest and these segments, as one transaction saw them, without entries. A segment that is gone is left out.
    async fn segments(&self, keys: &[SegmentKey]) -> Result<Snapshot<B>, StoreError>;

    /// The entries with `key >= from`, in key order.
    async fn read(&self, from: u64) -> Result<Vec<Stored<B>>, StoreError>;

    /// Adds an entry under the next key, and tells which keys from `from` on lay before it.
    async fn append(
        &self,
        from: u64,
        entry: Packed<B>,
        durability: Durability,
    ) -> Result<Appended, StoreError>;

    /// Swaps a compaction in, with strict durability. `false`: the generation was taken, and nothing changed.
    async fn swap(&self, swap: Swap<B>) -> Result<bool, StoreError>;

    /// How much room there is, where that can be known. What was deleted may still count for a while.
    async fn room(&self) -> Result<Option<Room>, StoreError> {
        Ok(None)
    }
}

/// Why a request got no usable answer. None of these says anything of any operation in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// No connection, connection lost, or DNS: no whole answer came.
    #[error("no answer from the server: {0}")]
    Network(String),
    #[error("the server did not answer in time")]
    Timeout,
    /// An answer that is not the sync server's: a captive portal, a login page, a truncated body.
    #[error("the answer is not the sync server's: {0}")]
    Foreign(String),
    /// The server's refusal of the whole request.
    #[error("the server refused the request: {status} {code}: {message}")]
    Refused { status: u16, code: String, message: String, retry_after_ms: Option<u64> },
}

/// What a remote takes in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many mutations.
    pub batch_max: usize,
    /// How many bytes of JSON text, before compression. A mutation that is larger goes alone.
    pub batch_bytes_max: usize,
    /// Only mutations of one table.
    pub one_table_per_batch: bool,
}

/// PROTOCOL, "Limits": half of the operations that our server takes. The engine comes to so many by degrees.
impl Default for Terms {
    fn default() -> Self {
        Self { batch_max: 500, batch_bytes_max: 1_000_000, one_table_per_batch: false }
    }
}

/// The other side. It may answer late, twice or never; the engine decides what that means.
#[expect(async_fn_in_trait, reason = "one thread drives every port")]
pub trait Remote<B: Body> {
    async fn push(&self, upload: &Upload<B>) -> Result<UploadAnswer<B>, RemoteError>;
    async fn pull(&self, download: &Download) -> Result<Page<B>, RemoteError>;

    /// What it takes in one request. Asked before each.
    fn terms(&self) -> Terms {
        Terms::default()
    }
}

/// The device's clock: a hint for people and for backoff, never for what wins or is lost.
pub trait Clock {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment, by a clock that nobody sets and that never goes back: for how long something takes.
    /// Where there is no such clock, the other one, with all its jumps.
    fn elapsed_ms(&self) -> u64 {
        self.now_ms()
    }
}

/// Unpredictable bits.
pub trait Random {
    fn bits(&self) -> u64;
}

/// The right to run a pass for this database: one holder among all contexts of the origin.
#[expect(async_fn_in_trait, reason = "one thread drives every port")]
pub trait Lease {
    /// Given back when dropped, and by the death of its context.
    type Held;

    /// The lease, or `None` at once if another context holds it.
    async fn try_acquire(&self) -> Option<Self::Held>;

    /// The lease, once whoever holds it has given it back.
    async fn acquire(&self) -> Self::Held;
}

/// Tells this database's other contexts that the log has grown. Fire and forget: it may be lost.
pub trait Signals {
    fn announce(&self, head_key: u64);
}

/// What the engine tells the context that it runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state changed: records, the outbox, or what is known of the server.
    Folded,
    /// A mutation is parked since now, and waits for somebody's decision.
    Parked(Id),
    /// A conflict was found, or settled.
    Conflict(Id),
    /// What the pass is doing changed.
    Status,
    /// A pass came along: mutations answered, or rows received, so far.
    Progress { phase: Phase, done: usize, total: Option<usize> },
}

/// What a pass is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Idle,
    Pushing,
    Pulling,
}

/// The world, as one parameter.
#[expect(async_fn_in_trait, reason = "one thread drives every port")]
pub trait Ports: 'static {
    type Body: Body;
    type Log: Log<Self::Body>;
    type Remote: Remote<Self::Body>;
    type Lease: Lease;

    fn log(&self) -> &Self::Log;
    fn remote(&self) -> &Self::Remote;
    fn lease(&self) -> &Self::Lease;
    fn clock(&self) -> &dyn Clock;
    fn random(&self) -> &dyn Random;
    fn signals(&self) -> &dyn Signals;

    /// The app's functions, for rules that name one.
    fn functions(&self) -> std::rc::Rc<dyn crate::merge::Functions> {
        std::rc::Rc::new(())
    }

    /// Called in the middle of the engine's work: note it, and act on it later.
    fn event(&self, event: Event);

    /// Returns after that many milliseconds, by whatever clock there is.
    async fn sleep_ms(&self, ms: u64);
}
