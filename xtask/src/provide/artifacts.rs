//! What is built: wasm, npm package, demo, server. Each is skipped while its inputs and outputs are unchanged.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::layout;
use crate::process::Step;
use crate::progress::say;
use crate::provide::{node, rust};
use crate::stamp::Stamp;

const BUILD_TIME_LIMIT: Duration = Duration::from_mins(30);

/// The wasm crate: compiled, bound, optimised, then copied to `pkg/wasm/`.
pub(crate) fn wasm() -> Result<()> {
    let stamp = Stamp::new("wasm")
        .reads(&["Cargo.toml", "Cargo.lock", "core", "src", "node_modules/binaryen/package.json"])
        .writes(&["pkg/wasm"])
        .depends_on(rust::version());
    if stamp.is_fresh() {
        say("the wasm: unchanged");
        return Ok(());
    }
    // wasm-pack would leave the module unoptimised without a word.
    if !layout::root().join("node_modules/.bin/wasm-opt").exists() {
        bail!("wasm-opt is missing from node_modules: run `npm ci`");
    }
    // Not into pkg/, wasm-pack's default: it would overwrite the package's own package.json.
    let made = layout::target().join("wasm");
    let step = Step::new("the wasm", "wasm-pack")
        .args(["build", "--mode", "no-install", "--no-pack", "--release", "--target", "web", "--out-dir"])
        .args([&made])
        .time_limit(BUILD_TIME_LIMIT);
    step.run()?;
    let destination = layout::root().join("pkg/wasm");
    if destination.exists() {
        fs::remove_dir_all(&destination)?;
    }
    copy(&made, &destination)?;
    stamp.renew()
}

/// Copies what wasm-pack made, without its `.gitignore`, which would keep npm from packing the files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_name() == ".gitignore" {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The npm package.
pub(crate) fn pkg() -> Result<()> {
    let stamp = Stamp::new("pkg")
        .reads(&["pkg", "pkg/wasm", "tsconfig.base.json", "node_modules/.package-lock.json"])
        .writes(&["pkg/dist"]);
    if stamp.is_fresh() {
        say("the npm package: unchanged");
        return Ok(());
    }
    node::script("the npm package", "landfall", "build").run()?;
    stamp.renew()
}

/// The demo.
pub(crate) fn www() -> Result<()> {
    let stamp = Stamp::new("www")
        .reads(&[
            "www",
            "pkg/package.json",
            "pkg/dist",
            "tsconfig.base.json",
            "node_modules/.package-lock.json",
        ])
        .writes(&["www/dist"]);
    if stamp.is_fresh() {
        say("the demo: unchanged");
        return Ok(());
    }
    node::script("the demo", "landfall-demo", "build").run()?;
    stamp.renew()
}

/// The server. Cargo knows best whether there is anything to do.
pub(crate) fn server() -> Result<()> {
    let step = Step::new("the server", "cargo")
        .args(["build", "--profile", "server", "--package", "landfall-server"])
        .time_limit(BUILD_TIME_LIMIT);
    step.run()?;
    Ok(())
}
