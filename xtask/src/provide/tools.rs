//! The pinned tools in `.tools/`, built by `cargo install` once.
//!
//! Not on the machine's own path: the workspace neither changes what else is installed nor depends on it.

use std::fs;

use anyhow::{Context, Result};

use crate::layout;
use crate::process::{Step, answer};

const WASM_PACK: &str = "0.15.1";
const GECKODRIVER: &str = "0.37.1";

pub(crate) fn wasm_pack() -> Result<()> {
    install("wasm-pack", "wasm-pack", WASM_PACK, &["--locked"])
}

/// wasm-bindgen's command line and test runner. Their version must equal the library's, or they refuse the module.
pub(crate) fn wasm_bindgen() -> Result<()> {
    let lock = fs::read_to_string(layout::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = locked_version(&lock, "wasm-bindgen").context("Cargo.lock has no wasm-bindgen")?;
    // Without --locked: the lock file that 0.2.130 ships names a release of webpki-roots that crates.io no longer has.
    install("wasm-bindgen-cli", "wasm-bindgen", version, &[])
}

/// Firefox's driver: Debian has no package of it.
pub(crate) fn geckodriver() -> Result<()> {
    install("geckodriver", "geckodriver", GECKODRIVER, &["--locked"])
}

fn install(package: &str, program: &str, version: &str, options: &[&str]) -> Result<()> {
    let installed = answer(layout::tool(program), &["--version"]).unwrap_or_default();
    if installed.lines().next().is_some_and(|line| line.split_whitespace().any(|word| word == version)) {
        return Ok(());
    }
    // Built for somebody who waits: these run for a second at a time, and full optimisation would double the first
    // run's wait. In target/ and not in the temporary folder, which may be small and in memory; an interrupted
    // installation goes on from there.
    let workplace = layout::target().join("tools");
    let step = Step::new(format!("{package} {version} into .tools"), "cargo")
        .args(["install", package, "--version", version, "--root"])
        .args([layout::tools()])
        .args(options)
        .env("CARGO_TARGET_DIR", &workplace)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    step.advice(format!(
        "check the network, or try `cargo install {package} --version {version} --root .tools`"
    ))
    .run()?;
    // Hundreds of megabytes that nothing will read again. If they cannot be removed, they are only in the way.
    let _ = fs::remove_dir_all(workplace);
    Ok(())
}

/// The version that a Cargo.lock has of `package`.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn a_locked_version_is_found_by_the_whole_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-futures\"\nversion = \"0.4.80\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen"), Some("0.2.130"));
        assert_eq!(locked_version(lock, "wasm"), None);
    }
}
