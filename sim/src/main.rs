//! `landfall-sim --seeds N | --seed S | --minutes M`

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use landfall_sim::schedule;

struct Wanted {
    first: u64,
    seeds: u64,
    until: Option<Duration>,
}

fn wanted() -> Result<Wanted, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse::<u64>().map_err(|_| format!("`{text}` is not a whole number"));
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Wanted { first: 0, seeds: 500, until: None }),
        ["--seeds", _] => Ok(Wanted { first: 0, seeds: number(&arguments[1])?, until: None }),
        ["--seed", _] => Ok(Wanted { first: number(&arguments[1])?, seeds: 1, until: None }),
        ["--minutes", _] => {
            let until = Some(Duration::from_secs(60 * number(&arguments[1])?));
            Ok(Wanted { first: 0, seeds: u64::MAX, until })
        }
        _ => Err("usage: landfall-sim [--seeds N | --seed S | --minutes M]".into()),
    }
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    let (mut runs, mut virtual_ms) = (0_u64, 0_u64);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in (wanted.first..).take(usize::try_from(wanted.seeds).unwrap_or(usize::MAX)) {
        if wanted.until.is_some_and(|until| started.elapsed() > until) {
            break;
        }
        match schedule::run(seed) {
            Ok(summary) => {
                runs += 1;
                virtual_ms += summary.virtual_ms;
                for (fault, count) in summary.faults {
                    *faults.entry(fault).or_default() += count;
                }
            }
            Err(what) => {
                println!("seed {seed}: {what}");
                println!("to see it again: cargo run --release -p landfall-sim -- --seed {seed}");
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = started.elapsed().as_secs();
    println!("{runs} schedules in {seconds} s, {} days of virtual time", virtual_ms / 86_400_000);
    for (fault, count) in faults {
        println!("{count:>10}  {fault}");
    }
    ExitCode::SUCCESS
}
