//! The outbox: every mutation that is not yet settled, in the order of writing.

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
};

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::{
    log::entry::{Id, Mutation, MutationState},
    outbox::Order,
    sorted::{SortedMap, SortedSet},
};

/// The durable queue of mutations.
#[derive(Clone, Debug)]
pub struct Outbox<B> {
    by_sequence: SortedMap<u64, Rc<Mutation<B>>>,
    sequences: FxHashMap<Id, u64>,
    /// The sequences of each record's mutations, ascending.
    by_record: FxHashMap<(Id, Id), Places>,
    counts: Counts,
    by_table: FxHashMap<Id, Counts>,
    parked: SortedSet<u64>,
    /// Who names a mutation as a dependency. A tree: a parent may have a hundred thousand children that leave one by one.
    dependents: FxHashMap<Id, SortedSet<u64>>,
    order: RefCell<Order>,
}

impl<B> Default for Outbox<B> {
    fn default() -> Self {
        Self {
            by_sequence: SortedMap::new(),
            sequences: FxHashMap::default(),
            by_record: FxHashMap::default(),
            counts: Counts::default(),
            by_table: FxHashMap::default(),
            parked: SortedSet::new(),
            dependents: FxHashMap::default(),
            order: RefCell::default(),
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
    /// So many more are about to be put.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.sequences.reserve(more);
        self.by_record.reserve(more);
    }

    pub(crate) fn put(&mut self, mutation: Rc<Mutation<B>>) {
        if let Some(before) = self.get(&mutation.id) {
            if !stands_the_same(before, &mutation) {
                self.remove(&mutation.id.clone());
                return self.add(mutation);
            }
            let (was, is) = (before.state, mutation.state);
            for counts in
                [Some(&mut self.counts), self.by_table.get_mut(&mutation.table)].into_iter().flatten()
            {
                *counts.of(was) -= 1;
                *counts.of(is) += 1;
            }
            self.note_parked(&mutation);
            self.order.get_mut().touch([mutation.sequence]);
            self.by_sequence.insert(mutation.sequence, mutation);
        } else {
            self.add(mutation);
        }
    }

    /// One that is not in it.
    fn add(&mut self, mutation: Rc<Mutation<B>>) {
        let key = (mutation.table.clone(), mutation.record_id.clone());
        self.by_record.entry(key).or_default().insert(mutation.sequence);
        for dependency in &mutation.dependencies {
            self.dependents.entry(dependency.clone()).or_default().insert(mutation.sequence);
        }
        self.sequences.insert(mutation.id.clone(), mutation.sequence);
        *self.counts.of(mutation.state) += 1;
        *self.by_table.entry(mutation.table.clone()).or_default().of(mutation.state) += 1;
        self.note_parked(&mutation);
        self.touch_around(&mutation);
        self.by_sequence.insert(mutation.sequence, mutation);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let Some(sequence) = self.sequences.remove(id) else { return };
        let Some(mutation) = self.by_sequence.remove(&sequence) else { return };
        self.parked.remove(&sequence);
        *self.counts.of(mutation.state) -= 1;
        if let Some(counts) = self.by_table.get_mut(&mutation.table) {
            *counts.of(mutation.state) -= 1;
        }
        self.touch_around(&mutation);
        let key = (mutation.table.clone(), mutation.record_id.clone());
        if let Some(places) = self.by_record.get_mut(&key) {
            places.remove(sequence);
            if places.as_slice().is_empty() {
                self.by_record.remove(&key);
            }
        }
        for dependency in &mutation.dependencies {
            if let Some(sequences) = self.dependents.get_mut(dependency) {
                sequences.remove(&sequence);
                if sequences.is_empty() {
                    self.dependents.remove(dependency);
                }
            }
        }
    }

    fn note_parked(&mut self, mutation: &Mutation<B>) {
        if mutation.state.is_parked() {
            self.parked.insert(mutation.sequence);
        } else {
            self.parked.remove(&mutation.sequence);
        }
    }

    /// A mutation came or went: it, and whoever waits for it, stand elsewhere in the order now.
    fn touch_around(&mut self, mutation: &Mutation<B>) {
        let order = self.order.get_mut();
        if !order.is_kept() {
            return;
        }
        order.touch([mutation.sequence]);
        order.touch(self.dependents.get(&mutation.id).into_iter().flatten().copied());
        let key = (mutation.table.clone(), mutation.record_id.clone());
        let of_record = self.by_record.get(&key).map(Places::as_slice).unwrap_or_default();
        order.touch(of_record.iter().copied().find(|other| *other > mutation.sequence));
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Rc<Mutation<B>>> {
        self.by_sequence.get(self.sequences.get(id)?)
    }

    /// The one at a place in the order of writing.
    pub(crate) fn at(&self, sequence: u64) -> Option<&Rc<Mutation<B>>> {
        self.by_sequence.get(&sequence)
    }

    /// All of them, in the order of writing.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Rc<Mutation<B>>> {
        self.by_sequence.values()
    }

    /// Those that wait for somebody's decision, in the order of writing.
    pub fn parked(&self) -> impl Iterator<Item = &Rc<Mutation<B>>> {
        self.parked.iter().filter_map(|sequence| self.by_sequence.get(sequence))
    }

    /// One record's, in the order of writing.
    pub fn of_record(&self, table: &Id, id: &Id) -> impl DoubleEndedIterator<Item = &Rc<Mutation<B>>> {
        let places = self.by_record.get(&(table.clone(), id.clone()));
        places
            .map(Places::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|sequence| self.by_sequence.get(sequence))
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

    /// The tables whose records have had mutations in it.
    pub fn tables(&self) -> impl Iterator<Item = &Id> {
        self.by_table.keys()
    }

    /// The order of sending, brought up to date. Made when it is first asked for: whoever only opens a database does not
    /// pay for it.
    pub(crate) fn order(&self) -> RefMut<'_, Order> {
        let mut order = self.order.borrow_mut();
        order.follow(self);
        order
    }
}

/// Whether a new row of a mutation leaves it, and whoever waits for it, where they are.
fn stands_the_same<B>(before: &Mutation<B>, after: &Mutation<B>) -> bool {
    before.sequence == after.sequence
        && before.record_id == after.record_id
        && before.table == after.table
        && before.dependencies == after.dependencies
}

/// The places of one record's mutations, ascending. Hardly any record has more than one: that costs no allocation.
#[derive(Clone, Debug, Default)]
enum Places {
    #[default]
    None,
    One([u64; 1]),
    Many(Vec<u64>),
}

impl Places {
    fn as_slice(&self) -> &[u64] {
        match self {
            Self::None => &[],
            Self::One(place) => place,
            Self::Many(places) => places,
        }
    }

    fn insert(&mut self, sequence: u64) {
        let Err(at) = self.as_slice().binary_search(&sequence) else { return };
        match self {
            Self::None => *self = Self::One([sequence]),
            Self::One([place]) => {
                let mut places = vec![*place];
                places.insert(at, sequence);
                *self = Self::Many(places);
            }
            Self::Many(places) => places.insert(at, sequence),
        }
    }

    fn remove(&mut self, sequence: u64) {
        match self {
            Self::One([place]) if *place == sequence => *self = Self::None,
            Self::Many(places) => places.retain(|place| *place != sequence),
            Self::None | Self::One(_) => {}
        }
    }
}
