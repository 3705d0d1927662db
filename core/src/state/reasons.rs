//! Which records do not get to the server because somebody has to decide, and why in short.
//!
//! Derived from the outbox: what is parked, and what needs it. It is worked out anew only where an entry touches one of
//! these mutations, from the parked ones outwards; so where nothing is parked it costs nothing, however long the
//! outbox is.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Observer, State};
use crate::{
    body::{Body, SyncReason},
    log::entry::{Change, Id, Mutation, MutationState},
};

/// By table and record id.
pub(super) type Reasons = FxHashMap<(Id, Id), SyncReason>;

impl<B: Body> State<B> {
    /// Why a record waits for somebody's decision, under the id that it has now.
    #[must_use]
    pub fn reason(&self, table: &Id, id: &Id) -> Option<SyncReason> {
        if self.reasons.is_empty() {
            return None;
        }
        self.reasons.get(&(table.clone(), id.clone())).copied()
    }

    /// Whether a mutation needs one that is parked.
    #[must_use]
    pub fn is_blocked(&self, mutation: &Mutation<B>) -> bool {
        self.blocked.contains(&mutation.sequence)
    }

    /// The mutations that need one that is parked, in no order.
    pub fn blocked(&self) -> impl ExactSizeIterator<Item = u64> {
        self.blocked.iter().copied()
    }

    /// Whether these changes, which are not folded yet, touch what is parked or needs it.
    pub(super) fn touches_reasons(&self, changes: &[Change<B>]) -> bool {
        let is_clear = self.reasons.is_empty();
        let has_reason = |mutation: &Mutation<B>| {
            mutation.state.is_parked()
                || (!is_clear && self.reason(&mutation.table, &mutation.record_id).is_some())
        };
        changes.iter().any(|change| match change {
            Change::Mutation { id, row } => {
                let needed = row.iter().flat_map(|row| &row.dependencies);
                let around = needed.chain([id]).filter(|_| !is_clear).filter_map(|id| self.outbox.get(id));
                around.chain(row).any(|mutation| has_reason(mutation))
            }
            Change::Mapping(_) => !is_clear,
            _ => false,
        })
    }

    /// Works the reasons out anew, and tells the readers of records that have another one now.
    pub(super) fn refresh_reasons(&mut self, observer: &mut impl Observer<B>) {
        let now;
        (now, self.blocked) = self.work_out_reasons();
        let before = std::mem::replace(&mut self.reasons, now);
        let keys: FxHashSet<&(Id, Id)> = before.keys().chain(self.reasons.keys()).collect();
        let keys = keys.into_iter().filter(|key| before.get(*key) != self.reasons.get(*key));
        for (table, id) in keys {
            self.aside.outdate(table, id);
            let Some(held) = self.tables.get_mut(table) else { continue };
            held.set_reason(id, self.reasons.get(&(table.clone(), id.clone())).copied());
            let record = held.get(id);
            observer.record_changed(table, id, record, record);
        }
    }

    /// The reasons, and the places in the order of writing of those that are blocked.
    fn work_out_reasons(&self) -> (Reasons, FxHashSet<u64>) {
        let mut reasons = Reasons::default();
        let mut reach: Vec<&Mutation<B>> = Vec::new();
        let mut blocked: FxHashSet<u64> = FxHashSet::default();
        for parked in self.outbox.parked() {
            let reason = match parked.state {
                MutationState::Conflict => SyncReason::Conflict,
                MutationState::Rejected | MutationState::Pending | MutationState::Sending => {
                    SyncReason::Rejected
                }
            };
            note(&mut reasons, parked, reason);
            reach.push(parked);
        }
        while let Some(needed) = reach.pop() {
            let of_record = self.outbox.of_record(&needed.table, &needed.record_id);
            let later = of_record.filter(|other| other.sequence > needed.sequence);
            let dependents = self.outbox.dependents(&needed.id).filter(|follower| !follower.withdrawing);
            for follower in later.chain(dependents) {
                if !follower.state.is_parked() && blocked.insert(follower.sequence) {
                    note(&mut reasons, follower, SyncReason::Blocked);
                    reach.push(follower);
                }
            }
        }
        (reasons, blocked)
    }
}

/// Of several reasons the one that says most.
fn note<B>(reasons: &mut Reasons, mutation: &Mutation<B>, reason: SyncReason) {
    let key = (mutation.table.clone(), mutation.record_id.clone());
    reasons.entry(key).and_modify(|known| *known = (*known).min(reason)).or_insert(reason);
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        log::entry::Operation,
        outbox::{Waits, waits},
        schema::{Priority, Schema},
    };

    fn mutation(number: u64, record: u8, needs: Option<u64>, state: MutationState) -> Mutation<Value> {
        Mutation {
            id: format!("m{number}").into(),
            sequence: number,
            table: "t".into(),
            record_id: format!("r{record}").into(),
            operation: Operation::Update,
            data: json!({}),
            unset: Vec::new(),
            base_version: None,
            timestamp: 0,
            priority: Priority::Medium,
            state,
            attempts: 0,
            first_sent_at: None,
            last_attempt_at: None,
            next_attempt_at: None,
            error: None,
            dependencies: needs.map(|number| format!("m{number}").into()).into_iter().collect(),
            principal: "u".into(),
            schema_version: 1,
            withdrawing: false,
            dating: None,
            merges: 0,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put(u64, u8, Option<u64>, MutationState),
        Remove(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
        let state = prop_oneof![
            4 => Just(MutationState::Pending),
            1 => Just(MutationState::Sending),
            1 => Just(MutationState::Conflict),
            1 => Just(MutationState::Rejected),
        ];
        // A mutation keeps its record for life; here the number says which it is.
        let put = (1..20_u64, prop::option::of(1..20_u64), state).prop_map(|(number, needs, state)| {
            let record = u8::try_from(number % 6).unwrap_or_default();
            Step::Put(number, record, needs.filter(|needs| *needs < number), state)
        });
        let step = prop_oneof![3 => put, 1 => (1..20_u64).prop_map(Step::Remove)];
        prop::collection::vec(prop::collection::vec(step, 1..4), 1..40)
    }

    proptest! {
        #[test]
        fn the_reasons_are_those_of_the_whole_outbox(entries in steps()) {
            let document = json!({ "version": 1, "tables": { "t": { "fields": { "name": "string?" } } } });
            let mut state: State<Value> = State::new(Rc::new(Schema::parse(&document).unwrap()));
            for entry in entries {
                let changes = entry.into_iter().map(|step| match step {
                    Step::Put(number, record, needs, is) => {
                        let row = mutation(number, record, needs, is);
                        Change::Mutation { id: row.id.clone(), row: Some(Rc::new(row)) }
                    }
                    Step::Remove(number) => {
                        Change::Mutation { id: format!("m{number}").into(), row: None }
                    }
                });
                state.apply(changes.collect(), &mut ());
                let waiting = waits(&state.outbox);
                let table: Id = "t".into();
                for record in 0..6 {
                    let id: Id = format!("r{record}").into();
                    let of_record = state.outbox.of_record(&table, &id);
                    let expected = of_record.filter_map(|mutation| match (waiting[&mutation.id], mutation.state) {
                        (Waits::Parked, MutationState::Conflict) => Some(SyncReason::Conflict),
                        (Waits::Parked, _) => Some(SyncReason::Rejected),
                        (Waits::Blocked, _) => Some(SyncReason::Blocked),
                        (Waits::No, _) => None,
                    });
                    for mutation in state.outbox.of_record(&table, &id) {
                        prop_assert_eq!(state.is_blocked(mutation), waiting[&mutation.id] == Waits::Blocked);
                    }
                    prop_assert_eq!(state.reason(&table, &id), expected.min());
                }
            }
        }
    }
}
