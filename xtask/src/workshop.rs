//! What a command may need, and providing each thing once.

use std::collections::HashMap;

use anyhow::{Result, anyhow};

use crate::provide::{artifacts, browsers, node, rust, tools};
use crate::simulate;

/// Something that must be there before a step can run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Need {
    /// The compiler's wasm32 target.
    WasmTarget,
    Rustfmt,
    Clippy,
    WasmPack,
    /// `wasm-bindgen` and its test runner, in the version that Cargo.lock names.
    WasmBindgen,
    Geckodriver,
    /// Node and npm, new enough.
    Node,
    /// `node_modules/` as package-lock.json has it.
    NpmPackages,
    /// The wasm crate, optimised, in `pkg/wasm/`.
    Wasm,
    /// The npm package, in `pkg/dist/`.
    Pkg,
    /// The demo, in `www/dist/`.
    Www,
    /// The sync server.
    Server,
    /// The simulator, without planted bugs.
    Simulator,
    /// Chromium and its driver.
    Chromium,
    /// Firefox and its driver.
    Firefox,
    /// WebKitGTK's MiniBrowser, its driver and a display to show it on.
    WebKit,
}

impl Need {
    /// What this one needs itself.
    fn needs(self) -> &'static [Need] {
        match self {
            Need::WasmTarget
            | Need::Rustfmt
            | Need::Clippy
            | Need::WasmPack
            | Need::WasmBindgen
            | Need::Geckodriver
            | Need::Node
            | Need::Server
            | Need::Simulator
            | Need::Chromium
            | Need::WebKit => &[],
            Need::NpmPackages => &[Need::Node],
            Need::Wasm => &[Need::NpmPackages, Need::WasmTarget, Need::WasmPack, Need::WasmBindgen],
            Need::Pkg => &[Need::Wasm],
            Need::Www => &[Need::Pkg],
            Need::Firefox => &[Need::Geckodriver],
        }
    }
}

/// Provides needs and remembers which it has provided, or why it could not.
pub(crate) struct Workshop {
    provided: HashMap<Need, Result<(), String>>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        Self { provided: HashMap::new() }
    }

    /// Provides `need` and what it needs in turn. A failure is remembered: every step that needs the same thing fails
    /// with the same reason, without trying again.
    pub(crate) fn need(&mut self, need: Need) -> Result<()> {
        if let Some(known) = self.provided.get(&need) {
            return known.clone().map_err(|reason| anyhow!(reason));
        }
        let result = self.provide(need);
        self.provided.insert(need, result.as_ref().copied().map_err(|error| format!("{error:#}")));
        result
    }

    fn provide(&mut self, need: Need) -> Result<()> {
        for inner in need.needs() {
            self.need(*inner)?;
        }
        match need {
            Need::WasmTarget => rust::wasm_target(),
            Need::Rustfmt => rust::component("rustfmt", "fmt"),
            Need::Clippy => rust::component("clippy", "clippy"),
            Need::WasmPack => tools::wasm_pack(),
            Need::WasmBindgen => tools::wasm_bindgen(),
            Need::Geckodriver => tools::geckodriver(),
            Need::Node => node::node(),
            Need::NpmPackages => node::packages(),
            Need::Wasm => artifacts::wasm(),
            Need::Pkg => artifacts::pkg(),
            Need::Www => artifacts::www(),
            Need::Server => artifacts::server(),
            Need::Simulator => simulate::build(false),
            Need::Chromium => browsers::require(browsers::Browser::Chromium),
            Need::Firefox => browsers::require(browsers::Browser::Firefox),
            Need::WebKit => browsers::require(browsers::Browser::WebKit),
        }
    }
}
