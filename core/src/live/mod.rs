//! Live queries: who has to be told when a record changes.
//!
//! One query's life, in order. A reader subscribes with a checked query; it is dirty from the start, since it has
//! no result yet. The owner of the tables takes the dirty ones, and for each of them runs [`LiveQueries::refresh`]
//! against its table: the first result is always delivered. Then a record changes, and [`LiveQueries::record_changed`]
//! compares where the record was and is now in each query's index with the range that the query reads. Only
//! where one of the two is in range, and not behind a full window, does the query become dirty. The owner takes it
//! again, refreshes, and the new result is compared with the one delivered last, record by record by
//! [revision](Table::revision): if both are the same, nothing is delivered.
//!
//! Being dirty is cheap (the query runs again, and nothing is delivered if nothing changed); missing a change is
//! a bug. In doubt a query is dirty.
//!
//! Nothing here calls anybody: the owner decides when to refresh and how to deliver, so that a commit of a thousand
//! records refreshes each query once.

use crate::body::Body;
use crate::log::entry::{Id, Record};
use crate::schema::Schema;
use crate::sorted::SortedMap;
use crate::table::{Plan, Position, Positions, Table};

/// Names one live query. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(u64);

struct Subscription {
    plan: Plan,
    dirty: bool,
    /// The revisions of the records delivered last, in order. `None`: the next result is delivered whatever it is.
    delivered: Option<Vec<u64>>,
    /// Where the last record of a full window stands: what changes behind it does not matter. `None` while the
    /// window has room.
    last: Option<Position>,
}

impl Subscription {
    fn new(plan: Plan) -> Self {
        Self { plan, dirty: true, delivered: None, last: None }
    }

    fn is_concerned(&self, position: &[u8]) -> bool {
        self.plan.holds(position)
            && !self.last.as_ref().is_some_and(|last| self.plan.is_behind(position, last))
    }

    fn reset(&mut self) {
        *self = Self::new(self.plan.clone());
    }
}

/// The live queries of one table over one index: a changed record's position is the same for all of them.
struct Group {
    fields: Vec<String>,
    subscriptions: SortedMap<SubscriptionId, Subscription>,
}

impl Group {
    fn record_changed<B: Body>(&mut self, id: &str, before: Option<&Record<B>>, after: Option<&Record<B>>) {
        let mut clean = self.subscriptions.values_mut().filter(|subscription| !subscription.dirty).peekable();
        // Positions are read from bodies, which in a browser lie on the other side of the boundary.
        if clean.peek().is_none() {
            return;
        }
        let mut positions = Positions::new(&self.fields);
        let mut position = |record: Option<&Record<B>>| record.and_then(|record| positions.of(id, record));
        let (old, new) = (position(before), position(after));
        for subscription in clean {
            let mut concerned =
                [&old, &new].into_iter().flatten().map(|position| subscription.is_concerned(position));
            subscription.dirty = concerned.any(|concerned| concerned);
        }
    }
}

/// Every live query of one database.
///
/// Its owner calls [`record_changed`](Self::record_changed) for every record that is put or removed and
/// [`table_reset`](Self::table_reset) for every table that is loaded anew, and [`refresh`](Self::refresh)es each
/// subscription that it takes. Then no change of a result is ever missed.
#[derive(Default)]
pub struct LiveQueries {
    tables: SortedMap<Id, Vec<Group>>,
    /// The table of each subscription.
    homes: SortedMap<SubscriptionId, Id>,
    next: u64,
}

impl LiveQueries {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a live query. It is dirty at once, and its first result is delivered even if it is empty.
    pub fn subscribe(&mut self, table: Id, plan: Plan) -> SubscriptionId {
        let id = SubscriptionId(self.next);
        self.next += 1;
        let groups = self.tables.entry(table.clone()).or_default();
        let place = groups.iter().position(|group| group.fields == plan.fields()).unwrap_or_else(|| {
            groups.push(Group { fields: plan.fields().to_vec(), subscriptions: SortedMap::new() });
            groups.len() - 1
        });
        groups[place].subscriptions.insert(id, Subscription::new(plan));
        self.homes.insert(id, table);
        id
    }

    /// Removes a live query; one that is already gone is no error, since readers stop whenever they like.
    pub fn unsubscribe(&mut self, id: SubscriptionId) {
        let Some(table) = self.homes.remove(&id) else { return };
        let Some(groups) = self.tables.get_mut(&table) else { return };
        for group in groups.iter_mut() {
            group.subscriptions.remove(&id);
        }
        groups.retain(|group| !group.subscriptions.is_empty());
        if groups.is_empty() {
            self.tables.remove(&table);
        }
    }

    /// The table that a live query reads, or `None` if it has ended.
    #[must_use]
    pub fn table(&self, id: SubscriptionId) -> Option<&Id> {
        self.homes.get(&id)
    }

    /// Whether anybody listens to a table.
    #[must_use]
    pub fn is_watched(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Marks the live queries whose result may have changed with one record: it was `before` and is `after`, where
    /// `None` is a record that is not held. Before or after the table itself is changed, as the caller likes.
    pub fn record_changed<B: Body>(
        &mut self,
        table: &str,
        id: &str,
        before: Option<&Record<B>>,
        after: Option<&Record<B>>,
    ) {
        for group in self.tables.get_mut(table).into_iter().flatten() {
            group.record_changed(id, before, after);
        }
    }

    /// Records got their server ids: who asks by a temporary one in a foreign key asks by the server id from now on.
    pub fn ids_exchanged(&mut self, schema: &Schema, server_id: impl Fn(&str) -> Option<Id>) {
        for (table, groups) in self.tables.iter_mut() {
            let Some(definition) = schema.table(table) else { continue };
            let is_reference = |field: &str| definition.references.contains_key(field);
            for subscription in groups.iter_mut().flat_map(|group| group.subscriptions.values_mut()) {
                if let Some(plan) = subscription.plan.after_exchange(is_reference, &server_id) {
                    let delivered = subscription.delivered.take();
                    *subscription = Subscription { delivered, ..Subscription::new(plan) };
                }
            }
        }
    }

    /// A table was loaded anew: all of its live queries are dirty, and their next results are delivered whatever
    /// they are, since revisions of two loads do not compare and every body is another object.
    pub fn table_reset(&mut self, table: &str) {
        let groups = self.tables.get_mut(table).into_iter().flatten();
        groups.flat_map(|group| group.subscriptions.values_mut()).for_each(Subscription::reset);
    }

    /// Every table was loaded anew.
    pub fn all_reset(&mut self) {
        let groups = self.tables.values_mut().flatten();
        groups.flat_map(|group| group.subscriptions.values_mut()).for_each(Subscription::reset);
    }

    /// The dirty live queries, in the order in which they were subscribed. Each is to be refreshed, once, however
    /// many changes come before that; until then a further change need not make it dirty again.
    pub fn take_dirty(&mut self) -> Vec<SubscriptionId> {
        let groups = self.tables.values_mut().flatten();
        let mut taken = Vec::new();
        for (id, subscription) in groups.flat_map(|group| group.subscriptions.iter_mut()) {
            if subscription.dirty {
                subscription.dirty = false;
                taken.push(*id);
            }
        }
        taken.sort_unstable();
        taken
    }

    /// Runs a live query again. `Some` is a result to deliver: the records as readers get them. `None` if it is
    /// the one delivered last, or the live query has ended.
    ///
    /// `table` is the one [named](Self::table) when it was subscribed.
    pub fn refresh<B: Body>(&mut self, id: SubscriptionId, table: &Table<B>) -> Option<Vec<B>> {
        let home = self.homes.get(&id)?;
        let groups = self.tables.get_mut(home)?;
        let subscription = groups.iter_mut().find_map(|group| group.subscriptions.get_mut(&id))?;
        let ids = table.run(&subscription.plan);
        let revisions: Vec<u64> = ids.iter().filter_map(|id| table.revision(id)).collect();
        subscription.dirty = false;
        subscription.last = ids.last().filter(|_| subscription.plan.is_full(ids.len())).and_then(|last| {
            let mut positions = Positions::new(subscription.plan.fields());
            positions.of(last, table.get(last)?)
        });
        if subscription.delivered.as_ref() == Some(&revisions) {
            return None;
        }
        subscription.delivered = Some(revisions);
        Some(table.views(&ids))
    }
}

#[cfg(test)]
mod tests;
