//! Node, npm and the workspace's packages.

use anyhow::{Result, bail};

use crate::layout;
use crate::process::{Step, answer};
use crate::stamp::Stamp;

/// The oldest Node that the build's tools run on, as package.json's `engines` says.
const OLDEST: (u32, u32) = (20, 19);
const HOW: &str = "install Node 20.19 or newer from https://nodejs.org (Debian 12's own is too old)";

pub(crate) fn node() -> Result<()> {
    let Some(version) = answer("node", &["--version"]) else { bail!("Node is missing: {HOW}") };
    if parse(&version).is_none_or(|found| found < OLDEST) {
        bail!("Node {version} is too old: {HOW}");
    }
    if answer("npm", &["--version"]).is_none() {
        bail!("npm is missing, which comes with Node: {HOW}");
    }
    Ok(())
}

/// `node_modules/` as package-lock.json has it.
pub(crate) fn packages() -> Result<()> {
    let manifests =
        ["package.json", "pkg/package.json", "www/package.json", "tests/package.json", "bench/package.json"];
    // npm's record of what it installed stands for the thousands of files beside it.
    let stamp = Stamp::new("npm")
        .reads(&["package-lock.json"])
        .reads(&manifests)
        .writes(&["node_modules/.package-lock.json"])
        .depends_on(answer("node", &["--version"]).unwrap_or_default());
    if stamp.is_fresh() {
        return Ok(());
    }
    let step = Step::new("npm packages", "npm").args(["ci", "--no-audit", "--no-fund"]);
    step.advice(
        "check the network; where a package.json has changed, `npm install` brings the lock file up to date",
    )
    .run()?;
    stamp.renew()
}

/// A step that runs one of a workspace's npm scripts.
pub(crate) fn script(name: impl Into<String>, workspace: &str, script: &str) -> Step {
    Step::new(name, "npm").args(["run", script, "-w", workspace]).env("LANDFALL_SERVER", layout::server())
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, parse};

    #[test]
    fn node_versions_compare_by_number() {
        assert!(parse("v20.9.0").is_some_and(|version| version < OLDEST));
        assert!(parse("v20.19.0").is_some_and(|version| version >= OLDEST));
        assert!(parse("v100.0.0-nightly").is_some_and(|version| version >= OLDEST));
        assert_eq!(parse("node"), None);
    }
}
