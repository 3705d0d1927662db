//! What goes on now, told to whoever listens: what was written, and who edits what.
//!
//! All of it is in the memory of one process. Nothing is durable and nothing is decided by it: who misses a message learns of the change
//! by the next pull, and a lock keeps nobody from writing. A message is made once and shared by all streams of its tenant. A reader
//! that falls behind by more than [`BACKLOG`] messages is told that anything may have changed, and which locks there are, instead of
//! what it missed.

mod locks;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall_core::protocol::live::{CHANGE, Change, Changed, LOCK, Lock};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

use self::locks::Locks;
use crate::decisions::Caller;

/// Streams of one tenant, at most.
const STREAMS_MAX: usize = 1_000;

/// Locks of one tenant, at most.
const LOCKS_MAX: usize = 10_000;

/// How many messages a reader may fall behind.
const BACKLOG: usize = 64;

/// Records that one change names, at most.
const CHANGED_MAX: usize = 100;

/// One event of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// What it tells of.
    tables: BTreeSet<String>,
    /// The event's name.
    pub event: &'static str,
    /// JSON, in one line.
    pub data: String,
}

impl Message {
    fn new<T: Serialize>(event: &'static str, tables: BTreeSet<String>, content: &T) -> Arc<Self> {
        // Our own plain structs, whose keys are names: they cannot fail to be written.
        let data = serde_json::to_string(content).unwrap_or_default();
        Arc::new(Self { tables, event, data })
    }

    fn of_lock(lock: &Lock) -> Arc<Self> {
        Self::new(LOCK, BTreeSet::from([lock.table.clone()]), lock)
    }
}

/// Why nothing more is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The tenant has as many streams as it may.
    Streams,
    /// The tenant has as many locks as it may.
    Locks,
    /// The server is about to stop.
    Stopping,
}

/// The streams and locks of all tenants. Clones share them.
#[derive(Debug, Clone)]
pub struct Live {
    state: Arc<Mutex<State>>,
    streams_max: usize,
    locks_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Those with a stream or a lock.
    tenants: HashMap<String, Tenant>,
    is_stopping: bool,
}

#[derive(Debug)]
struct Tenant {
    sender: Sender<Arc<Message>>,
    streams: usize,
    locks: Locks,
}

impl Default for Tenant {
    fn default() -> Self {
        Self { sender: channel(BACKLOG).0, streams: 0, locks: Locks::default() }
    }
}

impl Tenant {
    fn tell(&self, message: Arc<Message>) {
        // It fails where nobody listens.
        let _ = self.sender.send(message);
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::with_limits(STREAMS_MAX, LOCKS_MAX)
    }
}

impl Live {
    /// With so many streams and locks to a tenant, at most.
    #[must_use]
    pub fn with_limits(streams_max: usize, locks_max: usize) -> Self {
        Self { state: Arc::default(), streams_max, locks_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change to the state is whole when a panic could come.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens to a tenant: to these tables, or to all. Gives the locks that hold now beside it; none is missed in between.
    pub fn listen(
        &self,
        tenant: &str,
        tables: Option<BTreeSet<String>>,
        now: u64,
    ) -> Result<(Listener, Vec<Lock>), Full> {
        let mut state = self.state();
        if state.is_stopping {
            return Err(Full::Stopping);
        }
        let entry = state.tenants.entry(tenant.to_owned()).or_default();
        if entry.streams >= self.streams_max {
            return Err(Full::Streams);
        }
        entry.streams += 1;
        let receiver = entry.sender.subscribe();
        let mut locks = entry.locks.all(now);
        locks.retain(|lock| tables.as_ref().is_none_or(|tables| tables.contains(&lock.table)));
        drop(state);
        Ok((Listener { live: self.clone(), tenant: tenant.to_owned(), tables, receiver }, locks))
    }

    /// Tells what a transaction has written, once it is committed.
    pub fn tell_change(&self, caller: &Caller, device_id: &str, written: Vec<Changed>, now: u64) {
        if written.is_empty() {
            return;
        }
        let state = self.state();
        let Some(tenant) = state.tenants.get(&caller.tenant).filter(|tenant| tenant.streams > 0) else {
            return;
        };
        // Of a record that was written more than once the last counts.
        let last: BTreeMap<(String, String), u64> =
            written.into_iter().map(|Changed { table, id, version }| ((table, id), version)).collect();
        let tables: BTreeSet<String> = last.keys().map(|(table, _)| table.clone()).collect();
        let records = if last.len() > CHANGED_MAX {
            Vec::new()
        } else {
            last.into_iter().map(|((table, id), version)| Changed { table, id, version }).collect()
        };
        let change = Change {
            tables: tables.iter().cloned().collect(),
            records,
            principal: caller.principal.clone(),
            device_id: device_id.to_owned(),
            server_time: now,
        };
        tenant.tell(Message::new(CHANGE, tables, &change));
    }

    /// Ends all streams: a server that is to stop waits for every answer that is under way, and these would never end.
    pub fn stop(&self) {
        let mut state = self.state();
        state.is_stopping = true;
        state.tenants.clear();
    }
}

/// One reader's place among the messages of its tenant.
#[derive(Debug)]
pub struct Listener {
    live: Live,
    tenant: String,
    tables: Option<BTreeSet<String>>,
    receiver: Receiver<Arc<Message>>,
}

impl Listener {
    /// The next messages; `None`: there will be none any more. `now` is asked when they are there.
    pub async fn next(&mut self, now: impl Fn() -> u64) -> Option<Vec<Arc<Message>>> {
        loop {
            match self.receiver.recv().await {
                Ok(message) if self.wants(&message) => return Some(vec![message]),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(self.instead_of_what_was_missed(now())),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn wants(&self, message: &Message) -> bool {
        self.tables.as_ref().is_none_or(|tables| !tables.is_disjoint(&message.tables))
    }

    /// Anything may have changed, and these are the locks.
    fn instead_of_what_was_missed(&self, now: u64) -> Vec<Arc<Message>> {
        let tables = self.tables.clone().unwrap_or_default();
        let change = Change {
            tables: tables.iter().cloned().collect(),
            records: Vec::new(),
            principal: String::new(),
            device_id: String::new(),
            server_time: now,
        };
        let mut messages = vec![Message::new(CHANGE, tables, &change)];
        let locks = self.live.state().tenants.get_mut(&self.tenant).map(|tenant| tenant.locks.all(now));
        messages.extend(locks.iter().flatten().map(Message::of_lock).filter(|message| self.wants(message)));
        messages
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.live.state();
        if let Some(tenant) = state.tenants.get_mut(&self.tenant) {
            tenant.streams = tenant.streams.saturating_sub(1);
            if tenant.streams == 0 && tenant.locks.is_empty() {
                state.tenants.remove(&self.tenant);
            }
        }
    }
}
