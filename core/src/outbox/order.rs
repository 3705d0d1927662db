//! The order of sending: dependencies first, then priority, then the order of writing.
//!
//! A mutation is held back by the one before it of the same record, whose answer makes its base, and by those it depends
//! on. What it depends on may travel in the same batch, before it; the one before it of its record may not. What waits
//! for a mutation lends it its priority, so that a high update is never stuck behind the low create that it needs.

use std::{cmp::Reverse, collections::BinaryHeap};

use rustc_hash::FxHashMap;

use super::backoff::CAP_MS;
use crate::{
    log::entry::{Id, Mutation, MutationState},
    schema::Priority,
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

/// Why a mutation does not go yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It is parked itself.
    Parked,
    /// It needs one that is parked.
    Blocked,
    No,
}

struct Node<'o, B> {
    mutation: &'o Mutation<B>,
    /// The one before it of the same record.
    before: Option<usize>,
    dependencies: Vec<usize>,
    waits: Waits,
    priority: Priority,
}

/// The nodes in the order of writing. A dependency may have been written later than what needs it (an edit and retry), so
/// what is blocked is found by following the arrows, not by the order.
fn nodes<B>(outbox: &Outbox<B>) -> Vec<Node<'_, B>> {
    let mut last_of_record: FxHashMap<(&str, &str), usize> = FxHashMap::default();
    let mut index: FxHashMap<&str, usize> = FxHashMap::default();
    for (at, mutation) in outbox.iter().enumerate() {
        index.insert(&mutation.id, at);
    }
    let mut nodes: Vec<Node<'_, B>> = outbox
        .iter()
        .enumerate()
        .map(|(at, mutation)| Node {
            before: last_of_record.insert((&mutation.table, &mutation.record_id), at),
            // A dependency that has left the outbox was applied.
            dependencies: mutation.dependencies.iter().filter_map(|id| index.get(&**id).copied()).collect(),
            waits: if mutation.state.is_parked() { Waits::Parked } else { Waits::No },
            priority: mutation.priority,
            mutation,
        })
        .collect();
    let followers = followers(&nodes);
    let mut blocking: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].waits == Waits::Parked).collect();
    while let Some(at) = blocking.pop() {
        for follower in &followers[at] {
            if nodes[*follower].waits == Waits::No {
                nodes[*follower].waits = Waits::Blocked;
                blocking.push(*follower);
            }
        }
    }
    nodes
}

/// Who waits for whom.
fn followers<B>(nodes: &[Node<'_, B>]) -> Vec<Vec<usize>> {
    let mut followers = vec![Vec::new(); nodes.len()];
    for (at, node) in nodes.iter().enumerate() {
        for needed in node.dependencies.iter().chain(&node.before) {
            followers[*needed].push(at);
        }
    }
    followers
}

/// Highest first, each mutation takes the priority of what waits for it. Each is visited once: by the highest that
/// reaches it.
fn inherit<B>(nodes: &mut [Node<'_, B>]) {
    let mut by_priority: Vec<usize> = (0..nodes.len()).filter(|at| nodes[*at].waits == Waits::No).collect();
    by_priority.sort_by_key(|at| Reverse(nodes[*at].priority));
    let mut visited = vec![false; nodes.len()];
    for from in by_priority {
        let priority = nodes[from].priority;
        let mut reach = vec![from];
        while let Some(at) = reach.pop() {
            if std::mem::replace(&mut visited[at], true) {
                continue;
            }
            nodes[at].priority = nodes[at].priority.max(priority);
            reach.extend(nodes[at].dependencies.iter().chain(&nodes[at].before));
        }
    }
}

/// Why each mutation that is not on its way waits, by id.
#[must_use]
pub fn waits<B>(outbox: &Outbox<B>) -> FxHashMap<Id, Waits> {
    nodes(outbox).into_iter().map(|node| (node.mutation.id.clone(), node.waits)).collect()
}

/// The next batch of at most `limit` mutations of `principal`, at `now_ms`.
#[must_use]
pub fn next_batch<B>(outbox: &Outbox<B>, principal: &str, now_ms: u64, limit: usize) -> Batch {
    let mut nodes = nodes(outbox);
    inherit(&mut nodes);
    let followers = followers(&nodes);
    let mut batch = Batch::default();
    let mut missing: Vec<usize> =
        nodes.iter().map(|node| node.dependencies.len() + usize::from(node.before.is_some())).collect();
    let mut ready: BinaryHeap<(Priority, Reverse<usize>)> = BinaryHeap::new();
    let offer = |at: usize, batch: &mut Batch, ready: &mut BinaryHeap<_>| {
        let node: &Node<'_, B> = &nodes[at];
        if node.waits != Waits::No || *node.mutation.principal != *principal {
            return;
        }
        // One whose outcome is unknown is asked about whenever there is a request. A time further off than any backoff
        // is a clock that was set back, or a server that asks for more than we wait: to ask again costs little.
        let due = node.mutation.next_attempt_at.filter(|due| *due > now_ms && *due - now_ms <= CAP_MS);
        match (due, node.mutation.state) {
            (Some(due), MutationState::Pending) => {
                batch.next_attempt_at = Some(batch.next_attempt_at.map_or(due, |earliest| earliest.min(due)));
            }
            _ => ready.push((node.priority, Reverse(at))),
        }
    };
    for (at, missing) in missing.iter().enumerate() {
        if *missing == 0 {
            offer(at, &mut batch, &mut ready);
        }
    }
    while batch.mutations.len() < limit {
        let Some((_, Reverse(at))) = ready.pop() else { break };
        batch.mutations.push(nodes[at].mutation.id.clone());
        for follower in &followers[at] {
            // The next one of the same record takes the base that this one's answer makes.
            if nodes[*follower].before == Some(at) {
                continue;
            }
            missing[*follower] -= 1;
            if missing[*follower] == 0 {
                offer(*follower, &mut batch, &mut ready);
            }
        }
    }
    batch
}
