//! What an entry says. Stored shapes: their serde names are the format; [`FORMAT`] is its version.

use std::{fmt, rc::Rc};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

use super::conflict::Conflict;
use super::release::Requirement;
use crate::activity::Activity;
use crate::body::SyncStatus;
use crate::outbox::Class;
use crate::schema::Priority;
use crate::sorted::SortedMap;

/// The version of every stored shape in this module. What reads one format reads all before it.
///
/// - 4: creates as columns.
/// - 3: conflicts, and what a mutation knows of them.
/// - 2: kinds of rows and fields more, each absent from what format 1 wrote and with a value for that.
/// - 1: the first.
pub const FORMAT: u32 = 4;

/// Ids are shared: records, indexes and mutations hold the same text.
pub type Id = Rc<str>;

/// An entry's random mark: it tells two entries under one key apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(pub Id);

/// A place in the log: an entry's key and its mark. The default lies before entry 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    #[serde(rename = "k")]
    pub key: u64,
    #[serde(rename = "m")]
    pub mark: Mark,
}

/// One atomic commit. It holds outcomes: applying it runs no rule and asks nobody. [`super::codec`] says how it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<B> {
    /// [`FORMAT`] where it was written.
    pub format: u32,
    /// What readers and writers must be from this entry on, if that is more than before.
    pub requires: Option<Requirement>,
    pub mark: Mark,
    /// The last valid entry that its writer had seen.
    pub prev: Position,
    pub changes: Vec<Change<B>>,
}

/// One row put in place, or taken away. The row is the whole new row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change<B> {
    /// A record of one of the app's tables. `None`: it is no longer held here.
    #[serde(rename = "r")]
    Record {
        #[serde(rename = "t")]
        table: Id,
        #[serde(rename = "i")]
        id: Id,
        #[serde(rename = "r")]
        row: Option<Record<B>>,
    },
    /// The server's copies of a record that has unsent changes. `None`: it has none any more.
    #[serde(rename = "b")]
    Base {
        #[serde(rename = "t")]
        table: Id,
        #[serde(rename = "i")]
        id: Id,
        #[serde(rename = "r")]
        row: Option<Base<B>>,
    },
    /// A mutation in the outbox. `None`: it left.
    #[serde(rename = "m")]
    Mutation {
        #[serde(rename = "i")]
        id: Id,
        #[serde(rename = "r")]
        row: Option<Rc<Mutation<B>>>,
    },
    /// A temporary id got its server id. From here on, references to it are references to the server id, in
    /// every table, loaded or not: [`crate::state`] and compaction rewrite them.
    #[serde(rename = "i")]
    Mapping(Mapping),
    /// What a page of a full pull brought, until the pull is over. `None`: it is.
    #[serde(rename = "n")]
    Seen {
        #[serde(rename = "s")]
        set: Id,
        #[serde(rename = "p")]
        page: u32,
        #[serde(rename = "r")]
        rows: Option<Rc<Seen>>,
    },
    /// A conflict, open or settled. `None`: it is forgotten.
    #[serde(rename = "k")]
    Conflict {
        #[serde(rename = "i")]
        id: Id,
        #[serde(rename = "r", bound(deserialize = "B: Deserialize<'de>"))]
        row: Option<Rc<Conflict<B>>>,
    },
    /// How far a set of tables has been pulled. `None`: from the beginning.
    #[serde(rename = "c")]
    Cursor {
        #[serde(rename = "s")]
        set: Id,
        #[serde(rename = "r")]
        row: Option<Cursor>,
    },
    /// One of the database's own facts: see [`crate::state::Meta`].
    #[serde(rename = "x")]
    Meta {
        #[serde(rename = "k")]
        key: Id,
        #[serde(rename = "v")]
        value: Option<String>,
    },
    /// A line of the activity log, in place of the one that was there.
    #[serde(rename = "a")]
    Activity(Activity),
    /// What was counted of a table over time.
    #[serde(rename = "s")]
    Stats {
        #[serde(rename = "t")]
        table: Id,
        #[serde(rename = "r")]
        row: TableStats,
    },
}

// Serde hands these a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands it a reference; it is larger than one in a browser"
)]
fn is_none_yet(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_synced(status: &SyncStatus) -> bool {
    *status == SyncStatus::Synced
}

/// A record as this device has it: the server's copy with everything unsent on top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<B> {
    #[serde(rename = "d")]
    pub data: B,
    /// The server's version under the changes made here.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub server_updated_at: Option<u64>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub local_updated_at: Option<u64>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub sync_id: Option<Id>,
    #[serde(rename = "u", default, skip_serializing_if = "is_synced")]
    pub status: SyncStatus,
    /// Deleted, and still remembered: hidden from queries, so that an older row cannot bring it back.
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

impl<B: Clone> Record<B> {
    /// The record that its create makes, before anything else happens to it.
    #[must_use]
    pub fn born_of(create: &Mutation<B>) -> Self {
        Self {
            data: create.data.clone(),
            version: None,
            server_updated_at: None,
            local_updated_at: Some(create.timestamp),
            sync_id: Some(create.id.clone()),
            status: SyncStatus::PendingUpload,
            deleted: false,
        }
    }
}

/// One of the server's versions of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerCopy<B> {
    #[serde(rename = "d")]
    pub data: B,
    #[serde(rename = "v")]
    pub version: u64,
    #[serde(rename = "s")]
    pub updated_at: u64,
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// The server's side of a record that has unsent changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base<B> {
    /// The last server state known when we first changed it. `None`: it was created here.
    #[serde(rename = "b")]
    pub base: Option<ServerCopy<B>>,
    /// A newer one that came since.
    #[serde(rename = "t")]
    pub theirs: Option<ServerCopy<B>>,
    /// It left what is pulled here: when nothing of it is unsent any more, it goes.
    #[serde(rename = "l", default, skip_serializing_if = "is_false")]
    pub left: bool,
}

impl<B> Default for Base<B> {
    fn default() -> Self {
        Self { base: None, theirs: None, left: false }
    }
}

impl<B> Base<B> {
    /// The newest server state known.
    #[must_use]
    pub fn newest(&self) -> Option<&ServerCopy<B>> {
        self.theirs.as_ref().or(self.base.as_ref())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// Where a mutation stands. A mutation is in exactly one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MutationState {
    /// Waits for its turn.
    Pending,
    /// A request may have carried it: sent again under the same id until there is an answer.
    Sending,
    /// Parked: somebody else changed the record first.
    Conflict,
    /// Parked: the server refuses it as it is.
    Rejected,
}

impl MutationState {
    /// Whether it waits for somebody's decision.
    #[must_use]
    pub fn is_parked(self) -> bool {
        match self {
            Self::Pending | Self::Sending => false,
            Self::Conflict | Self::Rejected => true,
        }
    }
}

/// Why the server refused a mutation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(default)]
    pub class: Class,
    /// It says no to a request, for a reason that is not in what it held: nothing of an earlier copy that may still be on its way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unanswered: bool,
}

impl Refusal {
    /// The code of a mutation that was tried as often as its priority allows.
    pub const ATTEMPTS_SPENT: &'static str = "attempts-spent";

    /// Whether it is parked without a definite answer of the server.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        self.unanswered || self.code == Self::ATTEMPTS_SPENT
    }
}

/// One durable intent to create, update or delete one record (F2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "B: Serialize", deserialize = "B: Deserialize<'de>"))]
pub struct Mutation<B> {
    /// Also the idempotency key. A UUID of version 7, minted when it is written and never again. Stored as the key of
    /// its row, and not once more in it.
    #[serde(skip)]
    pub id: Id,
    /// Its place in the order of writing.
    #[serde(rename = "q")]
    pub sequence: u64,
    #[serde(rename = "t")]
    pub table: Id,
    #[serde(rename = "r")]
    pub record_id: Id,
    #[serde(rename = "o")]
    pub operation: Operation,
    /// The changed fields only.
    #[serde(rename = "d")]
    pub data: B,
    /// Fields that it removes.
    #[serde(rename = "z", default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<u64>,
    /// When it was written, by this device's clock.
    #[serde(rename = "w")]
    pub timestamp: u64,
    #[serde(rename = "p")]
    pub priority: Priority,
    #[serde(rename = "s")]
    pub state: MutationState,
    /// Definite answers that named it.
    #[serde(rename = "a", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// The last server time seen before it was first sent. `Some` freezes it for life.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub first_sent_at: Option<u64>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub last_attempt_at: Option<u64>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<u64>,
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// Mutations that must be applied before it.
    #[serde(rename = "y", default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Id>,
    #[serde(rename = "u")]
    pub principal: Id,
    #[serde(rename = "h")]
    pub schema_version: u32,
    /// A person gave it up after it may have been sent: the server is asked to forget it, and nothing of it is shown.
    #[serde(rename = "g", default, skip_serializing_if = "is_false")]
    pub withdrawing: bool,
    /// How to tell what time it was at the server when it was written.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub dating: Option<Dating>,
    /// How often in a row it was merged by rules.
    #[serde(rename = "j", default, skip_serializing_if = "is_zero")]
    pub merges: u32,
}

/// What is known of the clock that a time was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dating {
    /// By how much the server's clock was ahead of it, in milliseconds.
    Offset(i64),
    /// Not yet known: it was read in this session of a clock, from its start to its end or to the next time that somebody sets it.
    Session(Id),
}

/// By what is there. Serde would buffer it, and try one after the other.
impl<'de> Deserialize<'de> for Dating {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrName;

        impl Visitor<'_> for NumberOrName {
            type Value = Dating;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("milliseconds, or the name of a session")
            }

            fn visit_i64<E: de::Error>(self, offset: i64) -> Result<Dating, E> {
                Ok(Dating::Offset(offset))
            }

            fn visit_u64<E: de::Error>(self, offset: u64) -> Result<Dating, E> {
                i64::try_from(offset).map(Dating::Offset).map_err(E::custom)
            }

            fn visit_str<E>(self, name: &str) -> Result<Dating, E> {
                Ok(Dating::Session(name.into()))
            }
        }

        deserializer.deserialize_any(NumberOrName)
    }
}

impl<B> Mutation<B> {
    /// Whether it may still change: no request can have carried it, and nobody needs to decide about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == MutationState::Pending && self.first_sent_at.is_none()
    }

    /// Whether the server may have applied it, or may yet by a request that is still on its way.
    #[must_use]
    pub fn may_be_applied(&self) -> bool {
        match self.state {
            MutationState::Pending | MutationState::Sending => self.first_sent_at.is_some(),
            // The server said no for good.
            MutationState::Conflict => false,
            // So it did here, unless we stopped asking.
            MutationState::Rejected => self.error.as_ref().is_some_and(Refusal::is_unanswered),
        }
    }
}

/// A temporary id and the server id that took its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    #[serde(rename = "i")]
    pub temporary: Id,
    #[serde(rename = "r")]
    pub server: Id,
    #[serde(rename = "t")]
    pub table: Id,
    #[serde(rename = "w")]
    pub at: u64,
}

/// How far a set of tables has been pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The server's opaque position; empty: the beginning.
    #[serde(rename = "c")]
    pub cursor: String,
    /// When it was reached, by this device's clock.
    #[serde(rename = "w")]
    pub at: u64,
    /// The server's epoch then.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Id>,
    /// Everything is being pulled again.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullPull>,
}

/// A full pull that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullPull {
    /// The server was restored: its versions are not to be compared with those of before.
    #[serde(rename = "f", default, skip_serializing_if = "is_false")]
    pub forced: bool,
    /// How many pages of it have been noted: see [`Change::Seen`].
    #[serde(rename = "n")]
    pub pages: u32,
}

/// Ids of records, by table.
pub type Seen = SortedMap<Id, Vec<Id>>;

impl Cursor {
    /// What to ask the server with; `None`: from the beginning.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        Some(self.cursor.as_str()).filter(|cursor| !cursor.is_empty())
    }

    /// Whether it was reached in another epoch than this, for all that is known.
    #[must_use]
    pub fn is_of_another(&self, epoch: &str) -> bool {
        self.epoch.as_deref().is_some_and(|known| known != epoch)
    }
}

/// What happened to a table's records over time, as this database knows it (V1, T5, V6). Times are by this device's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStats {
    /// Changes that the server applied.
    #[serde(rename = "p", default)]
    pub pushed: u64,
    /// Rows from the server that were news.
    #[serde(rename = "g", default)]
    pub pulled: u64,
    #[serde(rename = "c", default)]
    pub conflicts: u64,
    /// Of these, settled by rules.
    #[serde(rename = "m", default, skip_serializing_if = "is_none_yet")]
    pub merged: u64,
    #[serde(rename = "x", default)]
    pub rejected: u64,
    /// Given up by a person after they may have been sent, and never applied.
    #[serde(rename = "d", default)]
    pub withdrawn: u64,
    /// How often it was pulled from the beginning. Such a pull passes over what was created and deleted before, once that is purged.
    #[serde(rename = "b", default)]
    pub beginnings: u64,
    /// When the server last answered to a change.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub last_pushed_at: Option<u64>,
    /// When rows that were news last came. A pull that brings nothing writes nothing.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub last_pulled_at: Option<u64>,
}

impl TableStats {
    /// How many changes the server has answered to for good. Grows whenever sending comes along.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.pushed + self.conflicts + self.rejected + self.withdrawn
    }

    /// How often the server said something new of the table: in an answer or in a row. A page that was asked for before may not know
    /// of it.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.settled() + self.pulled
    }
}
