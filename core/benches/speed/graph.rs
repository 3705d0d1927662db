//! The graph of dependencies: who waits for what, and whether a new dependency closes a circle.

use std::{hint::black_box, rc::Rc};

use criterion::{BenchmarkId, Criterion, criterion_group};
use landfall_core::{
    decide::{Command, Writer, decide, draft::Draft, mint::Mint},
    error::Error,
    log::entry::{Change, Id, Mutation, MutationState},
    outbox::{Waits, waits},
    state::State,
};

use crate::{
    sizes,
    support::{body::Handle, records::queued},
};

/// The outbox as one chain: each mutation needs the one before it.
fn chain(count: u64) -> State<Handle> {
    let mut state = queued(count);
    let mut before: Option<Id> = None;
    let link = |mutation: &Rc<Mutation<Handle>>| {
        let dependencies = before.replace(mutation.id.clone()).into_iter().collect();
        let row = Some(Rc::new(Mutation { dependencies, ..(**mutation).clone() }));
        Change::Mutation { id: mutation.id.clone(), row }
    };
    let links = state.outbox.iter().map(link).collect();
    state.apply(links, &mut ());
    state
}

/// The first one is refused, so all others are blocked.
fn with_the_first_refused(mut state: State<Handle>) -> State<Handle> {
    let first = state.outbox.iter().next().expect("the outbox is not empty").clone();
    let row = Some(Rc::new(Mutation { state: MutationState::Rejected, ..(*first).clone() }));
    state.apply(vec![Change::Mutation { id: first.id.clone(), row }], &mut ());
    state
}

fn graph(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph");
    group.sample_size(10);
    let mint = Mint { now_ms: 1_760_000_000_600, seed: [7, 11], session: 1, offset: Some(0), first: 0 };
    let writer = Writer { principal: "u7".into(), schema_version: 1, functions: Rc::new(()) };
    for count in sizes() {
        let state = with_the_first_refused(chain(*count));
        group.bench_function(BenchmarkId::new("who is blocked", count), |bencher| {
            bencher.iter(|| {
                let waits = waits(black_box(&state.outbox));
                let blocked = waits.values().filter(|waits| **waits == Waits::Blocked).count();
                assert_eq!(blocked as u64, count - 1);
            });
        });
        let state = chain(*count);
        let ends = (state.outbox.iter().next(), state.outbox.iter().next_back());
        let (Some(first), Some(last)) = ends else { unreachable!("the outbox is not empty") };
        let circle = Command::Depend { mutation: first.id.clone(), on: vec![last.id.clone()] };
        group.bench_function(BenchmarkId::new("a circle refused", count), |bencher| {
            bencher.iter(|| {
                let done = decide(&mut Draft::new(black_box(&state)), &circle, mint, &writer);
                assert!(matches!(done, Err(Error::DependencyCycle { .. })), "{done:?}");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, graph);
