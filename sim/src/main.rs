//! The simulator's command: see [`USAGE`].

mod arguments;

use std::{process::ExitCode, time::Duration};

use arguments::{Task, Wanted};
use landfall_sim::{
    campaign::{Extent, Telling, campaign, tell},
    journal::Violation,
    run::run,
    schedule::{Schedule, generate},
};

/// A quarter of the time goes into small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let wanted = match Wanted::read(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("{message}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    // A panic of the engine is a violation like any other: it is told with its schedule.
    std::panic::set_hook(Box::new(|_| {}));
    let is_good = match wanted.task {
        Task::Trace(schedule) => trace(&schedule),
        Task::Run(extent) => many(extent),
        Task::One(schedule) => one(&schedule),
        Task::Required { files, extent } => required(&files, extent),
        Task::Planted { name, seeds } => planted(name.as_deref(), seeds),
    };
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn trace(schedule: &Schedule) -> bool {
    let outcome = run(schedule, true);
    for line in &outcome.lines {
        println!("{line}");
    }
    outcome.result.is_ok()
}

fn one(schedule: &Schedule) -> bool {
    let outcome = run(schedule, false);
    match outcome.result {
        Ok(()) => {
            println!(
                "passed: {} steps, {} s of virtual time",
                schedule.steps.len(),
                outcome.virtual_ms / 1_000
            );
            for (fault, count) in outcome.faults {
                println!("{count:>12}  {}", fault.name());
            }
            true
        }
        Err(violation) => {
            show(schedule.clone(), violation);
            false
        }
    }
}

fn many(extent: Extent) -> bool {
    let progress = |schedules: u64, elapsed: Duration, failed: Option<u64>| {
        if let Some(seed) = failed {
            println!("… seed {seed} fails");
        }
        if schedules.is_multiple_of(10_000) {
            println!("… {schedules} schedules in {} s", elapsed.as_secs());
        }
    };
    let mut tally = campaign(extent, &progress);
    print!("{}", tally.report());
    let first = tally.failures.pop_first();
    for (seed, violation) in &tally.failures {
        println!("seed {seed}: {violation}");
    }
    if let Some((seed, violation)) = first {
        println!("\nseed {seed}");
        show(generate(seed), violation);
        println!("to see it again: cargo xtask simulate --seed {seed}");
        return false;
    }
    let unseen = tally.unseen();
    for fault in &unseen {
        println!("never happened: {}", fault.name());
    }
    unseen.is_empty()
}

fn show(schedule: Schedule, violation: Violation) {
    println!("{violation}");
    let steps = schedule.steps.len();
    let Telling { shrunk, story } = tell(schedule, violation);
    println!(
        "\nshrunk from {steps} to {} steps by {} tries, for the file sim/schedules/….json:\n{}",
        shrunk.schedule.steps.len(),
        shrunk.tries,
        shrunk.schedule.to_text()
    );
    println!("the story of {}:", shrunk.violation.subjects.join(", "));
    for line in &story {
        println!("{line}");
    }
    println!("{}", shrunk.violation);
}

/// The kept schedules, then as many new ones as there is time for: told as tests are.
fn required(files: &[std::path::PathBuf], extent: Extent) -> bool {
    let (mut passed, mut failed) = (0, 0);
    for file in files {
        let schedule = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let outcome = schedule
            .and_then(|text| Schedule::parse(&text))
            .map(|schedule| (run(&schedule, false).result, schedule));
        let name = file.display();
        match outcome {
            Ok((Ok(()), _)) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Ok((Err(violation), schedule)) => {
                println!("test {name} ... FAILED");
                show(schedule, violation);
                failed += 1;
            }
            Err(error) => {
                println!("test {name} ... FAILED: {error}");
                failed += 1;
            }
        }
    }
    println!("schedules from seed {} on, for {} s", extent.first_seed, extent.at_most.as_secs());
    let is_good = many(extent);
    passed += u32::from(is_good);
    failed += u32::from(!is_good);
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed;");
    failed == 0
}

#[cfg(feature = "planted")]
fn planted(only: Option<&str>, seeds: u64) -> bool {
    use landfall_core::planted::BUGS;
    use landfall_sim::planted::search;

    let mut missed = 0;
    let bugs: Vec<_> = BUGS.iter().filter(|bug| only.is_none_or(|only| bug.name == only)).collect();
    for bug in &bugs {
        let found = search(bug, seeds);
        let seconds = found.elapsed.as_secs_f64();
        println!("{} (promise {}): {}", bug.name, bug.promise, bug.trap);
        if let Some(seed) = found.found {
            println!(
                "  found by seed {seed}, after {} schedules and {seconds:.1} s; the seed passes without it",
                seed + 1
            );
        } else {
            println!("  not found in {seeds} schedules, {seconds:.1} s");
            missed += 1;
        }
        let mut otherwise: Vec<String> = found
            .otherwise
            .iter()
            .take(5)
            .map(|(seed, promise)| format!("{promise} (seed {seed})"))
            .collect();
        if found.otherwise.len() > 5 {
            otherwise.push("…".to_owned());
        }
        if !otherwise.is_empty() {
            println!("  before that, seen as a violation of promise {}", otherwise.join(", "));
        }
    }
    println!("{} of {} planted bugs found", bugs.len() - missed, bugs.len());
    missed == 0
}

#[cfg(not(feature = "planted"))]
fn planted(_: Option<&str>, _: u64) -> bool {
    println!("this binary has no planted bugs in it; `cargo xtask simulate --planted` builds one that has");
    false
}
