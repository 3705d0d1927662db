//! The id map: which temporary id became which server id. It only grows.

use rustc_hash::FxHashMap;

use crate::log::entry::{Id, Mapping};
use crate::sorted::sort_by;

/// Every exchange of a temporary id that this database knows of.
#[derive(Clone, Debug, Default)]
pub struct IdMap {
    by_temporary: FxHashMap<Id, Mapping>,
}

impl IdMap {
    pub(crate) fn insert(&mut self, mapping: Mapping) {
        self.by_temporary.insert(mapping.temporary.clone(), mapping);
    }

    /// The server id that took the place of `id`, if one did.
    #[must_use]
    pub fn server_id(&self, id: &str) -> Option<&Id> {
        self.by_temporary.get(id).map(|mapping| &mapping.server)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_temporary.is_empty()
    }

    /// All of them, in the order of their temporary ids.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Mapping> {
        let mut all: Vec<_> = self.by_temporary.values().collect();
        sort_by(&mut all, |a, b| a.temporary.cmp(&b.temporary));
        all
    }
}
