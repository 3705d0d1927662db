//! The Rust toolchain's parts: the wasm target, rustfmt, clippy.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::{Step, answer};

const WASM: &str = "wasm32-unknown-unknown";

/// The active toolchain's wasm32 target. A toolchain from a distribution has its own way to add it.
pub(crate) fn wasm_target() -> Result<()> {
    let sysroot = answer("rustc", &["--print", "sysroot"])
        .context("rustc does not answer: install Rust from https://rustup.rs")?;
    if Path::new(&sysroot).join("lib/rustlib").join(WASM).join("lib").is_dir() {
        return Ok(());
    }
    if answer("rustup", &["--version"]).is_none() {
        bail!(
            "Rust's target {WASM} is missing and rustup is not there to add it: install Rust from https://rustup.rs"
        );
    }
    let step = Step::new("the target wasm32-unknown-unknown", "rustup").args(["target", "add", WASM]);
    step.advice("check the network, or run `rustup target add wasm32-unknown-unknown` by hand").run()?;
    Ok(())
}

/// One of rustup's components, known by the cargo command that it brings.
pub(crate) fn component(name: &'static str, command: &str) -> Result<()> {
    if answer("cargo", &[command, "--version"]).is_some() {
        return Ok(());
    }
    let step = Step::new(format!("the component {name}"), "rustup").args(["component", "add", name]);
    step.advice(format!("check the network, or run `rustup component add {name}` by hand")).run()?;
    Ok(())
}

/// The compiler as it names itself, on which everything compiled depends.
pub(crate) fn version() -> String {
    answer("rustc", &["--version"]).unwrap_or_default()
}

/// Whether the compiler is the oldest that the workspace supports, `rust-version` in Cargo.toml. Lints are decided
/// there: a newer release brings new ones, which are news and not faults.
pub(crate) fn is_oldest_supported() -> bool {
    let version = version();
    version
        .split_whitespace()
        .nth(1)
        .is_some_and(|number| number.starts_with(concat!(env!("CARGO_PKG_RUST_VERSION"), ".")))
}
