//! `cargo xtask simulate`: the engine among hostile networks, crashes and clocks; and the suite of the same, five minutes of it.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::layout;
use crate::process::{Step, answer};

/// How long the suite runs. A person who is in a hurry says otherwise by [`SECONDS`].
const SUITE_SECONDS: u64 = 300;
const SECONDS: &str = "LANDFALL_SIMULATION_SECONDS";
/// A night and a day: a run ends by itself.
const TIME_LIMIT: Duration = Duration::from_hours(24);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// So many schedules, from seed 0 on or from the one that --from names
    #[arg(long, value_name = "N", conflicts_with_all = ["seed", "planted", "replay"])]
    seeds: Option<u64>,
    /// The schedule of one seed
    #[arg(long, value_name = "S", conflicts_with_all = ["planted", "replay"])]
    seed: Option<u64>,
    /// As many schedules as there is time for
    #[arg(long, value_name = "M", conflicts_with_all = ["seed", "planted", "replay"])]
    minutes: Option<u64>,
    /// Which seed to begin with
    #[arg(long, value_name = "S")]
    from: Option<u64>,
    /// A kept schedule
    #[arg(long, value_name = "FILE", conflicts_with = "planted")]
    replay: Option<String>,
    /// Print everything that happens in the one schedule
    #[arg(long)]
    trace: bool,
    /// Look for each of the bugs that are planted on purpose; exit 0 only if all are found
    #[arg(long)]
    planted: bool,
    /// Of the planted bugs this one alone
    #[arg(long, value_name = "NAME", requires = "planted")]
    bug: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut arguments: Vec<String> = Vec::new();
    let numbers = [
        ("--seeds", options.seeds),
        ("--seed", options.seed),
        ("--minutes", options.minutes),
        ("--from", options.from),
    ];
    for (name, number) in numbers {
        arguments.extend(number.into_iter().flat_map(|number| [name.to_owned(), number.to_string()]));
    }
    if let Some(file) = &options.replay {
        arguments.extend(["--replay".to_owned(), file.clone()]);
    }
    if options.trace {
        arguments.push("--trace".to_owned());
    }
    if options.planted {
        arguments.push("--planted".to_owned());
        arguments.extend(options.bug.clone());
    }
    build(options.planted)?;
    // Its own lines are the report, and its exit code the verdict.
    let step = Step::new("simulate", binary(options.planted)).args(arguments).time_limit(TIME_LIMIT).live();
    let outcome = step.outcome()?;
    Ok(if outcome.success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The simulator. Planted bugs are compiled into a binary of their own, so that neither build undoes the other.
pub(crate) fn build(planted: bool) -> Result<()> {
    let name = if planted { "the simulator with planted bugs" } else { "the simulator" };
    let step = Step::new(name, "cargo")
        .args(["build", "--profile", "sim", "--package", "landfall-sim"])
        .args(planted.then_some("--features=planted"))
        .args(planted.then(|| format!("--target-dir={}", layout::target().join("planted").display())))
        .time_limit(Duration::from_mins(30));
    step.run()?;
    Ok(())
}

fn binary(planted: bool) -> std::path::PathBuf {
    let target = if planted { layout::target().join("planted") } else { layout::target() };
    target.join("sim").join("landfall-sim")
}

/// The required run: every kept schedule, then five minutes of seeds that this very tree decides.
pub(crate) fn suite() -> Step {
    let seconds = suite_seconds().to_string();
    let from = tree_seed(layout::root().as_path()).to_string();
    let step = Step::new("simulation", binary(false));
    step.args(["--required", "sim/schedules", "--seconds", &seconds, "--from", &from])
}

fn suite_seconds() -> u64 {
    env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(SUITE_SECONDS)
}

/// A number for the content of this tree: git's own hash of what is committed, and of what is not. Every change of the code is tried with
/// other schedules, and the same code with the same.
fn tree_seed(root: &Path) -> u64 {
    let git = |arguments: &[&str]| answer("git", arguments).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    git(&["rev-parse", "HEAD^{tree}"]).hash(&mut hasher);
    git(&["diff", "HEAD"]).hash(&mut hasher);
    for file in git(&["ls-files", "--others", "--exclude-standard"]).lines() {
        file.hash(&mut hasher);
        // One that cannot be read is still there by its name.
        fs::read(root.join(file)).unwrap_or_default().hash(&mut hasher);
    }
    // Small enough to be read aloud; room above it for the seeds that follow.
    hasher.finish() >> 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tree_has_the_same_seed() {
        let root = layout::root();
        assert_eq!(tree_seed(&root), tree_seed(&root));
        assert!(tree_seed(&root) < 1 << 40);
    }
}
