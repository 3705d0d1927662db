//! The order that is kept, against one that is computed from nothing each time and is obviously right.

use std::{collections::BTreeSet, rc::Rc};

use proptest::prelude::*;

use super::*;
use crate::body::{Body, Kind, Scalar, SyncMetadata};
use crate::log::entry::MutationState;

/// Fields that nobody may look at.
#[derive(Clone, Debug)]
struct Sealed;

impl Body for Sealed {
    fn empty() -> Self {
        unreachable!("made")
    }

    fn of(_: &[(&str, Scalar)]) -> Self {
        unreachable!("made")
    }

    fn of_fields(_: &serde_json::Map<String, serde_json::Value>) -> Self {
        unreachable!("made")
    }

    fn fields(&self) -> Vec<String> {
        unreachable!("read")
    }

    fn kind(&self, _: &str) -> Option<Kind> {
        unreachable!("read")
    }

    fn scalar(&self, _: &str) -> Option<Scalar> {
        unreachable!("read")
    }

    fn with_text(&self, _: &str, _: &str) -> Self {
        unreachable!("changed")
    }

    fn patched(&self, _: &Self, _: &[String]) -> Self {
        unreachable!("changed")
    }

    fn record(&self, _: &str, _: &SyncMetadata) -> Self {
        unreachable!("shown")
    }

    fn to_json(&self) -> String {
        unreachable!("written")
    }
}

fn mutation(sequence: u64, table: &str, record: &str, priority: Priority) -> Mutation<Sealed> {
    Mutation {
        id: format!("m{sequence}").as_str().into(),
        sequence,
        table: table.into(),
        record_id: record.into(),
        operation: crate::log::entry::Operation::Update,
        data: Sealed,
        unset: Vec::new(),
        base_version: None,
        timestamp: 0,
        priority,
        state: MutationState::Pending,
        attempts: 0,
        first_sent_at: None,
        last_attempt_at: None,
        next_attempt_at: None,
        error: None,
        dependencies: Vec::new(),
        principal: "u".into(),
        schema_version: 1,
        withdrawing: false,
        dating: None,
        merges: 0,
    }
}

/// What each mutation needs that is still there, by place: those it depends on, and the one before it of its record.
fn needs(outbox: &Outbox<Sealed>, of: &Mutation<Sealed>) -> (Vec<u64>, Option<u64>) {
    let all: Vec<&Rc<Mutation<Sealed>>> = outbox.iter().collect();
    let before = all
        .iter()
        .filter(|m| m.table == of.table && m.record_id == of.record_id && m.sequence < of.sequence)
        .map(|m| m.sequence)
        .max();
    let named = all.iter().filter(|m| !of.withdrawing && of.dependencies.contains(&m.id));
    (named.map(|m| m.sequence).collect(), before)
}

/// Everything that a mutation waits for, however far.
fn waited_for(outbox: &Outbox<Sealed>, at: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut reach = vec![at];
    while let Some(at) = reach.pop() {
        let Some(mutation) = outbox.at(at) else { continue };
        let (dependencies, before) = needs(outbox, mutation);
        reach.extend(dependencies.into_iter().chain(before).filter(|need| found.insert(*need)));
    }
    found
}

fn model(outbox: &Outbox<Sealed>, wanted: &Wanted<'_>) -> Batch {
    let priority = |at: u64| {
        let lends =
            |m: &&Rc<Mutation<Sealed>>| m.sequence == at || waited_for(outbox, m.sequence).contains(&at);
        outbox.iter().filter(lends).map(|m| m.priority).max()
    };
    let mut batch: Vec<&Rc<Mutation<Sealed>>> = Vec::new();
    loop {
        let is_taken = |at: u64| batch.iter().any(|taken| taken.sequence == at);
        let free: Vec<&Rc<Mutation<Sealed>>> = outbox
            .iter()
            .filter(|m| !m.state.is_parked() && *m.principal == *wanted.principal && !is_taken(m.sequence))
            .filter(|m| {
                let (dependencies, before) = needs(outbox, m);
                before.is_none() && dependencies.iter().all(|need| is_taken(*need))
            })
            .collect();
        let is_due = |m: &Mutation<Sealed>| m.next_attempt_at.is_none_or(|due| due <= wanted.now_ms);
        let next = (free.iter().copied())
            .filter(|m| is_due(m))
            .filter(|m| !wanted.one_table || batch.first().is_none_or(|first| first.table == m.table))
            .max_by_key(|m| (priority(m.sequence), Reverse(m.sequence)));
        match next {
            Some(next) if batch.len() < wanted.limit => batch.push(next),
            _ => {
                // What would have to wait, of what this batch enables or nothing holds back.
                let later = free.iter().filter(|m| !is_due(m)).filter_map(|m| m.next_attempt_at).min();
                return Batch {
                    mutations: batch.iter().map(|m| m.id.clone()).collect(),
                    next_attempt_at: later,
                };
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { table: u8, record: u8, priority: u8, on: Vec<prop::sample::Index>, due: Option<u16>, other: bool },
    Stand { which: prop::sample::Index, state: u8, due: Option<u16>, withdrawing: bool },
    Depend { which: prop::sample::Index, on: prop::sample::Index },
    Name { which: prop::sample::Index },
    Retry { which: prop::sample::Index, priority: u8 },
    Leave { which: prop::sample::Index },
    Ask { limit: usize, passed: u16, one_table: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use prop::sample::Index;
    let due = || prop::option::weighted(0.2, 0..5_000_u16);
    let write = (0..3_u8, 0..6_u8, 0..4_u8, prop::collection::vec(any::<Index>(), 0..4), due(), 0..12_u8)
        .prop_map(|(table, record, priority, on, due, other)| Step::Write {
            table,
            record,
            priority,
            on,
            due,
            other: other == 0,
        });
    let stand = (any::<Index>(), 0..4_u8, due(), 0..6_u8).prop_map(|(which, state, due, withdrawing)| {
        Step::Stand { which, state, due, withdrawing: withdrawing == 0 }
    });
    let depend = (any::<Index>(), any::<Index>()).prop_map(|(which, on)| Step::Depend { which, on });
    let name = any::<Index>().prop_map(|which| Step::Name { which });
    let retry = (any::<Index>(), 0..4_u8).prop_map(|(which, priority)| Step::Retry { which, priority });
    let leave = any::<Index>().prop_map(|which| Step::Leave { which });
    let ask = (1..8_usize, 0..3_000_u16, any::<bool>()).prop_map(|(limit, passed, one_table)| Step::Ask {
        limit,
        passed,
        one_table,
    });
    let step = prop_oneof![8 => write, 2 => stand, 2 => depend, 1 => name, 1 => retry, 3 => leave, 3 => ask];
    prop::collection::vec(step, 0..60)
}

const PRIORITIES: [Priority; 4] = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];
const STATES: [MutationState; 4] =
    [MutationState::Pending, MutationState::Sending, MutationState::Conflict, MutationState::Rejected];

fn pick(outbox: &Outbox<Sealed>, which: prop::sample::Index) -> Option<Rc<Mutation<Sealed>>> {
    (!outbox.is_empty()).then(|| outbox.iter().nth(which.index(outbox.len())).cloned()).flatten()
}

fn check(steps: Vec<Step>) {
    let mut outbox = Outbox::default();
    let (mut now_ms, mut written) = (1_000_000_u64, 0_u64);
    for step in steps {
        match step {
            Step::Write { table, record, priority, on, due, other } => {
                written += 1;
                let mut new = mutation(
                    outbox.next_sequence(),
                    &format!("t{table}"),
                    &format!("r{record}"),
                    PRIORITIES[usize::from(priority)],
                );
                new.id = format!("w{written}").as_str().into();
                new.dependencies =
                    on.iter().filter_map(|on| pick(&outbox, *on)).map(|on| on.id.clone()).collect();
                new.next_attempt_at = due.map(|due| now_ms + u64::from(due));
                if other {
                    new.principal = "other".into();
                }
                outbox.put(Rc::new(new));
            }
            Step::Stand { which, state, due, withdrawing } => {
                let Some(mutation) = pick(&outbox, which) else { continue };
                let due = due.map(|due| now_ms + u64::from(due));
                let state = STATES[usize::from(state)];
                let withdrawing = withdrawing && state == MutationState::Sending;
                outbox.put(Rc::new(Mutation {
                    state,
                    next_attempt_at: due,
                    withdrawing,
                    ..(*mutation).clone()
                }));
            }
            Step::Depend { which, on } => {
                let (Some(mutation), Some(on)) = (pick(&outbox, which), pick(&outbox, on)) else {
                    continue;
                };
                let closes = on.id == mutation.id
                    || mutation.withdrawing
                    || waited_for(&outbox, on.sequence).contains(&mutation.sequence);
                if !closes {
                    let mut waiting = (*mutation).clone();
                    waiting.dependencies.push(on.id.clone());
                    outbox.put(Rc::new(waiting));
                }
            }
            // A record gets its server id: its mutations move there one by one.
            Step::Name { which } => {
                let Some(mutation) = pick(&outbox, which) else { continue };
                let server: Id = format!("s{}", mutation.record_id).as_str().into();
                let of_record: Vec<_> =
                    outbox.of_record(&mutation.table, &mutation.record_id).cloned().collect();
                // Two records under one id would make one line of two: what was behind may be in front.
                if outbox.of_record(&mutation.table, &server).next().is_none() {
                    for mutation in of_record {
                        outbox.put(Rc::new(Mutation { record_id: server.clone(), ..(*mutation).clone() }));
                    }
                }
            }
            Step::Retry { which, priority } => {
                let Some(mutation) = pick(&outbox, which) else { continue };
                written += 1;
                let id: Id = format!("w{written}").as_str().into();
                let fresh = Mutation {
                    id: id.clone(),
                    priority: PRIORITIES[usize::from(priority)],
                    state: MutationState::Pending,
                    withdrawing: false,
                    dependencies: if mutation.withdrawing {
                        Vec::new()
                    } else {
                        mutation.dependencies.clone()
                    },
                    ..(*mutation).clone()
                };
                let dependents: Vec<_> = outbox.dependents(&mutation.id).cloned().collect();
                outbox.remove(&mutation.id);
                for dependent in dependents {
                    let mut renamed = (*dependent).clone();
                    for dependency in renamed.dependencies.iter_mut().filter(|on| **on == mutation.id) {
                        *dependency = id.clone();
                    }
                    outbox.put(Rc::new(renamed));
                }
                outbox.put(Rc::new(fresh));
            }
            Step::Leave { which } => {
                let Some(mutation) = pick(&outbox, which) else { continue };
                outbox.remove(&mutation.id);
            }
            Step::Ask { limit, passed, one_table } => {
                now_ms += u64::from(passed);
                let wanted = Wanted { principal: "u", now_ms, limit, one_table, schema: None };
                let (kept, expected) = (next_batch(&outbox, &wanted), model(&outbox, &wanted));
                assert_eq!(kept.mutations, expected.mutations, "{outbox:#?}");
                if kept.mutations.is_empty() {
                    let mine = outbox.iter().filter(|m| *m.principal == *"u").count();
                    assert!(mine == 0 || kept.next_attempt_at == expected.next_attempt_at);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_kept_is_what_a_plain_model_computes(steps in steps()) {
        check(steps);
    }
}

fn wanted(limit: usize) -> Wanted<'static> {
    Wanted { principal: "u", now_ms: 10_000_000, limit, one_table: false, schema: None }
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.mutations.iter().map(|id| &**id).collect()
}

#[test]
fn what_waits_lends_its_priority_and_takes_it_back_when_it_leaves() {
    let mut outbox = Outbox::default();
    outbox.put(Rc::new(mutation(1, "t", "a", Priority::Medium)));
    outbox.put(Rc::new(mutation(2, "t", "b", Priority::Low)));
    let mut high = mutation(3, "t", "c", Priority::High);
    high.dependencies = vec!["m2".into()];
    outbox.put(Rc::new(high));
    assert_eq!(ids(&next_batch(&outbox, &wanted(9))), ["m2", "m3", "m1"]);
    outbox.remove("m3");
    assert_eq!(ids(&next_batch(&outbox, &wanted(9))), ["m1", "m2"]);
}

#[test]
fn a_time_beyond_any_backoff_holds_nothing() {
    let mut outbox = Outbox::default();
    let mut far = mutation(1, "t", "a", Priority::Low);
    far.next_attempt_at = Some(10_000_000 + CAP_MS + 1);
    outbox.put(Rc::new(far));
    let mut soon = mutation(2, "t", "b", Priority::Low);
    soon.next_attempt_at = Some(10_000_000 + CAP_MS);
    outbox.put(Rc::new(soon));
    let batch = next_batch(&outbox, &wanted(9));
    assert_eq!((ids(&batch), batch.next_attempt_at), (vec!["m1"], Some(10_000_000 + CAP_MS)));
}

#[test]
fn what_is_blocked_says_so_and_what_is_to_be_forgotten_waits_for_nobody() {
    let mut outbox = Outbox::default();
    let mut parked = mutation(1, "t", "a", Priority::Low);
    parked.state = MutationState::Rejected;
    outbox.put(Rc::new(parked));
    outbox.put(Rc::new(mutation(2, "t", "a", Priority::Low)));
    let mut child = mutation(3, "t", "b", Priority::Low);
    child.dependencies = vec!["m2".into()];
    outbox.put(Rc::new(child.clone()));
    outbox.put(Rc::new(mutation(4, "t", "c", Priority::Low)));
    let all = waits(&outbox);
    assert_eq!(
        ["m1", "m2", "m3", "m4"].map(|id| all[id]),
        [Waits::Parked, Waits::Blocked, Waits::Blocked, Waits::No]
    );
    assert_eq!(ids(&next_batch(&outbox, &wanted(9))), ["m4"]);
    outbox.put(Rc::new(Mutation { withdrawing: true, state: MutationState::Sending, ..child }));
    assert_eq!(ids(&next_batch(&outbox, &wanted(9))), ["m3", "m4"]);
    assert_eq!(waits(&outbox)["m3"], Waits::No);
}

#[test]
fn a_hundred_thousand_are_sent_in_batches_without_beginning_anew_each_time() {
    let mut outbox = Outbox::default();
    for n in 1..=100_000_u64 {
        let mut new = mutation(n, "t", &format!("r{n}"), PRIORITIES[usize::try_from(n % 4).unwrap()]);
        // Nine need the first of their ten.
        let first = (n - 1) / 10 * 10 + 1;
        if n != first {
            new.dependencies = vec![format!("m{first}").as_str().into()];
        }
        outbox.put(Rc::new(new));
    }
    let mut sent = 0;
    loop {
        let batch = next_batch(&outbox, &wanted(50));
        if batch.mutations.is_empty() {
            break;
        }
        sent += batch.mutations.len();
        for id in &batch.mutations {
            let marked = Mutation { state: MutationState::Sending, ..(**outbox.get(id).unwrap()).clone() };
            outbox.put(Rc::new(marked));
        }
        for id in &batch.mutations {
            outbox.remove(id);
        }
    }
    assert_eq!(sent, 100_000);
    // At the first batch, when it is marked, when it leaves, and once for the children of each that left.
    let looked_at = outbox.order().looked_at;
    assert!(looked_at <= 400_000, "{looked_at}");
}
