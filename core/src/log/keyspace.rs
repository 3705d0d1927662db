//! Where a row lives: its keyspace, and its key there.

use super::entry::{Change, Id};

/// The engine's own keyspaces: small, and loaded by every context at once.
pub const OWN: [&str; 9] = [IDS, OUTBOX, BASES, CONFLICTS, CURSORS, SEEN, META, ACTIVITY, STATS];

const OUTBOX: &str = "outbox";
const BASES: &str = "bases";
const CONFLICTS: &str = "conflicts";
const IDS: &str = "ids";
const CURSORS: &str = "cursors";
const SEEN: &str = "seen";
const META: &str = "meta";
const ACTIVITY: &str = "activity";
const STATS: &str = "stats";

/// Whether a keyspace is one of the engine's own.
#[must_use]
pub fn is_own(keyspace: &str) -> bool {
    OWN.contains(&keyspace)
}

/// The keyspace of one of the app's tables. The prefix keeps it apart from the engine's own.
#[must_use]
pub fn of_table(table: &str) -> String {
    format!("table:{table}")
}

/// A row's key in its keyspace: a record id, or whatever the keyspace is keyed by.
pub type RowKey = (Id, Id);

impl<B> Change<B> {
    /// The keyspace of the row that it puts or takes away.
    #[must_use]
    pub fn keyspace(&self) -> String {
        match self {
            Self::Record { table, .. } => of_table(table),
            Self::Base { .. } => BASES.to_owned(),
            Self::Mutation { .. } => OUTBOX.to_owned(),
            Self::Conflict { .. } => CONFLICTS.to_owned(),
            Self::Mapping(_) => IDS.to_owned(),
            Self::Cursor { .. } => CURSORS.to_owned(),
            Self::Seen { .. } => SEEN.to_owned(),
            Self::Meta { .. } => META.to_owned(),
            Self::Activity(_) => ACTIVITY.to_owned(),
            Self::Stats { .. } => STATS.to_owned(),
        }
    }

    /// The row's key there. A later change under the same key replaces the row.
    #[must_use]
    pub fn key(&self) -> RowKey {
        match self {
            Self::Record { table, id, .. } | Self::Base { table, id, .. } => (table.clone(), id.clone()),
            Self::Mutation { id, .. } | Self::Conflict { id, .. } => (id.clone(), "".into()),
            Self::Mapping(mapping) => (mapping.temporary.clone(), "".into()),
            Self::Cursor { set, .. } => (set.clone(), "".into()),
            Self::Seen { set, page, .. } => (set.clone(), format!("{page:06}").into()),
            Self::Meta { key, .. } => (key.clone(), "".into()),
            Self::Activity(line) => (format!("{:03}", line.slot()).into(), "".into()),
            Self::Stats { table, .. } => (table.clone(), "".into()),
        }
    }

    /// Whether it takes a row away: in the oldest run such a row need not be kept.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        match self {
            Self::Record { row, .. } => row.is_none(),
            Self::Base { row, .. } => row.is_none(),
            Self::Mutation { row, .. } => row.is_none(),
            Self::Conflict { row, .. } => row.is_none(),
            Self::Cursor { row, .. } => row.is_none(),
            Self::Seen { rows, .. } => rows.is_none(),
            Self::Meta { value, .. } => value.is_none(),
            Self::Mapping(_) | Self::Activity(_) | Self::Stats { .. } => false,
        }
    }
}
