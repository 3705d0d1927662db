//! What the server says on its event stream, and what is said to it about edit locks (PROTOCOL, "The rest").

use landfall_core::json;
use landfall_core::protocol::live::{CHANGE, HELLO, LOCK};
pub use landfall_core::protocol::live::{Change, Changed, Lock};
use serde::{Deserialize, Serialize};

use super::events::Event;

/// What counts here of a stream's first event, and what the tab that reads it tells one that was opened later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Milliseconds since the epoch.
    pub server_time: u64,
    /// All that are held now.
    #[serde(default)]
    pub locks: Vec<Lock>,
}

/// Table by table what a change says, with the ids that are named of each.
#[must_use]
pub fn by_table(change: &Change) -> Vec<(&str, Vec<&str>)> {
    let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
    let named = change.records.iter().map(|record| (record.table.as_str(), Some(record.id.as_str())));
    for (table, id) in change.tables.iter().map(|table| (table.as_str(), None)).chain(named) {
        let at = tables.iter().position(|(known, _)| *known == table).unwrap_or_else(|| {
            tables.push((table, Vec::new()));
            tables.len() - 1
        });
        tables[at].1.extend(id);
    }
    tables
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
            HELLO => json::from_str(&event.data).ok().map(Self::Hello),
            CHANGE => json::from_str(&event.data).ok().map(Self::Change),
            LOCK => json::from_str(&event.data).ok().map(Self::Lock),
            _ => None,
        }
    }
}

impl Hello {
    /// What the server would say now to one who asks.
    pub(super) fn event(&self) -> Option<Event> {
        Some(Event { name: HELLO.to_owned(), data: json::to_string(self).ok()? })
    }
}
