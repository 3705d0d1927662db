//! What goes on now: `GET /api/sync/stream` and `POST /api/sync/locks`.
//!
//! Nothing of it is durable and nothing is decided by it. A reader that misses all of it learns the same from its next pull, and a lock
//! keeps nobody from writing: it is there so that people see each other.

use serde::{Deserialize, Serialize};

/// The stream's first event.
pub const HELLO: &str = "hello";

/// The name of the event that holds a [`Change`].
pub const CHANGE: &str = "change";

/// The name of the event that holds a [`Lock`].
pub const LOCK: &str = "lock";

/// How the stream begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// The server's epoch.
    pub epoch: String,
    /// By the server's clock.
    pub server_time: u64,
    /// Those that hold now, in the tables that were asked for.
    pub locks: Vec<Lock>,
}

/// Something was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Where, by name. Empty: anywhere.
    pub tables: Vec<String>,
    /// What. Empty: more than is worth telling, or nobody knows.
    pub records: Vec<Changed>,
    /// By whom; empty: by more than one.
    pub principal: String,
    /// From where; empty: from more than one, or it was not said.
    pub device_id: String,
    /// By the server's clock.
    pub server_time: u64,
}

/// A record or tombstone that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Of which table.
    pub table: String,
    /// The server's id.
    pub id: String,
    /// What it is now.
    pub version: u64,
}

/// Somebody edits a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// Of which table.
    pub table: String,
    /// Which one.
    pub record_id: String,
    /// Who.
    pub principal: String,
    /// From where.
    pub device_id: String,
    /// By the server's clock. No message says that this time has come; `null`: the lock was given up.
    pub until: Option<u64>,
}

/// `POST /api/sync/locks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockRequest {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Who. Refused when the token says otherwise; absent: whoever the token says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// From where: a lock is a device's.
    pub device_id: String,
    /// Of which table.
    pub table: String,
    /// Which record.
    pub record_id: String,
    /// What is to be done.
    pub action: LockAction,
    /// For how long. The server has a default and a longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// What is to be done about a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockAction {
    /// Have it, unless another device has.
    Take,
    /// Have it for longer. One that has expired is taken anew.
    Renew,
    /// Give it up.
    Release,
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockAnswer {
    /// [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Whether it was done.
    pub granted: bool,
    /// The lock as it is now, whosever it is; `null`: there is none.
    pub lock: Option<Lock>,
    /// By the server's clock.
    pub server_time: u64,
}
