//! Landfall's one tool: `cargo xtask demo`, `test`, `build`, `package`, `bench`, `budgets` and `simulate`.
//!
//! A command asks the [`workshop`] for what it needs (a compiler target, a tool, a built artifact, a browser); the
//! workshop provides each thing once, skips what is there already and says what to do when it cannot. What
//! runs, runs through [`process`]: with a line of progress, a log under `target/xtask/logs`, a bound on its time and
//! nothing left behind.

#[cfg(not(unix))]
compile_error!("xtask runs on Linux and macOS; on Windows, use it inside WSL");

mod bench;
mod budgets;
mod demo;
mod layout;
mod package;
mod process;
mod progress;
mod provide;
mod simulate;
mod stamp;
mod suites;
mod workshop;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workshop::{Need, Workshop};

/// Landfall's one tool. Each command installs what it lacks, builds what changed and leaves the rest alone.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything and serve the demo with its server on localhost
    ///
    /// Installs what is missing inside the workspace: wasm tools in .tools, npm packages
    /// in `node_modules`. Needs no test browser. What you enter stays in target/demo from
    /// one run to the next. Ctrl-C stops it.
    #[command(verbatim_doc_comment)]
    Demo(demo::Options),
    /// Run every test suite, installing browsers and drivers first where apt is there
    ///
    /// A failing suite does not stop the others. The last line says "N passed, M failed";
    /// each suite's output is kept in target/xtask/logs.
    #[command(verbatim_doc_comment)]
    Test(suites::Options),
    /// Build the wasm, the npm package, the demo and the server
    Build,
    /// Make the npm tarball in target/package/, look inside it and print its size
    Package,
    /// Measure the engine in browsers, beside IndexedDB by hand and beside others' libraries
    Bench(bench::Options),
    /// Count what operations cost (requests, calls into wasm, bytes, allocations) against their limits
    ///
    /// The limits are in bench/budgets.json. Where that file is deleted first, --accept begins anew.
    #[command(verbatim_doc_comment)]
    Budgets(budgets::Options),
    /// Run the engine among hostile networks, crashes and clocks, from seeds
    ///
    /// On every core at once. Prints schedules per second, virtual years and how often each
    /// kind of fault happened; where a promise is broken, the seed, a shrunk schedule and the
    /// story of the record, and exits with 1.
    #[command(verbatim_doc_comment)]
    Simulate(simulate::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Stdout like everything else, so that the reason stands below the steps that led to it.
            println!("\nFailed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    std::env::set_current_dir(layout::root())?;
    process::stop_children_on_signals()?;
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => suites::run(&options),
        Command::Build => {
            let mut workshop = Workshop::new();
            workshop.need(Need::Www)?;
            workshop.need(Need::Server)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Package => package::run(),
        Command::Bench(options) => bench::run(&options),
        Command::Budgets(options) => budgets::run(&options),
        Command::Simulate(options) => simulate::run(&options),
    }
}
