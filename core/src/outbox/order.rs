//! The order of sending: dependencies first, then priority, then the order of writing.
//!
//! A mutation is held back by the one before it of the same record, whose answer makes its base, and by those it depends
//! on. What it depends on may travel in the same batch, before it; the one before it of its record may not. What waits
//! for a mutation lends it its priority, so that a high update is never stuck behind the low create that it needs.
//!
//! **What it costs.** [`Order`] is made when it is first asked for and kept from then on: the outbox notes which
//! mutations came, went or changed ([`Order::touch`]), and the next batch looks at those alone. Each mutation keeps a count
//! of what is lent to it, so that a priority which is lent or taken back goes only as far as it changes something. A
//! hundred thousand mutations are sent in batches at about n log n in all. Nothing here reads a body: a batch is chosen
//! without knowing what `B` is.

use std::{cmp::Reverse, collections::VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::backoff::CAP_MS;
use crate::{
    log::entry::{Id, Mutation},
    planted,
    schema::{Priority, Schema},
    sorted::SortedSet,
    state::outbox::Outbox,
};

/// What goes into one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which the server is to apply them.
    pub mutations: Vec<Id>,
    /// When the earliest mutation that has to wait for a time may go, if there is one.
    pub next_attempt_at: Option<u64>,
}

/// What a batch may hold.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    /// Whose mutations.
    pub principal: &'w str,
    /// Of the device's clock: what waits for a later time is left out.
    pub now_ms: u64,
    /// How many at most.
    pub limit: usize,
    /// Only of the table of the first.
    pub one_table: bool,
    /// Only of tables that this schema has: the answer to another could not be taken in. `None`: of all.
    pub schema: Option<&'w Schema>,
}

impl Wanted<'_> {
    fn wants<B>(&self, mutation: &Mutation<B>) -> bool {
        *mutation.principal == *self.principal
            && self.schema.is_none_or(|schema| schema.table(&mutation.table).is_some())
    }
}

/// Why a mutation does not go yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It is parked itself.
    Parked,
    /// It needs one that is parked.
    Blocked,
    No,
}

/// Where a mutation that needs nothing stands among the others: the first goes first.
type Place = (Reverse<Priority>, u64);

/// In which of the sets a mutation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Held {
    /// In none: it needs another, or is parked.
    #[default]
    Back,
    Ready,
    /// Until a time.
    Until(u64),
}

#[derive(Clone, Debug)]
struct Node {
    /// The one before it of the same record.
    before: Option<u64>,
    /// The others that it needs and that are still in the outbox.
    dependencies: Vec<u64>,
    own: Priority,
    /// The highest of its own and those lent to it.
    priority: Priority,
    /// How many of those that need it have each priority.
    lent: [u32; 4],
    held: Held,
}

impl Node {
    fn highest(&self) -> Priority {
        use Priority::{Critical, High, Low, Medium};
        let lent = [Critical, High, Medium, Low].into_iter().find(|at| self.lent[*at as usize] > 0);
        lent.map_or(self.own, |lent| lent.max(self.own))
    }

    fn needs(&self) -> impl Iterator<Item = u64> + '_ {
        self.dependencies.iter().copied().chain(self.before)
    }
}

/// The order of sending of one outbox, by the mutations' places in the order of writing.
#[derive(Clone, Debug, Default)]
pub struct Order {
    is_kept: bool,
    touched: Vec<u64>,
    nodes: FxHashMap<u64, Node>,
    /// What may go now. Nothing else in the outbox has to go before it.
    ready: SortedSet<Place>,
    /// What may go at a time.
    timed: SortedSet<(u64, u64)>,
    /// How many mutations it has looked at.
    #[cfg(test)]
    looked_at: usize,
}

impl Order {
    /// Whether it wants to hear of changes: not before it was first asked for.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// These places are to be looked at again.
    pub(crate) fn touch(&mut self, sequences: impl IntoIterator<Item = u64>) {
        if self.is_kept {
            self.touched.extend(sequences);
        }
    }

    /// Catches up with the outbox.
    pub(crate) fn follow<B>(&mut self, outbox: &Outbox<B>) {
        let mut touched = std::mem::take(&mut self.touched);
        if !std::mem::replace(&mut self.is_kept, true) {
            touched = outbox.iter().map(|mutation| mutation.sequence).collect();
        }
        touched.sort_unstable();
        touched.dedup();
        #[cfg(test)]
        {
            self.looked_at += touched.len();
        }
        // What they lent is taken back first, so that those which are gone owe nothing and are owed nothing.
        for at in &touched {
            self.detach(*at);
        }
        for at in &touched {
            match outbox.at(*at) {
                None => {
                    self.nodes.remove(at);
                }
                Some(mutation) => {
                    let own = mutation.priority;
                    let node = self.nodes.entry(*at).or_insert_with(|| Node {
                        before: None,
                        dependencies: Vec::new(),
                        own,
                        priority: own,
                        lent: [0; 4],
                        held: Held::Back,
                    });
                    node.own = own;
                    node.priority = node.highest();
                }
            }
        }
        for at in &touched {
            if let Some(mutation) = outbox.at(*at) {
                self.attach(outbox, mutation);
            }
        }
    }

    /// Takes a mutation out of the sets, and back what it lends.
    fn detach(&mut self, at: u64) {
        let Some(node) = self.nodes.get_mut(&at) else { return };
        let priority = node.priority;
        let needs: Vec<u64> = node.needs().collect();
        node.dependencies.clear();
        node.before = None;
        match std::mem::take(&mut node.held) {
            Held::Back => {}
            Held::Ready => {
                self.ready.remove(&(Reverse(priority), at));
            }
            Held::Until(due) => {
                self.timed.remove(&(due, at));
            }
        }
        for need in needs {
            self.lend(need, Some(priority), None);
        }
    }

    /// Puts a mutation where it belongs now, and lends its priority to what it needs.
    fn attach<B>(&mut self, outbox: &Outbox<B>, mutation: &Mutation<B>) {
        let at = mutation.sequence;
        let earlier = outbox.of_record(&mutation.table, &mutation.record_id).rev();
        let before = earlier
            .map(|other| other.sequence)
            .find(|other| *other < at && !planted!("priority-before-order"));
        // A dependency that has left the outbox was applied, or given up. What asks to be forgotten needs nothing.
        let named = mutation.dependencies.iter().filter(|_| !mutation.withdrawing);
        let mut dependencies: Vec<u64> = named
            .filter_map(|id| outbox.get(id))
            .filter(|needed| !(planted!("rejected-parent-ignored") && needed.state.is_parked()))
            .map(|needed| needed.sequence)
            .collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        dependencies.retain(|needed| Some(*needed) != before);
        let Some(node) = self.nodes.get_mut(&at) else { return };
        node.before = before;
        node.dependencies = dependencies;
        if node.needs().next().is_none() && !mutation.state.is_parked() {
            node.held = if let Some(due) = mutation.next_attempt_at {
                self.timed.insert((due, at));
                Held::Until(due)
            } else {
                self.ready.insert((Reverse(node.priority), at));
                Held::Ready
            };
        }
        let priority = node.priority;
        let needs: Vec<u64> = node.needs().collect();
        for need in needs {
            self.lend(need, None, Some(priority));
        }
    }

    /// One that needs `at` lends it another priority than before; and so on, as far as that changes something.
    fn lend(&mut self, at: u64, from: Option<Priority>, to: Option<Priority>) {
        let mut changes = VecDeque::from([(at, from, to)]);
        while let Some((at, from, to)) = changes.pop_front() {
            let Some(node) = self.nodes.get_mut(&at) else { continue };
            if let Some(from) = from {
                let lent = &mut node.lent[from as usize];
                *lent = lent.saturating_sub(1);
            }
            if let Some(to) = to {
                node.lent[to as usize] += 1;
            }
            let (was, now) = (node.priority, node.highest());
            if was == now {
                continue;
            }
            node.priority = now;
            if node.held == Held::Ready {
                self.ready.remove(&(Reverse(was), at));
                self.ready.insert((Reverse(now), at));
            }
            changes.extend(node.needs().map(|need| (need, Some(was), Some(now))));
        }
    }

    /// What has waited for its time is ready from now on.
    fn come_due(&mut self, now_ms: u64) {
        // A time further off than any backoff is a clock that was set back, or a server that asks for more than we wait:
        // to ask again costs little.
        let mut far = self.timed.split_off(&(now_ms.saturating_add(CAP_MS + 1), 0));
        if planted!("far-time-believed") {
            self.timed.extend(std::mem::take(&mut far));
        }
        let later = self.timed.split_off(&(now_ms.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.timed, later);
        for (_, at) in due.into_iter().chain(far) {
            let Some(node) = self.nodes.get_mut(&at) else { continue };
            node.held = Held::Ready;
            self.ready.insert((Reverse(node.priority), at));
        }
    }

    /// The place of one that needs others, if those are all in `taken` and no time holds it.
    fn enabled<B>(&self, mutation: &Mutation<B>, taken: &FxHashSet<u64>, now_ms: u64) -> Enabled {
        let Some(node) = self.nodes.get(&mutation.sequence) else { return Enabled::No };
        let is_free = node.before.is_none() && node.dependencies.iter().all(|needed| taken.contains(needed));
        // Who stands in a set already is not enabled by this batch.
        if !is_free || node.held != Held::Back || mutation.state.is_parked() {
            return Enabled::No;
        }
        match mutation.next_attempt_at {
            Some(due) if due > now_ms && due - now_ms <= CAP_MS => Enabled::At(due),
            _ => Enabled::Now((Reverse(node.priority), mutation.sequence)),
        }
    }
}

enum Enabled {
    No,
    Now(Place),
    At(u64),
}

/// The next batch.
#[must_use]
pub fn next_batch<B>(outbox: &Outbox<B>, wanted: &Wanted<'_>) -> Batch {
    if planted!("one-parked-stops-all") && outbox.iter().any(|mutation| mutation.state.is_parked()) {
        return Batch::default();
    }
    let mut order = outbox.order();
    order.come_due(wanted.now_ms);
    let mut batch = Batch {
        mutations: Vec::new(),
        next_attempt_at: order
            .timed
            .iter()
            .find(|(_, at)| outbox.at(*at).is_some_and(|mutation| wanted.wants(mutation)))
            .map(|(due, _)| *due),
    };
    let mut taken: FxHashSet<u64> = FxHashSet::default();
    // Those that need only what this batch holds already.
    let mut enabled: SortedSet<Place> = SortedSet::new();
    let mut ready = order.ready.iter().copied().peekable();
    let mut table: Option<&Id> = None;
    while batch.mutations.len() < wanted.limit {
        let from_ready = match (ready.peek(), enabled.first()) {
            (Some(one), Some(other)) => one < other,
            (one, None) => one.is_some(),
            (None, Some(_)) => false,
        };
        let next = if from_ready { ready.next() } else { enabled.pop_first() };
        let Some((_, at)) = next else { break };
        let Some(mutation) = outbox.at(at) else { continue };
        let other_table = wanted.one_table && table.is_some_and(|table| *table != mutation.table);
        if !wanted.wants(mutation) || other_table {
            continue;
        }
        table = Some(&mutation.table);
        batch.mutations.push(mutation.id.clone());
        taken.insert(at);
        for follower in outbox.dependents(&mutation.id) {
            match order.enabled(follower, &taken, wanted.now_ms) {
                Enabled::No => {}
                Enabled::Now(place) => {
                    enabled.insert(place);
                }
                Enabled::At(due) => {
                    batch.next_attempt_at =
                        Some(batch.next_attempt_at.map_or(due, |earliest| earliest.min(due)));
                }
            }
        }
    }
    batch
}

/// Why each mutation that is not on its way waits, by id.
#[must_use]
pub fn waits<B>(outbox: &Outbox<B>) -> FxHashMap<Id, Waits> {
    let mut waits: FxHashMap<Id, Waits> =
        outbox.iter().map(|mutation| (mutation.id.clone(), Waits::No)).collect();
    let mut blocking: Vec<&Mutation<B>> = Vec::new();
    for mutation in outbox.iter().filter(|mutation| mutation.state.is_parked()) {
        waits.insert(mutation.id.clone(), Waits::Parked);
        blocking.push(mutation);
    }
    while let Some(mutation) = blocking.pop() {
        let of_record = outbox.of_record(&mutation.table, &mutation.record_id);
        let next = of_record.filter(|other| other.sequence > mutation.sequence).take(1);
        let followers = outbox.dependents(&mutation.id).filter(|follower| !follower.withdrawing).chain(next);
        for follower in followers {
            if let Some(waits) = waits.get_mut(&follower.id).filter(|waits| **waits == Waits::No) {
                *waits = Waits::Blocked;
                blocking.push(follower);
            }
        }
    }
    waits
}

#[cfg(test)]
mod tests;
