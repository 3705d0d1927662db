//! What the command is asked for.

use std::{path::PathBuf, time::Duration};

use landfall_sim::{
    campaign::Extent,
    schedule::{Schedule, generate},
};

pub(crate) const USAGE: &str = "\
usage: landfall-sim [--seeds N] [--from SEED] [--minutes M | --seconds S]
                    [--failures N]
       landfall-sim --seed SEED [--trace]
       landfall-sim --replay FILE [--trace]
       landfall-sim --required DIRECTORY [--from SEED] [--minutes M | --seconds S]
       landfall-sim --planted [NAME] [--seeds N]";

/// What to do.
pub(crate) struct Wanted {
    pub(crate) task: Task,
}

pub(crate) enum Task {
    Run(Extent),
    One(Schedule),
    Trace(Schedule),
    Required { files: Vec<PathBuf>, extent: Extent },
    Planted { name: Option<String>, seeds: u64 },
}

/// How many schedules are run if nothing is said of it.
const SEEDS: u64 = 1_000;
/// A bug that is not found within so many schedules is a hole in the simulator.
const PLANTED_SEEDS: u64 = 100_000;
const FOR_EVER: Duration = Duration::from_secs(u64::MAX / 2);

#[derive(Default)]
struct Said {
    seeds: Option<u64>,
    from: u64,
    at_most: Option<Duration>,
    failures: Option<u64>,
    seed: Option<u64>,
    replay: Option<PathBuf>,
    required: Option<PathBuf>,
    is_planted: bool,
    planted_name: Option<String>,
    is_traced: bool,
}

impl Wanted {
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut said = Said::default();
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--seeds" => said.seeds = Some(number(&value()?)?),
                "--from" => said.from = number(&value()?)?,
                "--minutes" => said.at_most = Some(Duration::from_secs(60 * number(&value()?)?)),
                "--seconds" => said.at_most = Some(Duration::from_secs(number(&value()?)?)),
                "--failures" => said.failures = Some(number(&value()?)?),
                "--seed" => said.seed = Some(number(&value()?)?),
                "--replay" => said.replay = Some(value()?.into()),
                "--required" => said.required = Some(value()?.into()),
                "--trace" => said.is_traced = true,
                "--planted" => {
                    said.is_planted = true;
                    said.planted_name = arguments.next_if(|next| !next.starts_with("--"));
                }
                _ => return Err(format!("what is `{argument}`?")),
            }
        }
        said.task().map(|task| Self { task })
    }
}

impl Said {
    fn task(self) -> Result<Task, String> {
        let extent = Extent {
            first_seed: self.from,
            seeds: self.seeds.unwrap_or(if self.at_most.is_some() { u64::MAX } else { SEEDS }),
            at_most: self.at_most.unwrap_or(FOR_EVER),
            failures_max: self.failures.and_then(|number| usize::try_from(number).ok()).unwrap_or(1),
        };
        if self.is_planted {
            return Ok(Task::Planted { name: self.planted_name, seeds: self.seeds.unwrap_or(PLANTED_SEEDS) });
        }
        if let Some(directory) = self.required {
            return Ok(Task::Required { files: files(&directory)?, extent });
        }
        let schedule = match (self.seed, self.replay) {
            (None, None) => return Ok(Task::Run(extent)),
            (Some(seed), _) => generate(seed),
            (None, Some(file)) => {
                let text =
                    std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                Schedule::parse(&text).map_err(|error| format!("{}: {error}", file.display()))?
            }
        };
        Ok(if self.is_traced { Task::Trace(schedule) } else { Task::One(schedule) })
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn files(directory: &PathBuf) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    Ok(files)
}
