//! `cargo xtask bench`: the engine beside IndexedDB by hand and beside others' libraries, in browsers.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::layout;
use crate::process::Step;
use crate::provide::browsers::{self, Browser};
use crate::provide::node;
use crate::workshop::{Need, Workshop};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fewer rounds: minutes instead of many, medians a little rougher
    #[arg(long)]
    quick: bool,
    /// Measure the libraries of bench/peers too, which are installed there
    #[arg(long)]
    peers: bool,
    /// Write the report to bench/RESULTS.md and its plots to bench/results
    #[arg(long)]
    record: bool,
    /// Rounds that count; 9 if absent, 4 with --peers, 3 with --quick
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only these contestants: raw,floor,landfall, and the folders of bench/peers
    #[arg(long, value_name = "NAMES")]
    only: Option<String>,
    /// Only these workloads, with semicolons between: 'single;start synced'
    #[arg(long, value_name = "NAMES")]
    workloads: Option<String>,
    /// Only these parts: chromium,throttled,growth,first-sync,firefox,webkit
    #[arg(long, value_name = "NAMES")]
    parts: Option<String>,
}

const PEERS: &str = "bench/peers";

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.split(',').any(|chosen| chosen == part))
    }

    /// The browsers that its parts run in. Everything but the parts named after a browser is Chromium's.
    fn browsers(&self) -> Vec<(Browser, Need)> {
        let mut wanted = vec![(Browser::Chromium, Need::Chromium)];
        if self.wants("firefox") {
            wanted.push((Browser::Firefox, Need::Firefox));
        }
        if self.wants("webkit") {
            wanted.push((Browser::WebKit, Need::WebKit));
        }
        wanted
    }

    fn arguments(&self) -> Vec<String> {
        let flags = [("--quick", self.quick), ("--peers", self.peers), ("--record", self.record)];
        let mut arguments: Vec<String> =
            flags.iter().filter(|(_, set)| *set).map(|(flag, _)| (*flag).to_owned()).collect();
        let rounds = self.rounds.map(|rounds| rounds.to_string());
        for (name, value) in [
            ("--rounds", &rounds),
            ("--only", &self.only),
            ("--workloads", &self.workloads),
            ("--parts", &self.parts),
        ] {
            if let Some(value) = value {
                arguments.extend([name.to_owned(), value.clone()]);
            }
        }
        arguments
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let wanted = options.browsers();
    browsers::install(&wanted.iter().map(|(browser, _)| *browser).collect::<Vec<_>>());
    let mut workshop = Workshop::new();
    workshop.need(Need::Pkg)?;
    if options.wants("first-sync") {
        workshop.need(Need::Server)?;
    }
    for (_, need) in wanted {
        workshop.need(need)?;
    }
    if options.peers {
        // Outside the workspaces: nothing else needs them, and no test installs them.
        Step::new("the peers' packages", "npm")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", PEERS])
            .run()?;
    }
    let chromium = browsers::program(&["chromium", "chromium-browser", "google-chrome"]);
    let step = node::script("the benchmark", "landfall-bench", "bench")
        .args(["--"])
        .args(options.arguments())
        .env("LANDFALL_CHROMIUM", chromium)
        .env("LANDFALL_FIREFOX", browsers::program(&["firefox", "firefox-esr"]))
        .env("LANDFALL_GECKODRIVER", layout::tool("geckodriver"))
        .env("LANDFALL_WEBKIT_DRIVER", browsers::program(&["WebKitWebDriver"]))
        .time_limit(Duration::from_hours(2))
        .live();
    step.run()?;
    Ok(ExitCode::SUCCESS)
}
