//! The outbox: every mutation that is not yet settled, in the order of writing.

use std::{collections::BTreeMap, rc::Rc};

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::log::entry::{Id, Mutation, MutationState};

/// The durable queue of mutations.
#[derive(Clone, Debug)]
pub struct Outbox<B> {
    by_sequence: BTreeMap<u64, Rc<Mutation<B>>>,
    sequences: FxHashMap<Id, u64>,
    /// The sequences of each record's mutations, ascending.
    by_record: FxHashMap<(Id, Id), Vec<u64>>,
    counts: Counts,
    by_table: FxHashMap<Id, Counts>,
    /// Who names a mutation as a dependency, ascending.
    dependents: FxHashMap<Id, Vec<u64>>,
}

impl<B> Default for Outbox<B> {
    fn default() -> Self {
        Self {
            by_sequence: BTreeMap::new(),
            sequences: FxHashMap::default(),
            by_record: FxHashMap::default(),
            counts: Counts::default(),
            by_table: FxHashMap::default(),
            dependents: FxHashMap::default(),
        }
    }
}

/// How many mutations stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub pending: usize,
    pub sending: usize,
    pub parked: usize,
}

impl Counts {
    fn of(&mut self, state: MutationState) -> &mut usize {
        match state {
            MutationState::Pending => &mut self.pending,
            MutationState::Sending => &mut self.sending,
            MutationState::Conflict | MutationState::Rejected => &mut self.parked,
        }
    }
}

impl<B> Outbox<B> {
    pub(crate) fn put(&mut self, mutation: Rc<Mutation<B>>) {
        self.remove(&mutation.id.clone());
        let key = (mutation.table.clone(), mutation.record_id.clone());
        insert_sorted(self.by_record.entry(key).or_default(), mutation.sequence);
        for dependency in &mutation.dependencies {
            insert_sorted(self.dependents.entry(dependency.clone()).or_default(), mutation.sequence);
        }
        self.sequences.insert(mutation.id.clone(), mutation.sequence);
        *self.counts.of(mutation.state) += 1;
        *self.by_table.entry(mutation.table.clone()).or_default().of(mutation.state) += 1;
        self.by_sequence.insert(mutation.sequence, mutation);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some(sequence) = self.sequences.remove(id) else { return };
        let Some(mutation) = self.by_sequence.remove(&sequence) else { return };
        *self.counts.of(mutation.state) -= 1;
        if let Some(counts) = self.by_table.get_mut(&mutation.table) {
            *counts.of(mutation.state) -= 1;
        }
        remove_from(&mut self.by_record, &(mutation.table.clone(), mutation.record_id.clone()), sequence);
        for dependency in &mutation.dependencies {
            remove_from(&mut self.dependents, dependency, sequence);
        }
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rc<Mutation<B>>> {
        self.by_sequence.get(self.sequences.get(id)?)
    }

    /// All of them, in the order of writing.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Rc<Mutation<B>>> {
        self.by_sequence.values()
    }

    /// One record's, in the order of writing.
    pub fn of_record(&self, table: &Id, id: &Id) -> impl Iterator<Item = &Rc<Mutation<B>>> {
        let sequences = self.by_record.get(&(table.clone(), id.clone()));
        sequences.into_iter().flatten().filter_map(|sequence| self.by_sequence.get(sequence))
    }

    /// The mutations that name `id` as a dependency, in the order of writing.
    pub fn dependents(&self, id: &Id) -> impl Iterator<Item = &Rc<Mutation<B>>> {
        self.dependents.get(id).into_iter().flatten().filter_map(|sequence| self.by_sequence.get(sequence))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_sequence.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_sequence.is_empty()
    }

    /// The place in the order of writing that comes after all of them.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.by_sequence.last_key_value().map_or(1, |(last, _)| last + 1)
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The same of one table's records.
    #[must_use]
    pub fn counts_of(&self, table: &str) -> Counts {
        self.by_table.get(table).copied().unwrap_or_default()
    }
}

fn insert_sorted(sequences: &mut Vec<u64>, sequence: u64) {
    if let Err(at) = sequences.binary_search(&sequence) {
        sequences.insert(at, sequence);
    }
}

fn remove_from<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, Vec<u64>>, key: &K, sequence: u64) {
    let Some(sequences) = map.get_mut(key) else { return };
    sequences.retain(|other| *other != sequence);
    if sequences.is_empty() {
        map.remove(key);
    }
}
