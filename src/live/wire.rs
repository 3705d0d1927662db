//! What the server says on its event stream, and what is said to it about edit locks (PROTOCOL, "The rest").

use js_sys::JSON;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;

use super::events::Event;
use crate::body::to_json;

/// Somebody edits a record, or has ended doing so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    pub table: String,
    pub record_id: String,
    /// Who is editing,
    pub principal: String,
    /// and where.
    pub device_id: String,
    /// When it lapses by itself, in milliseconds by the server's clock; `None` when it has ended.
    pub until: Option<u64>,
}

/// The first event of a stream, and what the tab that reads it tells one that was opened later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Milliseconds since the epoch.
    pub server_time: u64,
    /// All that are held now.
    #[serde(default)]
    pub locks: Vec<Lock>,
}

/// A record that was created, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Changed {
    pub table: String,
    pub id: String,
}

/// The server has applied something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    #[serde(default)]
    pub tables: Vec<String>,
    /// Which records; a server need not name them all.
    #[serde(default)]
    pub records: Vec<Changed>,
    /// Whose change it was, where that is known,
    pub principal: Option<String>,
    /// and written on which device.
    pub device_id: Option<String>,
    pub server_time: u64,
}

impl Change {
    /// Table by table, with the ids that are named of each.
    #[must_use]
    pub fn by_table(&self) -> Vec<(&str, Vec<&str>)> {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        let named = self.records.iter().map(|record| (record.table.as_str(), Some(record.id.as_str())));
        for (table, id) in self.tables.iter().map(|table| (table.as_str(), None)).chain(named) {
            let at = tables.iter().position(|(known, _)| *known == table).unwrap_or_else(|| {
                tables.push((table, Vec::new()));
                tables.len() - 1
            });
            tables[at].1.extend(id);
        }
        tables
    }
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Hello(Hello),
    Change(Change),
    Lock(Lock),
}

impl News {
    /// `None` for what this release does not know or cannot read: it may be a newer server's.
    #[must_use]
    pub fn read(event: &Event) -> Option<Self> {
        match event.name.as_str() {
            Hello::NAME => parsed(&event.data).map(Self::Hello),
            "change" => parsed(&event.data).map(Self::Change),
            "lock" => parsed(&event.data).map(Self::Lock),
            _ => None,
        }
    }
}

impl Hello {
    /// How its event is called.
    pub const NAME: &str = "hello";

    /// What the server would say now to one who asks.
    pub(super) fn event(&self) -> Option<Event> {
        let data = self.serialize(&Serializer::json_compatible()).ok()?;
        Some(Event { name: Self::NAME.to_owned(), data: to_json(&data).into() })
    }
}

/// By the browser's own parser: answers are read by way of it too, so these types need one reader and not two.
fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_wasm_bindgen::from_value(JSON::parse(text).ok()?).ok()
}

/// What is asked of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    Take,
    Renew,
    Release,
}

/// `POST …/locks`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockRequest<'a> {
    pub(super) protocol: u32,
    pub(super) principal: &'a str,
    pub(super) device_id: &'a str,
    pub(super) table: &'a str,
    pub(super) record_id: &'a str,
    pub(super) action: Action,
    pub(super) ttl_ms: u64,
}

/// The answer to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockAnswer {
    pub(super) granted: bool,
    /// The one that is held now, by whomever.
    pub(super) lock: Option<Lock>,
    pub(super) server_time: u64,
}
