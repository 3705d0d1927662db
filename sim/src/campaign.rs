//! Many schedules, on as many threads as there are cores.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    faults::{Counts, Fault},
    journal::{Line, Violation},
    run::{Outcome, run},
    schedule::{Schedule, Shrunk, generate, shrink},
    story::story,
};

/// A run that is shorter than this may well miss a kind of fault.
pub const SCHEDULES_TO_SEE_EVERY_FAULT: u64 = 1_000;
/// How long a schedule that failed is shrunk.
const SHRINK_FOR: Duration = Duration::from_mins(1);
const MS_PER_YEAR: u64 = 365 * 24 * 3_600_000;

/// Which seeds to run, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub first_seed: u64,
    pub seeds: u64,
    pub at_most: Duration,
    /// It stops after so many that failed.
    pub failures_max: usize,
}

/// What many schedules came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub schedules: u64,
    pub virtual_ms: u64,
    pub faults: Counts,
    /// Those that failed, by their seeds.
    pub failures: BTreeMap<u64, Violation>,
    pub elapsed: Duration,
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.schedules += 1;
        self.virtual_ms += outcome.virtual_ms;
        for (fault, count) in outcome.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        if let Err(violation) = outcome.result {
            self.failures.insert(seed, violation);
        }
    }

    /// Kinds of fault that a run long enough for all of them has not seen.
    #[must_use]
    pub fn unseen(&self) -> Vec<Fault> {
        if self.schedules < SCHEDULES_TO_SEE_EVERY_FAULT {
            return Vec::new();
        }
        Fault::ALL.iter().filter(|fault| !self.faults.contains_key(fault)).copied().collect()
    }

    /// What a person reads.
    #[must_use]
    pub fn report(&self) -> String {
        let seconds = self.elapsed.as_secs_f64().max(0.001);
        let total: u64 = self.faults.values().sum();
        let runs = self.schedules.max(1);
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let (rate, mean, years) = (
            self.schedules as f64 / seconds,
            total as f64 / runs as f64,
            self.virtual_ms as f64 / MS_PER_YEAR as f64,
        );
        let mut text = format!(
            "{} schedules in {seconds:.1} s: {rate:.0} a second, {years:.1} virtual years, {mean:.1} faults each\n",
            self.schedules
        );
        for fault in Fault::ALL {
            let count = self.faults.get(fault).copied().unwrap_or_default();
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{count:>12}  {}", fault.name());
        }
        text
    }
}

/// Runs schedules until so many fail, the seeds are used up or the time is. `progress` is told after each thousand, and of each seed
/// that failed.
pub fn campaign(extent: Extent, progress: &(dyn Fn(u64, Duration, Option<u64>) + Sync)) -> Tally {
    let started = Instant::now();
    let (next, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
    let tally = Mutex::new(Tally::default());
    let work = || {
        while !stopped.load(Ordering::Relaxed) && started.elapsed() < extent.at_most {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= extent.seeds {
                break;
            }
            let seed = extent.first_seed.wrapping_add(at);
            let outcome = run(&generate(seed), false);
            let failed = outcome.result.is_err().then_some(seed);
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(seed, outcome);
            stopped.store(tally.failures.len() >= extent.failures_max, Ordering::Relaxed);
            if failed.is_some() || tally.schedules.is_multiple_of(1_000) {
                progress(tally.schedules, started.elapsed(), failed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(work);
        }
    });
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.elapsed = started.elapsed();
    tally
}

/// One schedule at a time on each core.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A schedule that failed, told.
pub struct Telling {
    pub shrunk: Shrunk,
    pub story: Vec<Line>,
}

/// Shrinks a schedule that failed and tells the story of the record that it is about.
#[must_use]
pub fn tell(schedule: Schedule, violation: Violation) -> Telling {
    let shrunk = shrink(schedule, violation, SHRINK_FOR, &|candidate| run(candidate, false).result);
    let lines = run(&shrunk.schedule, true).lines;
    let story = story(&lines, &shrunk.violation.subjects);
    Telling { shrunk, story }
}
