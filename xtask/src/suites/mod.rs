//! `cargo xtask test`: every suite, one after the other, counted.

mod catalogue;
mod counts;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::progress::{clock, line, say};
use crate::provide::browsers;
use crate::workshop::{Need, Workshop};

use catalogue::{SUITES, Suite};
use counts::Counts;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The suites to run; all of them if none is named
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// List the suites and what each checks
    #[arg(long)]
    list: bool,
}

struct Report {
    suite: &'static Suite,
    counts: Counts,
    elapsed: Duration,
    failure: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for suite in SUITES {
            line(format_args!("{:<12} {}", suite.name, suite.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let suites = chosen(&options.suites)?;
    browsers::install(&wanted_browsers(&suites));
    let mut workshop = Workshop::new();
    let reports: Vec<Report> = suites.into_iter().map(|suite| report(suite, &mut workshop)).collect();
    Ok(conclude(&reports))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if let Some(unknown) = names.iter().find(|name| SUITES.iter().all(|suite| suite.name != **name)) {
        bail!("there is no suite called {unknown}; `cargo xtask test --list` shows them");
    }
    Ok(SUITES
        .iter()
        .filter(|suite| names.is_empty() || names.iter().any(|name| name == suite.name))
        .collect())
}

fn wanted_browsers(suites: &[&Suite]) -> Vec<browsers::Browser> {
    let pairs = [
        (Need::Chromium, browsers::Browser::Chromium),
        (Need::Firefox, browsers::Browser::Firefox),
        (Need::WebKit, browsers::Browser::WebKit),
    ];
    let wanted = |need: &Need| suites.iter().any(|suite| suite.needs.contains(need));
    pairs.into_iter().filter(|(need, _)| wanted(need)).map(|(_, browser)| browser).collect()
}

/// Runs one suite. Whatever goes wrong, its needs included, is a failure of this suite and of no other.
fn report(suite: &'static Suite, workshop: &mut Workshop) -> Report {
    line("");
    say(format_args!("── {}: {}", suite.name, suite.about));
    let started = Instant::now();
    let (counts, failure) = match attempt(suite, workshop) {
        Ok((counts, failure)) => (counts, failure),
        Err(error) => (Counts { passed: 0, failed: 1 }, Some(format!("{error:#}"))),
    };
    let elapsed = started.elapsed();
    if let Some(failure) = &failure {
        say(format_args!("{} failed: {failure}", suite.name));
    }
    say(format_args!(
        "{}: {} passed, {} failed in {}",
        suite.name,
        counts.passed,
        counts.failed,
        clock(elapsed)
    ));
    Report { suite, counts, elapsed, failure }
}

fn attempt(suite: &Suite, workshop: &mut Workshop) -> Result<(Counts, Option<String>)> {
    for need in suite.needs {
        workshop.need(*need)?;
    }
    let outcome = (suite.step)().time_limit(suite.time_limit).live().outcome()?;
    let counts = suite.runner.count(&outcome.text, outcome.success);
    let failure = if !outcome.success {
        Some(outcome.ending)
    } else if counts.failed > 0 {
        Some("it ran no test, or counted failures although it exited with zero".to_owned())
    } else {
        None
    };
    Ok((counts, failure))
}

/// The table of all suites, then the line that machines read: it is the last one.
fn conclude(reports: &[Report]) -> ExitCode {
    line("");
    for Report { suite, counts, elapsed, failure } in reports {
        let Counts { passed, failed } = counts;
        let reason = failure.as_ref().map(|failure| format!("   {failure}")).unwrap_or_default();
        line(format_args!(
            "{:<12} {passed:>5} passed {failed:>5} failed {:>9}{reason}",
            suite.name,
            clock(*elapsed)
        ));
    }
    let total = reports.iter().fold(Counts::default(), |total, report| total + report.counts);
    line("");
    line(format_args!("{} passed, {} failed", total.passed, total.failed));
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
