//! `cargo xtask budgets`: what operations cost, counted and held against `bench/budgets.json`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::process::Step;
use crate::provide::{browsers, node};
use crate::workshop::{Need, Workshop};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Make what is counted the limit of whatever does not fit any more, or fits too well
    #[arg(long)]
    accept: bool,
}

pub(crate) const NEEDS: &[Need] = &[Need::Pkg, Need::Server, Need::Chromium];

/// What is counted does not depend on the machine, but the core may have to be compiled first.
pub(crate) const TIME_LIMIT: Duration = Duration::from_mins(20);

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    browsers::install(&[browsers::Browser::Chromium]);
    let mut workshop = Workshop::new();
    for need in NEEDS {
        workshop.need(*need)?;
    }
    let script = if options.accept { "accept-budgets" } else { "budgets" };
    let outcome = step(script).time_limit(TIME_LIMIT).live().outcome()?;
    Ok(if outcome.success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The suite.
pub(crate) fn suite() -> Step {
    step("budgets")
}

fn step(script: &str) -> Step {
    let chromium = browsers::program(&["chromium", "chromium-browser", "google-chrome"]);
    node::script("budgets", "landfall-tests", script).env("LANDFALL_CHROMIUM", chromium)
}
