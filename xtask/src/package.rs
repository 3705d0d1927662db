//! `cargo xtask package`: the npm tarball, looked into as a user's project would.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::layout;
use crate::process::Step;
use crate::progress::{line, say};
use crate::workshop::{Need, Workshop};

pub(crate) fn run() -> Result<ExitCode> {
    Workshop::new().need(Need::Pkg)?;
    let folder = layout::target().join("package");
    if folder.exists() {
        // Of an older version's tarball nobody could tell whether it is the one just made.
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let pack =
        Step::new("the tarball", "npm").args(["pack", "--workspace", "landfall", "--pack-destination"]);
    pack.args([&folder]).run()?;
    let tarball = tarball(&folder)?;
    let inspect =
        Step::new("a look inside", "node").args(["xtask/inspect-package.mjs".into(), tarball.clone()]);
    for text in inspect.run()?.text.lines() {
        line(format_args!("    {text}"));
    }
    say(tarball.display());
    Ok(ExitCode::SUCCESS)
}

fn tarball(folder: &PathBuf) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|end| end == "tgz")).context("npm pack left no tarball")
}
