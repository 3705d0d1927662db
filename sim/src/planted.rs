//! Bugs on purpose: the unmodified generator finds each of them, as a violation of the promise that it breaks.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use landfall_core::planted::{Bug, plant};

use crate::{campaign::threads, run::run, schedule::generate};

/// What came of looking for one bug.
#[derive(Debug)]
pub struct Search {
    /// The smallest seed that found it as a violation of its promise, and passes without it.
    pub found: Option<u64>,
    /// Seeds before that which broke another promise first, with its number.
    pub otherwise: Vec<(u64, u8)>,
    pub elapsed: Duration,
}

/// Looks for one bug in so many schedules, from seed 0.
#[must_use]
pub fn search(bug: &'static Bug, seeds: u64) -> Search {
    let started = Instant::now();
    let (next, best) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let otherwise: Mutex<Vec<(u64, u8)>> = Mutex::default();
    let work = || {
        plant(Some(bug));
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.min(best.load(Ordering::Relaxed)) {
                break;
            }
            match run(&generate(seed), false).result {
                Err(violation) if violation.promise == bug.promise && passes_without(bug, seed) => {
                    best.fetch_min(seed, Ordering::Relaxed);
                }
                Err(violation) => {
                    otherwise.lock().unwrap_or_else(PoisonError::into_inner).push((seed, violation.promise));
                }
                Ok(()) => {}
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(work);
        }
    });
    let found = Some(best.into_inner()).filter(|seed| *seed < seeds);
    let mut otherwise = otherwise.into_inner().unwrap_or_else(PoisonError::into_inner);
    otherwise.sort_unstable();
    otherwise.retain(|(seed, _)| found.is_none_or(|found| *seed < found));
    Search { found, otherwise, elapsed: started.elapsed() }
}

/// What is broken anyway says nothing of the bug.
fn passes_without(bug: &'static Bug, seed: u64) -> bool {
    plant(None);
    let passes = run(&generate(seed), false).result.is_ok();
    plant(Some(bug));
    passes
}
