//! `cargo xtask bench`: the engine beside IndexedDB by hand, in Chromium.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::provide::{browsers, node};
use crate::workshop::{Need, Workshop};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fewer rounds: minutes instead of many, medians a little rougher
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    browsers::install(&[browsers::Browser::Chromium]);
    let mut workshop = Workshop::new();
    for need in [Need::Pkg, Need::Chromium] {
        workshop.need(need)?;
    }
    let chromium = browsers::program(&["chromium", "chromium-browser", "google-chrome"]);
    let step = node::script("the benchmark", "landfall-bench", "bench")
        .args(["--"])
        .args(options.quick.then_some("--quick"))
        .env("LANDFALL_CHROMIUM", chromium)
        .time_limit(Duration::from_hours(1))
        .live();
    step.run()?;
    Ok(ExitCode::SUCCESS)
}
